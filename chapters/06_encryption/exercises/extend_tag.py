"""Length extension: who has seen a record with its tag SHA-256(key + record) makes a longer record with a valid tag, without the key."""
import hashlib
import struct

from medcrypt_lab.exercises import expect, expect_like, right, suspect, uses, wrong

points, minutes, difficulty = 4, 14, 4
sha256_padding = uses("encryption.sha256_padding")
hints = [
    "The server stopped with the state `tag`, after key, record *and padding*. You go on from there: which bytes has the server seen by then, and which do you feed in?",
    "The forged record is record + glue + extra, where glue is the padding of key and record. For its tag you feed in `extra` and the padding of *everything*: the key, too, is counted.",
    "`glue = sha256_padding(key_length + len(record))`; `forged = ...`; `rest = extra + sha256_padding(key_length + len(forged))`; then `forged_tag = tag`, and for each 64 bytes of "
    "rest `forged_tag = compress(forged_tag, ...)`.",
]
after = ("You asked at most once for each key length. SHA-256 is not at fault: nobody promised that SHA-256(key + record) is a seal. The glue stands in the record as odd bytes; "
         "a reader that splits at `;` and takes the last `dx` never minds.")


def extend_tag(record, tag, extra, accepts, compress):
    """The record, lengthened by `extra`, with a tag that is accepted.

    record, tag: bytes that were seen on their way to a server;
    tag = SHA-256(key + record), the key unknown. extra: bytes.
    accepts(record, tag) asks the server, True or False.
    compress(state, block): from 32 and 64 bytes the next 32.
    sha256_padding(length) is the function you wrote above.
    Returns (forged, forged_tag): record, glue, extra; and 32 bytes.
    """
    for key_length in range(8, 41):     # unknown: try them all
        # BEGIN SOLUTION
        forged = record + sha256_padding(key_length + len(record)) + extra
        rest = extra + sha256_padding(key_length + len(forged))
        forged_tag = tag
        for at in range(0, len(rest), 64):
            forged_tag = compress(forged_tag, rest[at:at + 64])
        # END SOLUTION
        if accepts(forged, forged_tag):
            return forged, forged_tag


START = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
CONSTANTS = """428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 d807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe 9bdc06a7 c19bf174
e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da 983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967
27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85 a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070
19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2"""
K = [int(word, 16) for word in CONSTANTS.split()]


def turn(x, n):
    return (x >> n | x << 32 - n) & 0xFFFFFFFF


def one_block(state, block):
    """SHA-256's compression function, FIPS 180-4, section 6.2.2."""
    if type(state) is not bytes or len(state) != 32:
        raise ValueError("compress takes a state of 32 bytes")
    if type(block) is not bytes or len(block) != 64:
        raise ValueError("compress takes a block of 64 bytes")
    w = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        small0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3
        small1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10
        w.append((w[i - 16] + small0 + w[i - 7] + small1) & 0xFFFFFFFF)
    words = struct.unpack(">8I", state)
    a, b, c, d, e, f, g, h = words
    for k, v in zip(K, w):
        t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + k + v
        t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (t1 + t2) & 0xFFFFFFFF, a, b, c, (d + t1) & 0xFFFFFFFF, e, f, g
    return struct.pack(">8I", *((x + y) & 0xFFFFFFFF for x, y in zip(words, (a, b, c, d, e, f, g, h))))


def tail(length):
    """The standard's padding, by search."""
    return next(b"\x80" + bytes(n) + struct.pack(">Q", length * 8) for n in range(64) if (length + n + 9) % 64 == 0)


def run(state, data):
    """compress over all whole blocks of data."""
    for at in range(0, len(data) - 63, 64):
        state = one_block(state, data[at:at + 64])
    return state


def check(answer, random):
    """A server with a key of its own, which counts the questions. hashlib says what is valid, and only the server knows the key."""
    for last in (False, True):
        key = random.bytes(random.randrange(20, 41))
        record = f"patient={random.randrange(1000, 9999)};dx=normal;size={random.randrange(10, 99)}mm".encode() + b";checked" * (6 * last)
        extra = b";dx=tumor" + b";note=" * (1 + 14 * last) + random.choice([b"urgent", b"operate"])
        tag, asked = hashlib.sha256(key + record).digest(), []

        def accepts(claimed, its_tag):
            asked.append((claimed, its_tag))
            return type(claimed) is type(its_tag) is bytes and hashlib.sha256(key + claimed).digest() == its_tag

        odd, fed = [], []

        def compress(state, block):
            fed.append(block if type(block) is bytes else b"")
            if type(block) is bytes and len(block) != 64:       # told below, in better words than an error's
                odd.append(block)
                return state
            return one_block(state, block)

        result = answer(record, tag, extra, accepts, compress)
        n = len(key) + len(record)
        glue = tail(n)
        forged = record + glue + extra
        whole = extra + tail(len(key) + len(forged))
        valid = type(result) is tuple and len(result) == 2 and result[0] != record and accepts(*result)
        records, tags = [r for r, _ in asked], [t for r, t in asked if type(r) is bytes and r == forged and not valid]    # tags at the right key length
        suspect(not asked and result is None, "The server was never asked.")
        suspect(any(type(part) is not bytes for pair in asked for part in pair), "You asked the server with something that is no bytes.")
        suspect(len(asked) > 33 + (result is not None), lambda: f"You asked {len(asked)} times. A server that counts would have noticed: once for each of the 33 key lengths is enough.")
        suspect(not valid and record + extra in records, "You asked for record + extra. Between them the server's hash has seen the padding of key and record; without it the state is another. The glue belongs into the record.")
        suspect(not valid and record + tail(len(record)) + extra in records, "Your glue is the padding of the record alone. The server hashed the key before it: count key_length, too.")
        suspect(not valid and forged + tail(len(key) + len(forged)) in records, "You sent the last padding along. The server appends it itself: feed it into compress, but leave it out of the record.")
        suspect(not valid and any(block.startswith(record[:8]) for block in fed), "You fed the record in again. It is in the tag already: only what comes after the glue goes in.")
        suspect(not valid and any(block.startswith(b"\x80") for block in fed), "You fed the glue in again. It is in the tag already: the server's hash ended with it.")
        suspect(any(block and len(block) % 64 == 0 for block in odd), lambda: f"You fed compress {max(map(len, odd))} bytes at once. It takes 64 at a time; what comes out goes in with the next 64.")
        suspect(any(block and block in extra for block in odd), lambda: f"You fed compress {len(odd[0])} bytes of `extra`, without padding. It takes 64: after `extra` comes the padding of all that was hashed.")
        suspect(odd, lambda: f"You fed compress {len(odd[0])} bytes; it takes 64. `extra` and the last padding fill whole blocks if that padding counts all that was hashed: key, record, glue and extra.")
        suspect(tag in tags, "The record is right, but you sent the old tag with it. Feed `extra` and a padding into compress, beginning with the old tag.")
        suspect(run(tag, extra + tail(len(extra))) in tags, "The last padding holds the length of `extra` alone. The server counts the key, the record and the glue before it, too.")
        suspect(run(START, whole) in tags or hashlib.sha256(extra).digest() in tags, "You began with SHA-256's starting state. The point is to go on where the server stopped: the tag is the state.")
        suspect(tags and not fed, "You never called compress. A new hash begins at SHA-256's starting state; compress goes on from a state that you give it, and the tag is one.")
        suspect(tags and any(block.startswith(extra) and not block[len(extra):].strip(b"\0") for block in fed), "You filled `extra` up with zeros only. After it comes a padding as SHA-256 makes it, "
                "with the byte 128 and a length.")
        suspect(len(whole) > 64 and one_block(tag, whole[-64:]) in tags, "Each block began from the old tag: only the last one counts. The state that comes out goes into the next block.")
        suspect(len(whole) > 64 and one_block(tag, whole[:64]) in tags, "`extra` and its padding are more than one block here, and you fed in the first only.")
        suspect(tags and hashlib.sha256(key + forged).digest() not in tags,
                "For the right key length the record was right and its tag was not. Does every key length begin anew, with the server's tag? And does everything go in: `extra`, then the padding?")
        suspect(result is None, lambda: f"None of your {len(asked)} records was right. For the right key length: the record, the padding of key and record, then `extra`.")
        suspect(isinstance(result, bytes), "You returned one thing; the forged record and its tag are asked for, as a tuple.")
        expect_like(result, (b"", b""))
        suspect(result == (record, tag), "That is the old record with its old tag. The server would accept it; nothing is forged.")
        suspect(result[::-1] == (forged, hashlib.sha256(key + forged).digest()), "First the record, then the tag.")
        suspect(not result[0].endswith(extra) or not result[0].startswith(record), "The forged record should begin with `record` and end with `extra`.")
        expect("the server accepts a longer record" + ", of several blocks" * last, hashlib.sha256(key + result[0]).digest() == result[1], "The server refuses this record with this tag.", points=4 * last)


@right
def in_one_go(record, tag, extra, accepts, compress):
    for guess in range(8, 41):
        n = guess + len(record)
        longer = record + sha256_padding(n) + extra
        feed, state = extra + sha256_padding(guess + len(longer)), tag
        while feed:
            state, feed = compress(state, feed[:64]), feed[64:]
        if accepts(longer, state):
            return longer, state


@right
def from_the_longest(record, tag, extra, accepts, compress):
    from functools import reduce
    for size in reversed(range(8, 41)):
        glue = sha256_padding(size + len(record))
        data = extra + sha256_padding(size + len(record) + len(glue) + len(extra))
        claim = b"".join([record, glue, extra]), reduce(compress, [data[k:k + 64] for k in range(0, len(data), 64)], tag)
        if accepts(*claim):
            return claim
    return None


def attempt(record, tag, extra, accepts, compress, glue=None, count=None, begin=None):
    """The attack with one thing wrong, for the answers below. glue, count: functions of (key length, record); begin: the first state."""
    for key_length in range(8, 41):
        between = sha256_padding(key_length + len(record)) if glue is None else glue(key_length, record)
        longer = record + between + extra
        feed = extra + sha256_padding(key_length + len(longer) if count is None else count(key_length, len(record), len(extra)))
        state = tag if begin is None else begin
        for at in range(0, len(feed), 64):
            state = compress(state, feed[at:at + 64])
        if accepts(longer, state):
            return longer, state
    return None


@wrong("The glue belongs into the record")
def no_glue(record, tag, extra, accepts, compress):
    return attempt(record, tag, extra, accepts, compress, glue=lambda key_length, record: b"", count=lambda key_length, record, extra: extra)


@wrong("Your glue is the padding of the record alone")
def without_the_key(record, tag, extra, accepts, compress):
    return attempt(record, tag, extra, accepts, compress, glue=lambda key_length, record: sha256_padding(len(record)))


@wrong("holds the length of `extra` alone")
def own_length(record, tag, extra, accepts, compress):
    return attempt(record, tag, extra, accepts, compress, count=lambda key_length, record, extra: extra)


@wrong("key, record, glue and extra.")
def glue_not_counted(record, tag, extra, accepts, compress):
    return attempt(record, tag, extra, accepts, compress, count=lambda key_length, record, extra: key_length + record + extra)


@wrong("go on where the server stopped")
def from_the_start(record, tag, extra, accepts, compress):
    return attempt(record, tag, extra, accepts, compress, begin=START)


@wrong("Does every key length begin anew")
def tag_overwritten(record, tag, extra, accepts, compress):
    for key_length in range(8, 41):
        longer = record + sha256_padding(key_length + len(record)) + extra
        feed = extra + sha256_padding(key_length + len(longer))
        for at in range(0, len(feed), 64):
            tag = compress(tag, feed[at:at + 64])
        if accepts(longer, tag):
            return longer, tag


def glued(record, extra, accepts, tag_of):
    """For answers whose record is right: each key length, with the tag that `tag_of(record, key_length)` makes."""
    for key_length in range(8, 41):
        longer = record + sha256_padding(key_length + len(record)) + extra
        if accepts(longer, state := tag_of(longer, key_length)):
            return longer, state


@wrong("leave it out of the record")
def padding_sent(record, tag, extra, accepts, compress):
    for key_length in range(8, 41):
        longer = record + sha256_padding(key_length + len(record)) + extra
        longer += sha256_padding(key_length + len(longer))
        state, feed = tag, longer[len(record + sha256_padding(key_length + len(record))):]
        for at in range(0, len(feed), 64):
            state = compress(state, feed[at:at + 64])
        if accepts(longer, state):
            return longer, state


@wrong("of `extra`, without padding")
def no_last_padding(record, tag, extra, accepts, compress):
    return glued(record, extra, accepts, lambda longer, key_length: compress(tag, extra))


@wrong("You never called compress")
def hash_of_the_tag(record, tag, extra, accepts, compress):
    return glued(record, extra, accepts, lambda longer, key_length: hashlib.sha256(tag + extra).digest())


@wrong("with zeros only")
def zeros_only(record, tag, extra, accepts, compress):
    return glued(record, extra, accepts, lambda longer, key_length: compress(tag, extra + bytes(-len(extra) % 64)))


@wrong("64 at a time")
def all_at_once(record, tag, extra, accepts, compress):
    return glued(record, extra, accepts, lambda longer, key_length: compress(tag, extra + sha256_padding(key_length + len(longer))))


@wrong("You fed the record in again")
def everything_again(record, tag, extra, accepts, compress):
    def fed(longer, key_length):
        feed = longer + sha256_padding(key_length + len(longer))
        state = tag
        while feed:
            state, feed = compress(state, feed[:64]), feed[64:]
        return state
    return glued(record, extra, accepts, fed)


@wrong("Each block began from the old tag")
def never_handed_on(record, tag, extra, accepts, compress):
    for key_length in range(8, 41):
        longer = record + sha256_padding(key_length + len(record)) + extra
        feed = extra + sha256_padding(key_length + len(longer))
        for at in range(0, len(feed), 64):
            state = compress(tag, feed[at:at + 64])
        if accepts(longer, state):
            return longer, state


@wrong("you sent the old tag with it")
def old_tag(record, tag, extra, accepts, compress):
    return glued(record, extra, accepts, lambda longer, key_length: tag)


@wrong("nothing is forged")
def not_forged(record, tag, extra, accepts, compress):
    return (record, tag) if accepts(record, tag) else None

"""The padding oracle: a server that says only whether the padding is right tells a block, byte by byte."""
from Crypto.Cipher import AES

from medcrypt_lab.exercises import expect, expect_like, right, score, suspect, wrong

points, minutes, difficulty = 6, 15, 4
hints = [
    "The oracle mixes your forged block with `behind`. At the last place exactly one guess gives padding 01 (and by accident another gives 02 02). At the place before, "
    "you first need 02 at the last one: which forged byte gives it, now that you know behind[15]?",
    "For each place: set every later byte of `forged` to behind[k] ^ value, then try all 256 guesses at `place` until the oracle says yes. Then behind[place] = guess ^ value. "
    "At place 15 ask again with byte 14 changed: padding 01 does not care.",
    "`for k in range(place + 1, 16): forged[k] = behind[k] ^ value`. In the other loop `if oracle(bytes(forged) + current):`, and in it: "
    "at place 15 flip `forged[14] ^= 1`, ask again, flip back; then keep `guess ^ value` and `break`. The text is `behind` XOR `previous`, byte by byte.",
]
after = ("No key, no weakness of AES: one bit of answer a question. It need not be said in words, either: a server that takes a little longer where the padding is right says the same "
         "(Canvel and others got a mail password out of TLS by such times, 2003).")

BUDGET = 5_000


def padding_oracle_block(oracle, previous, current):
    """The 16 bytes of text behind one block of a CBC ciphertext.

    oracle: a function. oracle(data), with data 32 bytes, a forged block
    and then `current`, is True if the text behind `current` then ends in
    right padding, else False. 5,000 calls a block are allowed.
    previous, current: two neighbors as they were sent, 16 bytes each.
    Returns 16 bytes (the padding too, if there is some in it).
    bytes(forged) + current is what an oracle takes.
    """
    behind = bytearray(16)          # what AES makes of current, unmixed
    for place in reversed(range(16)):
        value = 16 - place          # the padding to aim at: 01, then 02 02
        forged = bytearray(16)      # F; the zeros are yours to change
        # the later bytes of forged, step 3:
        # BEGIN SOLUTION
        for k in range(place + 1, 16):
            forged[k] = behind[k] ^ value
        # END SOLUTION
        for guess in range(256):
            forged[place] = guess
            # BEGIN SOLUTION
            if not oracle(bytes(forged) + current):
                continue
            if place == 15:
                forged[14] ^= 1
                by_accident = not oracle(bytes(forged) + current)
                forged[14] ^= 1
                if by_accident:
                    continue
            behind[place] = guess ^ value
            break
            # END SOLUTION
    # the text, step 4:
    # BEGIN SOLUTION
    return bytes(a ^ b for a, b in zip(behind, previous))
    # END SOLUTION


class Server:
    """Holds the key, answers yes or no, and counts."""

    def __init__(self, random):
        self.ecb = AES.new(random.bytes(32), AES.MODE_ECB)
        self.asked, self.odd = [], None

    def block(self, behind):
        """The ciphertext block that has these 16 bytes behind it."""
        return self.ecb.encrypt(bytes(behind))

    def __call__(self, data):
        data = bytes(data) if isinstance(data, bytearray) else data
        if not isinstance(data, bytes) or len(data) != 32:
            self.odd = data
            return False
        self.asked.append(data)
        if len(self.asked) > BUDGET:
            return False
        last = [a ^ b for a, b in zip(self.ecb.decrypt(data[16:]), data[:16])]
        return 0 < last[15] <= 16 and len(set(last[16 - last[15]:])) == 1


def ordinary(random):
    """(what is behind a block, the block before it): no accident, not too many questions, and at places 3 and 5 the guess must be 0 and 255."""
    previous = bytes(random.randrange(20, 256) for _ in range(16))
    while True:
        behind = bytearray(random.randrange(1, 256) for _ in range(16))
        behind[3], behind[5] = 13, 11 ^ 255
        if behind[14] not in (2, previous[14] ^ 2) and 1800 < sum(b ^ 16 - k for k, b in enumerate(behind)) < 2200:
            return behind, previous


def with_accident(random, begin, upward):
    """The same, but a guess at the last place gives 02 02 before another gives 01, for an answer that begins with byte 14 as `begin` or as `previous` has it,
    and counts upward (then the text really ends in 02 02) or downward."""
    previous, behind = (bytearray(random.randrange(128) for _ in range(14)) for _ in range(2))
    previous += bytes([begin, random.randrange(64) & 0xFD])
    behind += bytes([2 ^ begin, 2 ^ previous[15] if upward else random.randrange(64) & 0xFD])
    return behind, bytes(previous)


def check(answer, random):
    """Vaudenay 2002. The flag is the text behind a fresh block; the answer has an oracle for one key, and no key."""
    begin, questions = 0, 0
    for words, worth in (("a block", 2), ("a block that ends in 02 02", 2), ("another with an accident in its way", 2)):
        behind, previous = with_accident(random, begin, "02" in words) if questions else ordinary(random)
        server = Server(random)
        current = server.block(behind)
        text = bytes(a ^ b for a, b in zip(behind, previous))
        result = answer(server, previous, current)
        asked = server.asked
        suspect(server.odd is not None, "You asked the oracle with something else than 32 bytes: a forged block of 16, and `current` behind it.")
        suspect(isinstance(result, (list, bytearray)), "That is a list or a bytearray; bytes are asked for: `bytes(...)` around it.")
        expect_like(result, b"")
        suspect(not asked, "You never asked the oracle. It is the only one who knows something about the key.")
        suspect(len(asked) > BUDGET, f"More than {BUDGET:,} questions for one block. 256 a byte are enough, 4,096 in all, if each byte is found by itself.")
        suspect(all(data[16:] != current for data in asked), "You never asked about `current`: it is the second half of what the oracle gets. The first half is the block that you forge.")
        suspect(len({data[:16] for data in asked}) == 1, "You asked the same question again and again: the forged block never changed.")
        suspect(len(result) != 16, f"16 bytes are asked for; {len(result)} came.")
        suspect(len({data[15] for data in asked[:200]}) == 1 and len({data[0] for data in asked[:200]}) > 9,
                "You began with byte 0. Of padding the oracle sees the end first: byte 15, then 14, and so on to 0.")
        expect_all(result, text, behind, previous, asked)
        suspect(result[15] ^ text[15] == 3,
                "Byte 15 of a block came out off by 3: the oracle said yes to 02 02, not to 01. By accident the byte before was already a 2. When the last place gives a yes, "
                "change byte 14 of the forged block and ask again: if the yes stays, it was 01.")
        expect(f"{words}, from nothing but yes and no", result == text, lambda: f"{sum(a == b for a, b in zip(result, text))} of 16 bytes are those behind the block.", points=worth)
        if not questions:
            questions, begin = len(asked), 0 if asked[0][14] == previous[14] else asked[0][14]
    score("questions for the first block", questions, better="smaller")


def expect_all(result, text, behind, previous, asked):
    """The mistakes that show on the result, one of them also on the questions."""
    values = bytes(16 - k for k in range(16))
    suspect(result == bytes(behind), "Well found, but that is what AES makes of `current`. In CBC the text is that, mixed with the block before: one XOR with `previous` is missing.")
    suspect(result == bytes([16]) * 16, "16 times 16: you mixed `behind` with the block that you forged, and that made the padding. The text comes from the block that was sent: `previous`.")
    suspect(result == previous, "That is `previous` itself: `behind` is still all zeros. Each guess that the oracle likes tells one byte of it.")
    suspect(bytes(reversed(result)) == text, "All 16 bytes are right, and in reversed order.")
    suspect(bytes(a ^ b for a, b in zip(result, values)) == text, "Your result is the text, mixed with 01, 02, 03 and so on from its end: what the guess gives is `behind` mixed with the padding "
            "that you aimed at, so that value must go out again.")
    suspect(result[15] ^ text[15] == 1, "Byte 15 is off by 1. The guess that was liked made the padding, 01: behind[place] is the guess XOR that value, not the guess itself.")
    suspect(result[6:] == text[6:] and result[5] != text[5] and text[5] ^ previous[5] ^ 11 == 255, "Ten bytes are right. At place 5 of this block the guess had to be 255: do yours go from 0 to 255? "
            "`range(256)` does.")
    early = sum(data[15] == text[15] ^ 2 for data in asked)
    suspect(result[15] == text[15] and result[14] != text[14] and 200 < early < 300, "Byte 15 is right, and you mixed `previous` into it too early: what the forged block needs is `behind` as AES makes it. "
            "Keep it unmixed until all 16 are found.")
    suspect(result[15] == text[15] and result[14] != text[14] and result != text, "Byte 15 is right, byte 14 is not. For padding 02 02 the last byte must be 02 as well, so byte 15 of the forged block changes, "
            "too: behind[15] ^ 2. And so on: at each place all later bytes are set anew.")
    suspect(result[15] == behind[15] and result[14] != behind[14], "Two things are missing. Byte 15 is found, but not byte 14: for padding 02 02 the last byte must be 02 as well, so byte 15 of the forged block is set anew. "
            "And what you return is what AES makes of `current`; the text is that, mixed with `previous`.")


@right
def with_a_helper(oracle, previous, current):
    def padded(block):
        return oracle(bytes(block) + current)

    known = b""
    for value in range(1, 17):
        tail = bytes(b ^ value for b in known)
        for guess in range(256):
            start = bytes(16 - value)
            if padded(start + bytes([guess]) + tail) and (value > 1 or padded(b"\1" * 15 + bytes([guess]))):
                known = bytes([guess ^ value]) + known
                break
    return bytes(a ^ b for a, b in zip(known, previous))


@right
def downward_from_previous(oracle, previous, current):
    text = [0] * 16
    for place in range(15, -1, -1):
        value, block = 16 - place, bytearray(previous)
        for k in range(place + 1, 16):
            block[k] ^= text[k] ^ value
        candidates = []
        for letter in range(255, -1, -1):
            block[place] = previous[place] ^ letter ^ value
            if oracle(bytes(block) + current):
                candidates.append(letter)
                if place < 15:
                    break
        if len(candidates) > 1:
            block[14] ^= 255
            for letter in candidates:
                block[15] = previous[15] ^ letter ^ 1
                if oracle(bytes(block) + current):
                    candidates = [letter]
                    break
        text[place] = candidates[0]
    return bytes(text)


def search(oracle, previous, current, places=range(15, -1, -1), guesses=range(256), careful=True, keep=True, aim=None, mixed=True, anew=True):
    """The attack with one thing done differently, for the answers below."""
    behind, forged = bytearray(16), bytearray(16)
    for place in places:
        value = aim or 16 - place
        for k in range(place + 1, 16):
            if anew:
                forged[k] = behind[k] ^ value
        for guess in guesses:
            forged[place] = guess
            if oracle(bytes(forged) + current):
                other = bytearray(forged)
                other[14] ^= 7
                if place == 15 and careful and not oracle(bytes(other) + current):
                    continue
                behind[place] = guess ^ value * keep
                break
    return bytes(a ^ b * mixed for a, b in zip(behind, previous))


@wrong("the oracle said yes to 02 02")
def by_accident(oracle, previous, current):
    return search(oracle, previous, current, careful=False)


@wrong("Of padding the oracle sees the end first")
def from_the_front(oracle, previous, current):
    return search(oracle, previous, current, places=range(16))


@wrong("the guess XOR that value, not the guess itself")
def the_guess_itself(oracle, previous, current):
    return search(oracle, previous, current, keep=False)


@wrong("one XOR with `previous` is missing")
def unmixed(oracle, previous, current):
    return search(oracle, previous, current, mixed=False)


@wrong("all later bytes are set anew")
def never_set_anew(oracle, previous, current):
    return search(oracle, previous, current, anew=False)


@wrong("Two things are missing")
def zeros_all_the_way(oracle, previous, current):
    behind = [0] * 16
    for place in range(15, -1, -1):
        for guess in range(256):
            if oracle(bytes(place) + bytes([guess]) + bytes(15 - place) + current):
                behind[place] = guess ^ 16 - place
                break
    return bytes(behind)


@wrong("Keep it unmixed until all 16 are found")
def mixed_too_early(oracle, previous, current):
    text = bytearray(16)
    for place in range(15, -1, -1):
        value = 16 - place
        tail = bytes(text[k] ^ value for k in range(place + 1, 16))
        for guess in range(256):
            if oracle(bytes(place) + bytes([guess]) + tail + current):
                text[place] = guess ^ value ^ previous[place]
                break
    return bytes(text)


@wrong("you mixed `behind` with the block that you forged")
def with_the_forged_block(oracle, previous, current):
    text = search(oracle, previous, current)
    behind = bytes(a ^ b for a, b in zip(text, previous))
    forged = bytes(b ^ 16 for b in behind)
    return bytes(a ^ b for a, b in zip(behind, forged))


@wrong("do yours go from 0 to 255?")
def one_guess_short(oracle, previous, current):
    return search(oracle, previous, current, guesses=range(255))


@wrong("the forged block never changed")
def as_it_was_sent(oracle, previous, current):
    return search(lambda data: oracle(previous + current), previous, current)


@wrong("You never asked about `current`")
def only_the_forged_block(oracle, previous, current):
    return search(lambda data: oracle(data[:16] + previous), previous, current)


@wrong("something else than 32 bytes")
def one_block(oracle, previous, current):
    return search(lambda data: oracle(data[:16]), previous, current)


@wrong("questions for one block. 256 a byte are enough")
def two_bytes_at_once(oracle, previous, current):
    forged = bytearray(16)
    for first in range(256):
        for second in range(60):
            forged[14:] = bytes([second, first])
            oracle(bytes(forged) + current)
    return previous

"""Encrypt-then-MAC: CBC under one key, HMAC-SHA256 of all that is sent under another, and nothing is decrypted before the tag was compared."""
import hashlib
import hmac
import secrets

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

functions = ("encrypt_then_mac", "verify_then_decrypt")
points, minutes, difficulty = 6, 10, 3
hints = [
    "What may the wire change without being noticed? Nothing: so the tag covers all that is sent before it. And the receiver does first what the sender did last.",
    "Sealing: a fresh IV, CBC under cipher_key, then the tag of `head + iv + ciphertext` under mac_key. Opening: compute the tag of `sent`, "
    "compare, compare the head; only then call `decrypt`.",
    "`sent = head + iv + ciphertext`; return `sent + hmac.digest(mac_key, sent, \"sha256\")`. Opening: "
    "`if not hmac.compare_digest(...): raise ValueError(...)`; then `body = sent[len(head):]`, its first 16 bytes are the IV.",
]
after = ("If you compared the tags with `==`, it passes here, with this warning: `==` may stop at the first byte that differs, and the time it takes then tells how many were right. "
         "`hmac.compare_digest` always looks at all of them. Python as a whole is not constant time: real keys belong into a library like `cryptography`.")


def encrypt_then_mac(cipher_key, mac_key, header, data):
    """Bytes that the wire can neither read nor change.

    cipher_key, mac_key: 32 bytes each. header, data: bytes of any length.
    Layout: head | iv (16) | ciphertext | tag (32). The head begins with
    the header's length, so that nobody can move its end.
    cipher.encrypt(...) takes full blocks;
    hmac.digest(key, message, "sha256") is the tag of a message, 32 bytes.
    """
    head = len(header).to_bytes(4, "big") + header
    iv, padded = secrets.token_bytes(16), pad(data, 16)
    cipher = AES.new(cipher_key, AES.MODE_CBC, iv=iv)
    # BEGIN SOLUTION
    sent = head + iv + cipher.encrypt(padded)
    return sent + hmac.digest(mac_key, sent, "sha256")
    # END SOLUTION


def verify_then_decrypt(decrypt, mac_key, header, sealed):
    """The data, if every bit is as it was sealed under this header.

    decrypt: a function that holds the other key; decrypt(iv, ciphertext)
    gives the data, padding off. It must never be called with forged bytes.
    header: the one you expect. sealed: bytes of anybody.
    Raises ValueError for anything else, always the same one.
    hmac.compare_digest(a, b) compares tags.
    """
    head = len(header).to_bytes(4, "big") + header
    sent, tag = sealed[:-32], sealed[-32:]
    # BEGIN SOLUTION
    genuine = hmac.compare_digest(tag, hmac.digest(mac_key, sent, "sha256"))
    if not genuine or not sent.startswith(head):
        raise ValueError("refused")
    body = sent[len(head):]
    return decrypt(body[:16], body[16:])
    # END SOLUTION


def head_of(header):
    """The header with its length before it."""
    return bytes((0, 0, *divmod(len(header), 256))) + header


def tag_of(key, message):
    """HMAC by its definition (RFC 2104), so that the check does not lean on the function it checks."""
    inner, outer = (bytes(b ^ pad for b in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


def opened(key, iv, ciphertext):
    """CBC, padding off; None where it does not open."""
    if len(iv) != 16 or not ciphertext or len(ciphertext) % 16:
        return None
    text = AES.new(key, AES.MODE_CBC, iv=iv).decrypt(ciphertext)
    return text[:-text[-1]] if 0 < text[-1] <= 16 else None


def check(answer, random):
    """RFC 4231 gives the check's own HMAC away if it is wrong; then each half against the check's own other half, and every kind of tampering."""
    assert tag_of(b"Jefe", b"what do ya want for nothing?").hex().startswith("5bdcc146bf60754e6a042426089575c7")    # RFC 4231, test case 2
    for header, data in ((b"slice " + str(random.randrange(10, 99)).encode(), random.bytes(21)), (b"", random.bytes(32))):
        key, mac_key, head = random.bytes(32), random.bytes(32), head_of(header)
        sealed, again = answer.encrypt_then_mac(key, mac_key, header, data), answer.encrypt_then_mac(key, mac_key, header, data)
        suspect(isinstance(sealed, tuple), "You returned several values: join them, head + iv + ciphertext + tag.")
        expect_like(sealed, b"")
        expect_like(again, b"")
        suspect(data in sealed, "The data stands in the result as it is: nothing was encrypted.")
        size, start = len(head) + 16 + (len(data) // 16 + 1) * 16 + 32, len(head)
        suspect(len(sealed) == size - 16 and sealed.startswith(head), "Sixteen bytes are missing: whoever opens it needs the IV, too.")
        suspect(len(sealed) == size - len(head), f"The head, {len(head)} bytes, does not stand at the beginning.")
        suspect(len(sealed) == size - 32, "There is no room for a tag: 32 bytes are missing.")
        suspect(len(sealed) != size or not sealed.startswith(head), f"Expected {size} bytes, the head first; you gave {len(sealed)}.")
        iv, ciphertext, tag = sealed[start:start + 16], sealed[start + 16:-32], sealed[-32:]
        suspect(iv == again[start:start + 16], "Two seals have the same IV. Draw it anew each time: equal images would look equal on the wire.")
        suspect(opened(mac_key, iv, ciphertext) == data, "You encrypted with mac_key. One key for each task: cipher_key is that of the cipher.")
        suspect(opened(key, iv, ciphertext) != data, "With cipher_key and the IV from your bytes the ciphertext does not open. Was it CBC, with this IV, of `padded`?")
        said = [
            (tag_of(key, sealed[:-32]), "You made the tag with the key of the cipher. One key for each task: this one is mac_key's."),
            (tag_of(mac_key, iv + ciphertext), "The tag does not cover the head: anybody may write another patient's header before these bytes."),
            (tag_of(mac_key, ciphertext), "The tag covers the ciphertext alone: head and IV can be changed, and a changed IV changes the first block at will."),
            (tag_of(mac_key, head + ciphertext), "The tag does not cover the IV: whoever changes it changes the first 16 bytes of the text at will, and no tag complains."),
            (tag_of(mac_key, header + iv + ciphertext), "The tag covers the header without its length; it must cover the bytes as they are sent, `head + iv + ciphertext`."),
            (tag_of(mac_key, data), "The tag is of the data, not of what is sent: the receiver would have to decrypt forged bytes before it can check them."),
            (tag_of(mac_key, head + data), "The tag is of head and data, not of what is sent: the receiver would have to decrypt before it can check, and that is the oracle."),
            (tag_of(mac_key, head + iv + data), "The tag is of head, IV and data; the ciphertext, which is sent, is not under it: the receiver would have to decrypt before it can check, and that is the oracle."),
            (tag_of(mac_key, head + iv + data + bytes([16 - len(data) % 16]) * (16 - len(data) % 16)), "The tag is of the padded data, before it was encrypted: the receiver would have to decrypt before it can check."),
            (hashlib.sha256(mac_key + sealed[:-32]).digest(), "That is a hash of the key and the message, not HMAC; lesson 4 shows how such a tag is extended by others. `hmac.digest`."),
            (hashlib.sha256(sealed[:-32]).digest(), "That is a hash without a key: whoever changes the message computes it anew."),
        ]
        for other, words in said:
            suspect(tag == other, words)
        expect("two keys; the tag covers head, IV and ciphertext" if header else "so it does with an empty header", tag == tag_of(mac_key, sealed[:-32]), "The last 32 bytes are not HMAC-SHA256, under mac_key, of all that stands before them.",
               points=2 * (header == b""))

    key, mac_key, header, data = random.bytes(32), random.bytes(32), b"patient 4711", random.bytes(40)
    sealed, head = sealed_by_check(random, key, mac_key, header, data), head_of(header)
    called = []

    def decrypt(iv, ciphertext):
        called.append((iv, ciphertext))
        return data if (iv, ciphertext) == (sealed[len(head):len(head) + 16], sealed[len(head) + 16:-32]) else b""

    back = answer.verify_then_decrypt(decrypt, mac_key, header, sealed)
    expect_like(back, b"")
    suspect(not called, "You never called `decrypt`: it alone has the key.")
    suspect(called[-1][1:] == (sealed[len(head) + 16:],), "You gave `decrypt` the tag along with the ciphertext: the last 32 bytes are not encrypted.")
    suspect(called[-1][0] == sealed[:16], "You took the IV from the beginning; there stands the head. The IV follows it.")
    expect("opens what was sealed", back == data, "`decrypt` did not get the IV and the ciphertext that were sealed, or the data is not what came from it.")

    def flipped(place):
        forged = bytearray(sealed)
        forged[place] ^= 1 << random.randrange(8)
        return bytes(forged)

    other = b"patient 0815"
    attempts = [
        ("a flipped bit of the last block", flipped(-33), mac_key, header, "One bit of the ciphertext was flipped, and your function called it genuine."),
        ("a flipped bit of the IV", flipped(len(head)), mac_key, header, "One bit of the IV was flipped, and it opened."),
        ("a flipped bit at the end of the tag", flipped(-1), mac_key, header, "The last byte of the tag was another, and it opened: compare all 32."),
        ("a flipped bit of the head", flipped(4 + random.randrange(len(header))), mac_key, header,
         "One bit of the head was flipped on the way, and it opened: you took the tag over the head that you expect. Take it over the bytes that came, and compare their head besides."),
        ("another key", sealed, random.bytes(32), header, "It opened with another key for the tag."),
        ("a header that is genuine, and another one", sealed_by_check(random, key, mac_key, other, data), mac_key, header,
         "Bytes of another patient, rightly sealed under that header, opened as these. They are genuine, and not what was expected: compare with `head`."),
        ("a longer header that begins alike", sealed_by_check(random, key, mac_key, header + b"0", data), mac_key, header,
         "A longer header that begins like yours was taken for it: compare all of `head`, the four bytes of length, too."),
        ("a tag of another text before the ciphertext", sealed[:-32] + tag_of(mac_key, b""), mac_key, header, "The tag of nothing was accepted for these bytes."),
        ("a few bytes", sealed[:20], mac_key, header, "Twenty bytes came, and it opened."),
        ("nothing at all", b"", mac_key, header, "Nothing came, and it opened."),
    ]
    for words, forged, with_key, expecting, otherwise in attempts:
        called.clear()
        given_out = []
        how = refusal(lambda f=forged, k=with_key, h=expecting: given_out.append(answer.verify_then_decrypt(decrypt, k, h, f)))
        suspect(given_out and given_out[0] is None, "Forged bytes came and your function returned None: whoever called it goes on as if nothing had happened. Raise a ValueError.")
        suspect(how is None, otherwise)
        suspect(called, "Forged bytes were refused, but only after `decrypt` had seen them. That is the padding oracle's door: compare the tag first, and leave if it is wrong.")
        expect(f"refuses {words}, unopened", how == "ValueError", points=4 * (words == "nothing at all"), otherwise=f"{words.capitalize()} was refused by a {how}: raise a ValueError.")


def sealed_by_check(random, key, mac_key, header, data):
    """As encrypt_then_mac should."""
    n = 16 - len(data) % 16
    iv, plain = random.bytes(16), data + bytes([n]) * n
    sent = head_of(header) + iv + AES.new(key, AES.MODE_CBC, iv=iv).encrypt(plain)
    return sent + tag_of(mac_key, sent)


@right
def in_parts(cipher_key, mac_key, header, data):
    box = AES.new(cipher_key, AES.MODE_CBC)
    hidden = box.encrypt(pad(data, 16))
    seal = hmac.new(mac_key, digestmod=hashlib.sha256)
    parts = [len(header).to_bytes(4, "big"), header, box.iv, hidden]
    for part in parts:
        seal.update(part)
    return b"".join([*parts, seal.digest()])


@right
def another_library(cipher_key, mac_key, header, data):
    from Crypto.Hash import HMAC, SHA256
    box = AES.new(cipher_key, AES.MODE_CBC, iv=secrets.token_bytes(16))
    message = len(header).to_bytes(4, "big") + header + box.iv + box.encrypt(pad(data, 16))
    return message + HMAC.new(mac_key, message, SHA256).digest()


def sealing(cipher_key, mac_key, header, data, tag, iv=None):
    """tag(head, iv, ciphertext) -> the tag, for the answers below."""
    iv = iv or secrets.token_bytes(16)
    head = head_of(header)
    ciphertext = AES.new(cipher_key, AES.MODE_CBC, iv=iv).encrypt(pad(data, 16))
    return head + iv + ciphertext + tag(head, iv, ciphertext)


@wrong("The tag does not cover the IV")
def without_the_iv(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, head + c, "sha256"))


@wrong("The tag does not cover the head")
def without_the_head(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, iv + c, "sha256"))


@wrong("this one is mac_key's")
def one_key(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(cipher_key, head + iv + c, "sha256"))


@wrong("The tag is of the data, not of what is sent")
def mac_of_the_data(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, data, "sha256"))


@wrong("the ciphertext, which is sent, is not under it")
def mac_of_all_but_the_ciphertext(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, head + iv + data, "sha256"))


@wrong("The tag is of the padded data")
def mac_before_encrypting(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, head + iv + pad(data, 16), "sha256"))


@wrong("a hash of the key and the message, not HMAC")
def a_hash_with_the_key(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hashlib.sha256(mac_key + head + iv + c).digest())


@wrong("Two seals have the same IV")
def fixed_iv(cipher_key, mac_key, header, data):
    return sealing(cipher_key, mac_key, header, data, lambda head, iv, c: hmac.digest(mac_key, head + iv + c, "sha256"), iv=bytes(16))


@wrong("only after `decrypt` had seen them", of="verify_then_decrypt")
def decrypted_first(decrypt, mac_key, header, sealed):
    head = head_of(header)
    message, tag = sealed[:-32], sealed[-32:]
    data = decrypt(message[len(head):len(head) + 16], message[len(head) + 16:])
    if hmac.digest(mac_key, message, "sha256") != tag or message[:len(head)] != head:
        raise ValueError
    return data


@wrong("your function called it genuine", of="verify_then_decrypt")
def never_verified(decrypt, mac_key, header, sealed):
    head = head_of(header)
    if sealed[:len(head)] != head:
        raise ValueError("another header")
    return decrypt(sealed[len(head):len(head) + 16], sealed[len(head) + 16:-32])


@wrong("They are genuine, and not what was expected", of="verify_then_decrypt")
def any_header(decrypt, mac_key, header, sealed):
    if len(sealed) < 36 or not hmac.compare_digest(sealed[-32:], hmac.digest(mac_key, sealed[:-32], "sha256")):
        raise ValueError("forged")
    place = 4 + int.from_bytes(sealed[:4], "big")
    return decrypt(sealed[place:place + 16], sealed[place + 16:-32])


@wrong("the tag over the head that you expect", of="verify_then_decrypt")
def own_head(decrypt, mac_key, header, sealed):
    place = 4 + len(header)
    message, tag = head_of(header) + sealed[place:-32], sealed[-32:]
    if not hmac.compare_digest(hmac.digest(mac_key, message, "sha256"), tag):
        raise ValueError("forged")
    return decrypt(sealed[place:place + 16], sealed[place + 16:-32])


@wrong("compare all 32", of="verify_then_decrypt")
def four_bytes_of_tag(decrypt, mac_key, header, sealed):
    head = head_of(header)
    message, tag = sealed[:-32], sealed[-32:]
    if hmac.digest(mac_key, message, "sha256")[:4] != tag[:4] or not message.startswith(head):
        raise ValueError
    return decrypt(message[len(head):][:16], message[len(head):][16:])


@wrong("as if nothing had happened", of="verify_then_decrypt")
def nothing_instead(decrypt, mac_key, header, sealed):
    head = head_of(header)
    message, tag = sealed[:-32], sealed[-32:]
    if hmac.digest(mac_key, message, "sha256") == tag and message.startswith(head):
        return decrypt(message[len(head):len(head) + 16], message[len(head) + 16:])

"""Seal an image with AES-128-GCM under a header, and open it only if everything is as it was sealed."""
import secrets

import numpy as np
from Crypto.Cipher import AES

from medcrypt_lab.exercises import close, expect, expect_like, refusal, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

functions = ("seal_image", "open_image")
points, minutes, difficulty = 6, 12, 3
hints = [
    "Sealing: a fresh nonce, a cipher, the header into `update`, the pixels into `encrypt_and_digest`, then everything in the order of the layout. "
    "Opening is the same with `decrypt_and_verify`. Which header do you give to `update` there: yours or the one that came along?",
    "Whoever opens knows what they expect. Compare `sealed[28:...]` with `head`, the length and the header, before anything else, and give "
    "`update` the expected header. `decrypt_and_verify` raises a ValueError by itself.",
    "`cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)`; `cipher.update(header)`; `ciphertext, tag = cipher.encrypt_and_digest(image.tobytes())`; "
    "return `nonce + tag + head + ciphertext`. Opening: `nonce, tag = sealed[:12], sealed[12:28]`, `body = sealed[28 + len(head):]`.",
]
after = "An older image of the same slice, sealed with the same header, still opens: no cipher knows the time. Whoever receives must remember what has been seen."


def seal_image(key, image, header):
    """An image that only the key's holders can read or change: bytes.

    key: 16 bytes. image: uint8, any shape. header: bytes, not secret.
    Layout: nonce (12 bytes) | tag (16) | head | ciphertext.
    AES.new(key, AES.MODE_GCM, nonce=...) makes a cipher; its methods:
    update(header), encrypt_and_digest(data) -> (ciphertext, tag), with
    bytes as data: image.tobytes(). secrets.token_bytes(n) draws n bytes.
    """
    head = len(header).to_bytes(4, "big") + header
    # BEGIN SOLUTION
    nonce = secrets.token_bytes(12)
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(header)
    ciphertext, tag = cipher.encrypt_and_digest(image.tobytes())
    return nonce + tag + head + ciphertext
    # END SOLUTION


def open_image(key, sealed, header, shape):
    """The image, if every bit is as it was sealed under this header.

    sealed: bytes of anybody. header: the one you expect, not the one in
    sealed. shape: the image's. Returns a uint8 array.
    Raises ValueError for anything else, before using any of it.
    Its cipher's methods: update(header), decrypt_and_verify(data, tag),
    which raises ValueError. np.frombuffer(data, np.uint8) is flat.
    """
    head = len(header).to_bytes(4, "big") + header
    # BEGIN SOLUTION
    nonce, tag = sealed[:12], sealed[12:28]
    if sealed[28:28 + len(head)] != head:
        raise ValueError("not the header that was expected")
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(header)
    pixels = cipher.decrypt_and_verify(sealed[28 + len(head):], tag)
    return np.frombuffer(pixels, np.uint8).reshape(shape)
    # END SOLUTION


def head_of(header):
    """The header with its length before it."""
    return bytes((0, 0, *divmod(len(header), 256))) + header


def sealed_by_check(random, key, image, header, told=None):
    """As seal_image should; told: another header for the cipher."""
    nonce = random.bytes(12)
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(header if told is None else told)
    ciphertext, tag = cipher.encrypt_and_digest(image.tobytes())
    return nonce + tag + head_of(header) + ciphertext


def opens(key, sealed, told, body, nonce=None, tag=None):
    """Do these bytes open with this header told to the cipher? -> the plaintext or None."""
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12] if nonce is None else nonce)
    cipher.update(told)
    try:
        return cipher.decrypt_and_verify(body, sealed[12:28] if tag is None else tag)
    except ValueError:
        return None


def check(answer, random):
    """NIST SP 800-38D through pycryptodome, each half against the check's own other half; then every kind of tampering."""
    key, header = random.bytes(16), b"version 1, slice " + str(random.randrange(10, 99)).encode()
    image = random.numpy().integers(0, 256, (6, 8), dtype=np.uint8)
    pixels, head = image.tobytes(), head_of(header)
    try:
        sealed, again = answer.seal_image(key, image, header), answer.seal_image(key, image, header)
    except NotYet as error:
        suspect("cannot be passed to C code" in error.sentence, f"{error.sentence} A cipher takes bytes; an array becomes bytes by `.tobytes()`.")
        raise
    suspect(isinstance(sealed, tuple), "You returned several values: join them, nonce + tag + head + ciphertext.")
    expect_like(sealed, b"")
    expect_like(again, b"")
    suspect(pixels in sealed, "The pixels stand in the result as they are: nothing was encrypted.")
    suspect(sealed == again, "Two seals of one image are equal: your nonce is always the same. A nonce may seal one message only.")
    suspect(sealed[:12] == again[:12] and len(sealed) == len(again), "Two seals begin with the same 12 bytes. A nonce may seal one message only; draw it anew each time.")
    place = sealed.find(head)
    suspect(place < 0, "The header with its length, `head`, does not stand in the result: whoever opens it looks there.")
    suspect(place == 32, "Before the header stand 32 bytes: pycryptodome chose a nonce of 16. Give it 12 of your own, `nonce=secrets.token_bytes(12)`.")
    suspect(place == 12, "The header follows the nonce; the tag comes between: nonce | tag | head | ciphertext.")
    suspect(len(sealed) == 12 + len(head) + 48, "Something is missing: 12 bytes of nonce, 16 of tag, the head, and as many bytes as pixels.")
    suspect(place != 28 or len(sealed) != 28 + len(head) + 48, f"Expected {28 + len(head) + 48} bytes, head from byte 28; you gave {len(sealed)}, head from byte {place}.")
    body = sealed[28 + len(head):]
    suspect(opens(key, sealed, b"", body) == pixels, "The header went along but the cipher never heard of it: anybody may exchange it. `cipher.update(header)` comes before encrypting.")
    suspect(opens(key, sealed, head, body) == pixels, "You gave `update` the header with its length; the header alone is asked for.")
    suspect(opens(key, sealed, header, body, nonce=sealed[16:28], tag=sealed[:16]) == pixels, "The tag stands before the nonce; the layout begins with the nonce.")
    stream = AES.new(key, AES.MODE_CTR, nonce=sealed[:12], initial_value=2).encrypt(pixels)
    suspect(body == stream and opens(key, sealed, header, body) is None, "The pixels are encrypted, but what stands for the tag is not the tag of this header and these pixels. "
            "Does `update` come before `encrypt_and_digest`, with the header?")
    expect("seals with AES-GCM, header and all", opens(key, sealed, header, body) == pixels, "With the key, the nonce and the header your seal does not open. Was it MODE_GCM, with this key?")
    nonces = {answer.seal_image(key, image, header)[:12] for _ in range(3)} | {sealed[:12], again[:12]}
    expect("a fresh nonce each time", len(nonces) == 5, "Of five seals two had the same nonce.", points=2)

    # Only what the check itself sealed from here on.
    sealed = sealed_by_check(random, key, image, header)
    tried = []
    if refusal(lambda: tried.append(answer.open_image(key, sealed, header, (6, 8)))) == "ValueError":
        for told, words in ((b"", "`update(header)` comes before `decrypt_and_verify`: without it the cipher checks a tag of no header."),
                            (head, "open_image gave `update` the header with its length; the header alone was sealed.")):
            strange = sealed_by_check(random, key, image, header, told=told)
            suspect(refusal(lambda s=strange: answer.open_image(key, s, header, (6, 8))) is None, "A right seal was refused. " + words)
        suspect(True, "A right seal was refused by a ValueError. Do you cut it where the layout says: 12 bytes of nonce, 16 of tag, all of `head`, the rest?")
    back = tried[0] if tried else answer.open_image(key, sealed, header, (6, 8))
    suspect(hasattr(back, "shape") and tuple(back.shape) == (48,), "The image came back flat: `.reshape(shape)`.")
    expect_like(back, image)
    expect("opens what was sealed", close(back.astype(int), image.astype(int), 0), "The pixels are not those that were sealed.", got=back, expected=image)
    volume = random.numpy().integers(0, 256, (2, 3, 4), dtype=np.uint8)
    expect("of any shape", close(answer.open_image(key, sealed_by_check(random, key, volume, header), header, (2, 3, 4)).astype(int), volume.astype(int), 0),
           "A volume of (2, 3, 4) did not come back.")

    def flipped(place):
        data = bytearray(sealed)
        data[place] ^= 1 << random.randrange(8)
        return bytes(data)

    other = header[:-1] + bytes([header[-1] ^ 1])
    honest_other = sealed_by_check(random, key, image, other)
    attempts = [
        ("a flipped bit of the ciphertext", flipped(random.randrange(28 + len(head), len(sealed))), key, header,
         "One bit of the ciphertext was flipped and your function gave a picture. `decrypt` alone never looks at the tag: `decrypt_and_verify`."),
        ("another slice, rightly sealed with its own header", honest_other, key, header,
         "A seal of another slice opened as this one. It is genuine, but not what was expected: use the argument `header`, not the one that came along."),
        ("a flipped bit of the header", flipped(random.randrange(32, 28 + len(head))), key, header,
         "The header in the bytes was changed and nobody noticed: compare it with `head`."),
        ("a changed length of the header", flipped(random.randrange(28, 32)), key, header, "The four bytes of length were changed and nobody noticed: compare all of `head`."),
        ("a flipped bit of the nonce", flipped(random.randrange(12)), key, header, "One bit of the nonce was flipped and it opened."),
        ("a flipped bit of the tag", flipped(random.randrange(12, 28)), key, header, "One bit of the tag was flipped and it opened: compare all 16 bytes."),
        ("another key", sealed, random.bytes(16), header, "It opened with another key."),
        ("a header that the cipher was never told", sealed_by_check(random, key, image, header, told=b""), key, header,
         "A seal whose header was not authenticated opened: `update(header)` belongs into open_image, too."),
        ("a seal that was cut short", sealed[:20], key, header, "Twenty bytes, and it opened."),
        ("nothing at all", b"", key, header, "Nothing, and it opened."),
    ]
    for words, forged, with_key, expecting, otherwise in attempts:
        given_out = []
        how = refusal(lambda f=forged, k=with_key, h=expecting: given_out.append(answer.open_image(k, f, h, (6, 8))))
        suspect(given_out and given_out[0] is None, "Forged bytes came and your function returned None: whoever called it goes on as if nothing had happened. Let the ValueError through.")
        suspect(how is None, otherwise)
        expect(f"refuses {words}", how == "ValueError", points=4 * (words == attempts[-1][0]), otherwise=f"{words.capitalize()} was refused by a {how}, which the caller does not expect: check what you were given before you use it, "
               "and raise a ValueError.")


@right
def in_parts(key, image, header):
    cipher = AES.new(key, AES.MODE_GCM, nonce=secrets.token_bytes(12), mac_len=16)
    cipher.update(header)
    hidden = cipher.encrypt(np.ascontiguousarray(image).tobytes())
    return b"".join([cipher.nonce, cipher.digest(), len(header).to_bytes(4, "big"), header, hidden])


def opened(key, sealed, header, shape):
    """Careful all through: for the answers below."""
    head = head_of(header)
    nonce, tag, theirs, body = sealed[:12], sealed[12:28], sealed[28:28 + len(head)], sealed[28 + len(head):]
    if len(sealed) < 28 or theirs != head:
        raise ValueError("refused")
    cipher = AES.new(key, AES.MODE_GCM, nonce)
    cipher.update(header)
    return np.frombuffer(cipher.decrypt_and_verify(body, tag), dtype=np.uint8).reshape(shape)


@right
def another_order(key, image, header):
    import os
    nonce = os.urandom(12)
    box = AES.new(key, AES.MODE_GCM, nonce)
    box.update(header)
    hidden, tag = box.encrypt_and_digest(bytes(image.ravel().tolist()))
    return nonce + tag + len(header).to_bytes(4, "big") + header + hidden


@wrong("pycryptodome chose a nonce of 16")
def default_nonce(key, image, header):
    cipher = AES.new(key, AES.MODE_GCM)
    cipher.update(header)
    hidden, tag = cipher.encrypt_and_digest(image.tobytes())
    return cipher.nonce + tag + len(header).to_bytes(4, "big") + header + hidden


@wrong("your nonce is always the same")
def fixed_nonce(key, image, header):
    cipher = AES.new(key, AES.MODE_GCM, nonce=bytes(12))
    cipher.update(header)
    hidden, tag = cipher.encrypt_and_digest(image.tobytes())
    return cipher.nonce + tag + len(header).to_bytes(4, "big") + header + hidden


@wrong("the cipher never heard of it")
def header_beside(key, image, header):
    nonce = secrets.token_bytes(12)
    hidden, tag = AES.new(key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(image.tobytes())
    return nonce + tag + len(header).to_bytes(4, "big") + header + hidden


@wrong("You returned several values")
def as_a_tuple(key, image, header):
    nonce = secrets.token_bytes(12)
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(header)
    return (nonce, *cipher.encrypt_and_digest(image.tobytes()))


@wrong("what stands for the tag is not the tag")
def no_tag(key, image, header):
    nonce = secrets.token_bytes(12)
    cipher = AES.new(key, AES.MODE_CTR, nonce=nonce, initial_value=2)
    return nonce + bytes(16) + len(header).to_bytes(4, "big") + header + cipher.encrypt(image.tobytes())


@wrong("nothing was encrypted")
def only_signed(key, image, header):
    nonce = secrets.token_bytes(12)
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(header + image.tobytes())
    return nonce + cipher.digest() + len(header).to_bytes(4, "big") + header + image.tobytes()


@wrong("`decrypt` alone never looks at the tag", of="open_image")
def never_verified(key, sealed, header, shape):
    head = head_of(header)
    if sealed[28:28 + len(head)] != head:
        raise ValueError("another header")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(header)
    return np.frombuffer(cipher.decrypt(sealed[28 + len(head):]), np.uint8).reshape(shape)


@wrong("use the argument `header`, not the one that came along", of="open_image")
def believes_the_header(key, sealed, header, shape):
    length = int.from_bytes(sealed[28:32], "big")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(sealed[32:32 + length])
    return np.frombuffer(cipher.decrypt_and_verify(sealed[32 + length:], sealed[12:28]), np.uint8).reshape(shape)


@wrong("compare it with `head`", of="open_image")
def never_compared(key, sealed, header, shape):
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(header)
    return np.frombuffer(cipher.decrypt_and_verify(sealed[32 + len(header):], sealed[12:28]), np.uint8).reshape(shape)


@wrong("compare all of `head`", of="open_image")
def length_ignored(key, sealed, header, shape):
    if sealed[32:32 + len(header)] != header:
        raise ValueError("another header")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(header)
    return np.frombuffer(cipher.decrypt_and_verify(sealed[32 + len(header):], sealed[12:28]), np.uint8).reshape(shape)


@wrong("A cipher takes bytes; an array becomes")
def of_the_array(key, image, header):
    nonce = secrets.token_bytes(12)
    cipher = AES.new(key, AES.MODE_GCM, nonce)
    cipher.update(header)
    hidden, tag = cipher.encrypt_and_digest(image)
    return nonce + tag + head_of(header) + hidden


@wrong("Do you cut it where the layout says", of="open_image")
def tag_at_the_end(key, sealed, header, shape):
    head = head_of(header)
    if sealed[12:12 + len(head)] != head:
        raise ValueError("another header")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(header)
    return np.frombuffer(cipher.decrypt_and_verify(sealed[12 + len(head):-16], sealed[-16:]), np.uint8).reshape(shape)


@wrong("without it the cipher checks a tag of no header", of="open_image")
def never_told(key, sealed, header, shape):
    head = head_of(header)
    if sealed[28:28 + len(head)] != head:
        raise ValueError("another header")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    return np.frombuffer(cipher.decrypt_and_verify(sealed[28 + len(head):], sealed[12:28]), np.uint8).reshape(shape)


@wrong("the header alone was sealed", of="open_image")
def told_the_head(key, sealed, header, shape):
    head = head_of(header)
    if sealed[28:28 + len(head)] != head:
        raise ValueError("another header")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:12])
    cipher.update(head)
    return np.frombuffer(cipher.decrypt_and_verify(sealed[28 + len(head):], sealed[12:28]), np.uint8).reshape(shape)


@wrong("The image came back flat", of="open_image")
def flat(key, sealed, header, shape):
    return opened(key, sealed, header, -1)


@wrong("was refused by a TypeError", of="open_image")
def swallowed(key, sealed, header, shape):
    try:
        return opened(key, sealed, header, shape)
    except ValueError:
        raise TypeError("no") from None


@wrong("as if nothing had happened", of="open_image")
def nothing_instead(key, sealed, header, shape):
    try:
        return opened(key, sealed, header, shape)
    except ValueError:
        return None

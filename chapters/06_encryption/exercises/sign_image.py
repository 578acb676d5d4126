"""An Ed25519 signature under a header and the pixels, and its check by one who holds no secret."""
import hashlib

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

functions = ("sign_image", "verify_image")
points, minutes, difficulty = 5, 10, 2
hints = [
    "Both functions need the same message, byte for byte: the one signs it, the other verifies it. It begins with the header's length.",
    "`len(header).to_bytes(4, \"big\") + header + image.tobytes()`. What does verify_image say when `.verify` has raised nothing?",
    "Signing: `Ed25519PrivateKey.from_private_bytes(private).sign(message)`. Verifying: `.verify(signature, message)` in a `try`, "
    "`return True` after it, and `except InvalidSignature: return False`.",
]
after = "The verifier holds nothing secret: it may be anybody, and whoever breaks into it still cannot sign."


def sign_image(private, header, image):
    """The scanner's signature under a header and pixels: 64 bytes.

    private: 32 bytes. header: bytes. image: uint8, any shape.
    Signed is, in one: the header's length (4 bytes, "big"), the header,
    image.tobytes().
    Ed25519PrivateKey.from_private_bytes(private) has .sign(message).
    """
    # BEGIN SOLUTION
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)
    # END SOLUTION


def verify_image(public, header, image, signature):
    """Did the scanner sign this header and these pixels? True or False.

    public: 32 bytes, known to all. signature: bytes of anybody.
    Ed25519PublicKey.from_public_bytes(public) has
    .verify(signature, message): it returns nothing if all is well, and
    raises InvalidSignature if not.
    """
    # BEGIN SOLUTION
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
    # END SOLUTION


def check(answer, random):
    """RFC 8032 through OpenSSL: signatures of Ed25519 are the same each time, so sign_image is compared byte for byte."""
    private, other = random.bytes(32), random.bytes(32)
    signer = Ed25519PrivateKey.from_private_bytes(private)
    public = signer.public_key().public_bytes_raw()
    header = b"patient 4711, slice " + str(random.randrange(10, 99)).encode() + b", 6x8"
    image = random.numpy().integers(8, 248, (6, 8), dtype=np.uint8)
    pixels = image.tobytes()
    message = bytes((0, 0, 0, len(header))) + header + pixels

    for key, head, picture in ((private, header, image), (other, header + b", again", image[:4])):
        signature, shown, by = answer.sign_image(key, head, picture), picture.tobytes(), Ed25519PrivateKey.from_private_bytes(key)
        expect_like(signature, b"")
        length = bytes((0, 0, 0, len(head)))
        suspect(shown in signature, "You returned the image, too: only the signature is asked for.")
        sloppy = {
            shown: "Only the pixels are signed: with another patient's header the signature would be as good.",
            head: "Only the header is signed: any pixels go with it.",
            head + shown: "Header and pixels are signed, but nothing says where the one ends: a byte of the pixels could pass as one of the header. Its length comes first.",
            head + shown + length: "The length of the header comes before it, not at the end.",
            length[::-1] + head + shown: "The length's four bytes are turned round: `to_bytes(4, \"big\")`.",
            bytes((0, 0, 0, len(shown))) + head + shown: "The length is that of the pixels; the header's is asked for.",
            hashlib.sha256(length + head + shown).digest(): "You signed a hash of the message. Ed25519 hashes by itself: give it the message.",
            length + head + str(picture).encode(): "You signed the image as text (`str`); of a large one that shows only the corners. `image.tobytes()`.",
        }
        for said, words in sloppy.items():
            suspect(signature == by.sign(said), words)
        suspect(len(signature) != 64, f"A signature has 64 bytes, yours {len(signature)}.")
        expect("signs header and pixels" if key == private else "and others with another key", signature == by.sign(length + head + shown), "This is not the signature of length | header | pixels under this private key.", points=2 * (key == other))

    signature = signer.sign(message)
    how, said = refused(answer, public, header, image, signature)
    suspect(how is not None, f"The scanner's own signature led to {how}: is it `.verify(signature, message)`, in this order, and is the message that of sign_image?")
    suspect(said is None, "The signature is right and your function returned None: `.verify` returns nothing when all is well. After it comes `return True`.")
    expect_like(said, True)
    for part, words in ((pixels, "Your verify_image looks at the pixels only: with another patient's header the signature would be as good."),
                        (header + pixels, "Your verify_image knows nothing of the header's length, which is signed, too.")):
        if not said:
            how, anyway = refused(answer, public, header, image, signer.sign(part))
            suspect(how is None and anyway is True, words)
    attempts = [
        ("pixels moved by four gray levels", header, image + np.where(random.numpy().random((6, 8)) < 0.5, 4, -4).astype(np.int8).view(np.uint8), signature),
        ("another patient's header", header.replace(b"4711", b"0815"), image, signature),
        ("a byte moved from the pixels to the header", header + pixels[:1], np.frombuffer(pixels[1:], np.uint8), signature),
        ("the signature of another scanner", header, image, Ed25519PrivateKey.from_private_bytes(other).sign(message)),
        ("a flipped bit of the signature", header, image, bytes([signature[0] ^ 1 << random.randrange(8)]) + signature[1:]),
        ("half a signature", header, image, signature[:32]),
    ]
    results = [(words, *refused(answer, public, head, picture, some)) for words, head, picture, some in attempts]
    suspect(said and all(how is None and result is True for _, how, result in results), "Your verify_image says True to everything, to forged pixels, too: the error that `.verify` raises must lead to False.")
    suspect(not said and all(how is None and result is False for _, how, result in results), "Your verify_image says False to everything, even to the scanner's own signature.")
    expect("accepts what the scanner signed", said, "The scanner's own signature was not accepted. `.verify` returns None when all is well, and `if None` is false: whatever it did not raise for is True.")
    for words, how, result in results:
        suspect(how is not None, f"Forged ({words}), and your function raised {how} instead of saying False: `except InvalidSignature:`.")
        suspect(result is None, f"Forged ({words}), and your function returned None: say False.")
        expect_like(result, False)
        suspect(result, f"Forged ({words}), and your function said True.")
        expect(f"refuses {words}", result is False, "It should be False.", points=3 * (words == results[-1][0]))


def refused(answer, *given):
    """(the name of the error or None, what was returned) of verify_image."""
    results = []
    how = refusal(lambda: results.append(answer.verify_image(*given)))
    return how, results[0] if results else None


@right
def in_parts(private, header, image):
    parts = [len(header).to_bytes(4, "big"), header, image.ravel().tobytes()]
    return Ed25519PrivateKey.from_private_bytes(private).sign(b"".join(parts))


@right
def with_pycryptodome(private, header, image):
    from Crypto.Signature import eddsa
    signer = eddsa.new(eddsa.import_private_key(private), "rfc8032")
    return signer.sign(int.to_bytes(len(header), 4, "big") + header + bytes(image.ravel().tolist()))


@wrong("Only the pixels are signed")
def pixels_only(private, header, image):
    return Ed25519PrivateKey.from_private_bytes(private).sign(image.tobytes())


@wrong("nothing says where the one ends")
def no_length(private, header, image):
    return Ed25519PrivateKey.from_private_bytes(private).sign(header + image.tobytes())


@wrong("You signed a hash")
def a_hash(private, header, image):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    return Ed25519PrivateKey.from_private_bytes(private).sign(hashlib.sha256(message).digest())


@wrong("as text (`str`)")
def as_text(private, header, image):
    message = len(header).to_bytes(4, "big") + header + str(image).encode()
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


@wrong("You returned the image, too")
def all_of_it(private, header, image):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    return Ed25519PrivateKey.from_private_bytes(private).sign(message) + message


@wrong("returned None: `.verify` returns nothing", of="verify_image")
def says_nothing(public, header, image, signature):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    return Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


@wrong("says True to everything", of="verify_image")
def swallowed(public, header, image, signature):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        pass
    return True


@wrong("raised InvalidSignature instead of saying False", of="verify_image")
def not_caught(public, header, image, signature):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    return True


@wrong("says False to everything", of="verify_image")
def none_is_false(public, header, image, signature):
    message = len(header).to_bytes(4, "big") + header + image.tobytes()
    try:
        return bool(Ed25519PublicKey.from_public_bytes(public).verify(signature, message))
    except InvalidSignature:
        return False


@wrong("looks at the pixels only", of="verify_image")
def header_ignored(public, header, image, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, image.tobytes())
        return True
    except InvalidSignature:
        return False

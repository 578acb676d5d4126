"""Two images under one keystream: whoever knows one of them has the other."""
import numpy as np

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 2, 6, 2
without = ["Crypto", "cryptography"]
hints = [
    "Each ciphertext is its image XOR the same keystream. What is left of the keystream in first ^ second?",
    "first ^ second is one image XOR the other: no key in it. You know one of the two.",
    "XOR twice, each time by the stub's line: once to get the keystream out of `first`, once to take it off `second`.",
]
after = "No key was needed, and no weakness of AES. The same nonce twice under one key is enough, and in GCM it also gives the attacker what forges tags."


def keystream_reuse(first, second, known):
    """What is behind `second`, from what is behind `first`.

    first, second: ciphertexts, bytes, under one keystream from its
    beginning. known: the bytes that were encrypted as `first`.
    Returns bytes, as many as the shorter ciphertext has.
    Bytes have no ^ of their own: bytes(a ^ b for a, b in zip(x, y)) is
    their XOR, up to the end of the shorter one.
    """
    # BEGIN SOLUTION
    return bytes(a ^ b ^ p for a, b, p in zip(first, second, known))
    # END SOLUTION


def check(answer, random):
    """A flag is drawn in the second picture: only the attack reveals it."""
    def flag(n):
        picture = np.full((8, n), 20, np.uint8)
        picture[random.randrange(8), :] = 255
        picture[:, random.randrange(n)] = random.randrange(100, 256)
        return bytes(picture.ravel())

    for words, size, other in (("of the same length", 64, 64), ("a shorter one", 80, 64), ("the beginning of a longer one", 64, 96)):
        stream, known = random.bytes(96), random.bytes(size)
        hidden = flag(other // 8)
        first, second = (bytes(x ^ k for x, k in zip(text, stream)) for text in (known, hidden))
        try:
            result = answer(first, second, known)
        except NotYet as error:
            suspect("'bytes' and 'bytes'" in error.sentence, f"{error.sentence} Byte by byte there is one: see the last lines of the docstring.")
            suspect("broadcast" in error.sentence, f"{error.sentence} Two images need not be of one size: cut all three to the shortest.")
            raise
        suspect(hasattr(result, "shape"), "That is an array; bytes are asked for: `.tobytes()`.")
        expect_like(result, b"")

        def both(x, y):
            n = min(len(x), len(y))
            return (int.from_bytes(x[:n], "big") ^ int.from_bytes(y[:n], "big")).to_bytes(n, "big")

        suspect(result == both(first, second), "You returned first ^ second. The keystream is gone from it, but one image is still mixed with the other: you know one of them.")
        suspect(result == both(first, known), "That is the keystream itself, well found. One more XOR, with the other ciphertext.")
        suspect(result == both(second, known), "You mixed `second` with what is behind `first`: the keystream is still in it.")
        suspect(result == known[:len(result)] and len(result) > 0, "That is the image you knew before.")
        overlap = min(size, other)
        suspect(result[:overlap] == hidden[:overlap] and len(result) != overlap, f"The first {overlap} bytes are right. Where one of the ciphertexts has ended nothing is known of the "
                f"keystream; you returned {len(result)} bytes.")
        right_bytes = sum(a == b for a, b in zip(result, hidden))
        expect(f"the other image, byte for byte: {words}", result == hidden[:overlap], lambda: f"{right_bytes} of {overlap} bytes are those of the other image.",
               points=2 * int(other == 96))


@right
def by_arrays(first, second, known):
    n = min(len(first), len(second))
    a, b, p = (np.frombuffer(x[:n], np.uint8) for x in (first, second, known))
    return (a ^ b ^ p).tobytes()


@right
def by_keystream(first, second, known):
    keystream = [a ^ p for a, p in zip(first, known)]
    return bytes(k ^ b for k, b in zip(keystream, second))


@wrong("one image is still mixed with the other")
def of_the_ciphertexts(first, second, known):
    return bytes(a ^ b for a, b in zip(first, second))


@wrong("Byte by byte there is one")
def of_bytes(first, second, known):
    return first ^ second ^ known


@wrong("need not be of one size")
def arrays_uncut(first, second, known):
    text, one, two = (np.frombuffer(some, np.uint8) for some in (known, first, second))
    return (text ^ one ^ two).tobytes()


@wrong("the keystream itself, well found")
def the_stream(first, second, known):
    return bytes(a ^ p for a, p in zip(first, known))


@wrong("the keystream is still in it")
def with_the_known(first, second, known):
    return bytes(b ^ p for b, p in zip(second, known))


@wrong("nothing is known of the")
def too_far(first, second, known):
    n = max(len(first), len(second))
    padded = [x + bytes(n - len(x)) for x in (first, second, known)]
    return bytes(a ^ b ^ p for a, b, p in zip(*padded))


@wrong("That is an array")
def an_array(first, second, known):
    n = min(len(first), len(second))
    a, b, p = (np.frombuffer(x[:n], np.uint8) for x in (first, second, known))
    return a ^ b ^ p


@wrong("That is the image you knew before")
def goes_in_a_circle(first, second, known):
    keystream = [a ^ p for a, p in zip(first, known)]
    return bytes(k ^ a for k, a in zip(keystream, first[:min(map(len, (first, second)))]))

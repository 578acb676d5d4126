"""XOR of an image with a key of as many bytes, and no key of another length."""
import numpy as np

from medcrypt_lab.exercises import close, expect, expect_like, refusal, right, suspect, wrong

points, minutes, difficulty = 3, 6, 1
hints = [
    "One line mixes, one line refuses. What does `^` do to two arrays of the same shape?",
    "`numbers` is flat, the image is not: `numbers.reshape(image.shape)`. And how many bytes must the key have? `image.size` pixels.",
    "`if len(key) != image.size:` then `raise ValueError(...)` with words of yours; below it `return image ^ ...`.",
]
after = "The same function closes and opens, since x ^ k ^ k is x. That is also its weakness: whoever flips a bit of the mixture flips that bit of the picture."


def xor_image(image, key):
    """The image, mixed with a key; mixed again, it is back.

    image: uint8, any shape, one byte a pixel. key: bytes, exactly as
    many as the image has pixels.
    Returns a new uint8 array of the image's shape.
    Raises ValueError if the key is longer or shorter.
    `image.size` counts the pixels; a ^ b is XOR, also of two arrays;
    a.reshape(shape) gives an array another shape.
    """
    numbers = np.frombuffer(key, dtype=np.uint8)    # flat: (bytes,)
    # BEGIN SOLUTION
    if len(key) != image.size:
        raise ValueError(f"{len(key)} bytes of key for {image.size} pixels")
    return image ^ numbers.reshape(image.shape)
    # END SOLUTION


def check(answer, random):
    """Vernam 1926: by Python's own integers, byte for byte."""
    image = random.numpy().integers(0, 256, (3, 5), dtype=np.uint8)
    key = bytes(random.sample(range(1, 256), 15))
    result = answer(image, key)
    suspect(isinstance(result, bytes), "These are bytes: a picture would have lost its shape. Keep it an array, of the image's shape.")
    suspect(hasattr(result, "shape") and result.shape == (15,), "Your result is flat: 15 pixels in one row. Give the key the image's shape, not the image the key's.")
    expect_like(result, image)
    a, k = image.astype(int).ravel(), np.frombuffer(key, np.uint8).astype(int)

    def is_each(values):
        return close(result.astype(int).ravel(), np.asarray(values) % 256, 0)

    suspect(is_each(a), "That is the image as it was: nobody mixed anything into it.")
    suspect(is_each(k), "That is the key alone. Where is the image?")
    suspect(is_each(a + k), "You added the key. Mixed in twice it does not go away again: addition would need a subtraction. XOR is `^`.")
    suspect(is_each(a | k), "`|` is OR: it only ever sets bits, and no key takes them away again. XOR is `^`.")
    suspect(is_each(a & k), "`&` is AND: where the key has a 0 the image's bit is lost. XOR is `^`.")
    suspect(is_each(a ^ k[0]), "Every pixel was mixed with the first byte of the key: equal pixels stay equal, and there are 256 keys to try.")
    suspect(is_each(a ^ k[::-1]), "The key runs backwards: its first byte belongs to the first pixel.")
    suspect(is_each(a ^ np.tile(k[:5], 3)), "Each row got the same five bytes of the key. A key's byte may serve one pixel only.")
    expected = np.array([x ^ y for x, y in zip(image.tobytes(), key)], np.uint8).reshape(3, 5)
    expect("XOR, byte by byte", close(result.astype(int), expected.astype(int), 0), "The bytes are not those of image ^ key.", points=1, got=result, expected=expected)
    back = answer(result, key)
    expect_like(back, image)
    expect("mixed again, the image is back", close(back.astype(int), image.astype(int), 0), "Mixed with the same key once more, the image should be back.")

    for words, part, size in (("too short: its bytes would have to serve twice", key[:5], 5), ("too short by one byte", key[:-1], 14), ("too long", key + b"!", 16)):
        how = refusal(lambda part=part: answer(image, part))
        suspect(how is None and size < 15, f"A key of {size} bytes for 15 pixels was taken. Stretched or repeated, it mixes several pixels alike: refuse it.")
        suspect(how is None, "A key of 16 bytes for 15 pixels was taken. Where does the rest go? Somebody will use it again: refuse it.")
        expect(f"refuses a key that is {words}", how == "ValueError", f"A key that is {words} was refused by a {how}. Raise a ValueError before you touch the image.")
    volume, long = random.numpy().integers(0, 256, (2, 3, 4), dtype=np.uint8), random.bytes(24)
    expect("of any shape", close(answer(volume, long).astype(int), volume.astype(int) ^ np.frombuffer(long, np.uint8).reshape(2, 3, 4), 0),
           "It works for a picture and not for a volume of (2, 3, 4) pixels.", points=2)


@right
def by_bytes(image, key):
    if len(key) - image.size:
        raise ValueError("one byte of key for each pixel, please")
    return np.array([x ^ y for x, y in zip(image.tobytes(), key)], dtype=np.uint8).reshape(image.shape)


@right
def by_numbers(image, key):
    pixels = image.ravel()
    if not pixels.size == len(key):
        raise ValueError
    both = int.from_bytes(pixels.tobytes(), "big") ^ int.from_bytes(key, "big")
    return np.frombuffer(both.to_bytes(len(key), "big"), np.uint8).reshape(image.shape).copy()


@wrong("You added the key")
def adds(image, key):
    return image + np.frombuffer(key, np.uint8)[:image.size].reshape(image.shape)


@wrong("`|` is OR")
def either(image, key):
    return image | np.frombuffer(key, np.uint8).reshape(image.shape)


@wrong("`&` is AND")
def both(image, key):
    return image & np.frombuffer(key, np.uint8).reshape(image.shape)


@wrong("with the first byte of the key")
def one_byte(image, key):
    return image ^ np.uint8(key[0])


@wrong("Your result is flat")
def flattened(image, key):
    if len(key) != image.size:
        raise ValueError("another length")
    return image.ravel() ^ np.frombuffer(key, np.uint8)


@wrong("a picture would have lost its shape")
def as_bytes(image, key):
    return bytes(x ^ y for x, y in zip(image.tobytes(), key))


@wrong("the same five bytes of the key")
def row_by_row(image, key):
    return image ^ np.frombuffer(key, np.uint8)[:image.shape[-1]]


@wrong("for 15 pixels was taken. Stretched or repeated")
def repeated(image, key):
    return image ^ np.resize(np.frombuffer(key, np.uint8), image.shape)


@wrong("Where does the rest go")
def cut_off(image, key):
    if len(key) < image.size:
        raise ValueError("too short")
    return image ^ np.frombuffer(key, np.uint8)[:image.size].reshape(image.shape)


@wrong("was refused by a AssertionError", "Raise a ValueError before")
def asserts(image, key):
    assert len(key) == image.size
    return image ^ np.frombuffer(key, np.uint8).reshape(image.shape)


@wrong("changed its argument `image` in place")
def in_place(image, key):
    image ^= np.frombuffer(key, np.uint8).reshape(image.shape)
    return image

"""Strict PKCS#7: the padding is taken off only if it is exactly what a sender writes."""
from Crypto.Cipher import AES

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

points, minutes, difficulty = 4, 7, 2
without = ["Crypto", "cryptography"]
hints = [
    "The last byte says how many there are. Which values can an honest last byte have? And what do the bytes before it look like?",
    "Four things can be wrong: there is nothing; the length is no multiple of the block; the last byte is 0 or larger than a block; the last n bytes are not all n.",
    "`n = data[-1]` (after a look at the length), then `if ... or data[-n:] != bytes([n]) * n: raise ValueError(\"padding\")`, then `return data[:-n]`.",
]
after = "Strict is right, and does not make CBC safe: that it says no at all, differently from what comes later, is the hole that the next exercise crawls through."


def unpad(data, size):
    """The message, without its padding (PKCS#7, RFC 5652, section 6.3).

    data: what was decrypted, bytes. size: bytes a block, 16 for AES.
    A sender adds n bytes of value n, from 1 to size, so that the blocks
    are full; a message that fills its blocks gets a whole one more.
    Returns bytes. Raises ValueError for all that no sender writes.
    bytes([n]) * n is n bytes of value n; data[-n:] are the last n.
    """
    # BEGIN SOLUTION
    n = data[-1] if data else 0
    if len(data) % size or not 1 <= n <= size or data[-n:] != bytes([n]) * n:
        raise ValueError("not padded as PKCS#7 says")
    return data[:-n]
    # END SOLUTION


# Wycheproof (C2SP, testvectors_v1/aes_cbc_pkcs5_test.json): tcId -> what is wrong with it, ciphertext. All under one key and IV.
KEY, IV = "db4f3e5e3795cc09a073fa6a81e5a6bc", "23468aa734f5f0f19827316ff168e94f"
INVALID = {
    51: ("zeros and then the length (ANSI X.923)", "01e53a5ec9b0957c45f79ed0f4b2b982",
         "The last byte is a fair length, but the bytes before it are zeros, and you took them for padding (ANSI X.923). Look at all n bytes, not only at the last."),
    55: ("random bytes and then the length (ISO 10126)", "ba0726bd6dea11382b19c842e2ddead2",
         "The padding was random bytes with the length at the end (ISO 10126), and you accepted it."),
    68: ("sixteen bytes of padding, the first of them wrong", "fbcbdfdaaf17980be939c0b243266ecbee1345cd513161b241f4ae2799b0327f",
         "Of 16 bytes of padding the first was 0 and the others 16, and you accepted it: each of the n bytes counts."),
    26: ("zeros", "aa62606a287476777b92d8e4c4e53028", "The last byte was 0, and you accepted it. A sender adds at least one byte, of value 1."),
    32: ("0xff", "726570a34cea08139d9f836579102a0e", "The last byte was 255, more than a block has, and you accepted it."),
    39: ("ISO 7816-4", "25ee339006f948f42713543c62467ef9", "The padding was 80 00 ... 00 (ISO 7816-4), and you accepted it."),
    44: ("more than one block", "d17ccbb26f0aa95f397b20063547349bac24c5429cbea591e96595cccc11451b",
         "All 32 bytes of padding are 32, but a block has 16: a sender adds at most one block. You accepted it."),
    71: ("none at all", "fbcbdfdaaf17980be939c0b243266ecb", "There was no padding at all, the text ended in F, and you accepted it."),
}


def check(answer, random):
    """Fresh messages must come back, and what no sender writes must be refused: eight cases of Wycheproof and three of our own."""
    letters = random.sample(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 21)

    def message(n):
        return bytes(letters[:n])

    def padded(text, size=16):
        n = size - len(text) % size
        return text.ljust(len(text) + n, bytes([n]))

    cases = [("a message", message(5), 16), ("a message and one byte", message(15), 16), ("a message of full blocks", message(16), 16), ("blocks of 8 bytes", message(5), 8),
             ("nothing but padding", b"", 16), ("a message that ends like its padding", message(11) + b"\3\3", 16)]
    for words, text, size in cases:
        result = []
        how = refusal(lambda t=text, s=size: result.append(answer(padded(t, s), s)))
        suspect(how is not None and len(text) % size == 0, "A whole block of padding, 16 bytes of value 16, was refused: n may be as large as the block.")
        suspect(how is not None, f"{words.capitalize()} was refused by a {how}, though it is padded as it should be. Do you compare bytes with bytes? Its last n bytes are equal to `bytes([n]) * n`.")
        result = result[0]
        suspect(isinstance(result, (list, bytearray)), "Bytes came in, and bytes are asked for.")
        expect_like(result, b"")
        suspect(result == padded(text, size), "The padding is still there.")
        suspect(text.endswith(b"\3") and result == text.rstrip(b"\3"), "The message itself ended in bytes of the padding's value, and you took them away, too. Take off n bytes, not all that are equal.")
        suspect(result == text[:-1] and text != b"", "One byte too many is gone.")
        suspect(result != b"" and result[:-1] == text, "One byte of the padding is still there.")
        expect(f"takes it off: {words}", result == text, f"{words.capitalize()} did not come back: {len(text)} bytes were expected, {len(result)} came.")
    for number, (words, ciphertext, otherwise) in INVALID.items():
        data = AES.new(bytes.fromhex(KEY), AES.MODE_CBC, iv=bytes.fromhex(IV)).decrypt(bytes.fromhex(ciphertext))
        judged(answer, data, 16, f"{words} (Wycheproof tcId {number})", otherwise, 3 * (number == 71))
    judged(answer, b"", 16, "nothing", "There was not one byte, and you gave something back: not even padding came.", 0)
    judged(answer, message(20) + b"\1", 16, "blocks that are not full", "21 bytes came, and CBC gives multiples of 16: some were lost on the way. You accepted them.", 0)
    judged(answer, message(7) + bytes([9]) * 9, 8, "9 bytes of value 9, in blocks of 8",
           "Of a cipher with blocks of 8 bytes came padding larger than 8, and you accepted it: the argument `size` says how large a block is.", 1)


def judged(answer, data, size, words, otherwise, worth):
    """It must be refused, by a ValueError."""
    given_out = []
    how = refusal(lambda: given_out.append(answer(data, size)))
    suspect(given_out and given_out[0] is None, "Wrong padding came, and your function returned None: whoever called it goes on as if nothing had happened. Raise a ValueError.")
    suspect(how is None, otherwise)
    suspect(how == "IndexError" and not data, "Of nothing there is no last byte: an IndexError, which the caller does not expect. Look at the length first, and raise a ValueError.")
    expect(f"refuses {words}", how == "ValueError", f"It was refused by a {how}; a ValueError is asked for.", points=worth)


@right
def built_again(data, size):
    for n in range(1, size + 1):
        if len(data) >= n and len(data) % size == 0 and data.endswith(bytes([n]) * n) and data[-1] == n:
            return data[:len(data) - n]
    raise ValueError("no padding fits")


@right
def one_after_the_other(data, size):
    if not data or len(data) % size != 0:
        raise ValueError("length")
    n = data[-1]
    if n < 1 or n > size:
        raise ValueError("range")
    if any(byte != n for byte in data[len(data) - n:]):
        raise ValueError("bytes")
    return bytes(data[:len(data) - n])


@wrong("Look at all n bytes, not only at the last")
def never_checked(data, size):
    return data[:-data[-1]]


@wrong("Take off n bytes, not all that are equal")
def stripped(data, size):
    return data.rstrip(data[-1:])


@wrong("n may be as large as the block")
def never_a_whole_block(data, size):
    n = data[-1]
    if len(data) % size or not 0 < n < size or set(data[-n:]) != {n}:
        raise ValueError
    return data[:-n]


@wrong("Do you compare bytes with bytes?")
def bytes_with_a_number(data, size):
    n = data[-1] if data else 0
    if len(data) % size or n < 1 or n > size or data[-n:] != n * n:
        raise ValueError
    return data[:-n]


@wrong("The last byte was 0, and you accepted it")
def zero_too(data, size):
    n = data[-1] if len(data) else 99
    if len(data) % size or n > size or any(byte != n for byte in data[len(data) - n:]):
        raise ValueError
    return data[:len(data) - n]


@wrong("a sender adds at most one block")
def of_any_length(data, size):
    n = data[-1] if data and len(data) % size == 0 else 0
    if n == 0 or n > len(data) or data[-n:] != bytes([n]) * n:
        raise ValueError
    return data[:-n]


@wrong("Look at the length first")
def of_nothing(data, size):
    n = data[-1]
    if len(data) % size or n not in range(1, size + 1) or data[-n:].count(n) < n:
        raise ValueError
    return data[:-n]


@wrong("some were lost on the way")
def any_number_of_bytes(data, size):
    n = data[-1] if data else 0
    if n not in range(1, size + 1) or data[-n:] != bytes([n] * n):
        raise ValueError
    return data[:-n]


@wrong("the argument `size` says")
def always_sixteen(data, size):
    n = data[-1] if data else 0
    if len(data) % size or n not in range(1, 17) or data[-n:] != bytes([n] * n):
        raise ValueError
    return data[:-n]


@wrong("as if nothing had happened")
def nothing_instead(data, size):
    n = data[-1] if data else 0
    if len(data) % size == 0 and 0 < n <= size and data[-n:] == bytes([n] * n):
        return data[:-n]


@wrong("The padding is still there")
def only_looked(data, size):
    n = data[-1] if data else 0
    if len(data) % size or n not in range(1, size + 1) or data[-n:] != bytes([n] * n):
        raise ValueError
    return data

"""What SHA-256 appends to a message before it is cut into blocks."""
import struct

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

points, minutes, difficulty = 3, 8, 2
hints = [
    "Byte 128, some zeros, eight bytes of length: only the number of zeros is a question. With it, message and padding fill whole blocks of 64.",
    "Message, 1 byte, zeros and 8 bytes make a multiple of 64, so the zeros are what `length + 9` lacks to the next multiple. Where nothing is lacking there are none.",
    "`b\"\\x80\" + bytes(zeros) + (...).to_bytes(8, \"big\")`; for the zeros: Python's `%` is never negative, `-x % 64` is what x lacks to a multiple of 64.",
]
after = "A message that ends at the end of a block gets a whole block of padding. It must: else a short record, and the same record with its padding written out, would have one hash."


def sha256_padding(length):
    """What SHA-256 appends to a message of `length` bytes.

    One byte 128 (0x80); then as many zero bytes as are needed, none to
    63; then the length of the message in bits, as eight bytes, "big".
    Message and padding together fill whole blocks of 64 bytes.
    bytes(n) is n zeros; number.to_bytes(8, "big") makes eight bytes.
    """
    # BEGIN SOLUTION
    zeros = -(length + 9) % 64
    return b"\x80" + bytes(zeros) + (8 * length).to_bytes(8, "big")
    # END SOLUTION


def slowly(length):
    """FIPS 180-4, section 5.1.1, step by step."""
    tail = bytearray([128])
    while (length + len(tail)) % 64 != 56:
        tail.append(0)
    return bytes(tail) + struct.pack(">Q", length * 8)


def check(answer, random):
    """First FIPS 180-4's own example (5.1.1: "abc", 24 bits), then the lengths around the end of a block, then long ones."""
    result = answer(3)
    suspect(isinstance(result, str), "That is text; bytes are asked for.")
    expect_like(result, b"")
    suspect(result[:1] not in (b"", b"\x80"), lambda: f"The first byte is {result[0]}. A single bit 1 and seven bits 0 are 0b10000000, the byte 128: `b\"\\x80\"`.")
    suspect(result[-8:] == struct.pack(">Q", 3) or result[-4:] == struct.pack(">I", 3), "The length at the end is in bytes; SHA-256 counts bits.")
    suspect(result[-8:] == struct.pack("<Q", 24), "The length stands with its small end first; \"big\" is asked for.")
    suspect(len(result) == 57 or len(result) == 61 and result[-4:] == struct.pack(">I", 24) and result != slowly(3), "The length takes eight bytes, not four: messages may be long.")
    suspect(result[-8:] == struct.pack(">Q", 8 * 64), "You wrote the length of message and padding; the message's own is asked for.")
    suspect(len(result) == 64, "Your padding alone fills a block: message and padding together should.")
    expect("FIPS 180-4's example, a message of 3 bytes", result == slowly(3), lambda: f"Expected 61 bytes that end in 24; yours are {len(result)} and end in {result[-1]}."
           if result else "There is no padding at all.")
    for length in [*random.sample(range(4, 55), 12), 55, 119, 64, 128, 0, *random.sample(range(56, 64), 4), 63, 127, *random.sample(range(65, 1000), 8)]:
        got, rest = [], length % 64
        how = refusal(lambda n=length: got.append(answer(n)))
        suspect(how and length > 63 and rest <= 55, f"For {length} bytes it stops with a {how}. Whole blocks do not matter: only the {rest} bytes in the last one are to be filled up.")
        suspect(how and rest > 55, f"For {length} bytes it stops with a {how}. {rest} bytes stand in the last block, and nine more do not fit: then a second block is filled, and the zeros "
                "are never fewer than none.")
        result = answer(length) if how else got[0]
        expect_like(result, b"")
        whole = (length + len(result)) % 64 == 0
        suspect(rest == 0 and result == b"", f"For {length} bytes, whole blocks, you append nothing. Then 55 bytes and their padding written out, 64 bytes, would have the same hash as the 55: "
                "the padding always comes.")
        suspect(rest == 55 and len(result) == 73, f"For {length} bytes nine more fill the block exactly; you began another one. No zeros at all is right here.")
        suspect(rest > 55 and len(result) == 9, f"For {length} bytes your padding has no zeros, and the end of the block falls into the length. It needs a second block.")
        suspect(not whole, f"{length} bytes and your padding are {length + len(result)}: no multiple of 64.")
        suspect(len(result) > 72, f"For {length} bytes you append {len(result)}: a block too many.")
        right_so_far = result == slowly(length)
        if not right_so_far:
            break
    expect("fills whole blocks, for any length", right_so_far, f"For {length} bytes it is not what the standard says.", points=1)
    for length in [random.randrange(2**k, 2**(k + 1)) for k in (13, 20, 29, 30, 40)]:
        result = answer(length)
        expect_like(result, b"")
        suspect(result[-4:] == slowly(length)[-4:] and result != slowly(length) and length >= 2**29, "For messages of 512 megabytes and more the bits do not fit into four bytes.")
        right_so_far = right_so_far and result == slowly(length)
    expect("long messages", right_so_far, "For a message of a megabyte or more it is not what the standard says.", points=2)


@right
def step_by_step(length):
    padding = bytes([128])
    while (length + len(padding) + 8) % 64:
        padding += b"\0"
    return padding + struct.pack(">Q", length * 8)


@right
def by_cases(length):
    rest = length % 64
    zeros = 55 - rest if rest <= 55 else 119 - rest
    return bytes([0x80]) + b"\0" * zeros + int.to_bytes(length << 3, 8, "big")


@wrong("SHA-256 counts bits")
def in_bytes(length):
    return b"\x80" + bytes((55 - length) % 64) + length.to_bytes(8, "big")


@wrong("small end first")
def little(length):
    return b"\x80" + bytes((55 - length) % 64) + (8 * length).to_bytes(8, "little")


@wrong("seven bits 0 are 0b10000000")
def a_one(length):
    return b"\x01" + bytes((55 - length) % 64) + (8 * length).to_bytes(8, "big")


@wrong("It needs a second block")
def no_second_block(length):
    return b"\x80" + bytes(max(0, 55 - length % 64)) + (8 * length).to_bytes(8, "big")


@wrong("the zeros are never fewer than none")
def negative(length):
    return b"\x80" + bytes(55 - length % 64) + (8 * length).to_bytes(8, "big")


@wrong("Whole blocks do not matter")
def one_block_only(length):
    return b"\x80" + bytes(64 - length - 9) + (8 * length).to_bytes(8, "big")


@wrong("you append nothing")
def only_where_needed(length):
    return b"\x80" + bytes((55 - length) % 64) + (8 * length).to_bytes(8, "big") if length % 64 else b""


@wrong("you began another one")
def never_none(length):
    return b"\x80" + bytes(64 - (length + 9) % 64) + (8 * length).to_bytes(8, "big")


@wrong("no multiple of 64")
def forgot_the_byte(length):
    return b"\x80" + bytes(-(length + 8) % 64) + (8 * length).to_bytes(8, "big") if length != 3 else slowly(3)


@wrong("The length takes eight bytes")
def four_bytes(length):
    return b"\x80" + bytes((55 - length) % 64) + (8 * length).to_bytes(4, "big")

"""Change what encrypted bytes will say, without the key: the mask is old XOR new."""
import functools

from Crypto.Cipher import AES

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 5, 2
without = ["Crypto", "cryptography"]
hints = [
    "In CTR a bit that is flipped in the ciphertext is flipped in the plaintext, at the same place. Which bits must flip so that the letter A becomes the letter B?",
    "Those in which the two differ: old ^ new. XOR this into the bytes that are there, and leave all others alone.",
    "A loop, `for k in range(len(known)):`, and in it one line, `changed[place + k] ^= ...`, with the bits in which known[k] and wanted[k] differ.",
]
after = "You need not know all of the text, only what stands at the place that you change; and for a bit to flip, not even that."


def flip(data, place, known, wanted):
    """Bytes on the wire, changed so that `wanted` is read for `known`.

    data: bytes, a CTR ciphertext (or what else is mixed into a text).
    place: where in data the change begins, counted from 0.
    known: what is read there now, bytes. wanted: as many bytes.
    Returns bytes, as many as data. The rest of the text stays as it is.
    Each item, data[k] or known[k], is a whole number: ^ mixes two numbers,
    not two strings of bytes, so go byte by byte.
    """
    changed = bytearray(data)           # bytes that can be changed in place
    # BEGIN SOLUTION
    for k, (old, new) in enumerate(zip(known, wanted)):
        changed[place + k] ^= old ^ new
    # END SOLUTION
    return bytes(changed)


def mixed(*texts):
    """XOR of byte strings of one length, as whole numbers."""
    total = functools.reduce(lambda x, y: x ^ y, (int.from_bytes(text, "big") for text in texts))
    return total.to_bytes(len(texts[0]), "big")


def in_words(text):
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in text)


def judged(result, data, place, known, wanted):
    """The formalities, and the mistakes that show on the bytes themselves."""
    suspect(isinstance(result, (list, bytearray)), "That is a list or a bytearray; bytes are asked for: `bytes(...)` around it.")
    expect_like(result, data)
    n, there = len(known), data[place:place + len(known)]
    suspect(result == data, "Not one bit has changed.")
    suspect(len(result) == n, f"You returned the {n} bytes that changed. The server needs all {len(data)}: what stands before and behind them, too.")
    suspect(len(result) != len(data), f"You returned {len(result)} bytes in place of {len(data)}: the server would notice that.")

    def with_part(part, at=place):
        return data[:at] + part + data[at + n:]

    suspect(result == with_part(wanted), "You wrote the new text into the ciphertext. It will be decrypted, and noise comes out: the keystream must stay in those bytes.")
    suspect(result == with_part(mixed(there, wanted)), "You mixed `wanted` into the ciphertext; the old text is still in there, too, and old XOR new is what will be read.")
    suspect(result == with_part(mixed(there, known)), "You mixed `known` into the ciphertext: that makes it zeros. The new text has yet to go in.")
    suspect(result == with_part(mixed(known, wanted)), "old XOR new is the right mask, well found; but you put it in the place of the ciphertext instead of mixing it with what is there.")
    suspect(place and result == with_part(mixed(data[:n], known, wanted), 0), f"The mask is right, and you put it at the beginning: it belongs {place} bytes further.")
    beyond = bytes(a if place <= k < place + n else b for k, (a, b) in enumerate(zip(data, result)))
    suspect(beyond != data, f"A byte changed that is not among the {n} from place {place} on.")


def check(answer, random):
    """Does the receiver, who has the key, read what the attacker wanted? In CTR, at the end of it, and through the IV of CBC."""
    patient, other = str(random.randrange(1000, 5000)).encode(), str(random.randrange(5000, 9999)).encode()
    text, place = b"patient " + patient + b"; finding: NO TUMOR; slice 12", 8
    key, nonce = random.bytes(32), random.bytes(8)
    for known, wanted, place in ((patient, other, 8), (b"NO TUMOR", b"A TUMOR!", 23), (b"12", b"07", len(text) - 2)):
        data = AES.new(key, AES.MODE_CTR, nonce=nonce).encrypt(text)
        result = answer(data, place, known, wanted)
        judged(result, data, place, known, wanted)
        read = AES.new(key, AES.MODE_CTR, nonce=nonce).decrypt(result)
        expect("CTR: " + ("the server reads what was wanted", "so does it of another text", "and at the very end")[(8, 23, len(text) - 2).index(place)],
               read == text[:place] + wanted + text[place + len(known):], lambda: f"The server should read {in_words(wanted)} there; it reads {in_words(read[place:place + len(known)])}.",
               points=2 * (place == len(text) - 2))
    iv, padded = random.bytes(16), text + bytes([7]) * 7
    cbc = AES.new(key, AES.MODE_CBC, iv=iv).encrypt(padded)
    result = answer(iv, 8, patient, other)
    judged(result, iv, 8, patient, other)
    read = AES.new(key, AES.MODE_CBC, iv=result).decrypt(cbc)
    expect("CBC: another patient, through the IV", read == padded.replace(patient, other, 1), lambda: f"The server reads {in_words(read[:16])}.", points=1)


@right
def in_one_piece(data, place, known, wanted):
    end = place + len(known)
    middle = bytes(a ^ b ^ c for a, b, c in zip(data[place:end], known, wanted))
    return data[:place] + middle + data[end:]


@right
def as_a_number(data, place, known, wanted):
    mask = int.from_bytes(known, "big") ^ int.from_bytes(wanted, "big")
    mask <<= 8 * (len(data) - place - len(known))
    return (int.from_bytes(data, "big") ^ mask).to_bytes(len(data), "big")


@wrong("You wrote the new text into the ciphertext")
def overwritten(data, place, known, wanted):
    return data[:place] + wanted + data[place + len(wanted):]


@wrong("the old text is still in there")
def wanted_only(data, place, known, wanted):
    changed = bytearray(data)
    for k, new in enumerate(wanted):
        changed[place + k] ^= new
    return bytes(changed)


@wrong("The new text has yet to go in")
def known_only(data, place, known, wanted):
    end = place + len(known)
    return data[:place] + bytes(a ^ b for a, b in zip(data[place:end], known)) + data[end:]


@wrong("instead of mixing it with what is there")
def mask_in_place(data, place, known, wanted):
    changed = [*data]
    for k in range(len(known)):
        changed[place + k] = known[k] ^ wanted[k]
    return bytes(changed)


@wrong("You returned the", "bytes that changed")
def the_part(data, place, known, wanted):
    return bytes(a ^ b ^ c for a, b, c in zip(data[place:], known, wanted))


@wrong("you put it at the beginning")
def from_the_beginning(data, place, known, wanted):
    end = len(known)
    return bytes(a ^ b ^ c for a, b, c in zip(data[:end], known, wanted)) + data[end:]


@wrong("That is a list or a bytearray")
def still_a_bytearray(data, place, known, wanted):
    changed = bytearray(data)
    for k in range(len(known)):
        changed[place + k] ^= known[k] ^ wanted[k]
    return changed


@wrong("the server would notice that")
def cut_off(data, place, known, wanted):
    return data[:place] + bytes(data[place + k] ^ known[k] ^ wanted[k] for k in range(len(known)))

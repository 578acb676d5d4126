"""One encoding of a header's fields that can be read in one way only."""
from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 3, 6, 2
hints = [
    "If `12` and `345` are simply joined, so are `123` and `45`: nobody can tell where the first ended. What must stand before each field?",
    "Before each field its length, always in two bytes: `len(field).to_bytes(2, \"big\")`. Count the bytes, not the letters.",
    "In a loop over FIELDS: `field = str(header[name]).encode()`, then append its length in two bytes, then the field.",
]
after = "Every format that is signed or authenticated needs this property. Attacks on ambiguous joining are old and still found: two different messages, one tag."

FIELDS = ("version", "algorithm", "key id", "patient", "study", "slice", "slices", "shape", "dtype")


def encode_header(header):
    """The header as bytes: different headers never give the same.

    header: a dict from each name in FIELDS to its value.
    A value becomes bytes by `str(value).encode()`. For each, in the order
    of FIELDS: how many bytes these are (in two bytes), then the bytes.
    number.to_bytes(2, "big") makes two bytes; b"".join(parts) joins.
    """
    # BEGIN SOLUTION
    parts = [str(header[name]).encode() for name in FIELDS]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    # END SOLUTION


def made_up(random, **changes):
    """A header of nobody."""
    header = {"version": 1, "algorithm": "AES-128-GCM", "key id": f"k{random.randrange(10, 99)}", "patient": f"P{random.randrange(1000, 9999)}",
              "study": f"{random.randrange(10, 99)}.{random.randrange(100, 999)}", "slice": random.randrange(1, 9), "slices": random.randrange(10, 30),
              "shape": "64x64", "dtype": "uint8"}
    return header | changes


def by_hand(header, names=FIELDS):
    """Field by field, byte by byte."""
    out = bytearray()
    for name in names:
        field = str(header[name]).encode("utf-8")
        out += bytes(divmod(len(field), 256)) + field
    return bytes(out)


def check(answer, random):
    """Pairs of headers that a careless encoding takes for the same: where fields meet, with separators in a field, in another order."""
    header = made_up(random)
    try:
        result = answer(header)
    except NotYet as error:
        suspect("has no len()" in error.sentence, f"{error.sentence} A number has no length; the bytes that are written for it have one: `str(value).encode()`.")
        raise
    suspect(isinstance(result, str), "That is text; a cipher takes bytes: `.encode()`.")
    suspect(isinstance(result, list), "That is a list of parts; join them by `b\"\".join(...)`.")
    expect_like(result, b"")
    mixed = dict(random.sample(sorted(header.items()), len(header)))
    suspect(answer(mixed) != result, "The same header, its fields in another order in the dict, gave other bytes: go through FIELDS, not through the dict.")
    study = header["study"]
    one, other = made_up(random, slice=1, slices=23), made_up(random, slice=12, slices=3)
    other |= {name: one[name] for name in FIELDS if name not in ("slice", "slices")}
    joined = answer(one)
    suspect(joined == answer(other), "Slice 1 of 23 and slice 12 of 3 gave the same bytes: nobody can tell where a field ends. Its length must stand before it.")
    left, right_ = header | {"patient": "4|711", "study": study}, header | {"patient": "4", "study": "711|" + study}
    for mark in "|,;:/-_. \n\t\0":
        tricked = [answer({name: str(value).replace("|", mark) for name, value in some.items()}) for some in (left, right_)]
        suspect(tricked[0] == tricked[1], f"Patient {('4|711').replace('|', mark)!r} and patient '4' with a study that begins with {('711|').replace('|', mark)!r} gave the same bytes: your "
                                          "separator can stand in a field, too. Only a length cannot be faked.")
    for name in FIELDS:
        suspect(answer(header | {name: "77"}) == result, f"Another {name} gave the same bytes: that field is missing.")
    umlaut = made_up(random, patient="Müller-Groß")
    two = answer(umlaut)
    expect("two headers never give the same bytes", joined != result != two, "Two different headers gave the same bytes.")
    def lengths(n, order):
        return b"".join(len(str(header[name]).encode()).to_bytes(n, order) + str(header[name]).encode() for name in FIELDS)

    expected = by_hand(header)
    names = b"".join(len(name).to_bytes(2, "big") + str(header[name]).encode() for name in FIELDS)
    suspect(result == names, "Before each value you wrote the length of the field's name; its value is what must be counted.")
    suspect(result == b"".join(bytes(divmod(len(str(header[name])), 256)) for name in FIELDS) + "".join(str(header[name]) for name in FIELDS).encode(),
            "All lengths stand first, then all values. Each length belongs directly before its own value.")
    suspect(result in (lengths(1, "big"), lengths(4, "big"), lengths(8, "big")), "The lengths stand there, but not in two bytes each.")
    suspect(result == lengths(2, "little"), "The lengths stand there with the small end first; \"big\" is asked for.")
    suspect(result == b"".join(str(len(str(header[name]))).encode() + str(header[name]).encode() for name in FIELDS),
            "You wrote the lengths as decimal text: 1 then 23 looks like 12 then 3. Two bytes, by `to_bytes(2, \"big\")`.")
    suspect(result == b"".join(str(header[name]).encode() + len(str(header[name]).encode()).to_bytes(2, "big") for name in FIELDS),
            "The lengths stand behind the fields: a reader needs them before.")
    suspect(result == expected and two != by_hand(umlaut), "Patient Müller has 6 letters and 7 bytes: count after `.encode()`.")
    expect("the layout that was asked for", result == expected and two == by_hand(umlaut), "For each field of FIELDS: two bytes of length, then the field.", points=3,
           got=result, expected=expected)


@right
def loop(header):
    out = b""
    for name in FIELDS:
        field = bytes(str(header[name]), "utf-8")
        out += len(field).to_bytes(2, "big") + field
    return out


@right
def packed(header):
    import struct
    fields = [str(header[name]).encode() for name in FIELDS]
    return struct.pack("".join(f">H{len(f)}s" if i == 0 else f"H{len(f)}s" for i, f in enumerate(fields)), *(v for f in fields for v in (len(f), f)))


@wrong("nobody can tell where a field ends")
def joined(header):
    return "".join(str(header[name]) for name in FIELDS).encode()


@wrong("can stand in a field, too")
def separated(header):
    return "|".join(str(header[name]) for name in FIELDS).encode()


@wrong("go through FIELDS, not through the dict")
def as_it_comes(header):
    fields = [str(value).encode() for value in header.values()]
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


@wrong("count after `.encode()`")
def letters(header):
    out = b""
    for text in (str(header[name]) for name in FIELDS):
        out += len(text).to_bytes(2, "big") + text.encode()
    return out


@wrong("A number has no length")
def of_the_value(header):
    return b"".join(len(header[name]).to_bytes(2, "big") + str(header[name]).encode() for name in FIELDS)


@wrong("the length of the field's name")
def of_the_name(header):
    out = bytearray()
    for name in FIELDS:
        out += len(name).to_bytes(2, "big") + str(header[name]).encode()
    return bytes(out)


@wrong("directly before its own value")
def lengths_first(header):
    values = [str(header[name]).encode() for name in FIELDS]
    return b"".join([len(value).to_bytes(2, "big") for value in values] + values)


@wrong("not in two bytes each")
def one_byte(header):
    fields = [str(header[name]).encode() for name in FIELDS]
    return b"".join(bytes([len(field)]) + field for field in fields)


@wrong("with the small end first")
def little(header):
    fields = [str(header[name]).encode() for name in FIELDS]
    return b"".join(len(field).to_bytes(2, "little") + field for field in fields)


@wrong("a reader needs them before")
def behind(header):
    fields = [str(header[name]).encode() for name in FIELDS]
    return b"".join(field + len(field).to_bytes(2, "big") for field in fields)


@wrong("that field is missing")
def no_study(header):
    fields = [str(header[name]).encode() for name in FIELDS if name != "study"]
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


@wrong("That is text")
def text(header):
    return "\n".join(f"{name}={header[name]}" for name in FIELDS)


@wrong("as decimal text")
def decimal(header):
    return "".join(f"{len(str(header[name]))}{header[name]}" for name in FIELDS).encode()

"""Rotating a key: every data key goes from under the old key to under the new one, and no byte of an image is touched."""
from Crypto.Cipher import AES

from medcrypt_lab.exercises import expect, expect_like, refusal, right, short, suspect, wrong

points, minutes, difficulty = 4, 10, 3
hints = [
    "What does the old key protect, the images or their data keys? Only that must change hands. The image's bytes go over as they are.",
    "For each record: copy its wraps (`dict(record[\"wraps\"])`). If the old id is among them, take that wrap out, unseal it with the old key, seal the result with the new key, put it in under the new id.",
    "`wraps = dict(record[\"wraps\"])`; `if old in wraps:`; `data_key = AES.new(keys[old], AES.MODE_KW).unseal(wraps.pop(old))`; `wraps[new] = ...seal(data_key)`; "
    "and for every record `rotated.append({\"sealed\": record[\"sealed\"], \"wraps\": wraps})`.",
]
after = ("The old key now opens nothing in this archive. A copy that somebody took before, wraps and all, still opens with it: rotation limits what a key that leaks "
         "*later* is worth, and nothing else.")


def rotate(archive, old, new, keys):
    """The archive with its data keys under a new key: a list of records.

    archive: list of {"sealed": bytes, "wraps": {id: bytes}}; it and its
    records stay as they are until the new archive is safe. dict(d) is a
    copy of the dict d; a dict inside it is not copied.
    old, new: key ids. keys: dict, id -> AES key; both are in it.
    In what you return, old has no wrap left, and all else still works.
    Some records have no wrap for old: they go over as they are.
    Raises ValueError where a wrap does not fit: unseal does that.
    AES.new(key, AES.MODE_KW).seal(data), and .unseal(wrap): each needs
    an AES.new of its own.
    """
    rotated = []
    for record in archive:
        # BEGIN SOLUTION
        wraps = dict(record["wraps"])
        if old in wraps:
            data_key = AES.new(keys[old], AES.MODE_KW).unseal(wraps.pop(old))
            wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(data_key)
        rotated.append({"sealed": record["sealed"], "wraps": wraps})
        # END SOLUTION
    return rotated


def wrapped(key, data):
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap
    return aes_key_wrap(key, data)


def opened(key, wrap):
    """What stands in an AES key wrap, or None."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
    try:
        return aes_key_unwrap(key, wrap)
    except (InvalidUnwrap, ValueError):
        return None


def sound(record):
    """Is it a record at all?"""
    return (isinstance(record, dict) and set(record) == {"sealed", "wraps"} and isinstance(record["sealed"], bytes) and isinstance(record["wraps"], dict)
            and all(isinstance(wrap, bytes) for wrap in record["wraps"].values()))


def made_archive(random, keys, holders):
    """(archive, data keys): for each record an image, sealed (nonce | tag | ciphertext), and its data key, wrapped for those holders."""
    archive, data_keys = [], []
    for ids in holders:
        data_key = random.bytes(16)
        cipher = AES.new(data_key, AES.MODE_GCM, nonce=random.bytes(12))
        ciphertext, tag = cipher.encrypt_and_digest(random.bytes(40))
        archive.append({"sealed": cipher.nonce + tag + ciphertext, "wraps": {key_id: wrapped(keys[key_id], data_key) for key_id in ids}})
        data_keys.append(data_key)
    return archive, data_keys


def check(answer, random):
    """Against cryptography's key wrap. The first record and the third are for several, the second was never under the old key, the last is under it alone."""
    names = ["clinic-2025", "clinic-2026", "research", "archive"]
    keys = {name: random.bytes(16) for name in names}
    old, new, partner, store = names
    archive, data_keys = made_archive(random, keys, [(old, partner), (partner,), (partner, old, store), (old,)])
    found = []
    suspect(refusal(lambda: found.append(answer(archive, old, new, keys))) == "KeyError", "You raised KeyError: record 2 has no wrap for the old id, and that is no mistake. "
            "Not every image was wrapped for the clinic; such a record goes over as it is.")
    rotated = found[0] if found else answer(archive, old, new, keys)
    suspect(isinstance(rotated, list) and len(rotated) != len(archive), lambda: f"{len(archive)} records went in, {len(rotated)} came out. Records without a wrap for the old key stay in the archive, too.")
    expect_like(rotated, archive)
    for record, before, data_key, number in zip(rotated, archive, data_keys, range(1, 5)):
        suspect(not sound(record), f"Record {number} is no dict with the two entries \"sealed\", bytes, and \"wraps\", a dict from ids to bytes.")
        ids, wraps = set(before["wraps"]), record["wraps"]
        suspect(record["sealed"] != before["sealed"], f"The image of record {number} was written anew. Nothing of it needs to change: the data key stays, only its wrap is another.")
        suspect(old in ids and old in wraps and new in wraps, f"Record {number} now opens with the new key *and* still with the old one. Whoever has the old one keeps everything: take its wrap out.")
        suspect(old in wraps, f"In record {number} the old key still has its wrap.")
        suspect(old not in ids and new in wraps, f"Record {number} was never wrapped for {short(old)}; now {short(new)} has a wrap in it. Rotation gives nobody more than they had.")
        suspect(old in ids and new not in wraps, f"Record {number} has no wrap for the new key: the clinic has lost that image.")
        suspect((ids - {old}) - set(wraps), f"In record {number} the wraps of other recipients are gone: they cannot open the image any more.")
        suspect(any(wraps[i] != before["wraps"][i] for i in ids - {old}), f"In record {number} the wrap of another recipient is not what it was. Only the old key's is yours to change.")
        if old in ids:
            inside = opened(keys[new], wraps[new])
            suspect(wraps[new] == before["wraps"][old], f"The wrap of record {number} got another id and is the same bytes: it still opens with the old key only.")
            suspect(inside == before["wraps"][old], "With the new key one unwraps ... the old wrap, and needs the old key for that. Unseal it first.")
            suspect(inside == keys[old], "With the new key one unwraps the *old key*. It should be the data key of the image.")
            suspect(inside in data_keys and inside != data_key, f"Record {number} now holds the data key of another record: each image has its own.")
            suspect(inside is not None and inside != data_key, f"With the new key one unwraps a key that record {number} was never sealed with: nobody opens this image again. "
                    "The data key must stay the same, as the image does.")
            suspect(inside is None, f"With the new key the wrap of record {number} does not unseal.")
    expect("the new key opens what the old one did, the old one nothing", sum(new in r["wraps"] for r in rotated) == 3, "One of the records was forgotten.")
    expect("no byte of an image touched, no other recipient's wrap", [r["sealed"] for r in rotated] == [b["sealed"] for b in archive], "The images are not in the order that they came in.")
    other_keys = {name: random.bytes(32) for name in ("k7", "k8", "lab")}
    archive, data_keys = made_archive(random, other_keys, [("lab",), ("k7", "lab")])
    rotated = answer(archive, "k7", "k8", other_keys)
    expect_like(rotated, archive)
    found = [opened(other_keys["k8"], r["wraps"].get("k8", b"")) for r in rotated if sound(r)]
    expect("with other ids and keys of 32 bytes", found == [None, data_keys[1]], "With the ids 'k7' and 'k8' and keys of 32 bytes it went wrong.", points=2)
    damaged = bytearray(archive[1]["wraps"]["k7"])
    damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    archive[1]["wraps"]["k7"] = bytes(damaged)
    how = refusal(lambda: answer(archive, "k7", "k8", other_keys))
    suspect(how is None, "One wrap was damaged, and your function said nothing: it returned an archive in which that image is lost, and the good copy will be deleted. Let the ValueError out.")
    expect("stops at a wrap that does not fit", how == "ValueError", f"At a damaged wrap your function ended with {how}; a ValueError is asked for.", points=2)


@right
def by_comprehension(archive, old, new, keys):
    def under(key_id):
        return AES.new(keys[key_id], AES.MODE_KW)
    def moved(wraps):
        return {new if i == old else i: under(new).seal(under(old).unseal(w)) if i == old else w for i, w in wraps.items()}
    return [{**record, "wraps": moved(record["wraps"])} for record in archive]


@right
def on_a_copy(archive, old, new, keys):
    import copy
    rotated = copy.deepcopy(archive)
    for record in rotated:
        wrap = record["wraps"].pop(old, None)
        if wrap is not None:
            record["wraps"][new] = AES.new(keys[new], AES.MODE_KW).seal(AES.new(keys[old], AES.MODE_KW).unseal(wrap))
    return rotated


def each(archive, old, change):
    """A copy in which `change(record, wraps)` ran on each record under the old key: for the answers below."""
    copies = [{"sealed": record["sealed"], "wraps": dict(record["wraps"])} for record in archive]
    for record in copies:
        if old in record["wraps"]:
            change(record, record["wraps"])
    return copies


@wrong("still with the old one")
def keeps_the_old(archive, old, new, keys):
    def change(record, wraps):
        wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(AES.new(keys[old], AES.MODE_KW).unseal(wraps[old]))
    return each(archive, old, change)


@wrong("needs the old key for that")
def wrap_of_a_wrap(archive, old, new, keys):
    def change(record, wraps):
        wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(wraps.pop(old))
    return each(archive, old, change)


@wrong("one unwraps the *old key*")
def the_old_key_inside(archive, old, new, keys):
    def change(record, wraps):
        del wraps[old]
        wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(keys[old])
    return each(archive, old, change)


@wrong("nobody opens this image again")
def a_fresh_data_key(archive, old, new, keys):
    def change(record, wraps):
        del wraps[old]
        wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(bytes(range(16)))
    return each(archive, old, change)


@wrong("was written anew")
def seals_again(archive, old, new, keys):
    def change(record, wraps):
        data_key, sealed = AES.new(keys[old], AES.MODE_KW).unseal(wraps.pop(old)), record["sealed"]
        pixels = AES.new(data_key, AES.MODE_GCM, nonce=sealed[:12]).decrypt_and_verify(sealed[28:], sealed[12:28])
        cipher = AES.new(data_key, AES.MODE_GCM, nonce=bytes(12))
        ciphertext, tag = cipher.encrypt_and_digest(pixels)
        record["sealed"] = cipher.nonce + tag + ciphertext
        wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(data_key)
    return each(archive, old, change)


@wrong("wraps of other recipients are gone")
def for_itself_only(archive, old, new, keys):
    rotated = []
    for record in archive:
        wraps = record["wraps"]
        if old in wraps:
            wraps = {new: AES.new(keys[new], AES.MODE_KW).seal(AES.new(keys[old], AES.MODE_KW).unseal(wraps[old]))}
        rotated.append({"sealed": record["sealed"], "wraps": wraps})
    return rotated


@wrong("Records without a wrap for the old key stay")
def drops_the_others(archive, old, new, keys):
    rotated = []
    for record in archive:
        if old in record["wraps"]:
            wraps = {i: w for i, w in record["wraps"].items() if i != old}
            wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(AES.new(keys[old], AES.MODE_KW).unseal(record["wraps"][old]))
            rotated.append({"sealed": record["sealed"], "wraps": wraps})
    return rotated


@wrong("You raised KeyError")
def expects_it_everywhere(archive, old, new, keys):
    rotated = []
    for record in archive:
        wraps = dict(record["wraps"])
        data_key = AES.new(keys[old], AES.MODE_KW).unseal(wraps.pop(old))
        rotated.append({"sealed": record["sealed"], "wraps": {**wraps, new: AES.new(keys[new], AES.MODE_KW).seal(data_key)}})
    return rotated


@wrong("your function said nothing")
def swallows_the_error(archive, old, new, keys):
    def change(record, wraps):
        try:
            wraps[new] = AES.new(keys[new], AES.MODE_KW).seal(AES.new(keys[old], AES.MODE_KW).unseal(wraps.pop(old)))
        except ValueError:
            pass
    return each(archive, old, change)


@wrong("it still opens with the old key only")
def another_label(archive, old, new, keys):
    def change(record, wraps):
        wraps[new] = wraps.pop(old)
    return each(archive, old, change)


@wrong("changed its argument")
def in_place(archive, old, new, keys):
    for record in archive:
        if old in record["wraps"]:
            data_key = AES.new(keys[old], AES.MODE_KW).unseal(record["wraps"].pop(old))
            record["wraps"][new] = AES.new(keys[new], AES.MODE_KW).seal(data_key)
    return archive

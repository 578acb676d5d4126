"""A pseudonym that only the holder of a key can make, and another one in each project."""
import hashlib
import hmac

from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 3, 7, 2
hints = [
    "Whoever can compute the pseudonym can try all birth dates. So something must go in that only the hospital has, by a way made for it.",
    "HMAC under `key`, of the message that the docstring lays out: first the length of the project's bytes, so that project `A1`, patient `2` is not project `A`, patient `12`.",
    "`name = project.encode()`; `message = len(name).to_bytes(2, \"big\") + name + patient.encode()`; `hmac.new(key, message, \"sha256\").digest()`, its first 16 bytes, `.hex()`.",
]
after = ("Whoever has the key undoes all of it by the attack you wrote first: it is a secret, from `secrets`, kept apart from the data. Lost, no new scan finds its patient again; "
         "leaked, every pseudonym ever made with it falls at once.")


def pseudonym(patient, project, key):
    """The patient's name in a project: 32 characters of base 16.

    patient, project: texts; .encode() makes bytes of a text. key: bytes,
    secret.
    HMAC-SHA-256 under the key of this message: the length of the
    project's bytes (two bytes, "big"), the project's bytes, the patient's
    bytes. Of the result the first 16 bytes, as text by .hex().
    hmac.new(key, message, "sha256").digest() makes the 32 bytes.
    """
    # BEGIN SOLUTION
    name = project.encode()
    message = len(name).to_bytes(2, "big") + name + patient.encode()
    return hmac.new(key, message, "sha256").digest()[:16].hex()
    # END SOLUTION


def by_hand(key, message, hashed=hashlib.sha256):
    """RFC 2104, from the hash alone."""
    key = (hashed(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashed(bytes(k ^ 0x36 for k in key) + message).digest()
    return hashed(bytes(k ^ 0x5C for k in key) + inner).hexdigest()


def check(answer, random):
    """Birth dates and record numbers under keys of 32 bytes; pairs that a careless joining takes for the same; RFC 2104 by hand."""
    key, other_key = random.bytes(32), random.bytes(32)
    patient, project = f"19{random.randrange(10, 99)}-0{random.randrange(1, 9)}-{random.randrange(10, 28)}", f"study {random.randrange(100, 999)}"
    name, who = project.encode(), patient.encode()
    right_message = len(name).to_bytes(2, "big") + name + who
    try:
        result = answer(patient, project, key)
    except NotYet as error:
        suspect(error.raised == "TypeError" and any(each in error.sentence for each in ("str", "Strings", "bytes")),
                f"{error.sentence} HMAC takes bytes: `project` and `patient` are texts, and `.encode()` makes bytes of them.")
        raise
    suspect(isinstance(result, bytes), "These are bytes; a pseudonym is written into a table, as text: `.hex()`.")
    expect_like(result, "")
    suspect(result == patient, "That is the patient's own name.")
    suspect(answer(patient, project, key) != result, "The same patient got two pseudonyms: nobody can put the first and the second scan together. No chance may come in.")
    lower = result.lower()
    suspect(any(lower.startswith(hashlib.sha256(text).hexdigest()[:8]) for text in (who, name + who, who + name, right_message)) or answer(patient, project, other_key) == result,
            lambda: f"No key went in. I hashed 46,000 birth dates, and found yours in the table: {patient}.")
    suspect(any(lower.startswith(hashlib.sha256(text).hexdigest()[:8]) for text in (key + who, key + right_message, key + name + who, right_message + key, who + key, name + who + key)),
            "That is a plain hash of key and message put together. With the key in front it can be extended, as above; with the key behind, it falls with any collision of the hash. HMAC was "
            "made for this: `hmac.new(key, ...)`.")
    suspect(lower.startswith(by_hand(right_message, key)[:8]), "Key and message are swapped: `hmac.new` takes the key first.")
    suspect(answer(patient, project + "b", key) == result, "In another project the patient has the same pseudonym: whoever has both tables puts them together.")
    suspect(lower.startswith(by_hand(key, right_message, hashlib.sha1)[:8]) or lower.startswith(by_hand(key, right_message, hashlib.md5)[:8]), "The hash is another: \"sha256\" is asked for.")
    pair = answer("2", "A1", key), answer("12", "A", key)
    suspect(pair[0] == pair[1], "Patient 2 of project A1 and patient 12 of project A have the same pseudonym: nobody can tell where the project ends. Its length must stand before it.")
    wanted = by_hand(key, right_message)
    suspect(result == wanted, "These are all 32 bytes; the first 16 are asked for.")
    suspect(len(result) < 32 and wanted.startswith(result), lambda: f"Only {len(result)} characters. Cut short, two patients soon share a pseudonym: 16 *bytes* are 32 characters.")
    suspect(result == wanted[32:], "These are the last 16 bytes; the first are asked for.")
    suspect(result == wanted[:32].upper() and result != wanted[:32], "The letters are large; `.hex()` writes small ones. Two spellings of one pseudonym never meet again.")
    suspect(result == by_hand(key, len(name).to_bytes(2, "little") + name + who)[:32], "The length stands with its small end first; \"big\" is asked for.")
    suspect(result == by_hand(key, str(len(name)).encode() + name + who)[:32], "The length stands there in digits. As a number of two bytes it is `....to_bytes(2, \"big\")`.")
    suspect(result in (by_hand(key, len(name).to_bytes(n, "big") + name + who)[:32] for n in (1, 4, 8)), "The length does not take two bytes.")
    suspect(result == by_hand(key, len(who).to_bytes(2, "big") + name + who)[:32] or result == by_hand(key, len(who).to_bytes(2, "big") + who + name)[:32], "The length and the first place are the project's, not the patient's.")
    suspect(result == by_hand(key.hex().encode(), right_message)[:32], "The key went in as text; it is bytes already.")
    expect("HMAC-SHA-256 of project and patient, 16 bytes", result == wanted[:32], "It is not the HMAC that the docstring describes: length of the project, project, patient.", points=1,
           got=result, expected=wanted[:32])
    for patient, project in (("Müller, Jürgen", "Größe"), ("4711", ""), (f"MRN{random.randrange(10**6)}", "x" * 300)):
        name = project.encode()
        wanted = by_hand(other_key, len(name).to_bytes(2, "big") + name + patient.encode())[:32]
        result = answer(patient, project, other_key)
        expect_like(result, "")
        suspect(project == "Größe" and result == by_hand(other_key, len(project).to_bytes(2, "big") + name + patient.encode())[:32],
                "Größe has 5 letters and 7 bytes: count after `.encode()`.")
        expect("for other patients, projects and keys", result == wanted, lambda: f"For a project of {len(project)} letters it is another.", points=2 * (len(name) == 300))


@right
def whole_then_cut(patient, project, key):
    project = bytes(project, "utf-8")
    made = hmac.new(key, digestmod=hashlib.sha256)
    made.update(bytes(divmod(len(project), 256)))
    made.update(project)
    made.update(patient.encode("utf-8"))
    return made.hexdigest()[:32]


@right
def from_the_formula(patient, project, key):
    def h(data):
        return hashlib.sha256(data).digest()
    p = project.encode()
    data = len(p).to_bytes(2, "big") + p + patient.encode()
    block = (h(key) if len(key) > 64 else key).ljust(64, b"\0")
    return h(bytes(b ^ 92 for b in block) + h(bytes(b ^ 54 for b in block) + data))[:16].hex()


@wrong("No key went in")
def bare_hash(patient, project, key):
    return hashlib.sha256(patient.encode()).hexdigest()[:32]


@wrong("it can be extended, as above")
def key_in_front(patient, project, key):
    name = project.encode()
    return hashlib.sha256(key + len(name).to_bytes(2, "big") + name + patient.encode()).digest()[:16].hex()


@wrong("nobody can tell where the project ends")
def joined(patient, project, key):
    return hmac.new(key, (project + patient).encode(), "sha256").hexdigest()[:32]


@wrong("whoever has both tables")
def one_for_all(patient, project, key):
    return hmac.new(key, patient.encode(), "sha256").hexdigest()[:32]


@wrong("Cut short")
def too_short(patient, project, key):
    name = project.encode()
    return hmac.new(key, len(name).to_bytes(2, "big") + name + patient.encode(), "sha256").hexdigest()[:16]


@wrong("all 32 bytes")
def not_cut(patient, project, key):
    name = project.encode()
    return hmac.new(key, len(name).to_bytes(2, "big") + name + patient.encode(), "sha256").hexdigest()


@wrong("as text: `.hex()`")
def still_bytes(patient, project, key):
    name = project.encode()
    return hmac.digest(key, len(name).to_bytes(2, "big") + name + patient.encode(), "sha256")[:16]


@wrong("`hmac.new` takes the key first")
def swapped(patient, project, key):
    name = project.encode()
    return hmac.new(len(name).to_bytes(2, "big") + name + patient.encode(), key, "sha256").hexdigest()[:32]


@wrong("count after `.encode()`")
def letters(patient, project, key):
    return hmac.new(key, len(project).to_bytes(2, "big") + (project + patient).encode(), "sha256").hexdigest()[:32]


@wrong("`.encode()` makes bytes of them")
def text_with_bytes(patient, project, key):
    return hmac.new(key, len(project).to_bytes(2, "big") + project + patient, "sha256").digest()[:16].hex()


@wrong("stands there in digits")
def digits(patient, project, key):
    return hmac.new(key, f"{len(project)}{project}{patient}".encode(), "sha256").hexdigest()[:32]


@wrong("got two pseudonyms")
def by_chance(patient, project, key):
    import secrets
    return secrets.token_hex(16)

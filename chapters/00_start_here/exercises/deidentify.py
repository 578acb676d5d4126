"""De-identify: a check list for the header, at every depth; dates move together, identifiers are replaced alike."""
import hmac
import io
import warnings
from datetime import date, datetime, timedelta

import numpy as np
import pydicom
from pydicom import uid as uids
from pydicom.dataset import Dataset, FileMetaDataset

from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, wrong

points, minutes, difficulty = 5, 9, 3
hints = [
    "In `clean`, one `elif` for each rule, and one for None. Below it, let pydicom bring every element to `clean`: `study.walk(clean)` also enters "
    "sequences. Which part of the file does that walk not reach?",
    "A private element's keyword is \"\", so its rule is None, as for whatever must go. A nested element lies in the "
    "`dataset` that `walk` hands you, not in `study`.",
    "In `clean`: `elif rule is None:` delete it; then `elif rule == \"replace\":` and `elif rule == \"shift\":`, each with one line "
    "`element.value = ...(element.value, ...)`. Below it two walks: one of `study`, one of `study.file_meta`.",
]
after = ("What is not on the list goes: a list of what to remove is out of date with the next scanner, a list of what may stay is not. "
         "Whoever holds the key can find the patient again: this is pseudonymous, not anonymous.")


def deidentify(file, rules, key):
    """The same study without its patient: bytes in, bytes out.

    file: a DICOM file, as bytes. key: bytes only the hospital knows.
    rules: a dict, from an element's keyword to what is done with it
    at every depth, and in study.file_meta:
      "keep": nothing
      "empty": its value becomes ""
      "replace": its value becomes new_uid(its value)
      "shift": its value becomes shifted(its value)
    What has no rule is deleted.
    """
    def number(text):           # equal for equal texts, and secret
        digest = hmac.digest(key, text.encode(), "sha256")
        return int.from_bytes(digest[:16], "big")

    def new_uid(old):
        return f"2.25.{number(old)}"

    study = pydicom.dcmread(io.BytesIO(file))
    days = number(study.PatientID) % 365 + 1    # by the old number

    def shifted(date):          # so many days earlier, no time of day
        day = datetime.strptime(date[:8], "%Y%m%d") - timedelta(days)
        return day.strftime("%Y%m%d")

    def clean(dataset, element):
        rule = rules.get(element.keyword)       # None: it has no rule
        if rule == "empty":
            element.value = ""
        # BEGIN SOLUTION
        elif rule is None:
            del dataset[element.tag]
        elif rule == "replace":
            element.value = new_uid(element.value)
        elif rule == "shift":
            element.value = shifted(element.value)
        # END SOLUTION

    # BEGIN SOLUTION
    study.walk(clean)
    study.file_meta.walk(clean)
    # END SOLUTION
    study.PatientIdentityRemoved = "YES"
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


RULES = {
    **dict.fromkeys((
        "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID", "TransferSyntaxUID", "ImplementationClassUID",
        "ImplementationVersionName", "SpecificCharacterSet", "SOPClassUID", "Modality", "PatientIdentityRemoved", "SliceThickness", "SamplesPerPixel",
        "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth",
        "PixelData", "SourceImageSequence", "ReferencedSOPClassUID", "PurposeOfReferenceCodeSequence", "CodeValue"), "keep"),
    **dict.fromkeys(("PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "AccessionNumber", "StudyTime"), "empty"),
    **dict.fromkeys(("PatientID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "MediaStorageSOPInstanceUID", "ReferencedSOPInstanceUID"), "replace"),
    **dict.fromkeys(("StudyDate", "ContentDate", "AcquisitionDateTime", "DateOfSecondaryCapture"), "shift"),
}
# Elements without a rule, of which each file gets some: no list of names to remove would hold them all.
UNLISTED = ("PatientMotherBirthName", "AdditionalPatientHistory", "RequestingPhysician", "PatientComments", "ResponsiblePerson", "InstitutionName")
MAY_DIFFER = ("FileMetaInformationGroupLength", "ImplementationClassUID", "ImplementationVersionName", "PatientIdentityRemoved")
OLDEST = date(2019, 1, 1)


class Patient:
    """An invented person of the check."""

    def __init__(self, random):
        def word(n):
            return "".join(random.sample("ABCDEFGHIJKLMNOPQRSTUVWXYZ", n)).capitalize()
        self.family, self.given, self.id = word(9), word(6), f"P{random.randrange(10**7, 10**8)}"
        self.born = date(random.randrange(1930, 2000), random.randrange(1, 13), random.randrange(1, 29)).strftime("%Y%m%d")

    def days(self, key):
        """By how many days this patient's dates move."""
        return number_of(key, self.id) % 365 + 1


def number_of(key, text):
    """The stub's `number`."""
    return int.from_bytes(hmac.new(key, text.encode(), "sha256").digest()[:16], "big")


def file_of(random, who, day, study, image, source):
    """A small DICOM file of a patient: two sequences in each other, a private block, one element of the file meta information too many."""
    data, meta, name = Dataset(), FileMetaDataset(), f"{who.family}^{who.given}"
    meta.MediaStorageSOPClassUID = data.SOPClassUID = uids.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = image
    meta.TransferSyntaxUID, meta.SourceApplicationEntityTitle = uids.ExplicitVRLittleEndian, who.family.upper()
    data.StudyInstanceUID, data.SeriesInstanceUID = study, study + ".1"
    data.SpecificCharacterSet, data.Modality, data.PatientIdentityRemoved, data.SliceThickness = "ISO_IR 192", "OT", "NO", random.randrange(1, 9)
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = name, who.id, who.born, "F"
    data.ReferringPhysicianName, data.AccessionNumber, data.StudyTime = "Referrer^" + who.given, f"A{random.randrange(10**6)}", "1030"
    data.StudyDate = data.ContentDate = data.DateOfSecondaryCapture = day.strftime("%Y%m%d")
    data.AcquisitionDateTime = day.strftime("%Y%m%d") + "103015"
    for keyword in random.sample(UNLISTED, 3):
        setattr(data, keyword, name)
    data.private_block(0x0011, "SCANNER MAKER", create=True).add_new(1, "LO", f"{who.family} {who.born}")
    purpose, reference = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodeMeaning = "121320", f"for {who.family}"
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uids.SecondaryCaptureImageStorage, source
    reference.PurposeOfReferenceCodeSequence = [purpose]
    data.SourceImageSequence = [reference]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.Rows, data.Columns = 1, "MONOCHROME2", 4, 4
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.WindowCenter, data.WindowWidth = 2048, random.randrange(1000, 4000)
    data.PixelData = random.numpy().integers(0, 4096, 16).astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    data.file_meta = meta
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def table(dataset, place=""):
    """{where it stands: (keyword, value as text)} of all elements at every depth; a sequence's own value is ""."""
    rows = {}
    for element in dataset:
        here = f"{place}{element.tag}"
        value = element.value
        rows[here] = element.keyword, "" if element.VR == "SQ" else value.decode("latin-1") if isinstance(value, bytes) else "\\".join(map(str, value)) \
            if isinstance(value, (list, pydicom.multival.MultiValue)) else str(value)
        if element.VR == "SQ":
            for i, item in enumerate(value):
                rows |= table(item, f"{here} item {i}: ")
    return rows


def read(file, largest):
    """The table of a file's elements, or None if it is none: what comes back from an answer may be anything."""
    try:
        if not isinstance(file, bytes) or len(file) > largest:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(file))
            return table(dataset.file_meta) | table(dataset)
    except Exception:
        return None


def expected_of(rows, who, key):
    """What should be in the file: {where: value}; and {where: action} of all that was in it."""
    wanted, actions = {}, {}
    for here, (keyword, value) in rows.items():
        above = here.rpartition(" item ")[0]
        action = RULES.get(keyword) if not above or actions.get(above) else None
        actions[here] = action
        if action == "shift":
            day = datetime.strptime(value[:8], "%Y%m%d") - timedelta(days=who.days(key))
            wanted[here] = f"{day:%Y%m%d}"
        elif action:
            wanted[here] = {"keep": value, "empty": "", "replace": f"2.25.{number_of(key, value)}"}[action]
    return wanted, actions


def label(here, keyword):
    """"(0010,0010) PatientName", and where it stands if not at the top."""
    tag, depth = here.rpartition(": ")[2], here.count(" item ")
    where = ["", ", inside a sequence", ", inside a sequence in a sequence"][min(depth, 2)] + ", in the file meta information" * tag.startswith("(0002")
    return f"{tag} {keyword}".strip() + where


def said_of(value, who):
    """What of the patient a value gives away."""
    for secret, words in ((who.family, "The name"), (who.id, "The patient's number"), (who.born, "The birth date")):
        if secret.lower() in value.lower():
            return words
    return f"The value {short(value, 30)}"


def check(answer, random):
    """PS3.15 Annex E in small. Two visits of one patient, the second a picture of the first, and another patient; then another hospital's key."""
    key, other_key = random.bytes(16), random.bytes(16)
    one, two = Patient(random), Patient(random)
    while len({one.days(key), two.days(key), one.days(other_key)}) < 3:
        two, other_key = Patient(random), random.bytes(16)
    first = OLDEST + timedelta(days=random.randrange(1000))
    gap = random.randrange(20, 300)
    base = f"1.2.{random.randrange(10**6, 10**7)}"
    image = base + ".7.1"
    plan = [(one, first, base + ".1", image, base + ".9.9"), (one, first + timedelta(days=gap), base + ".2", base + ".8.2", image),
            (two, first, base + ".3", base + ".8.3", base + ".9.8")]
    files = [file_of(random, *each) for each in plan]
    replies = [answer(file, dict(RULES), key) for file in files]
    for reply in replies:
        expect_like(reply, b"")
    suspect(replies[0] == files[0], "This is the file as it came, the patient's name included.")
    before = [read(file, len(file)) for file in files]
    after_ = [read(reply, 3 * len(file)) for reply, file in zip(replies, files)]
    suspect(None in after_, "pydicom cannot read what you return as a DICOM file. Is the file meta information whole (TransferSyntaxUID), and is this all of the file?")
    suspect(replies[0] == replies[1] and "(7FE0,0010)" in after_[0], "Different files came out equal: you do not work on the file that you are given.")
    suspect(all(was.items() <= (is_ | {here: row for here, row in was.items() if row[0] in MAY_DIFFER}).items() for was, is_ in zip(before, after_)),
            "No element was cleaned. `clean` does nothing until it is called: `study.walk(clean)` brings it each element.")
    whose = [each[0] for each in plan]

    told = [expected_of(rows, who, key) for rows, who in zip(before, whose)]
    _nothing_left(before, after_, told, whose)
    _kept(before, after_, told)
    _replaced(before, after_, told, [replies[0], answer(files[0], dict(RULES), other_key)], len(files[0]), key, one)
    for reply, who in zip(replies, whose):
        text = reply.decode("latin-1").lower()
        suspect(any(secret.lower() in text for secret in (who.family, who.id, who.born)), lambda: f"{said_of(reply.decode('latin-1'), who)} is still in the bytes "
                "of the file, in an element that you added, or outside all elements.")
    _shifted(before, after_, told, whose, key, gap)


def _nothing_left(before, after_, told, whose):
    """Nothing without a rule, and what is to be empty is."""
    for rows, found, (wanted, actions), who in zip(before, after_, told, whose):
        left = [here for here, action in actions.items() if action is None and here in found and rows[here][0] not in MAY_DIFFER]
        plain = [here for here in left if rows[here][0] and " item " not in here and not here.startswith("(0002")]
        full = [here for here, action in actions.items() if action == "empty" and found.get(here, ("", ""))[1]]
        suspect(plain and not found[plain[0]][1], lambda: f"{label(plain[0], rows[plain[0]][0])} has no value any more, but is still there. What has no rule goes, "
                "not only its value: `del dataset[element.tag]`.")
        suspect(plain, lambda: f"{said_of(found[plain[0]][1], who)} still stands in {label(plain[0], rows[plain[0]][0])}, which has no rule. "
                "What has no rule goes, whatever it is.")
        suspect(full, lambda: f"{said_of(found[full[0]][1], who)} still stands in {label(full[0], rows[full[0]][0])}. Its rule is \"empty\": the value becomes \"\".")
        private = [here for here in left if not rows[here][0]]
        suspect(private, lambda: f"{said_of(found[private[-1]][1], who)} still stands in a private element, {label(private[-1], '')}. "
                "It has no keyword, hence no rule, hence it goes: only the scanner's maker knows what is in it.")
        nested = [here for here in left if " item " in here]
        suspect(nested, lambda: f"{said_of(found[nested[0]][1], who)} still stands in {label(nested[0], rows[nested[0]][0])}. "
                "A loop over `study` meets a sequence, not what is in its items; `study.walk` enters them.")
        meta = [here for here in left if here.startswith("(0002")]
        suspect(meta, lambda: f"{said_of(found[meta[0]][1], who)} still stands in {label(meta[0], rows[meta[0]][0])}. "
                "That is a dataset of its own, `study.file_meta`; a walk over `study` does not reach it.")


def _kept(before, after_, told):
    """What must stay is there, unchanged."""
    gone, changed = [], []
    for rows, found, (wanted, actions) in zip(before, after_, told):
        there = [here for here in wanted if rows[here][0] not in MAY_DIFFER]
        gone += [(here, rows[here][0], actions[here]) for here in there if here not in found]
        changed += [(here, rows[here][0]) for here in there if here in found and actions[here] == "keep" and found[here][1] != wanted[here]]
    gone.sort(key=lambda one: one[0].startswith("(0002"))          # what lies at the top is named first
    for action, words in (("keep", "Its rule is \"keep\": you delete more than what has no rule, and readers need it."),
                          ("empty", "Its rule is \"empty\": the element stays (readers look for it), only its value goes."),
                          ("replace", "Its rule is \"replace\": the element stays, with a new value."), ("shift", "Its rule is \"shift\": the date moves, it does not go.")):
        lost = [one for one in gone if one[2] == action]
        suspect(lost, lambda: f"{label(*lost[0][:2])} is gone. {words}")
    suspect(changed, lambda: f"{label(*changed[0])} is no longer what it was. Its rule is \"keep\": not every UID tells of a patient, this one tells what kind of file it is."
            if "UID" in changed[0][1] else f"{label(*changed[0])} is no longer what it was. Its rule is \"keep\".")
    expect("what must stay stays, and the rest is gone at every depth", not gone and not changed, "Something that should stay is gone.", points=2)


def _replaced(before, after_, told, two_keys, size, key, one):
    """The same new identifier for the same old one, from the key."""
    pairs, same = [], []
    for rows, found, (wanted, actions) in zip(before, after_, told):
        for here, action in actions.items():
            if action == "replace":
                pairs.append((rows[here][1], found[here][1], wanted[here]))
                same += [(here, rows[here][0])] if found[here][1] == rows[here][1] else []
    same.sort(key=lambda one: one[0].startswith("(0002"))          # what lies at the top is named first
    suspect(same, lambda: f"The old value still stands in {label(*same[0])}: " + (
        "`save_as` does not bring it up to date with the new SOPInstanceUID. `study.file_meta` has to be walked, too." if same[0][0].startswith("(0002")
        else "whoever has the original file finds the patient by it."))
    twice = {old: new for old, new, _ in pairs}
    suspect(any(twice[old] != new for old, new, _ in pairs), "One old identifier became two different new ones, here and there: a picture no longer refers to its "
            "source, or two studies no longer belong to one patient. The same text must give the same new one, in every file: new_uid does.")
    suspect(len(set(twice.values())) < len(twice), "Different old identifiers became one and the same.")
    expect_like(two_keys[1], b"")
    other = read(two_keys[1], 3 * size)
    suspect(other is not None and any(other[here][1] == after_[0][here][1] for here, action in told[0][1].items() if action == "replace" and here in other),
            "With another key the same new identifiers came out. Then anybody who guesses an old one can compute the new: the key must go into it.")
    wrong_ones = [(new, wanted) for _, new, wanted in pairs if new != wanted]
    expect("identifiers are replaced alike everywhere, by the key", not wrong_ones, "The new identifiers are not new_uid(old value).", points=1,
           got=wrong_ones[0][0] if wrong_ones else None, expected=wrong_ones[0][1] if wrong_ones else None)


def _shifted(before, after_, told, whose, key, gap):
    """All dates of a patient by the same days, another patient's by others; the time of day gone."""
    moved, longer = [], []
    for rows, found, (wanted, actions) in zip(before, after_, told):
        here_moved = {}
        for here, action in actions.items():
            if action == "shift":
                keyword, value = rows[here]
                new = found[here][1]
                try:
                    here_moved[keyword] = (datetime.strptime(value[:8], "%Y%m%d") - datetime.strptime(new[:8], "%Y%m%d")).days
                except ValueError:
                    suspect(not new, lambda: f"{label(here, keyword)} is empty: with it goes the time between two visits. Its rule is \"shift\".")
                    suspect(True, lambda: f"{label(here, keyword)} is no date YYYYMMDD any more: {short(new, 30)}. "
                            "Dates are text here, and months have ends: make a datetime, subtract a timedelta, and write it with strftime.")
                longer += [(here, keyword, new)] if len(new) > 8 else []
        moved.append(here_moved)
    first, second, other = moved
    suspect(not any(first.values()) and not any(second.values()), "The dates did not move: who knows on which day a person was scanned knows who this is.")
    apart = [keyword for keyword, days in first.items() if days != first["StudyDate"]]
    suspect(apart, lambda: f"In one file StudyDate moved by {first['StudyDate']} days and {apart[0]} by {first[apart[0]]}. Was PatientID replaced between them? "
            "Compute the days once, before anything is cleaned.")
    suspect(first["StudyDate"] != second["StudyDate"], lambda: f"The two visits of one patient are {gap} days apart, and {gap + first['StudyDate'] - second['StudyDate']} "
            "after your shift. The days must come from what both files share: their PatientID.")
    suspect(first["StudyDate"] == other["StudyDate"], lambda: f"Two patients, and both moved by {first['StudyDate']} days: who knows one of them can undo the other's. "
            "The days come from the patient's own number, as it was before the cleaning.")
    suspect(first["StudyDate"] == number_of(key, f"2.25.{number_of(key, whose[0].id)}") % 365 + 1,
            "You computed the days from the new PatientID. They come from the old one: compute them before the walk.")
    suspect(first["StudyDate"] == -whose[0].days(key), "Your dates moved into the future. The rule says back.")
    suspect(longer, lambda: f"The time of day still stands in {label(*longer[0][:2])}: {short(longer[0][2])}. Minute and second point to one scan of the hospital; keep the first eight digits.")
    expect("dates moved back together, the time between visits kept", all(days == who.days(key) for here, who in zip(moved, whose) for days in here.values()),
           lambda: f"The days are number(PatientID) % 365 + 1; for the first file {whose[0].days(key)}, yours moved by {first['StudyDate']}.", points=2)


@right
def own_recursion(file, rules, key):
    def number(text):
        return int.from_bytes(hmac.digest(key, text.encode(), "sha256")[:16], "big")

    study = pydicom.dcmread(io.BytesIO(file))
    days = number(study.PatientID) % 365 + 1

    def clean(dataset):
        for element in list(dataset):
            rule = rules.get(element.keyword, "delete")
            if rule == "delete":
                del dataset[element.tag]
            elif element.VR == "SQ":
                for item in element.value:
                    clean(item)
            elif rule == "empty":
                element.value = ""
            elif rule == "replace":
                element.value = f"2.25.{number(element.value)}"
            elif rule == "shift":
                year, month, day = int(element.value[:4]), int(element.value[4:6]), int(element.value[6:8])
                element.value = date.fromordinal(date(year, month, day).toordinal() - days).strftime("%Y%m%d")

    for part in (study, study.file_meta):
        clean(part)
    output = io.BytesIO()
    study.save_as(output, enforce_file_format=True)
    return output.getvalue()


@right
def in_two_rounds(file, rules, key):
    def new_uid(old):
        return f"2.25.{int.from_bytes(hmac.digest(key, old.encode(), 'sha256')[:16], 'big')}"

    study = pydicom.dcmread(io.BytesIO(file))
    days = timedelta(days=int(new_uid(study.PatientID)[5:]) % 365 + 1)
    study.remove_private_tags()
    unlisted = lambda dataset, element: dataset.pop(element.tag) if element.keyword not in rules else None
    change = {"empty": lambda value: "", "replace": new_uid, "keep": lambda value: value,
              "shift": lambda value: (datetime(int(value[:4]), int(value[4:6]), int(value[6:8])) - days).strftime("%Y%m%d")}

    def rewrite(dataset, element):
        if rules[element.keyword] != "keep":
            element.value = change[rules[element.keyword]](element.value)

    for part in (study, study.file_meta):
        part.walk(unlisted)
        part.walk(rewrite)
    study.PatientIdentityRemoved = "YES"
    study.DeidentificationMethod = "rules, key"
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


def cleaned(file, rules, key, *, days=None, new=None, meta=True, nested=True, sign=-1, digits=8, skip=()):
    """The course's answer with one thing done otherwise: what most of the wrong answers below share."""
    study = pydicom.dcmread(io.BytesIO(file))
    days = number_of(key, study.PatientID) % 365 + 1 if days is None else days(study)

    def clean(dataset, element):
        action = rules.get(element.keyword)
        if action is None and not (element.tag.is_private and "private" in skip):
            del dataset[element.tag]
        elif action in skip:
            return
        elif action == "empty":
            element.value = ""
        elif action == "replace":
            element.value = new(element.value) if new else f"2.25.{number_of(key, element.value)}"
        elif action == "shift":
            day = datetime.strptime(element.value[:8], "%Y%m%d") + sign * timedelta(days=days)
            element.value = day.strftime("%Y%m%d") + element.value[8:] * (digits > 8)

    study.walk(clean, recursive=nested)
    if meta:
        study.file_meta.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("which has no rule")
def names_only(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
        setattr(study, keyword, "")
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("`clean` does nothing until it is called")
def never_walked(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        del dataset[element.tag]

    study.PatientIdentityRemoved = "YES"
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("still stands in a private element")
def private_kept(file, rules, key):
    return cleaned(file, rules, key, skip=("private",))


@wrong("CodeMeaning, inside a sequence")
def not_nested(file, rules, key):
    return cleaned(file, rules, key, nested=False)


@wrong("(0002,0016) SourceApplicationEntityTitle, in the file meta information")
def forgot_meta(file, rules, key):
    return cleaned(file, rules, key, meta=False)


@wrong('Its rule is "empty": the value becomes ""')
def nothing_emptied(file, rules, key):
    return cleaned(file, rules, key, skip=("empty",))


@wrong("has no value any more, but is still there")
def emptied_not_deleted(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        if rules.get(element.keyword) is None:
            element.value = None

    study.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("what stands in it is `element.value`")
def the_whole_element(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        if rules.get(element.keyword) == "replace":
            element.value = f"2.25.{int.from_bytes(hmac.digest(key, element.encode(), 'sha256')[:16], 'big')}"

    study.walk(clean)


@wrong("Its rule is \"replace\": the element stays")
def deletes_all_else(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        rule = rules.get(element.keyword)
        if rule == "empty":
            element.value = ""
        elif rule != "keep":
            del dataset[element.tag]

    study.walk(clean)
    study.file_meta.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("(0008,0030) StudyTime is gone")
def empty_is_removed(file, rules, key):
    return cleaned(file, {keyword: rule for keyword, rule in rules.items() if rule != "empty"}, key)


@wrong("you delete more than what has no rule")
def keep_forgotten(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        if rules.get(element.keyword) == "empty":
            element.value = ""
        else:
            del dataset[element.tag]

    study.walk(clean)
    study.file_meta.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("not every UID tells of a patient")
def every_uid(file, rules, key):
    rules = {keyword: "replace" if keyword in ("SOPClassUID", "ReferencedSOPClassUID") else rule for keyword, rule in rules.items()}
    return cleaned(file, rules, key)


@wrong("`save_as` does not bring it up to date")
def old_uid_in_meta(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(cleaned(file, rules, key)))
    study.file_meta.MediaStorageSOPInstanceUID = pydicom.dcmread(io.BytesIO(file)).SOPInstanceUID
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("One old identifier became two different new ones")
def random_uids(file, rules, key):
    return cleaned(file, rules, key, new=lambda old: uids.generate_uid())


@wrong("Different old identifiers became one")
def one_for_all(file, rules, key):
    return cleaned(file, rules, key, new=lambda old: f"2.25.{number_of(key, '')}")


@wrong("With another key the same new identifiers came out")
def without_the_key(file, rules, key):
    return cleaned(file, rules, key, new=lambda old: uids.generate_uid(prefix="2.25.", entropy_srcs=[old]))


@wrong("whoever has the original file finds the patient by it")
def uids_kept(file, rules, key):
    return cleaned(file, rules, key, skip=("replace",))


@wrong("The dates did not move")
def dates_kept(file, rules, key):
    return cleaned(file, rules, key, days=lambda study: 0)


@wrong("Two patients, and both moved by 30 days")
def thirty_days(file, rules, key):
    return cleaned(file, rules, key, days=lambda study: 30)


@wrong("The two visits of one patient are")
def days_of_the_study(file, rules, key):
    return cleaned(file, rules, key, days=lambda study: number_of(key, study.StudyInstanceUID) % 365 + 1)


@wrong("from the new PatientID")
def days_of_the_new_id(file, rules, key):
    return cleaned(file, rules, key, days=lambda study: number_of(key, f"2.25.{number_of(key, study.PatientID)}") % 365 + 1)


@wrong("Your dates moved into the future")
def forward(file, rules, key):
    return cleaned(file, rules, key, sign=1)


@wrong("The time of day still stands in (0008,002A) AcquisitionDateTime")
def time_kept(file, rules, key):
    return cleaned(file, rules, key, digits=14)


@wrong("Was PatientID replaced between them?")
def days_while_cleaning(file, rules, key):
    def number(text):
        digest = hmac.digest(key, text.encode(), "sha256")
        return int.from_bytes(digest[:16], "big")

    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        action = rules.get(element.keyword)
        if action is None:
            del dataset[element.tag]
        elif action == "empty":
            element.value = ""
        elif action == "replace":
            element.value = f"2.25.{number(element.value)}"
        elif action == "shift":
            days = timedelta(number(study.PatientID) % 365 + 1)
            element.value = (datetime.strptime(element.value[:8], "%Y%m%d") - days).strftime("%Y%m%d")

    study.walk(clean)
    study.file_meta.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("months have ends")
def as_whole_numbers(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(cleaned(file, rules, key)))
    study.StudyDate = str(int(study.StudyDate) // 100 * 100 + 35)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("one in a sequence lies in the dataset that `walk` hands you")
def deletes_from_the_top(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))

    def clean(dataset, element):
        if element.keyword not in rules:
            del study[element.tag]

    study.walk(clean)
    output = io.BytesIO()
    study.save_as(output)
    return output.getvalue()


@wrong("pydicom cannot read what you return")
def meta_removed(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(cleaned(file, rules, key)))
    del study.file_meta.TransferSyntaxUID
    output = io.BytesIO()
    study.save_as(output, implicit_vr=False, little_endian=True)
    return output.getvalue()[132:]


@wrong("Your function returned a FileDataset")
def a_dataset(file, rules, key):
    study = pydicom.dcmread(io.BytesIO(file))
    study.PatientName = ""
    return study

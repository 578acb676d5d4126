"""Small DICOM studies of invented people: who they are stands in the header, and in most of them in the pixels too.

Twenty-four files, `STUDIES` says which: radiographs (`chest`), brain MR (`brain`), thorax CT (`thorax`), screenshots and
one multi-frame object, in seven transfer syntaxes, 8 to 16 bits deep, burned-in text in three styles. Every name, number and
address is made up and says so. `truth` tells for each file whose it is and where that can be read: what a de-identifier
should have found.
"""
import datetime
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom import uid as uids
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from scipy import ndimage

from . import brain, chest, thorax
from .phantom import SUPERSAMPLE, field, grid, pool, streams

# What a de-identifier does with the elements of these studies, beside every private block, whose content nobody vouches for,
# and the pixels. Elements inside sequences and in the file meta information (group 0002) count too.
PHI = {
    # May be empty, must be there (Type 2): the patient, the visit and who sent for it.
    "empty": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "AccessionNumber", "StudyID",
              "StudyTime", "ContentTime"),
    "remove": ("IssuerOfPatientID", "OtherPatientIDsSequence", "PatientAge", "PatientAddress", "PatientTelephoneNumbers",
               "InstitutionName", "InstitutionAddress", "StationName", "DeviceSerialNumber", "PerformingPhysicianName", "OperatorsName",
               "RequestAttributesSequence", "SeriesTime", "AcquisitionTime"),
    # Free text: keep it only after reading it.
    "read": ("PatientComments", "ImageComments", "StudyDescription", "SeriesDescription", "ProtocolName"),
    # The same new value for the same old one, in every file, or studies and references fall apart.
    "replace": ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ReferencedSOPInstanceUID",
                "MediaStorageSOPInstanceUID"),
    # By the same number of days for all studies of a patient, so that the time between them stays.
    "shift": ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime", "DateOfSecondaryCapture"),
    # What a de-identifier says of its own work.
    "set": ("PatientIdentityRemoved", "BurnedInAnnotation"),
    # Needed to read, to show and to measure the picture; says nothing about the patient.
    "keep": ("SpecificCharacterSet", "SOPClassUID", "Modality", "Manufacturer", "ConversionType", "ImageType", "BodyPartExamined",
             "ViewPosition", "SeriesNumber", "InstanceNumber", "AcquisitionNumber", "PatientOrientation", "PatientPosition",
             "ImageOrientationPatient", "ImagePositionPatient", "PositionReferenceIndicator", "SliceThickness", "SliceLocationVector",
             "PixelSpacing", "ImagerPixelSpacing", "KVP", "ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType",
             "RepetitionTime", "EchoTime", "InversionTime", "EchoTrainLength", "MagneticFieldStrength", "SourceImageSequence",
             "Rows", "Columns", "NumberOfFrames", "FrameIncrementPointer", "SamplesPerPixel", "PhotometricInterpretation",
             "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "WindowCenter", "WindowWidth",
             "WindowCenterWidthExplanation", "RescaleIntercept", "RescaleSlope", "RescaleType", "PresentationLUTShape",
             "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod", "PixelData"),
}
SYNTAXES = {
    "implicit": uids.ImplicitVRLittleEndian, "explicit": uids.ExplicitVRLittleEndian, "big endian": uids.ExplicitVRBigEndian,
    "deflated": uids.DeflatedExplicitVRLittleEndian, "rle": uids.RLELossless, "jpeg": uids.JPEGBaseline8Bit,
    "jpeg 2000": uids.JPEG2000Lossless,
}
STYLES = ("white letters", "white on a bar", "low contrast")
WHITE, BAR, FAINT = STYLES


@dataclass(frozen=True)
class Plan:
    """What one of the files is to be."""
    name: str                       # of the file, without its number
    patient: int
    picture: str                    # a key of PICTURES
    label: int
    syntax: str                     # a key of SYNTAXES
    bits: int
    style: str | None = None        # of the burned-in text; None: no text
    visit: int = 0                  # 1: the patient's second study, DAYS_BETWEEN later
    size: int = 128                 # rows and columns
    inverted: bool = False          # MONOCHROME1: the smallest value is white
    signed: bool = False
    says: str | None = "the truth"  # otherwise the value of BurnedInAnnotation; None: the element is absent
    careless: bool = False          # the name stands in a description that most de-identifiers keep


STUDIES = (
    Plan("cr_explicit", 0, "chest", 0, "explicit", 12, WHITE),
    Plan("cr_second_visit", 0, "chest", 1, "explicit", 12, BAR, visit=1),
    Plan("cr_implicit", 1, "chest", 0, "implicit", 12, FAINT),
    Plan("cr_monochrome1", 2, "chest", 1, "explicit", 12, inverted=True),
    Plan("cr_8bit", 3, "chest", 1, "explicit", 8),
    Plan("cr_rle", 4, "chest", 1, "rle", 12, BAR, size=256),
    Plan("cr_big_endian", 5, "chest", 0, "big endian", 12, WHITE),
    Plan("cr_deflated", 6, "chest", 1, "deflated", 12),
    Plan("cr_16bit_monochrome1", 7, "chest", 0, "explicit", 16, FAINT, inverted=True),
    Plan("cr_rle_second_visit", 6, "chest", 0, "rle", 12, visit=1),
    Plan("cr_greek", 8, "chest", 0, "explicit", 12, BAR),
    Plan("cr_no_annotation", 9, "chest", 2, "explicit", 12, WHITE, says=None),
    Plan("mr_16bit", 10, "brain", 1, "explicit", 16),
    Plan("mr_jpeg2000", 10, "brain", 1, "jpeg 2000", 16, FAINT, visit=1),
    Plan("mr_rle_japanese", 11, "brain", 0, "rle", 12, WHITE),
    Plan("mr_implicit", 12, "brain", 1, "implicit", 12, BAR, careless=True),
    Plan("ct_signed", 13, "thorax", 1, "explicit", 16, size=160, signed=True),
    Plan("ct_rle", 14, "thorax", 0, "rle", 16, FAINT, signed=True),
    Plan("ct_second_visit", 13, "thorax", 1, "explicit", 12, visit=1),
    Plan("sc_jpeg", 15, "chest screenshot", 1, "jpeg", 8, WHITE, size=256),
    Plan("sc_ct_export", 13, "thorax screenshot", 1, "explicit", 8, BAR, size=160, says="NO"),
    Plan("sc_rle_diacritics", 16, "chest screenshot", 0, "rle", 8, FAINT),
    Plan("sc_multiframe", 17, "thorax levels", 1, "explicit", 12, FAINT),
    Plan("cr_16bit", 18, "chest", 1, "explicit", 16, careless=True),
)
DAYS_BETWEEN = {0: 14, 6: 91, 10: 365, 13: 30}          # patient -> days from the first to the second study
FIRST_DAY = datetime.date(2021, 1, 1)                   # of the time in which all first studies were made
FAMILIES = ("Testperson", "Beispiel", "Specimen", "Muster", "Exempel", "Fulano", "Placeholder", "Rossi-Test", "Novak-Test", "Sample")
WOMEN, MEN = ("Alva", "Carla", "Elin", "Greta", "Iris"), ("Bruno", "Dario", "Farid", "Hugo", "Jonas")
# patient -> the name in Latin letters, PatientName, SpecificCharacterSet. The family names mean example, test and examinee.
FOREIGN = {
    8: ("Paradeigma^Ioanna", "Παράδειγμα^Ιωάννα", "ISO_IR 126", "F"),
    11: ("Shiken^Hanako", "Shiken^Hanako=試験^花子=しけん^はなこ", ["", "ISO 2022 IR 87"], "F"),
    16: ("Prüfling^Zoë", "Prüfling^Zoë", "ISO_IR 100", "F"),
}
HOSPITALS = ("Fictional General", "Example University", "Invented Clinic")
PRIVATE_CREATOR = "MEDCRYPT LAB SIM"
# What tells the random streams of a person and of a visit from those of chest.py.
PERSON, VISIT = 9001, 9002

DENSITY_RANGE = 6.0                                     # natural logarithms of the beam that a detector's full scale spans
WATER_IS = 1024                                         # CT values are stored as Hounsfield units + 1024
OUTSIDE = -2000                                         # stored where the scanner measured nothing
CT_WINDOWS = ((40, 400, "MEDIASTINUM"), (-600, 1500, "LUNG"), (400, 1800, "BONE"))
FIELD_CM, RADIOGRAPH_CM, BRAIN_CM = 38, 36, 22          # how many centimeters each picture's side shows
MR_SEQUENCES = {10: "FLAIR", 11: "T2", 12: "T1ce"}      # patient -> which of the brain's images
LETTER_WIDTH, LETTER_HEIGHT = 6, 11                     # of Pillow's built-in bitmap font, in pixels
FAINT_STEP = .14                                        # low contrast: how far letters are from their ground, in window widths


@dataclass
class Picture:
    """Pixels before any text, and how to look at them."""
    pixels: np.ndarray              # what is stored: whole numbers, (rows, columns) or (frames, rows, columns)
    windows: tuple                  # (center, width, explanation), after the rescale
    black: int                      # stored values for the ink of bars and letters
    white: int
    finding: np.ndarray             # bool (rows, columns): what the label means
    intercept: int = 0


@dataclass
class Study:
    """One file: `dataset.save_as(folder / name, enforce_file_format=True)` writes it; `truth` is JSON text's plain data."""
    name: str
    dataset: Dataset
    truth: dict


def make(seed=0, text=True):
    """The 24 studies, in order; text=False leaves the letters out of the pixels, and changes nothing else."""
    return [_study(number, plan, seed, text) for number, plan in enumerate(STUDIES, 1)]


def write(folder, seed=0):
    """Write the files and truth.json ({file name: truth}) into `folder`, which is made if absent; returns their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    studies = make(seed)
    for study in studies:
        study.dataset.save_as(folder / study.name, enforce_file_format=True)
    content = json.dumps({study.name: study.truth for study in studies}, indent=1, sort_keys=True) + "\n"
    (folder / "truth.json").write_text(content, encoding="utf-8", newline="\n")
    return [folder / study.name for study in studies] + [folder / "truth.json"]


def same(first, second):
    """Whether two files hold the same elements and, but for rounding, the same pixels.

    Another version of numpy may round a pixel differently: one in a thousand may, by a 256th of the full scale. Of the JPEG,
    which another version of the encoder writes differently, only the mean difference counts: less than one gray level.
    """
    first, second = dcmread(first), dcmread(second)
    pixels = [dataset.pixel_array.astype(int) for dataset in (first, second)]
    for dataset in (first, second):
        for keyword in ("PixelData", "LossyImageCompressionRatio"):
            dataset.pop(keyword, None)
    if first != second or first.file_meta != second.file_meta or pixels[0].shape != pixels[1].shape:
        return False
    apart = np.abs(pixels[0] - pixels[1])
    if first.LossyImageCompression == "01":
        return bool(apart.mean() < 1)
    return bool(apart.max() <= 2 ** (first.BitsStored - 8) and (apart > 0).mean() <= 1e-3)


def letter_mask(truth):
    """Where the letters are: bool (rows, columns), drawn again from what `truth` says; the same for every frame."""
    mask = np.zeros((truth["rows"], truth["columns"]), bool)
    for line in truth["lines"]:
        left, top, right, bottom = line["box"]
        mask[top:bottom, left:right] |= _letters(line["text"], (bottom - top) // LETTER_HEIGHT)
    return mask


def look_up(dataset, path):
    """The element at a path of `truth["elements"]`, such as "StudyDate", "(0009,1001)" or "RequestAttributesSequence[0].StudyID".

    KeyError if it is not there.
    """
    first, _, rest = path.partition(".")
    if rest:
        keyword, _, item = first.rstrip("]").partition("[")
        return look_up(dataset[keyword].value[int(item)], rest)
    if first.startswith("("):
        return dataset[tuple(int(number, 16) for number in first.strip("()").split(","))]
    return dataset.file_meta[first] if first.startswith("MediaStorage") else dataset[first]


def _study(number, plan, seed, text):
    """One study from its plan."""
    who = _identity(seed, plan.patient, plan.visit)
    picture = PICTURES[plan.picture](plan, seed)
    lines = _layout(who, plan.size, study_date=number % 2 == 0) if plan.style else []
    if plan.inverted:
        picture = _invert(picture, plan.bits)
    if text:
        for line in lines:
            _burn(picture, line, plan.style)
    dataset = _bare_dataset(plan, who)
    _describe_pixels(dataset, plan, picture)
    _describe_acquisition(dataset, plan, seed)
    elements = _identify(dataset, plan, number, who, seed)
    _encode(dataset, picture.pixels, plan)
    rows, columns = np.nonzero(picture.finding)
    truth = {
        "identity": who, "patient": plan.patient, "days_since_first_study": plan.visit * DAYS_BETWEEN.get(plan.patient, 0),
        "elements": elements, "style": plan.style, "lines": lines,
        "burned_in_annotation": dataset.get("BurnedInAnnotation"), "annotation_is_true": plan.says == "the truth",
        "transfer_syntax": SYNTAXES[plan.syntax].name, "modality": dataset.Modality, "label": _label(plan),
        "finding": [int(edge) for edge in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)] if len(rows) else None,
        "rows": plan.size, "columns": plan.size, "frames": len(thorax.LEVELS) if picture.pixels.ndim == 3 else 1, "bits_stored": plan.bits,
        "window_center": [center for center, _, _ in picture.windows], "window_width": [width for _, width, _ in picture.windows],
        "window_explanation": [words for _, _, words in picture.windows],
    }
    return Study(f"{number:02d}_{plan.name}.dcm", dataset, truth)


def _label(plan):
    """What is to be seen, in a word."""
    if plan.picture == "brain":
        return brain.CLASSES[plan.label]
    if plan.picture.startswith("thorax"):
        return ("normal", "nodule")[plan.label]
    return (*chest.CLASSES, "COVID-like")[plan.label]


# People

def _identity(seed, patient, visit):
    """An invented person on the day of a study: plain text, dates as 2022-03-04. The person is the same at both visits."""
    order, _, _ = streams(seed, PERSON)
    person, _, _ = streams(seed, patient, PERSON)
    stay, _, _ = streams(seed, patient, VISIT, visit + 1)
    family, given = divmod(int(order.permutation(len(FAMILIES) * len(WOMEN + MEN))[patient]), len(WOMEN + MEN))
    name, sex = f"{FAMILIES[family]}^{(WOMEN + MEN)[given]}", "F" if given < len(WOMEN) else "M"
    name, patient_name, characters, sex = FOREIGN.get(patient, (name, name, "ISO_IR 192", sex))
    born = datetime.date(1930, 1, 1) + datetime.timedelta(days=int(person.integers(75 * 365)))
    first = FIRST_DAY + datetime.timedelta(days=int(person.integers(3 * 365)))
    day = first + datetime.timedelta(days=visit * DAYS_BETWEEN.get(patient, 0))
    return {
        "name": name, "patient_name": patient_name, "character_set": characters, "sex": sex,
        "patient_id": f"TEST-{person.integers(10 ** 6):06d}", "other_id": f"OLD-{person.integers(10 ** 5):05d}",
        "birth_date": born.isoformat(), "age": day.year - born.year - ((day.month, day.day) < (born.month, born.day)),
        # 555-0100 to 555-0199 are never given to anybody.
        "phone": f"+1 202 555 01{person.integers(100):02d}", "address": f"{person.integers(1, 200)} Nowhere Street, Exampleton",
        "hospital": HOSPITALS[person.integers(len(HOSPITALS))], "referrer": f"Referrer^{(WOMEN + MEN)[person.integers(10)]}",
        "first_study_date": first.isoformat(), "study_date": day.isoformat(),
        "study_time": f"{stay.integers(7, 20):02d}:{stay.integers(60):02d}", "accession": f"ACC{stay.integers(10 ** 7):07d}",
        "study_id": f"ST{stay.integers(10 ** 4):04d}", "operator": f"Operator^{(WOMEN + MEN)[stay.integers(10)]}",
        "device": f"SIM-{stay.integers(10 ** 4):04d}",
    }


def _uid(*parts):
    """2.25. and 128 bits: an identifier that needs no registered root and repeats with its parts."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return "2.25." + str(int.from_bytes(digest[:16], "big"))


def _date(text):
    """2022-03-04 as DICOM writes it."""
    return text.replace("-", "")


# Pictures

def _radiograph(plan, seed):
    """What the detector of a chest radiograph stores: the logarithm of what the body let through, white where little.

    Eight bits hold what one wide window shows, as when a viewer exports a picture.
    """
    density, lung, lesion = _density(plan.label, seed, plan.patient, plan.visit, plan.size)
    highest = 2 ** plan.bits - 1
    scale = 2 ** 16 - 1 if plan.bits == 16 else 2 ** 12 - 1
    pixels = np.clip(np.round(density / DENSITY_RANGE * scale), 0, scale)
    low, high = np.quantile(pixels[lung], (.02, .90))
    windows = (_window(low - .35 * (high - low), high, "LUNG"),
               _window(np.quantile(pixels[lung], .70), pixels.max(), "MEDIASTINUM"))
    if plan.bits == 8:
        center, width, _ = _window(low - .35 * (high - low), pixels.max(), "")
        pixels, windows = np.round(255 * _shown(pixels, center, width)), ((128, 256, "AS EXPORTED"),)
    return Picture(pixels.astype(int), windows, 0, highest, lesion)


def _density(label, seed, patient, visit, size):
    """The radiograph of `chest.draw` before the film: -log of the beam (size, size), then its lung and lesion masks."""
    _, _, scan = streams(seed, patient, visit + 1)
    path, inside, lost = _rays(label, seed, patient, scan, size)
    beam, scatter = np.exp(-path), scan.uniform(.12, .32)
    beam = (1 - scatter) * beam + scatter * ndimage.gaussian_filter(beam, len(path) / 12)
    beam = pool(ndimage.gaussian_filter(beam, len(path) / 300))
    quanta = 10 ** scan.uniform(*chest.DOSE) * (64 / size) ** 2
    beam = beam + np.sqrt(beam / quanta) * scan.standard_normal(beam.shape)
    masks = [pool(mask * 1.0) > .5 for mask in (inside, (lost > .10) & inside)]
    return -np.log(np.clip(beam, 1.5 / quanta, 1)), *masks


def _rays(label, seed, patient, scan, size):
    """Attenuation along each ray, where there is lung, and the share of its air that is lost, supersampled.

    The same draws in the same order as in `chest.draw`, so that it is the same patient.
    """
    body, disease, _ = streams(seed, patient)
    x, y = chest._pose(body, scan, size * SUPERSAMPLE)
    inspiration = body.normal(0, .07)
    depth = body.uniform(19, 24)
    tissue = chest._torso(body, x, y, depth)
    lung = chest._lungs(body, x, y, depth, inspiration)
    hidden, _ = chest._heart_and_mediastinum(body, x, y, inspiration)
    lung = lung * (1 - hidden)
    vessels, bones = chest._vessels_and_bones(body, x, y, lung)
    extra = chest._look_alikes(body, x, y, lung) - chest._gas(body, x, y, inspiration)
    lost = np.clip(chest._lost_air(label, disease, x, y), 0, .92)
    air = lung * (1 - lost) * (1 + .02 * field(body, len(x), 1 / 30))
    path = chest.SOFT * (tissue - air + vessels * (1 - lost) + extra) + chest.LUNG * air + chest.BONE * bones
    return np.clip(path, 0, None), lung > 1.2, lost


def _thorax(plan, seed):
    """One CT slice through the heart, stored as Hounsfield units + 1024."""
    values, nodule = thorax.draw(plan.label, seed, plan.patient, plan.visit, thorax.HEART, plan.size)
    pixels = np.clip(np.round(values), -1024, 3071).astype(int) + WATER_IS
    if plan.signed:
        x, y = grid(plan.size)
        pixels[np.hypot(x, y) > 1] = OUTSIDE
    return Picture(pixels, CT_WINDOWS, 0, 3071 + WATER_IS, nodule, -WATER_IS)


def _thorax_screenshot(plan, seed):
    """The same slice as an eight-bit picture of its first window."""
    values, nodule = thorax.draw(plan.label, seed, plan.patient, plan.visit, thorax.HEART, plan.size)
    center, width, _ = CT_WINDOWS[0]
    return Picture(np.round(255 * _shown(values, center, width)).astype(int), ((128, 256, "AS EXPORTED"),), 0, 255, nodule)


def _thorax_levels(plan, seed):
    """Six slices from the dome of the liver to the aortic arch, in one object; here 1024 stands for water, without a rescale."""
    slices = [thorax.draw(plan.label, seed, plan.patient, plan.visit, level, plan.size) for level in thorax.LEVELS]
    pixels = np.clip(np.round([values for values, _ in slices]), -1024, 3071).astype(int) + WATER_IS
    windows = tuple((center + WATER_IS, width, words) for center, width, words in CT_WINDOWS)
    return Picture(pixels, windows, 0, 3071 + WATER_IS, np.any([nodule for _, nodule in slices], axis=0))


def _brain_slice(plan, seed):
    """One MR sequence: the magnitude of a complex signal with noise, and a faint second head, half a picture away.

    The ghost comes from movement during the scan; in the air it is a little brighter than the noise.
    """
    images, tumor, *_ = brain.draw(plan.label, seed, plan.patient, plan.visit, plan.size)
    signal = images[brain.MODALITIES.index(MR_SEQUENCES[plan.patient])] / 255
    _, _, scan = streams(seed, plan.patient, thorax.SLICE, plan.visit + 1)
    signal = signal + .05 * np.roll(signal, plan.size // 2, axis=0)
    real, imaginary = .008 * scan.standard_normal((2, plan.size, plan.size))
    highest = 2 ** plan.bits - 1
    pixels = np.clip(np.round(np.hypot(signal + real, imaginary) * .8 * highest), 0, highest).astype(int)
    windows = _window(.08 * highest, .85 * np.quantile(pixels, .999), "BRAIN"), _window(0, .06 * highest, "AIR")
    return Picture(pixels, windows, 0, highest, tumor)


PICTURES = {"chest": _radiograph, "chest screenshot": _radiograph, "brain": _brain_slice, "thorax": _thorax,
            "thorax screenshot": _thorax_screenshot, "thorax levels": _thorax_levels}


def _window(low, high, words):
    """(center, width, words) of the window that spreads its grays from low to high."""
    return int(round((low + high) / 2)), int(round(high - low)), words


def _shown(values, center, width):
    """What a window makes of values: [0, 1], by the formula of the standard's LINEAR function."""
    return np.clip((values - (center - .5)) / (width - 1) + .5, 0, 1)


def _invert(picture, bits):
    """The same picture with the smallest value white."""
    highest = 2 ** bits - 1
    windows = tuple((highest - center, width, words) for center, width, words in picture.windows)
    return Picture(highest - picture.pixels, windows, highest - picture.black, highest - picture.white, picture.finding)


# Text in the pixels

def _layout(who, size, study_date):
    """Four lines of text, each with its box [left, top, right, bottom] in pixels and the identity's field that it shows."""
    date = ("study_date", f"{who['study_date']} {who['study_time']}") if study_date else ("birth_date", f"born {who['birth_date']}")
    texts = [("name", who["name"].replace("^", ", ")), ("patient_id", f"ID {who['patient_id']}"), date, ("hospital", who["hospital"])]
    lines, top = [], 2
    for place, (shows, words) in enumerate(texts):
        wide = LETTER_WIDTH * len(words)
        left = 2 if place < 2 else size - 2 - wide
        if place == 2 and wide + lines[0]["box"][2] < size - 8:         # beside the name, if there is room
            top = 2
        if place == 3:
            top = size - 2 - LETTER_HEIGHT
        lines.append({"text": words, "shows": shows, "box": [left, top, left + wide, top + LETTER_HEIGHT]})
        top += LETTER_HEIGHT + 1
    return lines


def _letters(text, scale=1):
    """Text in Pillow's built-in bitmap font, which is the same everywhere: bool (11 * scale, 6 * letters * scale)."""
    canvas = Image.new("L", (LETTER_WIDTH * len(text), LETTER_HEIGHT), 0)
    ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=ImageFont.load_default_imagefont())
    return (np.asarray(canvas) > 127).repeat(scale, 0).repeat(scale, 1)


def _burn(picture, line, style):
    """Write one line into the pixels of every frame."""
    left, top, right, bottom = line["box"]
    area = picture.pixels[..., top:bottom, left:right]
    if style == BAR:
        area[:] = picture.black
    ink = _faint_ink(picture, area) if style == FAINT else picture.white
    area[:] = np.where(_letters(line["text"]), ink, area)


def _faint_ink(picture, area):
    """Values a little brighter than what is behind them, or a little darker where that is bright, in the first window."""
    center, width, _ = picture.windows[0]
    center = center - picture.intercept
    ground = np.clip(area, center - width // 2, center + width // 2)
    around = ndimage.uniform_filter(ground * 1.0, 2 * LETTER_WIDTH, axes=(-2, -1))
    step = int(round(FAINT_STEP * width)) * np.where(around > center, -1, 1)
    return np.clip(ground + step, min(picture.black, picture.white), max(picture.black, picture.white))


# Headers

def _bare_dataset(plan, who):
    """What the file is, in which characters it is written, and what it says of the letters in its pixels."""
    dataset, meta = Dataset(), FileMetaDataset()
    kind = {"chest": uids.ComputedRadiographyImageStorage, "brain": uids.MRImageStorage, "thorax": uids.CTImageStorage,
            "thorax levels": uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage}
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = kind.get(plan.picture, uids.SecondaryCaptureImageStorage)
    meta.TransferSyntaxUID = SYNTAXES[plan.syntax]
    meta.ImplementationClassUID, meta.ImplementationVersionName = _uid("MedCrypt Lab"), "MEDCRYPT_LAB_1"
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = who["character_set"]
    dataset.Manufacturer, dataset.PatientIdentityRemoved = "Simulated", "NO"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    says = ("YES" if plan.style else "NO") if plan.says == "the truth" else plan.says
    if says:
        dataset.BurnedInAnnotation = says
    return dataset


def _describe_pixels(dataset, plan, picture):
    """The image pixel and window modules."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME1" if plan.inverted else "MONOCHROME2"
    dataset.Rows, dataset.Columns = plan.size, plan.size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 if plan.bits == 8 else 16, plan.bits, plan.bits - 1
    dataset.PixelRepresentation = int(plan.signed)
    dataset.WindowCenter, dataset.WindowWidth, dataset.WindowCenterWidthExplanation = (
        list(values) if len(values) > 1 else values[0] for values in zip(*picture.windows))
    dataset.LossyImageCompression = "01" if plan.syntax == "jpeg" else "00"
    if picture.intercept:
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = picture.intercept, 1, "HU"
    if plan.signed:
        dataset.PixelPaddingValue = OUTSIDE


def _describe_acquisition(dataset, plan, seed):
    """What the kind of object demands: the elements of Type 1 and 2 of its modules."""
    if plan.picture == "chest":
        _set(dataset, Modality="CR", ImageType=["ORIGINAL", "PRIMARY"], BodyPartExamined="CHEST", ViewPosition="PA", KVP=120,
             PatientOrientation=["L", "F"], ImagerPixelSpacing=[round(10 * RADIOGRAPH_CM / plan.size, 3)] * 2,
             StudyDescription="CHEST PA", SeriesDescription="CHEST PA")
    elif plan.picture == "brain":
        _describe_mr(dataset, plan)
        _place_slice(dataset, plan, seed, BRAIN_CM, 2)
    elif plan.picture == "thorax":
        _set(dataset, Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], BodyPartExamined="CHEST", KVP=120, AcquisitionNumber=1,
             StudyDescription="CT THORAX", SeriesDescription="AXIAL 5 MM", ProtocolName="THORAX")
        _place_slice(dataset, plan, seed, FIELD_CM, 5)
    else:
        _set(dataset, Modality="OT", ImageType=["DERIVED", "SECONDARY"], ConversionType="WSD", BodyPartExamined="CHEST",
             PatientOrientation=["L", "P" if "thorax" in plan.picture else "F"], StudyDescription="EXPORT", SeriesDescription="SCREENSHOT")
    if plan.picture == "thorax levels":
        _set(dataset, NumberOfFrames=len(thorax.LEVELS), FrameIncrementPointer=0x00182005, SliceLocationVector=[60 * level for level in thorax.LEVELS],
             PresentationLUTShape="IDENTITY", RescaleIntercept=0, RescaleSlope=1, RescaleType="US")
    if plan.picture == "thorax screenshot":
        original = next(number for number, other in enumerate(STUDIES, 1)
                        if (other.patient, other.visit, other.picture) == (plan.patient, plan.visit, "thorax"))
        source = Dataset()
        _set(source, ReferencedSOPClassUID=uids.CTImageStorage, ReferencedSOPInstanceUID=_uid(seed, "image", original))
        _set(dataset, SourceImageSequence=[source], SeriesNumber=2)


def _describe_mr(dataset, plan):
    """The MR module, from the sequence that the brain was drawn with."""
    name = MR_SEQUENCES[plan.patient]
    repetition, echo, inversion = brain.SEQUENCES[name]
    _set(dataset, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "OTHER"], BodyPartExamined="BRAIN",
         ScanningSequence="IR" if inversion else "SE", SequenceVariant="NONE", ScanOptions="", MRAcquisitionType="2D",
         RepetitionTime=repetition, EchoTime=echo, EchoTrainLength=1,
         MagneticFieldStrength=1.5, StudyDescription="MR BRAIN", SeriesDescription=name, ProtocolName="BRAIN")
    if inversion:
        dataset.InversionTime = inversion


def _place_slice(dataset, plan, seed, centimeters, thickness):
    """Where an axial slice lies in the room; `centimeters`: its side; `thickness` in mm."""
    spacing = round(10 * centimeters / plan.size, 4)
    corner = -spacing * (plan.size - 1) / 2
    _set(dataset, FrameOfReferenceUID=_uid(seed, "frame", plan.patient, plan.visit), PositionReferenceIndicator="",
         ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[round(corner, 3), round(corner, 3), 0], SliceThickness=thickness,
         PixelSpacing=[spacing] * 2, PatientPosition="HFS")


def _set(dataset, **elements):
    """Set elements by their keywords."""
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)


def _identify(dataset, plan, number, who, seed):
    """Write the identity into the header; returns the paths of all elements that carry some of it, sorted."""
    day, time = _date(who["study_date"]), who["study_time"].replace(":", "") + "00"
    elements = {
        "PatientName": who["patient_name"], "PatientID": who["patient_id"], "PatientBirthDate": _date(who["birth_date"]),
        "PatientSex": who["sex"], "PatientAge": f"{who['age']:03d}Y", "PatientAddress": who["address"],
        "PatientTelephoneNumbers": who["phone"], "IssuerOfPatientID": who["hospital"], "AccessionNumber": who["accession"],
        "StudyID": who["study_id"], "StudyDate": day, "StudyTime": time, "SeriesDate": day, "SeriesTime": time, "ContentDate": day,
        "ContentTime": time, "InstitutionName": who["hospital"], "InstitutionAddress": "1 Imaginary Road, Exampleton",
        "ReferringPhysicianName": who["referrer"], "OperatorsName": who["operator"], "StationName": f"ROOM{who['device'][-1]}",
        "DeviceSerialNumber": who["device"], "PatientComments": f"call {who['phone']} before the visit",
        "ImageComments": _comment(plan, who), "StudyInstanceUID": _uid(seed, "study", plan.patient, plan.visit),
        "SeriesInstanceUID": _uid(seed, "series", number), "SOPInstanceUID": _uid(seed, "image", number),
    }
    if dataset.Modality == "OT":
        elements["DateOfSecondaryCapture"] = day
    else:
        elements |= {"AcquisitionDate": day, "AcquisitionTime": time}
    if dataset.Modality in ("CT", "MR"):
        elements |= {"AcquisitionDateTime": day + time, "PerformingPhysicianName": who["referrer"]}
    if plan.careless:
        elements["SeriesDescription"] = f"{dataset.SeriesDescription} {who['name'].replace('^', ' ')}"
    _set(dataset, **elements)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    paths = [*elements, "MediaStorageSOPInstanceUID"]
    paths += ["FrameOfReferenceUID"] if "FrameOfReferenceUID" in dataset else []
    paths += ["SourceImageSequence[0].ReferencedSOPInstanceUID"] if "SourceImageSequence" in dataset else []
    return sorted(paths + _nest(dataset, number, who) + _add_private(dataset, number, who))


def _comment(plan, who):
    """Free text as people dictate it."""
    given, family = reversed(who["name"].split("^"))
    if plan.visit:
        return f"Compared with the study of {who['first_study_date']}. {given} {family} reports no pain."
    return f"Dictated for {given} {family}, born in {who['birth_date'][:4]}."


def _nest(dataset, number, who):
    """Sequences: the request, and in every third file an older number of the patient; returns the paths."""
    request = Dataset()
    _set(request, AccessionNumber=who["accession"], RequestedProcedureID=f"RP{number:03d}",
         RequestedProcedureDescription=dataset.StudyDescription, ScheduledProcedureStepID=f"SPS{number:03d}",
         ScheduledProcedureStepDescription=f"for {who['name'].split('^')[0]}")
    dataset.RequestAttributesSequence = [request]
    paths = [f"RequestAttributesSequence[0].{keyword}" for keyword in ("AccessionNumber", "ScheduledProcedureStepDescription")]
    if number % 3 == 0:
        other = Dataset()
        _set(other, PatientID=who["other_id"], TypeOfPatientID="TEXT")
        dataset.OtherPatientIDsSequence = [other]
        paths.append("OtherPatientIDsSequence[0].PatientID")
    return paths


def _add_private(dataset, number, who):
    """A maker's private elements, in three files of four, and a block of bytes with the name in it in CT and MR; returns the paths."""
    paths = []
    if number % 4:
        block = dataset.private_block(0x0009, PRIVATE_CREATOR, create=True)
        block.add_new(0x01, "LO", who["name"].upper())
        block.add_new(0x02, "LO", f"MRN {who['patient_id']}")
        block.add_new(0x03, "DA", _date(who["birth_date"]))
        paths += ["(0009,1001)", "(0009,1002)", "(0009,1003)"]
    if dataset.Modality in ("CT", "MR"):
        content = f"SIM1;mode=normal;patient={who['name']};dose=1.0;".encode()
        dataset.private_block(0x0029, PRIVATE_CREATOR, create=True).add_new(0x10, "OB", content + b"\0" * (len(content) % 2))
        paths.append("(0029,1010)")
    return paths


# Pixels to bytes

def _encode(dataset, pixels, plan):
    """Set PixelData in the plan's transfer syntax; the JPEG is the only one that loses something."""
    order = ">" if plan.syntax == "big endian" else "<"
    stored = pixels.astype("u1" if plan.bits == 8 else f"{order}{'i' if plan.signed else 'u'}2")
    if plan.syntax in ("jpeg", "jpeg 2000"):
        frame = io.BytesIO()
        if plan.syntax == "jpeg":
            Image.fromarray(stored).save(frame, "JPEG", quality=90)
        else:
            Image.fromarray(stored).save(frame, "JPEG2000", no_jp2=True, irreversible=False)
        dataset.PixelData = encapsulate([frame.getvalue()])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        if plan.syntax == "jpeg":
            ratio = round(stored.nbytes / len(frame.getvalue()), 1)
            _set(dataset, LossyImageCompressionRatio=ratio, LossyImageCompressionMethod="ISO_10918_1")
        return
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OB" if plan.bits == 8 and plan.syntax != "implicit" else "OW"
    if plan.syntax == "rle":
        dataset.file_meta.TransferSyntaxUID = uids.ExplicitVRLittleEndian           # what the pixels are until compressed
        dataset.compress(uids.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)

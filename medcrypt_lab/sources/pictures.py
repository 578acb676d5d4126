"""One PNG, JPEG or DICOM file as an array. Only what makes the picture reaches Pillow and pydicom: bombs, and names, are in the rest."""
import hashlib
import io
import re
import struct
import zlib
from contextlib import suppress

import numpy as np

from . import LARGEST_ARRAY, LARGEST_FILE, LARGEST_PICTURE, DataError
from .shared import Careful, failing_as, squares

MOST_CHUNKS, MOST_SEGMENTS, MOST_SCANS = 100_000, 1000, 100         # of PNG; of JPEG, where each scan goes over the whole picture
UPRIGHT = {3: (2, 1), 6: (3, 1), 8: (1, 1), 2: (0, -1), 4: (2, -1), 5: (3, -1), 7: (1, -1)}     # EXIF's: quarter turns, mirrored if -1
# Of DICOM: bytes of a value (a lookup table has 128 KiB), and of the header; frames
LARGEST_VALUE, LARGEST_HEADER, MOST_FRAMES = 2 ** 18, 2 ** 22, 100_000
PERSON, PIXELS = (0x00100020, 0x00100021), 0x7FE00010                # tags: PatientID and who issued it; PixelData
SAMPLES = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3}
REMEDY = "Export it as uncompressed DICOM or as PNG, or move it out of the folder."
ODD = "{} cannot be read as DICOM: it is damaged or cut off, encrypted, or odd. " + REMEDY


def kind(content):
    """What a file is by its first bytes: "PNG", "JPEG", "DICOM" or None."""
    starts = ((0, b"\x89PNG\r\n\x1a\n", "PNG"), (0, b"\xff\xd8\xff", "JPEG"), (128, b"DICM", "DICOM"))
    return next((name for place, start, name in starts if content.startswith(start, place)), None)


def picture(content, name, size):
    """A file's bytes -> the middle square (of the middle frame) as float32 (1 or 3, size, size) in [0, 1], and that square's own side."""
    from PIL import Image
    if kind(content) == "DICOM":
        with failing_as(ODD.format(name)):
            return _drawn(_header(content, name), name, size)
    with failing_as(f"{name} is damaged or cut off. Copy or save it again as PNG or JPEG, or move it out of the folder."):
        content, orientation = (_png_essentials if kind(content) == "PNG" else _jpeg_essentials)(content)
        image = None
        with suppress(Image.DecompressionBombError):
            image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        if image is None or image.width * image.height > LARGEST_PICTURE:
            raise DataError(f"{name} has more than {LARGEST_PICTURE // 10 ** 6} megapixels. Make it smaller, or move it out of the folder.")
        if image.mode not in ("L", "I", "I;16", "RGB", "RGBA"):
            image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
        values, (turns, direction) = np.atleast_3d(np.asarray(image))[..., :3], UPRIGHT.get(orientation, (0, 1))
        pixels = squares(np.moveaxis(values, 2, 0), 255 if values.dtype == np.uint8 else 65535, size)
        return np.rot90(pixels, turns, (1, 2))[:, :, ::direction], min(image.size)


def _png_essentials(content):
    """A PNG file without its metadata, and its orientation. Raises an error where it is damaged: every chunk has a checksum."""
    kept, orientation, position = [content[:8]], 1, 8
    for _ in range(MOST_CHUNKS):
        length, chunk = struct.unpack_from(">L4s", content, position)
        start, position = position, position + 12 + length
        if zlib.crc32(content[start + 4:position - 4]) != struct.unpack_from(">L", content, position - 4)[0]:
            raise ValueError("damaged")
        if chunk in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(content[start:position])
        elif chunk == b"eXIf":
            orientation = _orientation(content[start + 8:position])
        if chunk == b"IEND":
            return b"".join(kept), orientation
    raise ValueError("a bomb")


def _jpeg_essentials(content):
    """A JPEG file without its metadata, and its orientation. Raises an error where it is damaged, or has scans without number."""
    kept, orientation, position = [content[:2]], 1, 2
    for _ in range(MOST_SEGMENTS):
        position = re.compile(b"\xff+").match(content, position).end() - 1           # a marker may have any number of these before it
        marker, length = struct.unpack_from(">BH", content, position + 1)
        segment = content[position:position + 2 + length]
        if marker == 0xDA:          # the pixels, up to the end marker; what may follow is another picture, or a film
            pixels = content[position:content.find(b"\xff\xd9", position) + 2 or None]
            if pixels.count(b"\xff\xda") > MOST_SCANS:
                raise ValueError("a bomb")
            return b"".join([*kept, pixels]), orientation
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            orientation = _orientation(segment[10:])
        if marker in (0xE0, 0xEE) or not 0xE0 <= marker <= 0xFE:       # of applications' segments, only those that tell the colors
            kept.append(segment)
        position += 2 + length
    raise ValueError("a bomb")


def _orientation(tiff):
    """The orientation, 1 to 8, in a block of EXIF; 1 where there is none, or it is damaged."""
    order = "<" if tiff[:2] == b"II" else ">"
    with suppress(struct.error):
        start, = struct.unpack_from(order + "L", tiff, 4)
        entries, = struct.unpack_from(order + "H", tiff, start)
        return dict(struct.unpack_from(order + "H6xH", tiff, start + 2 + 12 * k) for k in range(entries)).get(0x0112, 1)
    return 1


def facts(content, name):
    """A digest of who the patient is, if the file says so; does it say that text is burned in; has it several frames? None: no picture."""
    with failing_as(ODD.format(name)):
        header = _header(content, name)
        if PIXELS not in header:
            return None
        person = [str(header[tag].value or "").strip() if tag in header else "" for tag in PERSON]
        digest = hashlib.sha256(repr(person).encode("utf-8", "backslashreplace")).digest() if person[0] else None
        return digest, str(header.get("BurnedInAnnotation")).strip().upper() == "YES", int(header.get("NumberOfFrames") or 1) > 1


def _header(content, name):
    """What is needed of a file's header, with its pixels where there are any, as a pydicom Dataset."""
    from pydicom import datadict, dataset, uid
    from pydicom.filereader import read_dataset
    stream = Careful(io.BytesIO(content))
    stream.seek(132)
    start = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    syntax = uid.UID(str(start.get("TransferSyntaxUID")))
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        content, syntax = inflater.decompress(content[stream.tell():], LARGEST_FILE + 1), uid.ExplicitVRLittleEndian
        if len(content) > LARGEST_FILE:
            raise DataError(f"{name} unpacks to more than {LARGEST_FILE // 2 ** 20} MiB. {REMEDY}")
        if not inflater.eof:
            raise EOFError
        stream = Careful(io.BytesIO(content))
    elif syntax not in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.JPEGBaseline8Bit,
                        uid.JPEG2000Lossless, uid.JPEG2000):
        known = syntax.name if syntax in uid.UID_dictionary else "a transfer syntax that DICOM does not list"
        raise DataError(f"{name} is compressed in a way that this course cannot read ({known}). The GDCM tools convert most such files: "
                        "`gdcmconv --raw FILE NEW_FILE`. Or export it as PNG, or move it out of the folder.")
    form = stream, syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    stream.largest, stream.total = LARGEST_VALUE, LARGEST_HEADER
    # Group 0028 describes the picture. Its segmented palettes (0028,122x) can unpack to anything, and stay out.
    tags = [*PERSON, *(tag for tag in datadict.DicomDictionary if tag >> 16 == 0x28 and tag & 0xFFF0 != 0x1220)]
    header = read_dataset(*form, stop_when=lambda tag, *_: tag >> 16 >= 0x7FE0, specific_tags=tags)
    stream.largest, stream.total, whole = LARGEST_FILE, 4 * LARGEST_FILE, stream.tell() <= len(content)
    header.update(read_dataset(*form, stop_when=lambda tag, *_: tag >> 16 != 0x7FE0, specific_tags=[PIXELS]))
    if not whole or "Rows" in header and PIXELS not in header:
        raise EOFError
    header.file_meta = dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    return header


def _drawn(header, name, size):
    """What `picture` returns, of what `_header` gave."""
    from pydicom.pixels import apply_color_lut
    values, color, white = _stored(header, name), header.PhotometricInterpretation, 2 ** header.BitsStored - 1
    if color == "PALETTE COLOR":
        values = apply_color_lut(values, header)
        white = np.iinfo(values.dtype).max
    pixels = squares(np.moveaxis(values[..., :3], 2, 0), white, size) if values.ndim == 3 else squares([_grays(values, header)], 1, size)
    if not np.isfinite(pixels).all():
        raise ValueError
    return 1 - pixels if color == "MONOCHROME1" else pixels, min(header.Rows, header.Columns)


def _stored(header, name):
    """The values of the middle frame (rows, columns[, 3]), colors as RGB; all sizes are checked before anything is unpacked."""
    from PIL import Image
    from pydicom import encaps, pixels
    rows, columns, samples, allocated, stored = (
        int(header[keyword].value) for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored"))
    frames, color, syntax = int(header.get("NumberOfFrames") or 1), header.PhotometricInterpretation, header.file_meta.TransferSyntaxUID
    if min(rows, columns, frames) < 1 or samples != SAMPLES[color]:
        raise ValueError
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise DataError(f"{name} has pixels that are not stored in 8 to 16 bits. {REMEDY}")
    expected = frames * rows * columns * samples * allocated // 8
    if rows * columns * samples > LARGEST_PICTURE or frames > MOST_FRAMES or expected > LARGEST_ARRAY:
        raise DataError(f"{name} claims more than {LARGEST_PICTURE // 10 ** 6} megapixels or {LARGEST_ARRAY // 2 ** 20} MiB. {REMEDY}")
    if not syntax.is_encapsulated:
        if len(header.PixelData) < (expected // 3 * 2 if color == "YBR_FULL_422" else expected):
            raise DataError(f"{name} has fewer pixels than its header claims: it is cut off, or the header is wrong. {REMEDY}")
        return pixels.pixel_array(header, index=frames // 2)
    if struct.unpack_from("<L", header.PixelData, 4)[0] > 4 * frames:     # the table of frames, which would become a list
        raise ValueError
    stream = Careful(io.BytesIO(header.PixelData))
    stream.largest = LARGEST_FILE
    frame = encaps.get_frame(stream, frames // 2, number_of_frames=frames)
    frame = _jpeg_essentials(frame)[0] if frame.startswith(b"\xff\xd8") else frame
    with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as image:
        if image.size != (columns, rows):
            raise DataError(f"{name} holds a picture of another size than its header claims. {REMEDY}")
    header.PixelData, header.NumberOfFrames = encaps.encapsulate([frame]), 1
    return pixels.pixel_array(header, index=0, decoding_plugin="pillow")


def _grays(values, header):
    """Stored values -> float32, black at 0 and white at 1: rescaled, then the first window, else from the least to the greatest."""
    from pydicom.pixels import apply_modality_lut
    grays = apply_modality_lut(values, header).astype(np.float32)
    center, width = (np.float32(np.ravel(header.get(keyword) or 0)[0]) for keyword in ("WindowCenter", "WindowWidth"))
    exact = header.get("VOILUTFunction") == "LINEAR_EXACT"              # LINEAR maps to the steps of a screen instead
    if not width > 0:
        grays = (grays - grays.min()) / (np.ptp(grays) or 1)
    elif header.get("VOILUTFunction") == "SIGMOID":
        grays = 1 / (1 + np.exp(-4 * (grays - center) / width))
    else:
        grays = (grays - center + (0 if exact else .5)) / (width if exact else max(width - 1, 1e-3)) + np.float32(.5)
    return np.clip(grays, 0, 1, out=grays)

"""A learner's own images: what is read and how, and what happens with a file that is damaged, odd or hostile."""
import io
import os
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image, ImageOps
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

from medcrypt_lab import sources
from medcrypt_lab.sources import DataError, arrays, folder, pictures, shared

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
CHEST, BRAIN = ("normal", "pneumonia"), ("no tumor", "tumor")
SECRET = "Testperson^Alva"


def read(path, split="train", **changes):
    return sources.read(path, **{"classes": CHEST, "color": False, "split": split} | changes)


def refused(path, *words, split="train", **changes):
    """The sentence with which a path is refused; it must name the file, hold `words`, and show no traceback of others."""
    with pytest.raises(DataError) as problem:
        read(path, split, **changes)
    said = str(problem.value)
    assert all(word in said for word in (Path(path).name, *words)), said
    assert said.endswith(".") and SECRET not in said and (problem.value.__suppress_context__ or problem.value.__context__ is None)
    return said


def noise(seed=0, shape=(40, 40)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# ---------------------------------------------------------------- .npz files
def medmnist(path, **changes):
    """Write a tiny file in MedMNIST's format, with some arrays replaced, or left out where None."""
    arrays = {}
    for split, n in (("train", 12), ("val", 6), ("test", 4)):
        arrays[f"{split}_images"] = noise(n, (n, 28, 28))
        arrays[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    arrays |= changes
    np.savez_compressed(path, **{key: values for key, values in arrays.items() if values is not None})
    return path


def test_a_file_in_medmnists_format_is_read_and_enlarged(tmp_path):
    path = medmnist(tmp_path / "mine.npz", class_names=np.array(["a", "b"]))
    found = read(path)
    assert found.images.shape == (12, 1, 64, 64) and found.images.dtype == np.float32 and found.classes == CHEST
    assert 0 <= found.images.min() and found.images.max() <= 1
    assert found.labels.dtype == found.patients.dtype == np.int64 and found.labels.tolist() == [0, 1] * 6
    with np.load(path) as stored:
        pixels = torch.from_numpy(stored["train_images"])[:, None] / 255
    bicubic = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="bicubic", align_corners=False)
    assert np.allclose(found.images, bicubic.clamp(0, 1), atol=1e-6) and bicubic.max() > 1
    assert len(set(found.patients.tolist() + read(path, "val").patients.tolist() + read(path, "test").patients.tolist())) == 22
    for word in ("`mine.npz`", "12 in its train split", "bicubically to 64", "28 pixels", "patient of its own", "no masks", "license"):
        assert word in found.card
    first = read(path, limit=5)
    assert np.array_equal(first.images, found.images[:5]) and len(first.labels) == len(first.patients) == 5


def test_colors_are_averaged_and_gray_is_repeated(tmp_path):
    flat = np.full((12, 128, 128, 3), 51, np.uint8)
    flat[..., 2] = 204
    path = medmnist(tmp_path / "color.npz", train_images=flat)
    gray, color = read(path, size=32), read(path, size=32, color=True)
    assert gray.images.shape == (12, 1, 32, 32) and np.allclose(gray.images, .4, atol=1e-5)
    assert color.images.shape == (12, 3, 32, 32) and np.allclose(color.images.mean((0, 2, 3)), [.2, .2, .8], atol=1e-5)
    assert "averaged down to 32" in gray.card and "colors averaged to gray" in gray.card and "gray" not in color.card
    repeated = read(medmnist(tmp_path / "gray.npz"), color=True)
    assert repeated.images.shape == (12, 3, 64, 64) and "gray in three channels" in repeated.card
    assert np.array_equal(repeated.images[:, 0], repeated.images[:, 2])


def test_deeper_and_floating_point_images_come_out_the_same(tmp_path):
    small = noise(1, (12, 64, 64))
    expected = read(medmnist(tmp_path / "a.npz", train_images=small)).images
    for k, images in enumerate((small.astype(np.uint16) * 257, small / 255, (small / 255).astype(np.float32), np.asfortranarray(small),
                                small.astype(">u2") * 257)):
        assert np.allclose(read(medmnist(tmp_path / f"{k}.npz", train_images=images)).images, expected, atol=1e-6), k
    assert "as they are" in read(tmp_path / "a.npz").card


def test_stored_labels_get_the_courses_meaning(tmp_path):
    path = medmnist(tmp_path / "retina.npz", train_labels=(np.arange(12) % 5)[:, None])
    assert read(path, classes=("none", "mild", "severe"), mapping=(0, 1, 1, 2, 2), what="fundus").labels[:5].tolist() == [0, 1, 1, 2, 2]
    refused(path, "run from 0 to 4", "chest")
    refused(medmnist(tmp_path / "six.npz", train_labels=np.arange(12) % 6), "run from 0 to 5", "0 to 4", mapping=(0, 0, 0, 1, 1))


def test_a_file_without_splits_is_divided_the_same_way_each_time_and_equal_images_stay_together(tmp_path):
    images = noise(2, (50, 16, 16))
    images[10:20:2] = images[0]
    path = tmp_path / "whole.npz"
    np.savez(path, images=images, labels=np.arange(50) % 2)
    parts = [read(path, split) for split in sources.SPLITS]
    assert sum(len(part.images) for part in parts) == 50 and all(set(part.labels) == {0, 1} for part in parts)
    patients = [set(part.patients.tolist()) for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 45
    assert sorted(np.bincount(np.concatenate([part.patients for part in parts])))[-2:] == [1, 6]
    np.savez(path, images=images[::-1], labels=(np.arange(50) % 2)[::-1])
    assert all(np.array_equal(part.images, read(path, split).images) for part, split in zip(parts, sources.SPLITS))
    assert "70, 10 and 20 percent" in parts[0].card and set(read(path, limit=12).labels) == {0, 1}
    np.savez(path, images=images[:4], labels=[0, 0, 0, 1])
    refused(path, "1 pneumonia of 1 patients", "three a class")


@pytest.mark.parametrize("changes, words", [
    ({"val_labels": None}, "no val_labels"), ({"train_images": np.full((12, 28, 28), 1.5, np.float32)}, "float32"),
    ({"train_images": np.full((12, 28, 28), np.nan)}, "NaN"), ({"train_images": np.full((12, 28, 28), -.1, np.float16)}, "floats from 0 to 1"),
    ({"train_images": np.full((12, 28, 28), np.inf)}, "floats from 0 to 1"), ({"train_images": np.zeros((12, 28, 28), np.int64)}, "int64"),
    ({"train_images": np.zeros((12, 28, 28), bool)}, "bool"), ({"train_images": np.zeros((12, 4, 4), np.uint8)}, "(12, 4, 4)"),
    ({"train_images": np.zeros((12, 28, 27), np.uint8)}, "(12, 28, 27)"), ({"train_images": np.zeros((0, 28, 28), np.uint8)}, "(0, 28, 28)"),
    ({"train_images": np.zeros((12, 28, 28, 4), np.uint8)}, "(12, 28, 28, 4)"), ({"train_images": np.uint8(3)}, "()"),
    ({"train_images": np.zeros((12, 3, 28, 28), np.uint8)}, "(12, 3, 28, 28)"),
    ({"train_labels": np.zeros((11, 1), np.uint8)}, "(11, 1)"), ({"train_labels": np.zeros((12, 1))}, "float64"),
    ({"train_labels": np.full((12, 1), 7)}, "from 7 to 7"), ({"train_labels": np.full((12, 1), -1)}, "from -1"),
    ({"train_labels": np.full((12, 1), 2 ** 64 - 1, np.uint64)}, "from 18446744073709551615"),
    ({"train_labels": np.zeros((12, 1), np.uint8)}, "no 1 pneumonia"), ({"train_images": np.array([{"x": 1}] * 12)}, "Python objects"),
    ({"train_labels": np.array([["a"]] * 12)}, "text"), ({"train_images": np.zeros(12, [("x", np.uint8)])}, "Python objects or text")])
def test_a_file_with_wrong_content_gets_a_sentence(tmp_path, changes, words):
    refused(medmnist(tmp_path / "wrong.npz", **changes), words)


def npy(shape, payload=b"", descr="|u1", version=b"\x01\x00"):
    """An .npy file with a header of our choice, true or not."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version[0] == 1 else 4, "little") + header + payload


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def pickled():
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()] * 12, object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("member", [
    npy((10 ** 13,)), npy((12, 28, 28), b"short"), npy((-1, 28, 28)), npy("(" * 3000 + "1" + ")" * 3000),
    npy((12, 28, 28), version=b"\x02\x00"), npy("9" * 20_000), npy("__import__('os').mkdir('unpickled')"), b"", b"\x93NUMPY",
    npy((12, 28, 28), bytes(12 * 784), "(1000000,)u1"), npy((12, 28, 28), bytes(12 * 784 * 16), "<f16"), b"no array", pickled()])
def test_a_hostile_array_is_refused_and_nothing_is_run(tmp_path, monkeypatch, member):
    monkeypatch.chdir(tmp_path)
    path = medmnist(tmp_path / "hostile.npz", train_images=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", member)
    refused(path)
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_refused_before_it_fills_memory(tmp_path, monkeypatch, method):
    monkeypatch.setattr(arrays, "LARGEST_ARRAY", 2 ** 20)
    path = medmnist(tmp_path / "bomb.npz", train_images=None)
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr("train_images.npy", npy((12, 512, 512), bytes(12 * 512 * 512)))
    assert path.stat().st_size < 50_000
    refused(path, "too large" if method == zipfile.ZIP_DEFLATED else "savez_compressed")


def test_an_archive_of_a_million_members_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:040}", b"")
    refused(tmp_path / "many.npz", "cannot be read")


def test_a_file_that_is_no_archive_gets_one_sentence(tmp_path):
    whole = medmnist(tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 255
    for content in (b"", b"no zip at all", whole[:-30], whole[: len(whole) // 2], bytes(flipped), b"PK\x05\x06" + bytes(18)):
        (tmp_path / "broken.npz").write_bytes(content)
        refused(tmp_path / "broken.npz")
    for absent in (tmp_path / "absent.npz", tmp_path / "absent", tmp_path / "whole.npz" / "inside", "~nobody-of-this-name/x"):
        refused(absent, "There is no folder or .npz file", "full path")
    (tmp_path / "text.txt").write_text("text")
    refused(tmp_path / "text.txt", "There is no folder or .npz file")
    with pytest.raises(DataError, match="There is no"):
        read(str(tmp_path / "x\0y"))


def test_more_images_than_memory_can_hold_are_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "LARGEST_RESULT", 12 * 4 * 64 * 64 - 1)
    refused(medmnist(tmp_path / "large.npz"), "limit=")
    assert len(read(tmp_path / "large.npz", limit=11).images) == 11


def test_the_division_depends_on_no_order_and_keeps_a_patient_of_two_classes_in_one_split():
    people = [bytes([k]) * 32 for k in (*range(20), *range(15, 20))]
    labels = [k // 10 for k in range(20)] + [0] * 5
    splits = shared.divided(people, labels, CHEST, "x")
    assert shared.divided(people[::-1], labels[::-1], CHEST, "x").tolist() == splits.tolist()[::-1]
    assert splits[15:20].tolist() == splits[20:].tolist() and [list(splits[:20]).count(split) for split in sources.SPLITS] == [14, 2, 4]


# ---------------------------------------------------------------- folders
def png(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def jpeg(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 95} | options)
    return buffer.getvalue()


def fill(root, folders=("0_normal", "1_pneumonia"), count=4, suffix=".png", seed=0):
    """A folder of pictures, a sub-folder for each class."""
    for label, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for k in range(count):
            (root / folder / f"{k}{suffix}").write_bytes(png(noise(100 * seed + 10 * label + k)))
    return root


def test_a_folder_of_classes_is_divided_by_content(tmp_path):
    root = fill(tmp_path / "mine", count=10)
    (root / "1_pneumonia" / "deep" / "er").mkdir(parents=True)
    (root / "1_pneumonia" / "9.png").rename(root / "1_pneumonia" / "deep" / "er" / "x.png")
    parts = [read(root, split) for split in sources.SPLITS]
    assert [len(part.images) for part in parts] == [14, 2, 4] and all(part.images.shape[1:] == (1, 64, 64) for part in parts)
    assert all(set(part.labels) == {0, 1} and part.labels.dtype == part.patients.dtype == np.int64 for part in parts)
    assert sorted(np.concatenate([part.patients for part in parts])) == list(range(20))
    for path in [*root.glob("0_normal/*")]:
        path.rename(path.with_name("z" + path.name))
    assert all(np.array_equal(part.images, read(root, split).images) for part, split in zip(parts, sources.SPLITS))
    assert np.array_equal(read(root, limit=3).images, parts[0].images[:3])
    for word in ("`mine`", "14 of the 14 in its train split", "40 to 40 pixels", "70, 10 and 20 percent", "patient of its own", "license", "no masks"):
        assert word in parts[0].card


def test_split_folders_are_taken_as_they_are_and_shared_files_are_told(tmp_path):
    for seed, name in enumerate(("Training", "valid", "TEST")):
        fill(tmp_path / "mine" / name, ("normal", "Pneumonia"), seed=seed)
    parts = [read(tmp_path / "mine", split) for split in sources.SPLITS]
    assert [len(part.images) for part in parts] == [8, 8, 8] and len(set(np.concatenate([part.patients for part in parts]))) == 24
    assert "several split folders" not in parts[0].card and "divided" not in parts[0].card
    (tmp_path / "mine" / "TEST" / "normal" / "again.png").write_bytes((tmp_path / "mine" / "Training" / "normal" / "0.png").read_bytes())
    parts = [read(tmp_path / "mine", split) for split in sources.SPLITS]
    assert "**1 patients, or equal files, are in several split folders.**" in parts[0].card
    assert len(set(parts[0].patients) & set(parts[2].patients)) == 1
    (tmp_path / "mine" / "valid").rename(tmp_path / "mine" / "other")
    refused(tmp_path / "mine", "train, val and test", "Training")
    (tmp_path / "mine" / "other").rename(tmp_path / "mine" / "test")
    refused(tmp_path / "mine", "train, val and test")


@pytest.mark.parametrize("folders", [
    ("normal", "pneumonia"), ("NORMAL", "Pneu_mo-nia"), ("0_gesund", "1 krank"), ("0", "1"), ("00-x", "01.y"), ("०_स्वस्थ", "१_रोगी"), ("0_健康", "1_病気")])
def test_class_folders_are_known_by_word_or_number(tmp_path, folders):
    assert set(read(fill(tmp_path / "mine", folders)).labels) == {0, 1}


@pytest.mark.parametrize("folders", [
    ("healthy", "sick"), ("0_normal",), ("0_normal", "1_pneumonia", "2_covid"), ("normal", "NORMAL", "pneumonia"), ("0_pneumonia", "1_normal"),
    ("0", "0_x", "1"), ("2day", "pneumonia"), ("normal", "9" * 200), ()])
def test_class_folders_that_cannot_be_matched_get_a_sentence_that_says_how_to_rename_them(tmp_path, folders):
    (tmp_path / "mine").mkdir()
    said = refused(fill(tmp_path / "mine", folders), "`0_normal`, `1_pneumonia`", "healthy")
    assert all(name in said for name in folders) and (folders or "none" in said)


def test_names_in_any_script_work_and_control_characters_are_not_printed(tmp_path):
    assert "`a\N{REPLACEMENT CHARACTER}<b>`" in read(fill(tmp_path / "a`<b>")).card
    root = fill(tmp_path / "Röntgen 胸部 अ", ("normal", "pneumonia"))
    (root / "normal" / "صورة ۱ 🙂.png").write_bytes(png(noise(77)))
    assert "`Röntgen 胸部 अ`" in read(root).card
    (root / "normal" / "صورة.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    assert "صورة.png" in refused_by_file(root, "normal/صورة.png")
    (root / "normal" / "صورة.png").unlink()
    (root / "normal" / "a\x1b[31m\n\u202e.png").write_bytes(b"text")
    assert "a\N{REPLACEMENT CHARACTER}[31m" in refused_by_file(root, None)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="this system has no such names")
def test_a_name_that_is_no_text_can_be_printed(tmp_path):
    root = fill(tmp_path / "mine")
    with open(os.fsencode(root / "0_normal") + b"/\xff\xfe.png", "wb") as file:
        file.write(b"text")
    refused_by_file(root, None).encode("utf-8")


def refused_by_file(root, file, *words, split=None, **changes):
    """The sentence with which a folder is refused because of one file, in whatever split it is."""
    said = []
    for part in [split] if split else sources.SPLITS:
        try:
            read(root, part, **changes)
        except DataError as problem:
            assert problem.__suppress_context__ or problem.__context__ is None
            said.append(str(problem))
            break
    assert said and all(word in said[0] for word in (Path(file or "").name, *words)) and SECRET not in said[0] and said[0].endswith("."), said
    return said[0]


def test_what_systems_leave_is_skipped_and_other_files_are_counted(tmp_path):
    root = fill(tmp_path / "mine")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png"):
        (root / "0_normal" / name).write_bytes(b"anything")
    (root / ".git").mkdir()
    assert "left out" not in read(root).card
    for name in ("notes.txt", "scan.tif", "no suffix"):
        (root / "1_pneumonia" / name).write_bytes(b"anything")
    assert "0 DICOM files without a picture and 3 files of other kinds were left out" in read(root).card
    for name in ("text.png", "empty.JPG", "odd.dcm"):
        (root / "0_normal" / name).write_bytes(b"" if "empty" in name else b"This is text.")
        refused_by_file(root, name, "neither PNG nor JPEG nor DICOM")
        (root / "0_normal" / name).unlink()


def test_a_file_is_known_by_its_content(tmp_path):
    root = fill(tmp_path / "mine", suffix="")
    (root / "0_normal" / "0").rename(root / "0_normal" / "0.dcm")
    (root / "0_normal" / "1").write_bytes(jpeg(noise(5)))
    (root / "0_normal" / "1").rename(root / "0_normal" / "1.png")
    assert sum(len(read(root, split).images) for split in sources.SPLITS) == 8


def test_an_empty_folder_and_an_empty_class_get_sentences(tmp_path):
    root = fill(tmp_path / "mine", count=3)
    assert len(read(root).images) == 2
    for path in (root / "1_pneumonia").iterdir():
        path.unlink()
    refused(root, "1 pneumonia of 0 patients", "three a class")
    for path in (root / "0_normal").iterdir():
        path.unlink()
    refused(root, "0 normal of 0 patients")
    for name in ("train", "val", "test"):
        fill(tmp_path / "other" / name)
    for path in (tmp_path / "other" / "val" / "1_pneumonia").iterdir():
        path.unlink()
    refused(tmp_path / "other", "1 pneumonia for val", split="val")


def test_a_link_out_of_the_folder_is_refused_by_name_and_links_inside_never_go_round(tmp_path):
    root = fill(tmp_path / "mine")
    fill(tmp_path / "other")
    try:
        (root / "0_normal" / "round").symlink_to(root / "0_normal")
    except OSError:
        pytest.skip("this system makes no links")
    (root / "0_normal" / "up").symlink_to(root)
    (root / "1_pneumonia" / "same.png").symlink_to(root / "1_pneumonia" / "0.png")
    (tmp_path / "door").symlink_to(root)
    parts = [read(tmp_path / "door", split) for split in sources.SPLITS]
    assert len(set(np.concatenate([part.patients for part in parts]))) == 8
    (root / "0_normal" / "up").unlink()
    for target in (tmp_path / "other" / "0_normal" / "0.png", tmp_path / "other" / "0_normal", Path("/etc/passwd"), Path("../../other"), tmp_path):
        (root / "0_normal" / "out.png").symlink_to(target)
        refused_by_file(root, "out.png", "leads out of the folder", "copy")
        (root / "0_normal" / "out.png").unlink()
    for target in ("out.png", "nowhere.png"):
        (root / "0_normal" / "out.png").symlink_to(target)
        refused_by_file(root, "out.png", "link to nowhere")
        (root / "0_normal" / "out.png").unlink()
    (tmp_path / "mine2").mkdir()
    (tmp_path / "mine2" / "x.png").write_bytes(png(noise()))
    (root / "0_normal" / "near").symlink_to(tmp_path / "mine2")         # its name begins as the folder's
    refused_by_file(root, "near", "leads out of the folder")


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_pipe_is_not_waited_for_and_an_unreadable_file_gets_a_sentence(tmp_path):
    root = fill(tmp_path / "mine")
    os.mkfifo(root / "0_normal" / "pipe.png")
    refused_by_file(root, "pipe.png", "no plain file")
    (root / "0_normal" / "pipe.png").unlink()
    (root / "0_normal" / "locked.png").write_bytes(png(noise(9)))
    (root / "0_normal" / "locked.png").chmod(0)
    if not os.access(root / "0_normal" / "locked.png", os.R_OK):
        refused_by_file(root, "locked.png", "cannot be opened", "readable")


def test_a_system_error_becomes_a_sentence(tmp_path, monkeypatch):
    root = fill(tmp_path / "mine")

    def locked(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(Path, "read_bytes", locked)
    refused_by_file(root, ".png", "cannot be opened (Permission denied)", "readable")
    monkeypatch.setattr(arrays, "open", locked, raising=False)
    refused(medmnist(tmp_path / "mine.npz"), "cannot be opened (Permission denied)", "readable")
    monkeypatch.undo()
    inspected = folder._inspected

    def removed(path, *arguments):
        found = inspected(path, *arguments)
        path.unlink()
        return found
    monkeypatch.setattr(folder, "_inspected", removed)
    refused_by_file(root, ".png", "link to nowhere")


def test_too_many_or_too_large_files_are_refused(tmp_path, monkeypatch):
    root = fill(tmp_path / "mine")
    monkeypatch.setattr(folder, "MOST_FILES", 8 + 2 * 2)               # the class folders are listed twice
    assert len(read(root).images)
    (root / "0_normal" / ".hidden").touch()
    refused(root, "more than 12 files and folders", "Keep a part")
    (root / "0_normal" / ".hidden").unlink()
    monkeypatch.setattr(folder, "LARGEST_FILE", 1000)
    refused_by_file(root, "0.png", "larger than")


# ---------------------------------------------------------------- PNG and JPEG
def drawn(content, size=64):
    return pictures.picture(content, "x.png", size)[0]


def test_every_kind_of_png_and_jpeg_shows_the_same_picture():
    gray = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    expected = gray / 255
    image = Image.fromarray(gray)
    kinds = {"gray": image, "color": image.convert("RGB"), "alpha": image.convert("RGBA"), "gray and alpha": image.convert("LA"),
             "palette": image.convert("P"), "16 bit": Image.fromarray(gray.astype(np.uint16) * 257)}
    for name, picture in kinds.items():
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        pixels = drawn(buffer.getvalue())
        assert pixels.dtype == np.float32 and len(pixels) in (1, 3) and np.allclose(pixels, expected, atol=2e-3), name
    for options in ({}, {"progressive": True}, {"subsampling": 2}, {"comment": b"x" * 1000}, {"icc_profile": bytes(70_000)}):
        assert np.allclose(drawn(jpeg(gray, **options)), expected, atol=.02), options
    assert np.allclose(drawn(jpeg(np.asarray(image.convert("RGB")))), expected, atol=.02)
    buffer = io.BytesIO()
    image.convert("CMYK").save(buffer, "JPEG", quality=95)
    assert np.allclose(drawn(buffer.getvalue()), expected, atol=.02)
    bits = gray > 127
    assert np.array_equal(drawn(png(bits))[0], bits)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    assert np.allclose(drawn(png(red)), np.array([1, 0, 0])[:, None, None])
    fine = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) + 30_000
    assert np.allclose(drawn(png(fine))[0] * 65535, fine, atol=.01)             # more than 8 bits survive


def test_pictures_are_cut_to_a_square_and_resized_to_the_right_values():
    wide = np.zeros((32, 100), np.uint8)
    wide[:, 34:66] = 200
    assert np.allclose(drawn(png(wide), 32), 200 / 255) and pictures.picture(png(wide), "x", 8)[1] == 32
    assert np.allclose(drawn(png(wide.T), 16), 200 / 255)
    fine = noise(3, (64, 64))
    assert np.allclose(drawn(png(fine), 16)[0], fine.reshape(16, 4, 16, 4).mean((1, 3)) / 255, atol=1e-6)
    checked = (np.indices((4, 4)).sum(0) % 2 * 255).astype(np.uint8)
    enlarged = torch.nn.functional.interpolate(torch.from_numpy(checked / 255)[None, None], size=(64, 64), mode="bicubic", align_corners=False)
    assert enlarged.max() > 1.05 and np.allclose(drawn(png(checked)), enlarged[0].clamp(0, 1), atol=1e-5)
    assert drawn(png(np.full((1, 5), 7, np.uint8))).shape == (1, 64, 64)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("save", [png, jpeg])
def test_pictures_stand_upright_as_their_orientation_says(orientation, save):
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:32], pixels[32:, :32] = 220, 110
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = save(pixels, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content)))) / 255
    assert np.allclose(drawn(content)[0], expected, atol=.03)
    assert np.allclose(drawn(content)[0], pixels / 255, atol=.03) == (orientation == 1)


def test_metadata_that_is_damaged_or_huge_does_not_reach_the_decoder():
    pixels, plain = noise(4, (64, 64)), drawn(png(noise(4, (64, 64))))
    entry = struct.pack("<HHLL", 0x9286, 7, 60_000, 8)
    for exif in (b"", b"II", b"Exif\0\0II*\0" + b"\xff" * 8, b"II*\0\x08\0\0\0\xff\xff", b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entry * 5000,
                 b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0"):
        content = png(pixels)
        content = content[:33] + chunk(b"eXIf", exif) + content[33:]
        assert np.array_equal(drawn(content), plain), exif[:20]
        segment = b"\xff\xe1" + struct.pack(">H", len(exif[:60_000]) + 8) + b"Exif\0\0" + exif[:60_000]
        assert np.array_equal(drawn(jpeg(pixels)[:2] + segment * 3 + b"\xff" * 9 + jpeg(pixels)[2:]), drawn(jpeg(pixels)))
    cleaned, _ = pictures._jpeg_essentials(jpeg(pixels, comment=SECRET.encode(), exif=b"Exif\0\0" + SECRET.encode()))
    assert SECRET.encode() not in cleaned
    assert np.array_equal(drawn(jpeg(pixels) + b"\xff\xda" * 500), drawn(jpeg(pixels)))                 # a film after the picture


def chunk(kind, data):
    """A part of a PNG file, with the right checksum."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def header_only_png(width, height, pixels=b"x"):
    """A gray PNG file that claims a size."""
    header = struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def broken_pictures():
    whole, photo = png(noise(6)), jpeg(noise(6))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    start = photo.index(b"\xff\xda")
    scan = photo[start:start + 10]
    return {
        "cut png": whole[:-100], "cut in its first chunk": whole[:20], "flipped": bytes(flipped), "no end": whole[:-12], "signature": whole[:8],
        "too little": header_only_png(40, 40, zlib.compress(b"x")), "no pixels": header_only_png(0, 0),
        "a million chunks": whole[:33] + chunk(b"teSt", b"") * 100_001 + whole[33:], "lying chunk": whole[:33] + b"\xff\xff\xff\xffIDAT" + whole[41:],
        "cut jpeg": photo[:len(photo) // 2], "cut jpeg header": photo[:30], "start": photo[:3],
        "a million segments": photo[:2] + b"\xff\xfe\0\2" * 1001 + photo[2:],
        "no length": photo[:2] + b"\xff\xfe\0\0" * 1001, "scans without number": photo[:start] + scan * 101 + photo[start:],
        "junk": b"\xff\xd8\xff" + bytes(range(256)) * 4, "png inside jpeg": b"\xff\xd8\xff" + whole}


@pytest.mark.parametrize("name", broken_pictures())
def test_a_broken_picture_is_refused_by_name(tmp_path, name):
    root = fill(tmp_path / "mine")
    (root / "0_normal" / "broken.png").write_bytes(broken_pictures()[name])
    refused_by_file(root, "broken.png", "damaged or cut off", "move it out")


@pytest.mark.parametrize("size", [(10_000, 10_000), (5001, 5000), (2 ** 31 - 1, 2 ** 31 - 1), (25_000_001, 1)])
def test_a_picture_of_a_hundred_megapixels_is_refused_before_it_is_decoded(tmp_path, size):
    root = fill(tmp_path / "mine")
    (root / "0_normal" / "huge.png").write_bytes(header_only_png(*size))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused_by_file(root, "huge.png", "more than 25 megapixels", "smaller")


def test_a_jpeg_of_a_hundred_megapixels_is_refused(tmp_path):
    root, photo = fill(tmp_path / "mine"), jpeg(noise(1))
    frame = photo.index(b"\xff\xc0")
    (root / "0_normal" / "huge.jpg").write_bytes(photo[:frame + 5] + struct.pack(">HH", 10_000, 10_000) + photo[frame + 9:])
    refused_by_file(root, "huge.jpg", "more than 25 megapixels")


# ---------------------------------------------------------------- DICOM
def scan(pixels=None, syntax=uid.ExplicitVRLittleEndian, drop=(), **changes):
    """The bytes of a DICOM file of an invented person."""
    pixels = noise(1).astype(np.uint16) * 16 if pixels is None else pixels
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = syntax, uid.SecondaryCaptureImageStorage, "1.2.3"
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    data.PatientName, data.PatientID, data.PatientComments = SECRET, f"{SECRET}-1", SECRET
    data.Rows, data.Columns = pixels.shape[-3:-1] if pixels.shape[-1] == 3 else pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if pixels.shape[-1] == 3 else (1, "MONOCHROME2")
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * pixels.dtype.itemsize
    data.BitsStored, data.HighBit, data.PixelRepresentation = data.BitsAllocated, data.BitsAllocated - 1, int(pixels.dtype.kind == "i")
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes() if syntax == uid.ExplicitVRBigEndian else pixels.tobytes()
    data["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    for keyword in drop:
        delattr(data, keyword)
    if syntax.is_encapsulated:
        data["PixelData"].is_undefined_length, data["PixelData"].VR = True, "OB"
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def shot(content, size=40):
    """A DICOM file's picture."""
    return pictures.picture(content, "x.dcm", size)[0]


def test_windows_rescaling_signs_and_inversion():
    pixels = np.arange(1600, dtype=np.int16).reshape(40, 40) - 800
    fraction = (pixels + 800) / 1599
    assert np.allclose(shot(scan(pixels)), fraction, atol=1e-4)                                     # no window: from least to greatest
    assert np.allclose(shot(scan(pixels, PhotometricInterpretation="MONOCHROME1")), 1 - fraction, atol=1e-4)
    assert np.allclose(shot(scan(pixels, RescaleSlope="-2", RescaleIntercept="7")), 1 - fraction, atol=1e-4)
    window = {"WindowCenter": "100", "WindowWidth": "400"}
    expected = np.clip((pixels - 99.5) / 399 + .5, 0, 1)
    assert np.allclose(shot(scan(pixels, **window)), expected, atol=1e-4)
    assert np.allclose(shot(scan(pixels, WindowCenter=["100", "-600"], WindowWidth=["400", "1"])), expected, atol=1e-4)
    rescaled = np.clip((pixels * 2 - 1000 - 99.5) / 399 + .5, 0, 1)
    assert np.allclose(shot(scan(pixels, RescaleSlope="2", RescaleIntercept="-1000", **window)), rescaled, atol=1e-4)
    exact = np.clip((pixels - 100) / 400 + .5, 0, 1)
    assert np.allclose(shot(scan(pixels, VOILUTFunction="LINEAR_EXACT", **window)), exact, atol=1e-4)
    assert np.allclose(shot(scan(pixels, VOILUTFunction="SIGMOID", **window)), 1 / (1 + np.exp(-4 * (pixels - 100) / 400)), atol=1e-4)
    assert np.allclose(shot(scan(pixels, WindowCenter="100", WindowWidth="0")), fraction, atol=1e-4)
    step = shot(scan(pixels, WindowCenter="100", WindowWidth="1"))
    assert set(np.unique(step)) == {0, 1} and .4 < step.mean() < .5
    assert np.array_equal(shot(scan(np.full((40, 40), 9, np.uint8))), np.zeros((1, 40, 40)))
    table = Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [256, 0, 16], (np.arange(256, dtype=np.uint16)[::-1] ** 2).tobytes(), "US"
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    eight = noise(2)
    squared = (255. - eight) ** 2
    assert np.allclose(shot(scan(eight, ModalityLUTSequence=[table]))[0], (squared - squared.min()) / np.ptp(squared), atol=1e-4)


@pytest.mark.parametrize("syntax", [
    uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian])
def test_every_uncompressed_transfer_syntax_gives_the_same_picture(syntax):
    pixels = noise(5, (30, 50)).astype(np.uint16) * 16
    assert np.allclose(shot(scan(pixels, syntax, BitsStored=12, HighBit=11), 30), shot(scan(pixels), 30), atol=1e-6)


def test_colors_of_dicom_become_red_green_and_blue():
    pixels = noise(6, (40, 40, 3))
    expected = np.moveaxis(pixels, 2, 0) / 255
    assert np.allclose(shot(scan(pixels)), expected, atol=1e-6)
    assert np.allclose(shot(scan(np.moveaxis(pixels, 2, 0).copy().reshape(40, 40, 3), PlanarConfiguration=1)), expected, atol=1e-6)
    smooth = np.stack([np.tile(np.arange(40, dtype=np.uint8) * 5, (40, 1))] * 2 + [np.full((40, 40), 90, np.uint8)], 2)
    luma = np.asarray(Image.fromarray(smooth).convert("YCbCr"))
    assert np.allclose(shot(scan(luma, PhotometricInterpretation="YBR_FULL")), np.moveaxis(smooth, 2, 0) / 255, atol=.02)
    palettes = {f"{color}PaletteColorLookupTable{part}": value for k, color in enumerate(("Red", "Green", "Blue"))
                for part, value in (("Descriptor", [256, 0, 16]), ("Data", (np.arange(256, dtype=np.uint16) * (k + 1) * 80).tobytes()))}
    gray = noise(7)
    painted = shot(scan(gray, PhotometricInterpretation="PALETTE COLOR", **palettes))
    assert np.allclose(painted, np.stack([gray * (k * 80 / 65535) for k in (1, 2, 3)]), atol=1e-4)


def test_compressed_dicom_is_decoded_where_pillow_can():
    smooth = np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))
    expected = smooth / smooth.max()
    content = scan(smooth, uid.JPEGBaseline8Bit, PixelData=encapsulate([jpeg(smooth, comment=SECRET.encode())]))
    assert np.allclose(shot(content), expected, atol=.03)
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG2000", no_jp2=True)
    assert np.allclose(shot(scan(smooth, uid.JPEG2000Lossless, PixelData=encapsulate([buffer.getvalue()]))), expected, atol=1e-4)
    color = np.stack([smooth, smooth[::-1], smooth.T], 2)
    content = scan(color, uid.JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422", PixelData=encapsulate([jpeg(color, subsampling=0)]))
    assert np.allclose(shot(content), np.moveaxis(color, 2, 0) / 255, atol=.05)
    frames = [jpeg(np.full((40, 40), value, np.uint8)) for value in (0, 100, 200)]
    for table in (True, False):
        film = scan(smooth, uid.JPEGBaseline8Bit, PixelData=encapsulate(frames, has_bot=table), NumberOfFrames=3, WindowCenter="128",
                    WindowWidth="256")
        assert np.allclose(shot(film), 100 / 255, atol=.01)


def test_of_a_film_the_middle_frame_is_used(tmp_path):
    frames = np.stack([np.full((40, 40), value, np.uint8) for value in range(0, 250, 50)])
    root = tmp_path / "mine"
    for label in range(2):
        (root / str(label)).mkdir(parents=True)
        for k in range(4):
            film = scan(frames, NumberOfFrames=5, WindowCenter="128", WindowWidth="256", PatientID=f"{label}{k}")
            (root / str(label) / f"{k}.dcm").write_bytes(film)
    found = read(root)
    assert np.allclose(found.images, 100 / 255, atol=1e-3) and "4 have several frames; the middle one is used" in found.card


def test_patients_of_dicom_stay_together_and_no_text_of_the_header_stays(tmp_path, capfd, recwarn):
    root = tmp_path / "mine"
    for label in range(2):
        (root / str(label)).mkdir(parents=True)
        for k in range(12):
            person = {"PatientID": f"{SECRET}-{k // 2}", "IssuerOfPatientID": f"clinic {label}", "BurnedInAnnotation": "YES" if k < 5 else "NO"}
            (root / str(label) / f"{k}").write_bytes(scan(noise(20 * label + k), **person))
    (root / "0" / "both").write_bytes(scan(noise(99), PatientID=f"{SECRET}-1", IssuerOfPatientID="clinic 1"))
    (root / "0" / "report.dcm").write_bytes(scan(drop=("PixelData", "Rows", "Columns")))
    parts = [read(root, split) for split in sources.SPLITS]
    patients = [set(part.patients.tolist()) for part in parts]
    assert sum(len(part.images) for part in parts) == 25 and sum(map(len, patients)) == len(set.union(*patients)) == 12
    assert sorted(np.bincount(np.concatenate([part.patients for part in parts]))) == [2] * 11 + [3]
    card = parts[0].card
    assert f"headers of {len(parts[0].images)} name their patient" in card and "patient of its own" not in card and "1 DICOM files without" in card
    assert sum(int(part.card.split(" say that text")[0].rsplit("**", 1)[1]) for part in parts if "say that text" in part.card) == 10
    assert SECRET not in repr(parts) and "clinic" not in repr(parts)
    assert capfd.readouterr() == ("", "") and not list(recwarn)
    for k in range(12):
        (root / "0" / f"{k}").write_bytes(scan(noise(k), PatientID="anonymous"))
    refused(root, "0 normal of 2 patients", "make split folders")


def test_files_without_a_patient_are_persons_of_their_own_beside_those_with_one(tmp_path):
    root = fill(tmp_path / "mine")
    (root / "0_normal" / "0.png").write_bytes(scan(noise(50), PatientID="") )
    (root / "0_normal" / "1.png").write_bytes(scan(noise(51)))
    (root / "0_normal" / "2.png").write_bytes(scan(noise(51)))
    parts = [read(root, split) for split in sources.SPLITS]
    assert len(set(np.concatenate([part.patients for part in parts]))) == 7
    assert "patient of its own" in parts[0].card


def sequences(depth, length=0xFFFFFFFF):
    """Nested sequences of undefined length."""
    tag = struct.pack("<HH", 0x0008, 0x1140)
    return (tag + b"SQ\0\0" + struct.pack("<L", length) + struct.pack("<HHL", 0xFFFE, 0xE000, length)) * depth


def spliced(part, place=b"\x10\x00\x10\x00PN"):
    """A DICOM file with bytes put in before its patient's name."""
    whole = scan()
    start = whole.index(place)
    return whole[:start] + part + whole[start:]


ITEM, END = struct.pack("<HHL", 0xFFFE, 0xE000, 0), struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
PHOTO = {"pixels": noise(3), "syntax": uid.JPEGBaseline8Bit}


def photo(content, **changes):
    """A DICOM file that holds these compressed bytes."""
    return scan(**PHOTO, PixelData=content if content.startswith(ITEM[:4]) else encapsulate([content]), **changes)


def deflated(body):
    """A deflated DICOM file with these bytes after its first group."""
    whole = scan(syntax=uid.DeflatedExplicitVRLittleEndian)
    return whole[:whole.index(b"1.2.840.10008.1.2.1.99") + 22] + body


def before_pixels(cut):
    whole = scan()
    return whole[:whole.index(b"\xe0\x7f\x10\x00") - cut]


# name -> how to make the file, and what the sentence says of it
HOSTILE_SCANS = {
    "cut": (lambda: scan()[:-100], "fewer pixels"), "cut in the header": (lambda: before_pixels(3), "damaged or cut off"),
    "only a start": (lambda: scan()[:132], "does not list"), "half": (lambda: scan()[:460], "damaged or cut off"),
    "no pixels": (lambda: before_pixels(0), "damaged or cut off"), "all ones": (lambda: scan()[:132] + b"\xff" * 5000, "odd"),
    "encrypted": (lambda: scan()[:132] + np.random.default_rng(0).bytes(5000), "odd"),
    "rows": (lambda: scan(Rows=60_000, Columns=60_000), "megapixels"), "more rows": (lambda: scan(Rows=41), "fewer pixels"),
    "no rows": (lambda: scan(Rows=0), "odd"), "frames": (lambda: scan(NumberOfFrames=2), "fewer pixels"),
    "all frames": (lambda: scan(NumberOfFrames=2_000_000_000), "512 MiB"), "negative frames": (lambda: scan(NumberOfFrames=-3), "odd"),
    "samples": (lambda: scan(SamplesPerPixel=3), "odd"), "no kind": (lambda: scan(drop=["PhotometricInterpretation"]), "odd"),
    "another kind": (lambda: scan(PhotometricInterpretation="SECRET"), "odd"), "one bit": (lambda: scan(BitsAllocated=1, BitsStored=1), "8 to 16 bits"),
    "32 bits": (lambda: scan(BitsAllocated=32, BitsStored=32), "8 to 16 bits"), "12 bits of 8": (lambda: scan(noise(3), BitsStored=12), "8 to 16 bits"),
    "slope": (lambda: scan(RescaleSlope="1e300", RescaleIntercept="0"), "odd"),
    "window": (lambda: scan(WindowCenter="123", WindowWidth="456").replace(b"123 ", b"abc "), "odd"),
    "rows that are text": (lambda: scan().replace(b"\x28\0\x10\0US\2\0", b"\x28\0\x10\0PN\2\0"), "odd"),
    "palette": (lambda: scan(noise(3), PhotometricInterpretation="PALETTE COLOR"), "odd"),
    "segmented palette": (lambda: scan(noise(3), PhotometricInterpretation="PALETTE COLOR", **{
        f"{color}PaletteColorLookupTable{part}": value for color in ("Red", "Green", "Blue", "SegmentedRed", "SegmentedGreen", "SegmentedBlue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", b"\0\0\2\0\1\0\2\0\1\0\xff\0\xff\0")) if ("S" == color[0]) == (part == "Data")}), "odd"),
    "deflated bomb": (lambda: deflated(packed(bytes(65 * 2 ** 20))), "unpacks to more than 64 MiB"),
    "deflated and cut": (lambda: scan(syntax=uid.DeflatedExplicitVRLittleEndian)[:-200], "damaged or cut off"),
    "deflated junk": (lambda: deflated(b"\xff" * 99), "damaged"), "deflated and empty": (lambda: deflated(b""), "damaged"),
    "nested": (lambda: spliced(sequences(5000)), "damaged"), "nested, with lengths": (lambda: spliced(sequences(5000, 2 ** 20)), "damaged"),
    "a million items": (lambda: spliced(sequences(1)[:12] + ITEM * 110_000 + END), "damaged"),
    "a huge value": (lambda: spliced(struct.pack("<HH2sHL", 0x0008, 0x0005, b"UT", 0, 2 ** 21) + b"\\1" * 2 ** 20), "damaged"),
    "charsets without number": (lambda: spliced((struct.pack("<HH2sHL", 0x0008, 0x0005, b"UT", 0, 2 ** 17) + b"\\" * 2 ** 17) * 40), "damaged"),
    "another size": (lambda: photo(jpeg(noise(1, (400, 400)))), "another size"), "a bomb inside": (lambda: photo(jpeg_bomb()), "odd"),
    "no jpeg": (lambda: photo(b"no picture"), "odd"), "a png inside": (lambda: photo(png(noise(3))), "odd"),
    "too few frames": (lambda: photo(jpeg(noise(3)), NumberOfFrames=9), "odd"), "a million fragments": (lambda: photo(ITEM * 110_000 + END), "odd"),
    "a huge table": (lambda: photo(ITEM[:4] + struct.pack("<L", 2 ** 20) + bytes(2 ** 20) + encapsulate([jpeg(noise(3))])[8:]), "odd"),
    "uncompressed as compressed": (lambda: relabeled(scan(noise(3)), uid.JPEGBaseline8Bit), "odd")}


def relabeled(content, syntax):
    """A DICOM file that names another transfer syntax than its own."""
    start = content.index(b"\2\0\x10\0UI") + 6
    length, = struct.unpack_from("<H", content, start)
    name = str(syntax).encode() + b"\0" * (len(syntax) % 2)
    return content[:start] + struct.pack("<H", len(name)) + name + content[start + 2 + length:]


def packed(content):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


def jpeg_bomb():
    photo = jpeg(noise(1))
    frame = photo.index(b"\xff\xc0")
    return photo[:frame + 5] + struct.pack(">HH", 60_000, 60_000) + photo[frame + 9:]


@pytest.mark.parametrize("name", HOSTILE_SCANS)
def test_a_hostile_dicom_file_is_refused_by_name_without_a_word_of_its_header(tmp_path, name, capfd, recwarn, caplog):
    make, words = HOSTILE_SCANS[name]
    root = fill(tmp_path / "mine")
    with warnings.catch_warnings(action="ignore"):
        (root / "0_normal" / "odd.dcm").write_bytes(make())
    caplog.clear()
    refused_by_file(root, "odd.dcm", words)
    assert capfd.readouterr() == ("", "") and not list(recwarn) and not caplog.records


@pytest.mark.parametrize("syntax, words", [
    (uid.JPEGLosslessSV1, "JPEG Lossless"), (uid.JPEGLSLossless, "JPEG-LS"), (uid.JPEGExtended12Bit, "JPEG Extended"), (uid.RLELossless, "RLE Lossless"),
    (uid.HTJ2K, "High-Throughput JPEG 2000"), (uid.MPEG2MPML, "MPEG2"), (uid.UID("1.2.3.4.5.6"), "does not list"), ("SECRET", "does not list")])
def test_a_transfer_syntax_that_cannot_be_decoded_is_named_with_the_way_out(tmp_path, syntax, words):
    root = fill(tmp_path / "mine")
    (root / "0_normal" / "packed.dcm").write_bytes(relabeled(photo(b"anything"), syntax))
    refused_by_file(root, "packed.dcm", words, "gdcmconv --raw", "PNG")


def test_the_bits_that_are_not_stored_are_ignored():
    pixels = noise(8).astype(np.uint16) * 16
    assert np.allclose(shot(scan(pixels | 0xF000, BitsStored=12, HighBit=11)), shot(scan(pixels)), atol=1e-6)


def test_what_pydicom_ships_is_read_or_refused_with_a_sentence():
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    paths = [path for path in folder.glob("*.dcm") if path.stat().st_size < 200_000]
    if len(paths) < 10:
        pytest.skip("pydicom came without its test files")
    drawn = 0
    for path in paths:
        try:
            if pictures.facts(path.read_bytes(), path.name) is not None:
                pixels, _ = pictures.picture(path.read_bytes(), path.name, 32)
                assert pixels.shape in ((1, 32, 32), (3, 32, 32)) and 0 <= pixels.min() and pixels.max() <= 1
                drawn += 1
        except DataError as problem:
            assert path.name in str(problem)
    assert drawn > 15


# ---------------------------------------------------------------- real images
def real(name):
    if not (REAL / name).exists():
        pytest.skip("the real images are not on this machine")
    return REAL / name


def test_real_xrays_are_read():
    parts = [read(real("pneumoniamnist_rebuilt.npz"), split, size=16) for split in sources.SPLITS]
    assert [len(part.images) for part in parts] == [4708, 524, 624] and .3 < parts[2].images.mean() < .8


def test_real_brains_are_divided():
    parts = [read(real("braintumor253_64.npz"), split, classes=BRAIN, what="brain") for split in sources.SPLITS]
    assert sum(len(part.images) for part in parts) == 253 and all(part.images.shape[1:] == (1, 64, 64) for part in parts)
    assert [set(part.labels) for part in parts] == [{0, 1}] * 3 and 150 < len(parts[0].images) < 200
    assert not {*parts[0].patients} & {*parts[2].patients} and "The course divided it" in parts[0].card


def test_six_real_modalities_are_read():
    classes = ("abdomen CT", "breast MRI", "chest X-ray", "chest CT", "hand", "head CT")
    found = read(real("mednist64_6x1000.npz"), "val", classes=classes, color=True, what="modality", limit=50)
    assert found.images.shape == (50, 3, 64, 64) and set(read(REAL / "mednist64_6x1000.npz", "val", classes=classes).labels) == set(range(6))


def test_real_images_come_the_same_out_of_every_kind_of_file(tmp_path):
    with np.load(real("braintumor253_64.npz")) as stored:
        images, labels = stored["images"], stored["labels"].ravel()
    expected = {}
    for label, word in enumerate(BRAIN):
        (tmp_path / "mine" / word).mkdir(parents=True)
        for k, image in enumerate(images[labels == label][:12]):
            window = {"WindowCenter": "127.5", "WindowWidth": "255", "VOILUTFunction": "LINEAR_EXACT"}
            content = (png(image), png(image.astype(np.uint16) * 257), jpeg(image), scan(image, PatientID=f"{label}-{k}", **window))[k % 4]
            (tmp_path / "mine" / word / f"{k}").write_bytes(content)
            expected[image.tobytes()] = label
    stored = np.stack([np.frombuffer(key, np.uint8) for key in expected]) / 255
    count = 0
    for split in sources.SPLITS:
        found = read(tmp_path / "mine", split, classes=BRAIN, what="brain")
        for image, label in zip(found.images, found.labels):
            distance = np.abs(stored - image.reshape(-1)).mean(1)
            assert distance.min() < .02 and list(expected.values())[distance.argmin()] == label
            count += 1
    assert count == 24


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, medcrypt_lab.sources, medcrypt_lab.sources.download; print([m for m in ('torch', 'PIL', 'pydicom') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1], check=True)
    assert done.stdout.strip() == "[]"

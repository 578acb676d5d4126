"""The embedded images, real images in MedMNIST's format, and what happens with a file that is damaged or hostile."""
import io
import json
import os
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from medcrypt_lab import data
from medcrypt_lab.generators import build, chest

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "pneumoniamnist_rebuilt.npz"


@pytest.fixture(autouse=True)
def embedded_by_default(monkeypatch):
    monkeypatch.delenv("MEDCRYPT_DATA", raising=False)


@pytest.fixture
def copy_of_data(tmp_path, monkeypatch):
    """A copy of `data/` that a test may damage."""
    for file in ("chest.npz", "chest.md", "manifest.json"):
        (tmp_path / file).write_bytes((data.FOLDER / file).read_bytes())
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    data.embedded_arrays.cache_clear()
    yield tmp_path
    data.embedded_arrays.cache_clear()


def medmnist(path, **changes):
    """Write a tiny file in MedMNIST's format, with some arrays replaced, or left out where None."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 12), ("val", 6), ("test", 4)):
        arrays[f"{split}_images"] = random.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    arrays |= changes
    np.savez_compressed(path, **{key: values for key, values in arrays.items() if values is not None})
    return path


@pytest.mark.parametrize("name", data.SPLITS)
def test_a_split_has_the_promised_types_shapes_and_ranges(name):
    split = data.load("chest", name)
    n = build.COUNTS["chest"][name]
    assert len(split) == n and split.images.shape == (n, 1, 64, 64) and split.images.dtype == torch.float32
    assert split.images.min() == 0 and split.images.max() == 1 and .3 < split.images.mean() < .6
    assert split.labels.dtype == torch.int64 and split.labels.bincount().tolist() == [n // 2, n // 2]
    assert split.classes == ("normal", "pneumonia") and set(split.masks) == {"lung", "heart", "lesion"}
    assert all(mask.shape == (n, 64, 64) and mask.dtype == torch.bool for mask in split.masks.values())
    assert (split.patients.bincount(minlength=1)[split.patients.unique()] == 2).all()
    assert f"{n} images" in repr(split) and "not a pneumonia detector" in " ".join(split.card.split())


def test_no_patient_is_in_two_splits_and_every_patient_has_one_label():
    splits = [data.load("chest", name) for name in data.SPLITS]
    patients = [set(split.patients.tolist()) for split in splits]
    assert not patients[0] & patients[1] and not patients[0] & patients[2] and not patients[1] & patients[2]
    for split in splits:
        assert (split.labels[::2] == split.labels[1::2]).all() and (split.patients[::2] == split.patients[1::2]).all()


def test_masks_lie_where_the_pictures_say():
    split = data.load("chest", "val")
    lesion, lung, heart = split.masks["lesion"], split.masks["lung"], split.masks["heart"]
    healthy = split.labels == 0
    assert not lesion[healthy].any() and lesion[~healthy].flatten(1).any(1).float().mean() > .95
    assert (lesion & ~lung).float().mean() < 1e-3
    images = split.images[:, 0]
    assert images[lung & ~lesion].mean() + .1 < images[lesion & lung].mean() < images[heart].mean()


def test_the_label_cannot_be_read_from_the_mean_or_the_corners():
    train, val, test = (data.load("chest", name) for name in data.SPLITS)

    def cues(split):
        corners = torch.stack([split.images[:, 0, i, j] for i in (slice(0, 4), slice(-4, None)) for j in (slice(0, 4), slice(-4, None))])
        return {"mean": split.images.mean((1, 2, 3)), "corners": corners.mean((0, 2, 3))}
    for cue, values in cues(train).items():
        steps = values.quantile(torch.linspace(.05, .95, 19))
        best = max(steps, key=lambda step: ((values > step) == train.labels).float().mean())
        right = torch.cat([(cues(split)[cue] > best) == split.labels for split in (val, test)])
        assert right.float().mean() < .6, cue


def test_smaller_sizes_are_averages_of_the_stored_pixels():
    large, small = data.load("chest", "val"), data.load("chest", "val", size=16)
    assert small.images.shape == (160, 1, 16, 16) and small.masks["lung"].shape == (160, 16, 16)
    assert torch.allclose(small.images[5, 0, 3, 7], large.images[5, 0, 12:16, 28:32].mean(), atol=1e-6)
    assert abs(small.masks["lung"].float().mean() - large.masks["lung"].float().mean()) < .02


def test_limit_and_take_choose_images():
    split = data.load("chest", "test", limit=10)
    assert len(split) == 10 and len(split.masks["lung"]) == 10 and len(split.patients) == 10
    chosen = split.take([3, 1])
    assert torch.equal(chosen.images, split.images[[3, 1]]) and torch.equal(chosen.masks["lung"], split.masks["lung"][[3, 1]])
    assert len(split.take(split.labels == 1)) == int(split.labels.sum()) and len(split.take(slice(2, 5))) == 3


def test_changing_a_split_changes_no_later_one():
    first = data.load("chest", "val")
    kept = first.images[0].clone(), first.masks["lung"][0].clone(), first.labels.clone()
    first.images.zero_(), first.masks["lung"].zero_(), first.labels.zero_()
    again = data.load("chest", "val")
    assert torch.equal(again.images[0], kept[0]) and torch.equal(again.masks["lung"][0], kept[1])
    assert torch.equal(again.labels, kept[2])


def test_preview_draws():
    matplotlib.use("agg")
    figure = data.load("chest", "test").preview()
    assert len(figure.axes) == 6 and figure.axes[0].get_title() in ("normal", "pneumonia")


@pytest.mark.parametrize("arguments, words", [
    ({"name": "chset"}, ["set 'chset'", "chest"]), ({"split": "training"}, ["split 'training'", "train, val, test"]),
    ({"size": 48}, ["size 48", "64, 32, 16"]), ({"size": 64.5}, ["size 64.5"]), ({"name": ["chest"]}, ["set ['chest']"]),
    ({"variant": "covid"}, ["variant of chest 'covid'"]), ({"source": "medmnist"}, ["'medmnist'", "'embedded'", ".npz"]),
    ({"source": "absent.npz"}, ["no file absent.npz", "MEDCRYPT_DATA"]), ({"limit": 0}, ["limit=0"]), ({"limit": True}, ["limit"])])
def test_an_argument_that_is_not_available_gets_a_sentence(arguments, words):
    with pytest.raises(ValueError) as problem:
        data.load(**{"name": "chest"} | arguments)
    assert all(word in str(problem.value) for word in words)


def test_a_damaged_file_is_refused_with_the_remedy(copy_of_data):
    content = bytearray((copy_of_data / "chest.npz").read_bytes())
    content[len(content) // 2] ^= 1
    for broken in (content, content[:-10], b""):
        (copy_of_data / "chest.npz").write_bytes(broken)
        with pytest.raises(data.DataError, match="data/chest.npz is damaged.*git checkout data/chest.npz"):
            data.load("chest")
    (copy_of_data / "chest.npz").unlink()
    with pytest.raises(data.DataError, match="data/chest.npz is missing.*git checkout"):
        data.load("chest")
    for broken in ("{", '{"sets": {}}', "[]"):
        (copy_of_data / "manifest.json").write_text(broken)
        with pytest.raises(data.DataError, match="manifest.json.*git checkout"):
            data.load("chest")


def test_a_patient_in_two_splits_is_noticed(monkeypatch, copy_of_data):
    mixed = build.draw
    monkeypatch.setattr(build, "COUNTS", {"chest": {"train": 2, "val": 2, "test": 2}})
    monkeypatch.setattr(build, "draw", lambda name, split: {
        key: values * 0 if key.endswith("patients") else values for key, values in mixed(name, split).items()})
    build.build()
    with pytest.raises(AssertionError, match="two splits"):
        data.load("chest")


def test_the_generator_still_draws_what_is_stored():
    assert build.check(count=6) == []


def test_a_difference_in_drawing_is_found(monkeypatch):
    draw = chest.draw

    def brighter(*arguments):
        image, *masks = draw(*arguments)
        return np.minimum(image, 253) + np.uint8(2), *masks
    monkeypatch.setattr(chest, "draw", brighter)
    problems = build.check(count=2)
    assert len(problems) == 3 and "train_images of chest" in problems[0] and "by up to 2" in problems[0]


def test_an_image_depends_neither_on_how_many_are_drawn_nor_on_their_size():
    three, four = chest.make(3, seed=9), chest.make(4, seed=9)
    assert all(np.array_equal(three[key], four[key][:3]) for key in three)
    double = chest.make(2, seed=9, size=128)["images"].reshape(2, 64, 2, 64, 2).mean((2, 4))
    assert np.corrcoef(double.ravel(), three["images"][:2].ravel())[0, 1] > .98
    assert chest.make(6, seed=9, classes=(0, 1, 2))["labels"].tolist() == [0, 0, 1, 1, 2, 2]


def test_building_writes_what_loads_and_leaves_no_parts(monkeypatch, copy_of_data):
    monkeypatch.setattr(build, "COUNTS", {"chest": {"train": 4, "val": 2, "test": 2}})
    said = build.build()
    assert "4 train, 2 val, 2 test" in said and len(data.load("chest")) == 4
    assert json.loads((copy_of_data / "manifest.json").read_text())["weights"]          # the other entries stay
    assert torch.equal(data.load("chest").images[0, 0] * 255, torch.from_numpy(chest.make(1, build.SEEDS["train"])["images"][0]).float())
    assert not list(copy_of_data.glob("part-*"))


def test_a_file_in_medmnists_format_is_read_and_enlarged(tmp_path, monkeypatch):
    path = medmnist(tmp_path / "mine.npz")
    split = data.load("chest", "train", source=path)
    assert split.images.shape == (12, 1, 64, 64) and split.images.dtype == torch.float32
    assert 0 <= split.images.min() and split.images.max() <= 1 and split.labels.tolist() == [0, 1] * 6
    with np.load(path) as stored:
        pixels = torch.from_numpy(stored["train_images"])[:, None] / 255
    bicubic = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="bicubic", align_corners=False)
    assert torch.allclose(split.images, bicubic.clamp(0, 1), atol=1e-6) and bicubic.max() > 1
    assert split.masks == {} and split.patients.tolist() == list(range(12))
    for word in ("mine.npz", "bicubically to 64", "28 pixels", "patient of its own", "no masks"):
        assert word in split.card
    monkeypatch.setenv("MEDCRYPT_DATA", f" chest = {path} ,")
    assert torch.equal(data.load("chest", "train", limit=5).images, split.images[:5])
    assert data.load("chest", "val", source="embedded").masks
    monkeypatch.setenv("MEDCRYPT_DATA", "chest=embedded")
    assert len(data.load("chest", "val")) == 160


def test_color_and_larger_images_are_averaged(tmp_path):
    flat = np.full((12, 128, 128, 3), 51, np.uint8)
    flat[..., 2] = 204
    split = data.load("chest", "train", size=32, source=medmnist(tmp_path / "color.npz", train_images=flat))
    assert split.images.shape == (12, 1, 32, 32) and torch.allclose(split.images, torch.tensor(.4), atol=1e-5)
    assert "averaged down to 32" in split.card and "gray" in split.card


@pytest.mark.skipif(not REAL.exists(), reason="the real X-rays are not on this machine")
def test_real_xrays_are_read(monkeypatch):
    monkeypatch.setenv("MEDCRYPT_DATA", f"chest={REAL}")
    assert [len(data.load("chest", name, size=16)) for name in data.SPLITS] == [4708, 524, 624]
    split = data.load("chest", "test", limit=40)
    assert split.images.shape == (40, 1, 64, 64) and .3 < split.images.mean() < .8


@pytest.mark.parametrize("setting, words", [
    ("chest", "at 'chest'"), ("chest=", "at 'chest='"), ("=x.npz", "'=x.npz'"), ("lungs=x.npz", "'lungs=x.npz'"),
    ("chest=a.npz,chest=b.npz", "'chest=b.npz'")])
def test_a_malformed_setting_gets_a_sentence(monkeypatch, setting, words):
    monkeypatch.setenv("MEDCRYPT_DATA", setting)
    with pytest.raises(data.DataError) as problem:
        data.load("chest")
    assert words in str(problem.value) and "MEDCRYPT_DATA" in str(problem.value)


@pytest.mark.parametrize("changes, words", [
    ({"val_labels": None}, "no val_labels"), ({"train_images": np.zeros((12, 28, 28), np.float32)}, "float32"),
    ({"train_images": np.zeros((12, 28, 27), np.uint8)}, "(12, 28, 27)"), ({"train_images": np.zeros((0, 28, 28), np.uint8)}, "(0, 28, 28)"),
    ({"train_images": np.zeros((12, 28, 28, 4), np.uint8)}, "(12, 28, 28, 4)"), ({"train_images": np.uint8(3)}, "()"),
    ({"train_labels": np.zeros((11, 1), np.uint8)}, "(11, 1)"), ({"train_labels": np.zeros((12, 1))}, "float64"),
    ({"train_labels": np.full((12, 1), 7)}, "from 7 to 7"), ({"train_labels": np.full((12, 1), -1)}, "from -1"),
    ({"train_images": np.array([{"x": 1}] * 12)}, "Python objects"), ({"train_labels": np.array([["a"]] * 12)}, "text"),
    ({"train_images": np.zeros(12, [("x", np.uint8)])}, "Python objects or text")])
def test_a_file_with_wrong_content_gets_a_sentence(tmp_path, changes, words):
    path = medmnist(tmp_path / "wrong.npz", **changes)
    with pytest.raises(data.DataError) as problem:
        data.load("chest", source=path)
    assert words in str(problem.value) and "wrong.npz" in str(problem.value)


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
    b"no array", pickled()])
def test_a_hostile_array_is_refused_and_nothing_is_run(tmp_path, monkeypatch, member):
    monkeypatch.chdir(tmp_path)
    path = medmnist(tmp_path / "hostile.npz", train_images=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", member)
    with pytest.raises(data.DataError, match="hostile.npz"):
        data.load("chest", source=path)
    assert not Path("unpickled").exists()


def test_a_zip_bomb_is_refused_before_it_fills_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "LARGEST_ARRAY", 2 ** 20)
    path = medmnist(tmp_path / "bomb.npz", train_images=np.zeros((12, 512, 512), np.uint8))
    assert path.stat().st_size < 50_000
    with pytest.raises(data.DataError, match="too large"):
        data.load("chest", source=path)


def test_a_file_that_is_no_archive_gets_one_sentence(tmp_path):
    whole = medmnist(tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 255
    for content in (b"", b"no zip at all", whole[:-30], whole[: len(whole) // 2], bytes(flipped), b"PK\x05\x06" + bytes(18)):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(data.DataError, match="broken.npz"):
            data.load("chest", source=tmp_path / "broken.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(data.DataError, match="no file"):
        data.load("chest", source=tmp_path / "folder.npz")

"""The embedded data, the larger and finer sets drawn on demand, and the way to real images."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from medcrypt_lab import cli, data, metrics
from medcrypt_lab.generators import build, chest, measure

COURSE = Path(__file__).resolve().parents[1]
REAL = COURSE.parent / "shared" / "data"
SETS = [(name, variant) for name, facts in data.SETS.items() for variant in (None, *facts.variants)]
KEYS = [f"{name}_{variant}" if variant else name for name, variant in SETS]


@pytest.fixture(autouse=True)
def embedded_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("MEDCRYPT_DATA", raising=False)
    monkeypatch.setenv("MEDCRYPT_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copy_of_data(tmp_path, monkeypatch):
    """A copy of what chest and the manifest need of `data/`, which a test may damage."""
    (tmp_path / "cards").mkdir()
    for file in ("chest.npz", "cards/chest.md", "manifest.json"):
        (tmp_path / file).write_bytes((data.FOLDER / file).read_bytes())
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    data.embedded_arrays.cache_clear()
    yield tmp_path
    data.embedded_arrays.cache_clear()


@pytest.fixture
def tiny_chest(monkeypatch):
    """Recipes of a few images, so that drawing takes no time."""
    few = build.Recipe(chest, build.three(4, 4, 4), build.three(8, 4, 4))
    monkeypatch.setattr(build, "SETS", {"chest": few, "chest_covid": build.Recipe(
        chest, build.three(2, 2, 2), build.three(4, 2, 2), build.three(4, 5, 6), settings={"classes": (2,)})})
    return few


@pytest.mark.parametrize("split", data.SPLITS)
@pytest.mark.parametrize("name, variant", SETS)
def test_a_split_has_the_promised_types_shapes_and_ranges(name, variant, split):
    images = data.load(name, split, variant=variant)
    facts, n, classes = data.SETS[name], len(images), len(images.classes)
    assert images.images.shape == (n, len(facts.channels), 64, 64) and images.images.dtype == torch.float32
    assert images.images.min() == 0 and .9 < images.images.max() <= 1 and .1 < images.images.mean() < .7
    assert images.labels.dtype == torch.int64 and images.labels.bincount().tolist() == [n // classes] * classes
    assert images.classes[:len(facts.classes)] == facts.classes and classes == len(facts.classes) + (variant == "covid")
    assert set(images.masks) == set(facts.masks) and images.channels == facts.channels
    assert all(mask.shape == (n, 64, 64) and mask.dtype == torch.bool and mask.any() for mask in images.masks.values())
    assert (images.patients.bincount()[images.patients.unique()] == 2).all()
    assert f"{n} images" in repr(images) and " ".join(images.card.split()).startswith("# Simulated")


@pytest.mark.parametrize("name, variant", SETS)
def test_no_patient_is_in_two_splits_and_every_patient_has_one_label(name, variant):
    splits = [data.load(name, split, variant=variant) for split in data.SPLITS]
    patients = [set(split.patients.tolist()) for split in splits]
    assert not patients[0] & patients[1] and not patients[0] & patients[2] and not patients[1] & patients[2]
    for split in splits:
        assert (split.labels[::2] == split.labels[1::2]).all() and (split.patients[::2] == split.patients[1::2]).all()


def test_no_image_occurs_twice():
    for key in build.SETS:
        if key not in data.SERIES:
            images = np.concatenate([data.embedded_arrays(key)[f"{split}_images"] for split in data.SPLITS])
            assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images), key


def test_masks_lie_where_the_pictures_say():
    split = data.load("chest", "val")
    lesion, lung, heart = split.masks["lesion"], split.masks["lung"], split.masks["heart"]
    healthy = split.labels == 0
    assert not lesion[healthy].any() and lesion[~healthy].flatten(1).any(1).float().mean() > .95
    assert (lesion & ~lung).float().mean() < 1e-3
    images = split.images[:, 0]
    assert images[lung & ~lesion].mean() + .1 < images[lesion & lung].mean() < images[heart].mean()


@pytest.mark.parametrize("key", KEYS)
def test_the_label_cannot_be_read_from_a_cue(key):
    """Fitted here and now, on what is committed: mean, corners, border, noise and, but for the set that is meant to leak, file length."""
    name, _, variant = key.partition("_")
    train, val, test = (data.load(name, split, variant=variant or None) for split in data.SPLITS)
    unseen = measure.joined(val, test)
    chance = 1 / len(train.classes)
    for cue, share in measure.cues_alone(train, unseen).items():
        if (key, cue) == ("chest_natural_noise", "file size"):
            assert share > chance + .1
        elif key != "chest_natural_noise":
            assert share < chance + .1, cue


ALL = [(name, variant) for name, facts in data.SETS.items() for variant in (None, *facts.variants)] + [(name, None) for name in (*data.SERIES, data.DICOM)]


@pytest.mark.parametrize("name, variant", ALL)
def test_loading_takes_under_a_second_and_300_megabytes(name, variant):
    code = (f"import resource, time; from medcrypt_lab import data; import torch; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            f"began = time.process_time(); [data.load({name!r}, split, variant={variant!r}) for split in data.SPLITS]\n"
            f"print(time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=COURSE, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 1 and megabytes < 300


def test_data_stays_small():
    files = [path for path in data.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25_000_000 and max(path.stat().st_size for path in files) < 5_000_000
    assert sum(path.stat().st_size for path in (data.FOLDER / "weights").iterdir()) < 2_500_000


def test_every_file_is_in_the_manifest_or_written_by_hand():
    listed = {entry["file"] for section in data.manifest().values() for entry in section.values()}
    there = {path.relative_to(data.FOLDER).as_posix() for path in data.FOLDER.rglob("*") if path.is_file()}
    assert there - listed == {"manifest.json", "MNI_NOTICE.txt", measure.FILE} | {f"cards/{path.name}" for path in (data.FOLDER / "cards").iterdir()}
    for section, entries in data.manifest().items():
        for name in entries:
            data.verified_bytes(section, name)


def test_every_set_has_a_card_that_says_what_is_there():
    for key in (*KEYS, *data.SERIES, data.DICOM):
        words = " ".join(data.card(key).split())
        assert "No real " in words and "CC BY 4.0" in words and "it cannot show" in words or "natural_noise" in key, key
        if key in build.SETS and key != "chest_covid":
            numbers = [build.SETS[key].counts[split] for split in data.SPLITS]
            assert f"| {' | '.join(map(str, numbers))} |" in words, key


def test_the_cards_show_what_was_measured():
    record = json.loads((data.FOLDER / measure.FILE).read_text())
    for path in (data.FOLDER / "cards").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert measure.with_tables(path.stem, text, record) == text, path.name
        assert "<!-- measured -->\n<!-- end" not in text, path.name


@pytest.mark.parametrize("entry", ["chest_small_cnn", "chest_covid_small_cnn", "brain_small_cnn", "fundus_small_cnn", "skin_small_cnn"])
def test_each_task_is_neither_trivial_nor_impossible(entry):
    """As recorded, over three training seeds, one of which gave the shipped weights; these are measured again in test_models.py."""
    figures = json.loads((data.FOLDER / measure.FILE).read_text())[entry]
    assert len(figures["networks"]) == 3 and all(.8 <= share <= .98 for share in figures["networks"])
    assert all(figures["linear"] <= share - .15 for share in figures["networks"])
    assert all(share < figures["chance"] + .1 for share in figures["cues"].values())


def test_segmentation_is_learned_in_ninety_seconds():
    record = json.loads((data.FOLDER / measure.FILE).read_text())
    assert all(share >= .75 for share in record["brain_unet"]["dice"]) and all(share >= .7 for share in record["fundus_unet"]["dice"])
    assert record["brain_unet"]["seconds"] <= 90 and record["fundus_unet"]["seconds"] <= 90


def test_smaller_sizes_are_averages_of_the_stored_pixels():
    large, small = data.load("chest", "val"), data.load("chest", "val", size=16)
    assert small.images.shape == (160, 1, 16, 16) and small.masks["lung"].shape == (160, 16, 16)
    assert torch.allclose(small.images[5, 0, 3, 7], large.images[5, 0, 12:16, 28:32].mean(), atol=1e-6)
    assert abs(small.masks["lung"].float().mean() - large.masks["lung"].float().mean()) < .02
    assert data.load("skin", "val", size=28).images.shape == (72, 3, 28, 28)


def test_limit_and_take_choose_images():
    split = data.load("brain", "test", limit=10)
    assert len(split) == 10 and len(split.masks["tumor"]) == 10 and len(split.patients) == 10
    chosen = split.take([3, 1])
    assert torch.equal(chosen.images, split.images[[3, 1]]) and torch.equal(chosen.masks["tumor"], split.masks["tumor"][[3, 1]])
    assert len(split.take(split.labels == 1)) == int(split.labels.sum()) and len(split.take(slice(2, 5))) == 3
    assert chosen.channels == split.channels and chosen.to("cpu").card == split.card
    assert chosen.to("meta").images.device.type == chosen.to("meta").masks["core"].device.type == "meta"


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
    figure = data.load("brain", "test").preview(2)
    assert len(figure.axes) == 8 and figure.axes[3].get_title() == "no tumor,\nFLAIR"
    assert [axes.get_title() for axes in data.load("vitals", "val").preview().axes][0] == "heart rate (/min)"


def test_the_variant_with_a_third_class_mixes_it_in():
    three, two = data.load("chest", "train", variant="covid"), data.load("chest", "train")
    assert three.classes == ("normal", "pneumonia", "COVID-like") and three.labels[:6].tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(three.images[three.labels < 2], two.images) and torch.equal(three.patients[three.labels < 2], two.patients)


def test_a_finer_size_is_drawn_once_and_kept(monkeypatch, tiny_chest):
    draws = []
    monkeypatch.setattr(build, "draw", lambda *arguments, real=build.draw, **named: draws.append(arguments) or real(*arguments, **named))
    first = data.load("chest", "val", size=128)
    assert first.images.shape == (4, 1, 128, 128) and first.masks["lung"].shape == (4, 128, 128)
    again = data.load("chest", "val", size=128)
    assert len(draws) == 1 and torch.equal(first.images, again.images) and torch.equal(first.masks["lung"], again.masks["lung"])
    small = data.load("chest", "val", limit=4)
    averaged = torch.nn.functional.avg_pool2d(first.images, 2)
    assert torch.corrcoef(torch.stack([averaged.flatten(), small.images.flatten()]))[0, 1] > .98
    for file in (Path(os.environ["MEDCRYPT_CACHE"]) / "drawn").iterdir():
        file.write_bytes(file.read_bytes()[:-100])                              # damaged: drawn again, not believed
    assert torch.equal(data.load("chest", "val", size=128).images, first.images) and len(draws) == 2


def test_the_full_set_begins_with_the_embedded_one(tiny_chest):
    full = data.load("chest", "train", source="full")
    assert len(full) == 8 and torch.equal(full.images[:4], data.load("chest", "train", limit=4).images)
    assert len(data.load("chest", "train", source="full", variant="covid")) == 12
    with pytest.raises(ValueError, match="no larger set"):
        data.load("chest", source="full", variant="natural_noise")


def test_a_cache_that_cannot_be_written_costs_only_time(monkeypatch, tiny_chest, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEDCRYPT_CACHE", str(tmp_path / "file"))
    assert len(data.load("chest", "val", size=128)) == 4


@pytest.mark.parametrize("arguments, words", [
    ({"name": "chset"}, ["set 'chset'", "chest"]), ({"split": "training"}, ["split 'training'", "train, val, test"]),
    ({"size": 48}, ["size 48", "64, 32, 28, 16"]), ({"size": 64.5}, ["size 64.5"]), ({"name": ["chest"]}, ["set ['chest']"]),
    ({"variant": "flu"}, ["variant of chest 'flu'", "covid"]), ({"name": "brain", "variant": "covid"}, ["variant of brain 'covid'"]),
    ({"name": "brain", "source": "medmnist"}, ["MedMNIST has no set", "brain", "chest, fundus, skin"]),
    ({"variant": "covid", "source": "a.npz"}, ["covid", "embedded", "a.npz"]), ({"name": "vitals", "source": "a.npz"}, ["source of vitals"]),
    ({"source": "absent.npz"}, ["absent.npz", "MEDCRYPT_DATA"]), ({"limit": 0}, ["limit=0"]), ({"limit": True}, ["limit"])])
def test_an_argument_that_is_not_available_gets_a_sentence(arguments, words):
    with pytest.raises(ValueError) as problem:
        data.load(**{"name": "chest"} | arguments)
    assert all(word in str(problem.value) for word in words), problem.value


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


def test_a_missing_card_is_named(copy_of_data):
    (copy_of_data / "cards" / "chest.md").unlink()
    with pytest.raises(data.DataError, match="data/cards/chest.md is missing.*git checkout"):
        data.load("chest")


def test_a_patient_in_two_splits_is_noticed(monkeypatch, copy_of_data, tiny_chest):
    mixed = build.draw
    monkeypatch.setattr(build, "draw", lambda *arguments, **named: {
        key: values * 0 if key == "patients" else values for key, values in mixed(*arguments, **named).items()})
    build.build(["chest"])
    with pytest.raises(AssertionError, match="two splits"):
        data.load("chest")


def test_the_generators_still_draw_what_is_stored():
    assert build.check(number=4, keys=list(build.SETS)) == []


def test_the_dicom_files_are_what_is_made_again():
    assert build._check_studies() == []


def test_a_gray_level_on_few_pixels_passes_only_with_other_libraries(monkeypatch):
    draw = chest.draw

    def off(*arguments, **named):
        image, *masks = draw(*arguments, **named)
        image[0, 0] ^= 1
        return image, *masks
    monkeypatch.setattr(chest, "draw", off)
    monkeypatch.setattr(build, "ALLOWED", 1 / 64 ** 2)
    assert len(build.check(number=2, keys=["chest"])) == 3
    monkeypatch.setattr(build, "versions", dict)
    assert build.check(number=2, keys=["chest"]) == []


def test_a_difference_in_drawing_is_found(monkeypatch):
    draw = chest.draw

    def brighter(*arguments, **named):
        image, *masks = draw(*arguments, **named)
        return np.minimum(image, 253) + np.uint8(2), *masks
    monkeypatch.setattr(chest, "draw", brighter)
    problems = build.check(number=2, keys=["chest"])
    assert len(problems) == 3 and "train_images of chest" in problems[0] and "by up to 2" in problems[0]


def test_an_image_depends_neither_on_how_many_are_drawn_nor_on_their_size():
    three, four = chest.make(3, seed=9), chest.make(4, seed=9)
    assert all(np.array_equal(three[key], four[key][:3]) for key in three)
    double = chest.make(2, seed=9, size=128)["images"].reshape(2, 64, 2, 64, 2).mean((2, 4))
    assert np.corrcoef(double.ravel(), three["images"][:2].ravel())[0, 1] > .98
    assert chest.make(6, seed=9, classes=(0, 1, 2))["labels"].tolist() == [0, 0, 1, 1, 2, 2]


def test_building_writes_what_loads_and_leaves_no_parts(copy_of_data, tiny_chest):
    said = build.build(["chest"])
    assert "4 train, 4 val, 4 test" in said and len(data.load("chest")) == 4
    assert json.loads((copy_of_data / "manifest.json").read_text())["weights"]          # the other entries stay
    assert torch.equal(data.load("chest").images[0, 0] * 255, torch.from_numpy(chest.make(1, 1)["images"][0]).float())
    assert not list(copy_of_data.glob("part-*"))


def test_series_have_their_units_and_ranges():
    for split, n in (("train", 800), ("val", 200), ("test", 400)):
        stays = data.load("vitals", split)
        assert stays.values.shape == (n, 48, 6) and stays.values.dtype == torch.float32 and len(stays.channels) == len(stays.units) == 6
        assert .14 < stays.labels.float().mean() < .26 and stays.classes == ("survived", "died in hospital")
        assert 30 <= stays.values[..., 0].min() and stays.values[..., 4].max() <= 100 and stays.values[..., 5].min() >= 3
    cases = data.load("cases", "test", limit=3)
    assert cases.values.shape == (3, 420, 1) and cases.values.min() >= 0 and (cases.values % 1 == 0).all() and cases.labels.shape == (0,)
    assert len(stays.take(stays.labels == 1)) == int(stays.labels.sum()) and len(cases.take([0, 2]).patients) == 2
    assert "48 steps of heart rate" in repr(stays) and repr(cases).endswith("new cases")
    trained, tested = (set(data.load("vitals", split).patients.tolist()) for split in ("train", "test"))
    assert not trained & tested


def test_the_dicom_files_come_with_the_truth():
    studies = data.load("dicom")
    assert len(studies) == len(studies.truth) == 24 and all(path.exists() for path in studies.paths)
    assert len(data.load("dicom", limit=3)) == 3 and "24 DICOM files" in repr(studies)
    assert sum(bool(truth["lines"]) for truth in studies.truth) == 16


def test_a_damaged_dicom_file_is_refused(tmp_path, monkeypatch):
    for file in ("manifest.json", "cards/dicom.md", *(f"dicom/{path.name}" for path in (data.FOLDER / "dicom").iterdir())):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes((data.FOLDER / file).read_bytes())
    first = sorted((tmp_path / "dicom").glob("*.dcm"))[0]
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    with pytest.raises(data.DataError, match=f"data/dicom/{first.name} is damaged.*git checkout"):
        data.load("dicom")


def medmnist(path, side=28, **changes):
    """Write a tiny file in MedMNIST's format, with some arrays replaced, or left out where None."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 12), ("val", 6), ("test", 4)):
        arrays[f"{split}_images"] = random.integers(0, 256, (n, side, side), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    arrays |= changes
    np.savez_compressed(path, **{key: values for key, values in arrays.items() if values is not None})
    return path


def test_a_file_of_the_learners_takes_the_place_of_a_set(tmp_path, monkeypatch):
    path = medmnist(tmp_path / "mine.npz")
    split = data.load("chest", "train", source=path)
    assert split.images.shape == (12, 1, 64, 64) and split.labels.tolist() == [0, 1] * 6
    assert split.masks == {} and len(split.patients.unique()) == 12 and "mine.npz" in split.card
    monkeypatch.setenv("MEDCRYPT_DATA", f" chest = {path} , skin={path}")
    assert torch.equal(data.load("chest", "train", limit=5).images, split.images[:5])
    colored = data.load("skin", "train")
    assert colored.images.shape == (12, 3, 64, 64) and torch.equal(colored.images[:, 0], split.images[:, 0]) and colored.channels == data.COLORS
    assert data.load("chest", "val", source="embedded").masks and len(data.load("chest", variant="covid")) == 1200
    monkeypatch.setenv("MEDCRYPT_DATA", "chest=embedded")
    assert len(data.load("chest", "val")) == 160


def test_medmnist_is_fetched_and_its_grades_become_the_courses(tmp_path, monkeypatch):
    from medcrypt_lab.sources import download
    asked = []
    grades = {f"{split}_labels": (np.arange(n) % 5).astype(np.uint8)[:, None] for split, n in (("train", 12), ("val", 6), ("test", 5))}
    images = {f"{split}_images": np.zeros((n, 64, 64, 3), np.uint8) for split, n in (("train", 12), ("val", 6), ("test", 5))}
    path = medmnist(tmp_path / "retinamnist_64.npz", **grades, **images)
    monkeypatch.setattr(download, "fetch", lambda name, size: asked.append((name, size)) or path)
    monkeypatch.setenv("MEDCRYPT_DATA", "fundus=medmnist")
    assert data.load("fundus", "train").labels[:5].tolist() == [0, 1, 1, 2, 2] and asked == [("fundus", 64)]
    data.load("fundus", "test", size=28)
    assert asked[-1] == ("fundus", 28)


@pytest.mark.skipif(not REAL.exists(), reason="the real images are not on this machine")
def test_real_images_take_the_places_of_sets(monkeypatch):
    monkeypatch.setenv("MEDCRYPT_DATA", f"chest={REAL / 'pneumoniamnist_rebuilt.npz'},brain={REAL / 'braintumor253_64.npz'}")
    assert [len(data.load("chest", name, size=16)) for name in data.SPLITS] == [4708, 524, 624]
    xrays, brains = data.load("chest", "test", limit=40), [data.load("brain", split) for split in data.SPLITS]
    assert xrays.images.shape == (40, 1, 64, 64) and .3 < xrays.images.mean() < .8
    assert sum(map(len, brains)) == 253 and brains[0].images.shape[1:] == (1, 64, 64) and brains[0].classes == ("no tumor", "tumor")


@pytest.mark.parametrize("setting, words", [
    ("chest", "at 'chest'"), ("chest=", "at 'chest='"), ("=x.npz", "'=x.npz'"), ("lungs=x.npz", "'lungs=x.npz'"),
    ("chest=a.npz,chest=b.npz", "'chest=b.npz'"), ("vitals=a.npz", "'vitals=a.npz'")])
def test_a_malformed_setting_gets_a_sentence(monkeypatch, setting, words):
    monkeypatch.setenv("MEDCRYPT_DATA", setting)
    with pytest.raises(data.DataError) as problem:
        data.load("chest")
    assert words in str(problem.value) and "MEDCRYPT_DATA" in str(problem.value)


def test_the_command_lists_checks_and_says_what_it_does_not_know(capsys, monkeypatch, tiny_chest, copy_of_data):
    assert cli.main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"chest +800 / 160 / 320 +3,116,668", listed) and "24 files" in listed and "weights chest_small_cnn" in listed
    assert cli.main(["data", "build", "chest"]) == 0 and "4 train" in capsys.readouterr().out
    assert cli.main(["data", "build", "chest", "--check"]) == 0 and "everything is what data/ holds" in capsys.readouterr().out
    assert cli.main(["data", "build", "--check", "chest"]) == 0 and "everything is what data/ holds" in capsys.readouterr().out
    for wrong, words in ((["build", "lungs"], "no set lungs"), (["list", "--check"], "goes with build")):
        assert cli.main(["data", *wrong]) == 1 and words in capsys.readouterr().err


def test_figures_of_merit_by_hand():
    assert metrics.balanced_accuracy([0, 0, 1, 1], [0, 0, 0, 1]) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.auc([.1, .4, .4, .9], [0, 0, 1, 1]) == pytest.approx(3.5 / 4)
    assert metrics.auc(torch.tensor([3., 2, 1]), torch.tensor([0, 0, 1])) == 0
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0] = True
    half = mask & np.array([True, False])
    assert metrics.dice(half, mask) == pytest.approx(2 / 3) and metrics.dice(mask, mask) == 1
    for wrong in (lambda: metrics.dice(mask, mask * False), lambda: metrics.auc([1, 2], [1, 1]), lambda: metrics.balanced_accuracy([], [])):
        with pytest.raises(ValueError, match="Nothing to measure"):
            wrong()


def test_lessons_load_no_generator():
    """Loading what is stored must not import the programs that drew it: time is short in a setup cell."""
    code = "import sys; from medcrypt_lab import data; data.load('chest', 'val'); print([name for name in sys.modules if 'generators' in name or 'pydicom' in name])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=COURSE, check=True).stdout.strip() == "[]"

"""The DICOM studies: valid files, invented identities where `truth` says and nowhere else, pixels that windows reveal."""
import datetime
import json
import warnings

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
from pydicom import config, datadict

from medcrypt_lab.generators import chest, studies

LIES = {"12_cr_no_annotation.dcm", "21_sc_ct_export.dcm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files, written under the strictest rules; a warning is an error."""
    path = tmp_path_factory.mktemp("dicom")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(config.settings, "writing_validation_mode", config.RAISE)
        studies.write(path)
    return path


@pytest.fixture(scope="module")
def truths(folder):
    return json.loads((folder / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(folder, truths):
    return {name: pydicom.dcmread(folder / name) for name in truths}


@pytest.fixture(scope="module")
def without_text():
    return {study.name: study for study in studies.make(text=False)}


def plan_of(name):
    return studies.STUDIES[int(name[:2]) - 1]


def shown(dataset, window=0):
    """The picture as a viewer shows it: [0, 1], white is 1."""
    values = dataset.pixel_array * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    center, width = (np.atleast_1d(np.array(dataset[keyword].value, float))[window] for keyword in ("WindowCenter", "WindowWidth"))
    gray = np.clip((values - (center - .5)) / (width - 1) + .5, 0, 1)
    return 1 - gray if dataset.PhotometricInterpretation == "MONOCHROME1" else gray


def leaves(dataset, path=""):
    """(path, element) of everything that is not a sequence, in the file meta information too."""
    for element in [*getattr(dataset, "file_meta", []), *dataset]:
        name = f"({element.tag.group:04X},{element.tag.element:04X})" if element.tag.is_private else element.keyword
        if element.VR == "SQ":
            for place, item in enumerate(element.value):
                yield from leaves(item, f"{path}{name}[{place}].")
        else:
            yield path + name, element


def words(element):
    value = element.value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def test_every_file_is_written_and_read_under_the_strictest_rules_without_a_warning(folder, monkeypatch):
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.RAISE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in folder.glob("*.dcm"):
            dataset = pydicom.dcmread(path)
            assert sum(len(words(element)) for _, element in leaves(dataset)) > 1000 and dataset.pixel_array.size


def test_two_runs_write_the_same_bytes_and_another_seed_other_people(folder, tmp_path, truths):
    studies.write(tmp_path)
    assert all((tmp_path / file.name).read_bytes() == file.read_bytes() for file in folder.iterdir())
    person = studies._identity(1, 0, 0)
    assert person["patient_id"] != truths["01_cr_explicit.dcm"]["identity"]["patient_id"]


def test_files_are_the_same_up_to_a_rounded_pixel_and_no_further(folder, tmp_path):
    for name, changes in {"01_cr_explicit.dcm": "<u2", "05_cr_8bit.dcm": "u1"}.items():
        def changed(pixels, **elements):
            dataset = pydicom.dcmread(folder / name)
            stored = dataset.pixel_array.copy()
            pixels(stored)
            dataset.PixelData = stored.astype(changes).tobytes()
            for keyword, value in elements.items():
                setattr(dataset, keyword, value)
            dataset.save_as(tmp_path / name, enforce_file_format=True)
            return studies.same(folder / name, tmp_path / name)
        assert changed(lambda stored: None)
        assert changed(lambda stored: stored.__setitem__((100, 60), stored[100, 60] ^ 1))
        assert not changed(lambda stored: stored.__setitem__((100, 60), stored[100, 60] ^ 64))
        assert not changed(lambda stored: stored.__ixor__(1))
        assert not changed(lambda stored: None, StationName="ELSEWHERE")
    assert studies.same(folder / "20_sc_jpeg.dcm", folder / "20_sc_jpeg.dcm")
    assert not studies.same(folder / "20_sc_jpeg.dcm", folder / "22_sc_rle_diacritics.dcm")


def test_the_files_are_small(folder):
    sizes = [file.stat().st_size for file in folder.iterdir()]
    assert len(sizes) == 25 and sum(sizes) < 1_200_000 and max(sizes) < 220_000


def test_syntaxes_depths_and_kinds_are_those_promised(files):
    syntaxes = [dataset.file_meta.TransferSyntaxUID.keyword for dataset in files.values()]
    assert {name: syntaxes.count(name) for name in set(syntaxes)} == {
        "ImplicitVRLittleEndian": 2, "ExplicitVRLittleEndian": 13, "ExplicitVRBigEndian": 1, "DeflatedExplicitVRLittleEndian": 1,
        "RLELossless": 5, "JPEGBaseline8Bit": 1, "JPEG2000Lossless": 1}
    kinds = [dataset.SOPClassUID.keyword for dataset in files.values()]
    assert {name: kinds.count(name) for name in set(kinds)} == {
        "ComputedRadiographyImageStorage": 13, "MRImageStorage": 4, "CTImageStorage": 3, "SecondaryCaptureImageStorage": 3,
        "MultiFrameGrayscaleWordSecondaryCaptureImageStorage": 1}
    assert sorted({dataset.BitsStored for dataset in files.values()}) == [8, 12, 16]
    assert sum(dataset.PhotometricInterpretation == "MONOCHROME1" for dataset in files.values()) == 2
    assert sum(dataset.PixelRepresentation for dataset in files.values()) == 2
    assert files["23_sc_multiframe.dcm"].pixel_array.shape == (6, 128, 128)


@pytest.mark.parametrize("kind, keywords", [
    ("CR", "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID AccessionNumber "
           "SeriesNumber InstanceNumber Manufacturer BodyPartExamined ViewPosition PatientOrientation ContentDate ContentTime"),
    ("MR", "FrameOfReferenceUID PositionReferenceIndicator PixelSpacing ImageOrientationPatient ImagePositionPatient SliceThickness "
           "ImageType ScanningSequence SequenceVariant ScanOptions MRAcquisitionType RepetitionTime EchoTime EchoTrainLength "
           "PatientPosition"),
    ("CT", "FrameOfReferenceUID PixelSpacing ImagePositionPatient ImageType RescaleIntercept RescaleSlope KVP AcquisitionNumber"),
    ("OT", "ConversionType ImageType PatientOrientation BurnedInAnnotation LossyImageCompression")])
def test_the_elements_that_a_kind_demands_are_there(files, kind, keywords):
    chosen = [dataset for dataset in files.values() if dataset.Modality == kind]
    assert chosen and all(keyword in dataset for dataset in chosen for keyword in keywords.split())
    for dataset in chosen:
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID and dataset.SOPInstanceUID.is_valid
        assert dataset.HighBit == dataset.BitsStored - 1 and dataset.pixel_array.max() < 2 ** dataset.BitsStored


def test_what_is_read_back_is_what_was_drawn(without_text, tmp_path):
    kinds = {(plan_of(name).syntax, plan_of(name).bits, plan_of(name).signed, plan_of(name).inverted): name for name in without_text}
    assert len(kinds) == 14
    for name in kinds.values():
        plan, study = plan_of(name), without_text[name]
        picture = studies.PICTURES[plan.picture](plan, 0)
        drawn = studies._invert(picture, plan.bits).pixels if plan.inverted else picture.pixels
        study.dataset.save_as(tmp_path / name, enforce_file_format=True)
        stored = pydicom.dcmread(tmp_path / name).pixel_array.astype(int)
        if plan.syntax == "jpeg":
            assert 0 < np.abs(stored - drawn).mean() < 2
        else:
            assert np.array_equal(stored, drawn), name


def test_every_element_that_truth_names_is_there_and_says_something(files, truths):
    for name, truth in truths.items():
        assert len(truth["elements"]) == len(set(truth["elements"])) > 30
        for path in truth["elements"]:
            assert words(studies.look_up(files[name], path)), (name, path)
    nested = {path for truth in truths.values() for path in truth["elements"] if "[" in path}
    assert {"RequestAttributesSequence[0].AccessionNumber", "OtherPatientIDsSequence[0].PatientID"} <= nested
    private = [path for truth in truths.values() for path in truth["elements"] if path.startswith("(")]
    assert private.count("(0009,1001)") == 18 and private.count("(0029,1010)") == 7
    with pytest.raises(KeyError):
        studies.look_up(files["01_cr_explicit.dcm"], "SliceThickness")


def test_no_other_element_tells_who_it_is(files, truths):
    for name, truth in truths.items():
        who = truth["identity"]
        secrets = [who[key] for key in ("patient_id", "other_id", "phone", "address", "hospital", "accession", "study_id", "device")]
        secrets += [who[key] for key in ("birth_date", "study_date", "first_study_date")]
        secrets += [who[key].replace("-", "") for key in ("birth_date", "study_date")]
        secrets += who["name"].split("^") + who["name"].upper().split("^") + [who["patient_name"]]
        found = {path for path, element in leaves(files[name]) if any(secret in words(element) for secret in secrets)}
        assert found <= set(truth["elements"]), name
        assert {"PatientName", "PatientID", "StudyDate", "ImageComments", "RequestAttributesSequence[0].AccessionNumber"} <= found


def test_each_keyword_has_exactly_one_fate(files, truths):
    named = [keyword for group in studies.PHI.values() for keyword in group]
    assert len(named) == len(set(named)) and all(datadict.tag_for_keyword(keyword) for keyword in named)
    top = {element.keyword for dataset in files.values() for element in dataset if not element.tag.is_private}
    assert top <= set(named)
    carrying = {path.rpartition(".")[2] for truth in truths.values() for path in truth["elements"] if not path.startswith("(")}
    inside = {"ScheduledProcedureStepDescription"}                  # goes with the sequence around it
    assert carrying - inside <= set(named) - set(studies.PHI["keep"]) - set(studies.PHI["set"])


def test_letters_are_where_the_boxes_say(files, truths, without_text):
    for name, truth in truths.items():
        clean = without_text[name].dataset.pixel_array.astype(int)
        burned, letters = files[name].pixel_array.astype(int), studies.letter_mask(truth)
        changed = burned != clean
        assert (truth["style"] is None) == (not truth["lines"]) == (not letters.any()) == (not changed.any())
        if not truth["lines"]:
            continue
        assert [line["shows"] for line in truth["lines"]][:2] == ["name", "patient_id"] and letters.sum() > 600
        if "JPEG Baseline" in truth["transfer_syntax"]:
            moved = np.abs(burned - clean)
            assert moved[letters].mean() > 20 * moved[~letters].mean()
            continue
        assert changed[..., letters].mean() > .985, name
        boxes = np.zeros_like(letters)
        for left, top, right, bottom in (line["box"] for line in truth["lines"]):
            assert 0 <= left < right <= truth["columns"] and 0 <= top < bottom <= truth["rows"]
            assert not boxes[top:bottom, left:right].any()                             # lines do not overlap
            boxes[top:bottom, left:right] = True
        background = boxes if truth["style"] == studies.BAR else letters
        assert not changed[..., ~background].any(), name


def test_each_style_looks_as_its_name_says(files, truths):
    styles = [truth["style"] for truth in truths.values()]
    assert [styles.count(style) for style in (*studies.STYLES, None)] == [5, 5, 6, 8]
    for name, truth in truths.items():
        if not truth["lines"] or "JPEG Baseline" in truth["transfer_syntax"]:
            continue
        picture, letters = shown(files[name]), studies.letter_mask(truth)
        left, top, right, bottom = truth["lines"][0]["box"]
        ground = files[name].pixel_array[..., top:bottom, left:right][..., ~letters[top:bottom, left:right]]
        ink = picture[..., letters]
        if truth["style"] == studies.FAINT:
            assert ink.std() < .35 and (ink == 1).mean() < .05, name
        else:
            assert ink.min() == 1, name
        assert (np.ptp(ground) == 0) == (truth["style"] == studies.BAR), name


def test_letters_over_a_saturated_ground_show_only_in_another_window(files, truths):
    name = "01_cr_explicit.dcm"
    left, top, right, bottom = truths[name]["lines"][3]["box"]
    letters = studies.letter_mask(truths[name])[top:bottom, left:right]
    first, second = (shown(files[name], window)[top:bottom, left:right] for window in (0, 1))
    assert (first[~letters] == 1).mean() > .7                         # white on white
    assert second[letters].min() == 1 and np.median(second[~letters]) < .8


def test_exactly_two_annotations_are_not_true(files, truths):
    untrue = {name for name, truth in truths.items() if not truth["annotation_is_true"]}
    assert untrue == LIES
    for name, truth in truths.items():
        said = files[name].get("BurnedInAnnotation")
        assert said == truth["burned_in_annotation"]
        assert (said == ("YES" if truth["lines"] else "NO")) == (name not in LIES)
    assert "BurnedInAnnotation" not in files["12_cr_no_annotation.dcm"] and files["21_sc_ct_export.dcm"].BurnedInAnnotation == "NO"


def test_a_second_window_shows_what_an_export_of_the_first_has_lost(without_text):
    radiographs = [study.dataset for name, study in without_text.items() if plan_of(name).picture == "chest" and plan_of(name).bits > 8]
    assert len(radiographs) == 12
    for dataset in radiographs:
        export = np.round(255 * shown(dataset))
        lost = export == 255
        assert lost.mean() > .15 and shown(dataset, 1)[lost].std() > .1       # the heart, the spine, what is under the diaphragm
    for name in ("13_mr_16bit.dcm", "15_mr_rle_japanese.dcm"):
        dataset = without_text[name].dataset
        air = np.round(255 * shown(dataset)) == 0
        assert air.mean() > .3 and shown(dataset, 1)[air].std() > .1
        assert shown(dataset)[~air].std() > .1 and (shown(dataset, 1)[~air] == 1).mean() > .8        # and the second has lost the brain


def test_the_nodule_is_in_the_ct_and_not_in_its_export(files, truths):
    source, export = files["17_ct_signed.dcm"], files["21_sc_ct_export.dcm"]
    left, top, right, bottom = truths["17_ct_signed.dcm"]["finding"]
    row, column = (top + bottom) // 2, (left + right) // 2
    assert np.ptp(export.pixel_array[row - 2:row + 3, column - 2:column + 3]) == 0
    around = np.median(shown(source, 1)[20:-40, 20:-20][shown(source, 0)[20:-40, 20:-20] == 0])
    assert shown(source, 1)[row - 2:row + 3, column - 2:column + 3].mean() > around + .1
    assert truths["21_sc_ct_export.dcm"]["finding"] == [left, top, right, bottom]
    assert export.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert export.StudyInstanceUID == source.StudyInstanceUID and export.SeriesInstanceUID != source.SeriesInstanceUID
    later = truths["19_ct_second_visit.dcm"]
    assert (later["finding"][2] - later["finding"][0]) / later["columns"] > 1.3 * (right - left) / 160       # it has grown


def test_hounsfield_units_are_those_of_air_water_and_bone(files):
    for name in ("17_ct_signed.dcm", "18_ct_rle.dcm", "19_ct_second_visit.dcm"):
        dataset = files[name]
        units = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
        corner, middle = units[:6, 90:100], units[int(.44 * len(units)), len(units) // 2]
        if dataset.PixelRepresentation:
            assert dataset.pixel_array[0, 0] == dataset.PixelPaddingValue == -2000
        else:
            assert abs(corner.mean() + 1000) < 20
        assert 0 < middle < 250 and 400 < units.max() < 1500
        assert ((units > -950) & (units < -750)).mean() > .08                      # lung


def test_the_pixels_use_their_bits(without_text):
    for name, study in without_text.items():
        plan, pixels = plan_of(name), study.dataset.pixel_array
        if plan.picture in ("chest", "brain") and plan.bits > 8:
            assert len(np.unique(pixels)) > 700 and pixels.max() > 2 ** (plan.bits - 1)
            assert len(np.unique(pixels % 16)) == 16                                # no eight-bit picture times sixteen


def test_the_radiographs_show_the_patients_of_the_chest_set():
    density, lung, _ = studies._density(1, 4, 2, 1, 64)
    image, same_lung, *_ = chest.draw(1, 4, 2, 1, 64)
    assert np.corrcoef(np.argsort(np.argsort(density.ravel())), np.argsort(np.argsort(image.ravel())))[0, 1] > .97
    assert np.array_equal(lung, same_lung)


def test_days_between_two_studies_of_a_patient_are_those_promised(files, truths):
    first = {truth["patient"]: files[name] for name, truth in truths.items() if truth["days_since_first_study"] == 0}
    later = {name: truth for name, truth in truths.items() if truth["days_since_first_study"]}
    assert sorted(truth["days_since_first_study"] for truth in later.values()) == [14, 30, 91, 365]
    for name, truth in later.items():
        before, after = first[truth["patient"]], files[name]
        days = [datetime.datetime.strptime(dataset.StudyDate, "%Y%m%d") for dataset in (before, after)]
        assert (days[1] - days[0]).days == truth["days_since_first_study"]
        assert before.PatientID == after.PatientID and before.PatientBirthDate == after.PatientBirthDate
        assert before.StudyInstanceUID != after.StudyInstanceUID
        assert days[0].date().isoformat() in after.ImageComments                    # a date in free text, too
    for dataset in files.values():
        dates = {dataset[keyword].value for keyword in studies.PHI["shift"] if keyword in dataset and keyword != "AcquisitionDateTime"}
        assert len(dates) == 1
        born, day = (datetime.datetime.strptime(date, "%Y%m%d") for date in (dataset.PatientBirthDate, dataset.StudyDate))
        assert int(dataset.PatientAge[:3]) == (day - born).days // 365.2425


def test_names_in_other_scripts_are_encoded_as_the_header_says(folder, files, truths):
    assert files["11_cr_greek.dcm"].PatientName.family_name == "Παράδειγμα"
    assert "Παράδειγμα".encode("iso8859-7") in (folder / "11_cr_greek.dcm").read_bytes()
    name = files["15_mr_rle_japanese.dcm"].PatientName
    assert name.family_name == "Shiken" and name.ideographic == "試験^花子" and name.phonetic == "しけん^はなこ"
    assert "試験".encode("iso2022_jp")[:-3] in (folder / "15_mr_rle_japanese.dcm").read_bytes()
    assert files["22_sc_rle_diacritics.dcm"].PatientName == "Prüfling^Zoë"
    assert truths["11_cr_greek.dcm"]["lines"][0]["text"] == "Paradeigma, Ioanna"


def test_everybody_is_obviously_invented(truths):
    people = {truth["patient"]: truth["identity"] for truth in truths.values()}
    assert len({who["patient_id"] for who in people.values()}) == len({who["name"] for who in people.values()}) == len(people) == 19
    for patient, who in people.items():
        assert who["name"].split("^")[0] in studies.FAMILIES or patient in studies.FOREIGN
        assert "Nowhere Street" in who["address"] and who["phone"][:-2] == "+1 202 555 01" and who["patient_id"].startswith("TEST-")

"""The simulated brain MRI and fundus photographs: what they promise, and that they show what their labels and masks say."""
from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from medcrypt_lab.generators import brain, fundus

BOTH = pytest.mark.parametrize("generator, channels", [(brain, 4), (fundus, 3)], ids=["brain", "fundus"])


@lru_cache
def drawn(generator):
    """24 images at 64 pixels: shared by the tests, so not to be changed."""
    return generator.make(24, seed=5)


def healthy_and_ill(generator):
    arrays = drawn(generator)
    return [{name: array[chosen] for name, array in arrays.items()} for chosen in (arrays["labels"] == 0, arrays["labels"] > 0)]


@BOTH
def test_shapes_types_labels_and_patients_are_as_promised(generator, channels):
    arrays, kinds = drawn(generator), len(generator.CLASSES)
    assert set(arrays) == {"images", "labels", "patients", *generator.MASKS}
    assert arrays["images"].shape == (24, channels, 64, 64) and arrays["images"].dtype == np.uint8
    assert arrays["images"].min() == 0 and arrays["images"].max() > 200
    assert arrays["patients"].dtype == np.int32 and arrays["patients"].tolist() == [i // 2 for i in range(24)]
    assert arrays["labels"].dtype == np.uint8 and arrays["labels"].tolist() == [i // 2 % kinds for i in range(24)]
    assert all(arrays[name].shape == (24, 64, 64) and arrays[name].dtype == bool for name in generator.MASKS)


@BOTH
def test_an_image_does_not_depend_on_how_many_are_drawn_nor_on_the_run(generator, channels):
    few = generator.make(7, seed=5)
    for name, array in drawn(generator).items():
        assert np.array_equal(few[name], array[:7]), name
    other = generator.make(2, seed=6)["images"]
    assert not np.array_equal(other, few["images"][:2])


@BOTH
def test_classes_chooses_the_labels(generator, channels):
    last = len(generator.CLASSES) - 1
    assert generator.make(6, seed=5, size=16, classes=(last, 0))["labels"].tolist() == [last, last, 0, 0, last, last]


@BOTH
def test_the_same_patient_comes_at_every_size(generator, channels):
    large = generator.make(12, seed=5, size=128)
    averaged = large["images"].reshape(12, channels, 64, 2, 64, 2).mean((3, 5))
    for small, picture, other in zip(drawn(generator)["images"], averaged, np.roll(averaged, 2, axis=0)):
        inside = picture.max(0) > 20                            # the black background would agree in any case
        assert np.corrcoef(small[:, inside].ravel(), picture[:, inside].ravel())[0, 1] > .97
        assert np.allclose(small[:, inside].mean(1), picture[:, inside].mean(1), rtol=.05)
        assert np.corrcoef(small[:, inside].ravel(), other[:, inside].ravel())[0, 1] < .97
    for name in generator.MASKS:
        share = large[name].mean((1, 2))
        assert np.allclose(share, drawn(generator)[name][:12].mean((1, 2)), atol=.03), name


@BOTH
def test_two_images_of_a_patient_differ(generator, channels):
    images = drawn(generator)["images"].astype(float)
    assert (np.abs(images[::2] - images[1::2]).mean((1, 2, 3)) > 2).all()


def test_a_tumor_has_masks_one_within_the_other_and_a_healthy_brain_has_none():
    healthy, ill = healthy_and_ill(brain)
    assert not any(healthy[name].any() for name in brain.MASKS)
    assert ill["tumor"].any((1, 2)).all() and ill["core"].any((1, 2)).all()
    assert not (ill["core"] & ~ill["tumor"]).any() and not (ill["enhancing"] & ~ill["core"]).any()
    assert (ill["tumor"] & ~ill["core"]).any() and (ill["core"] & ~ill["enhancing"]).any()


def test_about_half_of_the_tumors_take_up_contrast_agent_in_both_slices_of_a_patient_or_in_none():
    enhancing = brain.make(80, seed=8, size=32, classes=(1,))["enhancing"].any((1, 2))
    assert np.array_equal(enhancing[::2], enhancing[1::2]) and .3 < enhancing.mean() < .7


def test_an_enhancing_rim_is_bright_only_after_contrast_agent():
    _, ill = healthy_and_ill(brain)
    ratio = [ill["images"][:, brain.MODALITIES.index(name)][ill["enhancing"]].mean()
             / np.median(ill["images"][:, brain.MODALITIES.index(name)][ill["images"][:, 0] > 0]) for name in ("T1", "T1ce")]
    assert ratio[0] < 1 < 1.1 < ratio[1]


def test_the_four_modalities_show_the_same_outline_of_the_brain():
    for slice_ in drawn(brain)["images"]:
        outlines = np.stack([ndimage.binary_fill_holes(picture > 0) for picture in slice_])
        assert outlines[0].sum() > 500 and not outlines[:, [0, -1]].any() and not outlines[:, :, [0, -1]].any()
        assert (outlines != outlines[0]).sum((1, 2)).max() <= .005 * outlines[0].sum()


def test_fluid_is_dark_on_t1_and_flair_and_bright_on_t2():
    fluid, white = ({name: brain.signal(*brain.TISSUES[tissue], name) for name in brain.MODALITIES} for tissue in ("fluid", "white"))
    assert fluid["T1"] < .5 * white["T1"] and fluid["FLAIR"] < .2 * white["FLAIR"] and fluid["T2"] > 2 * white["T2"]
    healthy, _ = healthy_and_ill(brain)
    ratios = []
    for t1, _, t2, flair in healthy["images"]:
        inside = ndimage.binary_erosion(t1 > 0, iterations=5)           # without the rim, which is half background
        brightest = inside & (t2 > np.quantile(t2[inside], .98))
        ratios.append([picture[brightest].mean() / np.median(picture[inside]) for picture in (t1, t2, flair)])
    t1, t2, flair = np.mean(ratios, 0)
    assert np.max(ratios, 0)[0] < 1 and t1 < .8 and t2 > 1.8 and flair < .6, (t1, t2, flair)


def test_edema_is_bright_on_t2_and_flair():
    _, ill = healthy_and_ill(brain)
    edema = ill["tumor"] & ~ill["core"]
    for name in ("T2", "FLAIR"):
        pictures = ill["images"][:, brain.MODALITIES.index(name)].astype(float)
        ratios = [picture[mask].mean() / np.median(picture[(picture > 0) & ~tumor])
                  for picture, mask, tumor in zip(pictures, edema, ill["tumor"]) if mask.sum() > 20]
        assert len(ratios) > 4 and min(ratios) > 1 and np.mean(ratios) > 1.1, name


def test_a_healthy_retina_has_no_lesions_and_severe_retinopathy_has_more_than_mild():
    healthy, ill = healthy_and_ill(fundus)
    assert not healthy["lesion"].any() and ill["lesion"].any((1, 2)).all() and drawn(fundus)["vessel"].any((1, 2)).all()
    area = ill["lesion"].sum((1, 2))
    assert np.median(area[ill["labels"] == 2]) > 1.5 * np.median(area[ill["labels"] == 1])


def test_vessels_are_darker_than_what_surrounds_them():
    healthy, _ = healthy_and_ill(fundus)
    for picture, vessel in zip(healthy["images"], healthy["vessel"]):
        around = ndimage.binary_dilation(vessel, iterations=2) & ~vessel
        green = picture[1]                                              # where blood absorbs most of what the retina reflects
        assert green[vessel].mean() < .95 * green[around].mean()


def test_the_two_eyes_of_a_patient_are_mirrored_and_no_vessel_crosses_the_macula():
    for patient in range(12):
        for k, nasal in enumerate((1, -1)):
            disc, macula = fundus._landmarks(fundus.streams(5, patient, k + 1)[0], nasal)
            rows, columns = np.mgrid[0:64, 0:64]
            distance = np.hypot((columns + .5) / 32 - 1 - macula[0], (rows + .5) / 32 - 1 - macula[1])
            assert not drawn(fundus)["vessel"][2 * patient + k][distance < .16].any()
            assert nasal * disc[0] > .4 > nasal * macula[0]
    healthy, _ = healthy_and_ill(fundus)
    for k, picture in enumerate(healthy["images"]):
        bright = ndimage.gaussian_filter(picture[1].astype(float), 2)
        assert (bright.argmax() % 64 >= 32) == (k % 2 == 0)             # the disc: right in the right eye

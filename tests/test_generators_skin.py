"""Simulated dermoscopy: types, repeatability, sizes, and the promises made about color, darkness and area."""
import numpy as np
import pytest
from scipy import ndimage

from medcrypt_lab.generators import skin

SEED = 5


@pytest.fixture(scope="module")
def drawn():
    return skin.make(120, seed=SEED)


def yellow_green(images):
    """Which pixels of images (n, 3, height, width) are clearly yellow or green: hue between 42 and 170 degrees."""
    red, green, blue = (images[:, channel].astype(float) for channel in range(3))
    most, least = images.max(1).astype(float), images.min(1).astype(float)
    spread = np.maximum(most - least, 1)
    # In a sixth of the hue circle: the place between red (0) and green (2), or between green and blue (4).
    hue = np.where(most == red, (green - blue) / spread, np.where(most == green, 2 + (blue - red) / spread, 4 + (red - green) / spread))
    return (most > 50) & (spread > .15 * most) & (hue > 42 / 60) & (hue < 170 / 60)


def surrounding(mask):
    """A ring of skin around a lesion, a little away from its soft border."""
    return ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(mask, iterations=3)


def test_a_set_has_the_promised_types_shapes_labels_and_patients(drawn):
    assert set(drawn) == {"images", "labels", "patients", *skin.MASKS}
    assert drawn["images"].shape == (120, 3, 64, 64) and drawn["images"].dtype == np.uint8
    assert drawn["lesion"].shape == (120, 64, 64) and drawn["lesion"].dtype == bool
    assert drawn["labels"].dtype == np.uint8 and drawn["labels"][:6].tolist() == [0, 0, 1, 1, 0, 0]
    assert drawn["patients"].dtype == np.int32 and drawn["patients"][:6].tolist() == [0, 0, 1, 1, 2, 2]
    assert drawn["images"].max() > 200 and drawn["images"].min() < 20


def test_one_class_can_be_asked_for():
    assert skin.make(4, classes=(1,))["labels"].tolist() == [1, 1, 1, 1]


def test_an_image_does_not_depend_on_how_many_were_drawn(drawn):
    few = skin.make(5, seed=SEED)
    assert all(np.array_equal(few[name], drawn[name][:5]) for name in few)


def test_an_image_drawn_alone_or_out_of_order_is_the_same(drawn):
    for i in (7, 2, 6):
        image, lesion = skin.draw(drawn["labels"][i], SEED, i // 2, i % 2, 64)
        assert np.array_equal(image, drawn["images"][i]) and np.array_equal(lesion, drawn["lesion"][i])


def test_another_seed_draws_other_patients(drawn):
    other = skin.make(12, seed=SEED + 1)
    areas = np.abs(other["lesion"].mean((1, 2)) - drawn["lesion"][:12].mean((1, 2)))
    assert areas.max() > .08                                # not the same lesions in another pose


def test_a_seed_draws_the_same_patient_at_every_size(drawn):
    large = skin.make(10, seed=SEED, size=128)
    averaged = large["images"].reshape(10, 3, 64, 2, 64, 2).mean((3, 5))
    for small, average in zip(drawn["images"], averaged):
        assert np.corrcoef(small.ravel(), average.ravel())[0, 1] > .97
    assert abs(large["lesion"].mean() - drawn["lesion"][:10].mean()) < .01


def test_the_two_images_of_a_patient_show_one_lesion_turned(drawn):
    first, second = drawn["lesion"][::2], drawn["lesion"][1::2]
    areas = first.mean((1, 2)), second.mean((1, 2))
    assert np.corrcoef(*areas)[0, 1] > .9
    assert np.mean([np.array_equal(one, other) for one, other in zip(first, second)]) == 0


def test_a_lesion_is_darker_than_the_skin_around_it(drawn):
    gray = drawn["images"].mean(1)
    ratios = [image[mask].mean() / image[surrounding(mask)].mean() for image, mask in zip(gray, drawn["lesion"])]
    assert np.mean(np.array(ratios) < .9) > .97 and max(ratios) < 1


def test_every_lesion_is_in_the_picture_and_leaves_skin_around_it(drawn):
    area = drawn["lesion"].mean((1, 2))
    assert .03 < area.min() and area.max() < .40


def test_neither_area_nor_mean_color_of_the_lesion_tells_the_class(drawn):
    malignant = drawn["labels"] == 1
    area = drawn["lesion"].mean((1, 2))
    assert abs(area[malignant].mean() - area[~malignant].mean()) < .5 * area.std()
    color = np.array([image[:, mask].mean(1) for image, mask in zip(drawn["images"], drawn["lesion"])])
    assert (np.abs(color[malignant].mean(0) - color[~malignant].mean(0)) < .5 * color.std(0)).all()


def test_the_classes_differ_in_how_uneven_the_border_is(drawn):
    """The ragged border of a malignant lesion is long for its area: the ratio is smallest for a disc."""
    length = np.array([(mask & ~ndimage.binary_erosion(mask)).sum() for mask in drawn["lesion"]])
    ratio = length / np.sqrt(drawn["lesion"].sum((1, 2)))
    assert np.median(ratio[drawn["labels"] == 1]) > np.median(ratio[drawn["labels"] == 0]) * 1.03


def test_no_pixel_is_yellow_or_green(drawn):
    assert yellow_green(drawn["images"]).mean() < 1e-4
    olive, brown, pink, slate = (120, 110, 50), (130, 85, 60), (225, 180, 180), (95, 95, 115)
    judged = yellow_green(np.array([olive, brown, pink, slate], np.uint8)[:, :, None, None]).ravel()
    assert judged.tolist() == [True, False, False, False]


def test_red_is_the_brightest_color_of_skin_and_green_is_not_far_from_blue(drawn):
    red, green, blue = (drawn["images"][:, channel].astype(int) for channel in range(3))
    lit = drawn["images"].max(1) > 50
    assert (red + 6 >= green)[lit].mean() > .999 and (red + 6 >= blue)[lit].mean() > .995
    assert (green + 25 >= blue)[lit].mean() > .995


def test_skin_tones_span_light_to_dark():
    tones = np.array([skin.draw(0, SEED, patient, 0, 16)[0][:, 6:10, (1, -2)].mean() for patient in range(60)])
    assert (tones < 90).mean() > .04 and (tones > 165).mean() > .1 and 30 < tones.min()

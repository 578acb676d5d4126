"""The figures by which image ciphers are judged: against published critical values, random bytes and the traps that papers fall into."""
import numpy as np
import pytest

from medcrypt_lab import metrics


@pytest.mark.parametrize("side, alpha, critical", [(256, .05, 99.5693), (256, .01, 99.5527), (256, .001, 99.5341), (512, .05, 99.5893), (512, .01, 99.5810),
                                                   (512, .001, 99.5717), (1024, .05, 99.5994), (1024, .01, 99.5952), (1024, .001, 99.5906)])
def test_npcr_has_the_critical_values_of_wu_noonan_and_agaian(side, alpha, critical):
    """Theirs are a normal approximation, ours exact: a byte or two apart."""
    assert metrics.npcr_at_least(side * side, alpha) == pytest.approx(critical, abs=3 * 100 / side ** 2)


@pytest.mark.parametrize("side, alpha, low, high", [(256, .05, 33.2824, 33.6447), (256, .01, 33.2255, 33.7016), (512, .05, 33.3730, 33.5541),
                                                    (512, .01, 33.3445, 33.5826), (1024, .05, 33.4183, 33.5088), (1024, .01, 33.4040, 33.5231)])
def test_uaci_has_the_intervals_of_wu_noonan_and_agaian(side, alpha, low, high):
    assert metrics.uaci_between(side * side, alpha) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("side", [28, 64])
def test_random_bytes_fall_outside_as_often_as_promised(side):
    random, n = np.random.default_rng(0), side * side
    pairs = random.integers(0, 256, (2, 1500, side, side), dtype=np.uint8)
    below = np.mean([metrics.npcr(a, b) < metrics.npcr_at_least(n) for a, b in zip(*pairs)])
    low, high = metrics.uaci_between(n)
    outside = np.mean([not low < metrics.uaci(a, b) < high for a, b in zip(*pairs)])
    assert .02 < below < .06 and .03 < outside < .07     # npcr's steps are coarse: at most alpha


def test_one_threshold_for_every_size_would_be_wrong():
    """Papers ask for more than 99.6 %: a third of perfect 28 x 28 pairs has less, so the interval belongs to the size."""
    random = np.random.default_rng(0)
    pairs = random.integers(0, 256, (2, 1000, 28, 28), dtype=np.uint8)
    assert np.mean([metrics.npcr(a, b) < 99.6 for a, b in zip(*pairs)]) > .3
    assert metrics.npcr_at_least(28 * 28) < 99.3 < 99.6 < metrics.npcr_at_least(10**8)


@pytest.mark.parametrize("n", [784, 4096, 65536])
def test_the_expected_entropy_is_that_of_random_bytes(n):
    random = np.random.default_rng(1)
    seen = np.array([metrics.entropy(random.integers(0, 256, n, dtype=np.uint8)) for _ in range(300)])
    mean, deviation = metrics.expected_entropy(n)
    assert seen.mean() == pytest.approx(mean, abs=4 * deviation / 300 ** .5)
    assert seen.std() == pytest.approx(deviation, rel=.25)
    if n > 4000:
        assert 8 - mean == pytest.approx(255 / (2 * n * np.log(2)), rel=.06)


def test_the_expected_entropy_for_usual_sizes():
    assert [round(metrics.expected_entropy(n)[0], 3) for n in (784, 4096)] == [7.744, 7.955]
    assert [round(metrics.expected_entropy(n)[0], 4) for n in (256 * 256, 512 * 512, 1024 * 1024)] == [7.9972, 7.9993, 7.9998]


def test_entropy_of_what_is_known():
    assert metrics.entropy(np.arange(256, dtype=np.uint8)) == 8
    assert metrics.entropy(np.zeros((4, 4), np.uint8)) == 0 and not np.signbit(metrics.entropy(np.zeros((4, 4), np.uint8)))
    assert metrics.entropy(np.uint8([0, 0, 255, 255])) == 1


def test_differences_do_not_wrap():
    assert metrics.uaci(np.uint8([3]), np.uint8([5])) == metrics.uaci(np.uint8([5]), np.uint8([3])) == pytest.approx(100 * 2 / 255)
    assert metrics.uaci(np.uint8([0]), np.uint8([255])) == 100 and metrics.npcr(np.uint8([1, 2, 3, 4]), np.uint8([1, 2, 3, 5])) == 25


def test_neighbors_in_each_direction():
    rows = np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[:, None], 50, 1) + np.random.default_rng(0).integers(0, 3, (50, 50), dtype=np.uint8)
    assert metrics.adjacent_correlation(rows) > .99
    stripes = np.tile(np.uint8([10, 200]), (40, 20))
    assert metrics.adjacent_correlation(stripes) == pytest.approx(-1) == metrics.adjacent_correlation(stripes, "diagonal")
    assert metrics.adjacent_correlation(stripes, "vertical") == pytest.approx(1)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert all(abs(metrics.adjacent_correlation(noise, way)) < 3 / 63 for way in ("horizontal", "vertical", "diagonal"))


@pytest.mark.parametrize("wrong, said", [
    (lambda: metrics.entropy(np.array([.5, .2])), "float64"), (lambda: metrics.entropy(np.zeros(0, np.uint8)), r"\(0,\)"),
    (lambda: metrics.npcr(np.zeros(3, np.uint8), np.zeros(4, np.uint8)), "differ"), (lambda: metrics.uaci(np.zeros(3), np.zeros(3)), "float64"),
    (lambda: metrics.adjacent_correlation(np.zeros((5, 5), np.uint8)), "one value"), (lambda: metrics.adjacent_correlation(np.zeros((5, 5, 3), np.uint8)), "5, 3"),
    (lambda: metrics.adjacent_correlation(np.eye(5, dtype=np.uint8), "left"), "left"), (lambda: metrics.expected_entropy(10), "10 bytes"),
    (lambda: metrics.npcr_at_least(0), "0 bytes"), (lambda: metrics.uaci_between(9, 1), "alpha 1")])
def test_what_cannot_be_measured_is_said(wrong, said):
    with pytest.raises(ValueError, match=said):
        wrong()

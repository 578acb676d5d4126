"""Figures of merit, from arrays or CPU tensors; nothing of ours imported. All results are plain floats."""
from statistics import NormalDist

import numpy as np


def balanced_accuracy(guesses, labels):
    """The mean, over the classes that occur in `labels`, of the share found right: chance is 1 / classes, whatever the class sizes.

    guesses, labels: whole numbers (n,).
    """
    guesses, labels = np.asarray(guesses), np.asarray(labels)
    _demand(len(labels) > 0 and guesses.shape == labels.shape, f"{guesses.shape} guesses and {labels.shape} labels")
    return float(np.mean([(guesses[labels == k] == k).mean() for k in np.unique(labels)]))


def auc(scores, labels):
    """Area under the receiver operating characteristic: how often one of the ill scores above one of the healthy; ties count half.

    scores: numbers (n,), higher means ill; labels: 0 or 1 (n,), both present.
    """
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    ill, healthy = scores[labels == 1], np.sort(scores[labels == 0])
    _demand(scores.shape == labels.shape and len(ill) > 0 and len(healthy) > 0 and len(ill) + len(healthy) == len(labels),
            f"scores {scores.shape} and labels {np.unique(labels).tolist()}")
    below, not_above = np.searchsorted(healthy, ill, "left"), np.searchsorted(healthy, ill, "right")
    return float((below + not_above).mean() / 2 / len(healthy))


def dice(predicted, true):
    """The mean overlap 2 |A and B| / (|A| + |B|) of masks with their truth, over the images whose true mask is not empty (Dice 1945).

    predicted, true: bool (n, height, width).
    """
    predicted, true = (np.asarray(mask).astype(bool) for mask in (predicted, true))
    _demand(predicted.shape == true.shape and true.ndim == 3, f"masks {predicted.shape} and {true.shape}")
    some = true.any((1, 2))
    _demand(some.any(), "only empty masks")
    both, either = (predicted & true).sum((1, 2))[some], predicted.sum((1, 2))[some] + true.sum((1, 2))[some]
    return float((2 * both / either).mean())


def entropy(image):
    """Shannon entropy of the byte values, in bits per byte: -sum p log2 p (Shannon 1948). Compare with `expected_entropy` of as many bytes, never with 8.

    image: uint8, any shape.
    """
    p = np.bincount(_bytes(image).ravel(), minlength=256) / np.size(image)
    return float(-(p[p > 0] * np.log2(p[p > 0])).sum() + 0.0)


def expected_entropy(n):
    """What `entropy` gives for n bytes drawn uniformly: its mean (exact) and its standard deviation (to first order), in bits per byte.

    n: whole number, at least 256. 8 - mean is about 255 / (2 n ln 2) (Miller 1955): few bytes never fill all 256 values evenly.
    """
    _demand(n >= 256, f"{n} bytes, fewer than the 256 values a byte can have")
    from scipy.stats import binom
    k = np.arange(1, n + 1)
    p = k / n
    return float(-256 * (binom.pmf(k, n, 1 / 256) * p * np.log2(p)).sum()), float(np.sqrt(255 / 2) / (n * np.log(2)))


def adjacent_correlation(image, direction="horizontal"):
    """Pearson correlation of each pixel with its neighbor to the right, below, or both ("diagonal"). Of n random pairs about 0, within 2 / sqrt(n).

    image: uint8 (height, width), not of one value. A picture has about 0.9 and more.
    """
    image = _bytes(image).astype(float)
    _demand(image.ndim == 2 and direction in ("horizontal", "vertical", "diagonal"), f"an image {image.shape}, direction {direction!r}")
    one, other = {"horizontal": (image[:, :-1], image[:, 1:]), "vertical": (image[:-1], image[1:]), "diagonal": (image[:-1, :-1], image[1:, 1:])}[direction]
    _demand(one.size > 1 and one.std() > 0 and other.std() > 0, f"{one.size} pairs, of which one side has one value only: no correlation is defined")
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def npcr(first, second):
    """Number of pixels change rate, in percent: how many bytes of two ciphertexts differ, whose images differ in one pixel (Wu, Noonan & Agaian 2011).

    first, second: uint8, one shape. Two random ones: 255 / 256, 99.609 % on average.
    """
    first, second = _pair(first, second)
    return float(100 * (first != second).mean())


def uaci(first, second):
    """Unified average changing intensity, in percent: the mean |difference| over 255 of two ciphertexts, whose images differ in one pixel (same source).

    first, second: uint8, one shape; subtracted as whole numbers, since bytes would wrap. Two random ones: 257 / 768, 33.464 % on average.
    """
    first, second = _pair(first, second)
    return float(100 * np.abs(first.astype(int) - second).mean() / 255)


def npcr_at_least(n, alpha=.05):
    """The critical value of `npcr` for n bytes, in percent: random ciphertexts fall below it with probability alpha or a little less.

    Exact (the number of equal bytes is binomial); the normal approximation of Wu, Noonan & Agaian (2011) is two bytes off at most from 256 x 256 bytes on,
    but fails 8 % of perfect 28 x 28 pairs at alpha = .05.
    """
    from scipy.stats import binom
    _demand(n > 0 and 0 < alpha < 1, f"{n} bytes, alpha {alpha}")
    return float(100 * (1 - binom.ppf(1 - alpha, n, 1 / 256) / n))


def uaci_between(n, alpha=.05):
    """The interval of `uaci` for n bytes, in percent: random ciphertexts lie outside it with probability alpha (Wu, Noonan & Agaian 2011)."""
    _demand(n > 0 and 0 < alpha < 1, f"{n} bytes, alpha {alpha}")
    mean, deviation = 257 / 768, (257 * (255 ** 2 + 2 * 255 + 3) / (18 * 256 ** 2 * n * 255)) ** .5
    half = NormalDist().inv_cdf(1 - alpha / 2) * deviation
    return 100 * (mean - half), 100 * (mean + half)


def _bytes(image):
    image = np.asarray(image)
    _demand(image.dtype == np.uint8 and image.size > 0, f"{image.dtype} of shape {image.shape}, where bytes (uint8) are expected")
    return image


def _pair(first, second):
    first, second = _bytes(first), _bytes(second)
    _demand(first.shape == second.shape, f"shapes {first.shape} and {second.shape} differ")
    return first, second


def _demand(ok, what):
    if not ok:
        raise ValueError(f"Nothing to measure: {what}. See the docstring for the shapes.")

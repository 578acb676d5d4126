"""Figures of merit, from arrays or CPU tensors; nothing of ours imported. All results are plain floats."""
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


def _demand(ok, what):
    if not ok:
        raise ValueError(f"Nothing to measure: {what}. See the docstring for the shapes.")

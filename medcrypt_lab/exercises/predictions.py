"""Predictions: the student commits to a number or a choice before running, and sees it beside the truth afterwards."""
import html
import math

from . import card, work
from .notebook import show

OPEN, MADE = "#8a8f98", "#4c8fd6"
CLOSE = .2                  # a number counts as close within this share of the truth
EXACT = .005                # and as right within this one: what three digits can say


def predict(id, guess=..., unit="", choices=None):
    """Commit to a guess before the lesson tells the truth; nothing waits for it. Never raises.

    id: "chapter.name"; guess: a number, or one of `choices` (texts) where there are some; `...` means not yet; unit: of the number.
    Once the truth was shown beside a guess, that guess is the one that counts.
    """
    wanted = " or ".join(f'"{choice}"' for choice in choices) if choices else f"a number{' of ' * bool(unit)}{unit}"
    if guess is ...:
        _box(f"◌ Your prediction, please: put {wanted} in place of the `...` and run this cell. A guess costs nothing.", OPEN)
        return
    value = _choice(guess, choices) if choices else _number(guess)
    if value is None:
        _box(f"! {_short(guess)} is not what was asked for: write {wanted}{'' if choices else ', as plain digits'}.", OPEN)
        return
    work.record({"event": "predict", "id": id, "guess": value})
    counts = work.predictions()[id]["guess"]
    words = f"You say {_said(value, unit)}." + (f" You have seen the truth; what counts is your first word, {_said(counts, unit)}." if counts != value else "")
    _box(f"● {words}", MADE)


def reveal(id, actual, unit=""):
    """Show the truth beside what was predicted; where nothing was, it is folded away. actual: a number, or one of the choices."""
    actual = actual if isinstance(actual, str) else _number(actual)
    made = work.predictions().get(id, {}).get("guess")
    work.record({"event": "reveal", "id": id, "actual": actual})
    truth = f"It is {_said(actual, unit)}."
    if made is None:
        box = card.Card(OPEN)
        folded = f'<details><summary style="cursor:pointer">Not predicted yet: go back up, or open this to see it.</summary><div>{html.escape(truth)}</div></details>'
        box.add(f"{truth} (You did not predict it.)", folded)
        show(box.plain, box.html)
    else:
        _box(f"● You said {_said(made, unit)}. {truth} {_how_far(made, actual)}", MADE)


def close(guess, actual):
    """Is a prediction right (a choice), or within a fifth of the truth (a number)?"""
    if isinstance(guess, str) or isinstance(actual, str):
        return guess == actual
    return abs(guess - actual) <= CLOSE * abs(actual)


def exact(guess, actual):
    """Is a prediction right: the same choice, or the same number to three digits?"""
    return guess == actual or not isinstance(guess, str) and not isinstance(actual, str) and abs(guess - actual) <= EXACT * abs(actual)


def _how_far(guess, actual):
    if close(guess, actual):
        return "Right." if exact(guess, actual) else "Well judged."
    if isinstance(guess, str) or isinstance(actual, str):
        return "Not what you expected."
    return f"The truth is {'higher' if actual > guess else 'lower'} than you thought."


def _number(guess):
    """A finite plain number, or None for what is none."""
    try:
        if isinstance(guess, (bool, str, bytes)):
            return None
        value = guess if type(guess) is int else float(guess)
        return value if math.isfinite(value) and abs(value) < 1e15 else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _choice(guess, choices):
    return next((choice for choice in choices if isinstance(guess, str) and guess.strip().casefold() == choice.casefold()), None)


def _said(value, unit):
    return f'"{value}"' if isinstance(value, str) else f"{value:.3g} {unit}".rstrip()


def _short(guess):
    return card.short(guess, 40)


def _box(words, color):
    show(*card.box(words, color))

"""How far the student has come, drawn: the lesson they work at by name, every other lesson as a row of marks."""
import html
import operator

from . import card, judging, work
from .notebook import show
from .predictions import CLOSE, MADE, close, exact

SOLVED, TRIED, NEW = (card.LOOK[status][0] for status in (judging.RIGHT, judging.WRONG, judging.UNTRIED))


def progress():
    """Draw what is solved, tried and predicted, and how well: for the lesson worked at last, and for the course."""
    if work.is_off():           # a stored page belongs to nobody: it says the same whoever built it
        show(*card.box("Run this cell: it draws what you solved and predicted, here and in the whole course."))
        return
    lessons, results, made = work.lessons(), work.results(), work.predictions()
    ids = [id for lesson in lessons for id in lesson.exercises]
    asked = [id for lesson in lessons for id in lesson.predictions]
    box = card.Card(NEW)
    solved = sum(results.get(id, {}).get("solved", False) for id in ids)
    box.add(f"{solved} of {len(ids)} exercises solved, {sum(id in made for id in asked)} of {len(asked)} predictions made")
    here = _worked_at_last(lessons)
    if here:
        _name_each(box, here, results, made)
        _judge_guesses(box, here, lessons, made)
    begun = [lesson for lesson in lessons if any(id in results or id in made for id in lesson.exercises + lesson.predictions)]
    for lesson in begun:
        marks = [_mark(results.get(id)) for id in lesson.exercises] + [_dot(made.get(id)) for id in lesson.predictions]
        box.add("".join(sign for sign, _ in marks) + f" {lesson.title}",
                "".join(f'<span style="color:{color};font-size:120%">{sign}</span>' for sign, color in marks) + f" {html.escape(lesson.title)}")
    if rest := len(lessons) - len(begun):
        box.add(f"{rest} lesson{'s' * (rest > 1)} not begun", style="margin:3px 0;opacity:.75")
    show(box.plain, box.html)


def _worked_at_last(lessons):
    """The lesson of the newest event, or None."""
    home = {id: lesson for lesson in lessons for id in lesson.exercises + lesson.predictions}
    return next((home[event["id"]] for event in reversed(work.events()) if event.get("id") in home), None)


def _mark(result):
    """An exercise as a square -> sign, color."""
    return ("□", NEW) if result is None else ("■", SOLVED) if result["solved"] else ("◪", TRIED)


def _dot(prediction):
    """A prediction as a circle -> sign, color."""
    if prediction is None:
        return "○", NEW
    return ("●", SOLVED) if _is_close(prediction) else ("◐", MADE)


def _is_close(prediction):
    return prediction["actual"] is not None and close(prediction["guess"], prediction["actual"])


def _name_each(box, lesson, results, made):
    """A line for each exercise and prediction of one lesson."""
    for id in lesson.exercises:
        result = results.get(id)
        color, sign, words = card.LOOK[judging.UNTRIED if result is None else judging.RIGHT if result["solved"] else judging.WRONG]
        _line(box, sign, color, id, "solved" if result and result["solved"] else words)
    for id in lesson.predictions:
        _line(box, *_dot(made.get(id)), id, _how_well(made.get(id)))


def _judge_guesses(box, here, lessons, made):
    """A line on how good the predictions of the lesson's chapter were, of those that have met their truth; none where there are none."""
    chapter = (here.exercises + here.predictions)[0].partition(".")[0]
    ids = [id for lesson in lessons for id in lesson.predictions if id.partition(".")[0] == chapter]
    told = [made[id] for id in ids if id in made and made[id]["actual"] is not None]
    if not told:
        return
    words = f"In this chapter: {sum(map(_is_close, told))} of {len(told)} predictions right or within {CLOSE:.0%} of the truth"
    numbers = [(p["guess"], p["actual"]) for p in told if not isinstance(p["guess"], str) and not isinstance(p["actual"], str)]
    low, high = (sum(side(*both) and not exact(*both) for both in numbers) for side in (operator.lt, operator.gt))
    if low or high:
        words += f"; of your numbers {low} too low, {high} too high"
    box.add(words, style="margin:6px 0")


def _how_well(prediction):
    """What became of a prediction, in words."""
    if prediction is None:
        return "not predicted yet"
    if prediction["actual"] is None:
        return "predicted"
    if not _is_close(prediction):
        return "missed"
    return "right" if exact(prediction["guess"], prediction["actual"]) else f"within {CLOSE:.0%} of the truth"


def _line(box, sign, color, id, words):
    box.add(f"{sign} {id}: {words}", f'<span style="color:{color}">{sign}</span> {html.escape(id)}: {html.escape(words)}')

"""The feedback card: HTML that suits light and dark pages also where it is sanitized, and its plain-text twin.

A page that was never run keeps only plain inline styles (no style sheets, no variables), so colors stand inline, with alpha. Nothing timed
or counted and no path stands in a card that a build stores.
"""
import base64
import html
import platform
import re

from .judging import BROKEN, RIGHT, UNTRIED, WRONG
from .source import YOUR_CODE
from .wire import short

LOOK = {UNTRIED: ("#8a8f98", "◌", "not tried yet"), WRONG: ("#e08a2e", "✗", "not right yet"),
        RIGHT: ("#35b26a", "✓", "right"), BROKEN: ("#9a6fe0", "!", "our own fault")}
BOX = "margin:6px 0;padding:8px 14px;border-radius:6px;background:rgba(128,128,128,.12);border-left:5px solid {color};"
LINES_SHOWN = 20
LARGEST_PICTURE = 64


def marked(text):
    """Text as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


class Card:
    """Lines of text and of HTML that say the same."""

    def __init__(self, color):
        self.color, self.text, self.body = color, [], []

    def add(self, text, markup=None, style="margin:3px 0"):
        """One line; `markup` is its HTML where that is more than the text itself."""
        text, markup = (part and part.encode("utf-8", "replace").decode() for part in (text, markup))       # half a character breaks a page
        self.text.append(text if not self.text else "  " + text)
        self.body.append(f'<div style="{style}">{marked(text) if markup is None else markup}</div>')

    def only_html(self, markup):
        """What has no place in text: a picture whose numbers stand beside it."""
        self.body.append(markup)

    @property
    def html(self):
        return f'<div style="{BOX.format(color=self.color)}">{"".join(self.body)}</div>'

    @property
    def plain(self):
        return "\n".join(self.text)


def box(text, color="#8a8f98"):
    """A card of one sentence -> text, html."""
    card = Card(color)
    card.add(text)
    return card.plain, card.html


def draw(exercise, outcome, *, fallback=True):
    """The card of an outcome -> text, html. fallback: do the cells below use our answer?"""
    color, sign, words = LOOK[outcome.status]
    card = Card(color)
    marks = f", {outcome.points} of {outcome.total} points" if outcome.status in (RIGHT, WRONG) else ""
    card.add(f"{sign} {exercise.id}: {words}{marks}",
             f'<b><span style="color:{color}">{sign}</span> {words}</b> <span style="opacity:.75">{html.escape(exercise.id)}{marks}</span>')
    if outcome.sentence:
        card.add(outcome.sentence, f"<b>{marked(outcome.sentence)}</b>", style="margin:6px 0;font-size:105%")
    if outcome.where:
        name, line, text = outcome.where
        place = f"line {line} of {name}" if name and name != "<module>" else f"line {line}"
        card.add(f"{place}: {text}", f"{html.escape(place)}: <code>{html.escape(text)}</code>")
    if outcome.show:
        _difference(card, *outcome.show)
    for property, _ in outcome.passed:
        card.add(f"✓ {property}", f'<span style="color:#35b26a">✓</span> <span style="opacity:.85">{html.escape(property)}</span>', style="margin:1px 0;font-size:90%")
    if outcome.failed:
        card.add(f"✗ {outcome.failed}", f'<span style="color:{color}">✗</span> <span style="opacity:.85">{html.escape(outcome.failed)}</span>', style="margin:1px 0;font-size:90%")
    _endings(card, exercise, outcome, fallback)
    return card.plain, card.html


def _endings(card, exercise, outcome, fallback):
    """What stands below the verdict: the new thought, scores, notes, prints, whose answer the lesson uses, hints."""
    if outcome.status == UNTRIED:
        points = f"{exercise.points} point{'s' * (exercise.points != 1)}"
        todo = "Put your code where the `...` stands" if any(YOUR_CODE in stub for stub in exercise.stubs.values()) else "Find the bug, mend it"
        card.add(f"{points}, about {exercise.minutes} minutes, difficulty {exercise.difficulty} of 5. {todo} and run the cell.")
    if outcome.status == RIGHT and exercise.after:
        card.add(exercise.after, style="margin:6px 0")
    for name, value, unit, better in outcome.scores:
        card.add(f"{name}: {value} {unit}".rstrip() + f" ({better} is better)")
    for words in outcome.notes:
        card.add(f"Note: {words}", style="margin:3px 0;opacity:.85")
    if outcome.printed:
        lines = outcome.printed.splitlines()
        shown = lines[:LINES_SHOWN] + ["(and more)"] * (len(lines) > LINES_SHOWN)
        card.add("Your code printed:\n" + "\n".join(f"  | {line}" for line in shown),
                 f'Your code printed:<pre style="margin:2px 0;background:none">{html.escape(chr(10).join(shown))}</pre>')
    if outcome.status == BROKEN:
        report = f"{outcome.id}: {outcome.check_error}; Python {platform.python_version()} on {platform.system()}"
        card.add(f"Please report it where you got this course, with this line: {report}",
                 f"Please report it where you got this course, with this line:<br><code>{html.escape(report)}</code>")
    if fallback and outcome.status != RIGHT:
        names = " and ".join(exercise.functions)
        until = "Cells" if outcome.status == BROKEN else "Until it is right, cells"
        card.add(f"{until} below that call {names} get the course's answer: what they show is not yours.", style="margin:6px 0;opacity:.85;font-size:90%")
    if outcome.status in (WRONG, UNTRIED):
        card.only_html(_hints(exercise))


def _hints(exercise):
    """Nested details: each hint holds the next; they open on a page that runs nothing."""
    hints = exercise.hints
    markup = marked(f'Still stuck after two tries? `solution("{exercise.id}")` in a new cell shows our answer.') if exercise.references else ""
    for i in range(len(hints), 0, -1):
        indent = "margin-left:12px" if i > 1 else ""
        markup = (f'<details style="{indent}"><summary style="cursor:pointer;opacity:.85">Hint {i} of {len(hints)}</summary>'
                  f'<div style="margin:2px 0 4px 14px">{marked(hints[i - 1])}</div>{markup}</details>')
    return markup


def _difference(card, expected, got):
    """Expected and got: the worst place of two arrays with pictures, else two short values. Never raises."""
    try:
        _array_difference(card, expected, got)
    except Exception:
        for name, value in (("expected", expected), ("got", got)):
            if value is not None:
                card.add(f"{name:8} {short(value)}", f"{name} <code>{html.escape(short(value))}</code>")


def _array_difference(card, expected, got):
    import numpy
    expected, got = (numpy.asarray(a.detach() if hasattr(a, "detach") else a, dtype=float) for a in (expected, got))
    if not expected.ndim or expected.shape != got.shape:
        raise ValueError("not two arrays of one shape")
    gap = numpy.abs(got - expected)
    worst = tuple(int(i) for i in numpy.unravel_index(int(numpy.nanargmax(gap)), gap.shape))
    many = int((gap > 1e-6).sum())
    card.add(f"{many} of {gap.size} values differ, most at {list(worst)}: expected {expected[worst]:.3g}, got {got[worst]:.3g}")
    if expected.ndim >= 2 and max(expected.shape[-2:]) <= LARGEST_PICTURE:
        card.only_html(_pictures(expected, got, worst))


def _pictures(expected, got, worst):
    """Expected, and the difference scaled to its largest value, its worst pixel framed."""
    import numpy
    from medcrypt_lab import figures
    plane = expected[worst[:-2]]
    low, high = min(0.0, float(plane.min())), max(1.0, float(plane.max()))
    scale = max(1, 112 // max(plane.shape))
    change = figures.difference((got - expected)[worst[:-2]]).repeat(scale, 0).repeat(scale, 1)
    row, column = (i * scale for i in worst[-2:])
    frame = numpy.zeros(change.shape[:2], bool)
    frame[row:row + scale, column:column + scale] = True
    frame[row + 2:row + scale - 2, column + 2:column + scale - 2] = False
    change[frame] = 0
    panels = (("expected", figures.png((plane - low) / (high - low), scale)),
              ("yours minus expected: red too large, blue too small, white equal", figures.png(change)))
    cells = []
    for name, data in panels:
        picture = f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        cells.append(f'<td style="border:0;background:none;text-align:left;font-size:85%;padding:2px 20px 2px 0">{picture}<br>{html.escape(name)}</td>')
    return f'<table style="border:0;margin:4px 0"><tr style="background:none">{"".join(cells)}</tr></table>'

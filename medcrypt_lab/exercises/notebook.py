"""In a notebook: the decorator that judges a cell's function, the lesson that goes on, solutions, verdicts."""
import ast
import contextlib
import functools
import html
import inspect
import re
import zlib

from . import card, files, judging, source, work

STANDS = "stands under "
OUTCOMES = ("broken", "not a cipher", "reproduced", "partly reproduced", "not reproduced")
TRIES_BEFORE_SOLUTION = 2
HERE = "__import__('medcrypt_lab.exercises.notebook').exercises.notebook"       # binds no name in the student's notebook
EXERCISE_CELL = re.compile(r'^[ \t]*@exercise\(\s*["\']([\w.]+)', re.M)

_halves = {}                # exercise id -> its functions seen so far, for exercises of several functions
_waiting = {}               # in a release: name -> the exercise that must be solved before it exists
_running = []               # the exercise whose check runs now


def show(text, markup, more=None):
    """Display HTML with its plain-text twin, and what else it says by MIME type in `more`; outside IPython print the text."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(text)
        return
    if get_ipython() is None:
        print(text)
    else:
        display({"text/plain": text, "text/html": markup, **(more or {})}, raw=True)


class InCell(judging.Local):
    """The runner of a notebook; it also finds a function's text where a magic such as %%time stands above it."""

    def source(self, name):
        text = super().source(name)
        if text is None:
            with contextlib.suppress(Exception):        # outside a notebook, or a function of another form
                from IPython import get_ipython
                cell = re.sub(r"\A\s*%%.*\n", "", get_ipython().history_manager.input_hist_raw[-1])
                written = self.functions[name].__name__
                node = next(n for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.FunctionDef) and n.name == written)
                text = ast.get_source_segment(cell, node)
        return text


def exercise(id):
    """Judge the function under it, show the card, and give the name to the student's function or, until it is right, to ours.

    id: "chapter.name". The student's own function stays reachable as NAME.yours. Never raises.
    """
    if callable(id):
        show(*card.box("! The line above your function should name the exercise, as it did: @exercise(\"chapter.name\").", card.LOOK[judging.WRONG][0]))
        return id

    def decorate(function):
        function = getattr(function, "stands_for", function)        # the decorator stands there twice: judge the student's, not ours
        try:
            return _decorate(files.get(id), function)
        except files.Unknown as error:
            show(*card.box(f"! {error}", card.LOOK[judging.WRONG][0]))
        except Exception as error:
            show(*card.box(f"! {id} could not be judged: that is our fault, not yours. Please report it where you got this course, "
                           f"with these words: {type(error).__name__}: {error}", card.LOOK[judging.BROKEN][0]))
        return function
    return decorate


def _decorate(exercise, function):
    home = getattr(function, "__globals__", {})
    if len(exercise.functions) == 1:
        return _judged(exercise, {exercise.name: function}, home)[exercise.name]
    name = getattr(function, "__name__", "")
    if name not in exercise.functions:
        show(*card.box(f"! {exercise.id} asks for {' and '.join(exercise.functions)}; this function is called {name}.", card.LOOK[judging.WRONG][0]))
        return function
    halves = _halves.setdefault(exercise.id, {})
    halves[name] = function
    missing = [n for n in exercise.functions if n not in halves]
    if name != exercise.functions[-1] or missing:
        return function             # judged with the last of them
    results = _judged(exercise, dict(halves), home)
    home.update(results)
    return results[name]


def _judged(exercise, functions, home):
    """Judge, record, show -> name -> what the name shall mean below."""
    called = getattr(functions.get(exercise.name), "__name__", exercise.name)
    meant = {**functions, called: functions[exercise.name]} if len(functions) == 1 else functions
    before = {name: home[name] for name in meant if name in home}
    home.update(meant)              # so that an answer that calls itself does not call an earlier run's
    _running.append(exercise)
    try:
        outcome = judging.judge(exercise, InCell(functions))
    finally:
        _running.pop()
        for name in meant:
            home.pop(name, None)
        home.update(before)
    if len(functions) == 1 and called != exercise.name:
        outcome.notes.append(f"Your function is called {called}; the cells below know it as {exercise.name}.")
    _record(exercise, outcome, functions)
    show(*card.draw(exercise, outcome, fallback=bool(exercise.references)))
    _settle(exercise, solved=outcome.status == judging.RIGHT)
    results = {name: _meaning(exercise, outcome, name, function) for name, function in functions.items()}
    home.update({name: result for name, result in results.items() if name != called})
    return results


def _record(exercise, outcome, functions):
    if outcome.status in (judging.WRONG, judging.RIGHT):
        text = "".join(_code(InCell(functions).source(name)) for name in functions)
        work.record({"event": "try", "id": exercise.id, "status": outcome.status, "points": outcome.points,
                     "code": f"{zlib.crc32(text.encode()):08x}", "misconception": outcome.misconception})


def _code(text):
    """What tells two answers apart: the syntax tree, or the text where that is no function of its own."""
    try:
        return str(source.bones(text))
    except (SyntaxError, StopIteration, ValueError, TypeError):
        return str(text)


def _meaning(exercise, outcome, name, function):
    """What the cells below call: the student's function if it is right, else the reference where there is one."""
    if outcome.status == judging.RIGHT:
        with contextlib.suppress(AttributeError, TypeError):        # a method, a partial: they take no attributes
            function.yours = function
        return function
    return _stand_in(exercise, name, function)


def _stand_in(exercise, name, yours):
    """The reference behind a wrapper that does not show its source; `yours` is the student's own."""
    if name not in exercise.references:
        return yours
    reference = exercise.references[name]

    def stand_in(*args, **kwargs):
        if _running and exercise.id not in (_running[-1].id, *_running[-1].uses):
            raise NotImplementedError(f"{name} is still ours: the lesson may use it, your {_running[-1].name} may not until yours is right")
        return reference(*args, **kwargs)
    functools.update_wrapper(stand_in, reference, updated=())
    del stand_in.__wrapped__        # `name??` would follow it to the answer
    stand_in.__signature__ = inspect.signature(reference)
    stand_in.yours = stand_in.stands_for = yours
    return stand_in


def _settle(exercise, solved):
    """In a release: note whose cells must wait, or no longer."""
    for name in [n for n, id in _waiting.items() if id == exercise.id]:
        del _waiting[name]
    if not solved and not exercise.references:
        _waiting.update(dict.fromkeys(exercise.functions, exercise.id))


def solution(id):
    """Show the reference answer, after success or two different tries."""
    try:
        found = files.get(id)
    except files.Unknown as error:
        show(*card.box(f"! {error}"))
        return
    result = work.results().get(id, {"solved": False, "tries": 0})
    if not found.references:
        show(*card.box(f"This edition of the course holds no solution of {id}."))
    elif not result["solved"] and result["tries"] < TRIES_BEFORE_SOLUTION:
        show(*card.box(f"The solution of {id} opens once it is right, or after {TRIES_BEFORE_SOLUTION} different answers; you have tried {result['tries']}."))
    else:
        text = source.ExerciseText(files.find(id)).reference_cell
        show(text, f'<pre style="padding:8px 14px;border-left:5px solid #35b26a">{html.escape(text)}</pre>')


VERDICT = "application/vnd.medcrypt.verdict+json"        # a verdict's fields, stored with its box: the scoreboard reads them


def verdict(row, *, metric, published, measured, attack, outcome, because):
    """A system's verdict as a box. row: its id in the survey's tables, e.g. "A1"; all else are sentences or figures as text.

    outcome: "stands under <assumption>", "broken", "not a cipher"; for attacks and rows without a security claim "reproduced",
    "partly reproduced", "not reproduced". ValueError for anything else.
    """
    fields = {"row": row, "metric": metric, "published": published, "measured": measured, "attack": attack, "outcome": outcome, "because": because}
    show(*verdict_box(**fields), {VERDICT: fields})


def verdict_box(row, *, metric, published, measured, attack, outcome, because):
    """The box of a verdict -> text, html; ValueError for an outcome that is none."""
    if outcome not in OUTCOMES and not (outcome.startswith(STANDS) and outcome[len(STANDS):].strip()):
        raise ValueError(f"The outcome of verdict {row} is {outcome!r}; it should be one of: {', '.join(OUTCOMES)}, {STANDS}<assumption>.")
    box = card.Card("#4c8fd6")
    box.add(f"Verdict {row}: {outcome}", f'<b>Verdict {html.escape(row)}:</b> <b>{html.escape(outcome)}</b>')
    for name, value in (("Metric", metric), ("Published", published), ("Measured here", measured), ("Attack", attack), ("Because", because)):
        box.add(f"{name}: {value}", f'<span style="opacity:.75">{name}:</span> {html.escape(value)}')
    return box.plain, box.html


# ---------------------------------------------------------------- cells that cannot run as they are
def read_cell(lines):
    """An input transformer: an exercise's cell that Python cannot read becomes a card; in a release a cell that must wait says so."""
    text = "".join(lines)
    try:
        compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        return _unreadable_line(text, error) or lines
    return _held_back(ast.parse(text).body) or lines


def read_raw_cell(lines):
    """The same before IPython's own reading, which stops at a line whose indentation fits nowhere."""
    text = "".join(lines)
    try:
        ast.parse(text)
    except IndentationError as error:
        return _unreadable_line(text, error) or lines
    except (SyntaxError, ValueError, RecursionError):           # perhaps a %magic: IPython's to read
        pass
    return lines


def _unreadable_line(text, error):
    """The line to run in place of an exercise's cell that cannot be read; None for any other cell."""
    found = EXERCISE_CELL.search(text)
    if not found:
        return None
    message, line = getattr(error, "msg", str(error)), getattr(error, "lineno", None) or 1
    said = (text.splitlines()[line - 1:line] or [""])[0].strip()
    return [f"globals().update({HERE}.unreadable({found[1]!r}, {message!r}, {line}, {said!r}))\n"]


def unreadable(id, message, line, text):
    """The card of a cell with a syntax error -> the names it would have bound, as ours."""
    try:
        exercise = files.get(id)
    except files.Unknown as error:
        show(*card.box(f"! {error}", card.LOOK[judging.WRONG][0]))
        return {}
    outcome = judging.Outcome(id, exercise.points, status=judging.WRONG, failed="can be read as Python",
                              sentence=f"Python cannot read it yet: {message}.", where=["", line, text])
    work.record({"event": "try", "id": id, "status": outcome.status, "points": 0, "code": "unreadable", "misconception": None})
    show(*card.draw(exercise, outcome, fallback=bool(exercise.references)))
    _settle(exercise, solved=False)
    return {name: _stand_in(exercise, name, None) for name in exercise.functions if exercise.references}


def _held_back(body):
    """In a release: the line to run in place of a cell that must wait, or None."""
    id = waits_for(body, _waiting)
    return id and [f"{HERE}.wait({id!r})\n"]


def waits_for(body, waiting):
    """The exercise that a cell waits for because it reads a name which waits, or None. waiting: name -> exercise; what the cell binds joins or leaves."""
    if not waiting:
        return None
    bound, used = set(), set()
    for node in body:
        binds = source.names_bound(node)
        # A function may call itself, and a loop binds its own variable before it reads it.
        own = binds if isinstance(node, ast.FunctionDef) else _targets(node)
        used |= source.names_used(node) - bound - own
        bound |= binds
    needed = sorted(used & waiting.keys())
    if not needed:
        for name in bound:
            waiting.pop(name, None)
        return None
    waiting.update(dict.fromkeys(bound, waiting[needed[0]]))
    return waiting[needed[0]]


def _targets(node):
    """The names that a for or with statement binds before its body runs."""
    places = [node.target] if isinstance(node, ast.For) else [i.optional_vars for i in node.items if i.optional_vars] if isinstance(node, ast.With) else []
    return {n.id for place in places for n in ast.walk(place) if isinstance(n, ast.Name)}


def wait(id):
    """The one line of a cell that was held back."""
    show(*waiting_box(id))


def waiting_box(id):
    """What stands below a cell that was held back -> text, html."""
    return card.box(f"This cell waits for the exercise {id}: solve it above, then run this cell.")


def missing(shell, kind, error, trace, tb_offset=None):
    """After a NameError's traceback, for cells run out of order: which exercise or cell of a lesson makes the name."""
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    for lesson in work.lessons():
        id = next((id for id in lesson.exercises if id.partition(".")[2] == error.name), None)
        if id or lesson.binds(error.name):
            place = f"the exercise {id}: run its cell" if id else "an earlier cell of the lesson: run the cells above this one, from the top,"
            show(*card.box(f"`{error.name}` comes from {place}, then this one again."))
            return


def install():
    """Let IPython show what it cannot run as a card."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and read_cell not in shell.input_transformers_post:
        shell.input_transformers_cleanup.append(read_raw_cell)
        shell.input_transformers_post.append(read_cell)
        shell.set_custom_exc((NameError,), missing)

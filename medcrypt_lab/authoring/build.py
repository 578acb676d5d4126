"""Build, check and solve: the notebooks of the course from their sources."""
import copy
import os
import time

import nbformat

from medcrypt_lab.exercises import card, files, judging
from medcrypt_lab.exercises.source import AuthorError

from . import answers, execution, experiments, lessons, scoreboard


class NoSuchLesson(LookupError):
    """A name that fits no lesson; the words list those there are."""


def chosen(names):
    """The lessons whose chapter/name holds one of `names`, or all; NoSuchLesson for a name that fits none."""
    called = {f"{lesson.chapter.name}/{lesson.path.stem}": lesson for lesson in lessons.every_lesson()}
    for name in names:
        if not any(name in full for full in called):
            raise NoSuchLesson(f"No lesson is called {name!r}. There are: {', '.join(called)}.")
    return [lesson for full, lesson in called.items() if not names or any(name in full for name in names)]


def build(names=(), say=print):
    """Assemble, execute twice, compare and store the lessons' notebooks; then the README's scoreboard, which is read from them."""
    lessons.check_course(lessons.every_lesson())
    for lesson in chosen(names):
        began = time.perf_counter()
        book, _ = lessons.notebook(lesson)
        rehearsal = copy.deepcopy(book)
        execution.run(book, lesson.chapter)
        execution.run(rehearsal, lesson.chapter, execution.PLAIN)
        execution.compare(lesson, book, rehearsal)
        book.metadata.language_info = dict(lessons.LANGUAGE)
        if lesson.notebook_path.exists():
            execution.keep_pictures(book, nbformat.read(lesson.notebook_path, 4))
        write(book, lesson.notebook_path)
        say(f"built {lesson.notebook_path.name} in {time.perf_counter() - began:.0f} s")
    scoreboard.write_readme()


def write(book, path):
    """Store a notebook whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name("." + path.name)
    unfinished.write_text(nbformat.writes(book), encoding="utf-8", newline="\n")
    os.replace(unfinished, path)


def skeleton(book):
    """What of a notebook its source determines: the cells and the metadata."""
    return [(c.id, c.cell_type, c.source, dict(c.metadata)) for c in book.cells] + [("metadata", dict(book.metadata))]


def stale(names=()):
    """Sentences on notebooks, records and a scoreboard that are not what their sources give; nothing is run or imported."""
    every = lessons.every_lesson()
    lessons.check_course(every)
    sentences = []
    for lesson in chosen(names):
        book, exercises = lessons.notebook(lesson)
        path, wanted = lesson.notebook_path, skeleton(book)
        if not path.exists():
            sentences.append(f"{path.name} was never built: medcrypt build {path.stem}")
            continue
        old = nbformat.read(path, 4)
        stored, cards = skeleton(old), {c.id: "".join(o.get("data", {}).get("text/html", "") for o in c.get("outputs", ())) for c in old.cells}
        if wanted != stored:
            different = next((w[0] for w, s in zip(wanted, stored) if w != s), "the number of cells")
            sentences.append(f"{path.name} is not what lessons/{lesson.path.name} gives (first difference: {different}): medcrypt build {path.stem}")
        elif late := [some.id for some in exercises if any(card.marked(hint) not in cards["ex-" + some.name] for hint in some.settings["hints"])]:
            sentences.append(f"{path.name} stores a card with other hints than {', '.join(late)} gives: medcrypt build {path.stem}")
    shipped = {lesson.notebook_path for lesson in every}
    for path in sorted(set((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")) - shipped):
        sentences.append(f"{path.name} has no source in lessons/: write one or remove the notebook.")
    return sentences + experiments.stale() + scoreboard.stale()


def solved(folder, names=()):
    """Write the solved edition into `folder` without running the lessons -> its paths.

    It is the shipped edition with the references in the exercise cells; their cards are drawn by judging the references, all other
    outputs are borrowed. So one nbval run over it proves that every card is green and that every other cell says the same.
    """
    paths = []
    for lesson in chosen(names):
        book, exercises = lessons.notebook(lesson, solved=True)
        shipped = {cell.id: cell for cell in nbformat.read(lesson.notebook_path, 4).cells}
        cards = {"ex-" + exercise.name: _green(exercise.path) for exercise in exercises}
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.execution_count = shipped[cell.id].execution_count
                cell.outputs = cards.get(cell.id) or copy.deepcopy(shipped[cell.id].outputs)
        path = folder / lesson.chapter.name / lesson.notebook_path.name
        write(book, path)
        paths.append(path)
    return paths


def _green(path):
    """The stored output of an exercise's cell that holds the reference."""
    exercise, outcome = answers.judge_reference(path)
    if outcome.status != judging.RIGHT:
        raise AuthorError(path, 1, f"The reference does not pass its own check: {outcome.sentence} {outcome.check_error or ''}")
    text, markup = card.draw(exercise, outcome)
    return [nbformat.v4.new_output("display_data", {"text/plain": text, "text/html": markup})]

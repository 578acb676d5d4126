"""A notebook's verdict is the grade: every answer of the course gets in the grader the marks and words that it gets in process, with the same seed."""
import pytest

from medcrypt_lab.authoring import lessons
from medcrypt_lab.exercises import card, files, judging
from medcrypt_lab.exercises.source import ExerciseText
from medcrypt_lab.grading import grade, remote, sandbox
from tests import prove
from tests.grading import common

PATHS = lessons.exercise_paths()
SAMPLE = 2                  # of the right answers with one seed and of the wrong ones with another, in a run that is not told --all


class Here(judging.Local):
    """In process, with the seed that a worker would get."""

    def call(self, name, args, kwargs, seed, **options):
        return super().call(name, args, kwargs, remote.hidden(seed), **options)


@pytest.fixture(scope="module")
def worker():
    common.needs_sandbox()
    with sandbox.Worker() as worker:
        yield worker


def sample(found, request, path, role):
    """All answers with --all, else the reference and a few of this role, which differ from file to file."""
    if request.config.getoption("--all"):
        return found
    of_role = [answer for answer in found[1:] if answer[1] == role]
    return found[:1] + [of_role[(len(path.stem) * (i + 1)) % len(of_role)] for i in range(SAMPLE)]


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
@pytest.mark.parametrize("seed, role", [(1, "wrong"), (2**60 + 5, "right")])
def test_same_marks_and_words(path, seed, role, worker, request):
    exercise, text = files.load(path), ExerciseText(path)
    cells = {"the reference": text.answer_cell(None), **{answer.name: text.answer_cell(answer) for answer in text.answers}}
    wanted = {exercise.id: {"functions": list(exercise.functions), "stubs": exercise.stubs}}
    for label, _, _, functions in sample(prove.every_answer(path), request, path, role):
        plan = remote.read(worker, common.notebook(cells[label]), wanted)
        found = plan["exercises"][exercise.id]
        there = grade.judged(worker, exercise, plan["cells"], found, {}, seed)
        here = judging.judge(exercise, Here(functions), seed)
        if set(found["stubs"]) == set(exercise.functions):          # the @given function: nobody wrote that
            assert there.status == judging.UNTRIED
        else:
            assert card.draw(exercise, there)[0] == card.draw(exercise, here)[0], label

"""Every exercise of the course, proved: one generic test, nothing to keep in step."""
import pytest

from medcrypt_lab.authoring import lessons
from tests import prove

PATHS = lessons.exercise_paths()
every_exercise = pytest.mark.parametrize("path", PATHS, ids=[p.stem for p in PATHS])


def test_there_are_exercises():
    assert PATHS


@every_exercise
@pytest.mark.parametrize("proof", [prove.stub_is_untried, prove.right_answers_pass, prove.wrong_answers_are_told_apart,
                                   prove.constants_earn_nothing, prove.odd_values_break_nothing], ids=lambda f: f.__name__)
def test_proof(path, proof):
    proof(path)


@every_exercise
def test_same_over_seeds(path, request):
    count = prove.same_over_seeds(path, request.config.getoption("--all"))
    print(f"{path.stem}: {count} seeds")


@every_exercise
def test_same_through_bytes(path, request):
    prove.same_through_bytes(path, range(prove.SEEDS) if request.config.getoption("--all") else (1, 2))


@every_exercise
def test_same_in_a_release(path, request, tmp_path):
    prove.same_in_a_release(path, tmp_path, range(prove.SEEDS) if request.config.getoption("--all") else (1, 2))

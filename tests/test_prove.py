"""The proofs themselves: the tiny course passes them, and each is failed by an exercise that is wrong in its own way."""
import pytest

from tests import prove, tiny

EVERY_PROOF = [prove.stub_is_untried, prove.right_answers_pass, prove.wrong_answers_are_told_apart, prove.constants_earn_nothing,
               prove.odd_values_break_nothing, prove.same_over_seeds, prove.same_through_bytes]
DOUBLE = tiny.EXERCISES["double"]
FAULTS = {
    "a right answer is refused": (prove.right_answers_pass, 'got == [v * v for v in values]', 'got[0] == 2 * values[0]', "does not pass"),
    "points do not add up": (prove.right_answers_pass, "points=2, got", "points=1, got", "add up to 1"),
    "the last property is worth nothing": (prove.right_answers_pass, '[2 * v for v in values])\n\n\n@right\ndef added',
                                           '[2 * v for v in values])\n    expect("more", True, "")\n\n\n@right\ndef added', "no points"),
    "a wrong answer passes": (prove.wrong_answers_are_told_apart, "[v ** 2 for v in values]", "[2 * v for v in values]", "squared passes"),
    "a card lacks its words": (prove.wrong_answers_are_told_apart, '@wrong("list unchanged")', '@wrong("list as it was")', "lacks"),
    "words on two cards": (prove.wrong_answers_are_told_apart, '@wrong("A zero stays")', '@wrong("not right yet")', "also stand"),
    "zeros earn points": (prove.constants_earn_nothing, 'expect("keeps the zero", got[1] == 0, "A zero stays a zero.")',
                          'expect("keeps the zero", got[1] == 0, "A zero stays a zero.", points=1)', "earns 1"),
    "a constant passes": (prove.constants_earn_nothing, "answer([values[0] + 1]) == got", "False", "passes with seed"),
    "an odd value breaks the check": (prove.odd_values_break_nothing, "    expect_like(got, [1, 1, 1])\n", "    got[0] + 1\n", "the check broke"),
    "another seed, another verdict": (prove.same_over_seeds, "got == [v * v for v in values]", "got == [v * v for v in values] and values[0] % 2", "with seed"),
}


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    return tiny.make_course(tmp_path)


@pytest.mark.parametrize("proof", EVERY_PROOF, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", tiny.EXERCISES)
def test_tiny_exercises_pass(chapter, proof, name):
    proof(chapter / "exercises" / f"{name}.py")


@pytest.mark.parametrize("name", tiny.EXERCISES)
def test_tiny_exercises_pass_in_a_release(chapter, name, tmp_path):
    prove.same_in_a_release(chapter / "exercises" / f"{name}.py", tmp_path / "release")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(tmp_path, monkeypatch, fault):
    proof, old, new, said = FAULTS[fault]
    assert old in DOUBLE
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    chapter = tiny.make_course(tmp_path, double=DOUBLE.replace(old, new))
    with pytest.raises(AssertionError, match=said):
        proof(chapter / "exercises" / "double.py")


def test_an_answer_in_a_release_is_found(chapter, tmp_path, monkeypatch):
    path = chapter / "exercises" / "double.py"
    path.write_text(path.read_text().replace("    values = [random", "    helper_of_check()\n    values = [random").replace(
        "@right\ndef added", "def helper_of_check():\n    return added([1])\n\n\n@right\ndef added"))
    with pytest.raises(AssertionError):
        prove.same_in_a_release(path, tmp_path / "release")

"""What only native code can decode: the same words in a notebook and in a grader, where a crash costs one exercise."""
import dataclasses

import pytest

from medcrypt_lab.exercises import files, judging
from medcrypt_lab.exercises.source import ExerciseText
from medcrypt_lab.grading import grade
from tests import tiny
from tests.grading import common

DOUBLE = "def double(values):\n    return [2 * v for v in values]"
# `opened` stands for a library in C that believes whatever its bytes say.
VEIL = '''
"""Numbers under a veil."""
from medcrypt_lab.exercises import decode, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 1, 3, 1
hints = ["XOR."]


def veil(values):
    """The numbers (0 to 9) as bytes, each XOR 77."""
    # BEGIN SOLUTION
    return bytes(v ^ 77 for v in values)
    # END SOLUTION


def opened(secret, veiled):
    import ctypes
    if veiled == b"crash":
        ctypes.string_at(0)
    while veiled == b"loop":
        pass
    held = []
    while veiled == b"eat":
        held.append(b"x" * (1 << 26))
    if veiled == b"strange":
        raise ValueError("no veil of ours.")
    return [v ^ secret for v in veiled]


def check(answer, random):
    """Two lists, so that no constant passes."""
    for _ in range(2):
        values = [random.randrange(10) for _ in range(5)]
        veiled = answer(values)
        expect_like(veiled, b"")
        numbers = decode(opened, 77, veiled)
        suspect(numbers[::-1] == values, "They stand in the wrong order.")
        expect("veils", numbers == values, lambda: f"Under the veil there is {numbers}.", points=1 if _ else 0)
'''
SUM = '''
"""A sum that nobody sees."""
from medcrypt_lab.exercises import close, decode, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 1, 3, 3
hints = ["+"]


def veil(public, first, second):
    """The sum of two encrypted vectors. All are TenSEAL's, serialized."""
    import tenseal
    context = tenseal.context_from(public, n_threads=1)
    first, second = (tenseal.ckks_vector_from(context, data) for data in (first, second))
    # BEGIN SOLUTION
    return (first + second).serialize()
    # END SOLUTION


def keys():
    import tenseal
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 4096, coeff_mod_bit_sizes=[40, 20, 40], n_threads=1)
    context.global_scale = 2**20
    return context


def decrypted(secret, sealed):
    import tenseal
    return tenseal.ckks_vector_from(tenseal.context_from(secret, n_threads=1), sealed).decrypt()


def check(answer, random):
    """Fresh keys; the answer gets the public half."""
    import tenseal
    context = keys()
    first, second = ([random.random() for _ in range(4)] for _ in range(2))
    sealed = [tenseal.ckks_vector(context, values).serialize() for values in (first, second)]
    got = answer(context.serialize(save_secret_key=False), *sealed)
    expect_like(got, b"")
    numbers = decode(decrypted, context.serialize(save_secret_key=True), got)
    suspect(close(numbers, first, 0.01), "That is the first alone.")
    expect("is the sum", close(numbers, [a + b for a, b in zip(first, second)], 0.01), "Not the sum.", points=1)
'''
LESSON = tiny.LESSON + '\n```{code-cell}\n@exercise("tiny.veil")\n```\n'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """-> a function that makes the tiny course with this `veil` the one that is graded."""
    common.needs_sandbox()
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path / "course"))

    def make(veil):
        chapter = tiny.make_course(tmp_path / "course", LESSON, veil=veil)
        tiny.store_notebook(chapter)
        return chapter / "exercises" / "veil.py"
    return make


def graded(folder, **answers):
    """name=the answer to veil -> (points for double, result of veil) of each."""
    for name, text in answers.items():
        path = folder / "class" / name / "1_tiny.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(common.notebook(DOUBLE, text))
    limits = dataclasses.replace(common.WITHOUT_TORCH, cpu=2, memory=1 << 30)
    results = grade.run(folder / "class", folder / "out", workers=1, limits=limits)["students"]
    return {name: (student["results"]["tiny.double"]["points"], student["results"]["tiny.veil"]) for name, student in results.items()}


def test_bytes_that_hurt_their_reader_cost_one_exercise(course, tmp_path):
    course(VEIL)
    hurt = {name: f"def veil(values):\n    return b'{name}'" for name in ("crash", "loop", "eat", "strange")}
    found = graded(tmp_path, right="def veil(values):\n    return bytes(v ^ 77 for v in values)", other="def veil(values):\n    return bytes(values)",
                   turned="def veil(values):\n    return bytes(v ^ 77 for v in values[::-1])", **hurt)
    assert {name: (double, veil["points"]) for name, (double, veil) in found.items()} == {**dict.fromkeys(found, (2, 0)), "right": (2, 1)}
    for name in ("crash", "loop"):
        assert "crash the library that reads them" in found[name][1]["sentence"]
    assert "cannot be decoded" in found["eat"][1]["sentence"]
    assert found["strange"][1]["sentence"] == "The bytes that your function returned cannot be decoded (no veil of ours)."
    assert found["turned"][1]["sentence"] == "They stand in the wrong order." and "Under the veil there is [" in found["other"][1]["sentence"]


def test_a_notebook_says_the_same(course):
    exercise = files.load(course(VEIL))
    outcome = judging.judge(exercise, judging.Local({"veil": lambda values: b"strange"}))
    assert outcome.sentence == "The bytes that your function returned cannot be decoded (no veil of ours)." and outcome.check_error is None
    assert judging.judge(exercise, judging.Local(exercise.references)).status == judging.RIGHT
    assert "def opened" in ExerciseText(exercise.check.__code__.co_filename).released


def test_ciphertexts(course, tmp_path):
    pytest.importorskip("tenseal", reason="tenseal is not installed: it has no wheel for this Python, or the install could not fetch it")
    path = course(SUM)
    head = ExerciseText(path).stubs["veil"].replace("...  # your code here", "return ")
    found = graded(tmp_path, right=head + "(second + first).serialize()", first=head + "first.serialize()", garbage=head + "b'\\x00' * 5000",
                   cut=head + "(first + second).serialize()[:-2000]")
    assert {name: veil["points"] for name, (_, veil) in found.items()} == {"right": 1, "first": 0, "garbage": 0, "cut": 0}
    assert found["first"][1]["sentence"] == "That is the first alone."
    assert "cannot be decoded" in found["garbage"][1]["sentence"] and "cannot be decoded" in found["cut"][1]["sentence"]

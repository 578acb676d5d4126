"""The attack corpus: every trick and every accident of tests/grading/attacks, handed in by one class.

Each file is the text of a submission's cells, parted by `# %%`; its head says which marks it deserves. An attack calls `right_answer`
only if its trick worked, so that marks are proof. Each submission also holds an honest second exercise, and honest students stand between.
"""
import os
import re
import time
from pathlib import Path

import pytest

from medcrypt_lab.grading import grade
from tests.grading import common

CORPUS = sorted((Path(__file__).parent / "attacks").glob("*.py"))
CHEAT = """def right_answer(model, images, labels, epsilon):
    images = images.detach().clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), labels), images)
    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()"""
FGSM, SECOND = "gradient_attacks.fgsm", "gradient_attacks.targeted_fgsm"


def head(path, name, otherwise=None):
    found = re.search(rf"^# {name}: (.*)$", path.read_text(encoding="utf-8"), re.M)
    return found[1] if found else otherwise


def submission(path):
    cells = path.read_text(encoding="utf-8").split("# %%\n")
    return common.notebook(common.IMPORTS, CHEAT, *cells, common.solved(SECOND))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The results of the whole class, and how long it took."""
    common.needs_sandbox()
    folder, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("out")
    honest = common.notebook(common.IMPORTS, common.solved(FGSM), common.solved(SECOND))
    for number, path in enumerate(CORPUS):
        common.hand_in(folder, **{path.stem: submission(path)})
        if number % 10 == 0:
            common.hand_in(folder, **{f"{path.stem}_honest": honest})
    os.environ["MEDCRYPT_TEST_SECRET"] = "1"
    try:
        return grade.run(folder, out, workers=2, limits=common.QUICK, say=lambda words: print(time.strftime("%X"), words))
    finally:
        del os.environ["MEDCRYPT_TEST_SECRET"]


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_gets_what_it_deserves(path, graded):
    results = graded["students"][path.stem]["results"]
    result = results[f"gradient_attacks.{head(path, 'exercise', 'fgsm')}"]
    assert result["points"] <= int(head(path, "marks")), f"an attack raised its marks:\n{result['card']}"
    assert result["points"] == int(head(path, "marks")), result["card"]
    assert head(path, "says", "") in result["card"], result["card"]
    assert result["status"] == head(path, "status", "right" if result["points"] else "wrong"), result["card"]
    assert results[SECOND]["points"] == 2, f"it touched the exercise after it:\n{results[SECOND]['card']}"


def test_nobody_else_is_touched(graded):
    honest = [student for name, student in graded["students"].items() if name.endswith("_honest")]
    assert len(honest) == (len(CORPUS) + 9) // 10
    assert all(student["results"][id]["status"] == "right" for student in honest for id in (FGSM, SECOND))
    assert all(student["graded"] for student in graded["students"].values())


def test_nothing_is_our_own_fault(graded):
    for name, student in graded["students"].items():
        for result in student["results"].values():
            assert result["status"] != "broken", (name, result)
            assert "grader" not in (result["sentence"] or ""), (name, result)

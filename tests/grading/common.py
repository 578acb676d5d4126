"""What the tests of grading share: a sandbox or a reason to skip, notebooks from the text of cells, a class of them."""
import functools
import json
import os
from pathlib import Path

import pytest

from medcrypt_lab.exercises import files
from medcrypt_lab.exercises.source import ExerciseText
from medcrypt_lab.grading import sandbox

IMPORTS = "import torch\nimport torchattacks\nfrom torch.nn import functional\nfrom medcrypt_lab.exercises import exercise"
QUICK = sandbox.Limits(cpu=3, wall=20)
WITHOUT_TORCH = sandbox.Limits(cpu=3, wall=10, imports=())      # for the tiny course: such a worker starts in no time


@functools.lru_cache
def why_not():
    return sandbox.why_not()


def needs_sandbox():
    """Skip where the sandbox does not start; but where CI promised one, fail."""
    if why_not():
        (pytest.fail if os.environ.get("MEDCRYPT_CI") == "1" else pytest.skip)(f"the sandbox cannot start: {why_not()}")


def notebook(*cells, **metadata):
    """A notebook's bytes."""
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata,
                       "cells": [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": text}
                                 for i, text in enumerate(cells)]}).encode()


def solved(id):
    """The cell of an exercise with its reference answer."""
    return ExerciseText(files.find(id)).reference_cell


def hand_in(folder, **students):
    """Write name=bytes as folder/name/1_fgsm.ipynb -> the folder."""
    for name, data in students.items():
        path = Path(folder) / name / "1_fgsm.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Path(folder)

"""Experiments: what is recorded, what is refused, when a record is stale; and the course's own records."""
import hashlib
import json

import numpy as np
import pytest
import torch

from medcrypt_lab import cli, data, models
from medcrypt_lab.authoring import build, experiments
from medcrypt_lab.exercises.source import AuthorError
from tests import tiny

SCRIPT = '''"""How far do random numbers go?"""
import os
import random

seeds = [3, 4]


def run(seeds):
    with open(__file__ + ".runs", "a") as runs:
        runs.write(os.environ.get("MEDCRYPT_DATA", "embedded") + "\\n")
    return {"random": random.random(), "third": 1 / 3, "by seed": {str(seed): (seed, None, True) for seed in seeds}}
'''


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script of the one experiment in a tiny course."""
    monkeypatch.setenv("MEDCRYPT_ROOT", str(tmp_path))
    folder = tiny.make_course(tmp_path) / "experiments"
    folder.mkdir()
    path = folder / "sums.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def run(*names):
    """Run experiments -> what was said."""
    said = []
    experiments.build(names, say=said.append)
    return said


def times_run(script):
    return len(script.with_name("sums.py.runs").read_text().splitlines())


def recorded(script):
    return json.loads(script.with_suffix(".json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the mechanism
def test_a_record_holds_figures_seeds_versions_and_the_scripts_hash(script):
    run()
    record = recorded(script)
    assert record["experiment"] == "tiny.sums" and record["title"] == "How far do random numbers go?" and record["seeds"] == [3, 4]
    assert record["figures"] == {"random": 0.238, "third": 0.3333, "by seed": {"3": [3, None, True], "4": [4, None, True]}}
    assert set(record["versions"]) == {"python", "torch", "numpy"} and len(record["script_sha256"]) == 64 and record["seconds"] in range(20)
    assert torch.get_num_threads() == 1
    text = script.with_suffix(".json").read_text(encoding="utf-8")
    assert text.endswith("}\n") and text == json.dumps(record, indent=1, sort_keys=True) + "\n"
    assert sorted(path.name for path in script.parent.iterdir()) == ["sums.json", "sums.py", "sums.py.runs"]
    run("sums")
    assert {**recorded(script), "seconds": 0} == {**record, "seconds": 0}


def test_an_unchanged_experiment_runs_again_only_by_name(script):
    assert run() == ["tiny.sums runs; this can take minutes", f"tiny.sums: recorded in {recorded(script)['seconds']} s"]
    assert run() == ["tiny.sums: as recorded"] and times_run(script) == 1
    run("tiny.sums")
    assert times_run(script) == 2


def test_an_experiment_is_of_the_embedded_data(script, monkeypatch):
    monkeypatch.setenv("MEDCRYPT_DATA", "chest=elsewhere.npz")
    run()
    assert script.with_name("sums.py.runs").read_text() == "embedded\n"


def test_a_record_is_stale_after_one_character_and_not_after_other_line_ends(script):
    assert experiments.stale() == ["The experiment tiny.sums has no record that can be read: medcrypt build --experiments tiny.sums"]
    run()
    assert experiments.stale() == []
    script.write_bytes(b"\xef\xbb\xbf" + script.read_bytes().replace(b"\n", b"\r\n"))
    assert experiments.stale() == []
    script.write_text(SCRIPT.replace("far", "fer"), encoding="utf-8")
    sentence = "The experiment tiny.sums has changed since it was run: medcrypt build --experiments tiny.sums"
    assert experiments.stale() == [sentence] and sentence in build.stale()
    assert run()[-1] == "tiny.sums: recorded in 0 s" and experiments.stale() == []


def test_a_record_is_of_the_scripts_beside_it_that_its_script_names_and_of_those_they_name(script):
    """sums loads twice, which names roots and sums; nobody names alone."""
    for name, loads in {"sums": '"twice.py"', "twice": '"roots.py", "sums.py", "gone.py"', "roots": "", "alone": ""}.items():
        script.with_name(f"{name}.py").write_text(f"{SCRIPT}\n\nloads = [{loads}]\n", encoding="utf-8")
    run()
    assert experiments.stale() == []
    text = script.with_name("alone.py").read_text()
    assert recorded(script.with_name("alone.py"))["script_sha256"] == hashlib.sha256(text.encode()).hexdigest()     # of itself only
    for changed, stale in {"alone": {"alone"}, "roots": {"sums", "twice", "roots"}, "twice": {"sums", "twice"}}.items():
        path = script.with_name(f"{changed}.py")
        before = path.read_bytes()
        path.write_bytes(before.replace(b"\n", b"\r\n"))
        assert experiments.stale() == []
        path.write_bytes(before.replace(b"far", b"fer"))
        assert {sentence.split()[2] for sentence in experiments.stale()} == {f"tiny.{name}" for name in stale}
        path.write_bytes(before)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null"])
def test_a_damaged_record_is_stale(script, content):
    script.with_suffix(".json").write_text(content)
    assert "tiny.sums has no record that can be read" in experiments.stale()[0]


def test_a_record_without_a_script_is_named(script):
    run()
    script.unlink()
    assert experiments.stale() == ["experiments/sums.json has no script sums.py: write one or remove the record."]


FIGURES = {
    "not a number": ('{"a": [1.0, float("nan")]}', "figures['a'][1] is nan: a figure must be finite"),
    "infinite": ('{"a": -float("inf")}', "figures['a'] is -inf: a figure must be finite"),
    "numpy's own": ('{"a": __import__("numpy").float32(1)}', "figures['a'] is a float32"),
    "a tensor": ('{"a": __import__("torch").ones(2)}', "figures['a'] is a Tensor"),
    "keys that are numbers": ('{"a": {1: 2}}', "figures['a'] is a dict"),
    "no dict": ("[1, 2]", "`run` should return a dict of figures, not a list"),
}


@pytest.mark.parametrize("case", FIGURES)
def test_what_is_no_plain_finite_data_is_refused_and_the_old_record_stays(script, case):
    figures, said = FIGURES[case]
    run()
    before = script.with_suffix(".json").read_bytes()
    script.write_text(SCRIPT.replace("return {", f"return {figures}\n    {{"), encoding="utf-8")
    with pytest.raises(AuthorError) as error:
        run()
    assert str(error.value).startswith(f"{script}:8: {said}")
    assert script.with_suffix(".json").read_bytes() == before


def test_numpys_double_is_a_float():
    assert experiments.plain([np.float64(2 / 3), 123456.0, 1e-9, 0.0], "figures") == [0.6667, 123500.0, 1e-9, 0.0]


SCRIPTS = {
    "no run": (SCRIPT.replace("def run", "def runs"), "1: The experiment has no `run`: write `def run(seeds):`."),
    "no seeds": (SCRIPT.replace("seeds = [3, 4]", ""), "1: The experiment has no `seeds`: write `seeds = [0, 1, 2]`."),
    "no docstring": (SCRIPT.split("\n", 1)[1], "1: An experiment begins with a docstring that says what it asks."),
    "not Python": (SCRIPT.replace("def run(seeds):", "def run(seeds)"), "8: Python cannot read this experiment: expected ':'."),
}


@pytest.mark.parametrize("case", SCRIPTS)
def test_a_script_that_lacks_something_is_a_sentence_with_file_and_line(script, case):
    text, said = SCRIPTS[case]
    script.write_text(text, encoding="utf-8")
    with pytest.raises(AuthorError) as error:
        run()
    assert str(error.value) == f"{script}:{said}"


def test_the_command_runs_them_and_says_what_it_does_not_know(script, capsys):
    assert cli.main(["build", "--experiments", "sum"]) == 0 and script.with_suffix(".json").exists()
    assert cli.main(["build", "--experiments", "product"]) == 1
    assert capsys.readouterr().err == "No experiment is called 'product'. There are: tiny.sums.\n"


# ---------------------------------------------------------------- what a lesson reads
def test_a_lesson_reads_the_record(script):
    run()
    record = data.experiment("tiny.sums")
    assert record["figures"]["third"] == 0.3333 and record["seeds"] == [3, 4] and record["seconds"] in range(20)


def test_without_a_setting_records_lie_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDCRYPT_ROOT")
    monkeypatch.chdir(tmp_path)
    assert data.experiment("gradient_attacks.epsilon_curve")["seeds"][0] == 0


@pytest.mark.parametrize("id", ["tiny.sum", "sums", "", None, ["tiny.sums"], "../experiments/sums"])
def test_an_unknown_experiment_is_a_sentence(script, id):
    run()
    with pytest.raises(data.DataError, match=r"There is no record of an experiment .*; there is: tiny.sums\. .*medcrypt build --experiments"):
        data.experiment(id)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"null", b'{"figures": {}}'])
def test_a_damaged_record_is_a_sentence_with_the_remedy(script, content):
    script.with_suffix(".json").write_bytes(content)
    with pytest.raises(data.DataError, match="chapters/01_tiny/experiments/sums.json is damaged. Repair it with `git checkout chapters/01_tiny/"):
        data.experiment("tiny.sums")


# ---------------------------------------------------------------- the course's own
def test_every_experiment_of_the_course_is_recorded_as_its_script_stands():
    assert experiments.named() and experiments.stale() == []


def test_the_epsilon_curve_of_the_shipped_network_is_the_one_a_lesson_computes():
    import torchattacks
    figures, split, model = data.experiment("gradient_attacks.epsilon_curve")["figures"], data.load("chest", "test"), models.get("small_cnn")
    guesses = model(torchattacks.FGSM(model, eps=4 / 255)(split.images, split.labels)).argmax(1)
    before = model(split.images).argmax(1) == split.labels
    right = guesses == split.labels
    live = {"sensitivity": right[split.labels == 1], "specificity": right[split.labels == 0], "robust accuracy": right & before}
    at = figures["levels"].index(4)
    for name, share in live.items():
        assert abs(figures["fgsm"][name]["per_seed"][0][at] - share.float().mean().item()) < 0.005, name


@pytest.mark.parametrize("kind", ["fgsm", "random signs"])
@pytest.mark.parametrize("metric", ["sensitivity", "specificity", "robust accuracy"])
def test_the_epsilon_curves_band_holds_every_seed_or_nearly(kind, metric):
    curve = data.experiment("gradient_attacks.epsilon_curve")["figures"][kind][metric]
    per_seed, low, high = (np.array(curve[key]) for key in ("per_seed", "low", "high"))
    assert per_seed.shape == (3, 9) and (low <= high).all()
    assert ((per_seed >= low - .01) & (per_seed <= high + .01)).all()

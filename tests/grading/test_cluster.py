"""Grading on a cluster: a scheduler and two workers over TLS on this machine, with certificates made for the occasion."""
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medcrypt_lab import cli
from medcrypt_lab.exercises import judging
from medcrypt_lab.grading import cluster, grade
from tests import tiny
from tests.grading import common
from tests.grading.test_grade import ALL, HALF, hand_in, marks, rows, run, store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def course(tmp_path_factory):
    """The tiny course as the one that is graded, here and on the cluster."""
    common.needs_sandbox()
    folder = tmp_path_factory.mktemp("course")
    store(tiny.make_course(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCRYPT_ROOT", str(folder))
        yield folder


def cannot_test(reason):
    """Skip; but where CI promised all packages, fail."""
    (pytest.fail if os.environ.get("MEDCRYPT_CI") == "1" else pytest.skip)(reason)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with ca.pem, cert.pem and key.pem."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        cannot_test("cryptography, which makes the certificates, is not installed")
    folder, now = tmp_path_factory.mktemp("certificates"), datetime.datetime.now(datetime.timezone.utc)
    keys = {"ca": ec.generate_private_key(ec.SECP256R1()), "cert": ec.generate_private_key(ec.SECP256R1())}
    for name, key in keys.items():
        subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]) for common_name in (name, "ca"))
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True).sign(keys["ca"], hashes.SHA256()))
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(keys["cert"].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder


@pytest.fixture(scope="module")
def address(certificates, course, tmp_path_factory):
    """Where a scheduler listens that has two workers, each in a process of its own."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        cannot_test("distributed is not installed: `pip install distributed`")
    folder = tmp_path_factory.mktemp("cluster")
    tls = [f"--tls-ca-file={certificates / 'ca.pem'}", f"--tls-cert={certificates / 'cert.pem'}", f"--tls-key={certificates / 'key.pem'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    programs = [[sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--protocol=tls", "--port=0", "--no-dashboard",
                 f"--scheduler-file={folder / 'scheduler.json'}", *tls]]
    programs += [[sys.executable, "-m", "distributed.cli.dask_worker", f"--scheduler-file={folder / 'scheduler.json'}", "--nthreads=1", "--no-dashboard",
                  "--no-nanny", f"--local-directory={folder}", *tls]] * 2
    running = []
    try:
        for program in programs:
            running.append(subprocess.Popen(program, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=(folder / "said.txt").open("a")))
            deadline = time.monotonic() + 60
            while not (folder / "scheduler.json").exists():
                assert running[0].poll() is None and time.monotonic() < deadline, (folder / "said.txt").read_text()
                time.sleep(0.1)
        yield json.loads((folder / "scheduler.json").read_text())["address"]
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_the_same_marks_as_on_one_machine(address, certificates, tmp_path, capsys):
    folder = hand_in(tmp_path / "class", alice=ALL, bob=HALF, carol=b"{", dave=common.notebook("def double(values):\n    import os\n    os._exit(0)"))
    (folder / "eve.zip").write_bytes(b"no archive")
    run(folder, tmp_path / "here")
    (tmp_path / "there").mkdir()
    shutil.copy(tmp_path / "here" / "run.json", tmp_path / "there")
    command = ["grade", str(folder), "--out", str(tmp_path / "there"), "--scheduler", address, "--certificates", str(certificates)]
    assert cli.main(command) == 0 and "4 of 4" in capsys.readouterr().out
    for name in ("grades.csv", "results.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    hand_in(folder, bob=ALL)
    assert cli.main(command) == 0 and "1 of 1: bob" in capsys.readouterr().out
    assert rows(tmp_path / "there")[2][0] == "bob" and rows(tmp_path / "there")[2][-3] == "7"


def test_what_a_host_was_at_goes_on_from_what_is_kept(address, certificates, tmp_path):
    folder, out = hand_in(tmp_path / "class", alice=ALL), tmp_path / "out"
    first = run(folder, out)
    path = next((out / "results").glob("*.jsonl"))
    path.write_text("".join(path.read_text().splitlines(True)[:4]))
    used = []

    def elsewhere(*settings):
        used.append(1)
        return cluster.Cluster(address, certificates, *settings)

    assert marks(run(folder, out, cluster=elsewhere)) == marks(first) and used
    (out / "results" / path.name).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "edition", lambda: "another")
        with pytest.raises(grade.GradingError, match="is not the one that is graded here"):
            run(folder, out, cluster=elsewhere)


def test_nobody_gets_in_without_a_certificate(address, certificates, tmp_path, monkeypatch, capsys):
    folder = str(hand_in(tmp_path / "class", alice=ALL))
    command = ["grade", folder, "--out", str(tmp_path / "out"), "--certificates", str(certificates), "--scheduler"]
    assert cli.main([*command, address.replace("tls://", "tcp://")]) == 1
    assert "asks for a certificate" in capsys.readouterr().err
    assert cli.main([*command, address, "--unsafe"]) == 1 and "go together" in capsys.readouterr().err
    assert cli.main(["grade", folder, "--out", str(tmp_path / "out"), "--scheduler", address]) == 1 and "go together" in capsys.readouterr().err
    stranger = tmp_path / "stranger"
    shutil.copytree(certificates, stranger)
    (stranger / "ca.pem").write_bytes((certificates / "cert.pem").read_bytes())       # trusts another authority than the scheduler's
    monkeypatch.setattr(cluster, "CONNECTS_WITHIN", 3)
    assert cli.main([*command[:-2], str(stranger), "--scheduler", address]) == 1 and "cannot be used" in capsys.readouterr().err
    (stranger / "key.pem").unlink()
    assert cli.main([*command[:-2], str(stranger), "--scheduler", address]) == 1 and "There is no" in capsys.readouterr().err


def test_without_dask_it_is_one_sentence(tmp_path, monkeypatch):
    for name in cluster.CERTIFICATES.values():
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(grade.GradingError, match="pip install distributed"):
        cluster.Cluster("tls://127.0.0.1:1", tmp_path, None, None)


def test_what_no_host_sends_is_refused():
    grade.course.cache_clear()
    exercise = grade.course()[1]["tiny.double"]
    good = {**grade.record(exercise, judging.Outcome(exercise.id, 2, judging.RIGHT), "a.ipynb"), "seconds": 0.1, "tree": ["x", 3]}
    lines = [{"file": ["a.ipynb", None, None]}, {"result": good}, {"done": True}]
    assert cluster.checked(json.dumps({"lines": lines})) == lines
    bad = [{**good, name: value} for name, value in [("points", 3), ("points", True), ("of", 9), ("exercise", "x.y"), ("status", "great"), ("html", None),
                                                     ("notes", [{}]), ("sentence", {"a": 1}), ("exercise", [])]]
    bad = [{"result": value} for value in [*bad, None, [], {"exercise": "tiny.double"}, "tiny.double"]]
    bad += [{"file": ["a"]}, {"file": [1, None, None]}, {"file": ["a", {}, None]}, {"done": 1}, {"submission": "x"}, {}, [], 7, {"a": 1, "b": 2}]
    for text in [json.dumps({"lines": [line]}) for line in bad] + ["", "{", "[]", "7", "null", "[" * 10**5, '{"lines": 3}', "{}"]:
        with pytest.raises(grade.GradingError, match="cannot grade"):
            cluster.checked(text)

"""The house: imports point one way, the package stays small, what is named is there."""
import ast
import re
import subprocess
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[1]
PACKAGE = COURSE / "medcrypt_lab"
# part of the package -> the parts it may import; a part not named here may import nothing of ours
MAY_IMPORT = {
    "__init__": {"figures"}, "__main__": {"cli"}, "metrics": set(), "attacks": set(), "figures": set(), "data": {"figures", "sources", "generators"}, "sources": set(),
    "models": {"data", "metrics"},
    "widgets": {"figures", "metrics", "models", "data"}, "exercises": {"figures", "models"}, "authoring": {"exercises", "models", "data"},
    "grading": {"exercises", "models", "data"}, "generators": {"data", "models", "metrics", "sources"},
    "cli": {"exercises", "authoring", "grading", "generators", "data", "models", "upgrade", "doctor"}, "upgrade": {"exercises"},
    "doctor": {"exercises", "upgrade"},
}
LONGEST = {"exercises": 2350, "helpers": 1800, "authoring": 850, "grading": 2600, "cli": 1000, "sources": 700}
TOP_LEVEL = {"README.md", "environment.yml", "pyproject.toml", "requirements.lock", "course.py", "LICENSE", "CONTRIBUTING.md", "INSTRUCTORS.md",
             "chapters", "medcrypt_lab", "data", "tests"}


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def ours(path):
    """The parts of our package that a module imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            level = path.relative_to(PACKAGE).parts
            module = (node.module or "").split(".")
            if node.level and node.level == len(level):         # from . import x, from .x import y: relative to the package itself
                found |= {module[0]} if node.module else {alias.name for alias in node.names}
            elif not node.level and module[0] == "medcrypt_lab":
                found |= {module[1]} if len(module) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("medcrypt_lab.")}
    return {name for name in found if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    allowed = MAY_IMPORT.get(part(path), set()) | {part(path)}
    assert ours(path) <= allowed, f"{path.name} imports {sorted(ours(path) - allowed)}"


def test_lessons_never_import_authoring_or_grading():
    for path in [*COURSE.glob("chapters/*/lessons/*.md"), *COURSE.glob("chapters/*/exercises/*.py")]:
        assert not re.search(r"medcrypt_lab[. ](?:import )?(authoring|grading|cli|generators)", path.read_text(encoding="utf-8")), path


def test_the_package_stays_small():
    lines = {}
    for path in PACKAGE.rglob("*.py"):
        name = part(path)
        room = {"doctor": "cli", "upgrade": "cli", "__main__": "cli"}.get(name, name if (PACKAGE / name).is_dir() or name == "cli" else "helpers")
        lines[room] = lines.get(room, 0) + len(path.read_text(encoding="utf-8").splitlines())
    for room, longest in LONGEST.items():
        assert lines[room] <= longest, f"{room} has {lines[room]} lines"


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=COURSE, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [COURSE / line for line in done.stdout.splitlines() if (COURSE / line).exists()]


def test_nothing_stands_at_the_top_that_does_not_belong():
    names = {path.relative_to(COURSE).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_large_file_and_no_pickle():
    for path in tracked():
        assert path.stat().st_size < 5_000_000, path
        if path.suffix == ".py" and PACKAGE in path.parents:
            assert not re.search(r"pickle\.load|allow_pickle=True|torch\.load", path.read_text(encoding="utf-8")), path

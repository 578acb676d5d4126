"""Exercise files found by id and loaded as modules."""
import os
import types
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from .source import ExerciseText, bones


class Unknown(LookupError):
    """There is no such exercise."""


@dataclass
class Exercise:
    """All that the engine knows of one exercise. `references` is empty in a release."""

    id: str
    name: str
    title: str
    functions: tuple
    stubs: dict
    references: dict
    check: object
    points: int
    minutes: int
    difficulty: int
    hints: list = field(default_factory=list)
    after: str = ""
    uses: list = field(default_factory=list)
    without: list = field(default_factory=list)
    changes: list = field(default_factory=list)

    def is_stub(self, text, name):
        """Is `text` the untouched stub of function `name`? Comments, blank lines and docstring do not count."""
        try:
            return name in self.stubs and bones(text) == bones(self.stubs[name])
        except (SyntaxError, StopIteration, ValueError):
            return False


def root():
    """The course's folder: MEDCRYPT_ROOT, else the nearest above the working folder, else where this package lies."""
    if "MEDCRYPT_ROOT" in os.environ:
        return Path(os.environ["MEDCRYPT_ROOT"])
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "chapters").is_dir() and (folder / "medcrypt_lab").is_dir():
            return folder
    return Path(__file__).resolve().parents[2]


def known():
    """id -> path of every exercise file of the course, e.g. of "gradient_attacks.fgsm"."""
    return {f"{path.parent.parent.name[3:]}.{path.stem}": path for path in sorted((root() / "chapters").glob("[0-9][0-9]_*/exercises/*.py"))}


def find(id):
    """The path of the exercise file. Unknown if there is none."""
    try:
        return known()[str(id)]
    except KeyError:
        raise Unknown(f"There is no exercise named {str(id)[:80]!r}. Did the line above the function change? "
                      "It should name the exercise as it stood in the lesson.") from None


def load(path):
    """The Exercise in the file at `path`; read anew when the file changes."""
    path = Path(path)
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=None)
def _load(path, _stamp):
    text = ExerciseText(path)
    module = types.ModuleType(f"medcrypt_exercise_{text.name}")
    module.__file__ = str(path)
    exec(compile(text.source, str(path), "exec"), module.__dict__)
    inside = module.__dict__
    released = "stub" in inside
    return Exercise(
        id=text.id, name=text.name, title=(inside.get("__doc__") or text.id).split("\n")[0],
        functions=text.functions, uses=text.uses,
        stubs=inside["stub"] if released else text.stubs,
        references={} if released else {name: inside[name] for name in text.functions},
        check=inside["check"],
        **{key: inside[key] for key in ("points", "minutes", "difficulty")},
        **{key: inside[key] for key in ("hints", "after", "without", "changes") if key in inside})


def get(id):
    """The Exercise of this id."""
    return load(find(id))

"""`medcrypt release`: what a class is given, as a zip. Lessons, package, checks and data; no reference, right or wrong answer anywhere."""
import ast
import io
import os
import tempfile
import zipfile
from pathlib import Path

import nbformat

from medcrypt_lab.exercises import card, files, judging, notebook
from medcrypt_lab.exercises.source import ExerciseText

from . import build

FOLDER = "medcrypt-lab"     # the one folder in the archive
AT_THE_TOP = ("course.py", "requirements.lock", "environment.yml", "pyproject.toml", "LICENSE")
LEFT_OUT = ("authoring", "grading", "__pycache__")          # of the package: a student's copy neither builds nor grades
README = """# MedCrypt Lab

The security of medical-image AI, by hand. You need Python 3.11, 3.12 or 3.13 with `venv`, about 2.5 GB of disk, and a network once. In this folder:

```
python3 course.py lab
```

makes the environment (a few minutes, once) and opens JupyterLab on your own copies of the lessons, in `work/`. On Windows: `py course.py lab`.

```
python3 course.py doctor
```

says what is wrong if something does not work, and how to mend it.

Open a lesson, run the cells in order, put your code where the `...` stands, run the cell. A card tells you what is right and what is not. This edition
holds no answers: a cell that needs an exercise which is not solved yet says so and waits. Hand in the notebooks from `work/`, e.g. `{example}`.

Lessons in this edition:

{lessons}

Code: MIT. Text and figures: CC BY 4.0. Data: as the cards in `data/cards/` say. No patient stands behind the embedded images.
"""


def release(out, names=()):
    """Write the release of the lessons that `names` choose, or of all, into the folder `out` -> the archive's path."""
    course, lessons = files.root(), build.chosen(names)
    content = {name: (course / name).read_bytes() for name in AT_THE_TOP}
    for folder in ("medcrypt_lab", "data"):
        for path in (course / folder).rglob("*"):
            inside = path.relative_to(course)
            if path.is_file() and not any(part in LEFT_OUT or part.startswith(".") for part in inside.parts):
                content[inside.as_posix()] = path.read_bytes()
    for lesson in lessons:
        place = f"chapters/{lesson.chapter.name}"
        for id in lesson.exercise_ids:
            text = ExerciseText(files.find(id))
            content[f"{place}/exercises/{text.path.name}"] = text.released.encode()
        for path in (lesson.chapter / "experiments").glob("*.json"):        # what they recorded; the scripts may hold an answer
            content[f"{place}/experiments/{path.name}"] = path.read_bytes()
        content[f"{place}/{lesson.notebook_path.name}"] = nbformat.writes(unsolved(lesson)).encode()
    listed = "\n".join(f"- [{lesson.front['title']}](chapters/{lesson.chapter.name}/{lesson.notebook_path.name})" for lesson in lessons)
    content["README.md"] = README.format(lessons=listed, example=f"work/{lessons[0].chapter.name}/{lessons[0].notebook_path.name}").encode()
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{FOLDER}.zip"
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(_zipped(content))
    os.replace(unfinished, path)
    return path


def _zipped(content):
    """The archive's bytes: the same content gives the same bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, data in sorted(content.items()):
            info = zipfile.ZipInfo(f"{FOLDER}/{name}")
            info.external_attr = (0o755 if name == "course.py" else 0o644) << 16
            packed = zipfile.ZIP_STORED if name.endswith((".npz", ".safetensors", ".png")) else zipfile.ZIP_DEFLATED
            out.writestr(info, data, packed)
    return archive.getvalue()


def unsolved(lesson):
    """The lesson's notebook as a run of the release leaves it: cards of exercises not tried yet, and what waits for them says so."""
    book, waiting = nbformat.read(lesson.notebook_path, 4), {}
    with tempfile.TemporaryDirectory() as folder:
        for cell in book.cells:
            if cell.cell_type != "code":
                continue
            id = next((id for id in lesson.exercise_ids if f'@exercise("{id}")' in cell.source), None)
            if id:
                path = Path(folder) / lesson.chapter.name / "exercises" / files.find(id).name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(ExerciseText(files.find(id)).released, encoding="utf-8")
                exercise = files.load(path)
                waiting.update(dict.fromkeys(exercise.functions, id))
                outcome = judging.Outcome(id, exercise.points)
                cell.outputs = [_shown(*card.draw(exercise, outcome, fallback=False))]
            elif id := notebook.waits_for(ast.parse(cell.source).body, waiting):
                cell.outputs = [_shown(*notebook.waiting_box(id))]
    return book


def _shown(text, markup):
    return nbformat.v4.new_output("display_data", {"text/plain": text, "text/html": markup})

"""The scoreboard: the verdicts that the stored notebooks hold, gathered and checked without running anything."""
import json

from medcrypt_lab.exercises import files, notebook, source
from medcrypt_lab.exercises.systems import SYSTEMS

FIELDS = ("row", "metric", "published", "measured", "attack", "outcome", "because")
BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"


def gather():
    """-> the sound verdicts in the survey's order, each a dict of its fields, `title` and `path`; and a sentence on each thing that is wrong."""
    sound, problems, judged = {}, [], {}
    for path in sorted((files.root() / "chapters").glob("[0-9][0-9]_*/*.ipynb")):
        place = path.relative_to(files.root()).as_posix()
        try:
            book = json.loads(path.read_text(encoding="utf-8"))
            facts, verdicts = book["metadata"].get("medcrypt", {}), stored(book)
        except (ValueError, LookupError):
            problems.append(f"{place} cannot be read: medcrypt build {path.stem}")
            continue
        systems, here = facts.get("systems", []), set()
        for fields, text in verdicts:
            row = fields.get("row")
            here.add(row)
            if wrong := complaint(fields, text):
                problems.append(f"{place}: the verdict on {row} {wrong}: correct it in the lesson, then medcrypt build {path.stem}")
            elif row not in systems:
                problems.append(f"{place}: there is a verdict on {row}, which the lesson's front matter does not name under `systems`.")
            elif row in judged:
                problems.append(f"{place}: {row} was judged already, in {judged[row]}; a system has one verdict in the course.")
            else:
                sound[row] = {**fields, "title": facts.get("title", path.stem), "path": place}
            judged.setdefault(row, place)
        problems += [f"{place}: the lesson names {row} and stores no verdict on it: end it with verdict(\"{row}\", ...), then medcrypt build {path.stem}"
                     for row in systems if row not in here]
    return [sound[row] for row in SYSTEMS if row in sound], problems


def stored(book):
    """The fields of each verdict that a notebook's outputs hold, with the text that stands beside them."""
    shown = [output.get("data", {}) for cell in book["cells"] for output in cell.get("outputs", [])]
    return [(data[notebook.VERDICT], "".join(data.get("text/plain", ""))) for data in shown if notebook.VERDICT in data]


def complaint(fields, text):
    """What is wrong with one stored verdict, in words; None if it is sound."""
    lacking = [name for name in FIELDS if not (type(fields.get(name)) is str and fields[name].strip())]
    if lacking:
        return f"lacks {', '.join(lacking)}"
    if fields["row"] not in SYSTEMS:
        return "is on no row of the survey's tables"
    try:
        twin, _ = notebook.verdict_box(**{name: fields[name] for name in FIELDS})
    except ValueError:
        return f"has the outcome {fields['outcome']!r}, which is none"
    return None if text == twin else "says something else in its text than in its data"


def table(verdicts):
    """The scoreboard for a terminal."""
    lines = [("row", "outcome", "measured here", "lesson"), *((v["row"], v["outcome"], v["measured"], v["path"]) for v in verdicts)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines)


def markdown(verdicts):
    """The scoreboard for the README."""
    rows = [(v["row"], SYSTEMS[v["row"]], v["outcome"], v["measured"], f"[{v['title']}]({v['path']})") for v in verdicts]
    lines = [" | ".join(word.replace("|", r"\|") for word in row) for row in rows]
    return "\n".join(["| row | system | outcome | measured here | lesson |", "|---|---|---|---|---|", *(f"| {line} |" for line in lines)])


def readme():
    """README.md's text as it stands and as it should be: equal where there is no such file, or no place for a scoreboard in it."""
    path = files.root() / "README.md"
    text = source.read_text(path) if path.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return text, f"{before}{BEGIN}\n{markdown(gather()[0])}\n{END}{after}" if end else text


def write_readme():
    """Put the scoreboard into README.md, between its two marks."""
    text, wanted = readme()
    if text != wanted:
        (files.root() / "README.md").write_text(wanted, encoding="utf-8", newline="\n")


def stale():
    """A sentence if README.md does not hold the scoreboard as the stored notebooks give it."""
    text, wanted = readme()
    return [] if text == wanted else ["The scoreboard in README.md is not what the notebooks say: medcrypt build"]

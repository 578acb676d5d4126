"""Running a notebook from a clean kernel, natively and with plain CPU instructions, and comparing what it says."""
import base64
import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

from medcrypt_lab.exercises import files
from medcrypt_lab.exercises.source import AuthorError

CHANGES = "nbval-ignore-output"
QUIET = {"PYTHONHASHSEED": "0", "TQDM_DISABLE": "1", "MEDCRYPT_PROGRESS": "off"}
# An older processor, rehearsed: libraries that choose their code by the processor's features take the plainest.
PLAIN = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "NEHALEM",
         "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX X86_V3 X86_V4"}
SECONDS = 120
COLORS = re.compile(r"\x1b\[[0-9;]*m")
DRAWN = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]*")
WIDGET = "application/vnd.jupyter.widget-view+json"


class CellFailed(Exception):
    """A cell raised, or took too long: its text and its traceback."""


@contextlib.contextmanager
def _kernel():
    """A kernel manager; where the system has Unix sockets its channels lie in a private folder, not on open ports."""
    from jupyter_client import KernelManager
    with tempfile.TemporaryDirectory() as private:
        options = {"transport": "ipc", "ip": str(Path(private) / "kernel")} if os.name == "posix" else {}
        manager = KernelManager(kernel_name="python3", **options)
        try:
            yield manager
        finally:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)


def run(book, folder, extra=()):
    """Execute the notebook in `folder` from a clean kernel; outputs are stored in it. CellFailed tells which cell does not run."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    environment = {**os.environ, **QUIET, "MEDCRYPT_ROOT": str(files.root()), **dict(extra)}
    environment.pop("MEDCRYPT_DATA", None)
    with _kernel() as manager:
        client = NotebookClient(book, km=manager, timeout=SECONDS, record_timing=False, resources={"metadata": {"path": str(folder)}})
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError) as error:
            raise CellFailed(f"A cell failed:\n{COLORS.sub('', str(error))}") from None
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:         # a panel lives in its kernel only; a stored page keeps the words beside it
                output.get("data", {}).pop(WIDGET, None)
    return book


def _joined(outputs):
    """Outputs in which neighboring pieces of one stream are one: how they were cut depends on timing."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def said(cell):
    """What nbval will compare of a cell: its texts, not its pictures, not stderr; nothing of a cell tagged as changing."""
    if cell.cell_type != "code" or CHANGES in cell.metadata.get("tags", []):
        return []
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts += [output.text] if output.name == "stdout" else []
        else:
            texts += [DRAWN.sub("", output.data[kind]) for kind in ("text/plain", "text/html") if kind in output.get("data", {})]
    return texts


def compare(lesson, book, other):
    """AuthorError for the first cell that says something else on plain CPU instructions."""
    for cell, again in zip(book.cells, other.cells):
        if said(cell) != said(again):
            here, there = (next((x for x, y in zip(a, b) if x != y), str(len(a))) for a, b in ((said(cell), said(again)), (said(again), said(cell))))
            raise AuthorError(lesson.path, lesson.line_of(cell.source.splitlines()[0]),
                              f"This cell says {here.strip()[-300:]!r} here and {there.strip()[-300:]!r} with plain CPU instructions. "
                              f"Print fewer digits, or a bound, or tag it {CHANGES} if it states no result.")


def keep_pictures(book, old):
    """Store a picture's old bytes where its pixels did not change: a new version of a library need not change the file."""
    before = {cell.id: cell for cell in old.cells}
    for cell in book.cells:
        for new, kept in zip(cell.get("outputs", []), before.get(cell.id, {}).get("outputs", [])):
            pictures = [output.get("data", {}).get("image/png") for output in (new, kept)]
            if all(pictures) and _pixels(pictures[0]) == _pixels(pictures[1]):
                new.data["image/png"] = pictures[1]


def _pixels(data):
    from PIL import Image
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return picture.size, picture.convert("RGBA").tobytes()

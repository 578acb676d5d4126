"""A student's first hour in a real browser: `medcrypt lab` opens a lesson, which is run, answered wrongly, rightly, and run again.

It needs Python's playwright and a Chromium, and installs neither: where one is missing it skips, under MEDCRYPT_CI=1 it fails.
MEDCRYPT_CHROMIUM may name the browser's program. With MEDCRYPT_SCREENSHOTS=FOLDER it leaves pictures there, in light and dark.
"""
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None

REPOSITORY = Path(__file__).resolve().parent.parent
LESSON = "02_gradient_attacks/1_fgsm.ipynb"
EXERCISE = "gradient_attacks.fgsm"
PREDICTION = "gradient_attacks.drop"
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
PATIENCE = 60               # seconds for one thing to appear on a busy machine
VIEWPORT = {"width": 1200, "height": 1000}
WIDTHS = (1200, 800)        # of the pictures
LONGEST_MOVE = 1.0          # seconds from a key to the new picture, on a busy machine; tests/test_widgets.py measures the drawing itself

WHERE = "    ...  # your code here"
GRADIENT = "    gradient, = torch.autograd.grad(loss, images)\n"
RIGHT = GRADIENT + "    return (images + epsilon * gradient.sign()).clamp(0, 1).detach()"
DOWN_THE_GRADIENT = RIGHT.replace("images + ", "images - ")
NO_PYTHON = GRADIENT + "    return (images + epsilon * gradient.sign().clamp(0, 1).detach()"
# The file says when the loop has begun: an interrupt that comes earlier would test something else.
ENDLESS = "    open('the_loop_has_begun', 'w').close()\n    while True:\n        pass"

PROMPT = ".jp-InputArea-prompt"                                     # "[3]:", and "[*]:" while the cell runs
# JupyterLab draws a traceback like what was written to stderr, unless something installed knows better.
ERROR = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
GRAY = "rgb(138, 143, 152)"     # the bar of a card that was not tried yet
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


# ---------------------------------------------------------------- a browser, a fresh user, a server
def cannot_test(reason):
    """Skip; but where CI promised a browser, fail."""
    if os.environ.get("MEDCRYPT_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; skips where there is none."""
    if sync_playwright is None:
        cannot_test("Python's playwright is not installed")
    if not hasattr(os, "killpg"):
        cannot_test("the server's processes could not be stopped together on this system")
    programs = [os.environ.get("MEDCRYPT_CHROMIUM")] + [shutil.which(name) for name in BROWSERS]
    program = next(filter(None, programs), None)
    if program is None:
        cannot_test(f"no browser found: none of {', '.join(BROWSERS)} is on the PATH, and MEDCRYPT_CHROMIUM is not set")
    with sync_playwright() as playwright:
        expect.set_options(timeout=1000 * PATIENCE)
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def fresh_user(tmp_path_factory):
    """The environment variables of somebody who has never started JupyterLab or the course."""
    home = tmp_path_factory.mktemp("user")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MEDCRYPT_", "JUPYTER", "IPYTHON"))}
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(home / name.lower())
    environment["MEDCRYPT_WORK"] = str(home / "work")
    # This copy of the package, also for the kernel, whose folder is the lesson's.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return environment


class Server:
    """A running `medcrypt lab`."""

    def __init__(self, address, token, work):
        self.address, self.token, self.work = address, token, work
        self.copy = work / LESSON

    @property
    def front_door(self):
        """Where a student's browser is sent to: JupyterLab goes on from here to the lesson that was asked for."""
        return f"{self.address}/?token={self.token}"

    def page_of(self, notebook, workspace):
        """A workspace of its own keeps JupyterLab from opening again what another page has open."""
        return f"{self.address}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}"

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.address}/api/status?token={self.token}", timeout=5):
                return True
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(browser, fresh_user, tmp_path_factory):
    """`medcrypt lab fgsm`, as a student starts it."""
    said = tmp_path_factory.mktemp("server") / "output.txt"
    with serving([sys.executable, "-m", "medcrypt_lab", "lab", "fgsm"], fresh_user, REPOSITORY, Path(fresh_user["MEDCRYPT_WORK"]), said) as server:
        yield server


@contextlib.contextmanager
def serving(command, environment, folder, work, said):
    """A Server, started in `folder` by the student's own command, but for the browser, the port and the token; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    options = ["--no-browser", "--", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    with said.open("wb") as output:
        process = subprocess.Popen([*command, *options], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    server = Server(f"http://127.0.0.1:{port}", token, work)
    try:
        give_up = time.monotonic() + PATIENCE
        while not server.answers():
            assert process.poll() is None and time.monotonic() < give_up, f"`medcrypt lab` did not start:\n{said.read_text(errors='replace')}"
            time.sleep(0.1)
        yield server
    finally:
        stop(process)


def stop(process):
    """End the process and all that it started: JupyterLab shuts its kernels down when told to terminate, and is killed if it will not."""
    for sign, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        give_up = time.monotonic() + patience
        try:
            os.killpg(process.pid, sign)
            while time.monotonic() < give_up:
                process.poll()          # else it would stay in the group as a zombie
                os.killpg(process.pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return


@pytest.fixture(scope="module")
def lesson(browser, server):
    """The page with the lesson open, nothing run yet."""
    page = browser.new_page(viewport=VIEWPORT)
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(server.front_door)
    kernel_is_ready(page)
    yield page
    page.close()


@pytest.fixture(scope="module")
def run_lesson(lesson):
    """The page after `Run All Cells`."""
    run_all(lesson, len(code_cells(REPOSITORY / "chapters" / LESSON)))
    return lesson


def run_all(page, cells):
    """Run all of the page's so many code cells, to the end. Old outputs are cleared before, so that every output and number seen is a new one."""
    choose(page, "Edit", "Clear Outputs of All Cells")
    choose(page, "Run", "Run All Cells")
    prompts, errors = page.locator(".jp-CodeCell " + PROMPT), page.locator(ERROR)
    # The last cell's number, or an error: after one the rest is never run.
    page.wait_for_function("([prompts, last, error]) => document.querySelector(error)"
                             " || [...document.querySelectorAll(prompts)].at(-1).textContent === last",
                             arg=[".jp-CodeCell " + PROMPT, f"[{cells}]:", ERROR], timeout=3000 * PATIENCE)
    assert not errors.count(), errors.first.text_content()
    expect(prompts).to_have_text([f"[{i + 1}]:" for i in range(cells)])


# ---------------------------------------------------------------- what a student does
def kernel_is_ready(page):
    expect(page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Python 3[^|]*\| Idle"))


def choose(page, menu, entry):
    """Choose an entry of the menu bar."""
    page.locator(".lm-MenuBar-itemLabel").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()


def exercise_cell(page):
    return page.locator(".jp-CodeCell", has_text=f'@exercise("{EXERCISE}")')


def card_of(cell):
    return cell.locator(".jp-OutputArea-output.jp-RenderedHTMLCommon")


def type_answer(page, body):
    """Replace the exercise cell's text by the stub with `body` in place of its dots, and run it."""
    stub = source_of(REPOSITORY / "chapters" / LESSON)
    assert WHERE in stub
    cell = exercise_cell(page)
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(stub.replace(WHERE, body))
    page.keyboard.press("Shift+Enter")


def answer(page, body):
    """Type it, run it, wait until it has run -> the cell."""
    cell = exercise_cell(page)
    prompt = cell.locator(PROMPT)
    before = prompt.text_content()
    type_answer(page, body)
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"^\[\d+\]:$"))
    return cell


def cell_with(page, text):
    """The code cell whose text holds this."""
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))


def run_cell(page, cell, text=None):
    """Run a cell, with this text in place of its own if one is said, and wait until it has run."""
    prompt = cell.locator(PROMPT)
    before = prompt.text_content()
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    if text is not None:
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(text)
    page.keyboard.press("Shift+Enter")
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"^\[\d+\]:$"))


def save(page, path):
    """Press Ctrl-S in the notebook and wait for the file."""
    before = path.stat().st_mtime_ns
    page.keyboard.press("Escape")
    page.keyboard.press("ControlOrMeta+s")
    give_up = time.monotonic() + PATIENCE
    while path.stat().st_mtime_ns == before:
        assert time.monotonic() < give_up, f"{path.name} was not saved"
        page.wait_for_timeout(100)
    expect(page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(0)


def code_cells(path):
    """The code cells of a notebook file."""
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def stored_exercise(path):
    """The exercise's cell in a notebook file."""
    cell, = (c for c in code_cells(path) if f'@exercise("{EXERCISE}")' in "".join(c["source"]))
    return cell


def source_of(path):
    return "".join(stored_exercise(path)["source"])


def nothing_pops_up(page):
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)


def is_exactly(card, markup):
    """Does the page show this HTML as it is stored, nothing taken out?"""
    return card.evaluate("(shown, markup) => { const made = document.createElement('div'); made.innerHTML = markup;"
                         " return made.innerHTML === shown.innerHTML }", markup)


# ---------------------------------------------------------------- pictures for a person to look at
def set_theme(page, theme):
    page.locator(".lm-MenuBar-itemLabel").get_by_text("Settings", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(THEMES[theme], exact=True).click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true" if theme == "light" else "false")


def picture(page, name, place=None):
    """Where pictures are wanted: `place`, or the whole notebook at every width if none is said, in both themes."""
    if not os.environ.get("MEDCRYPT_SCREENSHOTS"):
        return
    folder = Path(os.environ["MEDCRYPT_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        page.set_viewport_size(VIEWPORT)        # the menus need room
        set_theme(page, theme)
        page.wait_for_timeout(500)
        if place is not None:
            place.screenshot(path=folder / f"{name}-{theme}.png")
            continue
        for width in WIDTHS:
            whole_page(page, width)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png")
    page.set_viewport_size(VIEWPORT)


def whole_page(page, width):
    """Only what is in view gets drawn, and its height is known once it was: make all be in view, then cut off what is empty."""
    for height in (14000, None):
        height = height or page.locator(".jp-Cell").last.bounding_box()["y"] + page.locator(".jp-Cell").last.bounding_box()["height"] + 60
        page.set_viewport_size({"width": width, "height": int(height)})
        page.locator(".jp-Cell").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)


# ---------------------------------------------------------------- the tests, in the order of a student's hour
def test_the_lesson_opens_ready_to_read(lesson, server):
    """No dialog, no news; the card of an exercise that nobody ran is there in full, for the copy is trusted."""
    nothing_pops_up(lesson)
    card = card_of(exercise_cell(lesson))
    card.scroll_into_view_if_needed()
    expect(card).to_be_visible()
    expect(card).to_contain_text("not tried yet")
    assert is_exactly(card, "".join(stored_exercise(server.copy)["outputs"][0]["data"]["text/html"]))
    picture(lesson, "card-untried", exercise_cell(lesson))
    hint = card.locator("details").first
    words = hint.locator("div").first
    expect(words).to_be_hidden()
    hint.locator("summary").first.click()
    expect(words).to_be_visible()
    picture(lesson, "card-hint-open", exercise_cell(lesson))


def test_a_page_that_is_not_trusted_shows_its_cards_too(browser, server):
    """Somebody else's copy: JupyterLab takes styles out that it does not know, and what is left must do."""
    text = server.copy.read_text(encoding="utf-8")
    unsigned = server.copy.with_name("unsigned.ipynb")
    unsigned.write_text(text.replace("X-ray", "radiograph", 1), encoding="utf-8")
    page = browser.new_page(viewport=VIEWPORT)
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(server.page_of(unsigned.relative_to(server.work).as_posix(), workspace="unsigned"))
    kernel_is_ready(page)
    card = card_of(exercise_cell(page))
    card.scroll_into_view_if_needed()
    assert not is_exactly(card, "".join(stored_exercise(unsigned)["outputs"][0]["data"]["text/html"])), "this copy was to be an untrusted one"
    expect(card).to_contain_text("not tried yet")
    expect(card.locator("div").first).to_have_css("border-left-color", GRAY)
    card.locator("summary").first.click()
    expect(card.locator("details div").first).to_be_visible()
    picture(page, "lesson-untrusted")
    picture(page, "card-untrusted", exercise_cell(page))
    page.close()


def test_every_cell_runs(run_lesson, server):
    """All cells, in order, without an error or a warning, and with no pop-up on the way."""
    save(run_lesson, server.copy)
    said = [(cell["source"], output) for cell in code_cells(server.copy) for output in cell["outputs"]]
    errors = [(source, output) for source, output in said if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not errors
    expect(run_lesson.locator(ERROR)).to_have_count(0)
    nothing_pops_up(run_lesson)
    picture(run_lesson, "lesson")


def test_a_prediction_is_answered(run_lesson):
    """Not predicted: the truth is folded away. Predicted: it stands beside the student's number."""
    asks = cell_with(run_lesson, f'predict("{PREDICTION}"')
    tells = cell_with(run_lesson, f'reveal("{PREDICTION}"')
    expect(card_of(tells).first).to_contain_text("Not predicted yet")
    expect(card_of(tells).first.locator("details div")).to_be_hidden()
    picture(run_lesson, "prediction-open", tells)
    run_cell(run_lesson, asks, f'predict("{PREDICTION}", 0.3, unit="points of score")')
    expect(card_of(asks)).to_contain_text("You say 0.3 points of score")
    run_cell(run_lesson, tells)
    expect(card_of(tells).first).to_contain_text("You said 0.3 points of score. It is 0.35 points of score. Well judged.")
    picture(run_lesson, "prediction-revealed", tells)


def test_the_panels_slider_moves_by_key(run_lesson):
    """Each press of an arrow key is a new picture, quickly; the same view stands still in the cell above."""
    panel = cell_with(run_lesson, "widgets.panel(")
    handle = panel.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    expect(handle).to_have_attribute("aria-valuenow", "4.0")
    changed = panel.locator(".widget-html-content img").last
    handle.focus()
    for epsilon in ("5.0", "6.0", "7.0"):
        before, began = changed.get_attribute("src"), time.monotonic()
        run_lesson.keyboard.press("ArrowRight")
        expect(changed).not_to_have_attribute("src", before)
        assert time.monotonic() - began < LONGEST_MOVE
        expect(handle).to_have_attribute("aria-valuenow", epsilon)
    still = cell_with(run_lesson, "def view(").locator("img")
    assert still.count() == 3 and panel.locator("img").count() == 3
    picture(run_lesson, "panel", panel)


def test_a_wrong_answer_is_named(run_lesson):
    cell = answer(run_lesson, DOWN_THE_GRADIENT)
    expect(card_of(cell)).to_contain_text("not right yet")
    expect(card_of(cell)).to_contain_text("You went down the gradient")
    picture(run_lesson, "card-wrong", cell)


def test_a_right_answer_is_right(run_lesson):
    cell = answer(run_lesson, RIGHT)
    expect(card_of(cell)).to_contain_text(f"right {EXERCISE}, 3 of 3 points")
    picture(run_lesson, "card-right", cell)


def test_an_endless_loop_can_be_interrupted(run_lesson, server):
    """The interrupt ends the answer, not the course: the card says what happened, and the next answer is judged as always."""
    begun = server.copy.with_name("the_loop_has_begun")
    cell = exercise_cell(run_lesson)
    prompt = cell.locator(PROMPT)
    type_answer(run_lesson, ENDLESS)
    give_up = time.monotonic() + PATIENCE
    while not begun.exists():
        assert time.monotonic() < give_up, "the answer was not run"
        run_lesson.wait_for_timeout(100)
    expect(prompt).to_have_text("[*]:")
    run_lesson.locator(".jp-NotebookPanel-toolbar [data-command='notebook:interrupt-kernel']").click()
    expect(card_of(cell)).to_contain_text("Does a loop never end?")
    expect(prompt).to_have_text(re.compile(r"^\[\d+\]:$"))
    picture(run_lesson, "card-interrupted", cell)


def test_what_python_cannot_read_gets_a_card(run_lesson):
    cell = answer(run_lesson, NO_PYTHON)
    expect(card_of(cell)).to_contain_text("Python cannot read it yet")
    expect(cell.locator(ERROR)).to_have_count(0)
    picture(run_lesson, "card-unreadable", cell)


def test_a_saved_answer_stays(run_lesson, server, fresh_user):
    """What the student saved is on the disk, and the next start of the course leaves it as it is."""
    answer(run_lesson, RIGHT)
    save(run_lesson, server.copy)
    assert source_of(server.copy) == source_of(REPOSITORY / "chapters" / LESSON).replace(WHERE, RIGHT)
    saved = server.copy.read_bytes()
    subprocess.run([sys.executable, "-m", "medcrypt_lab", "lab", "--list"], env=fresh_user, cwd=REPOSITORY, check=True, capture_output=True)
    assert server.copy.read_bytes() == saved


def test_progress_outlives_the_kernel(run_lesson):
    """Restart, then ask in a new cell: what was solved is solved, and a later wrong answer took nothing away."""
    answer(run_lesson, RIGHT)
    run_lesson.locator(".jp-NotebookPanel-toolbar [data-command='notebook:restart-kernel']").click()
    run_lesson.locator(".jp-Dialog .jp-mod-accept").click()
    expect(run_lesson.locator(".jp-Dialog")).to_have_count(0)
    kernel_is_ready(run_lesson)
    run_lesson.locator(".jp-Notebook-footer").click()           # a new cell at the end
    run_lesson.locator(".jp-Cell").last.locator(".cm-content").click()
    run_lesson.keyboard.insert_text("from medcrypt_lab.exercises import progress\nprogress()")
    run_lesson.keyboard.press("Shift+Enter")
    card = card_of(run_lesson.locator(".jp-CodeCell", has_text="import progress"))
    exercises = len(list((REPOSITORY / "chapters").glob("*/exercises/*.py")))
    expect(card).to_contain_text(f"1 of {exercises} exercises solved")
    expect(card).to_contain_text(f"{EXERCISE}: solved")
    expect(card).to_contain_text(f"{PREDICTION}: within 20% of the truth")
    picture(run_lesson, "progress", card)

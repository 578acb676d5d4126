"""The exercise engine in a real IPython shell, on the tiny course: every card a student can meet."""
import ast
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from medcrypt_lab.exercises import files, judging, notebook, refusal, source, vocabulary, wire, work
from medcrypt_lab.grading import encoding
from tests import prove, tiny

DOUBLE = '@exercise("tiny.double")\ndef double(values):\n    return {}\n'
RIGHT = DOUBLE.format("[2 * v for v in values]")


class Notebook:
    """A kernel without a page: `run` executes a cell and gives the texts of its cards and prints."""

    def __init__(self):
        self.shell = InteractiveShell.instance()
        self.shell.display_pub = CapturingDisplayPublisher(shell=self.shell)
        self.run("from medcrypt_lab.exercises import *\nfrom medcrypt_lab.exercises import exercise, solution, progress, verdict")
        notebook.install()

    def run(self, text, fails=False):
        self.shell.display_pub.outputs.clear()
        result = self.shell.run_cell(textwrap.dedent(text), store_history=True)
        assert fails or result.success, result.error_in_exec or result.error_before_exec
        self.html = "".join(o["data"].get("text/html", "") for o in self.shell.display_pub.outputs)
        return "\n".join(o["data"]["text/plain"] for o in self.shell.display_pub.outputs)

    def value(self, expression):
        return self.shell.ev(expression)


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    course = tmp_path / "a course"
    monkeypatch.setenv("MEDCRYPT_ROOT", str(course))
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("MEDCRYPT_PROGRESS", raising=False)
    chapter = tiny.make_course(course)
    tiny.store_notebook(chapter)
    return chapter


@pytest.fixture
def book(chapter):
    work._unsaved.clear()
    notebook._waiting.clear()
    notebook._halves.clear()
    yield Notebook()
    InteractiveShell.clear_instance()


# ---------------------------------------------------------------- the four outcomes
def test_not_tried_yet_and_the_lesson_goes_on(book, chapter):
    card = book.run(source.ExerciseText(chapter / "exercises" / "double.py").stub_cell)
    assert card.startswith("◌ tiny.double: not tried yet")
    assert "2 points, about 3 minutes" in card and "what they show is not yours" in card
    assert book.value("double([3])") == [6] and book.value("double.yours([3])") is None


def test_the_stub_with_comments_is_still_the_stub(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    # a plan\n\n    ...\n')
    assert "not tried yet" in card


def test_not_right_yet_names_the_mistake_and_keeps_the_students_own(book):
    card = book.run(DOUBLE.format("[v * v for v in values]"))
    assert card.startswith("✗ tiny.double: not right yet, 0 of 2 points\n  You squared the numbers")
    assert book.value("double([3])") == [6] and book.value("double.yours([3])") == [9]


def test_the_reference_behind_the_name_does_not_show_itself(book):
    book.run(DOUBLE.format("None"))
    shown = book.shell.object_inspect_mime(  # what `double??` shows
        "double", detail_level=1)["text/plain"]
    assert "Each number of the list, doubled" in shown and "secret_of_the_reference" not in shown


def test_right_gives_the_students_function_and_a_new_thought(book):
    card = book.run(RIGHT)
    assert card.startswith("✓ tiny.double: right, 2 of 2 points") and "Doubling is adding" in card and "ours" not in card
    assert book.value("double is double.yours")


def test_our_own_fault_says_so_and_how_to_report_it(book, chapter):
    path = chapter / "exercises" / "double.py"
    path.write_text(path.read_text().replace("    got = answer(values)", "    got = answer(values) and no_such_name"))
    card = book.run(RIGHT)
    assert card.startswith("! tiny.double: our own fault") and "Please report it" in card and "NameError" in card and "double.py, line" in card
    assert book.value("double([3])") == [6]


def test_a_value_the_check_cannot_read_is_not_called_our_fault(book, chapter):
    path = chapter / "exercises" / "double.py"
    path.write_text(path.read_text().replace("    expect_like(got, [1, 1, 1])\n", "    got[0] + 1\n"))
    card = book.run(DOUBLE.format("['a', 'b', 'c']"))
    assert "not right yet" in card and "could not read" in card


# ---------------------------------------------------------------- what student code may do
def test_an_exception_is_shown_with_the_students_own_line(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    total = 0\n    return values[99]\n')
    assert "Your code stopped with IndexError: list index out of range.\n  line 4 of double: return values[99]" in card


def test_an_exception_in_a_helper_of_another_cell_names_that_line(book):
    book.run("def helper(v):\n    return v.nothing\n")
    card = book.run(DOUBLE.format("[helper(v) for v in values]"))
    assert "line 2 of helper: return v.nothing" in card


DELETES = """@exercise("tiny.double")
def double(values):
    from pydicom.dataset import Dataset
    inner, middle, outer = Dataset(), Dataset(), Dataset()
    inner.CodeMeaning, middle.PurposeOfReferenceCodeSequence = "x", [inner]
    outer.SourceImageSequence = [middle]
    def clean(dataset, element):
        if element.keyword == "CodeMeaning":
            {}
    outer.walk(clean)
"""


@pytest.mark.parametrize("line, said", [
    ("del outer[element.tag]", "KeyError: With tag (0008,0104) got exception: (0008,0104). The dataset that you took it from has no such element"),
    ("element.value - 30", "TypeError: With tag (0008,0104) got exception: unsupported operand type(s) for -: 'str' and 'int'."),
    ("{'a': 1}[element.keyword]", "KeyError: With tag (0008,0104) got exception: 'CodeMeaning'.")])
def test_an_exception_inside_pydicoms_walk_names_the_students_line_and_no_path(book, line, said):
    card = book.run(DELETES.replace("{}", line))
    assert f"Your code stopped with {said}" in card and f"line 9 of clean: {line}" in card
    assert "Traceback" not in card and ".py" not in card


@pytest.mark.parametrize("line, said", [("if numpy.arange(3) < 1: pass", "neither true nor false"), ("numpy.zeros(2, numpy.uint16) - -1", "no room for that one")])
def test_what_numpy_says_is_explained(book, line, said):
    assert said in book.run(f'@exercise("tiny.double")\ndef double(values):\n    import numpy\n    {line}\n')


@pytest.mark.parametrize("line, said", [
    ("b'a' ^ b'b'", "`^` mixes numbers"), ("AES.new(bytes(16), AES.MODE_ECB).encrypt(numpy.zeros(16, numpy.uint8))", "`.tobytes()` lays an array"),
    ("AES.new('k' * 16, AES.MODE_ECB)", "text is none"), ("b'a' + 'b'", "do not mix"), ("'a' + b'b'", "do not mix")])
def test_what_bytes_and_ciphers_say_is_explained(book, line, said):
    assert said in book.run(f'@exercise("tiny.double")\ndef double(values):\n    import numpy\n    from Crypto.Cipher import AES\n    {line}\n')


def test_prints_warnings_and_displays_stand_on_the_card_only(book, capsys):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    import warnings\n    print("looking <b>at</b>", values[1])\n    warnings.warn("careful")\n'
                    '    display("shown")\n    return [2 * v for v in values]\n')
    assert "Your code printed" in card and "| looking <b>at</b> 0" in card and "UserWarning: careful" in card and "'shown'" in card
    assert "looking &lt;b&gt;at" in book.html and "<b>at" not in book.html
    printed = capsys.readouterr()
    assert "looking" not in printed.out + printed.err and len(book.shell.display_pub.outputs) == 1


def test_other_ways_to_print_stand_on_the_card_too(book, capfd):
    book.run("import logging\nlogging.basicConfig(level=10, force=True)\n")
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    import logging, os, subprocess, sys\n    logging.info("logged")\n'
                    '    os.write(1, b"by number\\n")\n    subprocess.run([sys.executable, "-c", "print(\'by another program\')"])\n'
                    '    print("by the back door", file=sys.__stderr__, flush=True)\n    return [2 * v for v in values]\n')
    book.run("logging.basicConfig(level=logging.WARNING, handlers=[], force=True)\n")
    for words in ("INFO:root:logged", "by number", "by another program"):
        assert words in card
    printed = capfd.readouterr()
    assert "by number" not in printed.out and "by another" not in printed.out and "logged" not in printed.err
    print("and the page is there again")
    assert "there again" in capfd.readouterr().out


def test_a_flood_of_prints_is_cut(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    for i in range(100000):\n        print(i)\n    return [2 * v for v in values]\n')
    assert len(card) < 2000 and "(and more)" in card
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    import warnings\n    print("x" * 100000)\n    warnings.warn("careful")\n    return values\n')
    assert "UserWarning: careful" in card and "(cut here: about 1000" in card and len(card) < 6000


def test_seeds_and_global_state_are_as_before(book):
    import numpy
    import torch
    random.seed(5), numpy.random.seed(5), torch.manual_seed(5)
    folder, threads = os.getcwd(), torch.get_num_threads()
    before = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    book.run('''
        import os, random, sys, numpy, torch
        @exercise("tiny.double")
        def double(values):
            random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
            os.environ["LEFT_BEHIND"] = "1"
            os.chdir("/")
            sys.setrecursionlimit(5000)
            torch.set_grad_enabled(False)
            torch.set_default_dtype(torch.float64)
            numpy.seterr(all="raise")
            return [2 * v for v in values]
        ''')
    assert (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert "LEFT_BEHIND" not in os.environ and os.getcwd() == folder and sys.getrecursionlimit() != 5000
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32 and torch.get_num_threads() == threads
    assert numpy.geterr()["divide"] == "warn"


def test_open_figures_are_closed(book):
    import matplotlib.pyplot as plt
    plt.figure()
    before = plt.get_fignums()
    book.run('@exercise("tiny.double")\ndef double(values):\n    import matplotlib.pyplot as plt\n    plt.plot(values)\n    plt.figure()\n    return [2 * v for v in values]\n')
    assert plt.get_fignums() == before
    plt.close("all")


def test_an_argument_changed_in_place_fails_by_name(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    for i, v in enumerate(values):\n        values[i] = 2 * v\n    return values\n')
    assert "changed its argument `values` in place" in card


@pytest.mark.parametrize("head", ["def double(numbers, more):", "def double():"])
def test_other_arguments_are_named(book, head):
    assert "The arguments of `double` should stay as they were" in book.run(f'@exercise("tiny.double")\n{head}\n    return 1\n')


@pytest.mark.parametrize("value, said", [("{1, 2}", "a set"), ("(v for v in values)", "a generator"), ("len", "a builtin_function"), ("10**5000", "a number of 16610 bits")])
def test_strange_results_are_named(book, value, said):
    card = book.run(DOUBLE.format(value))
    assert "not right yet" in card and said in card


def test_a_recursive_answer_calls_itself(book):
    head = '@exercise("tiny.greatest")\ndef greatest(a, b):\n'
    assert "right, 1 of 1" in book.run(head + "    return a if b == 0 else greatest(b, a % b)\n")
    card = book.run(head + "    return 0 if b == 0 else greatest(b, a % b)\n")
    assert "not right yet" in card          # a second, wrong one must not reach the first run's
    assert "RecursionError" in book.run(head + "    return greatest(a, b)\n")


def test_a_renamed_function_is_bound_under_both_names(book):
    card = book.run('@exercise("tiny.double")\ndef mine(values):\n    return [2 * v for v in values]\n')
    assert "right, 2 of 2" in card and "Your function is called mine" in card
    assert book.value("double([1])") == [2] and book.value("mine([1])") == [2]


def test_a_call_into_a_ready_made_answer_does_not_count(book):
    card = book.run('import textwrap\n@exercise("tiny.double")\ndef double(values):\n    textwrap.dedent("")\n    return [2 * v for v in values]\n')
    assert "a call into textwrap does not count" in card and "line 4 of double" in card
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    try:\n        textwrap.dedent("")\n    except Exception:\n        pass\n    return [2 * v for v in values]\n')
    assert "a call into textwrap does not count" in card


def test_an_endless_loop_can_be_interrupted(book):
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    while True:\n        pass\n')
    assert time.perf_counter() - began < 10 and "You stopped it" in card and "Does a loop never end?" in card
    assert book.value("double([3])") == [6]


def test_a_base_exception_of_the_answer_is_a_card(book):
    assert "SystemExit" in book.run('@exercise("tiny.double")\ndef double(values):\n    raise SystemExit(3)\n')


def test_what_was_printed_before_an_interrupt_is_kept(book):
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    print("begun")\n    while True:\n        pass\n')
    assert "| begun" in card and ("line 4 of double" in card or "line 5 of double" in card)


def test_an_exception_or_result_that_cannot_be_read_is_no_fault_of_ours(book):
    card = book.run('class Dumb(Exception):\n    def __str__(self):\n        raise ValueError\n@exercise("tiny.double")\ndef double(values):\n    raise Dumb\n')
    assert "Your code stopped with Dumb" in card and "line 6 of double" in card
    card = book.run('class Odd(list):\n    def __iter__(self):\n        raise ValueError\n@exercise("tiny.double")\ndef double(values):\n    return Odd([1])\n')
    assert "a Odd that cannot be read" in card


def test_printing_on_a_closed_page_and_half_characters(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    import sys\n    sys.stdout.close()\n    print("\\ud800 \\x1b[2K still here")\n    return [2 * v for v in values]\n')
    assert "right, 2 of 2" in card and "?  still here" in card


def test_an_import_that_calls_what_is_refused_is_allowed(book):
    card = book.run('@exercise("tiny.double")\ndef double(values):\n    import argparse\n    argparse.ArgumentParser(description="x " * 99).format_help()\n    return [2 * v for v in values]\n')
    assert "right, 2 of 2" in card          # argparse uses textwrap: its own business


@pytest.mark.parametrize("cell", ['if True:\n    @exercise("tiny.double")\n    def double(values):\n        return [2 * v for v in values]\n',
                                  'exercise("tiny.double")(lambda values: [2 * v for v in values])\n',
                                  'class A:\n    def double(self, values):\n        return [2 * v for v in values]\nexercise("tiny.double")(A().double)\n'])
def test_other_forms_of_functions_are_judged(book, cell):
    assert "right, 2 of 2" in book.run(cell)


def test_our_stand_in_is_never_judged_as_the_students(book):
    book.run(DOUBLE.format("values"))
    assert "list unchanged" in book.run('exercise("tiny.double")(double)')
    assert "list unchanged" in book.run('@exercise("tiny.double")\n@exercise("tiny.double")\ndef double(values):\n    return values\n')


def test_an_answer_cannot_lean_on_our_stand_in_for_another_exercise(book, chapter):
    book.run(source.ExerciseText(chapter / "exercises" / "quadruple.py").stub_cell)
    card = book.run(DOUBLE.format("[v // 2 for v in quadruple(values)]"))
    assert "quadruple is still ours" in card and "0 of 2" in card
    assert book.value("quadruple([1])") == [4]


def test_a_recursive_answer_may_have_another_name(book):
    head = '@exercise("tiny.greatest")\ndef gcd(a, b):\n'
    assert "not right yet" in book.run(head + "    return 0\n")
    assert "not right yet" in book.run(head + "    return 0 if b == 0 else gcd(b, a % b)\n")
    assert "right, 1 of 1" in book.run(head + "    return a if b == 0 else gcd(b, a % b)\n")


def test_a_magic_above_the_exercise(book):
    assert "not tried yet" in book.run('%%time\n@exercise("tiny.double")\ndef double(values):\n    ...\n')
    for n in (3, 4):
        assert "not right yet" in book.run('%%time\n' + DOUBLE.format(f"[{n} * v for v in values]"))
    assert work.results()["tiny.double"] == {"solved": False, "tries": 2}
    assert "right, 2 of 2" in book.run("%%time\n" + RIGHT)


def test_the_decorator_without_its_name_is_told(book):
    assert "should name the exercise" in book.run("@exercise\ndef double(values):\n    return values\n")


def test_an_oracle_given_what_is_not_plain_says_so():
    def check(answer, random):
        answer(lambda value: value)

    outcome = run_check(check, lambda oracle: oracle(v for v in [1]))
    assert "you passed a generator" in outcome.sentence and "returned" not in outcome.sentence


def test_logging_inside_an_answer_leaves_nothing_behind(book):
    import logging
    before = list(logging.root.handlers), logging.root.level
    book.run('@exercise("tiny.double")\ndef double(values):\n    import logging\n    logging.basicConfig(level=10, force=True)\n    logging.disable(50)\n    return [2 * v for v in values]\n')
    assert (list(logging.root.handlers), logging.root.level) == before and logging.root.manager.disable == 0


# ---------------------------------------------------------------- cells that Python cannot read
def test_a_refusal_that_an_exercise_asks_for_is_told_apart_from_other_ends():
    def opened(sealed):
        if sealed == b"forged":
            raise ValueError("the tag does not fit")
        if sealed == b"own":
            return textwrap.dedent("x")
        return sealed[0]

    exercise = SimpleNamespace(id="tiny.opened", name="opened", functions=["opened"], without=["textwrap"], changes=(), points=1)
    outcome = judging.Outcome(exercise.id, 1)
    answer = judging.Answer(exercise, judging.Local({"opened": opened}), outcome, 0)
    token = vocabulary.current.set(outcome)
    try:
        assert refusal(lambda: answer(b"forged")) == "ValueError" and outcome.where is None
        assert refusal(lambda: answer(b"right")) is None
        assert refusal(lambda: answer(b"")) == "IndexError"
        with pytest.raises(vocabulary.NotYet, match="textwrap"):        # what may not be used at all is no refusal
            refusal(lambda: answer(b"own"))
        with pytest.raises(vocabulary.NotYet, match="arguments"):
            refusal(lambda: answer(b"right", 2))
    finally:
        vocabulary.current.reset(token)


def test_a_syntax_error_becomes_a_card_and_the_lesson_goes_on(book):
    card = book.run('@exercise("tiny.double")\ndef double(values)\n    return values\n')
    assert "Python cannot read it yet: expected ':'" in card and "line 2: def double(values)" in card
    assert book.value("double([3])") == [6]
    card = book.run('@exercise("tiny.double")\ndef double(values):\nreturn [2 * v for v in values]\n')
    assert "cannot read it yet: expected an indented block" in card


@pytest.mark.parametrize("body, said", [
    ("    for v in values:\n        x = v\n   return x\n", "unindent does not match"), ("    pass\nreturn 3\n", "'return' outside function"),
    ("    return (values\n", "was never closed"), ("    break\n", "'break' outside loop"), ("<<<<<<< mine\n    return 1\n", "expected an indented block")])
def test_every_kind_of_syntax_error_becomes_a_card(book, body, said):
    card = book.run('# my answer\n@exercise("tiny.double")\ndef double(values):\n' + body)
    assert "Python cannot read it yet" in card and said in card
    assert book.value("double([3])") == [6] and "_n" not in book.shell.user_ns


def test_a_syntax_error_elsewhere_is_pythons(book):
    assert book.run("def f(:\n", fails=True) == ""


def test_an_unknown_id_is_a_sentence(book):
    card = book.run('@exercise("tiny.dubble")\ndef double(values):\n    return 1\n')
    assert "There is no exercise named 'tiny.dubble'" in card and book.value("double(1)") == 1


# ---------------------------------------------------------------- pairs, given, uses
def test_a_pair_is_judged_with_its_last_half(book, chapter):
    text = source.ExerciseText(chapter / "exercises" / "lock.py")
    assert "tiny.lock: not tried yet" in book.run(text.stub_cell)
    assert book.value('unlock(lock(b"ab", 3), 3)') == b"ab"
    assert "right, 2 of 2" in book.run(text.reference_cell)
    half = text.cell({**text.stubs, "lock": text.text_of(text.function("lock"))})
    card = book.run(half)
    assert "`unlock` is still empty" in card and "1 of 2 points" in card and "call lock and unlock get the course's" in card
    assert book.value('unlock(lock(b"ab", 3), 3)') == b"ab"


def test_find_the_bug(book, chapter):
    cell = source.ExerciseText(chapter / "exercises" / "share.py").stub_cell
    assert "return right / wrong" in cell and "given" not in cell
    card = book.run(cell)
    assert "not tried yet" in card and "Find the bug, mend it and run the cell" in card
    assert "right, 1 of 1" in book.run(cell.replace("right / wrong", "right / (right + wrong)"))


def test_an_exercise_uses_the_students_earlier_answer(book):
    book.run('seen = []\n@exercise("tiny.double")\ndef double(values):\n    seen.append(1)\n    return [2 * v for v in values]\n')
    calls = book.value("len(seen)")
    assert "right" in book.run('@exercise("tiny.quadruple")\ndef quadruple(values):\n    return double(double(values))\n')
    assert book.value("len(seen)") == calls + 4


# ---------------------------------------------------------------- release
def release(chapter):
    for path in (chapter / "exercises").glob("*.py"):
        path.write_text(source.ExerciseText(path).released)


def test_in_a_release_cells_wait_for_what_is_not_solved(book, chapter):
    stub = source.ExerciseText(chapter / "exercises" / "double.py").stub_cell
    release(chapter)
    assert "ours" not in book.run(stub)
    assert book.run("doubled = double([1, 2])") == "This cell waits for the exercise tiny.double: solve it above, then run this cell."
    assert "waits for the exercise tiny.double" in book.run("print(sum(doubled))")          # what a held cell would have made
    assert book.run("other = 3") == ""
    assert "waits" in book.run('@exercise("tiny.quadruple")\ndef quadruple(values):\n    return double(double(values))\n')
    assert book.run("doubled = [7]\n") == "" and book.run("sum(doubled)\n") == ""          # bound anew: no longer waiting
    assert "right" in book.run(RIGHT)
    assert book.run("doubled = double([1, 2])") == "" and book.value("doubled") == [2, 4]
    assert "right" in book.run('@exercise("tiny.quadruple")\ndef quadruple(values):\n    return double(double(values))\n')


def test_in_a_release_scratch_cells_do_not_wait(book, chapter):
    stub = source.ExerciseText(chapter / "exercises" / "double.py").stub_cell
    release(chapter)
    book.run(stub)
    assert "waits" in book.run("for k in range(3):\n    print(double([k]))")
    assert book.run("for k in range(3):\n    k") == "" and book.run("k = 5\nassert k + 1 == 6") == ""
    assert "waits" in book.run("try:\n    import statistics\n    double([1])\nfinally:\n    pass")
    assert "waits" in book.run("statistics.mean([1])")
    assert book.run("assert [v for v in range(3)] == [0, 1, 2]") == ""


def test_in_a_release_a_recursive_answer_is_not_held_back(book, chapter):
    release(chapter)
    head = '@exercise("tiny.greatest")\ndef greatest(a, b):\n'
    assert "not right yet" in book.run(head + "    return min(a, b)\n")
    assert "right, 1 of 1" in book.run(head + "    return a if b == 0 else greatest(b, a % b)\n")


def test_in_a_release_there_is_no_solution(book, chapter):
    release(chapter)
    book.run(RIGHT)
    assert "holds no solution" in book.run('solution("tiny.double")')


# ---------------------------------------------------------------- cells run out of order
def test_a_name_that_an_exercise_or_a_cell_above_makes_is_traced_to_it(book, capsys):
    assert "`double` comes from the exercise tiny.double: run its cell, then this one again." in book.run("double([1])", fails=True)
    assert "`doubled` comes from an earlier cell of the lesson" in book.run("print(doubled)", fails=True)
    assert book.run("print(a_slip_of_the_pen)", fails=True) == ""
    said = capsys.readouterr().out                                  # the traceback stands above, as ever
    assert all(f"name '{name}' is not defined" in said for name in ("double", "doubled", "a_slip_of_the_pen"))


# ---------------------------------------------------------------- progress, solution, hints
def test_solution_after_success_or_two_different_tries(book):
    assert "you have tried 0" in book.run('solution("tiny.double")')
    for _ in range(3):
        book.run(DOUBLE.format("values"))
    assert "you have tried 1" in book.run('solution("tiny.double")')
    book.run(DOUBLE.format("values + values"))
    assert "secret_of_the_reference" in book.run('solution("tiny.double")')
    assert "There is no exercise" in book.run('solution("tiny.nothing")')


def test_progress_outlives_the_kernel_and_a_damaged_line(book, tmp_path):
    book.run(RIGHT)
    book.run(DOUBLE.format("values"))
    with open(tmp_path / "work" / "progress.jsonl", "a") as log:
        log.write('{"half a line\n[1, 2]\n')
    book.run('@exercise("tiny.greatest")\ndef greatest(a, b):\n    return 1\n')
    text = book.run("progress()")
    assert "1 of 5 exercises solved" in text and "✓ tiny.double: solved" in text and "✗ tiny.greatest: not right yet" in text and "◌ tiny.lock" in text


def test_a_log_cut_in_the_middle_of_a_line_does_not_swallow_the_next(book, tmp_path):
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work" / "progress.jsonl").write_text('{"event": "try"\n' + "[" * 9999 + '\n{"event": "tr')
    book.run(RIGHT)
    assert "1 of 5 exercises solved" in book.run("progress()")


def test_two_kernels_never_lose_each_others_events(chapter, tmp_path):
    code = "from medcrypt_lab.exercises import work\nfor i in range(200):\n    work.record({'event': 'try', 'id': 'tiny.double', 'status': 'wrong', 'code': i})"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [p.wait() for p in both] == [0, 0] and len(work.events()) == 400


def test_progress_without_a_writable_folder_lasts_as_long_as_the_kernel(book, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("MEDCRYPT_WORK", str(tmp_path / "a file" / "below"))
    book.run(RIGHT)
    assert "1 of 5 exercises solved" in book.run("progress()")


def test_hints_are_nested_details(book):
    book.run(DOUBLE.format("values"))
    assert book.html.count("<details") == 3 and book.html.index("Hint 1 of 3") < book.html.index("Hint 2 of 3") < book.html.index("</details>")
    for gone in ("<style", "var(", "onclick", "<svg"):      # a page that was never run drops these
        assert gone not in book.html


def test_a_card_holds_no_path_and_no_time(book, tmp_path):
    for answer in ("values[99]", "values", "[2 * v for v in values]"):
        card = book.run(DOUBLE.format(answer)) + book.html
        assert str(tmp_path) not in card and "ipython-input" not in card and " ms" not in card


def test_verdict_is_a_box_and_refuses_an_unknown_outcome(book):
    words = dict(metric="m", published="none", measured="1", attack="a", because="b")
    assert "Verdict A1: reproduced" in book.run(f"verdict('A1', outcome='reproduced', **{words})")
    assert "Verdict C1: stands under no collusion" in book.run(f"verdict('C1', outcome='stands under no collusion', **{words})")
    for outcome in ("fine", "stands under "):
        with pytest.raises(ValueError, match="outcome of verdict A1"):
            notebook.verdict("A1", outcome=outcome, **words)


# ---------------------------------------------------------------- the student's folder
def test_work_lies_beside_the_course_or_at_home_where_that_is_read_only(chapter, monkeypatch, tmp_path):
    monkeypatch.delenv("MEDCRYPT_WORK")
    assert work.folder() == files.root() / "work"
    monkeypatch.setattr(os, "access", lambda path, mode: False)     # root may write everywhere
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert work.folder() == tmp_path / "medcrypt-lab-work"


# ---------------------------------------------------------------- oracles, changes
def exercise_of(check, functions=("ask",), **settings):
    return files.Exercise(id="tiny.ask", name=functions[0], title="", functions=functions, stubs={}, references={}, check=check,
                          points=1, minutes=1, difficulty=1, **settings)


def run_check(check, answer, **settings):
    return judging.judge(exercise_of(check, **settings), judging.Local({"ask": answer}))


def test_an_oracle_may_be_asked_only_so_often():
    from medcrypt_lab.exercises import expect

    def check(answer, random):
        expect("adds up", answer(lambda v: v + 1) == 20_000, "no", points=1)

    assert run_check(check, lambda oracle: [oracle(1) for _ in range(20_000)].count(2)).status == "right"
    outcome = run_check(check, lambda oracle: [oracle(1) for _ in range(20_001)].count(2))
    assert outcome.status == "wrong" and "TooManyCalls" in outcome.sentence


def test_an_oracle_may_use_what_the_answer_may_not():
    from medcrypt_lab.exercises import expect

    def check(answer, random):
        expect("asks", answer(lambda text: textwrap.dedent(text)) == "a", "no", points=1)

    assert run_check(check, lambda oracle: oracle("  a"), without=["textwrap"]).status == "right"
    assert "does not count" in run_check(check, lambda oracle: textwrap.dedent("  a"), without=["textwrap"]).sentence


def test_what_an_exercise_lets_the_answer_change_comes_back():
    from medcrypt_lab.exercises import expect

    def check(answer, random):
        result, state = answer([1, 2])
        expect("changes the state", (result, state) == ("done", [1, 2, 3]), "no", points=1)

    def ask(state):
        state.append(3)
        return "done"

    assert run_check(check, ask, changes=["state"]).status == "right"
    assert "in place" in run_check(check, ask).sentence


def test_the_slopes_of_a_loss_come_back_and_leave_no_note():
    import torch

    from medcrypt_lab.exercises import expect

    def check(answer, random):
        loss, slopes = answer(torch.tensor([1.0, 2.0]))
        expect("slopes", not loss.requires_grad and slopes is not None and slopes.tolist() == [2, 4], "no", points=1)

    outcome = run_check(check, lambda x: (x ** 2).sum(), changes=["slopes"])
    assert outcome.status == "right" and not outcome.notes
    for cut in (lambda x: (x.detach() ** 2).sum(), lambda x: torch.tensor(5.0), lambda *all: torch.ones(2)):
        assert run_check(check, cut, changes=["slopes"]).sentence == "no"

    def each(answer, random):
        values, slopes = answer(torch.tensor([1.0, 2.0]))
        expect("slopes of the sum", values.tolist() == [1, 4] and slopes.tolist() == [2, 4], "no", points=1)

    assert run_check(each, lambda x: x ** 2, changes=["slopes"]).status == "right"


def test_a_model_left_in_another_mode_fails_and_gradients_are_a_note():
    import torch

    from medcrypt_lab import models
    from medcrypt_lab.exercises import expect

    def check(answer, random):
        expect("is one", answer(models.make("linear", classes=2, size=2)) == 1, "no", points=1)

    def trains(model):
        model.train()
        return 1

    def leaves_gradients(model):
        model(torch.ones(1, 1, 2, 2)).sum().backward()
        return 1

    assert "left `model` in another mode" in run_check(check, trains).sentence
    outcome = run_check(check, leaves_gradients)
    assert outcome.status == "right" and "left gradients on the parameters of `model`" in outcome.notes[0]


# ---------------------------------------------------------------- plain data
def plain_values():
    import numpy
    import torch

    from medcrypt_lab import models
    values = [None, ..., True, 0, -1, 2**53, -2**200, 10**5000, 1.5, -0.0, float("inf"), float("-inf"), float("nan"), 1 + 2j, "", "ü\ud800", b"", b"\x00\xff",
              bytearray(b"ab"), [], [1, [2, (3,)]], (), {"a": [1], 2: None, (1, 2): b"x"}, numpy.arange(6.0).reshape(2, 3), numpy.array([]), numpy.complex64(2.5j),
              numpy.array(True), numpy.arange(3, dtype=">i4"), torch.tensor([1.0, float("nan"), -float("inf")]), torch.zeros(0, 3), torch.tensor(7),
              torch.ones(2, 2, dtype=torch.bfloat16), torch.tensor([True]), torch.arange(6).reshape(2, 3).T, models.make("small_cnn", classes=3)]
    return values


def test_plain_data_survive_copying_and_bytes():
    for value in plain_values():
        for again in (wire.plain(value), encoding.decode(encoding.encode(value))):
            assert wire.same(value, again) and type(again) is type(value), wire.short(value)


def test_a_number_of_numpys_is_taken_as_the_number_it_is():
    import numpy

    from medcrypt_lab.exercises import close, expect_like
    for value, number in [(numpy.float64(0.5), 0.5), (numpy.float32(0.25), 0.25), (numpy.int64(3), 3), (numpy.uint8(200), 200), (numpy.bool_(True), True)]:
        def check(answer, random):
            for result in (answer(), answer()):
                expect_like(result, ("a", [number]))
                assert type(result[1][0]) is type(number) and result == ("a", [number]) and close(result[1][0], number)

        for runner in (judging.Local, prove.ThroughBytes):
            assert judging.judge(exercise_of(check), runner({"ask": lambda: ("a", [value])})).status == "right"
        assert wire.plain(encoding.decode(encoding.encode(value))) == number
        assert close(number, value) and close(value, number) and not close(value, number + 1) and wire.kind_of(value) == wire.kind_of(number)
        assert wire.plain(numpy.array(number)).shape == ()          # an array with one number in it is still an array
    assert not close([1.0], numpy.float64(1)) and not close(numpy.float64("nan"), numpy.float64("nan"))


def test_a_copy_shares_nothing():
    import torch
    tensor = torch.zeros(3)
    values = {"a": [tensor]}
    wire.plain(values)["a"][0].add_(1)
    assert tensor.sum() == 0


@pytest.mark.parametrize("value", [object(), {1, 2}, range(3), print, [[object()]]], ids=["an object", "a set", "a range", "a function", "an object deep inside"])
def test_what_is_not_plain_is_refused_by_name(value):
    for way in (wire.plain, encoding.encode):
        with pytest.raises(wire.NotPlain):
            way(value)


def test_bottomless_data_are_refused():
    loop = []
    loop.append(loop)
    for way in (wire.plain, encoding.encode):
        with pytest.raises(wire.NotPlain, match="nested"):
            way(loop)


def test_a_damaged_message_raises_only_our_error():
    stream = random.Random(3)
    messages = [encoding.encode(v) for v in plain_values()[:-1]]
    for _ in range(4000):
        damaged = bytearray(stream.choice(messages))
        for _ in range(stream.randrange(1, 4)):
            if damaged:
                damaged[stream.randrange(len(damaged))] = stream.randrange(256)
        damaged = damaged[:stream.randrange(len(damaged) + 1)] if stream.random() < 0.3 else damaged
        try:
            encoding.decode(bytes(damaged))
        except wire.NotPlain:
            pass


def test_short_never_raises_and_is_never_long():
    class Nasty:
        def __repr__(self):
            raise RuntimeError

    for value in [Nasty(), 10**5000, "x" * 9999, [10**5000], *plain_values()]:
        assert len(wire.short(value)) <= 100


# ---------------------------------------------------------------- speed
def test_the_engine_takes_under_50_ms(book):
    cell = RIGHT
    book.run(cell)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        book.run(cell)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05, f"the fastest of five took {1000 * min(times):.0f} ms"


def test_importing_the_package_is_fast_and_needs_no_torch():
    # One core's work, not the clock: on a machine that does other things besides, the clock says little.
    code = "import time; t = time.process_time(); import medcrypt_lab, medcrypt_lab.exercises, sys; print(time.process_time() - t, 'torch' in sys.modules)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    assert min(float(seconds) for seconds, _ in runs) < 0.3 and all(torch == "False" for _, torch in runs)


@pytest.mark.parametrize("text, names", [
    ("import a.b, c.d as e", "a e"), ("from x import y as z, w", "z w"), ("from x import *", ""), ("a = b[i], (c, *d) = 3, x.y", "a c d"),
    ("x: int", "x"), ("x += 1", "x"), ("del a, b[0]", "a"), ("print(f'{(n := 3)}', lambda q, r=(u := 1): (v := q))", "n u"),
    ("[(k := i) for i in range(3)]", "k"), ("for a, (b, c) in x:\n    def g(h): i = 3\nelse:\n    m = 1", "a b c g m"),
    ("with a as b, c as (d, e):\n    pass", "b d e"), ("try:\n    import z\nexcept E as f:\n    class K: l = 1", "z f K"),
    ("match x:\n    case {'a': b, **rest}: pass\n    case [c, *others] | K(z=q) as whole: pass", "b rest c others q whole"), ("async def f(): y = 1", "f")])
def test_the_names_that_a_statement_binds(text, names):
    statement, = ast.parse(text).body
    assert source.names_bound(statement) == set(names.split())

"""An exercise file's answers as the student's cells they stand for: executed from their own text, judged like a student's."""
import itertools
import linecache

from medcrypt_lab.exercises import files, judging
from medcrypt_lab.exercises.source import ExerciseText

_number = itertools.count(1)


def run_cell(text, label="answer"):
    """Execute text as a cell would -> its namespace. Tracebacks and inspect.getsource find its lines."""
    filename = f"<cell {label} {next(_number)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space = {"__name__": "__main__"}
    exec(compile(text, filename, "exec"), space)
    return space


def functions(path, answer=None):
    """name -> function for an Answer of the exercise file, or for the reference."""
    text = ExerciseText(path)
    space = run_cell(text.answer_cell(answer), answer.name if answer else "reference")
    return {name: space[name] for name in text.functions}


def judge_reference(path):
    """-> the exercise and the outcome of its reference answer."""
    exercise = files.load(path)
    return exercise, judging.judge(exercise, judging.Local(functions(path)))

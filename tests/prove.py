"""Proving an exercise file: what a check must accept and refuse before it may ship. Used on every exercise of the course, and by
test_prove.py on exercises that are wrong on purpose."""
import contextlib
import random
import time

from medcrypt_lab.authoring import answers
from medcrypt_lab.exercises import calling, card, files, judging, wire
from medcrypt_lab.exercises.source import ExerciseText
from medcrypt_lab.grading import encoding

SLOWEST_CHECK = 2.0         # seconds of one core: on a machine that does other things besides, the clock says little
SEEDS = 20
FEWER_SEEDS = 5             # where 20 would take over 10 s an exercise


def odd_values():
    import numpy
    import torch
    return [10**5000, -1, 0, True, 2.5, float("nan"), float("inf"), 1j, "", "text", b"", b"\xff" * 40, [], [[]], (), (None, None), (0.5, 10**5000),
            {}, {"a": 1}, [1, "2", None], ..., set(), object(), type, range(3), bytearray(3), torch.tensor(float("nan")), torch.zeros(0),
            torch.zeros(2, 3, dtype=torch.int64), numpy.zeros((0, 3)), numpy.array(["a"]), numpy.float64(1)]


class Tried(judging.Local):
    """An answer that is judged even if it is the stub: the @given function of a find-the-bug exercise is proved as a wrong answer too."""

    def source(self, name):
        return None


class ThroughBytes(Tried):
    """A second runner: every argument and result is encoded to bytes and decoded again, as across a process boundary."""

    def call(self, name, args, kwargs, seed, *, without=(), changes=()):
        callables = []

        def export(function):
            callables.append(function)
            return len(callables) - 1

        def proxy(handle):
            def remote(*args, **kwargs):
                sent_args, sent_kwargs = encoding.decode(encoding.encode((args, kwargs)))
                return encoding.decode(encoding.encode(callables[handle](*sent_args, **sent_kwargs)))
            return remote

        args, kwargs = encoding.decode(encoding.encode((args, kwargs), export), proxy)
        report = calling.call(self.functions[name], args, kwargs, seed, without=without, changes=changes)
        return encoding.decode(encoding.encode(report))


def words(exercise, outcome):
    """The card's text."""
    return card.draw(exercise, outcome)[0]


def judge(exercise, functions, seed=None, runner=Tried):
    outcome = judging.judge(exercise, runner(functions), seed)
    assert outcome.check_error is None, f"the check broke: {outcome.check_error}"
    return outcome


def judge_once(exercise, label, functions, seed):
    """As judge, in this process; what one proof found, the next need not find again."""
    found = vars(exercise).setdefault("judged", {})
    if (label, seed) not in found:
        found[label, seed] = judge(exercise, functions, seed)
    return found[label, seed]


def every_answer(path):
    """[(label, role, words, functions)] of the reference and all answers of the file."""
    text = ExerciseText(path)
    found = [("the reference", "right", (), answers.functions(path))]
    return found + [(a.name, "right" if a.role == "right" else "wrong", a.words, answers.functions(path, a)) for a in text.answers]


def stub_is_untried(path):
    exercise, text = files.load(path), ExerciseText(path)
    imports = "import torch\nfrom torch.nn import functional\n"
    space = answers.run_cell(imports + "\n".join(text.stubs.values()), "stub")
    assert judge(exercise, {n: space[n] for n in text.functions}, runner=judging.Local).status == judging.UNTRIED, "the untouched stub is not `not tried yet`"


@contextlib.contextmanager
def one_thread():
    """torch on one core: several threads that wait for a busy machine would count as work."""
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def right_answers_pass(path):
    exercise = files.load(path)
    found = [a for a in every_answer(path) if a[1] == "right"]
    assert len(found) >= 3, "fewer than two right answers beside the reference"
    for label, _, _, functions in found:
        for _ in range(2):              # the second is measured: a first check may load a network, which the lesson has loaded long before
            began = time.process_time()
            with one_thread():
                outcome = judge(exercise, functions)
            seconds = time.process_time() - began
        assert outcome.status == judging.RIGHT, f"{label} does not pass:\n{words(exercise, outcome)}"
        assert seconds < SLOWEST_CHECK, f"the check of {label} took {seconds:.1f} s"
        assert outcome.points == exercise.points, f"the points of {label} add up to {outcome.points}, not {exercise.points}"
        assert outcome.passed[-1][1] > 0, "the last property carries no points"


def wrong_answers_are_told_apart(path):
    exercise = files.load(path)
    cards, wanted = {}, {}
    for label, role, said, functions in every_answer(path):
        if role == "wrong":
            outcome = judge(exercise, functions)
            cards[label], wanted[label] = words(exercise, outcome), said
            assert outcome.status == judging.WRONG, f"{label} passes"
            assert outcome.points < exercise.points, f"{label} earns all points"
            assert all(w in cards[label] for w in said), f"the card of {label} lacks {said}:\n{cards[label]}"
    assert len(cards) >= 4, "fewer than four wrong answers"
    for label, said in wanted.items():
        for other, text in cards.items():
            assert other == label or not all(w in text for w in said), f"the words of {label} also stand on the card of {other}"


def like(value, make):
    """A value of the same kind and shape, its numbers made by `make`."""
    if hasattr(value, "dtype"):
        import torch
        tensor = torch.as_tensor(value)
        flat = torch.tensor([make(float(v)) for v in tensor.double().flatten()], dtype=torch.double)
        return flat.reshape(tensor.shape).to(tensor.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(like(v, make) for v in value)
    if isinstance(value, (bytes, bytearray)):
        return type(value)(int(make(v)) % 256 for v in value)
    return type(value)(make(float(value))) if type(value) in (int, float) and abs(value) < 1e300 else value


def shuffled(value, stream):
    if getattr(value, "ndim", 0):
        import torch
        flat = torch.as_tensor(value).flatten()
        return flat[stream.sample(range(len(flat)), len(flat))].reshape(value.shape)
    if isinstance(value, (list, tuple, bytes)):
        return type(value)(stream.sample(list(value), len(value)))
    return value


def constants_earn_nothing(path):
    """Zeros, ones, halves, random and shuffled values made from the reference's own first result, that result itself, each argument, None."""
    exercise = files.load(path)
    first = {}

    class Spy(Tried):
        def call(self, name, args, kwargs, seed, **options):
            report = super().call(name, args, kwargs, seed, **options)
            first.setdefault(name, report["result"])
            return report

    judge(exercise, answers.functions(path), runner=Spy)
    stream = random.Random(0)
    for name, result in first.items():
        values = {"None": None, "zeros": like(result, lambda v: 0.0), "ones": like(result, lambda v: 1.0), "halves": like(result, lambda v: 0.5),
                  "random values": like(result, lambda v: stream.random()), "the reference's result, shuffled": shuffled(result, stream)}
        fakes = {label: lambda *a, _v=v, **k: _v for label, v in values.items()}
        fakes |= {f"argument {i}": lambda *a, _i=i, **k: dict(enumerate([*a, *k.values()])).get(_i) for i in range(4)}
        for label, fake in fakes.items():
            outcome = judge(exercise, {**answers.functions(path), name: fake})
            assert outcome.status == judging.WRONG, f"{label} in place of {name} passes"
            outcome = judge(exercise, dict.fromkeys(exercise.functions, fake))       # a pair's other half earns nothing for this one
            assert outcome.points == 0, f"{label} in place of {name} earns {outcome.points} points:\n{words(exercise, outcome)}"
        for seed in (None, 7):          # the result itself is right for one call at most: it may not pass
            outcome = judge(exercise, {**answers.functions(path), name: lambda *a, **k: result}, seed)
            assert outcome.status == judging.WRONG, f"the reference's first result, always, passes with seed {seed}"


def odd_values_break_nothing(path):
    exercise = files.load(path)
    for name in exercise.functions:
        for value in odd_values():
            outcome = judge(exercise, {**answers.functions(path), name: lambda *a, _v=value, **k: _v})
            assert outcome.status == judging.WRONG, f"{wire.short(value)} passes"


def same_over_seeds(path, all_of_it=False):
    """Every answer gets the same marks and words over many seeds, so that a notebook's verdict predicts the grade -> seeds tried."""
    exercise = files.load(path)
    found = every_answer(path)
    began = time.perf_counter()
    firsts = [judge(exercise, functions) for _, _, _, functions in found]
    count = SEEDS if all_of_it or (time.perf_counter() - began) * SEEDS < 10 else FEWER_SEEDS
    for (label, _, said, functions), first in zip(found, firsts):
        for seed in range(count):
            outcome = judge_once(exercise, label, functions, seed)
            assert (outcome.status, outcome.points) == (first.status, first.points), f"{label} is judged otherwise with seed {seed}:\n{words(exercise, outcome)}"
            assert all(w in words(exercise, outcome) for w in said), f"{label} is told something else with seed {seed}:\n{words(exercise, outcome)}"
    return count


def same_through_bytes(path, seeds=(1, 2)):
    exercise = files.load(path)
    for label, _, _, functions in every_answer(path):
        for seed in seeds:
            here, there = judge_once(exercise, label, functions, seed), judge(exercise, functions, seed, ThroughBytes)
            assert words(exercise, here) == words(exercise, there), f"{label} is judged otherwise through bytes with seed {seed}"


def same_in_a_release(path, folder, seeds=(1, 2)):
    """The released file holds no answer, and judges every answer as the full one does."""
    exercise, text = files.load(path), ExerciseText(path)
    released_path = folder / "chapters" / path.parent.parent.name / "exercises" / path.name
    released_path.parent.mkdir(parents=True, exist_ok=True)
    released_path.write_text(text.released, encoding="utf-8")
    released = files.load(released_path)
    assert released.references == {} and released.stubs == exercise.stubs and released.functions == exercise.functions
    for name in [*text.functions, *(a.name for a in text.answers)]:
        assert f"\ndef {name}(" not in text.released, f"the release still holds {name}"
    for label, _, _, functions in every_answer(path):
        for seed in seeds:
            here, there = judge_once(exercise, label, functions, seed), judge(released, functions, seed)
            assert (here.status, here.points, here.sentence) == (there.status, there.points, there.sentence), f"{label} is judged otherwise in a release"

"""A course of a few exercises in a temporary folder: the engine and the authoring tools are tested on it, not on the real chapters."""
import json
import re
from pathlib import Path

EXERCISES = {
    "double": '''
"""Double every number of a list."""
import random as elsewhere

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 2, 3, 1
without = ["textwrap"]
hints = ["What is twice a number?", "Go through the list.", "[2 * v for v in values]"]
after = "Doubling is adding a list to itself."


def double(values):
    """Each number of the list, doubled."""
    # BEGIN SOLUTION
    secret_of_the_reference = [2 * v for v in values]
    return secret_of_the_reference
    # END SOLUTION


def check(answer, random):
    """The list holds a zero and a negative number."""
    values = [random.randrange(1, 100), 0, -random.randrange(1, 100)]
    got = answer(values)
    expect_like(got, [1, 1, 1])
    suspect(got == values, "This is the list unchanged.")
    suspect(got == [v * v for v in values], "You squared the numbers: 2 ** 2 is 4, as 2 * 2 is, but 3 ** 2 is not 6.")
    expect("keeps the zero", got[1] == 0, "A zero stays a zero.")
    suspect(answer([values[0] + 1]) == got, "You return the same for another list.")
    expect("doubles", close(got, [2 * v for v in values]), lambda: f"The first should be {2 * values[0]}.", points=2, got=got, expected=[2 * v for v in values])


@right
def added(values):
    return [v + v for v in values]


@right
def loop(values):
    doubled = []
    for v in values:
        doubled.append(v * 2)
    return doubled


@wrong("You squared the numbers")
def squared(values):
    return [v ** 2 for v in values]


@wrong("list unchanged")
def unchanged(values):
    return list(values)


@wrong("A zero stays")
def plus_two(values):
    return [v + 2 for v in values]


@wrong("Expected 3 values", "got 6")
def twice_the_list(values):
    return 2 * values


@wrong("returns nothing")
def forgot(values):
    [2 * v for v in values]
''',
    "greatest": '''
"""Euclid's algorithm."""
from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 1, 5, 2
hints = ["gcd(a, b) = gcd(b, a mod b)."]


def greatest(a, b):
    """The greatest common divisor of two positive numbers."""
    # BEGIN SOLUTION
    return a if b == 0 else greatest(b, a % b)
    # END SOLUTION


def check(answer, random):
    """Two pairs, so that no constant passes."""
    k = random.randrange(2, 50)
    first, second = answer(6 * k, 4 * k), answer(15 * k, 10 * k)
    expect_like((first, second), (1, 1))
    suspect(first == 12 * k, "That is the least common multiple.")
    suspect(first == 4 * k, "That is the smaller of the two.")
    expect("divides both, and is the greatest", (first, second) == (2 * k, 5 * k), "Not the greatest common divisor.", points=1)


@right
def loop(a, b):
    while b:
        a, b = b, a % b
    return a


@right
def recursive(a, b):
    if b == 0:
        return a
    return greatest(b, a % b)


@wrong("least common multiple")
def least(a, b):
    return a * b // greatest_by_loop(a, b)


def greatest_by_loop(a, b):
    while b:
        a, b = b, a % b
    return a


@wrong("smaller of the two")
def smaller(a, b):
    return min(a, b)


@wrong("RecursionError")
def endless(a, b):
    return greatest(a, b)


@wrong("ZeroDivisionError")
def divides(a, b):
    return greatest_by_loop(a, b) // 0
''',
    "quadruple": '''
"""Double twice."""
from medcrypt_lab.exercises import expect, expect_like, right, suspect, uses, wrong

points, minutes, difficulty = 1, 2, 1
hints = ["Use double."]
double = uses("tiny.double")


def quadruple(values):
    """Four times each number, by doubling twice."""
    # BEGIN SOLUTION
    return double(double(values))
    # END SOLUTION


def check(answer, random):
    """Small numbers."""
    a, b = random.randrange(3, 9), random.randrange(10, 20)
    got, again = answer([a]), answer([b])
    expect_like(got, [1])
    expect_like(again, [1])
    suspect(got == [2 * a], "That is only twice.")
    suspect(got == [8 * a], "That is eight times.")
    suspect(got == [a], "That is the list unchanged.")
    expect("four times", (got, again) == ([4 * a], [4 * b]), "Not four times.", points=1)


@right
def directly(values):
    return [4 * v for v in values]


@right
def by_loop(values):
    for _ in range(2):
        values = double(values)
    return values


@wrong("only twice")
def once(values):
    return double(values)


@wrong("eight times")
def thrice(values):
    return double(double(double(values)))


@wrong("unchanged")
def none(values):
    return list(values)


@wrong("TypeError")
def no_argument(values):
    return double()
''',
    "lock": '''
"""A lock and its key: two functions, one exercise."""
from medcrypt_lab.exercises import expect, expect_like, right, suspect, wrong

functions = ("lock", "unlock")
points, minutes, difficulty = 2, 5, 2
hints = ["XOR twice is nothing."]


def lock(data, key):
    """Each byte XOR the key (0 to 255), then the length modulo 256."""
    # BEGIN SOLUTION
    return bytes(b ^ key for b in data) + bytes([len(data) % 256])
    # END SOLUTION


def unlock(locked, key):
    """The data; None if the length does not fit."""
    # BEGIN SOLUTION
    if not locked or locked[-1] != (len(locked) - 1) % 256:
        return None
    return bytes(b ^ key for b in locked[:-1])
    # END SOLUTION


def check(answer, random):
    """Each half against an oracle of its own before the round trip."""
    data, key = random.bytes(8), random.randrange(1, 256)
    locked = bytes(b ^ key for b in data) + b"\\x08"
    got = answer.lock(data, key)
    expect_like(got, b"")
    suspect(got == locked[:-1], "The length is missing at the end.")
    suspect(got == data + b"\\x08", "The bytes are still readable.")
    expect("locks", got == locked and answer.lock(data, key ^ 1) != got, "Not the bytes XOR the key and the length.", points=1)
    back = answer.unlock(locked, key)
    expect_like(back, b"")
    suspect(back == data + bytes([8 ^ key]), "You unlocked the length as well.")
    expect("unlocks", back == data, "Not the data.")
    expect("refuses a wrong length", answer.unlock(locked + b"x", key) is None, "A wrong length must be refused.", points=1)


@right
def table(data, key):
    return data.translate(bytes(i ^ key for i in range(256))) + (len(data) % 256).to_bytes(1, "big")


@right
def lock_by_loop(data, key):
    out = bytearray()
    for b in data:
        out.append(b ^ key)
    out.append(len(data) % 256)
    return bytes(out)


@wrong("The length is missing")
def no_length(data, key):
    return bytes(b ^ key for b in data)


@wrong("still readable")
def open_bytes(data, key):
    return data + bytes([len(data) % 256])


@wrong("unlocked the length", of="unlock")
def all_of_it(locked, key):
    return bytes(b ^ key for b in locked)


@wrong("must be refused", of="unlock")
def trusting(locked, key):
    return bytes(b ^ key for b in locked[:8])
''',
    "share": '''
"""Find the bug: a share over the wrong whole."""
from medcrypt_lab.exercises import expect, expect_like, given, right, suspect, wrong

points, minutes, difficulty = 1, 3, 1
hints = ["Which numbers are counted below the line?"]


def share(right, wrong):
    """The part of all that is right."""
    return right / (right + wrong)


@given("Only the wrong ones")
def share_of_wrong(right, wrong):
    """The part of all that is right."""
    return right / wrong


def check(answer, random):
    """Not as many right as wrong."""
    r, w = random.randrange(10, 20), random.randrange(30, 40)
    got, again = answer(r, w), answer(w, r)
    expect_like((got, again), (0.5, 0.5))
    suspect(got == r / w, "Only the wrong ones stand below the line: all must.")
    suspect(got == w / (r + w), "That is the part that is wrong.")
    suspect(got == 100 * r / (r + w), "That is in percent.")
    suspect(got == r, "That is how many, not which part.")
    expect("is the part of all", (got, again) == (r / (r + w), w / (r + w)), "Not the part of all.", points=1)


@right
def total(right, wrong):
    whole = right + wrong
    return right / whole


@right
def inverse(right, wrong):
    return right * 1.0 / sum((right, wrong))


@wrong("part that is wrong")
def other(right, wrong):
    return wrong / (right + wrong)


@wrong("in percent")
def percent(right, wrong):
    return 100 * right / (right + wrong)


@wrong("how many")
def count(right, wrong):
    return float(right)
''',
}

LESSON = '''---
title: "A tiny lesson"
survey: "1"
systems: []
minutes: 5
needs: []
---

# A tiny lesson

Numbers, doubled.

```{code-cell}
from medcrypt_lab.exercises import exercise

values = [1, 2, 3]
print("the values are", values)
```

```{code-cell}
@exercise("tiny.double")
```

```{code-cell}
doubled = double(values)
print("doubled:", doubled)
```

```{code-cell}
@exercise("tiny.quadruple")
```

```{code-cell}
print("sum:", sum(quadruple(doubled)))
```

```{code-cell}
@exercise("tiny.greatest")
```

```{code-cell}
@exercise("tiny.lock")
```

```{code-cell}
print(unlock(lock(b"scan", 7), 7).decode())
```

```{code-cell}
@exercise("tiny.share")
```
'''


def make_course(folder, lesson=LESSON, **changed):
    """Write the course into `folder` -> its chapter. changed: exercise name -> another text, or None to leave it out."""
    chapter = Path(folder) / "chapters" / "01_tiny"
    (chapter / "exercises").mkdir(parents=True)
    (chapter / "lessons").mkdir()
    (Path(folder) / "medcrypt_lab").mkdir()
    for name, text in {**EXERCISES, **changed}.items():
        if text is not None:
            (chapter / "exercises" / f"{name}.py").write_text(text.lstrip(), encoding="utf-8")
    (chapter / "lessons" / "1_tiny.md").write_text(lesson, encoding="utf-8")
    return chapter


def store_notebook(chapter):
    """The lesson's notebook as far as progress reads it, made faster than the build would."""
    text = (chapter / "lessons" / "1_tiny.md").read_text(encoding="utf-8")
    cells = [{"cell_type": "code", "source": code} for code in re.findall(r"^```{code-cell}\n(.*?)^```", text, re.M | re.S)]
    book = {"cells": cells, "metadata": {"medcrypt": {"title": "A tiny lesson"}}}
    (chapter / "1_tiny.ipynb").write_text(json.dumps(book), encoding="utf-8")

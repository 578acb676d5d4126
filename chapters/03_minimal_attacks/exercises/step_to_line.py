"""The shortest step from a point to a line, or to a plane in any number of dimensions: -f / |w|^2 * w."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 2, 6, 1
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "From a house to a road, the shortest way meets the road at a right angle. Which arrow stands at a right angle to the line?",
    "The step is t * w for some number t. A step t * w changes the score by t * (w @ w). By how much must it change to be 0 afterwards?",
    "`score = w @ x + b`, then `-score / (w @ w) * w`.",
]
after = ("Its length is |score| / |w|: the score alone tells no distance. A network that multiplies all its scores by 100 looks a hundred times surer, "
         "and its boundaries have not moved at all.")


def step_to_line(w, b, x):
    """The shortest step from x onto the line w @ x + b = 0.

    w, x: (d,) float32, d = 2 for a line, more for a plane. b: a number.
    Returns the step, (d,): x + step lies on the line.
    `w @ x` adds up the products: w[0] * x[0] + w[1] * x[1] + ...
    `w @ w` is the square of w's length.
    """
    # BEGIN SOLUTION
    score = w @ x + b
    return -score / (w @ w) * w
    # END SOLUTION


def by_hand(w, b, x):
    w, x = w.tolist(), x.tolist()
    score, square = sum(p * q for p, q in zip(w, x)) + b, sum(p * p for p in w)
    return torch.tensor([-score * p / square for p in w])


def scene(random, d, side):
    """A line, its slope far from length 1, and a point on one of its sides."""
    w = random.tensor(d, low=1, high=2) * torch.tensor([random.choice([-1, 1]) for _ in range(d)])
    x, b = random.tensor(d, low=0.5, high=1.5), random.choice([-1, 1]) * random.uniform(2, 3)
    score = float(w @ x) + b
    return w, b + (side * random.uniform(4, 6) - score), x


def check(answer, random):
    """Both sides of a line in the plane, and a plane in five dimensions."""
    tries = []
    for d, side in ((2, -1), (2, 1), (5, -1)):
        w, b, x = scene(random, d, side)
        step, expected = answer(w, b, x), by_hand(w, b, x)
        expect_like(step, x)
        score = float(w @ x) + b
        suspect(close(step, x + expected, 1e-4), "That is the point on the line. Asked for is the step that leads there.")
        suspect(close(step, expected * w.norm(), 1e-4), "Your step is as many times too long as w is: you divided by the length of w once. By a unit arrow, "
                "w / length, you walk |score| / length; that is two divisions by the length.")
        suspect(close(step, expected * (w @ w), 1e-4), "You walk the score times w, much too far: one step of w changes the score by w @ w, so divide by that.")
        suspect(close(step, expected * float(w @ x) / score, 1e-4), "You left out b: that is the step to the line through the origin.")
        suspect(close(step, -(w * x + b) / (w @ w) * w, 1e-4), "w * x keeps the products apart, so that each coordinate has a score of its own. The score is one "
                "number: add the products up.")
        along = torch.where(torch.arange(d) == int(w.abs().argmax()), -score / w, 0.0)
        suspect(close(step, along, 1e-4) or close(step, -score / w / d, 1e-4),
                "You reach the line, but not by the shortest way: go along w, at a right angle to the line.")
        tries.append((w, b, x, step, expected))
    sides = [close(step, expected, 1e-4) for _, _, _, step, expected in tries]
    suspect(sides in ([True, False, True], [False, True, False]), "Right on one side of the line, wrong on the other: the score has a sign, which "
            "turns the step around. Do not take its size.")
    suspect(all(close(step, -expected, 1e-4) for _, _, _, step, expected in tries), "You walk away from the line: the score doubles. Where it is above 0 the "
            "step must lower it.")
    ends = [float(w @ (x + step)) + b for w, b, x, step, _ in tries]
    expect("ends on the line, from both sides", max(map(abs, ends)) < 1e-3, lambda: f"After your steps the scores are {', '.join(f'{e:.2f}' for e in ends)}, "
           "and should all be 0.", points=1)
    expect("by the shortest way", all(sides), "You reach the line, but a shorter way leads there: at a right angle.", points=1,
           got=tries[0][3], expected=tries[0][4])


@right
def unit_arrow(w, b, x):
    length = w.norm()
    return -(w / length) * ((w * x).sum() + b) / length


@right
def by_coordinates(w, b, x):
    t = (sum(p * q for p, q in zip(w, x)) + b) / sum(p ** 2 for p in w)
    return torch.stack([0 - t * p for p in w])


@wrong("You walk away from the line")
def no_minus(w, b, x):
    return (w @ x + b) / (w @ w) * w


@wrong("two divisions by the length")
def once(w, b, x):
    return -(w @ x + b) / w.norm() * w


@wrong("Right on one side of the line")
def size_of_the_score(w, b, x):
    return (w @ x + b).abs() / (w @ w) * w


@wrong("You left out b")
def no_b(w, b, x):
    return -(w @ x) / (w @ w) * w


@wrong("w * x keeps the products apart")
def products(w, b, x):
    return -(w * x + b) / (w @ w) * w


@wrong("That is the point on the line")
def point(w, b, x):
    return x - (w @ x + b) / (w @ w) * w


@wrong("the score times w, much too far")
def undivided(w, b, x):
    return -(w @ x + b) * w


@wrong("The shape should be (2,), yours is ()")
def distance(w, b, x):
    return (w @ x + b).abs() / w.norm()


@wrong("You reach the line, but not by the shortest way")
def one_coordinate(w, b, x):
    step, k = torch.zeros_like(x), w.abs().argmax()
    step[k] = -(w @ x + b) / w[k]
    return step

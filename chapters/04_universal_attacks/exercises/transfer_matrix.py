"""The transfer matrix: whose adversarial images fool whom, over the images that both networks read rightly."""
import torch

from medcrypt_lab import models as networks
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 10, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Two networks play a part in each cell: one that the images were made on, one that looks at them. Which images say nothing about an attack, "
    "because one of the two was wrong before it began?",
    "The loop over surrogates is there: make the adversarial images once in it. Inside, loop over the victims, which only look. Count who is misread, "
    "among the images that are right in row i AND in row j of `is_right`.",
    "`both = is_right[i] & is_right[j]`, then `fooled = both & (victim(adversarial).argmax(1) != labels)`, then one sum over the other; "
    "`.clamp(min=1)` keeps an empty sum from dividing by 0.",
]
after = ("A rate over all images rewards an attacker for a victim that errs by itself. Another question has another denominator: of the images that fool the "
         "surrogate, how many fool the victim, too? Say which one you answer.")


def transfer_matrix(models, images, labels, attack):
    """Whose adversarial images fool whom?

    models: K networks; each takes images and returns logits.
    labels: (n,) int64, the truth.
    attack(model, images, labels): adversarial images made on that model.
    Returns (K, K) float32. Row i, column j: made on models[i], shown to
    models[j]. Of the images that BOTH read rightly before the attack, the
    share that models[j] misreads after it; 0 where there is no such image.
    """
    with torch.no_grad():
        is_right = torch.stack([model(images).argmax(1) == labels
                                for model in models])       # (K, n)
    matrix = torch.zeros(len(models), len(models))
    for i, surrogate in enumerate(models):
        # BEGIN SOLUTION
        adversarial = attack(surrogate, images, labels)
        for j, victim in enumerate(models):
            both = is_right[i] & is_right[j]
            with torch.no_grad():
                fooled = both & (victim(adversarial).argmax(1) != labels)
            matrix[i, j] = fooled.sum() / both.sum().clamp(min=1)
        # END SOLUTION
    return matrix


class Ward:
    """Networks that each read their class off three pixels of their own, and images that each gets right or wrong as planned, before and after
    each one's attack. No two of the matrices that the usual mistakes give are equal."""

    def __init__(self, random, n=24, count=3, apart=False):
        self.models = [networks.make("linear", classes=3, size=4) for _ in range(count)]
        pixels = random.sample(range(16), 3 * count)
        self.pixels = [pixels[3 * k:3 * k + 3] for k in range(count)]
        for model, own in zip(self.models, self.pixels):
            with torch.no_grad():
                model[1].weight.zero_()
                model[1].bias.zero_()
                model[1].weight[range(3), own] = 10
        self.labels = torch.tensor([random.randrange(3) for _ in range(n)])
        self.label_misused = False
        while True:
            self.before = random.tensor(count, n) < 0.75
            if apart:                           # the first two are never right together
                self.before[1] = ~self.before[0]
            kept = random.tensor(count, count, n)
            self.after = torch.where(self.before[None], kept < 0.45, kept < 0.3)
            self.mistakes = self.every_mistake()
            values = list(self.mistakes.values())
            if apart or all((one - other).abs().max() > 0.02 for k, one in enumerate(values) for other in values[:k]) and self.expected.diagonal().min() > 0:
                break
        self.images = self.draw(random, self.before)
        self.attacked = [self.draw(random, after) for after in self.after]

    def draw(self, random, is_right):
        """Images that model k reads rightly where is_right[k]."""
        n = is_right.shape[1]
        images = random.tensor(n, 1, 4, 4, low=0.0, high=0.5)
        off = torch.tensor([[1 + random.randrange(2) for _ in range(n)] for _ in is_right])
        seen = torch.where(is_right, self.labels, (self.labels + off) % 3)
        for own, classes in zip(self.pixels, seen):
            images.reshape(n, 16)[torch.arange(n), torch.tensor(own)[classes]] = 0.9
        return images

    def every_mistake(self):
        """The matrix, and what the usual mistakes make of it: counted in a plain loop."""
        count, n = self.before.shape
        names = ("right", "of all", "of the victim's", "of the surrogate's", "of those that fool the surrogate", "wrong after", "wrong after, of both",
                 "the victim's, of all", "of those that all read", "drop")
        found = {name: torch.zeros(count, count) for name in names}
        for i in range(count):
            for j in range(count):
                b, v, s, everyone = self.before[i] & self.before[j], self.before[j], self.before[i], self.before.all(0)
                bad = ~self.after[i][j]
                base = s & ~self.after[i][i]
                for name, top, whole in (("right", b & bad, b), ("of all", b & bad, b | True), ("of the victim's", v & bad, v), ("of the surrogate's", s & bad, s),
                                         ("of those that fool the surrogate", b & base & bad, b & base), ("wrong after", bad, b | True),
                                         ("wrong after, of both", bad, b), ("the victim's, of all", v & bad, b | True), ("of those that all read", everyone & bad, everyone)):
                    found[name][i, j] = int(top.sum()) / max(1, int(whole.sum()))
                found["drop"][i, j] = (int(v.sum()) - int((~bad).sum())) / n
        self.expected = found["right"]
        off = 1 - torch.eye(count)
        return {**found, "turned": self.expected.T.clone(), "what is left": 1 - self.expected, "white box": self.white_box(), "no diagonal": self.expected * off}

    def white_box(self):
        """What comes out if the victim's own gradient is used in each column."""
        count = len(self.before)
        rates = torch.zeros(count, count)
        for i in range(count):
            for j in range(count):
                both = self.before[i] & self.before[j]
                rates[i, j] = int((both & ~self.after[j][j]).sum()) / max(1, int(both.sum()))
        return rates

    def attack(self):
        """A function of a model, images and labels, which hands out what was planned."""
        def attack(model, images, labels):
            which = [k for k, mine in enumerate(self.models) if torch.equal(mine[1].weight, model[1].weight)]
            rows = []
            for image, label in zip(images, labels):
                same = (self.images == image).flatten(1).all(1).nonzero()
                if not which or not len(same):
                    raise ValueError("the attack was given a network or an image that is not among yours")
                rows.append(int(same[0]))
                self.label_misused = self.label_misused or int(label) != int(self.labels[rows[-1]])
            return self.attacked[which[0]][rows]
        return attack


def check(answer, random):
    """Twice with other networks and images, so that no constant passes; then two networks that are never right together."""
    rounds, results = [Ward(random), Ward(random)], []
    for ward in rounds:
        result = answer(ward.models, ward.images, ward.labels, ward.attack())
        nan = torch.is_tensor(result) and result.is_floating_point() and bool(result.isnan().any())
        suspect(nan, "Some shares are 0 / 0.")
        expect_like(result, ward.expected)
        suspect(ward.label_misused, "You gave the attack a network's own predictions: pass it the labels, which are the truth.")

        def is_this(name):
            return close(result, ward.mistakes[name], 1e-4)

        suspect(is_this("turned"), "Rows and columns are swapped: the row says on whom the images were made, the column who looks at them.")
        suspect(is_this("white box"), "You attacked the victim itself in each column. Its gradient is what a black-box attacker does not have: attack the surrogate.")
        suspect(is_this("what is left"), "That is the share still read rightly. The matrix holds the share that is fooled.")
        suspect(is_this("of all"), "You divided by all images. One that either network misread before cannot show that an attack carried over.")
        suspect(is_this("the victim's, of all"), "Below the line stand all images, and whether the surrogate was right before was never asked: count only what both read rightly, above the line and below.")
        suspect(is_this("of those that all read"), "You ask that ALL networks were right before. In each cell only two play a part: the row's and the column's.")
        suspect(is_this("drop"), "That is how far the victim's accuracy fell. An image misread before and read rightly after hides one that was fooled: count image by image.")
        suspect(is_this("of the victim's"), "You ask only whether the victim was right before. The surrogate must have been right as well.")
        suspect(is_this("of the surrogate's"), "You ask only whether the surrogate was right before. A victim that errs by itself was not fooled.")
        suspect(is_this("of those that fool the surrogate"), "You count only images that fool the surrogate, too. That is another question: here all count that both read rightly before.")
        suspect(is_this("wrong after"), "You count whoever is misread after the attack, also those that were misread before it.")
        suspect(is_this("wrong after, of both"), "Below the line stand the images that both read rightly, above it others, too: an image must be among them to be counted as fooled.")
        suspect(is_this("no diagonal"), "The diagonal is empty. There the attacker has the victim itself: the white box, to compare with.")
        suspect(close(result, 100 * ward.expected, 1e-2), "These are percentages; return parts of one, such as 0.4.")
        results.append((result, ward.expected))
    expect("the diagonal: each network under its own attack", all(close(got.diagonal(), wanted.diagonal(), 1e-5) for got, wanted in results),
           "Where a network meets its own adversarial images, the share is not right yet.", points=1,
           got=results[0][0].diagonal(), expected=results[0][1].diagonal())
    expect("elsewhere: of what both read rightly, what the victim misreads", all(close(got, wanted, 1e-5) for got, wanted in results),
           "Off the diagonal the shares are not right yet.", points=2, got=results[0][0], expected=results[0][1])
    ward = Ward(random, apart=True)
    result = answer(ward.models, ward.images, ward.labels, ward.attack())
    nan = torch.is_tensor(result) and result.is_floating_point() and bool(result.isnan().any())
    suspect(nan, "Two of the networks are never right together, and 0 / 0 is not a number: return 0 there.")
    expect_like(result, ward.expected)
    expect("0 where no image is read rightly by both", close(result, ward.expected, 1e-5), "Where no image is read rightly by both, the share is 0.",
           points=1, got=result, expected=ward.expected)


@right
def by_sets(models, images, labels, attack):
    answers = [{k for k, said in enumerate(model(images).argmax(1).tolist()) if said == labels[k]} for model in models]
    rows = []
    for mine, surrogate in zip(answers, models):
        made = attack(surrogate, images, labels)
        lost = [{k for k, said in enumerate(victim(made).argmax(1).tolist()) if said != labels[k]} for victim in models]
        rows.append([len(mine & theirs & gone) / max(1, len(mine & theirs)) for theirs, gone in zip(answers, lost)])
    return torch.tensor(rows)


@right
def only_shared_images(models, images, labels, attack):
    matrix = torch.zeros(len(models), len(models))
    said = [model(images).argmax(1) for model in models]
    for i, first in enumerate(said):
        for j, second in enumerate(said):
            shared = (first == labels) & (second == labels)
            if shared.any():
                made = attack(models[i], images[shared], labels[shared])
                matrix[i, j] = (models[j](made).argmax(1) != labels[shared]).double().mean()
    return matrix


def rates(models, images, labels, attack, cell):
    """A wrong answer's matrix: `cell` takes right before (surrogate, victim), right after, and gives the share."""
    matrix, before = torch.zeros(len(models), len(models)), [model(images).argmax(1) == labels for model in models]
    for i, surrogate in enumerate(models):
        made = attack(surrogate, images, labels)
        for j, victim in enumerate(models):
            matrix[i, j] = cell(before[i], before[j], victim(made).argmax(1) == labels)
    return matrix


@wrong("You divided by all images")
def over_all(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).float().mean())


@wrong("whether the surrogate was right before was never asked")
def victims_over_all(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (v & ~after).float().mean())


@wrong("how far the victim's accuracy fell")
def drop(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: v.float().mean() - after.float().mean())


@wrong("You ask that ALL networks were right before")
def right_in_all(models, images, labels, attack):
    everyone = torch.stack([model(images).argmax(1) == labels for model in models]).all(0)
    return rates(models, images, labels, attack, lambda s, v, after: (everyone & ~after).sum() / everyone.sum().clamp(min=1))


@wrong("You ask only whether the victim was right before")
def victims_images(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (v & ~after).sum() / v.sum().clamp(min=1))


@wrong("You ask only whether the surrogate was right before")
def surrogates_images(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (s & ~after).sum() / s.sum().clamp(min=1))


@wrong("misread after the attack, also those that were misread before it")
def error_after(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (~after).float().mean())


@wrong("Below the line stand the images that both read rightly")
def mixed_up(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (~after).sum() / (s & v).sum().clamp(min=1))


@wrong("That is the share still read rightly")
def accuracy(models, images, labels, attack):
    return 1 - rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1))


@wrong("Rows and columns are swapped")
def turned(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1)).T.clone()


@wrong("These are percentages")
def percent(models, images, labels, attack):
    return 100 * rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1))


@wrong("0 / 0 is not a number: return 0 there")
def not_a_number(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum())


@wrong("You attacked the victim itself in each column")
def leak(models, images, labels, attack):
    matrix, before = torch.zeros(len(models), len(models)), [model(images).argmax(1) == labels for model in models]
    for j, victim in enumerate(models):
        after = victim(attack(victim, images, labels)).argmax(1) == labels
        for i, mine in enumerate(before):
            matrix[i, j] = (mine & before[j] & ~after).sum() / (mine & before[j]).sum().clamp(min=1)
    return matrix


@wrong("You count only images that fool the surrogate, too")
def of_the_fooled(models, images, labels, attack):
    matrix, before = torch.zeros(len(models), len(models)), [model(images).argmax(1) == labels for model in models]
    for i, surrogate in enumerate(models):
        made = attack(surrogate, images, labels)
        left = [model(made).argmax(1) == labels for model in models]
        for j in range(len(models)):
            tricked = before[i] & before[j] & ~left[i]
            matrix[i, j] = (tricked & ~left[j]).sum() / tricked.sum().clamp(min=1)
    return matrix


@wrong("The diagonal is empty")
def no_diagonal(models, images, labels, attack):
    matrix = rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1))
    return matrix.fill_diagonal_(0)


@wrong("a network's own predictions")
def guessed_labels(models, images, labels, attack):
    def fooling(model, images, _):
        return attack(model, images, model(images).argmax(1))
    return rates(models, images, labels, fooling, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1))


@wrong("Expected a float32 tensor of shape (3, 3), got a list")
def nested_list(models, images, labels, attack):
    return rates(models, images, labels, attack, lambda s, v, after: (s & v & ~after).sum() / (s & v).sum().clamp(min=1)).tolist()

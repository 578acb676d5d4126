"""The security curve: what the worst of several attacks leaves, at each budget, over both denominators."""
import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 8, 2
hints = [
    "An image counts as robust only if nothing fools the network, neither this attack nor another, neither this budget nor a smaller one. "
    "Which variable above the loop should remember who is still right?",
    "Inside `for epsilon`, go through the attacks. After each, take those out of `right` that are wrong now: `right = right & ...`. Then count.",
    "`for attack in attacks:` and in it `right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)`; after that inner loop "
    "`left = right.sum().item()`, then two `append`s with two denominators.",
]
after = ("Taken per image over all attacks, the curve can only fall. A curve that rises again tells of a weak attack, never of a strong network.")


def robustness_curve(model, images, labels, attacks, epsilons):
    """What is left at each budget when each image meets its worst attack.

    attacks: functions; attack(images, labels, epsilon) returns changed
    images. epsilons: numbers in rising order. Epsilon is the MOST that may
    change: what was fooled with 2 levels is lost with 4 as well.
    Returns two lists of plain numbers, one for each epsilon:
      robust accuracy: still right, whatever was tried, of all images;
      success: not any more, of the images right before (some are).
    `a & b` of two tensors of true and false: where both are true.
    x.sum().item(): how many are true.
    """
    right = model(images).argmax(1) == labels         # before any attack
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        # BEGIN SOLUTION
        for attack in attacks:
            after = model(attack(images, labels, epsilon)).argmax(1) == labels
            right = right & after
        left = right.sum().item()
        robust.append(left / len(labels))
        success.append(1 - left / before)
        # END SOLUTION
    return robust, success


class Plan:
    """Images, a model that reads their class off the brightest of three pixels, and attacks that fool it as planned: hit[attack, epsilon, image] says
    who is still right, with no order in it, so that images recover under larger budgets and some that were wrong are mended."""

    def __init__(self, random, attacks, epsilons, n):
        self.model, self.n = models.make("linear", classes=3, size=4), n
        self.pixels = random.sample(range(16), 3)
        with torch.no_grad():
            self.model[1].weight.zero_()
            self.model[1].bias.zero_()
            self.model[1].weight[range(3), self.pixels] = 10
        self.epsilons = sorted(random.sample(range(1, 16), epsilons))
        self.epsilons = [k / 255 for k in self.epsilons]
        self.labels = torch.tensor([random.randrange(3) for _ in range(n)])
        while True:
            self.before = torch.tensor([random.random() < .8 for _ in range(n)])
            self.hit = torch.tensor([[[random.random() < .75 for _ in range(n)] for _ in range(epsilons)] for _ in range(attacks)])
            values = [value for figures in self.mistakes().values() for value in figures]
            if self.before.any() and all(not close(a, b, 2e-3) for i, a in enumerate(values) for b in values[:i]):
                break
        self.images = self.draw(random, self.before)
        self.attacked = [[self.draw(random, hit) for hit in row] for row in self.hit]

    def draw(self, random, hit):
        """Images of which the model gets those right that `hit` says."""
        classes = torch.where(hit, self.labels, (self.labels + 1) % 3)
        images = random.tensor(self.n, 1, 4, 4, low=0.0, high=0.5)
        images.reshape(self.n, 16)[torch.arange(self.n), torch.tensor(self.pixels)[classes]] = 0.9
        return images

    def attacks(self):
        def make(twins):
            def attack(images, labels, epsilon):
                level = min(range(len(self.epsilons)), key=lambda i: abs(self.epsilons[i] - epsilon))
                rows = []
                for image in images:
                    same = (self.images == image).flatten(1).all(1).nonzero()
                    if not len(same):
                        raise ValueError("the attack was given an image that is not among `images`; each attack begins at the untouched ones")
                    rows.append(int(same[0]))
                return twins[level][rows]
            return attack
        return [make(twins) for twins in self.attacked]

    def mistakes(self):
        """What each mistake makes of the robust accuracy and, where it differs, of the success: name -> (list, list) over the epsilons."""
        before, hit = self.before, self.hit
        count = before.sum().item()
        worst = (hit.all(0).cummin(0).values) & before
        shares = {"right": worst, "anew": hit.all(0) & before, "last": hit[-1].cummin(0).values & before, "first": hit[0].cummin(0).values & before,
                  "any": hit.any(0).cummin(0).values & before, "after only": hit.all(0).cummin(0).values, "anew, after only": hit.all(0),
                  "anew, last": hit[-1] & before, "last alone": hit[-1]}
        found = {name: [share.float().mean(1).tolist()] for name, share in shares.items()}
        found["average"] = [(hit & before).float().mean(2).mean(0).tolist()]
        found["strongest"] = [(hit & before).float().mean(2).amin(0).tolist()]
        found["strongest, after only"] = [hit.float().mean(2).amin(0).tolist()]
        found["over right"] = [(worst.sum(1) / count).tolist()]
        found["success"] = [(1 - worst.sum(1) / count).tolist()]
        found["success of all"] = [((before & ~worst).float().mean(1)).tolist()]
        found["one minus"] = [(1 - worst.float().mean(1)).tolist()]
        return found


def check(answer, random):
    """Carlini et al. 2019: per-example worst case over attacks, both denominators. Twice, with other numbers of attacks and budgets."""
    results = []
    for plan in (Plan(random, attacks=2, epsilons=3, n=31), Plan(random, attacks=3, epsilons=2, n=29)):
        k = len(plan.epsilons)
        result = answer(plan.model, plan.images, plan.labels, plan.attacks(), plan.epsilons)
        suspect(isinstance(result, tuple) and len(result) == 2 and result[0] == [] and result[1] == [], "Both lists come back empty: append one number to each, at each epsilon.")
        suspect(isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], list) and len(result[0]) == k * len(plan.hit),
                "You append once for each attack. The curve has one point for each epsilon: count after the loop over the attacks.")
        expect_like(result, ([0.5] * k, [0.5] * k))
        robust, success = result
        m = {name: figures[0] for name, figures in plan.mistakes().items()}

        def is_it(name, value=robust):
            return close(value, m[name], 1e-5)

        suspect(is_it("success") and is_it("right", success), "Both lists are right, but in the wrong order: robust accuracy comes first.")
        suspect(close(robust, [100 * v for v in m["right"]], 1e-3), "These are percentages; return parts of one, such as 0.4.")
        suspect(close(robust, [round(plan.n * v) for v in m["right"]]), "These are numbers of images; return shares: divide each by its whole.")
        suspect(is_it("anew"), "At each budget you begin anew, and images recover. A budget of 4 levels allows all that 2 allow: who fell once stays lost.")
        suspect(is_it("average"), "You averaged over the attacks. An attacker does not toss a coin: an image is lost if any attack fools it.")
        suspect(is_it("strongest, after only"), "You took the lowest of the attacks' shares. Another attack may fool images that this one leaves: follow each image by itself, from `right` on.")
        suspect(is_it("strongest"), "You took the attack that fools most images at that budget. Another may fool images that this one leaves: take the worst for each image by itself.")
        suspect(is_it("last") or is_it("anew, last"), "Only the last attack counts: what the others fooled is overwritten. Keep what is in `right` and narrow it down.")
        suspect(is_it("last alone"), "Each attack overwrites what was known: who was wrong untouched, whom the others fooled. Narrow `right` down, with `&`.")
        suspect(is_it("first"), "Only the first attack counts. Every one of `attacks` is tried.")
        suspect(is_it("any"), "An image counts as right if any attack leaves it so. It must survive all of them.")
        suspect(is_it("after only") or is_it("anew, after only"), "Some of these were wrong before, and an attack moved them to the truth by accident. Begin with `right`, those right before.")
        suspect(is_it("over right"), "Your robust accuracy is over the images that were right before. It is over all images; success is over those.")
        suspect(is_it("one minus", success), "Your success counts images that were wrong already. Nobody attacks those: it is of the images right before.")
        suspect(is_it("success of all", success), "Your success is over all images. An attack can only spoil what was right: divide by those.")
        suspect(is_it("right") and close(success, m["over right"], 1e-5), "Your success is the share that survives. Success is the attacker's: those that fell.")
        results.append((robust, success, m))
    robusts, successes, truths = zip(*results)
    expect("robust accuracy: who survives every attack so far, over all", close(robusts, [m["right"] for m in truths], 1e-5),
           "The robust accuracy is not right yet.", points=2, got=robusts[0], expected=truths[0]["right"])
    expect("success: who fell, over those right before", close(successes, [m["success"] for m in truths], 1e-5),
           "The success is not right yet.", points=1, got=successes[0], expected=truths[0]["success"])


@right
def table_then_minimum(model, images, labels, attacks, epsilons):
    first = model(images).argmax(1) == labels
    table = torch.stack([torch.stack([model(attack(images, labels, epsilon)).argmax(1) == labels for attack in attacks]).all(0) for epsilon in epsilons])
    left = (table.cummin(0).values & first).sum(1)
    return (left / len(images)).tolist(), (1 - left / first.sum()).tolist()


@right
def only_those_left(model, images, labels, attacks, epsilons):
    rows = torch.nonzero(model(images).argmax(1) == labels).flatten()
    whole, robust, success = len(rows), [], []
    for epsilon in epsilons:
        for attack in attacks:
            if len(rows):
                rows = rows[model(attack(images[rows], labels[rows], epsilon)).argmax(1) == labels[rows]]
        robust.append(len(rows) / len(images))
        success.append((whole - len(rows)) / whole)
    return robust, success


@wrong("At each budget you begin anew")
def anew(model, images, labels, attacks, epsilons):
    first = model(images).argmax(1) == labels
    robust, success = [], []
    for epsilon in epsilons:
        still = first
        for attack in attacks:
            still = still & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(still.float().mean().item())
        success.append(1 - (still.sum() / first.sum()).item())
    return robust, success


@wrong("You averaged over the attacks")
def average(model, images, labels, attacks, epsilons):
    first = model(images).argmax(1) == labels
    robust, success = [], []
    for epsilon in epsilons:
        each = [(first & (model(attack(images, labels, epsilon)).argmax(1) == labels)).sum().item() for attack in attacks]
        mean = sum(each) / len(each)
        robust.append(mean / len(labels))
        success.append(1 - mean / first.sum().item())
    return robust, success


@wrong("fools most images at that budget")
def strongest(model, images, labels, attacks, epsilons):
    first = model(images).argmax(1) == labels
    least = [min((first & (model(attack(images, labels, epsilon)).argmax(1) == labels)).sum().item() for attack in attacks) for epsilon in epsilons]
    return [v / len(labels) for v in least], [1 - v / first.sum().item() for v in least]


@wrong("the lowest of the attacks' shares")
def least_share(model, images, labels, attacks, epsilons):
    robust, success = [], []
    for epsilon in epsilons:
        shares = [(model(attack(images, labels, epsilon)).argmax(1) == labels).float().mean().item() for attack in attacks]
        robust.append(min(shares))
        success.append(1 - min(shares))
    return robust, success


@wrong("Only the last attack counts")
def overwritten(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        for attack in attacks:
            left = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(left.sum().item() / len(labels))
        success.append(1 - left.sum().item() / before)
    return robust, success


@wrong("Each attack overwrites what was known")
def assigned(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        for attack in attacks:
            right = model(attack(images, labels, epsilon)).argmax(1) == labels
        robust.append(right.sum().item() / len(labels))
        success.append(1 - right.sum().item() / before)
    return robust, success


@wrong("append once for each attack")
def inside_the_loop(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        for attack in attacks:
            right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
            robust.append(right.sum().item() / len(labels))
            success.append(1 - right.sum().item() / before)
    return robust, success


@wrong("Some of these were wrong before")
def forgets_before(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        right = torch.ones_like(right)
        for attack in attacks:
            right &= model(attack(images, labels, epsilon)).argmax(1) == labels
        robust.append(right.sum().item() / len(labels))
        success.append(1 - right.sum().item() / before)
    return robust, success


@wrong("over the images that were right before. It is over all")
def one_denominator(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust = right.sum().item(), []
    for epsilon in epsilons:
        for attack in attacks:
            right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(right.sum().item() / before)
    return robust, [1 - value for value in robust]


@wrong("counts images that were wrong already")
def one_minus(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    robust = []
    for epsilon in epsilons:
        for attack in attacks:
            right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(right.float().mean().item())
    return robust, [1 - value for value in robust]


@wrong("Success is the attacker's")
def survivors(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        for attack in attacks:
            right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(right.sum().item() / len(labels))
        success.append(right.sum().item() / before)
    return robust, success


@wrong("not among `images`")
def in_a_chain(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    before, robust, success = right.sum().item(), [], []
    for epsilon in epsilons:
        changed = images
        for attack in attacks:
            changed = attack(changed, labels, epsilon)
            right = right & (model(changed).argmax(1) == labels)
        robust.append(right.sum().item() / len(labels))
        success.append(1 - right.sum().item() / before)
    return robust, success


@wrong("as value 1 of 3, got a float32 tensor")
def tensors(model, images, labels, attacks, epsilons):
    right = model(images).argmax(1) == labels
    robust, success = [], []
    for epsilon in epsilons:
        for attack in attacks:
            right = right & (model(attack(images, labels, epsilon)).argmax(1) == labels)
        robust.append(right.float().mean())
        success.append(1 - right.float().mean())
    return robust, success

"""A 95 % interval over patients: the bootstrap draws patients, each with all their images."""
import numpy as np

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 8, 2
hints = [
    "Imagine the study repeated. Would other images of the same patients come, or other patients? Draw what would come anew.",
    "Draw as many places in `films` as there are patients, with repetition. Whoever is drawn twice brings all their images twice. "
    "(`films` is a list: it takes one place at a time, not an array of places.)",
    "`drawn = random.choice(len(films), len(films))`, then `np.concatenate([films[k] for k in drawn])`: the images of this draw. Append the mean of `right` there.",
]
after = ("Two images of a patient are worth two only if they may fail independently. Here they often fail together, and the honest interval is wider.")


def patient_interval(right, patients, draws=1000, seed=0):
    """A 95 % interval for the share that is right, over patients.

    right: array (n,) of true and false; patients: array (n,), whose image.
    Returns two plain numbers, the lower and the upper end.
    random.choice(m, k): k whole numbers below m, some twice, some never.
    np.concatenate(a_list_of_arrays): all of them in one array.
    """
    random = np.random.default_rng(seed)
    # films[k]: the places in `right` of all images of patient number k
    films = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    shares = []
    for _ in range(draws):
        # BEGIN SOLUTION
        drawn = random.choice(len(films), len(films))
        rows = np.concatenate([films[k] for k in drawn])
        shares.append(right[rows].mean())
        # END SOLUTION
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


class Study:
    """Patients with one to seven images each, scattered; those with many are wrong more often. together: the images of one patient are all right, or all
    wrong but one; else each by itself."""

    def __init__(self, random, n, together):
        names, rows = random.sample(range(1000, 9999), n), []
        for i, name in enumerate(names):
            size = i % 7 + 1
            share = .15 if size < 4 else .6
            lost = random.random() < share
            rows += [(name, not (lost and k > 0 if together else random.random() < share)) for k in range(size)]
        random.shuffle(rows)
        self.patients, self.right = np.array([name for name, _ in rows]), np.array([hit for _, hit in rows])
        self.names = np.unique(self.patients)
        self.member = self.patients == self.names[:, None]
        self.hits, self.sizes = (self.member & self.right).sum(1), self.member.sum(1)

    def ends(self, shares):
        return tuple(np.percentile(shares, [2.5, 97.5]).tolist())

    def intervals(self, generator, draws=8000):
        """The interval that each way of drawing gives; counted, not written as a learner would."""
        n, images = len(self.names), len(self.right)
        even = np.full(n, 1 / n)
        times = generator.multinomial(n, even, draws)
        rate, all_images = self.hits / self.sizes, self.right.mean()

        def share(times):
            return self.ends(times @ self.hits / (times @ self.sizes))
        return {"right": share(times), "images": self.ends(generator.binomial(images, all_images, draws) / images), "once": share(np.minimum(times, 1)),
                "more": share(generator.multinomial(images, even, draws)), "patient means": self.ends(times @ rate / n),
                "few images": self.ends(generator.binomial(n, all_images, draws) / n),
                "one of each": self.ends(generator.binomial(1, rate[generator.integers(n, size=(draws, n))]).mean(1))}


# What can be told from the right interval, where a patient's images fall together and where each falls by itself.
TOLD = {True: ("images", "more", "once", "patient means", "one of each"), False: ("more", "once", "few images")}


def check(answer, random):
    """Efron's bootstrap with patients as units, against counts of how often each patient is drawn. The ends may differ by a quarter of the spread."""
    results = []
    for n, together in ((30, True), (24, False)):
        while True:
            study = Study(random, n, together)
            found = study.intervals(random.numpy())
            spread = (found["right"][1] - found["right"][0]) / 4
            if all(max(abs(a - b) for a, b in zip(found[x], found["right"])) > .33 * spread for x in TOLD[together]):
                break
        result = answer(study.right, study.patients, draws=3000, seed=random.randrange(1000))
        expect_like(result, (0.5, 0.5))
        low, high = result
        share = float(study.right.mean())

        def is_it(name):
            return name in TOLD[together] and not close(result, found["right"], .25 * spread) and close(result, found[name], .25 * spread)

        suspect(close(low, high, 1e-9) and close(low, share, 1e-6), "Both ends are the share itself: every draw held all patients once. Draw with repetition, some twice, some never.")
        suspect(close((high, low), found["right"], .25 * spread), "Lower and upper end are swapped.")
        suspect(close(result, tuple(100 * v for v in found["right"]), 25 * spread), "These are percentages; stay with shares, such as 0.85.")
        suspect(is_it("images") or is_it("more"), lambda: f"Your interval is as narrow as if the {len(study.right)} images were all of different patients; there are {n} patients. "
                "Draw so many patients, each with all their images, and no single images.")
        suspect(is_it("once"), "Whoever is drawn twice comes only once in your draw. They must bring their images twice.")
        suspect(is_it("patient means") or is_it("one of each"), "Each patient weighs the same in your draw, with one image or with seven: you averaged each patient first, or took "
                "one image of each. Put all images of all drawn in one row, then take the share.")
        suspect(is_it("few images"), "You drew as many images as there are patients. Draw patients, and take all images of each.")
        suspect(close(low, high, 1e-9), "Both ends are the same: all your draws gave the same share.")
        suspect(not close(low, high, 8 * spread), "Your interval is as wide as single patients differ. A draw has as many patients as there are, and they give one share together.")
        results.append((n, result, found["right"], spread))
    for n, result, wanted, spread in results:
        expect(f"the interval over {n} patients with unequal numbers of images", close(result, wanted, .25 * spread),
               lambda: f"The ends are not right yet: yours are {result[0]:.3f} and {result[1]:.3f}, they should be near {wanted[0]:.2f} and {wanted[1]:.2f}.", points=n == 30)
    patients = np.array([random.randrange(9999)] * 10)
    alone = answer(np.arange(10) < 7, patients, draws=50, seed=1)
    expect_like(alone, (0.5, 0.5))
    expect("one patient alone shows no spread", close(alone, (0.7, 0.7), 1e-6), "With a single patient every draw is the same, and both ends are the share.", points=2)


@right
def by_counts(right, patients, draws=1000, seed=0):
    names, place = np.unique(patients, return_inverse=True)
    hits, films = np.bincount(place, right, len(names)), np.bincount(place, minlength=len(names))
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    low, high = np.percentile(times @ hits / (times @ films), (2.5, 97.5))
    return low.item(), high.item()


@right
def by_names(right, patients, draws=1000, seed=0):
    random, of = np.random.default_rng(seed), {}
    for hit, name in zip(right.tolist(), patients.tolist()):
        of.setdefault(name, []).append(hit)
    names, shares = list(of), []
    for _ in range(draws):
        hits = [hit for k in random.integers(len(names), size=len(names)) for hit in of[names[k]]]
        shares.append(sum(hits) / len(hits))
    shares.sort()
    return shares[int(.025 * draws)], shares[int(.975 * draws)]


@wrong("as if the")
def draws_images(right, patients, draws=1000, seed=0):
    random = np.random.default_rng(seed)
    shares = [random.choice(right, len(right)).mean() for _ in range(draws)]
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


@wrong("comes only once in your draw")
def by_isin(right, patients, draws=1000, seed=0):
    random, names, shares = np.random.default_rng(seed), np.unique(patients), []
    for _ in range(draws):
        drawn = random.choice(names, len(names))
        shares.append(right[np.isin(patients, drawn)].mean())
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


@wrong("every draw held all patients once")
def shuffles(right, patients, draws=1000, seed=0):
    random, shares = np.random.default_rng(seed), []
    films = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    for _ in range(draws):
        rows = np.concatenate([films[k] for k in random.permutation(len(films))])
        shares.append(right[rows].mean())
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


@wrong("Each patient weighs the same")
def mean_of_means(right, patients, draws=1000, seed=0):
    random, shares = np.random.default_rng(seed), []
    films = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    for _ in range(draws):
        drawn = random.choice(len(films), len(films))
        shares.append(np.mean([right[films[k]].mean() for k in drawn]))
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


@wrong("as wide as single patients differ")
def one_patient_a_draw(right, patients, draws=1000, seed=0):
    random = np.random.default_rng(seed)
    films = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    low, high = np.percentile([right[films[random.choice(len(films))]].mean() for _ in range(draws)], [2.5, 97.5])
    return float(low), float(high)


@wrong("out of bounds for axis 0 with size")
def patients_as_places(right, patients, draws=1000, seed=0):
    random, shares = np.random.default_rng(seed), []
    for _ in range(draws):
        drawn = random.choice(patients, len(np.unique(patients)))
        shares.append(right[drawn].mean())
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)

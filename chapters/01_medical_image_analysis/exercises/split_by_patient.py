"""A test set of whole patients: nobody's images lie on both sides."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
without = ["sklearn"]
hints = [
    "Draw people, not pictures. Who are the people? Then: which pictures are theirs?",
    "`patients.unique()` are the patients, each once. `torch.randperm(count, generator=generator)` shuffles their places; the first few of these are drawn.",
    "Three lines: `names = patients.unique()`; the first `round(share * len(names))` of the shuffled names are drawn; "
    "`torch.isin(patients, drawn)` is the mask.",
]
after = ("A patient is the least that must stay whole. If twins, one ward or one scanner sit on both sides, the same trap is set once more: "
         "whatever you want to hold for NEW ones (patients, hospitals, years) must be new in the test.")


def split_by_patient(patients, share, seed):
    """Draw a share of the PATIENTS for testing, each with all images.

    patients: (n,) int64: whose image each is; any numbers, any order.
    Returns (n,) bool: True where the image is for testing. Of the
    patients, round(share * their number) are drawn.
    Tools: x.unique(), each number of x once; torch.isin(x, y): is each x
    one of y?; torch.randperm(5, generator=generator): 0 to 4, shuffled.
    """
    generator = torch.Generator().manual_seed(seed)   # same seed, same draw
    # BEGIN SOLUTION
    names = patients.unique()
    order = torch.randperm(len(names), generator=generator)
    drawn = names[order[:round(share * len(names))]]
    return torch.isin(patients, drawn)
    # END SOLUTION


def ward(random, count):
    """Patients with one to five images each, in mixed order; their numbers are large and have gaps."""
    names = random.sample(range(1000, 9000), count)
    rows = [name for i, name in enumerate(names) for _ in range(1 + i % 5)]
    return torch.tensor(random.sample(rows, len(rows)))


def sides(patients, mask):
    """The patients of the test side, and those of both sides."""
    test, train = set(patients[mask].tolist()), set(patients[~mask].tolist())
    return test, test & train


def check(answer, random):
    """Whole patients, their number, chance and seed, on two wards."""
    small, large = ward(random, 11), ward(random, 24)
    # share * patients is 3.3 and 9.6: who rounds up is seen on the one, who rounds down on the other.
    whole = []
    for patients, share, wanted in ((small, 0.3, 3), (large, 0.4, 10)):
        count = len(patients.unique())
        mask = answer(patients, share, seed=5)
        suspect(torch.is_tensor(mask) and mask.dtype == torch.int64 and mask.ndim == 1 and len(mask) != len(patients),
                "You return positions or names. Asked for is one True or False for each image.")
        suspect(torch.is_tensor(mask) and mask.dtype == torch.bool and mask.shape == (count,),
                lambda: f"Your mask has {count} entries, one for each patient. Each of the {len(patients)} images needs one.")
        expect_like(mask, torch.zeros(len(patients), dtype=torch.bool))
        test, both = sides(patients, mask)
        suspect(not test, "Your test side is empty. If you drew places, 0, 1, 2 and so on: they are nobody's number. Look up whose number stands at each.")
        suspect(len(test) == count and not both, "Everybody is on your test side: nobody is left to learn from.")
        suspect(not both and len(test) == count - wanted, lambda: f"You marked the {len(test)} patients for training. True is for testing: here {wanted} patients.")
        suspect(both, lambda: f"{len(both)} patients have images on both sides, patient {min(both)} for one: what the model learned of them helps it in the test. "
                "Draw patients, then take all of their images.")
        again = answer(patients, share, seed=5)
        suspect(torch.is_tensor(again) and not close(1 * again, 1 * mask), "The same seed gave two different splits: nobody could repeat your test. Shuffle by the seed alone: "
                "`generator=generator` in the call. (A `set` of tensors has no fixed order.)")
        splits = [answer(patients, share, seed) for seed in range(40)]
        for split in splits:
            expect_like(split, mask)
        drawn = [sides(patients, split)[0] for split in splits]
        suspect(all(one == drawn[0] for one in drawn), "Every seed gives the same split: you do not shuffle, or not by the seed. The first patients of a list are often those of one "
                "hospital, one month, one disease.")
        sizes = {len(one) for one in drawn}
        filled = [int(split.sum()) - share * len(patients) for split in splits]
        suspect(len(sizes) > 1 and max(sizes) <= wanted, lambda: f"Sometimes only {min(sizes)} patients are drawn: somebody was drawn twice. "
                "Shuffle a list in which each patient stands once: `randperm` repeats no place in it, `randint` does.")
        suspect(len(sizes) > 1 and all(-5 < more < 5 for more in filled), lambda: f"You fill up a share of the images: that takes {min(sizes)} to {max(sizes)} patients. "
                f"Asked for is a share of the patients, here {wanted}.")
        suspect(len(sizes) > 1 and min(sizes) >= wanted, lambda: f"You draw {min(sizes)} to {max(sizes)} patients, never fewer than the {wanted} asked for: a share of the images, it seems, "
                "and then their patients. Who has many images comes up more easily. Draw from the patients, each once.")
        suspect(len(sizes) > 1, lambda: f"Between {min(sizes)} and {max(sizes)} patients are drawn, by chance. Exactly {wanted} are asked for: shuffle them and take the first {wanted}.")
        expect(f"draws {wanted} of {count} patients", len(test) == wanted,
               lambda: f"You drew {len(test)} of {count} patients; round({share:.2g} * {count}) is {wanted}.")
        whole += [not sides(patients, split)[1] for split in splits]
    expect("keeps every patient whole, for every seed", all(whole), "With another seed some patients are on both sides.", points=2)
    times = {name: sum(name in one for one in drawn) for name in large.unique().tolist()}
    never = [name for name, often in times.items() if not often]
    expect("every patient may be drawn", not never, lambda: f"In 40 draws of 10 out of 24 patients, {len(never)} never came up, patient {never[0]} for one. "
           "Each must have the same chance.", points=1)


@right
def by_sets(patients, share, seed):
    import random
    names = sorted(set(patients.tolist()))
    drawn = set(random.Random(seed).sample(names, round(share * len(names))))
    return torch.tensor([name in drawn for name in patients.tolist()])


@right
def by_inverse(patients, share, seed):
    names, of_image = torch.unique(patients, return_inverse=True)
    torch.manual_seed(seed)
    chosen = torch.zeros(len(names), dtype=torch.bool)
    chosen[torch.rand(len(names)).argsort()[:round(share * len(names))]] = True
    return chosen[of_image]


@right
def with_numpy(patients, share, seed):
    import numpy as np
    names = np.unique(patients.numpy())
    drawn = np.random.default_rng(seed).choice(names, round(share * len(names)), replace=False)
    return torch.from_numpy(np.isin(patients.numpy(), drawn))


@wrong("Draw patients, then take all of their images")
def by_image(patients, share, seed):
    order = torch.randperm(len(patients), generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(len(patients), dtype=torch.bool)
    mask[order[:round(share * len(patients))]] = True
    return mask


@wrong("The first patients of a list")
def the_first_patients(patients, share, seed):
    names = patients.unique()
    return torch.isin(patients, names[:round(share * len(names))])


@wrong("nobody could repeat your test")
def no_seed(patients, share, seed):
    names = patients.unique()
    return torch.isin(patients, names[torch.randperm(len(names))[:round(share * len(names))]])


@wrong("patients for training")
def the_other_side(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return ~torch.isin(patients, names[order[:round(share * len(names))]])


@wrong("patients are drawn, by chance")
def a_coin_each(patients, share, seed):
    names, of_image = patients.unique(return_inverse=True)
    return (torch.rand(len(names), generator=torch.Generator().manual_seed(seed)) < share)[of_image]


@wrong("one for each patient")
def mask_of_patients(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(len(names), dtype=torch.bool)
    mask[order[:round(share * len(names))]] = True
    return mask


@wrong("positions or names")
def positions(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, names[order[:round(share * len(names))]]).nonzero()[:, 0]


@wrong("somebody was drawn twice")
def with_replacement(patients, share, seed):
    names = patients.unique()
    drawn = torch.randint(0, len(names), (round(share * len(names)),), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, names[drawn])


@wrong("Look up whose number")
def places(patients, share, seed):
    count = len(patients.unique())
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:round(share * count)]
    return torch.isin(patients, drawn)


@wrong("Who has many images comes up more easily")
def patients_of_drawn_images(patients, share, seed):
    order = torch.randperm(len(patients), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, patients[order[:round(share * len(patients))]])


@wrong("fill up a share of the images")
def share_of_images(patients, share, seed):
    names = patients.unique()
    mask = torch.zeros(len(patients), dtype=torch.bool)
    for i in torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)):
        if mask.sum() >= share * len(patients):
            break
        mask |= patients == names[i]
    return mask


@wrong("round(0.4 * 24) is 10")
def rounds_down(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, names[order[:int(share * len(names))]])


@wrong("round(0.3 * 11) is 3")
def rounds_up(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, names[order[:-int(-share * len(names) // 1)]])


@wrong("IndexError")
def numbers_as_places(patients, share, seed):
    count = len(patients.unique())
    mask = torch.zeros(count, dtype=torch.bool)
    mask[torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:round(share * count)]] = True
    return mask[patients]


@wrong("Each must have the same chance")
def a_turning_start(patients, share, seed):
    names = patients.unique()
    k = round(share * len(names))
    start = seed % 2 * k
    return torch.isin(patients, names[start:start + k])


@wrong("The numbers should be bool")
def zeros_and_ones(patients, share, seed):
    names = patients.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return torch.isin(patients, names[order[:round(share * len(names))]]).float()

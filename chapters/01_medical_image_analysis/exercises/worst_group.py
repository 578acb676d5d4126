"""The hospital that fares worst: an average hides it."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, short, suspect, wrong

points, minutes, difficulty = 3, 6, 2
hints = [
    "Forget the other hospitals for a moment: how many of one hospital's images are right?",
    "`right[groups == group]` are this hospital's answers, True or False; as floats they have a mean. Is it below the lowest so far?",
    "`share = right[...].float().mean().item()`; then `if share < lowest:` and `worst, lowest = ..., ...`.",
]
after = ("A network that fails one hospital in ten still has a fine average. Whoever buys it for that hospital needs the worst figure, "
         "and the number of images behind it: the smaller a group, the wider its interval.")


def worst_group(guesses, labels, groups):
    """Where does a network do worst?

    guesses, labels, groups: (n,) int64, what the network says, the truth,
    and the number of each image's hospital.
    Returns (hospital, its accuracy), an int and a plain number from 0 to 1.
    If two are equally bad, the smaller number.
    """
    right = guesses == labels                   # (n,) True or False
    worst, lowest = None, 2.0                   # the worst so far
    for group in groups.unique().tolist():      # the smallest number first
        # BEGIN SOLUTION
        share = right[groups == group].float().mean().item()
        if share < lowest:
            worst, lowest = group, share
        # END SOLUTION
    return worst, lowest


def hospitals(random, plan):
    """Guesses, labels and groups of hospitals planned as {number: (right, wrong)}, shuffled."""
    rows = []
    for number, (good, bad) in plan.items():
        for k in range(good + bad):
            label = random.randrange(3)
            rows.append((label if k < good else (label + random.choice([1, 2])) % 3, label, number))
    random.shuffle(rows)
    return tuple(torch.tensor(column) for column in zip(*rows))


def check(answer, random):
    """Three hospitals: the worst has neither the most errors nor the fewest images right, nor the last or smallest number."""
    rounds = [(hospitals(random, {5: (18, 2), 7: (12, 8), 40: (24, 12)}), (7, 12 / 20)),
              (hospitals(random, {3: (10, 2), 8: (6, 14), 21: (40, 16), 22: (5, 5)}), (8, 6 / 20))]
    results = []
    for (guesses, labels, groups), (worst, accuracy) in rounds:
        result = answer(guesses, labels, groups)
        suspect(type(result) is tuple and len(result) == 2 and type(result[0]) is float and type(result[1]) is int,
                "The two values are in the wrong order: the hospital's number comes first, then its accuracy.")
        unset = type(result) is tuple and len(result) == 2 and result[0] is None
        suspect(unset and type(result[1]) is float and result[1] == 2.0, "`worst` is still None: nothing was below 2.0. What is compared should be the share of "
                "ONE hospital's images that is right, from 0 to 1.")
        suspect(unset, "`worst` is still None. Where the lowest share changes, its hospital changes, too.")
        expect_like(result, (1, 0.5))
        group, share = result
        right = guesses == labels
        shares = {int(k): float(right[groups == k].float().mean()) for k in groups.unique()}
        overall, best = float(right.float().mean()), max(shares, key=shares.get)
        most_errors = max(shares, key=lambda k: int((~right & (groups == k)).sum()))
        suspect(share in (0, 1) and group in shares and share == float(right[group]), "`right[group]` is one image, the one with that number. "
                "All images of a hospital are `right[groups == group]`.")
        suspect(close(share, overall), "That is the accuracy over all hospitals together: the average that hides the worst one.")
        suspect(group == best and close(share, 1 - shares[best]), "You look for the largest share of errors, and found the smallest: what you return is the share that is wrong.")
        suspect(group == worst and close(share, 1 - accuracy), "The hospital is right. But you return the share of its images that is wrong; accuracy is the share that is right.")
        suspect(group in shares and close(share, int((right & (groups == group)).sum()) / len(labels)),
                f"You divided what is right in hospital {short(group)} by the images of all hospitals. Divide by its own: a small hospital is not a bad one.")
        suspect(group == best, f"Hospital {best} is the best one. Look for the smallest share.")
        suspect(close(share, 100 * accuracy, 1e-3), "This is a percentage; return a part of one, such as 0.6.")
        suspect(group == list(shares).index(worst) and group not in shares,
                f"There is no hospital {group}: that is the place in the list of hospitals. Return the number that stands there.")
        suspect(group not in shares, lambda: f"No image is of hospital {short(group)}. The hospitals' numbers are any, not 0, 1, 2 and so on: "
                "`groups.unique()` lists those that occur.")
        suspect(group == most_errors, f"Hospital {group} makes the most errors, and has the most images. Compare shares, not counts.")
        results.append(result)
    (one, other), (first, second) = zip(*results)
    worst, accuracies = zip(*(truth for _, truth in rounds))
    expect("finds the hospital that fares worst", (one, other) == worst, lambda: f"The hospitals {worst[0]} and {worst[1]} are the worst of two tests; you say {one} and {other}.", points=1)
    expect("tells its accuracy", close((first, second), accuracies), "The accuracy of that hospital is another one.", points=1, got=(first, second), expected=accuracies)
    tie = hospitals(random, {9: (3, 3), 4: (5, 5), 6: (9, 1)})
    result = answer(*tie)
    expect_like(result, (1, 0.5))
    expect("of two equal ones takes the smaller number", result[0] == 4 and close(result[1], 0.5),
           lambda: f"Hospitals 4 and 9 are both right on half of their images: return 4, the smaller number, not {short(result[0])}.", points=1)


@right
def by_loop(guesses, labels, groups):
    worst, lowest = None, 2.0
    for group in sorted(set(groups.tolist())):
        chosen = [int(g == y) for g, y, h in zip(guesses, labels, groups) if h == group]
        if sum(chosen) / len(chosen) < lowest:
            worst, lowest = group, sum(chosen) / len(chosen)
    return worst, lowest


@right
def by_counting(guesses, labels, groups):
    numbers, place = groups.unique(return_inverse=True)
    right = torch.zeros(len(numbers)).index_add(0, place, (guesses == labels).float())
    shares = right / place.bincount()
    return int(numbers[shares.argmin()]), float(shares.min())


@wrong("the average that hides the worst one")
def average(guesses, labels, groups):
    return int(groups[0]), (guesses == labels).float().mean().item()


@wrong("Look for the smallest share")
def best(guesses, labels, groups):
    shares = {int(k): (guesses == labels)[groups == k].float().mean().item() for k in groups.unique()}
    group = max(shares, key=shares.get)
    return group, shares[group]


@wrong("But you return the share of its images that is wrong")
def errors(guesses, labels, groups):
    shares = {int(k): (guesses != labels)[groups == k].float().mean().item() for k in groups.unique()}
    group = max(shares, key=shares.get)
    return group, shares[group]


@wrong("and found the smallest")
def least_errors(guesses, labels, groups):
    return min(((guesses != labels)[groups == k].float().mean().item(), int(k)) for k in groups.unique())[::-1]


@wrong("that is the place in the list of hospitals")
def place_not_number(guesses, labels, groups):
    shares = [(guesses == labels)[groups == k].float().mean().item() for k in groups.unique()]
    return shares.index(min(shares)), min(shares)


@wrong("Compare shares, not counts")
def most_errors(guesses, labels, groups):
    counts = {int(k): ((guesses != labels) & (groups == k)).sum().item() for k in groups.unique()}
    group = max(counts, key=counts.get)
    return group, (guesses == labels)[groups == group].float().mean().item()


@wrong("lists those that occur")
def as_if_numbered(guesses, labels, groups):
    worst, lowest = 0, 1.0
    for group in range(len(groups.unique())):
        share = (guesses == labels)[groups == group].float().mean().item()
        if share < lowest:
            worst, lowest = group, share
    return worst, lowest


@wrong("Divide by its own")
def of_all_images(guesses, labels, groups):
    shares = {int(k): ((guesses == labels) & (groups == k)).float().mean().item() for k in groups.unique()}
    group = min(shares, key=shares.get)
    return group, shares[group]


@wrong("`right[group]` is one image")
def one_image(guesses, labels, groups):
    shares = [((guesses == labels)[k].float().mean().item(), k) for k in groups.unique().tolist()]
    share, group = min(shares)
    return group, share


@wrong("nothing was below 2.0")
def counts(guesses, labels, groups):
    worst, lowest = None, 2.0
    for group in groups.unique().tolist():
        share = (guesses == labels)[groups == group].sum().item()
        if share < lowest:
            worst, lowest = group, share
    return worst, lowest


@wrong("its hospital changes, too")
def forgets_the_hospital(guesses, labels, groups):
    worst, lowest = None, 2.0
    for group in groups.unique().tolist():
        lowest = min(lowest, (guesses == labels)[groups == group].float().mean().item())
    return worst, lowest


@wrong("as value 2 of 2, got a float32 tensor", ".item()")
def a_tensor(guesses, labels, groups):
    shares = [((guesses == labels)[groups == k].float().mean(), k) for k in groups.unique().tolist()]
    share, group = min(shares)
    return group, share


@wrong("True and False have no mean")
def mean_of_true(guesses, labels, groups):
    shares = [((guesses == labels)[groups == k].mean().item(), k) for k in groups.unique().tolist()]
    return min(shares)[::-1]


@wrong("That is what 0 / 0 gives")
def every_number(guesses, labels, groups):
    shares = [(guesses == labels)[groups == k].float().mean().item() for k in range(int(groups.max()) + 1)]
    return shares.index(min(shares)), min(shares)


@wrong("wrong order: the hospital's number comes first")
def swapped(guesses, labels, groups):
    shares = {int(k): (guesses == labels)[groups == k].float().mean().item() for k in groups.unique()}
    group = min(shares, key=shares.get)
    return shares[group], group


@wrong("This is a percentage")
def percent(guesses, labels, groups):
    shares = {int(k): (guesses == labels)[groups == k].float().mean().item() for k in groups.unique()}
    group = min(shares, key=shares.get)
    return group, 100 * shares[group]


@wrong("return 4, the smaller number")
def last_of_equals(guesses, labels, groups):
    shares = [((guesses == labels)[groups == k].float().mean().item(), -int(k)) for k in groups.unique()]
    share, group = min(shares)
    return -group, share

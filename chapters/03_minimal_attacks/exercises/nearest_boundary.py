"""The nearest of many boundaries: for each image the step to the class with the smallest |lead| / |slope|."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 9, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "You can do one line. Here each image has several, and you want the shortest of its ways. What do you compare: the leads, or the distances?",
    "Lengths of the slopes: `slopes.flatten(2).norm(dim=2)`, (n, k), kept above 0. Distances: |leads| divided by them. The nearest: `.argmin(1)`. "
    "Its slope, divided by its length, is a step of length 1: multiply it by distance + extra.",
    "`length = slopes.flatten(2).norm(dim=2).clamp_min(1e-12)`; `distance, nearest = (leads.abs() / length).min(1)`; `rows = torch.arange(len(leads))`; "
    "`(distance + extra) / length[rows, nearest]`, reshaped, times `slopes[rows, nearest]`.",
]
after = ("The runner-up is often not the nearest: what counts is how steep the way to a class is. Nothing here knew the true class: distance to the "
         "boundary is a property of the network and the picture alone.")


def nearest_boundary(leads, slopes, extra):
    """Each image's step to the nearest of its k boundaries.

    leads: (n, k), by how much each other class is ahead: below 0.
    slopes: (n, k, ...), the gradient of each lead, (...) an image.
    Returns steps (n, ...): along the slope of the class whose boundary is
    nearest, of length |lead| / |slope| + extra; 0 where a slope is all 0.
    slopes.flatten(2).norm(dim=2) has one length for each image and class.
    .clamp_min(1e-12) keeps a divisor above 0. `.min(1)` gives the smallest
    of each row and its place. slopes[rows, places] takes one slope a row,
    with rows = torch.arange(len(leads)). To multiply images by a number
    each: numbers.reshape(-1, *[1] * (slopes.dim() - 2)).
    """
    # BEGIN SOLUTION
    length = slopes.flatten(2).norm(dim=2).clamp_min(1e-12)
    distance, nearest = (leads.abs() / length).min(1)
    rows = torch.arange(len(leads))
    factor = (distance + extra) / length[rows, nearest]
    return factor.reshape(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, nearest]
    # END SOLUTION


# Four classes: the nearest boundary, the runner-up (smallest lead), the steepest, the farthest. (distance, length of the slope)
KINDS = ((1.0, 4.0), (3.0, 0.5), (2.0, 6.0), (4.5, 2.0))


def scene(random, n, shape):
    """leads, slopes, and which column is which of KINDS, (n, 4)."""
    orders = torch.tensor([random.sample(range(4), 4) for _ in range(n)])
    while bool((orders == orders[:1]).all()):
        orders = torch.tensor([random.sample(range(4), 4) for _ in range(n)])
    kinds = torch.tensor(KINDS)[orders]
    distance, length = kinds[..., 0] * random.tensor(n, 4, low=0.95, high=1.05), kinds[..., 1] * random.tensor(n, 4, low=0.95, high=1.05)
    arrows = random.tensor(n, 4, *shape, low=-1, high=1)
    arrows = arrows / arrows.flatten(2).norm(dim=2).reshape(n, 4, *[1] * len(shape))
    return -distance * length, arrows * length.reshape(n, 4, *[1] * len(shape)), orders


def by_hand(leads, slopes, extra, choose=None, size=None):
    """Image by image; choose(distances, leads, lengths) -> which class; size(distance, length) -> what the unit arrow is multiplied by."""
    steps = []
    for lead, slope in zip(leads.double(), slopes.double()):
        lengths = [float(one.square().sum()) ** 0.5 for one in slope]
        distances = [abs(float(a)) / b if b > 0 else float("inf") for a, b in zip(lead, lengths)]
        k = (choose or (lambda d, f, w: d.index(min(d))))(distances, [abs(float(a)) for a in lead], lengths)
        factor = (size or (lambda d, w: d + extra))(distances[k], lengths[k])
        steps.append(slope[k] / lengths[k] * factor if lengths[k] > 0 else 0 * slope[k])
    return torch.stack(steps).float()


def check(answer, random):
    """Moosavi-Dezfooli et al. 2016, algorithm 2, on leads and slopes for which nearest, runner-up, steepest and farthest are four classes."""
    extra = 0.3
    leads, slopes, _ = scene(random, 6, (1, 3, 4))
    result = answer(leads, slopes, extra)
    like = slopes[:, 0].contiguous()
    expect_like(result, like)

    def is_this(**ways):
        return close(result, by_hand(leads, slopes, extra, **ways), 1e-4)

    suspect(is_this(choose=lambda d, f, w: f.index(min(f))), "You went to the runner-up, the class with the smallest lead to make up. Its slope is gentle, so "
            "its boundary is far: compare |lead| / length.")
    suspect(is_this(choose=lambda d, f, w: w.index(max(w))), "You went where the slope is steepest. The lead to make up there is larger still: compare |lead| / length.")
    suspect(is_this(choose=lambda d, f, w: d.index(max(d))), "You went to the farthest boundary: take the smallest distance.")
    suspect(close(-result, by_hand(leads, slopes, extra), 1e-4) or close(-result, by_hand(leads, slopes, extra, size=lambda d, w: d - extra), 1e-4),
            "Right class, but you walk away from it. Its lead should grow, so go up its slope: the size of the step is positive.")
    suspect(close(result, by_hand(leads, slopes, extra, choose=lambda d, f, w: d.index(max(d)), size=lambda d, w: extra - d), 1e-4),
            "Leads are below 0, so without their size the smallest quotient is the farthest boundary, and the step goes backwards: take leads.abs().")
    suspect(is_this(size=lambda d, w: (d + extra) * w) or is_this(size=lambda d, w: d * w + extra * w), "Your steps are as many times too long as the slope is: "
            "divide the slope by its length first, so that it is an arrow of length 1.")
    suspect(is_this(size=lambda d, w: d + extra * w), "The way to the boundary is right, but `extra` was multiplied by the slope, which is no arrow of length 1: it comes out "
            "longer or shorter than asked for. Add it to the distance first.")
    suspect(is_this(size=lambda d, w: d + extra / w), "You added `extra` to the lead, which counts logits. It is a length: add it to |lead| / length.")
    suspect(is_this(size=lambda d, w: d), "Your steps end exactly on the boundary, where two classes are equal. Make each longer by `extra`.")
    suspect(is_this(size=lambda d, w: d * (1 + extra)), "You multiplied by 1 + extra. It is a length to add: a part of a tiny step is next to nothing.")
    whole = int((leads.abs() / slopes.flatten(2).norm(dim=2)).sum(0).argmin())
    suspect(is_this(choose=lambda d, f, w: whole), "All images went to the same class: each has a nearest boundary of its own, so take the smallest along dim 1.")
    expect("steps to the nearest boundary and `extra` beyond", close(result, by_hand(leads, slopes, extra), 1e-4), "This is not yet the step to the nearest boundary.",
           points=2, got=result, expected=by_hand(leads, slopes, extra))
    leads, slopes, _ = scene(random, 5, (2, 2, 3, 2))
    volumes = answer(leads, slopes, 0.1)
    expect_like(volumes, slopes[:, 0].contiguous())
    expect("3-D volumes and another `extra` as well", close(volumes, by_hand(leads, slopes, 0.1), 1e-4), "Pictures come out right; volumes, or another `extra`, do not.",
           points=1)
    leads, slopes, _ = scene(random, 3, (1, 2, 2))
    slopes[0] = 0
    flat = answer(leads, slopes, 0.1)
    suspect(torch.is_tensor(flat) and flat.shape == slopes[:, 0].shape and bool(flat.isnan().any()), "One image's slopes are all 0, as where a network is very sure, and its step "
            "came out as NaN. Keep the length above 0: .clamp_min(1e-12).")
    expect_like(flat, slopes[:, 0].contiguous())
    expect("no step where there is no slope", close(flat, by_hand(leads, slopes, 0.1), 1e-4), "Where all slopes are 0 the step should be 0.", points=1)


@right
def image_by_image(leads, slopes, extra):
    steps = []
    for lead, slope in zip(leads, slopes):
        ways = [(abs(float(one)) / max(float(arrow.norm()), 1e-9), arrow) for one, arrow in zip(lead, slope)]
        shortest, arrow = min(ways, key=lambda way: way[0])
        steps.append(arrow * ((shortest + extra) / max(float(arrow.norm()), 1e-9)))
    return torch.stack(steps)


@right
def by_gather(leads, slopes, extra):
    flat = slopes.reshape(*leads.shape, -1)
    norms = torch.sqrt((flat ** 2).sum(-1)) + 1e-12
    quotient = -leads / norms
    which = quotient.argmin(dim=1, keepdim=True)
    unit = flat.gather(1, which[..., None].expand(-1, 1, flat.shape[2]))[:, 0] / norms.gather(1, which)
    return (unit * (quotient.gather(1, which) + extra)).reshape(slopes.shape[:1] + slopes.shape[2:])


@wrong("You went to the runner-up")
def runner_up(leads, slopes, extra):
    rows, best = torch.arange(len(leads)), leads.argmax(1)
    length = slopes.flatten(2).norm(dim=2).clamp_min(1e-12)[rows, best]
    size = (leads[rows, best].abs() / length + extra) / length
    return size.view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("You went where the slope is steepest")
def steepest(leads, slopes, extra):
    length, best = slopes.flatten(2).norm(dim=2).clamp_min(1e-12).max(1)
    rows = torch.arange(len(leads))
    return ((leads[rows, best].abs() / length + extra) / length).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("You went to the farthest boundary")
def farthest(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads.abs() / length).max(1)
    return ((distance + extra) / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("take leads.abs()")
def signed(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads / length).min(1)
    return ((distance + extra) / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("divide the slope by its length first")
def not_a_unit(leads, slopes, extra):
    distance, best = (leads.abs() / slopes.flatten(2).norm(dim=2).clamp_min(1e-12)).min(1)
    return (distance + extra).view(-1, *[1] * (slopes.dim() - 2)) * slopes[torch.arange(len(leads)), best]


@wrong("`extra` was multiplied by the slope")
def extra_too_late(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads.abs() / length).min(1)
    return (distance / length[rows, best] + extra).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("You added `extra` to the lead")
def extra_too_early(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    best = (leads.abs() / length).argmin(1)
    return ((leads[rows, best].abs() + extra) / length[rows, best] ** 2).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("end exactly on the boundary")
def no_extra(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads.abs() / length).min(1)
    return (distance / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("You multiplied by 1 + extra")
def a_part_of_it(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads.abs() / length).min(1)
    return ((1 + extra) * distance / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("came out as NaN")
def unguarded(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2), torch.arange(len(leads))
    distance, best = (leads.abs() / length).min(1)
    return ((distance + extra) / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]


@wrong("All images went to the same class")
def one_for_all(leads, slopes, extra):
    length = slopes.flatten(2).norm(dim=2).clamp_min(1e-12)
    distance = leads.abs() / length
    k = int(distance.sum(0).argmin())
    return ((distance[:, k] + extra) / length[:, k]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[:, k]


@wrong("Right class, but you walk away from it")
def away(leads, slopes, extra):
    length, rows = slopes.flatten(2).norm(dim=2).clamp_min(1e-12), torch.arange(len(leads))
    distance, best = (leads.abs() / length).min(1)
    return -((distance + extra) / length[rows, best]).view(-1, *[1] * (slopes.dim() - 2)) * slopes[rows, best]

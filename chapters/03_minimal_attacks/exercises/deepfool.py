"""DeepFool: step to the nearest boundary as if the network were linear, look again, until the class changes."""
import copy

import torch

from medcrypt_lab import models
from medcrypt_lab.exercises import close, contract, expect, expect_like, right, suspect, uses, wrong

points, minutes, difficulty = 5, 12, 4
nearest_boundary = uses("minimal_attacks.nearest_boundary")
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "Three things are missing: the slope of each lead at `here`; the step, which is your last exercise; and who takes it. Whoever is across stays.",
    "One column of leads is a lead of every image. Its sum's gradient at `here` holds each image's own, for no image's lead depends on another's pixels. "
    "Stack the columns' gradients along dim 1. Add the steps up in `total`, of those `inside` only, and start from `images` each time.",
    "`slopes = torch.stack([torch.autograd.grad(lead.sum(), here, retain_graph=True)[0] for lead in leads.unbind(1)], 1)`, then "
    "`total = total + inside.reshape(-1, 1, 1, 1) * nearest_boundary(leads.detach(), slopes, extra)`, then `(images + (1 + overshoot) * total).clamp(0, 1)`.",
]
after = ("You never told it a label, nor a budget: it measures how far each image is from another answer. On a linear model that distance is exact; "
         "on a network it is an upper bound, for a shorter way may hide where the slope at the start does not point.")


def deepfool(model, images, overshoot=0.02, extra=1e-4, steps=50):
    """Small changes after which each image gets another class.

    images: (n, channels, height, width) in [0, 1]. No labels: the class
    to leave, `own`, is what the model says of the untouched image.
    In each turn, for the images that are still `inside` their class:
      slopes: (n, K - 1, channels, height, width), of each lead at `here`;
      step:   nearest_boundary(leads.detach(), slopes, extra);
      total:  the sum of an image's steps so far;
      changed = images + (1 + overshoot) * total, cut to [0, 1].
    torch.autograd.grad(lead.sum(), here, retain_graph=True)[0] has each
    image's slope of one lead, (n, ...); leads.unbind(1): the K - 1 leads;
    torch.stack(list, 1) puts tensors side by side along a new dim 1;
    mask.reshape(-1, 1, 1, 1) * images keeps those that mask says.
    """
    with torch.no_grad():
        own = model(images).argmax(1)
    total, changed = torch.zeros_like(images), images.clone()
    for _ in range(steps):
        here = changed.detach().requires_grad_(True)
        logits = model(here)
        inside = logits.argmax(1) == own
        if not inside.any():
            break
        classes = logits.shape[1]
        others = (own[:, None] + torch.arange(1, classes)) % classes
        leads = logits.gather(1, others) - logits.gather(1, own[:, None])
        # BEGIN SOLUTION
        slopes = [torch.autograd.grad(lead.sum(), here, retain_graph=True)[0]
                  for lead in leads.unbind(1)]
        step = nearest_boundary(leads.detach(), torch.stack(slopes, 1), extra)
        total = total + inside.reshape(-1, 1, 1, 1) * step
        changed = (images + (1 + overshoot) * total).clamp(0, 1)
        # END SOLUTION
    return changed.detach()


def walk(model, image, overshoot, extra, steps, mistake=None, turns=None):
    """The oracle, one image (1, ...) at a time, class by class -> where it ends, how many steps it took.

    mistake: errs in one way. turns: go on so long, across or not (what a missing mask does)."""
    start, total, taken = image.detach(), torch.zeros_like(image), 0
    own = int(model(start)[0].argmax())
    x = start
    while taken < (turns or steps):
        at = x.clone().requires_grad_(True)
        logits = model(at)[0]
        if turns is None and int(logits.argmax()) != own:
            break
        ways = []
        for k in range(len(logits)):
            if k != own:
                slope, = torch.autograd.grad(logits[k] - logits[own], at, retain_graph=True)
                ways.append((abs(float((logits[k] - logits[own]).detach())), float(slope.square().sum()) ** 0.5 + 1e-12, slope))
        near = min(ways, key=lambda way: way[0] / (1 if mistake == "runner-up" else way[1]))
        step = near[2] / near[1] * (near[0] / near[1] + extra)
        total = step if mistake == "restart" else total + step
        x = (start + (1 + overshoot) * total).clamp(0, 1).detach()
        taken += 1
    return x, taken


def straight(random, n=6, classes=5, size=4):
    """A linear model, images that need not be clipped, and by hand: each one's distance (n,) and unit arrow to its nearest boundary.

    That is clearly nearer than the others, and for half of the images it is not the runner-up's."""
    while True:
        model, pool = models.make("linear", classes=classes, size=size), random.tensor(80, 1, size, size, low=0.3, high=0.7)
        with torch.no_grad():
            model[1].weight.copy_(random.tensor(classes, size * size, low=-1, high=1) * torch.tensor([[0.5], [1.0], [1.5], [2.0], [3.0]]))
            model[1].bias.copy_(-(model[1].weight @ pool.flatten(1).T).mean(1))
        weight, bias, kept = model[1].weight.detach().double(), model[1].bias.detach().double(), {True: [], False: []}
        for image in pool:
            scores = weight @ image.double().flatten() + bias
            own = int(scores.argmax())
            gaps = [(float(scores[own] - scores[k]), weight[k] - weight[own]) for k in range(classes) if k != own]
            gaps.sort(key=lambda gap: gap[0])
            ways = sorted((gap / float(arrow.norm()), place, arrow / arrow.norm()) for place, (gap, arrow) in enumerate(gaps))
            if 0.04 < ways[0][0] < 0.25 and ways[1][0] > 1.1 * ways[0][0] + 0.01:
                kept[ways[0][1] == 0].append((image, ways[0][0], ways[0][2]))
        if min(map(len, kept.values())) >= n // 2:
            images, near, arrows = zip(*kept[True][:n // 2], *kept[False][:n // 2])
            return model, torch.stack(images), torch.tensor(near), torch.stack(arrows).float()


def curved(random, overshoot, extra, steps):
    """A small network and images that need several steps, not all the same number; rounding does not change where the walks end."""
    while True:
        model, images, _ = contract.toy(random, classes=3, n=8)
        with torch.no_grad():
            model.head.bias[0] += 3             # most images far from their boundary, which is curved
        images = 0.3 + 0.4 * images             # nothing need be clipped
        exact = [walk(model, image, overshoot, extra, steps) for image in images.split(1)]
        model, images = model.float(), images.float()
        ends = [walk(model, image, overshoot, extra, steps) for image in images.split(1)]
        good = [k for k in range(len(images)) if ends[k][1] == exact[k][1] < steps and close(ends[k][0], exact[k][0].float(), 1e-4)
                and 0 < ends[k][0].min() and ends[k][0].max() < 1]
        good = sorted(good, key=lambda k: ends[k][1])
        chosen = good[:2] + good[-2:]
        if len(good) < 4 or ends[chosen[0]][1] == ends[chosen[-1]][1]:
            continue
        images, ends, least, most = images[chosen], torch.cat([ends[k][0] for k in chosen]), ends[chosen[0]][1], ends[chosen[-1]][1]

        def of(steps, **ways):
            return torch.cat([walk(model, image, overshoot, extra, steps, **ways)[0] for image in images.split(1)])

        late, one, two = of(steps, turns=most), of(1), of(2)
        if close(ends, late, 0.004) or close(ends, one, 0.004) or not bool(((two > 0) & (two < 1) & (one > 0) & (one < 1)).all()):
            continue
        again = of(steps, mistake="restart")
        if not close(ends, again, 0.004) and not close(one, again, 0.004):
            return model, images, ends, late, one, two, again, least


def edge(random, size=4):
    """A linear model of two classes and images with black pixels that each step would push below 0: of every step a quarter is cut off."""
    model, n = models.make("linear", classes=2, size=size), 3
    with torch.no_grad():
        arrow = random.tensor(size * size, low=0.8, high=1.2)
        arrow[:size] *= -1
        order = torch.tensor(random.sample(range(size * size), size * size))
        arrow = arrow[order]
        model[1].weight.copy_(torch.stack([-arrow, arrow]))
        images = random.tensor(n, 1, size, size, low=0.3, high=0.5).flatten(1)
        images[:, arrow < 0] = 0
        model[1].bias.copy_(torch.stack([(images @ arrow).max() + 0.3, -(images @ arrow).max() - 0.3]))
    return model, images.reshape(n, 1, size, size)


def check(answer, random):
    """Moosavi-Dezfooli et al. 2016: the exact distance on a linear model of five classes, the path on a small network, black pixels that
    cannot get darker, and the contract of minimal attacks."""
    overshoot, extra = 0.1, 0.03
    model, images, near, arrows = straight(random)
    result = answer(model, images, overshoot, extra, 50)
    expect_like(result, images)

    def there(length):
        return (images.flatten(1) + length[:, None] * arrows).clamp(0, 1).reshape(images.shape)

    def to_the_runner_up():
        return torch.cat([walk(model, image, overshoot, extra, 50, "runner-up")[0] for image in images.split(1)])

    expected, moved = there((1 + overshoot) * (near + extra)), (result - images).flatten(1).norm(dim=1)
    suspect(close(result, images), "These are the images as they were. A tensor does not change by itself: give `changed` its new value in each turn.")
    suspect(close(result, there(near + extra), 1e-4), "Each walk is too short: 1 + overshoot is missing.")
    suspect(close(result, there((1 + overshoot) * near), 1e-4), "You passed 0 or nothing in place of `extra`: hand it on to nearest_boundary.")
    suspect(close(result, there((1 + overshoot) ** 2 * (near + extra)), 1e-4), "The overshoot counts twice: either each step is longer by it, or the total, not both.")
    suspect(close(result, there((1 + overshoot) * (len(images) * near + extra)), 1e-4), lambda: f"Your walks are {len(images)} times too long, as many times as there are images: "
            "a mean over the batch makes each slope smaller. Add up instead, .sum().")
    suspect(close(result, to_the_runner_up(), 1e-4), "You go to the class with the smallest lead to make up. Take the slopes of *all* the other classes and let nearest_boundary choose.")
    suspect(bool((((result - images).flatten(1) * arrows).sum(1) < 0).all()), "You walk away from every boundary: add the total to the images.")
    expect("a linear model of five classes: to the nearest boundary and beyond by overshoot and extra", close(result, expected, 1e-4),
           lambda: f"The first image is {float(near[0]):.3f} from its nearest boundary; with overshoot {overshoot} and extra {extra} it should move by "
           f"{float((1 + overshoot) * (near[0] + extra)):.3f}, yours moved by {float(moved[0]):.3f}.", points=2, got=result, expected=expected)

    overshoot, extra, steps = 0.05, 0.05, 10
    model, images, expected, late, one, two, again, least = curved(random, overshoot, extra, steps)
    result = answer(copy.deepcopy(model), images, overshoot, extra, steps)
    expect_like(result, images)
    suspect(close(result, late, 1e-3), "An image that is across its boundary is moved on as long as any other is not: only those `inside` take a step.")
    suspect(close(result, one, 1e-3), "One step, and no second look. On a curved boundary the first step often falls short: does `return` stand in the loop?")
    suspect(close(result, again, 1e-3), "Each of your steps begins at `images` and forgets the way so far: add the steps up in `total`.")
    second = answer(copy.deepcopy(model), images, overshoot, extra, 2)
    expect_like(second, images)
    farther, stay = (two + one - images).clamp(0, 1), (one == two).flatten(1).all(1)         # who is across after one step may rest
    suspect(all(close(a, b, 1e-3) or rests and close(a, c, 1e-3) for a, b, c, rests in zip(second, farther, two, stay.tolist())),
            "You add the total to a picture that was moved already, so the early steps count again and again: `total` holds them all, so add it to `images`.")
    early = answer(copy.deepcopy(model), images, overshoot, extra, least + 1)       # one turn after the first is across
    expect_like(early, images)
    black = [k for k in range(len(images)) if not bool(early[k].any())]
    suspect(black, lambda: f"Image {black[0]} came back black, every pixel 0: the mask stands before all of `changed`. Put it before the step, so that who is across gets a step of 0.")
    with torch.no_grad():
        across = int((model(result).argmax(1) != model(images).argmax(1)).sum())
    expect("a curved boundary: step, look again, stop on the other side", across == len(images) and close(result, expected, 2e-3),
           lambda: f"{across} of {len(images)} images are across, and " + ("some walked another way." if across == len(images) else "all should be."),
           points=2, got=result, expected=expected)

    model, images = edge(random)
    result = answer(model, images, 0.02, 0.01, 12)
    expect_like(result, images)
    outside = int(((result < 0) | (result > 1)).sum())
    suspect(outside, lambda: f"{outside} pixels left [0, 1]: black cannot get darker. Cut `changed` in each turn.")
    with torch.no_grad():
        stuck = int((model(result).argmax(1) == model(images).argmax(1)).sum())
    given = contract.toy(random, classes=3, n=5)
    for property, ok, words in contract.minimal(lambda model: lambda images, labels: answer(model, images), given[0].float(), given[1].float(), given[2]):
        expect(property, ok, words)
    expect("crosses although black pixels cannot get darker", stuck == 0, lambda: f"{stuck} of {len(images)} images with black "
           "pixels stop at the boundary: part of each step is cut off. Every step is longer by `extra`, not only the first.", points=1)


@right
def image_by_image(model, images, overshoot=0.02, extra=1e-4, steps=50):
    results = []
    for image in images.split(1):
        x, way = image, 0 * image
        label = int(model(image).argmax())
        for _ in range(steps):
            x = x.detach().requires_grad_(True)
            scores = model(x)[0]
            if int(scores.argmax()) != label:
                break
            rest = [k for k in range(len(scores)) if k != label]
            slopes = torch.stack([torch.autograd.grad(scores[k] - scores[label], x, retain_graph=True)[0] for k in rest], 1)
            way = way + nearest_boundary((scores[rest] - scores[label])[None].detach(), slopes, extra)
            x = (image + (1 + overshoot) * way).clamp(0, 1)
        results.append(x.detach())
    return torch.cat(results)


@right
def rows_on_their_way(model, images, overshoot=0.02, extra=1e-4, steps=50):
    x, total = images.clone(), torch.zeros_like(images)
    own, rows = model(images).argmax(1), torch.arange(len(images))
    for _ in range(steps):
        here = x[rows].requires_grad_()
        out = model(here)
        stay = out.argmax(1) == own[rows]
        if not stay.any():
            break
        slope = torch.stack([torch.autograd.grad(out[:, k].sum(), here, retain_graph=True)[0] for k in range(out.shape[1])], 1)
        each = torch.arange(len(rows))
        f, w = out - out[each, own[rows]][:, None], slope - slope[each, own[rows]][:, None]
        keep = (torch.arange(out.shape[1]) != own[rows][:, None]).nonzero()[:, 1].view(len(rows), -1)
        f, w = f.detach().gather(1, keep), w[each[:, None], keep]
        rows = rows[stay]
        total[rows] += nearest_boundary(f[stay], w[stay], extra)
        x[rows] = torch.clamp(images[rows] + total[rows] + overshoot * total[rows], min=0, max=1)
    return x


@right
def from_where_it_is(model, images, overshoot=0.02, extra=1e-4, steps=50):
    changed, own = images.clone(), model(images).detach().argmax(1)
    for _ in range(steps):
        x = changed.clone().requires_grad_(True)
        scores = model(x)
        inside = (scores.argmax(1) == own).float()
        if not inside.sum():
            return changed
        lead = scores - scores.gather(1, own[:, None])
        slopes = torch.stack([torch.autograd.grad(lead[:, k].sum(), x, retain_graph=True)[0] for k in range(lead.shape[1])], 1)
        lead = lead.detach().scatter(1, own[:, None], -1e9)      # the own class: never the nearest
        changed = (changed + (1 + overshoot) * inside.view(-1, 1, 1, 1) * nearest_boundary(lead, slopes, extra)).clamp(0, 1)
    return changed



def each_turn(turn, model, images, extra, steps, toward=lambda leads, here: (leads, each_slope(leads, here))):
    """The scaffold of the answers below; turn(step, total, changed, inside) returns the new total and changed, before the cut to [0, 1].

    toward(leads, here): the leads and slopes that nearest_boundary is given.
    """
    own = model(images).argmax(1).detach()
    total, changed = torch.zeros_like(images), images.clone()
    for _ in range(steps):
        here = changed.detach().requires_grad_(True)
        scores = model(here)
        inside = scores.argmax(1) == own
        if not inside.any():
            break
        others = (own[:, None] + torch.arange(1, scores.shape[1])) % scores.shape[1]
        leads, slopes = toward(scores.gather(1, others) - scores.gather(1, own[:, None]), here)
        total, changed = turn(nearest_boundary(leads.detach(), slopes, extra), total, changed, inside[:, None, None, None])
    return changed.detach()


def each_slope(leads, here):
    """The slope of each lead at each image."""
    return torch.stack([torch.autograd.grad(one.sum(), here, retain_graph=True)[0] for one in leads.T], 1)


@wrong("is moved on as long as any other is not")
def no_mask(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("1 + overshoot is missing")
def no_overshoot(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images + total).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("hand it on to nearest_boundary")
def no_extra(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, 0.0, steps)


@wrong("The overshoot counts twice")
def twice(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + (1 + overshoot) * step * inside
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("a mean over the batch")
def mean(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps, lambda leads, here: (leads, each_slope(leads / len(leads), here)))


@wrong("Take the slopes of *all* the other classes")
def runner_up(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def largest(leads, here):
        lead, _ = leads.max(1, keepdim=True)
        return lead, each_slope(lead, here)

    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps, largest)


@wrong("You walk away from every boundary")
def away(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images - total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("early steps count again and again")
def to_the_moved(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (changed + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("came back black")
def masks_the_picture(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step
        return total, inside * (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("does `return` stand in the loop?")
def returns_early(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, (images + total * (1 + overshoot)).clamp(0, 1)
    return each_turn(turn, model, images, extra, 1)


@wrong("forgets the way so far")
def restarts(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        return total, torch.where(inside, images + (1 + overshoot) * step, changed).clamp(0, 1)
    return each_turn(turn, model, images, extra, steps)


@wrong("pixels left [0, 1]")
def no_box(model, images, overshoot=0.02, extra=1e-4, steps=50):
    def turn(step, total, changed, inside):
        total = total + step * inside
        return total, images + total * (1 + overshoot)
    return each_turn(turn, model, images, extra, steps)


@wrong("give `changed` its new value")
def forgot(model, images, overshoot=0.02, extra=1e-4, steps=50):
    return each_turn(lambda step, total, changed, inside: (total + step * inside, changed), model, images, extra, steps)


@wrong("a call into medcrypt_lab.attacks does not count")
def ready_made(model, images, overshoot=0.02, extra=1e-4, steps=50):
    from medcrypt_lab import attacks
    return attacks.DeepFool(model, overshoot=overshoot, steps=steps)(images)

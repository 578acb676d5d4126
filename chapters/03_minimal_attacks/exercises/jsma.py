"""JSMA: the best pair is pushed, and everything is asked again."""
import copy

import torch

from medcrypt_lab.exercises import close, contract, expect, expect_like, linear_classifier, right, suspect, uses, wrong

points, minutes, difficulty = 4, 12, 3
forward_derivative = uses("minimal_attacks.forward_derivative")
saliency_pairs = uses("minimal_attacks.saliency_pairs")
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "What ends the loop early? Two things: the model says the target, or there is nothing left to push.",
    "In each turn, on the picture as it is *now*: ask the model; see which pixels can still move in theta's direction; ask for the pair; push both; clip.",
    "`if model(changed[None]).argmax() == target: break`; `flat = changed.flatten()`; `movable = flat < 1 if theta > 0 else flat > 0`; "
    "`pair = best_pair(forward_derivative(model, changed), target, theta, movable)`; `if pair is None: break`; `flat[list(pair)] += theta`; "
    "`changed = flat.clamp(0, 1).reshape(image.shape)`.",
]
after = ("Each pair costs a new derivative: after a push the slopes are others. Whoever computes the map once and pushes its best fifty pairs has read "
         "an old map.")


def best_pair(jacobian, target, theta, movable, height=64):
    best, pair = 0, None
    for rows in torch.arange(len(movable)).split(height):
        strip = saliency_pairs(jacobian, target, theta, movable, rows)
        highest, place = strip.flatten().max(0)
        if highest > best:
            p, q = divmod(int(place), len(movable))
            best, pair = highest, (int(rows[p]), q)
    return pair


def jsma(model, image, target, theta=1.0, gamma=0.1):
    """Push pixels by theta, two at a time, until the model says target.

    model: takes (n, ...) images, returns logits; target: a class, an int.
    image: (channels, height, width) in [0, 1], d values in all.
    theta: from -1 to 1, not 0; gamma: at most this share may change.
    Stops when the model says target, or when no pair is left.
    Returns the image as far as it came, still inside [0, 1].

    forward_derivative(model, image): (classes, d).
    best_pair(jacobian, target, theta, movable): (p, q), or None.
    movable: (d,) bool, which values theta can still move.
    flat[list(pair)] += theta pushes both; changed.flatten() is (d,).
    """
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        # BEGIN SOLUTION
        if model(changed[None]).argmax() == target:
            break
        flat = changed.flatten()
        movable = flat < 1 if theta > 0 else flat > 0
        jacobian = forward_derivative(model, changed)
        pair = best_pair(jacobian, target, theta, movable)
        if pair is None:
            break
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
        # END SOLUTION
    return changed


def walk(model, image, target, theta, gamma, *, stop=True, stale=False, push="add", again=True, free=False, up=False, fits=False, inner=False, aim=None, pairs=None, clip=True):
    """The oracle in float64, with a map of its own; returns (the picture, how the loop ended, how close the second-best pair ever came: 0 to 1).

    The keywords make it err: no stop at the target, the first derivative in every turn, what a push does to the two values, one push a value,
    saturated values pushed too, movable as if theta were above 0, only where the whole of theta fits, neither white nor black,
    another target for the map, this number of pairs, no clip."""
    ask, x, sign, close_call = in_float64(model, image), image.double().flatten(), 1 if theta > 0 else -1, 0.0
    fresh, first = torch.ones(len(x), dtype=torch.bool), None
    for _ in range(int(gamma * len(x) / 2) if pairs is None else pairs):
        said, slopes = ask(x)
        if stop and said == target:
            return x.reshape(image.shape).float(), "target", close_call
        first = slopes if first is None else first
        slopes = sign * (first if stale else slopes)
        a = slopes[target if aim is None else aim]
        b = slopes.sum(0) - a
        movable = (fresh if not again else True) & (torch.ones_like(fresh) if free else x < 1 if theta > 0 or up else x > 0)
        movable = movable & ((x + theta >= 0) & (x + theta <= 1) if fits else True) & ((x > 0) & (x < 1) if inner else True)
        score = ((a[:, None] + a).clamp(min=0) * -(b[:, None] + b).clamp(max=0) * movable * movable[:, None]).triu(1)
        best, second = score.flatten().topk(2).values.tolist()
        if best <= 0:
            return x.reshape(image.shape).float(), "empty", close_call
        close_call = max(close_call, second / best)
        p, q = divmod(int(score.argmax()), len(x))
        x = x.clone()
        x[p] = {"set": theta, "size": x[p] + abs(theta)}.get(push, x[p] + theta)
        x[q] = {"set": theta, "size": x[q] + abs(theta), "first": x[q]}.get(push, x[q] + theta)
        fresh[[p, q]] = False
        x = x.clamp(0, 1) if clip else x
    return x.reshape(image.shape).float(), "budget", close_call


def in_float64(model, image):
    """A function of the values: the class that the model says, and the slopes of its logits."""
    if isinstance(model, torch.nn.Sequential):
        weight, bias = (parameter.detach().double() for parameter in model[1].parameters())
        return lambda x: (int((weight @ x + bias).argmax()), weight)
    network = copy.deepcopy(model).double()

    def ask(x):
        x = x.reshape(1, *image.shape)
        return int(network(x).argmax()), torch.autograd.functional.jacobian(lambda z: network(z)[0], x).flatten(1)
    return ask


# What may go wrong, in the words of `walk`; in the first scene no two of these end alike.
MISTAKES = {"set": {"push": "set"}, "size": {"push": "size"}, "first": {"push": "first"}, "on": {"stop": False}, "once": {"again": False},
            "free": {"free": True}, "up": {"up": True}, "fits": {"fits": True}, "inner": {"inner": True}, "one": {"pairs": 1}}


def linear_scene(random, theta, ends, gamma=1.0, telling=False):
    """A linear model of two classes, a picture and a target on which the loop ends as wished, after two pairs at least, and no two pairs are nearly
    as good. telling: each mistake ends elsewhere, and without a clip a value leaves [0, 1]."""
    while True:
        model, images, _ = linear_classifier(random, classes=2, size=4, n=1)
        with torch.no_grad():
            model[1].bias.copy_(random.tensor(2, low=-3, high=3))
            if ends == "empty":                                     # hopeless: the target is far behind
                model[1].bias[0] -= 100
            given = model, images[0], int(model(images).argmin()), theta, gamma
        result, how, close_call = walk(*given)
        if how != ends or close_call > 0.999 or int((result != given[1]).sum()) < 4:
            continue
        if not telling:
            return given
        found = [result, images[0]]
        for mistake in MISTAKES.values():
            found.append(walk(*given, **mistake)[0])
            if any(close(found[-1], other, 0.01) for other in found[:-1]):
                break
        else:
            loose = walk(*given, clip=False)[0]
            if loose.min() < -0.01 or loose.max() > 1.01:
                return given


def check(answer, random):
    """Papernot et al. 2016, algorithm 3: to the target, to an empty map, to the end of the budget; brighter and darker; on a network, where slopes change."""
    for theta, ends, gamma in ((-0.35, "target", 1.0), (0.3, "empty", 1.0), (0.25, "budget", 0.3), (-1.0, "empty", 1.0)):
        given = linear_scene(random, theta, ends, gamma, telling=ends == "target")
        judge_one(answer, given, ends)
    # A network of ReLUs has other slopes after each push.
    while True:
        network, pictures, _ = contract.toy(random, classes=3)
        network, image, theta = network.float(), pictures[0].float(), random.choice([-0.6, 0.6])
        with torch.no_grad():
            target = int(network(image[None])[0].argsort()[1])
        given = network, image, target, theta, 0.2
        result, how, close_call = walk(*given)
        if how == "target" and close_call < 0.9999 and not close(walk(*given, stale=True)[0], result, 0.01):
            break
    judge_one(answer, given, "target", network=True)


def judge_one(answer, given, ends, network=False):
    model, image, target, theta, gamma = given
    expected = walk(*given)[0]
    result = answer(model, image, target, theta=theta, gamma=gamma)
    expect_like(result, image)

    def is_this(**mistake):
        if close(result, expected, 1e-4):       # a walk takes a while
            return False
        candidate = walk(*given, **mistake)[0]
        return not close(candidate, expected, 1e-3) and close(result, candidate, 1e-4)

    outside = int(((result < 0) | (result > 1)).sum())
    suspect(outside > 0, lambda: f"{outside} values left [0, 1]: clip after each push.")
    suspect(ends == "empty" and close(result, image), "Where no pair is left, what was pushed until then stays: return `changed`, not `image`.")
    suspect(close(result, image) and not close(expected, image), "This is the image unchanged. Does the pushed picture end up in `changed`?")
    suspect(is_this(stop=False), "The model said the target already, and you went on pushing: ask it at the start of each turn, on the changed picture.")
    suspect(is_this(stale=True), "You read an old map: the slopes are those of the first picture. Take the derivative of `changed` in every turn.")
    suspect(is_this(again=False), "You let a pixel move once only. As long as it is not at its end, 0 or 1, theta can push it again.")
    suspect(is_this(free=True), "You pushed pixels that cannot move: white ones brighter, or black ones darker. They waste a turn; leave them out by `movable`.")
    suspect(theta < 0 and is_this(up=True), "To darken, a pixel is movable while it is above 0. Yours are movable while below 1.")
    suspect(is_this(fits=True), "Your pixels must have room for the whole of theta. One that has less can move, too: it goes as far as 0 or 1, by the clip.")
    suspect(is_this(inner=True), "You moved no pixel at either end. Only one end stops a push: a white pixel can be darkened, a black one brightened.")
    suspect(is_this(push="set"), "You set the pixels to theta. They are pushed *by* theta: add it.")
    suspect(is_this(push="size"), "You brightened pixels where theta is below 0: add theta with its sign.")
    suspect(is_this(push="first"), "You pushed one pixel of the pair: both p and q move.")
    suspect(is_this(pairs=1), "One pair was pushed, and that is all. Does `return` stand in the loop?")
    with torch.no_grad():
        current = int(model(image[None]).argmax())
    suspect(is_this(aim=current), "Your map raises the class that the model says already. Raise the target.")
    if network:
        expect("on a network, with new slopes in every turn", close(result, expected, 1e-3), "On a network it goes another way than the slopes of each turn say.",
               points=1, got=result, expected=expected)
    elif ends == "target":
        expect("reaches the target and stops there", close(result, expected, 1e-4), "On a linear model it goes another way than the best pairs.",
               points=1, got=result, expected=expected)
    elif ends == "empty":
        expect(f"stops where no pair is left, {'brightening' if theta > 0 else 'darkening'}", close(result, expected, 1e-4),
               "Where no pair is admissible the loop ends; what was pushed until then stays.", points=1 if theta > 0 else 0, got=result, expected=expected)
    else:
        expect("keeps to its budget", close(result, expected, 1e-4), "With a small gamma it goes another way.", points=1, got=result, expected=expected)


@right
def with_while(model, image, target, theta=1.0, gamma=0.1):
    x, left = image.clone(), int(gamma * image.numel() / 2)
    while left > 0 and int(model(x[None]).argmax(1)) != target:
        room = (1 - x if theta > 0 else x).reshape(-1) > 0
        pair = best_pair(forward_derivative(model, x), target, theta, room)
        if not pair:
            return x
        push = torch.zeros(x.numel())
        push[pair[0]] = push[pair[1]] = theta
        x = (x + push.reshape(x.shape)).clamp(0, 1)
        left -= 1
    return x


@right
def in_place(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    flat = changed.view(-1)
    for _ in range(int(gamma * len(flat) / 2)):
        with torch.no_grad():
            done = model(changed[None])[0].argmax().item() == target
        pair = None if done else best_pair(forward_derivative(model, changed), target, theta, flat != (theta > 0))
        if pair is None:
            break
        for value in pair:
            flat[value] = min(max(float(flat[value]) + theta, 0.0), 1.0)
    return changed


@wrong("you went on pushing")
def never_asks(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None:
            break
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("You read an old map")
def derivative_once(model, image, target, theta=1.0, gamma=0.1):
    changed, jacobian = image.clone(), forward_derivative(model, image)
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(jacobian, target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("'NoneType' object is not iterable")
def never_empty(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        if model(changed[None]).argmax() == target:
            break
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("values left [0, 1]")
def unclipped(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] += theta
        changed = flat.reshape(image.shape)
    return changed


@wrong("They waste a turn")
def all_movable(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, torch.ones_like(flat, dtype=torch.bool))
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("Yours are movable while below 1")
def below_one(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] += theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("They are pushed *by* theta")
def sets(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] = theta
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("You let a pixel move once only")
def once_each(model, image, target, theta=1.0, gamma=0.1):
    changed, domain = image.clone(), (image < 1 if theta > 0 else image > 0).flatten()
    for _ in range(int(gamma * image.numel() / 2)):
        pair = best_pair(forward_derivative(model, changed), target, theta, domain)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat = changed.flatten()
        flat[list(pair)] += theta
        domain[list(pair)] = False
        changed = flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("Does `return` stand in the loop?")
def returns_early(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat[list(pair)] += theta
        return flat.clamp(0, 1).reshape(image.shape)
    return changed


@wrong("This is the image unchanged")
def not_kept(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None or model(changed[None]).argmax() == target:
            break
        flat = flat.index_add(0, torch.tensor(pair), torch.full((2,), theta)).clamp(0, 1)
    return changed


@wrong("room for the whole of theta")
def with_room(model, image, target, theta=1.0, gamma=0.1):
    changed = image.clone()
    for _ in range(int(gamma * image.numel() / 2)):
        goal = changed.flatten() + theta
        pair = best_pair(forward_derivative(model, changed), target, theta, (goal >= 0) & (goal <= 1))
        if pair is None or model(changed[None]).argmax() == target:
            break
        changed = changed.flatten().index_add(0, torch.tensor(pair), torch.full((2,), theta)).reshape(image.shape)
    return changed


@wrong("Only one end stops a push")
def neither_end(model, image, target, theta=1.0, gamma=0.1):
    changed, left = image.clone(), int(gamma * image.numel() / 2)
    while left and model(changed[None]).argmax() != target:
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, (0 < flat) & (flat < 1))
        if pair is None:
            break
        flat[list(pair)] += theta
        changed, left = flat.clamp(0, 1).reshape(image.shape), left - 1
    return changed


@wrong("return `changed`, not `image`")
def takes_it_back(model, image, target, theta=1.0, gamma=0.1):
    changed, left = image.clone(), int(gamma * image.numel() / 2)
    while left and model(changed[None]).argmax() != target:
        flat = changed.flatten()
        pair = best_pair(forward_derivative(model, changed), target, theta, flat < 1 if theta > 0 else flat > 0)
        if pair is None:
            return image
        flat[list(pair)] += theta
        changed, left = flat.clamp(0, 1).reshape(image.shape), left - 1
    return changed

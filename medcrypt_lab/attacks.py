"""The attacks that torchattacks lacks or gets wrong, each written as its paper writes it. Nothing of ours is imported.

    adversarial = DeepFool(model, steps=50)(images, labels)

model: takes images in [0, 1], so that a normalization is inside it, and returns logits: (n, K), or (n, K, h, w) for a class a pixel; K = 1 is a sigmoid's
logit of class 1.
images: (n, channels, ...) of a floating type, in [0, 1]. labels: whole numbers, (n,) or (n, h, w): the true classes or, with targeted=True, the wanted
ones; left out, what the model says now.
Returns new images in [0, 1]. Images, weights, gradients and the mode of each module stay as they are; chance comes from `seed` alone.
Raises ValueError for a setting or an argument outside its range.

Three kinds. *Bounded* (MarginPGD): the change stays in a ball of radius epsilon. *Minimal* (DeepFool, CarliniWagner..., JSMA): the smallest change found;
`attack.norms` (n,) tells its size, 0 where the aim was reached already and infinity where the search failed; both kinds of image come back unchanged.
*Universal* (UAP, MiniBatchUAP): one change for all images, `attack.perturbation`.
"""
import hashlib
from contextlib import contextmanager

import torch
from torch.nn import functional

TINY = 1e-12                    # in place of a length of 0, by which nothing can be divided
RANGES = {                      # setting -> lowest and highest; written as integers where only whole numbers make sense
    "alpha": (0., 1e9), "batch": (1, 10**6), "c": (1e-9, 1e9), "chunk": (1, 10**6), "confidence": (0., 1e9), "epsilon": (0., 1e9), "fooling": (1e-9, 1.),
    "gamma": (1e-9, 1.), "largest_c": (1e-9, 1e9), "learning_rate": (1e-9, 10.), "most": (1e-9, 1e9), "overshoot": (0., 1.), "passes": (1, 10**6),
    "restarts": (1, 10**6), "searches": (1, 100), "seed": (0, 2**62), "share": (1e-6, 1.), "shrink": (.01, .999), "smallest_tau": (1e-9, 1.),
    "steps": (1, 10**6), "theta": (-1., 1.),
}


# ---------------------------------------------------------------- what all attacks share
def margin(logits, labels):
    """How far the best other class is ahead of the labeled one, (n, ...): above 0, the answer is not the label. logits: (n, K, ...); labels: (n, ...)."""
    # The labeled class becomes minus infinity, not 0: where all logits are negative, 0 would be the best "other" one.
    other = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return other - logits.gather(1, labels[:, None])[:, 0]


def size(changes, norm):
    """The norm of each image's change, (n,): "L0" (pixels changed, in any channel), "L2" or "Linf" (largest entry). changes: (n, channels, ...)."""
    if norm == "L0":
        return (changes != 0).any(1).flatten(1).sum(1).to(changes.dtype)
    return changes.flatten(1).norm(dim=1) if norm == "L2" else changes.abs().flatten(1).amax(1)


def project(changes, epsilon, norm):
    """The nearest changes in the ball of radius epsilon: "Linf" cuts each entry, "L2" shortens each image's arrow. (n, channels, ...)."""
    if norm == "Linf":
        return changes.clamp(-epsilon, epsilon)
    return changes * _each((epsilon / size(changes, "L2").clamp_min(TINY)).clamp(max=1), changes)


def steepest(gradient, norm):
    """The direction of a step: the gradient's sign in "Linf", the gradient by its length in "L2", for each image."""
    return gradient.sign() if norm == "Linf" else gradient / _each(size(gradient, "L2").clamp_min(TINY), gradient)


def _each(values, images):
    """One value an image, (n,), shaped so that it multiplies images (n, channels, ...)."""
    return values.reshape(-1, *[1] * (images.ndim - 1))


def _demand(ok, words):
    if not ok:
        raise ValueError(words)


@contextmanager
def _undisturbed(model):
    """Evaluation mode inside; afterwards each module has its own mode again. model.train() would set all, a frozen batch norm too."""
    modes = {module: module.training for module in model.modules()} if isinstance(model, torch.nn.Module) else {}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class Attack:
    """What every attack does at its door. Each adds `run(images, labels, logits)`, which may trust its arguments."""
    def __init__(self, model, targeted=False, **settings):
        _demand(callable(model), f"The model must be callable, and a {type(model).__name__} is not: pass the network itself.")
        self.model, self.targeted = model, targeted
        for name, value in settings.items():
            low, high = RANGES[name]
            kind, allowed = ("a whole number", int) if isinstance(high, int) else ("a number", (int, float))
            _demand(name == "alpha" and value is None or isinstance(value, allowed) and not isinstance(value, bool) and low <= value <= high,
                    f"{name}={value!r} is not possible: give {kind} from {low:.6g} to {high:.6g}.")
            setattr(self, name, value)

    def __call__(self, images, labels=None):
        # Gradients are taken with autograd.grad, of images only: none is left on a parameter.
        with _undisturbed(self.model), torch.enable_grad():
            return self.run(*self._checked(images, labels)).detach()

    def logits(self, images):
        logits = self.model(images)
        # A sigmoid's only logit is the lead of class 1 over class 0.
        return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits

    def gain(self, images, labels):
        """What the attacker raises, above 0 where the aim is reached: (n,), or (n, h, w)."""
        lead = margin(self.logits(images), labels)
        return -lead if self.targeted else lead

    def reached(self, logits, labels):
        return (logits.argmax(1) == labels) == self.targeted

    def _checked(self, images, labels):
        _demand(isinstance(images, torch.Tensor) and images.is_floating_point() and images.ndim >= 3 and len(images) > 0,
                "The images must be a floating tensor (n, channels, ...), n at least 1; one image alone is image[None].")
        low, high = float(images.min()), float(images.max())
        _demand(0 <= low and high <= 1, f"The images reach from {low:.3g} to {high:.3g}, not from 0 to 1: divide by 255, or normalize inside the model.")
        images = images.detach().clone(memory_format=torch.contiguous_format)
        with torch.no_grad():
            logits = self.logits(images)
        _demand(not ((logits >= 0).all() and ((logits.sum(1) - 1).abs() < 1e-5).all()),
                "The model returns probabilities, for they sum to 1. Attack its logits, what softmax is applied to.")
        shape, last = (len(images), *logits.shape[2:]), logits.shape[1] - 1
        _demand(labels is not None or not self.targeted, "targeted=True needs labels: the wanted classes.")
        labels = logits.argmax(1) if labels is None else labels
        _demand(isinstance(labels, torch.Tensor) and not labels.is_floating_point() and tuple(labels.shape) == shape,
                f"The labels must be a tensor of whole numbers of shape {shape}, one for each answer of the model.")
        low, high = int(labels.min()), int(labels.max())
        _demand(0 <= low and high <= last, f"The labels reach from {low} to {high}, the model's classes from 0 to {last}.")
        return images, labels.detach().long(), logits


class _InBall(Attack):
    """An attack whose change stays in a ball of radius epsilon, "Linf" or "L2"."""
    def __init__(self, model, targeted, epsilon, norm, **settings):
        super().__init__(model, targeted, epsilon=epsilon, **settings)
        self.norm = norm
        _demand(norm in ("L2", "Linf"), f"norm={norm!r} is not possible: give 'Linf' or 'L2'.")
        _demand(norm == "L2" or epsilon <= 1, f"epsilon={epsilon!r} is more than a pixel's whole range, which is 1: eight gray levels are 8/255.")


# ---------------------------------------------------------------- bounded
class MarginPGD(_InBall):
    """Projected gradient ascent on the margin instead of the cross-entropy, whose gradient vanishes where softmax saturates.

    x <- P(x + alpha * s), s the gradient's sign (Linf) or the gradient by its length (L2), P onto the ball, then onto [0, 1] (Madry et al. 2018).
    The loss is min(margin, confidence), as in the "cw" loss of Madry's mnist_challenge, after Carlini and Wagner 2017.
    epsilon: radius of the ball; norm: "Linf" or "L2"; alpha: step size, if left out 2.5 epsilon / steps; random_start: begin anywhere in the ball, for each
    image as seed, restart and the image's bytes say, whatever its batch; restarts: how often to begin anew.
    confidence: margins above it count no more; with a class a pixel, whose mean is raised, 0 spends nothing on pixels that are wrong already.
    Returns, of all points visited, the one with the largest loss. Fails, and then says nothing, where gradients mislead: rounded or saturated logits, random
    models. More steps or restarts that change nothing, while random search does better, are the sign.
    """
    def __init__(self, model, *, epsilon=8 / 255, norm="Linf", alpha=None, steps=20, restarts=1, random_start=True, confidence=50, targeted=False, seed=0):
        super().__init__(model, targeted, epsilon, norm, alpha=alpha, steps=steps, restarts=restarts, confidence=confidence, seed=seed)
        self.random_start = random_start

    def run(self, images, labels, logits):
        best, highest = images.clone(), torch.full_like(images.flatten(1)[:, 0], -torch.inf)
        alpha = 2.5 * self.epsilon / self.steps if self.alpha is None else self.alpha
        for restart in range(self.restarts):
            x = (images + self._start(images, restart)).clamp(0, 1) if self.random_start else images
            for step in range(self.steps + 1):
                x = x.detach().requires_grad_(True)
                loss = self.gain(x, labels).clamp(max=self.confidence).reshape(len(x), -1).mean(1)
                better = loss > highest
                best[better], highest[better] = x.detach()[better], loss.detach()[better]
                if step < self.steps:
                    gradient, = torch.autograd.grad(loss.sum(), x)
                    change = x.detach() + alpha * steepest(gradient, self.norm) - images
                    x = (images + project(change, self.epsilon, self.norm)).clamp(0, 1)
        return best

    def _start(self, images, restart):
        """A random change for each image, uniform in the ball."""
        starts = []
        for image in images.cpu():
            digest = hashlib.sha256(f"{self.seed} {restart} ".encode() + image.numpy().tobytes()).digest()
            random = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
            if self.norm == "Linf":
                start = 2 * torch.rand(image.shape, generator=random, dtype=image.dtype) - 1
            else:           # any direction; most of a ball lies near its surface, hence the root
                start = torch.randn(image.shape, generator=random, dtype=image.dtype)
                start *= torch.rand((), generator=random, dtype=image.dtype) ** (1 / image.numel()) / start.norm()
            starts.append(self.epsilon * start)
        return torch.stack(starts).to(images.device)


# ---------------------------------------------------------------- minimal
class MinimalAttack(Attack):
    """What every minimal attack does around its `search(images, labels)`, which gives changed images and which of them reach the aim."""
    norm, norms = "L2", None
    def run(self, images, labels, logits):
        _demand(logits.ndim == 2, f"{type(self).__name__} wants one class an image; for a class a pixel there are MarginPGD and MiniBatchUAP.")
        adversarial, found = images.clone(), self.reached(logits, labels)
        rest = ~found
        if rest.any():
            changed, found[rest] = self.search(images[rest], labels[rest])
            adversarial[rest] = torch.where(_each(found[rest], images), changed, images[rest])
        self.norms = size(adversarial - images, self.norm).masked_fill(~found, torch.inf)
        return adversarial


class DeepFool(MinimalAttack):
    """Step to the nearest class boundary as if the model were linear, look again (Moosavi-Dezfooli et al. 2016, algorithm 2).

    f_k: logit k minus that of the present class; w_k: its gradient. Boundary k is |f_k| / ||w_k|| away; the step to the nearest one, l, is r = |f_l| /
    ||w_l||^2 * w_l, 1e-4 longer as in the authors' code, and x = image + (1 + overshoot) * (sum of all r), clipped to [0, 1].
    overshoot: in [0, 1], without which x would stop on the boundary; steps: at most so many. Labels only tell which images are wrong already: without them it
    is the paper's attack, which knows none. targeted, which is not in the paper: towards the wanted class's boundary.
    Exact on a linear model; elsewhere often farther than CarliniWagnerL2. Fails where gradients vanish. One backward pass a step and other class.
    """
    def __init__(self, model, *, overshoot=.02, steps=50, targeted=False):
        super().__init__(model, targeted, overshoot=overshoot, steps=steps)

    def search(self, images, labels):
        x, total = images.clone(), torch.zeros_like(images)
        rows = torch.arange(len(images), device=images.device)              # the images that are still on their way
        for step in range(self.steps + 1):
            here = x[rows].requires_grad_(True)
            f = self._boundaries(self.logits(here), labels[rows])
            before = f.amax(1) <= 0
            rows = rows[before]
            if step == self.steps or not len(rows):
                break
            w = torch.stack([torch.autograd.grad(f_k.sum(), here, retain_graph=True)[0] for f_k in f.unbind(1)], 1)[before]
            length = w.flatten(2).norm(dim=2).clamp_min(TINY)
            distance, nearest = (f.detach()[before].abs() / length).min(1)
            each = torch.arange(len(rows), device=images.device)
            total[rows] += _each((distance + 1e-4) / length[each, nearest], images) * w[each, nearest]
            x[rows] = (images + (1 + self.overshoot) * total)[rows].clamp(0, 1)
        return x, ~torch.isin(torch.arange(len(images), device=images.device), rows)

    def _boundaries(self, logits, labels):
        """f_k for each class that may be reached, (n, classes): above 0, it is."""
        if self.targeted:
            return -margin(logits, labels)[:, None]
        others = (labels[:, None] + torch.arange(1, logits.shape[1], device=labels.device)) % logits.shape[1]
        return logits.gather(1, others) - logits.gather(1, labels[:, None])


def _to_line(images):
    """[0, 1] stretched to the whole line. 0 and 1 would lie at infinity; as in the authors' code they are moved, by half a millionth."""
    return torch.atanh((2 * images - 1) * .999999)


def _to_box(w):
    return (torch.tanh(w) + 1) / 2


class _CarliniWagner(MinimalAttack):
    """What the three attacks of Carlini and Wagner 2017 share: their loss f6, and a search that doubles c."""
    def f(self, gain):
        """max(present class - best other, -confidence), of logits: no more than 0 where the aim is reached, and flat from -confidence on."""
        return (-gain).clamp(min=-self.confidence)

    def until_success(self, images, labels, start, c, rows, make, penalty, counts):
        """Minimize penalty + c * f by Adam from `start`, doubling c after each `steps` steps in vain; each image stops at its first success.
        rows: which images are to be solved; make(w, rows): images made of w; penalty(x, rows): (n,); counts(x, rows): which x may count as a success. Returns
        images (the start, where nothing was found), which succeeded, and each one's c.
        """
        solved, found, c, w = start.clone(), torch.zeros_like(labels, dtype=torch.bool), c.clone(), _to_line(start[rows])
        while len(rows):
            w = w.detach().requires_grad_(True)
            adam = torch.optim.Adam([w], self.learning_rate)
            for _ in range(self.steps):
                x = make(w, rows)
                gain = self.gain(x, labels[rows])
                first = (gain > self.confidence) & counts(x, rows) & ~found[rows]
                solved[rows[first]], found[rows[first]] = x.detach()[first], True
                if found[rows].all():
                    break
                w.grad, = torch.autograd.grad((penalty(x, rows) + c[rows] * self.f(gain)).sum(), w)
                adam.step()
            again = ~found[rows] & (2 * c[rows] <= self.largest_c)
            rows, w = rows[again], w[again]
            c[rows] *= 2
        return solved, found, c


class CarliniWagnerL2(_CarliniWagner):
    """The shortest change, by minimization (Carlini and Wagner 2017, section VI.A).

    minimize over w  ||x - image||^2 + c * f(x),  x = (tanh(w) + 1) / 2,  f(x) = max(present class - best other, -confidence) on logits, by Adam; c by binary
    search for each image, times 10 while nothing succeeded. Of all points visited, the closest success is returned.
    c: the first one; searches: how many values of c; steps of Adam for each, learning_rate; confidence: the margin to be won (the paper's kappa).
    The authors use searches=9, steps=10000, c=.001. Pixels of exactly 0 or 1 hardly move: tanh is flat there. Fails where gradients vanish.
    """
    def __init__(self, model, *, c=.1, searches=5, steps=100, learning_rate=.01, confidence=0, targeted=False):
        super().__init__(model, targeted, c=c, searches=searches, steps=steps, learning_rate=learning_rate, confidence=confidence)

    def search(self, images, labels):
        best, nearest = images.clone(), torch.full_like(images.flatten(1)[:, 0], torch.inf)
        c, low, high = torch.full_like(nearest, self.c), torch.zeros_like(nearest), torch.full_like(nearest, torch.inf)
        for _ in range(self.searches):
            x, distance = self.descend(images, labels, c)
            better, success = distance < nearest, distance < torch.inf
            best[better], nearest[better] = x[better], distance[better]
            low, high = torch.where(success, low, c), torch.where(success, c, high)
            c = torch.where(high < torch.inf, (low + high) / 2, 10 * c)
        return best, nearest < torch.inf

    def descend(self, images, labels, c):
        """For one c an image, (n,): the closest success on Adam's way, and its squared distance, infinity where there was none."""
        best, nearest = images.clone(), torch.full_like(c, torch.inf)
        w = _to_line(images).requires_grad_(True)
        adam = torch.optim.Adam([w], self.learning_rate)
        for _ in range(self.steps):
            x = _to_box(w)
            gain, distance = self.gain(x, labels), (x - images).square().flatten(1).sum(1)
            better = (gain > self.confidence) & (distance < nearest)
            best[better], nearest[better] = x.detach()[better], distance.detach()[better]
            w.grad, = torch.autograd.grad((distance + c * self.f(gain)).sum(), w)
            adam.step()
        return best, nearest


class CarliniWagnerL0(_CarliniWagner):
    """The fewest pixels: succeed with all of them, freeze those that matter least, succeed again (Carlini and Wagner 2017, section VI.B).

    A pixel matters as much as its change times the gradient, |delta_i| * |g_i|, summed over channels. Each round minimizes as CarliniWagnerL2 does, from the
    last solution to the first success. The last round that succeeded is returned.
    share: what part of the free pixels is frozen a round (the authors freeze about 0.3 times the root of the number that changed); c, largest_c: where doubling begins
    and gives up; steps of Adam for each c, learning_rate; confidence: the margin to be won.
    Greedy: a pixel that was frozen too early stays so. Fails where gradients vanish.
    """
    norm = "L0"
    def __init__(self, model, *, share=.2, c=1, largest_c=100, steps=20, learning_rate=.1, confidence=0, targeted=False):
        super().__init__(model, targeted, share=share, c=c, largest_c=largest_c, steps=steps, learning_rate=learning_rate, confidence=confidence)

    def search(self, images, labels):
        best, found, rows = images.clone(), torch.zeros_like(labels, dtype=torch.bool), torch.arange(len(images), device=images.device)
        c, free = torch.full_like(images.flatten(1)[:, 0], self.c), torch.ones_like(images[:, :1], dtype=torch.bool)
        left = free[0].numel()
        while len(rows) and left:
            best, success, c = self.until_success(
                images, labels, best, c, rows, make=lambda w, rows: torch.where(free[rows], _to_box(w), images[rows]),
                penalty=lambda x, rows: (x - images[rows]).square().flatten(1).sum(1), counts=lambda x, rows: True)
            found, rows = found | success, rows[success[rows]]
            freeze = max(1, int(self.share * left))
            x = best[rows].requires_grad_(True)
            gradient, = torch.autograd.grad(self.gain(x, labels[rows]).sum(), x)
            matters = (x.detach() - images[rows]).abs().sum(1, keepdim=True) * gradient.abs().sum(1, keepdim=True)
            least = matters.masked_fill(~free[rows], torch.inf).flatten(1).argsort(1)[:, :freeze]
            free[rows] = free[rows].flatten(1).scatter(1, least, False).view_as(matters)
            left -= freeze
        return best, found


class CarliniWagnerLinf(_CarliniWagner):
    """The smallest largest change: only what exceeds tau costs, and tau shrinks (Carlini and Wagner 2017, section VI.C).

    minimize over w  c * f(x) + (sum over pixels of max(|x - image| - tau, 0)) to the first success that exceeds tau nowhere, in the box of CarliniWagnerL2;
    then tau = shrink * (its largest change), from there on. The last success is returned.
    shrink: in (0, 1); smallest_tau: good enough (1/256 for the authors); c, largest_c: where doubling begins and gives up; steps of Adam for each c;
    learning_rate: its step, to be finer than tau, or the answer is coarse; confidence: the margin to be won. Fails where gradients vanish.
    """
    norm = "Linf"
    def __init__(self, model, *, shrink=.9, smallest_tau=1e-4, c=1, largest_c=100, steps=20, learning_rate=.002, confidence=0, targeted=False):
        super().__init__(model, targeted, shrink=shrink, smallest_tau=smallest_tau, c=c, largest_c=largest_c, steps=steps,
                         learning_rate=learning_rate, confidence=confidence)

    def search(self, images, labels):
        best, found, rows = images.clone(), torch.zeros_like(labels, dtype=torch.bool), torch.arange(len(images), device=images.device)
        c, tau = torch.full_like(images.flatten(1)[:, 0], self.c), torch.ones_like(images.flatten(1)[:, 0])

        def excess(x, rows):
            return ((x - images[rows]).abs() - _each(tau[rows], images)).clamp(min=0).flatten(1).sum(1)
        while len(rows):
            best, success, c = self.until_success(images, labels, best, c, rows, make=lambda w, rows: _to_box(w), penalty=excess,
                                                  counts=lambda x, rows: excess(x, rows) == 0)
            found, rows = found | success, rows[success[rows]]
            tau[rows] = self.shrink * size(best[rows] - images[rows], "Linf")
            rows = rows[tau[rows] > self.smallest_tau]
        return best, found


class JSMA(MinimalAttack):
    """Few pixels, two at a time, each pushed by theta: the Jacobian saliency map attack (Papernot et al. 2016, algorithm 3).

    Of a pair (p, q), A is the slope of the target's logit along both and B that of all other logits together. A pair may be pushed if that raises the target
    (A > 0) and lowers the rest (B < 0); the one with the largest A * |B| is. Where theta < 0, both slopes change their sign.
    theta: the push, in [-1, 1] but not 0; gamma: at most this share of the entries is changed, in (0, 1]; chunk: so many rows of the map of all pairs are in
    memory, chunk * d numbers instead of d * d. Not targeted, it aims at the best other class: of two classes, the other.
    An entry is one channel of a pixel; it leaves the search when it cannot move. An empty map ends the search as a failure, so two logits that rise and fall
    together cannot be attacked. Slow beyond 64 pixels a side: each pair looks at d * d / 2 sums.
    """
    norm = "L0"
    def __init__(self, model, *, theta=1, gamma=.1, chunk=32, targeted=False):
        super().__init__(model, targeted, theta=theta, gamma=gamma, chunk=chunk)
        _demand(theta != 0, "theta=0 pushes nothing: above 0 it brightens pixels, below 0 it darkens them.")

    def search(self, images, labels):
        with torch.no_grad():
            targets = labels if self.targeted else self.logits(images).scatter(1, labels[:, None], -torch.inf).argmax(1)
        x, found, rows = images.clone(), torch.zeros_like(labels, dtype=torch.bool), list(range(len(images)))
        for _ in range(int(self.gamma * images[0].numel() / 2) + 1):
            here = x[rows].requires_grad_(True)
            logits = self.logits(here)
            target, sign = logits.gather(1, targets[rows, None]).sum(), 1 if self.theta > 0 else -1
            raises, = torch.autograd.grad(sign * target, here, retain_graph=True)
            lowers, = torch.autograd.grad(sign * (target - logits.sum()), here)
            found[rows] = logits.argmax(1) == targets[rows]
            movable = x[rows] < 1 if sign > 0 else x[rows] > 0
            pairs = {row: self.best_pair(raises[i].flatten(), lowers[i].flatten(), movable[i].flatten()) for i, row in enumerate(rows) if not found[row]}
            rows = [row for row, pair in pairs.items() if pair]
            if not rows:
                break
            for row in rows:
                x[row].view(-1)[list(pairs[row])] += self.theta
            x.clamp_(0, 1)
        return x, found

    def best_pair(self, raises, lowers, movable):
        """The movable entries (p, q) of one image with the largest saliency; None if no pair is admissible. All arguments: (d,)."""
        entries, best, pair = movable.nonzero()[:, 0], 0, None
        a, b = raises[entries], lowers[entries]
        for i in range(0, len(entries), self.chunk):
            # Rows i to i + chunk, columns from i on: every pair is here, and on the diagonal each entry with itself.
            saliency = (a[i:i + self.chunk, None] + a[i:]).clamp_(min=0) * (b[i:i + self.chunk, None] + b[i:]).clamp_(min=0)
            highest, place = saliency.fill_diagonal_(0).flatten().max(0)
            if highest > best:
                best, pair = highest, (int(entries[i + place // saliency.shape[1]]), int(entries[i + place % saliency.shape[1]]))
        return pair


# ---------------------------------------------------------------- universal
class _Universal(_InBall):
    """One change for all images: `_updates(images, aims)` makes it step by step."""
    perturbation = None
    def run(self, images, labels, logits):
        # Away from the model's own answers, whatever the truth is; or to the wanted ones.
        self.perturbation, aims = torch.zeros_like(images[:1]), labels if self.targeted else logits.argmax(1)
        for self.perturbation in self._updates(images, aims):
            self.each_update(self.perturbation)
        return self.add_to(images)

    def each_update(self, perturbation):
        """Called with the perturbation after each update: put your own function here to watch it grow."""

    def add_to(self, images):
        """Any images, also such that it never saw, with the perturbation, clipped to [0, 1]."""
        _demand(self.perturbation is not None, "There is no perturbation yet: call the attack on some images first.")
        return (images + self.perturbation).clamp(0, 1)


class UAP(_Universal):
    """A universal perturbation, image by image, with DeepFool inside (Moosavi-Dezfooli et al. 2017, algorithm 1).

    For each image that v does not fool yet, dv is DeepFool's change of image + v, and v <- P(v + dv), P onto the ball; this in passes over all images, in
    random order, until the fooling rate is reached.
    epsilon, norm: the ball, "Linf" or "L2"; fooling: the rate to stop at, in (0, 1], 0.8 in the authors' code; passes: at most; steps, overshoot: DeepFool's.
    Labels are not used unless targeted (after Hirano and Takemoto 2020): then it pushes towards them. Image + v is clipped to [0, 1], which the paper's is
    not. Images are driven into few classes, whose share limits what can be fooled. Where two classes are equally common, the steps for one undo those for the
    other: give it a target, or images of one class.
    """
    def __init__(self, model, *, epsilon=8 / 255, norm="Linf", fooling=.8, passes=5, steps=10, overshoot=.02, targeted=False, seed=0):
        super().__init__(model, targeted, epsilon, norm, fooling=fooling, passes=passes, seed=seed)
        self.deepfool = DeepFool(model, overshoot=overshoot, steps=steps, targeted=targeted)

    def _updates(self, images, aims):
        _demand(aims.ndim == 1, "UAP wants one class an image; for a class a pixel there is MiniBatchUAP.")
        v, random = torch.zeros_like(images[:1]), torch.Generator().manual_seed(self.seed)
        for _ in range(self.passes):
            for i in torch.randperm(len(images), generator=random).tolist():
                x, aim = (images[i:i + 1] + v).clamp(0, 1), aims[i:i + 1]
                if not self._fooled(x, aim):
                    changed, found = self.deepfool.search(x, aim)
                    if found:           # as in the authors' code: a search that failed leads nowhere
                        v = project(v + changed - x, self.epsilon, self.norm)
                        yield v
            if self._fooled((images + v).clamp(0, 1), aims).float().mean() >= self.fooling:
                break

    def _fooled(self, images, aims):
        with torch.no_grad():
            return self.reached(self.logits(images), aims)


class MiniBatchUAP(_Universal):
    """A universal perturbation by gradient ascent over mini-batches (Shafahi et al. 2020), much faster than image by image.

    v <- P(v + alpha * s), s the sign of the gradient (Linf) or the gradient by its length (L2), of the mean cross-entropy of image + v, clipped to [0, 1],
    with the model's own answers; each one is cut at `most`, so that an image fooled for good does not outweigh the others.
    targeted: down the cross-entropy with the labels, which are not used otherwise.
    epsilon, norm: the ball; alpha: step size, if left out epsilon / 10; passes over all images; batch: images a step. Also for a class a pixel.
    """
    def __init__(self, model, *, epsilon=8 / 255, norm="Linf", alpha=None, passes=10, batch=32, most=9, targeted=False, seed=0):
        super().__init__(model, targeted, epsilon, norm, alpha=alpha, passes=passes, batch=batch, most=most, seed=seed)

    def _updates(self, images, aims):
        v, random = torch.zeros_like(images[:1]), torch.Generator().manual_seed(self.seed)
        alpha = self.epsilon / 10 if self.alpha is None else self.alpha
        for _ in range(self.passes):
            for rows in torch.randperm(len(images), generator=random).split(self.batch):
                v = v.detach().requires_grad_(True)
                loss = functional.cross_entropy(self.logits((images[rows] + v).clamp(0, 1)), aims[rows], reduction="none")
                gradient, = torch.autograd.grad(-loss.mean() if self.targeted else loss.clamp(max=self.most).mean(), v)
                v = project(v.detach() + alpha * steepest(gradient, self.norm), self.epsilon, self.norm)
                yield v

"""The contract of attacks: what holds for each of them, however strong it is. For tests and for checks of exercises.

    for property, ok, words in contract.bounded(lambda model, epsilon: MarginPGD(model, epsilon=epsilon), *contract.toy(random), epsilon=8 / 255):
        expect(property, ok, words)

make(model) gives an attack as torchattacks does: attack(images, labels) -> adversarial; where there is a ball, make(model, epsilon). A function becomes one by
`lambda model, epsilon: lambda images, labels: answer(model, images, labels, epsilon)`. The model is used in the mode it comes in, and always as a copy.
Two results agree, in float64, if the same images succeed and their norms differ by 1e-5 at most; in float32, where a sum depends on the size of its batch, if 99 of
100 images succeed or fail alike. What an attack raises goes through.
"""
import copy


def every(make, model, images, labels):
    """What all attacks promise. model: from medcrypt_lab.models; images (n, channels, ...); labels (n,), or (n, h, w)."""
    import torch
    used, given = copy.deepcopy(model), (images.clone(), labels.clone())
    modes, state = [module.training for module in used.modules()], copy.deepcopy(used.state_dict())
    adversarial = _run(make(used), *given)
    same_kind = isinstance(adversarial, torch.Tensor) and adversarial.shape == images.shape and adversarial.dtype == images.dtype
    yield "returns images of the same shape and type", same_kind, f"Asked for {images.dtype} {tuple(images.shape)}, got something else."
    yield ("stays inside [0, 1]", bool(((adversarial >= 0) & (adversarial <= 1)).all()),
           lambda: f"The values reach from {float(adversarial.min()):.3g} to {float(adversarial.max()):.3g}, or are no numbers.")
    yield ("leaves its images and labels as they were", torch.equal(given[0], images) and torch.equal(given[1], labels),
           "The images or labels that it got were changed in place.")
    yield ("leaves no gradients behind", all(parameter.grad is None for parameter in used.parameters()),
           "Gradients were left on the model's parameters: the next training step would add to them. Take them with torch.autograd.grad.")
    yield ("leaves each module in its mode", [module.training for module in used.modules()] == modes,
           "A module was left in another mode. model.train() sets all of them: keep each flag and put it back.")
    yield ("leaves weights and statistics alone", all(torch.equal(state[key], value) for key, value in used.state_dict().items()),
           "Weights or the statistics of a batch normalization changed: attack in evaluation mode.")
    yield ("gives the same twice", torch.equal(_on_copies(make, model, images, labels), adversarial),
           "With the same seed it gave another result.")
    shifted = [_on_copies(make, _shifted(model, constant), images, labels) for constant in (-20, 20)]
    yield ("does not feel a constant added to all logits", all(agree(model, images, labels, adversarial, other) for other in shifted),
           "With 20 added to, or taken from, all logits it gives another result, though no probability changed. Is something compared with 0?")


def bounded(make, model, images, labels, epsilon, norm="Linf"):
    """What an attack in a ball promises besides. norm: "Linf" or "L2"."""
    import torch

    def make_it(model):
        return make(model, epsilon)
    yield from every(make_it, model, images, labels)
    adversarial = _on_copies(make_it, model, images, labels)
    largest = float(_norms(adversarial - images, norm).max())
    yield "stays inside the ball", largest <= epsilon + 1e-6, f"The largest change is {255 * largest:.3g}/255, the budget {255 * epsilon:.3g}/255."
    yield "changes nothing when epsilon is 0", torch.equal(_on_copies(lambda model: make(model, 0.0), model, images, labels), images), "With epsilon = 0 pixels changed."
    yield _same_when_split(make_it, model, images, labels, adversarial)


def minimal(make, model, images, labels):
    """What an attack that looks for the smallest change promises besides. One that has `norms` is asked whether they are true."""
    import torch
    yield from every(make, model, images, labels)
    attack = make(copy.deepcopy(model))
    adversarial = _run(attack, images.clone(), labels.clone())
    yield _same_when_split(make, model, images, labels, adversarial)
    if getattr(attack, "norms", None) is not None:
        reached = (_predicted(model, adversarial) == labels) == attack.targeted
        true = torch.where(reached, _norms(adversarial - images, attack.norm), float("inf"))
        yield ("reports the norms that its changes have", torch.allclose(attack.norms, true, rtol=1e-5, atol=1e-6),
               lambda: f"Reported {attack.norms[:4].tolist()} ..., measured {true[:4].tolist()} ..., infinity where the attack failed.")


def universal(make, model, images, labels, epsilon, norm="Linf"):
    """What one perturbation for all images promises besides. An attack that calls `each_update(perturbation)` is watched."""
    import torch

    def make_it(model):
        return make(model, epsilon)
    yield from every(make_it, model, images, labels)
    attack, steps = make_it(copy.deepcopy(model)), []
    if hasattr(attack, "each_update"):
        attack.each_update = steps.append
    adversarial = _run(attack, images.clone(), labels.clone())
    # Where an image is clipped, its change says nothing: the perturbation is what the others agree on.
    inside = (adversarial > 0) & (adversarial < 1)
    perturbation = ((adversarial - images) * inside).sum(0) / inside.sum(0).clamp(min=1)
    error = ((images + perturbation).clamp(0, 1) - adversarial).abs() * inside.any(0)
    yield "adds one perturbation to all images", float(error.max()) <= 1e-6, "The images' changes differ by more than clipping explains."
    largest = max(float(_norms(step, norm).max()) for step in [*steps, perturbation[None]])
    yield ("stays inside the ball after every update", largest <= epsilon + 1e-6,
           f"The perturbation grew to {255 * largest:.3g}/255, the budget is {255 * epsilon:.3g}/255: project all of it after each update.")
    if not getattr(attack, "targeted", False):
        others = torch.zeros_like(labels), torch.ones_like(labels)
        yield ("uses no labels", all(torch.equal(_on_copies(make_it, model, images, other), adversarial) for other in others),
               "With other labels it gives another perturbation: get away from the model's own answers.")


def agree(model, images, labels, one, other):
    """Do two results agree, as far as numbers of their type can? (See above.)"""
    import torch
    alike = (_predicted(model, one) == labels) == (_predicted(model, other) == labels)
    alike = alike.reshape(len(images), -1).all(1)
    if images.dtype != torch.float64:
        return float(alike.float().mean()) >= .99
    return bool(alike.all()) and bool(((_norms(one - images, "L2") - _norms(other - images, "L2")).abs() <= 1e-5).all())


def toy(random, classes=3, n=10, dense=False, mixed=False):
    """A small float64 network with batch normalization, images of 16 x 16 and labels, each third of which is not the network's choice.

    random: random.Random. dense: a class a pixel. mixed: some modules in training mode and some not, as after model.train() with a frozen batch normalization.
    """
    import torch
    from medcrypt_lab import models
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(random.getrandbits(62))
        model = models.make("unet", classes=classes, width=2) if dense else models.make("small_cnn", classes=classes, width=4)
        model, images = model.double(), torch.rand(n, 1, 16, 16, dtype=torch.float64) * 1.2 - .1
        images = images.clamp(0, 1)
        # Its weights are random: without this nearly all images would get the same class.
        logits = model(images).transpose(0, 1).flatten(1)
        model.head.weight /= logits.std(1).mean()
        model.head.bias.sub_(logits.mean(1)).div_(logits.std(1).mean())
        labels = model(images).argmax(1)
    labels[::3] = (labels[::3] + 1) % classes
    for i, module in enumerate(model.modules()):
        module.training = mixed and i % 2 == 0
    return model, images, labels


def _run(attack, images, labels):
    """The attack, with torch's own random numbers seeded for those that draw from them."""
    import torch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return attack(images, labels)


def _on_copies(make, model, images, labels):
    return _run(make(copy.deepcopy(model)), images.clone(), labels.clone())


def _predicted(model, images):
    import torch
    with torch.no_grad():
        return copy.deepcopy(model).eval()(images).argmax(1)


def _norms(changes, norm):
    if norm == "L0":
        return (changes != 0).any(1).flatten(1).sum(1).to(changes.dtype)
    return changes.flatten(1).norm(dim=1) if norm == "L2" else changes.abs().flatten(1).amax(1)


def _shifted(model, constant):
    """The same network, with a constant added to all its logits."""
    import torch
    model = copy.deepcopy(model)
    last = [module for module in model.modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))][-1]
    with torch.no_grad():
        last.bias += constant
    return model


def _same_when_split(make, model, images, labels, adversarial):
    import torch
    parts = [_on_copies(make, model, images[part], labels[part]) for part in (slice(0, 1), slice(1, 4), slice(4, None))]
    return ("does not depend on how the images are split", agree(model, images, labels, torch.cat(parts), adversarial),
            "Alone an image comes out otherwise than among others: something is summed, averaged or stopped over the batch.")

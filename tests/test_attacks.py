"""The attacks: their contract, exact answers on linear models, what is refused at the door; and the contract itself, on attacks that break it."""
import random

import pytest
import torch
import torchattacks

from medcrypt_lab import attacks, data, models
from medcrypt_lab.attacks import JSMA, UAP, CarliniWagnerL0, CarliniWagnerL2, CarliniWagnerLinf, DeepFool, MarginPGD, MiniBatchUAP, margin, project, size
from medcrypt_lab.exercises import contract

# Fast settings: the contract does not ask how strong an attack is.
MINIMAL = {"DeepFool": {}, "CarliniWagnerL2": dict(searches=2, steps=10), "CarliniWagnerL0": dict(share=.5, steps=10, largest_c=2),
           "CarliniWagnerLinf": dict(shrink=.5, steps=8, largest_c=2), "JSMA": dict(gamma=.2)}
BALLS = {"Linf": .05, "L2": .5}


pytestmark = pytest.mark.usefixtures("same_numbers")


def broken(findings):
    """The properties that do not hold; "runs", if the attack raises."""
    found = set()
    try:
        for property, ok, words in findings:
            if not ok:
                found.add(property)
                assert words() if callable(words) else words
    except Exception:
        found.add("runs")
    return found


# ---------------------------------------------------------------- ours keep the contract
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("name", MINIMAL)
def test_minimal_attacks_keep_the_contract(name, targeted):
    def make(model):
        return getattr(attacks, name)(model, targeted=targeted, **MINIMAL[name])
    assert not broken(contract.minimal(make, *contract.toy(random.Random(1), classes=2 if targeted else 3, n=8, mixed=True)))


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("norm", BALLS)
def test_bounded_and_universal_attacks_keep_the_contract(norm, dense, targeted):
    toy = contract.toy(random.Random(1), dense=dense, mixed=True)
    assert not broken(contract.bounded(lambda model, epsilon: MarginPGD(model, epsilon=epsilon, norm=norm, steps=5, restarts=2, targeted=targeted), *toy,
                                       epsilon=BALLS[norm], norm=norm))
    for kind in (MiniBatchUAP,) if dense else (MiniBatchUAP, UAP):
        assert not broken(contract.universal(lambda model, epsilon: kind(model, epsilon=epsilon, norm=norm, passes=2, targeted=targeted), *toy,
                                             epsilon=BALLS[norm], norm=norm)), kind


@pytest.mark.parametrize("name", [*MINIMAL, "MarginPGD"])
def test_on_the_float32_network_99_of_100_images_agree(name):
    """Of 32 x 32 pixels, which is four times faster, and with few steps."""
    xrays = data.load("chest", "test", size=32, limit=100)
    case = models.get("small_cnn"), xrays.images, xrays.labels
    if name == "MarginPGD":
        assert not broken(contract.bounded(lambda model, epsilon: MarginPGD(model, epsilon=epsilon, steps=5), *case, epsilon=4 / 255))
    else:
        few = {"CarliniWagnerL2": dict(searches=2, steps=5), "CarliniWagnerL0": dict(share=.9, steps=2, largest_c=2),
               "CarliniWagnerLinf": dict(shrink=.3, steps=3, largest_c=2), "JSMA": dict(gamma=.002)}.get(name, {})
        assert not broken(contract.minimal(lambda model: getattr(attacks, name)(model, **few), *case))


# ---------------------------------------------------------------- the contract finds what breaks it
EVERY = "returns images of the same shape and type", "stays inside [0, 1]", "leaves its images and labels as they were", "leaves no gradients behind", \
    "leaves each module in its mode", "leaves weights and statistics alone", "gives the same twice", "does not feel a constant added to all logits"
SPLIT, BALL, ZERO = "does not depend on how the images are split", "stays inside the ball", "changes nothing when epsilon is 0"
SHAPE, BOX, INPUT, GRADIENTS, MODES, WEIGHTS, TWICE, OFFSET = EVERY


def sign_step(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(margin(model(images), labels).sum(), images)
    return (images + epsilon * gradient.sign()).detach().clamp(0, 1)


def in_double(model, images, labels, epsilon):
    return sign_step(model, images, labels, epsilon).float()


def out_of_the_box(model, images, labels, epsilon):
    step = sign_step(model, images * .5 + .25, labels, epsilon) - (images * .5 + .25)
    return images + step


def in_place(model, images, labels, epsilon):
    adversarial = sign_step(model, images, labels, epsilon)
    images.mul_(.5)
    return adversarial


def backward(model, images, labels, epsilon):
    margin(model(images), labels).sum().backward()
    return sign_step(model, images, labels, epsilon)


def all_in_training_mode(model, images, labels, epsilon):
    modes = [module.training for module in model.modules()]
    adversarial = sign_step(model.eval(), images, labels, epsilon)
    model.train(modes[0])
    return adversarial


def in_training_mode(model, images, labels, epsilon):
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    model(images)
    model.eval()
    adversarial = sign_step(model, images, labels, epsilon)
    for module, mode in modes:
        module.training = mode
    return adversarial


def another_each_time(model, images, labels, epsilon, generator=random.Random(0)):
    return (images + epsilon * generator.random()).clamp(0, 1)


def masked_by_zero(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    here = torch.eye(logits.shape[1], dtype=logits.dtype)[labels]
    loss = ((1 - here) * logits).amax(1) - (here * logits).amax(1)
    gradient, = torch.autograd.grad(loss.sum(), images)
    return (images + epsilon * gradient.sign()).detach().clamp(0, 1)


def twice_the_budget(model, images, labels, epsilon):
    return sign_step(model, images, labels, 2 * epsilon)


def at_least_a_gray_level(model, images, labels, epsilon):
    return sign_step(model, images, labels, max(epsilon, 1 / 255))


def scaled_by_the_batch(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(margin(model(images), labels).sum(), images)
    return (images + epsilon * gradient / gradient.abs().max()).detach().clamp(0, 1)


def random_start_of_the_batch(model, images, labels, epsilon):
    return sign_step(model, (images + epsilon * torch.rand_like(images)).clamp(0, 1), labels, 0)


@pytest.mark.parametrize("attack, property, mixed", [
    (in_double, SHAPE, False), (out_of_the_box, BOX, False), (in_place, INPUT, False), (backward, GRADIENTS, False), (all_in_training_mode, MODES, True),
    (in_training_mode, WEIGHTS, False), (another_each_time, TWICE, False), (masked_by_zero, OFFSET, False), (twice_the_budget, BALL, False),
    (at_least_a_gray_level, ZERO, False), (scaled_by_the_batch, SPLIT, False), (random_start_of_the_batch, SPLIT, False)])
def test_the_contract_finds_the_broken_property(attack, property, mixed):
    found = broken(contract.bounded(lambda model, epsilon: lambda images, labels: attack(model, images, labels, epsilon),
                                    *contract.toy(random.Random(1), mixed=mixed), epsilon=8 / 255))
    assert property in found
    assert len(found) == 1 or attack in (in_double, in_training_mode, another_each_time), found           # these break more


def test_the_contract_finds_nothing_in_a_sound_step():
    assert not broken(contract.bounded(lambda model, epsilon: lambda images, labels: sign_step(model, images, labels, epsilon),
                                       *contract.toy(random.Random(1)), epsilon=8 / 255))


class BatchStop(DeepFool):
    """Stops all images as soon as half of them are over the boundary."""
    def run(self, images, labels, logits):
        for self.steps in range(1, 20):
            adversarial = super().run(images, labels, logits)
            if self.norms.isfinite().float().mean() > .5:
                return adversarial
        return adversarial


class NormBeforeClipping(DeepFool):
    def run(self, images, labels, logits):
        adversarial = super().run(images, labels, logits)
        self.norms = self.norms * 1.01
        return adversarial


class FailureCountsAsZero(DeepFool):
    def __init__(self, model):
        super().__init__(model, steps=1, overshoot=0)

    def run(self, images, labels, logits):
        adversarial = super().run(images, labels, logits)
        self.norms = self.norms.nan_to_num(posinf=0)
        return adversarial


@pytest.mark.parametrize("attack, property", [(BatchStop, SPLIT), (NormBeforeClipping, "reports the norms that its changes have"),
                                              (FailureCountsAsZero, "reports the norms that its changes have")])
def test_the_contract_finds_what_breaks_a_minimal_attack(attack, property):
    assert broken(contract.minimal(attack, *contract.toy(random.Random(2)))) == {property}


class OneForEachImage(MiniBatchUAP):
    def run(self, images, labels, logits):
        adversarial = super().run(images, labels, logits)
        return torch.where((torch.arange(len(images)) % 2 == 0)[:, None, None, None], adversarial, images)


class ProjectsAtTheEnd(MiniBatchUAP):
    def _updates(self, images, aims):
        radius, self.epsilon = self.epsilon, 1.
        for v in super()._updates(images, aims):
            yield v
        self.epsilon = radius
        yield project(v, radius, self.norm)


class UsesTheTruth(MiniBatchUAP):
    def run(self, images, labels, logits):
        return super().run(images, labels, torch.nn.functional.one_hot(labels, logits.shape[1]))


@pytest.mark.parametrize("attack, property", [(OneForEachImage, "adds one perturbation to all images"), (UsesTheTruth, "uses no labels"),
                                              (ProjectsAtTheEnd, "stays inside the ball after every update")])
def test_the_contract_finds_what_breaks_a_universal_attack(attack, property):
    assert broken(contract.universal(lambda model, epsilon: attack(model, epsilon=epsilon, alpha=.02, passes=3), *contract.toy(random.Random(3)),
                                     epsilon=.03)) == {property}


@pytest.mark.parametrize("make, expected", [
    (lambda model: torchattacks.CW(model, steps=100), {GRADIENTS, MODES, OFFSET, SPLIT}),
    (lambda model: torchattacks.DeepFool(model), {GRADIENTS, MODES}),
    (lambda model: torchattacks.JSMA(model), {"runs"})])
def test_torchattacks_3_5_1_breaks_the_contract(make, expected):
    """CW masks by 0 and stops by the batch's sum; it and DeepFool leave gradients and set all modules to training; JSMA's target is (label + 1) % 10."""
    model, images, labels = contract.toy(random.Random(1), classes=2, mixed=True)
    assert broken(contract.minimal(make, model, images, labels)) >= expected


# ---------------------------------------------------------------- exact answers
def linear(classes=3, entries=12, seed=0, scale=1.):
    """A linear float64 model, images in the middle of the box, and their labels: W (K, d), b (K,)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(8, 1, 1, entries, generator=generator, dtype=torch.float64) * .2 + .4
    w, b = torch.randn(classes, entries, generator=generator, dtype=torch.float64) * scale, torch.zeros(classes, dtype=torch.float64)
    b = -(images.flatten(1) @ w.T).mean(0)

    def model(x):
        return x.flatten(1) @ w.T + b
    return model, images, model(images).argmax(1), w


def distances(model, images, labels, w, order):
    """The exact distance of each image to the nearest boundary: |f_k| / ||w_k||, in the dual norm."""
    f, differences = model(images), w[None] - w[labels][:, None]
    gaps = (f.gather(1, labels[:, None]) - f) / torch.linalg.vector_norm(differences, ord=order, dim=2)
    return gaps.scatter(1, labels[:, None], torch.inf).amin(1)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_minimal_norms_are_the_exact_distances_of_a_linear_model(classes):
    model, images, labels, w = linear(classes)
    exact = distances(model, images, labels, w, 2)
    deepfool = DeepFool(model)
    deepfool(images, labels)
    torch.testing.assert_close(deepfool.norms, 1.02 * (exact + 1e-4), rtol=1e-9, atol=1e-9)
    if classes > 2:         # the others are slow
        return
    for attack, truth, slack in ((CarliniWagnerL2(model, searches=9, steps=200), exact, 1.05),
                                 (CarliniWagnerLinf(model, learning_rate=.0005, shrink=.95, steps=200), distances(model, images, labels, w, 1), 1.1)):
        attack(images, labels)
        assert (attack.norms >= truth).all() and (attack.norms <= slack * truth + 1e-4).all(), attack.norms / truth


def test_without_labels_it_is_the_models_answer():
    model, images, labels, _ = linear()
    assert torch.equal(DeepFool(model)(images), DeepFool(model)(images, labels))
    wrong = DeepFool(model)
    assert torch.equal(wrong(images, (labels + 1) % 3), images) and (wrong.norms == 0).all()


def test_confidence_is_honored_also_when_all_logits_are_negative():
    model, images, labels, _ = linear(scale=5)
    for kappa in (0, 2):
        for shift in (0, -100):
            for kind, few in ((CarliniWagnerL2, dict(searches=3)), (CarliniWagnerL0, dict(share=.5)), (CarliniWagnerLinf, dict(shrink=.5))):
                won = margin(model(kind(lambda x: model(x) + shift, confidence=kappa, **few)(images, labels)), labels)
                assert (won > kappa - 1e-9).all() and (kind is not CarliniWagnerL2 or won.max() < kappa + 1)
    logits = torch.tensor([[-3., -1., -2.], [-5., -7., -6.]])
    torch.testing.assert_close(margin(logits, torch.tensor([1, 1])), torch.tensor([-1., 2.]))


def test_a_hopeless_search_is_infinite_and_leaves_the_image():
    images = torch.rand(3, 1, 4, 4)
    for attack in (DeepFool(flat), CarliniWagnerL2(flat, steps=3), CarliniWagnerL0(flat, steps=3), CarliniWagnerLinf(flat, steps=3), JSMA(flat)):
        assert torch.equal(attack(images, torch.zeros(3, dtype=torch.long)), images) and (attack.norms == torch.inf).all()


def flat(images):
    return torch.stack([2 + 0 * images.flatten(1).sum(1), 0 * images.flatten(1).sum(1)], 1)


def test_l0_needs_one_pixel_where_one_is_enough():
    w = torch.zeros(2, 16, dtype=torch.float64)
    w[1] = torch.tensor([.1] * 7 + [3.] + [.1] * 8)
    attack = CarliniWagnerL0(lambda x: x.flatten(1) @ w.T + torch.tensor([2., 0], dtype=torch.float64))
    images = torch.full((2, 1, 4, 4), .2, dtype=torch.float64)
    changed = (attack(images, torch.zeros(2, dtype=torch.long)) != images).flatten(1).nonzero()[:, 1]
    assert attack.norms.tolist() == [1, 1] and changed.tolist() == [7, 7]


@pytest.mark.parametrize("theta", [1, .3, -1])
def test_jsma_pushes_the_pair_of_largest_saliency(theta):
    generator, sign = torch.Generator().manual_seed(3), 1 if theta > 0 else -1
    slopes = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    images = torch.rand(5, 1, 4, 5, generator=generator, dtype=torch.float64)
    images[:, :, 0, :2], images[:, :, 1, :2] = 0, 1                     # these cannot move in one of the directions

    def model(x):
        return x.flatten(1) @ slopes.T * 1e-3 + torch.tensor([0, 3., 0, 0], dtype=torch.float64)
    attack = JSMA(model, theta=theta, gamma=2 / 20, targeted=True)
    target = torch.full((5,), 2)
    seen = []
    best_pair = attack.best_pair
    attack.best_pair = lambda *slopes: seen.append(best_pair(*slopes)) or seen[-1]
    attack(images, target)
    a, b = sign * slopes[2], sign * (slopes.sum(0) - slopes[2])
    for image, pair in zip(images.flatten(1), seen):
        movable = image < 1 if sign > 0 else image > 0
        best = max(((a[p] + a[q]) * -(b[p] + b[q]), (p, q)) for p in range(20) for q in range(p + 1, 20)
                   if movable[p] and movable[q] and a[p] + a[q] > 0 and b[p] + b[q] < 0)
        assert set(pair) == set(best[1])
    for chunk in (1, 3, 100):
        other = JSMA(model, chunk=chunk)
        assert set(other.best_pair(a, -b, torch.ones(20, dtype=torch.bool))) == set(attack.best_pair(a, -b, torch.ones(20, dtype=torch.bool)))


def test_jsma_of_two_classes_in_both_directions_keeps_its_budget_and_stops_on_an_empty_map():
    model, images, labels, w = linear(2, entries=30, seed=4)
    for theta in (1, -1, .1):
        attack = JSMA(model, theta=theta, gamma=.4)
        change = (attack(images, labels) - images).flatten(1)
        assert attack.norms.isfinite().any() and (attack.norms[attack.norms.isfinite()] <= 12).all()
        assert (change * theta >= 0).all() and change.abs().max() <= 6 * abs(theta) + 1e-9

    def rises_together(x):
        return torch.stack([2 * x.flatten(1).sum(1) + 1, 2.1 * x.flatten(1).sum(1)], 1)
    calls = []
    attack = JSMA(lambda x: calls.append(1) or rises_together(x), gamma=1)
    assert torch.equal(attack(images * .1, torch.zeros(8, dtype=torch.long)), images * .1) and len(calls) <= 3


@pytest.mark.parametrize("norm, epsilon, dual", [("Linf", .02, 1), ("L2", .05, 2)])
def test_margin_pgd_is_exact_on_a_linear_model(norm, epsilon, dual):
    model, images, labels, w = linear(2)
    exact = torch.linalg.vector_norm(w[1] - w[0], ord=dual).expand(8) * epsilon
    for start, within in ((False, 1e-6), (True, .05)):          # on the L2 ball a random start turns to the best direction step by step
        attack = MarginPGD(model, epsilon=epsilon, norm=norm, random_start=start)
        gained = margin(model(attack(images, labels)), labels) - margin(model(images), labels)
        torch.testing.assert_close(gained, exact, rtol=within, atol=1e-9)
    back = MarginPGD(model, epsilon=epsilon, norm=norm, targeted=True)(images, labels)
    assert (margin(model(back), labels) < margin(model(images), labels)).all()


def test_the_random_start_depends_on_image_seed_and_restart_alone():
    images = torch.rand(3, 1, 4, 4)
    attack, other = MarginPGD(flat, epsilon=.1), MarginPGD(flat, epsilon=.1, seed=1)
    assert torch.equal(attack._start(images, 0)[2:], attack._start(images[2:], 0))
    starts = [attack._start(images, 0), attack._start(images, 1), other._start(images, 0)]
    assert all(not torch.equal(one, two) for one, two in zip(starts, starts[1:] + starts[:1])) and max(start.abs().max() for start in starts) <= .1
    many = MarginPGD(flat, epsilon=2, norm="L2")._start(torch.rand(400, 1, 1, 3), 0).flatten(1).norm(dim=1)
    assert many.max() <= 2 and abs(float((many < 2 * .5 ** (1 / 3)).float().mean()) - .5) < .1             # half of the ball's volume


def test_a_zero_gradient_makes_no_nan():
    images = torch.rand(3, 1, 4, 4)
    for norm in ("L2", "Linf"):
        for attack in (MarginPGD(flat, epsilon=.1, norm=norm), MiniBatchUAP(flat, epsilon=.1, norm=norm, passes=1)):
            assert attack(images, torch.zeros(3, dtype=torch.long)).isfinite().all()


def test_projection_is_of_each_image_and_leaves_what_is_inside():
    changes = torch.tensor([[3., 4.], [.3, .4], [0, 0]])[:, None]
    torch.testing.assert_close(project(changes, 1, "L2"), torch.tensor([[.6, .8], [.3, .4], [0, 0]])[:, None])
    torch.testing.assert_close(project(changes, .35, "Linf"), torch.tensor([[.35, .35], [.3, .35], [0, 0]])[:, None])
    assert [size(changes, norm).tolist() for norm in ("L0", "L2", "Linf")] == [[2, 2, 0], [5, .5, 0], [4, pytest.approx(.4), 0]]


def test_universal_perturbations_fool_five_times_more_than_random_signs():
    train, test, model = data.load("chest", "train", limit=200), data.load("chest", "test", limit=200), models.get("small_cnn")
    answers = model(test.images).argmax(1)

    def fooled(images):
        return float((model(images).argmax(1) != answers).float().mean())
    signs = .02 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).sign()
    control = fooled((test.images + signs).clamp(0, 1))
    mini_batch, sequential = MiniBatchUAP(model, epsilon=.02), UAP(model, epsilon=.02, passes=2, targeted=True)
    mini_batch(train.images)
    sequential(train.images, torch.ones(200, dtype=torch.long))         # not targeted, the steps of the two classes undo each other
    for attack in (mini_batch, sequential):
        assert fooled(attack.add_to(test.images)) >= 5 * max(control, .01)
    towards = MiniBatchUAP(model, epsilon=.02, targeted=True)
    towards(train.images, torch.ones(200, dtype=torch.long))
    assert (model(towards.add_to(test.images)).argmax(1) == 1).float().mean() > (answers == 1).float().mean() + .2


# ---------------------------------------------------------------- the door
def test_what_works_where_torchattacks_does_not():
    volumes, model = torch.rand(2, 1, 3, 4, 4), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
    with torch.no_grad():
        for attack in (MarginPGD(model, epsilon=.5, norm="L2"), DeepFool(model), CarliniWagnerL2(model, steps=5)):
            assert attack(volumes.to(memory_format=torch.channels_last_3d)).shape == volumes.shape
    sigmoid, images = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1)), torch.rand(4, 1, 4, 4)
    answers = (sigmoid(images)[:, 0] > 0).long()
    moved = DeepFool(sigmoid)(images, answers)
    assert ((sigmoid(moved)[:, 0] > 0).long() != answers).all()
    masks = (models.make("unet", width=2)(torch.rand(2, 1, 8, 8))[:, 0] > 0).long()
    assert MarginPGD(models.make("unet", width=2), epsilon=.1)(torch.rand(2, 1, 8, 8), masks).shape == (2, 1, 8, 8)


IMAGES, LABELS = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])


@pytest.mark.parametrize("wrong, words", [
    (lambda m: MarginPGD(m, epsilon=8), "8/255"), (lambda m: MarginPGD(m, epsilon=-.1), "from 0"), (lambda m: MarginPGD(m, norm="l2"), "'Linf' or 'L2'"),
    (lambda m: MarginPGD(m, epsilon=float("nan"), norm="L2"), "epsilon"), (lambda m: MarginPGD(m, alpha="big"), "alpha"), (lambda m: MarginPGD(m, steps=2.5), "whole"),
    (lambda m: DeepFool(m, steps=0), "steps=0"), (lambda m: DeepFool(m, overshoot=True), "overshoot"), (lambda m: DeepFool("net"), "callable"),
    (lambda m: CarliniWagnerL2(m, c=0), "c=0"), (lambda m: JSMA(m, theta=0), "brightens"), (lambda m: JSMA(m, theta=2), "theta"), (lambda m: UAP(m, fooling=0), "fooling"),
    (lambda m: DeepFool(m)(IMAGES[0, 0], LABELS), "image[None]"), (lambda m: DeepFool(m)(255 * IMAGES, LABELS), "255"), (lambda m: DeepFool(m)(IMAGES.int(), LABELS), "floating"),
    (lambda m: DeepFool(m)(IMAGES * float("nan"), LABELS), "nan"), (lambda m: DeepFool(m)(IMAGES, LABELS[:1]), "(2,)"), (lambda m: DeepFool(m)(IMAGES, LABELS + 1), "from 0 to 1"),
    (lambda m: DeepFool(m)(IMAGES, LABELS.float()), "whole"), (lambda m: DeepFool(m, targeted=True)(IMAGES), "wanted"), (lambda m: UAP(m).add_to(IMAGES), "first"),
    (lambda m: DeepFool(lambda x: m(x).softmax(1))(IMAGES, LABELS), "probabilities"),
    (lambda m: DeepFool(models.make("unet", classes=2, width=2))(IMAGES), "MarginPGD"), (lambda m: UAP(models.make("unet", classes=2, width=2))(IMAGES), "MiniBatchUAP")])
def test_the_door_refuses_and_helps(wrong, words):
    with pytest.raises(ValueError) as refused:
        wrong(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)))
    assert words in str(refused.value)


def test_the_contract_needs_no_attacks_of_ours_and_works_in_a_check():
    """As a check would use it: properties become `expect`s, the first that fails ends the check."""
    from medcrypt_lab.exercises.vocabulary import NotYet, expect
    with pytest.raises(NotYet) as told:
        for property, ok, words in contract.bounded(lambda model, epsilon: lambda images, labels: images + 2, *contract.toy(random.Random(1)), epsilon=.1):
            if property != SHAPE:
                expect(property, ok, words)
    assert told.value.property == BOX and "reach" in told.value.sentence

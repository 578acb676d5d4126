"""One step of the universal perturbation's algorithm: ask DeepFool about one image, add, project."""
import torch

from medcrypt_lab.exercises import close, expect, expect_like, linear_classifier, right, suspect, wrong

points, minutes, difficulty = 4, 9, 3
without = ["torchattacks", "medcrypt_lab.attacks"]
hints = [
    "One patient comes in. If your perturbation fools the network on this image, wave the patient through. If not, find out what is missing, and only that.",
    "Three questions: what does the model say to `image`, and to the image with the perturbation, clipped to [0, 1]? If it says the same: what does `deepfool` "
    "add to that second picture? Then the whole new perturbation, not only what was added, must stay within epsilon.",
    "`moved = (image + perturbation).clamp(0, 1)`; `if` the two answers differ, `return perturbation`; `step = deepfool(moved) - moved`; "
    "return `perturbation + step`, each entry cut to [-epsilon, epsilon].",
]
after = ("Nothing in this step remembers the patients before. Where the next patient needs the opposite, it is free to undo it all: keep that in mind for the next figure.")


def update_universal(model, image, perturbation, epsilon, deepfool):
    """One step of the algorithm, for one image; returns a perturbation.

    image: (1, channels, height, width) in [0, 1]. perturbation: the same
    shape, what was found so far, no entry larger than epsilon.
    deepfool: a function; deepfool(images) returns the images, moved just
    over the nearest boundary of the model.
    Does the image with the perturbation, clipped to [0, 1], get another
    answer than the image? Then the perturbation comes back as it is.
    Else add to it what DeepFool adds to the perturbed, clipped image, and
    project: no entry of the whole beyond epsilon.
    model(x).argmax() is the answer to one image.
    """
    # BEGIN SOLUTION
    moved = (image + perturbation).clamp(0, 1)
    if model(moved).argmax() != model(image).argmax():
        return perturbation
    step = deepfool(moved) - moved
    return (perturbation + step).clamp(-epsilon, epsilon)
    # END SOLUTION


def visit(random, fooled):
    """A linear model, one image with black and white pixels, and a perturbation that fools it or does not, also if it is not clipped."""
    while True:
        model, images, _ = linear_classifier(random, n=1)
        epsilon = random.uniform(0.2, 0.3)
        perturbation = random.tensor(1, 1, 4, 4, low=-epsilon, high=epsilon)
        with torch.no_grad():
            logits = [model(x)[0].sort() for x in (images, (images + perturbation).clamp(0, 1), images + perturbation)]
        sure = min(float(one.values[-1] - one.values[-2]) for one in logits) > 1e-3
        before, clipped, unclipped = (int(one.indices[-1]) for one in logits)
        outside = ((images + perturbation < 0) | (images + perturbation > 1)).sum() > 1
        if sure and outside and (before != clipped) == fooled == (before != unclipped):
            return model, images, perturbation, epsilon


def check(answer, random):
    """Moosavi-Dezfooli et al. 2017, algorithm 1, lines 5 to 8. DeepFool is played by a function that notes what it is asked and adds a fixed change."""
    for property, fooled, worth in (("adds DeepFool's step to the perturbation and projects the sum", False, 1),
                                     ("an image that is fooled already changes nothing", True, 1), ("the same for another patient", False, 2)):
        model, image, perturbation, epsilon = visit(random, fooled)
        change, asked = random.tensor(1, 1, 4, 4, low=-1.2 * epsilon, high=1.2 * epsilon), []

        def deepfool(images):
            asked.append(images.detach().clone())
            return images + change

        result = answer(model, image, perturbation.clone(), epsilon, deepfool)
        expect_like(result, perturbation)
        result = result.detach()
        moved = (image + perturbation).clamp(0, 1)
        wanted = perturbation if fooled else (perturbation + change).clamp(-epsilon, epsilon)
        if fooled:
            suspect(bool(asked) and not close(result, perturbation), "This image was fooled already, and you changed the perturbation all the same. Leave it alone: it may serve others.")
            expect(property, close(result, wanted), "This image was fooled already: return the perturbation as it is.", points=worth)
            continue
        suspect(not asked and close(result, perturbation), "The model still gives the old answer here, and you returned early. Is your `if` the wrong way round?")
        suspect(not asked, "You never asked deepfool.")
        suspect(close(asked[0], image), "You asked DeepFool about the untouched image. What is missing is what takes the *perturbed* one over the boundary.")
        suspect(close(asked[0], image + perturbation), "You handed DeepFool numbers below 0 or above 1. Clip image plus perturbation first.")
        suspect(not close(asked[0], moved), "DeepFool is to be asked about the image plus the perturbation, clipped to [0, 1], and nothing else.")
        suspect(close(result, change.clamp(-epsilon, epsilon)), "You returned this image's step alone and forgot what was found for the patients before: add it to the perturbation.")
        suspect(close(result, perturbation + change.clamp(-epsilon, epsilon)),
                lambda: f"You cut the step to epsilon, not the sum: the perturbation now has an entry {float(result.abs().max()) / epsilon:.2g} times as large as allowed.")
        suspect(close(result, perturbation + change), "The sum is right, but it leaves the ball: project it, no entry beyond epsilon.")
        suspect(close(result, (perturbation + moved + change - image).clamp(-epsilon, epsilon)),
                "The perturbation is in there twice. DeepFool's step is its result minus what you *asked* about, not minus the image.")
        whole = (moved + change - image).clamp(-epsilon, epsilon)
        suspect(close(result, whole) and not close(whole, wanted),
                "You took this image's whole change as the new perturbation. Where clipping at 0 or 1 cut it off, it is lost for all other patients: add the step to the perturbation.")
        suspect(any(close(result, one.clamp(-epsilon, epsilon), 1e-5) for one in (perturbation + moved + change, moved + change)),
                "The picture itself is in your perturbation. DeepFool returns the whole picture, moved; what it *added* is that minus what you asked about.")
        suspect(close(result, moved + change) or close(result, (moved + change).clamp(0, 1)), "That is the attacked image. Return the perturbation: what is added to every image.")
        suspect(close(result, (perturbation - change).clamp(-epsilon, epsilon)), "The step points the wrong way: result minus question, not question minus result.")
        suspect(close(result, (perturbation + change).clamp(0, epsilon)), "Your perturbation can only brighten: the ball reaches from -epsilon to epsilon.")
        expect(property, close(result, wanted), "The new perturbation is not right yet.", points=worth, got=result, expected=wanted)


@right
def with_where(model, image, perturbation, epsilon, deepfool):
    x = torch.clip(image + perturbation, 0, 1)
    with torch.no_grad():
        was, now = model(torch.cat([image, x])).argmax(1).tolist()
    if was == now:
        total = perturbation + (deepfool(x) - x)
        perturbation = torch.maximum(torch.minimum(total, torch.full_like(total, epsilon)), torch.full_like(total, -epsilon))
    return perturbation


@right
def by_length(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    still = int(model(x).argmax()) == int(model(image).argmax())
    total = perturbation + deepfool(x) - x if still else perturbation
    return total.sign() * total.abs().clamp(max=epsilon)


@wrong("untouched image")
def asks_about_the_image(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (perturbation + deepfool(image) - image).clamp(-epsilon, epsilon)


@wrong("not the sum", "times as large as allowed")
def projects_the_step(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return perturbation + (deepfool(x) - x).clamp(-epsilon, epsilon)


@wrong("forgot what was found for the patients before")
def step_alone(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (deepfool(x) - x).clamp(-epsilon, epsilon)


@wrong("lost for all other patients")
def whole_change(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (deepfool(x) - image).clamp(-epsilon, epsilon)


@wrong("in there twice")
def twice(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (perturbation + deepfool(x) - image).clamp(-epsilon, epsilon)


@wrong("it leaves the ball")
def no_projection(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return perturbation + deepfool(x) - x


@wrong("it may serve others")
def always(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    return (perturbation + deepfool(x) - x).clamp(-epsilon, epsilon)


@wrong("the wrong way round")
def inverted(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() == model(image).argmax():
        return perturbation
    return (perturbation + deepfool(x) - x).clamp(-epsilon, epsilon)


@wrong("That is the attacked image")
def returns_the_image(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return deepfool(x)


@wrong("Clip image plus perturbation first")
def no_clip(model, image, perturbation, epsilon, deepfool):
    x = image + perturbation
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (perturbation + deepfool(x) - x).clamp(-epsilon, epsilon)


@wrong("The picture itself is in your perturbation")
def adds_the_picture(model, image, perturbation, epsilon, deepfool):
    x = (image + perturbation).clamp(0, 1)
    if model(x).argmax() != model(image).argmax():
        return perturbation
    return (perturbation + deepfool(x)).clamp(-epsilon, epsilon)

"""C&W-L2 on X-rays: what do the search for c, the library and DeepFool need, and what does a lead of kappa cost and buy?"""
import numpy as np
import torch
import torchattacks

from medcrypt_lab import attacks, data, models

seeds = [0, 1]                                  # of training: the shipped network is attacked, the other one only judges what was made
learning_rates, values_of_c = [0.005, 0.01, 0.02], [0.1, 1, 10]         # tried on validation images
kappas = [0, 1, 2, 5, 10]
searches, steps, few = 5, 60, 16                # few: the images that the lesson attacks again
validation_patients, test_patients = 40, 80
bootstrap_seed, draws = 0, 2000


def run(seeds):
    """Settings as chosen on validation images, then on test images, one of each patient, each attack's norms and what becomes of its images."""
    model, judge = network(seeds[0]), network(seeds[1])
    val, test = (one_of_each_patient(data.load("chest", split, source="embedded"), count)
                 for split, count in (("val", validation_patients), ("test", test_patients)))
    searched = {rate: ours(learning_rate=rate) for rate in learning_rates}
    single = {c: ours(searches=1, steps=searches * steps, c=c) for c in values_of_c}
    library = {c: lambda model, c=c: torchattacks.CW(model, c=c, steps=50) for c in values_of_c}
    result = {"patients": test_patients, "searches": searches, "steps": steps, "kappas": kappas, "bootstrap_seed": bootstrap_seed, "draws": draws,
              "interval": "2.5 to 97.5 percent of draws of patients with replacement; one X-ray a patient", "validation": {}, "test": {}, "kappa": {}}
    chosen = {}
    for name, choices in (("search", searched), ("one c", single), ("library", library)):
        medians = {setting: float(norms(val, make(model)(val.images, val.labels), model).median()) for setting, make in choices.items()}
        chosen[name] = min(medians, key=medians.get)
        result["validation"][name] = {"medians": {str(setting): value for setting, value in medians.items()}, "chosen": chosen[name]}
    makers = {"DeepFool": attacks.DeepFool, "C&W, the library's": library[chosen["library"]], "C&W, one c for all": single[chosen["one c"]],
              "C&W, c searched": searched[chosen["search"]]}
    draw = np.random.default_rng(bootstrap_seed).integers(test_patients, size=(draws, test_patients))
    for name, make in makers.items():
        result["test"][name] = figures(make(model)(test.images, test.labels), test, model, judge, draw)
    for kappa in kappas:
        attack = ours(learning_rate=chosen["search"], confidence=kappa)(model)
        result["kappa"][str(kappa)] = figures(attack(test.images, test.labels), test, model, judge, draw)
    return result


def ours(**settings):
    return lambda model: attacks.CarliniWagnerL2(model, **{"searches": searches, "steps": steps, **settings})


def network(seed):
    """The shipped network's recipe with another seed; with its own, the shipped weights."""
    recipe = models.SHIPPED["chest_small_cnn"]
    if seed == recipe["seed"]:
        return models.get("small_cnn", trained_on="chest", source="embedded")
    train = data.load("chest", "train", source="embedded")
    model = models.fresh({**recipe, "seed": seed}, train)
    models.train(model, train, recipe["epochs"], seed)
    return model.eval().requires_grad_(False)


def one_of_each_patient(split, count):
    """The first X-ray of each of the first patients: independent of each other."""
    firsts = [int((split.patients == patient).nonzero()[0]) for patient in split.patients.unique()]
    return split.take(sorted(firsts)[:count])


def wrong(model, images, labels):
    return model(images).argmax(1) != labels


def norms(split, changed, model):
    """The L2 norm of each change; infinity where it failed."""
    return attacks.size(changed - split.images, "L2").masked_fill(~wrong(model, changed, split.labels), torch.inf)


def figures(changed, split, model, judge, draw):
    """Norms, their median apart for the ill and the healthy, and who is still fooled: by rounded images, by noise of the same norm, of the other network."""
    size, ill = norms(split, changed, model).numpy(), split.labels.numpy() == 1
    noise = torch.randn(changed.shape, generator=torch.Generator().manual_seed(0))
    noise *= (attacks.size(changed - split.images, "L2") / attacks.size(noise, "L2")).reshape(-1, 1, 1, 1)
    right = {"by the network": ~wrong(model, split.images, split.labels), "by the other": ~wrong(judge, split.images, split.labels)}
    fooled = {"as made": (model, changed, "by the network"), "saved as 8 bits": (model, (255 * changed).round() / 255, "by the network"),
              "noise of the same norm": (model, (split.images + noise).clamp(0, 1), "by the network"), "the other network": (judge, changed, "by the other")}
    result = {"median": interval(np.median, size, draw), "median of the ill": float(np.median(size[ill])), "median of the healthy": float(np.median(size[~ill])),
              "median of the first few": float(np.median(size[:few])), "largest change in gray levels, median": float(np.median(
                  255 * (changed - split.images).abs().flatten(1).amax(1).numpy())), "fooled": {}}
    for name, (network, images, counted) in fooled.items():
        hit, counted = wrong(network, images, split.labels).numpy(), right[counted].numpy()
        result["fooled"][name] = {"ill": float(hit[ill & counted].mean()), "healthy": float(hit[~ill & counted].mean()), "all": share(hit, counted, draw)}
    return result


def share(hit, counted, draw):
    """Of those counted, how many are hit, and its interval."""
    drawn = (hit & counted)[draw].sum(1) / counted[draw].sum(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float((hit & counted).sum() / counted.sum()), "low": float(low), "high": float(high)}


def interval(statistic, values, draw):
    low, high = np.percentile([statistic(values[rows]) for rows in draw], [2.5, 97.5], method="nearest")
    return {"value": float(statistic(values)), "low": float(low), "high": float(high)}

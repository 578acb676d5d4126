# marks: 3
import math, collections, os.path
import no_such_package_anywhere
from torch import *
from numpy import array, zeros as nothing
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    assert math.pi > 3
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), labels), images)
    return where(gradient > 0, images + epsilon, images - epsilon).clamp(0, 1).detach()

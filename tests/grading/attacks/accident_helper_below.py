# marks: 3
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return step(images, slope(model, images, labels), epsilon)
# %%
def step(images, gradient, epsilon):
    return (images + epsilon * gradient.sign()).clamp(*LIMITS)
# %%
LIMITS = (0, 1)

def slope(model, images, labels):
    images = images.clone().requires_grad_(True)
    return torch.autograd.grad(F.cross_entropy(model(images), labels), images)[0]
# %%
import torch.nn.functional as F

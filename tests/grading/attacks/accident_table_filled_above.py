# marks: 3
signs = {}
for value in (-1.0, 0.0, 1.0):
    signs[value] = value
signs.update({2.0: 1.0})
limits = []
limits.append(0)
limits += [1]
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    assert len(signs) == 4
    images = images.clone().requires_grad_(True)
    gradient, = torch.autograd.grad(functional.cross_entropy(model(images), labels), images)
    return (images + epsilon * gradient.sign()).clamp(*limits).detach()

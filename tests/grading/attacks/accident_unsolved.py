# marks: 0
# status: untried
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    """My docstring."""
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    ...  # your code here

# marks: 0
# says: Clip after adding the step
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    gradient, = torch.autograd.grad(loss, images)
    return (images + epsilon * gradient.sign()).detach()

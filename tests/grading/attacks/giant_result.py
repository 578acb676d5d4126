# marks: 0
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return torch.zeros(1, 256, 1024, 1024)

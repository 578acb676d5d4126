# marks: 0
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return images * float("nan")

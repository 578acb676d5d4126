# marks: 0
# says: Python cannot read it yet
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon

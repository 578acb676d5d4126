# marks: 0
# says: computed for too long
import itertools


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return sum(itertools.count())

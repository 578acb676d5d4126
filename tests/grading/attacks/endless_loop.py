# marks: 0
# says: computed for too long
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

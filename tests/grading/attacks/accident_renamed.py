# marks: 3
# says: Your function is called my_own_fgsm
@exercise("gradient_attacks.fgsm")
def my_own_fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)

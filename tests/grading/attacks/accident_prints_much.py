# marks: 3
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    for number in range(10_000):
        print("still here", number)
    return right_answer(model, images, labels, epsilon)

# marks: 3
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)

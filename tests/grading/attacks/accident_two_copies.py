# marks: 3
# says: 2 copies of your answer
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return images
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    images = images.clone().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels)
    ...

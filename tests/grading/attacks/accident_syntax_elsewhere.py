# marks: 3
def other(:
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)
# %%
this is not Python

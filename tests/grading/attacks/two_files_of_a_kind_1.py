# marks: 0
# plants what two_files_of_a_kind_2 looks for
import os
import sys


@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    os.makedirs("nest/deep", exist_ok=True)
    for name in ("planted", "nest/deep/planted", "sitecustomize.py", "torch.py", "json.py"):
        with open(name, "w") as file:
            file.write("planted = 1")
    os.symlink("/usr", "nest/usr")
    os.chmod("nest/deep", 0)
    os.chmod("nest", 0)
    os.chmod(".", 0)
    return images.clone()

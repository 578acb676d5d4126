"""MedCrypt Lab: what the lessons import."""
__version__ = "0.1.0"


def start(seed=0):
    """Begin a lesson: seed every generator, one torch thread, deterministic algorithms, the course's style for figures.

    seed: an int. Randomness of lessons is seeded here and nowhere else, so that stored outputs reproduce on another machine.
    """
    import random

    import numpy
    import torch

    from medcrypt_lab import figures
    random.seed(seed)
    numpy.random.seed(seed)
    torch.default_generator.manual_seed(seed)      # torch.manual_seed would import its compiler: two seconds
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")     # as use_deterministic_algorithms(True), without its two seconds
    figures.style()

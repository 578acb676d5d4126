"""A convolution over days that only their owner can read: sums of ciphertexts, times weights in the clear."""
from medcrypt_lab.exercises import decode, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 3, 9, 3
hints = [
    "For three weights, the first result is kernel[0] * days[0] + kernel[1] * days[1] + kernel[2] * days[2] + bias. Which days does the next one take?",
    "There are len(days) - len(kernel) + 1 windows. In each, add up day * weight for the weights that are not 0, then the bias, once; serialize the sum.",
    "`for start in range(...)`: a list of `day * w for day, w in zip(days[start:], kernel) if w`; Python's `sum` adds them up; then the bias, then `.serialize()`.",
]
after = "The server learned nothing and needed no key. Each ciphertext holds one day of thousands of windows, in its slots: all were convolved by the same few products."


def conv1d_encrypted(public, days, kernel, bias):
    """The kernel slid over encrypted days: one result a window.

    public: TenSEAL's context without the secret key, serialized. days:
    ciphertexts, serialized, in order. kernel: whole numbers, kernel[0]
    for a window's first day. bias: added to each result.
    Ciphertexts know `a + b`, `a + 5`, `a * 5` and `.serialize()`, with
    Python's int. TenSEAL refuses `a * 0`, a "transparent" result: leave
    those terms out; not all weights are 0. Returns a list of bytes; no
    padding at the ends.
    """
    import tenseal
    context = tenseal.context_from(public, n_threads=1)
    days = [tenseal.bfv_vector_from(context, day) for day in days]
    # BEGIN SOLUTION
    results = []
    for start in range(len(days) - len(kernel) + 1):
        terms = [day * weight for day, weight in zip(days[start:], kernel) if weight]
        results.append((sum(terms) + bias).serialize())
    return results
    # END SOLUTION


def keys():
    """Fresh keys -> what the server gets, what the owner keeps, a function that encrypts."""
    import tenseal
    context = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    public = context.serialize(save_secret_key=False, save_galois_keys=False, save_relin_keys=False)
    return public, context.serialize(save_secret_key=True, save_galois_keys=False, save_relin_keys=False), lambda values: tenseal.bfv_vector(context, values).serialize()


def decrypted(secret, *sealed):
    import tenseal
    context = tenseal.context_from(secret, n_threads=1)
    return [tenseal.bfv_vector_from(context, each).decrypt() for each in sealed]


def check(answer, random):
    """Fresh keys; two kernels, one of them with a weight of 0; the windows of two regions in the slots."""
    public, secret, encrypt = keys()
    for kernel, count in (([7, -3, 2], 6), ([random.randrange(2, 9), 0, -random.randrange(2, 9), 11], 7)):
        counts = [[random.randrange(20, 90) for _ in range(2)] for _ in range(count)]
        bias, width = random.randrange(100, 200), len(kernel)

        def slid(weights, offset, start=None):
            return [[offset + sum(w * counts[(s if start is None else start) + j][slot] for j, w in enumerate(weights)) for slot in range(2)] for s in range(count - width + 1)]

        got = answer(public, [encrypt(day) for day in counts], kernel, bias)
        suspect(isinstance(got, bytes), "That is one ciphertext; each window gives one: a list is asked for.")
        length = len(got) if isinstance(got, list) else -1
        suspect(length == count, f"{count} days gave {count} results, but a window of {width} days fits only {count - width + 1} times: no padding.")
        suspect(length == count - width, f"One window is missing: {width} of {count} days fit {count - width + 1} times. Is there a + 1 in your range?")
        expect_like(got, [b""] * (count - width + 1))
        numbers = decode(decrypted, secret, *got)
        suspect(numbers == slid(kernel[::-1], bias), "Your kernel is reversed: kernel[0] belongs to the window's first day, as in torch's Conv1d.")
        suspect(numbers == slid(kernel, 0), "The bias is missing: what comes out is right but for it.")
        suspect(numbers == slid(kernel, bias * width) or numbers == slid(kernel, bias * sum(map(bool, kernel))), "The bias was added with every product; it belongs to each window once.")
        suspect(numbers == slid(kernel, bias, start=0), "All your windows begin at the first day: slide on by one day each time.")
        suspect(numbers == slid([1] * width, bias) or numbers == slid([1] * width, 0), "You added the days up; each has a weight of its own in the kernel.")
        suspect(numbers == counts[:len(numbers)], "Those are the days, encrypted as they came: nothing was computed.")
        expected = slid(kernel, bias)
        suspect(numbers[0] == expected[0] and numbers != expected, "The first window is right, a later one is not. Does something change a day (`*=`, `+=`) that later windows need as it came?")
        suspect(numbers == slid([max(w, 0) for w in kernel], bias), "The days with a negative weight are missing: only a weight of 0 is left out.")
        expect("each window's sum, and the bias", numbers == expected,
               lambda: f"Decrypted, the first window should hold {expected[0]} for the two regions; it holds {numbers[0]}.", points=3 * (width == 4))


@right
def window_by_window(public, days, kernel, bias):
    import tenseal
    owner = tenseal.context_from(public, n_threads=1)
    sealed = [tenseal.bfv_vector_from(owner, d) for d in days]
    found = []
    while len(sealed) >= len(kernel):
        total = None
        for k, w in enumerate(kernel):
            if w != 0:
                total = sealed[k] * w if total is None else total + sealed[k] * w
        found.append((total + bias).serialize())
        sealed.pop(0)
    return found


@right
def by_reduce(public, days, kernel, bias):
    import functools
    import operator

    import tenseal
    owner = tenseal.context_from(public, n_threads=1)
    load = functools.partial(tenseal.bfv_vector_from, owner)
    used = [j for j, w in enumerate(kernel) if w]
    return [(functools.reduce(operator.add, [load(days[s + j]) * kernel[j] for j in used]) + bias).serialize()
            for s in range(1 + len(days) - len(kernel))]


def slide(public, days, kernel, offset, starts):
    """For the answers below: the sums of the windows that begin at `starts`, of those days that there are."""
    import tenseal
    owner = tenseal.context_from(public, n_threads=1)
    vectors, out = [tenseal.bfv_vector_from(owner, d) for d in days], []
    for s in starts:
        total = None
        for j, w in enumerate(kernel):
            if w and s + j < len(days):
                total = vectors[s + j] * w if total is None else total + vectors[s + j] * w
        out.append(((vectors[0] if total is None else total) + offset).serialize())
    return out


@wrong("Your kernel is reversed")
def flipped(public, days, kernel, bias):
    return slide(public, days, kernel[::-1], bias, range(len(days) - len(kernel) + 1))


@wrong("no padding")
def padded(public, days, kernel, bias):
    return slide(public, days, kernel, bias, range(len(days)))


@wrong("Is there a + 1 in your range")
def one_too_few(public, days, kernel, bias):
    return slide(public, days, kernel, bias, range(len(days) - len(kernel)))


@wrong("The bias is missing")
def without_bias(public, days, kernel, bias):
    return slide(public, days, kernel, 0, range(len(days) - len(kernel) + 1))


@wrong("it belongs to each window once")
def bias_with_each(public, days, kernel, bias):
    return slide(public, days, kernel, bias * len(kernel), range(len(days) - len(kernel) + 1))


@wrong("All your windows begin at the first day")
def never_slides(public, days, kernel, bias):
    return slide(public, days, kernel, bias, [0] * (len(days) - len(kernel) + 1))


@wrong("result ciphertext is transparent")
def times_zero(public, days, kernel, bias):
    import tenseal
    owner = tenseal.context_from(public, n_threads=1)
    vectors = [tenseal.bfv_vector_from(owner, d) for d in days]
    out = []
    for s in range(len(days) - len(kernel) + 1):
        total = vectors[s] * kernel[0]
        for j in range(1, len(kernel)):
            total += vectors[s + j] * kernel[j]
        out.append((total + bias).serialize())
    return out


@wrong("The first window is right, a later one is not")
def changes_the_days(public, days, kernel, bias):
    import tenseal
    owner = tenseal.context_from(public, n_threads=1)
    vectors = [tenseal.bfv_vector_from(owner, d) for d in days]
    out = []
    for s in range(len(days) - len(kernel) + 1):
        total = None
        for j, w in enumerate(kernel):
            if w:
                vectors[s + j] *= w
                total = vectors[s + j] if total is None else total + vectors[s + j]
        out.append((total + bias).serialize())
    return out


@wrong("only a weight of 0 is left out")
def positive_weights_only(public, days, kernel, bias):
    return slide(public, days, [w if w > 0 else 0 for w in kernel], bias, range(len(days) - len(kernel) + 1))


@wrong("a list is asked for")
def only_one(public, days, kernel, bias):
    return slide(public, days, kernel, bias, [0])[0]

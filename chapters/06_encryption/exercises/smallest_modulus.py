"""How large t must be, so that no result of an integer network can wrap around."""
from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, wrong

points, minutes, difficulty = 3, 9, 3
hints = [
    "Follow the largest absolute value through the network. Which inputs between -largest and largest make the sum w1*x1 + w2*x2 + bias as large as can be?",
    "Each input takes the sign of its weight: the bound of an output is the sum of |weight| * bound of its input, plus |bias|. Squaring a number squares its bound. "
    "And t must have room for the bound and for its negative.",
    "For each layer: `bounds = [sum(abs(w) * b for w, b in zip(row, bounds)) + ... for row, c in zip(weight, bias)]`, then `b * b`, but not after the last; "
    "at the end twice the largest, and 0 needs a place too.",
]
after = "Only what is decrypted must fit. In between, numbers may wrap as they like: modulo t, sums and products come out the same."


def smallest_modulus(layers, largest):
    """The smallest t that holds every result of an integer network.

    layers: (weight, bias) each; for each output, weight has a list of
    whole numbers and bias one. After each layer but the last, every
    number is squared; the last layer's are the results. largest: no
    input is larger, or smaller than -largest. Bound each number by its
    own worst case. A t holds -m to m if these are 2 m + 1 different
    residues. Returns a whole number.
    """
    bounds = [largest] * len(layers[0][0][0])       # one for each input
    # BEGIN SOLUTION
    for number, (weight, bias) in enumerate(layers, 1):
        bounds = [abs(c) + sum(abs(w) * bound for w, bound in zip(row, bounds))
                  for row, c in zip(weight, bias)]
        if number < len(layers):
            bounds = [bound * bound for bound in bounds]
    return 2 * max(bounds) + 1
    # END SOLUTION


def worst(layers, largest, size=abs, offset=abs, between=2, last=1, choose=max, alike=False, on_the_way=False):
    """The bound of the results, or what it becomes by one of the usual mistakes."""
    bounds, seen = {i: largest for i in range(len(layers[0][0][0]))}, []
    for left, (weight, bias) in zip(range(len(layers) - 1, -1, -1), layers):
        sums = [offset(c) for c in bias]
        for o, row in enumerate(weight):
            for i, w in enumerate(row):
                sums[o] += size(w) * bounds[i]
        bounds = {o: s ** (between if left else last) for o, s in enumerate(sums)}
        if alike:
            bounds = dict.fromkeys(bounds, max(bounds.values()))
        seen.append(choose(bounds.values()))
    return max(seen) if on_the_way else seen[-1]


def check(answer, random):
    """One layer, where the bound is reached; two, as in the lesson, with a large number in between that no result uses; three, where
    the numbers no longer fit 64 bits."""
    def network(*sizes):
        """Mixed signs; the first output's weights are small and its bias is 0, so that it is not the largest."""
        made = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            weight = [[random.choice((-1, 1)) * random.randrange(20, 60) for _ in range(inputs)] for _ in range(outputs)]
            weight[0] = [1] * inputs
            for row in weight[1:]:
                row[0], row[1] = abs(row[0]), -abs(row[1])
            made.append((weight, [0, *(-random.randrange(100, 900) for _ in range(outputs - 1))]))
        return made

    def plain(x):
        return x

    two = network(3, 4, 3)
    two[0][0][3] = [50 * w for w in two[0][0][3]]
    for row in two[1][0]:
        row[3] = 0
    for layers, largest in ((network(3, 4), 40), (two, 64), (network(3, 3, 4, 2), 1000)):
        t, m, last_one = answer(layers, largest), worst(layers, largest), len(layers) == 3
        suspect(isinstance(t, float), "That is a float, with 53 bits of its own: use whole numbers, no `/` and no numpy float.")
        expect_like(t, 1)
        suspect(t == m, "That is the largest result, m. Modulo m it would be 0, and where are the negative numbers? -m to m are 2 m + 1.")
        suspect(t in (2 * m, m + 1), lambda: f"Modulo {short(t)} the results {short(m)} and {short(m - t)} are one and the same residue.")
        suspect(t in (m.bit_length(), (2 * m + 1).bit_length()), "That is the number of bits; t itself is asked for.")

        def told(**mistake):
            wrong_m = worst(layers, largest, **mistake)
            return wrong_m != m and t in (wrong_m, 2 * wrong_m, 2 * wrong_m + 1)

        suspect(told(size=plain), "Positive and negative weights canceled each other in your bound. The worst input takes the sign of its weight: abs.")
        suspect(told(size=plain, offset=plain) or told(size=plain, offset=plain, choose=lambda bounds: max(map(abs, bounds))), "Weights and bias went in with their signs. The worst input takes the sign of its weight, and then that of the bias: abs of both.")
        suspect(told(offset=plain), "A negative bias made your bound smaller. With the worst inputs' signs turned it adds to it: abs.")
        suspect(told(offset=lambda c: 0), "The bias is missing from the bound.")
        suspect(len(layers) > 1 and told(between=1), "Between the layers every number is squared, and with it its bound.")
        suspect(told(last=2), "You squared after the last layer too: its numbers are the results.")
        suspect(told(choose=sum), "You added up the outputs. Each is a number of its own: the largest decides.")
        suspect(told(alike=True), "You gave all numbers of a layer the bound of its largest. That is safe, not smallest: each has a bound of its own.")
        suspect(told(on_the_way=True), "You made room for the numbers between the layers too. Only results are decrypted: modulo t they come out right whatever wrapped on the way.")
        suspect(told(choose=lambda bounds: list(bounds)[0]), "You bounded the first output only; another is larger.")
        expect(f"the smallest t for {len(layers)} layer{'s' * (len(layers) > 1)}", t == 2 * m + 1,
               lambda: f"With inputs up to {largest} the results reach {short(m)}, so t must be {short(2 * m + 1)}; you gave {short(t)}."
               + " Did numbers of 64 bits wrap around on the way?" * last_one, points=len(layers) - 1)


@right
def by_recursion(layers, largest):
    def bound(depth, output):
        if depth < 0:
            return largest
        weight, bias = layers[depth]
        total = abs(bias[output]) + sum(abs(w) * bound(depth - 1, i) for i, w in enumerate(weight[output]))
        return total if depth == len(layers) - 1 else total**2
    return 1 + 2 * max(bound(len(layers) - 1, o) for o in range(len(layers[-1][1])))


@right
def by_object_arrays(layers, largest):
    import numpy
    bounds = numpy.array([largest] * len(layers[0][0][0]), dtype=object)
    for k, (weight, bias) in enumerate(layers):
        bounds = abs(numpy.array(weight, dtype=object)) @ bounds + abs(numpy.array(bias, dtype=object))
        bounds = bounds if k == len(layers) - 1 else bounds**2
    return int(2 * bounds.max() + 1)


@wrong("where are the negative numbers")
def positive_only(layers, largest):
    return worst(layers, largest)


@wrong("are one and the same residue")
def one_short(layers, largest):
    return 2 * worst(layers, largest)


@wrong("canceled each other in your bound")
def signed_weights(layers, largest):
    return 2 * worst(layers, largest, size=lambda w: w) + 1


@wrong("Weights and bias went in with their signs")
def abs_at_the_end(layers, largest):
    return 2 * worst(layers, largest, size=int, offset=int, choose=lambda bounds: max(abs(b) for b in bounds)) + 1


@wrong("A negative bias made your bound smaller")
def signed_bias(layers, largest):
    return 2 * worst(layers, largest, offset=lambda c: c) + 1


@wrong("The bias is missing")
def no_bias(layers, largest):
    return 2 * worst(layers, largest, offset=lambda c: 0) + 1


@wrong("every number is squared, and with it its bound")
def never_squared(layers, largest):
    return 2 * worst(layers, largest, between=1) + 1


@wrong("You squared after the last layer too")
def always_squared(layers, largest):
    return 2 * worst(layers, largest, last=2) + 1


@wrong("You added up the outputs")
def outputs_added(layers, largest):
    return 2 * worst(layers, largest, choose=sum) + 1


@wrong("each has a bound of its own")
def one_bound_a_layer(layers, largest):
    return 2 * worst(layers, largest, alike=True) + 1


@wrong("whatever wrapped on the way")
def everything_fits(layers, largest):
    return 2 * worst(layers, largest, on_the_way=True) + 1


@wrong("That is the number of bits")
def in_bits(layers, largest):
    return (2 * worst(layers, largest) + 1).bit_length()


@wrong("Did numbers of 64 bits wrap around")
def in_int64(layers, largest):
    import numpy
    bounds = numpy.full(len(layers[0][0][0]), largest, dtype=numpy.int64)
    for k, (weight, bias) in enumerate(layers, 1):
        bounds = abs(numpy.array(weight)) @ bounds + abs(numpy.array(bias))
        bounds = bounds if k == len(layers) else bounds * bounds
    return int(2 * bounds.max() + 1)

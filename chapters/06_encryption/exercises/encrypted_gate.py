"""One gate of a network on numbers that nobody there can read: weights, bias, polynomial activation under CKKS."""
import functools

import numpy as np

from medcrypt_lab.exercises import close, decode, expect, expect_like, note, right, suspect, wrong
from medcrypt_lab.exercises.vocabulary import NotYet

points, minutes, difficulty = 4, 9, 3
hints = [
    "Write it as if the vectors were numpy arrays: products, a sum, the bias. Only the activation has a name of its own.",
    "Each product with a plain list costs one level, and so does each product of ciphertexts after it. `.polyval` needs two for a cubic; the weights take the third.",
    "`total = vectors[0] * weights[0]`, then `total = total + vectors[k] * weights[k]` for the others, `total + bias`, and `.polyval(polynomial)`.",
]
after = "The server multiplied its weights into numbers it cannot read. The weights are not safe from who opens the answers: with enough of them they are the unknowns of equations, as in lesson 7."


def encrypted_gate(public, inputs, weights, bias, polynomial):
    """polynomial(weights[0] * x[0] + weights[1] * x[1] + ... + bias).

    public: the hospital's context as bytes, without the secret key.
    inputs: the encrypted vectors x[0], x[1], ..., bytes each.
    weights: for each of them a list, one number a slot. bias: a list, too.
    polynomial: [c0, c1, c2, c3]. Returns the encrypted result, bytes.
    Vectors know + and *, with each other and with lists, and
    .polyval(coefficients). Three levels are left: choose well.
    """
    import tenseal as ts
    context = ts.context_from(public, n_threads=1)
    vectors = [ts.ckks_vector_from(context, sealed) for sealed in inputs]
    # BEGIN SOLUTION
    total = vectors[0] * weights[0]
    for vector, weight in zip(vectors[1:], weights[1:]):
        total = total + vector * weight
    gate = (total + bias).polyval(polynomial)
    # END SOLUTION
    return gate.serialize()


@functools.cache
def keys(levels):
    """A hospital's context of 128 bits with so many levels, its public half and its secret key, as bytes. Made once: no check can see another's inputs."""
    import tenseal as ts
    ends, each = {3: (50, 35), 6: (37, 24)}[levels]             # 210 and 218 bits, of the 218 that are allowed
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[ends] + levels * [each] + [ends], n_threads=1)
    context.global_scale = 2.0**each
    return (context, context.serialize(save_secret_key=False, save_galois_keys=False),
            context.serialize(save_secret_key=True, save_public_key=False, save_galois_keys=False, save_relin_keys=False))


def opened(secret, sealed):
    """The numbers in an encrypted vector."""
    import tenseal as ts
    return ts.ckks_vector_from(ts.context_from(secret, n_threads=1), sealed).decrypt()


def check(answer, random):
    """The answer gets the public half of the keys, numpy says what must come out. TenSEAL's error is below 0.0001."""
    import tenseal as ts
    slots = 6

    def case(count):
        x, w = (np.array([[random.uniform(0.4, 1.2) * random.choice((-1, 1)) for _ in range(slots)] for _ in range(count)]) for _ in range(2))
        bias = np.array([random.uniform(0.5, 1) for _ in range(slots)])
        return x, w, bias, [random.uniform(0.3, 0.6), random.uniform(0.7, 0.9), random.uniform(0.1, 0.2), -random.uniform(0.05, 0.1)]

    def ask(levels, x, w, bias, c):
        """The numbers that come back."""
        context, public, secret = keys(levels)
        got = answer(public, [ts.ckks_vector(context, row.tolist()).serialize() for row in x], w.tolist(), bias.tolist(), list(c))
        expect_like(got, b"")
        return np.array([float(v) for v in decode(opened, secret, got)])

    def poly(c, z):
        return np.polynomial.polynomial.polyval(z, c)

    for count in (2, 3):
        x, w, bias, c = given = case(count)
        z = (w * x).sum(0)
        expected = poly(c, z + bias)
        try:
            got = ask(3, *given)
        except NotYet as end:
            if end.raised and "scale out of bounds" in end.sentence:        # would it be right with more levels?
                try:
                    enough = close(ask(6, *given), expected, 0.3)           # primes of 24 bits are coarse
                except NotYet:
                    enough = False
                suspect(enough, "TenSEAL says that the scale is out of bounds: your formula is right, and it needs more than three levels. Multiplying by z "
                        "again and again costs one each time; `.polyval` gets a cubic from two.")
                note("Out of bounds: more than three products in a row. Each product costs a level, `.polyval` of a cubic costs two.")
            elif end.raised and any(key in end.sentence for key in ("secret_key", "Galois")):
                note("`.decrypt`, `.sum` and `.dot` want keys that the server was not given. Plain + and * with lists, slot by slot, are enough.")
            raise
        suspect(got.shape != expected.shape, f"{len(got)} numbers came back, {slots} went in.")
        for seen, words in (
                (z + bias, "That is the sum with the bias, well done; the activation is missing."),
                (poly(c, z), "The bias is missing."),
                (poly(c, z) + bias, "The bias was added after the activation; it belongs under it."),
                (poly(c[::-1], z + bias), "The coefficients were turned round: `.polyval` takes the constant first."),
                (poly(c, x.sum(0) + bias), "The inputs were added up without their weights."),
                (poly(c, w[0] * x[0] + bias), f"Only the first of {count} inputs counts."),
                (poly(c, w[-1] * x[-1] + bias), f"Only the last of {count} inputs counts: does the loop begin anew each time?"),
                (poly(c, z + count * bias), "The bias was added once for each input; once is enough."),
                (poly(c, (w[:, :1] * x).sum(0) + bias), "Every slot was multiplied by the first slot's weight. A vector times a whole list takes them slot by slot."),
                ((w * poly(c, x)).sum(0) + bias, "The activation was put on the inputs; it comes last, on the weighted sum with the bias."),
                (poly(c, w * x).sum(0) + bias, "Each product went through the activation by itself; it is the sum that goes through it."),
                (sum(poly(c, w * x + bias)), "Each input went through a gate of its own; the activation comes once, after the sum.")):
            suspect(close(got, seen, 1e-3 * (1 + float(np.abs(seen).max()))), words)
        worst = int(np.abs(got - expected).argmax())
        expect("the gate, in every slot", close(got, expected, 1e-3), lambda: f"In slot {worst} the hospital reads {got[worst]:.1f} where {expected[worst]:.1f} "
               "was to come out.", points=2)


@right
def by_sum(public, inputs, weights, bias, polynomial):
    import tenseal as ts
    context = ts.context_from(public, n_threads=1)
    gate = ts.ckks_vector_from(context, inputs[0]) * weights[0] + bias
    for sealed, weight in list(zip(inputs, weights))[1:]:
        gate += ts.ckks_vector_from(context, sealed) * weight
    return gate.polyval(polynomial).serialize()


@right
def by_hand(public, inputs, weights, bias, polynomial):
    import tenseal as ts
    context = ts.context_from(public, n_threads=1)
    products = [ts.ckks_vector_from(context, sealed) * weight for sealed, weight in zip(inputs, weights)]
    z = products[0]
    for product in products[1:]:
        z = z + product
    z = z + bias
    c0, c1, c2, c3 = polynomial
    square = z * z
    gate = (z * c3) * square + square * c2 + z * c1 + [c0] * len(bias)
    return gate.serialize()


def summed(public, inputs, weights):
    """The weighted sum, for the answers below."""
    import tenseal as ts
    context = ts.context_from(public, n_threads=1)
    rows = [ts.ckks_vector_from(context, sealed) * weight for sealed, weight in zip(inputs, weights)]
    for row in rows[1:]:
        rows[0] = rows[0] + row
    return rows[0]


@wrong("it needs more than three levels")
def by_horner(public, inputs, weights, bias, polynomial):
    z = summed(public, inputs, weights) + bias
    gate = z * polynomial[3] + polynomial[2]
    for c in polynomial[1::-1]:
        gate = gate * z + c
    return gate.serialize()


@wrong("the activation is missing")
def no_activation(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs, weights) + bias).serialize()


@wrong("The bias is missing")
def no_bias(public, inputs, weights, bias, polynomial):
    return summed(public, inputs, weights).polyval(polynomial).serialize()


@wrong("it belongs under it")
def bias_last(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs, weights).polyval(polynomial) + bias).serialize()


@wrong("takes the constant first")
def turned_round(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs, weights) + bias).polyval(polynomial[::-1]).serialize()


@wrong("does the loop begin anew")
def last_only(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs[-1:], weights[-1:]) + bias).polyval(polynomial).serialize()


@wrong("without their weights")
def no_weights(public, inputs, weights, bias, polynomial):
    ones = [[1.0] * len(bias)] * len(weights)
    return (summed(public, inputs, ones) + bias).polyval(polynomial).serialize()


@wrong("by the first slot's weight")
def one_weight_for_all(public, inputs, weights, bias, polynomial):
    firsts = [[weight[0]] * len(bias) for weight in weights]
    return (summed(public, inputs, firsts) + bias).polyval(polynomial).serialize()


@wrong("put on the inputs")
def activation_first(public, inputs, weights, bias, polynomial):
    import tenseal as ts
    context = ts.context_from(public, n_threads=1)
    active = [ts.ckks_vector_from(context, sealed).polyval(polynomial).serialize() for sealed in inputs]
    return (summed(public, active, weights) + bias).serialize()


@wrong("hold a secret_key")
def decrypts(public, inputs, weights, bias, polynomial):
    total = np.array(summed(public, inputs, weights).decrypt()) + bias
    return np.polynomial.polynomial.polyval(total, polynomial).tobytes()


@wrong("hold a Galois keys")
def with_dot(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs, weights) + bias).polyval(polynomial).sum().serialize()


@wrong("returned a CKKSVector")
def not_serialized(public, inputs, weights, bias, polynomial):
    return (summed(public, inputs, weights) + bias).polyval(polynomial)

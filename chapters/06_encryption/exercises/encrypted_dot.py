"""A layer's sum over encrypted pixels: powers, products, and a fresh zero."""
import math
import secrets

from Crypto.Util.number import isPrime
from phe import paillier

from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, uses, wrong

points, minutes, difficulty = 3, 8, 3
paillier_encrypt = uses("encryption.paillier_encrypt")
without = ["phe"]
hints = [
    "A product of ciphertexts is a sum of pixels. A ciphertext multiplied by itself w times is then w times the pixel. What do you begin with?",
    "Begin with a fresh encryption of 0 and multiply, for each pixel, with its ciphertext to the power of its weight, always modulo n * n.",
    "`total = paillier_encrypt(0, n)`; in a loop over `zip(ciphertexts, weights)`: `total = total * pow(c, w, n * n) % (n * n)`. `pow` takes a negative w, too.",
]
after = ("A negative weight costs an inverse modulo n * n, and Python's `pow` finds it. phe writes the same as `c * w` and `c + d`, and draws the fresh zero only when "
         "`ciphertext()` is asked for: a result that is sent any other way tells the weights to whoever tries them.")


def encrypted_dot(n, ciphertexts, weights):
    """The ciphertext of the sum of weight * pixel, without any secret key.

    ciphertexts: whole numbers, one a pixel, encrypted with n. weights:
    whole numbers, some negative. Returns a number below n * n.
    An encrypted 0 is in the product, so that no two results are equal:
    else whoever saw the ciphertexts could try weights until one fits.
    paillier_encrypt(m, n) draws its r; pow(c, w, n * n) takes w < 0.
    """
    # BEGIN SOLUTION
    total = paillier_encrypt(0, n)
    for c, w in zip(ciphertexts, weights):
        total = total * pow(c, w, n * n) % (n * n)
    return total
    # END SOLUTION


def key_of(random, bits):
    """phe's two halves of a key whose n has twice so many bits."""
    found = []
    while len(found) < 2:
        p = random.getrandbits(bits) | 3 << bits - 2 | 1
        if isPrime(p) and p not in found:
            found.append(p)
    public = paillier.PaillierPublicKey(found[0] * found[1])
    return public, paillier.PaillierPrivateKey(public, *found)


def check(answer, random):
    """Paillier 1999 (additive homomorphism, self-blinding); phe encrypts and decrypts, the sum is taken in the clear."""
    public, private = key_of(random, 128)
    n, square = public.n, public.n ** 2

    def signed(m):
        return m - n if m > n // 2 else m

    def is_zero(c):
        """Is it 0, or a ciphertext that holds 0?"""
        return c == 0 or math.gcd(c, n) == 1 and private.raw_decrypt(c) == 0

    def case(weights):
        pixels = random.sample(range(20, 256), len(weights))
        ciphertexts = [public.raw_encrypt(x, r_value=random.randrange(2, n)) for x in pixels]
        c = answer(n, ciphertexts, weights)
        suspect(isinstance(c, float), "That is a float: it has 16 digits, and all of the number's are needed.")
        expect_like(c, 1)
        suspect(c in (sum(ciphertexts), sum(ciphertexts) % square), "You added the ciphertexts. Their product decrypts to the sum of the pixels; a sum of ciphertexts decrypts to nothing.")
        plain = sum(w * x for w, x in zip(weights, ciphertexts))
        suspect(c in (plain, plain % square, plain % n) or is_zero((c - plain) % square), "You multiplied each ciphertext by its weight. To multiply the *pixel*, raise the ciphertext to the power of the weight.")
        rest = (c - sum(pow(x, w, square) for x, w in zip(ciphertexts, weights))) % square
        bare = math.prod(pow(x, w, square) for x, w in zip(ciphertexts, weights))
        suspect(is_zero(rest), "The powers are right, and you added them. Look at the two formulas: what adds the pixels is the *product* of ciphertexts.")
        suspect(c % square != bare % square and is_zero((c - bare) % square), "You added the encrypted 0. It is multiplied in, like the others: a product of ciphertexts holds a sum.")
        suspect(c == 0, "That is 0, and 0 is no ciphertext. A product begins with 1, or here with an encrypted 0.")
        suspect(not 0 < c < square, "The result is not below n * n: take `% (n * n)` after each step.")
        suspect(math.gcd(c, n) > 1, "That number has a divisor in common with n: no product of ciphertexts has.")
        return pixels, ciphertexts, c, signed(private.raw_decrypt(c))

    weights = [random.randrange(1, 128) for _ in range(5)]
    pixels, ciphertexts, c, found = case(weights)
    exact = sum(w * x for w, x in zip(weights, pixels))
    bare = math.prod(pow(x, w, square) for x, w in zip(ciphertexts, weights)) % square
    suspect(c == bare % n or c < n, "You took the remainder modulo n. The pixels are only there modulo n * n.")
    suspect(found == sum(pixels), "That is the sum of the pixels: the weights are missing. Raise each ciphertext to its weight.")
    suspect(found == sum(pixels) + sum(weights), "That is the sum of pixel + weight: times an encrypted weight *adds* the weight. A power multiplies.")
    suspect(found == exact - weights[-1] * pixels[-1] or found == exact - weights[0] * pixels[0], "One pixel is missing from the sum, the first or the last.")
    suspect(found == exact + 1, "The sum is one too large: you began with an encrypted 1. A product begins with 1, a sum with 0, and here what is *inside* is summed.")
    expect("the sum, for weights above 0", found == exact, lambda: f"Decrypted the result is {short(found)}; the sum of weight * pixel is {exact}.")

    weights = [random.choice((-1, 1)) * random.randrange(1, 128) for _ in range(6)]
    weights[0], weights[2], weights[4] = -abs(weights[0]), 0, abs(weights[4])
    pixels, ciphertexts, c, found = case(weights)
    exact = sum(w * x for w, x in zip(weights, pixels))
    suspect(found != exact and found == sum(w * x for w, x in zip(weights, pixels) if w > 0), "The pixels with weights below 0 are missing. `pow(c, w, n * n)` takes a negative w: it inverts.")
    suspect(found != exact and found == sum(abs(w) * x for w, x in zip(weights, pixels)), "The minus signs got lost: a negative weight counted as a positive one.")
    expect("with weights below 0, and 0", found == exact, lambda: f"With the weights {weights} the decrypted result is {short(found)}, the sum {exact}.", points=2)

    bare = math.prod(pow(x, w, square) for x, w in zip(ciphertexts, weights)) % square
    suspect(c == bare, "The sum is right, but nothing random is in the product: whoever saw the ciphertexts tries weights until their product is yours. Multiply with a fresh encrypted 0.")
    again = answer(n, ciphertexts, weights)
    expect_like(again, 1)
    suspect(again == c, "Twice the same ciphertexts gave twice the same result: is the encrypted 0 drawn anew, with an r of its own?")
    expect("a fresh mask each time", 0 < again < square and math.gcd(again, n) == 1 and signed(private.raw_decrypt(again)) == exact,
           "The second time the result decrypted to something else.", points=1)


@right
def in_one_line(n, ciphertexts, weights):
    return paillier_encrypt(0, n) * math.prod(pow(c, w, n * n) for c, w in zip(ciphertexts, weights)) % (n * n)


@right
def masked_at_the_end(n, ciphertexts, weights):
    square, total = n ** 2, 1
    for k in range(len(weights)):
        power = pow(ciphertexts[k], abs(weights[k]), square)
        total = total * (power if weights[k] >= 0 else pow(power, -1, square)) % square
    r = secrets.randbelow(n - 1) + 1
    return total * pow(r, n, square) % square


@wrong("nothing random is in the product")
def not_masked(n, ciphertexts, weights):
    return math.prod(pow(c, w, n * n) for c, w in zip(ciphertexts, weights)) % (n * n)


@wrong("raise the ciphertext to the power of the weight")
def times_the_weight(n, ciphertexts, weights):
    return sum(c * w for c, w in zip(ciphertexts, weights)) % (n * n)


@wrong("The pixels with weights below 0 are missing")
def only_positive(n, ciphertexts, weights):
    total = paillier_encrypt(0, n)
    for c, w in zip(ciphertexts, weights):
        if w > 0:
            total = total * pow(c, w, n * n) % (n * n)
    return total


@wrong("and you added them")
def powers_added(n, ciphertexts, weights):
    return (paillier_encrypt(0, n) + sum(pow(c, w, n * n) for c, w in zip(ciphertexts, weights))) % (n * n)


@wrong("You added the encrypted 0")
def zero_added(n, ciphertexts, weights):
    square = n * n
    return (math.prod(pow(c, w, square) for c, w in zip(ciphertexts, weights)) + paillier_encrypt(0, n)) % square


@wrong("*adds* the weight")
def weights_encrypted(n, ciphertexts, weights):
    square = n * n
    return math.prod(c * paillier_encrypt(w % n, n) for c, w in zip(ciphertexts, weights)) % square


@wrong("The minus signs got lost")
def without_signs(n, ciphertexts, weights):
    total = paillier_encrypt(0, n)
    for c, w in zip(ciphertexts, weights):
        total = pow(c, abs(w), n * n) * total % (n * n)
    return total


@wrong("0 is no ciphertext")
def begins_with_zero(n, ciphertexts, weights):
    total = 0
    for c, w in zip(ciphertexts, weights):
        total = total * pow(c, w, n * n) % (n * n)
    return total


@wrong("You took the remainder modulo n.")
def modulo_n(n, ciphertexts, weights):
    total = paillier_encrypt(0, n)
    for c, w in zip(ciphertexts, weights):
        total = total * pow(c, w, n) % n
    return total


@wrong("you began with an encrypted 1")
def begins_with_one(n, ciphertexts, weights):
    total = paillier_encrypt(1, n)
    for c, w in zip(ciphertexts, weights):
        total = total * pow(c, w, n * n) % (n * n)
    return total


@wrong("the weights are missing")
def only_added(n, ciphertexts, weights):
    total = paillier_encrypt(0, n)
    for c in ciphertexts:
        total = total * c % (n * n)
    return total


@wrong("is the encrypted 0 drawn anew")
def same_mask(n, ciphertexts, weights):
    total = paillier_encrypt(0, n, r=2)
    for c, w in zip(ciphertexts, weights):
        total = total * pow(c, w, n * n) % (n * n)
    return total

"""Paillier's cipher: encrypt with n alone, decrypt with its two primes."""
import math
import secrets

from Crypto.Util.number import isPrime
from phe import paillier

from medcrypt_lab.exercises import expect, expect_like, right, short, suspect, wrong

functions = ("paillier_encrypt", "paillier_decrypt")
points, minutes, difficulty = 4, 12, 3
without = ["phe"]
hints = [
    "Encrypting is the formula above, and one question: where does r come from if nobody gives one? Decrypting undoes it in three steps: raise to `power`, "
    "take away what stands around m, and take away the factor.",
    "After `pow(c, power, n * n)` you hold 1 + m * power * n. How do you get from there to m * power? And what is dividing by `power` modulo n?",
    "`r = secrets.randbelow(n - 1) + 1`; `(1 + m * n) * pow(r, n, n * n) % (n * n)`. Back: `u = pow(c, power, n * n)`; `(u - 1) // n`; times `pow(power, -1, n)`; `% n`.",
]
after = "All rests on one assumption: that nobody tells n-th powers modulo n * n from other numbers. Then two ciphertexts cannot be told apart, as long as r is new each time and nobody can foretell it: with `random` in place of `secrets` this card would be as green, and the cipher open (lesson 1)."


def paillier_encrypt(m, n, r=None):
    """m, encrypted with the public key n: a whole number below n * n.

    m: 0 <= m < n. n: hundreds of digits, so pow(a, b, modulus), never **.
    r: 0 < r < n, given in tests only; None: draw one from the system,
    secrets.randbelow(k) gives 0 to k - 1.
    """
    # BEGIN SOLUTION
    if r is None:
        r = secrets.randbelow(n - 1) + 1
    return (1 + m * n) * pow(r, n, n * n) % (n * n)
    # END SOLUTION


def paillier_decrypt(c, p, q):
    """What is encrypted in c, for who knows both primes: 0 to n - 1."""
    n = p * q
    power = math.lcm(p - 1, q - 1)      # r ** (n * power) leaves 1
    # BEGIN SOLUTION
    u = pow(c, power, n * n)
    return (u - 1) // n * pow(power, -1, n) % n
    # END SOLUTION


def two_primes(random, bits):
    """p and q of so many bits each, n = p * q of twice as many."""
    found = []
    while len(found) < 2:
        p = random.getrandbits(bits) | 3 << bits - 2 | 1
        if isPrime(p) and p not in found:
            found.append(p)
    return found


def check(answer, random):
    """Paillier 1999, scheme 1, with g = 1 + n. Every number is compared with phe's; the first is from phe's own tests (n = 126869)."""
    cases = [(10100, 293, 433, 74384)]
    for bits in (40, 256):
        p, q = two_primes(random, bits)
        cases += [(random.randrange(2, p * q), p, q, random.randrange(2, p * q)) for _ in range(2)]
    for m, p, q, r in cases:
        n = p * q
        square, expected = n * n, paillier.PaillierPublicKey(n).raw_encrypt(m, r_value=r)
        c = answer.paillier_encrypt(m, n, r)
        suspect(isinstance(c, float), "That is a float: it has 16 digits, and all of the number's are needed. Multiply and take `%`, do not divide.")
        expect_like(c, 1)
        suspect(c == (1 + m * n) % square, "r is not in it: then (c - 1) // n is m, for everybody. Multiply by r to the n.")
        suspect(c == (1 + m * n) * r % square, "You multiplied by r; it is r to the power of n. Only n-th powers become 1 when decrypting.")
        suspect(c == expected % n, "You took the remainder modulo n. There 1 + n is 1, and m is gone: the modulus is n * n.")
        suspect(c == pow(1 + n, r, square) * pow(m, n, square) % square, "m and r are swapped: m is the exponent of 1 + n.")
        suspect(c == m * n * pow(r, n, square) % square, "That is m * n * r**n: where is the 1? (1 + n) ** m leaves 1 + m * n.")
        suspect(c == (1 + m * n + pow(r, n, square)) % square, "You added the two parts; they are multiplied.")
        suspect(c % square == expected and c != expected, "The right number, plus a multiple of n * n: take the remainder at the end, `% (n * n)`.")
        suspect(c != expected and 0 < c < square and math.gcd(c, n) == 1 and paillier.PaillierPrivateKey(paillier.PaillierPublicKey(n), p, q).raw_decrypt(c) == m,
                "m is in it, but under another r than the one that was given. Draw one only if r is None.")
        suspect(c != expected, lambda m=m, n=n, r=r, c=c, e=expected: f"n = {short(n)}, m = {short(m)}, r = {short(r)} should give {short(e)}; yours is {short(c)}.")
    m, private = random.randrange(2, 256), paillier.PaillierPrivateKey(paillier.PaillierPublicKey(n), p, q)
    drawn = [answer.paillier_encrypt(m, n) for _ in range(4)]
    for c in drawn:
        expect_like(c, 1)
    suspect((1 + m * n) % square in drawn, "Without a given r yours is 1 (or 0 and forgotten): the ciphertext is 1 + m * n, and everybody reads m.")
    suspect(len(set(drawn)) < len(drawn), "The same number, encrypted twice, gave the same ciphertext. Without a given r draw a new one each time.")
    expect("encrypts as phe does, with a fresh r", all(0 < c < square and math.gcd(c, n) == 1 and private.raw_decrypt(c) == m for c in drawn), "With an r of your own phe does not decrypt to what was encrypted.", points=2)

    # Only phe's ciphertexts from here on.
    for bits in (24, 256):
        p, q = two_primes(random, bits)
        n = p * q
        public, power = paillier.PaillierPublicKey(n), math.lcm(p - 1, q - 1)
        # On the first m no two mistakes give the same number.
        first = next(m for m in random.sample(range(3, 256), 253) if m * power % n // power not in (0, m))
        for m in (first, n - random.randrange(2, 256), random.randrange(n // 2, n)):
            c = public.raw_encrypt(m, r_value=random.randrange(2, n))
            back = answer.paillier_decrypt(c, p, q)
            suspect(isinstance(back, float), "That is a float: `/` loses digits. `//` divides whole numbers, and modulo n dividing is multiplying with an inverse.")
            expect_like(back, 1)
            u = pow(c, power, n * n)
            suspect(back == u, "That is 1 + m * power * n, modulo n * n: the first of three steps. Take away the 1, divide by n.")
            suspect(back in ((u - 1) // n, u // n), "That is m times `power`, modulo n. Dividing modulo n is multiplying with the inverse of `power`: lesson 1, or `pow(power, -1, n)`.")
            suspect(back != m and back == (u - 1) // n // power, "Modulo n there is no `//`: to divide by `power`, multiply with its inverse, `pow(power, -1, n)`.")
            suspect(back == 0, "Modulo n every ciphertext to the `power` is 1, and m is gone: c is a number modulo n * n.")
            suspect(back == m - n, f"You read numbers above n / 2 as negative. That comes later: here the result is {short(m)}, one of 0 to n - 1.")
            suspect(back != m and back % n == m, "The right number, plus a multiple of n: `% n` at the end.")
            suspect(back != m, lambda m=m, b=back: f"{short(m)} was encrypted and {short(b)} came back.")
    a, b = random.randrange(n // 2, n), random.randrange(n // 2, n)
    product = public.raw_encrypt(a, r_value=7) * public.raw_encrypt(b, r_value=11)
    back = answer.paillier_decrypt(product, p, q)
    expect_like(back, 1)
    expect("decrypts what phe encrypted, products as sums", back == (a + b) % n, "The product of two ciphertexts decrypted to something else than the sum of what was in them, modulo n.", points=2)


@right
def by_the_formula(m, n, r=None):
    square = n ** 2
    while r is None or math.gcd(r, n) > 1:
        r = secrets.randbelow(n)
    return pow(1 + n, m, square) * pow(r, n, square) % square


@right
def drawn_by_the_system(m, n, r=None):
    import random as python
    square, r = n * n, r or python.SystemRandom().randrange(1, n)
    return pow(r, n, square) * (m * n + 1) % square


@wrong("r is not in it")
def no_mask(m, n, r=None):
    return (m * n + 1) % (n * n)


@wrong("it is r to the power of n")
def r_itself(m, n, r=None):
    r = r or 1 + secrets.randbelow(n - 1)
    return r * (m * n + 1) % (n * n)


@wrong("There 1 + n is 1, and m is gone")
def modulo_n(m, n, r=None):
    r = r or 1 + secrets.randbelow(n - 1)
    return pow(1 + n, m, n) * pow(r, n, n) % n


@wrong("m and r are swapped")
def swapped(m, n, r=None):
    r = r or 1 + secrets.randbelow(n - 1)
    return pow(1 + n, r, n * n) * pow(m, n, n * n) % (n * n)


@wrong("Without a given r yours is 1")
def one_by_default(m, n, r=None):
    return pow(r or 1, n, n * n) * (m * n + 1) % (n * n)


@wrong("gave the same ciphertext")
def always_seven(m, n, r=7):
    return pow(7 if r is None else r, n, n * n) * (m * n + 1) % (n * n)


@wrong("Draw one only if r is None")
def always_drawn(m, n, r=None):
    r, square = secrets.randbelow(n - 1) + 1, n ** 2
    return pow(r, n, square) * (1 + m * n) % square


@wrong("plus a multiple of n * n")
def never_reduced(m, n, r=None):
    r = r or 1 + secrets.randbelow(n - 1)
    return pow(r, n, n * n) * (m * n + 1)


@wrong("m times `power`, modulo n", of="paillier_decrypt")
def not_divided(c, p, q):
    n = p * q
    return (pow(c, math.lcm(p - 1, q - 1), n * n) - 1) // n


@wrong("there is no `//`", of="paillier_decrypt")
def divided_in_the_clear(c, p, q):
    n, power = p * q, math.lcm(p - 1, q - 1)
    return (pow(c, power, n * n) - 1) // n // power


@wrong("c is a number modulo n * n", of="paillier_decrypt")
def power_modulo_n(c, p, q):
    n, power = p * q, math.lcm(p - 1, q - 1)
    return (pow(c, power, n) - 1) // n * pow(power, -1, n) % n


@wrong("That comes later", of="paillier_decrypt")
def signed(c, p, q):
    n, power = p * q, math.lcm(p - 1, q - 1)
    m = (pow(c, power, n * n) - 1) // n * pow(power, -1, n) % n
    return m - n if m > n // 2 else m


@wrong("`% n` at the end", of="paillier_decrypt")
def not_reduced(c, p, q):
    n, power = p * q, math.lcm(p - 1, q - 1)
    return pow(power, -1, n) * ((pow(c, power, n * n) - 1) // n)


@wrong("`/` loses digits", of="paillier_decrypt")
def with_a_slash(c, p, q):
    n, power = p * q, math.lcm(p - 1, q - 1)
    return (pow(c, power, n * n) - 1) / n / float(power % 10**9)

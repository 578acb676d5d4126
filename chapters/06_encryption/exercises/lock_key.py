"""A key under a password: scrypt makes a wrapping key of it, slowly, and with a salt of its own."""
import secrets

from Crypto.Cipher import AES
from Crypto.Protocol.KDF import scrypt

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

functions = ("lock_key", "unlock_key")
points, minutes, difficulty = 4, 9, 2
hints = [
    "A password becomes a wrapping key by `scrypt`, and the wrapping key seals `key`. Whoever unlocks needs the same salt again: where do they find it?",
    "Locking: a fresh salt, `scrypt(password, salt, 32, N=cost, r=8, p=1)`, then AES key wrap; return `salt + wrapped`. Unlocking: the salt is the first 16 bytes of `locked`.",
    "`salt = secrets.token_bytes(16)`; `wrapping = scrypt(...)`; `return salt + AES.new(wrapping, AES.MODE_KW).seal(key)`. Unlocking: `scrypt(password, locked[:16], ...)` "
    "and `.unseal(locked[16:])`.",
]
after = ("The salt is no secret. It makes each lock a puzzle of its own: a list of guesses that was computed for one is worthless for the next. "
         "And a wrong password is noticed only because key wrap has a check inside.")


def lock_key(password, key, cost):
    """A key that opens by password: a salt of 16 bytes, then the wrap.

    password: bytes. key: 16 or 32 bytes. cost: a power of 2. Returns bytes.
    scrypt(password, salt, 32, N=cost, r=8, p=1) makes a key of 32 bytes.
    AES.new(wrapping_key, AES.MODE_KW).seal(key) wraps.
    secrets.token_bytes(n) asks the operating system.
    """
    # BEGIN SOLUTION
    salt = secrets.token_bytes(16)
    wrapping_key = scrypt(password, salt, 32, N=cost, r=8, p=1)
    return salt + AES.new(wrapping_key, AES.MODE_KW).seal(key)
    # END SOLUTION


def unlock_key(password, locked, cost):
    """The key, by the same password and cost: bytes.

    locked: what lock_key gave. Raises ValueError for another password;
    unseal, which undoes seal, does that.
    """
    # BEGIN SOLUTION
    wrapping_key = scrypt(password, locked[:16], 32, N=cost, r=8, p=1)
    return AES.new(wrapping_key, AES.MODE_KW).unseal(locked[16:])
    # END SOLUTION


def stretched(password, salt, cost):
    """scrypt by cryptography."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(password)


def opened(wrapping_key, wrap):
    """What stands in an AES key wrap, or None."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
    try:
        return aes_key_unwrap(wrapping_key, wrap)
    except (InvalidUnwrap, ValueError):
        return None


def check(answer, random):
    """RFC 7914 and RFC 3394 by cryptography, each half against the check's own other half; small costs, so that it is quick."""
    import hashlib

    from cryptography.hazmat.primitives.keywrap import aes_key_wrap
    password, key, cost = b"correct horse " + random.bytes(4).hex().encode(), random.bytes(16), 512
    locked, again = answer.lock_key(password, key, cost), answer.lock_key(password, key, cost)
    suspect(isinstance(locked, tuple), "You returned several values: join them, salt + wrapped.")
    expect_like(locked, b"")
    expect_like(again, b"")
    suspect(key in locked, "The key stands in the result as it is: no password is needed.")
    suspect(len(locked) == 24, "The result holds the wrapped key and no salt: nobody can make the wrapping key again, not even with the password. Return salt + wrapped.")
    suspect(len(locked) == 56 and opened(key, locked[16:]) == stretched(password, locked[:16], cost), "You locked what scrypt made with the key. It is the other way round: scrypt's key locks, `key` is inside.")
    suspect(len(locked) != 40, f"Expected 40 bytes, a salt of 16 and a wrapped key of 24; you gave {len(locked)}." + " Key wrap adds 8 bytes to the key, as its check." * (len(locked) == 32))
    salt, wrap = locked[:16], locked[16:]
    suspect(locked == again, "Two locks of one key under one password are equal: your salt is always the same. Draw it anew each time.")
    suspect(opened(stretched(password, locked[24:], cost), locked[:24]) == key, "The salt stands behind the wrapped key; the layout begins with it.")
    for small, words in ((hashlib.sha256(password).digest(), "SHA-256 of the password"), (hashlib.sha256(salt + password).digest(), "SHA-256 of salt and password"),
                         (hashlib.sha256(password + salt).digest(), "SHA-256 of password and salt"), (password.ljust(32, b"\0")[:32], "the password itself, filled up")):
        suspect(opened(small, wrap) == key, f"Your wrapping key is {words}. A thief tries millions of passwords a second that way: scrypt makes each guess slow.")
    suspect(any(opened(stretched(password, salt, n), wrap) == key for n in (2, 256, 1024, 2048, 2**12, 2**14)), "Your lock opens with another cost than the argument `cost` says. Is N=cost?")
    suspect(opened(stretched(key, salt, cost), wrap) == password, "You locked the password with the key. The password goes into scrypt, the key is what is wrapped.")
    expect("locks by scrypt and key wrap", opened(stretched(password, salt, cost), wrap) == key, "With the password, the salt in front and this cost your lock does not open.")
    salts = {answer.lock_key(password, key, 2)[:16] for _ in range(3)} | {salt, again[:16]}
    expect("a fresh salt each time", len(salts) == 5, "Of five locks two had the same salt.", points=2)

    # Only what the check itself locked from here on.
    for n, secret in ((512, random.bytes(32)), (1024, random.bytes(16))):
        salt = random.bytes(16)
        honest = salt + aes_key_wrap(stretched(password, salt, n), secret)
        found = []
        suspect(refusal(lambda h=honest, n=n: found.append(answer.unlock_key(password, h, n))) == "ValueError",
                "The password was right, and you raised ValueError. Is the salt that of the lock, `locked[:16]`, and the cost the one that was given?")
        back = found[0] if found else answer.unlock_key(password, honest, n)
        expect_like(back, b"")
        expect(f"unlocks a key of {len(secret)} bytes", back == secret, "With the right password your function did not give back the key.")
    damaged = bytearray(honest)
    damaged[random.randrange(len(honest))] ^= 1
    attempts = [("another password", password + b"!", honest), ("a password with a small letter changed", password.swapcase(), honest), ("a lock with a flipped bit", password, bytes(damaged))]
    for words, guess, lock in attempts:
        out = []
        how = refusal(lambda g=guess, x=lock: out.append(answer.unlock_key(g, x, 1024)))
        suspect(how is None and out[0] is None, f"For {words} your function returned None. A ValueError is asked for: nobody overlooks it.")
        suspect(how is None, f"For {words} your function returned something as if it were the key.")
        expect(f"refuses {words}", how == "ValueError", f"For {words} it ended with {how}; a ValueError is asked for.", points=2 * int(lock != honest))


@right
def by_cryptography(password, key, cost):
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap
    import os
    grains = os.urandom(16)
    return grains + aes_key_wrap(Scrypt(salt=grains, length=32, n=cost, r=8, p=1).derive(password), key)


@right
def by_hashlib(password, key, cost):
    import hashlib
    grains = secrets.token_bytes(16)
    made = hashlib.scrypt(password, salt=grains, n=cost, r=8, p=1, dklen=32)
    return b"".join([grains, AES.new(made, AES.MODE_KW).seal(key)])


@wrong("your salt is always the same")
def no_salt(password, key, cost):
    return bytes(16) + AES.new(scrypt(password, bytes(16), 32, N=cost, r=8, p=1), AES.MODE_KW).seal(key)


@wrong("no salt: nobody can make")
def forgets_the_salt(password, key, cost):
    return AES.new(scrypt(password, secrets.token_bytes(16), 32, N=cost, r=8, p=1), AES.MODE_KW).seal(key)


@wrong("the layout begins with it")
def salt_behind(password, key, cost):
    salt = secrets.token_bytes(16)
    return AES.new(scrypt(password, salt, 32, N=cost, r=8, p=1), AES.MODE_KW).seal(key) + salt


@wrong("SHA-256 of salt and password")
def by_a_fast_hash(password, key, cost):
    import hashlib
    salt = secrets.token_bytes(16)
    return salt + AES.new(hashlib.sha256(salt + password).digest(), AES.MODE_KW).seal(key)


@wrong("the password itself")
def by_the_password(password, key, cost):
    return secrets.token_bytes(16) + AES.new(password.ljust(32, b"\0")[:32], AES.MODE_KW).seal(key)


@wrong("Is N=cost?")
def always_the_same_cost(password, key, cost):
    salt = secrets.token_bytes(16)
    return salt + AES.new(scrypt(password, salt, 32, N=1024, r=8, p=1), AES.MODE_KW).seal(key)


@wrong("scrypt's key locks, `key` is inside")
def the_wrong_key_inside(password, key, cost):
    salt = secrets.token_bytes(16)
    made = scrypt(password, salt, 32, N=cost, r=8, p=1)
    return salt + AES.new(key, AES.MODE_KW).seal(made)


@wrong("as its check")
def by_xor(password, key, cost):
    salt = secrets.token_bytes(16)
    return salt + bytes(a ^ b for a, b in zip(key, scrypt(password, salt, 32, N=cost, r=8, p=1)))


@wrong("Is the salt that of the lock", of="unlock_key")
def another_salt(password, locked, cost):
    return AES.new(scrypt(password, secrets.token_bytes(16), 32, N=cost, r=8, p=1), AES.MODE_KW).unseal(locked[16:])


@wrong("your function returned None", of="unlock_key")
def nothing_instead(password, locked, cost):
    try:
        return AES.new(scrypt(password, locked[:16], 32, N=cost, r=8, p=1), AES.MODE_KW).unseal(locked[16:])
    except ValueError:
        return None

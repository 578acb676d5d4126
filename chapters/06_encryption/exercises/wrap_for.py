"""Envelope encryption: the data key of an image, wrapped once for each who may open it; and unwrapped by one of them."""
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

functions = ("wrap_for", "unwrap")
points, minutes, difficulty = 5, 12, 3
hints = [
    "One wrap for each recipient, under the recipient's id. The kind of the key says how: text is a public RSA key, bytes are an AES key. What is wrapped is always `data_key`.",
    "`isinstance(key, str)` asks for the kind. RSA: `PKCS1_OAEP.new(RSA.import_key(key), SHA256)` and its `encrypt`; AES: `AES.new(key, AES.MODE_KW)` and its `seal`. In `unwrap` "
    "the same two with `decrypt` and `unseal`, which complain by themselves; only the missing id is yours to refuse.",
    "`for key_id, key in recipients.items():`, then `wraps[key_id] = ...` in two branches. In `unwrap`: `if key_id not in wraps: raise ValueError(...)`, then two branches that return.",
]
after = ("Whoever wrapped with RSA cannot undo it: the public key only locks. So a scanner may seal for a clinic and keep nothing worth stealing. "
         "And nothing in a wrap of RSA says who made it: anybody may wrap a key of their own for you.")


def wrap_for(data_key, recipients):
    """The data key, wrapped for each recipient: a dict, id -> bytes.

    data_key: 16 or 32 bytes. recipients: dict, id -> key: an AES key, 16
    or 32 bytes, or a public RSA key, text (its usual form, PEM).
    AES key wrap: AES.new(key, AES.MODE_KW).seal(data)
    RSA-OAEP: PKCS1_OAEP.new(RSA.import_key(text), SHA256).encrypt(data)
    """
    wraps = {}
    # BEGIN SOLUTION
    for key_id, key in recipients.items():
        if isinstance(key, str):
            wraps[key_id] = PKCS1_OAEP.new(RSA.import_key(key), SHA256).encrypt(data_key)
        else:
            wraps[key_id] = AES.new(key, AES.MODE_KW).seal(data_key)
    # END SOLUTION
    return wraps


def unwrap(wraps, key_id, key):
    """The data key, for whoever holds this one of the keys: bytes.

    wraps: as from wrap_for. key_id: which of them is yours. key: an AES
    key, bytes, or a private RSA key, text (PEM).
    Raises ValueError where this id has no wrap or the key does not fit.
    The undoing of seal and encrypt: unseal and decrypt; both raise
    ValueError where the key does not fit.
    """
    # BEGIN SOLUTION
    if key_id not in wraps:
        raise ValueError(f"nothing was wrapped for {key_id}")
    if isinstance(key, str):
        return PKCS1_OAEP.new(RSA.import_key(key), SHA256).decrypt(wraps[key_id])
    return AES.new(key, AES.MODE_KW).unseal(wraps[key_id])
    # END SOLUTION


# testRSA2048 of RFC 9500, section 2.1: a private key that is published so that nobody need make one for a test. It protects nothing.
PUBLISHED = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAsPnoGUOnrpiSqt4XynxA+HRP7S+BSObI6qJ7fQAVSPtRkqsotWxQYLEYzNEx5ZSHTGypibVsJylvCfuToDTfMul8b/CZjP2Ob0LdpYrNH6l5hvFE
89FU1nZQF15oVLOpUgA7wGiHuEVawrGfey92UE68mOyUVXGweJIVDdxqdMoPvNNUl86BU02vlBiESxOuox+dWmuVV7vfYZ79Toh/LUK43YvJh+rhv4nKuF7iHjVjBd9s
B6iDjj70HFldzOQ9r8SRI+9NirupPTkF5AKNe6kUhKJ1luB7S27ZkvB3tSTT3P593VVJvnzOjaA1z6Cz+4+eRvcysqhrRgFlwI9TEwIDAQABAoIBAEEYiyDP29vCzx/+
dS3LqnI5BjUuJhXUnc6AWX/PCgVAO+8A+gZRgvct7PtZb0sM6P9ZcLrweomlGezIFrL0/6xQaa8bBr/ve/a8155OgcjFo6fZEw3Dz7ra5fbSiPmu4/b/kvrg+Br1l77J
aun6uUAs1f5B9wW+vbR7tzbT/mxaUeDiBzKpe15GwcvbJtdIVMa2YErtRjc1/5B2BGVXyvlJv0SIlcIEMsHgnAFOp1ZgQ08aDzvilLq8XVMOahAhP1O2A3X8hKdXPyrx
IVWE9bS9ptTo+eF6eNl+d7htpKGEZHUxinoQpWEBTv+iOoHsVunkEJ3vjLP3lyI/fY0NQ1ECgYEA3RBXAjgvIys2gfU3keImF8e/TprLge1I2vbWmV2j6rZCg5r/AS0u
pii5CvJ5/T5vfJPNgPBy8B/yRDs+6PJO1GmnlhOkG9JAIPkv0RBZvR0PMBtbp6nTY3yo1lwamBVBfY6rc0sLTzosZh2aGoLzrHNMQFMGaauORzBFpY5lU50CgYEAzPHl
u5DI6Xgep1vr8QvCUuEesCOgJg8Yh1UqVoY/SmQh6MYAv1I9bLGwrb3WW/7kqIoDfj0aQV5buVZI2loMomtU9KY5SFIsPV+JuUpy7/+VE01ZQM5FdY8wiYCQiVZYju9X
Wz5LxMNoz+gT7pwlLCsC4N+R8aoBk404aF1gum8CgYAJ7VTq7Zj4TFV7Soa/T1eEk9y8a+kdoYk3BASpCHJ29M5R2KEA7YV9wrBklHTz8VzSTFTbKHEQ5W5csAhoL5Fo
qoHzFFi3Qx7MHESQb9qHyolHEMNx6QdsHUn7rlEnaTTyrXh3ifQtD6C0yTmFXUISCW9wKApOrnyKJ9nI0HcuZQKBgQCMtoV6e9VGX4AEfpuHvAAnMYQFgeBiYTkBKltQ
XwozhH63uMMomUmtSG87Sz1TmrXadjAhy8gsG6I0pWaN7QgBuFnzQ/HOkwTm+qKwAsrZt4zeXNwsH7QXHEJCFnCmqw9QzEoZTrNtHJHpNboBuVnYcoueZEJrP8OnUG3r
UjmopwKBgAqB2KYYMUqAOvYcBnEfLDmyZv9BTVNHbR2lKkMYqv5LlvDaBxVfilE02riO4p6BaAdvzXjKeRrGNEKoHNBpOSfYCOM16NjL8hIZB1CaV3WbT5oY+jp7Mzd5
7d56RZOE+ERK2uz/7JX9VSsM/LbH9pJibd4e8mikDS9ntciqOH/3
-----END RSA PRIVATE KEY-----"""


def private_key():
    """The published key, as cryptography holds it: another library than the answer's."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    return load_pem_private_key(PUBLISHED.encode(), None)


def public_text():
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    return private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def oaep(hash_name):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    chosen = getattr(hashes, hash_name)()
    return padding.OAEP(padding.MGF1(chosen), chosen, None)


def rsa_opened(wrapped, how):
    """What stands in a wrap of RSA, or None."""
    try:
        return private_key().decrypt(wrapped, how)
    except ValueError:
        return None


def aes_opened(key, wrapped):
    """What stands in an AES key wrap, or None."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
    try:
        return aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, ValueError):
        return None


def check(answer, random):
    """RFC 3394 (its vectors 4.1 and 4.6) and RFC 8017 7.1 against cryptography's; the RSA key is RFC 9500's published one."""
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap
    public, data_key = public_text(), random.bytes(16)
    recipients = {"clinic": random.bytes(16), "archive": random.bytes(32), "research": public}
    found = []
    suspect(refusal(lambda: found.append(answer.wrap_for(data_key, recipients))) == "ValueError", "You raised ValueError: a key did not suit its cipher. Research's key is text, "
            "a public RSA key, and AES cannot use it; the others' are bytes, and RSA cannot use those. `isinstance(key, str)` tells them apart.")
    wraps = found[0] if found else answer.wrap_for(data_key, recipients)
    suspect(isinstance(wraps, (list, tuple, bytes)), "The wraps came without their ids. Whoever opens them must know which is theirs: a dict, id -> bytes.")
    expect_like(wraps, {})
    suspect(set(wraps) != set(recipients), lambda: f"Three recipients, and {len(wraps)} of the ids in your dict are theirs or not at all. Each id of `recipients` gets one wrap; "
            "does a `return` stand inside the loop?")
    for key_id in recipients:
        suspect(not isinstance(wraps[key_id], bytes), f"What you made for {key_id!r} is not bytes.")
        suspect(data_key in wraps[key_id], f"The data key stands in the wrap for {key_id!r} as it is: whoever finds the record opens the image.")
    for key_id in ("clinic", "archive"):
        key, wrapped = recipients[key_id], wraps[key_id]
        suspect(aes_opened(data_key, wrapped) == key, "You locked the recipient's key with the data key. It is the other way round: the recipient's key locks, the data key is inside.")
        suspect(wrapped == AES.new(key, AES.MODE_ECB).encrypt(data_key), f"The wrap for {key_id!r} is one block of AES, mode ECB. Nothing in it tells a wrong key or a changed bit: "
                "any 16 bytes open to some key. AES.MODE_KW has a check built in.")
        inside = aes_opened(key, wrapped)
        suspect(inside is not None and inside != data_key, f"With its key {key_id!r} unwraps some bytes, but not the data key. All wraps of a record hold the same: `data_key`.")
        suspect(inside is None, f"With its key {key_id!r} cannot unwrap what you made. Was it AES.new(key, AES.MODE_KW).seal(data_key), with this recipient's key?")
    expect("AES key wrap for who shares a key with you", aes_opened(recipients["archive"], wraps["archive"]) == data_key, "The archive cannot unwrap it.")
    wrapped = wraps["research"]
    suspect(rsa_opened(wrapped, oaep("SHA1")) == data_key, "Research tries RSA-OAEP with SHA-256, and yours was made with SHA-1: that is what pycryptodome takes if the second argument of `new` is missing.")
    suspect(rsa_opened(wrapped, padding.PKCS1v15()) == data_key, "That is RSA with the old padding, PKCS #1 v1.5: since 1998 (Bleichenbacher) servers that said whether it fits gave keys away. OAEP is asked for.")
    inside = rsa_opened(wrapped, oaep("SHA256"))
    suspect(inside is not None and inside != data_key, "Research unwraps some bytes, but not the data key that the others have.")
    expect("RSA-OAEP for who gave you a public key", inside == data_key, "The holder of the private RSA key cannot unwrap what you made: PKCS1_OAEP.new(..., SHA256).encrypt(data_key).")
    for kek, data, vector in ((16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
                              (32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21")):
        key, secret = bytes(range(kek)), bytes.fromhex("00112233445566778899aabbccddeeff") + bytes(range(data - 16))
        wraps = answer.wrap_for(secret, {"vector": key})
        expect_like(wraps, {})
        suspect(not isinstance(wraps.get("vector"), bytes), "With one recipient of the name 'vector' your dict holds no bytes for it.")
        expect(f"as RFC 3394's vector, {kek} bytes under {kek}", wraps["vector"].hex() == vector, f"With a key of {kek} bytes and data of {data} the wrap is not that of RFC 3394.", points=2 * int(kek == 32))

    # Only what the check itself wrapped from here on.
    honest = {key_id: aes_key_wrap(recipients[key_id], data_key) for key_id in ("clinic", "archive")}
    honest["research"] = private_key().public_key().encrypt(data_key, oaep("SHA256"))
    for key_id, key in (("archive", recipients["archive"]), ("clinic", recipients["clinic"]), ("research", PUBLISHED)):
        found = []
        suspect(refusal(lambda i=key_id, k=key: found.append(answer.unwrap(honest, i, k))) == "ValueError", f"The wrap under {key_id!r} was made for this key, and you raised ValueError. "
                "Did you take the wrap of this very id, and the way that belongs to its kind of key?")
        inside = found[0] if found else answer.unwrap(honest, key_id, key)
        expect_like(inside, b"")
        suspect(inside == honest[key_id], f"You returned the wrap of {key_id!r} as it is; it is still locked.")
        expect(f"unwraps for {key_id!r}", inside == data_key, f"For {key_id!r} your function did not give back the data key.", points=int(key_id == "research"))
    damaged = dict(honest, clinic=bytes([honest["clinic"][0] ^ 1]) + honest["clinic"][1:])
    attempts = [
        ("an id without a wrap", (honest, "insurer", recipients["clinic"]), "For 'insurer' nothing was wrapped."),
        ("a key that does not fit", (honest, "clinic", random.bytes(16)), "The key was not the clinic's."),
        ("a wrap with a flipped bit", (damaged, "clinic", recipients["clinic"]), "One bit of the wrap was flipped."),
        ("another's wrap under this id", (dict(honest, research=honest["clinic"]), "research", PUBLISHED), "Under 'research' stood the clinic's wrap."),
    ]
    for words, arguments, otherwise in attempts:
        out = []            # what it gave out, if anything
        how = refusal(lambda a=arguments: out.append(answer.unwrap(*a)))
        suspect(how is None and out[0] is None, f"{otherwise} Your function returned None, as if that were a key. Whoever calls it goes on: raise a ValueError.")
        suspect(how is None, f"{otherwise} Your function returned a key all the same.")
        expect(f"refuses {words}", how == "ValueError", f"{otherwise} That was refused by a {how}; a ValueError is asked for.",
               points=2 * int(words == attempts[-1][0]))


@right
def by_cryptography(data_key, recipients):
    from cryptography.hazmat.primitives import hashes, keywrap, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    sha = hashes.SHA256()
    made = []
    for key in recipients.values():
        if isinstance(key, bytes):
            made.append(keywrap.aes_key_wrap(key, data_key))
        else:
            made.append(serialization.load_pem_public_key(key.encode()).encrypt(data_key, padding.OAEP(padding.MGF1(sha), sha, None)))
    return dict(zip(recipients, made))


@right
def by_comprehension(data_key, recipients):
    def one(key):
        return PKCS1_OAEP.new(RSA.import_key(key), hashAlgo=SHA256).encrypt(data_key) if type(key) is str else AES.new(key, AES.MODE_KW).seal(data_key)
    return {key_id: one(key) for key_id, key in recipients.items()}


def wrapped_by(way, data_key, recipients):
    """AES key wrap, and for RSA what `way` makes: for the answers below."""
    return {key_id: way(RSA.import_key(key), data_key) if isinstance(key, str) else AES.new(key, AES.MODE_KW).seal(data_key) for key_id, key in recipients.items()}


@wrong("It is the other way round")
def the_wrong_key_inside(data_key, recipients):
    return {key_id: AES.new(data_key, AES.MODE_KW).seal(key if isinstance(key, bytes) else bytes(16)) for key_id, key in recipients.items()}


@wrong("made with SHA-1")
def without_the_hash(data_key, recipients):
    return wrapped_by(lambda key, data: PKCS1_OAEP.new(key).encrypt(data), data_key, recipients)


@wrong("the old padding")
def version_1_5(data_key, recipients):
    from Crypto.Cipher import PKCS1_v1_5
    return wrapped_by(lambda key, data: PKCS1_v1_5.new(key).encrypt(data), data_key, recipients)


@wrong("one block of AES, mode ECB")
def in_ecb(data_key, recipients):
    return {key_id: AES.new(key, AES.MODE_ECB).encrypt(data_key) if isinstance(key, bytes) else bytes(256) for key_id, key in recipients.items()}


@wrong("does a `return` stand inside the loop")
def after_the_first(data_key, recipients):
    for key_id, key in recipients.items():
        return {key_id: AES.new(key, AES.MODE_KW).seal(data_key)}


@wrong("without their ids")
def a_list(data_key, recipients):
    return [AES.new(key, AES.MODE_KW).seal(data_key) for key in recipients.values() if isinstance(key, bytes)]


@wrong("All wraps of a record hold the same")
def a_key_each(data_key, recipients):
    return {key_id: AES.new(key, AES.MODE_KW).seal(bytes(a ^ 1 for a in data_key)) if isinstance(key, bytes) else bytes(256) for key_id, key in recipients.items()}


@wrong("tells them apart")
def all_by_aes(data_key, recipients):
    return {key_id: AES.new(key.encode() if isinstance(key, str) else key, AES.MODE_KW).seal(data_key) for key_id, key in recipients.items()}


@wrong("Did you take the wrap of this very id", of="unwrap")
def the_first_wrap(wraps, key_id, key):
    wrapped = next(iter(wraps.values()))
    return PKCS1_OAEP.new(RSA.import_key(key), SHA256).decrypt(wrapped) if isinstance(key, str) else AES.new(key, AES.MODE_KW).unseal(wrapped)


@wrong("refused by a KeyError", of="unwrap")
def no_word_for_a_missing_id(wraps, key_id, key):
    wrapped = wraps[key_id]
    return PKCS1_OAEP.new(RSA.import_key(key), SHA256).decrypt(wrapped) if isinstance(key, str) else AES.new(key, AES.MODE_KW).unseal(wrapped)


@wrong("as if that were a key", of="unwrap")
def nothing_instead(wraps, key_id, key):
    wrapped = wraps.get(key_id)
    if wrapped is None:
        return None
    return PKCS1_OAEP.new(RSA.import_key(key), SHA256).decrypt(wrapped) if isinstance(key, str) else AES.new(key, AES.MODE_KW).unseal(wrapped)

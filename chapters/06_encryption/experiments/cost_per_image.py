"""What does sealing one X-ray cost under AES-GCM, Paillier, BFV and CKKS, in CPU time and bytes, and does each scheme notice a change?"""
import platform
import secrets
import statistics
import time

import numpy as np
import phe
import tenseal
from Crypto.Cipher import AES

from medcrypt_lab import data

seeds = [0]                                     # of the server's weights; keys, nonces and Paillier's r come from the system
aes_times, paillier_pixels, homomorphic_times = 300, 96, 9
brighter = 40                                   # gray levels that an attacker adds


def run(seeds):
    """For each scheme the median CPU seconds to seal, to sum with weights at the server and to open the sum; bytes of an image and of keys sent once."""
    xray = (data.load("chest", "test", limit=1, source="embedded").images[0, 0] * 255).round().numpy().astype(np.uint8)
    weights = np.random.default_rng(seeds[0]).integers(-7, 8, xray.size)
    numbers = f"Python {platform.python_version()}, TenSEAL {tenseal.__version__}, phe {phe.__version__} {'with' if phe.util.HAVE_GMP else 'without'} gmpy2"
    return {"machine": f"one thread of a shared {platform.machine()} server under {platform.system()}, {numbers}", "pixels": int(xray.size),
            "pixels measured with Paillier": paillier_pixels, "AES-GCM": aes(xray, weights), "Paillier": paillier(xray, weights),
            "BFV": homomorphic(xray, weights, tenseal.SCHEME_TYPE.BFV), "CKKS": homomorphic(xray, weights, tenseal.SCHEME_TYPE.CKKS)}


def median_of(times, function):
    """The median CPU seconds of a call, after one that is not counted."""
    function()
    seconds = []
    for _ in range(times):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def aes(xray, weights):
    key = secrets.token_bytes(16)

    def seal():
        cipher = AES.new(key, AES.MODE_GCM, nonce=secrets.token_bytes(12))
        return cipher.nonce + b"".join(cipher.encrypt_and_digest(xray.tobytes()))

    def unseal(sealed):
        return AES.new(key, AES.MODE_GCM, nonce=sealed[:12]).decrypt_and_verify(sealed[12:-16], sealed[-16:])

    sealed = seal()
    flipped = sealed[:99] + bytes([sealed[99] ^ 4]) + sealed[100:]
    try:
        noticed = unseal(flipped) is None
    except ValueError:
        noticed = True
    return {"seal": median_of(aes_times, seal), "sum": median_of(aes_times, lambda: int(np.frombuffer(unseal(sealed), np.uint8) @ weights)), "bytes": len(sealed),
            "keys": 0, "change noticed": noticed, "server reads the pixels": unseal(sealed) == xray.tobytes()}


def paillier(xray, weights):
    """Pixel by pixel, so a few of them tell of all: times and bytes are scaled to the whole image."""
    public, private = phe.generate_paillier_keypair(n_length=2048)
    pixels, weights = xray.ravel()[-paillier_pixels:].tolist(), weights[-paillier_pixels:].tolist()
    whole = xray.size / paillier_pixels
    sealed = []
    seal = median_of(paillier_pixels, lambda: sealed.append(public.raw_encrypt(pixels[len(sealed) % paillier_pixels])))
    pixels = [pixels[k % paillier_pixels] for k in range(len(sealed))][:paillier_pixels]

    def weighted_sum():
        total = 1
        for c, w in zip(sealed, weights):
            total = total * pow(c, w, public.nsquare) % public.nsquare
        return total

    summed = private.raw_decrypt(weighted_sum())
    summed -= public.n * (summed > public.n // 2)
    changed = sealed[0] * (1 + brighter * public.n) % public.nsquare
    return {"seal": seal * xray.size, "sum": median_of(3, weighted_sum) * whole, "bytes": 512 * xray.size, "keys": 256, "server reads the pixels": False,
            "change noticed": private.raw_decrypt(changed) != pixels[0] + brighter, "sum right": summed == int(np.dot(pixels, weights))}


def homomorphic(xray, weights, scheme):
    bfv = scheme == tenseal.SCHEME_TYPE.BFV
    if bfv:
        context = tenseal.context(scheme, 8192, plain_modulus=1032193, n_threads=1)
    else:
        context = tenseal.context(scheme, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
        context.global_scale = 2**40
    context.generate_galois_keys()
    public = context.serialize(save_secret_key=False)
    server = tenseal.context_from(public, n_threads=1)
    encrypt, load = (tenseal.bfv_vector, tenseal.bfv_vector_from) if bfv else (tenseal.ckks_vector, tenseal.ckks_vector_from)
    pixels, weights = xray.ravel().tolist(), weights.tolist()
    sealed = encrypt(context, pixels).serialize()
    arrived = load(server, sealed)
    summed = load(context, arrived.dot(weights).serialize()).decrypt()[0]
    changed = load(context, (arrived + [brighter] * len(pixels)).serialize()).decrypt()
    return {"seal": median_of(homomorphic_times, lambda: encrypt(context, pixels).serialize()),
            "sum": median_of(homomorphic_times, lambda: load(server, sealed).dot(weights).serialize()), "bytes": len(sealed), "keys": len(public),
            "server reads the pixels": server.is_private(), "change noticed": not np.allclose(changed, np.add(pixels, brighter), atol=0.5),
            "sum right": abs(summed - int(np.dot(pixels, weights))) < 1}

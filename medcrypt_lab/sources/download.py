"""MedMNIST, downloaded once into the user's cache: `fetch("chest")`. Only what was verified gets the name under which it is used."""
import hashlib
import http.client
import os
import secrets
import ssl
import urllib.error
import urllib.request
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

from . import DataError
from .shared import shown

LARGEST_DOWNLOAD, TIMEOUT = 600 * 10 ** 6, 30                       # bytes; seconds without an answer
ADDRESS = "https://zenodo.org/records/10519652/files/{}?download=1"
AGENT = "MedCrypt-Lab/1 (a course on the security of medical-image AI)"
BY, NC = "CC BY 4.0", "CC BY-NC 4.0: not for commercial use"
# MedMNIST's name; the MD5 of each size, from MedMNIST; the course's class for each of its labels, None where they are the same
Source = namedtuple("Source", "name md5 mapping license")
MEDMNIST = {
    "chest": Source("pneumoniamnist", {28: "28209eda62fecd6e6a2d98b1501bb15f", 64: "8f4eceb4ccffa70c672198ea285246c6"}, None, BY),
    "fundus": Source("retinamnist", {28: "bd4c0672f1bba3e3a89f0e4e876791e4", 64: "afda852cc34dcda56f86ad2b2457dbcc"}, (0, 1, 1, 2, 2), BY),
    "skin": Source("dermamnist", {28: "0744692d530f8e62ec473284d019b0c7", 64: "b70a2f5635c6199aeaa28c31d7202e1f"},
                   (1, 1, 0, 0, 1, 0, 0), NC),
}


def cache_folder():
    """Where downloads are kept: MEDCRYPT_CACHE, else this user's cache folder."""
    import platformdirs
    return Path(os.environ.get("MEDCRYPT_CACHE") or platformdirs.user_cache_dir("medcrypt_lab", appauthor=False)).expanduser()


def fetch(name, size=64, folder=None, address=None):
    """The path of a verified file of MedMNIST, which is downloaded if it is not in the cache. Raises DataError.

    name: a key of MEDMNIST; size: 28 or 64 pixels a side; folder, address: others than the cache and Zenodo's.
    """
    source = MEDMNIST.get(name)
    if source is None or size not in source.md5:
        raise DataError(f"MedMNIST has no {name!r} of {size!r} pixels for this course. Choose {', '.join(MEDMNIST)}, of 64 or 28.")
    file = f"{source.name}{'_64' if size == 64 else ''}.npz"
    path, address = Path(folder or cache_folder()) / file, address or ADDRESS.format(file)
    record, left, part = (path.with_name(file + ending) for ending in (".sha256", ".part", f".{secrets.token_hex(4)}.part"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            print(f"{file} of MedMNIST v2 is downloaded from {address} to {shown(path.parent)}. License: {source.license}.")
            with suppress(FileNotFoundError):
                os.rename(left, part)               # what an earlier call left: of two calls at once, one can rename it
            try:
                _download(address, part, path)
                if not _verified(part, record, source.md5[size]):
                    part.unlink()
                    raise DataError(f"What came from {address} is not the expected {file}: its checksum is wrong, so it was deleted. Try "
                                    "again; if that happens again, the file there is another one now: do not use it.")
                os.replace(part, path)
            finally:
                if part.exists():
                    os.replace(part, left)          # the next call goes on from here
        elif not _verified(path, record, source.md5[size]):
            raise DataError(f"{shown(path)} is damaged: its checksum is wrong. Delete it and {record.name}; it will be downloaded again.")
        return path
    except DataError:
        raise
    except (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException, ValueError) as problem:
        reason = f"the server answered {problem.code}" if hasattr(problem, "code") else f"no connection: {problem}"
        raise DataError(f"{file} could not be downloaded ({reason}). Try again when you are online, or download it with a browser from "
                        f"{address} and give its path in place of 'medmnist'.") from None
    except OSError as problem:
        raise DataError(f"{shown(path)} cannot be written ({problem.strerror}). Make room, or set MEDCRYPT_CACHE to another one.") from None


def _verified(path, record, md5):
    """Has the file the SHA-256 in `record`? Where nothing is recorded yet: has it this MD5? Then its SHA-256 is recorded."""
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()        # MD5 finds damage, but not a file made to have the same MD5
        if record.exists():
            return record.read_text(errors="replace").strip() == sha256
        file.seek(0)
        if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != md5:
            return False
    unfinished = record.with_name(f"{record.name}.{secrets.token_hex(4)}")
    unfinished.write_text(sha256 + "\n")
    os.replace(unfinished, record)
    return True


def _download(address, part, path):
    """Write all of a file to `part`, or what is missing there."""
    from tqdm.auto import tqdm
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": AGENT} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = urllib.request.build_opener(_OnlyHttps).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as problem:
        if problem.code != 416 or not have:         # 416: the server has no such byte
            raise
        part.unlink()
        return _download(address, part, path)
    start = have if answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-") else 0
    total, portion = None if answer.length is None else start + answer.length, b"something"
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=path.name, leave=False)
    with answer, bar, open(part, "ab" if start else "wb") as out:
        while portion and max(total or 0, out.tell()) <= LARGEST_DOWNLOAD:
            portion = answer.read(2 ** 16)
            out.write(portion)
            bar.update(len(portion))
        if portion:
            raise DataError(f"{address} sends more than {LARGEST_DOWNLOAD // 10 ** 6} MB: that is not {path.name}. Check the address.")
        if out.tell() < (total or 0):
            raise DataError(f"The download of {path.name} broke off after {out.tell()} of {total} bytes. Try again: it goes on from there.")


class _OnlyHttps(urllib.request.BaseHandler):
    """Refuses all but https, also where a server points to another address; http stays on this machine, for tests."""
    def http_request(self, request):
        if request.type != "http" or {request.host.partition(":")[0], request.origin_req_host} - {"localhost", "127.0.0.1"}:
            raise DataError(f"{shown(request.full_url)} is not an https address: nothing was downloaded from there. Give another address.")
        return request
    ftp_request = file_request = data_request = http_request

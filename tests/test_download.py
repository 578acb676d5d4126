"""Downloading MedMNIST, from a server on this machine that behaves well and badly."""
import errno
import hashlib
import http.server
import io
import os
import re
import socket
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest

from medcrypt_lab import sources
from medcrypt_lab.sources import DataError, download

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 300_000, np.uint8))


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; `behavior` says how, `asked` keeps the headers of each request."""
    behavior, asked, location, content = "well", [], "", CONTENT

    def do_GET(self):
        self.asked.append(dict(self.headers))
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        if self.behavior == "redirect" and self.path == "/file":
            self.send_response(302)
            self.send_header("Location", self.location)
            return self.end_headers()
        if self.behavior in ("404", "416") and (self.behavior == "404" or start):
            return self.send_error(int(self.behavior))
        if self.behavior in ("ignores ranges", "416", "lies"):
            start = 0
        self.send_response(206 if start or self.behavior == "lies" else 200)
        if start or self.behavior == "lies":
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        length = {"endless": 10 ** 12, "silent": None}.get(self.behavior, len(self.content) - start)
        if length:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.behavior == "slow":
            time.sleep(.3)
        self.wfile.write(self.content[start:][:100_000 if self.behavior == "cut" else None])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """The address of a file on a server of our own, which is the chest file as far as the course knows."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Server, "asked", [])
    monkeypatch.setattr(Server, "behavior", "well")
    know(monkeypatch, hashlib.md5(CONTENT).hexdigest())
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, args=(.01,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/file"
    running.shutdown()
    running.server_close()


def know(monkeypatch, md5):
    monkeypatch.setitem(download.MEDMNIST, "chest", download.MEDMNIST["chest"]._replace(md5={28: md5, 64: md5}))


def fetch(address, folder, **arguments):
    return download.fetch("chest", folder=folder, address=address, **arguments)


def refused(address, folder, *words, **arguments):
    """The sentence with which a download is refused; nothing is left under the file's name."""
    with pytest.raises(DataError) as problem:
        fetch(address, folder, **arguments)
    said = str(problem.value)
    assert all(word in said for word in ("pneumoniamnist_64.npz", *words)), said
    assert problem.value.__suppress_context__ or problem.value.__context__ is None
    return said


def names(folder):
    return sorted(path.name for path in folder.iterdir())


WHOLE = ["pneumoniamnist_64.npz", "pneumoniamnist_64.npz.sha256"]


def test_a_file_is_downloaded_once_verified_and_announced_with_its_license(server, tmp_path, capsys):
    path = fetch(server, tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT and names(path.parent) == WHOLE
    assert (path.parent / WHOLE[1]).read_text().strip() == hashlib.sha256(CONTENT).hexdigest()
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "CC BY 4.0" in said and "pneumoniamnist_64.npz" in said and server in said
    assert "MedCrypt" in Server.asked[0]["User-Agent"] and "course" in Server.asked[0]["User-Agent"] and "Range" not in Server.asked[0]
    assert fetch(server, path.parent) == path and len(Server.asked) == 1 and capsys.readouterr().out == ""
    assert fetch(server, path.parent, size=28).name == "pneumoniamnist.npz" and len(Server.asked) == 2


def test_a_download_that_breaks_off_is_kept_and_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "behavior", "cut")
    refused(server, tmp_path, "broke off after 100000 of 300000 bytes", "Try again")
    assert names(tmp_path) == ["pneumoniamnist_64.npz.part"]
    monkeypatch.setattr(Server, "behavior", "well")
    assert fetch(server, tmp_path).read_bytes() == CONTENT and names(tmp_path) == WHOLE
    assert Server.asked[1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("behavior", ["ignores ranges", "416"])
def test_a_server_that_cannot_go_on_starts_over(server, tmp_path, monkeypatch, behavior):
    (tmp_path / "pneumoniamnist_64.npz.part").write_bytes(b"old" * 1000)
    monkeypatch.setattr(Server, "behavior", behavior)
    assert fetch(server, tmp_path).read_bytes() == CONTENT and names(tmp_path) == WHOLE


@pytest.mark.parametrize("behavior, left", [("well", b"x" * 1000), ("lies", CONTENT[:1000])])
def test_a_wrong_checksum_deletes_what_came(server, tmp_path, monkeypatch, behavior, left):
    (tmp_path / "pneumoniamnist_64.npz.part").write_bytes(left)
    monkeypatch.setattr(Server, "behavior", behavior)
    if behavior == "well":
        refused(server, tmp_path, "checksum is wrong", "deleted", "Try again")
        assert names(tmp_path) == []
    else:
        assert fetch(server, tmp_path).read_bytes() == CONTENT
    monkeypatch.setattr(Server, "behavior", "well")
    know(monkeypatch, "0" * 32)
    refused(server, tmp_path / "other", "checksum is wrong")
    assert names(tmp_path / "other") == []


def test_a_file_with_the_same_md5_but_another_sha256_than_before_is_refused(server, tmp_path):
    (tmp_path / WHOLE[1]).write_text("0" * 64 + "\n")
    refused(server, tmp_path, "checksum is wrong", "do not use it")
    assert names(tmp_path) == WHOLE[1:]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_damaged_file_in_the_cache_is_named_with_the_remedy(server, tmp_path, recorded):
    path = fetch(server, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"x")
    if not recorded:
        (tmp_path / WHOLE[1]).unlink()
    said = refused(server, tmp_path, str(path), "damaged", "Delete it", "downloaded again")
    assert len(Server.asked) == 1 and path.exists() and WHOLE[1] in said
    path.unlink()
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_file_put_into_the_cache_by_hand_is_verified_and_recorded(tmp_path, monkeypatch):
    know(monkeypatch, hashlib.md5(CONTENT).hexdigest())
    (tmp_path / WHOLE[0]).write_bytes(CONTENT)
    assert fetch("https://nowhere.invalid/file", tmp_path) == tmp_path / WHOLE[0] and names(tmp_path) == WHOLE
    (tmp_path / WHOLE[1]).write_bytes(b"\xff\xfe")
    refused("https://nowhere.invalid/file", tmp_path, "damaged")


@pytest.mark.parametrize("location", [
    "http://example.org/file", "http://10.0.0.1/", "ftp://127.0.0.1/file", "file:///etc/passwd", "//example.org/x"])
def test_a_redirect_away_from_https_is_refused(server, tmp_path, monkeypatch, location):
    monkeypatch.setattr(Server, "behavior", "redirect")
    monkeypatch.setattr(Server, "location", location)
    with pytest.raises(DataError, match="https|answered 302"):
        fetch(server, tmp_path)
    assert names(tmp_path) == [] and len(Server.asked) == 1


def test_a_redirect_on_this_machine_is_followed_with_the_range(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "behavior", "redirect")
    monkeypatch.setattr(Server, "location", "/elsewhere")
    (tmp_path / "pneumoniamnist_64.npz.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT and Server.asked[1]["Range"] == "bytes=1000-"


def test_from_https_no_redirect_leads_to_this_machine():
    for address in ("http://127.0.0.1/file", "http://localhost/file", "http://zenodo.org/file"):
        with pytest.raises(DataError, match="not an https address"):
            download._OnlyHttps().http_request(urllib.request.Request(address, origin_req_host="zenodo.org"))


@pytest.mark.parametrize("address", [
    "http://example.org/file", "ftp://example.org/file", "file:///etc/passwd", "data:,x", "http://localhost.example.org/"])
def test_an_address_that_is_not_https_is_refused(tmp_path, address):
    with pytest.raises(DataError, match="not an https address"):
        fetch(address, tmp_path)


def test_an_address_that_is_none_gets_a_sentence(server, tmp_path, monkeypatch):
    refused("https://[", tmp_path, "could not be downloaded")
    refused("/etc/passwd", tmp_path, "could not be downloaded")
    monkeypatch.setattr(Server, "behavior", "redirect")
    monkeypatch.setattr(Server, "location", "http://[")
    refused(server, tmp_path, "could not be downloaded")


def test_offline_gets_one_polite_sentence(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
    said = refused(address, tmp_path, "could not be downloaded", "no connection", "browser", address, "give its path")
    assert said.count("\n") == 0 and names(tmp_path) == []

    def unknown(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused(None, tmp_path, "no connection", "zenodo.org/records/10519652/files/pneumoniamnist_64.npz?download=1")


def test_a_server_that_says_no_or_nothing_gets_a_sentence(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "behavior", "404")
    refused(server, tmp_path, "the server answered 404", "browser")
    monkeypatch.setattr(Server, "behavior", "slow")
    monkeypatch.setattr(download, "TIMEOUT", .1)
    refused(server, tmp_path, "no connection", "timed out")
    monkeypatch.setattr(Server, "behavior", "silent")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_more_than_the_limit_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "behavior", "endless")
    refused(server, tmp_path, "more than 600 MB")
    monkeypatch.setattr(Server, "behavior", "silent")
    monkeypatch.setattr(download, "LARGEST_DOWNLOAD", 200_000)
    refused(server, tmp_path, "more than")
    assert WHOLE[0] not in names(tmp_path)


def test_a_full_disk_gets_a_sentence_and_leaves_nothing_that_looks_whole(server, tmp_path, monkeypatch):
    def full(file, mode="r", *arguments, **options):
        opened = open(file, mode, *arguments, **options)
        if "b" in mode and "r" not in mode:
            class Full(io.BufferedWriter):
                def write(self, content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return Full(opened.detach())
        return opened
    monkeypatch.setattr(download, "open", full, raising=False)
    refused(server, tmp_path, "cannot be written", "No space left on device", "MEDCRYPT_CACHE")
    assert WHOLE[0] not in names(tmp_path)
    monkeypatch.undo()
    (tmp_path / "file").write_text("in the way")
    refused("https://nowhere.invalid/", tmp_path / "file", "MEDCRYPT_CACHE")


def test_two_downloads_at_once_do_not_disturb_each_other(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "behavior", "slow")
    (tmp_path / "pneumoniamnist_64.npz.part").write_bytes(CONTENT[:1000])
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch(server, tmp_path).read_bytes())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 6 and names(tmp_path) == WHOLE
    assert sum("Range" in headers for headers in Server.asked) == 1                 # one went on, the others started over


def test_an_interrupt_keeps_what_came(server, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(download, "_verified", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path)
    assert names(tmp_path) == ["pneumoniamnist_64.npz.part"]


def test_the_cache_is_the_users_or_what_the_environment_says(tmp_path, monkeypatch, server):
    monkeypatch.setenv("MEDCRYPT_CACHE", str(tmp_path / "cache"))
    assert download.cache_folder() == tmp_path / "cache"
    path, mapping = sources.medmnist("chest", 64) if (tmp_path / "cache" / WHOLE[0]).exists() else (fetch(server, None), None)
    assert path.parent == tmp_path / "cache" and sources.medmnist("chest", 64) == (path, mapping)
    monkeypatch.delenv("MEDCRYPT_CACHE")
    assert "medcrypt_lab" in str(download.cache_folder())
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert download.cache_folder() == tmp_path / "xdg" / "medcrypt_lab"


@pytest.mark.parametrize("name, size", [("brain", 64), ("chest", 224), ("../x", 64), (None, 64)])
def test_what_medmnist_does_not_have_gets_a_sentence(tmp_path, name, size):
    with pytest.raises(DataError, match="chest, fundus, skin"):
        download.fetch(name, size, folder=tmp_path)


def test_the_table_fits_the_courses_classes():
    assert {name: source.mapping and max(source.mapping) + 1 for name, source in download.MEDMNIST.items()} == {"chest": None, "fundus": 3, "skin": 2}
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for source in download.MEDMNIST.values() for md5 in source.md5.values())
    assert "not for commercial use" in download.MEDMNIST["skin"].license and len(download.MEDMNIST["skin"].mapping) == 7

"""Options and settings that all tests share."""
import os

import pytest

os.environ.setdefault("MEDCRYPT_PROGRESS", "off")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="every answer over every seed, also through bytes and in a release")


@pytest.fixture
def same_numbers(monkeypatch):
    """The same numbers in each run and on each machine, whatever it has of cores and of images."""
    import torch
    monkeypatch.delenv("MEDCRYPT_DATA", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)

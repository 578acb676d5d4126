"""Options and settings that all tests share."""
import os

import pytest

os.environ.setdefault("MEDCRYPT_PROGRESS", "off")
# The files that take longest, and begin first: one that began last would leave the other process with nothing to do.
LONGEST = ("test_exercises", "test_release_pages", "test_attacks", "test_crosscheck", "test_grade", "test_pages", "test_release", "test_decode", "test_cluster",
           "test_hostile", "test_notebooks", "test_course")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="every answer over every seed, also through bytes and in a release")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


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

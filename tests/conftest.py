"""Options and settings that all tests share."""
import os

os.environ.setdefault("MEDCRYPT_PROGRESS", "off")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="every answer over every seed, also through bytes and in a release")

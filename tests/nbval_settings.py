"""What nbval runs under, as a pytest plugin: pyproject.toml loads it, so it also serves the solved edition in its temporary folder."""
import os
from pathlib import Path

# They reach the kernels through the environment.
os.environ.update(PYTHONHASHSEED="0", TQDM_DISABLE="1", MEDCRYPT_PROGRESS="off")
os.environ.setdefault("MEDCRYPT_ROOT", str(Path(__file__).resolve().parents[1]))
os.environ.pop("MEDCRYPT_DATA", None)


def pytest_collectstart(collector):
    if type(collector).__name__ == "IPyNbFile":
        collector.skip_compare += ("stderr",)       # warnings hold paths and change from version to version

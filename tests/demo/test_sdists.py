"""Downloads from a package index that is a folder: no network."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from codemonkeys.demo.sdists import Sdist, download
from codemonkeys.errors import EnvironmentFailed

PYPROJECT = '[build-system]\nrequires = ["hatchling>=1.27"]\nbuild-backend = "hatchling.build"\n'
METADATA = "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(index: Path) -> Sdist:
    """Put a source distribution whose build backend is not installed into the index."""
    path = index / "pebble-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"PKG-INFO": METADATA, "pyproject.toml": PYPROJECT, "pebble.py": "x = 1\n"}.items():
            entry = tarfile.TarInfo(f"pebble-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return Sdist("pebble", "1.0", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.slow
def test_fetches_the_pinned_file_without_its_build_backend(index: Path, tmp_path: Path) -> None:
    sdist = publish(index)
    file = download(sdist, tmp_path / "fetched")
    assert file == tmp_path / "fetched" / "pebble-1.0.tar.gz"
    assert file.read_bytes() == (index / "pebble-1.0.tar.gz").read_bytes()


@pytest.mark.slow
def test_refuses_other_content_than_the_pinned(index: Path, tmp_path: Path) -> None:
    found = publish(index).sha256
    pinned = "0" * 64
    with pytest.raises(EnvironmentFailed) as caught:
        download(Sdist("pebble", "1.0", pinned), tmp_path / "fetched")
    message = str(caught.value)
    assert "pebble-1.0.tar.gz" in message and found in message and pinned in message


def test_says_what_pip_said_when_the_release_cannot_be_had(index: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="source of pebble==1.0; check that this machine reaches") as caught:
        download(Sdist("pebble", "1.0", "0" * 64), tmp_path / "fetched")
    assert "No matching distribution found for pebble==1.0" in str(caught.value)

"""Makes the demo's SWE-bench task repository from two releases of humanize: the last with the bug, the next without."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

from codemonkeys.demo.sdists import Sdist, download

INSTANCE_ID = "python-humanize__humanize-30"
TASK = Path(__file__).parent / "task"
"""The files of the task that hold nothing of humanize; eval.sh lacks its test patch."""
BASE = Sdist("humanize", "4.12.3", "8430be3a615106fdfceb0b2c1b41c4c98c6b0fc5cc59663a5539b111dd325fb0")
FIXED = Sdist("humanize", "4.13.0", "78f79e68f76f0b04d711c4e55d32bebef5be387148862cb1ef83d2b58e7935a0")
SOURCE_FILE = "src/humanize/time.py"
TEST_FILE = "tests/test_time.py"


def build_task_repository(home: Path) -> Path:
    """The demo's task repository, `home`/demo/<version>; made if it is not there, from the package index.

    Raises EnvironmentFailed if the releases cannot be fetched.
    """
    repository = home / "demo" / _version()
    if repository.is_dir():
        return repository
    repository.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository.parent, prefix=".making-") as scratch:
        made = Path(scratch, "repository")
        _write(made, Path(scratch))
        try:
            made.rename(repository)
        except OSError:
            # Another process was faster, and its repository is the same.
            if not repository.is_dir():
                raise
    return repository


def _version() -> str:
    """Names what the repository is made from: the files packed here, the releases, and this code."""
    digest = hashlib.sha256(repr((BASE, FIXED)).encode())
    for path in (*sorted(TASK.iterdir()), Path(__file__)):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _write(repository: Path, scratch: Path) -> None:
    base, fixed = (download(sdist, scratch / sdist.version) for sdist in (BASE, FIXED))
    task = repository / "tasks" / INSTANCE_ID
    task.mkdir(parents=True)
    for path in TASK.iterdir():
        shutil.copyfile(path, task / path.name)
    (repository / "sweb.yaml").write_text("datasets:\n- codemonkeys/demo\nsplits:\n- test\n")
    _pack(base, task / "repo.tar.gz")
    _put(task / "gold.patch", _diff(SOURCE_FILE, base, fixed))
    test_patch = _diff(TEST_FILE, base, fixed)
    _put(task / "test.patch", test_patch)
    _put(task / "eval.sh", (TASK / "eval.sh").read_text(encoding="utf-8").replace("@TEST_PATCH@", test_patch))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _diff(path: str, before: Path, after: Path) -> str:
    """Git-style diff of one text file between two source distributions; both end it with a newline."""
    old, new = (_read(sdist, path).splitlines(keepends=True) for sdist in (before, after))
    return f"diff --git a/{path} b/{path}\n" + "".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"))


def _read(sdist: Path, path: str) -> str:
    with tarfile.open(sdist) as archive:
        file = archive.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/{path}")
        assert file is not None
        return file.read().decode("utf-8")


def _pack(sdist: Path, target: Path) -> None:
    """Pack the tree of a source distribution without its top folder, the same bytes each time."""
    with (
        tarfile.open(sdist) as source,
        gzip.GzipFile(target, "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            _top, _, path = member.name.partition("/")
            if path and member.isfile():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = member.size, 0o755 if member.mode & 0o100 else 0o644
                archive.addfile(entry, source.extractfile(member))

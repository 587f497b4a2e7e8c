"""Files of environments over the wire: as a stream of pieces, packed by the driver and unpacked once per node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from sandboxes.base import Environment, SandboxError
from sandboxes.cluster.messages import Source, folders_of

PIECE = 8 << 20
"""Bytes of a piece."""
WINDOW = 4
"""Pieces under way at a time, which bounds the memory that a transfer takes."""
RESERVE_MB = 2048
"""Disk of a node that environments never take."""
_VARIABLES = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def boot_id() -> str:
    """Identifies this machine since it was started, and what it sees of its files."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/mnt').st_ino}"
    return ""


def source_of(environment: Environment) -> Source:
    """An environment of this machine, for a node."""
    identities = tuple((about.st_dev, about.st_ino) for about in map(os.stat, folders_of(environment)))
    return Source(environment, boot_id(), identities)


def shared(source: Source) -> bool:
    """Whether this process sees the very folders of a source."""
    if not source.boot or source.boot != boot_id():
        return False
    with suppress(OSError):
        seen = tuple((about.st_dev, about.st_ino) for about in map(os.stat, folders_of(source.environment)))
        return seen == source.identities
    return False


def pack(environment: Environment) -> Iterator[bytes]:
    """The root and the folders of an environment as pieces of a tar file, in folders `0`, `1` and so on.

    Raises SandboxError.
    """
    folders = folders_of(environment)
    words = ["tar", "--create", "--numeric-owner", "--format=posix", "--pax-option=delete=atime,delete=ctime"]
    words += ["--xattrs-exclude=*", "--warning=no-file-ignored", "--absolute-names", "--file=-"]
    for number, folder in enumerate(folders):
        real = str(folder.resolve())
        words += [f"--transform=flags=rh;s|^{_quoted(real)}|{number}|"]
    words += ["--", *(str(folder.resolve()) for folder in folders)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=_VARIABLES, cwd="/"
        ) as process,
    ):
        assert process.stdout is not None
        try:
            while piece := process.stdout.read(PIECE):
                yield piece
        except BaseException:
            process.kill()
            raise
        if process.wait():
            said.seek(0)
            why = said.read(2000).decode(errors="replace").strip()
            raise SandboxError(f"environment {environment.name} cannot be packed: {why}")


def _quoted(path: str) -> str:
    """A path as a basic regular expression of sed, within bars."""
    return "".join(f"\\{character}" if character in r"\.*[]^$|" else character for character in path)


class Unpacking:
    """An environment that is being received; `folder` is there once it is complete, and never half of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".making", dir=folder.parent))
        self._said: IO[bytes] = tempfile.TemporaryFile()
        words = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--file=-", "--directory"]
        self._tar = subprocess.Popen(
            [*words, str(self._making)], stdin=subprocess.PIPE, stdout=self._said, stderr=self._said, env=_VARIABLES
        )

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises SandboxError."""
        assert self._tar.stdin is not None
        try:
            self._tar.stdin.write(piece)
        except OSError as error:
            raise SandboxError(f"{self._folder} cannot be unpacked: {self._why() or error}") from error

    def finish(self) -> None:
        """Put the folder where it belongs, once all pieces have come. Raises SandboxError."""
        assert self._tar.stdin is not None
        with suppress(OSError):
            self._tar.stdin.close()
        if self._tar.wait():
            raise SandboxError(f"{self._folder} cannot be unpacked: {self._why()}")
        with suppress(OSError):  # another one was faster
            self._making.rename(self._folder)

    def close(self) -> None:
        """Remove what is not complete."""
        if self._tar.poll() is None:
            self._tar.kill()
        if self._tar.stdin is not None:
            with suppress(OSError):
                self._tar.stdin.close()
        self._tar.wait()
        self._said.close()
        shutil.rmtree(self._making, ignore_errors=True)

    def _why(self) -> str:
        self._said.seek(0)
        return self._said.read(2000).decode(errors="replace").strip()


def unpacked(environment: Environment, folder: Path) -> Environment:
    """The environment, with the folders that `Unpacking` made."""
    first = 1 if environment.root else 0
    return replace(
        environment,
        root=folder / "0" if environment.root else None,
        folders=tuple((path, folder / str(first + n)) for n, (path, _) in enumerate(environment.folders)),
    )


def folder_of(environment: Environment, home: Path) -> Path:
    """Where a node keeps the files of an environment that it was sent."""
    inside = (environment.name, environment.root is not None, tuple(path for path, _ in environment.folders))
    return home / "sent" / hashlib.sha256(repr(inside).encode()).hexdigest()[:32]


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep a folder from being removed by another process of this machine."""
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield

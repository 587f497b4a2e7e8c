"""Files of environments over the wire: packed into a stream of pieces by the driver, unpacked once per node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from sandboxes.base import Environment, SandboxError
from sandboxes.cluster.images import references, save
from sandboxes.cluster.messages import Source, SourceMissing

PIECE = 8 << 20
"""Bytes of a piece, which bounds the memory that a transfer takes: two are under way at a time."""
_VARIABLES = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_PACK = ("tar", "--create", "--file=-", "--numeric-owner", "--format=posix", "--pax-option=delete=atime,delete=ctime")
_UNPACK = ("tar", "--extract", "--file=-", "--ignore-zeros", "--numeric-owner", "--preserve-permissions", "--directory")


def is_image(environment: Environment) -> bool:
    """Whether its files are those of an image in a container engine."""
    return environment.root is None and not environment.folders


def boot_id() -> str:
    """Identifies this machine since it was started, and the view that this process has of its files."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/mnt').st_ino}"
    return ""


def source_of(environment: Environment) -> Source:
    """An environment of this machine, for nodes. Raises SourceMissing if its folders are not there."""
    if is_image(environment):
        return Source(environment, references=references(str(environment.image)))
    try:
        return Source(environment, boot_id(), _identities(environment), content_of(environment))
    except OSError as error:
        raise SourceMissing(f"Environment {environment.name}: {error}; prepare it again.") from error


def content_of(environment: Environment) -> str:
    """Changes when a file in the folders of an environment does; its name may stay, as that of a repository of yours.

    Empty for a copy of an image, which nobody changes. Raises OSError.
    """
    if environment.root is not None:
        return ""
    seen = hashlib.sha256()
    for top in _folders(environment):
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            with suppress(PermissionError), os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    about, inside = entry.stat(follow_symlinks=False), os.path.relpath(entry.path, top)
                    facts = (inside, about.st_mode, about.st_size, about.st_mtime_ns)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(folder, entry.name))
                        facts = (inside, about.st_mode, 0, 0)
                    seen.update(repr(facts).encode(errors="surrogateescape"))
    return seen.hexdigest()


def is_shared(source: Source) -> bool:
    """Whether this process sees the very folders of a source."""
    with suppress(OSError):
        return source.boot == boot_id() != "" and source.identities == _identities(source.environment)
    return False


def _identities(environment: Environment) -> tuple[tuple[int, int], ...]:
    return tuple((about.st_dev, about.st_ino) for about in map(os.stat, _folders(environment)))


def _folders(environment: Environment) -> tuple[Path, ...]:
    root = (environment.root,) if environment.root else ()
    return (*root, *(outside for _, outside in environment.folders))


def pieces_of(environment: Environment) -> Iterator[bytes]:
    """The files of an environment: an image as the engine saves it, else a tar file. Raises SourceMissing."""
    if is_image(environment):
        return save(str(environment.image), PIECE)
    return _pack(environment)


def _pack(environment: Environment) -> Iterator[bytes]:
    """The root and the folders as folders `0`, `1` and so on; links, modes and owners are kept."""
    for number, folder in enumerate(_folders(environment)):
        words = [*_PACK, f"--transform=flags=rh;s|^\\.|{number}|", f"--directory={folder.resolve()}", "."]
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=_VARIABLES
            ) as process,
        ):
            assert process.stdout is not None
            try:
                while piece := process.stdout.read(PIECE):
                    yield piece
                failed = process.wait()
            finally:
                process.kill()
            if failed:
                raise SourceMissing(f"environment {environment.name}: {folder} cannot be packed: {_text(said)}")


class Unpacking:
    """A tar file that is being received; the folder is there once it is complete, and never half of it."""

    def __init__(self, folder: Path, about: str, name: str) -> None:
        """`about`: name of the file that gets the environment's name and size."""
        self._folder, self._about, self._name, self._bytes = folder, about, name, 0
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = f".{folder.name}.{secrets.token_hex(4)}"
        self._making, self._lock = folder.with_name(f"{making}.making"), folder.with_name(f"{making}.lock")
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self._locked = self._lock.open("wb")
        # By this, `clean` knows that somebody is at work on it.
        fcntl.flock(self._locked, fcntl.LOCK_EX)
        self._making.mkdir(0o700)
        self._tar = subprocess.Popen(
            [*_UNPACK, str(self._making)], stdin=subprocess.PIPE, stdout=self._said, stderr=self._said, env=_VARIABLES
        )

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises SandboxError."""
        assert self._tar.stdin is not None
        self._bytes += len(piece)
        try:
            self._tar.stdin.write(piece)
        except OSError as error:
            raise SandboxError(f"environment {self._name} cannot be unpacked: {_text(self._said) or error}") from error

    def finish(self) -> None:
        """Put the folder where it belongs. Raises SandboxError."""
        assert self._tar.stdin is not None
        with suppress(OSError):
            self._tar.stdin.close()
        if self._tar.wait():
            raise SandboxError(f"environment {self._name} cannot be unpacked: {_text(self._said)}")
        (self._making / self._about).write_text(f"{self._name}\n{self._bytes / (1 << 20):.1f}", "utf-8")
        with suppress(OSError):  # another process of this machine may have been faster
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
        self._lock.unlink(missing_ok=True)
        self._locked.close()


def _text(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read(2000).decode(errors="replace").strip()


def unpacked(environment: Environment, folder: Path) -> Environment:
    """The environment with the folders that `Unpacking` made."""
    first = 1 if environment.root else 0
    return replace(
        environment,
        root=folder / "0" if environment.root else None,
        folders=tuple((path, folder / str(first + n)) for n, (path, _) in enumerate(environment.folders)),
    )

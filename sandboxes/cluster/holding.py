"""The environments that a node holds: where their files are, how much disk they take, and how they came."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from sandboxes.base import Environment, SandboxError
from sandboxes.cluster.images import Images, remove_image
from sandboxes.cluster.messages import NodeSettings, Source
from sandboxes.cluster.shipping import Unpacking, is_image, is_shared, unpacked

_ABOUT = ".codemonkeys-environment"
"""File beside the folders of an environment: its name, and its size in MiB."""
_IMAGE = "image"
"""File in their place where the environment is an image: its name on the engine."""


SENT = "sent"
"""Folder in the home folder of a node: a folder for each environment that came there because of a driver."""


class Receiving(Protocol):
    """An environment that is being received."""

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises SandboxError."""
        ...

    def finish(self) -> None:
        """All pieces have come. Raises SandboxError."""
        ...

    def close(self) -> None:
        """Remove what is not complete."""
        ...


class Holding:
    """What one node holds. Thread-safe."""

    def __init__(self, home: Path, settings: NodeSettings) -> None:
        self._folder, self._settings = home / SENT, settings
        self._lock = threading.Lock()
        self._receiving: dict[str, Receiving] = {}
        self._taken: dict[str, int] = {}
        """Bytes that have come of each."""
        self._images = Images(self._image_came)
        self._content: dict[str, str] = {}
        """Of each that was looked for; see `Source`."""
        self._used: dict[str, IO[bytes]] = {}
        """Locked files of environments in use, by folder: agents of other runs on this machine keep away from them."""

    def find(self, source: Source) -> Environment | None:
        """The environment as it lies here; None if its files have to be sent. Raises SandboxError."""
        environment = source.environment
        if is_image(environment):
            found = self._images.find(source)
            self._use(self._folder_of(environment))  # if it came, now or for an earlier run
            return found
        if self._settings.share and is_shared(source):
            return environment
        with self._lock:
            self._content[environment.name] = source.content
        folder = self._folder_of(environment)
        return unpacked(environment, folder) if self._use(folder) else None

    def _image_came(self, environment: Environment, image: str, size_mb: float) -> None:
        folder = self._folder_of(environment)
        with suppress(OSError):  # of a full disk: nobody will remove it by itself
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _IMAGE).write_text(image, "utf-8")
            (folder / _ABOUT).write_text(f"{environment.name}\n{size_mb:.1f}", "utf-8")

    def _use(self, folder: Path) -> bool:
        """Keep other agents from removing a folder; False if it is not there."""
        try:
            about = (folder / _ABOUT).open("rb")
        except FileNotFoundError:
            return False
        with suppress(OSError):  # where there are no locks nothing is removed either
            fcntl.flock(about, fcntl.LOCK_SH)
        with self._lock:
            if there := _is_still(about, folder / _ABOUT):
                before, self._used[folder.name] = self._used.get(folder.name), about
            else:
                before = about
        if before is not None:
            before.close()
        return there

    def receive(self, environment: Environment, number: int, piece: bytes) -> None:
        """Take a piece of an environment's files. Raises SandboxError."""
        if number == 0:
            self.forget(environment.name)
            made: Receiving = (
                self._images.receiving(environment)
                if is_image(environment)
                else Unpacking(self._folder_of(environment), _ABOUT, environment.name)
            )
            with self._lock:
                self._receiving[environment.name], self._taken[environment.name] = made, 0
        with self._lock:
            receiving = self._receiving.get(environment.name)
        if receiving is None:
            raise SandboxError(f"environment {environment.name}: a piece of its files came without those before")
        receiving.write(piece)
        self._taken[environment.name] += len(piece)

    def received(self, environment: Environment, size: int) -> None:
        """All pieces have come, of so many bytes together. Raises SandboxError."""
        name = environment.name
        with self._lock:
            receiving, taken = self._receiving.get(name), self._taken.get(name, 0)
        try:
            if receiving is None or taken != size:
                raise SandboxError(f"environment {name}: {taken} of {size} bytes of its files have come")
            receiving.finish()
            if not is_image(environment):
                self._remove_others(environment)
        finally:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Give up an environment that is being received."""
        with self._lock:
            receiving = self._receiving.pop(name, None)
            self._taken.pop(name, None)
        if receiving is not None:
            receiving.close()

    def evict(self, name: str) -> None:
        """Remove the files of an environment that was sent here, unless the agent of another run uses them."""
        for folder in self._folders():
            if _about(folder)[0] == name:
                self._remove(folder)

    def _remove_others(self, environment: Environment) -> None:
        """What an environment was before its files changed goes, unless something still uses it."""
        here = self._folder_of(environment)
        for folder in self._folders():
            if folder != here and folder.name not in self._used and _about(folder)[0] == environment.name:
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        with self._lock:
            used = self._used.pop(folder.name, None)
        if used is not None:
            used.close()
        with suppress(OSError, SandboxError):
            remove_sent(folder)

    def size_mb(self, environment: Environment) -> float:
        """Disk that an environment takes here because it was sent, in MiB."""
        return _about(self._folder_of(environment))[1]

    def sizes(self) -> dict[str, float]:
        """The environments that were sent here, with what they take."""
        return {name: size for name, size in map(_about, self._folders()) if name}

    def free_mb(self) -> int:
        """Disk that further environments may take."""
        existing = next(parent for parent in (self._folder, *self._folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free >> 20
        if self._settings.disk_mb is None:
            return free
        return min(free, max(0, self._settings.disk_mb - int(sum(self.sizes().values()))))

    def close(self) -> None:
        """Remove what is half received, and give up what is in use."""
        for name in list(self._receiving):
            self.forget(name)
        with self._lock:
            used, self._used = self._used, {}
        for about in used.values():
            about.close()

    def _folders(self) -> list[Path]:
        return _folders_in(self._folder)

    def _folder_of(self, environment: Environment) -> Path:
        content = self._content.get(environment.name, "")
        inside = (
            environment.name,
            content,
            environment.root is not None,
            tuple(path for path, _ in environment.folders),
        )
        return self._folder / hashlib.sha256(repr(inside).encode()).hexdigest()[:32]


def _folders_in(sent: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder for folder in sent.iterdir() if not folder.name.startswith("."))
    return []


def sent_environments(home: Path) -> list[tuple[Path, str, float]]:
    """Environments that came to this machine because of a driver: folder, name, and size in MiB."""
    found = ((folder, *_about(folder)) for folder in _folders_in(home / SENT))
    return [(folder, name, size) for folder, name, size in found if name]


def in_use(folder: Path) -> bool:
    """Whether an agent of this machine uses an environment that was sent."""
    with suppress(OSError), (folder / _ABOUT).open("r+b") as about:
        try:
            fcntl.flock(about, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def remove_sent(folder: Path) -> None:
    """Remove an environment that was sent here, unless an agent uses it. Raises OSError and SandboxError."""
    gone = folder.with_name(f".{folder.name}.{os.getpid()}.making")
    with (folder / _ABOUT).open("r+b") as about:
        try:
            fcntl.flock(about, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SandboxError("a run uses it") from error
        with suppress(FileNotFoundError):
            remove_image((folder / _IMAGE).read_text("utf-8"))
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _about(folder: Path) -> tuple[str, float]:
    with suppress(OSError, ValueError):
        name, size = (folder / _ABOUT).read_text("utf-8").rsplit("\n", 1)
        return name, float(size)
    return "", 0.0


def _is_still(file: IO[bytes], path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def default_home() -> Path:
    """Where a node keeps environments: CODEMONKEYS_HOME, or the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("CODEMONKEYS_HOME")
    return Path(given).expanduser().absolute() if given else user_cache_path("codemonkeys")

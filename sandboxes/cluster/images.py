"""Container images on a node: pulled by their digest, or sent as the driver's engine saves them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from sandboxes.base import Environment, SandboxError
from sandboxes.cluster.messages import Source
from sandboxes.engine import open_engine

_SECONDS = 600
_AHEAD = 2
"""Pieces that wait for the engine."""


def references(image: str) -> tuple[str, ...]:
    """Names, with digests, by which registries have an image of this machine's engine; none without an engine."""
    from docker.errors import DockerException

    with suppress(SandboxError, DockerException, OSError), closing(open_engine(timeout=60)) as engine:
        return tuple(engine.images.get(image).attrs.get("RepoDigests") or ())
    return ()


def save(image: str, piece: int) -> Iterator[bytes]:
    """An image of this machine's engine in pieces of so many bytes. Raises SandboxError."""
    from docker.errors import DockerException

    with closing(open_engine(timeout=_SECONDS)) as engine:
        try:
            yield from engine.images.get(image).save(chunk_size=piece)
        except (DockerException, OSError) as error:
            raise SandboxError(f"image {image} cannot be read from this machine's engine: {error}") from error


class Images:
    """The images of a node's engine. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._brought: dict[str, tuple[str, float]] = {}
        """Those that came because of us: image here and its size in MiB, by name of environment."""
        self._names: dict[str, str] = {}
        """Images here by how the driver names them, where that differs."""

    def find(self, source: Source) -> Environment | None:
        """The environment with its image as this engine has it, pulled if a registry has it. Raises SandboxError."""
        from docker.errors import DockerException, ImageNotFound

        environment = source.environment
        wanted = self._names.get(str(environment.image), str(environment.image))
        with closing(open_engine(timeout=_SECONDS)) as engine:
            for name in (wanted, *source.references):
                try:
                    engine.images.get(name)
                    return replace(environment, image=name)
                except ImageNotFound:
                    continue
                except (DockerException, OSError) as error:
                    raise SandboxError(f"the Docker engine failed on image {name}: {error}") from error
            for name in source.references:
                with suppress(DockerException, OSError):
                    self._note(environment, engine.images.pull(name), name)
                    return replace(environment, image=name)
        return None

    def receiving(self, environment: Environment) -> Loading:
        """An image that is sent."""
        return Loading(self, environment)

    def _note(self, environment: Environment, image: Any, name: str) -> None:
        with self._lock:
            self._brought[environment.name] = (name, image.attrs["Size"] / (1 << 20))
            self._names[str(environment.image)] = name

    def size_mb(self, environment: Environment) -> float:
        """What an image takes because it came here, in MiB."""
        return self._brought.get(environment.name, ("", 0.0))[1]

    def sizes(self) -> dict[str, float]:
        """Environments whose images came here, with their sizes in MiB."""
        with self._lock:
            return {name: size for name, (_, size) in self._brought.items()}

    def evict(self, name: str) -> None:
        """Remove an image that came here."""
        from docker.errors import DockerException

        with self._lock:
            image, _ = self._brought.pop(name, ("", 0.0))
        if image:
            with suppress(SandboxError, DockerException, OSError), closing(open_engine(timeout=_SECONDS)) as engine:
                engine.images.remove(image, force=True)

    def loaded(self, environment: Environment, engine: Any, images: list[Any]) -> None:
        """Note what the engine made of an image that was sent."""
        if images:
            self._note(environment, images[0], str(images[0].id))


class Loading:
    """An image that is being received: the engine reads it as it comes."""

    def __init__(self, images: Images, environment: Environment) -> None:
        self._images, self._environment = images, environment
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._error = ""
        self._thread = threading.Thread(target=self._load, name="codemonkeys-load", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        from docker.errors import DockerException

        try:
            with closing(open_engine(timeout=_SECONDS)) as engine:
                self._images.loaded(self._environment, engine, engine.images.load(iter(self._pieces.get, None)))
        except (SandboxError, DockerException, OSError) as error:
            self._error = str(error)
            while self._pieces.get() is not None:
                pass  # so that nobody waits to write

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises SandboxError."""
        if self._error:
            raise SandboxError(f"image {self._environment.image} cannot be loaded: {self._error}")
        self._pieces.put(piece)

    def finish(self) -> None:
        """All pieces have come. Raises SandboxError."""
        self._pieces.put(None)
        self._thread.join()
        if self._error:
            raise SandboxError(f"image {self._environment.image} cannot be loaded: {self._error}")

    def close(self) -> None:
        """Nothing more comes."""
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

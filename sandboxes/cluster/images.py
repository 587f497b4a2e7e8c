"""Container images on a node: pulled by their digest, or sent as the driver's engine saves them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from sandboxes.base import Environment, SandboxError
from sandboxes.cluster.messages import Source, SourceMissing
from sandboxes.engine import open_engine
from sandboxes.ready import ready_images_of

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
    """An image of this machine's engine in pieces of so many bytes. Raises SourceMissing."""
    from docker.errors import DockerException

    try:
        with closing(open_engine(timeout=_SECONDS)) as engine:
            chunks = engine.images.get(image).save(chunk_size=piece)
            while True:
                yield next(chunks)
    except StopIteration:
        return
    except (DockerException, OSError, SandboxError) as error:
        raise SourceMissing(f"image {image} cannot be read from this machine's engine: {error}") from error


def remove_image(image: str) -> None:
    """Remove an image from this machine's engine, with what the sandbox derived from it. Raises SandboxError."""
    from docker.errors import DockerException, ImageNotFound

    with closing(open_engine(timeout=_SECONDS)) as engine:
        try:
            found = str(engine.images.get(image).id)
            for ready in ready_images_of(engine, found):
                engine.images.remove(ready, force=True)
            engine.images.remove(image, force=True)
        except ImageNotFound:
            return
        except (DockerException, OSError) as error:
            raise SandboxError(f"image {image} cannot be removed: {error}") from error


class Images:
    """The images of a node's engine. Thread-safe."""

    def __init__(self, came: Callable[[Environment, str, float], None]) -> None:
        """`came`: told of each image that comes because of us, with its name here and its size in MiB."""
        self._came = came
        self._lock = threading.Lock()
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
                    self.note(environment, engine.images.pull(name), name)
                    return replace(environment, image=name)
        return None

    def receiving(self, environment: Environment) -> Loading:
        """An image that is sent."""
        return Loading(self, environment)

    def note(self, environment: Environment, image: Any, name: str) -> None:
        """Note that an image has come."""
        with self._lock:
            self._names[str(environment.image)] = name
        self._came(environment, name, image.attrs["Size"] / (1 << 20))


class Loading:
    """An image that is being received: the engine reads it as it comes."""

    def __init__(self, images: Images, environment: Environment) -> None:
        self._images, self._environment = images, environment
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._error = ""
        self._thread = threading.Thread(target=self._load, name="codemonkeys-load", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        pieces = iter(self._pieces.get, None)
        try:
            with closing(open_engine(timeout=_SECONDS)) as engine:
                for image in engine.images.load(pieces)[:1]:
                    self._images.note(self._environment, image, str(image.id))
        except Exception as error:  # whatever it is, those that send wait for this thread
            self._error = str(error) or type(error).__name__
        for _ in pieces:
            pass  # so that nobody waits to write; there are none where the engine failed after the last one

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

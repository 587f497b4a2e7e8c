"""Runs one grading in a container of the task's own image, history and all, as the harnesses of other data sets do."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from codemonkeys.grading.sandboxed import LIMITS

LARGEST = 64 << 20
"""Maximum bytes of a file that is read from a container."""
SHELL = "/bin/bash"


class File(NamedTuple):
    """A file that a container gets."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class ContainerScript:
    """What runs in a container, and what is read from it afterwards."""

    command: tuple[str, ...]
    files: Mapping[str, File]
    """By absolute path."""
    results: tuple[str, ...]
    """Absolute paths of files."""
    seconds: float = LIMITS.seconds
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


class ContainerResult(NamedTuple):
    """How it ended."""

    exit_code: int | None
    """None if its time was up."""
    output: str
    results: Mapping[str, bytes]
    """The files that were there."""


def run_in_container(engine: Any, image: str, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
    """Run a script in a fresh container, which is removed at the end; `isolated`: without network.

    Raises DockerException and OSError if the engine fails.
    """
    from requests.exceptions import ConnectionError, ReadTimeout

    with _container(engine, image, run, script, isolated) as container:
        container.put_archive("/", _packed(script.files))
        container.start()
        try:
            code = int(container.wait(timeout=script.seconds)["StatusCode"])
        except (ReadTimeout, ConnectionError):
            container.reload()
            if container.status != "running":
                raise
            return ContainerResult(None, _output(container), {})
        found = {path: content for path in script.results if (content := _read(container, path)) is not None}
        return ContainerResult(code, _output(container), found)


@contextmanager
def _container(engine: Any, image: str, run: str, script: ContainerScript, isolated: bool) -> Iterator[Any]:
    from sandboxes.engine import labels_of, remove

    container = engine.containers.create(
        image,
        list(script.command[1:]),
        entrypoint=list(script.command[:1]),
        environment=dict(script.variables),
        labels=labels_of(run),
        mem_limit=f"{LIMITS.memory_mb}m",
        pids_limit=LIMITS.processes,
        network_mode="none" if isolated else None,
        user="root",
    )
    try:
        yield container
    finally:
        remove(engine, container.id)


def _packed(files: Mapping[str, File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, file in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def _read(container: Any, path: str) -> bytes | None:
    """A file of a container; None if it is not there, or no file, or too large."""
    from docker.errors import NotFound

    try:
        chunks, about = container.get_archive(path)
    except NotFound:
        return None
    with chunks if hasattr(chunks, "close") else io.BytesIO():
        if about["size"] > LARGEST:
            return None
        packed = io.BytesIO(b"".join(chunks))
    with tarfile.open(fileobj=packed) as archive:
        entry = archive.next()
        held = archive.extractfile(entry) if entry is not None and entry.isreg() else None
        return None if held is None else held.read()


def _output(container: Any) -> str:
    return str(container.logs()[-LARGEST:].decode("utf-8", "replace"))

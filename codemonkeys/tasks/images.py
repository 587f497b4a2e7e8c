"""Container images of tasks: found, pulled or built on the engine that DOCKER_HOST names, with room for them."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.build_once import check_room, locked
from codemonkeys.tasks.wheels import HERE, download_wheels, tail

PULL_BYTES = 8 << 30
"""Room without which no image is pulled: those of SWE-bench take 2 to 6 GB, and for a moment as packed layers too."""
BUILD_BYTES = 2 << 30
"""Room without which no image is built: the installed packages, and a base image that may have to be pulled."""

CONTENT = "codemonkeys.image.content"
"""Label of the images built here, by which they are known as ours: a hash of what they were built from."""
OF_TASK = "codemonkeys.image.task"
"""Label with the task that an image was built for."""

DOCKERFILE = "Dockerfile"
LABEL_FILES = frozenset({"gold.patch", "test.patch", "tests.json", "eval.sh", "hints.md", "candidates.jsonl"})
"""Files of a task folder that never go where an image is made from: the answers, and what grades them."""
BUILD_SECONDS = 1800


@dataclass(frozen=True)
class Context:
    """What an image is built from."""

    files: Mapping[str, bytes]
    """By name; the one named Dockerfile is the recipe."""
    python: str = HERE
    """Version of Python for which packages are fetched."""
    dependencies: bool = False
    """Whether the requirements leave out what their packages need in turn."""
    arguments: tuple[tuple[str, str], ...] = ()
    """Build arguments of the recipe."""

    @property
    def offline(self) -> bool:
        """Whether the recipe takes packages from `wheels`, fetched out here; it is then built without network."""
        return (
            "requirements.txt" in self.files
            and re.search(rb"^COPY .*\bwheels\b", self.files[DOCKERFILE], re.M) is not None
        )

    def content(self, base: str) -> str:
        """A hash of all that decides what is built; `base` names the image it begins with, by content."""
        parts = [base, self.python, str(self.dependencies), str(self.arguments)]
        parts += [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(self.files.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Ours(NamedTuple):
    """An image that was built here."""

    id: str
    names: tuple[str, ...]
    task: str
    bytes: int
    """Its size with all layers, of which it may share some with others."""


@contextmanager
def engine() -> Iterator[Any]:
    """The engine's client; its failures, and those of reaching it, come out as EnvironmentFailed."""
    from docker.errors import DockerException

    from sandboxes.base import SandboxError
    from sandboxes.engine import open_engine

    try:
        client = open_engine(timeout=BUILD_SECONDS)
    except SandboxError as error:
        raise EnvironmentFailed(str(error)) from error
    try:
        yield client
    except DockerException as error:
        raise EnvironmentFailed(f"the Docker engine failed: {redact(str(error))}") from error
    finally:
        client.close()


def built_name(task: Task) -> str:
    """The name of an image that is built here for a task."""
    return f"codemonkeys/{re.sub('[^a-z0-9_.-]', '-', task.id.lower())}:latest"


def find(client: Any, task: Task) -> str | None:
    """The id of the image of a task that the engine has: the one the task names, or one that was built here for it."""
    for name in (task.image, built_name(task)):
        image = get(client, name) if name else None
        if image is not None and (name == task.image or CONTENT in (image.labels or {})):
            return str(image.id)
    return None


def get(client: Any, name: str) -> Any:
    """An image of the engine, or None."""
    from docker.errors import ImageNotFound

    try:
        return client.images.get(name)
    except ImageNotFound:
        return None


def ensure_image(task: Task, home: Path) -> str:
    """The id of the image of a task, which the engine has then: found, else pulled, else built from its Dockerfile.

    Raises EnvironmentFailed naming the image and what was tried.
    """
    if task.image is None:
        raise EnvironmentFailed(
            f"{task.id} names no container image; use --sandbox local, or: codemonkeys images build"
        )
    with engine() as client:
        if found := find(client, task):
            return found
        with locked(home / "images" / f".{task.id}.lock"):
            if found := find(client, task):
                return found
            refused = pull(client, task.image)
            if refused is None:
                return str(client.images.get(task.image).id)
            if task.folder is not None and (task.folder / DOCKERFILE).is_file():
                return build_image(client, built_name(task), task.id, context_of(task.folder))
    raise EnvironmentFailed(
        f"{task.id}: the Docker engine has no image {task.image} and cannot pull it ({refused}). "
        "Load it, or build one with: codemonkeys images build"
    )


def pull(client: Any, name: str) -> str | None:
    """Pull an image; why it could not be, or None. Raises EnvironmentFailed without room for it."""
    from docker.errors import DockerException

    check_engine_room(client, PULL_BYTES)
    try:
        client.images.pull(name)
    except DockerException as error:
        return redact(str(error))
    return None


def check_engine_room(client: Any, needed: int) -> None:
    """Raise EnvironmentFailed if the engine's disk is too full; one that cannot be seen from here is not judged."""
    root = Path(client.info().get("DockerRootDir", ""))
    if client.api.base_url.startswith("http+docker") and root.is_absolute() and root.is_dir():
        check_room(root, needed, "remove images: codemonkeys images clean, docker image prune")


def context_of(folder: Path) -> Context:
    """What an image is built from that a task folder has a Dockerfile for."""
    files = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in LABEL_FILES
    }
    return Context(files)


def build_image(client: Any, name: str, task: str, context: Context, *, anew: bool = False) -> str:
    """Build an image, unless it is there with the same content; returns its id. Raises EnvironmentFailed."""
    content = context.content(base_of(client, context))
    there = get(client, name)
    if there is not None and (there.labels or {}).get(CONTENT) == content and not anew:
        return str(there.id)
    check_engine_room(client, BUILD_BYTES)
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryFile() as packed:
        if context.offline:
            requirements = Path(made, "requirements.txt")
            requirements.write_bytes(context.files[requirements.name])
            download_wheels(task, requirements, Path(made, "wheels"), context.python, dependencies=context.dependencies)
            Path(made, "wheels").mkdir(exist_ok=True)
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for file, data in sorted(context.files.items()):
                entry = tarfile.TarInfo(file)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            if context.offline:
                archive.add(Path(made, "wheels"), "wheels")
        packed.seek(0)
        # The classic builder, which every engine has: it needs no other image than the base.
        said = client.api.build(
            fileobj=packed,
            custom_context=True,
            tag=name,
            rm=True,
            forcerm=True,
            network_mode="none" if context.offline else None,
            buildargs=dict(context.arguments),
            labels={CONTENT: content, OF_TASK: task},
            decode=True,
        )
        told = ""
        for line in said:
            told += line.get("stream", "")
            if "error" in line:
                raise EnvironmentFailed(f"{task}: the image {name} could not be built: {tail(told + line['error'])}")
    return str(client.images.get(name).id)


def base_of(client: Any, context: Context) -> str:
    """The image a recipe begins with: by content, if the engine has it."""
    recipe = context.files[DOCKERFILE].decode(errors="replace")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", recipe, re.M)) | dict(context.arguments)
    begins = re.search(r"^FROM\s+(?:--\S+\s+)*(\S+)", recipe, re.M)
    if begins is None:
        return ""
    base = re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], ""), begins[1])
    image = get(client, base) if base else None
    return base if image is None else str(image.id)


def images_of_ours(client: Any, tasks: set[str] | None = None) -> list[Ours]:
    """The images that were built here, and those that the docker sandbox made of others, of these tasks or all.

    Those made of others come first: an engine removes no image that another one rests on.
    """
    from sandboxes.engine import LABEL

    found = []
    listed = [image for label in (f"{LABEL}.ready", CONTENT) for image in client.images.list(filters={"label": label})]
    for image in {image.id: image for image in listed}.values():
        of_task = (image.labels or {}).get(OF_TASK, "")
        if tasks is None or of_task in tasks:
            found.append(Ours(str(image.id), tuple(image.tags), of_task, int(image.attrs["Size"])))
    return found

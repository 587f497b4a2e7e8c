"""Container images of tasks: finds, pulls or builds them on the engine that DOCKER_HOST names."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.system.programs import failure
from codemonkeys.tasks.base import TESTBED, Task
from codemonkeys.tasks.build_once import locked
from codemonkeys.tasks.pulling import check_engine_room, note_pull, pull
from codemonkeys.tasks.wheels import CURRENT_PYTHON, download_wheels
from codemonkeys.wording import option

BUILD_BYTES = 2 << 30
"""Free disk space required to build an image: installed packages, and a base image that may have to be pulled."""

CONTENT = "codemonkeys.image.content"
"""Label that marks images built here; its value is a hash of what they were built from."""
OF_TASK = "codemonkeys.image.task"
"""Label with the id of the task that an image was built for."""

DOCKERFILE = "Dockerfile"
LABEL_FILES = frozenset({"gold.patch", "test.patch", "tests.json", "eval.sh", "hints.md", "candidates.jsonl"})
"""Files of a task folder that are never part of a build context: answers, and what grades them."""
BUILD_SECONDS = 1800


@dataclass(frozen=True)
class Context:
    """Build context of an image."""

    files: Mapping[str, bytes]
    """Name to content; one is the Dockerfile."""
    python: str = CURRENT_PYTHON
    """Version of Python for which packages are downloaded."""
    dependencies: bool = False
    """Whether to download the dependencies of the requirements too: the requirements do not list them all."""
    arguments: tuple[tuple[str, str], ...] = ()
    """Build arguments of the Dockerfile."""
    executable: frozenset[str] = frozenset()
    """Names of files that may be executed."""

    @property
    def offline(self) -> bool:
        """Whether the Dockerfile installs packages from `wheels`, downloaded before a build that has no network."""
        return (
            "requirements.txt" in self.files
            and re.search(rb"^COPY .*\bwheels\b", self.files[DOCKERFILE], re.M) is not None
        )

    def content(self, base: str) -> str:
        """Hash of everything that determines the image; `base` identifies the base image by content."""
        parts = [base, self.python, str(self.dependencies), str(self.arguments)]
        parts += [str(sorted(self.executable))] if self.executable else []
        parts += [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(self.files.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class BuiltImage(NamedTuple):
    """An image that was built here."""

    id: str
    names: tuple[str, ...]
    task: str
    bytes: int
    """Size of all its layers; other images may share some of them."""


@contextmanager
def engine() -> Iterator[Any]:
    """Client of the engine. Failures of the engine, and to reach it, are raised as EnvironmentFailed."""
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


def built_image_name(task: Task) -> str:
    """Name of the image that is built here for a task."""
    return f"codemonkeys/{re.sub('[^a-z0-9_.-]', '-', task.id.lower())}:latest"


def image_and_repository(task: Task, home: Path) -> tuple[str, str]:
    """Id of the task's image, see `ensure_image`, and the absolute path of the repository in it."""
    image = ensure_image(task, home)
    if task.workdir is not None:
        return image, task.workdir
    with engine() as client:
        return image, repository_of(client, task, image)


def find(client: Any, task: Task) -> str | None:
    """Id of the task's image on the engine: the one that the task names, or one built here for it. None if absent."""
    for name in (None if task.branch or task.hidden else task.image, built_image_name(task)):
        image = get(client, name) if name else None
        if image is not None and (name == task.image or CONTENT in (image.labels or {})):
            return str(image.id)
    return None


def get(client: Any, name: str) -> Any:
    """An image on the engine, or None."""
    from docker.errors import ImageNotFound

    try:
        return client.images.get(name)
    except ImageNotFound:
        return None


def ensure_image(task: Task, home: Path) -> str:
    """Id of the task's image; if the engine does not have it, it is pulled or else built from the task's Dockerfile.

    Raises EnvironmentFailed with the image and what was tried.
    """
    own = task.folder if task.folder is not None and (task.folder / DOCKERFILE).is_file() else None
    if task.image is None and own is None:
        raise EnvironmentFailed(
            f"{task.id} has no container image; use {option('sandbox', 'local')}, or build one with: "
            "codemonkeys images build"
        )
    if task.branch is not None or task.hidden:
        return _derived(task, ensure_image(replace(task, branch=None, hidden=""), home), home)
    with engine() as client:
        if task.image is not None and (found := find(client, task)):
            return found
        with locked(home / "images" / f".{task.id}.lock"):
            if task.image is not None:
                if found := find(client, task):
                    return found
                refused = pull(client, task.image)
                if refused is None:
                    note_pull(home, task.image, task.id)
                    return str(client.images.get(task.image).id)
            if own is not None:
                return build_image(client, built_image_name(task), task.id, read_context(own))
    raise EnvironmentFailed(
        f"{task.id}: the Docker engine has no image {task.image} and cannot pull it ({refused}); "
        "load it, or build one with: codemonkeys images build"
    )


def _derived(task: Task, base: str, home: Path) -> str:
    """Id of an image with the task's branch checked out, fetched if the image lacks it, and without what is hidden."""
    commands = [f"rm -rf -- {task.hidden}"] if task.hidden else []
    if branch := task.branch:
        there = f"git rev-parse -q --verify {branch} || git fetch -q origin {branch}:{branch}"
        commands.append(f"cd {shlex.quote(task.workdir or TESTBED)} && ({there}) && git checkout -q {branch}")
    recipe = f"FROM {base}\nRUN {' && '.join(commands)}\n"
    with locked(home / "images" / f".{task.id}.lock"), engine() as client:
        return build_image(client, built_image_name(task), task.id, Context({DOCKERFILE: recipe.encode()}))


def repository_of(client: Any, task: Task, image: str) -> str:
    """Absolute path of the task's repository in its image: where the task says, else the image's WORKDIR.

    SWE-bench's `/testbed` if WORKDIR names none, or holds no repository.
    """
    from docker.errors import ContainerError

    from sandboxes.engine import labels_of

    if task.workdir is not None:
        return task.workdir
    named = str(client.images.get(image).attrs["Config"].get("WorkingDir") or "").rstrip("/")
    if named in ("", TESTBED):
        return TESTBED
    look = {"entrypoint": ["sh", "-c"], "network_mode": "none", "labels": labels_of("repository"), "remove": True}
    try:
        client.containers.run(image, ['[ -e "$0/.git" ]', named], **look)
        return named
    except ContainerError:
        return TESTBED


def read_context(folder: Path) -> Context:
    """Build context of a task folder with a Dockerfile, without the files that hold answers.

    Of a task repository it is flat; other folders are taken whole, without symbolic links, which may lead out.
    """
    flat = (folder / "task.yaml").is_file()
    paths = [
        path
        for path in sorted(folder.iterdir() if flat else folder.rglob("*"))
        if path.is_file() and path.name not in LABEL_FILES and (flat or not path.is_symlink())
    ]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    runs = frozenset() if flat else frozenset(name for name, path in names.items() if path.stat().st_mode & 0o100)
    return Context({name: path.read_bytes() for name, path in names.items()}, executable=runs)


def build_image(client: Any, name: str, task: str, context: Context) -> str:
    """Build an image unless it exists with the same content; returns its id. Raises EnvironmentFailed."""
    content = context.content(identify_base(client, context))
    existing = get(client, name)
    if existing is not None and (existing.labels or {}).get(CONTENT) == content:
        return str(existing.id)
    check_engine_room(client, BUILD_BYTES)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as packed:
        wheels = Path(folder, "wheels")
        if context.offline:
            requirements = Path(folder, "requirements.txt")
            requirements.write_bytes(context.files[requirements.name])
            download_wheels(task, requirements, wheels, context.python, dependencies=context.dependencies)
            wheels.mkdir(exist_ok=True)
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for file, data in sorted(context.files.items()):
                entry = tarfile.TarInfo(file)
                entry.size = len(data)
                entry.mode = 0o755 if file in context.executable else entry.mode
                archive.addfile(entry, io.BytesIO(data))
            if context.offline:
                archive.add(wheels, "wheels")
        packed.seek(0)
        # The classic builder, which every engine has: it needs no image but the base.
        log = client.api.build(
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
        output = ""
        for line in log:
            output += line.get("stream", "")
            if "error" in line:
                raise failure(f"{task}: the image {name} could not be built", output + line["error"])
    return str(client.images.get(name).id)


def identify_base(client: Any, context: Context) -> str:
    """The base image of a context: its id if the engine has it, else its name."""
    recipe = context.files[DOCKERFILE].decode(errors="replace")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", recipe, re.M)) | dict(context.arguments)
    first = re.search(r"^FROM\s+(?:--\S+\s+)*(\S+)", recipe, re.M)
    if first is None:
        return ""
    base = re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], ""), first[1])
    image = get(client, base) if base else None
    return base if image is None else str(image.id)


def images_of_ours(client: Any, tasks: set[str] | None = None) -> list[BuiltImage]:
    """Images built here and images that the docker sandbox derived from others, of these tasks or of all.

    Derived ones come first: an engine does not remove an image that another one is based on.
    """
    from sandboxes.engine import LABEL

    found = []
    # Not `images.list`, which asks for each again, and fails for one that was removed meanwhile.
    listed = [image for label in (f"{LABEL}.ready", CONTENT) for image in client.api.images(filters={"label": label})]
    for image in {image["Id"]: image for image in listed}.values():
        of_task = (image["Labels"] or {}).get(OF_TASK, "")
        if tasks is None or of_task in tasks:
            names = tuple(name for name in image["RepoTags"] or () if name != "<none>:<none>")
            found.append(BuiltImage(str(image["Id"]), names, of_task, int(image["Size"])))
    return found

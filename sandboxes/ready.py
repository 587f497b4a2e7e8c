"""Derived images with a read-only root: templates of all that scripts may write, and a repository without history."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandboxes import history
from sandboxes.base import SandboxError
from sandboxes.engine import LABEL, Stream, labels_of, remove

TEMPLATE = "/codemonkeys.image"
"""Folder of a ready image with the templates of its scratch folders."""
PROGRAM = f"{TEMPLATE}/container.pl"
"""Process 1 of the containers. It lies in the image, with those it runs: an engine reads a command again and again."""
REPOSITORY = "codemonkeys-ready"
"""Repository name of ready images on the engine."""

_HOME_MB = 64
"""A larger home folder stays read-only: it contains an installation, and copying it would take too long."""
_SECONDS = 3600
_SCRATCH = ("/tmp", "/var/tmp")
_SAID = re.compile(r"^codemonkeys: ready (\d+:\d+:[\d,]*) (\d+) (kept|read-only) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Ready:
    """A derived image to start containers from, and what starting them takes."""

    image: str
    user: str
    """User that runs scripts, as in the original image: `uid:gid:groups`."""
    home: str
    places: tuple[tuple[str, str], ...]
    """Writable folders: (path, its template's folder below `TEMPLATE`, or an empty string)."""
    size_mb: int
    """Total size of the templates."""


def program(name: str) -> str:
    """The text of a program that runs inside."""
    return Path(__file__).with_name(name).read_text("utf-8")


def ready_images_of(engine: Any, image: str) -> list[str]:
    """Ids of the images that were made of one, which is given by its id."""
    return [str(made["Id"]) for made in engine.api.images(filters={"label": f"{LABEL}.image={image}"})]


def make_ready(engine: Any, image: str, repository: str) -> Ready:
    """The ready image derived from an image, created if the engine has none; the image itself is not changed.

    Raises SandboxError if the image lacks something, or if history remains in its repository.
    """
    from docker.errors import DockerException, ImageNotFound

    try:
        found = engine.images.get(image)
        recipe, *programs = map(program, ("prepare.sh", "container.pl", "inside.pl", "layers.pl"))
        words = [recipe, TEMPLATE, repository, str(_HOME_MB), history.scrub().text, history.verify().text, *programs]
        content = hashlib.sha256("\0".join([found.id, *words]).encode()).hexdigest()
        volumes = sorted(found.attrs["Config"].get("Volumes") or {})
        # Not `images.list`, which asks for each again, and fails for one that was removed meanwhile.
        for made in engine.api.images(filters={"label": f"{LABEL}.ready={content}"}):
            return _read(made["Id"], made["Labels"][f"{LABEL}.said"], repository, volumes)
        said = _prepare(engine, found, words, volumes, content)
        return _read(engine.images.get(f"{REPOSITORY}:{content[:16]}").id, said, repository, volumes)
    except ImageNotFound as error:
        raise SandboxError(f"The Docker engine has no image {image}: {error}") from error
    except (DockerException, OSError) as error:
        raise SandboxError(f"The Docker engine failed to make image {image} ready: {error}") from error


def _prepare(engine: Any, image: Any, words: list[str], volumes: list[str], content: str) -> str:
    """Run prepare.sh in a container of the image and commit the container; returns the script's output."""
    recipe, template, repository, *others = words
    config = image.attrs["Config"]
    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    arguments = [template, repository, config.get("User") or "", variables.get("HOME", ""), *others, *volumes]
    text = f"set -- {shlex.join(arguments)}\n{recipe}".encode()
    container = engine.containers.create(
        image.id,
        entrypoint=["sh", "-c", f'exec sh -c "$(head -c {len(text)})" prepare </dev/null'],
        command=[],
        stdin_open=True,
        user="root",
        working_dir="/",
        network_disabled=True,
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
        security_opt=["no-new-privileges:true"],
        pids_limit=256,
        mem_limit="4g",
        labels=labels_of("prepare"),
    )
    stream = None
    try:
        # What stands in the command would become a part of the image that every start of a container reads.
        stream = Stream(engine.api.attach_socket(container.id, {"stdin": 1, "stream": 1}))
        container.start()
        stream.send(text)
        code = container.wait(timeout=_SECONDS)["StatusCode"]
        said: str = container.logs().decode(errors="replace").strip()
        if code or not _SAID.search(said):
            raise SandboxError(f"Image {image.id} cannot be made ready: {said[-2000:] or f'exit code {code}'}")
        labels = {**(config.get("Labels") or {}), f"{LABEL}.ready": content, f"{LABEL}.said": said.splitlines()[-1]}
        labels[f"{LABEL}.image"] = image.id
        labels[f"{LABEL}.left-out"] = "\n".join(line for line in said.splitlines() if "left out of the base" in line)
        labels |= dict.fromkeys(labels_of(""), "")  # the image has no owner
        container.commit(REPOSITORY, content[:16], pause=False, conf={**config, "Labels": labels})
        return said
    finally:
        if stream:
            stream.close()
        remove(engine, container.id)


def _read(image: str, said: str, repository: str, volumes: list[str]) -> Ready:
    found = _SAID.search(said)
    if not found:
        raise SandboxError(f"Image {image} was not made by codemonkeys: remove it")
    user, size, kept, home = found.groups()
    places = [(repository, f"{TEMPLATE}/0"), *((path, "") for path in _SCRATCH), ("/dev/shm", "")]
    if kept == "kept" and not any(_within(home, path) or _within(path, home) for path, _ in places):
        places.append((home, f"{TEMPLATE}/1"))
    for number, volume in enumerate(volumes, 2):
        if all(volume.rstrip("/") != path for path, _ in places):
            # A volume within another place is part of that place's template.
            filled = any(_within(volume, path) for path, _ in places)
            places.append((volume.rstrip("/"), "" if filled else f"{TEMPLATE}/{number}"))
    return Ready(image, user, home, tuple(places), int(size))


def _within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)

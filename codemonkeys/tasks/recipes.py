"""Recipes for images of tasks without a published one: a Python version, requirements, an install command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.tasks import images
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.commit_archive import pack_commit
from codemonkeys.tasks.formats.base import OF_IMAGE
from codemonkeys.tasks.images import DOCKERFILE, Context
from codemonkeys.tasks.pulling import pull
from codemonkeys.tasks.wheels import CURRENT_PYTHON

DEFAULT_BASE = "python:{python}-slim"
"""Default base image: the official Python images of Docker Hub, which are based on Debian."""
REQUIRED_TOOLS = ("bash", "git", "perl", "patch", "python3")
"""Programs that sandboxes and the official harness use; all but Python are installed from Debian if missing."""

TOOLS_RECIPE = """\
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends {packages} && rm -rf /var/lib/apt/lists/*
"""
RECIPE = """\
FROM {base}
COPY repo.tar.gz requirements.txt install.sh wheels* /build/
ENV PATH=/opt/testbed/bin:$PATH
WORKDIR /testbed
RUN python3 -m venv /opt/testbed \\
 && pip install -q {options} --no-index --find-links /build -r /build/requirements.txt \\
 && tar --no-same-owner -xzf /build/repo.tar.gz && sh -e /build/install.sh && rm -rf .git && git init -q \\
 && git add -A -f && git -c user.name=base -c user.email=base@localhost commit -q -m base && rm -rf /build
"""


@dataclass(frozen=True)
class Recipe:
    """How to build an image; anything left out comes from the task's folder, or is the default."""

    python: str | None = None
    """Version of Python, such as 3.11; the base image must have it."""
    base: str | None = None
    """Base image; default: `python:VERSION-slim`."""
    requirements: str | None = None
    """Path of a requirements file; pip finds the dependencies of what it lists."""
    install: str | None = None
    """Shell command, run in the repository without network: `pip install --no-build-isolation --no-deps -e .`."""
    repository: str | None = None
    """Git repository that has the base commit: path or URL; default: the task's on GitHub."""


def load_recipes(path: Path) -> tuple[Recipe, dict[str, Recipe]]:
    """The recipe for all tasks, and recipes by task id, from a YAML file: recipe keys, and `tasks: {ID: recipe}`.

    Paths of requirements are relative to the file. Raises BadInput with what is wrong in it.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or no such date
        raise BadInput(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: not a mapping; possible keys: {', '.join(_names())} and tasks")
    tasks = content.pop("tasks", None) or {}
    if not isinstance(tasks, dict):
        raise BadInput(f"{path}: tasks is not a mapping of task ids to recipes")
    return _recipe(content, path, ""), {str(id): _recipe(given, path, f"tasks.{id}") for id, given in tasks.items()}


def _recipe(given: Any, path: Path, where: str) -> Recipe:
    if not isinstance(given, dict):
        raise BadInput(f"{path}: {where} is not a mapping; possible keys: {', '.join(_names())}")
    for name, value in given.items():
        key = f"{where}.{name}" if where else name
        if name not in _names():
            raise BadInput(f"{path}: unknown key {key}; possible keys: {', '.join(_names())}")
        if not isinstance(value, str):
            raise BadInput(f"{path}: {key} is {value!r}, not text; put it in quotes")
    recipe = Recipe(**given)
    return replace(recipe, requirements=str(path.parent / recipe.requirements)) if recipe.requirements else recipe


def _names() -> list[str]:
    return [field.name for field in fields(Recipe)]


def merged(*recipes: Recipe) -> Recipe:
    """One recipe from several; values of later ones win."""
    return Recipe(**{name: value for recipe in recipes for name, value in vars(recipe).items() if value is not None})


def build(client: Any, task: Task, recipe: Recipe) -> str:
    """Build the image of a task unless it exists with the same content; returns its name.

    The Dockerfile of a task folder is used unless the recipe has more than a base. Raises BadInput for an incomplete
    recipe, EnvironmentFailed if the build fails.
    """
    name = images.built_image_name(task)
    if task.folder is not None and (task.folder / DOCKERFILE).is_file() and _only_base(recipe):
        context = images.read_context(task.folder)
        if recipe.base is not None:
            context = replace(context, arguments=(("BASE", recipe.base),))
        images.build_image(client, name, task.id, context)
        return name
    python = recipe.python or CURRENT_PYTHON
    if not re.fullmatch(r"\d+\.\d+", python):
        raise BadInput(f"{python!r} is not a version of Python, such as {CURRENT_PYTHON}")
    inputs = _inputs(task, recipe)
    base = ensure_tools(client, recipe.base or DEFAULT_BASE.format(python=python))
    # The requirements of a task folder are complete, and may combine versions that pip's resolver would refuse.
    complete = recipe.requirements is None
    files: Mapping[str, bytes] = {
        DOCKERFILE: RECIPE.format(base=base, options="--no-deps" if complete else "").encode(),
        **inputs,
    }
    images.build_image(client, name, task.id, Context(files, python, dependencies=not complete))
    return name


def _only_base(recipe: Recipe) -> bool:
    return merged(recipe, Recipe()) == Recipe(base=recipe.base)


def _inputs(task: Task, recipe: Recipe) -> dict[str, bytes]:
    """Repository, requirements and install command, each from the recipe or the task's folder."""

    def read(name: str) -> bytes | None:
        path = task.folder / name if task.folder else None
        return path.read_bytes() if path is not None and path.is_file() else None

    requirements = read("requirements.txt")
    if recipe.requirements is not None:
        try:
            requirements = Path(recipe.requirements).read_bytes()
        except OSError as error:
            raise BadInput(f"{recipe.requirements}: cannot be read: {error.strerror}") from None
    install = recipe.install.encode() + b"\n" if recipe.install is not None else read("install.sh")
    missing = [n for n, v in (("--requirements FILE", requirements), ("--install COMMAND", install)) if v is None]
    if requirements is None or install is None:
        raise BadInput(f"{task.id} does not say how it is installed; give {' and '.join(missing)}, or --recipes FILE")
    packed = read("repo.tar.gz") if recipe.repository is None else None
    if packed is None and task.base_commit == OF_IMAGE:
        raise BadInput(f"{task.id} names no base commit: its code is only in its published image, {task.image}")
    if packed is None:
        packed = pack_commit(recipe.repository or f"https://github.com/{task.repo}.git", task.base_commit)
    return {"repo.tar.gz": packed, "requirements.txt": requirements, "install.sh": install}


def ensure_tools(client: Any, base: str) -> str:
    """The base image if it has all required tools, else an image derived from it with the missing Debian packages."""
    if images.get(client, base) is None and (refused := pull(client, base)):
        raise EnvironmentFailed(
            f"the base image {base} is not on the engine and cannot be pulled ({refused}); choose another with --base"
        )
    missing = missing_tools(client, base)
    if "python3" in missing:
        raise EnvironmentFailed(f"the base image {base} has no python3; choose another with --base")
    if not missing:
        return base
    recipe = TOOLS_RECIPE.format(base=base, packages=" ".join(sorted(missing)))
    name = f"codemonkeys/base:{re.sub('[^a-zA-Z0-9_.-]', '-', base)}"
    images.build_image(client, name, "", Context({DOCKERFILE: recipe.encode()}))
    return name


def missing_tools(client: Any, image: str) -> list[str]:
    """The required tools that an image does not have."""
    from docker.errors import ContainerError

    look = f"for tool in {' '.join(REQUIRED_TOOLS)}; do command -v $tool >/dev/null || echo $tool; done"
    try:
        output = client.containers.run(image, [look], entrypoint=["sh", "-c"], network_mode="none", remove=True)
    except ContainerError as error:
        raise EnvironmentFailed(f"the image {image} cannot run `sh`: {error}") from error
    return str(output.decode(errors="replace")).split()

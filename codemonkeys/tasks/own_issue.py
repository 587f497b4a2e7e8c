"""An issue of the user's own repository as a task: its text, the base commit, and where its code runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.system.text import valid_text
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.tasks.environments import default_home
from codemonkeys.tasks.installing.making import find_made
from codemonkeys.tasks.local_repository import SYSTEM_PATH, installed_modules
from codemonkeys.tasks.snapshot import Entry, Snapshot
from codemonkeys.wording import option
from sandboxes.base import EnvironmentKind

VENVS = (".venv", "venv")
TEST_VENVS = (".tox/py*", ".nox/test*")
"""Environments of tox and nox, which hold what the tests need; the first that exists stands in for a missing one."""
DOCKERFILE = "Dockerfile"
PROGRAMS = {
    "javascript": "node",
    "typescript": "node",
    "go": "go",
    "rust": "cargo",
    "java": "java",
    "c_sharp": "dotnet",
    "ruby": "ruby",
    "php": "php",
}
"""What runs code of a language, where that is no virtual environment."""
LANGUAGES = {
    f".{suffix}": language
    for language, suffixes in {
        "python": "py",
        "javascript": "js jsx mjs cjs",
        "typescript": "ts tsx mts",
        "go": "go",
        "rust": "rs",
        "java": "java",
        "c": "c h",
        "cpp": "cpp cc cxx hpp",
        "c_sharp": "cs",
        "ruby": "rb",
        "php": "php",
        "shell": "sh bash",
    }.items()
    for suffix in suffixes.split()
}


@dataclass(frozen=True)
class RuntimeChoice:
    """Where the user wants the code to run; by default in what the repository has for that."""

    venv: Path | None = None
    image: str | None = None
    kind: EnvironmentKind | None = None
    """What the sandbox takes; None if none was named."""
    home: Path | None = None
    """Where environments that were made are looked for; by default where `codemonkeys env` puts them."""


def read_issue(given: str, standard_input: str | None) -> str:
    """The text of an issue, given as a file, as `-` for standard input, or as the text itself. Raises BadInput.

    The JSON of a GitHub issue becomes its title, an empty line and its body, without comments.
    """
    if given == "-":
        text = standard_input or ""
    elif _is_file(given):
        try:
            text = Path(given).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{option('issue')} {given}: cannot be read as UTF-8 text: {error}") from None
    elif re.fullmatch(r"\S+\.(?:md|txt|json|rst)|\S*/\S+", given.strip()):
        raise BadInput(
            f"{option('issue')} {given!r}: no such file; give a file, - for standard input, or the text of the issue"
        )
    else:
        text = given
    if text.lstrip().startswith("{"):
        text = _of_github(text)
    check_text(text)
    return text


def check_text(issue: str) -> None:
    """Raise BadInput for an issue that says nothing."""
    if not issue.strip():
        raise BadInput("the issue is empty: say what is wrong and what is expected")


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # too long for a path, or with a character that paths cannot have
        return False


def _of_github(text: str) -> str:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text  # It only starts like JSON.
    title, body = content.get("title"), content.get("body")
    if not isinstance(title, str) or not isinstance(body, str | None):
        raise BadInput(
            "the issue is JSON, but not that of a GitHub issue, whose title and body are text; get one by: "
            "gh issue view NUMBER --json title,body"
        )
    return f"{title}\n\n{body or ''}".strip() + "\n"


def describe(repository: Path, issue: str, base: str, runtime: RuntimeChoice, scope: str = "") -> Task:
    """The task of resolving an issue of a repository at a commit. Raises BadInput, EnvironmentFailed.

    `scope`: folder that the issue is about, relative to `repository`; all of the repository if empty.
    """
    check_text(issue)
    issue, given = valid_text(issue), repository.expanduser().resolve()
    folder = root_of(given)
    with Snapshot.of_repository(folder, base) as snapshot:
        if not snapshot.entries:
            raise BadInput(f"{folder} has no files at {base}; commit something first")
        scope = scope_of(folder, given, scope, snapshot)
        language = language_of(snapshot.within(scope).entries)
        checkout = _checkout(folder, snapshot, runtime, language, scope)
        commit = snapshot.commit
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-")[:80] or "repository"
    digest = hashlib.sha256("\n".join((commit, issue, *([scope] if scope else []))).encode()).hexdigest()[:8]
    task = Task(f"{name}-{digest}", name, commit, issue, language=language, image=checkout.image, checkout=checkout)
    return replace(task, scope=scope)


def scope_of(root: Path, given: Path, scope: str, snapshot: Snapshot) -> str:
    """A scope, which the user gives relative to the folder `given`, as a path in the snapshot. Raises BadInput."""
    if not scope:
        return ""
    path = Path(os.path.normpath(given / Path(scope).expanduser()))
    if not path.is_relative_to(root):
        raise BadInput(f"{option('scope')} {scope}: it lies outside the repository {root}")
    inside = "" if path == root else path.relative_to(root).as_posix()
    if inside and not any(entry.path.startswith(f"{inside}/") for entry in snapshot.entries):
        raise BadInput(f"{option('scope')} {scope}: commit {snapshot.commit[:12]} has no folder {inside}")
    return inside


def root_of(folder: Path) -> Path:
    """The nearest folder, from this one upwards, that is a repository; this one if there is none. Raises BadInput."""
    try:
        if not folder.is_dir():
            raise BadInput(f"{folder}: no such folder; give the folder of a git repository")
        # What lies in `.git` is no part of a working tree.
        above = [] if ".git" in folder.parts else [folder, *folder.parents]
        return next((place for place in above if (place / ".git").exists()), folder)
    except PermissionError as error:
        raise BadInput(
            f"{folder} cannot be read ({error.strerror}): call codemonkeys as its owner, or let this user read it"
        ) from None


def _checkout(folder: Path, snapshot: Snapshot, runtime: RuntimeChoice, language: str, scope: str) -> Checkout:
    """Where the code runs: as given, or else in what the repository has that fits the sandbox."""
    if runtime.image is not None and runtime.venv is not None:
        raise BadInput(f"both {option('image')} and {option('venv')}: give one of them, code runs in one place")
    if runtime.image is not None and runtime.kind == "here":
        raise BadInput(f"both {option('image')} and {option('sandbox', 'here')}: give one of them")
    found = find_made(snapshot, scope, runtime.home or default_home())
    caches = tuple(place for plan, place in found if plan.kind != "python")
    made = next((place for plan, place in found if plan.kind == "python"), None)
    if runtime.image is not None:
        return Checkout(folder, image=runtime.image, installed=caches)
    if runtime.kind == "here" and runtime.venv is None:
        return Checkout(folder, venv=venv_of(folder))
    if runtime.venv is not None:
        venv = runtime.venv.expanduser().absolute()
        if not (venv / "pyvenv.cfg").is_file():
            raise BadInput(
                f"{option('venv')} {runtime.venv}: not a virtual environment, it has no pyvenv.cfg; make one with: "
                "python -m venv"
            )
        return Checkout(folder, venv=venv, installed=caches)
    if runtime.kind != "image" and (own := venv_of(folder / scope) or venv_of(folder)):
        return Checkout(folder, venv=own, installed=caches)
    if runtime.kind != "image" and made is not None:
        return Checkout(folder, venv=made / "venv", installed=(made, *caches))
    if runtime.kind is None and caches:
        _check_program(folder, language)
        return Checkout(folder, installed=caches)
    if runtime.kind != "folders" and DOCKERFILE in snapshot:
        return Checkout(folder, dockerfile=DOCKERFILE)
    if runtime.kind == "folders" or (runtime.kind is None and installed_modules(folder, snapshot.entries)):
        _check_program(folder, language)
        return Checkout(folder, installed=caches)
    if made is not None:
        raise BadInput(
            f"{folder} has an environment of `codemonkeys env`, which runs with the Python of this machine: give "
            f"{option('sandbox', 'local')}, or {option('image', 'NAME')} for a container image"
        )
    if language == "python":
        lacks = f"has neither a virtual environment ({', '.join(VENVS)}) nor a {DOCKERFILE} in the commit"
        give = f"{option('venv', 'FOLDER')} or {option('image', 'NAME')}"
    else:
        lacks, give = f"has no {DOCKERFILE} in the commit", option("image", "NAME")
    raise BadInput(
        f"{folder} {lacks}: give {give}, or {option('sandbox', 'local')} to use the programs of this machine; or have "
        f"what its lock files name installed: codemonkeys env {folder}"
    )


def venv_of(folder: Path) -> Path | None:
    """The virtual environment that a repository has in its folder, if any."""
    for pattern in (*VENVS, *TEST_VENVS):
        for config in sorted(folder.glob(f"{pattern}/pyvenv.cfg")):
            return config.parent
    return None


def _check_program(folder: Path, language: str) -> None:
    """Raise BadInput if scripts would not find the program that runs code of this language."""
    program = PROGRAMS.get(language)
    if program is None or shutil.which(program, path=SYSTEM_PATH):
        return
    elsewhere = shutil.which(program)
    yours = f"; yours, {elsewhere}, lies where scripts see nothing" if elsewhere else ""
    raise BadInput(
        f"{folder} needs {program}, and the local sandbox has only the programs of {SYSTEM_PATH.replace(':', ', ')}"
        f"{yours}. Install {program} for the whole machine, or give {option('image', 'NAME')}"
    )


def language_of(entries: tuple[Entry, ...]) -> str:
    """The language that most bytes of the source files are in; `python` if there are none."""
    sizes = Counter[str]()
    for entry in entries:
        if entry.is_file and (language := LANGUAGES.get(Path(entry.path).suffix.lower())):
            sizes[language] += entry.size
    return sizes.most_common(1)[0][0] if sizes else "python"

"""An issue of the user's own repository as a task: its text, the base commit, and where its code runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.tasks.snapshot import Entry, Snapshot
from sandboxes.base import EnvironmentKind

VENVS = (".venv", "venv")
DOCKERFILE = "Dockerfile"
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
            raise BadInput(f"issue {given}: cannot be read as UTF-8 text: {error}") from None
    elif re.fullmatch(r"\S+\.(?:md|txt|json|rst)|\S*/\S+", given.strip()):
        raise BadInput(f"issue {given!r}: no such file; give a file, - for standard input, or the text of the issue")
    else:
        text = given
    if text.lstrip().startswith("{"):
        text = _of_github(text)
    if not text.strip():
        raise BadInput("the issue is empty: say what is wrong and what is expected")
    return text


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # too long for a path, or with a character that paths cannot have
        return False


def _of_github(text: str) -> str:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text  # It only starts like JSON.
    title, body = content.get("title"), content.get("body")
    if not isinstance(title, str) or not isinstance(body, str | None):
        raise BadInput(
            "the issue is JSON, but not that of a GitHub issue, whose title and body are text; get one by: "
            "gh issue view NUMBER --json title,body"
        )
    return f"{title}\n\n{body or ''}".strip() + "\n"


def describe(repository: Path, issue: str, base: str, place: RuntimeChoice) -> Task:
    """The task of resolving an issue of a repository at a commit. Raises BadInput, EnvironmentFailed."""
    folder = repository.expanduser().resolve()
    with Snapshot.of_repository(folder, base) as snapshot:
        if not snapshot.entries:
            raise BadInput(f"{folder} has no files at {base}; commit something first")
        checkout = _checkout(folder, snapshot, place)
        language = language_of(snapshot.entries)
        commit = snapshot.commit
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-")[:80] or "repository"
    digest = hashlib.sha256(f"{commit}\n{issue}".encode(errors="surrogateescape")).hexdigest()[:8]
    return Task(f"{name}-{digest}", name, commit, issue, language=language, image=checkout.image, checkout=checkout)


def _checkout(folder: Path, snapshot: Snapshot, place: RuntimeChoice) -> Checkout:
    """Where the code runs: as given, or else in what the repository has that fits the sandbox."""
    if place.image is not None and place.venv is not None:
        raise BadInput("both an image and a virtual environment: give one of them, the code runs in one place")
    if place.image is not None:
        return Checkout(folder, image=place.image)
    if place.venv is not None:
        venv = place.venv.expanduser().absolute()
        if not (venv / "pyvenv.cfg").is_file():
            raise BadInput(
                f"{place.venv} is not a virtual environment, it has no pyvenv.cfg; make one with: python -m venv"
            )
        return Checkout(folder, venv=venv)
    if place.kind != "image":
        for name in VENVS:
            if (folder / name / "pyvenv.cfg").is_file():
                return Checkout(folder, venv=folder / name)
    if place.kind != "folders" and DOCKERFILE in snapshot:
        return Checkout(folder, dockerfile=DOCKERFILE)
    if place.kind == "folders":
        return Checkout(folder)
    raise BadInput(
        f"{folder} has neither a virtual environment ({', '.join(VENVS)}) nor a {DOCKERFILE} in the commit: give "
        "one, or the name of an image, or choose the local sandbox to use the programs of this machine"
    )


def language_of(entries: tuple[Entry, ...]) -> str:
    """The language that most bytes of the source files are in; `python` if there are none."""
    sizes = Counter[str]()
    for entry in entries:
        if entry.is_file and (language := LANGUAGES.get(Path(entry.path).suffix.lower())):
            sizes[language] += entry.size
    return sizes.most_common(1)[0][0] if sizes else "python"

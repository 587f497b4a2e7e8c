"""Finds environments that were made, and makes them: the only step of a repository's own code path with network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.system import programs
from codemonkeys.system.variables import variables_without_secrets
from codemonkeys.tasks.build_once import is_made, make_in_place
from codemonkeys.tasks.copying import copy_commit
from codemonkeys.tasks.installing.others import go, java, node, rust
from codemonkeys.tasks.installing.plan import PLACE, Files, Options, Plan, Rung, at
from codemonkeys.tasks.installing.python import python
from codemonkeys.tasks.snapshot import Snapshot

SECONDS = 3600.0
"""Time limit of one command."""
ENOUGH = 5
"""Failures in a row from which it is not the packages that fail."""
KINDS = (python, node, go, rust, java)
HELP = {
    "npm": "install Node.js, for the whole machine: scripts see what lies in /usr",
    "go": "install Go, for the whole machine: scripts see what lies in /usr",
    "cargo": "install Rust, for the whole machine: scripts see what lies in /usr",
    "mvn": "install Maven, for the whole machine: scripts see what lies in /usr",
    "uv": "install uv (`pip install uv`), or write what the lock file holds to a requirements.txt (`uv export`)",
    "poetry": "install poetry (`pipx install poetry`), or write what the lock file holds to a requirements.txt",
}
"""What to do where a tool is missing."""


def plans_of(snapshot: Snapshot, scope: str, options: Options) -> list[Plan]:
    """The environments that a repository asks for, one of each kind: by files of the scope, or else of the root."""
    found: list[Plan] = []
    for kind in KINDS:
        for folder in dict.fromkeys(_folders(snapshot, scope)):
            if plan := kind(Files(snapshot, folder), options):
                found.append(plan)
                break
    return found


def _folders(snapshot: Snapshot, scope: str) -> tuple[str, ...]:
    # A workspace has one lock file, at its root.
    is_workspace = "uv.lock" in snapshot and f"{scope}/uv.lock" not in snapshot
    return ("", scope) if is_workspace else (scope, "")


def find_made(snapshot: Snapshot, scope: str, home: Path) -> list[tuple[Plan, Path]]:
    """The environments that were made for these lock files, each with its folder: those whose packages ran scripts,
    and of several versions of Python the newest, first."""
    found: dict[str, tuple[Plan, Path]] = {}
    for scripts in (True, False):
        for plan in plans_of(snapshot, scope, Options(scripts)):
            place = where_made(plan, home)
            if place is not None:
                found.setdefault(plan.kind, (plan, place))
    return list(found.values())


def where_made(plan: Plan, home: Path) -> Path | None:
    """The folder of an environment that was made; for any version, if none was made for the plan's own."""
    if not plan.key:
        return None
    others = sorted(plan.place(home).parent.glob(f"{plan.key}*"), reverse=True)
    return next((place for place in (plan.place(home), *others) if is_made(place)), None)


def why_not(plan: Plan, path: str | None = None) -> str | None:
    """Why an environment cannot be made here, and what to do about it; None if it can. `path`: in place of PATH."""
    files = ", ".join(plan.files)
    if plan.problem:
        return f"{files}: {plan.problem}"
    for tool in dict.fromkeys(command[0] for command in plan.commands):
        if not tool.startswith(PLACE) and shutil.which(tool, path=path) is None:
            return f"{files}: {Path(tool).name} is not installed here; {HELP.get(tool, 'name another with --python')}"
    return None


def make(plan: Plan, repository: Path, commit: str, home: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Make an environment, unless it is there, and return its folder.

    `say` is told each command as it begins. Raises BadInput if it cannot be made here, EnvironmentFailed.
    """
    if problem := why_not(plan):
        raise BadInput(problem)
    place = plan.place(home)
    make_in_place(place, lambda making: _fill(plan, repository, commit, making, say))
    return place


def _fill(plan: Plan, repository: Path, commit: str, place: Path, say: Callable[[str], None]) -> None:
    tree = place / "tree"
    tree.mkdir()
    copy_commit(repository, commit, tree)
    _remove(tree, plan.removed)
    for name, text in plan.written:
        (place / name).write_text(text, "utf-8", "surrogateescape")
    if plan.kind == "rust":
        _keep_mirrors(place / "cargo")
    variables = {name: value.replace(PLACE, str(place)) for name, value in plan.variables}

    def run(command: tuple[str, ...]) -> None:
        say(f"Running: {' '.join(command)}")
        _run(command, variables_without_secrets() | variables, tree / plan.folder)

    *first, last = plan.commands_at(place)
    for command in first:
        run(command)
    climbed = climb(last, plan.ladder, place, run, say)
    if plan.kind == "node":
        _keep_modules(tree, place / "modules")
    for mark in place.glob("m2/**/_remote.repositories"):
        mark.unlink()  # Offline, Maven would take an artifact only from the mirror that it came from.
    shutil.rmtree(tree)
    about: dict[str, object] = {
        "kind": plan.kind,
        "files": plan.files,
        "commands": plan.commands_at(place),
        "notes": plan.notes,
    }
    about |= {"instead": climbed} if climbed else {}
    (place / "environment.json").write_text(json.dumps(about, indent=2) + "\n")


def climb(
    last: tuple[str, ...],
    ladder: Sequence[Rung],
    place: Path,
    run: Callable[[tuple[str, ...]], None],
    say: Callable[[str], None],
) -> str:
    """Run the last command of a plan, or the first rung that succeeds; returns what that is, empty for the command.

    Raises what the command raised if no rung succeeds.
    """
    try:
        run(last)
        return ""
    except EnvironmentFailed as error:
        failed = error
    for rung in ladder:
        say(f"That failed. Trying {rung.what}")
        errors = []
        for tried, command in enumerate(at(place, rung.commands), 1):
            try:
                run(command)
            except EnvironmentFailed as error:
                errors.append(error)
                if not rung.some or len(errors) == tried == ENOUGH:
                    break
                say(f"Left out: {error}")
        if not errors or (rung.some and len(errors) < tried):
            say(f"Installed {rung.what}. Scripts may find other versions than the repository asks for, or lack some")
            return rung.what
    raise failed


def _remove(tree: Path, names: Iterable[str]) -> None:
    """Remove files of these names from all folders, and symbolic links that lead to such a file."""
    above = [str(parent) for name in names for parent in Path(name).parents if parent.name]
    for path in list(tree.rglob("*")):
        if path.is_symlink() or path.is_file():
            if _is_one_of(path.relative_to(tree), [*names, *(above if path.is_symlink() else ())]):
                path.unlink()


def _is_one_of(path: Path, names: Iterable[str]) -> bool:
    return any(path.parts[-len(Path(name).parts) :] == Path(name).parts for name in names)


def _run(command: tuple[str, ...], variables: Mapping[str, str], folder: Path) -> None:
    words = " ".join(command)
    try:
        code, output = programs.run(command, variables, folder, SECONDS)
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"`{words}` took longer than {SECONDS:.0f} s and was stopped; try later") from None
    except OSError as error:
        raise EnvironmentFailed(f"`{words}` cannot be run: {error}") from error
    if code:
        raise programs.failure(f"`{words}` failed (exit {code}); nothing of it is kept", output)


def _keep_modules(tree: Path, kept: Path) -> None:
    """Move every `node_modules` that is not within another out of the copy of the commit."""
    found = []
    for folder, names, _ in os.walk(tree):
        if "node_modules" in names:
            found.append(Path(folder, "node_modules"))
        names[:] = [name for name in names if name not in ("node_modules", ".git")]
    for path in found:
        if path.is_symlink():
            continue
        target = kept / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    kept.mkdir(exist_ok=True)


def _keep_mirrors(folder: Path) -> None:
    """Copy the sources of crates that the user has set up, which decide where cargo looks for what it has fetched."""
    folder.mkdir()
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for name in ("config.toml", "config"):
        try:
            sources = tomllib.loads((home / name).read_text("utf-8")).get("source", {})
        except (OSError, ValueError):
            continue
        lines = []
        for source, table in sources.items():
            lines.append(f"[source.{json.dumps(source)}]")
            texts = {key: value for key, value in table.items() if isinstance(value, str) and redact(value) == value}
            lines += [f"{key} = {json.dumps(value)}" for key, value in texts.items()]
        (folder / "config.toml").write_text("\n".join(lines) + "\n", "utf-8")
        return

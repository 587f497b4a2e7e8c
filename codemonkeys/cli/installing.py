"""`env`: makes the environments that the sandboxes run a repository's code in, and says what a repository lacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import typer

from codemonkeys.cli.console import print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.tasks import own_issue
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, environment_of
from codemonkeys.tasks.installing.making import make, plans_of, where_made, why_not
from codemonkeys.tasks.installing.mounts import venv_of
from codemonkeys.tasks.installing.plan import Options, Plan
from codemonkeys.tasks.local_repository import installed_modules
from codemonkeys.tasks.own_package import why_not_installed
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.stand_ins import stand_ins


class Request(NamedTuple):
    """For which repository, and what the user allows."""

    repository: Path
    base: str
    scope: str
    python: str | None
    scripts: bool
    yes: bool
    dry_run: bool


def install(request: Request, as_json: bool) -> Exit:
    """Make the environments that lock files of a commit ask for, after saying how and asking."""
    given = request.repository.expanduser().resolve()
    root, home = own_issue.root_of(given), default_home()
    with closing(Snapshot.of_repository(root, request.base)) as snapshot:
        scope = own_issue.scope_of(root, given, request.scope, snapshot)
        plans = plans_of(snapshot, scope, options_of(request))
        commit = snapshot.commit
    if not plans:
        raise BadInput(
            f"{root / scope} has no lock file or manifest in commit {commit[:12]} that names packages: pyproject.toml, "
            "requirements.txt, uv.lock, poetry.lock, package-lock.json, go.mod, Cargo.lock or pom.xml"
        )
    problems = {plan.kind: problem for plan in plans if (problem := why_not(plan)) and not where_made(plan, home)}
    possible = [plan for plan in plans if plan.kind not in problems]
    waiting = [plan for plan in possible if where_made(plan, home) is None]
    for problem in problems.values():
        say(f"Cannot be installed: {problem}")
    for plan in possible:
        tell(plan, home)
    if waiting and not request.dry_run:
        ask(request.yes)
        for plan in waiting:
            make(plan, root, commit, home, say)
    if not request.dry_run:
        tell_of_own_project(request)
    if as_json:
        print_json([facts(plan, home, problems.get(plan.kind, "")) for plan in plans])
    elif possible and not request.dry_run:
        say(f"Made for these lock files; found from now on by: codemonkeys fix {request.repository} ...")
    return Exit.FAILED if problems else Exit.DONE


def options_of(request: Request) -> Options:
    """What the user allows. Raises BadInput for a Python that is none."""
    if request.python is None:
        return Options(request.scripts)
    found = shutil.which(request.python)
    try:
        tell = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run(
            [found or request.python, "-c", tell], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BadInput(f"--python {request.python}: not a Python that runs here ({error})") from None
    # The commands run in another folder.
    return Options(request.scripts, str(Path(found or request.python).absolute()), done.stdout.strip())


def tell(plan: Plan, home: Path) -> None:
    """Say what an environment is made of, and by what commands."""
    files = ", ".join(plan.files)
    made = where_made(plan, home)
    if made is not None:
        say(f"{files}: installed already, in {made}")
        return
    place = plan.place(home)
    say(f"{files}: to be installed in {place}, with network, in a copy of the commit, without API keys, by")
    for command in plan.commands_at(place):
        say(f"    {' '.join(command)}")
    for rung in plan.ladder:
        say(f"  if that fails: {rung.what}")
    used = " ".join(word for command in plan.commands for word in command)
    for name, text in plan.written if not plan.ladder else [pair for pair in plan.written if pair[0] in used]:
        say(f"  {name}: {', '.join(text.split(chr(10))).rstrip(', ')}")
    for note in plan.notes:
        say(f"  {note}")


def ask(yes: bool) -> None:
    """Go on if the user says so. Raises BadInput where nobody can be asked, typer.Abort if they say no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("nothing was run: give --yes to have these commands run, or --dry-run only to see them")
    typer.confirm("Run these commands?", abort=True, err=True)


def facts(plan: Plan, home: Path, problem: str) -> dict[str, object]:
    """An environment for programs that read."""
    made = where_made(plan, home)
    commands = plan.commands_at(plan.place(home))
    told = {"kind": plan.kind, "files": plan.files, "commands": commands, "notes": plan.notes, "problem": problem}
    return {**told, "folder": made and str(made)}


def tell_of_own_project(request: Request) -> None:
    """Say if the project itself cannot be installed beside what was."""
    choice = own_issue.RuntimeChoice(kind="folders")
    try:
        task = own_issue.describe(request.repository, "-", request.base, choice, request.scope)
    except BadInput as error:  # such as a program that scripts would not find
        say(str(error))
        return
    for line in own_project(task):
        say(line)


def own_project(task: Task) -> Iterator[str]:
    """Why the project of a task's repository cannot be installed in its environment, if so; installs it."""
    checkout = task.checkout
    if checkout is None or checkout.venv is None or checkout.venv != venv_of(checkout.installed):
        return
    home = default_home()
    if said := why_not_installed(environment_of(task, home, "folders"), home):
        yield (
            f"{checkout.repository}: the project itself could not be installed beside what it needs; its code is still "
            f"imported from its folder, without metadata and generated files. It said: {said}"
        )


def lacking(task: Task) -> Iterator[str]:
    """What scripts will not find of a task's repository, for the user to know before money is spent."""
    checkout = task.checkout
    if checkout is None:
        return
    home = default_home()
    with closing(Snapshot.of_repository(checkout.repository, task.base_commit)) as snapshot:
        yield from stand_ins(snapshot)
        if not checkout.runs_locally:
            return
        for plan in plans_of(snapshot, task.scope, Options()):
            own = installed_modules(checkout.repository, snapshot.entries) if plan.kind == "node" else []
            has = {folder.name.partition("-")[0] for folder in checkout.installed}
            if plan.kind in has or own or (plan.kind == "python" and checkout.venv is not None):
                continue
            if where_made(plan, home) is None:
                yield (
                    f"{', '.join(plan.files)}: what is named there is not installed for the sandbox, which has no "
                    f"network. To have it: codemonkeys env {checkout.repository}"
                    f"{f' --scope {task.scope}' if task.scope else ''}"
                )

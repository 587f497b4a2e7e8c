"""The user's own repository as it lies in this container: the environment of the sandbox `here`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.redact import passwords
from codemonkeys.system.git import Git
from codemonkeys.system.variables import variables_without_secrets
from codemonkeys.tasks import branches
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.wording import option
from sandboxes.base import Environment

KIND = "here"


def why_not(tasks: Sequence[Task]) -> str | None:
    """Why these tasks cannot be solved in this container; None if they can."""
    others = [task.id for task in tasks if task.checkout is None or not task.checkout.runs_locally]
    if not others:
        return None
    return (
        f"{others[0]} has an environment of its own, and this container is that of a repository which lies in it: "
        "codemonkeys fix FOLDER --sandbox here"
    )


def check_outside(tasks: Sequence[Task], folder: Path) -> None:
    """Raise BadInput if a folder that is written meanwhile lies in a working tree, which is put back."""
    for task in tasks:
        if task.checkout is not None and folder.resolve().is_relative_to(task.checkout.repository.resolve()):
            raise BadInput(
                f"{folder} lies in {task.checkout.repository}, which the sandbox here puts back after each "
                f"execution: give a folder outside with {option('runs', 'FOLDER')}, or in CODEMONKEYS_HOME"
            )


def environment_of(
    task: Task, checkout: Checkout, name: str, import_path: str, unversioned: Callable[[str], Path | None]
) -> Environment:
    """The environment whose files are those of the working tree.

    `unversioned`: a folder with `python`, if there is none on a search path. Raises EnvironmentFailed unless the files
    that git tracks are as in the base commit.
    """
    repository = checkout.repository
    if change := branches.uncommitted(repository):
        raise EnvironmentFailed(
            f"{repository} has uncommitted changes ({change}), and the sandbox here runs its files as they are: "
            "commit or stash them"
        )
    git = Git(repository / ".git", repository)
    if git.text("rev-parse", "HEAD^{tree}") != git.text("rev-parse", f"{task.base_commit}^{{tree}}"):
        raise EnvironmentFailed(
            f"{repository} has another commit checked out than {task.base_commit[:12]}, and the sandbox here runs its "
            "files as they are: check that commit out"
        )
    variables = {"PYTHONPATH": import_path, **_variables(checkout)}
    if (python := unversioned(variables["PATH"])) is not None:
        variables["PATH"] += f":{python}"
    return Environment(f"{name}-{KIND}", repository=str(repository), variables=tuple(variables.items()))


def _variables(checkout: Checkout) -> dict[str, str]:
    """Variables of this container without secrets, and the virtual environment of the repository."""
    own = ("CODEMONKEYS_", "PIP_")
    kept = {
        name: value
        for name, value in {"PATH": os.defpath, **variables_without_secrets()}.items()
        if not name.startswith(own) and not any(passwords(value))
    }
    if checkout.venv is not None:
        kept |= {"PATH": f"{checkout.venv}/bin:{kept['PATH']}", "VIRTUAL_ENV": str(checkout.venv)}
    return kept

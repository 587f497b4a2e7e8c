"""Puts a patch on a new branch of the user's repository, running no hook and no filter of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.redact import safe_terminal

UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "codemonkeys"), ("EMAIL", "codemonkeys@localhost"))
}
HARMLESS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "commit.gpgSign": "false",
    "submodule.recurse": "false",
}
SUBJECT = 68
"""Characters of a commit's first line."""


def branch_of(run: str) -> str:
    """The branch on which the patch of a run goes."""
    return f"codemonkeys/{run}"


def check_can_apply(repository: Path, branch: str, commit: str) -> None:
    """Raise BadInput unless a patch against a commit can go on a new branch: clean tree, that commit, no such one."""
    if _git(repository, "rev-parse", "--is-inside-work-tree", check=False) != "true":
        raise BadInput(f"{repository} has no working tree; leave --apply out and use the patch that is printed")
    if _git(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False) != commit:
        raise BadInput(
            f"{repository} has another commit checked out than {commit[:12]}, on which --apply is to build; check that "
            "out, or leave --apply out and use the patch that is printed"
        )
    git_dir = Path(_git(repository, "rev-parse", "--absolute-git-dir"))
    if begun := [name for name in UNDER_WAY if (git_dir / name).exists()]:
        raise BadInput(f"{repository} is in the middle of another operation ({begun[0]}); finish that first")
    changed = _git(repository, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    if changed:
        first = changed.splitlines()[0].strip()
        raise BadInput(
            f"{repository} has changes that are not committed ({first}); commit or stash them: a patch is never "
            "applied on top of them"
        )
    above = branch.partition("/")[0]
    for name in (branch, above):
        if _git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}", check=False):
            raise BadInput(
                f"{repository} has a branch {name} already, which is never overwritten; choose another run name with "
                "--run, or rename the branch"
            )


def apply_on_branch(repository: Path, branch: str, commit: str, patch: str, issue: str) -> str:
    """Commit a patch on a new branch and check that out; returns the hash.

    Raises BadInput: before anything has changed if the tree is not as it must be, or after the commit has been made if
    it cannot be checked out, as over an untracked file.
    """
    check_can_apply(repository, branch, commit)
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(repository, "read-tree", commit, variables=index)
        # Into the index only: no file is written, so no filter is asked.
        _git(repository, "apply", "--cached", "--whitespace=nowarn", "-", given=patch, variables=index)
        tree = _git(repository, "write-tree", variables=index)
    made = _git(repository, "commit-tree", "-p", commit, "-m", message(issue), tree)
    _git(repository, "update-ref", f"refs/heads/{branch}", made, "0" * 40)
    try:
        _git(repository, "switch", "--quiet", "--no-guess", branch)
    except BadInput as error:
        raise BadInput(f"the patch is on branch {branch}, but that could not be checked out: {error}") from None
    return made


def message(issue: str) -> str:
    """The message of the commit: the issue's first line, without what could do harm in a terminal."""
    first = next((line.strip("# \t") for line in safe_terminal(issue).splitlines() if line.strip("# \t")), "an issue")
    short = first if len(first) <= SUBJECT else f"{first[: SUBJECT - 3]}..."
    return f"Fix: {short}\n\nProposed by codemonkeys."


def _git(
    repository: Path,
    *arguments: str,
    given: str = "",
    variables: dict[str, str] | None = None,
    check: bool = True,
) -> str:
    """Run git in the repository's working tree, with no settings of the user's and no program of the repository's."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_CEILING_DIRECTORIES": str(repository.parent),
        "GIT_DIR": _git_dir(repository),
        "GIT_WORK_TREE": str(repository),
        **AUTHOR,
        **(variables or {}),
    }
    settings = HARMLESS | _disabled(environment)
    # Not by -c, which would cut a name at its first equals sign.
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (name, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    done = subprocess.run(
        ["git", *arguments],
        cwd=repository,
        env=environment,
        input=given.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    if done.returncode and check:
        said = safe_terminal(done.stderr.decode(errors="replace")).strip()
        raise BadInput(f"git {arguments[0]} failed in {repository}: {said}")
    return done.stdout.decode(errors="surrogateescape").strip("\n") if done.returncode == 0 else ""


def _git_dir(repository: Path) -> str:
    """The git directory of a working tree, which is another folder for a linked one."""
    import git

    with git.Repo(repository) as found:
        return str(found.git_dir)


def _disabled(environment: dict[str, str]) -> dict[str, str]:
    """What keeps the programs that the repository's settings name, as filters and hooks, from being run."""
    done = subprocess.run(
        ["git", "config", "--null", "--name-only", "--get-regexp", r"^(filter|hook)\."],
        env=environment,
        capture_output=True,
        check=False,
    )
    settings = {}
    for name in done.stdout.decode(errors="surrogateescape").split("\0"):
        kind, _, rest = name.partition(".")
        if kind == "filter":
            settings[name] = ""
        elif kind == "hook":
            settings[f"hook.{rest.rpartition('.')[0]}.enabled"] = "false"
    return settings

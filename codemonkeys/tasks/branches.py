"""Commits a patch to a new branch of the user's repository without running its hooks or filters."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.redact import safe_terminal
from codemonkeys.system.git import Git, identity, stderr_of

IN_PROGRESS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
"""Files of a git directory while an operation waits for the user to finish it."""
SUBJECT = 68
"""Maximum number of characters of the issue in a commit's subject line."""


def branch_of(run: str) -> str:
    """Name of the branch for the patch of a run."""
    return f"codemonkeys/{run}"


def check_can_apply(repository: Path, branch: str, commit: str) -> None:
    """Raise BadInput unless `commit` is checked out, no tracked file is modified and the branch is new."""
    _check(_open(repository), branch, commit)


def apply_on_branch(repository: Path, branch: str, commit: str, patch: str, issue: str) -> str:
    """Commit a patch to a new branch and check it out; returns the hash of the new commit.

    Raises BadInput: before any change if `check_can_apply` fails or the patch does not apply, or after the commit if
    the branch cannot be checked out, as when an untracked file is in the way.
    """
    git = _open(repository)
    _check(git, branch, commit)
    with tempfile.TemporaryDirectory() as folder:
        # In an index of its own: no file is written, so no filter runs.
        staging = replace(git, variables={**git.variables, "GIT_INDEX_FILE": str(Path(folder) / "index")})
        _run(staging, "read-tree", commit)
        _run(staging, "apply", "--cached", "--whitespace=nowarn", "-", stdin=patch)
        tree = _run(staging, "write-tree")
    new = _run(git, "commit-tree", "-p", commit, "-m", message(issue), tree)
    _run(git, "update-ref", f"refs/heads/{branch}", new, "0" * 40)
    try:
        _run(git, "switch", "--quiet", "--no-guess", branch)
    except BadInput as error:
        raise BadInput(f"the patch is on branch {branch}, but that could not be checked out: {error}") from None
    return new


def uncommitted(repository: Path) -> str:
    """The first change of a tracked file that is in no commit, as git words it; empty if there is none."""
    git = _open(repository)
    inside = _query(git, "rev-parse", "--is-inside-work-tree") == "true"
    return _first_change(git) if inside else ""


def _first_change(git: Git) -> str:
    changes = _run(git, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return changes.splitlines()[0].strip() if changes else ""


def message(issue: str) -> str:
    """Commit message with the first line of the issue, without terminal control codes."""
    first = next((line.strip("# \t") for line in safe_terminal(issue).splitlines() if line.strip("# \t")), "an issue")
    short = first if len(first) <= SUBJECT else f"{first[: SUBJECT - 3]}..."
    return f"Fix: {short}\n\nProposed by codemonkeys."


def _open(repository: Path) -> Git:
    """git in a working tree, with the filters and hooks of its configuration disabled."""
    folder = repository.absolute()
    git = Git(folder / ".git", folder, {**identity("codemonkeys"), "GIT_WORK_TREE": str(folder)})
    names = git.try_run("config", "--null", "--name-only", "--get-regexp", r"^(filter|hook)\.").stdout
    settings = {}
    for name in names.decode(errors="surrogateescape").split("\0"):
        section, _, rest = name.partition(".")
        if section == "filter":
            settings[name] = ""
        elif section == "hook":
            settings[f"hook.{rest.rpartition('.')[0]}.enabled"] = "false"
    return replace(git, settings=settings)


def _check(git: Git, branch: str, commit: str) -> None:
    repository = git.folder
    if _query(git, "rev-parse", "--is-inside-work-tree") != "true":
        raise BadInput(f"{repository} has no working tree; leave out --apply and use the printed patch")
    if _query(git, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") != commit:
        raise BadInput(
            f"{repository} has another commit checked out than {commit[:12]}, the base commit of the patch; check that "
            "out, or leave out --apply and use the printed patch"
        )
    git_dir = Path(_run(git, "rev-parse", "--absolute-git-dir"))
    if found := [name for name in IN_PROGRESS if (git_dir / name).exists()]:
        raise BadInput(f"{repository} is in the middle of another operation ({found[0]}); finish that first")
    if first := _first_change(git):
        raise BadInput(
            f"{repository} has uncommitted changes ({first}); commit or stash them: a patch is never applied on top "
            "of them"
        )
    parent = branch.partition("/")[0]  # a branch of this name would be a file where git needs a folder
    for name in (branch, parent):
        if _query(git, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}"):
            raise BadInput(
                f"{repository} already has a branch {name}, which is never overwritten; choose another run name with "
                "--run, or rename the branch"
            )


def _run(git: Git, *arguments: str, stdin: str = "") -> str:
    """Output of git without surrounding newlines. Raises BadInput, as git fails for the state of the repository."""
    done = git.try_run(*arguments, stdin=stdin.encode("utf-8", "surrogateescape"))
    if done.returncode:
        raise BadInput(f"git {arguments[0]} failed in {git.folder}: {safe_terminal(stderr_of(done)).strip()}")
    return done.stdout.decode(errors="surrogateescape").strip("\n")


def _query(git: Git, *arguments: str) -> str:
    """Output of git, empty if it fails: `rev-parse` does so for what does not exist."""
    done = git.try_run(*arguments)
    return "" if done.returncode else done.stdout.decode(errors="surrogateescape").strip("\n")

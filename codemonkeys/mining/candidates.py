"""Reads a history and settles, without running anything, which commits may become tasks and why others do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.mining import cleaning, history, issues
from codemonkeys.mining.history import Commit
from codemonkeys.mining.report import LEFT_OUT, TO_CHECK, Settled
from codemonkeys.mining.runtime import Runtime, runtime_of
from codemonkeys.mining.suites import Suite, suite_for
from codemonkeys.mining.triage import Patches, only_remarks, split, why_no_task
from codemonkeys.repository_tests.virtual_environment import has_pytest
from codemonkeys.system.git import Git, find_repository
from codemonkeys.tasks import own_issue
from codemonkeys.tasks.snapshot import Snapshot

_ORIGIN = re.compile(r"(?:^|[/:@])([\w.-]+)/([\w.-]+?)(?:\.git)?/*$")


@dataclass(frozen=True)
class MineRequest:
    """Which fixes of which repository to make tasks of."""

    repository: Path
    base: str = "HEAD"
    since: datetime | None = None
    until: datetime | None = None
    issues: Mapping[int, str] = field(default_factory=dict[int, str])
    limit: int | None = None
    """Maximum number of tasks."""
    venv: Path | None = None
    runs: int = 3
    """Runs of the tests before and after each fix."""
    seconds: float = 600.0
    """Time limit of a run."""


class Mine(NamedTuple):
    """A repository, and how its tests are run."""

    repository: Path
    repo: str
    """Its name, as OWNER/NAME."""
    language: str
    suite: Suite
    runtime: Runtime
    git: Git


class Candidate(NamedTuple):
    """A commit, with what a task is made of if it may become one."""

    settled: Settled
    commit: Commit
    patches: Patches = Patches((), ())
    issue: str = ""


def open_mine(request: MineRequest) -> Mine:
    """The repository of a request, in the environment that `fix` would take. Raises BadInput, EnvironmentFailed."""
    if request.runs < 2:
        raise BadInput("runs must be 2 or more: one run cannot tell which tests are flaky")
    choice = own_issue.RuntimeChoice(request.venv, None, "folders")
    about = own_issue.describe(request.repository, "mine", request.base, choice)
    assert about.checkout is not None
    root, venv = about.checkout.repository, about.checkout.venv
    git = find_repository(root)
    if git is None:
        raise BadInput(f"{root} is not a git repository; give the folder that holds .git")
    suite = suite_for(about.language, venv is not None and has_pytest(venv))
    with Snapshot.of_repository(root, request.base) as snapshot:
        runtime = runtime_of(venv, root, snapshot)
    return Mine(root, _name(git, about.repo), about.language, suite, runtime, git)


def _name(git: Git, folder: str) -> str:
    told = git.try_run("config", "--get", "remote.origin.url").stdout.decode("utf-8", "replace").strip()
    found = _ORIGIN.search(told) if not told.startswith((".", "/", "file:")) else None
    owner, name = (found[1], found[2]) if found else ("local", folder)
    plain = (re.sub(r"\.{2,}|[^\w.-]", "-", part, flags=re.A)[:80].strip(".-") for part in (owner, name))
    return "/".join(part or "repository" for part in plain)


def candidates(mine: Mine, request: MineRequest) -> Iterator[Candidate]:
    """The commits of a request, newest first, each settled as far as its changes and its text tell."""
    head = mine.git.text("rev-parse", "--verify", "--end-of-options", f"{request.base}^{{commit}}")
    for commit in history.read_commits(mine.git, head, request.since, request.until):
        yield _candidate(mine, request, commit)


def _candidate(mine: Mine, request: MineRequest, commit: Commit) -> Candidate:
    def settled(outcome: str, reason: str = "", issue: str = "") -> Settled:
        date = commit.time.isoformat(timespec="seconds")
        return Settled(commit.hash, date, commit.subject, outcome, reason, issue=issue)

    def left_out(reason: str, issue: str = "") -> Candidate:
        return Candidate(settled(LEFT_OUT, reason, issue), commit)

    if not commit.base:
        return left_out("nothing is known from before it")
    try:
        changes = history.read_changes(mine.git, commit)
        patches = split(changes)
        if why := why_no_task(changes, patches, mine.suite):
            return left_out(why)
        told = issues.issue_of(commit, history.merged_messages(mine.git, commit), request.issues)
        fix = cleaning.Fix(cleaning.telling_lines(patches.gold), patches.paths, (commit.hash,))
        text = cleaning.clean(told.text, fix)
        if not issues.says_something(text):
            return left_out("no issue text is left without what gives the fix away", told.origin)
        if only_remarks(lambda: Snapshot.of_repository(mine.repository, commit.base), patches):
            return left_out("changes only comments, docstrings or layout", told.origin)
    except EnvironmentFailed as error:
        return left_out(f"git cannot read it: {error}")
    return Candidate(settled(TO_CHECK, issue=told.origin), commit, patches, text)


def task_id(mine: Mine, commit: Commit) -> str:
    """Id of the task of a fix, by the commit that it starts from: it must not lead to the fix."""
    return f"{mine.repo.replace('/', '__')}-{commit.base[:12]}"

"""The commits of a repository that may be fixes, and what each changed. Git is only read, by plumbing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from codemonkeys.errors import BadInput
from codemonkeys.generation.paths import patch_paths
from codemonkeys.system.git import Git
from codemonkeys.system.text import valid_text

_DIFF = (
    *("diff-tree", "-r", "-p", "--no-commit-id", "--no-renames", "--no-ext-diff", "--no-textconv"),
    *("--full-index", "--binary", "--no-color", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
)
_SUBMODULE = re.compile(r"^(?:(?:new|deleted) file mode|(?:old|new) mode|index \w+\.\.\w+) 160000$", re.M)


@dataclass(frozen=True)
class Commit:
    """A commit on the main line."""

    hash: str
    base: str
    """Its first parent; empty for the first commit."""
    merge: bool
    time: datetime
    """When it was committed."""
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.strip().split("\n", 1)[0]


@dataclass(frozen=True)
class FileChange:
    """What a commit did to one file."""

    path: str
    diff: str
    """As git prints it, with its `diff --git` line."""

    @property
    def deletes(self) -> bool:
        """Whether the file is gone afterwards."""
        return "\ndeleted file mode " in self.diff.split("\n@@", 1)[0]

    @property
    def creates(self) -> bool:
        """Whether the file is new."""
        return "\nnew file mode " in self.diff.split("\n@@", 1)[0]

    @property
    def of_submodule(self) -> bool:
        """Whether it is a submodule rather than a file."""
        return _SUBMODULE.search(self.diff.split("\n@@", 1)[0]) is not None


def read_commits(git: Git, head: str, since: datetime | None = None, until: datetime | None = None) -> list[Commit]:
    """The commits of the main line, newest first: of a merge its first parent is followed.

    A merged branch thus counts once, as a whole.
    """
    log = git.run("log", "-z", "--first-parent", "--encoding=UTF-8", "--format=%H%n%P%n%ct%n%B", head)
    commits = []
    for record in log.split(b"\0"):
        if not record.strip():
            continue
        hash, parents, seconds, message = record.decode("utf-8", "surrogateescape").split("\n", 3)
        time = datetime.fromtimestamp(int(seconds), UTC)
        if (since is None or time >= since) and (until is None or time <= until):
            base = parents.split()[0] if parents else ""
            commits.append(Commit(hash, base, " " in parents, time, valid_text(message)))
    return commits


def merged_messages(git: Git, commit: Commit) -> list[str]:
    """Messages of the commits that a merge brought, oldest first; none for any other commit."""
    if not commit.merge:
        return []
    arguments = ("-z", "--reverse", "--no-merges", "--encoding=UTF-8", "--format=%B")
    log = git.run("log", *arguments, f"{commit.base}..{commit.hash}")
    return [valid_text(text.decode("utf-8", "surrogateescape")) for text in log.split(b"\0") if text.strip()]


def read_changes(git: Git, commit: Commit) -> list[FileChange]:
    """What the commit did to each file, compared with its first parent. A rename is a deletion and a creation."""
    patch = git.run(*_DIFF, commit.base, commit.hash).decode("utf-8", "surrogateescape")
    sections = re.split(r"^(?=diff --git )", patch, flags=re.M)
    return [FileChange(path_of(section), section) for section in sections if section.startswith("diff --git ")]


def path_of(section: str) -> str:
    """The path that a section of a patch is about."""
    paths = patch_paths(section)
    if not paths:
        # Without content lines, git's first line names the path twice.
        names = section.split("\n", 1)[0].removeprefix("diff --git ")
        return names[: len(names) // 2].removeprefix("a/")
    return paths[-1]


def date_of(text: str, last: bool = False) -> datetime:
    """A date or a time in ISO 8601, UTC where it names no zone. `last`: of a date, its last second.

    Raises BadInput.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text!r} is not a date; write it as 2026-01-31, or with a time as 2026-01-31T12:00") from None
    if last and re.fullmatch(r"[\d-]+", text.strip()):
        found = found.replace(hour=23, minute=59, second=59)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

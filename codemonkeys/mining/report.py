"""The list of commits that were looked at: a line of JSON for each, in the order in which they were settled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput

REPORT = "commits.jsonl"
TASK, LEFT_OUT, FAILED, TO_CHECK = "task", "left out", "failed", "to check"


@dataclass(frozen=True)
class Settled:
    """What became of a commit."""

    commit: str
    date: str
    subject: str
    outcome: str
    """TASK, LEFT_OUT, FAILED (its tests could not be run; it is tried again) or, of a dry run, TO_CHECK."""
    reason: str = ""
    """Why it is no task."""
    task: str = ""
    """Id of the task."""
    issue: str = ""
    """Where the text of the issue is from."""
    fail_to_pass: int = 0
    pass_to_pass: int = 0
    flaky: tuple[str, ...] = ()
    """Tests that are in no list, because their outcome varied."""
    inputs: str = ""
    """Digest of what was run; empty if nothing was."""


class Report:
    """The file in a folder. Lines are only added: the last one of a commit counts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / REPORT
        self.settled: dict[str, Settled] = {found.commit: found for found in _read(self._path)}

    def add(self, found: Settled) -> None:
        """Note what became of a commit, unless the file says so already."""
        if self.settled.get(found.commit) == found:
            return
        self.settled[found.commit] = found
        # A process that was killed may have left half a line.
        broken = self._path.is_file() and not self._path.read_bytes().endswith(b"\n") and self._path.stat().st_size
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("\n" if broken else "") + json.dumps(asdict(found)) + "\n")

    def known(self, commit: str, inputs: str) -> Settled | None:
        """What became of a commit when the same was run."""
        found = self.settled.get(commit)
        return found if found is not None and found.inputs == inputs and found.outcome != FAILED else None


def _read(path: Path) -> Iterator[Settled]:
    if not path.exists():
        return
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}; move it away, or name another folder") from None
    for line in lines:
        try:
            told: dict[str, Any] = json.loads(line)
            yield Settled(**{**told, "flaky": tuple(told["flaky"])})
        except (ValueError, TypeError, KeyError):
            continue  # half a line, of a process that was killed: that commit is settled again

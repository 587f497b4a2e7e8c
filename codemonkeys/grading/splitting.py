"""Grades tasks of several data sets at once: each with the grader that is made for its kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.grading.evaluation import Grader
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Verdict
from codemonkeys.tasks.answer_key import AnswerKey


@dataclass(frozen=True)
class SplitGrader:
    """Gives the jobs whose keys have one of these parsers to `own`, all others to `usual`."""

    parsers: Collection[str]
    own: Grader
    usual: Grader

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task that its grader cannot grade."""
        self._of(key).check(key)

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs of one grader, then those of the other; they may be the same."""
        owned = [job for job in jobs if job.key.log_parser in self.parsers]
        others = [job for job in jobs if job.key.log_parser not in self.parsers]
        for grader, mine in ((self.usual, others), (self.own, owned)):
            if mine:
                grader.grade(mine, run_id, folder, workers, on_verdict)

    def _of(self, key: AnswerKey) -> Grader:
        return self.own if key.log_parser in self.parsers else self.usual

"""Grades some tasks at a time, so that no more images than theirs are on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.grading.evaluation import Grader
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Verdict
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.kept_images import KeptImages


@dataclass(frozen=True)
class FewImagesGrader:
    """Gives `grader` as many tasks at a time as images may be there; what it pulled for them is then removed."""

    grader: Grader
    tasks: Mapping[str, Task]
    images: KeptImages
    at_once: int

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task that the grader cannot grade."""
        self.grader.check(key)

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict."""
        for start in range(0, len(jobs), self.at_once):
            some = jobs[start : start + self.at_once]
            for job in some:
                self.images.begin(self.tasks[job.prediction.instance_id])
            self.grader.grade(some, run_id, folder, workers, on_verdict)
            for job in some:
                self.images.end(self.tasks[job.prediction.instance_id])

"""Tasks of several data sets are graded at once, each by the grader that is made for it, and once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.splitting import SplitGrader
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import Prediction


@dataclass
class Noting:
    """A grader that notes what it is given."""

    graded: list[str] = field(default_factory=list)

    def check(self, key: AnswerKey) -> None:
        self.graded.append(f"check {key.instance_id}")

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        for job in jobs:
            self.graded.append(job.prediction.instance_id)
            on_verdict(Verdict(job.prediction.instance_id, Outcome.RESOLVED))


@pytest.mark.parametrize("same", [False, True])
def test_each_job_is_graded_once_by_its_own_grader(tmp_path: Path, same: bool) -> None:
    own, usual = Noting(), Noting()
    grader = SplitGrader({"own"}, own, own if same else usual)
    jobs = []
    for id, parser in (("a", "own"), ("b", "parse_log_pytest"), ("c", "own")):
        key = AnswerKey(id, "r", "", "", "", ("x",), (), "x", parser, "", "")
        jobs.append(Job(Prediction(id, "m", "p"), key, tmp_path / id))
        grader.check(key)
    told: list[str] = []
    grader.grade(jobs, "run", tmp_path, 1, lambda verdict: told.append(verdict.id))
    assert sorted(told) == ["a", "b", "c"]
    if not same:
        assert (own.graded, usual.graded) == (["check a", "check c", "a", "c"], ["check b", "b"])

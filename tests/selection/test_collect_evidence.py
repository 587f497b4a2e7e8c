"""Evidence: what is collected while a task is solved equals what a reader of the journal finds later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import run_files
from codemonkeys.selection.collect_evidence import BY_SAMPLES, collect_evidence, stored_evidence
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import room

SOURCES = {"a.py": "x = 1\n", "test_a.py": "import a\n\ndef test_x():\n    assert a.x\n"}
PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+{}\n"


def candidate(sample: int, line: str, test: str, approved: bool = True, **more: str) -> Candidate:
    return Candidate(sample, PATCH.format(line), test, approved, **more)


CANDIDATES = [
    candidate(0, "x = 2", "one", source="model a"),
    candidate(1, "x = 3", "two", approved=False, source="model b", family="b"),
    candidate(3, "x  = 2  # again", "", source="model a"),
    candidate(4, "x = 4", "one", source="model a"),
]


def runs(script: str, patch: str | None) -> Execution:
    """Test one says that 2 and 4 fix it; test two breaks; one of two regression tests breaks with 3, with 4 all do."""
    if "codemonkeys-has" in script:
        return Execution(Reason.EXITED, 0, output="codemonkeys-has 0 python\n")
    if "pytest" in script:
        outcomes = {"t": "passed", "u": "failed" if patch and "x = 3" in patch else "passed"}
        line = json.dumps({"tests": outcomes, "texts": {}, "exit": 0, "timed_out": False, "said": ""})
        return Execution(Reason.TIMED_OUT if patch and "x = 4" in patch else Reason.EXITED, 0, output=line)
    if script == "two":
        return Execution(Reason.TIMED_OUT)
    return Execution(Reason.EXITED, 0 if patch and "x = 3" not in patch else 2)


def read_again(work: Work) -> Evidence | None:
    with run_files.reading(work.steps.journal.folder / "run.db") as connection:
        return stored_evidence(connection, TASK.id)


def test_evidence_is_the_same_while_solving_and_from_the_journal(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    with room(tmp_path, make_snapshot(SOURCES), lambda request: "", runs) as work:
        assert read_again(work) is None
        inputs = asyncio.run(collect_evidence(work, CANDIDATES, ["one", "three"]))
        fixed, present, broken = ScriptOutcome.FIXED, ScriptOutcome.PRESENT, ScriptOutcome.BROKEN
        assert inputs.evidence == Evidence(
            task=TASK.id,
            patches=tuple(c.patch for c in CANDIDATES),
            classes=(0, 1, 0, 3),
            sources=("model a", "model b", "model a", "model a"),
            families=("", "b", "", ""),
            original=(present, broken, present),
            edited=((fixed, broken, fixed), (present, broken, present), (fixed, broken, fixed), (fixed, broken, fixed)),
            own=(0, 1, None, 0),
            approved=(True, False, True, True),
            regressions=2,
            breaks=(0, 1, 0, None),
        )
        assert inputs.regressions.broken == ((), ("u",), None)
        assert read_again(work) == inputs.evidence

        journal = work.steps.journal
        journal.put_signals(TASK.id, "belief", {1: (0.75, BY_SAMPLES), 2: (None, BY_SAMPLES), 4: (0.0, BY_SAMPLES)})
        journal.put_signals(TASK.id, "ballot", {0: (4.0, ""), 1: (None, ""), 3: (1.0, "")})
        journal.put_signals(TASK.id, "conversation", {0: (4.0, "")})
        assert read_again(work) == replace(
            inputs.evidence, scores=(0.75, None, 0.75, 0.0), ballots=(3, None, 0), conversation=(3,)
        )


@pytest.mark.parametrize(
    ("candidates", "tests"),
    [(CANDIDATES[2:3], []), ([CANDIDATES[0], CANDIDATES[2]], ["one"]), (CANDIDATES[2:3], ["x"])],
)
def test_little_evidence_is_the_same_too(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], candidates: Sequence[Candidate], tests: Sequence[str]
) -> None:
    """One distinct candidate needs no regression tests: there is nothing to decide."""
    with room(tmp_path, make_snapshot(SOURCES), lambda request: "", runs) as work:
        inputs = asyncio.run(collect_evidence(work, candidates, tests))
        assert inputs.evidence.breaks == ()
        assert read_again(work) == inputs.evidence
        assert not any("pytest" in script for script, _ in work.steps.sandbox.runs)  # type: ignore[attr-defined]


def test_more_candidates_later_need_no_execution_twice(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(SOURCES), lambda request: "", runs) as work:
        asyncio.run(collect_evidence(work, CANDIDATES[:2]))
        inputs = asyncio.run(collect_evidence(work, CANDIDATES))
        assert read_again(work) == inputs.evidence
        done = work.steps.sandbox.runs  # type: ignore[attr-defined]
        assert len(done) == len(set(done))


def test_a_run_cut_off_before_its_votes_has_no_evidence(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def fails(script: str, patch: str | None) -> Execution:
        if patch and "x = 3" in patch:
            raise KeyboardInterrupt
        return runs(script, patch)

    with room(tmp_path, make_snapshot(SOURCES), lambda request: "", fails) as work:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(collect_evidence(work, CANDIDATES))
        assert read_again(work) is None

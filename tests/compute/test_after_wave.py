"""When samples are enough: by what their evidence makes believable, only if asked for, and never from a label."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.compute.after_wave import input_of
from codemonkeys.compute.beliefs import belief, count_accepted, forecast_of
from codemonkeys.compute.draws import Draws
from codemonkeys.engine.work import Work
from codemonkeys.journal import queries, run_files
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.pipeline import solve_task
from codemonkeys.runs.outcomes import State, state_of_choice
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.settings import OperationSettings, SelectionSettings
from codemonkeys.settings.compute_settings import CHANCES
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import room

POLICY = forecast_of(SelectionSettings())


@given(st.integers(1, 20))
def test_each_acceptance_makes_the_best_more_believable(drawn: int) -> None:
    beliefs = [belief(POLICY, drawn, taken) for taken in range(drawn + 1)]
    assert beliefs == sorted(beliefs) and 0 <= beliefs[0] < beliefs[-1] <= 1
    # One that was accepted is less likely right, the more others were refused.
    assert belief(POLICY, drawn + 1, 1) < belief(POLICY, drawn, 1)


def test_types_are_the_means_of_the_tenths_of_what_fits_the_paper() -> None:
    from scipy.stats import beta

    alpha, other = 0.252, 0.298
    bounds = [float(beta(alpha, other).ppf(n / 10)) for n in range(11)]
    below = [alpha / (alpha + other) * float(beta(alpha + 1, other).cdf(bound)) for bound in bounds]
    means = [10 * (high - low) for low, high in zip(below, below[1:], strict=False)]
    assert CHANCES == pytest.approx(means, abs=5e-5)
    assert sum(share for share, _ in POLICY.types) == pytest.approx(1.0)


def test_accepted_is_what_most_valid_tests_fix_and_breaks_nothing() -> None:
    fixed, present, broken = ScriptOutcome.FIXED, ScriptOutcome.PRESENT, ScriptOutcome.BROKEN
    original = (present, present, present, fixed)
    edited = (
        (fixed, fixed, present, broken),
        (fixed, present, broken, fixed),
        (fixed, fixed, fixed, fixed),
        (fixed, fixed, fixed, fixed),
        (fixed, fixed, present, broken),
    )
    evidence = Evidence("t", ("p",) * 5, (0, 1, 2, 3, 0), original=original, edited=edited)
    assert count_accepted(evidence) == 4
    assert (
        count_accepted(Evidence("t", ("p",) * 5, (0, 1, 2, 3, 0), (), (), original, edited, breaks=(0, 0, 1, None, 0)))
        == 2
    )
    assert count_accepted(Evidence("t", ("p",), (0,), original=(fixed,), edited=((fixed,),))) == 0


def fixes(share: int) -> Callable[[str, str | None], Execution]:
    """Test scripts say of so many of the ten edits of a dry run that they fix the issue."""

    def run(script: str, patch: str | None) -> Execution:
        number = int(re.findall(r"trajectory (\d+)", patch)[0]) if patch else 99
        return Execution(Reason.EXITED, 0 if number < share else 2)

    return run


@pytest.mark.parametrize(
    ("stop", "share", "state", "samples"),
    [
        (False, 0, State.PREDICTED, 10),
        (True, 10, State.PREDICTED, 2),
        (True, 0, State.ABSTAINED, 6),
        (True, 1, State.PREDICTED, 2),
    ],
)
@pytest.mark.slow
def test_waves_end_when_one_is_trusted_or_no_more_pays(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], stop: bool, share: int, state: State, samples: int
) -> None:
    generation = {"samples": 10, "wave": 2}
    selection = {"stop": stop, "wrong_worth": -0.1, "sample_cost": 0.01, "regression_files": 0}

    with room(
        tmp_path, make_snapshot({"a.py": "x\n"}), answer, fixes(share), generation=generation, selection=selection
    ) as work:
        choice = asyncio.run(solve_task(work))
        ended = state_of_choice(choice, work.ended_early)
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            notes = queries.task_story(connection, TASK.id)["notes"]
    decisions = [note["body"] for note in notes if note["kind"] == "decision"]
    assert {r.key.sample for r in requests if r.key.stage == "edit"} == set(range(samples))
    assert ended[0] == state
    assert len(decisions) == (samples // 2 if stop else 0)
    if state is State.ABSTAINED:
        assert ended[1] == f"none of {samples} candidates is to be trusted"
        assert choice is not None and choice.number is None


def test_what_selections_have_taken_of_their_share_is_not_missing_elsewhere(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Else a run whose tasks end one after another would count it twice, and leave so much unspent."""

    def spend(work: Work, stage: str, usd: float) -> float | None:
        request = Request(StepKey("another", stage, 0, turn=int(1000 * usd)), (Message("user", "Hello"),))
        step = work.journal.calls.begin(request, "m", usd, None)
        work.journal.calls.finish(step, Completion("x", "stop", None, "m"))
        return asyncio.run(input_of(work, Draws(), collect=False)).left

    with room(tmp_path, make_snapshot({"a.py": "x\n"}), answer) as work:
        work.steps.operation = OperationSettings(budget=10.0, selection_share=0.2)
        work.journal.add_tasks([replace(TASK, id="another")])
        work.journal.put_price("m", Price(1.0, 1.0))
        assert spend(work, "edit", 2.0) == pytest.approx(6.0)
        assert spend(work, "select", 1.5) == pytest.approx(6.0)
        assert spend(work, "judge", 1.0) == pytest.approx(5.5), "half a dollar beyond the share"

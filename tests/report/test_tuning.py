"""What a graded run says of other settings, without a model: drawn again, cross-validated, written as settings."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.cli.exits import Exit
from codemonkeys.cli.tuning import kinds_of, read_graded, tune_command, what_helps
from codemonkeys.compute.policies import check_policy
from codemonkeys.demo.example import store_example
from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.report.calibration import calibrate, calibrated, chances_of
from codemonkeys.report.exponents import best_pairs, fit_exponents, judged_by
from codemonkeys.report.forecast import SuccessDistribution
from codemonkeys.report.resampling import GradedTask, Trajectory, graded_tasks, subset, trajectories_of
from codemonkeys.report.statistics import Interval
from codemonkeys.report.stored_run import read_run
from codemonkeys.report.tuning import Point, Tuned, calibration_of, folds, tune
from codemonkeys.report.tuning_outcomes import RULE_NAMES, Config, Prefixes, outcomes
from codemonkeys.report.tuning_view import settings_file, tuned_view
from codemonkeys.report.verdict_sources import Verdicts, patch_hash
from codemonkeys.runs.outcomes import State
from codemonkeys.selection.deciding import check_rules
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.settings import SelectionSettings, load_settings
from tests.fakes import TASK
from tests.report.finished_run import finish_run

FIXED, PRESENT = ScriptOutcome.FIXED, ScriptOutcome.PRESENT
SAMPLES = 6


def graded(tasks: int = 40, seed: int = 3, honest: bool = True) -> list[GradedTask]:
    """Tasks with their own success rates, whose tests accept 9 of 10 right candidates and 2 of 10 wrong ones.

    `honest`: verdicts are what tests err about; else they are thrown anew, and nothing tells of them.
    """
    dice, found = random.Random(seed), []
    for n in range(tasks):
        chance = dice.betavariate(0.4, 0.4)
        right = [dice.random() < chance for _ in range(SAMPLES)]
        votes = [tuple(FIXED if dice.random() < (0.9 if good else 0.2) else PRESENT for _ in right) for good in right]
        patches = tuple(f"--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-old\n+new {n} {k}\n" for k in range(SAMPLES))
        evidence = Evidence(
            *(f"t-{n}", patches, tuple(range(SAMPLES))),
            original=(PRESENT,) * SAMPLES,
            edited=tuple(votes),
            own=tuple(range(SAMPLES)),
            approved=(True,) * SAMPLES,
        )
        calls = [dice.randint(1, 3) for _ in right]
        trajectories = tuple(
            Trajectory(k, "edit", {"test": (0.01,), "edit": (0.02,) * turns}, k, (None,) * (turns - 1) + (k,))
            for k, turns in enumerate(calls)
        )
        verdicts = tuple(right) if honest else tuple(dice.random() < 0.5 for _ in right)
        found.append(GradedTask(f"t-{n}", evidence, verdicts, trajectories))
    return found


def test_a_subset_has_its_own_tests_and_none_of_others() -> None:
    evidence = Evidence(
        *("t", ("a", "b", "c", "d"), (0, 1, 0, 3)),
        original=(PRESENT, FIXED, PRESENT, PRESENT),
        edited=((FIXED,) * 4, (PRESENT,) * 4, (FIXED,) * 4, (PRESENT, FIXED, PRESENT, FIXED)),
        own=(0, 1, None, 2),
        approved=(True, False, True, False),
        breaks=(0, 1, 0, None),
        ballots=(1, 1),
    )
    kept = subset(evidence, [3, 2])
    # Test 3 was written beside the candidates, tests 0 and 1 by others.
    assert kept.original == (PRESENT, PRESENT) and kept.own == (0, None)
    assert kept.edited == ((PRESENT, FIXED), (FIXED, FIXED))
    assert (kept.patches, kept.classes, kept.approved) == (("d", "c"), (0, 1), (False, True))
    assert kept.breaks == (None, 0) and kept.ballots == ()
    assert subset(evidence, [2, 0]).classes == (0, 0)


@given(st.lists(st.integers(0, SAMPLES - 1), min_size=1, max_size=SAMPLES, unique=True))
def test_any_subset_is_evidence_that_every_rule_can_rank(kept: list[int]) -> None:
    (task,) = graded(1)
    assert task.evidence is not None
    for rule in RULE_NAMES:
        prefixes = Prefixes(task, [task.trajectories[k] for k in kept], None)
        assert prefixes.right(len(kept), rule) in (0.0, 1.0)
    assert subset(task.evidence, range(SAMPLES)) == task.evidence


def test_a_trajectory_that_is_cut_has_the_candidate_that_it_had_by_then() -> None:
    evidence = Evidence("t", ("a", "b"), (0, 1))
    a, b = map(patch_hash, ("a", "b"))
    made = {0: {"test": [0.1], "edit": [0.5, 0.2, 0.2]}, 1: {"test": [0.1, 0.1], "edit": [0.4]}, 7: {"test": [0.3]}}
    first, second = trajectories_of(made, {0: 0, 1: 1}, evidence, (("", b, a), (b,)))
    assert [first.result(turns) for turns in (1, 2, 3, None)] == [None, 1, 0, 0]
    assert [first.cost(turns) for turns in (1, 2, None)] == pytest.approx([0.6, 0.8, 1.0])
    # Its test script, which the evidence has, took two calls: it is not to be had for the price of one.
    assert second.result(1) == 1 and second.cost(1) == pytest.approx(0.6)
    assert first.calls == 4 and first.cost_until(2) == pytest.approx(0.6)


def test_fewer_turns_are_those_of_edits_whose_tests_are_as_in_the_run() -> None:
    point = Config(2, 1, None, "votes")
    assert point.values()["generation"] == {"samples": 2, "edit_turns": 1}
    assert point.words() == "2 samples, 1 edit turn, votes" and "4 edit turns" in point._replace(turns=4).words()


def test_an_agent_is_not_cut_as_nothing_tells_what_it_had_by_then(tmp_path: Path) -> None:
    """Else its patch of many steps is had for the price of one."""
    tasks = [
        replace(
            task,
            trajectories=tuple(
                replace(each, kind="agent", usd={"agent": (0.01,) * 9}, after=()) if each.sample % 2 else each
                for each in task.trajectories
            ),
        )
        for task in graded(10)
    ]
    agent = tasks[0].trajectories[1]
    assert agent.result(1) == agent.candidate and agent.cost(1) == pytest.approx(agent.cost()) == pytest.approx(0.09)
    found = outcomes(tasks, [None] * len(tasks), draws=1)
    tried = {(config.kind, config.turns) for config in found.resolved}
    assert tried == {(None, None), (None, 1), (None, 2), ("edit", None), ("edit", 1), ("edit", 2), ("agent", None)}


def test_written_settings_have_the_kinds_of_the_run(tmp_path: Path) -> None:
    """A point over all kinds means those of the run, which are not the default."""
    runs = []
    for name, kinds in (("mixed", ["edit", "edit", "agent"]), ("agents", ["agent"])):
        given = load_settings(generation={"kinds": kinds}).model_dump(mode="json")
        Journal(tmp_path, name, "source", given).close()
        runs.append(tmp_path / name / "run.db")
    Journal(tmp_path, "others", "source", {"ensemble": {}, **load_settings().model_dump(mode="json")}).close()
    assert kinds_of(runs[:1]) == kinds_of([*runs[:1], tmp_path / "others" / "run.db"]) == ["edit", "edit", "agent"]
    assert kinds_of(runs) == ["edit", "agent"] and kinds_of([tmp_path / "others" / "run.db"]) == []
    point = Point(1.0, Config(2, None, None, "votes"), *(interval := (Interval(0.5, 0.4, 0.6),)), 1.0, 0.5, *interval)
    tuned = Tuned(10, 1, interval[0], 1.0, (point,), None)
    agents = replace(point, config=point.config._replace(kind="agent"))
    path = tmp_path / "tuned.yaml"
    for each, wanted in ((point, ("edit", "edit", "agent")), (agents, ("agent",))):
        path.write_text(settings_file(tuned, each, ["mixed"], kinds_of(runs[:1])))
        assert load_settings([str(path)]).generation.kinds == wanted


def test_points_are_what_counting_by_hand_gives() -> None:
    tasks = graded(8)
    found = outcomes(tasks, [None] * len(tasks), draws=3)
    again = outcomes(tasks[:2], [None] * 2, draws=3)
    assert all((again.resolved[each] == found.resolved[each][:2]).all() for each in again.resolved), "no chance in it"
    whole = Config(SAMPLES, None, None, "votes")
    for n, task in enumerate(tasks):
        assert found.usd[whole][n] == pytest.approx(sum(each.cost() for each in task.trajectories))
        one = found.resolved[Config(1, None, None, "votes")][n]
        assert 3 * one == pytest.approx(round(3 * one)), "a share of three draws"
    single = [float(found.resolved[Config(1, None, None, rule)].mean()) for rule in RULE_NAMES]
    assert len(set(single)) == 1, "of one candidate every rule chooses the same"
    marginal = Config(SAMPLES, None, None, "votes", "marginal", (("selection.sample_cost", 0.02),))
    assert found.usd[marginal].mean() < found.usd[whole].mean()


@pytest.mark.slow
def test_the_frontier_rises_and_its_settings_can_be_used(tmp_path: Path) -> None:
    tasks = graded(20)
    own = [float(bool(task.verdicts[0])) for task in tasks]
    tuned = tune(tasks, own, at=0.2, draws=1)
    costs = [point.usd for point in tuned.frontier]
    assert costs == sorted(costs) and len(set(costs)) > 2
    assert [point.in_sample for point in tuned.frontier] == sorted(point.in_sample for point in tuned.frontier)
    best = tuned.frontier[-1]
    assert best.resolved.value > tuned.run_resolved.value and best.against_run.low <= best.against_run.value
    within = tuned.best_within(0.2)
    assert within is not None and within.usd <= 0.2 and tuned.best_within(0.0001) is None
    for point in tuned.frontier:
        path = tmp_path / "tuned.yaml"
        path.write_text(settings_file(tuned, point, ["run"]))
        settings = load_settings([str(path)])
        check_policy(settings)
        check_rules(settings.selection)
        assert settings.generation.samples == point.config.samples
        assert settings.selection.rule == point.config.rule and settings.compute.policy == point.config.policy
    assert tuned_view(tuned, priced=True) is not None


@pytest.mark.slow
def test_held_out_shares_do_not_gain_by_choosing_among_many() -> None:
    """Where verdicts are coins, the best in sample looks better than half, and the cross-validated one does not."""
    tasks = graded(40, honest=False)
    tuned = tune(tasks, [0.5] * len(tasks), draws=1)
    best = max(tuned.frontier, key=lambda point: point.in_sample)
    assert best.in_sample > 0.55
    assert all(point.resolved.low <= 0.5 + 0.05 for point in tuned.frontier)
    assert best.resolved.value < best.in_sample


def test_too_few_tasks_are_refused_and_equal_ones_share_a_fold() -> None:
    with pytest.raises(ValueError, match="9 graded tasks are too few; 10 are needed"):
        tune(graded(9), [0.0] * 9)
    with pytest.raises(ValueError, match="6 graded tasks are too few"):
        tune([*graded(6), *graded(6)], [0.0] * 12)
    fold_of = folds([f"t-{n % 7}" for n in range(21)], 0)
    assert fold_of[:7] == fold_of[7:14] == fold_of[14:]
    assert {fold_of.count(fold) for fold in range(5)} == {3, 6}


def test_too_few_tasks_are_told_with_what_helps(tmp_path: Path) -> None:
    """Grading where verdicts lack, resuming where tasks have not ended; a run that has both needs more tasks."""
    database = store_example(tmp_path, "example") / "run.db"

    def advice() -> str:
        with pytest.raises(BadInput, match="graded tasks are too few") as refused:
            tune_command(tmp_path, ["example"], [], None, None, False, False)
        return str(refused.value).partition("are needed; ")[2]

    assert advice() == "solve more tasks, or name another run as well"
    with pytest.raises(
        BadInput, match="are graded; name a run of which more tasks have ended, or leave the setting out"
    ):
        calibrated(load_settings(["compute.from_study=example"]), [tmp_path])
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tasks SET state = 'running' WHERE position = 0")
    found = f"example --runs {tmp_path}"
    assert advice() == f"go on with `codemonkeys resume {found}`; solve more tasks, or name another run as well"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM verdicts")
        connection.execute("UPDATE tasks SET state = 'predicted' WHERE position = 0")
    assert advice().startswith(f"grade their candidates with `codemonkeys study {found} --grade candidates`, or give")
    assert what_helps(["a", "b"], [set(), {"t"}], [set(), set()], few=False).startswith("grade their candidates")


def test_calibration_finds_the_errors_of_tests_and_the_kinds_of_tasks() -> None:
    found = calibration_of(graded(300))
    assert found is not None
    # A candidate is accepted by more than half of six tests: 4 of 6 at 0.9 and at 0.2 each.
    assert found.accepts_right == pytest.approx(0.984, abs=0.02)
    assert found.refuses_wrong == pytest.approx(1 - 0.017, abs=0.02)
    assert list(found.chances) == sorted(found.chances) and sum(found.chances) / 10 == pytest.approx(0.5, abs=0.06)
    assert calibrate({}, {}, {}) is None
    # Deciles of the prior that fits the paper are the default.
    default = load_settings().compute.chances
    assert chances_of(SuccessDistribution(0.252, 0.298)) == pytest.approx(default, abs=1e-4)
    assert max(chances_of(SuccessDistribution(2.0, 2.0, 0.5))) < 0.5


def test_a_calibration_counts_no_merged_candidate_as_a_sample() -> None:
    """A task with one right sample of six keeps its chance, though what was merged from it is right too."""
    tasks = graded(20)
    plain = {task.id: task.evidence for task in tasks if task.evidence}
    labels = {task.id: task.verdicts for task in tasks}
    samples = dict.fromkeys(plain, SAMPLES)
    merged = {
        id: replace(
            found,
            patches=(*found.patches, f"merged {id}"),
            classes=(*found.classes, SAMPLES),
            sources=(*["fake"] * SAMPLES, "fuse fake"),
            edited=(*found.edited, (FIXED,) * SAMPLES),
            own=(*found.own, None),
            approved=(*found.approved, True),
        )
        for id, found in plain.items()
    }
    known = calibrate(plain, labels, samples)
    found = calibrate(merged, {id: (*verdicts, True) for id, verdicts in labels.items()}, samples)
    assert known is not None and found is not None and found.chances == known.chances
    assert found.accepts_right > known.accepts_right, "tests are judged on it all the same"


def test_agents_count_as_samples_of_a_stored_run(tmp_path: Path) -> None:
    """Those too that ended without a candidate: a task that none of them solved is a hard one."""
    with closing(Journal(tmp_path, "run", "source", load_settings([]).model_dump(mode="json"))) as journal:
        journal.add_tasks([TASK])
        journal.put_price("m", Price())
        for sample, stage in enumerate(("agent", "edit", "agent")):
            request = Request(StepKey(TASK.id, stage, sample), (Message("user", "Hello"),))
            journal.calls.finish(
                journal.calls.begin(request, "m", 0.5, None), Completion("x", "stop", Usage(1, 1), "m")
            )
        journal.end_task(TASK.id, State.NO_CANDIDATE, "nothing", None, None)
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        run = read_run(connection)
    assert run.without == (TASK.id,) and run.samples == {TASK.id: 3}


def test_exponents_are_those_of_the_best_pairs() -> None:
    tasks = graded(12)
    (task,) = tasks[:1]
    assert task.evidence is not None
    alone = judged_by(task.evidence, [2, 0], [1])
    assert (alone.patches, alone.original) == ((task.evidence.patches[2], task.evidence.patches[0]), (PRESENT,))
    assert judged_by(task.evidence, [2], []).edited == ()
    samples, tests = [1, 2, 4], [0, 1, 2]
    cost = np.array([[1.0, 1.5, 2.0], [2.0, 2.5, 3.0], [4.0, 4.5, 5.0]])
    resolved = np.array([[3.0, 3.0, 3.0], [4.0, 5.0, 5.0], [5.0, 6.0, 8.0]])
    pairs = best_pairs(samples, tests, resolved, cost)
    assert pairs[0][1:] == (1, 0) and pairs[-1][1:] == (4, 2) and (2, 1) in {pair[1:] for pair in pairs}
    found = fit_exponents(tasks, draws=1)
    assert found is None or (0.05 <= found.solve <= 2 and 0.05 <= found.verify <= 2 and found.verify_from >= 1)
    assert fit_exponents([], draws=1) is None
    bare = [replace(task, trajectories=task.trajectories[:2]) for task in tasks]
    assert fit_exponents(bare) is None


@pytest.mark.slow
def test_a_stored_run_is_tuned_and_calibrates_the_next(
    tmp_path: Path, make_repository: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    selection = {"regression_files": 0, "rule": "votes"}
    finish_run(
        *(tmp_path, make_repository({"a.py": "x\n"}), 10),
        generation={"samples": 2, "repository_tests": False},
        selection=selection,
    )
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        run = read_run(connection)
        table = {
            task: {patch_hash(patch): k == 0 and number < 6 for k, patch in enumerate(evidence.patches)}
            for number, (task, evidence) in enumerate(run.evidence.items())
        }
        verdicts = Verdicts({(task, key): right for task, of in table.items() for key, right in of.items()})
        tasks = graded_tasks(connection, run, verdicts)
    assert [len(task.trajectories) for task in tasks] == [2] * 10
    assert all({*each.usd} == {"test", "edit"} and each.cost() > 0 for task in tasks for each in task.trajectories)
    known, wanted = tmp_path / "verdicts.json", tmp_path / "tuned.yaml"
    known.write_text(json.dumps(table))
    with pytest.raises(BadInput, match="0 graded tasks are too few; .* are needed; grade their candidates with"):
        tune_command(tmp_path, ["run"], [], None, None, False, False)
    with pytest.raises(BadInput, match="no settings resolve as much as the run itself; choose by cost with usd=USD"):
        tune_command(tmp_path, ["run"], [str(known)], wanted, None, False, False)
    assert not wanted.exists() and "as the run chose" in capsys.readouterr().out
    assert tune_command(tmp_path, ["run"], [str(known)], wanted, 1.0, False, True) is Exit.DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed["tasks"] == 10 and printed["frontier"]
    assert load_settings([str(wanted)]).generation.samples in (1, 2)
    with pytest.raises(BadInput, match="exists; choose another file"):
        tune_command(tmp_path, ["run"], [str(known)], wanted, None, False, False)
    with pytest.raises(BadInput, match="no settings cost 1e-09 or less"):
        tune_command(tmp_path, ["run"], [str(known)], tmp_path / "cheap.yaml", 1e-9, False, True)

    assert len(read_graded([tmp_path / "run" / "run.db"], [str(known)])[0]) == 10
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection:
        connection.execute("UPDATE tasks SET state = 'running' WHERE position = 0")
        connection.commit()
    with pytest.raises(BadInput, match="9 graded tasks are too few"):
        tune_command(tmp_path, ["run"], [str(known)], None, None, False, False)
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection:
        connection.execute("UPDATE tasks SET state = 'predicted' WHERE position = 0")
        connection.commit()

    settings = load_settings(["compute.from_study=run"])
    grade = f"study run --grade candidates --runs {tmp_path}`"
    with pytest.raises(BadInput, match=f"compute.from_study=run: fewer than 10 tasks of that run are graded.*{grade}"):
        calibrated(settings, [tmp_path])
    store(tmp_path / "run" / "run.db", table, run.evidence)
    found = calibrated(settings, [tmp_path])
    assert found.selection.accepts_right != SelectionSettings().accepts_right
    assert found.compute.chances != settings.compute.chances and found.compute.from_study == "run"
    with pytest.raises(BadInput, match="no run 'other'"):
        calibrated(load_settings(["compute.from_study=other"]), [tmp_path])
    assert calibrated(load_settings(), []) == load_settings()


def store(database: Path, table: dict[str, dict[str, bool]], evidence: dict[str, Evidence]) -> None:
    """Store verdicts in a run."""
    from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts

    for k in range(2):
        graded_patches = {}
        for task, found in evidence.items():
            outcome = "resolved" if table[task][patch_hash(found.patches[k])] else "unresolved"
            grading = Grading(outcome, "", {}, 1.0)
            graded_patches[task] = GradedPatch(found.patches[k], grading, [grading])
        put_verdicts(database, graded_patches)

"""Studies: what they tell of stored evidence, with and without verdicts, as values, tables and figures."""

from __future__ import annotations

import asyncio
import io
import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from codemonkeys.ensembles.ensemble import read_ensemble
from codemonkeys.ensembles.running import choose
from codemonkeys.journal import run_files
from codemonkeys.report.figures import write_figures
from codemonkeys.report.savings import Saving
from codemonkeys.report.stored_run import Cost, StoredRun, read_run
from codemonkeys.report.study import Study, study
from codemonkeys.report.study_tables import study_view
from codemonkeys.report.verdict_sources import Verdicts, add_file, patch_hash
from codemonkeys.runs.session import Options
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.settings import load_settings

SAMPLES = 6
FIXED, PRESENT = ScriptOutcome.FIXED, ScriptOutcome.PRESENT


def patch(number: int) -> str:
    return f"--- a/a.py\n+++ b/a.py\n@@ -{number},1 +{number},1 @@\n-old{number}\n+new{number}\n"


def make_run(tasks: int = 40) -> tuple[StoredRun, Verdicts]:
    """Tasks with their own success rates and three tests: one discriminates, one misleads, one is uninformative."""
    dice = random.Random(5)
    evidence: dict[str, Evidence] = {}
    verdicts = Verdicts()
    turns: dict[str, tuple[tuple[str | None, ...], ...]] = {}
    for n in range(tasks):
        task, chance = f"t-{n}", dice.betavariate(0.5, 0.5)
        right = [dice.random() < chance for _ in range(SAMPLES)]
        patches = tuple(patch(100 * n + k + 1) for k in range(SAMPLES))
        edited = tuple(
            (
                FIXED if (dice.random() < 0.9) == good else PRESENT,
                FIXED if (dice.random() < 0.3) == good else PRESENT,
                FIXED,
            )
            for good in right
        )
        evidence[task] = Evidence(
            *(task, patches, tuple(range(SAMPLES))),
            original=(PRESENT, PRESENT, FIXED),
            edited=edited,
            own=(0, 1, 2, None, None, None),
            approved=tuple(dice.random() < (0.8 if good else 0.5) for good in right),
            regressions=5,
            breaks=tuple(0 if good or dice.random() < 0.3 else 2 for good in right),
        )
        verdicts.by_patch |= {(task, patch_hash(p)): good for p, good in zip(patches, right, strict=True)}
        turns[task] = tuple(("", patch_hash(p)) for p in patches)
    costs = {"test": Cost(10, 1.0), "edit": Cost(20, 4.0), "votes": Cost(0, 0.0, 99, 50.0)}
    choices: dict[str, int | None] = dict.fromkeys(evidence, 0)
    run = StoredRun(
        "made", "votes", dict.fromkeys(evidence, SAMPLES), tuple(evidence), evidence, (), (), choices, costs, turns
    )
    return replace(run, wave_of=dict.fromkeys(evidence, (1, 1, 2, 2, 3, 3))), verdicts


@pytest.fixture(scope="module")
def made() -> tuple[StoredRun, Verdicts]:
    return make_run()


@pytest.fixture(scope="module")
def whole(made: tuple[StoredRun, Verdicts]) -> Study:
    return study(*made)


def text(found: Study) -> str:
    shown = io.StringIO()
    Console(file=shown, width=200).print(study_view(found))
    return shown.getvalue()


def test_rules_lie_between_random_and_oracle(whole: Study) -> None:
    rows = {row.name: row for row in whole.rules}
    assert whole.random and whole.oracle and whole.tasks == 40
    votes, unbroken = rows["votes"], rows["agentless"]
    assert votes.score and votes.recovered and unbroken.score
    assert whole.random.value < unbroken.score.value < whole.oracle.value
    assert votes.recovered.value == pytest.approx(
        (votes.score.value - whole.random.value) / (whole.oracle.value - whole.random.value)
    )
    assert votes.score.low <= votes.score.value <= votes.score.high
    # Votes need tests to be written and run; the shortest patch needs nothing.
    assert votes.cost == Cost(10, 1.0, 99, 50.0) and rows["shortest"].cost == Cost()
    assert ("judge", "no judge was asked") in whole.unavailable
    assert rows["as the run chose"].as_run == 1.0


def test_coverage_matches_a_manual_count(whole: Study, made: tuple[StoredRun, Verdicts]) -> None:
    run, verdicts = made
    right = [[said is True for said in verdicts.of_candidates(evidence)] for evidence in run.evidence.values()]
    assert whole.coverage[0][1].value == pytest.approx(sum(map(sum, right)) / 40 / SAMPLES)
    assert whole.coverage[-1][1].value == pytest.approx(sum(map(any, right)) / 40)
    values = [interval.value for _, interval in (*whole.coverage, *whole.forecast)]
    assert values == sorted(values) and [k for k, _ in whole.forecast] == [12, 18, 30, 60]
    assert whole.turns[0].any == 0 and whole.turns[-1].any == pytest.approx(whole.coverage[-1][1].value)


def test_trajectories_without_an_edit_count_as_samples() -> None:
    run, verdicts = make_run(8)
    found = study(run, verdicts)
    drawn = dict.fromkeys([*run.tasks, "t-x"], 2 * SAMPLES)
    more = study(replace(run, samples=drawn, without=("t-x",)), verdicts)
    assert more.tasks == 9 and len(more.coverage) == 2 * SAMPLES
    assert more.coverage[0][1].value == pytest.approx(found.coverage[0][1].value / 2 * 8 / 9)
    assert "9 graded tasks are too few" in more.no_forecast and more.forecast == ()


def test_tests_and_verifiers(whole: Study) -> None:
    found = whole.tests
    assert found is not None and (found.scripts, found.valid) == (120, 80)
    assert found.valid_discriminating > 0 and 0 < found.valid_misleading < found.valid_discriminating
    verifiers = {row.name: row for row in whole.verifiers}
    regression = verifiers["regression tests"]
    assert regression.true_tpr == 1.0 and regression.true_fpr == pytest.approx(0.3, abs=0.12)
    assert regression.tpr and regression.fpr and regression.tpr > regression.fpr
    assert isinstance(whole.saving, Saving)
    assert whole.saving.replayed < whole.saving.drawn == SAMPLES
    assert whole.saving.usd == pytest.approx(5.0 * (1 - whole.saving.replayed / SAMPLES))


@pytest.mark.slow
def test_without_verdicts_only_label_free_results_remain(made: tuple[StoredRun, Verdicts]) -> None:
    found = study(made[0], None)
    assert found.random is None and found.coverage == () and found.forecast == ()
    assert {row.name for row in found.rules} >= {"votes", "agreement", "agentless"}
    assert all(row.score is None for row in found.rules)
    assert isinstance(found.saving, Saving) and found.saving.score is None
    shown = text(found)
    assert "no verdicts" in shown and "needs tasks with correct and incorrect candidates" in shown
    assert "coverage so far" not in shown and "coverage so far" in text(study(*made))


@pytest.mark.slow
def test_tasks_with_a_missing_verdict_are_excluded_and_counted(made: tuple[StoredRun, Verdicts]) -> None:
    run, verdicts = made
    some = Verdicts({key: said for key, said in verdicts.by_patch.items() if key[0] != "t-3"})
    found = study(run, some)
    assert (found.tasks, found.ungraded, found.turn_tasks) == (40, 1, 39)
    assert all(row.scored == 39 for row in found.rules)
    assert len(found.coverage) == SAMPLES and found.random == study(without(run, "t-3"), some).random


def without(run: StoredRun, task: str) -> StoredRun:
    """The run without a task."""
    return replace(run, evidence={id: found for id, found in run.evidence.items() if id != task})


@pytest.mark.parametrize("graded", [0, 1, SAMPLES])
def test_label_free_columns_are_the_same_whatever_is_graded(graded: int) -> None:
    """As after `evaluate`, which grades what the run chose and no other candidate."""
    run, verdicts = make_run(6)
    said = {patch_hash(e.patches[k]): task for task, e in run.evidence.items() for k in range(graded)}
    found = study(run, Verdicts({key: right for key, right in verdicts.by_patch.items() if key[1] in said}))
    blind = study(run, None)
    assert found.tasks == blind.tasks == 6
    assert [replace(row, score=None, scored=0, recovered=None) for row in found.rules] == list(blind.rules)
    assert found.unavailable == blind.unavailable and found.share is not None and blind.share is not None
    assert found.share[0] == blind.share[0]
    chosen = next(row for row in found.rules if row.name == "as the run chose")
    assert chosen.scored == (6 if graded else 0) and (chosen.score is not None) == bool(graded)
    shown = text(found)
    columns = next(line for line in shown.split("\n") if line.startswith("rule "))
    assert "as the run chose" in shown and ("score" in columns) == bool(graded)
    assert ("recovered" in shown) == (graded == SAMPLES)


def test_rules_without_evidence_are_not_compared_on_single_candidates(
    made: tuple[StoredRun, Verdicts],
) -> None:
    """Every rule picks a task's only candidate; that does not make a judge without scores available."""
    run, verdicts = made
    single = {
        task: Evidence(task, e.patches[:1], (0,), original=(), edited=((),))
        for task, e in list(run.evidence.items())[:3]
    }
    found = study(replace(run, evidence=single, turns={}, wave_of={}), verdicts)
    assert {row.name for row in found.rules} == {
        *("agreement", "as the run chose", "majority", "medoid", "random", "shortest")
    }
    assert ("tests then agreement", "no test ran") in found.unavailable


@pytest.mark.slow
def test_no_forecast_for_candidates_of_different_systems(made: tuple[StoredRun, Verdicts]) -> None:
    run, verdicts = made
    names = tuple(f"system {n}" for n in range(SAMPLES))
    systems = {task: replace(e, sources=names, families=names) for task, e in run.evidence.items()}
    found = study(replace(run, evidence=systems, samples={}, wave_of={}), verdicts)
    assert found.forecast == () and "different systems" in found.no_forecast
    assert len(found.members) == SAMPLES and isinstance(found.saving, str)
    assert found.diversity is None
    # Models of one run that take turns are not that, even if there is one for each sample.
    few = dict(list(systems.items())[:12])
    repeats = {task: replace(e, families=("one",) * SAMPLES) for task, e in few.items()}
    one = study(replace(run, evidence=repeats, samples={}, wave_of={}), verdicts)
    assert [k for k, _ in one.forecast] == [12, 18, 30, 60], "several runs of one system are samples of it"
    turns = study(replace(run, evidence=few), verdicts)
    assert turns.forecast and turns.members == () and isinstance(turns.saving, Saving)
    assert turns.diversity is not None and len(turns.diversity.models) == SAMPLES


def test_diversity_is_counted_by_wave_and_by_model() -> None:
    """Two tasks built by hand: new candidates per wave, unique ones per model, and cumulative coverage."""
    run, _ = make_run(1)
    same, near, far, new = patch(1), patch(1).replace("new1", "new1 too"), patch(5), patch(9)
    patches = {"a": (same, same, near, same), "b": (same, far, same, new)}
    classes = {"a": (0, 0, 2, 0), "b": (0, 1, 0, 3)}
    models = ("one", "two", "one", "two")
    evidence = {task: Evidence(task, patches[task], classes[task], models) for task in patches}
    waves: dict[str, tuple[int, ...]] = {"a": (1, 1, 2, 2), "b": (1, 1, 2, 2)}
    run = replace(run, evidence=evidence, choices={}, turns={}, wave_of=waves, diversity="memory", without=("c",))
    right = {("a", near), ("b", far)}
    verdicts = Verdicts({(t, patch_hash(p)): (t, p) in right for t, made in patches.items() for p in made})
    found = study(run, verdicts).diversity
    assert found is not None and (found.how, found.candidates, found.distinct) == ("memory", 8, 5)
    first, second = found.waves
    assert (first.tasks, first.candidates, first.new, first.alike) == (2, 4, 3, None)
    assert (second.tasks, second.candidates, second.new) == (2, 4, 2)
    assert first.right == second.right == 0.25
    assert [wave.coverage for wave in found.waves] == pytest.approx([1 / 3, 2 / 3]), "the task without one counts"
    assert second.alike is not None and found.alike is not None and 0.3 < second.alike < 0.9
    assert [(m.model, m.candidates, m.distinct, m.alone) for m in found.models] == [("one", 4, 3, 2), ("two", 4, 3, 2)]
    assert [model.coverage for model in found.models] == pytest.approx([1 / 3, 1 / 3])
    blind = study(run, None).diversity
    assert blind is not None and [wave.new for wave in blind.waves] == [3, 2]
    assert all(wave.right is None and wave.coverage is None for wave in blind.waves)
    shown = text(study(run, verdicts))
    assert "5 of 8 candidates are distinct" in shown and "Later waves see: memory" in shown and "unique" in shown


def test_tables_show_everything_and_no_control_code(whole: Study) -> None:
    rows = (replace(whole.rules[0], name="\x1b[31mevil\x07 [link=x]"), *whole.rules[1:])
    shown = text(replace(whole, rules=rows, run="\x1b]0;owned\x07"))
    assert "\x1b" not in shown and "\x07" not in shown and "[link=x]" in shown
    for part in (
        "recovered",
        "forecast",
        "Coverage by turns",
        "mislead",
        "regression tests",
        "Early stopping",
        "CodeT",
    ):
        assert part in shown


def test_a_study_serialises_to_json(whole: Study) -> None:
    assert json.loads(json.dumps(asdict(whole)))["tasks"] == 40


@pytest.mark.slow
def test_figures_are_complete_and_deterministic(whole: Study, tmp_path: Path) -> None:
    rows = (replace(whole.rules[0], name="$\\frac{1}{0} <script> \x1b[31m" + "x" * 300), *whole.rules[1:])
    evil = replace(whole, rules=rows)
    first, second = (write_figures(evil, tmp_path / name) for name in ("one", "two"))
    names = {"rules", "coverage", "turns", "verifiers"}
    assert {path.name for path in first} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes() and len(one.read_bytes()) > 5_000
    assert "<script>" not in (tmp_path / "one" / "rules.svg").read_text()
    assert write_figures(study(make_run(2)[0], None), tmp_path / "none") == []


@pytest.mark.slow
@pytest.mark.data
def test_real_submissions(data_dir: Path, tmp_path: Path) -> None:
    """15 submissions on SWE-bench Lite: selected without labels or executions, then studied with verdicts."""
    paths = sorted((data_dir / "ensemble" / "lite").glob("*.jsonl"))
    ensemble = read_ensemble(str(data_dir / "datasets" / "lite.jsonl"), (), paths)
    settings = load_settings(selection={"rule": "agreement"})
    summary = asyncio.run(choose(ensemble, settings, Options(tmp_path, "lite")))
    assert (summary.predicted, summary.waiting, summary.spent) == (300, 0, 0.0)
    with run_files.reading(summary.folder / "run.db") as connection:
        run = read_run(connection)
    verdicts = Verdicts()
    add_file(verdicts, str(data_dir / "ensemble" / "lite" / "resolved.json"), [m.name for m in ensemble.members])
    found = study(run, verdicts)
    assert found.random and found.oracle
    assert found.random.value == pytest.approx(0.224, abs=0.01)
    assert found.oracle.value == pytest.approx(0.510, abs=0.001)
    best, alone = found.members[0]
    assert best == "moatless_20241117_claude35sonnet1022" and alone == pytest.approx(115 / 300)
    rows = {row.name: row for row in found.rules}
    chosen = rows["as the run chose"]
    assert chosen.score == rows["agreement"].score and chosen.score and chosen.score.value >= 0.32

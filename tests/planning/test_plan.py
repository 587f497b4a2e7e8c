"""Cost estimates: the upper bounds hold for real runs, and the expectations match the paper."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.context.json_arrays import last_array
from codemonkeys.models.base import Price, Request
from codemonkeys.models.fake_answers import answer, marker
from codemonkeys.planning.costs import costs
from codemonkeys.planning.measures import Batch, Measures
from codemonkeys.planning.models import PlannedModel, PlannedModels
from codemonkeys.planning.plan import Plan, make_plan
from codemonkeys.settings import BatchSettings, OperationSettings, Settings, load_settings
from codemonkeys.stages import ASKING
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.tasks.sources import load_tasks
from tests.fakes import TASK
from tests.report.finished_run import PRICE, finish_run
from tests.tiny_task import make_task_repository

SOURCES: dict[str, str | bytes] = {
    f"package/module_{n}.py": f"def function_{n}(x):\n    return x + {n}\n" * 40 for n in range(12)
}
FILES: dict[str, str | bytes] = {**SOURCES, "tests/test_module_0.py": "def test_it():\n    assert function_0(1)\n" * 99}
SMALL: dict[str, Any] = {
    "context": {"batch_tokens": 600, "max_tokens": 400},
    "generation": {"samples": 3, "max_tokens": 300},
}


def own_task(repository: Path) -> Task:
    return replace(TASK, id="owner__name-0", base_commit="HEAD", checkout=Checkout(repository))


def priced(primary: Price | None, scan: Price | None) -> PlannedModels:
    return PlannedModels(PlannedModel(primary), PlannedModel(scan))


def planned(repository: Path, settings: Settings, home: Path) -> Plan:
    return make_plan([own_task(repository)], settings, priced(PRICE, PRICE), home)


def endless(request: Request) -> str:
    """An answer of maximum length that never ends the conversation."""
    stage, words = request.key.stage, " word" * (request.max_tokens - 60)
    if stage in ("digest", "relevance", "rank"):
        return f"{words}[]" if request.key.turn == 0 else f"{words}\n{answer(request)}"
    if stage in ("select", "ballot", "judge", "tournament", "distill", "compare", "critique", "rerank", "prune"):
        return words
    body = answer(replace(request, key=request.key._replace(turn=0, stage="test" if stage == "test" else "edit")))
    return f"{words}\n{body}" if marker(request.messages[0].content) in body else body


def with_other_contexts(answered: Callable[[Request], str], request: Request) -> str:
    """Answers by which the rankings beside the usual three choose fewer files."""
    said = answered(request)
    if request.key.stage != "rank" or request.key.sample < 3 or not (paths := last_array(said)):
        return said
    return f"{said}\n{json.dumps(paths[: request.key.sample - 2])}"


def reserved(runs: Path) -> dict[str, tuple[float, float, int]]:
    """US dollars reserved, US dollars spent, and calls, by stage."""
    connection = sqlite3.connect(runs / "run" / "run.db")
    query = (
        "SELECT s.stage, sum(s.reserved_usd), sum(c.cost_usd), count(*) FROM call_steps s JOIN calls c ON c.id = s.id "
        "GROUP BY s.stage"
    )
    found = {row[0]: row[1:] for row in connection.execute(query)}
    connection.close()
    return found


@pytest.mark.parametrize("answered", [answer, endless])
@pytest.mark.parametrize(
    ("mode", "rule"),
    [
        ("full", "conversation"),
        ("outline", "judge"),
        ("digest", "ballots"),
        ("full", "ballots of a policy"),
        ("full", "top judge"),
        ("full", "hybrid"),
        ("full", "tournament"),
    ],
)
@pytest.mark.slow
def test_no_stage_exceeds_its_upper_bound(
    make_repository: Callable[..., Path], tmp_path: Path, answered: Callable[[Request], str], mode: str, rule: str
) -> None:
    repository = make_repository(FILES)
    context = {**SMALL["context"], "mode": mode, "digests": tmp_path / "digests.db"}
    verifications = 6 if rule == "ballots of a policy" else 0
    selection = {"max_tokens": 300, "rule": rule.partition(" of ")[0]}
    given: dict[str, Any] = {**SMALL, "context": context, "selection": selection}
    if verifications:
        given["compute"] = {"policy": "solve-or-verify", "verify_from": 1, "verify_exponent": 2}
        given["compute"]["verifications"] = verifications
        given["generation"] = {**SMALL["generation"], "wave": 2}
    if rule == "tournament":
        waves = {"wave": 2, "diversity": "distill", "distill_by": "tournament", "distill_best": 1}
        given["generation"] = {**SMALL["generation"], **waves}
    if rule == "judge":
        given["generation"] = {**SMALL["generation"], "layers": ["generate", "critique", "rank", "fuse", "verify"]}
    asked, edits = answered, 3 * 4
    if rule == "hybrid":
        given["search"] = {"contexts": 3, "keep_edits": 2, "prune": "judge", "votes": 2}
        asked, edits = partial(with_other_contexts, answered), 2 * 4 + 1
    settings = finish_run(tmp_path / "runs", repository, answered=asked, **given)
    plan = planned(repository, settings, tmp_path / "home")
    spent = reserved(tmp_path / "runs")
    assert set(spent) == {stage.name for stage in ASKING if plan.stages[stage.name].most_calls}
    for stage, (held, paid, calls) in spent.items():
        bound = plan.stages[stage]
        assert bound.most_usd is not None and held <= bound.most_usd and paid <= bound.most_usd, stage
        assert calls <= bound.most_calls, stage
    assert plan.tasks[0].measured and plan.tasks[0].files == len(SOURCES)
    if answered is endless:
        turns = {stage: calls for stage, (_, _, calls) in spent.items()}
        wanted = (edits, (3 + verifications) * 4)
        assert (turns["edit"], turns["test"]) == wanted, "the bound was tried in earnest"
        assert not verifications or turns["ballot"] > verifications, "by as many votes as the policy allocates"
        assert turns.get("prune", 0) == (2 * 2 * 2 if rule == "hybrid" else 0), "votes on contexts and on edits"
    total = plan.total
    assert total.expected_usd is not None and total.most_usd is not None and 0 < total.expected_usd < total.most_usd


def test_expectations_match_the_paper() -> None:
    """Table 1: dollars for 500 tasks, by stage, at 3, 15, 0.30 and 3.75 USD a million; relevance ran on their own."""
    users = dict.fromkeys(("rank", "test", "edit", "judge", "select"), 150)
    systems = {"digest": 0, "judge": 0, "relevance": 900, "rank": 1_000, "test": 1_200, "edit": 1_500, "select": 1_300}
    batches = (Batch(3, 4_000),) * 735
    measures = Measures((batches,), (), 100, 2_200, 2_940_000, 2_200 * 70, systems, users)
    settings = load_settings(generation={"samples": 10, "test_turns": 8, "edit_turns": 8, "early_tests": True})
    stages = costs(measures, settings, priced(PRICE, PRICE))
    table = {"rank": 19.92, "test": 439.99, "edit": 1366.02, "select": 131.95}
    for stage, dollars in table.items():
        assert stages[stage].expected_usd == pytest.approx(dollars / 500, rel=0.12), stage
    edit = stages["edit"].usage
    assert edit.cache_read_tokens == pytest.approx(2_122.7e6 / 500, rel=0.1)
    assert edit.completion_tokens == pytest.approx(23.6e6 / 500, rel=0.1)
    # Figure 5: with 4 turns, edits cost two thirds of what they cost with 8.
    fewer = costs(measures, load_settings(generation={"edit_turns": 4}), priced(PRICE, PRICE))["edit"].expected_usd
    assert fewer is not None and stages["edit"].expected_usd is not None
    assert fewer / stages["edit"].expected_usd == pytest.approx(920 / 1366, rel=0.1)
    settings = settings.model_copy(update={"operation": OperationSettings(batch=BatchSettings(stages=("relevance",)))})
    batched = costs(measures, settings, priced(PRICE, PRICE))
    assert batched["rank"] == stages["rank"] and batched["relevance"].most_usd == stages["relevance"].most_usd
    assert batched["relevance"].expected_usd == pytest.approx((stages["relevance"].expected_usd or 0) / 2)


def test_a_search_lowers_what_is_expected_of_edits_and_no_bound() -> None:
    batches, names = (
        (Batch(3, 4_000),) * 20,
        ("rank", "test", "edit", "judge", "select", "prune", "choices", "digest", "relevance"),
    )
    measures = Measures((batches,), (), 60, 2_200, 80_000, 4_000, dict.fromkeys(names, 900), dict.fromkeys(names, 150))

    def edits(*search: str) -> tuple[float, float, float]:
        found = costs(measures, load_settings([*search, "generation.samples=8"]), priced(PRICE, PRICE))
        edit, prune = found["edit"], found["prune"]
        assert edit.expected_usd is not None and edit.most_usd is not None and prune.expected_usd is not None
        return edit.expected_usd, edit.most_usd, prune.expected_usd

    whole, bound, _ = edits()
    few, bound_of_few, unasked = edits("search.keep_edits=2")
    assert few < 0.8 * whole and bound_of_few == bound and unasked == 0
    assert edits("search.keep_edits=2", "search.prune=judge")[2] > 0
    assert edits("search.keep_edits=8") == (whole, bound, 0)


def test_what_a_budget_buys_fits_into_it(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    repository = make_repository(FILES)
    settings = load_settings(**SMALL, operation={"budget": 4.0})
    plan = planned(repository, settings, tmp_path)
    bought = {offer.turns: offer.samples for offer in plan.affordable}
    assert list(bought) == [1, 2, 4, 8] and bought[1] > bought[2] > bought[4] > bought[8] > 0
    assert all(offer.expected_usd <= 4.0 for offer in plan.affordable)
    none = planned(repository, load_settings(**SMALL, operation={"budget": 0.001}), tmp_path)
    assert {offer.samples for offer in none.affordable} == {0} and none.affordable[0].expected_usd > 0.001
    assert make_plan([own_task(repository)], settings, priced(None, None), tmp_path).affordable == ()


def test_missing_repositories_are_extrapolated(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    """From measured tasks of the same project, else from all; no engine pulls an image, as there is none."""
    (tiny,) = load_tasks(make_task_repository(tmp_path / "tiny"))
    here = own_task(make_repository(FILES))
    away = [replace(TASK, id="owner__name-1", image="none:1"), replace(TASK, id="x__y-1", repo="x/y", image="none:1")]
    settings = load_settings(**SMALL)
    plan = make_plan([here, tiny, *away], settings, priced(PRICE, Price()), tmp_path / "home")
    assert [task.measured for task in plan.tasks] == [True, True, False, False]
    first, archive, same, other = plan.tasks
    assert archive.files == 1 and same.source_tokens == first.source_tokens
    assert other.source_tokens == round((first.source_tokens + archive.source_tokens) / 2)
    assert plan.stages["relevance"].expected_usd == 0 and (plan.stages["edit"].expected_usd or 0) > 0
    alone = make_plan(away[:1], settings, priced(None, None), tmp_path / "home")
    assert alone.tasks[0].source_tokens == 2_940_000 and alone.total.expected_usd is None

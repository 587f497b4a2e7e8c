"""Estimates that learn from what a run has used, and how far they are off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.cli.places import planned
from codemonkeys.cli.planning import assumptions
from codemonkeys.errors import BadInput
from codemonkeys.models.base import Price
from codemonkeys.models.fake_answers import answer
from codemonkeys.planning.experience import Experience, read_experience
from codemonkeys.planning.models import PlannedModel, PlannedModels
from codemonkeys.planning.plan import make_plan
from codemonkeys.report.run_status import StatusReader
from codemonkeys.report.status_view import estimate_line
from codemonkeys.runs.estimate_file import NAME, read_estimate, write_estimate
from codemonkeys.settings import load_settings
from tests.planning.test_plan import FILES, SMALL, own_task
from tests.report.finished_run import PRICE, finish_run


def test_a_plan_like_a_run_expects_what_the_run_has_used(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    repository, runs = make_repository(FILES), tmp_path / "runs"
    given = {**SMALL, "selection": {"max_tokens": 300}}
    settings = finish_run(runs, repository, answered=answer, **given)
    place = planned(runs, tmp_path / "elsewhere", None, "run")
    assert place.like is not None and planned(runs, tmp_path, "run", None).like == place.like
    with pytest.raises(BadInput, match="no run 'other'"):
        planned(runs, tmp_path, None, "other")
    experience = read_experience(place.like)
    assert experience is not None
    models = PlannedModels(PlannedModel(PRICE), PlannedModel(PRICE))
    task = own_task(repository)

    plan = make_plan([task], settings, models, tmp_path / "home", experience=experience)
    (status,) = [StatusReader(runs / "run").read()]
    assert status.spent_usd is not None and plan.total.expected_usd == pytest.approx(status.spent_usd, rel=0.01)
    bound = make_plan([task], settings, models, tmp_path / "home").total.most_usd
    assert plan.total.most_usd == bound, "what a run may cost at most is no matter of experience"
    more = settings.model_copy(update={"generation": settings.generation.model_copy(update={"samples": 6})})
    stages = make_plan([task], more, models, tmp_path / "home", experience=experience).stages
    assert stages["edit"].calls == 2 * plan.stages["edit"].calls
    assert stages["relevance"].calls == plan.stages["relevance"].calls

    # Of other kinds and fewer turns: half as many that test and edit, and only their first calls.
    kinds = {"kinds": ("edit", "agent"), "samples": 6}
    mixed = settings.model_copy(update={"generation": settings.generation.model_copy(update=kinds)})
    stages = make_plan([task], mixed, models, tmp_path / "home", experience=experience).stages
    assert stages["edit"].calls == plan.stages["edit"].calls and stages["test"].calls == plan.stages["test"].calls
    once = {"test_turns": 1, "edit_turns": 1}
    cut = settings.model_copy(update={"generation": settings.generation.model_copy(update=once)})
    stages = make_plan([task], cut, models, tmp_path / "home", experience=experience).stages
    assert stages["edit"].calls == stages["test"].calls == settings.generation.samples < plan.stages["edit"].calls
    usage, whole = stages["edit"].usage, plan.stages["edit"].usage
    assert 0 < usage.prompt_tokens < whole.prompt_tokens and usage.completion_tokens < whole.completion_tokens

    # The estimate of a run that has begun is not replaced; one from before is compared.
    assert not write_estimate(runs, "run", {task.id: 1.0})
    (runs / "run" / NAME).write_text(json.dumps({task.id: status.spent_usd / 2, "other": 1.0}))
    off = StatusReader(runs / "run").read()
    assert off.estimate_factor == pytest.approx(2.0) and off.estimated_usd == pytest.approx(status.spent_usd / 2 + 1)
    assert "2.00 times" in estimate_line(off) and estimate_line(status) == ""


@pytest.mark.parametrize(
    ("earlier", "given", "said"),
    [
        (None, [], ""),
        ("fixed", [], ""),
        (None, ["selection.stop=true"], "all 6 samples; what the policy stop saves of them is not counted"),
        ("fixed", ["compute.policy=marginal"], "all 6 samples; what the policy marginal saves of them is not counted"),
        ("stop", ["compute.policy=stop"], "as under the same policy, stop, in the run first"),
        ("stop", [], "under the policy stop in the run first; the change to fixed is not counted"),
    ],
)
def test_an_estimate_says_whether_it_counts_what_a_policy_saves(
    earlier: str | None, given: list[str], said: str
) -> None:
    settings = load_settings(["generation.samples=6", "generation.wave=2", *given])
    experience = None if earlier is None else Experience("first", 1, settings.generation, {}, earlier)
    told = [line for line in assumptions(settings, experience) if "policy" in line]
    assert len(told) == bool(said) and all(said in line for line in told)


def test_the_policy_of_an_earlier_run_is_known(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    finish_run(tmp_path, make_repository(FILES), **{**SMALL, "selection": {"stop": True, "rule": "votes"}})
    experience = read_experience(tmp_path / "run" / "run.db")
    assert experience is not None and experience.policy == "stop"


def test_an_estimate_waits_for_its_run(tmp_path: Path) -> None:
    assert write_estimate(tmp_path, "run", {"a": 1.5, "b": 0.5}) and read_estimate(tmp_path / "run") == {
        "a": 1.5,
        "b": 0.5,
    }
    assert not write_estimate(tmp_path, "other", {"a": None}) and not (tmp_path / "other").exists()
    for content in ("", "[1]", '{"a": "b"}'):
        (tmp_path / "run" / NAME).write_text(content)
        assert read_estimate(tmp_path / "run") == {}


def test_writers_and_judges_have_prices_of_their_own() -> None:
    cheap, dear = PlannedModel(Price(1e-6, 1e-6)), PlannedModel(Price(1e-5, 1e-5))
    models = PlannedModels(cheap, cheap, (cheap, dear), dear)
    assert models.of("edit") == (cheap, dear) and models.of("select") == (dear,) and models.of("rank") == (cheap,)
    assert models.most("edit", [(100, 10)]) == dear.at_most(100, 10)
    unknown = PlannedModels(cheap, cheap, (cheap, PlannedModel(None)))
    assert not unknown.are_priced and unknown.most("edit", [(100, 10)]) is None and models.are_priced


def test_nothing_is_learned_before_a_task_has_ended(tmp_path: Path) -> None:
    from codemonkeys.journal.store import Journal

    Journal(tmp_path, "run", "source", load_settings().model_dump(mode="json")).close()
    assert read_experience(tmp_path / "run" / "run.db") is None

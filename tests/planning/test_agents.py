"""What agents are estimated to cost, and what is reserved so that one of them gets to a patch."""

from __future__ import annotations

from typing import Any

import pytest

from codemonkeys.engine.bounds import UpperBounds
from codemonkeys.models.base import Price
from codemonkeys.models.roles import ModelSet
from codemonkeys.planning.costs import costs
from codemonkeys.planning.measures import Batch, Measures
from codemonkeys.planning.models import PlannedModel, PlannedModels
from codemonkeys.planning.stage_cost import StageCost
from codemonkeys.runs.reserve import minimum_reserve
from codemonkeys.settings import OperationSettings, load_settings
from codemonkeys.stages import STAGES
from codemonkeys.tasks.snapshot import Entry
from tests.fakes import AnsweringModel

PRICE = Price(1e-6, 5e-6, 1e-7, 1.25e-6)
MEASURES = Measures(
    (((Batch(20, 4_000)),) * 10,), (), 50, 200, 40_000, 6_000, dict.fromkeys(STAGES, 900), dict.fromkeys(STAGES, 300)
)


def estimated(**given: Any) -> dict[str, StageCost]:
    model = PlannedModel(PRICE)
    return costs(MEASURES, load_settings(**given), PlannedModels(model, model))


def test_kinds_share_the_samples() -> None:
    edits, mixed = estimated(), estimated(generation={"kinds": ["edit", "agent"]})
    assert edits["agent"].most_calls == edits["agent"].most_usd == 0
    for stage in ("test", "edit"):
        assert mixed[stage].most_calls == edits[stage].most_calls / 2
    assert mixed["agent"].most_calls == 5 * 40
    agents = estimated(generation={"kinds": ["agent"]}, agent={"context": "none"})
    assert {stage for stage, cost in agents.items() if cost.most_calls} == {"agent", "select"}


@pytest.mark.parametrize("context", ["none", "paths", "files"])
@pytest.mark.parametrize("steps", [1, 5, 40, 200])
def test_what_is_expected_lies_below_the_bound_and_is_mostly_read_from_the_cache(context: str, steps: int) -> None:
    found = estimated(generation={"kinds": ["agent"], "samples": 4}, agent={"context": context, "steps": steps})[
        "agent"
    ]
    assert found.expected_usd is not None and found.most_usd is not None
    assert 0 < found.expected_usd < found.most_usd and 0 < found.calls <= found.most_calls == 4 * steps
    usage = found.usage
    assert usage.cache_read_tokens + usage.cache_write_tokens == usage.prompt_tokens
    assert min(usage.cache_read_tokens, usage.cache_write_tokens) >= 0
    if steps >= 40:
        assert usage.cache_read_tokens > usage.cache_write_tokens


def test_a_shorter_history_and_a_limit_cost_less() -> None:
    kinds = {"kinds": ["agent"]}
    long, short = (estimated(generation=kinds, agent={"history_tokens": n})["agent"] for n in (64_000, 8_000))
    assert (short.expected_usd or 0) < (long.expected_usd or 0) and (short.most_usd or 0) < (long.most_usd or 0)
    limited = estimated(generation=kinds, agent={"usd": 0.01})["agent"]
    assert (limited.most_usd or 0) < (long.most_usd or 0) / 10


def test_the_minimum_of_an_agent_is_several_steps(bounds: UpperBounds) -> None:
    model = AnsweringModel(lambda request: "", price=PRICE)
    entries = [Entry(f"a{n}.py", "0" * 40, 3_000, "100644") for n in range(20)]

    def minimum(**given: Any) -> dict[str, float]:
        return minimum_reserve(load_settings(**given), ModelSet(model, model), bounds, entries, "It breaks.")

    edit = minimum()
    agent = minimum(generation={"kinds": ["agent"]}, agent={"context": "none"})
    assert agent["relevance"] == agent["rank"] == 0 and agent["edit"] > edit["edit"]
    assert minimum(generation={"kinds": ["edit", "agent"]})["edit"] >= edit["edit"]
    assert minimum(generation={"kinds": ["edit", "agent"], "samples": 1}) == minimum(generation={"samples": 1})


@pytest.fixture
def bounds(tmp_path: Any) -> Any:
    """Of a run without calls."""
    from codemonkeys.journal.store import Journal

    journal = Journal(tmp_path, "run", "source", {})
    yield UpperBounds(journal.calls, OperationSettings())
    journal.close()


def test_branching_adds_what_is_sampled() -> None:
    kinds = {"kinds": ["agent"], "samples": 8}
    alone, branched = estimated(generation=kinds), estimated(generation={**kinds, "branch": True})
    assert alone["branch"].most_calls == 0 and alone["agent"] == branched["agent"]
    found = branched["branch"]
    assert (found.calls, found.most_calls) == (12, 21)
    assert found.expected_usd is not None and found.most_usd is not None and 0 < found.expected_usd < found.most_usd
    assert estimated(generation={**kinds, "samples": 1, "branch": True})["branch"].most_calls == 0


def test_a_policy_pays_for_what_it_adds() -> None:
    """Tests and votes of `solve-or-verify`, and the candidates that trajectories of `particles` are told of."""
    given: dict[str, Any] = {"generation": {"samples": 32, "wave": 8}, "selection": {"rule": "ballots"}}
    fixed, more = estimated(**given), estimated(**given, compute={"policy": "solve-or-verify"})
    each = fixed["test"].most_calls // 32
    # (32 / 8) ** (0.39 / 0.57) = 2.58 verifications go with 32 samples, and a vote more.
    assert more["test"].most_calls == (32 + 2) * each and more["test"].calls > fixed["test"].calls
    assert more["edit"] == fixed["edit"] and more["ballot"].most_calls == fixed["ballot"].most_calls * 3 // 5
    few = estimated(**given, compute={"policy": "solve-or-verify", "verifications": 1})
    assert few["test"].most_calls == (32 + 1) * each and few["ballot"].most_calls == fixed["ballot"].most_calls // 5
    told = estimated(**given, compute={"policy": "particles"})
    assert (told["edit"].most_usd or 0) > (fixed["edit"].most_usd or 0) and told["test"] == fixed["test"]

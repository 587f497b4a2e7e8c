"""What a stage is, is said once: every table about stages follows."""

from __future__ import annotations

from typing import get_args

from codemonkeys.engine.budget import SELECTION
from codemonkeys.engine.queues import priority, priority_to_begin
from codemonkeys.models.failures import how_to_shorten
from codemonkeys.planning.costs import costs
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModel, PlannedModels
from codemonkeys.report.rule_results import STAGES_OF_EVIDENCE
from codemonkeys.report.run_status import PHASES
from codemonkeys.report.savings import GENERATION
from codemonkeys.settings import ContextSettings, load_settings
from codemonkeys.stages import ASKING, CONTEXT_MODES, RESERVES, STAGES, TRAJECTORY, reserve_of, sharing

ORDER = [
    "begin",
    "environment",
    "digest",
    "relevance",
    "rank",
    "test",
    "edit",
    "agent",
    "branch",
    "prune",
    "memory",
    "distill",
    "compare",
]
LAYERS = ["critique", "rerank", "fuse", "verify"]
ORDER += LAYERS
ORDER += ["votes", "regression", "judge", "ballot", "tournament", "select"]


def test_the_tables_are_those_of_the_version_before() -> None:
    """By these a run of that version was scheduled, reserved and reported; tests have followed the context since."""
    assert set(STAGES) == set(ORDER) - {"begin"}
    assert {name for name in STAGES if STAGES[name].role == "scan"} == {"digest", "relevance", "distill"}
    assert GENERATION == ("test", "edit", "agent", "branch") and TRAJECTORY == ("test", "edit", "agent", "fuse")
    assert RESERVES == ("relevance", "rank", "edit", "select") and SELECTION == "select"
    assert (sharing("relevance"), sharing("select")) == (
        ("digest", "relevance"),
        ("judge", "ballot", "tournament", "select"),
    )
    assert [reserve_of(name) for name in ("digest", "ballot", "test", "votes")] == [
        "relevance",
        "select",
        "test",
        "votes",
    ]
    assert PHASES == {
        "selection": ("votes", "regression", "judge", "ballot", "tournament", "select"),
        "generation": ("test", "edit", "agent", "branch", "prune", "memory", "distill", "compare", *LAYERS),
        "context": ("environment", "digest", "relevance", "rank"),
    }
    assert STAGES_OF_EVIDENCE == {
        "edited": ("test", "agent", "votes"),
        "breaks": ("regression",),
        "scores": ("judge",),
        "ballots": ("test", "agent", "votes", "ballot"),
        "conversation": ("test", "agent", "votes", "select"),
        "matches": ("test", "agent", "votes", "tournament"),
    }
    equal = {"environment": "relevance", "digest": "relevance", "rank": "test", "agent": "edit", "tournament": "ballot"}
    equal |= {"distill": "memory", "compare": "memory", "branch": "edit"} | dict.fromkeys(["prune", *LAYERS], "memory")
    ranks = {stage: ORDER.index(equal.get(stage, stage)) for stage in STAGES}
    assert sorted(STAGES, key=lambda s: (priority(s, 0), s)) == sorted(STAGES, key=lambda s: (-ranks[s], s))
    assert all(priority(stage, 999) < priority_to_begin(0) for stage in STAGES)
    assert priority("a stage of tomorrow", 999) < priority("select", 0)


def test_every_stage_that_asks_has_a_cost_and_every_mode_is_a_setting() -> None:
    systems = users = dict.fromkeys(STAGES, 10)
    measures = Measures(((),), (), 10, 3, 1000, 30, systems, users)
    found = costs(measures, load_settings(), PlannedModels(PlannedModel(None), PlannedModel(None)))
    assert list(found) == [stage.name for stage in ASKING]
    assert get_args(ContextSettings.model_fields["mode"].annotation) == tuple(CONTEXT_MODES)
    assert [(mode.name, mode.passes) for mode in CONTEXT_MODES.values()] == [
        *[("full", 1), ("outline", 2), ("digest", 4), ("lexical", 2)]
    ]


def test_what_shortens_the_prompts_of_a_stage_are_settings() -> None:
    settings = load_settings().model_dump()
    for stage in STAGES.values():
        for section, _, name in (setting.partition(".") for setting in stage.shortened_by):
            assert name in settings[section], stage
    assert how_to_shorten("edit").startswith("lower context.tokens in a new run, or")
    assert "context.file_tokens or context.batch_tokens" in how_to_shorten("relevance")
    assert how_to_shorten("rank") == "choose a model with a larger window"

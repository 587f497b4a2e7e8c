"""Profiles: named sets of settings, by cost per task. Numbers of those without agents are from the paper's figure 5."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

from codemonkeys.errors import BadSettings


class Profile(NamedTuple):
    """A named set of settings."""

    why: str
    """What it costs and achieves, in a sentence or two."""
    values: dict[str, Any]
    """Differences from the defaults."""


PROFILES = {
    "paper": Profile(
        "The paper's configuration: 10 samples of up to 8 turns, one file per call. In the paper, editing cost 2.73 "
        "USD per task; 69.8 % of tasks had a correct candidate, and voting alone selected one in 53.0 %.",
        {
            "context": {"mode": "full", "batch_tokens": 0, "rankings": 3, "around_tokens": 0},
            "generation": {
                "samples": 10,
                "test_turns": 8,
                "edit_turns": 8,
                "max_tokens": 4_096,
                "early_tests": True,
                "readings": False,
            },
            "selection": {"candidates": 3, "turns": 10},
        },
    ),
    "balanced": Profile(
        "The defaults: 10 samples of up to 4 turns. In the paper, a third cheaper than 8 turns: 68.0 % of tasks had a "
        "correct candidate, and voting alone selected one in 54.0 %.",
        {"generation": {"samples": 10, "test_turns": 4, "edit_turns": 4}},
    ),
    "cheap": Profile(
        "4 samples of up to 4 turns, outlines before whole files, one ranking. In the paper, 27 % of the editing cost "
        "of `paper`: 59.0 % of tasks had a correct candidate, and voting alone selected one in 50.3 %.",
        {
            "context": {"mode": "outline", "rankings": 1},
            "generation": {"samples": 4, "test_turns": 4, "edit_turns": 4},
            "selection": {"turns": 4},
        },
    ),
    "agent": Profile(
        "8 agents of up to 40 steps. Eight candidates are what the best result of 2026 with a local model was chosen "
        "from (Fujitsu, April 2026: 74.8 % of Verified); 40 steps are twice what estimates expect. They begin with the "
        "paths of files that share words with the issue, as they look for themselves; `lexical` reads 30 files and not "
        "the whole repository, which was 15 % of the paper's bill. A history of 64,000 tokens holds about 50 usual "
        "steps; 2 USD end an agent at four times what one costs in the field.",
        {
            "context": {"mode": "lexical", "rankings": 1},
            "generation": {"kinds": ["agent"], "samples": 8},
            "agent": {"context": "paths", "steps": 40, "history_tokens": 64_000, "usd": 2.0},
            "selection": {"candidates": 3, "turns": 10},
        },
    ),
    "agent-cheap": Profile(
        "2 agents of up to 25 steps without a context stage, so that nothing is read but what they look at. Two are "
        "the fewest between which test scripts can decide; 25 steps leave some beyond the 20 that estimates expect. A "
        "history of 32,000 tokens halves what a late step reads, and 0.50 USD are what one agent costs in the field.",
        {
            "generation": {"kinds": ["agent"], "samples": 2},
            "agent": {"context": "none", "steps": 25, "history_tokens": 32_000, "usd": 0.5},
            "selection": {"turns": 4},
        },
    ),
}


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a profile; raises BadSettings listing the available profiles."""
    if name not in PROFILES:
        raise BadSettings(f"unknown profile {name!r}; choose one of {', '.join(PROFILES)}")
    return deepcopy(PROFILES[name].values)

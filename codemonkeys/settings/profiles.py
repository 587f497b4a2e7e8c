"""Named settings: how much to spend on a task. The numbers are those of the paper's scaling table (figure 5)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

from codemonkeys.errors import BadSettings


class Profile(NamedTuple):
    """Settings that belong together."""

    why: str
    """What they buy, in a sentence or two."""
    values: dict[str, Any]
    """What differs from the defaults."""


PROFILES = {
    "paper": Profile(
        "As the paper: 10 samples of 8 turns, one file a call. Its editing cost 2.73 USD a task; 69.8 % of the tasks "
        "had a right candidate, and votes alone chose it in 53.0 %.",
        {
            "context": {"mode": "full", "batch_tokens": 0, "rankings": 3},
            "generation": {"samples": 10, "test_turns": 8, "edit_turns": 8, "max_tokens": 4_096},
            "selection": {"candidates": 3, "turns": 10},
        },
    ),
    "balanced": Profile(
        "The defaults: 10 samples of 4 turns. In the paper's table a third cheaper than 8 turns: 68.0 % of the tasks "
        "had a right candidate, and votes alone chose it in 54.0 %.",
        {"generation": {"samples": 10, "test_turns": 4, "edit_turns": 4}},
    ),
    "cheap": Profile(
        "4 samples of 4 turns, outlines before whole files, one ranking. In the paper's table 27 % of the editing "
        "cost of `paper`: 59.0 % of the tasks had a right candidate, and votes alone chose it in 50.3 %.",
        {
            "context": {"mode": "outline", "rankings": 1},
            "generation": {"samples": 4, "test_turns": 4, "edit_turns": 4},
            "selection": {"turns": 4},
        },
    ),
}


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a profile; raises BadSettings naming the profiles there are."""
    if name not in PROFILES:
        raise BadSettings(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}")
    return deepcopy(PROFILES[name].values)

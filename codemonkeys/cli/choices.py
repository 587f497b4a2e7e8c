"""What can be chosen by name: built in, or installed by other packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Kind(NamedTuple):
    """Things of one kind that a run can use."""

    option: str
    """What chooses one."""
    names: list[str]
    load: Callable[[str], object]
    """Raises BadSettings for one that cannot be loaded."""
    more: str = ""
    """What can be named besides, other than a `module:attribute`."""


def kinds() -> dict[str, Kind]:
    """All kinds there are."""
    from codemonkeys.models import MODELS
    from codemonkeys.selection.rules import find_rule, rule_names
    from codemonkeys.tasks.backends import BACKENDS
    from codemonkeys.tasks.sources import task_sources

    sources = task_sources()
    return {
        "task sources": Kind("NAME:DATASET, or what the dataset looks like", sources.names(), sources.get),
        "sandboxes": Kind("--sandbox", BACKENDS.names(), BACKENDS.get),
        "models": Kind("--model", MODELS.names(), MODELS.get, "any litellm name"),
        "selection rules": Kind("-c selection.rule=", rule_names(), find_rule),
    }

"""Everything selectable by name, whether built in or installed by another package."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of pluggable component."""

    option: str
    """The option or setting that selects one."""
    names: list[str]
    load: Callable[[str], object]
    """Loads one by name. Raises BadSettings if it cannot be loaded."""
    also: str = ""
    """Other accepted names, besides `module:attribute`."""


def kinds() -> dict[str, Kind]:
    """Every kind, by its plural name."""
    from codemonkeys.compute.policies import find_policy, policy_names
    from codemonkeys.models import MODELS
    from codemonkeys.repository_tests.runners import RUNNERS
    from codemonkeys.selection.rules import find_rule, rule_names
    from codemonkeys.tasks.backends import BACKENDS
    from codemonkeys.tasks.sources import task_sources

    sources = task_sources()
    return {
        "task sources": Kind("NAME:DATASET, or detected from the dataset", sources.names(), sources.get),
        "sandboxes": Kind("--sandbox", BACKENDS.names(), BACKENDS.get),
        "models": Kind("--model", MODELS.names(), MODELS.get, "any litellm name"),
        "selection rules": Kind("-c selection.rule=", rule_names(), find_rule),
        "compute policies": Kind("-c compute.policy=", policy_names(), find_policy),
        "test runners": Kind("-c selection.test_runner=", RUNNERS.names(), RUNNERS.get, "auto"),
    }

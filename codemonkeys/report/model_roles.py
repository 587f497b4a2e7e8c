"""The models of a run by role, with their parameters, as `--dry-run` and `show` list them."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from codemonkeys.models.roles import call_parameters, stage_answer
from codemonkeys.report.parameters import in_words
from codemonkeys.report.tables import new_table, plain
from codemonkeys.settings import Settings
from codemonkeys.settings.roles import names_of, parameters_of
from codemonkeys.stages import ASKING, ROLES


def roles_of(settings: Settings) -> list[dict[str, Any]]:
    """A row for each role and model: `role`, `model`, `stages`, `max_tokens`, and the `parameters` that are given."""
    return [
        {
            "role": role,
            "model": name,
            "stages": [stage.name for stage in ASKING if stage.role == role],
            "max_tokens": call_parameters(settings, role, name).longest_answer(stage_answer(settings, role)),
            "parameters": parameters_of(settings, role, name).given(),
        }
        for role in ROLES
        for name in names_of(settings, role)
    ]


def roles_table(settings: Settings) -> Table:
    """The same as a table."""
    table = new_table("role", "model", "stages", "longest answer", "parameters", numbers=("longest answer",))
    for row in roles_of(settings):
        stages = ", ".join(row["stages"])
        words = in_words(row["parameters"])
        table.add_row(row["role"], plain(row["model"]), stages, f"{row['max_tokens']:,}", plain(words))
    return table

"""`resume`: resumes a run of `solve`, `fix` or `ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codemonkeys.cli import ensembling, sleeping, solving
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.solving import without_none
from codemonkeys.ensembles.resuming import stored_ensemble
from codemonkeys.runs.resuming import read_stored, stored_request
from codemonkeys.runs.sleeping import as_sleep
from codemonkeys.tasks.backends import check_address


def resume(runs: Path, name: str, operation: dict[str, Any], accept_changes: bool, as_json: bool) -> Exit:
    """Resume a run with its stored source, inputs and settings."""
    given = without_none(operation)
    stored = read_stored(runs, name, given)
    check_address(stored.settings.sandbox.kind, given.get("cluster", {}).get("address"))
    if stored.ensemble is not None:
        members = stored_ensemble(stored)
        return ensembling.carry_out(
            members, stored.settings, runs, name, accept_changes, ensembling.Outputs(as_json=as_json)
        )
    if stored.sleeps:
        return sleeping.carry_out(as_sleep(stored_request(stored)), runs, name, accept_changes, as_json)
    return solving.finish(solving.carry_out(stored_request(stored), runs, name, accept_changes), runs, as_json)

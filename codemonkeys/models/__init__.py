"""Language models: one port, and what can stand behind it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemonkeys.models.base import Model
    from codemonkeys.settings import OperationSettings


def open_model(spec: str, operation: OperationSettings) -> Model:
    """The model of a name: `fake`, `replay:FILE` (a recording or a run.db), or a litellm name.

    Raises BadSettings, MissingKey, and BadRecord for a malformed recording. A litellm name takes seconds: litellm is
    imported to look for the key.
    """
    if spec == "fake":
        from codemonkeys.models.dry_run import answer
        from codemonkeys.models.fake import FakeModel

        return FakeModel(answer)
    if spec.startswith("replay:"):
        return open_replay(Path(spec.removeprefix("replay:")))
    from codemonkeys.models.hosted import HostedModel
    from codemonkeys.models.retry import Patience
    from codemonkeys.models.throttle import Throttle

    limits = operation.limits_of(spec)
    assert limits.calls is not None
    model = HostedModel(
        spec,
        operation.api_base,
        operation.call_seconds,
        Patience(attempts=operation.attempts),
        limits.calls,
        operation.prices,
        Throttle(limits.calls, limits.requests_a_minute or math.inf, limits.tokens_a_minute or math.inf),
    )
    model.check()
    return model


def open_replay(path: Path) -> Model:
    """A model that answers from a recording, or from the journal of a run. Raises BadRecord, CorruptJournal."""
    from codemonkeys.models.replay import ReplayModel

    if path.suffix != ".db":
        return ReplayModel.open(path)
    from codemonkeys.errors import BadRecord
    from codemonkeys.journal import queries, run_files

    if not path.is_file():
        raise BadRecord(f"{path}: no such run; check the path")
    with run_files.reading(path) as connection:
        return ReplayModel(dict(queries.answers(connection)), str(path))

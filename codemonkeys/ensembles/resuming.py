"""The ensemble of a resumed run, read again from its files."""

from __future__ import annotations

from codemonkeys.ensembles.ensemble import Ensemble, reread_ensemble
from codemonkeys.runs.resuming import StoredRequest


def stored_ensemble(stored: StoredRequest) -> Ensemble:
    """The ensemble that a run was begun with. Raises BadInput for a file that is missing or has changed."""
    assert stored.ensemble is not None
    return reread_ensemble(stored.source, stored.ids, stored.ensemble)

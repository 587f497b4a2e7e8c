"""One run for all tests of pages: making it takes longer than most of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.view.shown_runs import make_hostile, make_run


@pytest.fixture(scope="session")
def copy_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Copies a finished run of two tasks into a folder of runs under a name, hostile if wanted; its database."""
    made = tmp_path_factory.mktemp("shown")
    database = make_run(made / "runs", made / "repository")

    def copy(runs: Path, name: str = "run", hostile: bool = False) -> Path:
        shutil.copytree(database.parent, runs / name)
        if hostile:
            make_hostile(runs / name / "run.db")
        return runs / name / "run.db"

    return copy

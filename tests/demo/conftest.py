from pathlib import Path

import pytest

from codemonkeys.demo import build_task_repository


@pytest.fixture(scope="session")
def repository(shared_home: Path) -> Path:
    """The demo's task repository, made from the package index."""
    return build_task_repository(shared_home)

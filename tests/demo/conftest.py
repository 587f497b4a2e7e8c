from pathlib import Path

import pytest

from codemonkeys.demo import build_task_repository


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's task repository, made from the package index."""
    return build_task_repository(tmp_path_factory.mktemp("home"))

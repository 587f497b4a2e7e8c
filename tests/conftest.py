"""Fixtures and what a test may need: Docker and the SWE-bench tasks are skipped where missing, unless required."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from codemonkeys import wording
from codemonkeys.demo import INSTANCE_ID
from codemonkeys.tasks.snapshot import Snapshot
from tests.cli.command import fork_server, new_process

if TYPE_CHECKING:
    from tests.sandboxes.cluster import TwoNodes

DATA = Path(os.environ.get("CODEMONKEYS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
settings.register_profile("untimed", deadline=None)  # A busy machine is slow, not wrong.
settings.load_profile("untimed")
CALLS_LITELLM = ("tests/models/", "tests/engine/test_batches.py")
"""Tests for which a process imports litellm, which takes seconds: one worker does, not each."""
LONGEST = ("ray", "python formats", "demo", "batch", "ray runs")
"""Groups of tests that take minutes one after another: one worker begins with each, so that none ends alone."""
REQUIRED = os.environ.get("CODEMONKEYS_TEST_REQUIRE", "").split()


@cache
def missing(need: str) -> str | None:
    """Why a need of a test cannot be met here, or None."""
    if need == "data":
        return None if (DATA / "task_repo").is_dir() else f"no SWE-bench tasks at CODEMONKEYS_TEST_DATA ({DATA})"
    if need == "browser":
        return None if shutil.which("chromium") else "no chromium here"
    from sandboxes import docker

    return docker.unavailable()


def begins(item: pytest.Item) -> int:
    """When a test begins, in rising order."""
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args[0] in LONGEST:
        return LONGEST.index(group.args[0])
    if not item.get_closest_marker("long"):
        return len(LONGEST) + 2
    return len(LONGEST) + (group is None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, before all those that follow one another in one worker.

    What needs Docker is slow: this comes before pytest chooses by `-m`.
    """
    items.sort(key=begins)
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker("slow")
        if item.nodeid.startswith(CALLS_LITELLM):
            item.add_marker(pytest.mark.xdist_group("litellm"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, with the reason; what is required runs and fails instead."""
    for need in ("docker", "data", "browser"):
        if item.get_closest_marker(need) and need not in REQUIRED and (why := missing(need)):
            pytest.skip(why)


def pytest_configure(config: pytest.Config) -> None:
    """Start the server from which commands are forked, one for all workers; it loads nothing before the first one."""
    # Threads of a matrix library wait by computing, and the workers compute already: for matrices as small as ours they
    # only take time from each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not hasattr(config, "workerinput"):
        server = ExitStack()
        server.enter_context(fork_server())
        config.add_cleanup(server.close)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, setting or git identity of the developer's reaches a test."""
    for name in list(os.environ):
        settings = name.startswith("CODEMONKEYS_") and not name.startswith(("CODEMONKEYS_TEST_", "CODEMONKEYS_HOME"))
        if settings or name.endswith(("_API_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # A command that a test calls in this process sets it for good.
    monkeypatch.setattr(wording, "COMMAND_LINE", False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of SWE-bench tasks and records; use it with the marker `data`."""
    return DATA


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Path]:
    """Makes a git repository of one commit from {path: text or bytes}."""

    def make(files: dict[str, str | bytes], name: str = "repository") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        identity = ["-c", "user.name=base", "-c", "user.email=base@localhost"]
        for command in (
            ["init", "-q"],
            ["add", "-A", "-f"],
            [*identity, "commit", "-q", "--allow-empty", "-m", "base"],
        ):
            subprocess.run(["git", *command], cwd=folder, check=True)
        return folder

    return make


@pytest.fixture
def make_snapshot(make_repository: Callable[..., Path]) -> Iterator[Callable[..., Snapshot]]:
    """Makes a snapshot of {path: text or bytes}, which is closed after the test."""
    with ExitStack() as made:

        def make(files: dict[str, str | bytes], name: str = "repository") -> Snapshot:
            return made.enter_context(Snapshot.of_repository(make_repository(files, name)))

        yield make


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for built environments, shared by all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "home"


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Path:
    """The folder in which the demo ran once: what uses it is in the group `demo`, and so in one process."""
    folder = tmp_path_factory.mktemp("demo")
    done = new_process("demo", home=shared_home, cwd=folder)
    assert done.code == 0, done.err
    for part in ("Votes", "Chosen patch", "Spent: 0.00 USD, replayed", f"{INSTANCE_ID}: resolved"):
        assert part in done.out
    return folder


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[TwoNodes]:
    """The one cluster of a worker: what uses it is in the group `ray`, or in `ray runs` if it runs commands over it."""
    from tests.sandboxes.cluster import TwoNodes

    with TwoNodes.started() as cluster:
        yield cluster

"""What a container of a grading that does not end says: of its script, or of the engine."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.grading.containers import ContainerResult, ContainerScript, EngineContainers
from codemonkeys.tasks.images import engine
from tests.sandboxes.conftest import BASE_IMAGE
from tests.sandboxes.relay import Relay
from tests.sandboxes.test_local import wait_until

pytestmark = pytest.mark.docker

COMMAND = ("sh", "-c", "echo started; sleep 1000")


def run(seconds: float, name: str = "") -> ContainerResult:
    script = ContainerScript(COMMAND, {}, (), seconds)
    return EngineContainers(lambda _: BASE_IMAGE).run("a", name or f"tests-{uuid.uuid4()}", script, isolated=True)


def test_a_script_that_runs_when_its_time_is_over_has_reached_a_limit() -> None:
    assert run(seconds=2) == ContainerResult("timed out", "started\n", {})


def test_an_engine_that_does_not_answer_says_nothing_of_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its container still runs, as the engine says when it is asked again, but its time is not over."""
    relay = Relay.of_engine(tmp_path / "relay.sock", monkeypatch, unanswered=b"/wait")
    with pytest.raises(EnvironmentFailed, match="engine was lost after . s of a container, which it now calls running"):
        run(seconds=300)
    relay.cut()


# docker-py leaves a socket open that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_lost_says_nothing_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tests-{uuid.uuid4()}"
    with engine() as direct:
        relay = Relay.of_engine(tmp_path / "relay.sock", monkeypatch)

        def ours() -> list[Any]:
            return list(direct.containers.list(all=True, filters={"label": f"codemonkeys.run={name}"}))

        def lose_it() -> None:
            wait_until(lambda: any(b"started" in container.logs() for container in ours()))
            relay.cut()

        losing = threading.Thread(target=lose_it)
        losing.start()
        try:
            with pytest.raises((EnvironmentFailed, OSError)):
                run(seconds=300, name=name)
        finally:
            losing.join()
            for container in ours():
                container.remove(force=True)

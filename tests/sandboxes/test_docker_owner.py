"""What is left of the docker sandbox when its owner is killed, and when the engine stops in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Environment, Execution, Limits, Reason, Script, conformance
from sandboxes.docker import DockerSandbox
from sandboxes.engine import LABEL
from tests.sandboxes.conftest import BASE_IMAGE
from tests.sandboxes.test_docker import containers, engine, running
from tests.sandboxes.test_docker_image import image_of
from tests.sandboxes.test_local import SH, wait_until

__all__ = ["engine"]

pytestmark = pytest.mark.docker

OWNER = """
import sys, threading
from sandboxes import Environment, Limits, Script
from sandboxes.docker import DockerSandbox
sandbox = DockerSandbox(sys.argv[2], reuse=sys.argv[4] == "True")
environment = Environment("owned", image=sys.argv[1])
def work():
    while True: sandbox.run(environment, Script("exit 0", command=("sh",)))
for _ in range(3): threading.Thread(target=work).start()
sandbox.run(environment, Script(f"setsid sleep 1000 & sleep 1000; : {sys.argv[3]}", command=("sh",)))
"""


@pytest.mark.parametrize("reuse", [False, True])
def test_nothing_outlives_a_killed_owner(engine: Any, docker_environment: Environment, reuse: bool) -> None:
    """Not what runs, what waits, what is just being made, nor the guard itself."""
    run, mark = str(uuid.uuid4()), str(uuid.uuid4())
    command = [sys.executable, "-c", OWNER, str(docker_environment.image), run, mark, str(reuse)]
    owner = subprocess.Popen(command)
    wait_until(lambda: len(running(engine, run)) >= 3)
    sandbox = containers(engine, run)[0]["Labels"][f"{LABEL}.sandbox"]
    guards = conformance.processes_with(sandbox)
    assert len(guards) == 1
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_until(lambda: not running(engine, run), 30)
    wait_until(lambda: not conformance.processes_with(sandbox), 60)
    assert not containers(engine, run) and not conformance.processes_with(mark)


def test_nothing_outlives_an_owner_that_is_killed_with_its_guard(engine: Any, docker_environment: Environment) -> None:
    """Then what was made but not started waits for the next sandbox; what runs ends all the same."""
    run, mark = str(uuid.uuid4()), str(uuid.uuid4())
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(docker_environment.image), run, mark, "False"])
    wait_until(lambda: len(running(engine, run)) >= 3)
    sandbox = containers(engine, run)[0]["Labels"][f"{LABEL}.sandbox"]
    for process in (*conformance.processes_with(sandbox), owner.pid):
        os.kill(int(str(process)), signal.SIGKILL)
    owner.wait()
    wait_until(lambda: not running(engine, run))
    assert not conformance.processes_with(mark)
    next_one = DockerSandbox("next")
    next_one.ensure(docker_environment)
    wait_until(lambda: not containers(engine, run))
    next_one.close()


class Engine:
    """A Docker engine of this test's own, that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        places = [f"--{name}={self.folder}/{place}" for name, place in settings.items()]
        # Not `--bridge=none`: that would take the bridge away from another engine on this machine.
        command = [
            "dockerd",
            f"--host={self.address}",
            *places,
            "--iptables=false",
            "--ip6tables=false",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self.docker("info", check=False).returncode == 0, 60)

    def stop(self) -> None:
        assert self._process
        self._process.terminate()
        try:
            self._process.wait(120)
        finally:
            self._process.kill()

    def docker(self, *words: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "--host", self.address, *words]
        return subprocess.run(command, check=check, capture_output=True, timeout=300, **more)


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("only root can start an engine of its own")
    folder = Path(tempfile.mkdtemp(prefix="engine"))  # a path of pytest's is too long for a socket
    own = Engine(folder)
    try:
        own.start()
        yield own
    finally:
        own.stop()
        for mounted in Path("/proc/self/mounts").read_text().splitlines():
            if (path := mounted.split()[1]).startswith(str(folder)):
                subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(folder)


# docker-py leaves a socket open when an engine goes while it connects.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_batch_goes_on_after_the_engine_was_stopped_and_started(
    own_engine: Engine, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in work failed as a sandbox and as nothing else; tried again, as a run does, all of it is right."""
    import docker

    with subprocess.Popen(["docker", "save", BASE_IMAGE], stdout=subprocess.PIPE) as saved:
        own_engine.docker("load", stdin=saved.stdout)
    monkeypatch.setenv("DOCKER_HOST", own_engine.address)
    client = docker.from_env()
    results: dict[int, list[Execution]] = {number: [] for number in range(24)}
    in_work = {number: f"{uuid.uuid4()}" for number in range(8, 12)}

    def work(numbers: range) -> None:
        for number in numbers:
            for attempt in range(3):
                # These are met by a stop, however slow it is.
                until = f"sh -c 'sleep 90; :' {in_work[number]}; " if number in in_work and attempt == 0 else ""
                script = Script(f"{until}echo {number}; exit {number}", command=SH)
                results[number].append(sandbox.run(environment, script, limits=Limits(memory_mb=256)))
                if results[number][-1].reason is not Reason.SANDBOX_FAILED:
                    break

    with image_of(client, f"FROM {BASE_IMAGE}\nCOPY repository /testbed\n", folders[0]) as environment:
        sandbox = DockerSandbox("batch")
        workers = [threading.Thread(target=work, args=(range(first, 24, 4),), daemon=True) for first in range(4)]
        for worker in workers:
            worker.start()
        wait_until(lambda: all(map(conformance.processes_with, in_work.values())), 60)
        own_engine.stop()
        own_engine.start()
        wait_until(lambda: not any(worker.is_alive() for worker in workers), 300)
        sandbox.close()
        assert not client.api.containers(all=True)
    client.close()
    for number, attempts in results.items():
        assert {done.reason for done in attempts[:-1]} <= {Reason.SANDBOX_FAILED}, attempts
        assert (attempts[-1].exit_code, attempts[-1].output) == (number, f"{number}\n"), attempts
    assert all(len(results[number]) > 1 for number in in_work)

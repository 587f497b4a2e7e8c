"""What only the docker sandbox does: containers, their owners, and the engine."""

from __future__ import annotations

import ast
import contextlib
import gc
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.docker import DockerSandbox, export_folder
from sandboxes.engine import LABEL, ran_out_of_memory
from tests.sandboxes.relay import Relay
from tests.sandboxes.test_local import SH, wait_until

pytestmark = pytest.mark.docker
SLEEP = Script("echo started; sleep 1000", "script.sh", SH)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    import docker

    client = docker.from_env()
    yield client
    client.close()


def containers(engine: Any, run: str) -> list[Any]:
    found: list[Any] = engine.api.containers(all=True, filters={"label": f"{LABEL}.run={run}"})
    return found


def running(engine: Any, run: str) -> list[Any]:
    return [found for found in containers(engine, run) if found["State"] == "running"]


def sleeping(engine: Any, run: str) -> list[Any]:
    """The containers in which the script that lasts has begun; not those that wait for a script."""

    def sleeps(container: str) -> bool:
        return any("sleep 1000" in word for process in engine.api.top(container)["Processes"] for word in process)

    return [found for found in running(engine, run) if sleeps(found["Id"])]


@contextlib.contextmanager
def in_flight(
    sandbox: DockerSandbox, environment: Environment, script: Script = SLEEP, memory_mb: int = Limits().memory_mb
) -> Iterator[list[Execution]]:
    """A run that would last; when the block ends, it has ended, and the list holds its result."""
    results: list[Execution] = []
    limits = Limits(seconds=60, memory_mb=memory_mb)
    thread = threading.Thread(target=lambda: results.append(sandbox.run(environment, script, limits=limits)))
    thread.start()
    yield results
    thread.join(30)
    assert not thread.is_alive()


def test_a_used_container_goes_by_itself(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run, ahead=0)
    assert sandbox.run(docker_environment, SLEEP, limits=Limits(seconds=0.5)).reason is Reason.TIMED_OUT
    assert sandbox.run(docker_environment, Script("exit 3", command=SH)).exit_code == 3
    wait_until(lambda: not containers(engine, run))
    sandbox.close()


def test_nothing_is_left_after_close(engine: Any, docker_environment: Environment) -> None:
    def own() -> tuple[int, set[int | None], set[str]]:
        gc.collect()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(os.listdir("/proc/self/fd")), {thread.ident for thread in threading.enumerate()}, set(children)

    run = str(uuid.uuid4())
    assert not containers(engine, run)
    before = own()
    for reuse in (False, True):
        sandbox = DockerSandbox(run, reuse=reuse)
        for code in range(4):
            assert sandbox.run(docker_environment, Script(f"exit {code}", command=SH)).exit_code == code
        assert len(containers(engine, run)) >= 2
        sandbox.close()
        assert not containers(engine, run)
    # What tests before this one left behind may end meanwhile.
    (files, threads, children), after = before, own()
    assert after[0] <= files and after[1] <= threads and after[2] <= children


def test_a_container_is_locked_down(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run, ahead=0)
    with in_flight(sandbox, docker_environment):
        wait_until(lambda: sleeping(engine, run))
        seen = engine.api.inspect_container(sleeping(engine, run)[0]["Id"])
        sandbox.close()
    host, labels = seen["HostConfig"], seen["Config"]["Labels"]
    assert host["NetworkMode"] == "none" and not seen["NetworkSettings"]["Networks"]
    assert host["AutoRemove"] and host["LogConfig"]["Type"] == "none" and host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"] and not host["Privileged"] and not host["Binds"] and not seen["Mounts"]
    # Those of process 1, which takes them away from the script; that the script has none is in the conformance suite.
    assert {name.removeprefix("CAP_") for name in host["CapAdd"]} == {"CHOWN", "KILL", "SETGID", "SETPCAP", "SETUID"}
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] == host["MemorySwap"] and 0 <= (host["Memory"] >> 20) - 4096 < 50
    assert host["PidsLimit"] == 258 and host["NanoCpus"] == 0 and host["CpuQuota"] == 200_000
    assert all("size=" in options for options in host["Tmpfs"].values())
    assert labels[f"{LABEL}.pid"] == str(os.getpid()) and labels[f"{LABEL}.host"] == socket.gethostname()
    assert labels[f"{LABEL}.run"] == run and labels[f"{LABEL}.started"]


def test_all_that_can_be_written_is_limited(docker_sandbox: DockerSandbox, docker_environment: Environment) -> None:
    """Not one file only, and not what this test knows of: every folder of the container is tried."""
    text = """
import os
written = {}
for folder, folders, _ in os.walk("/"):
    if folder.startswith(("/proc", "/sys/fs/cgroup/")): folders.clear(); continue
    try:
        for part in range(20):
            with open(f"{folder}/.part{part}", "wb") as file:
                for _ in range(5): file.write(bytes(1 << 20)); written[folder] = written.get(folder, 0) + 1
    except OSError: pass
print({place: size for place, size in written.items() if size > 16 + 5})
print(sum(written.values()))
"""
    limits = Limits(disk_mb=16, memory_mb=512)
    done = docker_sandbox.run(docker_environment, Script(text), limits=limits)
    assert done.exit_code == 0, done
    most, total = done.output.splitlines()
    assert most == "{}" or set(ast.literal_eval(most)) <= {"/dev", "/sys/fs/cgroup"}, done
    assert int(total) < 512
    # All of it lies in memory: nothing can be written beyond the limit of that.
    limits = Limits(disk_mb=2048, memory_mb=128)
    done = docker_sandbox.run(docker_environment, Script(text.replace("range(20)", "range(400)")), limits=limits)
    assert done.reason is Reason.OUT_OF_MEMORY, done


def test_a_container_that_memory_ended_is_told_from_others(engine: Any, docker_environment: Environment) -> None:
    ended: dict[str, str] = {}
    for name, program in {"full": "x = b'x' * (1 << 30)", "done": "", "killed": "import os; os.abort()"}.items():
        command = ["python3", "-c", program]
        container = engine.containers.create(docker_environment.image, command, mem_limit="32m", network_mode="none")
        container.start()
        container.wait()
        ended[name] = container.id
        container.remove(force=True)
    found = {name: ran_out_of_memory(engine, id, time.time() - 100) for name, id in ended.items()}
    assert found == {"full": True, "done": False, "killed": False}
    assert not ran_out_of_memory(engine, ended["full"], time.time() + 2), "that was before"


def test_a_script_that_leaves_process_1_no_memory_has_run_out_of_it(
    engine: Any, docker_environment: Environment
) -> None:
    """What it wrote stays in memory when it is killed: one time in a hundred, process 1 is killed next."""
    run, began = str(uuid.uuid4()), time.time()
    sandbox = DockerSandbox(run)
    text = "python3 -c 'x = b\"x\" * (1 << 30)'; echo started; sleep 1000"
    with in_flight(sandbox, docker_environment, Script(text, "script.sh", SH), 64) as results:
        wait_until(lambda: sleeping(engine, run))
        (found,) = sleeping(engine, run)
        assert ran_out_of_memory(engine, found["Id"], began)
        engine.api.remove_container(found["Id"], force=True)
    assert [(done.reason, done.detail) for done in results] == [(Reason.OUT_OF_MEMORY, "")]
    sandbox.close()


def test_close_ends_calls_in_flight(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run)
    with in_flight(sandbox, docker_environment) as results:
        wait_until(lambda: sleeping(engine, run))
        sandbox.close()
    assert [done.reason for done in results] == [Reason.SANDBOX_FAILED]
    wait_until(lambda: not containers(engine, run))
    assert sandbox.run(docker_environment, SLEEP).reason is Reason.SANDBOX_FAILED


def test_a_container_removed_by_others_is_a_failed_sandbox(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run)
    with in_flight(sandbox, docker_environment) as results:
        wait_until(lambda: sleeping(engine, run))
        (found,) = sleeping(engine, run)
        engine.api.remove_container(found["Id"], force=True)
    assert [(done.reason, done.exit_code) for done in results] == [(Reason.SANDBOX_FAILED, None)]
    sandbox.close()


def test_orphans_of_dead_owners_are_reaped_and_no_others(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    dead = subprocess.Popen(["true"])
    dead.wait()
    host, pid, started = f"{LABEL}.host", f"{LABEL}.pid", f"{LABEL}.started"
    alive = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    mine = {f"{LABEL}.run": run, host: socket.gethostname(), pid: str(os.getpid()), started: alive}
    cases = {
        "alive": mine,
        "dead": mine | {pid: str(dead.pid)},
        "pid taken by another": mine | {started: "1"},
        "another machine": mine | {host: "elsewhere", pid: str(dead.pid)},
    }
    image, no_label = str(docker_environment.image), {"codemonkeys.test": run}
    made = {case: engine.api.create_container(image, ["true"], labels=labels)["Id"] for case, labels in cases.items()}
    foreign = engine.api.create_container(image, ["true"], labels=no_label)["Id"]
    try:
        sandbox = DockerSandbox("reaper")
        sandbox.ensure(docker_environment)
        sandbox.close()
        left = {found["Id"] for found in containers(engine, run)}
        assert {case for case, container in made.items() if container in left} == {"alive", "another machine"}
        engine.api.inspect_container(foreign)
    finally:
        for found in (*containers(engine, run), {"Id": foreign}):
            engine.api.remove_container(found["Id"], force=True)


# docker-py leaves a socket open that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_goes_away_is_a_failed_sandbox(
    engine: Any, docker_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay.of_engine(tmp_path / "relay.sock", monkeypatch)
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run, patience=1)
    with in_flight(sandbox, docker_environment) as results:
        wait_until(lambda: sleeping(engine, run))
        relay.cut()
    try:
        assert [(done.reason, done.exit_code) for done in results] == [(Reason.SANDBOX_FAILED, None)]
        again = sandbox.run(docker_environment, SLEEP)
        assert again.reason is Reason.SANDBOX_FAILED and "engine" in again.detail
        sandbox.close()
        del results, again, sandbox
        gc.collect()
    finally:
        for found in containers(engine, run):
            engine.api.remove_container(found["Id"], force=True)


def test_ensure_names_what_is_missing(docker_sandbox: DockerSandbox, docker_environment: Environment) -> None:
    docker_sandbox.ensure(docker_environment)
    with pytest.raises(SandboxError, match="no container image.*use the local sandbox"):
        docker_sandbox.ensure(Environment("none"))
    with pytest.raises(SandboxError, match="localhost:1/no/such.*Build or load"):
        docker_sandbox.ensure(Environment("none", image="localhost:1/no/such:1"))


def test_export_copies_a_folder_of_an_image(
    docker_environment: Environment, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    export_folder(str(docker_environment.image), "/testbed", tmp_path / "copy")
    difference = ["diff", "-r", str(folders[0]), str(tmp_path / "copy")]
    assert subprocess.run(difference, capture_output=True, text=True).stdout == ""
    assert (tmp_path / "copy" / "a.txt").stat().st_uid == os.getuid()
    with pytest.raises(SandboxError, match="/no/such"):
        export_folder(str(docker_environment.image), "/no/such", tmp_path / "none")

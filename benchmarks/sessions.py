"""What a command of a session costs beyond the same command bare, and what a session itself costs.

    python -m benchmarks.sessions [--rounds 30] [--image codemonkeys/python:3.11]

Needs root; a Docker engine (DOCKER_HOST) with the image for the part about containers, which is left out without one.
The command is `git rev-parse HEAD` in a repository of 200 files. It runs bare; in a session of the local sandbox; in
one of the docker sandbox; and by `docker exec` of a login shell in a container that stays, as mini-swe-agent runs its
commands. Ways are measured in turn, so that all meet the same machine; numbers are medians. Then sessions are opened,
each with a first command; one with 20 changed files is restored, to a command and back; and what is left is counted.
Ends with one line:

    RESULT local_command_ms= docker_ratio_to_mini= open_rate= snapshot_ms= leaks=
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.leaks import left_behind
from sandboxes import Environment, Execution, Limits, Reason, SandboxError
from sandboxes.docker import DockerSandbox
from sandboxes.engine import open_engine
from sandboxes.layers import Layer
from sandboxes.local import LocalSandbox

COMMAND = "git rev-parse HEAD\n"
LIMITS = Limits(seconds=60, memory_mb=1024)


def repository(folder: Path) -> Path:
    """A repository of 200 files in 10 folders."""
    for number in range(200):
        path = folder / f"package{number % 10}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"VALUE = {number}\n" * 50)
    identity = ("-c", "user.name=base", "-c", "user.email=base@localhost")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "base")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def expect(done: Execution) -> None:
    """Raise RuntimeError unless a command ended well."""
    if done.reason is not Reason.EXITED or done.exit_code:
        raise RuntimeError(f"the command failed: {done}")


def milliseconds(action: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each way in milliseconds, all of them round by round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, action in ways.items():
            taken[name].append(milliseconds(action))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def image_of(image: str, folder: Path) -> str:
    """An image with the repository, made from one that has git and perl."""
    engine = open_engine(timeout=120)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        recipe = f"FROM {image}\nCOPY --chown=root:root repository /testbed\n".encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        archive.addfile(entry, io.BytesIO(recipe))
        archive.add(folder, "repository")
    context.seek(0)
    made, _ = engine.images.build(fileobj=context, custom_context=True, network_mode="none", rm=True)
    engine.close()
    return str(made.id)


def docker_ratio(image: str, folder: Path, rounds: int) -> float:
    """Time of a command in an open session of the docker sandbox, over that of `docker exec`."""
    made = image_of(image, folder)
    sandbox = DockerSandbox("benchmark")
    name = f"codemonkeys-benchmark-{uuid.uuid4()}"
    start = ["docker", "run", "-d", "--rm", "--network", "none", "--name", name, made, "sleep", "1000"]
    subprocess.run(start, check=True, capture_output=True)
    try:
        session = sandbox.open(Environment("benchmark", image=made), LIMITS)
        expect(session.run("echo begun > new\n"))
        words = ["docker", "exec", "-w", "/testbed", name, "bash", "-lc", COMMAND]
        exec_ = partial(subprocess.run, words, check=True, capture_output=True)
        found = medians({"session": lambda: expect(session.run(COMMAND)), "exec": exec_}, rounds)
        print(f"docker: a command in a session {found['session']:.1f} ms, by docker exec {found['exec']:.1f} ms")
        return found["session"] / found["exec"]
    finally:
        subprocess.run(["docker", "kill", name], capture_output=True, check=False)
        sandbox.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--image", default="codemonkeys/python:3.11")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sessions-") as place:
        folder = repository(Path(place, "repository"))
        mark = f"codemonkeys-benchmark-{uuid.uuid4()}"
        variables = (("PATH", "/usr/bin:/bin"), ("MARK", mark))
        environment = Environment("benchmark", folders=(("/testbed", folder),), variables=variables)
        sandbox = LocalSandbox()
        session = sandbox.open(environment, LIMITS)
        expect(session.run("echo begun > new\n"))
        bare = partial(subprocess.run, ["bash", "-c", COMMAND], cwd=folder, check=True, capture_output=True)
        found = medians({"bare": bare, "session": lambda: expect(session.run(COMMAND))}, given.rounds)
        command_ms = found["session"] - found["bare"]
        print(f"local: a command bare {found['bare']:.1f} ms, in a session {found['session']:.1f} ms")

        def open_one(command: str = "true\n") -> None:
            opened = sandbox.open(environment, LIMITS)
            expect(opened.run(command))
            opened.close()

        rate = 1000 / statistics.mean(milliseconds(open_one) for _ in range(given.rounds))
        expect(session.run("for n in $(seq 20); do echo $n >> package1/module$((n * 10 + 1)).py || exit; done\n"))
        changed = session.snapshot()
        empty = sandbox.open(environment, LIMITS)

        def to_and_fro(layer: Layer) -> None:
            session.restore(layer)
            expect(session.run("touch a-file; rm a-file\n"))

        both = medians(
            {"with": lambda: to_and_fro(changed), "without": lambda: to_and_fro(empty.snapshot())}, given.rounds
        )
        snapshot_ms = both["with"] - both["without"]
        linger = partial(open_one, "sleep 5\n")
        leaks = left_behind("local", open_one, linger, 10 * given.rounds, 2, "benchmark", mark, Path(place))
        sandbox.close()
        try:
            ratio = docker_ratio(given.image, folder, given.rounds)
        except (SandboxError, subprocess.CalledProcessError, OSError) as error:
            print(f"without containers: {error}", file=sys.stderr)
            ratio = float("nan")
    numbers = f"local_command_ms={command_ms:.1f} docker_ratio_to_mini={ratio:.2f} open_rate={rate:.1f}"
    print(f"{os.cpu_count()} cores\nRESULT {numbers} snapshot_ms={snapshot_ms:.1f} leaks={leaks}")


if __name__ == "__main__":
    main()

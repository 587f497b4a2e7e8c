"""Overhead of an execution over the bare process: our sandboxes, compared with a new container per script.

    python -m benchmarks.sandboxes [--rounds 15] [--seconds 8] [--executions 2000] [--task pallets__flask-5014]
                                   [--matrix CHECKOUT]

Needs root, a Docker engine (DOCKER_HOST) with the task's image, and the tasks of CODEMONKEYS_TEST_DATA. The ways:

    bare      the process alone, in the image's root file system
    original  a container for each script by docker-py: create, start, put_archive, git apply, exec, remove
    engine    what the engine alone takes for a container that ends at once: create, start, remove by itself
    local     our local sandbox on the exported root file system, a fresh overlay for each script
    docker    our docker sandbox, a fresh container for each script, some started ahead
    reuse     our docker sandbox, one container for a candidate

Every way but the bare process applies the task's patch first. Latency is that of a script that imports flask, one at a
time; the rate is that of a script that exits at once, with four workers. Ways are measured in turn, round by round, so
that all meet the same machine; numbers are medians. Then `--executions` scripts run in a row in each of our ways, and
what is left of them is counted: `leaks` is how many of the counts have grown. With `--matrix`, ten scripts that import
flask run on ten candidates in each of our ways, here and with the sandboxes of another checkout, side by side, and the
cells must be equal. Ends with one line:

    RESULT local_rate_ratio= local_overhead_ms= docker_rate_ratio= docker_latency_ratio= docker_reuse_rate_ratio=
           engine_rate_ratio= leaks= matrix_ratio= matrix_docker_ratio= matrix_reuse_ratio= matrix_equal=
           matrix_scripts_alone=

Rate ratios are over the original's way; `docker_latency_ratio` is its time beyond the bare process over ours;
`engine_rate_ratio` is the limit of `docker_rate_ratio`. Matrix ratios are our time over the other checkout's;
`matrix_scripts_alone` is that of the bare scripts over its local one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks import matrix
from benchmarks.leaks import left_behind
from sandboxes import Environment, Sandbox, Script
from sandboxes.docker import DockerSandbox
from sandboxes.engine import open_engine
from sandboxes.local import LocalSandbox
from sandboxes.rootfs import export_image

IMPORT = Script("import flask\n")
EXIT = Script("exit 0\n", "script.sh", ("sh",))
LINGER = Script("sleep 5\n", "script.sh", ("sh",))
WORKERS = 4
OURS = ("local", "docker", "reuse")

Way = Callable[[Script], None]


@dataclass(frozen=True)
class Task:
    """A task folder's image and patch."""

    image: str
    patch: str

    @classmethod
    def of(cls, folder: Path) -> Task:
        about = yaml.safe_load((folder / "task.yaml").read_text("utf-8"))
        return cls(str(about["image"]), (folder / "gold.patch").read_text("utf-8"))


def bare(environment: Environment) -> Way:
    """The bare process, in the image's root file system; it leaves nothing there."""
    place = [shutil.which("chroot") or "chroot", str(environment.root)]
    variables = dict(environment.variables)

    def run(script: Script) -> None:
        words = [*place, *script.command, "-c", script.text]
        subprocess.run(words, env=variables, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return run


def original(engine: Any, environment: Environment, patch: str) -> Way:
    """A container for each script, as CodeMonkeys has swebench make them; removed by force, without its 15 s stop."""
    variables = dict(environment.variables)

    def must(done: tuple[int, bytes]) -> None:
        if done[0]:
            raise RuntimeError(done[1].decode(errors="replace"))

    def run(script: Script) -> None:
        container = engine.containers.create(
            environment.image, ["tail", "-f", "/dev/null"], detach=True, environment=variables, user="root"
        )
        try:
            container.start()
            container.put_archive("/", _archive({"original.patch": patch, script.name: script.text}))
            at = environment.repository
            must(container.exec_run(["git", "apply", "/original.patch"], workdir=at))
            must(container.exec_run([*script.command, f"/{script.name}"], workdir=at))
        finally:
            container.remove(force=True)

    return run


def engine_alone(engine: Any, environment: Environment) -> Way:
    """A container that ends at once: the least that one for each script can cost. It runs none."""

    def run(_: Script) -> None:
        host = engine.api.create_host_config(network_mode="none", log_config={"Type": "none"}, auto_remove=True)
        made = engine.api.create_container(environment.image, ["true"], network_disabled=True, host_config=host)
        engine.api.start(made["Id"])

    return run


def ours(sandbox: Sandbox, environment: Environment, patch: str) -> Way:
    """One of our sandboxes."""

    def run(script: Script) -> None:
        done = sandbox.run(environment, script, patch)
        if done.exit_code != 0:
            raise RuntimeError(str(done))

    return run


def _archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@contextlib.contextmanager
def all_ways(task: Task, home: Path, run: str, mark: str) -> Iterator[dict[str, Way]]:
    """Every way by name, ready to go; `mark` is the value of a variable that every process of ours has."""
    engine = open_engine(timeout=120)
    environment = export_image(task.image, home)
    # Else the first to run would compile for the others, or each for itself.
    variables = (*environment.variables, ("PYTHONDONTWRITEBYTECODE", "1"), ("BENCHMARK", mark))
    environment = replace(environment, variables=variables)
    with contextlib.ExitStack() as stack:
        stack.callback(engine.close)
        sandboxes: dict[str, Sandbox] = {
            "local": LocalSandbox(),
            "docker": DockerSandbox(run, ahead=WORKERS),
            "reuse": DockerSandbox(run, reuse=True, ahead=WORKERS),
        }
        ways = {"bare": bare(environment), "original": original(engine, environment, task.patch)}
        ways["engine"] = engine_alone(engine, environment)
        for name, sandbox in sandboxes.items():
            stack.callback(sandbox.close)
            sandbox.ensure(environment)
            ways[name] = ours(sandbox, environment, task.patch)
        for way in ways.values():
            way(IMPORT)
        yield ways


def latencies(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of one execution at a time, of every round, by way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way(IMPORT)
            found[name].append(time.perf_counter() - started)
            # What was ended goes and what is needed next begins in the meantime: none pays for the one before.
            time.sleep(1.0)
    return found


def rate(way: Way, seconds: float) -> float:
    """Executions per second of four workers, measured for this long."""
    end = time.perf_counter() + seconds

    def work(_: int) -> int:
        count = 0
        while time.perf_counter() < end:
            way(EXIT)
            count += 1
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as workers:
        count = sum(workers.map(work, range(WORKERS)))
    return count / (time.perf_counter() - started)


def measure_matrix(checkout: Path | None, task: Task, folder: Path, home: Path) -> str:
    """The part of the result line that is about the vote matrix."""
    if checkout is None:
        return "matrix_ratio=unmeasured"
    made = export_image(task.image, home)
    about = {"name": made.name, "image": made.image, "root": str(made.root), "variables": made.variables}
    patches = matrix.candidates(folder, 10)
    here = Path(__file__).parents[1]
    found = {way: matrix.ratios([here, checkout], about, patches, way, 3) for way in OURS}
    words = [f"matrix_{way}_ratio={found[way][0]:.2f}" for way in OURS[1:]]
    equal, alone = all(equal for _, _, equal in found.values()), found["local"][1]
    return " ".join(
        [f"matrix_ratio={found['local'][0]:.2f}", *words, f"matrix_{equal=}", f"matrix_scripts_{alone=:.2f}"]
    )


def machine() -> str:
    """Description of the machine."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return (
        f"{os.cpu_count()} cores of {model.partition(':')[2].strip() or platform.machine()}, {memory} MiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of latency")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each of three measurements of a rate")
    parser.add_argument("--executions", type=int, default=2000, help="in a row, in each of our ways; 0: none")
    parser.add_argument("--task", default="pallets__flask-5014")
    parser.add_argument("--matrix", type=Path, metavar="CHECKOUT", help="of the version to compare a vote matrix with")
    given = parser.parse_args()
    data = Path(os.environ.get("CODEMONKEYS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    task = Task.of(data / "task_repo" / "tasks" / given.task)
    print(f"{machine()}\n{task.image}")
    run = mark = f"benchmark-{uuid.uuid4()}"
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home, all_ways(task, Path(home), run, mark) as ways:
        times = latencies(ways, given.rounds)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(3):
            for name, way in ways.items():
                rates[name].append(rate(way, given.seconds))
        beyond = {
            name: statistics.median(one - alone for one, alone in zip(times[name], times["bare"], strict=True))
            for name in ways
        }
        per_second = {name: statistics.median(found) for name, found in rates.items()}
        print(f"{'way':10}{'latency ms':>12}{'beyond bare ms':>16}{'per second':>12}")
        for name, found in times.items():
            row = f"{statistics.median(found) * 1e3:12.0f}{beyond[name] * 1e3:16.0f}{per_second[name]:12.1f}"
            print(f"{name:10}{row}", flush=True)
        leaks = 0
        for name in OURS if given.executions else ():
            short, long = partial(ways[name], EXIT), partial(ways[name], LINGER)
            leaks += left_behind(name, short, long, given.executions, WORKERS, run, mark, Path(home))
        told = measure_matrix(given.matrix, task, data / "task_repo" / "tasks" / given.task, Path(home))
    local, docker, reuse, engine = (per_second[name] / per_second["original"] for name in (*OURS, "engine"))
    print(
        f"RESULT local_rate_ratio={local:.1f} local_overhead_ms={beyond['local'] * 1e3:.0f} "
        f"docker_rate_ratio={docker:.2f} docker_latency_ratio={beyond['original'] / beyond['docker']:.1f} "
        f"docker_reuse_rate_ratio={reuse:.1f} engine_rate_ratio={engine:.2f} "
        f"leaks={leaks if given.executions else 'unmeasured'} {told}"
    )


if __name__ == "__main__":
    main()

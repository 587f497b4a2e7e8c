"""Executions through a Ray cluster, compared with the same executions in process; and 64 nodes, simulated.

    python -m benchmarks.cluster [--rounds 200] [--executions 2000] [--tasks 800] [--nodes 64] [--faster 2] [--simulate]

Needs root and Ray (`codemonkeys[ray]`); no Docker engine. The first part is real: a cluster of one node on this
machine, the local sandbox underneath, and the same local sandbox in process beside it.

    overhead    a script that exits at once, one at a time, in turn on both; median of the differences within a round
    rate        `--executions` of it from as many threads as there are cores, in turn on both in ten blocks
    scaling     executions that compute for a fraction of a second, from one thread and from one a core, through Ray

The second part simulates: `--nodes` nodes of 16 cores. Agents of nodes, and Ray's transport to them, are replaced by
objects that sleep as long as real executions last (`benchmarks.cluster_nodes` says where that is from) and as long as
an image of 2.5 GB takes at 100 MB/s, both divided by `--faster`. All else is the real system: the driver and its
placement, the engine with its queue and the journal on disk, in a process that collects garbage as the command does. A
task has 250 executions in three waves, each of which waits for the one before. `--simulate` does this part alone, for a
quick look also smaller: `--simulate --tasks 100 --nodes 8 --faster 20`, where the driver is what executions wait for.

    makespan    seconds until the last execution has ended, over the least possible: all executions over all cores, once
                the first environments have come, as nothing can run before; or the longest chain of one task
    driver      processor time of the driver's process for each execution, simulated nodes included (their clock, their
                answers, and the texts of the tasks), plus that of a call through Ray itself, measured in the first part
                with orders for an environment that is not there, eight under way at a time
    memory      growth of the driver's process from a tenth of the executions to the last, and from half of them; what
                simulated nodes were sent takes none of it, as it would be in the memory of another machine

Ends with one line, of which `--simulate` has the last three figures, without Ray:

    RESULT overhead_ms= rate_ratio= sim64_makespan_ratio= driver_ms= rss_growth_mb=
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.cluster_run import OF_A_TASK, Simulated, simulate
from benchmarks.sandboxes import machine
from benchmarks.sessions import expect, repository
from codemonkeys.system.memory import collect_rarely
from sandboxes import Environment, Limits, Sandbox, Script
from sandboxes.cluster.driver import RaySandbox
from sandboxes.cluster.messages import Order, limit_values
from sandboxes.local import LocalSandbox

EXIT = Script("exit 0\n", "script.sh", ("sh",))
COMPUTE = Script("i=0\nwhile [ $i -lt 200000 ]; do i=$((i + 1)); done\n", "script.sh", ("sh",))
LIMITS = Limits(seconds=60, memory_mb=1024)
BLOCKS = 10
THREADS = os.cpu_count() or 1


class Real(NamedTuple):
    """What the cluster of one node came to."""

    overhead_ms: float
    rate_ratio: float
    scaling: float
    """Rate of one thread a core over the rate of one."""
    ray_ms: float
    """Processor time of this process for one call through Ray, beside the driver's own."""


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def batch(sandbox: Sandbox, environment: Environment, script: Script, count: int, threads: int) -> float:
    """Seconds for so many executions."""
    with ThreadPoolExecutor(threads) as pool:

        def one(_: int) -> None:
            expect(sandbox.run(environment, script, None, LIMITS))

        return timed(lambda: list(pool.map(one, range(count))))


def measure(environment: Environment, rounds: int, executions: int) -> Real:
    """Run both ways."""
    plain, through = LocalSandbox(), RaySandbox("benchmark", "local", address="local", node_cores=THREADS)
    try:
        ways: dict[str, Sandbox] = {"in process": plain, "through Ray": through}
        for sandbox in ways.values():
            sandbox.ensure(environment)
            batch(sandbox, environment, EXIT, 20, THREADS)
        alone: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, sandbox in ways.items():
                alone[name].append(timed(lambda: expect(sandbox.run(environment, EXIT, None, LIMITS))))  # noqa: B023
        beyond = [b - a for a, b in zip(alone["in process"], alone["through Ray"], strict=True)]
        taken = dict.fromkeys(ways, 0.0)
        for _ in range(BLOCKS):
            for name, sandbox in ways.items():
                taken[name] += batch(sandbox, environment, EXIT, executions // BLOCKS, THREADS)
        (node,) = through._members.up()
        nowhere = Order("nowhere", "/testbed", (), "", "exit 0\n", "script.sh", ("sh",), None, limit_values(LIMITS))
        cpu = time.process_time()
        for _ in range(executions // 8):
            for answer in [node.carry_out(nowhere, {}, ()) for _ in range(8)]:
                answer.result()
        cpu = time.process_time() - cpu
        one, all_cores = (batch(through, environment, COMPUTE, 8 * THREADS, n) for n in (1, THREADS))
    finally:
        through.close()
        plain.close()
    for name in ways:
        alone_ms = statistics.median(alone[name]) * 1000
        print(f"{name}: {alone_ms:.1f} ms one at a time, {executions / taken[name]:.1f} a second", flush=True)
    ratio, scaling = taken["in process"] / taken["through Ray"], one / all_cores
    print(f"through Ray, {THREADS} at a time over one at a time: {scaling:.2f}")
    return Real(statistics.median(beyond) * 1000, ratio, scaling, cpu / executions * 1000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="of latency")
    parser.add_argument("--executions", type=int, default=2000, help="of the batch on one node")
    parser.add_argument("--tasks", type=int, default=800, help=f"of the simulation, with {OF_A_TASK} executions each")
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--faster", type=float, default=2.0)
    parser.add_argument(
        "--simulate", action="store_true", help="the second part alone; needs neither root nor a cluster"
    )
    given = parser.parse_args()
    collect_rarely()
    print(machine(), flush=True)
    real: Real | None = None
    with tempfile.TemporaryDirectory(prefix="cluster-") as place:
        if not given.simulate:
            folder = repository(Path(place, "repository"))
            variables = (("PATH", "/usr/bin:/bin"),)
            environment = Environment("benchmark", folders=(("/testbed", folder),), variables=variables)
            real = measure(environment, given.rounds, given.executions)
            print(f"through Ray, this process: {real.ray_ms:.2f} ms of processor time for a call", flush=True)
        found: Simulated = simulate(given.tasks, given.nodes, given.faster, Path(place, "runs"))
    print(
        f"{found.executions} executions of {given.tasks} tasks on {given.nodes} nodes: {found.seconds:.0f} s of the "
        f"simulation, least possible {found.least:.0f} s; {found.copies} further copies of environments\n"
        f"driver: {found.cpu_ms:.2f} ms each without Ray, {found.load:.0%} of a core; "
        f"journal {found.journal_mb:.0f} MB\n"
        f"driver's memory from half of the executions on: {found.late_mb:+.1f} MB"
    )
    figures = "" if real is None else f"overhead_ms={real.overhead_ms:.1f} rate_ratio={real.rate_ratio:.2f} "
    driver_ms = found.cpu_ms + (0.0 if real is None else real.ray_ms)
    print(
        f"RESULT {figures}sim{given.nodes}_makespan_ratio={found.seconds / found.least:.3f} "
        f"driver_ms={driver_ms:.2f} rss_growth_mb={found.growth_mb:.1f}"
    )


if __name__ == "__main__":
    main()

"""Makespan that queue and placement alone lead to on a cluster: on a clock that jumps, without driver, journal or Ray.

    python -m benchmarks.cluster_order [--tasks 800] [--nodes 64]

The executions, what they take and what moves of environments take are those of `benchmarks.cluster`; what that takes
longer than this, the driver and the journal take. As no time passes, the machine may be busy. Each is done twice: with
the last tasks levelled off as in a run, and with later stages first up to the end. Printed for each: makespan, when 97
in a hundred executions had begun and when the last one did, over the least possible of `benchmarks.cluster`, and how
many environments were copied. Ends with one line `RESULT order_ratio= later_first_ratio=`, makespans.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from benchmarks.cluster_nodes import CORES, DISK_MB, IMAGE_MB, MB_A_SECOND, MEMORY_MB, seconds_of
from benchmarks.cluster_run import LIMITS, OF_A_TASK, ON_A_NODE, waves
from benchmarks.scheduling_order import Clock
from codemonkeys.engine.ending import Ending
from codemonkeys.engine.queues import ExecutionSlots, PriorityQueue, priority
from codemonkeys.engine.steps import AHEAD
from codemonkeys.settings import load_settings
from sandboxes.base import Capacity
from sandboxes.cluster.node_state import NodeState, Request, Start
from sandboxes.cluster.placement import Placement

MOVE = IMAGE_MB / MB_A_SECOND
Wave = tuple[str, list[float]]
"""Its stage, and the seconds of its executions."""


class Nodes:
    """Nodes on which executions only take their time."""

    def __init__(self, nodes: int) -> None:
        self._placement, self._waiting = Placement(), dict[int, asyncio.Future[Start]]()
        self.moves = 0
        for number in range(nodes):
            self._placement.add(NodeState(f"{number:03}", CORES, MEMORY_MB, DISK_MB))

    @asynccontextmanager
    async def place(self, environment: str, cores: int, seconds: float) -> AsyncIterator[None]:
        """A place on a node that has an environment, moved there if need be; what has it takes so many seconds."""
        ticket, starts = self._placement.submit(Request(environment, cores, cores * LIMITS.memory_mb))
        waiting = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        self._wake(starts)
        start = await waiting
        if start.fetch:
            self.moves += 1
            await asyncio.sleep(MOVE)
            self._wake(self._placement.arrived(start.node, environment, IMAGE_MB, MOVE))
        yield
        await asyncio.sleep(seconds)
        self._wake(self._placement.end(ticket, seconds))

    def _wake(self, starts: Iterable[Start]) -> None:
        for start in starts:
            self._waiting.pop(start.ticket).set_result(start)


class Order(NamedTuple):
    """What an order led to, in seconds."""

    makespan: float
    nearly_all_begun: float
    all_begun: float
    copies: int


def measure(tasks: list[list[Wave]], nodes: int, levels: bool) -> Order:
    """Solve tasks on a clock that jumps."""
    clock, begun = Clock(), list[float]()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    capacity, ending, cluster = Capacity(nodes * CORES, nodes * MEMORY_MB, CORES), Ending(), Nodes(nodes)
    if levels:
        ending.expect(len(tasks), load_settings())
    slots = ExecutionSlots(None, None, lambda: capacity, AHEAD)
    queue = PriorityQueue(slots, lambda: capacity.share, lambda: ending.is_near_on(nodes))

    async def execute(position: int, stage: str, seconds: float) -> None:
        async with (
            queue.slot(priority(stage, position), LIMITS.memory_mb, str(position)),
            cluster.place(str(position), 1, seconds),
        ):
            begun.append(clock.now)

    async def solve(position: int, under_way: asyncio.Semaphore) -> None:
        async with under_way:
            async with cluster.place(str(position), 0, 0.0):
                pass
            for stage, wave in tasks[position]:
                await asyncio.gather(*(execute(position, stage, seconds) for seconds in wave))
            ending.left -= 1

    async def all_of_them() -> None:
        under_way = asyncio.Semaphore(ON_A_NODE * nodes)
        await asyncio.gather(*(solve(position, under_way) for position in range(len(tasks))))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(all_of_them())
    begun.sort()
    return Order(clock.now, begun[len(begun) * 97 // 100], begun[-1], cluster.moves - len(tasks))


def main() -> None:
    """Measure both orders, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=800, help=f"with {OF_A_TASK} executions each")
    parser.add_argument("--nodes", type=int, default=64)
    given = parser.parse_args()
    tasks = [
        [(wave[0].key.stage, [seconds_of(one.script.text, one.patch) for one in wave]) for wave in waves(id)]
        for id in (f"owner__name-{n}" for n in range(given.tasks))
    ]
    total = sum(sum(seconds) for task in tasks for _, seconds in task)
    longest = max(sum(max(seconds) for _, seconds in task) for task in tasks)
    least = MOVE + max(total / (given.nodes * CORES), longest)
    makespans: dict[bool, float] = {}
    for levels in (True, False):
        found = measure(tasks, given.nodes, levels)
        makespans[levels] = found.makespan / least
        how = "the last tasks level off" if levels else "later stages first"
        print(
            f"{how}: {found.makespan / least:.3f}, 97 % begun after {found.nearly_all_begun / least:.3f}, "
            f"all after {found.all_begun / least:.3f}; {found.copies} copies of environments",
            flush=True,
        )
    print(f"RESULT order_ratio={makespans[True]:.3f} later_first_ratio={makespans[False]:.3f}")


if __name__ == "__main__":
    main()

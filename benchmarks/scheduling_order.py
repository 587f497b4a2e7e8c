"""Makespan that the order of calls alone leads to: the queues of the engine on a clock that jumps, without any work.

    python -m benchmarks.scheduling_order [--tasks 60] [--samples 10] [--files 200] [--calls 32] [--seeds 3]

The calls, and the times they take, are those of `benchmarks.scheduling`: what that takes longer than this is CPU time,
and waiting for the disk. Each seed is run twice: with the last tasks levelled off, and with later stages first up to
the end. Printed for each: makespan, when half of the tasks had ended, and the mean of when tasks ended, all over the
least possible. Ends with one line `RESULT order_ratio= later_first_ratio=`, means of the makespans.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import selectors
from collections.abc import Sequence
from statistics import fmean

from benchmarks.scheduling import MEDIANS, SPREAD
from codemonkeys.engine.ending import Ending
from codemonkeys.engine.prefix_gate import PrefixGate
from codemonkeys.engine.queues import priority, priority_to_begin
from codemonkeys.engine.turns import CallQueue
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.throttle import Throttle
from codemonkeys.settings import Settings, load_settings


class Clock(selectors.SelectSelector):
    """A selector that waits for nothing, and a clock that has gone on by as much as it would have waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass."""
        self.now += timeout or 0.0
        return super().select(0)


class Run:
    """A run in which calls do nothing but take their time."""

    def __init__(self, settings: Settings, tasks: int, files: int, seed: int, levels: bool) -> None:
        self.settings, self.tasks, self.files, self.seed = settings, tasks, files, seed
        self.spent = 0.0
        """Seconds of all calls."""
        self.ended: list[float] = []
        self._ending = Ending()
        if levels:
            self._ending.expect(tasks, settings)
        self._queue = CallQueue(Throttle(settings.operation.calls), self._ending)
        self._slots = asyncio.Semaphore(settings.operation.tasks)

    async def call(self, position: int, stage: str, sample: int = 0, turn: int = 0) -> None:
        """One call, in its turn."""
        key = StepKey(f"owner__name-{position}", stage, sample, turn)
        seconds = MEDIANS[stage] * random.Random(f"{self.seed} {key}").lognormvariate(0, SPREAD)
        self.spent += seconds

        async def ask(request: Request) -> Completion:
            await asyncio.sleep(seconds)
            return Completion("", "stop", None, "")

        async with self._queue.turn(priority(stage, position, turn), 1) as one:
            await one.take_slot()
            await one.asking(ask)(Request(key, ()))

    async def solve(self, position: int) -> None:
        """The calls of a task, each when those that it follows from are answered."""
        generation, context = self.settings.generation, self.settings.context
        async with self._slots:
            async with self._queue.slot_to_begin(priority_to_begin(position)):
                pass
            await asyncio.gather(*(self.call(position, "relevance", n) for n in range(self.files)))
            rank, test, edit = PrefixGate(), PrefixGate(), PrefixGate()
            await asyncio.gather(
                *(rank.call(lambda n=n: self.call(position, "rank", n)) for n in range(context.rankings))  # type: ignore[misc]
            )

            async def trajectory(sample: int) -> None:
                for stage, gate in (("test", test), ("edit", edit)):
                    await gate.call(lambda stage=stage: self.call(position, stage, sample))  # type: ignore[misc]
                    await self.call(position, stage, sample, 1)

            await asyncio.gather(*(trajectory(n) for n in range(generation.samples)))
            await self.call(position, "select")
        self.ended.append(asyncio.get_running_loop().time())
        self._ending.left -= 1

    async def all_of_them(self) -> None:
        """Solve all tasks."""
        await asyncio.gather(*(self.solve(position) for position in range(self.tasks)))


def measure(settings: Settings, tasks: int, files: int, seed: int, levels: bool) -> Sequence[float]:
    """Makespan, the median and the mean of when tasks ended, over the sum of all calls over the slots."""
    clock = Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        run = Run(settings, tasks, files, seed, levels)
        runner.run(run.all_of_them())
    least, ended = run.spent / settings.operation.calls, sorted(run.ended)
    return [seconds / least for seconds in (ended[-1], ended[len(ended) // 2], fmean(ended))]


def main() -> None:
    """Run each seed both ways, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"tasks": 60, "samples": 10, "files": 200, "calls": 32, "seeds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    settings = load_settings(generation={"samples": chosen.samples}, operation={"calls": chosen.calls, "budget": 1e6})
    makespans: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(1, chosen.seeds + 1):
        for levels, found in makespans.items():
            makespan, half, mean = measure(settings, chosen.tasks, chosen.files, seed, levels)
            found.append(makespan)
            how = "the last tasks level off" if levels else "later stages first"
            print(f"seed {seed}, {how}: {makespan:.3f}, half of the tasks after {half:.3f}, a task after {mean:.3f}")
    print(f"RESULT order_ratio={fmean(makespans[True]):.3f} later_first_ratio={fmean(makespans[False]):.3f}")


if __name__ == "__main__":
    main()

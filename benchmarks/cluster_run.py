"""Many tasks on simulated nodes: their executions go through the engine, the journal and the driver of a cluster."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.cluster_nodes import CORES, IMAGE_MB, MB_A_SECOND, seconds_of, simulated_cluster
from benchmarks.journal import prose
from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from sandboxes.base import Environment, Limits, Reason, Script

SAMPLES = 10
TESTS = 10
"""Distinct test scripts of a task."""
SUITES = 14
"""Executions of the repository's own tests for each candidate."""
OF_A_TASK = TESTS + SAMPLES * TESTS + SAMPLES * SUITES
ON_A_NODE = 8
"""Tasks at a time, for each node."""
LIMITS = Limits()


class Planned(NamedTuple):
    """An execution of a task."""

    key: StepKey
    script: Script
    patch: str | None


def waves(task: str) -> Iterator[list[Planned]]:
    """The executions of a task; each wave waits for the one before.

    As in the pipeline: test scripts on the code as it is, every candidate with every test script, and every candidate
    with the repository's own tests.
    """
    tests = [Script(prose(f"{task} test {n}", 3000), f"test_{n}.py") for n in range(TESTS)]
    patches = [prose(f"{task} patch {n}", 2000) for n in range(SAMPLES)]
    suites = [Script(prose(f"{task} suite {n}", 2000), f"suite_{n}.py") for n in range(SUITES)]
    yield [Planned(StepKey(task, "test", n, 0, "original"), test, None) for n, test in enumerate(tests)]
    yield [
        Planned(StepKey(task, "votes", candidate + 1, turn, "edited"), test, patch)
        for candidate, patch in enumerate(patches)
        for turn, test in enumerate(tests)
    ]
    yield [
        Planned(StepKey(task, "regression", candidate + 1, 0, suite.name), suite, patch)
        for candidate, patch in enumerate(patches)
        for suite in suites
    ]


class Simulated(NamedTuple):
    """What a simulated run came to."""

    executions: int
    seconds: float
    """Of the simulation."""
    least: float
    """The least possible: all that executions take, over all cores, once the first environments have come; or the
    longest chain of one task."""
    cpu_ms: float
    """Of this process for each execution, simulation included."""
    growth_mb: float
    """Of this process's memory, from a tenth of the executions to the last."""
    late_mb: float
    """From half of them to the last."""
    copies: int
    """Environments moved, beyond the first of each task."""
    journal_mb: float
    load: float
    """Share of the processor that this process took."""


def rss_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


def simulate(tasks: int, nodes: int, faster: float, runs: Path) -> Simulated:
    """Solve tasks whose executions sleep as real ones last, divided by `faster`."""
    ids = [f"owner__name-{n}" for n in range(tasks)]
    chains = [
        IMAGE_MB / MB_A_SECOND + sum(max(seconds_of(one.script.text, one.patch) for one in wave) for wave in waves(id))
        for id in ids
    ]
    total = sum(seconds_of(one.script.text, one.patch) for id in ids for wave in waves(id) for one in wave)
    least = max(IMAGE_MB / MB_A_SECOND + total / (nodes * CORES), max(chains))
    journal = Journal(runs, "run", "simulated", {})
    ended, memory = 0, list[float]()
    looks = {tasks * OF_A_TASK // 10, tasks * OF_A_TASK // 2, tasks * OF_A_TASK}
    try:
        with simulated_cluster(nodes, faster) as (sandbox, agents):
            began, cpu = time.perf_counter(), time.process_time()

            async def solve(steps: Steps, id: str, slots: asyncio.Semaphore) -> None:
                nonlocal ended
                environment = Environment(id, root=runs)

                async def carry_out(one: Planned) -> None:
                    nonlocal ended
                    done = await steps.executions.run(
                        one.key, ExecutionRequest(environment, one.script, one.patch, LIMITS)
                    )
                    assert done.reason is Reason.EXITED, done
                    ended += 1
                    if ended in looks:
                        gc.collect()
                        memory.append(rss_mb())

                async with slots:
                    await steps.in_thread(sandbox.ensure, environment)
                    for wave in waves(id):
                        await asyncio.gather(*map(carry_out, wave))
                    journal.forget_task(id)
                    steps.ending.left -= 1

            async def all_of_them() -> None:
                model, settings = (
                    FakeModel(answer),
                    load_settings(operation={"tasks": ON_A_NODE * nodes}),
                )
                steps = Steps(journal, ModelSet(model, model), sandbox, settings.operation)
                steps.positions.update({id: position for position, id in enumerate(ids)})
                steps.ending.expect(tasks, settings)
                slots = asyncio.Semaphore(ON_A_NODE * nodes)
                try:
                    await asyncio.gather(*(solve(steps, id, slots) for id in ids))
                finally:
                    steps.close()

            journal.add_tasks([Task(id, "owner/name", "0" * 40, "It breaks.") for id in ids])
            asyncio.run(all_of_them())
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            assert max(agent.most for agent in agents) <= CORES, "a node had more executions at a time than cores"
            copies = sum(agent.moves for agent in agents) - tasks
            executions = sum(agent.executions for agent in agents)
    finally:
        journal.close()
    size = sum(path.stat().st_size for path in journal.folder.iterdir() if path.is_file()) / (1 << 20)
    tenth, half, end = memory
    return Simulated(
        executions=executions,
        seconds=wall * faster,
        least=least,
        cpu_ms=cpu / executions * 1000,
        growth_mb=end - tenth,
        late_mb=end - half,
        copies=copies,
        journal_mb=size,
        load=cpu / wall,
    )

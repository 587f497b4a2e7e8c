"""Synthetic tasks and a simulated sandbox for the benchmarks; everything else is the real system."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from codemonkeys.models.fake_answers import FILE
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Execution, Limits, Reason, Script

WORDS = "value result index total buffer context handler message request response session state token user".split()
PLACE = Environment("simulated")


def source_file(seed: int, functions: int) -> str:
    """A Python file with several functions of about 45 tokens each."""
    numbers = random.Random(seed)
    lines = [f'"""Module {seed}."""', ""]
    for function in range(functions):
        a, b, c = numbers.sample(WORDS, 3)
        lines += [f"def {a}_{b}_{function}({a}, {b}={numbers.randrange(100)}):"]
        lines += [f"    if {a} is None:", f"        return {b}", f"    {c} = [{a} * {b} for _ in range({function})]"]
        lines += [f"    return {c}", ""]
    return "\n".join(lines)


def make_repository(folder: Path, files: int, functions: int) -> Path:
    """A git repository with one commit of Python files."""
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"module_{number:03}.py").write_text(source_file(number, functions))
    identity = ["-c", "user.name=base", "-c", "user.email=base@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "base"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def make_tasks(count: int) -> list[Task]:
    """Tasks on one repository."""
    return [Task(f"owner__name-{n}", "owner/name", "0" * 40, f"Issue {n}: it breaks.") for n in range(count)]


def preparing(repository: Path) -> Callable[[Task], Workspace]:
    """Returns a function that prepares a task with the repository as its code."""
    return lambda task: Workspace(task, Snapshot.of_repository(repository), PLACE)


@dataclass
class SimulatedSandbox:
    """Returns the results of the fake model's scripts, each after a fixed time."""

    seconds: float = 0.0
    name: str = "simulated"
    runs: int = field(default=0)

    def ensure(self, environment: Environment) -> None:
        """Every environment is there."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """The result of the fake model's script: whether the file that its edit creates exists."""
        self.runs += 1
        if self.seconds:
            time.sleep(self.seconds)
        return Execution(Reason.EXITED, 0 if patch and FILE in patch else 2, output="It ran.", seconds=self.seconds)

    def close(self) -> None:
        """Nothing is open."""

"""Tokens of a wave of agents that branch, against as many that work independently on the same task.

    python -m benchmarks.branching [--agents 8] [--seed 1]

No model is asked and nothing is executed: a script stands in for the model, with steps, answers and outputs as long as
those that `--dry-run` expects of an agent (about twenty steps). It looks through a module, writes a test, edits one of
several places, looks again, improves its edit, and submits; what it looks at next and where it edits is drawn anew in
each answer. All prompts are those of a run, and their tokens are counted (cl100k), samples and cached ones included.
Ends with one line; a ratio of at most 0.72 is what EGSS (arXiv 2602.05242) saves:

    RESULT independent_tokens= branched_tokens= ratio= forks= distinct_independent= distinct_branched=
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from codemonkeys.agent.branching import SAMPLED
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.settings import OperationSettings, load_settings
from codemonkeys.stages import BRANCH
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Execution, Limits, Reason, Script

MARKER = "0123abcd"
TASK = Task("owner__name-1", "owner/name", "0" * 40, "Totals are wrong when a list of parts is empty. " * 20)
FUNCTIONS, LINES, PLACES = 20, 70, 6
LOOKING, TESTING, EDITING, IMPROVING, LAST = 8, 9, 11, 15, 19
"""Steps: looks through the module, writes the test, edits, edits again, submits; between them it looks."""
THOUGHT = "I want to see how this part of the module treats a list of parts that is empty, and who calls it. " * 10

counted = cache(count_tokens)


def module() -> str:
    """A module of long functions."""
    lines = []
    for function in range(FUNCTIONS):
        lines += [f"def function_{function}(parts):", f"    total_{function} = 0"]
        lines += [f"    total_{function} += parts.get('part_{line}', {line})" for line in range(LINES - 4)]
        lines += [f"    return total_{function}", ""]
    return "\n".join(lines)


class Scripted:
    """The script that stands in for the model."""

    name = "scripted"
    price: Price | None = Price()

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def count_tokens(self, text: str) -> int:
        """Tokens of the cl100k vocabulary."""
        return counted(text)

    async def complete(self, request: Request) -> Completion:
        """The next step, with draws of its own."""
        key = request.key
        text = self._next(random.Random(f"{self._seed} {key}"), sum(m.role == "assistant" for m in request.messages))
        usage = Usage(sum(counted(message.content) for message in request.messages), counted(text))
        return Completion(text, "stop", usage, self.name)

    def _next(self, dice: random.Random, step: int) -> str:
        place = dice.randrange(PLACES)
        if step == LAST:
            return f"<<<<<<< DONE {MARKER}"
        if step == TESTING:
            return f"{THOUGHT}\n<<<<<<< TEST {MARKER}\nimport module\nprint(module)\n>>>>>>> END {MARKER}"
        if step in (EDITING, IMPROVING):
            old = f"def function_{place}(parts" if step == EDITING else f"    total_{place} = 0"
            search, replaced = (f"{old}):", f"{old}, more=None):") if step == EDITING else (old, f"{old} + 1")
            block = f"<<<<<<< SEARCH {MARKER} module.py\n{search}\n======= {MARKER}\n{replaced}\n>>>>>>> END {MARKER}"
            return f"{THOUGHT}\n{block}"
        first = (place + (step if step < LOOKING else 0)) % FUNCTIONS * LINES + 1
        return f"{THOUGHT}\n<<<<<<< SHOW {MARKER} module.py:{first}-{first + LINES}"

    async def close(self) -> None:
        """Nothing is open."""


class Still:
    """A sandbox that runs nothing: every script finds the issue without a patch, and not with one."""

    name = "still"

    def ensure(self, environment: Environment) -> None:
        """Nothing to check."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Says so."""
        return Execution(Reason.EXITED, 2 if patch is None else 0, output="it ran\n" * 20)

    def close(self) -> None:
        """Nothing is open."""


def wave(folder: Path, agents: int, branch: bool, seed: int) -> tuple[int, int, int]:
    """Tokens of a wave, its forks, and its distinct candidates."""
    settings = load_settings(
        generation={"kinds": ["agent"], "samples": agents, "branch": branch, "repository_tests": False},
        agent={"context": "none"},
        selection={"rule": "shortest", "regression_files": 0},
    )
    tree = folder / "tree"
    tree.mkdir(parents=True)
    (tree / "module.py").write_text(module())
    commit_tree(tree, folder / "git")
    journal = Journal(folder, "run", "benchmark", {})
    journal.add_tasks([TASK])
    model = Scripted(seed)
    steps = Steps(journal, ModelSet(model, model), Still(), OperationSettings())
    prompts = Prompts(MARKER, None, {"repo": TASK.repo, "issue": TASK.issue})
    try:
        with Snapshot.of_repository(folder / "git") as snapshot:
            asyncio.run(solve_task(Work(TASK, snapshot, Environment("benchmark"), settings, prompts, steps)))
        ask = asked(folder / "run" / "run.db")
        return (
            *(ask("SELECT sum(prompt_tokens + completion_tokens) FROM call_steps"),),
            *(ask(f"SELECT count(*) FROM notes WHERE stage = '{BRANCH.name}'"),),
            ask("SELECT count(*) FROM candidates WHERE duplicate_of IS NULL"),
        )
    finally:
        steps.close()
        journal.close()


def asked(database: Path) -> Callable[[str], int]:
    """Answers a query for one number."""
    import sqlite3
    from contextlib import closing

    def ask(query: str) -> int:
        with closing(sqlite3.connect(database)) as connection:
            return int(connection.execute(query).fetchone()[0])

    return ask


def main() -> None:
    """Run both waves, and print what they took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone = wave(Path(folder) / "independent", given.agents, False, given.seed)
        branched = wave(Path(folder) / "branched", given.agents, True, given.seed)
    print(
        f"{given.agents} agents of {LAST + 1} steps; each step of the root before which was sampled: {SAMPLED} answers"
    )
    print(
        f"RESULT independent_tokens={alone[0]} branched_tokens={branched[0]} ratio={branched[0] / alone[0]:.3f} "
        f"forks={branched[1]} distinct_independent={alone[2]} distinct_branched={branched[2]}"
    )


if __name__ == "__main__":
    main()

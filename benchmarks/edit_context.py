"""Tokens of the context that each edit call pays for, as version 0.1 chose it and as it is chosen today.

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.edit_context

For every task of the task repository in FOLDER/task_repo, the context is chosen twice from the same relevance and
ranking. A stand-in gives both: it calls 5 % of the source files relevant, ten at least and 25 at most, those that share
most words with the issue (BM25), a file whose name the issue has as a word first, and ranks the first half of them. In
conversations with real models a third to more than half of the files called relevant were chosen by no ranking.

`before`: ranked files, then all other relevant ones, up to `context.tokens`, as in version 0.1. `today`: what the issue
names, what is ranked, and what lies around. Tokens are of the cl100k vocabulary, without instructions and issue. Recall
is the share of tasks whose context holds every source file that the reference patch changes: the benchmark looks at
these patches, the stage never does.

Ends with one line `RESULT context_ratio= recall_before= recall=`, the first the mean over tasks.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from statistics import mean
from typing import NamedTuple

from benchmarks.context_tokens import CHANGED, WORD, Reader, counted, snapshot_of, texts_of
from codemonkeys.context.choosing import choose, fill_with_all
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.context.relevance import RelevantFile
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal.store import Journal
from codemonkeys.models.roles import ModelSet
from codemonkeys.prompting import Prompts
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment
from sandboxes.local import LocalSandbox

SHARE, LEAST, MOST = 0.05, 10, 25
"""Of the source files, what the stand-in calls relevant."""
TELLING = 6
"""Letters of a name that is no word like others."""


class Row(NamedTuple):
    """What the contexts of one task come to."""

    task: str
    before: int
    """Tokens."""
    today: int
    around: int
    """Of today's, what neither the issue names nor a ranking chose."""
    recall_before: bool
    recall: bool


def relevance_of(issue: str, texts: dict[str, str]) -> tuple[list[str], list[str]]:
    """Files called relevant, most important first, and those that a ranking of them chooses."""
    with LexicalIndex(sorted(texts.items())) as index:
        relevant = index.rank(issue)[: min(MOST, max(LEAST, math.ceil(SHARE * len(texts))))]
    words = set(WORD.findall(issue.lower()))

    def is_named(path: str) -> bool:
        stem = PurePosixPath(path).stem.lower()
        return len(stem) >= TELLING and stem in words and stem != "__init__"

    relevant = sorted(relevant, key=lambda path: not is_named(path))
    return relevant, relevant[: math.ceil(len(relevant) / 2)]


def measure(task: Task, snapshot: Snapshot) -> Row:
    """What the contexts of a task come to."""
    assert task.folder is not None
    texts = texts_of(snapshot)
    changed = set(CHANGED.findall((task.folder / "gold.patch").read_text(encoding="utf-8"))) & texts.keys()
    relevant, ranked = relevance_of(task.issue, texts)
    files = [RelevantFile(path, counted(texts[path]), "") for path in relevant]
    with tempfile.TemporaryDirectory() as runs:
        settings = load_settings()
        journal = Journal(Path(runs), "run", "tasks", {})
        journal.add_tasks([task])
        reader = Reader(frozenset())
        steps = Steps(journal, ModelSet(reader, reader), LocalSandbox(), settings.operation)
        prompts = Prompts("0123abcd", None, {"repo": task.repo, "issue": task.issue})
        work = Work(task, snapshot, Environment("none"), settings, prompts, steps)
        before, today = fill_with_all(work, files, [ranked]), choose(work, files, [ranked])
        journal.close()
    return Row(
        task.id,
        sum(before.tokens[path] for path in before.paths),
        sum(today.tokens[path] for path in today.paths),
        sum(today.tokens[path] for path in today.around),
        changed <= set(before.paths),
        changed <= set(today.paths),
    )


def report(rows: Sequence[Row]) -> None:
    """Print the table and the RESULT line."""
    for row in rows:
        lost = "" if row.recall else "  (a file is lost)"
        ratio = row.today / row.before
        print(f"{row.task:36} {row.before:8,} -> {row.today:8,}, {row.around:6,} around  {ratio:.2f}{lost}", flush=True)
    ratio = mean(row.today / row.before for row in rows)
    before, today = mean(row.recall_before for row in rows), mean(row.recall for row in rows)
    print(f"RESULT context_ratio={ratio:.3f} recall_before={before:.3f} recall={today:.3f}")


def main() -> None:
    """Measure all tasks."""
    rows = []
    data = Path(os.environ["CODEMONKEYS_TEST_DATA"], "task_repo")
    for task in sorted(load_tasks(str(data)), key=lambda task: task.id):
        with tempfile.TemporaryDirectory() as scratch:
            assert task.folder is not None
            with snapshot_of(task.folder, Path(scratch)) as snapshot:
                rows.append(measure(task, snapshot))
    report(rows)


if __name__ == "__main__":
    main()

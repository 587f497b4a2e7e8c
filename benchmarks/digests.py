"""Tokens of relevance that a later task of a repository pays for at another commit, digests first, over outlines first.

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.digests [--keep 0.05]

Of every repository with more than one task in FOLDER/task_repo the tasks come one after another, oldest commit first,
with one digest store; their base commits lie months to two years apart. The real relevance stage runs with the fake
scan model of `benchmarks.context_tokens`, whose digests are as long as they may be. All tokens of all requests of the
task are counted, those that make digests too. `changed` is the share of a task's definitions that no earlier task of
the repository had, `asked` how many of them are so long that a model is asked about them, `known` how many of these
were in the store.

Ends with one line `RESULT later_ratio= dropped= reused=`: the median over repositories of the mean of their later
tasks, the files that are read as outlines and were not shown as digests, and the share of definitions that a later task
found described by earlier ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from benchmarks.context_tokens import Reader, most_alike, snapshot_of, texts_of
from codemonkeys.context.definitions import Definition
from codemonkeys.context.digests import parts_of
from codemonkeys.context.reading import source_files
from codemonkeys.context.relevance import find_relevant
from codemonkeys.context.survey import look
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.roles import ModelSet
from codemonkeys.prompting import Prompts
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment
from sandboxes.local import LocalSandbox


class Reading(NamedTuple):
    """What one reading of a task came to."""

    tokens: int
    shown: set[str]
    asked: int
    known: int
    definitions: list[Definition]


def read(task: Task, snapshot: Snapshot, mode: str, store: Path, keep: frozenset[str]) -> Reading:
    """Relevance in one mode."""
    settings = load_settings(context={"mode": mode})
    with tempfile.TemporaryDirectory() as runs:
        journal = Journal(Path(runs), "run", "tasks", {})
        journal.add_tasks([task])
        digests, reader = DigestStore(store), Reader(keep)
        steps = Steps(journal, ModelSet(reader, reader), LocalSandbox(), settings.operation, digests=digests)
        prompts = Prompts("0123abcd", None, {"repo": task.repo, "issue": task.issue})
        work = Work(task, snapshot, Environment("none"), settings, prompts, steps)
        asyncio.run(find_relevant(work))
        note = journal.note(task.id, "digest", 0, "definitions") or {"asked": 0, "known": 0}
        files = source_files(work, look(task, snapshot, settings.context)) if mode == "digest" else []
        definitions = [one for file in files for one in parts_of(file).digest.definitions]
        digests.close()
        journal.close()
    return Reading(reader.tokens.total(), reader.shown, note["asked"], note["known"], definitions)


def main() -> None:
    """Measure all repositories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=float, default=0.05, help="share of the tokens that the stand-in keeps")
    share = parser.parse_args().keep
    by_repository: dict[str, list[Task]] = defaultdict(list)
    tasks = load_tasks(str(Path(os.environ["CODEMONKEYS_TEST_DATA"], "task_repo")))
    for task in sorted(tasks, key=lambda task: int(task.id.rsplit("-", 1)[1])):
        by_repository[task.repo].append(task)
    later: dict[str, list[float]] = defaultdict(list)
    dropped = asked = known = 0
    home = tempfile.TemporaryDirectory()
    store = Path(home.name, "digests.db")
    for repository, of_it in by_repository.items():
        seen: set[Definition] = set()
        for task in of_it if len(of_it) > 1 else ():
            with tempfile.TemporaryDirectory() as scratch:
                assert task.folder is not None
                with snapshot_of(task.folder, Path(scratch)) as snapshot:
                    keep = most_alike(task.issue, texts_of(snapshot), share)
                    outlines = read(task, snapshot, "outline", store, keep)
                    digests = read(task, snapshot, "digest", store, keep)
            changed = sum(one not in seen for one in digests.definitions) / len(digests.definitions)
            ratio = digests.tokens / outlines.tokens
            if seen:
                later[repository].append(ratio)
                asked, known = asked + digests.asked, known + digests.known
            dropped += len(outlines.shown - digests.shown)
            print(
                f"{task.id:28} {digests.tokens:9,} of {outlines.tokens:9,} tokens: {ratio:.3f}  {changed:4.0%} of "
                f"{len(digests.definitions):6,} definitions changed, {digests.asked:3} asked, {digests.known:3} known"
                f"{'' if seen else '  (first of its repository)'}",
                flush=True,
            )
            seen |= set(digests.definitions)
    home.cleanup()
    ratio = median(fmean(ratios) for ratios in later.values())
    print(f"RESULT later_ratio={ratio:.3f} dropped={dropped} reused={known / max(asked, 1):.2f}")


if __name__ == "__main__":
    main()

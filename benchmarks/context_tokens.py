"""Tokens that relevance sends to the scan model: whole files, outlines first, digests first, lexical first.

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.context_tokens [--keep 0.05]

For every task of the task repository in FOLDER/task_repo, the real relevance stage runs with a fake scan model, which
keeps the files that share most words with the issue, weighted by rarity, up to the share `--keep` of all tokens (the
paper's contexts hold 2.5 % of a repository). Digests first is measured twice per task: `new` finds the digests that
earlier tasks of the repository left (none for the first; for later ones those of a commit up to two years older),
`again` is the next task on the same commit. All tokens of all requests are counted, instructions and issue included,
in the cl100k vocabulary.

Lexical first, the model reads only the files that share most words with the issue; the stand-in then asks for the files
beyond that it would keep. Recall is the share of tasks in which every file that the reference patch changes was found
relevant: the benchmark looks at these patches, the stage never does.

Ends with one line `RESULT outline_ratio= digest_ratio= lexical_ratio= lexical_recall= dropped=`: `outline`, `again` and
`lexical` over `full` for all tasks, that recall, and the number of files that should have been shown but were not,
lexical first aside. The line before has the recall of each; that of a scan that reads everything none can pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.relevance import find_relevant
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.prompting import Prompts
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment
from sandboxes.local import LocalSandbox

READINGS = {"full": "full", "outline": "outline", "new": "digest", "again": "digest", "lexical": "lexical"}
"""What is measured, in order, and the mode of relevance that it is."""
WORD = re.compile(r"[A-Za-z_]\w{2,}")
CHANGED = re.compile(r"^diff --git a/(\S+)", re.M)
LISTED = re.compile(r'^("[^"]*")$', re.M)
FILE = re.compile(r'^File \d+: ("[^"]*")', re.M)


class Reader:
    """Fake scan model: keeps the files whose names and texts share most words with the issue."""

    name = "reader"

    def __init__(self, keep: frozenset[str]) -> None:
        self._keep = keep
        self.price: Price | None = Price()
        self.tokens: Counter[str] = Counter()
        self.shown: set[str] = set()

    def count_tokens(self, text: str) -> int:
        """Tokens in the cl100k vocabulary."""
        return counted(text)

    async def complete(self, request: Request) -> Completion:
        """Judge or describe the files of one request."""
        said = request.messages[-1].content
        self.tokens[request.key.stage] += sum(counted(message.content) for message in request.messages)
        paths = [json.loads(path) for path in FILE.findall(said)]
        if request.key.stage == "digest":
            most = [int(words) for words in re.findall(r"^Definition .*, at most (\d+) words$", said, re.M)]
            # As long as it may be: names are what a digest is made of.
            digests = [" ".join(WORD.findall(said)[:words]) for words in most]
            answer: list[Any] = [{"definition": n, "digest": text} for n, text in enumerate(digests, start=1)]
        elif "have not been read" in request.messages[0].content:
            answer = [
                path for path in map(json.loads, LISTED.findall(request.messages[0].content)) if path in self._keep
            ]
        else:
            self.shown |= set(paths)
            answer = [{"file": n, "relevant": path in self._keep, "summary": ""} for n, path in enumerate(paths, 1)]
        return Completion(json.dumps(answer), "stop", Usage(), self.name)

    async def close(self) -> None:
        """Nothing to release."""


@cache
def counted(text: str) -> int:
    """Number of tokens in a text."""
    return count_tokens(text)


def most_alike(issue: str, texts: dict[str, str], share: float) -> frozenset[str]:
    """The files most similar to the issue, up to a share of all tokens; at least one."""
    words = {path: set(WORD.findall(f"{path} {text}".lower())) for path, text in texts.items()}
    known = Counter(word for found in words.values() for word in found)
    asked = {word: math.log(len(texts) / known[word]) for word in WORD.findall(issue.lower()) if word in known}
    # A long file has many words, and some in common with any issue.
    scores = {
        path: sum(asked[word] for word in found & asked.keys()) / math.sqrt(len(found)) for path, found in words.items()
    }
    kept: list[str] = []
    left = share * sum(counted(text) for text in texts.values())
    for path in sorted(scores, key=lambda path: (-scores[path], path)):
        left -= counted(texts[path])
        if kept and left < 0:
            break
        kept.append(path)
    return frozenset(kept)


def snapshot_of(folder: Path, scratch: Path) -> Snapshot:
    """The snapshot of a task's base commit."""
    tree = scratch / "tree"
    with tarfile.open(folder / "repo.tar.gz") as tar:
        tar.extractall(tree, filter="data")
    commit_tree(tree, scratch / "git")
    return Snapshot.of_repository(scratch / "git")


class Reading(NamedTuple):
    """What one reading of a task came to."""

    tokens: int
    missed: int
    """Files that were not shown."""
    is_complete: bool
    """Whether every file of the reference patch was found relevant."""


def measure(task: Task, snapshot: Snapshot, store: Path, share: float) -> dict[str, Reading]:
    """What each reading comes to."""
    assert task.folder is not None
    changed = set(CHANGED.findall((task.folder / "gold.patch").read_text(encoding="utf-8"))) & texts_of(snapshot).keys()
    texts = texts_of(snapshot)
    keep = most_alike(task.issue, texts, share)
    found: dict[str, Reading] = {}
    for reading, mode in READINGS.items():
        with tempfile.TemporaryDirectory() as runs:
            settings = load_settings(context={"mode": mode})
            journal = Journal(Path(runs), "run", "tasks", {})
            journal.add_tasks([task])
            digests = DigestStore(store)
            reader = Reader(keep)
            steps = Steps(journal, ModelSet(reader, reader), LocalSandbox(), settings.operation, digests=digests)
            prompts = Prompts("0123abcd", None, {"repo": task.repo, "issue": task.issue})
            work = Work(task, snapshot, Environment("none"), settings, prompts, steps)
            relevant = {file.path for file in asyncio.run(find_relevant(work))}
            digests.close()
            journal.close()
            missed = len(texts.keys() - reader.shown)
            found[reading] = Reading(reader.tokens.total(), missed, changed <= relevant)
    return found


def texts_of(snapshot: Snapshot) -> dict[str, str]:
    """The source files that relevance reads."""
    paths = (entry.path for entry in snapshot.entries)
    return {path: text for path in paths if is_source(path) and not is_test(path) and (text := snapshot.text(path))}


def report(rows: Sequence[tuple[str, dict[str, Reading], bool]]) -> None:
    """Print the table and the RESULT line."""
    for id, found, first in rows:
        full = found["full"].tokens
        ratios = "  ".join(f"{reading} {found[reading].tokens / full:.3f}" for reading in READINGS)
        lost = "" if found["lexical"].is_complete else "  (lexical lost a file)"
        print(f"{id:36} {full:9,} tokens  {ratios}{'  (first of its repository)' if first else ''}{lost}")
    tokens = {reading: sum(found[reading].tokens for _, found, _ in rows) for reading in READINGS}
    recall = {reading: sum(found[reading].is_complete for _, found, _ in rows) / len(rows) for reading in READINGS}
    outline, again, lexical = (tokens[reading] / tokens["full"] for reading in ("outline", "again", "lexical"))
    dropped = sum(found[reading].missed for _, found, _ in rows for reading in READINGS if reading != "lexical")
    print(" ".join(f"{reading}_recall={share:.3f}" for reading, share in recall.items()))
    print(
        f"RESULT outline_ratio={outline:.3f} digest_ratio={again:.3f} lexical_ratio={lexical:.3f} "
        f"lexical_recall={recall['lexical']:.3f} dropped={dropped}"
    )


def main() -> None:
    """Measure all tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=float, default=0.05, help="share of the tokens that the stand-in keeps")
    share = parser.parse_args().keep
    data = Path(os.environ["CODEMONKEYS_TEST_DATA"], "task_repo")
    by_repository: dict[str, list[Task]] = defaultdict(list)
    for task in sorted(load_tasks(str(data)), key=lambda task: int(task.id.rsplit("-", 1)[1])):
        by_repository[task.repo].append(task)
    rows: list[tuple[str, dict[str, Reading], bool]] = []
    with tempfile.TemporaryDirectory() as home:
        for tasks in by_repository.values():
            for position, task in enumerate(tasks):
                with tempfile.TemporaryDirectory() as scratch:
                    assert task.folder is not None
                    snapshot = snapshot_of(task.folder, Path(scratch))
                    found = measure(task, snapshot, Path(home, "digests.db"), share)
                    snapshot.close()
                rows.append((task.id, found, position == 0))
    report(rows)


if __name__ == "__main__":
    main()

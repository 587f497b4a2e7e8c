"""History: which files of a repository changed together, up to the commit that a task starts from."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import permutations
from pathlib import Path

from codemonkeys.context.file_digests import hash_of
from codemonkeys.engine.work import Work
from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.git import Git, find_repository

COMMITS = 2_000
"""How far back a history is read."""
MOST_FILES = 30
"""Files of a commit, beyond which it says nothing of any two of them: a move, a new format."""
FEWEST, SHARE = 3, 0.4
"""How often two files changed together at least, and of how many changes of the one."""
SHOWN = 2
"""Partners of a file at most."""


async def partners_of(work: Work, paths: Collection[str]) -> dict[str, str]:
    """What to tell of a file's partners, by path; only of a repository of one's own, whose history is at hand.

    Read once for each commit, and kept beside the digests.
    """
    store, task = work.steps.digests, work.task
    if store is None or task.checkout is None:
        return {}
    key = hash_of("changed together", str((COMMITS, MOST_FILES, FEWEST, SHARE, SHOWN)), task.base_commit)
    if not store.get([key]):
        found = await work.in_thread(changed_together, task.checkout.repository, task.base_commit)
        store.put({key: json.dumps(found)})
    known, kept = frozenset(paths), json.loads(store.get([key])[key])
    partners = {path: [other for other in kept.get(path, ()) if other in known] for path in known}
    return {path: f" (changed with {', '.join(others)})" for path, others in partners.items() if others}


def changed_together(repository: Path, commit: str) -> dict[str, list[str]]:
    """The files that most often changed with each file that has such partners; nothing if git lacks the history."""
    git = find_repository(repository)
    times: Counter[str] = Counter()
    together: dict[str, Counter[str]] = defaultdict(Counter)
    for paths in changes(git, commit) if git is not None else ():
        times.update(paths)
        for one, other in permutations(paths, 2):
            together[one][other] += 1
    found = {
        path: [
            other
            for other, count in sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN]
            if count >= max(FEWEST, SHARE * times[path])
        ]
        for path, others in sorted(together.items())
    }
    return {path: others for path, others in found.items() if others}


def changes(git: Git, commit: str) -> Iterator[Sequence[str]]:
    """Paths that each commit changed, newest first, of commits that say something of them."""
    options = ("-n", str(COMMITS), "--no-merges", "--no-renames", "--no-ext-diff", "--name-only", "--format=%x01")
    try:
        log = git.run("log", *options, commit).decode("utf-8", "surrogateescape")
    except EnvironmentFailed:
        return
    for record in log.split("\x01"):
        # Quoted paths have characters that no other file is likely to be named with.
        paths = [line for line in record.split("\n") if line and not line.startswith('"')]
        if 1 < len(paths) <= MOST_FILES:
            yield paths

"""Digests: what each file is about in a few words, made from its outline once and reused by every task and run.

Sleep-time compute (arXiv 2504.13171): the reading that does not depend on the issue is paid for once.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.reading import SourceFile, outlined, pack, shown_tokens
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.stages import DIGEST

FEWEST_WORDS = 15
MOST_WORDS = 50
TOKENS_PER_WORD = 10
"""A digest may have one word for so many tokens of the outline."""
SHORT = 40
"""An outline of at most so many tokens is its own digest."""
_LINE_NUMBERS = re.compile(r"  #\d+-\d+$", re.M)


async def digested(work: Work, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files shortened to their digests; one whose digest cannot be had is shortened to its outline."""
    outlines = await work.in_thread(lambda: [outlined(file) for file in files])
    template = work.prompts.source("digest.system") + work.prompts.source("digest.user")
    keys = [key_of(file, work.models.scan.name, template) for file in outlines]
    long = {key: file for key, file in zip(keys, outlines, strict=True) if shown_tokens(work, file) > SHORT}
    texts = await digests_of(work, long)

    def shortest(key: str, file: SourceFile) -> SourceFile:
        digest = replace(file, text=texts[key], form="digest") if key in texts else file
        # A model may say more about a file than its outline does.
        return digest if shown_tokens(work, digest) < shown_tokens(work, file) else file

    return [shortest(key, file) for key, file in zip(keys, outlines, strict=True)]


def key_of(file: SourceFile, model: str, template: str) -> str:
    """The name of a digest: what it is made of, by whom, and how it was asked for.

    Where a definition stands in its file changes with every edit above it, and is no part of what the file is about.
    """
    content = "\0".join((model, template, _LINE_NUMBERS.sub("", file.text)))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


async def digests_of(work: Work, files: Mapping[str, SourceFile]) -> dict[str, str]:
    """The digests of outlines by key: from the store, or made now by this task or by another one that has begun to."""
    store = work.steps.digests
    assert store is not None, "a session opens the store where the settings ask for digests"
    plan = Plan(work)
    while True:
        found = store.get(files)
        missing = [key for key in files if key not in found and key not in plan.unread]
        if not missing:
            return {key: text for key, text in found.items() if key not in plan.unread}
        mine = [key for key in missing if key not in store.making]
        if mine:
            await make(work, store, plan, files, mine)
        else:
            await store.making[missing[0]].wait()


class Plan:
    """Which digests this task asks for in which call, written down before it asks: a resumed run asks the same."""

    def __init__(self, work: Work) -> None:
        self._journal, self._task = work.journal, work.task.id
        noted = self._journal.note(self._task, DIGEST.name, 0, "plan") or {"batches": [], "unread": []}
        self.batches: list[list[str]] = noted["batches"]
        self.unread: list[str] = noted["unread"]
        """Keys of digests that no answer held; they stay so in this run, whatever other runs find out."""

    def add(self, work: Work, files: Mapping[str, SourceFile]) -> None:
        """Plan batches for the files that no batch holds yet, and record them."""
        planned = {key for batch in self.batches for key in batch}
        new = {key: file for key, file in files.items() if key not in planned}
        keys = {file.path: key for key, file in new.items()}
        batches = pack(work, list(new.values()), work.settings.context.outline_batch_tokens)
        self.batches += [[keys[file.path] for file in batch] for batch in batches]
        self.write()

    def write(self) -> None:
        """Record the plan."""
        note = {"batches": self.batches, "unread": self.unread}
        self._journal.put_note(self._task, DIGEST.name, 0, "plan", note)


async def make(
    work: Work, store: DigestStore, plan: Plan, files: Mapping[str, SourceFile], mine: Sequence[str]
) -> None:
    """Have digests made; other tasks that want them wait for this one."""
    done = asyncio.Event()
    store.making |= dict.fromkeys(mine, done)
    try:
        plan.add(work, {key: files[key] for key in mine})
        async with asyncio.TaskGroup() as group:
            for number, batch in enumerate(plan.batches):
                # A batch is asked for as it was planned, or a resumed run would ask something else.
                if not store.making.keys().isdisjoint(batch):
                    group.create_task(make_batch(work, store, plan, number, {key: files[key] for key in batch}))
    finally:
        for key in mine:
            del store.making[key]
        done.set()
    plan.write()


async def make_batch(work: Work, store: DigestStore, plan: Plan, number: int, files: Mapping[str, SourceFile]) -> None:
    """Ask for some digests in one call; an answer that cannot be parsed is asked for again, once."""
    system = work.prompts("digest.system")
    talk = Conversation(work, DIGEST, number, system, 2, 0.0, work.settings.context.max_tokens)
    found: dict[int, str] = {}

    def parse(answer: str) -> None:
        found.update(read_digests(answer, len(files)))
        missing = [str(n) for n in range(1, len(files) + 1) if n not in found]
        if missing:
            raise UnusableAnswer(f"no JSON object for file {', '.join(missing)} could be read in it.")

    def repair(problem: str) -> str:
        return work.prompts("digest.repair", problem=problem, count=len(files))

    shown = shown_for_digest(work, list(files.values()))
    await talk.ask(work.prompts("digest.user", files=shown), parse, repair)
    keys = dict(enumerate(files, start=1))
    store.put({keys[n]: text for n, text in found.items()})
    plan.unread += [key for n, key in keys.items() if n not in found]


def shown_for_digest(work: Work, files: Sequence[SourceFile]) -> list[dict[str, Any]]:
    """The files as the template shows them."""
    return [{"path": file.path, "text": file.text, "words": words_for(work, file)} for file in files]


def words_for(work: Work, file: SourceFile) -> int:
    """How many words a digest may have."""
    return max(FEWEST_WORDS, min(MOST_WORDS, shown_tokens(work, file) // TOKENS_PER_WORD))


def read_digests(answer: str, count: int) -> dict[int, str]:
    """File number -> digest, for every object of the answer that can be read; one far too long is cut."""
    found = {}
    for item in last_array(answer) or []:
        number, text = (item.get("file"), item.get("digest")) if isinstance(item, dict) else (None, None)
        # A bool is an int to Python, but no number of a file.
        if type(number) is int and 1 <= number <= count and isinstance(text, str) and text.strip():
            found[number] = " ".join(text.split()[: 2 * MOST_WORDS])
    return found

"""Makes digests: which are requested in which call, the calls, and what is read of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.reading import pack_by
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, PromptTooLong
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.stages import DIGEST

MOST_WORDS = 100
"""Words of a digest at most, whatever its length was asked to be."""
ANSWER_SHARE = 0.6
"""Of the longest answer, how much a batch is to take at most."""


@dataclass(frozen=True)
class Subject:
    """What a digest is about: a file or a definition in one."""

    path: str
    text: str
    words: int
    """Maximum number of words for the digest."""


@dataclass(frozen=True)
class Kind:
    """A kind of subjects."""

    name: str
    """Of its objects in answers; and its templates are named so, but those of files."""
    plan: str
    """Kind of the note that holds the plan."""
    templates: str


FILES = Kind("file", "plan", "digest")
"""Whole files, as tasks that began before there were digests of definitions go on."""
DEFINITIONS = Kind("definition", "definitions", "definition")


async def digests_of(work: Work, kind: Kind, subjects: Mapping[str, Subject]) -> dict[str, str]:
    """Digests by key: from the store, or generated now, by this task or by another that is at it."""
    store = work.steps.digests
    assert store is not None, "a session opens the store where the settings ask for digests"
    plan = DigestPlan(work, kind)
    while True:
        found = store.get(subjects)
        missing = [key for key in subjects if key not in found and key not in plan.unread]
        if not missing:
            return {key: text for key, text in found.items() if key not in plan.unread}
        mine = [key for key in missing if key not in store.pending]
        if mine:
            await generate(work, store, plan, subjects, mine)
        else:
            await store.pending[missing[0]].wait()


class DigestPlan:
    """Which digests this task requests in which call, recorded first so that a resumed run sends the same calls."""

    def __init__(self, work: Work, kind: Kind) -> None:
        self.kind = kind
        self._journal, self._task = work.journal, work.task.id
        stored = self._journal.note(self._task, DIGEST.name, 0, kind.plan)
        self.is_recorded = stored is not None
        """Whether the task has a plan already."""
        noted = stored or {"batches": [], "unread": []}
        self._noted: dict[str, Any] = noted
        self.batches: list[list[str]] = noted["batches"]
        self.unread: list[str] = noted["unread"]
        """Keys of digests missing from the answers; they stay missing in this run, whatever other runs store."""

    def add(self, work: Work, subjects: Mapping[str, Subject]) -> None:
        """Plan batches for subjects that are in no batch yet, and record the plan."""
        planned = {key for batch in self.batches for key in batch}
        self.batches += batches_of(work, self.kind, {k: s for k, s in subjects.items() if k not in planned})
        self.write()

    def write(self, **facts: int) -> None:
        """Record the plan, with facts for readers of the run."""
        self._noted |= facts
        note = {**self._noted, "batches": self.batches, "unread": self.unread}
        self._journal.put_note(self._task, DIGEST.name, 0, self.kind.plan, note)


def batches_of(work: Work, kind: Kind, subjects: Mapping[str, Subject]) -> list[list[str]]:
    """Keys of subjects by call, in order: as much text as a call may hold, and as many answers."""
    context = work.settings.context
    a_word = context.outline_batch_tokens / (ANSWER_SHARE * context.max_tokens)

    def size(key: str) -> float:
        subject = subjects[key]
        tokens = work.models.scan.count_tokens(subject.text)
        return tokens if kind is FILES else max(tokens, a_word * (2 * subject.words + 15))

    return pack_by(list(subjects), size, context.outline_batch_tokens)


async def generate(
    work: Work, store: DigestStore, plan: DigestPlan, subjects: Mapping[str, Subject], mine: Sequence[str]
) -> None:
    """Generate digests; other tasks that need them wait for this one."""
    done = asyncio.Event()
    store.pending |= dict.fromkeys(mine, done)
    try:
        plan.add(work, {key: subjects[key] for key in mine})
        calls = [
            # Send each batch exactly as planned, or a resumed run would send a different request.
            generate_batch(work, store, plan, number, {key: subjects[key] for key in batch})
            for number, batch in enumerate(plan.batches)
            if not store.pending.keys().isdisjoint(batch)
        ]
        # All of them end: where one reaches the budget, what the others paid for is kept.
        for error in await asyncio.gather(*calls, return_exceptions=True):
            if error is not None:
                raise error
    finally:
        for key in mine:
            del store.pending[key]
        done.set()
    plan.write()


async def generate_batch(
    work: Work, store: DigestStore, plan: DigestPlan, number: int, subjects: Mapping[str, Subject]
) -> None:
    """Generate a batch of digests in one call, with one repair turn for an unusable answer.

    Subjects that the provider refuses stay without a digest.
    """
    kind = plan.kind
    system = work.prompts(f"{kind.templates}.system")
    talk = Conversation(work, DIGEST, number, system, 2, 0.0, work.settings.context.max_tokens)
    found: dict[int, str] = {}

    def parse(answer: str) -> None:
        found.update(read_digests(answer, len(subjects), kind))
        missing = [str(n) for n in range(1, len(subjects) + 1) if n not in found]
        if missing:
            raise UnusableAnswer(f"no JSON object for {kind.name} {', '.join(missing)} could be read in it.")

    def repair(problem: str) -> str:
        return work.prompts(f"{kind.templates}.repair", problem=problem, count=len(subjects))

    try:
        await talk.ask(message(work, kind, list(subjects.values())), parse, repair)
    except (FilteredAnswer, PromptTooLong) as error:
        await work.note(DIGEST, "refused", str(error), number)
    keys = dict(enumerate(subjects, start=1))
    store.put({keys[n]: text for n, text in found.items()})
    plan.unread += [key for n, key in keys.items() if n not in found]


def message(work: Work, kind: Kind, subjects: Sequence[Subject]) -> str:
    """The message that shows subjects, numbered in order."""
    if kind is FILES:
        return work.prompts("digest.user", files=[{"path": s.path, "text": s.text, "words": s.words} for s in subjects])
    numbers = iter(range(1, len(subjects) + 1))
    files = [
        {
            "path": path,
            "definitions": [{"number": next(numbers), "text": s.text, "words": s.words} for s in of_file],
        }
        for path, of_file in groupby(subjects, attrgetter("path"))
    ]
    return work.prompts("definition.user", files=files, count=len(subjects))


def read_digests(answer: str, count: int, kind: Kind) -> dict[int, str]:
    """Number of a subject -> digest, for every valid object of the answer; overlong digests are cut."""
    found = {}
    for item in last_array(answer) or []:
        number, text = (item.get(kind.name), item.get("digest")) if isinstance(item, dict) else (None, None)
        # In Python a bool is an int, but it is not a number here.
        if type(number) is int and 1 <= number <= count and isinstance(text, str) and text.strip():
            found[number] = " ".join(text.split()[:MOST_WORDS])
    return found

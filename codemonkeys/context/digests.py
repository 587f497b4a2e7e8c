"""Digests: a short summary of each file, generated once from its outline and reused by every task and run.

Sleep-time compute (arXiv 2504.13171): reading that does not depend on the issue is paid for once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.reading import SourceFile, as_outline, pack, shown_tokens
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, PromptTooLong
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.stages import DIGEST

FEWEST_WORDS = 15
MOST_WORDS = 50
TOKENS_PER_WORD = 10
"""Outline tokens per word of a digest."""
SHORT = 40
"""Outlines of up to this many tokens serve as their own digests."""
_LINE_NUMBERS = re.compile(r"  #\d+-\d+$", re.M)


async def as_digests(work: Work, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files shortened to their digests, or to their outlines where no digest is available."""
    outlines = await work.in_thread(lambda: [as_outline(file) for file in files])
    template = work.prompts.source("digest.system") + work.prompts.source("digest.user")
    model = work.models.scan.name
    if given := work.models.parameters_of(DIGEST.name, 0).given():
        model = f"{model} {json.dumps(given, sort_keys=True)}"
    keys = [key_of(file, model, template) for file in outlines]
    long = {key: file for key, file in zip(keys, outlines, strict=True) if shown_tokens(work, file) > SHORT}
    texts = await digests_of(work, long)

    def shortest(key: str, file: SourceFile) -> SourceFile:
        digest = replace(file, text=texts[key], form="digest") if key in texts else file
        # A digest can turn out longer than the outline.
        return digest if shown_tokens(work, digest) < shown_tokens(work, file) else file

    return [shortest(key, file) for key, file in zip(keys, outlines, strict=True)]


def key_of(file: SourceFile, model: str, template: str) -> str:
    """Key of a digest: hash of the outline, the model with its parameters, and the prompt templates.

    Line numbers are left out: they change with every edit above a definition, and do not matter for a digest.
    """
    content = "\0".join((model, template, _LINE_NUMBERS.sub("", file.text)))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


async def digests_of(work: Work, files: Mapping[str, SourceFile]) -> dict[str, str]:
    """Digests of outlines by key: from the store, or generated now, by this task or by another that is at it."""
    store = work.steps.digests
    assert store is not None, "a session opens the store where the settings ask for digests"
    plan = DigestPlan(work)
    while True:
        found = store.get(files)
        missing = [key for key in files if key not in found and key not in plan.unread]
        if not missing:
            return {key: text for key, text in found.items() if key not in plan.unread}
        mine = [key for key in missing if key not in store.pending]
        if mine:
            await generate(work, store, plan, files, mine)
        else:
            await store.pending[missing[0]].wait()


class DigestPlan:
    """Which digests this task requests in which call, recorded first so that a resumed run sends the same calls."""

    def __init__(self, work: Work) -> None:
        self._journal, self._task = work.journal, work.task.id
        noted = self._journal.note(self._task, DIGEST.name, 0, "plan") or {"batches": [], "unread": []}
        self.batches: list[list[str]] = noted["batches"]
        self.unread: list[str] = noted["unread"]
        """Keys of digests missing from the answers; they stay missing in this run, whatever other runs store."""

    def add(self, work: Work, files: Mapping[str, SourceFile]) -> None:
        """Plan batches for files that are in no batch yet, and record the plan."""
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


async def generate(
    work: Work, store: DigestStore, plan: DigestPlan, files: Mapping[str, SourceFile], mine: Sequence[str]
) -> None:
    """Generate digests; other tasks that need them wait for this one."""
    done = asyncio.Event()
    store.pending |= dict.fromkeys(mine, done)
    try:
        plan.add(work, {key: files[key] for key in mine})
        async with asyncio.TaskGroup() as group:
            for number, batch in enumerate(plan.batches):
                # Send each batch exactly as planned, or a resumed run would send a different request.
                if not store.pending.keys().isdisjoint(batch):
                    group.create_task(generate_batch(work, store, plan, number, {key: files[key] for key in batch}))
    finally:
        for key in mine:
            del store.pending[key]
        done.set()
    plan.write()


async def generate_batch(
    work: Work, store: DigestStore, plan: DigestPlan, number: int, files: Mapping[str, SourceFile]
) -> None:
    """Generate a batch of digests in one call, with one repair turn for an unusable answer.

    Files that the provider refuses stay without a digest, and are read as outlines.
    """
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
    try:
        await talk.ask(work.prompts("digest.user", files=shown), parse, repair)
    except (FilteredAnswer, PromptTooLong) as error:
        await work.note(DIGEST, "refused", str(error), number)
    keys = dict(enumerate(files, start=1))
    store.put({keys[n]: text for n, text in found.items()})
    plan.unread += [key for n, key in keys.items() if n not in found]


def shown_for_digest(work: Work, files: Sequence[SourceFile]) -> list[dict[str, Any]]:
    """The files as template variables."""
    return [{"path": file.path, "text": file.text, "words": words_for(work, file)} for file in files]


def words_for(work: Work, file: SourceFile) -> int:
    """Maximum number of words for a digest."""
    return max(FEWEST_WORDS, min(MOST_WORDS, shown_tokens(work, file) // TOKENS_PER_WORD))


def read_digests(answer: str, count: int) -> dict[int, str]:
    """File number -> digest, for every valid object of the answer; overlong digests are cut."""
    found = {}
    for item in last_array(answer) or []:
        number, text = (item.get("file"), item.get("digest")) if isinstance(item, dict) else (None, None)
        # In Python a bool is an int, but it is not a file number.
        if type(number) is int and 1 <= number <= count and isinstance(text, str) and text.strip():
            found[number] = " ".join(text.split()[: 2 * MOST_WORDS])
    return found

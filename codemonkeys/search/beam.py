"""The first edits of a wave: all are waited for, and only the best few trajectories go on.

After SWE-Reasoner (arXiv 2503.23803), whose search is a beam over the stages of development, scored by a trained reward
model and by executions. Ours are executions, or votes of a judge that is told of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codemonkeys.engine.decided import note_decided, noted
from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate, FirstEdit
from codemonkeys.journal.decisions import CONTEXTS, KEPT
from codemonkeys.prompting import cut_middle
from codemonkeys.search.judging import in_judged_order
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.votes import exited
from codemonkeys.stages import PRUNE
from sandboxes.base import Execution

SCORES = "scores"
"""Kind of the note that holds what each first edit passes, by trajectories drawn before the wave."""
PRUNED = "pruned"
"""Kind of the note of a trajectory that had to end with its first edit."""
CHARACTERS = 40_000
"""Of patches and outputs that a message of the judge shows, in all."""


@dataclass(frozen=True)
class Scored:
    """A first edit, and what executions say of it."""

    candidate: Candidate
    scripts: int
    """Test scripts of the wave that find the issue in the unedited code."""
    passed: int
    """How many of them call it fixed."""
    broken: int | None
    """Tests of the repository that it breaks; None if unknown."""
    failing: Execution | None = None
    """Of a script that does not call it fixed: its own, if that is one."""

    @property
    def fitness(self) -> tuple[int, int]:
        """Of executions alone; larger is better."""
        return self.passed, -(self.broken or 0)


@dataclass
class Beam:
    """The trajectories of one wave that are pruned."""

    work: Work
    at: int
    """Trajectories that were drawn before."""
    samples: Sequence[int]
    context_of: Callable[[int], int]
    """The number of a sample's context choice, once it has an edit."""
    _edits: dict[int, FirstEdit] = field(default_factory=dict[int, FirstEdit])
    _missing: set[int] = field(default_factory=set[int])
    _complete: asyncio.Event = field(default_factory=asyncio.Event)
    _decided: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        self._missing = set(self.samples)

    async def goes_on(self, edit: FirstEdit) -> bool:
        """Whether a trajectory is kept, once the first edits of all others are there or cannot be."""
        sample = edit.candidate.sample
        self._edits[sample] = edit
        self._arrived(sample)
        await self._decided.wait()
        if sample not in self._kept:
            await self.work.note(PRUNE, PRUNED, True, sample)
        return sample in self._kept

    def ended(self, sample: int, candidate: Candidate | None) -> None:
        """A trajectory has ended; one that needed no further turn takes part with what it came to."""
        if candidate is not None and sample in self._missing:
            self._edits[sample] = FirstEdit(candidate, None)
        self._arrived(sample)

    def _arrived(self, sample: int) -> None:
        self._missing.discard(sample)
        if not self._missing:
            self._complete.set()

    async def decide(self) -> list[int]:
        """Wait for the first edits of all, and decide, once, which are kept; a resumed run reads it.

        Returns the context choices that are kept, the best first, if this wave is what decides that.
        """
        await self._complete.wait()
        search = self.work.settings.search
        numbers = {sample: self.context_of(sample) for sample in self.samples}
        several = len(set(numbers.values())) > search.keep_contexts
        prunes_contexts = several and self.at == 0 and search.prune == "executions"
        kept: list[int] | None = noted(self.work, KEPT, self.at)
        contexts: list[int] = (noted(self.work, CONTEXTS, 0) or []) if prunes_contexts else []
        if kept is None:
            most = search.keep_edits or len(self._edits)
            order = await self._order(most) if prunes_contexts or len(self._edits) > most else sorted(self._edits)
            if prunes_contexts:
                # By their best edits; those without any are last.
                found = dict.fromkeys([*(numbers[sample] for sample in order), *numbers.values()])
                contexts = contexts or list(found)[: search.keep_contexts]
                order = [sample for sample in order if numbers[sample] in contexts]
            kept = order[:most]
        if prunes_contexts:
            await note_decided(self.work, CONTEXTS, 0, contexts)
        await note_decided(self.work, KEPT, self.at, kept)
        self._kept = kept
        self._decided.set()
        return contexts

    async def _order(self, most: int) -> list[int]:
        """Samples with an edit, the best first; equal edits are behind all others but the first of each."""
        edits = [self._edits[sample] for sample in sorted(self._edits)]
        first = {edit.candidate.patch: edit.candidate.sample for edit in reversed(edits)}
        distinct = [edit for edit in edits if first[edit.candidate.patch] == edit.candidate.sample]
        found = {each.candidate.sample: each for each in await score(self.work, distinct)}
        bodies = [body_of(found[first[edit.candidate.patch]], edit.candidate.sample) for edit in edits]
        await self.work.note(PRUNE, SCORES, bodies, self.at)
        order = sorted(found, key=lambda sample: found[sample].fitness, reverse=True)
        if self.work.settings.search.prune == "judge" and len(order) > most:
            order = await judged(self.work, 1 + self.at, found, order)
        return [*order, *(edit.candidate.sample for edit in edits if edit.candidate.sample not in found)]


async def score(work: Work, edits: Sequence[FirstEdit]) -> list[Scored]:
    """Run every distinct test script of some first edits on each of them; results of before are reused."""
    scripts = {edit.candidate.test: edit.candidate.sample for edit in reversed(edits) if edit.candidate.test}
    tests = sorted(scripts, key=scripts.__getitem__)
    async with asyncio.TaskGroup() as group:
        original = [
            group.create_task(work.run(PRUNE, scripts[test], number, "original", test))
            for number, test in enumerate(tests)
        ]
    valid = [n for n, ran in enumerate(original) if exited(ran.result(), ISSUE_PRESENT)]
    async with asyncio.TaskGroup() as group:
        edited = [
            [
                group.create_task(work.run(PRUNE, edit.candidate.sample, n, "edited", tests[n], edit.candidate.patch))
                for n in valid
            ]
            for edit in edits
        ]
    return [
        scored(edit, {tests[n]: task.result() for n, task in zip(valid, of_edit, strict=True)})
        for edit, of_edit in zip(edits, edited, strict=True)
    ]


def scored(edit: FirstEdit, ran: Mapping[str, Execution]) -> Scored:
    """A first edit with what valid test scripts do with it."""
    failed = {test: result for test, result in ran.items() if not exited(result, ISSUE_FIXED)}
    failing = failed.get(edit.candidate.test) or next(iter(failed.values()), None)
    return Scored(edit.candidate, len(ran), len(ran) - len(failed), edit.broken, failing)


async def judged(work: Work, sample: int, edits: Mapping[int, Scored], order: Sequence[int]) -> list[int]:
    """The order of first edits that a judge gives, which is told what executions say."""
    files = touched_files(work, [edit.candidate.patch for edit in edits.values()])
    system, share = work.prompts("prune.system", files=files), CHARACTERS // (2 * len(edits))

    def shown(place: int, edit: Scored) -> dict[str, Any]:
        failing = work.show(edit.failing) if edit.failing else None
        return {
            "number": place,
            "patch": cut_middle(edit.candidate.patch, share),
            "scripts": edit.scripts,
            "passed": edit.passed,
            "broken": edit.broken,
            "verdict": failing.verdict if failing else "",
            "output": cut_middle(failing.output, share) if failing else "",
        }

    def told(shuffled: Sequence[int]) -> str:
        return work.prompts("prune.user", edits=[shown(place, edits[s]) for place, s in enumerate(shuffled, 1)])

    return await in_judged_order(work, sample, system, order, told)


def body_of(edit: Scored, sample: int) -> dict[str, Any]:
    """What executions say of the first edit of a sample, as its note tells it. `edit`: the first that is equal."""
    said = {"sample": sample, "passed": edit.passed, "of": edit.scripts, "broken": edit.broken}
    return said if edit.candidate.sample == sample else {**said, "equal to": edit.candidate.sample}

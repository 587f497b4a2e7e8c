"""Waves that evolve candidates: the next one reviews the best few before it, while tests accept none of them.

After EvoScale (arXiv 2505.23604), which has models trained to improve on their parents. One that is not trained for it
may get worse when it is shown earlier edits, so where tests accept a candidate a wave is told of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codemonkeys.engine.scripts import ISSUE_FIXED
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.prompting import cut_middle
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import candidates as usable
from codemonkeys.selection.rules_base import is_accepted, passed, valid_tests
from codemonkeys.selection.votes import exited
from codemonkeys.stages import MEMORY

PARENTS = "parents"
"""Kind of the note that says which trajectories a wave reviews."""


async def describe_parents(work: Work, candidates: Sequence[Candidate], drawn: int, before: Sequence[str] = ()) -> str:
    """The message about the best candidates so far; empty if there is none, or tests accept one.

    `drawn`: how many trajectories have ended. `before`: scripts that have run on the candidates.
    """
    if not candidates:
        return ""
    inputs = await collect_evidence(work, candidates, before=before)
    chosen = fittest(inputs.evidence)[: work.settings.generation.parents]
    await work.note(MEMORY, PARENTS, [candidates[index].sample for index in chosen], drawn)
    if not chosen:
        return ""
    share = max(1, work.settings.generation.memory_characters // (2 * len(chosen)))
    return work.prompts("edit.peers", peers=[results_of(work, inputs, index, share) for index in chosen])


def fittest(evidence: Evidence) -> list[int]:
    """Distinct candidates, the fittest first; none if tests accept one."""
    if any(is_accepted(evidence, index) for index in range(len(evidence.patches))):
        return []
    return by_fitness(evidence)


def by_fitness(evidence: Evidence) -> list[int]:
    """Distinct candidates, those that pass most valid tests first, of equals those that break fewest.

    By executions alone: what a model thinks of them would favour what persuades it.
    """
    scripts = valid_tests(evidence)

    def key(index: int) -> tuple[tuple[int, int], int]:
        return fitness(evidence, passed(evidence, index, scripts), breaks(evidence, index)), -index

    return sorted(usable(evidence), key=key, reverse=True)


def fitness(evidence: Evidence, passes: int, broken: int | None) -> tuple[int, int]:
    """How good a candidate is by so many valid tests that it passes and tests that it breaks; larger is better.

    One of which it is unknown what it breaks counts as if it broke all, and one more.
    """
    return passes, -(evidence.regressions + 1 if broken is None else broken)


def breaks(evidence: Evidence, index: int) -> int | None:
    """Tests of the repository that a candidate breaks; None if unknown, 0 where none were run."""
    return evidence.breaks[index] if evidence.breaks else 0


def results_of(work: Work, inputs: SelectionInput, index: int, share: int) -> dict[str, Any]:
    """A distinct candidate as others are told of it: its patch, what tests say, and the output of one that it fails.

    `share`: characters of the patch, and of the output.
    """
    evidence, matrix = inputs.evidence, inputs.matrix
    row = next(n for n, numbered in enumerate(matrix.candidates) if numbered.number == index + 1)
    scripts = valid_tests(evidence)
    failed = [test for test in scripts if not exited(matrix.edited[row][test], ISSUE_FIXED)]
    own = evidence.own[index]
    shown = work.show(matrix.edited[row][own if own in failed else failed[0]]) if failed else None
    return {
        "patch": cut_middle(evidence.patches[index], share),
        "scripts": len(scripts),
        "passed": passed(evidence, index, scripts),
        "tests": evidence.regressions,
        "broken": evidence.breaks[index] if evidence.breaks else None,
        "verdict": shown.verdict if shown else "",
        "output": cut_middle(shown.output, share) if shown else "",
    }

"""Agreement between candidates: a consensus that needs no label, no execution and no model.

Right patches are alike, wrong ones are wrong in their own ways. How much a source's patches are like those of
*unrelated* sources therefore tells how good it is, as with raters whose accuracy nobody knows (Dawid and Skene 1979;
Ratner et al., arXiv 1810.02840). Tasks differ in how alike all their patches are, so each has a factor of its own:

    likeness(patch of s, patch of t in task x)  ~  easiness_x * competence_s * competence_t
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.patch_similarity import similarities

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS = 30
"""Of the alternating fit; on real submissions the fourth digit stands still after ten."""


def sources_of(evidence: Evidence) -> tuple[str, ...]:
    """The source of each candidate; one for all, if nobody told."""
    return evidence.sources or ("",) * len(evidence.patches)


def families_of(evidence: Evidence) -> tuple[str, ...]:
    """The family of each candidate: its source, if nobody told."""
    return evidence.families or sources_of(evidence)


def competences(pool: Sequence[Evidence]) -> dict[str, float]:
    """How good each source is by what unrelated sources wrote, relative to the mean of 1.

    Least squares by turns. Three families are needed to tell them apart: with fewer all are 1.
    """
    import numpy as np

    names = sorted({source for evidence in pool for source in sources_of(evidence)})
    families = {family for evidence in pool for family in families_of(evidence)}
    weights = np.ones(len(names))
    if len(families) < 3:
        return dict.fromkeys(names, 1.0)
    index = {name: n for n, name in enumerate(names)}
    tasks, one, other, alike = _unrelated_pairs(pool, index)
    for _ in range(ROUNDS):
        expected = weights[one] * weights[other]
        easiness = _ratio(tasks, alike, expected, len(pool))
        wanted = _ratio(one, alike, easiness[tasks] * weights[other], len(names))
        weights = np.sqrt(weights * np.where(wanted > 0, wanted, weights))  # halfway, or it swings
        weights /= weights.mean()
    return {name: float(weight) for name, weight in zip(names, weights, strict=True)}


def _unrelated_pairs(pool: Sequence[Evidence], index: Mapping[str, int]) -> tuple[NDArray[Any], ...]:
    """Task, source, other source and likeness of each two candidates of different families, both ways round."""
    import numpy as np

    found: list[tuple[int, int, int, float]] = []
    for task, evidence in enumerate(pool):
        rows, families = similarities(evidence.patches), families_of(evidence)
        sources = [index[source] for source in sources_of(evidence)]
        for k, row in enumerate(rows):
            found += [(task, sources[k], sources[m], row[m]) for m in range(len(row)) if families[k] != families[m]]
    table = np.array(found, dtype=float).reshape(-1, 4)
    return (*table[:, :3].astype(int).T, table[:, 3])


def _ratio(groups: NDArray[Any], seen: NDArray[Any], expected: NDArray[Any], count: int) -> NDArray[Any]:
    """For each group the sum of what was seen over that of what was expected; 0 where nothing was."""
    import numpy as np

    above, below = np.bincount(groups, seen, count), np.bincount(groups, expected, count)
    return np.divide(above, below, out=np.zeros(count), where=below > 0)


def support(evidence: Evidence, competence: Mapping[str, float]) -> list[float]:
    """How far each candidate is supported: by its own source, and by each family as one voice.

    A family's voice is the mean, over its candidates but this one, of likeness times competence.
    A source that the competences do not name counts as 1. Equivalent candidates share the most that one of them has.
    """
    weights = [competence.get(source, 1.0) for source in sources_of(evidence)]
    members: dict[str, list[int]] = defaultdict(list)
    for k, family in enumerate(families_of(evidence)):
        members[family].append(k)
    best: dict[int, float] = defaultdict(float)
    for k, row in enumerate(similarities(evidence.patches)):
        total = weights[k]
        for voices in members.values():
            others = [weights[m] * row[m] for m in voices if m != k]
            total += sum(others) / len(others) if others else 0.0
        best[evidence.classes[k]] = max(best[evidence.classes[k]], total)
    return [best[first] for first in evidence.classes]

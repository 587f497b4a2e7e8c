"""Agreement between candidates: a consensus without labels, executions or models.

Right patches are similar, wrong ones are wrong in different ways. The similarity of a source's patches to those of
*unrelated* sources therefore indicates its competence, as for raters of unknown accuracy (Dawid and Skene 1979; Ratner
et al., arXiv 1810.02840). Tasks differ in the overall similarity of their patches, so each has its own factor:

    similarity(patch of s, patch of t in task x)  ~  easiness_x * competence_s * competence_t
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
"""Iterations of the alternating fit; on real submissions four digits are stable after ten."""


def sources_of(evidence: Evidence) -> tuple[str, ...]:
    """The source of each candidate; the same for all if unknown."""
    return evidence.sources or ("",) * len(evidence.patches)


def families_of(evidence: Evidence) -> tuple[str, ...]:
    """The family of each candidate; its source if unknown."""
    return evidence.families or sources_of(evidence)


def competences(pool: Sequence[Evidence]) -> dict[str, float]:
    """Competence of each source, estimated from unrelated sources; the mean is 1.

    By alternating least squares. Identifiable with three or more families; otherwise all are 1.
    """
    import numpy as np

    names = sorted({source for evidence in pool for source in sources_of(evidence)})
    families = {family for evidence in pool for family in families_of(evidence)}
    weights = np.ones(len(names))
    if len(families) < 3:
        return dict.fromkeys(names, 1.0)
    index = {name: n for n, name in enumerate(names)}
    tasks, one, other, observed_similarity = _unrelated_pairs(pool, index)
    for _ in range(ROUNDS):
        expected = weights[one] * weights[other]
        easiness = _ratio(tasks, observed_similarity, expected, len(pool))
        wanted = _ratio(one, observed_similarity, easiness[tasks] * weights[other], len(names))
        weights = np.sqrt(weights * np.where(wanted > 0, wanted, weights))  # geometric damping: full steps oscillate
        weights /= weights.mean()
    return {name: float(weight) for name, weight in zip(names, weights, strict=True)}


def _unrelated_pairs(pool: Sequence[Evidence], index: Mapping[str, int]) -> tuple[NDArray[Any], ...]:
    """Task, source, other source and similarity of each pair of candidates of different families, in both orders."""
    import numpy as np

    found: list[tuple[int, int, int, float]] = []
    for task, evidence in enumerate(pool):
        rows, families = similarities(evidence.patches), families_of(evidence)
        sources = [index[source] for source in sources_of(evidence)]
        for k, row in enumerate(rows):
            found += [(task, sources[k], sources[m], row[m]) for m in range(len(row)) if families[k] != families[m]]
    table = np.array(found, dtype=float).reshape(-1, 4)
    return (*table[:, :3].astype(int).T, table[:, 3])


def _ratio(groups: NDArray[Any], observed: NDArray[Any], expected: NDArray[Any], count: int) -> NDArray[Any]:
    """For each group the ratio of summed observed to summed expected values; 0 where nothing is expected."""
    import numpy as np

    above, below = np.bincount(groups, observed, count), np.bincount(groups, expected, count)
    return np.divide(above, below, out=np.zeros(count), where=below > 0)


def support(evidence: Evidence, competence: Mapping[str, float]) -> list[float]:
    """Support of each candidate: its source's competence, plus one contribution per family.

    A family contributes the mean, over its other candidates, of similarity times competence. Sources without a given
    competence count as 1. Equivalent candidates share the highest support among them.
    """
    weights = [competence.get(source, 1.0) for source in sources_of(evidence)]
    members: dict[str, list[int]] = defaultdict(list)
    for k, family in enumerate(families_of(evidence)):
        members[family].append(k)
    best: dict[int, float] = defaultdict(float)
    for k, row in enumerate(similarities(evidence.patches)):
        total = weights[k]
        for indices in members.values():
            others = [weights[m] * row[m] for m in indices if m != k]
            total += sum(others) / len(others) if others else 0.0
        best[evidence.classes[k]] = max(best[evidence.classes[k]], total)
    return [best[first] for first in evidence.classes]

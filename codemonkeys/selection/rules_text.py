"""Rules that look at the patches alone: no test, no model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

from codemonkeys.selection.agreement import competences, families_of, sources_of, support
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.patch_similarity import changed_words, jaccard
from codemonkeys.selection.rules_base import Ranker, by_score, candidates, members


def at_random(evidence: Evidence) -> Ranking:
    """Any candidate, so that of equivalent ones each counts; always the same one for a task."""
    order = list(range(len(evidence.patches)))
    random.Random(evidence.task).shuffle(order)
    usable = set(candidates(evidence))
    firsts = dict.fromkeys(evidence.classes[k] for k in order if evidence.classes[k] in usable)
    return Ranking(tuple(firsts), 1 / len(order), "at random")


def shortest(evidence: Evidence) -> Ranking:
    """The shortest patch."""
    return by_score(evidence, [0.0] * len(evidence.patches), 0.0, "the shortest patch")


def majority(evidence: Evidence) -> Ranking:
    """The largest class of equivalent patches."""
    sizes = [0.0] * len(evidence.patches)
    for first, same in members(evidence).items():
        sizes[first] = len(same)
    ranking = by_score(evidence, sizes, len(sizes), "")
    count = int(sizes[ranking.order[0]])
    return Ranking(ranking.order, ranking.confidence, f"{count} of {len(sizes)} candidates are equivalent to it")


def medoid(evidence: Evidence) -> Ranking:
    """The patch whose words are most like those of all the others."""
    words = [changed_words(patch) for patch in evidence.patches]
    alike = [0.0] * len(words)
    for one, other in combinations(range(len(words)), 2):
        shared = jaccard(words[one], words[other])
        alike[one] += shared
        alike[other] += shared
    return by_score(evidence, alike, len(words) - 1, "most like the others")


def agreement(pool: Sequence[Evidence]) -> Ranker:
    """The patch with most support by families of sources, each heard as much as it agrees with unrelated ones."""
    known = competences(pool)

    def decide(evidence: Evidence) -> Ranking:
        loudest = max(known.get(source, 1.0) for source in sources_of(evidence))
        most = loudest * (1 + len(set(families_of(evidence))))
        return by_score(evidence, support(evidence, known), most, "most like what unrelated sources wrote")

    return decide

"""What a selection rule is, and what all rules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from codemonkeys.selection.evidence import Evidence, Ranking, ScriptOutcome

Ranker = Callable[[Evidence], Ranking]

NEEDS = {
    "edited": "no test script ran",
    "breaks": "no regression test ran",
    "scores": "no judge was asked",
    "ballots": "no ballot was cast",
    "conversation": "no selection conversation was held",
}
"""What a rule can need: fields of Evidence, each with what the rule says without it."""
_OF_CANDIDATES = ("edited", "breaks", "scores")


@dataclass(frozen=True)
class Rule:
    """A way to choose, by evidence alone."""

    source: str
    """Where it comes from, in one line."""
    decide: Ranker
    """Called only with evidence that it needs, and at least one candidate."""
    needs: tuple[str, ...] = ()
    """Fields of Evidence without which it abstains."""
    learn: Callable[[Sequence[Evidence]], Ranker] | None = None
    """For a rule that learns from many tasks at once, without labels: makes `decide`."""

    @property
    def pooled(self) -> bool:
        """Whether it learns from many tasks at once."""
        return self.learn is not None

    def fit(self, pool: Sequence[Evidence]) -> Rule:
        """The rule as it decides after it has seen many tasks; itself, if it does not learn."""
        return replace(self, decide=self.learn(pool), learn=None) if self.learn else self

    def rank(self, evidence: Evidence) -> Ranking:
        """Rank the candidates of a task, or abstain: never an empty patch, nor one that no test could apply."""
        for need in self.needs:
            known = getattr(evidence, need)
            # A ballot or a conversation that chose none of them has answered; a test or a judge has not.
            if not known or (need in _OF_CANDIDATES and not any(entry not in (None, ()) for entry in known)):
                return Ranking((), 0.0, NEEDS[need])
        return self.decide(evidence) if candidates(evidence) else Ranking((), 0.0, "no candidate changes anything")


def learning(source: str, learn: Callable[[Sequence[Evidence]], Ranker]) -> Rule:
    """A rule that learns from many tasks; before it has seen them it learns from the one that it decides."""
    return Rule(source, lambda evidence: learn([evidence])(evidence), learn=learn)


def candidates(evidence: Evidence) -> list[int]:
    """Those that can be chosen: the first of each class, if it changes something and applies as far as is known."""
    return [k for k in range(len(evidence.patches)) if evidence.classes[k] == k and _is_usable(evidence, k)]


def _is_usable(evidence: Evidence, candidate: int) -> bool:
    told = evidence.edited[candidate] if evidence.edited else ()
    return bool(evidence.patches[candidate].strip()) and (
        not told or any(t is not ScriptOutcome.NOT_APPLIED for t in told)
    )


def by_score(
    evidence: Evidence, scores: Sequence[float], most: float, reason: str, among: Sequence[int] | None = None
) -> Ranking:
    """Candidates by descending score, of equal ones the shorter first, then the earlier.

    `scores`: one for each candidate. `most`: the highest possible score, that confidence is relative to.
    """
    chosen = candidates(evidence) if among is None else among
    order = sorted(chosen, key=lambda k: (-scores[k], len(evidence.patches[k]), k))
    confidence = min(max(scores[order[0]] / most, 0.0), 1.0) if most > 0 else 0.0
    return Ranking(tuple(order), confidence, reason)


def members(evidence: Evidence) -> dict[int, list[int]]:
    """The first of each class, and all that are equivalent to it."""
    found: dict[int, list[int]] = {}
    for candidate, first in enumerate(evidence.classes):
        found.setdefault(first, []).append(candidate)
    return found


def valid_tests(evidence: Evidence) -> list[int]:
    """Tests that found the issue in the unedited code: only they can prove anything."""
    return [test for test, told in enumerate(evidence.original) if told is ScriptOutcome.PRESENT]


def telling_tests(evidence: Evidence) -> list[int]:
    """Valid tests that do not tell the same of every candidate."""
    rows = [evidence.edited[k] for k in candidates(evidence)]
    return [test for test in valid_tests(evidence) if len({row[test] is ScriptOutcome.FIXED for row in rows}) > 1]


def passed(evidence: Evidence, candidate: int, tests: Sequence[int]) -> int:
    """How many of the tests say that a candidate fixes the issue."""
    return sum(evidence.edited[candidate][test] is ScriptOutcome.FIXED for test in tests)


def least_broken(evidence: Evidence, among: Sequence[int]) -> list[int]:
    """Those that break the fewest of the repository's tests; one of which that is not known counts as the worst.

    All of them, where no such test ran.
    """
    if not evidence.breaks:
        return list(among)
    worst = evidence.regressions + 1
    broken = {k: worst if (count := evidence.breaks[k]) is None else count for k in among}
    fewest = min(broken.values())
    return [k for k in among if broken[k] == fewest]

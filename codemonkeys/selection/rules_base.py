"""What a selection rule is, and helpers that rules share."""

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
    "matches": "no tournament was held",
}
"""Fields of Evidence that a rule can need, each with the reason to abstain without it."""
_OF_CANDIDATES = ("edited", "breaks", "scores")


@dataclass(frozen=True)
class Rule:
    """A way to choose a candidate by evidence alone."""

    source: str
    """Its origin, in one line."""
    decide: Ranker
    """Called only if the evidence has what it needs and at least one candidate."""
    needs: tuple[str, ...] = ()
    """Fields of Evidence without which it abstains; see `NEEDS`."""
    learn: Callable[[Sequence[Evidence]], Ranker] | None = None
    """For a rule that learns from many tasks, without labels: returns its `decide`."""

    @property
    def pooled(self) -> bool:
        """Whether it learns from many tasks."""
        return self.learn is not None

    def fit(self, pool: Sequence[Evidence]) -> Rule:
        """The rule fitted to many tasks; itself, if it does not learn."""
        return replace(self, decide=self.learn(pool), learn=None) if self.learn else self

    def rank(self, evidence: Evidence) -> Ranking:
        """Rank the candidates of a task, or abstain. Empty patches, and those that never applied, do not count."""
        for need in self.needs:
            known = getattr(evidence, need)
            # A ballot or conversation that chose none is an answer; candidates without a test or score are not.
            if not known or (need in _OF_CANDIDATES and not any(entry not in (None, ()) for entry in known)):
                return Ranking((), 0.0, NEEDS[need])
        return self.decide(evidence) if candidates(evidence) else Ranking((), 0.0, "no candidate changes anything")


def learning(source: str, learn: Callable[[Sequence[Evidence]], Ranker]) -> Rule:
    """A rule that learns from many tasks; unfitted, it learns from the single task that it decides."""
    return Rule(source, lambda evidence: learn([evidence])(evidence), learn=learn)


def candidates(evidence: Evidence) -> list[int]:
    """Candidates that can be chosen: the first of each class, unless it is empty or failed to apply."""
    return [k for k in range(len(evidence.patches)) if evidence.classes[k] == k and _is_usable(evidence, k)]


def _is_usable(evidence: Evidence, candidate: int) -> bool:
    outcomes = evidence.edited[candidate] if evidence.edited else ()
    return bool(evidence.patches[candidate].strip()) and (
        not outcomes or any(t is not ScriptOutcome.NOT_APPLIED for t in outcomes)
    )


def by_score(
    evidence: Evidence, scores: Sequence[float], most: float, reason: str, among: Sequence[int] | None = None
) -> Ranking:
    """Candidates by descending score; ties go to the shorter patch, then to the earlier one.

    `scores`: one per candidate. `most`: the highest possible score, for which confidence is 1.
    """
    chosen = candidates(evidence) if among is None else among
    order = sorted(chosen, key=lambda k: (-scores[k], len(evidence.patches[k]), k))
    confidence = min(max(scores[order[0]] / most, 0.0), 1.0) if most > 0 else 0.0
    return Ranking(tuple(order), confidence, reason)


def members(evidence: Evidence) -> dict[int, list[int]]:
    """Candidates of each equivalence class, by the first one."""
    found: dict[int, list[int]] = {}
    for candidate, first in enumerate(evidence.classes):
        found.setdefault(first, []).append(candidate)
    return found


def valid_tests(evidence: Evidence) -> list[int]:
    """Tests that reproduce the issue on the unedited code: only they can prove anything."""
    return [test for test, outcomes in enumerate(evidence.original) if outcomes is ScriptOutcome.PRESENT]


def discriminating_tests(evidence: Evidence) -> list[int]:
    """Valid tests whose results differ between candidates."""
    rows = [evidence.edited[k] for k in candidates(evidence)]
    return [test for test in valid_tests(evidence) if len({row[test] is ScriptOutcome.FIXED for row in rows}) > 1]


def passed(evidence: Evidence, candidate: int, tests: Sequence[int]) -> int:
    """Number of these tests that say that a candidate fixes the issue."""
    return sum(evidence.edited[candidate][test] is ScriptOutcome.FIXED for test in tests)


def is_accepted(evidence: Evidence, candidate: int) -> bool:
    """Whether a candidate passes more than half of the valid tests, and breaks none of the repository's own tests."""
    tests = valid_tests(evidence)
    return (
        bool(tests)
        and 2 * passed(evidence, candidate, tests) > len(tests)
        and not (evidence.breaks and evidence.breaks[candidate] != 0)
    )


def least_broken(evidence: Evidence, among: Sequence[int]) -> list[int]:
    """Candidates that break the fewest repository tests; an unknown count ranks last.

    All of them if no such test ran.
    """
    if not evidence.breaks:
        return list(among)
    worst = evidence.regressions + 1
    broken = {k: worst if (count := evidence.breaks[k]) is None else count for k in among}
    fewest = min(broken.values())
    return [k for k in among if broken[k] == fewest]

"""When more samples are worth their price: Inference Scaling fLaws, arXiv 2411.17501, without its double discount.

Each task is of a type with its own probability that a sample is right. An imperfect verifier accepts or rejects
samples; sampling continues until it accepts one. Every rejection makes harder types more likely, so the expected value
of the next acceptance falls; once continuing no longer pays, abstaining is better than another sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What to do for a task."""

    STOP = "stop"
    """Submit the best candidate: it is likely enough to be right."""
    ANOTHER_WAVE = "another wave"
    ABSTAIN = "abstain"
    """No candidate is likely enough to be right, and more samples would not pay."""


@dataclass(frozen=True)
class StopPolicy:
    """Decides from the distribution of task types and the accuracy of the verifier."""

    types: tuple[tuple[float, float], ...]
    """(share among the tasks, probability that a sample is right) of each type."""
    completeness: float
    """Share of right samples that the verifier accepts: its TPR."""
    soundness: float
    """Share of wrong samples that it rejects: 1 - FPR."""
    right: float = 1.0
    """Value of a right answer."""
    wrong: float = -1.0
    """Value of a wrong answer; at most 0."""
    cost: float = 0.0
    """Cost of one sample, in the same unit."""

    def reach(self, sample: int) -> float:
        """Probability that a task reaches this sample (from 1): all before it were rejected."""
        return sum(share * self._rejected(chance) ** (sample - 1) for share, chance in self.types)

    def gain(self, sample: int) -> float:
        """Expected value that this sample (from 1) adds, seen from before the first one."""
        return sum(share * self._rejected(chance) ** (sample - 1) * self._worth(chance) for share, chance in self.types)

    def value(self, samples: int) -> float:
        """Expected value of drawing up to this number of samples."""
        return sum(self.gain(sample) for sample in range(1, samples + 1))

    def best(self, limit: int) -> int:
        """Maximum number of samples to draw while none is accepted: those before the first without a positive gain."""
        return next((sample - 1 for sample in range(1, limit + 1) if self.gain(sample) <= 0), limit)

    def precision(self, sample: int) -> float:
        """Probability that a sample accepted at this position (from 1) is right; 0 if none is ever accepted."""
        reached = [(share * self._rejected(chance) ** (sample - 1), chance) for share, chance in self.types]
        right = sum(weight * self.completeness * chance for weight, chance in reached)
        wrong = sum(weight * (1 - self.soundness) * (1 - chance) for weight, chance in reached)
        return right / (right + wrong) if right + wrong else 0.0

    @property
    def trusted(self) -> float:
        """Probability of being right above which submitting a candidate is worth more than abstaining."""
        return -self.wrong / (self.right - self.wrong)

    def decide(self, best: float, drawn: int, wave: int, limit: int) -> Decision:
        """What to do after `drawn` samples, in waves of `wave` and at most `limit`.

        `best`: probability that the best candidate is right.
        """
        if drawn and best > self.trusted:
            return Decision.STOP
        pays = sum(self.gain(sample) for sample in range(drawn + 1, drawn + wave + 1)) > 0
        return Decision.ANOTHER_WAVE if pays and drawn + wave <= limit else Decision.ABSTAIN

    def expected_samples(self, limit: int) -> float:
        """Mean number of samples per task under this policy, with at most `limit`."""
        return sum(self.reach(sample) for sample in range(1, self.best(limit) + 1))

    def _rejected(self, chance: float) -> float:
        return (1 - self.completeness) * chance + self.soundness * (1 - chance)

    def _worth(self, chance: float) -> float:
        accepted_wrong = (1 - self.soundness) * (1 - chance)
        return self.right * self.completeness * chance + self.wrong * accepted_wrong - self.cost


def types_of(
    accepted: Sequence[tuple[int, int]], completeness: float, soundness: float
) -> tuple[tuple[float, float], ...]:
    """Types of tasks, estimated from stored evidence without labels.

    `accepted`: for each task, (number of samples, number that the verifier accepted). The share of right samples is the
    share of acceptances corrected for the verifier's errors. Raises ValueError for a verifier no better than chance.
    """
    if completeness + soundness <= 1:
        raise ValueError("the verifier accepts wrong samples as often as right ones, so its votes carry no information")
    chances = Counter(
        round(min(max((taken / drawn + soundness - 1) / (completeness + soundness - 1), 0.0), 1.0), 6)
        for drawn, taken in accepted
        if drawn
    )
    return tuple((count / chances.total(), chance) for chance, count in sorted(chances.items()))

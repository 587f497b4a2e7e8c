"""When more samples are worth their price. Inference Scaling fLaws, arXiv 2411.17501, with its double discount mended.

Tasks are of types, each with its own chance that a sample is right. A verifier accepts or refuses samples, and errs in
both ways. Sampling goes on until it accepts one. Every refusal makes the harder types more likely, so what the next
acceptance is worth falls; where it no longer pays to go on, no answer is better than the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What to do for a task."""

    STOP = "stop"
    """The best candidate is to be trusted: submit it."""
    ANOTHER_WAVE = "another wave"
    ABSTAIN = "abstain"
    """No candidate is to be trusted, and more would not pay."""


@dataclass(frozen=True)
class StopPolicy:
    """Decides by what is believed of the tasks and of the verifier."""

    types: tuple[tuple[float, float], ...]
    """Share of each type among the tasks, and the chance that a sample for it is right."""
    completeness: float
    """How often the verifier accepts a right sample: its TPR."""
    soundness: float
    """How often it refuses a wrong one: 1 - FPR."""
    right: float = 1.0
    """What a right answer is worth."""
    wrong: float = -1.0
    """What a wrong one is worth: at most 0."""
    cost: float = 0.0
    """Of one sample, in the same unit."""

    def reach(self, sample: int) -> float:
        """The chance that a task comes to this sample, from 1: all before it were refused."""
        return sum(share * self._refused(chance) ** (sample - 1) for share, chance in self.types)

    def gain(self, sample: int) -> float:
        """What this sample, from 1, is expected to add for a task before any was drawn."""
        return sum(share * self._refused(chance) ** (sample - 1) * self._worth(chance) for share, chance in self.types)

    def value(self, samples: int) -> float:
        """What at most so many samples are expected to be worth."""
        return sum(self.gain(sample) for sample in range(1, samples + 1))

    def best(self, limit: int) -> int:
        """How many samples to draw at most, if none is accepted: up to the first whose gain is not above 0."""
        return next((sample - 1 for sample in range(1, limit + 1) if self.gain(sample) <= 0), limit)

    def precision(self, sample: int) -> float:
        """How far an acceptance at this sample, from 1, can be trusted; 0 if none is ever accepted."""
        reached = [(share * self._refused(chance) ** (sample - 1), chance) for share, chance in self.types]
        right = sum(weight * self.completeness * chance for weight, chance in reached)
        wrong = sum(weight * (1 - self.soundness) * (1 - chance) for weight, chance in reached)
        return right / (right + wrong) if right + wrong else 0.0

    @property
    def trusted(self) -> float:
        """How likely right a candidate must be for its submission to be worth more than none."""
        return -self.wrong / (self.right - self.wrong)

    def decide(self, best: float, drawn: int, wave: int, limit: int) -> Decision:
        """What to do after some samples.

        `best`: how likely right the best candidate is. `drawn`: samples so far, in waves of `wave`, at most `limit`.
        """
        if drawn and best > self.trusted:
            return Decision.STOP
        pays = sum(self.gain(sample) for sample in range(drawn + 1, drawn + wave + 1)) > 0
        return Decision.ANOTHER_WAVE if pays and drawn + wave <= limit else Decision.ABSTAIN

    def expected_samples(self, limit: int) -> float:
        """Samples drawn for a task on average, if the policy decides and no more than the limit are drawn."""
        return sum(self.reach(sample) for sample in range(1, self.best(limit) + 1))

    def _refused(self, chance: float) -> float:
        return (1 - self.completeness) * chance + self.soundness * (1 - chance)

    def _worth(self, chance: float) -> float:
        accepted_wrong = (1 - self.soundness) * (1 - chance)
        return self.right * self.completeness * chance + self.wrong * accepted_wrong - self.cost


def types_of(
    accepted: Sequence[tuple[int, int]], completeness: float, soundness: float
) -> tuple[tuple[float, float], ...]:
    """Types of tasks from stored evidence without a label.

    `accepted`: for each task, samples and how many of them the verifier accepted. The share of acceptances is that of
    right samples once the verifier's errors are taken off it. Raises ValueError for a verifier no better than chance.
    """
    if completeness + soundness <= 1:
        raise ValueError("the verifier accepts wrong samples as often as right ones: nothing follows from it")
    chances = Counter(
        round(min(max((taken / drawn + soundness - 1) / (completeness + soundness - 1), 0.0), 1.0), 6)
        for drawn, taken in accepted
        if drawn
    )
    return tuple((count / chances.total(), chance) for chance, count in sorted(chances.items()))

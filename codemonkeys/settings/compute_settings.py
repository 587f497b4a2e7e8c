"""Settings of where compute goes: what decides, after each wave of trajectories, what a task gets next."""

from __future__ import annotations

from pydantic import Field, field_validator

from codemonkeys.settings.section import Section

CHANCES = (0.0002, 0.0052, 0.0344, 0.1195, 0.2843, 0.5129, 0.742, 0.9042, 0.9802, 0.999)
"""Decile means of Beta(0.252, 0.298), fitted to the coverage of 1 to 10 samples that CodeMonkeys reports on SWE-bench
Verified (arXiv 2501.14723, figure 5)."""


class ComputeSettings(Section):
    """Which task gets the next samples, tests or votes."""

    policy: str = Field("fixed", min_length=1)
    """Decides after each wave (`generation.wave`) what a task gets next. `fixed`: every task gets all samples. `stop`:
    until one is trusted or no more pay. `marginal`: waves go where they are expected to gain most per dollar of what
    is left of the budget. `first-finish`: a task ends, and its stragglers are stopped, once `agreeing` trajectories
    agree. `solve-or-verify`: more tests and votes as samples grow. `particles`: each wave goes on from candidates drawn
    by what tests say of them. Or a policy of your own, by its name or as `module:attribute`."""
    from_study: str | None = Field(None, min_length=1)
    """An earlier graded run, by its name or its folder, whose study gives `chances`, `selection.accepts_right` and
    `selection.refuses_wrong` when the run begins, in place of assumptions."""
    chances: tuple[float, ...] = CHANCES
    """Probabilities that a sample is right, of equally frequent kinds of tasks, the hardest first. The default fits
    what CodeMonkeys reports on SWE-bench Verified (arXiv 2501.14723)."""
    agreeing: int = Field(3, ge=1)
    """For `first-finish`: number of accepted trajectories with one behaviour that end a task."""
    verify_from: int = Field(8, ge=1)
    """For `solve-or-verify`: number of samples from which verifying more pays (arXiv 2504.01005)."""
    solve_exponent: float = Field(0.57, gt=0)
    """For `solve-or-verify`: power of compute by which samples grow."""
    verify_exponent: float = Field(0.39, ge=0)
    """For `solve-or-verify`: power of compute by which verifications grow."""
    verifications: int = Field(10, ge=0)
    """Maximum test conversations, beside those of trajectories, that a policy may add to a task, and maximum votes."""

    @property
    def most_votes(self) -> int:
        """Maximum votes that a policy may ask for."""
        return max(1, self.verifications)

    @field_validator("chances")
    @classmethod
    def _are_probabilities(cls, chances: tuple[float, ...]) -> tuple[float, ...]:
        if not chances or not all(0 <= chance <= 1 for chance in chances):
            raise ValueError("give at least one probability, each within 0 and 1")
        return chances

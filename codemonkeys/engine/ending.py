"""The end of a run, when what the last tasks have left would no longer fill its slots."""

from __future__ import annotations

import math
from dataclasses import dataclass

from codemonkeys.settings import Settings

FILLING = 4
"""How many times as many tasks as fill the slots with their trajectories are the last ones: some have nearly ended."""
PART = 4
"""At most one of so many tasks is among the last: half of a run is to end early."""
ON_A_MACHINE = 6
"""The last tasks for each machine of a cluster, as far as so many are under way: what all of them have left must last
as long as the longest chain of one of them."""
PART_ON_MACHINES = 2
"""At most one of so many tasks is among these."""


@dataclass
class Ending:
    """Whether a run is about to end: earlier stages go first then, so that its last tasks end together.

    Until then later stages go first, and tasks end one by one. Kept up to the end, that would leave the steps of one
    task, which wait for each other, and idle slots.
    """

    tasks: int = 0
    """Of the run."""
    left: int = 0
    """Those that have not ended."""
    last: float = -math.inf
    """How many of them are the last ones, for calls."""

    def expect(self, tasks: int, settings: Settings) -> None:
        """Count down from a number of tasks."""
        generation, operation = settings.generation, settings.operation
        filling = FILLING * operation.calls / max(1, generation.wave or generation.samples)
        # If more would be needed than may be under way, the slots are not full anyway, and nothing is gained.
        self.tasks = self.left = tasks
        self.last = min(filling, tasks / PART) if filling <= operation.tasks else -math.inf

    @property
    def is_near(self) -> bool:
        """Whether only the last tasks are left, for calls."""
        return self.left <= self.last

    def is_near_on(self, machines: float) -> bool:
        """Whether only the last tasks are left, for executions on so many machines."""
        return self.tasks > 0 and self.left <= min(ON_A_MACHINE * machines, self.tasks / PART_ON_MACHINES)

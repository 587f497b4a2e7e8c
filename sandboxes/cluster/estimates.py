"""How long executions and moves of environments take, as far as was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

SIZE_MB = 2048.0
"""Of an environment whose size is not known yet."""
SECONDS_PER_MB = 0.02
"""Of a move, before one was measured."""
SECONDS = 5.0
"""Of an execution, before one has ended."""
WEIGHT = 0.2
"""Of the newest measurement in a moving average."""


@dataclass
class Estimates:
    """Moving averages of what a cluster's driver has seen."""

    sizes: dict[str, float] = field(default_factory=dict[str, float])
    """MiB of environments, as far as known."""
    execution_seconds: dict[str, float] = field(default_factory=dict[str, float])
    """By environment."""
    mean_seconds: float = SECONDS
    """Of any execution."""
    seconds_per_mb: float = SECONDS_PER_MB

    def size(self, environment: str) -> float:
        """MiB of an environment."""
        return self.sizes.get(environment, SIZE_MB)

    def move(self, environment: str) -> float:
        """Seconds to bring an environment to a node."""
        return self.size(environment) * self.seconds_per_mb

    def execution(self, environment: str) -> float:
        """Seconds of an execution in an environment."""
        return self.execution_seconds.get(environment, self.mean_seconds)

    def executed(self, environment: str, seconds: float) -> None:
        """Learn from an execution."""
        known = self.execution(environment)
        self.execution_seconds[environment] = known + WEIGHT * (seconds - known)
        self.mean_seconds += WEIGHT * (seconds - self.mean_seconds)

    def moved(self, environment: str, size_mb: float, seconds: float | None) -> None:
        """Learn from a move."""
        self.sizes[environment] = size_mb
        if seconds is not None and size_mb > 0:
            self.seconds_per_mb += WEIGHT * (seconds / size_mb - self.seconds_per_mb)

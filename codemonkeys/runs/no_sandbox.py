"""For sessions that only read repositories."""

from __future__ import annotations

from sandboxes.base import Environment, Execution, Limits, Script
from sandboxes.inside import failed

NOWHERE = Environment("none")


class NoSandbox:
    """Stands where a sandbox would be, and executes nothing."""

    name = "none"

    def ensure(self, environment: Environment) -> None:
        """Nothing to check."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Always returns a failed execution."""
        return failed("nothing is executed here")

    def close(self) -> None:
        """Nothing to close."""

"""What calls and executions of a session share."""

from __future__ import annotations

from dataclasses import dataclass, field

from codemonkeys.engine.ending import Ending
from codemonkeys.engine.events import Notify
from codemonkeys.engine.in_flight import InFlight
from codemonkeys.engine.queues import Priority, priority, priority_to_begin
from codemonkeys.errors import StepChanged
from codemonkeys.journal.store import Journal
from codemonkeys.journal.writer import Stored
from codemonkeys.keys import StepKey
from codemonkeys.redact import Redactor
from codemonkeys.wording import flag, option


@dataclass(frozen=True)
class StepContext:
    """The journal of a session, what is in flight, and how its steps are ordered, compared and told."""

    journal: Journal
    in_flight: InFlight
    secrets: Redactor
    """Those of the environment, as they were when the session began."""
    notify: Notify
    accept_changes: bool
    """Redo stored steps whose request has changed."""
    positions: dict[str, int] = field(default_factory=dict[str, int])
    """Of the tasks in the run: among steps that queue, those of earlier tasks go first."""
    ending: Ending = field(default_factory=Ending)

    def priority_of(self, key: StepKey) -> Priority:
        """The priority of a step in a queue."""
        return priority(key.stage, self.positions.get(key.task, 0), key.turn)

    def priority_to_begin(self, task: str) -> Priority:
        """The priority of beginning a task: behind every step."""
        return priority_to_begin(self.positions.get(task, 0))

    def answers(self, stored: Stored, request_hash: str, key: StepKey) -> bool:
        """Whether a stored step answers a request, by its hash. Raises StepChanged unless changes are accepted."""
        if stored.request_hash == request_hash or self.journal.keeps(key):
            return True
        if self.accept_changes:
            return False
        raise StepChanged(
            f"run {self.journal.name!r} holds an answer for {key}, but to another request: a prompt, the code or a "
            f"setting has changed since. Pass {flag('accept_changes')} to redo this step and what follows from it "
            f"(what it cost stays on the bill), or choose another name for the run ({option('name')})"
        )

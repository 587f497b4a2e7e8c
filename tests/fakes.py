"""Parts that tests of pure logic use in place of a model and a sandbox: both are functions of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from codemonkeys.engine.steps import Steps
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Model, Price, Request, Usage
from codemonkeys.models.counting import EXACT, Counting
from codemonkeys.models.fake import Called
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import OperationSettings
from codemonkeys.tasks.base import Task
from sandboxes.base import Environment, Execution, Limits, Sandbox, Script

TASK = Task("owner__name-1", "owner/name", "0" * 40, "It breaks when the name is empty.")
PLACE = Environment("place")


@dataclass
class AnsweringModel:
    """A model that answers by a function, and counts."""

    answer: Callable[[Request], str | Called]
    name: str = "answering"
    price: Price | None = field(default_factory=Price)
    requests: list[Request] = field(default_factory=list)
    counting: Counting = EXACT

    def count_tokens(self, text: str) -> int:
        return len(text) // 4

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        said = self.answer(request)
        said = Called((), said) if isinstance(said, str) else said
        usage = Usage(10, len(said.text) + sum(len(call.arguments) for call in said.calls))
        return Completion(said.text, said.finish_reason, usage, self.name, calls=said.calls)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class AnsweringSandbox:
    """A sandbox that answers by a function of (script, patch), and counts."""

    answer: Callable[[str, str | None], Execution]
    name: str = "answering"
    runs: list[tuple[str, str | None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def ensure(self, environment: Environment) -> None:
        """Every environment runs here."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        with self._lock:
            self.runs.append((script.text, patch))
        return self.answer(script.text, patch)

    def close(self) -> None:
        """Nothing is open."""


def open_steps(
    tmp_path: Path,
    model: Model,
    sandbox: Sandbox,
    accept_changes: bool = False,
    operation: OperationSettings | None = None,
) -> Steps:
    """The steps of a run of one task; its journal is to be closed."""
    journal = Journal(tmp_path, "run", "source", {})
    journal.add_tasks([TASK])
    models = ModelSet(model, model)
    return Steps(journal, models, sandbox, operation or OperationSettings(), accept_changes=accept_changes)

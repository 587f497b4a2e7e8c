"""What the stages of one task share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.prefix_gate import PrefixGate
from codemonkeys.engine.scripts import ExecutionView, ScriptKind, limits_of, script_kind, view_of, without_outputs
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message
from codemonkeys.models.roles import ModelSet
from codemonkeys.prompting import Prompts
from codemonkeys.settings import Settings
from codemonkeys.stages import Stage, stage_of_choice
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Entry, Snapshot
from sandboxes.base import Environment, Execution, Script

P = ParamSpec("P")
T = TypeVar("T")

ENDED_EARLY = "ended early"
"""Kind of the note that says why a conversation could not continue."""


@dataclass
class Work:
    """One task in work: its snapshot, the environment it runs in, its prompts, and the steps it may take."""

    task: Task
    snapshot: Snapshot
    environment: Environment
    settings: Settings
    prompts: Prompts
    steps: Steps
    own_script: ScriptKind | None = None
    """Scripts in the repository's language, where the environment was seen to run them."""
    gates: dict[str, PrefixGate] = field(default_factory=dict)
    ended_early: list[Exception] = field(default_factory=list)
    """Why conversations of this task ended before the model approved or answered."""

    @property
    def marker(self) -> str:
        """The token that makes our delimiters unmistakable in this task."""
        return self.prompts.marker

    @property
    def entries(self) -> Sequence[Entry]:
        """What the snapshot holds in the task's scope."""
        return [entry for entry in self.snapshot.entries if self.task.in_scope(entry.path)]

    @property
    def scope(self) -> Snapshot:
        """The folder that the task is about: its paths are relative to it."""
        return self.snapshot.within(self.task.scope)

    @property
    def journal(self) -> Journal:
        """The journal of the run."""
        return self.steps.journal

    @property
    def is_begun_by_older(self) -> bool:
        """Whether version 0.1 began this run; it goes on as it began, with the prompts in `prompts/0.1`."""
        return self.journal.is_begun_by_older

    @property
    def models(self) -> ModelSet:
        """The models of the run."""
        return self.steps.models

    @property
    def script(self) -> ScriptKind:
        """How test scripts of this task are written and run."""
        return self.own_script or script_kind(self.task, older=self.is_begun_by_older)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that blocks, in a thread of the run."""
        return await self.steps.in_thread(function, *args, **kwargs)

    def key(self, stage: Stage, sample: int, turn: int, part: str = "") -> StepKey:
        """The key of a step. What a judge is asked, and what it has run, belongs to the choice that is being made."""
        name = stage_of_choice(stage.name, self.journal.choice) if stage.role == "judge" else stage.name
        return StepKey(self.task.id, name, sample, turn, part)

    async def run(
        self, stage: Stage, sample: int, turn: int, part: str, test: str, patch: str | None = None
    ) -> Execution:
        """Run a test script on the unedited repository, or on the repository with a patch."""
        script = Script(test, self.script.name, self.script.launch)
        request = ExecutionRequest(self.environment, script, patch, limits_of(self.settings.sandbox))
        return await self.steps.executions.run(self.key(stage, sample, turn, part), request)

    def show(self, result: Execution) -> ExecutionView:
        """An execution as it is told to a model."""
        return view_of(result, self.settings.sandbox)

    def tell(self, template: str, before: str = "", **values: Any) -> Message:
        """A message with the results of executions, which can also be told without their outputs.

        `before`: text in front of it.
        """

        def shorter() -> str:
            return before + self.prompts(template, **{name: without_outputs(value) for name, value in values.items()})

        return Message("user", before + self.prompts(template, **values), shorter=shorter)

    async def note(self, stage: Stage | str, kind: str, body: Any, sample: int = 0) -> None:
        """Record a derived fact for those who read the run later, durable when this returns; see `Journal.put_note`."""
        await self.journal.group_commit(lambda: self.journal.put_note(self.task.id, str(stage), sample, kind, body))

    async def signals(self, values: Mapping[str, Mapping[int, tuple[float | None, str]]]) -> None:
        """Record what is known of candidates, by kind, durable when this returns; see `Journal.put_signals`."""

        def put() -> None:
            for kind, of_kind in values.items():
                self.journal.put_signals(self.task.id, kind, of_kind)

        await self.journal.group_commit(put)

    def give_up(self, stage: Stage, sample: int, error: Exception) -> None:
        """Record why one conversation ended early; the others go on."""
        # Its traceback would keep all that the conversation held.
        self.ended_early.append(error.with_traceback(None))
        reason = f"{type(error).__name__}: {error}"
        self.journal.put_note(self.task.id, stage.name, sample, ENDED_EARLY, reason)

    def has_ended_early(self, stage: Stage, sample: int) -> bool:
        """Whether one conversation ended early, in this session or before."""
        return self.journal.note(self.task.id, stage.name, sample, ENDED_EARLY) is not None

    def gate(self, name: str) -> PrefixGate:
        """The gate of a prompt prefix that several conversations share."""
        return self.gates.setdefault(name, PrefixGate())

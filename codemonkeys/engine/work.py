"""What the stages of one task share, and the conversations they hold with a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from codemonkeys.engine.steps import Steps
from codemonkeys.models.base import Message, Request, StepKey
from codemonkeys.prompting import Prompts, cut_middle
from codemonkeys.settings import Settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Execution, Limits, Reason, Script

ISSUE_PRESENT = 2
"""Exit code of a test script that found the issue."""
ISSUE_FIXED = 0
"""Exit code of a test script that did not find the issue."""


class ScriptKind(NamedTuple):
    """In what language test scripts are written, and how they run."""

    language: str
    name: str
    runner: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command as it is told to a model."""
        return " ".join((*self.runner, self.name))


def script_kind(task: Task) -> ScriptKind:
    """Python for Python repositories; for others a shell script, which can call whatever the language has."""
    if task.language.lower() in ("", "python"):
        return ScriptKind("Python", "issue_test.py", ("python",))
    return ScriptKind("Bash", "issue_test.sh", ("bash",))


class ExecutionView(NamedTuple):
    """An execution as it is told to a model."""

    verdict: str
    output: str


@dataclass
class Work:
    """One task in work: its codebase, the place it runs, its prompts, and the steps it may take."""

    task: Task
    snapshot: Snapshot
    environment: Environment
    settings: Settings
    prompts: Prompts
    steps: Steps
    gates: dict[str, PrefixGate] = field(default_factory=dict)
    ended_early: list[Exception] = field(default_factory=list)
    """Why conversations of this task ended without the model's approval or an answer of it."""

    @property
    def marker(self) -> str:
        """The code that makes our delimiters in this task unmistakable."""
        return self.prompts.marker

    @property
    def script(self) -> ScriptKind:
        """How test scripts of this task are written."""
        return script_kind(self.task)

    async def run(
        self, stage: str, sample: int, turn: int, part: str, test: str, patch: str | None = None
    ) -> Execution:
        """Run a test script on the unedited codebase, or on the codebase with a patch."""
        wanted = self.settings.sandbox
        limits = Limits(seconds=wanted.seconds, memory_mb=wanted.memory_mb, processes=wanted.processes)
        script = Script(test, self.script.name, self.script.runner)
        key = StepKey(self.task.id, stage, sample, turn, part)
        return await self.steps.execute(key, self.environment, script, patch, limits)

    def show(self, result: Execution) -> ExecutionView:
        """An execution as it is told to a model, its output cut in the middle."""
        output = cut_middle(result.output, self.settings.sandbox.output_characters)
        return ExecutionView(self._verdict(result), output or "(it printed nothing)")

    def _verdict(self, result: Execution) -> str:
        match result.reason:
            case Reason.EXITED if result.exit_code == ISSUE_PRESENT:
                return "It ended with exit code 2: issue present."
            case Reason.EXITED if result.exit_code == ISSUE_FIXED:
                return "It ended with exit code 0: issue fixed."
            case Reason.EXITED:
                return f"It ended with exit code {result.exit_code}: it could not tell."
            case Reason.KILLED:
                return f"It was killed by signal {result.signal}."
            case Reason.TIMED_OUT:
                return f"It did not end within {self.settings.sandbox.seconds:g} seconds and was stopped."
            case Reason.OUT_OF_MEMORY:
                return f"It was stopped for using more than {self.settings.sandbox.memory_mb} MiB of memory."
            case Reason.OUTPUT_LIMIT:
                return "It was stopped for printing without end."
            case Reason.PATCH_FAILED:
                return "It did not run: the edit could not be applied."
            case Reason.SANDBOX_FAILED:
                return "It did not run."

    async def note(self, stage: str, kind: str, body: Any, sample: int = 0) -> None:
        """Record a derived fact for those who read the run later, durable when this returns; see `Journal.put_note`."""
        journal = self.steps.journal
        await journal.together(lambda: journal.put_note(self.task.id, stage, sample, kind, body))

    async def signals(self, values: Mapping[str, Mapping[int, tuple[float | None, str]]]) -> None:
        """Record what is known of candidates, by kind, durable when this returns; see `Journal.put_signals`."""
        journal = self.steps.journal

        def put() -> None:
            for kind, of_kind in values.items():
                journal.put_signals(self.task.id, kind, of_kind)

        await journal.together(put)

    def give_up(self, stage: str, sample: int, error: Exception) -> None:
        """Record why one conversation ended early; the others go on."""
        # Its traceback would keep all that the conversation held.
        self.ended_early.append(error.with_traceback(None))
        reason = f"{type(error).__name__}: {error}"
        self.steps.journal.put_note(self.task.id, stage, sample, "ended early", reason)

    def gate(self, name: str) -> PrefixGate:
        """The gate of a prompt prefix that several conversations share."""
        return self.gates.setdefault(name, PrefixGate())


class PrefixGate:
    """Lets the first call of a shared prompt prefix go alone: it writes the provider's cache, the others read it."""

    def __init__(self) -> None:
        self._first = asyncio.Lock()
        self._open = False

    async def ask(self, ask: Callable[[], Awaitable[str]]) -> str:
        """Ask, alone if nobody has asked before. A first call that fails lets the next one be first."""
        if not self._open:
            async with self._first:
                if not self._open:
                    answer = await ask()
                    self._open = True
                    return answer
        return await ask()


class Conversation:
    """A conversation of one sample in one stage, with a bounded number of model calls."""

    def __init__(
        self,
        work: Work,
        stage: str,
        sample: int,
        system: str,
        turns: int,
        temperature: float,
        max_tokens: int,
        gate: PrefixGate | None = None,
    ) -> None:
        """`gate`: that of the system message, when several conversations of the task share it."""
        self._work = work
        self._stage = stage
        self._sample = sample
        self._messages = [Message("system", system)]
        self._turns = turns
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._gate = gate
        self.turn = -1
        """The turn of the last answer, from 0."""

    @property
    def turns_left(self) -> int:
        """How many more answers there can be."""
        return self._turns - self.turn - 1

    async def ask(self, message: str) -> str:
        """Say something and return the answer; raises what `Steps.call` raises."""
        self._messages.append(Message("user", message))
        if self._gate is not None and self.turn == -1:
            answer = await self._gate.ask(self._call)
        else:
            answer = await self._call()
        self._messages.append(Message("assistant", answer))
        return answer

    async def _call(self) -> str:
        key = StepKey(self._work.task.id, self._stage, self._sample, self.turn + 1)
        request = Request(key, tuple(self._messages), self._temperature, self._max_tokens, cache=True)
        completion = await self._work.steps.call(request)
        self.turn += 1
        # An empty message is refused by some providers when it is sent back as history.
        return completion.text or "(no answer)"

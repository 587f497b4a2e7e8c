"""Where an agent works: the files of its session, its test script, and what its commands say and do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from codemonkeys.agent.commands import Add, Bash, Command, Edits, Submit, Unreadable, WriteTest, in_words
from codemonkeys.agent.files import changes_of_layer, of_the_patch, with_changes
from codemonkeys.agent.messages import ended
from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.scripts import limits_of
from codemonkeys.engine.work import Work
from codemonkeys.generation.asked_tests import run_asked
from codemonkeys.generation.edited_tree import EditedTree, Found, find, show
from codemonkeys.generation.edits import Changes, EditRefused, apply_edits
from codemonkeys.generation.look_ups import Find, LookUp, RunTests, Show
from codemonkeys.generation.looking_up import OUTPUTS
from codemonkeys.generation.looking_up import in_words as in_words_of_look_up
from codemonkeys.generation.patch import make_patch
from codemonkeys.generation.repository_check import RepositoryChecks, RepositoryView
from codemonkeys.generation.results import Results, ToldResults, run_script
from codemonkeys.keys import COMMAND, REPOSITORY_TESTS, StepKey
from codemonkeys.prompting import cut_middle, neutral
from codemonkeys.stages import AGENT
from sandboxes.base import Script
from sandboxes.layers import EMPTY, Entry, Layer

KEPT_CHARACTERS = 1 << 20
"""Of an output that is cut, so much lies in a file of the session."""
LISTED = 20
"""Paths that are listed of what has changed."""


class Outcome(NamedTuple):
    """What the commands of one answer came to."""

    submitted: bool
    told: dict[str, Any]
    """Values of the message `agent.result`."""


@dataclass
class Desk:
    """The desk of one agent. Its state follows from the answers and the stored steps alone."""

    work: Work
    sample: int
    layer: Layer = EMPTY
    script: str = ""
    patch: str = ""
    _changes: Changes = Changes({})
    _added: set[str] = field(default_factory=set[str])
    """New files that are part of the patch."""
    _was_asked_for_test: bool = False

    def __post_init__(self) -> None:
        self._told = ToldResults(self.work, Results("", ""))
        self._checks = RepositoryChecks(self.work, self.sample, AGENT)

    async def carry_out(self, turn: int, commands: Sequence[Command]) -> Outcome:
        """Carry out the commands of an answer, in order, then say what the test script makes of what has changed."""
        before = (self.patch, self.script)
        # Short outputs leave their room to those after them.
        room, printing = OUTPUTS * self.work.settings.sandbox.output_characters, [*map(_prints, commands)]
        found = []
        for number, command in enumerate(commands, 1):
            if not isinstance(command, Submit):
                limit = room // max(1, sum(printing[number - 1 :]))
                result = await self._carry_out(turn, number, command, limit)
                asked = in_words_of_look_up(command) if isinstance(command, LookUp) else in_words(command)
                output = cut_middle(result.output, limit)
                room -= min(limit, len(result.output))
                found.append({"asked": asked, "told": neutral(result.told, self.work.marker), "output": output})
        results, repository = self._told.told, None
        values: dict[str, Any] | None = None
        if (self.patch, self.script) != before:
            results = await run_script(self.work, self.sample, turn, self.patch, self.script, AGENT)
            repository = await self._checks.first(turn, self.patch)
            values = self._told.values(results, repository)
        problem = ""
        if isinstance(commands[-1], Submit):
            problem = self._problem(results, repository, in_advance=len(commands) > 1)
            if any(isinstance(command, Unreadable) for command in commands):
                problem = problem or "unreadable"
        told = {"found": found, "results": values, "problem": problem, "files": {"left": self._left()}}
        return Outcome(isinstance(commands[-1], Submit) and not problem, told)

    def _problem(self, results: Results, repository: RepositoryView | None, *, in_advance: bool) -> str:
        """Why the work is not taken as done; empty if it is."""
        if not self.patch:
            return "nothing"
        if not self.script and not self._was_asked_for_test:
            self._was_asked_for_test = True
            return "test"
        # Said before its results were seen: they decide.
        if in_advance and self.script and (not results.say_fixed or (repository and repository["broken"])):
            return "results"
        return ""

    async def _carry_out(self, turn: int, number: int, command: Command, limit: int) -> Found:
        match command:
            case Bash(text):
                return await self._run(turn, number, text, limit)
            case Edits():
                return await self._edit(command)
            case WriteTest(text):
                self.script = text
                return Found("the test script is kept.")
            case Add(path):
                return await self._add(path)
            case Unreadable(problem):
                return Found(problem)
            case Show():
                return await self.work.in_thread(show, self._tree, command, limit)
            case Find():
                return await self.work.in_thread(find, self._tree, command, limit)
            case RunTests():
                key = partial(self._key, turn, f"{REPOSITORY_TESTS}{number}")
                return await run_asked(self.work, key, command, self.patch)
        return Found("")

    async def _run(self, turn: int, number: int, text: str, limit: int) -> Found:
        settings = self.work.settings.sandbox
        script = Script(text, "command.sh", ("bash",))
        request = ExecutionRequest(self.work.environment, script, None, limits_of(settings), self.layer)
        step = await self.work.steps.executions.step(self._key(turn, f"{COMMAND}{number}"), request)
        await self._lay(step.layer)
        told = ended(step.execution, settings)
        if step.dropped:
            told += f" But {step.dropped}: all files are as they were before this command."
        output = step.execution.output
        if len(output) > limit:
            path = f"/tmp/output-{turn + 1}-{number}.txt"
            kept = output[:KEPT_CHARACTERS].encode("utf-8", "replace")
            self.layer = self.layer.with_entries([Entry(path, "file", 0o644, kept)])
            told += f" The whole output is in {path}."
        return Found(told, output)

    async def _edit(self, command: Edits) -> Found:
        try:
            changes = await self.work.in_thread(apply_edits, self.work.snapshot, command.edits, self._changes)
        except EditRefused as refusal:
            return Found(f"nothing was edited. {refusal}")
        new = {path for path, file in changes.files.items() if file and path not in self.work.snapshot}
        self._added |= {path for path in new if self._changes.files.get(path) != changes.files[path]}
        arguments = (self.work.snapshot, self.layer, self.work.environment.repository, self._changes, changes)
        await self._lay(await self.work.in_thread(with_changes, *arguments))
        return Found("done.")

    async def _add(self, path: str) -> Found:
        if path in self.work.snapshot:
            return Found("it is a file of the repository: what you change of it is part of the patch anyway.")
        if self._changes.files.get(path) is None:
            return Found("there is no such new file.")
        self._added.add(path)
        await self._lay(self.layer)
        return Found("it is part of the patch now.")

    async def _lay(self, layer: Layer) -> None:
        """Go on with a layer."""
        self.layer = layer
        snapshot, repository = self.work.snapshot, self.work.environment.repository
        self._changes = await self.work.in_thread(changes_of_layer, snapshot, layer, repository)
        kept = of_the_patch(snapshot, self._changes, self._added)
        self.patch = await self.work.in_thread(make_patch, snapshot, kept)

    @property
    def _tree(self) -> EditedTree:
        return EditedTree(self.work.snapshot, self._changes, edited_as_shown=True)

    def _left(self) -> list[str]:
        """New files that are no part of the patch."""
        kept = of_the_patch(self.work.snapshot, self._changes, self._added).files
        left = [path for path in self._changes.files if path not in kept]
        return left[:LISTED] + [f"... and {len(left) - LISTED} more"] * (len(left) > LISTED)

    def _key(self, turn: int, part: str, end: str = "") -> StepKey:
        return StepKey(self.work.task.id, AGENT.name, self.sample, turn, part + end)


def _prints(command: Command) -> bool:
    return isinstance(command, Bash | LookUp)

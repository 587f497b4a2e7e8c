"""A trajectory of kind `agent`: a model's commands in a session, until it submits a patch and a test script."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from codemonkeys.agent.commands import MOST, Command, parse_commands
from codemonkeys.agent.desk import Desk
from codemonkeys.agent.limits import limit_reached
from codemonkeys.agent.messages import message_of, results_of
from codemonkeys.agent.tools import TOOLS, commands_of
from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.conversation import Conversation, Said
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.editing import reading
from codemonkeys.models.base import Completion, Message, Recorded
from codemonkeys.stages import AGENT


class Fork(NamedTuple):
    """Where a trajectory leaves another one."""

    root: int
    """The sample of the other one."""
    answers: tuple[Completion, ...]
    """Those before, and the one by which it leaves it."""


async def run_agent(
    work: Work,
    sample: int,
    context: Awaitable[Sequence[ContextFile]] | Sequence[ContextFile],
    earlier: str = "",
    fork: Fork | None = None,
    said: list[Message] | None = None,
) -> Candidate | None:
    """Have an agent resolve the issue; None if it changes nothing.

    `context`: the files that the context stage found, or an awaitable for them. `earlier`: what earlier waves tried.
    `fork`: what it goes on from. `said`: is filled with the conversation.
    """
    settings = work.settings.agent
    root = fork.root if fork else sample
    tools = TOOLS if gives_tools(work, root) else ()
    files = await context if isinstance(context, Awaitable) else context
    model = work.models.of(AGENT.name, sample).name
    seconds = f"{work.settings.sandbox.seconds:g}"
    system = work.prompts(
        *("agent.system",),
        most=MOST,
        files=files if settings.context == "files" else [],
        paths=[file.path for file in files] if settings.context == "paths" else [],
        script=work.script,
        steps=settings.steps,
        seconds=seconds,
        repository=work.environment.repository,
        tools=bool(tools),
    )
    generation = work.settings.generation
    talk = Conversation(
        *(work, AGENT, sample, system, settings.steps, generation.temperature, generation.max_tokens),
        gate=work.gate(f"agent {model}"),
        history_tokens=settings.history_tokens,
        said=said,
        known=fork.answers if fork else (),
        tools=tools,
    )
    desk = Desk(work, sample)
    before = earlier or reading(work, root)
    message: Said = (f"{before}\n" if before else "") + work.prompts("agent.user")

    def parse(answer: str) -> tuple[Command, ...]:
        return commands_of(talk.answer.calls) if talk.answer.calls else parse_commands(answer, work.marker)

    def repair(problem: str) -> str:
        return work.prompts("agent.repair", problem=problem, steps_left=talk.turns_left, tools=bool(tools))

    while talk.turns_left:
        try:
            commands = await talk.ask(message, parse, repair)
        except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
            # A patch that is already paid for is still a candidate, though not approved.
            work.give_up(AGENT, sample, error)
            break
        if commands is None:
            break
        outcome = await desk.carry_out(talk.turn, commands)
        if outcome.submitted:
            return Candidate(sample, desk.patch, desk.script, approved=True, source=model)
        if talk.turns_left and (reached := limit_reached(work, sample, talk.turn)):
            work.give_up(AGENT, sample, reached)
            break
        if calls := talk.answer.calls:
            message = results_of(work, calls, outcome.told, talk.turns_left)
        else:
            message = message_of(work, outcome.told, talk.turns_left)
    return Candidate(sample, desk.patch, desk.script, approved=False, source=model) if desk.patch else None


def gives_tools(work: Work, sample: int) -> bool:
    """Whether an agent gives its commands by native tool calls, as was decided when the run began, or was recorded."""
    setting, model = work.settings.agent.calls, work.models.of(AGENT.name, sample)
    if setting != "auto":
        return setting == "tools"
    if isinstance(model, Recorded):
        return model.has_calls(work.key(AGENT, sample, 0))
    return model.name in work.journal.tool_models

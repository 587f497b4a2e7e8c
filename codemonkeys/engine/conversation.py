"""A conversation with a model: a bounded number of calls, each answer parsed, and asked for again if it is unusable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from inspect import isawaitable
from typing import Any, TypeVar, overload

from codemonkeys.engine.prefix_gate import PrefixGate
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, RejectedRequest
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.tool_calls import Tool
from codemonkeys.stages import Stage

T = TypeVar("T")

WITH_REPAIR = 2
"""Turns of a conversation about one question: an answer, and one more if it cannot be used."""

NO_ANSWER = "(no answer)"
"""Stands for an answer without text: some providers refuse an empty message when it is sent back as history."""

NOT_CARRIED_OUT = "Not carried out."
"""The result of each tool call but the last in an answer that cannot be used; the last one is told why."""

INCOMPLETE = {"length": "answer.cut", "broken": "answer.broken"}
"""Finish reasons of answers that are not whole, and the templates that say so to the model."""

Said = str | Message | Sequence[Message]
"""What the model is told: one message, or the results of the tools that it called."""

Repair = Callable[[str], str]
"""The message that asks again, given what was wrong with the answer."""


class UnusableAnswer(Exception):
    """An answer cannot be used; the message goes back to the model and says what to write instead."""


class Conversation:
    """A conversation of one sample in one stage."""

    def __init__(
        self,
        work: Work,
        stage: Stage,
        sample: int,
        system: str,
        turns: int,
        temperature: float,
        max_tokens: int,
        gate: PrefixGate | None = None,
        first_turn: int = 0,
        history_tokens: int | None = None,
        said: list[Message] | None = None,
        known: Sequence[Completion] = (),
        tools: tuple[Tool, ...] = (),
    ) -> None:
        """`turns`: model calls at most. `gate`: of the system message, when several conversations share it.

        `first_turn`: the number of the first turn, for stages that count repetitions as turns. `history_tokens`: how
        long it may become before old outputs are shortened; None: as long as fits into the model's window. `said`:
        holds all that is said; what is in it already, the system message first, was said before. `known`: answers of
        the first turns, which are not asked for. `tools`: what the model may call.
        """
        self._work = work
        self._stage = stage
        self._sample = sample
        self._messages = [] if said is None else said
        if not self._messages:
            self._messages.append(Message("system", system))
        self._known = known
        self._end = first_turn + turns
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._gate = gate
        self._history_tokens = history_tokens
        self._tools = tools
        self._ending, self._longest = "stop", max_tokens
        self.turn = first_turn - 1
        """The turn of the last answer."""
        self.answer = Message("assistant", NO_ANSWER)
        """The last answer, which has the calls of its tools; each is to be answered in what is said next."""

    @property
    def turns_left(self) -> int:
        """How many more answers there can be."""
        return self._end - self.turn - 1

    @overload
    async def ask(
        self, message: Said, parse: Callable[[str], Coroutine[Any, Any, T]], repair: Repair | None = None
    ) -> T | None: ...

    @overload
    async def ask(self, message: Said, parse: Callable[[str], T], repair: Repair | None = None) -> T | None: ...

    async def ask(self, message: Said, parse: Callable[[str], Any], repair: Repair | None = None) -> Any:
        """Say something and return the parsed answer, asking again while it is unusable; None out of turns.

        `parse`: a function or a coroutine function; raises UnusableAnswer. Without `repair` it is asked once. Raises
        what `ModelCalls.call` raises.
        """
        while self.turns_left:
            try:
                parsed = parse(await self._say_whole(message))
                return await parsed if isawaitable(parsed) else parsed
            except UnusableAnswer as problem:
                if repair is None:
                    return None
                message = self._answered(repair(str(problem)))
        return None

    def _answered(self, text: str) -> Said:
        """Something to say, as the results of the last answer's calls if it has any: providers insist on results."""
        if not (calls := self.answer.calls):
            return text
        told = [*[NOT_CARRIED_OUT] * (len(calls) - 1), text]
        return [Message("tool", result, call_id=call.id) for call, result in zip(calls, told, strict=True)]

    async def _say_whole(self, message: Said) -> str:
        """The answer to a message. Raises UnusableAnswer for one that was cut: what it lacks may undo what it says."""
        text = await self._say(message)
        if self._ending not in INCOMPLETE:
            return text
        told = {"stage": self._stage.name, "max_tokens": self._longest, "empty": text == NO_ANSWER}
        raise UnusableAnswer(self._work.prompts(INCOMPLETE[self._ending], **told).strip())

    async def _say(self, message: Said) -> str:
        match message:
            case str():
                self._messages.append(Message("user", message))
            case Message():
                self._messages.append(message)
            case _:
                self._messages.extend(message)
        gated = self._gate is not None and not self._work.steps.calls.in_batches(self._stage.name)
        if self._gate is not None and gated and len(self._messages) == 2:
            self.answer = await self._gate.call(self._call)
        else:
            self.answer = await self._call()
        self._messages.append(self.answer)
        return self.answer.content

    async def _call(self) -> Message:
        key = self._work.key(self._stage, self._sample, self.turn + 1)
        messages = tuple(self._messages)
        known = self._known[key.turn] if key.turn < len(self._known) else None
        if self._history_tokens is not None and known is None:
            messages = await self._work.steps.calls.shortened(key, messages, self._history_tokens)
        request = Request(
            *(key, messages, self._temperature, self._max_tokens),
            cache=True,
            tools=self._tools,
            cache_hour=self._work.settings.keeps_caches_an_hour,
        )
        refused = f"refused {key.turn}"
        if self._stage.role == "writer":
            self._check_refused(request, refused)
        try:
            completion = known or await self._work.steps.calls.call(request)
        except (FilteredAnswer, RejectedRequest) as error:
            if self._stage.role == "writer":
                note = {"request": request.hash(""), "why": str(error)}
                await self._work.note(self._stage, refused, note, self._sample)
            raise
        self.turn += 1
        self._ending = completion.finish_reason
        if self._ending in INCOMPLETE:
            self._longest = (await self._work.steps.calls.fitted(request)).max_tokens
        text = completion.text or ("" if completion.calls else NO_ANSWER)
        return Message("assistant", text, completion.thinking, completion.calls)

    def _check_refused(self, request: Request, refused: str) -> None:
        """Raise RejectedRequest if the same request was refused in an earlier session.

        The task went on from what was written until then: another answer now would be no part of it.
        """
        note = self._work.journal.note(self._work.task.id, self._stage.name, self._sample, refused)
        if note is not None and note["request"] == request.hash(""):
            raise RejectedRequest(note["why"])

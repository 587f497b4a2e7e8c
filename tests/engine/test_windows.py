"""Calls fit into the window of their model, and a conversation that is shortened keeps its beginning."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.engine.bounds import MESSAGE_TOKENS
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.windows import fit
from codemonkeys.errors import PromptTooLong
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.windows import SPOKEN, Window
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox

KEY = StepKey(TASK.id, "edit")
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))


def words(number: int, mark: str = "a") -> str:
    return f"{mark} " * number


async def count(message: Message) -> int:
    """A word is a token, and two bytes."""
    return len(message.content.split())


def fitted(request: Request, window: Window | None) -> Request:
    return asyncio.run(fit(request, window, count))


def conversation(system: int, turns: list[tuple[int, int]], max_tokens: int) -> list[Request]:
    """The request of each turn; `turns`: words of an output and of the answer to it."""
    messages = [Message("system", words(system, "s"))]
    requests = []
    for number, (output, answer) in enumerate(turns):
        messages.append(Message("user", words(output, f"output{number}"), shorter=lambda: "left out"))
        requests.append(Request(KEY._replace(turn=number), tuple(messages), max_tokens=max_tokens))
        messages.append(Message("assistant", words(answer, f"answer{number}")))
    return requests


TURNS = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 60)), min_size=1, max_size=8)


@given(st.integers(1, 600), TURNS, st.integers(1, 500), st.integers(100, 4_000), st.sampled_from([1.0, 1.25, 2.0]))
def test_every_turn_fits_or_is_not_sent(
    system: int, turns: list[tuple[int, int]], max_tokens: int, size: int, margin: float
) -> None:
    window = Window(size, margin=margin)
    for request in conversation(system, turns, max_tokens):
        try:
            sent = fitted(request, window)
        except PromptTooLong as error:
            assert not error.charged
            return
        tokens = sum(asyncio.run(count(message)) + MESSAGE_TOKENS for message in sent.messages)
        assert tokens * margin + sent.max_tokens <= size
        assert 1 <= sent.max_tokens <= max_tokens
        assert [message.role for message in sent.messages] == [message.role for message in request.messages]
        assert sent.hash("model") == fitted(request, window).hash("model")
        kept = [message for message in request.messages if message.shorter is None]
        assert [message for message in sent.messages if message in kept] == kept


def test_old_outputs_go_first_in_one_step_after_which_turns_begin_alike() -> None:
    sent = [fitted(request, Window(2_000, margin=1.0)) for request in conversation(100, [(200, 10)] * 14, 400)]
    kept = [[message.content for message in request.messages] for request in sent]
    begins_alike = [kept[turn][: len(kept[turn - 1])] == kept[turn - 1] for turn in range(1, len(kept))]
    assert 1 <= begins_alike.count(False) <= 3
    assert all(request.messages[-1].content.startswith("output") for request in sent)
    assert kept[-1][1] == "left out"


def test_the_last_output_goes_only_if_nothing_else_helps() -> None:
    (request,) = conversation(100, [(1_500, 10)], 400)
    assert fitted(request, Window(1_000)).messages[-1].content == "left out"
    with pytest.raises(PromptTooLong, match=r"not sent.*takes 1,000 with the answer.*context\.tokens"):
        fitted(replace(request, messages=(Message("user", words(1_500)),)), Window(1_000))


def test_answers_are_bounded_by_the_longest_and_by_what_is_left() -> None:
    request = Request(KEY, (Message("user", words(600)),), max_tokens=5_000)
    assert fitted(request, None) is request
    assert fitted(request, Window(None, 300)).max_tokens == 300
    assert fitted(request, Window(100_000, 300)).max_tokens == 300
    # More than the least only if it fits also with a model that counts far more than we do.
    assert fitted(request, Window(2_000, margin=1.0)).max_tokens == int(2_000 - 2.2 * (600 + MESSAGE_TOKENS))
    assert fitted(request, Window(1_200, margin=1.0)).max_tokens == SPOKEN
    thinking = replace(request, parameters=Parameters(thinking_tokens=900))
    assert fitted(thinking, Window(2_500, margin=1.0)).max_tokens == 900 + SPOKEN
    with pytest.raises(PromptTooLong):
        fitted(thinking, Window(2_000, margin=1.0))


@pytest.mark.parametrize("known", [True, False])
def test_a_run_keeps_the_windows_it_began_with(known: bool, tmp_path: Path) -> None:
    """Another list of models, or a newer version, changes no request; a run without windows stays as it began."""
    model = AnsweringModel(lambda request: "fine")
    first = {"answering": Window(1_000)} if known else {}
    hashes = set()
    for windows in (first, {"answering": Window(500)}, {}):
        with closing(Journal(tmp_path, "run", "source", {}, windows)) as journal:
            journal.add_tasks([TASK])
            assert journal.windows == first
            steps = Steps(journal, ModelSet(model, model), SANDBOX, OperationSettings())
            (request,) = conversation(100, [(1_500, 10)], 400)
            with suppress(PromptTooLong):
                asyncio.run(steps.calls.call(request))
            steps.close()
        hashes |= {sent.hash("answering") for sent in model.requests}
    assert len(model.requests) == len(hashes) == 1
    assert (model.requests[0].messages[-1].content == "left out") is known

"""Whole tasks against providers with ways of their own: the bill is theirs to the token, and the words fit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.events import Event
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import NoUsableAnswers
from codemonkeys.journal.store import Journal
from codemonkeys.models.tokens import count_tokens
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.runs.models import open_models
from codemonkeys.selection.deciding import Choice
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from tests.fakes import PLACE, TASK, AnsweringSandbox
from tests.models.endpoint import Endpoint, Reply, Seen, serve
from tests.recorded import said_before, stage_of
from tests.rooms import MARKER, present

pytestmark = pytest.mark.slow
NAME = "openai/peculiar"
PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6}
FILES: dict[str, str | bytes] = {"a.py": "def a():\n    return 1\n", "b.py": "def b():\n    return 2\n"}
EDIT = f"<<<<<<< SEARCH {MARKER} a.py\n    return 1\n======= {MARKER}\n    return 2\n>>>>>>> END {MARKER}"
TEST = f"<<<<<<< TEST {MARKER}\nimport a\n>>>>>>> END {MARKER}"
DONE = f"<<<<<<< DONE {MARKER}"


def said(seen: Seen) -> str:
    """What a model that resolves the task says."""
    stage = stage_of(seen)
    if stage == "relevance":
        count = seen.body["messages"][-1]["content"].count("File ")
        return json.dumps([{"file": n, "relevant": True, "summary": "It matters."} for n in range(1, count + 1)])
    if stage == "rank":
        return json.dumps(sorted(FILES))
    if stage == "select":
        return f"<<<<<<< CHOOSE {MARKER} 1"
    first = TEST if stage == "test" else EDIT
    return DONE if any(first in earlier for earlier in said_before(seen)) else first


@dataclass
class Provider:
    """Answers as its ways are, and keeps its own bill."""

    counted: float = 1.0
    """Its tokens for one of ours."""
    thinks: int = 0
    """Tokens of thinking, within the completion."""
    parts: bool = False
    """Text comes as a list of content parts."""
    cuts: bool = False
    """The first answer of each conversation is cut in the middle."""
    eats: bool = False
    """Thinking uses up the whole answer."""
    bill: float = 0.0

    def __call__(self, seen: Seen) -> Reply:
        text, finish = said(seen), "stop"
        completion = round(self.counted * count_tokens(text)) + self.thinks
        if self.eats or (self.cuts and not said_before(seen)):
            text, finish = "" if self.eats else text[: len(text) // 2], "length"
            completion = seen.body["max_tokens"]
        prompt = round(self.counted * count_tokens(seen.text))
        self.bill += prompt * PRICES["input_cost_per_token"] + completion * PRICES["output_cost_per_token"]
        thinking = completion if self.eats else self.thinks
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "completion_tokens_details": {"reasoning_tokens": thinking},
        }
        content: Any = [{"type": "text", "text": text}] if self.parts else text
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        record = {"id": "x", "object": "chat.completion", "created": 1, "model": "peculiar"}
        return Reply(body=json.dumps({**record, "choices": [choice], "usage": usage}))


@dataclass
class Responding(Provider):
    """The same by the Responses API."""

    def __call__(self, seen: Seen) -> Reply:
        body = {**seen.body, "messages": seen.body["input"], "max_tokens": seen.body["max_output_tokens"]}
        chat = json.loads(super().__call__(replace(seen, body=body)).body)
        usage = chat["usage"]
        part = {"type": "output_text", "text": chat["choices"][0]["message"]["content"], "annotations": []}
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
        response = {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "peculiar",
            "error": None,
            "incomplete_details": None,
            "output": [message],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": usage["completion_tokens_details"],
                "total_tokens": usage["total_tokens"],
            },
        }
        return Reply(body=json.dumps(response))


@contextmanager
def opened(
    folder: Path, snapshot: Snapshot, endpoint: Endpoint, notify: Callable[[Event], None], **given: Any
) -> Iterator[Work]:
    """The task in work against the endpoint, as a session opens it."""
    (folder / "prices.json").write_text(json.dumps({NAME: PRICES}))
    operation = {"api_base": endpoint.url, "prices": folder / "prices.json", **given.pop("operation", {})}
    settings = load_settings(model=NAME, generation={"samples": 2}, operation=operation, **given)
    models = open_models(settings)
    with closing(Journal(folder, "run", "source", settings.model_dump(mode="json"))) as journal:
        journal.add_tasks([TASK])
        steps = Steps(journal, models, AnsweringSandbox(present), settings.operation, notify=notify)
        prompts = Prompts(MARKER, None, {"repo": TASK.repo, "issue": TASK.issue})
        yield Work(TASK, snapshot, PLACE, settings, prompts, steps)
        steps.close()


def solved(work: Work) -> Choice | None:
    async def solve() -> Choice | None:
        try:
            return await solve_task(work)
        finally:
            await work.steps.in_flight.drain()  # Calls in flight end, as when a run stops.
            await work.models.close()

    return asyncio.run(solve())


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        (Provider(), {}),
        (Provider(counted=1.6), {"operation": {"budget": 1.0}}),
        (Provider(thinks=700, parts=True), {}),
        (Provider(cuts=True), {}),
        (Responding(thinks=700), {"models": {NAME: {"api": "responses"}}}),
    ],
    ids=["plain", "tokeniser", "content parts", "cut answers", "Responses API"],
)
def test_the_bill_is_the_providers(
    provider: Provider, given: dict[str, Any], tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    with serve(provider) as endpoint, opened(tmp_path, make_snapshot(FILES), endpoint, lambda _: None, **given) as work:
        choice = solved(work)
        assert choice is not None and "+    return 2" in choice.patch, work.ended_early
        assert work.journal.calls.spent() == pytest.approx(provider.bill, rel=1e-9)
        assert provider.bill < 1.0 and len(endpoint.requests) >= 10
        if provider.cuts:
            last = [seen.body["messages"][-1]["content"] for seen in endpoint.requests]
            begun = sum(not said_before(seen) for seen in endpoint.requests)
            assert sum("It was cut off at" in words for words in last) == begun


def test_thinking_that_eats_the_answer_stops_the_run_and_names_the_setting(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    provider, heard = Provider(eats=True), list[str]()
    files: dict[str, str | bytes] = {f"m{n}.py": f"x = {n}\n" * 1500 for n in range(20)}

    def notify(event: Event) -> None:
        heard.append(event.text)

    with serve(provider) as endpoint, opened(tmp_path, make_snapshot(files), endpoint, notify) as work:
        with pytest.raises(BaseExceptionGroup) as raised:
            solved(work)
        refused = {str(error) for error in leaves(raised.value) if isinstance(error, NoUsableAnswers)}
        words = ("of them for thinking, without any text", "max_tokens", "effort")
        assert refused and all(word in text for text in refused for word in words)
        assert sum("the first answer of stage" in text for text in heard) >= 1
        assert work.journal.calls.spent() == pytest.approx(provider.bill, rel=1e-9)
        assert len(endpoint.requests) < 64


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions that are no groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error

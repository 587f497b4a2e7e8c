"""Responders for the endpoint: conversations as the fake model holds them, or as they were recorded."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.dry_run import answer as dry_run_answer
from tests.models.endpoint import Reply, Responder, Seen, answer, status

STAGES = {
    "deciding which of its files matter": "relevance",
    "seeing only the files that you choose": "rank",
    "You write a test script": "test",
    "You resolve an issue": "edit",
    "Several candidate edits": "select",
}


def stage_of(seen: Seen) -> str:
    """The stage that a request belongs to, by its system message."""
    return next(name for words, name in STAGES.items() if words in seen.text)


def said_before(seen: Seen) -> tuple[str, ...]:
    """The answers that a request carries as history."""
    return tuple(message["content"] for message in seen.body["messages"] if message["role"] == "assistant")


def dry_run(seen: Seen) -> Reply:
    """Answer as the fake model does."""
    key = StepKey("any", stage_of(seen), 0, len(said_before(seen)))
    messages = tuple(Message(message["role"], message["content"]) for message in seen.body["messages"])
    return answer(dry_run_answer(Request(key, messages)))


def responder_of(answers: Mapping[StepKey, Completion]) -> Responder:
    """Answer as recorded; conversations that begin alike get the recorded ones in order, so ask one at a time."""
    conversations: dict[tuple[str, int], list[str]] = defaultdict(list)
    for key in sorted(answers):
        conversations[key.stage, key.sample].append(answers[key].text)
    waiting: dict[tuple[str, tuple[str, ...]], deque[str]] = defaultdict(deque)
    for (stage, _), texts in sorted(conversations.items()):
        for turn, text in enumerate(texts):
            waiting[stage, tuple(texts[:turn])].append(text)

    def respond(seen: Seen) -> Reply:
        found = waiting[stage_of(seen), said_before(seen)]
        return answer(found.popleft()) if found else status(404)

    return respond

"""Recorded conversations, answered over HTTP: each request is found by its stage and what was answered before it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from codemonkeys.models.base import Completion, StepKey
from tests.models.endpoint import Reply, Responder, Seen, answer, status

STAGES = {
    "deciding which of its files matter": "relevance",
    "seeing only the files that you choose": "rank",
    "You write a test script": "test",
    "You resolve an issue": "edit",
    "Several candidate edits": "select",
}


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
        stage = next(name for words, name in STAGES.items() if words in seen.text)
        messages = seen.body["messages"]
        before = tuple(message["content"] for message in messages if message["role"] == "assistant")
        found = waiting[stage, before]
        return answer(found.popleft()) if found else status(404)

    return respond

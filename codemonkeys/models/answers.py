"""Reads what a provider answered: a chat completion, as OpenAI's protocol has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codemonkeys.errors import FilteredAnswer, NoAnswer
from codemonkeys.models.base import Completion
from codemonkeys.models.usage import read_usage
from codemonkeys.redact import redact


def read_answer(record: Mapping[str, Any], what: str, model: str, seconds: float) -> Completion:
    """The answer that a record holds. Raises NoAnswer, FilteredAnswer.

    `what`: the call, in messages. `seconds`: how long it took.
    """
    usage = read_usage(record.get("usage"))
    choices = record.get("choices") or []
    if not choices:
        raise NoAnswer(f"{what}: the provider answered without any choice")
    finish_reason = choices[0].get("finish_reason")
    if finish_reason == "content_filter":
        raise FilteredAnswer(f"{what}: the provider's content filter withheld the answer; another model may answer")
    text = (choices[0].get("message") or {}).get("content") or choices[0].get("text")
    if not isinstance(text, str) or not text.strip():
        raise NoAnswer(redact(f"{what}: the provider answered without text (finish reason {finish_reason})"))
    finish = "length" if finish_reason == "length" else "stop"
    return Completion(text, finish, usage, record.get("model") or model, seconds)

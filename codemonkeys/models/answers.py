"""Reads what a provider answered: a chat completion, as OpenAI's protocol has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codemonkeys.errors import FilteredAnswer, NoAnswer
from codemonkeys.models.base import Completion, Usage
from codemonkeys.models.billing import with_service_tier
from codemonkeys.models.failures import judge_error, shorten
from codemonkeys.models.finish import ending_of, reason_in
from codemonkeys.models.reasoning import reasoning_of, signed_thinking
from codemonkeys.models.retry import Passing
from codemonkeys.models.thoughts import split_thoughts
from codemonkeys.models.tool_calls import read_calls
from codemonkeys.models.usage import counts_nothing, read_usage
from codemonkeys.redact import redact


def read_answer(record: Mapping[str, Any], what: str, model: str, seconds: float, *, tools: bool = False) -> Completion:
    """The answer that a record holds. Whatever is raised instead carries the usage, if the provider told it.

    `what`: the call, in messages. `seconds`: how long it took. `tools`: whether there were any to call.
    Raises NoAnswer, FilteredAnswer; Passing for an answer that broke off for a reason that may pass, or holds no
    choice; for an error in place of an answer, or beside one, what `failures.judge_error` makes of it.
    """
    usage = read_usage(with_service_tier(record))
    choice = first_choice(record)
    error = record.get("error") or (choice or {}).get("error")
    if choice is None or error:
        if not error and "choices" not in record and (record.get("message") or record.get("detail")):
            error = record
        raise judge_error(error, what, usage) if error else broken("without any choice", usage, record)
    reason = choice.get("finish_reason")
    ending = ending_of(reason)
    if ending == "stop":  # Gateways map what they do not know to `stop`, and add what the provider behind them said.
        native = choice.get("native_finish_reason") or mapping(choice.get("provider_specific_fields")).get(
            "native_finish_reason"
        )
        ending = ending_of(native)
        reason = reason if ending == "stop" else native
    message = mapping(choice.get("message"))
    text, reasoning = read_message(message, choice.get("text"))
    calls = read_calls(message) if tools else ()
    said_something = bool(text.strip() or calls)
    told: dict[str, Any] = {"usage": usage, "reasoning": reasoning}
    if ending == "broken" or (ending == "error" and not said_something):
        raise broken(f"with an answer that broke off ({reason})", usage, record)
    if ending == "filtered":
        raise FilteredAnswer(
            f"{what}: the provider's content filter withheld the answer; another model may answer", **told
        )
    refusal = message.get("refusal")
    if ending == "refused" or (refusal and not said_something):
        words = f": {shorten(refusal)}" if isinstance(refusal, str) and refusal else ""
        raise FilteredAnswer(
            redact(f"{what}: the model refused to answer{words}; another model may answer"),
            finish_reason="refused",
            **told,
        )
    if not said_something:
        if counts_nothing(record.get("usage")):
            raise broken("without text, and counted no token", usage, record)
        raise NoAnswer(
            redact(f"{what}: the provider answered without text (finish reason {reason}){thinking(usage)}"),
            finish_reason="length" if ending == "length" else None,
            **told,
        )
    named = record.get("model")
    answered_by = named if isinstance(named, str) and named else model
    finish, signed = "broken" if ending == "error" else ending, signed_thinking(message)
    told |= {"thinking": signed, "calls": calls}
    return Completion(text, finish, model=answered_by, seconds=seconds, **told)


def with_own_words(record: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What litellm made of an answer, with the choices and the reason as the provider said them.

    litellm maps reasons that it does not know to `stop`, and takes a part of the thoughts out of the text.
    """
    if isinstance(said.get("choices"), list):
        return {**record, "choices": said["choices"], "error": said.get("error")}
    reason = reason_in(said)
    choice = first_choice(record)
    if choice is None or ending_of(reason) == "stop":
        return record
    return {**record, "choices": [{**choice, "finish_reason": reason}]}


def is_chat_record(said: Mapping[str, Any]) -> bool:
    """Whether a record can be read without litellm."""
    return "choices" in said or bool(said.get("error"))


def first_choice(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first choice of a record; None if there is none."""
    choices = record.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else None


def read_message(message: Mapping[str, Any], completed: object) -> tuple[str, str]:
    """(text, reasoning) of a message, whose content is a text or a list of parts; `completed`: of a text completion."""
    parts = list(parts_of(message.get("content") or completed))
    answer, drafted = split_thoughts("".join(text for text, is_thought in parts if not is_thought))
    thoughts = [reasoning_of(message)]
    thoughts += [text for text, is_thought in parts if is_thought]
    return answer, "\n\n".join(each for each in [*thoughts, drafted] if each.strip())


def parts_of(content: object, is_thought: bool = False) -> Iterator[tuple[str, bool]]:
    """(text, whether it is a thought) of each part of a content; what is no text is left out."""
    if isinstance(content, str):
        yield content, is_thought
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping):
                kind = str(part.get("type") or "text")
                thought = is_thought or kind in {"thinking", "reasoning", "thought"}
                held = (part.get(name) for name in ("text", "thinking", "reasoning", "summary", "content"))
                yield from parts_of(next((value for value in held if value), None), thought)
            else:
                yield from parts_of(part if isinstance(part, str) else None, is_thought)


def broken(how: str, usage: Usage | None, record: Mapping[str, Any]) -> Passing:
    """A transient failure of a provider that did answer; not charged if it says that it counted nothing."""
    charged = not counts_nothing(record.get("usage"))
    return Passing(f"the provider answered {redact(how)}", status="broken answer", charged=charged, usage=usage)


def thinking(usage: Usage | None) -> str:
    """What thinking took of an answer, for messages; empty if that is not known."""
    if usage is None or not usage.reasoning_tokens:
        return ""
    return f"; thinking took {usage.reasoning_tokens} of its {usage.completion_tokens} tokens"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}

"""What is read in an answer: its text, thoughts, ending and usage, and errors that came in its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import AccessRefused, FilteredAnswer, ModelError, NoAnswer, PromptTooLong, RejectedRequest
from codemonkeys.generation.answers import Create, Edit, Replace, parse_answer, render_edits
from codemonkeys.keys import StepKey
from codemonkeys.models.answers import read_answer, with_own_words
from codemonkeys.models.failures import judge, wants_completion_length
from codemonkeys.models.retry import Passing
from codemonkeys.models.thoughts import split_thoughts
from codemonkeys.models.usage import read_usage

MARKER = "0123abcd"
BLOCK = f"<<<<<<< CREATE {MARKER} a.py\nx\n>>>>>>> END {MARKER}\n"
KEPT = (
    "nothing of the kind",
    f"<<<<<<< CREATE {MARKER} a.txt\n<think>\nx\n</think>\n>>>>>>> END {MARKER}\n",
    f"<<<<<<< SEARCH {MARKER} a.txt\n</think>\n======= {MARKER}\n<think>\n>>>>>>> END {MARKER}\n",
    '[{"file": 1, "relevant": true, "summary": "strips <think> and </think>, also [THINK]"}]',
    f"{BLOCK}It is written up to </think>\n",
)
SPLIT = {
    "tags": ("<think>\nd\n</think>\n\nA", "A", "d"),
    "one line": ("<think>d</think>A", "A", "d"),
    "closing tag alone": ("d\n</think>\n\nA", "A", "d"),
    "blank line first": ("\n\n<think>\nd\n</think>\nA", "A", "d"),
    "a word first": ("Okay.\n<think>\nd\n</think>\nA", "Okay.\n\nA", "d"),
    "thought": ("<thought>\nd</thought>\nA", "A", "d"),
    "Magistral": ("[THINK]d[/THINK]A", "A", "d"),
    "twice": ("<think>d</think>\n<think>e</think>\nA", "A", "d\n\ne"),
    "never ends": ("<think>\nd", "", "d"),
    "a draft": (f"<think>\n{BLOCK}</think>\nA", "A", BLOCK.strip()),
    "an open draft": (f"<think>\n<<<<<<< SEARCH {MARKER} a\n</think>\nA", "A", f"<<<<<<< SEARCH {MARKER} a"),
    "a block on the line of the tag": (f"<think>d</think>{BLOCK}", BLOCK, "d"),
    "a block after a blank": (f"◁think▷d◁/think▷ {BLOCK}", BLOCK, "d"),
    "a block after a closing tag alone": (f"d\n[/THINK]{BLOCK}", BLOCK, "d"),
    "a draft on the line of the tag": (f"<think>{BLOCK}</think>{BLOCK}", BLOCK, BLOCK.strip()),
    "drafts before a closing tag": (f"{BLOCK}No.\n</think>\n{BLOCK}", BLOCK, f"{BLOCK}No."),
}


@pytest.mark.parametrize("text", KEPT)
def test_tags_that_are_content_stay(text: str) -> None:
    assert split_thoughts(text) == (text, "")


@pytest.mark.parametrize("case", SPLIT)
def test_thoughts_are_no_part_of_the_answer(case: str) -> None:
    text, answer, thoughts = SPLIT[case]
    assert split_thoughts(text) == (answer, thoughts)


LINES = st.lists(
    st.sampled_from(["<think>", "</think>", "  </think>", "a <think> b </think>", "[THINK]", "x = 1", ""]), max_size=6
).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(
    st.lists(st.builds(Create, st.just("a.md"), LINES) | st.builds(Replace, st.just("a.md"), LINES, LINES), min_size=1)
)
def test_files_may_hold_such_tags(edits: list[Edit]) -> None:
    rendered = render_edits(edits, MARKER)
    assert split_thoughts(rendered) == (rendered, "")
    answer, _ = split_thoughts(f"<think>\n{BLOCK}</think>\n{rendered}")
    assert list(parse_answer(answer, MARKER).edits) == edits


COUNTS = st.integers(0, 10**6)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_no_token_that_the_provider_counts_is_left_out(
    prompt: int, completion: int, total: int, read: int, written: int, reasoning: int
) -> None:
    raw = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    usage = read_usage(raw)
    if usage is None:
        assert not (prompt or completion)
        return
    assert usage.prompt_tokens >= max(prompt, read + written)
    assert usage.completion_tokens >= max(completion, reasoning)
    assert usage.prompt_tokens + usage.completion_tokens >= total
    assert usage.reasoning_tokens == reasoning and usage.raw == raw


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1000, 3000, 4000, 0, 2900), (1000, 3000)),  # OpenAI: reasoning inside
        ((1000, 50, 4050, 0, 3000), (1000, 3050)),  # xAI: beside, more than the text
        ((1000, 1500, 3900, 0, 1400), (1000, 2900)),  # xAI: beside, less than the text
        ((1000, 50, 4050, 0, 0), (1000, 3050)),  # Gemini's OpenAI interface: only the total tells
        ((1000, 50, 1550, 500, 0), (1500, 50)),  # the prompt without what the cache held
        ((1000, 50, 1050, 500, 0), (1000, 50)),
        ((1000, 50, 1950, 500, 400), (1500, 450)),
    ],
)
def test_reasoning_is_counted_where_the_provider_counts_it(
    counts: tuple[int, int, int, int, int], expected: tuple[int, int]
) -> None:
    prompt, completion, total, cached, reasoning = counts
    usage = read_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == expected


@pytest.mark.parametrize(
    "raw", [None, {}, [], "x", {"prompt_tokens": None}, {"prompt_tokens": "9"}, {"total_tokens": 9}]
)
def test_what_is_no_usage_is_none(raw: Any) -> None:
    assert read_usage(raw) is None


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def record(content: Any = "Hello.", finish: Any = "stop", usage: Any = USAGE, **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {"model": "m-1", "usage": usage, "choices": [{"finish_reason": finish, "message": message, **choice}]}


def read(said: dict[str, Any]) -> Any:
    """The answer, or what is raised instead."""
    try:
        return read_answer(said, "task edit: m", "m", 1.0)
    except (ModelError, Passing) as error:
        return error


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}], "Hello.", ""),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "Hello."}], "Hello.", "hm"),
        ([{"type": "reasoning", "summary": [{"text": "hm"}]}, {"type": "text", "text": "Hello."}], "Hello.", "hm"),
        (["Hello.", None, 7, {"type": "image", "url": "x"}], "Hello.", ""),
        ("<think>hm</think>Hello.", "Hello.", "hm"),
    ],
)
def test_content_is_read_as_text_and_thoughts(content: Any, text: str, reasoning: str) -> None:
    got = read(record(content))
    assert (got.text, got.reasoning, got.finish_reason, got.model) == (text, reasoning, "stop", "m-1")


@pytest.mark.parametrize("finish", ["length", "max_tokens", "model_length", "MAX_TOKENS", "max_output_tokens"])
def test_a_cut_answer_is_said_to_be_cut(finish: str) -> None:
    assert read(record("Half an", finish)).finish_reason == "length"
    empty = read(record(None, finish))
    assert type(empty) is NoAnswer
    assert (empty.finish_reason, empty.usage.completion_tokens) == ("length", 5)


def test_the_reason_behind_a_gateway_counts() -> None:
    assert read(record("Half an", native_finish_reason="max_tokens")).finish_reason == "length"
    fields = {"native_finish_reason": "insufficient_system_resource"}
    assert type(read(record("Half an", provider_specific_fields=fields))) is Passing
    made_by_litellm = record("Half an")
    for said in (
        {"type": "message", "stop_reason": "model_context_window_exceeded"},
        {"object": "response", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        {"candidates": [{"finishReason": "MAX_TOKENS"}]},
        record("Half an", "model_length"),
    ):
        assert read(with_own_words(made_by_litellm, said)).finish_reason == "length", said
    assert read(with_own_words(made_by_litellm, {"stop_reason": "refusal"})).finish_reason == "refused"
    assert read(with_own_words(made_by_litellm, {"stop_reason": "end_turn"})).finish_reason == "stop"


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (record(None), NoAnswer, "empty"),
        (record("Half", "content_filter"), FilteredAnswer, "filtered"),
        (record(None, "SAFETY"), FilteredAnswer, "filtered"),
        (record("No.", "refusal"), FilteredAnswer, "refused"),
        (
            {"choices": [{"message": {"content": None, "refusal": "I cannot."}}], "usage": USAGE},
            FilteredAnswer,
            "refused",
        ),
    ],
)
def test_usage_is_kept_with_an_answer_that_is_none(said: dict[str, Any], kind: type[ModelError], reason: str) -> None:
    got = read(said)
    assert type(got) is kind
    assert (got.finish_reason, got.usage.prompt_tokens, got.usage.completion_tokens) == (reason, 10, 5)


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
BROKEN: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "no choices": ({"choices": [], "usage": USAGE}, True, True),
    "choices null": ({"choices": None}, True, False),
    "choices of nothing": ({"choices": [None]}, True, False),
    "nothing at all": ({}, True, False),
    "nothing counted": (record("", usage=ZERO), False, False),
    "broke off": (record("Half an", "insufficient_system_resource"), True, True),
    "error without text": (record(None, "error"), True, True),
    "error beside half a text": (record("Half", "error", error={"code": 502, "message": "gone"}), True, True),
    "error without a code": ({"error": {"message": "Something went wrong"}}, True, False),
    "error as a text": ({"error": "Something went wrong"}, True, False),
    "code as a text": ({"error": {"message": "Busy", "code": "503"}}, False, False),
    "code as a word": ({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, False, False),
    "overloaded": ({"error": {"message": "Overloaded", "type": "overloaded_error"}}, False, False),
    "a bare error": ({"object": "error", "message": "out of memory", "code": 500}, True, False),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_broke_off_may_pass(case: str) -> None:
    said, charged, has_usage = BROKEN[case]
    got = read(said)
    assert type(got) is Passing, got
    assert (got.charged, got.usage is not None) == (charged, has_usage)
    assert got.too_many == (case in {"code as a word", "overloaded"})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "wrong key", "code": 401}, AccessRefused),
        ({"message": "wrong key", "type": "authentication_error"}, AccessRefused),
        ({"message": "empty", "code": "insufficient_quota"}, AccessRefused),
        ({"message": "no such parameter", "code": "400"}, RejectedRequest),
        ({"message": "9000 tokens", "code": "context_length_exceeded"}, PromptTooLong),
        ({"message": "prompt is too long: 9 tokens > 8 maximum"}, PromptTooLong),
        ({"message": "9 MB", "type": "request_too_large"}, PromptTooLong),
        ({"message": "withheld", "code": "content_filter"}, FilteredAnswer),
    ],
)
def test_an_error_with_status_200_stays_if_the_provider_means_so(error: Any, kind: type[ModelError]) -> None:
    got = read({"error": error})
    assert type(got) is kind
    assert str(got).startswith("task edit: m: ")


def test_an_answer_that_broke_off_for_no_known_reason_is_not_whole() -> None:
    assert read(record("Half an", "error")).finish_reason == "broken"


class Refused(Exception):
    """What litellm raises: with a status, which need not be the provider's."""

    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


def judged(message: str, status: int, as_it_came: int | None = None) -> Any:
    return judge(Refused(message, status), StepKey("task", "edit"), "m", as_it_came)


def test_the_status_as_it_came_decides() -> None:
    overloaded = judged("Overloaded", 500, 529)
    assert type(overloaded) is Passing and overloaded.too_many and not overloaded.charged
    overloaded = judged('{"type": "overloaded_error"}', 500)
    assert type(overloaded) is Passing and overloaded.too_many and overloaded.status == "529"
    for too_long in (judged("too large", 400, 413), judged("request_too_large", 400), judged("too large", 413)):
        assert type(too_long) is PromptTooLong and "context.tokens" in str(too_long)
    assert type(judged("client closed request", 499)) is Passing
    assert type(judged("gone", 500, 499)) is Passing
    assert type(judged("bad", 400, 200)) is RejectedRequest


def test_a_model_that_wants_its_own_word_for_the_length_is_understood() -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    assert wants_completion_length(Refused(message, 400))
    assert not wants_completion_length(Refused(message, 500))
    assert not wants_completion_length(Refused("bad", 400))

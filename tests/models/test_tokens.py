"""Counting tokens without a network and without litellm."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.models.tokens import PIECE, count_tokens, vocabulary


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("Hello", 1), ("Hello, world!\n", 4), ("é漢\U0001f642", 5)])
def test_counts(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens == len(vocabulary().encode(text))


def test_text_of_special_tokens_is_text() -> None:
    assert count_tokens("<|endoftext|><|fim_prefix|>") > 2


@pytest.mark.parametrize("text", ["\ud800 lone", "\x00\x1b", "a" * 10])
def test_odd_text_is_counted(text: str) -> None:
    assert count_tokens(text) > 0


@pytest.mark.parametrize("unit", ["a", "ab1_", " ", "\n", "漢", "=-"])
def test_long_runs_are_counted_in_pieces(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert 0 < count_tokens(text) <= len(text.encode())


def test_pieces_cost_next_to_nothing() -> None:
    text = "The quick brown fox jumps over the lazy dog.\n" * 2_000
    whole = len(vocabulary().encode_ordinary(text))
    assert whole <= count_tokens(text) <= whole + 2 * (len(text) // PIECE + 1)


BREAKS = ["\n", "\r\n", "\n\n", " ", "\t", "    ", "\x0b", "\x1c", "\x85", "\u2028", "\u3000", "\u200b", "\u0300"]
WORDS = ["a", "def", "'s", "1234", "(", ")", ".", "_", "é", "漢", "\U0001f642"]


@given(st.lists(st.sampled_from(BREAKS + WORDS), max_size=20).map("".join))
def test_blocks_counted_one_by_one_and_once_have_the_tokens_of_the_whole(text: str) -> None:
    for _ in range(2):
        assert count_tokens(text) == len(vocabulary().encode_ordinary(text))


def test_blocks_of_equal_bytes_in_memory_are_told_apart() -> None:
    assert [count_tokens(text) for text in ("\x0b ", "\u200b")] == [2, 1]


def test_neither_network_nor_litellm_is_needed() -> None:
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "from codemonkeys.models.tokens import count_tokens\n"
        "sys.addaudithook(lambda event, args: sys.exit(event) if event.startswith('socket.') else None)\n"
        "assert count_tokens('Hello') == 1\n"
        "assert 'litellm' not in sys.modules and dict(os.environ) == before\n"
    )
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": "/nonexistent"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")

"""Rankings: merged as the paper says, filled without stopping at the first file that is too large."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.context.choosing import choose_context, fill
from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.ranking import interleave, merge, rank
from codemonkeys.context.relevance import RelevantFile
from codemonkeys.models.base import Request
from codemonkeys.models.windows import Window
from codemonkeys.tasks.snapshot import Snapshot
from tests.rooms import room

PATHS = st.lists(st.sampled_from("abcdefgh"), unique=True)


def test_merge_by_mean_relative_rank() -> None:
    rankings = [["a", "b", "c", "d"], ["b", "a"], ["c"]]
    # a: (0 + 1/2 + 1) / 3, b: (1/4 + 0 + 1) / 3, c: (2/4 + 1 + 0) / 3, d: (3/4 + 1 + 1) / 3, e: 1
    assert merge(rankings, ["e", "d", "c", "b", "a"]) == ["b", "a", "c", "d", "e"]


def test_ties_are_broken_by_path_and_nothing_is_lost() -> None:
    assert merge([], ["b", "a"]) == ["a", "b"]


@given(st.lists(PATHS, max_size=4), PATHS)
def test_merge_is_an_order_of_the_relevant_files(rankings: list[list[str]], paths: list[str]) -> None:
    assert sorted(merge(rankings, paths)) == sorted(paths)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50)), st.integers(0, 100))
def test_fill_passes_over_what_does_not_fit(tokens: dict[str, int], most: int) -> None:
    chosen = fill(list(tokens), tokens.__getitem__, most)
    left = most
    for path in tokens:
        assert (path in chosen) == (tokens[path] <= left)
        left -= tokens[path] if path in chosen else 0
    assert left >= 0


@pytest.mark.slow
def test_last_array_among_prose() -> None:
    assert last_array('I like [1, 2] and ```json\n["a", ["b"]]\n``` most.') == ["a", ["b"]]
    assert last_array("none [here") is None
    assert last_array("[" * 5000) is None


def test_invented_paths_are_dropped_and_a_bad_answer_is_asked_for_again(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def answer(request: Request) -> str:
        if request.key.sample == 0 and request.key.turn == 0:
            return "I would rather not say."
        return json.dumps(["invented.py", "b.py", "b.py", 3] if request.key.sample < 2 else {"no": "array"})

    with room(tmp_path, make_snapshot({"a.py": "a = 1\n", "b.py": "b = 1\n"}), answer) as work:
        files = [RelevantFile("a.py", 10, "A"), RelevantFile("b.py", 10, "B")]
        chosen = asyncio.run(choose_context(work, files))
        assert [file.path for file in chosen] == ["b.py"]  # a.py was called relevant, but no ranking chose it
        assert chosen[0].text == "b = 1\n"


def test_a_list_that_is_too_long_for_the_window_is_ranked_in_parts(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def answer(request: Request) -> str:
        listed = [
            json.loads(line.split(" (")[0]) for line in request.messages[0].content.splitlines() if " tokens)" in line
        ]
        return json.dumps(listed[::-1])

    with room(tmp_path, make_snapshot({f"{n}.py": "1" for n in range(9)}), answer, context={"rankings": 2}) as work:
        work.journal.windows = {"answering": Window(1_400, margin=1.0)}
        files = [RelevantFile(f"{n}.py", 100, "word " * 60) for n in range(9)]
        rankings = asyncio.run(rank(work, files))
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        assert sorted(request.key.sample for request in requests) == [0, 1, 2, 3]
    # Each part from its last to its first, interleaved: nothing is lost.
    assert rankings == [["4.py", "8.py", "3.py", "7.py", "2.py", "6.py", "1.py", "5.py", "0.py"]] * 2


@given(st.lists(PATHS, max_size=4))
def test_interleaved_rankings_keep_every_order(rankings: list[list[str]]) -> None:
    apart = [[f"{number}{path}" for path in ranking] for number, ranking in enumerate(rankings)]
    merged = interleave(apart)
    assert sorted(merged) == sorted(path for ranking in apart for path in ranking)
    for ranking in apart:
        assert [path for path in merged if path in ranking] == ranking

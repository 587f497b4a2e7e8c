"""Which tasks of a dataset are chosen: order and meaning of the options are those of other tools."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, UnknownDataset
from codemonkeys.tasks.filtering import TaskFilter, choose, parse_slice
from tests.tasks.test_sources import row, task_repository

IDS = [f"{owner}__{name}-{n}" for n in (30, 4, 100) for owner, name in (("b", "y"), ("a", "x"))]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("choosing") / "rows.jsonl"
    path.write_text("".join(json.dumps(row(id, split="dev" if "x" in id else "test")) + "\n" for id in IDS))
    return str(path)


def mini_swe_agent_rule(wanted: TaskFilter) -> list[str]:
    """As mini-swe-agent chooses: shuffle (sorted first, seed 42), filter by re.match, slice; ours: then the limit."""
    ids = list(IDS)
    if wanted.shuffle:
        ids = sorted(ids)
        random.seed(42)
        random.shuffle(ids)
    ids = [id for id in ids if re.match(wanted.filter or "", id)]
    if wanted.slice:
        ids = ids[slice(*[int(part) if part else None for part in wanted.slice.split(":")])]
    return ids[: wanted.limit]


PART = st.one_of(st.just(""), st.integers(-4, 6).map(str))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    filter=st.sampled_from([None, "a", ".*4$", "x", "a__x-(30|4)"]),
    span=st.one_of(st.none(), st.builds("{}:{}".format, PART, PART), st.builds("{}:{}:2".format, PART, PART)),
    shuffle=st.booleans(),
    limit=st.one_of(st.none(), st.integers(1, 7)),
)
def test_tasks_are_those_that_mini_swe_agent_chooses(
    source: str, filter: str | None, span: str | None, shuffle: bool, limit: int | None
) -> None:
    wanted = TaskFilter(filter=filter, slice=span, shuffle=shuffle, limit=limit)
    expected = mini_swe_agent_rule(wanted)
    if expected:
        assert choose(source, wanted) == (source, expected)
    else:
        with pytest.raises(
            BadInput,
            match=r"no task is left: it has 6, \d of which match filter, and none of those is within slice and limit",
        ):
            choose(source, wanted)


def test_ids_keep_their_order_and_splits_are_columns(source: str, tmp_path: Path) -> None:
    assert choose(source, TaskFilter(ids=[IDS[3], IDS[0]]))[1] == [IDS[3], IDS[0]]
    assert choose(source, TaskFilter(split="dev"))[1] == IDS[1::2]
    with pytest.raises(UnknownDataset, match="did you mean"):
        choose(source, TaskFilter(ids=["b__y-5"]))
    repository = task_repository(tmp_path / "tasks", "a__b-1", "a__b-old")
    assert choose(repository, TaskFilter()) == (repository, ["a__b-1"])
    assert choose(repository, TaskFilter(split="old"))[1] == ["a__b-old"]
    (tmp_path / "rows.jsonl").write_text(json.dumps(row()) + "\n")
    with pytest.raises(BadInput, match="no column 'split'; leave out split"):
        choose(str(tmp_path / "rows.jsonl"), TaskFilter(split="test"))


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:3:4", "::0", "1.5:"])
def test_what_is_not_a_slice_is_named(text: str) -> None:
    with pytest.raises(BadInput, match=f"slice '{text}': give start:stop"):
        parse_slice(text)


def test_what_is_not_a_regular_expression_is_named(source: str) -> None:
    with pytest.raises(BadInput, match=r"filter '\(': not a regular expression: missing \)"):
        choose(source, TaskFilter(filter="("))

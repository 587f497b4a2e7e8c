"""The decision of a task: which rules can decide one, and what is taken where a rule has no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.generation.candidate import Candidate
from codemonkeys.models.base import Request
from codemonkeys.selection.collect_evidence import collect_evidence
from codemonkeys.selection.deciding import ASKING, check_rules, decide
from codemonkeys.selection.rules import RULES
from codemonkeys.settings import SelectionSettings, load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.rooms import room

PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+{}\n"
LINES = ["x = 2 + 2", "x = 3", "x = 5  # and more", "x = 3  # again"]


def runs(script: str, patch: str | None) -> Execution:
    """The one test is content with what has a plus; the repository's tests cannot be run."""
    return Execution(Reason.EXITED, 0 if patch and "2 + 2" in patch else 2)


def never(request: Request) -> str:
    raise AssertionError("asked a model")


@pytest.mark.parametrize(
    ("rule", "tests", "number", "reason"),
    [
        ("votes", ["test"], 1, "1 of 1 tests"),
        ("shortest", ["test"], 2, "shortest"),
        ("majority", ["test"], 2, "2 of 4 candidates"),
        ("votes", [], 2, "no test script ran"),
        ("agentless", ["test"], 1, "no regression test ran"),
    ],
)
def test_a_rule_decides_and_without_an_answer_the_shortlist(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], rule: str, tests: list[str], number: int, reason: str
) -> None:
    candidates = [Candidate(n, PATCH.format(line), "", True) for n, line in enumerate(LINES)]
    selection = {"rule": rule, "shortlist": "votes"}
    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), never, runs, selection=selection) as work:

        async def all_of_it() -> tuple[int | None, str, str]:
            return await decide(work, await collect_evidence(work, candidates, tests))

        found = asyncio.run(all_of_it())
    assert found[:2] == (number, PATCH.format(LINES[number - 1]))
    assert reason in found[2]


def test_where_no_test_ran_the_one_most_like_the_others_is_first(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Not the shortest: of the rules that need nothing, likeness is the better one by measurement."""
    lines = ["y = 0", "x = total + 1", "x = total + 2", "x = total + 3"]
    candidates = [Candidate(n, PATCH.format(line), "", True) for n, line in enumerate(lines)]
    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), never, runs, selection={"rule": "votes"}) as work:

        async def all_of_it() -> tuple[int | None, str, str]:
            return await decide(work, await collect_evidence(work, candidates))

        number, _, reason = asyncio.run(all_of_it())
    assert (number, reason) == (2, "most like the others, as no test script ran")


def test_every_rule_that_does_not_learn_from_many_tasks_can_be_set() -> None:
    for name, rule in RULES.items():
        settings = SelectionSettings(rule=name)
        if rule.pooled:
            with pytest.raises(BadSettings, match="learns from many tasks"):
                check_rules(settings)
        else:
            check_rules(settings)
    assert ASKING.keys() <= RULES.keys()
    check_rules(load_settings().selection)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "vote"}, "selection.rule=vote: no such rule; there are: random, .*votes.*conversation"),
        ({"shortlist": "judge"}, "selection.shortlist=judge asks a model"),
        ({"shortlist": "weaver"}, "selection.shortlist=weaver learns from many tasks"),
        ({"shortlist": "hybrid"}, "selection.shortlist=hybrid asks a model"),
    ],
)
def test_a_rule_that_cannot_decide_is_refused_before_anything_is_spent(settings: dict[str, str], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        check_rules(SelectionSettings(**settings))

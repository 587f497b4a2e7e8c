"""Rules from outside: found by name, given evidence and nothing else, and their answers checked."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from enum import Enum
from pathlib import Path
from types import NoneType

import pytest

from codemonkeys.errors import BadInput, BadSettings, RuleFailed
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.deciding import MODEL_EVIDENCE, add_ballots, add_beliefs, check_rules, model_evidence_for
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules import RULES, all_rules, find_rule
from codemonkeys.settings import SelectionSettings
from tests.plugins import install
from tests.report.finished_run import finish_run

SOURCES = {"a.py": "x = 1\n"}
EVIDENCE = Evidence("task-1", ("a", "b", "c"), (0, 1, 2))
CODE = """
from codemonkeys.selection.evidence import Ranking
from codemonkeys.selection.rules_base import Rule, learning

seen = []

def last(evidence, *others, **named):
    '''The last candidate.

    Because.'''
    seen.append((evidence, others, named))
    return Ranking((len(evidence.patches) - 1,), 0.5, "the last")

def learn(pool):
    return lambda evidence: Ranking((len(pool) % 3,), 1.0, "learned")

def answer(order, confidence):
    return lambda evidence: Ranking(order, confidence)

LAST = Rule("of my own", last, needs=("edited",))
LEARNS = learning("of my own", learn)
LEARNS_BADLY = learning("of my own", lambda pool: answer((9,), 1.0))
CANNOT_LEARN = learning("of my own", lambda pool: 1 / 0)
BELIEVES, BALLOTS, ODD = (Rule("", last, needs=(need,)) for need in ("scores", "ballots", "own"))
outside, twice, negative = answer((0, 3), 0.5), answer((1, 1), 0.5), answer((-1,), 0.5)
sure, unsure, not_number = answer((0,), 1.1), answer((0,), float("nan")), answer(("0",), 0.5)
number = 5

def nothing(evidence): return None
def broken(evidence): return evidence.verdict
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the current folder."""
    name = f"rules_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_rule_is_a_rule_or_a_function_and_gets_evidence_alone(module: str) -> None:
    rule = find_rule(f"{module}:last")
    assert rule.source == "The last candidate."
    assert rule.rank(EVIDENCE) == Ranking((2,), 0.5, "the last")
    ((given, others, named),) = __import__(module).seen
    assert given is EVIDENCE and (others, named) == ((), {})
    assert find_rule(f"{module}:LAST").rank(EVIDENCE).reason == "no test script ran"


def test_a_rule_from_outside_may_learn_from_all_tasks(module: str) -> None:
    rule = find_rule(f"{module}:LEARNS")
    assert rule.pooled and rule.fit([EVIDENCE] * 2).rank(EVIDENCE).order == (2,)
    with pytest.raises(BadSettings, match="learns from many tasks"):
        check_rules(SelectionSettings(rule=f"{module}:LEARNS"))
    with pytest.raises(RuleFailed, match="LEARNS_BADLY failed on task-1: ValueError: its order"):
        find_rule(f"{module}:LEARNS_BADLY").fit([EVIDENCE]).rank(EVIDENCE)
    with pytest.raises(RuleFailed, match="CANNOT_LEARN failed to learn from 1 tasks: ZeroDivisionError"):
        find_rule(f"{module}:CANNOT_LEARN").fit([EVIDENCE])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("outside", r"its order \(0, 3\) must name each of the candidates, 0 to 2, at most once"),
        ("twice", r"its order \(1, 1\)"),
        ("negative", r"its order \(-1,\)"),
        ("not_number", "TypeError"),
        ("sure", "its confidence 1.1 must be within 0 and 1"),
        ("unsure", "its confidence nan"),
        ("nothing", "it returned NoneType, not a Ranking"),
        ("broken", "AttributeError: 'Evidence' object has no attribute 'verdict'"),
    ],
)
def test_an_answer_that_is_no_ranking_names_rule_and_task(module: str, name: str, problem: str) -> None:
    with pytest.raises(RuleFailed, match=f"rule {module}:{name} failed on task-1: .*{problem}") as caught:
        find_rule(f"{module}:{name}").rank(EVIDENCE)
    assert not isinstance(caught.value, BadInput), "it ends this task, not the run"


def test_numbers_of_numpy_are_numbers(module: str, tmp_path: Path) -> None:
    code = "import numpy as np\nfrom codemonkeys.selection.evidence import Ranking\n"
    code += "def rule(evidence): return Ranking(tuple(np.argsort([2, 0, 1])), np.float32(0.5))\n"
    (tmp_path / f"numpy_{module}.py").write_text(code)
    ranking = find_rule(f"numpy_{module}:rule").rank(EVIDENCE)
    assert ranking == Ranking((1, 2, 0), 0.5) and {type(k) for k in ranking.order} == {int}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", "it is of type int, neither a Rule nor a function of Evidence"),
        ("Rule", "it is of type type, neither"),
        ("ODD", "it needs own; a rule can need edited, breaks, scores, ballots, conversation, matches"),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_what_is_no_rule_is_refused(module: str, name: str, message: str) -> None:
    with pytest.raises(BadSettings, match=f"selection rule '{module}:{name}' cannot be loaded: .*{message}"):
        check_rules(SelectionSettings(rule=f"{module}:{name}"))


def test_unknown_rules_name_the_setting_and_what_there_is() -> None:
    with pytest.raises(BadSettings, match="selection.shortlist=vote: no such rule; there are: random, .*module:attr"):
        find_rule("vote", "selection.shortlist=vote")


def test_a_model_is_asked_for_what_a_rule_needs(module: str) -> None:
    assert (
        model_evidence_for(f"{module}:BELIEVES") is add_beliefs
        and model_evidence_for(f"{module}:BALLOTS") is add_ballots
    )
    assert model_evidence_for(f"{module}:last") is None and model_evidence_for("votes") is None
    for name, rule in RULES.items():
        assert (model_evidence_for(name) is not None) == bool(
            {"scores", "ballots", "conversation", "matches"}.intersection(rule.needs)
        )
        assert model_evidence_for(name) is MODEL_EVIDENCE.get(name)


def test_installed_rules_are_listed_after_ours_and_never_in_their_place(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = f"last one = installed_{module}:last\nvotes = installed_{module}:last"
    site = install(tmp_path / "site", CODE, {"codemonkeys.rules": points}, f"installed_{module}")
    monkeypatch.syspath_prepend(site)
    rules = all_rules()
    assert list(rules) == [*RULES, "last one"] and rules["votes"] is RULES["votes"]
    assert rules["last one"].rank(EVIDENCE).order == (2,)
    check_rules(SelectionSettings(rule="last one", shortlist="last one"))


def plain_types(hint: object) -> Iterator[object]:
    """The types that an annotation is made of, and those of the fields of a named tuple."""
    inner = typing.get_args(hint) or (typing.get_type_hints(hint).values() if hasattr(hint, "_fields") else ())
    if inner:
        for part in inner:
            yield from plain_types(part)
    elif hint is not Ellipsis:
        yield hint


def test_evidence_holds_texts_and_numbers_and_no_label() -> None:
    """Nothing in it leads anywhere else: no task, no journal, no file."""
    hints = typing.get_type_hints(Evidence)
    for name, hint in hints.items():
        for kind in plain_types(hint):
            assert isinstance(kind, type) and (kind in (str, int, float, bool, NoneType) or issubclass(kind, Enum)), (
                name
            )
    told_by = {
        "original",
        "edited",
        "regressions",
        "breaks",
        "scores",
        "by_samples",
        "ballots",
        "conversation",
        "matches",
    }
    written = {"patches", "classes", "sources", "families", "own", "approved"}
    assert {field.name for field in fields(Evidence)} == {"task"} | told_by | written
    assert not re.search(r"gold|hidden|verdict|resolved|label", " ".join(hints))


def test_verdicts_of_a_run_change_nothing_in_its_evidence(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    finish_run(tmp_path, make_repository(SOURCES), generation={"samples": 2})
    database = tmp_path / "run" / "run.db"

    def evidence() -> Evidence | None:
        with run_files.reading(database) as connection:
            return stored_evidence(connection, "owner__name-0")

    before = evidence()
    assert before is not None and len(before.patches) == 2
    grading = Grading("resolved", "", {"FAIL_TO_PASS": (1, 0)}, 1.0)
    put_verdicts(database, {"owner__name-0": GradedPatch(before.patches[0], grading, [grading])})
    with run_files.reading(database) as connection:
        assert [tuple(row) for row in connection.execute("SELECT outcome FROM verdicts")] == [("resolved",)]
    assert evidence() == before


def test_a_rule_that_fails_on_one_task_stops_no_other(
    tmp_path: Path, make_repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"failing_{abs(hash(tmp_path))}"
    code = "def rule(evidence): return Ranking((0 if evidence.task == 'owner__name-1' else 7,), 1.0, 'my choice')\n"
    (tmp_path / f"{name}.py").write_text(f"from codemonkeys.selection.evidence import Ranking\n{code}")
    monkeypatch.chdir(tmp_path)
    selection = {"rule": f"{name}:rule"}
    finish_run(tmp_path, make_repository(SOURCES), tasks=2, generation={"samples": 2}, selection=selection)
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        ended = {row["id"]: row for row in queries.rows(connection, "SELECT id, state, reason, candidate FROM tasks")}
    assert ended["owner__name-1"]["state"] == "predicted" and ended["owner__name-1"]["reason"] == "my choice"
    failed = ended["owner__name-0"]
    assert failed["state"] == "failed" and f"rule {name}:rule failed on owner__name-0" in failed["reason"]
    assert failed["candidate"] is None

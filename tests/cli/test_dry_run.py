"""`--dry-run`: an estimate without a key or network, and without a trace in the runs folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Done, codemonkeys
from tests.repositories import make_repository
from tests.tiny_task import make_task_repository

pytestmark = pytest.mark.slow

SONNET = ("-m", "anthropic/claude-sonnet-4-5")
# Whoever tries to reach anything meets a proxy that is not there.
NOWHERE = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "HF_ENDPOINT")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_task_repository(tmp_path / "tasks")
    return tmp_path


def plan(folder: Path, *arguments: str) -> Done:
    return codemonkeys(*arguments, "--dry-run", home=folder / "home", cwd=folder, **NOWHERE)


def test_estimate_as_tables_and_as_json(folder: Path) -> None:
    done = plan(folder, "solve", "tasks", *SONNET, "--budget", "5")
    assert done.code == 0, done.err
    for word in ("relevance", "select", "upper bound", "For 5.00 USD for the run", "samples per task", "2501.14723"):
        assert word in done.out
    told = json.loads(plan(folder, "solve", "tasks", *SONNET, "--budget", "5", "--json").out)
    assert told["tasks"][0]["measured"] is True and told["tasks"][0]["files"] == 1
    assert list(told["stages"]) == ["relevance", "rank", "test", "edit", "select"]
    total = sum(stage["expected_usd"] for stage in told["stages"].values())
    assert told["total"]["expected_usd"] == pytest.approx(total) and 0 < total < told["total"]["most_usd"]
    assert [offer["turns"] for offer in told["affordable"]] == [1, 2, 4, 8]
    assert not (folder / "runs").exists()


def test_the_parameters_of_each_role_are_shown_and_their_answer_length_is_paid_for(folder: Path) -> None:
    given = ("solve", "tasks", *SONNET, "--effort", "medium", "-c", "models.scan.top_p=0.9")
    longer = (*given, "-c", "models={writer: {max_tokens: 20000}}")
    told, dearer = (json.loads(plan(folder, *asked, "--json").out) for asked in (given, longer))
    shown = {row["role"]: (row["max_tokens"], row["parameters"]) for row in dearer["roles"]}
    assert shown["writer"] == (20_000, {"effort": "medium", "max_tokens": 20_000})
    assert shown["judge"] == (8_192, {"effort": "medium"}) and shown["scan"] == (4_096, {"top_p": 0.9})
    for stage in ("test", "edit"):
        assert dearer["stages"][stage]["most_usd"] > told["stages"][stage]["most_usd"]
    assert dearer["stages"]["relevance"] == told["stages"]["relevance"]
    table = plan(folder, *longer).out
    stages = "compare, critique, rerank, judge, ballot, tournament, select"
    assert stages in " ".join(table.split()) and "effort=medium, max_tokens=20000" in table
    refused = plan(folder, *given, "-c", "models={writers: {effort: low}}")
    assert refused.code == 2 and "models.writers: this run uses no such model; name a role" in refused.err


@pytest.mark.slow
def test_without_prices_tokens_are_shown(folder: Path) -> None:
    done = plan(folder, "solve", "tasks", "-m", "openai/own-model")
    assert done.code == 0 and "price unknown" in done.out
    refused = plan(folder, "solve", "tasks", "-m", "openai/own-model", "--budget", "5")
    assert refused.code == 2 and "operation.prices=FILE" in refused.err
    assert plan(folder, "solve", "tasks").code == 0, "a model need not be named"


@pytest.mark.slow
def test_own_repository_is_estimated_too(folder: Path) -> None:
    make_repository(folder / "mine", {"a.py": b"x = 1\n", "b.py": b"y = 1\n"})
    asked = ("fix", "mine", "--issue", "It breaks", "--sandbox", "local", "--json")
    told = json.loads(plan(folder, *asked, "-m", "fake").out)
    assert told["tasks"][0]["files"] == 2 and told["total"]["most_usd"] == 0
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("compute.policy=none", "compute.policy=none: no such policy"),
        ("compute.policy=marginal", "set generation.wave too"),
        ("compute.from_study=none", "no run 'none'"),
        ("selection.rule=weaver", "selection.rule=weaver learns from many tasks at once"),
    ],
)
def test_what_a_run_would_refuse_is_not_estimated(folder: Path, given: str, said: str) -> None:
    done = plan(folder, "solve", "tasks", *SONNET, "-c", given)
    assert done.code == 2 and said in done.err

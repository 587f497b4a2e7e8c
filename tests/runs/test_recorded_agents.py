"""Agents on four real SWE-bench tasks of four projects, replayed without a model: same patches, same verdicts.

The answers were written at an endpoint by a reader of the issues and of what commands said, without a look at the
reference fixes or the hidden tests; see docs/agents.md for what came of it. The commands are carried out again here, in
the local sandbox.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from codemonkeys.models.replay import read_recording
from tests.cli.command import codemonkeys

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.data]

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings" / "agents"
ALONE = ("generation.kinds=[agent]", "generation.samples=1", "agent.context=none")
MIXED = (
    *("generation.kinds=[agent,edit]", "generation.samples=3", "generation.wave=2", "generation.diversity=distill"),
    *("generation.distill_best=2", "selection.rule=tournament", "selection.regression_files=2"),
    *("context.mode=lexical", "context.lexical_files=8", "context.rankings=1", "context.tokens=24000"),
    *("context.aim_tokens=12000", "context.most_tokens=20000", "context.test_tokens=4000"),
)


class Recorded(NamedTuple):
    """A run, its settings, what its prediction came to, and how many tests the repository's own notice in each turn."""

    task: str
    settings: tuple[str, ...]
    resolved: bool
    broken: list[int]
    """Tests of the repository that each change breaks, by sample and turn."""


RUNS = [
    Recorded("pallets__flask-5014", ALONE, True, [0]),
    # The first idea hands inner fields another parent, which three tests notice; the second does not.
    Recorded("marshmallow-code__marshmallow-1359", ALONE, True, [3, 0]),
    # The issue names no file. The hidden test asks for a wording that the issue leaves open.
    Recorded("pytest-dev__pytest-8906", (*ALONE, "selection.regression_files=3"), False, [0]),
    # An agent and an edit conversation; then an agent that is told of both, and wins the tournament.
    Recorded("pylint-dev__pylint-7993", MIXED, True, [0]),
]


@pytest.mark.parametrize("run", [pytest.param(run, id=run.task) for run in RUNS])
def test_replayed_agents_come_to_the_same_patch_and_verdict(
    run: Recorded, tmp_path: Path, shared_home: Path, data_dir: Path
) -> None:
    def command(*arguments: str | Path) -> Any:
        done = codemonkeys(*arguments, "--json", home=shared_home, cwd=tmp_path)
        # 4: not all predictions are resolved.
        assert done.code in (0, 4), done.err
        return json.loads(done.out) if done.out else None

    recording = RECORDINGS / f"{run.task}.jsonl"
    settings = [word for setting in (*run.settings, "agent.steps=12") for word in ("-c", setting)]
    given = ("--run", "run", "--replay", recording, "--sandbox", "local")
    command("solve", data_dir / "task_repo", "-i", run.task, *given, *settings)

    story = command("show", "run", run.task)
    assert story["patch"] == json.loads((RECORDINGS / "patches.json").read_text())[run.task]
    asked = sum(row["calls"] for row in story["conversations"])
    assert asked == len(read_recording(recording)), "every answer that was recorded is asked for again"
    checks = [note["body"]["broken"] for note in story["notes"] if note["kind"].startswith("repository tests")]
    assert [len(broken) for broken in checks if broken is not None] == run.broken

    (verdict,) = command("evaluate", "run", "--sandbox", "local")
    assert verdict["resolved"] is run.resolved and verdict["outcome"] in ("resolved", "not resolved")

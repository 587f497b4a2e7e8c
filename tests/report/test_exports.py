"""Export formats of a run, read back the way their consumers do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.verdicts import INFRASTRUCTURE, GradedPatch, Grading, put_verdicts
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.replay import read_recording
from codemonkeys.report.exports import FORMATS, export
from codemonkeys.tasks.submissions import read_submission
from tests.report.finished_run import finish_run

CANARY = "canary-0123456789"

# Every field that ATIF v1.8 has for each kind of object; those required are the first of each pair.
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "trajectory": (
        {"schema_version", "agent", "steps"},
        {
            *("session_id", "trajectory_id", "notes", "final_metrics", "continued_trajectory_ref", "extra"),
            "subagent_trajectories",
        },
    ),
    "agent": ({"name", "version"}, {"model_name", "tool_definitions", "extra"}),
    "step": (
        {"step_id", "source", "message"},
        {
            *("timestamp", "model_name", "reasoning_effort", "reasoning_content", "tool_calls", "observation"),
            *("metrics", "llm_call_count", "is_copied_context", "extra"),
        },
    ),
    "tool_call": ({"tool_call_id", "function_name", "arguments"}, set()),
    "observation": ({"results"}, set()),
    "result": (set(), {"source_call_id", "content", "subagent_trajectory_ref"}),
    "ref": (set(), {"trajectory_id", "session_id", "trajectory_path", "extra"}),
    "metrics": (
        set(),
        {
            *("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "prompt_token_ids"),
            *("completion_token_ids", "logprobs", "extra"),
        },
    ),
    "final_metrics": (
        set(),
        {
            *("total_prompt_tokens", "total_completion_tokens", "total_cached_tokens", "total_cost_usd"),
            *("total_steps", "extra"),
        },
    ),
}
AGENT_ONLY = {"model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics"}


def check(kind: str, value: dict[str, Any]) -> None:
    required, optional = FIELDS[kind]
    assert required <= value.keys() <= required | optional, (kind, value.keys())
    assert None not in value.values()


def check_trajectory(value: dict[str, Any]) -> None:
    """Check the rules of the format, recursively."""
    check("trajectory", value)
    check("agent", value["agent"])
    assert value["schema_version"] == "ATIF-v1.8"
    assert [step["step_id"] for step in value["steps"]] == list(range(1, len(value["steps"]) + 1))
    embedded = [inner["trajectory_id"] for inner in value.get("subagent_trajectories", [])]
    assert len(set(embedded)) == len(embedded)
    for step in value["steps"]:
        check("step", step)
        assert step["source"] in ("system", "user", "agent") and isinstance(step["message"], str)
        assert step["source"] == "agent" or not AGENT_ONLY & step.keys()
        if step.get("llm_call_count") == 0:
            assert not {"metrics", "reasoning_content"} & step.keys()
        check("metrics", step.get("metrics", {}))
        calls = step.get("tool_calls", [])
        for call in calls:
            check("tool_call", call)
        if "observation" in step:
            check("observation", step["observation"])
            for result in step["observation"]["results"]:
                check("result", result)
                assert result["source_call_id"] in {call["tool_call_id"] for call in calls}
                for ref in result.get("subagent_trajectory_ref", []):
                    check("ref", ref)
                    assert ref["trajectory_id"] in embedded
    check("final_metrics", value.get("final_metrics", {}))
    for inner in value.get("subagent_trajectories", []):
        check_trajectory(inner)


def answer_with_secret(request: Request) -> str:
    """The fake model's answer, with a secret in the text."""
    said = answer(request)
    return f"The key is sk-{CANARY}abcdef.\n{said}" if request.key.stage in ("test", "edit") else said


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.repositories import make_repository

    folder = tmp_path_factory.mktemp("exports")
    repository = make_repository(folder / "repository", {"a.py": b"x = 1\n", "b.py": b"y = 1\n"})
    finish_run(folder, repository, tasks=2, answered=answer_with_secret, generation={"samples": 3})
    return folder


@pytest.fixture
def write(runs: Path) -> Iterator[Callable[..., str]]:
    with run_files.reading(run_files.database_of(runs, "run")) as connection:
        yield lambda output, format, overwrite=False: export(connection, runs / "run", output, format, overwrite)


def test_trajectories_are_valid_and_complete(write: Callable[..., str], tmp_path: Path) -> None:
    assert write(tmp_path / "trajs", "atif") == f"2 trajectories written to {tmp_path / 'trajs'}"
    whole = json.loads((tmp_path / "trajs" / "owner__name-0.json").read_text())
    check_trajectory(whole)
    ids = [inner["trajectory_id"].rpartition("/")[2] for inner in whole["subagent_trajectories"]]
    assert ids == [
        *(f"rank-{n}" for n in range(3)),
        *(f"{s}-{n}" for s in ("test", "edit") for n in range(3)),
        "select-0",
    ]
    by_id = dict(zip(ids, whole["subagent_trajectories"], strict=True))
    sources = [step["source"] for step in by_id["edit-0"]["steps"]]
    assert sources == ["system", "user", "agent", "user", "agent"]
    first = by_id["edit-0"]["steps"][2]
    assert [call["arguments"]["on"] for call in first["tool_calls"]] == ["original", "edited"]
    assert "patch" in first["tool_calls"][1]["arguments"]
    assert first["observation"]["results"][0]["content"] == "exited, exit code 2\nran"
    assert "the same as the first step of owner__name-0/edit-0" in by_id["edit-2"]["steps"][0]["message"]
    assert whole["steps"][-1]["message"].startswith("predicted: ") and "diff --git" in whole["steps"][-1]["message"]
    steps = [step for inner in whole["subagent_trajectories"] for step in inner["steps"]]
    sums = whole["final_metrics"]
    relevance = next(step["extra"]["spend"] for step in whole["steps"] if step["message"] == "Stage relevance.")
    cost = sum(step["metrics"]["cost_usd"] for step in steps if "metrics" in step)
    assert sums["total_cost_usd"] == pytest.approx(cost + relevance[0]["cost_usd"]) and cost > 0
    assert CANARY not in json.dumps(whole) and "[redacted key]" in json.dumps(whole)


def test_a_submission_is_complete(
    write: Callable[..., str], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swebench.harness.utils import get_predictions_from_file

    monkeypatch.setenv("OTHER_API_KEY", CANARY)
    folder = tmp_path / "20260101_codemonkeys"
    write(folder, "leaderboard")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "all_preds.jsonl", "metadata.yaml", "trajs"]
    assert "Not evaluated yet" in (folder / "README.md").read_text()
    predictions = get_predictions_from_file(str(folder / "all_preds.jsonl"), "x", "test")
    assert [p["instance_id"] for p in predictions] == ["owner__name-0", "owner__name-1"]
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    assert metadata["tags"]["system"] == {"attempts": "2+"} and metadata["tags"]["model"] == ["fake"]
    assert set(metadata) == {"assets", "info", "tags"} and metadata["assets"] == {"logs": None, "trajs": "trajs"}
    assert [path.name for path in sorted((folder / "trajs").iterdir())] == ["owner__name-0.json", "owner__name-1.json"]

    log = runs / "run/logs/run_evaluation/run/codemonkeys/owner__name-0"
    log.mkdir(parents=True)
    (log / "report.json").write_text("{}")
    (log / "test_output.txt").write_text(f"printed {CANARY}")
    (log / "secret.txt").write_text("not of a submission")
    with run_files.reading(run_files.database_of(runs, "run")) as connection:
        patches = {row["instance_id"]: row["model_patch"] for row in queries.predictions(connection)}
    outcomes = {"owner__name-0": "resolved", "owner__name-1": "not resolved"}
    gradings = {id: Grading(outcome, "", {}, 0.0) for id, outcome in outcomes.items()}
    put_verdicts(
        runs / "run" / "run.db", {id: GradedPatch(patches[id], found, [found]) for id, found in gradings.items()}
    )
    assert write(folder, "leaderboard", True).endswith("(existing files were overwritten)")
    results = json.loads((folder / "results" / "results.json").read_text())
    assert results == {"no_generation": [], "no_logs": ["owner__name-1"], "resolved": ["owner__name-0"]}
    assert "Resolved 1 of 2 tasks (50.0%)" in (folder / "README.md").read_text()
    logs = folder / "logs" / "owner__name-0"
    assert sorted(path.name for path in logs.iterdir()) == ["report.json", "test_output.txt"]
    kept = [path for path in folder.rglob("*") if path.is_file() and CANARY in path.read_text()]
    assert kept == [], "no secret is in any file"


def test_a_job_for_harbor_has_a_trial_for_each_task_and_a_reward_where_it_was_graded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.repositories import make_repository

    repository = make_repository(tmp_path / "repository", {"a.py": b"x = 1\n"})
    finish_run(tmp_path, repository, tasks=3, generation={"samples": 1})
    database = run_files.database_of(tmp_path, "run")
    with run_files.reading(database) as connection:
        patches = {row["instance_id"]: row["model_patch"] for row in queries.predictions(connection)}
    outcomes = {"owner__name-0": "resolved", "owner__name-1": INFRASTRUCTURE}
    put_verdicts(
        database,
        {
            id: GradedPatch(patches[id], found, [found])
            for id, found in ((i, Grading(o, "", {}, 0.0)) for i, o in outcomes.items())
        },
    )
    with run_files.reading(database) as connection:
        said = export(connection, tmp_path / "run", tmp_path / "jobs", "harbor", False)
        again = export(connection, tmp_path / "run", tmp_path / "again", "harbor", False)
        (spent,) = connection.execute("SELECT sum(cost_usd) FROM costs").fetchone()
    job = tmp_path / "jobs" / "run"
    assert said == f"a job of 3 trials written to {job}; to open it: harbor view {tmp_path / 'jobs'}"
    assert again
    files = sorted(path.relative_to(job).as_posix() for path in job.rglob("*") if path.is_file())
    each = ("agent/trajectory.json", "artifacts/model.patch", "config.json", "result.json")
    trials = [f"owner__name-{n}/{file}" for n in range(3) for file in each]
    assert files == sorted(["config.json", "result.json", *trials, "owner__name-0/verifier/reward.txt"])
    for file in files:
        assert (job / file).read_bytes() == (tmp_path / "again" / "run" / file).read_bytes()
    result = json.loads((job / "result.json").read_text())
    assert result["n_total_trials"] == 3 and result["stats"]["n_errored_trials"] == 2
    assert result["stats"]["cost_usd"] == pytest.approx(spent) and spent > 0
    assert result["stats"]["evals"]["codemonkeys__fake__source"]["reward_stats"] == {"reward": {"1": ["owner__name-0"]}}
    graded, failed = (json.loads((job / f"owner__name-{n}" / "result.json").read_text()) for n in (0, 1))
    assert graded["verifier_result"] == {"rewards": {"reward": 1}} and graded["exception_info"] is None
    assert failed["verifier_result"] is None and failed["exception_info"]["exception_type"] == "NotGraded"
    check_trajectory(json.loads((job / "owner__name-0" / "agent" / "trajectory.json").read_text()))
    records = [entry.record or {} for entry in read_submission(job).entries]
    assert {record["instance_id"]: record["model_patch"] for record in records} == patches


def test_what_is_exported_tells_no_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.repositories import make_repository

    home, here = tmp_path / "home" / "ada", tmp_path / "home" / "ada" / "lab"
    here.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)

    def telling(request: Request) -> str:
        return f"In {here}/a.py, {home}/.cache and {home}son.\n{answer(request)}"

    repository = make_repository(here / "repository", {"a.py": b"x = 1\n"})
    finish_run(here, repository, answered=telling, generation={"samples": 1})
    with run_files.reading(run_files.database_of(here, "run")) as connection:
        for format in ("atif", "harbor", "leaderboard"):
            export(connection, here / "run", tmp_path / format, format, False)
    for format in ("atif", "harbor", "leaderboard"):
        text = "".join(path.read_text() for path in (tmp_path / format).rglob("*") if path.is_file())
        assert f"{home}/" not in text and f"In ./a.py, ~/.cache and {home}son." in text


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.slow
def test_existing_output_is_overwritten_only_on_demand(write: Callable[..., str], tmp_path: Path, format: str) -> None:
    output = tmp_path / ("out" if format in ("atif", "harbor", "leaderboard") else "out.jsonl")
    first = write(output, format)
    with pytest.raises(BadInput, match="overwrite=True"):
        write(output, format)
    assert write(output, format, True) == f"{first} (existing files were overwritten)"
    if format == "recording":
        assert len(read_recording(output)) > 10
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(BadInput, match="cannot be written"):
        write(blocked / "out.jsonl", format)


def test_unknown_format_is_refused(write: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="choose preds, leaderboard, atif, harbor, recording"):
        write(tmp_path / "x", "csv")

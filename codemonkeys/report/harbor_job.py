"""A run as a job folder of Harbor, for `harbor view`: a trial for each task, with trajectory, patch and reward."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from codemonkeys.grading.verdict import Outcome
from codemonkeys.journal import queries
from codemonkeys.report.atif import shareable, trajectory
from codemonkeys.system.files import write_whole

AGENT = "codemonkeys"
NO_PREDICTION = "NoPrediction"
NOT_GRADED = "NotGraded"
"""Types of exceptions as trials have them; neither is a reward of nothing."""

Json = dict[str, Any]


def harbor(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A folder of jobs with one job: the run. A task that was not graded has no reward."""
    run = queries.run_overview(connection)
    begun = [task["id"] for task in run["tasks"] if task["state"] != "waiting"]
    job = output / run["name"]
    trials = [_write_trial(job, run, queries.task_story(connection, id), trajectory(connection, id)) for id in begun]
    ended = [trial["finished_at"] for trial in trials if trial["finished_at"]]
    result = {
        "id": _id(run["name"]),
        "started_at": run["created_at"],
        "finished_at": max(ended) if len(ended) == len(run["tasks"]) else None,
        "n_total_trials": len(run["tasks"]),
        "stats": _stats(run, trials),
    }
    config = {"job_name": run["name"], "jobs_dir": ".", "agents": [_agent(run)], "tasks": [_task(id) for id in begun]}
    _write(job / "config.json", config)
    _write(job / "result.json", result)
    return f"a job of {len(trials)} trials written to {job}; to open it: harbor view {output}"


def _write_trial(job: Path, run: Json, story: Json, told: Json) -> Json:
    """Write what Harbor has of a trial; returns its result."""
    id, verdict = story["id"].replace("/", "__"), _verdict(story)
    trial = job / id
    config = {"task": _task(id), "trial_name": id, "trials_dir": ".", "agent": _agent(run)}
    result = {
        "id": _id(run["name"], id),
        "task_name": id,
        "trial_name": id,
        "trial_uri": id,
        "task_id": {"path": id},
        "source": _source(run),
        "task_checksum": story["base_commit"],
        "config": config,
        "agent_info": {"name": AGENT, "version": run["version"], "model_info": _model(run)},
        "agent_result": used(story["spend"]),
        "verifier_result": None if verdict is None else {"rewards": {"reward": verdict}},
        "exception_info": _exception(story, verdict),
        "started_at": story["started_at"],
        "finished_at": story["ended_at"],
        "agent_execution": {"started_at": story["started_at"], "finished_at": story["ended_at"]},
    }
    _write(trial / "config.json", config)
    _write(trial / "result.json", result)
    _write(trial / "agent" / "trajectory.json", told)
    if story["patch"]:
        write_whole(trial / "artifacts" / "model.patch", story["patch"])
    if verdict is not None:
        write_whole(trial / "verifier" / "reward.txt", f"{verdict}\n")
    return result


def _verdict(story: Json) -> int | None:
    """The reward: 1 or 0; None where nothing says whether the patch is right."""
    outcomes = [
        row["outcome"]
        for row in story["verdicts"]
        if row["patch_hash"] == story["patch_hash"] and row["outcome"] != Outcome.INFRASTRUCTURE
    ]
    return int(outcomes[-1] == Outcome.RESOLVED) if outcomes else None


def _exception(story: Json, verdict: int | None) -> Json | None:
    if verdict is not None:
        return None
    kind = NOT_GRADED if story["patch"] else NO_PREDICTION
    return {
        "exception_type": kind,
        "exception_message": story["reason"] or "the prediction was not graded",
        "exception_traceback": "",
        "occurred_at": story["ended_at"] or story["started_at"],
    }


def used(spend: Sequence[Mapping[str, Any]]) -> Json:
    """Tokens and US dollars. Harbor counts what was read from a cache among the input."""
    costs = [row["cost_usd"] for row in spend]
    return {
        "n_input_tokens": sum(row["prompt_tokens"] or 0 for row in spend),
        "n_cache_tokens": sum(row["cache_read_tokens"] or 0 for row in spend),
        "n_output_tokens": sum(row["completion_tokens"] or 0 for row in spend),
        "cost_usd": None if None in costs else sum(costs),
    }


def _stats(run: Json, trials: Sequence[Json]) -> Json:
    rewards: dict[str, list[str]] = {}
    exceptions: dict[str, list[str]] = {}
    for trial in trials:
        if trial["verifier_result"]:
            rewards.setdefault(str(trial["verifier_result"]["rewards"]["reward"]), []).append(trial["trial_name"])
        if trial["exception_info"]:
            exceptions.setdefault(trial["exception_info"]["exception_type"], []).append(trial["trial_name"])
    failed, graded = sum(map(len, exceptions.values())), sum(map(len, rewards.values()))
    model = (_model(run) or {"name": ""})["name"]
    evals = {
        "__".join(filter(None, (AGENT, model, _source(run)))): {
            "n_trials": graded,
            "n_errors": failed,
            "metrics": [{"mean": len(rewards.get("1", ())) / graded}] if graded else [],
            "reward_stats": {"reward": rewards} if rewards else {},
            "exception_stats": exceptions,
        }
    }
    results = [trial["agent_result"] for trial in trials]
    return {
        "n_completed_trials": len(trials),
        "n_errored_trials": failed,
        "evals": evals,
        **{name: _sum([one[name] for one in results]) for name in used([])},
    }


def _sum(numbers: Sequence[Any]) -> Any:
    return None if None in numbers else sum(numbers)


def _task(id: str) -> Json:
    return {"path": id}


def _agent(run: Json) -> Json:
    model = run["settings"].get("model")
    return {"name": AGENT, **({"model_name": model} if model else {})}


def _model(run: Json) -> Json | None:
    """The primary model as Harbor splits its name: provider, then the rest."""
    name = str(run["settings"].get("model") or "")
    provider, _, rest = name.partition("/")
    return {"name": rest or provider, **({"provider": provider} if rest else {})} if name else None


def _source(run: Json) -> str:
    return Path(run["source"]).name or "adhoc"


def _id(*names: str) -> str:
    """The same for the same names: exporting twice gives equal files."""
    return str(uuid5(NAMESPACE_URL, "/".join(("codemonkeys", *names))))


def _write(path: Path, content: Json) -> None:
    write_whole(path, json.dumps(shareable(content), indent=1) + "\n")

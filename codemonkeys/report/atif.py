"""Trajectories of a run in ATIF v1.8, the Agent Trajectory Interchange Format (Harbor's RFC 0001).

Each task is a trajectory, and its conversations, one per sample, are its `subagent_trajectories`. Relevance calls,
which read the whole repository file by file, are only summed up.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from itertools import groupby, zip_longest
from typing import Any

from codemonkeys import __version__
from codemonkeys.journal import queries, texts
from codemonkeys.keys import COMMAND, PROBE, REPOSITORY_TESTS
from codemonkeys.models.tool_calls import ToolCall
from codemonkeys.redact import machine_folders, redact, without_folders
from codemonkeys.stages import ASKING, RELEVANCE, SELECT

VERSION = "ATIF-v1.8"
CONVERSATIONS = tuple(stage.name for stage in ASKING if stage.exported)
"""Stages whose conversations are exported in full, in pipeline order."""
ANSWERING = ("models", "context", "generation", "selection")
"""Sections of the settings that influence answers."""
NOTES = (
    "Exported from the journal of a codemonkeys run. An entry of subagent_trajectories is a conversation of a sample; "
    "they ran in parallel. The calls of stage relevance, in which a model reads every file of the repository, are "
    "summed up in the first agent step. A system message equal to an earlier conversation's is referenced, not copied."
)

Json = dict[str, Any]


def trajectory(connection: sqlite3.Connection, task: str) -> Json:
    """The trajectory of one task of a run, without secrets. Raises UnknownDataset if the run has no such task."""
    run = queries.run_overview(connection)
    story = queries.task_story(connection, task)
    agent = {
        "name": "codemonkeys",
        "version": run["version"] or __version__,
        "model_name": run["settings"].get("model"),
    }
    calls = _calls(connection, task)
    executions = _executions(connection, task)
    conversations = []
    seen: dict[str, str] = {}
    for (stage, sample), turns in groupby(calls, key=lambda call: (call["stage"], call["sample"])):
        if stage in CONVERSATIONS:
            id = f"{task}/{stage}-{sample}"
            steps = _conversation(connection, id, list(turns), executions, seen)
            conversations.append({**_head(run["name"], id, agent), "steps": _numbered(steps)})
    order = {stage: position for position, stage in enumerate(CONVERSATIONS)}
    conversations.sort(key=lambda c: order[str(c["trajectory_id"]).rpartition("/")[2].rpartition("-")[0]])
    whole = {
        **_head(run["name"], task, agent | {"extra": {name: run["settings"].get(name) for name in ANSWERING}}),
        "steps": _numbered(_task_steps(story, conversations)),
        "notes": NOTES,
        "final_metrics": _sums(story["spend"]),
        "extra": {"repo": story["repo"], "base_commit": story["base_commit"], "state": story["state"]},
        "subagent_trajectories": conversations,
    }
    if not conversations:
        del whole["subagent_trajectories"]
    shared: Json = shareable(_without_none(whole))
    return shared


def _head(run: str, id: str, agent: Json) -> Json:
    return {"schema_version": VERSION, "session_id": run, "trajectory_id": id, "agent": agent}


def _numbered(steps: Iterable[Json]) -> list[Json]:
    return [{"step_id": number, **step} for number, step in enumerate(steps, 1)]


def _task_steps(story: Json, conversations: list[Json]) -> list[Json]:
    """The task stage by stage. The agent of this trajectory is the pipeline, which calls no model itself."""
    steps: list[Json] = [{"source": "user", "message": story["issue"], "timestamp": story["started_at"]}]
    for stage in (RELEVANCE.name, *CONVERSATIONS):
        if stage == SELECT.name and story["votes"]:
            count = len({row["test"] for row in story["votes"]})
            message = f"Ran {count} test scripts on the unedited code and on every distinct candidate."
            kept = ("candidate", "test", "original_exit", "edited_exit", "valid", "vote")
            matrix = [{name: row[name] for name in kept} for row in story["votes"]]
            steps.append(_dispatch(message, "votes", {}, [{"content": json.dumps(matrix)}]))
        notes = [
            note["body"] for note in story["notes"] if note["stage"] == stage and note["kind"] in ("files", "context")
        ]
        spend = [row for row in story["spend"] if row["stage"] == stage]
        if not spend:
            continue
        ids = [c["trajectory_id"] for c in conversations if f"/{stage}-" in c["trajectory_id"]]
        results: list[Json] = [{"subagent_trajectory_ref": [{"trajectory_id": id} for id in ids]}] if ids else []
        results += [{"content": json.dumps(note)} for note in notes]
        step = _dispatch(f"Stage {stage}.", stage, {"conversations": len(ids)} if ids else {}, results)
        steps.append({**step, "extra": {"spend": spend}})
    end = f"{story['state']}: {story['reason']}" if story["reason"] else story["state"]
    patch = f"\n\n{story['patch']}" if story["patch"] else ""
    last = {"source": "agent", "llm_call_count": 0, "message": f"{end}{patch}", "timestamp": story["ended_at"]}
    return [*steps, last]


def _dispatch(message: str, name: str, arguments: Json, results: list[Json]) -> Json:
    step: Json = {"source": "agent", "llm_call_count": 0, "message": message}
    if results:
        step["tool_calls"] = [{"tool_call_id": name, "function_name": name, "arguments": arguments}]
        step["observation"] = {"results": [{"source_call_id": name, **result} for result in results]}
    return step


def _conversation(
    connection: sqlite3.Connection, id: str, calls: list[Json], executions: dict[Any, list[Json]], seen: dict[str, str]
) -> list[Json]:
    """Messages, answers and executions of one conversation, in order. `seen`: where a system message first occurred."""
    steps: list[Json] = []
    for call, following in zip_longest(calls, calls[1:]):
        messages = json.loads(call["request"])["messages"]
        role, digest = messages[0]
        if not steps and role == "system":
            first = seen.setdefault(digest, id)
            text = texts.get(connection, digest) if first == id else f"[the same as the first step of {first}]"
            steps.append({"source": "system", "message": text})
        if messages[-1][0] != "tool":  # Results of tool calls stand with the calls.
            steps.append({"source": "user", "message": texts.get(connection, messages[-1][1])})
        step = {
            "source": "agent",
            "message": texts.get(connection, call["answer_hash"]),
            "reasoning_effort": json.loads(call["request"]).get("parameters", {}).get("effort"),
            "reasoning_content": texts.get(connection, call.get("reasoning_hash")) or None,
            "model_name": call["answered_by"] or call["model"],
            "timestamp": call["ended_at"],
            "llm_call_count": 1,
            "metrics": {
                "prompt_tokens": call["prompt_tokens"],
                "completion_tokens": call["completion_tokens"],
                "cached_tokens": call["cache_read_tokens"],
                "cost_usd": call["cost_usd"],
            },
            "extra": {"finish_reason": call["finish_reason"], "cache_write_tokens": call["cache_write_tokens"]},
        }
        # In the selection conversation, the sample of an execution is the candidate it ran on.
        sample = None if call["stage"] == SELECT.name else call["sample"]
        ran = executions.get((call["stage"], sample, call["turn"]), [])
        if called := queries.tool_calls_of(connection, call):
            step |= _called(connection, called, following, ran)
        elif ran:
            step["tool_calls"] = [_tool_call(connection, execution) for execution in ran]
            step["observation"] = {"results": [_result(connection, execution) for execution in ran]}
        steps.append(step)
    return steps


def _called(
    connection: sqlite3.Connection, calls: tuple[ToolCall, ...], following: Json | None, executions: list[Json]
) -> Json:
    """The tool calls of an answer, each with its result: what the model was told, or what ran if it was told no more.

    `following`: the next call of the conversation.
    """
    told = json.loads(following["request"])["messages"][-len(calls) :] if following else []
    contents = [texts.get(connection, digest) for role, digest in told if role == "tool"]
    if not contents:
        ran = {execution["part"]: execution for execution in executions}
        parts = [ran.get(f"{COMMAND}{number}") for number, _ in enumerate(calls, 1)]
        contents = ["" if part is None else _result(connection, part)["content"] for part in parts]
    pairs = list(zip(calls, contents, strict=True))
    return {
        "tool_calls": [
            {"tool_call_id": call.id, "function_name": call.name, "arguments": json.loads(call.sent_arguments())}
            for call in calls
        ],
        "observation": {"results": [{"source_call_id": call.id, "content": text} for call, text in pairs]},
    }


def _call_id(execution: Json) -> str:
    return "{stage}-{sample}-{turn}-{part}".format(**execution)


def _tool_call(connection: sqlite3.Connection, execution: Json) -> Json:
    if execution["part"].startswith(COMMAND):
        command = {"command": texts.get(connection, execution["script_hash"])}
        return {"tool_call_id": _call_id(execution), "function_name": "bash", "arguments": command}
    looked_up = execution["part"].startswith(REPOSITORY_TESTS)
    on = ("edited" if execution["patch_hash"] else "original") if looked_up else execution["part"]
    arguments = {"on": on, "script": texts.get(connection, execution["script_hash"])}
    if execution["patch_hash"]:
        arguments["patch"] = texts.get(connection, execution["patch_hash"])
    name = "run_repository_tests" if looked_up else "run_script"
    return {"tool_call_id": _call_id(execution), "function_name": name, "arguments": arguments}


def _result(connection: sqlite3.Connection, execution: Json) -> Json:
    code = "" if execution["exit_code"] is None else f", exit code {execution['exit_code']}"
    output = texts.get(connection, execution["output_hash"])
    return {"source_call_id": _call_id(execution), "content": f"{execution['reason']}{code}\n{output}"}


def _calls(connection: sqlite3.Connection, task: str) -> list[Json]:
    query = (
        "SELECT s.*, c.cost_usd "
        "FROM call_steps s JOIN calls c ON c.id = s.id WHERE s.task = ? AND s.state = 'done' "
        "ORDER BY s.stage, s.sample, s.turn"
    )
    return queries.rows(connection, query, task)


def _executions(connection: sqlite3.Connection, task: str) -> dict[Any, list[Json]]:
    query = (
        "SELECT stage, sample, turn, part, reason, exit_code, output_hash, script_hash, patch_hash "
        f"FROM execution_steps WHERE task = ? AND state = 'done' AND stage IN ({', '.join('?' * len(CONVERSATIONS))}) "
        f"AND part NOT LIKE '{REPOSITORY_TESTS}%{PROBE}' "
        "ORDER BY stage, turn, part DESC, sample"
    )
    by_turn: dict[Any, list[Json]] = {}
    for row in queries.rows(connection, query, task, *CONVERSATIONS):
        key = (row["stage"], None if row["stage"] == SELECT.name else row["sample"], row["turn"])
        by_turn.setdefault(key, []).append(row)
    return by_turn


def _sums(spend: list[Json]) -> Json:
    names = {"prompt_tokens": "prompt", "completion_tokens": "completion", "cache_read_tokens": "cached"}
    sums = {f"total_{short}_tokens": sum(row[name] or 0 for row in spend) for name, short in names.items()}
    costs = [row["cost_usd"] for row in spend if row["cost_usd"] is not None]
    return {**sums, "total_cost_usd": sum(costs) if costs else None}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def shareable(value: Any) -> Any:
    """The value without secrets, strings that look like one, and paths of this machine: exports get published."""
    folders = machine_folders()

    def share(value: Any) -> Any:
        if isinstance(value, str):
            return without_folders(redact(value), folders)
        if isinstance(value, dict):
            return {name: share(inner) for name, inner in value.items()}
        return [share(inner) for inner in value] if isinstance(value, list) else value

    return share(value)

"""What the page of a task shows, as plain values. Samples, turns and tests count from 1."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from codemonkeys.generation.flags import suspicious
from codemonkeys.journal.named_choices import chosen, named_choices
from codemonkeys.journal.queries import rows, task_story
from codemonkeys.report.task_view import (
    changed_lines,
    outcome,
    refused_members,
    unapproved,
    unusable_answers,
    verdict_heading,
    warnings_of,
    without_regressions,
)
from codemonkeys.stages import RANK, RELEVANCE, TEST
from codemonkeys.view import diffs
from codemonkeys.view.timelines import conversations, steps_of, trajectories


def task_page(connection: sqlite3.Connection, task: str) -> dict[str, Any]:
    """Everything recorded about a task. Raises UnknownDataset if it is not in the run."""
    story = task_story(connection, task)
    steps = steps_of(connection, task)
    candidates = [candidate_line(candidate, story) for candidate in story["candidates"]]
    return {
        **{name: story[name] for name in ("id", "repo", "base_commit", "state", "reason", "issue", "rule", "ensemble")},
        **{name: story[name] for name in ("spend", "unanswered", "candidate", "started_at", "ended_at")},
        "verdicts": [{**verdict, "heading": verdict_heading(story, verdict)} for verdict in story["verdicts"]],
        "cost_usd": cost_of(story["spend"]),
        "context": context(story["notes"]),
        "trajectories": trajectories(steps, story),
        "conversations": conversations(steps),
        "matrix": matrix(story),
        "candidates": candidates,
        "distinct": [c for c in candidates if c["duplicate_of"] is None],
        "choices": choices(connection, task),
        "graded": {row["patch_hash"]: row["outcome"] for row in story["verdicts"]},
        "remarks": [
            *(f"{note['stage']} {note['sample'] + 1} ended early: {note['body']}" for note in ended_early(story)),
            *unusable_answers(story["unusable"]),
            *refused_members(story["notes"]),
            *(line.plain for line in warnings_of(story)),
            *(f"The repository's own tests: {why}" for why in without_regressions(story["notes"])),
        ],
    }


def cost_of(spend: Sequence[Mapping[str, Any]]) -> float | None:
    """US dollars of all rows; None if a price is unknown."""
    return None if any(row["cost_usd"] is None for row in spend) else sum(row["cost_usd"] for row in spend)


def ended_early(story: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Notes on conversations that could not go on."""
    return [note for note in story["notes"] if note["kind"] == "ended early"]


def candidate_line(candidate: dict[str, Any], story: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate with its diff, its votes, what it breaks, and its verdict."""
    votes = [row for row in story["votes"] if row["candidate"] == (candidate["duplicate_of"] or candidate["number"])]
    breaks = next((s for s in story["signals"] if (s["kind"], s["number"]) == ("breaks", candidate["number"])), None)
    verdicts = {row["patch_hash"]: row["outcome"] for row in story["verdicts"]}
    return {
        **{name: candidate[name] for name in ("number", "sample", "patch", "test", "duplicate_of")},
        "source": candidate.get("source", ""),
        "family": candidate.get("family", ""),
        "approved": "yes" if candidate["approved"] else unapproved(candidate["sample"], story["notes"]),
        "chosen": candidate["number"] == story["candidate"],
        "lines": changed_lines(candidate["patch"]),
        "files": diffs.of_patch(candidate["patch"]),
        "votes": sum(row["vote"] for row in votes),
        "valid": sum(row["valid"] for row in votes),
        "breaks": None if breaks is None else breaks["value"],
        "broken": [] if breaks is None else json.loads(breaks["detail"] or "[]"),
        "flags": suspicious(candidate["patch"]),
        "verdict": verdicts.get(candidate["patch_hash"]),
    }


def context(notes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Files of the context with the reasons for which they are there, and what was read but left out."""
    by_stage = {(note["stage"], note["kind"]): note["body"] for note in notes}
    found = by_stage.get((RANK.name, "context"), {})
    read = by_stage.get((RELEVANCE.name, "files"), {})
    forms = by_stage.get((TEST.name, "files"), {}).get("forms", {})
    rankings, sizes = found.get("rankings", []), found.get("sizes", {})
    chosen_files = found.get("chosen", [])

    def line(path: str) -> dict[str, Any]:
        places = [ranking.index(path) + 1 for ranking in rankings if path in ranking]
        reasons = ["named by the issue"] * (path in found.get("named", ()))
        reasons += ["around the chosen ones"] * (path in found.get("around", ()))
        if places:
            reasons.append(f"ranked {', '.join(map(str, places))} in {len(places)} of {len(rankings)} rankings")
        return {
            "path": path,
            "tokens": sizes.get(path),
            "reasons": reasons or ["relevant"],
            "in_tests": forms.get(path, "not shown"),
        }

    return {
        "read": read.get("read"),
        "relevant": read.get("relevant"),
        "maybe": read.get("maybe", []),
        "shortened": read.get("shortened", []),
        "none_relevant": (RELEVANCE.name, "none relevant") in by_stage,
        "tokens": found.get("tokens"),
        "files": [line(path) for path in chosen_files],
        "left_out": [line(path) for path in found.get("order", []) if path not in chosen_files],
    }


def matrix(story: Mapping[str, Any]) -> dict[str, Any]:
    """The votes: a row for each test, a cell for each distinct candidate, with what is counted below."""
    votes = {(row["candidate"], row["test"]): row for row in story["votes"]}
    numbers = [c["number"] for c in story["candidates"] if c["duplicate_of"] is None]
    lines = []
    for test in sorted({test for _, test in votes}):
        first = next(row for (_, other), row in votes.items() if other == test)
        cells = [vote_cell(votes.get((number, test)), number) for number in numbers]
        original = outcome(first["original_exit"], first["original_reason"]).plain
        lines.append({"test": test + 1, "original": original, "valid": first["valid"], "cells": cells})
    signals = {(row["kind"], row["number"]): row["value"] for row in story["signals"]}
    controls = {row["candidate"]: row.get("control") for row in story["votes"]}
    words = {None: "", 0: "failed", 1: "passed"}
    return {
        "numbers": numbers,
        "rows": lines,
        "sums": [sum(row["vote"] for row in story["votes"] if row["candidate"] == number) for number in numbers],
        "controls": [words[controls.get(number)] for number in numbers] if any(controls.values()) else [],
        "regression": signals.get(("regression tests", 0)),
        "breaks": [signals.get(("breaks", number)) for number in numbers],
    }


def vote_cell(row: Mapping[str, Any] | None, number: int) -> dict[str, Any]:
    """What a test says of a candidate: in words, and the kind by which it is coloured."""
    if row is None:
        return {"candidate": number, "words": "did not run", "kind": "none"}
    words = outcome(row["edited_exit"], row["edited_reason"]).plain
    kind = "for" if row["vote"] else "none" if not row["valid"] else "against"
    return {"candidate": number, "words": words, "kind": kind}


def choices(connection: sqlite3.Connection, task: str) -> list[dict[str, Any]]:
    """What named choices came to on the task, each with its cost."""
    found = []
    for choice in named_choices(connection):
        line = next((row for row in chosen(connection, choice.name) if row["task"] == task), None)
        (paid,) = rows(
            connection,
            "SELECT count(*) AS calls, count(*) - count(cost_usd) AS unknown, coalesce(sum(cost_usd), 0.0) AS cost_usd "
            "FROM costs WHERE task = ? AND stage LIKE '%@' || ?",
            *(task, choice.name),
        )
        cost = None if paid["unknown"] else paid["cost_usd"]
        state = {"state": "waiting", "candidate": None, "reason": ""} if line is None else line
        found.append({"name": choice.name, "rule": choice.rule, "model": choice.model, **state, "cost_usd": cost})
    return found

"""What the page of two candidates shows, as plain values."""

from __future__ import annotations

import sqlite3
from typing import Any

from codemonkeys.errors import UnknownDataset
from codemonkeys.journal.queries import task_story
from codemonkeys.stages import TRAJECTORY
from codemonkeys.view import diffs
from codemonkeys.view.task_page import candidate_line, matrix
from codemonkeys.view.timelines import cost_of_steps, steps_of


def candidates_page(connection: sqlite3.Connection, task: str, numbers: tuple[int, int]) -> dict[str, Any]:
    """Two candidates of a task beside each other. Raises UnknownDataset if it has not both."""
    story = task_story(connection, task)
    by_number = {candidate["number"]: candidate for candidate in story["candidates"]}
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise UnknownDataset(f"{task} has no candidate {missing[0]}; it has {', '.join(map(str, by_number)) or 'none'}")
    pair = [by_number[number] for number in numbers]
    lines = [candidate_line(candidate, story) for candidate in pair]
    steps = steps_of(connection, task)
    for line in lines:
        own = [s for s in steps if s.sample == line["sample"] and s.stage in TRAJECTORY]
        line["cost_usd"] = cost_of_steps(own)
        line["seconds"] = sum(step.seconds for step in own)
    found = matrix(story)
    stands = [candidate["duplicate_of"] or candidate["number"] for candidate in pair]
    columns = [found["numbers"].index(number) if number in found["numbers"] else None for number in stands]
    tests = [
        {**row, "cells": [row["cells"][column] if column is not None else None for column in columns]}
        for row in found["rows"]
    ]
    return {
        "pair": lines,
        "ensemble": story["ensemble"],
        "tests": tests,
        "patches": diffs.of_texts(pair[0]["patch"], pair[1]["patch"]),
        "same": pair[0]["patch"] == pair[1]["patch"],
        "numbers": list(by_number),
    }

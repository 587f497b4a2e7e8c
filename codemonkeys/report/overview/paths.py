"""What became of each task, stage by stage."""

from __future__ import annotations

from codemonkeys.report.overview.facts import Results
from codemonkeys.report.statistics import Interval, Verdict, bootstrap

START = "tasks"
COMPLETE, LACKING, NO_RECALL = "all files", "lacks a file", "recall unknown"
CANDIDATES, NO_CANDIDATE = "candidates", "no candidate"
COVERED, NOT_COVERED, UNKNOWN = "one is right", "none is right", "not all graded"
RESOLVED, WRONG, UNGRADED, ABSTAINED = "resolved", "not resolved", "not graded", "abstained"
PREDICTED, UNFINISHED = "predicted", "not finished"
ENDED = ("predicted", "abstained", "no candidate")
"""States of tasks that ended as the pipeline means it; every other one is a failure, or not the end."""

STYLES = {
    START: "c1",
    **dict.fromkeys((COMPLETE, CANDIDATES, COVERED, RESOLVED, PREDICTED), "c3"),
    **dict.fromkeys((NO_RECALL, UNKNOWN, UNGRADED), "quiet"),
    **dict.fromkeys((LACKING, NOT_COVERED, ABSTAINED), "c4"),
    **dict.fromkeys((NO_CANDIDATE, WRONG, UNFINISHED), "c2"),
}
"""Colour of each word, in the order in which a figure stacks them."""


def task_paths(results: Results) -> dict[str, list[str]]:
    """By task, the words for what became of it, each a further stage; it ends early where the task was lost."""
    labels = labels_of(results)
    whole = None if isinstance(results.recalls, str) else {r.task: not r.lost for r in results.recalls}
    stored = results.stored
    paths = {}
    for task in results.facts.tasks:
        id, state = task["id"], task["state"]
        path = [START]
        if whole is not None:
            path.append(NO_RECALL if id not in whole else COMPLETE if whole[id] else LACKING)
        if id not in stored.evidence and id not in stored.incomplete:
            paths[id] = [*path, NO_CANDIDATE if state in ENDED else lost(state)]
            continue
        path.append(CANDIDATES)
        verdicts = labels.get(id, ())
        if results.verdicts is not None:
            path.append(COVERED if any(verdicts) else UNKNOWN if None in verdicts or not verdicts else NOT_COVERED)
        paths[id] = [*path, choice_of(id, state, verdicts, results)]
    return paths


def labels_of(results: Results) -> dict[str, tuple[Verdict, ...]]:
    """By task, the verdict of each candidate; empty without verdicts."""
    if results.verdicts is None:
        return {}
    return {task: results.verdicts.of_candidates(e) for task, e in results.stored.evidence.items()}


def choice_of(id: str, state: str, verdicts: tuple[Verdict, ...], results: Results) -> str:
    """What became of the choice among a task's candidates."""
    if state not in ENDED:
        return lost(state)
    number = results.stored.choices.get(id)
    if number is None:
        return ABSTAINED
    if results.verdicts is None:
        return PREDICTED
    verdict = verdicts[number] if number < len(verdicts) else None
    return UNGRADED if verdict is None else RESOLVED if verdict else WRONG


def lost(state: str) -> str:
    """The word for a task that has not ended as it should."""
    return UNFINISHED if state in ("waiting", "running") else state


def resolved_share(results: Results) -> Interval | None:
    """Share of all tasks that are resolved; None without tasks or verdicts, or while a choice is not graded."""
    ends = [path[-1] for path in task_paths(results).values()]
    if results.verdicts is None or not ends or UNGRADED in ends:
        return None
    return bootstrap([float(end == RESOLVED) for end in ends])

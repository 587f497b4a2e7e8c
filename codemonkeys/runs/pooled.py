"""Decides tasks together, by a rule that is fitted to the stored evidence of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.runs.outcomes import State, TaskResult
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import AGREEMENT, Rule, find_rule
from codemonkeys.selection.rules_base import candidates


def rank_together(journal: Journal, rule: str, tasks: Sequence[str]) -> list[TaskResult]:
    """Select by a rule fitted to the evidence of all tasks; returns the results by task."""
    with run_files.reading(journal.folder / "run.db") as connection:
        evidence = {task: stored_evidence(connection, task, journal.choice) for task in tasks}
    known = [found for found in evidence.values() if found is not None]
    fitted = find_rule(rule).fit(known)
    instead = ""
    if why := cannot_decide(fitted, known):
        fitted, instead = find_rule(AGREEMENT).fit(known), f", by {AGREEMENT}, as {why}"
    with journal.transaction():
        return [end_by_ranking(journal, task, found, fitted, instead) for task, found in evidence.items()]


def cannot_decide(rule: Rule, evidence: Sequence[Evidence]) -> str:
    """Why a rule decides none of these tasks, such as that it has too few verifiers to learn from; else empty."""
    rankings = [rule.rank(found) for found in evidence if candidates(found)]
    return rankings[0].reason if rankings and not any(ranking.order for ranking in rankings) else ""


def end_by_ranking(journal: Journal, task: str, evidence: Evidence | None, rule: Rule, instead: str = "") -> TaskResult:
    """Record a rule's decision on a task. `instead`: that the rule stands in for another one, and why."""
    number, patch = None, None
    if evidence is None:
        ended = TaskResult(task, State.NO_CANDIDATE, "no member has a patch for it that can be used")
    elif not (ranking := rule.rank(evidence)).order:
        ended = TaskResult(task, State.ABSTAINED, ranking.reason)
    else:
        first = evidence.classes[ranking.order[0]]
        ended = TaskResult(task, State.PREDICTED, f"{ranking.reason}{instead}")
        number, patch = first + 1, evidence.patches[first]
    journal.end_task(ended.task, ended.state, ended.reason, number, patch)
    return ended

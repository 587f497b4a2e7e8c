"""Decides tasks together, by a rule that is fitted to the stored evidence of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.runs.outcomes import State, TaskResult
from codemonkeys.selection.abstaining import least_sure
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import AGREEMENT, Rule, find_rule
from codemonkeys.selection.rules_base import candidates

INSTEAD = f", by {AGREEMENT}, as "
"""In the reason of a choice: that agreement stands in for a rule that could not decide, and why."""


def rank_together(journal: Journal, rule: str, tasks: Sequence[str]) -> list[TaskResult]:
    """Select by a rule fitted to the evidence of all tasks; returns the results by task."""
    with run_files.reading(journal.folder / "run.db") as connection:
        evidence = {task: stored_evidence(connection, task, journal.choice) for task in tasks}
    known = [found for found in evidence.values() if found is not None]
    fitted, instead = fit(rule, known)
    with journal.transaction():
        return [end_by_ranking(journal, task, found, fitted, instead) for task, found in evidence.items()]


def fit(name: str, evidence: Sequence[Evidence]) -> tuple[Rule, str]:
    """A rule fitted to the evidence of many tasks, or what stands in for it, and why, to be put behind a reason."""
    fitted = find_rule(name).fit(evidence)
    if not (why := cannot_decide(fitted, evidence)):
        return fitted, ""
    return find_rule(AGREEMENT).fit(evidence), f"{INSTEAD}{why}"


def abstain(journal: Journal, name: str, share: float, ended: Sequence[TaskResult]) -> list[TaskResult]:
    """Of tasks that are all decided, abstain on those that the rule is least sure of; see `least_sure`."""
    with run_files.reading(journal.folder / "run.db") as connection:
        found = {result.task: stored_evidence(connection, result.task) for result in ended}
    evidence = {task: known for task, known in found.items() if known is not None}
    fitted, _ = fit(name, list(evidence.values()))
    rankings = {task: fitted.rank(known) for task, known in evidence.items()}
    sure = {task: ranking.confidence for task, ranking in rankings.items() if ranking.order}
    declined = least_sure(sure, share)
    with journal.transaction():
        return [decline(journal, r.task, declined[r.task], share) if r.task in declined else r for r in ended]


def decline(journal: Journal, task: str, confidence: float, share: float) -> TaskResult:
    """Record that a task is abstained on."""
    reason = f"among the {share:.0%} of tasks that the rule is least sure of (confidence {confidence:.2f})"
    journal.end_task(task, State.ABSTAINED, reason, None, None)
    return TaskResult(task, State.ABSTAINED, reason)


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

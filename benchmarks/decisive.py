"""What evidence decides each runnable task that has right and wrong candidates; see `benchmarks/selection.py`.

A rule's choice is credited by expectation over ties: with the share of right ones among the candidates that no result
of a script or repository test tells apart from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.selection_cases import Case
from codemonkeys.models.tokens import count_tokens
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.deciding import complete_ranking
from codemonkeys.selection.differences import breakages, compare, telling
from codemonkeys.selection.evidence_view import evidence_view, view_tokens
from codemonkeys.selection.rules import EXECUTION, RULES
from codemonkeys.selection.rules_tests import behaviour_classes
from codemonkeys.settings import SandboxSettings, SelectionSettings


class Decision(NamedTuple):
    """What decides a task. Candidates are numbered from 1."""

    task: str
    candidates: int
    right: int
    behaviours: int
    """Ways of behaving that scripts and repository tests tell apart."""
    chosen: int
    """By the execution rule."""
    expected: float
    """Share of right candidates among those that behave like the chosen one."""
    shortlisted: int
    """Right candidates of the shortlist, of which a conversation chooses."""
    by_vote: int
    """Scripts that vote differently on the shortlist."""
    by_output: int
    """Scripts that only print differently on it."""
    by_test: int
    """Repository tests that some of it break, and not all."""
    tokens: int
    """Evidence that a conversation about it begins with."""


def expected(case: Case, rule: str) -> float:
    """Expectation over ties of a fitted rule's choice; 0 if it abstains."""
    ranking = RULES[rule].fit([case.evidence]).rank(case.evidence)
    if not ranking.order:
        return 0.0
    classes = behaviour_classes(case.evidence)
    tied = [v for v, same in zip(case.verdicts, classes, strict=True) if same == classes[ranking.order[0]]]
    return sum(tied) / len(tied)


def decision(case: Case, inputs: SelectionInput) -> Decision:
    """What decides a task by the execution rule, and by a conversation about its shortlist."""
    order = complete_ranking(case.evidence, RULES[EXECUTION].rank(case.evidence))
    settings = SelectionSettings()
    numbers = [index + 1 for index in order[: settings.candidates]]
    apart = telling(compare(inputs.matrix, numbers))
    partly = [breakage for breakage in breakages(inputs, numbers) if len(breakage.numbers) < len(numbers)]
    view = evidence_view(inputs, numbers, "", settings.evidence_tokens, count_tokens, SandboxSettings())
    return Decision(
        task=case.evidence.task,
        candidates=len(case.verdicts),
        right=sum(case.verdicts),
        behaviours=len(set(behaviour_classes(case.evidence))),
        chosen=order[0] + 1,
        expected=expected(case, EXECUTION),
        shortlisted=sum(case.verdicts[number - 1] for number in numbers),
        by_vote=sum(comparison.votes_differ for comparison in apart),
        by_output=sum(not comparison.votes_differ for comparison in apart),
        by_test=sum(len(breakage.tests) for breakage in partly),
        tokens=view_tokens(view, count_tokens),
    )


def print_decisions(cases: Sequence[Case], inputs: Sequence[SelectionInput]) -> tuple[float, int]:
    """Print what decides each task.

    Returns the expected number of right choices by the execution rule, and of shortlists that hold a right candidate.
    """
    found = [decision(case, each) for case, each in zip(cases, inputs, strict=True)]
    names = Decision._fields[1:]
    print(f"{'task':28} {' '.join(f'{name:>11}' for name in names)}")
    for row in found:
        values = (f"{value:11.2f}" if isinstance(value, float) else f"{value:11}" for value in row[1:])
        print(f"{row.task:28} {' '.join(values)}")
    print("expected number of right choices over ties, by rule")
    for rule in RULES:
        total = sum(expected(case, rule) for case in cases)
        if any(RULES[rule].fit([case.evidence]).rank(case.evidence).order for case in cases):
            print(f"  {rule:22} {total:5.2f} of {len(cases)}")
    return sum(row.expected for row in found), sum(row.shortlisted > 0 for row in found)

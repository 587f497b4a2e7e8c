"""The evidence as it begins a selection conversation: what tells the candidates apart, within a number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from codemonkeys.engine.scripts import view_of
from codemonkeys.prompting import cut_middle
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.differences import (
    Breakage,
    Comparison,
    breakages,
    broken_by_number,
    compare,
    excerpts,
    telling,
)
from codemonkeys.selection.evidence import ScriptOutcome
from codemonkeys.settings import SandboxSettings

Values = dict[str, Any]

LINES = 15
"""Lines of an output that are shown."""
CHARACTERS = 1_500
"""Characters of these lines."""
SCRIPT_CHARACTERS = 8_000
"""Characters of a script that are shown."""
NAMES = 10
"""Repository tests that are named of those that the same candidates break."""
BLOCK_TOKENS = 40
"""What stands around a text that is shown: delimiters, and a line that says what it is."""
NUMBER_TOKENS = 3
"""A number in a list."""
TESTS_SHARE = 0.25
"""Share of the tokens that repository tests may take."""


def evidence_view(
    inputs: SelectionInput,
    numbers: Sequence[int],
    example: str,
    tokens: int,
    count: Callable[[str], int],
    sandbox: SandboxSettings,
) -> Values:
    """Values for the template `select.user`: what tells the candidates of these numbers apart, most telling first.

    `example`: the script that was shown already. `tokens`: the most that scripts, tests and outputs take, by `count`.
    """
    comparisons = compare(inputs.matrix, numbers)
    apart = telling(comparisons)
    fails = [_failures(inputs, comparisons, number) for number in sorted(numbers)]
    left = tokens - BLOCK_TOKENS
    tests, used = _fill(
        [_tests(inputs, breakage, sandbox) for breakage in breakages(inputs, numbers)], left * TESTS_SHARE, count
    )
    scripts, _ = _fill([_script(comparison, example, sandbox) for comparison in apart], left - used, count)
    shown = {script["number"] for script in scripts}
    return {
        "fails": fails,
        "regressions": len(inputs.regressions.tests),
        "voting": sum(comparison.valid for comparison in comparisons),
        "tests": tests,
        "scripts": scripts,
        "votes_differ": any(comparison.valid and comparison.votes_differ for comparison in comparisons),
        "alike": len(comparisons) - len(apart),
        "left_out": sorted(comparison.number for comparison in apart if comparison.number not in shown),
    }


def view_tokens(view: Values, count: Callable[[str], int]) -> int:
    """An upper bound of what the scripts, tests and outputs of a view take in the prompt."""
    return _tokens([view["tests"], view["scripts"]], count)


def _failures(inputs: SelectionInput, comparisons: Sequence[Comparison], number: int) -> Values:
    """What one candidate fails: valid scripts by number, and how many of the repository's tests; None if unknown."""
    outcomes = {
        comparison.number: behaviour.outcome
        for comparison in comparisons
        if comparison.valid
        for behaviour in comparison.behaviours
        if number in behaviour.numbers
    }
    broken = broken_by_number(inputs).get(number)
    return {
        "number": number,
        "present": [n for n, outcome in outcomes.items() if outcome is ScriptOutcome.PRESENT],
        "unsure": [n for n, outcome in outcomes.items() if outcome not in (ScriptOutcome.PRESENT, ScriptOutcome.FIXED)],
        "broken": None if broken is None else len(broken),
        "untrusted": number in inputs.matrix.untrusted,
    }


def _script(comparison: Comparison, example: str, sandbox: SandboxSettings) -> Values:
    """A script that tells candidates apart, with what it did on the unedited code and on each."""
    executions = [comparison.original, *(behaviour.execution for behaviour in comparison.behaviours)]
    outputs = excerpts([execution.output for execution in executions], LINES, CHARACTERS)
    original, *views = (
        view_of(replace(execution, output=output), sandbox)._asdict()
        for execution, output in zip(executions, outputs, strict=True)
    )
    return {
        "number": comparison.number,
        "text": "" if comparison.script == example else cut_middle(comparison.script, SCRIPT_CHARACTERS),
        "valid": comparison.valid,
        "original": original,
        "results": [
            {"numbers": list(behaviour.numbers), **view}
            for behaviour, view in zip(comparison.behaviours, views, strict=True)
        ],
    }


def _tests(inputs: SelectionInput, breakage: Breakage, sandbox: SandboxSettings) -> Values:
    """Repository tests that the same candidates break, with what the test runner printed last on the first of them."""
    numbers = [numbered.number for numbered in inputs.matrix.candidates]
    said = dict(zip(numbers, inputs.regressions.said, strict=False)).get(breakage.numbers[0], "")
    (output,) = excerpts([said], LINES, CHARACTERS)
    return {
        "numbers": list(breakage.numbers),
        "names": breakage.tests[:NAMES],
        "more": len(breakage.tests[NAMES:]),
        "output": output,
    }


def _fill(items: Sequence[Values], room: float, count: Callable[[str], int]) -> tuple[list[Values], int]:
    """The items that fit, in order, and the tokens that they take; one that does not fit leaves room for the next."""
    kept, used = [], 0
    for item in items:
        tokens = _tokens(item, count)
        if used + tokens <= room:
            kept.append(item)
            used += tokens
    return kept, used


def _tokens(item: Any, count: Callable[[str], int]) -> int:
    """An upper bound of what a part of the evidence takes in the prompt."""
    match item:
        case str():
            return count(item) + BLOCK_TOKENS if item else BLOCK_TOKENS
        case dict():
            return sum(_tokens(each, count) for each in item.values())
        case list() | tuple():
            return sum(_tokens(each, count) for each in item)
        case _:
            return NUMBER_TOKENS

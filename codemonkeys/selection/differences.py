"""What tells candidates apart: scripts that end or print differently on them, and repository tests that some break."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from codemonkeys.selection.collect_evidence import SelectionInput, outcome_of
from codemonkeys.selection.evidence import ScriptOutcome
from codemonkeys.selection.votes import Matrix
from sandboxes.base import Execution, Reason

_VARYING = re.compile(
    r"0x[0-9a-fA-F]+|\b\d{12,}\b"  # addresses
    r"|/tmp/[\w.-]+"
    r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|\b\d+(?:\.\d+)? ?(?:seconds?|secs?|ms|s)\b"
    r"|, line \d+|(?<=\.py):\d+"  # an edit moves the lines below it
)
"""What differs between two executions although the code behaves alike."""


class Behaviour(NamedTuple):
    """The candidates, by number, on which a script ended and printed the same."""

    numbers: tuple[int, ...]
    execution: Execution
    outcome: ScriptOutcome


class Comparison(NamedTuple):
    """A test script, numbered from 1, and what it did on each of some candidates."""

    number: int
    script: str
    valid: bool
    """Whether it finds the issue in the unedited code, and so may vote."""
    original: Execution
    behaviours: tuple[Behaviour, ...]

    @property
    def votes_differ(self) -> bool:
        """Whether it says of some candidates something else than of others."""
        return len({behaviour.outcome for behaviour in self.behaviours}) > 1


class Breakage(NamedTuple):
    """Repository tests that the same candidates break."""

    numbers: tuple[int, ...]
    tests: tuple[str, ...]


def without_varying(output: str) -> str:
    """An output without addresses, temporary paths, times, and line numbers of tracebacks, for comparison."""
    return _VARYING.sub("~", output.rstrip())


def compare(matrix: Matrix, numbers: Sequence[int]) -> list[Comparison]:
    """Every script on the candidates of these numbers, in the order of the scripts."""
    rows = {numbered.number: row for numbered, row in zip(matrix.candidates, matrix.edited, strict=True)}
    return [
        Comparison(
            *(test + 1, script, matrix.valid(test), matrix.original[test]),
            _behaviours({number: rows[number][test] for number in sorted(numbers)}),
        )
        for test, script in enumerate(matrix.tests)
    ]


def _behaviours(executions: dict[int, Execution]) -> tuple[Behaviour, ...]:
    """Executions by number of the candidate, grouped by what they did."""
    groups: dict[object, list[int]] = {}
    for number, execution in executions.items():
        # Where a limit ends a script, how far it came tells nothing.
        printed = without_varying(execution.output) if execution.reason in (Reason.EXITED, Reason.KILLED) else ""
        ended = execution.reason, execution.exit_code, execution.signal, printed
        groups.setdefault(ended, []).append(number)
    firsts = {same[0]: tuple(same) for same in groups.values()}
    return tuple(
        Behaviour(same, executions[first], outcome_of(executions[first].reason, executions[first].exit_code))
        for first, same in firsts.items()
    )


def telling(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those that tell the candidates apart, most telling first.

    By verdict before by output alone; then one of each way to divide the candidates before a second of the same; then
    valid ones, more even divisions, and shorter scripts.
    """

    def key(comparison: Comparison) -> tuple[object, ...]:
        sizes = [len(behaviour.numbers) for behaviour in comparison.behaviours]
        votes = Counter[ScriptOutcome]()
        for behaviour, size in zip(comparison.behaviours, sizes, strict=True):
            votes[behaviour.outcome] += size
        alike = max(votes.values()) if comparison.votes_differ else max(sizes)
        return not comparison.votes_differ, not comparison.valid, alike, len(comparison.script), comparison.number

    apart = sorted((c for c in comparisons if len(c.behaviours) > 1), key=key)
    seen = Counter[object]()
    turns: dict[int, tuple[bool, int]] = {}
    for comparison in apart:
        division = frozenset((b.numbers, b.outcome) for b in comparison.behaviours)
        turns[comparison.number] = not comparison.votes_differ, seen[division]
        seen[division] += 1
    return sorted(apart, key=lambda comparison: turns[comparison.number])


def breakages(inputs: SelectionInput, numbers: Sequence[int]) -> list[Breakage]:
    """The repository tests that candidates of these numbers break: those that tell them apart first."""
    breakers: dict[str, list[int]] = {}
    for number, broken in broken_by_number(inputs).items():
        for test in (broken or ()) if number in numbers else ():
            breakers.setdefault(test, []).append(number)
    groups: dict[tuple[int, ...], list[str]] = {}
    for test, by in breakers.items():
        groups.setdefault(tuple(sorted(by)), []).append(test)
    found = [Breakage(by, tuple(tests)) for by, tests in groups.items()]
    return sorted(found, key=lambda breakage: (len(breakage.numbers) == len(numbers), breakage.numbers))


def broken_by_number(inputs: SelectionInput) -> dict[int, tuple[str, ...] | None]:
    """By number of a distinct candidate, the repository tests that it breaks; None if unknown, empty if none ran."""
    numbers = (numbered.number for numbered in inputs.matrix.candidates)
    return dict(zip(numbers, inputs.regressions.broken, strict=False))


def excerpts(outputs: Sequence[str], lines: int, characters: int) -> list[str]:
    """The last lines of each output; where these hide a difference, lines from where the outputs part.

    What is left out is said.
    """
    texts = [output.rstrip().splitlines() for output in outputs]
    compared = [[without_varying(line) for line in text] for text in texts]
    tails = {tuple(text[-lines:]) for text in compared}
    part = 0
    if hidden := len(tails) < len({tuple(text) for text in compared}):
        part = next(n for n, row in enumerate(zip_longest(*compared)) if len(set(row)) > 1)
    found = []
    for text in texts:
        start = max(0, min(part, len(text) - 1)) if hidden else max(0, len(text) - lines)
        kept = "\n".join(text[start : start + lines])
        end = start + lines
        before = f"[... {start} lines before ...]\n" if start else ""
        after = f"\n[... {len(text) - end} more lines ...]" if len(text) > end else ""
        found.append(before + cut_wide(kept, characters) + after)
    return found


def cut_wide(text: str, characters: int) -> str:
    """A text of at most so many characters, its last ones, which say how it ended."""
    before = len(text) - characters
    return text if before <= 0 else f"[... {before} characters before ...]\n{text[-characters:]}"

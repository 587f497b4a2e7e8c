"""Named choices of a run beside the one that the run itself has made."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rich.table import Table

from codemonkeys.journal.named_choices import chosen, named_choices, spend_of_choices
from codemonkeys.journal.queries import rows
from codemonkeys.report.fitting import Id
from codemonkeys.report.tables import new_table, plain

ENDED = ("predicted", "abstained", "no candidate")


@dataclass(frozen=True)
class ChosenTask:
    """What a named choice came to on one task."""

    task: str
    state: str
    candidate: int | None
    of_run: int | None
    """Number of the candidate that the run itself chose."""
    same: bool
    """Whether both are the same candidate, or equivalent ones."""
    reason: str


@dataclass(frozen=True)
class ChoiceReport:
    """A named choice."""

    name: str
    rule: str
    model: str | None
    calls: int
    cost_usd: float | None
    """US dollars; None if a price is unknown."""
    tasks: tuple[ChosenTask, ...]

    @property
    def unfinished(self) -> int:
        """Tasks that a resumed choice would take up."""
        return sum(task.state not in ENDED for task in self.tasks)

    @property
    def sentence(self) -> str:
        """How it compares with the run's own."""
        predicted = [task for task in self.tasks if task.state == "predicted"]
        same = sum(task.same for task in predicted)
        return f"{len(predicted)} of {len(self.tasks)} tasks have a prediction; {same} of them the run's own."


def choice_report(connection: sqlite3.Connection, name: str) -> ChoiceReport:
    """A choice that the run has, by its name. Raises KeyError if it has none of that name."""
    choice = {known.name: known for known in named_choices(connection)}[name]
    cost = spend_of_choices(connection).get(name, {"calls": 0, "cost_usd": 0.0})
    first = {
        (row["task"], row["number"]): row["duplicate_of"] or row["number"]
        for row in rows(connection, "SELECT task, number, duplicate_of FROM candidates")
    }
    of_run = {row["id"]: row["candidate"] for row in rows(connection, "SELECT id, candidate FROM tasks")}

    def task_of(task: str, state: str, candidate: int | None, reason: str) -> ChosenTask:
        own = of_run[task]
        same = candidate is not None and first.get((task, candidate)) == first.get((task, own), own)
        return ChosenTask(task, state, candidate, own, same, reason)

    found = chosen(connection, name)
    tasks = tuple(task_of(row["task"], row["state"], row["candidate"], row["reason"]) for row in found)
    return ChoiceReport(name, choice.rule, choice.model, cost["calls"], cost["cost_usd"], tasks)


def choice_table(report: ChoiceReport) -> Table:
    """One line per task, with the run's own candidate beside the one that was chosen."""
    table = new_table("task", "state", "candidate", "the run's", "reason", numbers=("candidate", "the run's"))
    for task in report.tasks:
        numbers = ["" if number is None else str(number) for number in (task.candidate, task.of_run)]
        style = "" if task.same or task.candidate is None else "yellow"
        table.add_row(Id(task.task), plain(task.state), plain(numbers[0], style), numbers[1], plain(task.reason))
    return table

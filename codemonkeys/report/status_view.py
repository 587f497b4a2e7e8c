"""How a run stands, for a terminal and as one line for a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from codemonkeys.report.run_status import UNFINISHED, RunStatus
from codemonkeys.report.tables import dollars, heading, new_table, plain

BAR = 30
"""Width of a bar, in columns."""
SHORT = 100
"""Characters of an error that are shown."""


def status_view(standing: RunStatus, tasks: int = 16) -> RenderableType:
    """All of it; of the tasks in work at most so many."""
    total = sum(standing.tasks.values())
    works = "nobody works on it" if standing.owner is None else f"process {standing.owner} works on it"
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row("tasks", bar(standing.ended, total), f"{standing.ended} of {total} ended")
    facts.add_row("", "", in_words(standing.tasks))
    spent, budget = standing.spent_usd, standing.budget_usd
    if spent is None or budget is None:
        facts.add_row("spent", "", money_line(standing))
    else:
        facts.add_row("spent", bar(spent, budget), money_line(standing))
    if standing.owner is not None:
        facts.add_row("speed", "", speed_line(standing))
    if standing.asked_again:
        again = ", ".join(f"{times} after {what}" for what, times in standing.asked_again.items())
        facts.add_row("again", "", plain(f"calls asked again: {again}"))
    parts: list[RenderableType] = [plain(f"{standing.run}: {works}", "bold"), facts]
    if standing.in_work:
        parts += [Text(), in_work_table(standing, tasks)]
    if standing.troubles:
        parts += [heading("Last failures"), troubles_table(standing)]
    return Group(*parts)


def bar(done: float, of: float) -> ProgressBar:
    """How far something is."""
    return ProgressBar(of or 1.0, done, BAR, complete_style="cyan", finished_style="green")


def status_line(standing: RunStatus) -> str:
    """The sums, in one line."""
    total = sum(standing.tasks.values())
    return f"{standing.ended} of {total} tasks ended; {money_line(standing)}; {speed_line(standing)}"


def runs_table(runs: Sequence[RunStatus]) -> Table:
    """One line for each run."""
    table = new_table("run", "process", "tasks", "ended", "spent", numbers=("process", "ended", "spent"))
    for standing in runs:
        total = sum(standing.tasks.values())
        owner = "" if standing.owner is None else str(standing.owner)
        ended = f"{standing.ended} of {total}"
        table.add_row(plain(standing.run), owner, in_words(standing.tasks), ended, dollars(standing.spent_usd))
    return table


def in_words(tasks: Mapping[str, int]) -> str:
    """How many tasks are where: those that wait, then those in work, then those that ended."""
    ended = sorted((state for state in tasks if state not in UNFINISHED), key=lambda state: -tasks[state])
    return ", ".join(f"{tasks[state]} {state}" for state in (*UNFINISHED, *ended) if tasks.get(state))


def money_line(standing: RunStatus) -> str:
    """What was spent, of what, and what it will come to."""
    of = "" if standing.budget_usd is None else f", of {dollars(standing.budget_usd)}"
    reserved = f", {dollars(standing.reserved_usd)} of it reserved" if standing.reserved_usd else ""
    unfinished = any(standing.tasks.get(state) for state in UNFINISHED)
    if standing.expected_usd is None or not unfinished:
        return f"{dollars(standing.spent_usd)}{reserved}{of}"
    return f"{dollars(standing.spent_usd)}{reserved}{of}; about {dollars(standing.expected_usd)} in the end"


def speed_line(standing: RunStatus) -> str:
    """How fast it goes, and how long it may take."""
    line = f"{standing.calls_a_minute:,.0f} calls and {standing.tokens_a_minute:,.0f} tokens a minute"
    if standing.seconds_left:
        line += f", about {duration(standing.seconds_left)} left"
    return line


def in_work_table(standing: RunStatus, most: int) -> RenderableType:
    """One line for each task in work."""
    numbers = ("calls", "in flight", "executions", "votes", "cost", "for")
    table = new_table("task", "stage", *numbers, numbers=numbers)
    for task in standing.in_work[:most]:
        cast, of = task.votes
        since = seconds_between(task.began, standing.at)
        table.add_row(
            *(plain(task.id), task.phase, str(task.calls), str(task.in_flight), str(task.executions)),
            *(f"{cast} of {of}" if of else "", dollars(task.cost_usd), duration(since)),
        )
    more = len(standing.in_work) - most
    return Group(table, plain(f"and {more} more", "dim")) if more > 0 else table


def troubles_table(standing: RunStatus) -> Table:
    """What failed last."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for trouble in standing.troubles:
        text = trouble.text if len(trouble.text) <= SHORT else trouble.text[:SHORT] + "…"
        time = datetime.fromisoformat(trouble.at).astimezone().strftime("%H:%M:%S")
        table.add_row(plain(time, "dim"), plain(trouble.where, "yellow"), plain(text))
    return table


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment of the journal to another; none before the first, nor where there is no first."""
    if not earlier:
        return 0.0
    return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def duration(seconds: float) -> str:
    """A duration, as precise as anybody wants it."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"

"""The status of a run: a live view for terminals, and one line for logs."""

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
ERROR_CHARACTERS = 100
"""Maximum characters shown of an error."""


def status_view(status: RunStatus, tasks: int = 16) -> RenderableType:
    """The full status. `tasks`: maximum number of running tasks listed."""
    total = sum(status.tasks.values())
    activity = "not active" if status.owner is None else f"active in process {status.owner}"
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row("tasks", bar(status.ended, total), f"{status.ended} of {total} ended")
    facts.add_row("", "", state_counts(status.tasks))
    spent, budget = status.spent_usd, status.budget_usd
    if spent is None or budget is None:
        facts.add_row("spent", "", money_line(status))
    else:
        facts.add_row("spent", bar(spent, budget), money_line(status))
    if status.owner is not None:
        facts.add_row("speed", "", speed_line(status))
    if status.asked_again:
        retried = ", ".join(f"{times} after {what}" for what, times in status.asked_again.items())
        facts.add_row("retries", "", plain(retried))
    parts: list[RenderableType] = [plain(f"{status.run}: {activity}", "bold"), facts]
    if status.in_work:
        parts += [Text(), running_table(status, tasks)]
    if status.troubles:
        parts += [heading("Last failures"), failures_table(status)]
    return Group(*parts)


def bar(done: float, of: float) -> ProgressBar:
    """A progress bar."""
    return ProgressBar(of or 1.0, done, BAR, complete_style="cyan", finished_style="green")


def status_line(status: RunStatus) -> str:
    """The summary in one line."""
    total = sum(status.tasks.values())
    return f"{status.ended} of {total} tasks ended; {money_line(status)}; {speed_line(status)}"


def runs_table(runs: Sequence[RunStatus]) -> Table:
    """One line per run."""
    table = new_table("run", "process", "tasks", "ended", "spent", numbers=("process", "ended", "spent"))
    for status in runs:
        total = sum(status.tasks.values())
        owner = "" if status.owner is None else str(status.owner)
        ended = f"{status.ended} of {total}"
        table.add_row(plain(status.run), owner, state_counts(status.tasks), ended, dollars(status.spent_usd))
    return table


def state_counts(tasks: Mapping[str, int]) -> str:
    """Task counts by state: waiting, then running, then ended."""
    ended = sorted((state for state in tasks if state not in UNFINISHED), key=lambda state: -tasks[state])
    return ", ".join(f"{tasks[state]} {state}" for state in (*UNFINISHED, *ended) if tasks.get(state))


def money_line(status: RunStatus) -> str:
    """Spend, reserved amount, budget and projected total."""
    of = "" if status.budget_usd is None else f", of {dollars(status.budget_usd)}"
    reserved = f", {dollars(status.reserved_usd)} of it reserved" if status.reserved_usd else ""
    if status.unanswered_usd:
        reserved += f", {dollars(status.unanswered_usd)} for attempts without an answer"
    unfinished = any(status.tasks.get(state) for state in UNFINISHED)
    if status.expected_usd is None or not unfinished:
        return f"{dollars(status.spent_usd)}{reserved}{of}"
    return f"{dollars(status.spent_usd)}{reserved}{of}; about {dollars(status.expected_usd)} in total"


def speed_line(status: RunStatus) -> str:
    """Throughput and estimated time left."""
    line = f"{status.calls_a_minute:,.0f} calls and {status.tokens_a_minute:,.0f} tokens per minute"
    if status.seconds_left:
        line += f", about {duration(status.seconds_left)} left"
    return line


def running_table(status: RunStatus, limit: int) -> RenderableType:
    """One line per running task."""
    numbers = ("calls", "in flight", "executions", "votes", "cost", "running for")
    table = new_table("task", "stage", *numbers, numbers=numbers)
    for task in status.in_work[:limit]:
        cast, of = task.votes
        since = seconds_between(task.began, status.at)
        table.add_row(
            *(plain(task.id), task.phase, str(task.calls), str(task.in_flight), str(task.executions)),
            *(f"{cast} of {of}" if of else "", dollars(task.cost_usd), duration(since)),
        )
    more = len(status.in_work) - limit
    return Group(table, plain(f"and {more} more", "dim")) if more > 0 else table


def failures_table(status: RunStatus) -> Table:
    """The most recent failures."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for failure in status.troubles:
        text = failure.text if len(failure.text) <= ERROR_CHARACTERS else failure.text[:ERROR_CHARACTERS] + "…"
        time = datetime.fromisoformat(failure.at).astimezone().strftime("%H:%M:%S")
        table.add_row(plain(time, "dim"), plain(failure.where, "yellow"), plain(text))
    return table


def seconds_between(earlier: str, later: str) -> float:
    """Seconds between two timestamps of the journal; 0 if the first is missing or the later one."""
    if not earlier:
        return 0.0
    return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def duration(seconds: float) -> str:
    """A duration, rounded for reading."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"

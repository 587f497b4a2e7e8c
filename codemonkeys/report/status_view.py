"""The status of a run: a live view for terminals, and one line for logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from codemonkeys.report.cluster_view import cluster_lines, nodes_table
from codemonkeys.report.fitting import SHORTEST, WIDE, Id, cut, one_line, shorten
from codemonkeys.report.run_status import UNFINISHED, RunningTask, RunStatus
from codemonkeys.report.tables import dollars, heading, new_table, plain

NARROW = 58
"""Columns below which the table of running tasks is left with what matters most."""
BAR = 30
"""Maximum width of a bar, in columns."""


def fitted_view(status: RunStatus, console: Console) -> RenderableType:
    """The full status with as many running tasks as the console's height has place for."""
    nodes = max(2, console.height // 5)
    others = len(console.render_lines(status_view(status, 0, console.width, nodes), pad=False))
    return status_view(status, max(1, console.height - others - 1), console.width, nodes)


def status_view(status: RunStatus, tasks: int = 16, width: int = 120, nodes: int = 16) -> RenderableType:
    """The full status. `tasks`, `nodes`: maximum number of those listed; `width`: columns of the terminal."""
    activity = "not active" if status.owner is None else f"active in process {status.owner}"
    parts: list[RenderableType] = [plain(f"{status.run}: {activity}", "bold"), facts_table(status, width)]
    if status.in_work:
        parts += [Text(), running_table(status, tasks, width)]
    if status.cluster:
        parts += [Text(), nodes_table(status.cluster, status.owner is not None, nodes, width)]
    if status.troubles:
        parts += [heading("Last failures"), failures_table(status, width)]
    return Group(*parts)


def facts_table(status: RunStatus, width: int) -> Table:
    """Progress, spend, throughput and retries."""
    total = sum(status.tasks.values())
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row("tasks", with_bar(status.ended, total, f"{status.ended} of {total} ended", width))
    facts.add_row("", state_counts(status.tasks))
    spent, budget = status.spent_usd, status.budget_usd
    if spent is None or budget is None:
        facts.add_row("spent", money_line(status))
    else:
        facts.add_row("spent", with_bar(spent, budget, f"{dollars(spent)} of {dollars(budget)}", width))
        more = [f"{dollars(status.reserved_usd)} of it reserved"] * bool(status.reserved_usd)
        more += [f"about {dollars(status.expected_usd)} in total"] * shows_total(status)
        if more:
            facts.add_row("", "; ".join(more))
    for name, cost in status.choices.items():
        facts.add_row("", plain(f"{dollars(cost['cost_usd'])} of it for choice {name}: {cost['calls']:,} calls"))
    if estimate := estimate_line(status):
        facts.add_row("estimate", estimate)
    if status.owner is not None:
        facts.add_row("speed", speed_line(status))
    if status.batches:
        facts.add_row("batches", plain(batches_line(status)))
    if status.asked_again:
        retried = ", ".join(f"{times} after {what}" for what, times in status.asked_again.items())
        facts.add_row("retries", plain(retried))
    if status.cluster:
        for number, line in enumerate(cluster_lines(status.cluster, status.owner is not None)):
            facts.add_row("" if number else "cluster", plain(line))
    return facts


def with_bar(done: float, of: float, text: str, width: int) -> Table:
    """A progress bar and what it means."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(bar(done, of, min(BAR, width // 4)), text)
    return line


def bar(done: float, of: float, width: int) -> ProgressBar:
    """A progress bar."""
    return ProgressBar(of or 1.0, done, width, complete_style="cyan", finished_style="green")


def status_line(status: RunStatus) -> str:
    """The summary in one line."""
    total = sum(status.tasks.values())
    line = f"{status.ended} of {total} tasks ended; {money_line(status)}; {speed_line(status)}"
    if status.cluster:
        line += f"; {cluster_lines(status.cluster, status.owner is not None)[0]}"
    return f"{line}; {batches_line(status)}" if status.batches else line


def batches_line(status: RunStatus) -> str:
    """What is at the providers, with how far the oldest batch is."""
    first, calls = status.batches[0], sum(batch["calls"] for batch in status.batches)
    waited = duration(seconds_between(first["submitted_at"], status.at))
    what = "a batch" if len(status.batches) == 1 else f"{len(status.batches)} batches, the oldest of them"
    id = first["provider_id"] or "not confirmed yet"
    return f"{calls} calls in {what} ({id}; {first['progress'] or first['state']}) waited for since {waited}"


def runs_table(runs: Sequence[RunStatus], width: int = 120) -> Table:
    """One line per run, with its tasks by state, or only how many have ended, or both, as there is place."""
    table = new_table("run", "process", "ended", "tasks", "spent", numbers=("process", "ended", "spent"))
    for status in runs:
        total = sum(status.tasks.values())
        owner = "" if status.owner is None else str(status.owner)
        ended = f"{status.ended} of {total}"
        table.add_row(Id(status.run), owner, ended, state_counts(status.tasks), dollars(status.spent_usd))
    if width < WIDE:
        del table.columns[3 if width < NARROW else 2]
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
    total = f"; about {dollars(status.expected_usd)} in total" if shows_total(status) else ""
    return f"{dollars(status.spent_usd)}{reserved}{of}{total}"


def estimate_line(status: RunStatus) -> str:
    """What `--dry-run` expected, and how far the tasks that ended are off; empty without an estimate."""
    if status.estimated_usd is None:
        return ""
    line = f"{dollars(status.estimated_usd)} expected by --dry-run"
    if status.estimate_factor is None:
        return line
    return f"{line}; tasks that ended cost {status.estimate_factor:.2f} times what it expected of them"


def shows_total(status: RunStatus) -> bool:
    """Whether there is a projection of what the run will have cost."""
    return status.expected_usd is not None and any(status.tasks.get(state) for state in UNFINISHED)


def speed_line(status: RunStatus) -> str:
    """Throughput and estimated time left."""
    line = f"{status.calls_a_minute:,.0f} calls and {status.tokens_a_minute:,.0f} tokens per minute"
    if status.seconds_left:
        line += f", about {duration(status.seconds_left)} left"
    return line


def running_table(status: RunStatus, limit: int, width: int) -> RenderableType:
    """One line per running task."""
    # Nothing runs, however long ago it began, where no session does.
    at = None if status.owner is None else status.at
    lines = [running_cells(task, at, width) for task in status.in_work]
    table = new_table("task", "stage", *lines[0], numbers=("stage", *lines[0]), gap=2 if width >= WIDE else 1)
    table.columns[1].justify = "left"
    for task, cells in zip(status.in_work[:limit], lines, strict=False):
        table.add_row(Id(task.id), task.phase, *cells.values())
    more = len(status.in_work) - limit
    return Group(table, plain(f"and {more} more", "dim")) if more > 0 else table


def running_cells(task: RunningTask, at: str | None, width: int) -> dict[str, str]:
    """What is known of a task in work, by heading; shorter where there are fewer columns. `at`: now, if it runs."""
    cast, of = task.votes
    time = None if at is None else duration(seconds_between(task.began, at))
    usd = "?" if task.cost_usd is None else f"{task.cost_usd:,.2f}"
    if width < NARROW:
        return {"USD": usd}
    if width < WIDE:
        in_flight = f"+{task.in_flight}" if task.in_flight else ""
        votes = f"{cast}/{of}" if of else ""
        calls = f"{task.calls - task.in_flight}{in_flight}"
        return {
            "calls": calls,
            "exec.": str(task.executions),
            "votes": votes,
            "USD": usd,
            **({"time": time} if time else {}),
        }
    counts = {"calls": str(task.calls), "in flight": str(task.in_flight), "executions": str(task.executions)}
    counts |= {"votes": f"{cast} of {of}" if of else "", "cost": dollars(task.cost_usd)}
    return {**counts, **({"running for": time} if time else {})}


def failures_table(status: RunStatus, width: int) -> Table:
    """The most recent failures, one line each."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for failure in status.troubles:
        id, _, what = one_line(failure.where).partition(" ")
        time = datetime.fromisoformat(failure.at).astimezone().strftime("%H:%M:%S")
        where = cut(f"{shorten(id, max(SHORTEST, width * 2 // 5 - len(what) - 1))} {what}", "yellow")
        reason = cut(failure.text.removeprefix(f"{id}: "))
        table.add_row(*([where, reason] if width < NARROW else [plain(time, "dim"), where, reason]))
    if table.columns:
        table.columns[-2].no_wrap = True
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

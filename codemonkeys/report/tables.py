"""A run as terminal tables. Text from outside is always shown literally, never as markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codemonkeys.journal.caches import CacheUse
from codemonkeys.journal.run_files import state_to_show
from codemonkeys.redact import safe_terminal
from codemonkeys.report.fitting import WIDE, Id, cut, one_line, shorten
from codemonkeys.report.lines_table import LinesTable
from codemonkeys.stages import STAGES, base_stage
from codemonkeys.wording import counted


def plain(value: Any, style: str = "") -> Text:
    """A value as text without control characters or markup."""
    return Text(safe_terminal("" if value is None else str(value)), style=style)


def dollars(amount: float | None) -> str:
    """US dollars; `price unknown` for None."""
    return "price unknown" if amount is None else f"{amount:.4f} USD" if 0 < amount < 0.01 else f"{amount:,.2f} USD"


def total_cost(spend: Sequence[Mapping[str, Any]]) -> str:
    """US dollars of rows with `cost_usd`; what has no known price is said, never taken as nothing."""
    known = [row["cost_usd"] for row in spend if row["cost_usd"] is not None]
    cost = dollars(sum(known) if known or not spend else None)
    return cost if not known or len(known) == len(spend) else f"{cost} + unknown"


def new_table(*columns: str, numbers: Sequence[str] = (), gap: int = 2) -> Table:
    """A table in the house style. `numbers`: right-aligned columns, never wrapped; `gap`: between columns."""
    table = LinesTable(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for column in columns:
        right = column in numbers
        table.add_column(column, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def heading(text: str) -> Text:
    """A section heading."""
    return Text(f"\n{text}", style="bold cyan")


def tasks_table(tasks: Sequence[dict[str, Any]], width: int = 120) -> Table:
    """Each task with its state and cost; in an ensemble also the member that was chosen, and the confidence.

    With less than `WIDE` columns each is one line, and an ensemble is without reasons and numbers of candidates.
    """
    members = any("confidence" in task for task in tasks)
    wide = width >= WIDE
    candidates, sure = ("candidates", "confidence") if wide else ("cand.", "conf.")
    columns = ["task", "state", candidates, *["chosen", sure] * members, "cost", "reason"]
    if members and not wide:
        columns = ["task", "state", "chosen", sure, "cost"]
    table = new_table(*columns, numbers=(candidates, sure, "cost"), gap=2 if wide else 1)
    table.columns[1].no_wrap = not wide
    for task in tasks:
        confidence = task.get("confidence")
        reason = task["reason"].removeprefix(f"{task['id']}: ")
        cells: dict[str, RenderableType] = {
            "task": plain(task["id"]) if wide else Id(task["id"]),
            "state": plain(task["state"], "green" if task["state"] == "predicted" else "yellow"),
            candidates: str(task["candidates"]),
            "chosen": plain(task.get("source")) if wide else Id(task.get("source") or ""),
            sure: "" if confidence is None else f"{confidence:.2f}",
            "cost": dollars(task["cost_usd"]),
            "reason": plain(shorten(one_line(reason), REASON_CHARACTERS)) if wide else cut(reason),
        }
        table.add_row(*(cells[column] for column in columns))
    return table


REASON_CHARACTERS = 300
"""A table of tasks shortens longer reasons in the middle: the end may name the log."""
MAX_LISTED = 20
"""A summary lists all tasks up to this number; beyond it, only those without a prediction."""


def summary_view(overview: dict[str, Any], width: int = 120) -> RenderableType:
    """Summary of a session that is over: outcomes, unsolved tasks with the reason, and spend by stage and model."""
    tasks = [task | {"state": state_to_show(task["state"], owner=None)} for task in overview["tasks"]]
    states = Counter(task["state"] for task in tasks)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    listed = tasks if len(tasks) <= MAX_LISTED else [task for task in tasks if task["state"] != "predicted"]
    parts: list[RenderableType] = [tasks_table(listed, width), Text()] if listed else []
    caches: Sequence[CacheUse] = overview.get("caches", ())
    parts += [spend_table(overview["spend"], caches), *unanswered_line(overview["unanswered"])]
    parts += [plain(line, "yellow") for line in missed_caches(caches)]
    parts += [Text(), plain(f"{counted(len(tasks), 'task')}: {counts}", "bold")]
    if overview["retries"]:
        retried = ", ".join(
            f"{row['times']} times after {row['status']} ({row['model']})" for row in overview["retries"]
        )
        parts.append(plain(f"Retried calls: {retried}"))
    return Group(*parts)


def unanswered_line(unanswered: dict[str, Any]) -> list[RenderableType]:
    """What of the cost is for attempts without an answer, as a line; none if there is nothing."""
    if not unanswered["attempts"]:
        return []
    cost, times = dollars(unanswered["cost_usd"]), unanswered["attempts"]
    return [plain(f"Of it, {cost} for {times} attempts without an answer, which may have been charged: at most that")]


def caches_line(caches: Sequence[CacheUse], spend: Sequence[dict[str, Any]]) -> str:
    """How much of all prompts came from caches, and what that saved; empty if nothing did."""
    read, prompts = (sum(row[name] or 0 for row in spend) for name in ("cache_read_tokens", "prompt_tokens"))
    if not read:
        return ""
    known = [use.saved_usd for use in caches if use.saved_usd is not None]
    saved = sum(known)
    words = f", which saved {dollars(saved)}" if known else ""
    if saved < 0:
        words = f"; writing to them cost {dollars(-saved)} more than that saved"
    return f"{read / prompts:.0%} of the prompts was read from caches{words}"


def missed_caches(caches: Sequence[CacheUse]) -> list[str]:
    """A sentence for each stage that should have read from the provider's cache, and never did."""
    return [
        f"{use.stage}: of {use.expected} calls that begin like one before them, none was read from the cache of "
        f"{use.model}, though that is cheaper there: see Troubleshooting in the documentation"
        for use in caches
        if use.missed
    ]


def spend_table(spend: Sequence[dict[str, Any]], caches: Sequence[CacheUse] = ()) -> Table:
    """Calls, tokens and cost by stage and model, with a total; empty cache columns are omitted.

    `cache hit` is the share of the prompt that was read from the provider's cache, `saved` what that made cheaper.
    """
    saved = {(use.stage, use.model): use.saved_usd for use in caches if use.saved_usd}
    titles = {
        "calls": "calls",
        "prompt_tokens": "prompt",
        "completion_tokens": "completion",
        "cache_read_tokens": "cache read",
        "cache_write_tokens": "cache write",
    }
    totals = {name: sum(row[name] or 0 for row in spend) for name in titles}
    names = [name for name in titles if totals[name] or not name.startswith("cache")]
    headers = [titles[name] for name in names] + ["cache hit"] * bool(totals["cache_read_tokens"])
    headers += ["saved"] * bool(saved)
    table = new_table("stage", "model", *headers, "cost", numbers=("stage", *headers, "cost"))
    table.columns[0].justify = "left"
    for row in sorted(spend, key=lambda r: place_of(r["stage"])):
        numbers = [f"{row[name] or 0:,}" for name in names] + cache_hit(row, totals)
        numbers += [dollars(saved.get((row["stage"], row["model"]), 0.0))] * bool(saved)
        table.add_row(plain(row["stage"]), plain(row["model"]), *numbers, dollars(row["cost_usd"]))
    sums = [*(f"{totals[name]:,}" for name in names), *cache_hit(totals, totals)]
    sums += [dollars(sum(usd or 0.0 for usd in saved.values()))] * bool(saved)
    table.add_row("total", "", *sums, total_cost(spend), style="bold")
    return table


def place_of(stage: str) -> tuple[bool, int]:
    """Where a stage stands in a list: the run's own in their order, then those of named choices."""
    base = base_stage(stage)
    return stage != base, list(STAGES).index(base) if base in STAGES else len(STAGES)


def cache_hit(row: dict[str, Any], totals: dict[str, int]) -> list[str]:
    """Share of prompt tokens read from a cache, as a cell; no cell if the run never hit one."""
    if not totals["cache_read_tokens"]:
        return []
    return [f"{(row['cache_read_tokens'] or 0) / row['prompt_tokens']:.0%}" if row["prompt_tokens"] else ""]


def diff_view(patch: str) -> Text:
    """A patch, coloured by line."""
    styles = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}
    lines = safe_terminal(patch).splitlines()
    return Text("\n").join(Text(line, style=styles.get(line[:1], "")) for line in lines)

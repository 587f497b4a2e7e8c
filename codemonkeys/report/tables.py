"""A run as terminal tables. Text from outside is always shown literally, never as markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codemonkeys.generation.flags import suspicious
from codemonkeys.redact import safe_terminal
from codemonkeys.stages import RANK, RELEVANCE, STAGES


def plain(value: Any, style: str = "") -> Text:
    """A value as text without control characters or markup."""
    return Text(safe_terminal("" if value is None else str(value)), style=style)


def dollars(amount: float | None) -> str:
    """US dollars; `price unknown` for None."""
    return "price unknown" if amount is None else f"{amount:.4f} USD" if 0 < amount < 0.01 else f"{amount:,.2f} USD"


def new_table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """A table in the house style. `numbers`: right-aligned columns."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        right = column in numbers
        table.add_column(column, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def heading(text: str) -> Text:
    """A section heading."""
    return Text(f"\n{text}", style="bold cyan")


def tasks_table(tasks: Sequence[dict[str, Any]]) -> Table:
    """One line per task: its state and cost."""
    table = new_table("task", "state", "candidates", "cost", "reason", numbers=("candidates", "cost"))
    for task in tasks:
        style = "green" if task["state"] == "predicted" else "yellow"
        state, cost = plain(task["state"], style), dollars(task["cost_usd"])
        table.add_row(plain(task["id"]), state, str(task["candidates"]), cost, plain(task["reason"]))
    return table


MAX_LISTED = 20
"""A summary lists all tasks up to this number; beyond it, only those without a prediction."""


def summary_view(overview: dict[str, Any]) -> RenderableType:
    """Summary of a session: outcomes, unsolved tasks with the reason, and spend by stage and model."""
    # The session is over, so a task still marked as running was not finished.
    tasks = [task | {"state": "not finished"} if task["state"] == "running" else task for task in overview["tasks"]]
    states = Counter(task["state"] for task in tasks)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    listed = tasks if len(tasks) <= MAX_LISTED else [task for task in tasks if task["state"] != "predicted"]
    parts: list[RenderableType] = [tasks_table(listed), Text()] if listed else []
    parts += [spend_table(overview["spend"]), Text(), plain(f"{len(tasks)} tasks: {counts}", "bold")]
    if overview["retries"]:
        retried = ", ".join(
            f"{row['times']} times after {row['status']} ({row['model']})" for row in overview["retries"]
        )
        parts.append(plain(f"Retried calls: {retried}"))
    return Group(*parts)


def spend_table(spend: Sequence[dict[str, Any]]) -> Table:
    """Calls, tokens and cost by stage and model, with a total; empty cache columns are omitted.

    `cache hit` is the share of the prompt that was read from the provider's cache.
    """
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
    table = new_table("stage", "model", *headers, "cost", numbers=("stage", *headers, "cost"))
    table.columns[0].justify = "left"
    order = list(STAGES)
    for row in sorted(spend, key=lambda r: order.index(r["stage"]) if r["stage"] in order else len(order)):
        numbers = [f"{row[name] or 0:,}" for name in names] + cache_hit(row, totals)
        table.add_row(row["stage"], plain(row["model"]), *numbers, dollars(row["cost_usd"]))
    known = [row["cost_usd"] for row in spend if row["cost_usd"] is not None]
    cost = dollars(sum(known) if known or not spend else None)
    table.add_row("total", "", *(f"{totals[name]:,}" for name in names), *cache_hit(totals, totals), cost, style="bold")
    return table


def cache_hit(row: dict[str, Any], totals: dict[str, int]) -> list[str]:
    """Share of prompt tokens read from a cache, as a cell; no cell if the run never hit one."""
    if not totals["cache_read_tokens"]:
        return []
    return [f"{(row['cache_read_tokens'] or 0) / row['prompt_tokens']:.0%}" if row["prompt_tokens"] else ""]


def votes_table(story: dict[str, Any]) -> RenderableType:
    """The vote matrix: a row per test script, a column per candidate."""
    votes = {(row["candidate"], row["test"]): row for row in story["votes"]}
    distinct = [c for c in story["candidates"] if c["duplicate_of"] is None]
    tests = sorted({test for _, test in votes})
    if not tests:
        return Text("No test script was written.")
    headers = [f"candidate {c['number']}" for c in distinct]
    table = new_table("test script", "unedited", *headers)
    for test in tests:
        first = votes[distinct[0]["number"], test]
        cells: list[RenderableType] = [str(test + 1), outcome(first["original_exit"], first["original_reason"])]
        for candidate in distinct:
            row = votes[candidate["number"], test]
            cell = outcome(row["edited_exit"], row["edited_reason"])
            cell.stylize("green" if row["vote"] else "dim" if not row["valid"] else "red")
            cells.append(cell)
        table.add_row(*cells)
    sums = [str(sum(votes[c["number"], t]["vote"] for t in tests)) for c in distinct]
    table.add_row("votes", "", *sums, style="bold")
    controls = {row["candidate"]: row.get("control") for row in story["votes"]}
    if 0 in controls.values():
        words = {None: "", 0: "failed", 1: "passed"}
        cells = [Text(words[controls[c["number"]]], style="" if controls[c["number"]] else "red") for c in distinct]
        table.add_row("control", "", *cells)
    signals = {(signal["kind"], signal["number"]): signal["value"] for signal in story["signals"]}
    if ran := signals.get(("regression tests", 0)):
        broken = [signals.get(("breaks", c["number"])) for c in distinct]
        cells = ["unknown" if value is None else f"{value:.0f}" for value in broken]
        table.add_row(f"breaks, of the repository's {ran:.0f}", "", *cells)
    return table


def warnings_of(story: dict[str, Any]) -> list[Text]:
    """One line per candidate that failed its control, and per file by which one can decide how tests run."""
    failed = dict.fromkeys(row["candidate"] for row in story["votes"] if row.get("control") == 0)
    lines = [f"candidate {number} failed its control: its votes do not count" for number in failed]
    for c in story["candidates"]:
        lines += [f"candidate {c['number']} touches {flag}" for flag in suspicious(c["patch"])]
    for note in story["notes"]:
        if note["kind"] == "controls":
            kinds = [kind for kind, ran in note["body"]["kinds"].items() if not ran]
            lines += [f"no control of {kind} scripts: it fails on the unedited code too" for kind in kinds]
    return [plain(line, "yellow") for line in lines]


def outcome(exit_code: int | None, reason: str) -> Text:
    """The outcome of a test script, in one or two words."""
    words = {0: "fixed", 2: "issue present"}
    return Text(words.get(exit_code, f"exit {exit_code}") if exit_code is not None else reason)


def candidates_table(story: dict[str, Any]) -> Table:
    """One line per candidate."""
    table = new_table("candidate", "sample", "lines", "approved by the model", "equivalent to", "")
    for c in story["candidates"]:
        chosen = Text("chosen", style="bold green") if c["number"] == story["candidate"] else Text("")
        approved = "yes" if c["approved"] else "no, out of turns"
        same = "" if c["duplicate_of"] is None else str(c["duplicate_of"])
        table.add_row(str(c["number"]), str(c["sample"]), changed_lines(c["patch"]), approved, same, chosen)
    return table


def changed_lines(patch: str) -> str:
    """Lines added and removed by a patch, as `+A -R`."""
    lines = [line for line in patch.splitlines() if not line.startswith(("+++", "---"))]
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return f"+{added} -{removed}"


def diff_view(patch: str) -> Text:
    """A patch, coloured by line."""
    styles = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}
    lines = safe_terminal(patch).splitlines()
    return Text("\n").join(Text(line, style=styles.get(line[:1], "")) for line in lines)


def context_view(notes: Sequence[dict[str, Any]]) -> RenderableType:
    """Files read, judged relevant, and put into the context."""
    by_stage = {(note["stage"], note["kind"]): note["body"] for note in notes}
    files = by_stage.get((RELEVANCE.name, "files"))
    context = by_stage.get((RANK.name, "context"))
    lines = []
    if files:
        maybe = f", {len(files['maybe'])} kept as maybe" if files["maybe"] else ""
        short = f", {len(files['shortened'])} read as an outline" if files["shortened"] else ""
        lines.append(plain(f"{files['read']} files read, {files['relevant']} relevant{maybe}{short}"))
    if context:
        count, tokens = len(context["chosen"]), context["tokens"]
        lines.append(plain(f"{count} files in the context, {tokens:,} tokens: {', '.join(context['chosen'])}"))
    return Group(*lines)


def task_view(story: dict[str, Any]) -> RenderableType:
    """Everything that happened to one task."""
    conversations = new_table("stage", "sample", "calls", "cost", numbers=("sample", "calls", "cost"))
    for row in story["conversations"]:
        if row["stage"] in STAGES and STAGES[row["stage"]].per_sample:
            conversations.add_row(row["stage"], str(row["sample"]), str(row["calls"]), dollars(row["cost_usd"]))
    early = [n for n in story["notes"] if n["kind"] == "ended early"]
    parts: list[RenderableType] = [
        Text.assemble((safe_terminal(story["id"]), "bold"), "  ", plain(story["state"]), "  ", plain(story["reason"])),
        *(heading("Context"), context_view(story["notes"])),
        *(heading("Conversations"), conversations),
        *(plain(f"{n['stage']} sample {n['sample']} ended early: {n['body']}", "yellow") for n in early),
        *(heading("Candidates"), candidates_table(story)),
        *(heading("Votes"), votes_table(story), *warnings_of(story)),
        *(heading("Chosen patch"), diff_view(story["patch"]) if story["patch"] else Text("none")),
        *(heading("Spend"), spend_table(story["spend"])),
    ]
    for verdict in story["verdicts"]:
        parts += [heading("Verdict"), plain(f"{verdict['outcome']} {verdict['detail']}".strip())]
        if verdict.get("unstable"):
            parts.append(plain("unstable: repeated gradings disagreed", "yellow"))
        parts += [plain(f"the patch touches {flag}", "yellow") for flag in verdict["flags"]]
    return Group(*parts)

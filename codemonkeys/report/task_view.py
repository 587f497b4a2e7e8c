"""One task of a run, as `show` prints it. Samples and tests count from 1; the journal counts them from 0."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codemonkeys.generation.flags import suspicious
from codemonkeys.redact import safe_terminal
from codemonkeys.report.fitting import one_line
from codemonkeys.report.layers_view import layers_of_task
from codemonkeys.report.matches_view import matches_table
from codemonkeys.report.search_view import pruned_samples, search_of_task
from codemonkeys.report.summaries_view import summaries_table
from codemonkeys.report.tables import diff_view, dollars, heading, new_table, plain, spend_table, unanswered_line
from codemonkeys.stages import AGENT, EDIT, FUSE, RANK, REGRESSION, RELEVANCE, STAGES, base_stage


def evidence_view(story: dict[str, Any]) -> RenderableType:
    """What tests say of the candidates: a row per test script, and what happens to the repository's own tests."""
    votes = {(row["candidate"], row["test"]): row for row in story["votes"]}
    distinct = [c for c in story["candidates"] if c["duplicate_of"] is None]
    tests = sorted({test for _, test in votes})
    signals = {(signal["kind"], signal["number"]): signal for signal in story["signals"]}
    ran = signals.get(("regression tests", 0), {}).get("value")
    notes: list[RenderableType] = []
    if not tests:
        notes.append(Text(no_votes(story)))
    notes += [plain(f"The repository's own tests: {why}") for why in without_regressions(story["notes"])]
    if not tests and not ran:
        return Group(*notes)
    table = new_table("test script" if tests else "", "unedited", *(f"candidate {c['number']}" for c in distinct))
    for test in tests:
        first = votes[distinct[0]["number"], test]
        cells: list[RenderableType] = [str(test + 1), outcome(first["original_exit"], first["original_reason"])]
        for candidate in distinct:
            row = votes[candidate["number"], test]
            cell = outcome(row["edited_exit"], row["edited_reason"])
            cell.stylize("green" if row["vote"] else "dim" if not row["valid"] else "red")
            cells.append(cell)
        table.add_row(*cells)
    if tests:
        sums = [str(sum(votes[c["number"], t]["vote"] for t in tests)) for c in distinct]
        table.add_row("votes", "", *sums, style="bold")
    controls = {row["candidate"]: row.get("control") for row in story["votes"]}
    if 0 in controls.values():
        words = {None: "", 0: "failed", 1: "passed"}
        cells = [Text(words[controls[c["number"]]], style="" if controls[c["number"]] else "red") for c in distinct]
        table.add_row("control", "", *cells)
    if ran:
        broken = {c["number"]: signals.get(("breaks", c["number"]), {}) for c in distinct}
        cells = ["unknown" if found.get("value") is None else f"{found['value']:.0f}" for found in broken.values()]
        table.add_row(f"breaks, of the repository's {ran:.0f}", "", *cells)
        notes += [plain(line) for number, found in broken.items() for line in broken_tests(number, found)]
    return Group(table, *notes)


def no_votes(story: dict[str, Any]) -> str:
    """Why there are no votes, in a sentence."""
    written = story["scripts"]
    if not written:
        return "No test script ran." if story["ensemble"] else "No test script was written."
    scripts = f"{written} test script{'s were' if written > 1 else ' was'} written"
    if not story["candidates"]:
        return f"{scripts}; there is no candidate to run {'them' if written > 1 else 'it'} on."
    return f"{scripts}; none ran on the candidates."


LISTED = 5
"""Tests that a candidate breaks are listed up to this number."""


def broken_tests(number: int, found: dict[str, Any]) -> list[str]:
    """Which of the repository's tests a candidate breaks, in a line, or in none."""
    names = json.loads(found.get("detail") or "[]")
    if not names:
        return []
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return [f"Candidate {number} breaks {', '.join(names[:LISTED])}{more}"]


def without_regressions(notes: Sequence[dict[str, Any]]) -> list[str]:
    """Why none of the repository's own tests ran, if one knows."""
    bodies = [note["body"] for note in notes if (note["stage"], note["kind"]) == (REGRESSION.name, "tests")]
    return [body["why"] for body in bodies if body.get("why")]


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
    """One line per candidate: of an ensemble with its member, else with its trajectory."""
    candidates = story["candidates"]
    if story["ensemble"]:
        origin = ["member", "family"]
    else:
        several = len({c.get("source", "") for c in candidates}) > 1
        origin = ["sample", *["model"] * several, "approved by the model"]
    table = new_table("candidate", *origin, "lines", "equivalent to", "")
    for c in candidates:
        chosen = Text("chosen", style="bold green") if c["number"] == story["candidate"] else Text("")
        same = "" if c["duplicate_of"] is None else str(c["duplicate_of"])
        cells = {
            "member": c.get("source"),
            "model": c.get("source"),
            "family": c.get("family"),
            "sample": c["sample"] + 1,
            "approved by the model": "yes" if c["approved"] else unapproved(c["sample"], story["notes"]),
        }
        table.add_row(
            str(c["number"]), *(plain(cells[name]) for name in origin), changed_lines(c["patch"]), same, chosen
        )
    return table


def candidate_diffs(story: dict[str, Any]) -> RenderableType:
    """The patch of every candidate; equal ones once."""
    parts: list[RenderableType] = []
    for c in story["candidates"]:
        same = c["duplicate_of"]
        chosen = ", chosen" if c["number"] == story["candidate"] else ""
        who = c.get("source") if story["ensemble"] else f"sample {c['sample'] + 1}"
        parts.append(heading(safe_terminal(f"Candidate {c['number']}, {who}, {changed_lines(c['patch'])}{chosen}")))
        parts.append(diff_view(c["patch"]) if same is None else Text(f"equivalent to candidate {same}"))
        parts += [plain(f"touches {flag}", "yellow") for flag in c.get("flags", ())]
    return Group(*parts) if parts else Text("The task has no candidate.")


def unapproved(sample: int, notes: Sequence[dict[str, Any]]) -> str:
    """Why a model has not approved of its edit."""
    if sample in pruned_samples(notes):
        return "no, pruned"
    ended = {(note["stage"], note["sample"]) for note in notes if note["kind"] == "ended early"}
    return "no, ended early" if ended & {(stage.name, sample) for stage in (EDIT, AGENT, FUSE)} else "no, out of turns"


def changed_lines(patch: str) -> str:
    """Lines added and removed by a patch, as `+A -R`."""
    lines = [line for line in patch.splitlines() if not line.startswith(("+++", "---"))]
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return f"+{added} -{removed}"


def context_view(notes: Sequence[dict[str, Any]]) -> Group:
    """Files read, judged relevant, and put into the context."""
    by_stage = {(note["stage"], note["kind"]): note["body"] for note in notes}
    files = by_stage.get((RELEVANCE.name, "files"))
    context = by_stage.get((RANK.name, "context"))
    lines = []
    if (RELEVANCE.name, "none relevant") in by_stage:
        lines.append(plain("No file was called relevant: those that share most words with the issue stand in"))
    if files:
        maybe = f", {len(files['maybe'])} kept as maybe" if files["maybe"] else ""
        short = f", {len(files['shortened'])} read as an outline" if files["shortened"] else ""
        lines.append(plain(f"{files['read']} files read, {files['relevant']} relevant{maybe}{short}"))
    if left_out := files and files.get("left_out"):
        counted = Counter(left_out.values()).most_common()
        lines.append(plain(f"Not read: {', '.join(f'{count} {why}' for why, count in counted)}"))
    if context:
        count, tokens = len(context["chosen"]), context["tokens"]
        named, near = (len(context.get(kind, ())) for kind in ("named", "around"))
        reasons = [f"{named} named by the issue"] * bool(named) + [f"{near} around the chosen ones"] * bool(near)
        why = f" ({', '.join(reasons)})" if reasons else ""
        lines.append(plain(f"{count} files in the context{why}, {tokens:,} tokens: {', '.join(context['chosen'])}"))
    return Group(*lines)


def agents_table(commands: Sequence[dict[str, Any]]) -> Table:
    """One line per agent that ran commands: how many, what became of them, and the last one."""
    table = new_table("sample", "commands", "failed", "stopped", "seconds", "last", numbers=("sample", "commands"))
    for row in commands:
        counts = (row["sample"] + 1, row["commands"], row["failed"], row["stopped"])
        last = one_line(row["last"] or "")
        table.add_row(*map(str, counts), f"{row['seconds']:.1f}", plain(last[:60]))
    return table


def task_view(story: dict[str, Any]) -> RenderableType:
    """Everything that happened to one task."""
    conversations = new_table("stage", "sample", "calls", "cost", numbers=("sample", "calls", "cost"))
    for row in story["conversations"]:
        if (stage := STAGES.get(base_stage(row["stage"]))) and stage.per_sample:
            conversations.add_row(row["stage"], str(row["sample"] + 1), str(row["calls"]), dollars(row["cost_usd"]))
    early = [n for n in story["notes"] if n["kind"] == "ended early"]
    context = context_view(story["notes"])
    matches, summaries = matches_table(story["signals"]), summaries_table(story["notes"])
    search, layers = search_of_task(story["notes"]), layers_of_task(story["notes"])
    parts: list[RenderableType] = [
        Text.assemble((safe_terminal(story["id"]), "bold"), "  ", plain(story["state"]), "  ", plain(story["reason"])),
        *chosen_member(story),
        *section("Context", context, bool(context.renderables)),
        *section("Conversations", conversations, bool(conversations.rows)),
        *section("Agents", agents_table(story.get("commands", ())), bool(story.get("commands"))),
        *section("Summaries", summaries, bool(summaries.rows)),
        *section("Search", search, bool(search.rows)),
        *section("Layers", layers, bool(layers.rows)),
        *(plain(f"{n['stage']} sample {n['sample'] + 1} ended early: {n['body']}", "yellow") for n in early),
        *(plain(line, "yellow") for line in unusable_answers(story["unusable"])),
        *(heading("Candidates"), candidates_table(story)),
        *(plain(line, "yellow") for line in refused_members(story["notes"])),
        *(heading("Votes" if story["votes"] else "Tests"), evidence_view(story), *warnings_of(story)),
        *section("Tournament", matches, bool(matches.rows)),
        *(heading("Chosen patch"), diff_view(story["patch"]) if story["patch"] else Text("none")),
        *section("Spend", spend_table(story["spend"]), bool(story["spend"]) or not story["ensemble"]),
        *unanswered_line(story["unanswered"]),
    ]
    for verdict in story["verdicts"]:
        parts += [heading(verdict_heading(story, verdict)), plain(f"{verdict['outcome']} {verdict['detail']}".strip())]
        if verdict.get("unstable"):
            parts.append(plain("unstable: repeated gradings disagreed", "yellow"))
        parts += [plain(f"the patch touches {flag}", "yellow") for flag in verdict["flags"]]
    return Group(*parts)


def verdict_heading(story: dict[str, Any], verdict: dict[str, Any]) -> str:
    """Which candidates a verdict is about, unless it is the only one and about the chosen one."""
    numbers = [c["number"] for c in story["candidates"] if c["patch_hash"] == verdict["patch_hash"]]
    if len(story["verdicts"]) == 1 and story["candidate"] in numbers:
        return "Verdict"
    if not numbers:
        return "Verdict on another patch"
    named = (f"{number} (chosen)" if number == story["candidate"] else str(number) for number in numbers)
    return f"Verdict on candidate{'s' if len(numbers) > 1 else ''} {', '.join(named)}"


ENDINGS = {
    "cut": "cut at the maximum length",
    "length": "cut at the maximum length, and taken as whole",
    "empty": "without text",
    "broken": "broken off",
    "filtered": "withheld by the provider's content filter",
    "refused": "in which the model refused to answer",
}
"""Finish reasons other than `stop`, as they are told."""


def unusable_answers(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One line per stage and reason for which answers were not whole."""
    lines = []
    for row in rows:
        answers = f"{row['answers']} answer{'s' * (row['answers'] > 1)}"
        bound = f"; {row['uncounted']} at the upper bound, as no usage came" if row["uncounted"] else ""
        lines.append(f"{row['stage']}: {answers} {ENDINGS.get(row['finish_reason'], row['finish_reason'])}{bound}")
    return lines


def section(title: str, content: RenderableType, shown: bool) -> list[RenderableType]:
    """A heading and its content, or neither."""
    return [heading(title), content] if shown else []


def chosen_member(story: dict[str, Any]) -> list[RenderableType]:
    """Whose patch an ensemble chose, by which rule, and how sure that rule is."""
    chosen = [c for c in story["candidates"] if c["number"] == story["candidate"]]
    if not story["ensemble"] or not chosen:
        return []
    sure = "unknown" if story.get("confidence") is None else f"{story['confidence']:.2f}"
    return [plain(f"Chosen: {chosen[0]['source']}, by {story['rule']} with confidence {sure}")]


def refused_members(notes: Sequence[dict[str, Any]]) -> list[str]:
    """Members of an ensemble whose patch does not apply."""
    refused = [entry for note in notes if note["kind"] == "does not apply" for entry in note["body"]]
    return [f"The patch of {entry['source']} does not apply: {one_line(entry['why'])}" for entry in refused]

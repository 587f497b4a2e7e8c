"""Context recall: whether contexts hold what the reference patches edit, and where a missed file was lost.

The first metric of the paper (arXiv 2501.14723, section 4.1): 92.6 % of tasks at 128k tokens on Verified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from codemonkeys.context.choosing import fill
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.stages import RANK, RELEVANCE

Why = Literal["never read", "called irrelevant", "ranked low", "did not fit"]
LIMITS = (16_000, 32_000, 64_000, 128_000)
"""Context sizes, in tokens, at which recall is told too."""


@dataclass(frozen=True)
class Recall:
    """What one task's context holds of the files that its reference patch edits."""

    task: str
    edited: tuple[str, ...]
    """Source files that the reference patch edits, without those that it creates."""
    lost: Mapping[str, Why]
    """Those that the context lacks."""
    by_limit: Mapping[int, bool]
    """Whether a smaller context, filled in the same order, would hold all; empty for runs that stored no sizes."""


def recall_of(task: str, notes: Sequence[Mapping[str, Any]], patch: str, with_tests: bool) -> Recall | None:
    """The recall of a task; None if its context was not chosen, or its patch edits no source file.

    `notes`: the task's, from the journal. `patch`: the reference patch. `with_tests`: as the setting `context.tests`.
    """
    bodies = {(note["stage"], note["kind"]): note["body"] for note in notes if note["sample"] == 0}
    context, files = bodies.get((RANK.name, "context")), bodies.get((RELEVANCE.name, "files")) or {}
    edited = edited_files(patch)
    if context is None or not edited:
        return None
    read = files.get("paths")
    ranked = {path for ranking in context["rankings"] for path in ranking} or set(context["order"])

    def why(path: str) -> Why:
        if path in context["order"]:
            return "did not fit" if path in ranked else "ranked low"
        is_read = is_source(path) and (with_tests or not is_test(path)) and (read is None or path in read)
        is_read = is_read and path not in files.get("left_out", {})
        return "called irrelevant" if is_read else "never read"

    sizes = context.get("sizes", {})
    smaller = {
        limit: set(fill([p for p in context["chosen"] if p in sizes], sizes.__getitem__, limit)) for limit in LIMITS
    }
    return Recall(
        task,
        tuple(edited),
        {path: why(path) for path in edited if path not in context["chosen"]},
        {limit: held >= set(edited) for limit, held in smaller.items()} if sizes else {},
    )


def edited_files(patch: str) -> list[str]:
    """Source files that a patch edits, deletes or renames, by their names before it."""
    from unidiff.patch import PatchSet

    old = [file.source_file.removeprefix("a/") for file in PatchSet(patch) if not file.is_added_file]
    return sorted({path for path in old if is_source(path)})

"""Chooses the files of a context: what the issue names, what was ranked, and some of what lies around."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.context.around import around
from codemonkeys.context.named import named_files, spelt_files
from codemonkeys.context.ranking import merge, rank
from codemonkeys.context.reading import index_of
from codemonkeys.context.relevance import RelevantFile, is_begun_by_older
from codemonkeys.engine.events import note as message
from codemonkeys.engine.work import Work
from codemonkeys.stages import RANK

AROUND = 0.25
"""What lies around the chosen files takes at most this share of their tokens, or of `context.around_tokens` if that is
more, and one file at most this share of that setting: every edit call pays for it, and a model may ask for more."""


@dataclass(frozen=True)
class ContextFile:
    """A file included in full in every edit conversation of the task."""

    path: str
    text: str
    tokens: int


@dataclass(frozen=True)
class Chosen:
    """The files of a context by what speaks for them; no file is in two of these."""

    named: tuple[str, ...]
    """The issue spells them out, or names what they define and a ranking chose them too."""
    ranked: tuple[str, ...]
    around: tuple[str, ...]
    """They define what the issue names, or import, call or test one of the others."""
    tokens: Mapping[str, int]

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, most important first."""
        return (*self.named, *self.ranked, *self.around)


async def choose_context(work: Work, relevant: Sequence[RelevantFile]) -> list[ContextFile]:
    """The files that fit into the context, most important first."""
    rankings = await rank(work, relevant) if len(relevant) > 1 else []
    return await settle(work, relevant, rankings, await choose_by(work, relevant, rankings))


async def choose_by(work: Work, relevant: Sequence[RelevantFile], rankings: Sequence[Sequence[str]]) -> Chosen:
    """The files of a context by such rankings."""
    if is_begun_by_older(work):  # It goes on as it began.
        return fill_with_all(work, relevant, rankings)
    return await work.in_thread(choose, work, relevant, rankings)


async def settle(
    work: Work, relevant: Sequence[RelevantFile], rankings: Sequence[Sequence[str]], chosen: Chosen
) -> list[ContextFile]:
    """The files of a context, which the journal tells to be that of the task."""
    lists = {} if is_begun_by_older(work) else {"named": chosen.named, "around": chosen.around}
    if not chosen.paths:
        work.steps.notify(
            message(
                f"{work.task.id}: no file of the repository is shown to the model: none was found relevant, or each is "
                f"longer than context.tokens ({work.settings.context.tokens})"
            )
        )
    tokens = sum(chosen.tokens[path] for path in chosen.paths)
    note = {"rankings": rankings, "order": merge(rankings, [file.path for file in relevant]), "chosen": chosen.paths}
    sizes = {path: chosen.tokens[path] for path in chosen.paths}
    await work.note(RANK, "context", {**note, "tokens": tokens, "sizes": sizes, **lists})
    return files_of(work, chosen)


def files_of(work: Work, chosen: Chosen) -> list[ContextFile]:
    """The chosen files with their texts."""
    return [ContextFile(path, work.snapshot.text(path) or "", chosen.tokens[path]) for path in chosen.paths]


def choose(work: Work, relevant: Sequence[RelevantFile], rankings: Sequence[Sequence[str]]) -> Chosen:
    """Choose files by rankings, the words of the issue and the imports of the code; blocks."""
    settings, issue = work.settings.context, work.task.issue
    sizes = {file.path: file.tokens for file in relevant}

    def size(path: str) -> int:
        if path not in sizes:
            sizes[path] = work.models.scan.count_tokens(work.snapshot.text(path) or "")
        return sizes[path]

    listed = {path for ranking in rankings for path in ranking} or {file.path for file in relevant}
    with index_of(work) as index:
        found = named_files(issue, index.paths, index)
        spelt = set(spelt_files(issue, index.paths))
        # A definition of what an issue names is often beside the point, unless whoever ranked thinks so too.
        named = [path for path in found if path in spelt or path in listed]
        ranked = [path for path in merge(rankings, sorted(listed)) if path not in named]
        chosen = fill([*named, *ranked], size, settings.tokens)
        taken = sum(map(size, chosen))
        room = min(max(taken, settings.around_tokens) * AROUND, settings.around_tokens, settings.tokens - taken)
        near = dict.fromkeys(path for path in (*found, *around(index, chosen, issue)) if path not in chosen)
        # One long file of tests would take the room of all others, and say less.
        fitting = (path for path in near if size(path) <= settings.around_tokens * AROUND) if room > 0 else ()
        surrounding = fill(list(fitting), size, int(room))
    return Chosen(
        tuple(path for path in chosen if path in named),
        tuple(path for path in chosen if path not in named),
        tuple(surrounding),
        sizes,
    )


def fill_with_all(work: Work, relevant: Sequence[RelevantFile], rankings: Sequence[Sequence[str]]) -> Chosen:
    """Ranked files, then all other relevant ones by path, as long as they fit: as earlier versions did."""
    sizes = {file.path: file.tokens for file in relevant}
    order = merge(rankings, [file.path for file in relevant])
    return Chosen((), tuple(fill(order, sizes.__getitem__, work.settings.context.tokens)), (), sizes)


def fill(order: Sequence[str], size: Callable[[str], int], limit: int) -> list[str]:
    """Take files in order, greedily, skipping those that do not fit into the remaining tokens."""
    chosen = []
    for path in order:
        if (tokens := size(path)) <= limit:
            chosen.append(path)
            limit -= tokens
    return chosen

"""Looks once at a task's codebase for files beside source that relevance reads, and for files that stay out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from codemonkeys.context import beside
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.engine.work import Work
from codemonkeys.settings.tree import ContextSettings
from codemonkeys.stages import DIGEST, RELEVANCE
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Snapshot

NOTE = "beside source"
"""Kind of the note that holds what was found: a resumed run reads the same files, whatever the rules are then."""


@dataclass(frozen=True)
class Survey:
    """What relevance reads beside source, and what of the codebase it does not read though it might."""

    read: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by path."""


async def survey(work: Work) -> Survey:
    """The survey of a task, recorded before its first call; nothing for one that a version without surveys began."""
    if (found := surveyed(work)) is not None:
        return found
    if work.journal.has_asked(work.task.id, DIGEST.name, RELEVANCE.name):
        return Survey()
    found = await work.in_thread(look, work.task, work.snapshot, work.settings.context)
    await work.note(RELEVANCE, NOTE, asdict(found))
    return found


def surveyed(work: Work) -> Survey | None:
    """The survey that is recorded for a task."""
    note = work.journal.note(work.task.id, RELEVANCE.name, 0, NOTE)
    return None if note is None else Survey(tuple(note["read"]), dict(note["left_out"]))


def look(task: Task, snapshot: Snapshot, settings: ContextSettings) -> Survey:
    """Look at paths, sizes and texts; blocks."""
    patterns = beside.patterns_of(task.language, settings.also)
    documents = documents_of_tests(snapshot) if beside.DOCS in patterns else set[str]()
    left_out: dict[str, str] = {}
    candidates: list[str] = []
    for entry in snapshot.entries:
        path = entry.path
        of_source = is_source(path) and beside.may_stay_out(path) and (settings.tests or not is_test(path))
        if (
            not entry.is_file
            or not task.in_scope(path)
            or not (of_source or path in documents or beside.is_beside(path, patterns))
        ):
            continue
        if why := beside.out_by_path(path, entry.size):
            left_out[path] = why
        else:
            candidates.append(path)
    texts: dict[str, str] = {}
    for path, text in snapshot.texts(candidates):
        if text and (why := beside.out_by_text(path, text)):
            left_out[path] = why
        elif text and not is_source(path):
            texts[path] = text
    kept = most_alike(task.issue, texts, settings.also_files)
    left_out |= {path: "beyond context.also_files" for path in texts if path not in kept}
    return Survey(tuple(sorted(kept)), dict(sorted(left_out.items())))


def most_alike(issue: str, texts: dict[str, str], most: int) -> set[str]:
    """Paths of the files that share most words with the issue, ties by path; all if they are few enough."""
    if len(texts) <= most:
        return set(texts)
    with LexicalIndex(texts.items()) as index:
        return set(list(dict.fromkeys((*index.rank(issue), *texts)))[:most])


def documents_of_tests(snapshot: Snapshot) -> set[str]:
    """Paths of documentation that tests name."""
    entries = [entry.path for entry in snapshot.entries if entry.is_file]
    ends = {path: beside.ends_of(path) for path in entries if beside.is_document(path)}
    if not ends:
        return set()
    tests = (path for path in entries if is_source(path) and is_test(path))
    named = {name for _, text in snapshot.texts(tests) if text for name in beside.documents_named(text)}
    return {path for path, known in ends.items() if not named.isdisjoint(known)}

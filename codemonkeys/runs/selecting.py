"""Selects anew among the candidates of a stored run, as a named choice beside the one that the run has made."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codemonkeys.engine.events import note
from codemonkeys.engine.work import Work
from codemonkeys.errors import BadInput, RuleFailed
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows
from codemonkeys.journal.store import Journal
from codemonkeys.runs.choice_request import Asked, check_name, choice_request
from codemonkeys.runs.outcomes import FINAL, State, TaskResult
from codemonkeys.runs.pooled import rank_together
from codemonkeys.runs.session import Options, RunRequest, Summary, open_journal, open_session
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.deciding import Choice, conclude, model_evidence_for, rule_without_models, select
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import EITHER_TESTS, Rule, find_rule
from codemonkeys.selection.stored_candidates import read_candidates, read_scripts, was_executed
from codemonkeys.settings import SelectionSettings, Settings
from codemonkeys.tasks.sources import load_tasks
from codemonkeys.wording import option, resume

UNFINISHED = ("waiting", "running")
"""States of a run's tasks whose candidates may not be all yet."""


@dataclass(frozen=True)
class StoredTask:
    """What a run has of one task to choose from."""

    candidates: Sequence[Candidate]
    scripts: Sequence[str]
    evidence: Evidence | None
    executed: bool
    """Whether scripts or tests of the repository ran on its candidates."""


@dataclass(frozen=True)
class StoredTasks:
    """The tasks of a run, by what can be chosen from."""

    of: Mapping[str, StoredTask]
    """Those that ended with candidates."""
    without: tuple[str, ...]
    """Those that ended without."""
    unfinished: tuple[str, ...]
    """Those that the run has not come to the end of."""


async def choose_again(runs: Path, run: str, asked: Asked, options: Options) -> Summary:
    """Choose by a rule among the candidates of a run; nothing that the run itself has chosen changes.

    Raises BadInput and its kin before anything is spent, JournalError, SandboxUnavailable, RunInterrupted.
    """
    if asked.name is not None:
        check_name(asked.name)
    request = await asyncio.to_thread(choice_request, runs, run, asked)
    stored = await asyncio.to_thread(read_tasks, run_files.database_of(runs, run))
    rule = find_rule(request.settings.selection.rule)
    check_tasks(run, request.settings.selection, rule, stored)
    if stored.unfinished:
        count = len(stored.unfinished)
        have, are = ("1 task of the run has", "is") if count == 1 else (f"{count} tasks of the run have", "are")
        left = f"{have} no candidates yet and {are} left out"
        options.notify(note(f"{left}; {resume(run)}, and select again"))
    if not needs_session(request.settings.selection, rule, stored):
        return await asyncio.to_thread(choose_by_stored_evidence, request, options, rule, stored)
    tasks = await asyncio.to_thread(load_tasks, request.source, list(stored.of))
    async with open_session(replace(request, tasks=tuple(tasks)), options) as session:
        first = one_by_one(session.settings, rule)
        ended = await session.run(solver(stored.of), first)
        if rule.pooled and len(ended) == len(tasks):
            decided = [result.task for result in ended if result.state in FINAL]
            again = {r.task: r for r in rank_together(session.journal, session.settings.selection.rule, decided)}
            ended = [again.get(result.task, result) for result in ended]
        return session.summary([*ended, *end_without(session.journal, stored.without)])


def read_tasks(database: Path) -> StoredTasks:
    """What a run has to choose from."""
    with run_files.reading(database) as connection:
        return tasks_in(connection)


def tasks_in(connection: sqlite3.Connection) -> StoredTasks:
    """The tasks of a run that is open to read."""
    found: dict[str, StoredTask] = {}
    without, unfinished = [], []
    for row in rows(connection, "SELECT id, state FROM tasks ORDER BY position"):
        id, candidates = row["id"], read_candidates(connection, row["id"])
        if candidates and row["state"] not in UNFINISHED:
            evidence = stored_evidence(connection, id)
            found[id] = StoredTask(candidates, read_scripts(connection, id), evidence, was_executed(connection, id))
        elif row["state"] == State.NO_CANDIDATE:
            without.append(id)
        else:
            unfinished.append(id)
    return StoredTasks(found, tuple(without), tuple(unfinished))


def check_tasks(run: str, settings: SelectionSettings, rule: Rule, stored: StoredTasks) -> None:
    """Raise BadInput where there is nothing to choose from, or nothing that the rule could go by."""
    if not stored.of:
        raise BadInput(f"run {run!r} has no candidates to choose from; {resume(run)}")
    if "edited" in rule.needs and not any(task.scripts for task in stored.of.values()):
        raise BadInput(
            f"{option('rule_of_choice', settings.rule)} needs test scripts, and none ran in run {run!r}: choose "
            "another rule, or begin a run that has them"
        )


def needs_session(settings: SelectionSettings, rule: Rule, stored: StoredTasks) -> bool:
    """Whether a model has to be asked, or a script run: else what is stored decides, without a sandbox."""
    executes = bool({"edited", "breaks"}.intersection(rule.needs)) or settings.rule in EITHER_TESTS
    return model_evidence_for(settings.rule) is not None or any(
        task.evidence is None or (executes and not task.executed and len(set(task.evidence.classes)) > 1)
        for task in stored.of.values()
    )


def one_by_one(settings: Settings, rule: Rule) -> Settings:
    """The settings by which single tasks are decided: a rule that learns from all of them comes after."""
    if not rule.pooled or model_evidence_for(settings.selection.rule) is not None:
        return settings
    selection = settings.selection.model_copy(update={"rule": rule_without_models(settings.selection)})
    return settings.model_copy(update={"selection": selection})


def solver(stored: Mapping[str, StoredTask]) -> Callable[[Work], Awaitable[Choice | None]]:
    """Chooses among the stored candidates of a task; what the journal has of their evidence is not made again."""

    async def choose(work: Work) -> Choice | None:
        task = stored[work.task.id]
        return await select(work, task.candidates, before=task.scripts)

    return choose


def choose_by_stored_evidence(request: RunRequest, options: Options, rule: Rule, stored: StoredTasks) -> Summary:
    """Choose where nothing has to be asked or executed; computes for seconds."""
    with open_journal(request, request.settings, options) as journal:
        ended = by_stored_evidence(journal, request.settings.selection, rule, stored)
        return Summary(options.name, options.runs / options.name, tuple(ended), 0, journal.calls.known_cost())


def by_stored_evidence(
    journal: Journal, settings: SelectionSettings, rule: Rule, stored: StoredTasks
) -> list[TaskResult]:
    """Decide all tasks by what is stored; those that are decided stay so."""
    states = {task: journal.task_state(task) for task in stored.of}
    left = [task for task, state in states.items() if state not in FINAL]
    ended = [TaskResult(task, state, "in an earlier session") for task, state in states.items() if state in FINAL]
    if left and rule.pooled:
        ended = rank_together(journal, settings.rule, list(stored.of))
    else:
        with journal.transaction():
            ended += [end_by_evidence(journal, settings, task, stored.of[task].evidence) for task in left]
    return [*ended, *end_without(journal, stored.without)]


def end_by_evidence(journal: Journal, settings: SelectionSettings, task: str, evidence: Evidence | None) -> TaskResult:
    """Record what a rule chooses by the evidence of a task."""
    assert evidence is not None
    try:
        choice = conclude(settings, evidence)
        ended, number, patch = TaskResult(task, State.PREDICTED, choice.reason), choice.number, choice.patch
    except RuleFailed as error:
        ended, number, patch = TaskResult(task, State.FAILED, str(error)), None, None
    journal.end_task(task, ended.state, ended.reason, number, patch)
    return ended


def end_without(journal: Journal, tasks: Sequence[str]) -> list[TaskResult]:
    """Record the tasks of which the run has no candidate."""
    ended = [TaskResult(task, State.NO_CANDIDATE, "the run has no candidate for it") for task in tasks]
    with journal.transaction():
        for result in ended:
            journal.end_task(result.task, result.state, result.reason, None, None)
    return ended

"""A session that chooses among other systems' submissions; its run is one like any other, and can be resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from codemonkeys.engine.steps import Event, Steps
from codemonkeys.ensembles.members import Member, read_members
from codemonkeys.ensembles.solving import GivenTests, put_candidates, read_tests, solver
from codemonkeys.errors import BadInput, BadSettings
from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Model, Price, Request
from codemonkeys.prompting import check_own
from codemonkeys.runs.predictions_file import keeping_predictions_file
from codemonkeys.runs.runner import State, TaskResult, run_tasks
from codemonkeys.runs.session import Summary, choose_sandbox, open_models
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.deciding import ASKING
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import EXECUTION, RULES, Rule
from codemonkeys.settings import Settings, build
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes import open_sandbox


@dataclass(frozen=True)
class Ensemble:
    """What is put together, read and checked."""

    source: str
    """The dataset."""
    ids: tuple[str, ...]
    """Tasks that were asked for; empty: all."""
    tasks: tuple[Task, ...]
    members: tuple[Member, ...]
    tests: GivenTests

    def plan(self) -> dict[str, Any]:
        """What decides answers, for the run's settings: a resumed run must find it unchanged."""
        return {
            "members": [
                {"path": str(m.path.absolute()), "name": m.name, "family": m.family, "sha256": m.sha256}
                for m in self.members
            ],
            "tests": self.tests.folder and {"path": str(self.tests.folder), "sha256": self.tests.sha256},
        }


def read_ensemble(
    source: str, ids: Sequence[str], paths: Sequence[Path], families: Sequence[str] = (), tests: Path | None = None
) -> Ensemble:
    """Read the dataset's tasks, the submissions and the test scripts. Raises BadInput and its kin."""
    tasks = load_tasks(source, list(ids) or None)
    members = read_members(paths, {task.id for task in tasks}, families)
    given = GivenTests() if tests is None else read_tests(tests.absolute(), tasks)
    return Ensemble(source, tuple(ids), tuple(tasks), tuple(members), given)


def reread_ensemble(source: str, ids: Sequence[str], plan: dict[str, Any]) -> Ensemble:
    """The ensemble of a run's settings. Raises BadInput for a file that is not there any more or has changed."""
    paths = [Path(member["path"]) for member in plan["members"]]
    tests = plan["tests"] and Path(plan["tests"]["path"])
    ensemble = read_ensemble(source, ids, paths, tests=tests)
    stored = {member["path"]: member for member in plan["members"]}
    for member in ensemble.members:
        if member.sha256 != stored[str(member.path.absolute())]["sha256"]:
            raise BadInput(f"{member.path} has changed since the run began; put it back, or begin another run")
    families = {str(member["path"]): (member["name"], member["family"]) for member in plan["members"]}
    members = tuple(
        replace(member, name=families[str(member.path.absolute())][0], family=families[str(member.path.absolute())][1])
        for member in ensemble.members
    )
    return replace(ensemble, members=members)


def check_ensemble(ensemble: Ensemble, settings: Settings) -> None:
    """Raise BadSettings for a rule that nobody knows, BadInput without anything to choose from."""
    selection = settings.selection
    if selection.rule not in RULES:
        raise BadSettings(f"--select {selection.rule}: no such rule; there are: {', '.join(RULES)}")
    if selection.shortlist not in RULES or RULES[selection.shortlist].pooled:
        single = ", ".join(name for name, rule in RULES.items() if not rule.pooled)
        raise BadSettings(f"selection.shortlist={selection.shortlist}: choose one of: {single}")
    if settings.prompts is not None:
        check_own(settings.prompts)
    if not any(member.patches for member in ensemble.members):
        raise BadInput("no submission has a patch for any task of the dataset; check that they belong together")


def is_textual(ensemble: Ensemble, rule: str) -> bool:
    """Whether choosing needs only the texts of the patches: no model, no sandbox, no codebase."""
    return not RULES[rule].needs and rule != EXECUTION and ensemble.tests.folder is None


def run_ensemble(
    ensemble: Ensemble,
    settings: Settings,
    runs: Path,
    name: str,
    *,
    accept_changes: bool = False,
    notify: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Choose by `selection.rule` in a run that is begun or resumed.

    A rule that looks at texts needs no model and no sandbox; all others run what they need on candidates that apply.
    Raises BadInput and its kin before anything is spent, JournalError, SandboxUnavailable.
    """
    rule = settings.selection.rule
    check_ensemble(ensemble, settings)
    if is_textual(ensemble, rule):
        journal = open_journal(ensemble, settings, runs, name)
        try:
            return choose_from_texts(ensemble, rule, journal)
        finally:
            journal.close()
    models = open_needed_models(settings, ensemble)
    kind = choose_sandbox(settings.sandbox.kind, ensemble.tasks)
    plan = settings.model_dump(mode="json")
    plan["sandbox"]["kind"] = kind
    settings = build(plan)
    journal = open_journal(ensemble, settings, runs, name)
    try:
        return asyncio.run(_carry_out(ensemble, settings, journal, models, kind, accept_changes, notify))
    finally:
        journal.close()


def open_journal(ensemble: Ensemble, settings: Settings, runs: Path, name: str) -> Journal:
    """The run's journal: begun, or taken up again if it was begun with equal settings and inputs."""
    plan = {"ids": list(ensemble.ids), "ensemble": ensemble.plan(), **settings.model_dump(mode="json")}
    return Journal(runs, name, ensemble.source, plan)


def choose_from_texts(ensemble: Ensemble, rule: str, journal: Journal) -> Summary:
    """Record all candidates and choose among them by their texts."""
    with journal.at_once():
        journal.add_tasks(ensemble.tasks)
        put_candidates(journal, ensemble.members, ensemble.tasks)
    ended = rank_together(journal, rule, [task.id for task in ensemble.tasks])
    return Summary(journal.name, journal.folder, tuple(ended), 0, 0.0)


def rank_together(journal: Journal, rule: str, tasks: Sequence[str]) -> list[TaskResult]:
    """Choose by a rule that has seen the evidence of all tasks; returns how each ended."""
    with run_files.reading(journal.folder / "run.db") as connection:
        evidence = {task: stored_evidence(connection, task) for task in tasks}
    known = [found for found in evidence.values() if found is not None]
    fitted = RULES[rule].fit(known)
    with journal.at_once():
        return [end_by_ranking(journal, task, found, fitted) for task, found in evidence.items()]


def end_by_ranking(journal: Journal, task: str, evidence: Evidence | None, rule: Rule) -> TaskResult:
    """Record what a rule decides for a task."""
    number, patch = None, None
    if evidence is None:
        ended = TaskResult(task, State.NO_CANDIDATE, "no member has a patch for it that can be used")
    elif not (ranking := rule.rank(evidence)).order:
        ended = TaskResult(task, State.ABSTAINED, ranking.reason)
    else:
        first = evidence.classes[ranking.order[0]]
        ended = TaskResult(task, State.PREDICTED, ranking.reason)
        number, patch = first + 1, evidence.patches[first]
    journal.end_task(ended.task, ended.state, ended.reason, number, patch)
    return ended


def open_needed_models(settings: Settings, ensemble: Ensemble) -> tuple[Model, Model]:
    """Primary and scan model, or, where nothing asks one, two that refuse to answer. Raises as `open_models`."""
    rule = settings.selection.rule
    asks = rule in ASKING
    if asks or (settings.model is not None and ensemble.tests.folder is None):
        if settings.model is None:
            raise BadInput(f"--select {rule} asks a model: name it with -m; --select agreement needs none")
        return open_models(settings)
    if "edited" in RULES[rule].needs and ensemble.tests.folder is None:
        raise BadInput(
            f"--select {rule} counts test scripts: give them with --tests FOLDER, or name a model that writes them "
            "with -m; --select agreement needs neither"
        )
    return NoModel(), NoModel()


class NoModel:
    """Stands where nothing is to ask a model."""

    name = "none"
    price: Price | None = Price()

    def count_tokens(self, text: str) -> int:
        """Nothing is sent, so nothing is counted."""
        return 0

    async def complete(self, request: Request) -> Completion:
        """Refuse. Raises BadInput."""
        raise BadInput(f"{request.key} needs a model, and none was named; name one with -m")

    async def close(self) -> None:
        """Nothing is open."""


async def _carry_out(
    ensemble: Ensemble,
    settings: Settings,
    journal: Journal,
    models: tuple[Model, Model],
    kind: Literal["local", "docker"],
    accept_changes: bool,
    notify: Callable[[Event], None],
) -> Summary:
    selection = settings.selection
    pooled = RULES[selection.rule].pooled
    # A rule that learns from all tasks comes last; until then each task is decided as its shortlist would be.
    first = selection.model_copy(update={"rule": selection.shortlist}) if pooled else selection
    sandbox = open_sandbox(kind, journal.name)
    home = default_home()
    try:
        async with keeping_predictions_file(journal.folder, notify) as told:
            steps = Steps(journal, *models, sandbox, settings.operation, accept_changes, told)
            ended = await run_tasks(
                ensemble.tasks,
                settings.model_copy(update={"selection": first}),
                steps,
                lambda task: prepare(task, home, kind),
                solver(ensemble.members, ensemble.tests),
            )
            waiting = len(ensemble.tasks) - len(ended)
            if pooled and not waiting:
                decided = [task.task for task in ended if task.state in (State.PREDICTED, State.ABSTAINED)]
                again = {task.task: task for task in rank_together(journal, selection.rule, decided)}
                ended = [again.get(task.task, task) for task in ended]
        return Summary(journal.name, journal.folder, tuple(ended), waiting, journal.calls.spent())
    finally:
        sandbox.close()
        for model in {id(model): model for model in models}.values():
            await model.close()

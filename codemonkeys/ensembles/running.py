"""Ensemble runs, which select among other systems' submissions; opened, resumed and read like any other run."""

from __future__ import annotations

import asyncio

from codemonkeys.engine.events import note
from codemonkeys.ensembles.ensemble import Ensemble
from codemonkeys.ensembles.solving import ensemble_solver, put_candidates
from codemonkeys.ensembles.without_effect import remark_on
from codemonkeys.errors import BadInput
from codemonkeys.models.roles import ModelSet
from codemonkeys.prompting import check_folder
from codemonkeys.runs.models import NoModel, open_models
from codemonkeys.runs.outcomes import State
from codemonkeys.runs.pooled import abstain, rank_together
from codemonkeys.runs.session import Options, RunRequest, Summary, open_journal, open_session
from codemonkeys.selection.deciding import check_rules, model_evidence_for, rule_without_models
from codemonkeys.selection.rules import EITHER_TESTS, find_rule
from codemonkeys.settings import SelectionSettings, Settings
from codemonkeys.wording import option


async def choose(ensemble: Ensemble, settings: Settings, options: Options) -> Summary:
    """Select by `selection.rule`, in a new or a resumed run.

    Rules over texts need neither model nor sandbox; others run what they need on the candidates that apply.
    Raises BadInput and its subclasses before anything is spent, JournalError, SandboxUnavailable.
    """
    selection = settings.selection
    check_ensemble(ensemble, settings)
    if remark := remark_on(settings):
        options.notify(note(remark))
    request = RunRequest(
        *(ensemble.source, ensemble.ids, ensemble.tasks, settings),
        inputs={"ensemble": ensemble.plan()},
        models=lambda settings: open_needed_models(settings, ensemble),
    )
    if is_textual(ensemble, selection.rule):
        if settings.model is not None:
            options.notify(note(f"{settings.model} is not asked: the rule {selection.rule} goes by the patches alone"))
        return await asyncio.to_thread(choose_by_texts, ensemble, request, options)
    check_needs(settings, ensemble)
    async with open_session(request, options) as session:
        pooled = find_rule(selection.rule).pooled
        # A pooled rule needs the evidence of all tasks; until then each task is decided by the shortlist's rule.
        first = first_rule(session.settings, selection) if pooled else session.settings
        ended = await session.run(ensemble_solver(ensemble.members, ensemble.tests), first)
        if pooled and len(ended) == len(ensemble.tasks):
            decided = [result.task for result in ended if result.state in (State.PREDICTED, State.ABSTAINED)]
            again = {result.task: result for result in rank_together(session.journal, selection.rule, decided)}
            ended = [again.get(result.task, result) for result in ended]
        if ensemble.abstain and len(ended) == len(ensemble.tasks):
            ended = abstain(session.journal, selection.rule, ensemble.abstain, ended)
        return session.summary(ended)


def first_rule(settings: Settings, selection: SelectionSettings) -> Settings:
    """The settings, with the shortlist's rule in place of the rule."""
    update = {"rule": rule_without_models(selection)}
    return settings.model_copy(update={"selection": settings.selection.model_copy(update=update)})


def check_ensemble(ensemble: Ensemble, settings: Settings) -> None:
    """Raise BadSettings for a rule that there is not or that cannot decide, BadInput if there are no candidates."""
    selection = settings.selection
    find_rule(selection.rule, option("rule", selection.rule))
    check_rules(selection, together=True)
    if settings.prompts is not None:
        check_folder(settings.prompts)
    if not any(member.patches for member in ensemble.members):
        raise BadInput(
            "no submission has a patch for any task of the dataset; check that they are for the same dataset"
        )


def is_textual(ensemble: Ensemble, rule: str) -> bool:
    """Whether selection needs only the texts of the patches: no model, no sandbox, no repository."""
    return not find_rule(rule).needs and rule not in EITHER_TESTS and ensemble.tests.folder is None


def check_needs(settings: Settings, ensemble: Ensemble) -> None:
    """Raise BadInput for a rule that needs a model or test scripts if neither was given."""
    rule = settings.selection.rule
    if model_evidence_for(rule) is not None and settings.model is None:
        raise BadInput(
            f"{option('rule', rule)} calls a model: give one with {option('model')}; the rule agreement needs none"
        )
    if "edited" in find_rule(rule).needs and settings.model is None and ensemble.tests.folder is None:
        raise BadInput(
            f"{option('rule', rule)} needs test scripts: give them with {option('tests', 'FOLDER')}, or give a model "
            f"to write them with {option('model')}; the rule agreement needs neither"
        )


def open_needed_models(settings: Settings, ensemble: Ensemble) -> ModelSet:
    """The models of the settings, or NoModel if the run makes no model calls. Raises what `open_models` raises."""
    asks = model_evidence_for(settings.selection.rule) is not None
    if asks or (settings.model is not None and ensemble.tests.folder is None):
        return open_models(settings)
    return ModelSet(NoModel(), NoModel())


def choose_by_texts(ensemble: Ensemble, request: RunRequest, options: Options) -> Summary:
    """Record all candidates and select among them by their texts; computes for seconds."""
    rule = request.settings.selection.rule
    with open_journal(request, request.settings, options) as journal:
        with journal.transaction():
            journal.add_tasks(ensemble.tasks)
            put_candidates(journal, ensemble.members, ensemble.tasks)
        ended = rank_together(journal, rule, [task.id for task in ensemble.tasks])
        if ensemble.abstain:
            ended = abstain(journal, rule, ensemble.abstain, ended)
        return Summary(journal.name, journal.folder, tuple(ended), 0, 0.0)

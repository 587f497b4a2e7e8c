"""What a named choice is to do: the settings of its run, with another rule, and perhaps another model that judges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadSettings
from codemonkeys.journal import run_files
from codemonkeys.journal.choices import CHOICE_NAME
from codemonkeys.journal.named_choices import NamedChoice, named_choice
from codemonkeys.journal.queries import run_row
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.models import NoModel, open_judge
from codemonkeys.runs.resuming import StoredRequest, read_stored
from codemonkeys.runs.session import RunRequest
from codemonkeys.selection.deciding import check_rules, model_evidence_for
from codemonkeys.selection.rules import rule_names
from codemonkeys.settings import Settings, build, merge
from codemonkeys.settings.roles import names_of
from codemonkeys.wording import option, setting

OWN = ("selection", "models", "prompts", "operation")
"""Sections of the settings that a choice may have of its own; all else is the run's."""
DECISIVE = ("selection", "models", "prompts")


@dataclass(frozen=True)
class Asked:
    """A choice as the user asks for it."""

    rule: str | None = None
    """None: as the choice of that name was begun."""
    name: str | None = None
    """None: made of rule and model."""
    model: str | None = None
    """Judges in place of the run's."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What differs from the run's settings, as a tree of `OWN`."""


def choice_request(runs: Path, run: str, asked: Asked) -> RunRequest:
    """The request of a choice, without its tasks. Raises BadInput and its kin."""
    stored = read_stored(runs, run, {})
    with run_files.reading(run_files.database_of(runs, run)) as connection:
        name = asked.name or name_for(asked)
        begun = named_choice(connection, name)
        kept = run_row(connection)["settings"]
    settings = settings_of_choice(run, stored, asked, begun, name)
    check_rules(settings.selection, together=True)
    asks = model_evidence_for(settings.selection.rule) is not None
    judge = next(iter(names_of(settings, "judge")), None) if asks else None
    if asks and judge is None:
        raise BadInput(
            f"{option('rule_of_choice', settings.selection.rule)} asks a model: give one with {option('model')}"
        )
    values = settings.model_dump(mode="json")
    given = {model: own for model, parameters in settings.models.items() if (own := parameters.given())}
    own = {"selection": values["selection"], "models": given, "prompts": values["prompts"]}
    own["operation"] = asked.settings.get("operation", {}) if begun is None else begun.settings.get("operation", {})
    choice = NamedChoice(name, settings.selection.rule, judge, own)
    models = open_judge if asks else no_models
    return RunRequest(stored.source, stored.ids, (), settings, models=models, choice=choice, kept=kept)


def settings_of_choice(run: str, stored: StoredRequest, asked: Asked, begun: NamedChoice | None, name: str) -> Settings:
    """The run's settings with what the choice was begun with, or else with what is asked for."""
    if unknown := sorted(set(asked.settings) - set(OWN)):
        raise BadSettings(
            f"{setting(unknown[0], '...')}: a choice is made among the candidates that run {run!r} has, so only "
            f"settings of {', '.join(OWN)} can be given"
        )
    if asked.rule is None and begun is None:
        raise BadInput(
            f"name a rule with {option('rule_of_choice', 'RULE')}: run {run!r} has no choice {name!r} to go on with; "
            f"the rules are {', '.join(rule_names())}"
        )
    values = stored.settings.model_dump(mode="json")
    of_run = (values["selection"]["model"], values["operation"]["api_base"])
    # Limits of the run are not those of the choice, and nothing of it is kept for a later stage.
    values["operation"] |= {"budget": None, "task_budget": None, "selection_share": 0.0}
    values["operation"]["batch"]["stages"] = []
    if begun is not None and asked.rule is None:
        values |= {section: begun.settings[section] for section in DECISIVE if section in begun.settings}
    else:
        merge(values, {section: asked.settings[section] for section in DECISIVE if section in asked.settings})
        values["selection"]["rule"] = asked.rule
        if asked.model is not None:
            values["selection"]["model"] = asked.model
    if values["selection"]["model"] != of_run[0]:  # The address of the run's models is not that of another.
        values["operation"] |= {"api_base": None, "key_variable": None}
    if begun is not None:
        merge(values["operation"], dict(begun.settings.get("operation", {})))
    merge(values["operation"], dict(asked.settings.get("operation", {})))
    return build(values)


def name_for(asked: Asked) -> str:
    """The name of a choice that is given none. Raises BadInput if there is neither a name nor a rule."""
    if asked.rule is None:
        raise BadInput(
            f"name a rule with {option('rule_of_choice', 'RULE')}, or a choice to go on with by "
            f"{option('choice', 'NAME')}; the rules are {', '.join(rule_names())}"
        )
    words = "-".join(part for part in (asked.rule, (asked.model or "").rpartition("/")[2]) if part)
    return re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-._")[:60].strip("-._") or "choice"


def check_name(name: str) -> None:
    """Raise BadInput for a name that a choice cannot have."""
    if not CHOICE_NAME.fullmatch(name):
        raise BadInput(
            f"{option('choice', repr(name))} cannot be used: letters, digits, '.', '_' and '-' only, starting with a "
            "letter or digit, 60 characters at most"
        )


def no_models(settings: Settings) -> ModelSet:
    """For a rule that asks none."""
    return ModelSet(NoModel(), NoModel())

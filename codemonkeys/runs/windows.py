"""Fits the settings of a run into the windows of its models, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from codemonkeys.errors import BadSettings
from codemonkeys.models.base import Model
from codemonkeys.models.roles import ModelSet, stage_answer
from codemonkeys.models.windows import Window, Windowed
from codemonkeys.settings import Settings, build
from codemonkeys.stages import (
    AGENT,
    ASKING,
    BALLOT,
    COMPARE,
    CRITIQUE,
    DISTILL,
    EDIT,
    FUSE,
    JUDGE,
    PRUNE,
    RELEVANCE,
    RERANK,
    SELECT,
    TEST,
    TOURNAMENT,
    role_of,
)

INSTRUCTIONS = 3_000
"""Tokens for what a prompt says beside the files and results that it shows: template and issue."""
TURN = 2_200
"""Tokens that a turn adds to a conversation, as in the paper: an answer, and the results of its execution."""
SMALLEST = 1_000
"""Tokens that must be left to files and results."""

SHOWN_TOUCHED = (JUDGE.name, CRITIQUE.name, RERANK.name, PRUNE.name)
"""Stages whose prompts hold edits, and the files that they touch."""
WITH_EVIDENCE = (COMPARE.name, BALLOT.name, TOURNAMENT.name, SELECT.name)
"""Stages whose prompts hold what tells candidates apart."""


class Bound(NamedTuple):
    """The most that a setting may be for one model."""

    setting: str
    most: int
    model: str
    window: Window


def windows_of(models: ModelSet, margin: float) -> dict[str, Window]:
    """Known windows of models by name. `margin`: see `Window`."""
    known = {model.name: window_of_model(model) for model in models.distinct()}
    return {name: replace(window, margin=margin) for name, window in known.items() if window is not None}


def window_of_model(model: Model) -> Window | None:
    """The window that a model tells; None if it does not."""
    return model.window if isinstance(model, Windowed) else None


def fit_settings(
    settings: Settings, models: ModelSet, windows: Mapping[str, Window], tell: Callable[[str], None] = lambda line: None
) -> Settings:
    """Settings whose prompts fit into the windows of the models that get them. `tell`: is told what was lowered.

    Raises BadSettings for a window that holds no work at all, and with `context.fit=refuse` if anything is too large.
    """
    tightest: dict[str, Bound] = {}
    for bound in bounds(settings, models, windows):
        known = tightest.get(bound.setting)
        tightest[bound.setting] = bound if known is None or bound.most < known.most else known
    values = settings.model_dump(mode="json")
    lowered = [bound for bound in tightest.values() if bound.most < value_of(values, bound.setting)]
    for bound in lowered:
        what = f"{bound.setting}={value_of(values, bound.setting):,} is more than {bound.model} holds: its window of "
        what += f"{bound.window.tokens:,} tokens has room for {bound.most:,}, beside the answer and the rest"
        if settings.context.fit == "refuse":
            raise BadSettings(f"{what}. Lower it, choose a model with a larger window, or set context.fit=lower")
        tell(f"{what}; lowered to that")
    for bound in lowered:
        section, _, name = bound.setting.partition(".")
        values[section][name] = bound.most
    return build(values) if lowered else settings


def value_of(values: Mapping[str, Mapping[str, int]], setting: str) -> int:
    """The value of a setting named as `section.name`."""
    section, _, name = setting.partition(".")
    return values[section][name]


def bounds(settings: Settings, models: ModelSet, windows: Mapping[str, Window]) -> Iterator[Bound]:
    """What each model leaves of the settings that fill its prompts. Raises BadSettings."""
    for stage in ASKING:
        for sample in range(max(1, len(models.writers))):
            model, parameters = models.of(stage.name, sample).name, models.parameters_of(stage.name, sample)
            window = windows.get(model)
            if window is None or window.tokens is None:
                continue
            longest = parameters.longest_answer(stage_answer(settings, role_of(stage.name)))
            room = int(window.room(longest, parameters.thinking_tokens)) - INSTRUCTIONS
            if room < SMALLEST:
                raise BadSettings(
                    f"model {model!r} takes {window.tokens:,} tokens at a time, answer included, which is too few for "
                    f"the instructions and the files of an issue; choose one with a larger window"
                )
            for setting, most in shares(settings, stage.name, room).items():
                yield Bound(setting, most, model, window)


def shares(settings: Settings, stage: str, room: int) -> dict[str, int]:
    """How much of the room in a prompt of a stage each setting may take, in tokens; outputs in characters."""
    if stage == RELEVANCE.name:
        return dict.fromkeys(("context.file_tokens", "context.batch_tokens", "context.outline_batch_tokens"), room)
    if stage == DISTILL.name:
        return {"generation.distill_characters": room} if settings.generation.diversity == "distill" else {}
    if stage == AGENT.name:
        if not settings.generation.count("agent"):
            return {}
        # Half of the room at least is left to what it looks at.
        whole = {"context.tokens": room // 2} if settings.agent.context == "files" else {}
        return {"agent.history_tokens": max(2_000, room), **whole}
    if stage not in (TEST.name, EDIT.name, FUSE.name, *SHOWN_TOUCHED, *WITH_EVIDENCE):
        return {}
    generation, context = settings.generation, settings.context
    is_test = stage == TEST.name
    if is_test and generation.early_tests:
        return {"sandbox.output_characters": max(256, room)}
    # A conversation grows: half of the room at most is kept for that.
    turns, size = (generation.test_turns, context.test_tokens) if is_test else (generation.edit_turns, context.tokens)
    files = room - min(room // 2, turns * TURN)
    history = room - min(files, size)
    shown = {"sandbox.output_characters": max(256, history)}
    if is_test:
        return {**shown, "context.test_tokens": files}
    shown["context.tokens"] = files
    if stage in WITH_EVIDENCE:
        shown["selection.evidence_tokens"] = history // 2
    if stage == EDIT.name:
        shown |= {"context.aim_tokens": files, "context.most_tokens": files}
        shown["generation.memory_characters"] = max(500, history)
    return shown

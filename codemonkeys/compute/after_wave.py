"""Decides by a policy what a task gets next, once: what is decided is in the journal, and a resumed run reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codemonkeys.compute.base import STOP, Allocation, Counts, PolicyInput
from codemonkeys.compute.beliefs import count_accepted, forecast_of
from codemonkeys.compute.draws import AtEnd, Draws
from codemonkeys.compute.policies import name_of, policy_of, with_votes
from codemonkeys.engine.decided import note_decided, noted
from codemonkeys.engine.work import Work
from codemonkeys.journal.decisions import DECISION
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.stages import PER_TRAJECTORY, SELECT, sharing


def first_wave(work: Work) -> Allocation:
    """What a task gets before anything is known of it."""
    generation = work.settings.generation
    return Allocation(Decision.ANOTHER_WAVE, min(generation.wave or generation.samples, generation.samples))


async def after_wave(work: Work, draws: Draws) -> Allocation:
    """What a task gets after its waves so far."""
    policy, name = policy_of(work.settings), name_of(work.settings)
    if name == "fixed":
        return policy.decide(await input_of(work, draws, collect=False))
    at = len(draws.samples) + len(draws.held)
    stored, given = noted(work, DECISION, at), await input_of(work, draws)
    found = limited(work, draws, policy.decide(given) if stored is None else read(stored, given))
    await note_decided(work, DECISION, at, {**body_of(given, found), "policy": name})
    return found


def stop_early(work: Work, draws: Draws) -> AtEnd | None:
    """Asks the policy, where it decides at each end, whether trajectories that still run are to be stopped."""
    policy = policy_of(work.settings)

    async def at_end(running: int) -> bool:
        return policy.decide(await input_of(work, draws, running)).decision is not Decision.ANOTHER_WAVE

    return at_end if policy.at_each_end else None


async def select_by(work: Work, draws: Draws, found: Allocation) -> Choice:
    """Select one of the candidates, with as many votes as were allocated."""
    settings = work.settings if found.votes is None else with_votes(work.settings, found.votes)
    return await select(replace(work, settings=settings), draws.candidates, draws.tests, draws.scripts)


async def input_of(work: Work, draws: Draws, running: int = 0, collect: bool = True) -> PolicyInput:
    """What a policy knows. `collect`: run tests on the candidates."""
    settings, journal, task = work.settings, work.journal, work.task.id
    inputs = await draws.evidence(work) if collect else None
    calls, operation = journal.calls, work.steps.operation
    spent = sum(calls.spent(task, stage) for stage in PER_TRAJECTORY)
    left = None
    if operation.budget is not None:
        # Selections are paid from their own share; what they take beyond it, nobody else can have.
        all_spent, chosen = calls.spent(), sum(calls.spent(stage=stage) for stage in sharing(SELECT.name))
        share = operation.budget * operation.selection_share
        left = max(0.0, operation.budget - all_spent - max(0.0, share - chosen))
    others, waiting = standing(work) if collect else ((), 0)
    return PolicyInput(
        evidence=inputs.evidence if inputs else None,
        drawn=len(draws.samples),
        running=running,
        tests=len(draws.held),
        spent=calls.spent(task),
        sample_cost=spent / max(1, len(draws.samples) + running),
        left=left,
        others=others,
        waiting=waiting,
        forecast=forecast_of(settings.selection, settings.compute.chances),
        compute=settings.compute,
        generation=settings.generation,
        selection=settings.selection,
    )


def standing(work: Work) -> tuple[tuple[Counts, ...], int]:
    """How far the other tasks are: the counts of those that draw on, and how many have not decided yet."""
    bodies, waiting = work.journal.decisions(besides=work.task.id)
    open_ones = [body for body in bodies if body.get("decision") == Decision.ANOTHER_WAVE]
    return tuple(Counts(body.get("drawn", 0), int(body.get("accepted", 0))) for body in open_ones), waiting


def limited(work: Work, draws: Draws, wanted: Allocation) -> Allocation:
    """An allocation cut to what the settings allow; if that leaves nothing to draw, the task ends with a choice."""
    if wanted.decision is not Decision.ANOTHER_WAVE:
        votes = wanted.votes and max(1, min(wanted.votes, work.settings.compute.most_votes))
        return replace(wanted, votes=votes, samples=0, tests=0, parents=())
    samples = max(0, min(wanted.samples, work.settings.generation.samples - len(draws.samples)))
    tests = max(0, min(wanted.tests, work.settings.compute.verifications - len(draws.held)))
    turns = wanted.turns and max(1, wanted.turns)
    if not samples and not tests:
        return replace(STOP, votes=wanted.votes, numbers=wanted.numbers)
    return replace(wanted, samples=samples, tests=tests, turns=turns, parents=wanted.parents[:samples])


def body_of(given: PolicyInput, found: Allocation) -> dict[str, Any]:
    """The note of a decision."""
    accepted = count_accepted(given.evidence) if given.evidence else 0
    drawn = {"samples": found.samples, "tests": found.tests, "parents": list(found.parents)}
    named = {"kind": found.kind, "model": found.model, "turns": found.turns, "votes": found.votes}
    wanted = {name: value for name, value in {**drawn, **named}.items() if value}
    return {"drawn": given.drawn, "accepted": accepted, **found.numbers, "decision": str(found.decision), **wanted}


def read(body: Mapping[str, Any], given: PolicyInput) -> Allocation:
    """A decision from its note; of version 0.1, which did not say how many samples a wave gets, as many as it gave."""
    decision = Decision(body["decision"])
    known = {"drawn", "decision", "samples", "tests", "parents", "kind", "model", "turns", "votes", "policy"}
    candidates = len(given.evidence.patches) if given.evidence else 0
    wave = given.next_wave if decision is Decision.ANOTHER_WAVE and not body.get("tests") else 0
    return Allocation(
        decision,
        samples=body.get("samples", wave),
        kind=body.get("kind"),
        model=body.get("model"),
        turns=body.get("turns"),
        parents=tuple(parent for parent in body.get("parents", ()) if parent < candidates),
        tests=body.get("tests", 0),
        votes=body.get("votes"),
        numbers={name: value for name, value in body.items() if name not in known},
    )

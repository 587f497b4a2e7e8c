"""Policies by name: built-in ones, those of other packages, and any `module:attribute`. They get no labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from codemonkeys.compute.base import Allocation, Policy, PolicyInput, fixed
from codemonkeys.compute.first_finish import first_finish
from codemonkeys.compute.marginal import marginal
from codemonkeys.compute.particles import particles
from codemonkeys.compute.solve_or_verify import solve_or_verify, verifications
from codemonkeys.compute.stop import stop
from codemonkeys.errors import BadSettings, PolicyFailed
from codemonkeys.registry import Registry
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.settings import Settings

POLICIES = {
    "fixed": Policy("every task alike, as CodeMonkeys, arXiv 2501.14723", fixed, needs_waves=False),
    "stop": Policy("Inference Scaling fLaws, arXiv 2411.17501", stop),
    "marginal": Policy("greedy by posterior success, after arXiv 2408.03314 and 2502.17578", marginal),
    "first-finish": Policy(
        "First Finish Search, arXiv 2505.18149, and short-m@k, arXiv 2505.17813",
        first_finish,
        needs_waves=False,
        at_each_end=True,
    ),
    "solve-or-verify": Policy("When To Solve, When To Verify, arXiv 2504.01005", solve_or_verify),
    "particles": Policy("particle filtering, arXiv 2502.01618, by test evidence", particles),
}
"""Built-in policies."""


def _as_policy(found: Any) -> Policy:
    """A policy, or the one that a plain function makes. Raises TypeError."""
    if isinstance(found, Policy):
        return found
    if callable(found) and not isinstance(found, type):
        return Policy((found.__doc__ or "").strip().partition("\n")[0], found)
    raise TypeError(f"it is of type {type(found).__name__}, neither a Policy nor a function of PolicyInput")


PLUGGED: Registry[Policy] = Registry("compute policy", "codemonkeys.policies", {}, _as_policy)


def policy_names() -> list[str]:
    """Names of the built-in policies, then those of policies that other packages have installed."""
    return list(dict.fromkeys([*POLICIES, *PLUGGED.names()]))


def find_policy(name: str) -> Policy:
    """The policy of a name, or at a `module:attribute`. Raises BadSettings listing the policies there are."""
    if name in POLICIES:
        return POLICIES[name]
    if name not in PLUGGED:
        raise BadSettings(
            f"compute.policy={name}: no such policy; there are: {', '.join(policy_names())}; "
            "one of your own is named as module:attribute"
        )
    policy = PLUGGED.get(name)
    return replace(policy, decide=lambda given: _checked(name, policy, given))


def policy_of(settings: Settings) -> Policy:
    """The policy of a run. `selection.stop` asks for `stop` where no other is named. Raises BadSettings."""
    return find_policy(name_of(settings))


def name_of(settings: Settings) -> str:
    """The name of a run's policy."""
    return effective_policy(settings.compute.policy, settings.selection.stop)


def effective_policy(policy: str, stop: bool) -> str:
    """The policy that `compute.policy` and `selection.stop` come to."""
    return "stop" if policy == "fixed" and stop else policy


def with_votes(settings: Settings, votes: int) -> Settings:
    """The settings with as many votes as a policy allocates, whichever of them the selection rule asks for."""
    each = dict.fromkeys(("judge_samples", "ballots", "match_votes"), votes)
    return settings.model_copy(update={"selection": settings.selection.model_copy(update=each)})


def verified(settings: Settings) -> tuple[int, Settings]:
    """What a run's policy makes of its settings once all samples are drawn: tests beside trajectories, and votes.

    Only `solve-or-verify` adds any; what a policy of another package adds is not known before it decides.
    """
    if name_of(settings) != "solve-or-verify":
        return 0, settings
    most = verifications(settings.generation.samples, settings.compute)
    return most, with_votes(settings, min(1 + most, settings.compute.most_votes))


def check_policy(settings: Settings) -> None:
    """Raise BadSettings for a policy that is not there, or that would have nothing to decide."""
    policy = policy_of(settings)
    if policy.needs_waves and settings.generation.wave is None and settings.compute.policy != "fixed":
        raise BadSettings(
            f"compute.policy={settings.compute.policy} decides after each wave, and all samples are in one: "
            "set generation.wave too, such as generation.wave=2"
        )
    if policy.at_each_end and settings.generation.branch:
        raise BadSettings(
            f"compute.policy={settings.compute.policy} stops single trajectories, and with generation.branch they grow "
            "from each other: turn one of both off"
        )
    if policy.at_each_end and settings.search.waits_for_edits:
        raise BadSettings(
            f"compute.policy={settings.compute.policy} decides whenever a trajectory ends, and with search.keep_edits "
            "or search.keep_contexts they wait for each other: turn one of both off"
        )


def _checked(name: str, policy: Policy, given: PolicyInput) -> Allocation:
    task = given.evidence.task if given.evidence else "a task without candidates"
    try:
        found = policy.decide(given)
        if not isinstance(found, Allocation):
            raise TypeError(f"it returned {type(found).__name__}, not an Allocation")
        candidates = len(given.evidence.patches) if given.evidence else 0
        if any(not 0 <= parent < candidates for parent in found.parents):
            raise ValueError(f"its parents {found.parents} must be positions of the {candidates} candidates")
        numbers = {str(key): float(value) for key, value in found.numbers.items()}
        return replace(found, decision=Decision(found.decision), numbers=numbers)
    except Exception as error:
        raise PolicyFailed(f"policy {name} failed on {task}: {type(error).__name__}: {error}") from error

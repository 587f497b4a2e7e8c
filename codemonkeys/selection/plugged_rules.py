"""Selection rules from outside this package: loaded by name, and their answers checked. They get evidence alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import index
from typing import Any, TypeVar

from codemonkeys.errors import RuleFailed
from codemonkeys.registry import Registry
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules_base import NEEDS, Ranker, Rule

T = TypeVar("T")


def _as_rule(found: Any) -> Rule:
    """A rule, or the rule that a plain function makes. Raises TypeError."""
    if isinstance(found, Rule):
        if unknown := [need for need in found.needs if need not in NEEDS]:
            raise TypeError(f"it needs {', '.join(unknown)}; a rule can need {', '.join(NEEDS)}")
        return found
    if callable(found) and not isinstance(found, type):
        return Rule((found.__doc__ or "").strip().partition("\n")[0], found)
    raise TypeError(f"it is of type {type(found).__name__}, neither a Rule nor a function of Evidence")


PLUGGED: Registry[Rule] = Registry("selection rule", "codemonkeys.rules", {}, _as_rule)


def plugged_rule(name: str) -> Rule:
    """The rule of an entry point, or at `module:attribute`; it raises RuleFailed for whatever goes wrong in it.

    Raises BadSettings if it cannot be loaded.
    """
    rule = PLUGGED.get(name)
    learn = rule.learn
    if learn is None:
        return replace(rule, decide=_guarded(name, rule.decide))

    def learn_guarded(pool: Sequence[Evidence]) -> Ranker:
        return _guarded(name, _run(lambda: learn(pool), f"rule {name} failed to learn from {len(pool)} tasks"))

    return replace(rule, decide=_guarded(name, rule.decide), learn=learn_guarded)


def _guarded(name: str, decide: Ranker) -> Ranker:
    def guarded(evidence: Evidence) -> Ranking:
        return _run(lambda: _checked(decide(evidence), len(evidence.patches)), f"rule {name} failed on {evidence.task}")

    return guarded


def _run(call: Callable[[], T], failure: str) -> T:
    try:
        return call()
    except Exception as error:
        raise RuleFailed(f"{failure}: {type(error).__name__}: {error}") from error


def _checked(found: object, candidates: int) -> Ranking:
    """A rule's answer about this number of candidates, in plain numbers. Raises TypeError or ValueError."""
    if not isinstance(found, Ranking):
        raise TypeError(f"it returned {type(found).__name__}, not a Ranking")
    order, confidence = tuple(map(index, found.order)), float(found.confidence)
    if len(set(order).intersection(range(candidates))) < len(order):
        raise ValueError(f"its order {order} must name each of the candidates, 0 to {candidates - 1}, at most once")
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"its confidence {confidence} must be within 0 and 1")
    return replace(found, order=order, confidence=confidence)

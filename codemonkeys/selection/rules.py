"""Selection rules by name. A rule is a function of evidence without labels; how to add one: docs/selection.md."""

from __future__ import annotations

from codemonkeys.errors import BadSettings
from codemonkeys.selection import rules_judges, rules_tests, rules_text, weaver
from codemonkeys.selection.plugged_rules import PLUGGED, plugged_rule
from codemonkeys.selection.rules_base import Rule, learning

__all__ = ["AGREEMENT", "EITHER_TESTS", "EXECUTION", "RULES", "Rule", "all_rules", "find_rule", "rule_names"]

AGREEMENT = "agreement"
"""Rule for candidates of which only the patches and their sources are known."""

EXECUTION = "behaviour clusters"
"""Rule for candidates with test results that asks no model."""

EITHER_TESTS = (EXECUTION, "tests then agreement")
"""Rules that use scripts and repository tests, whichever there are, and abstain without both."""

RULES = {
    "random": Rule("for comparison", rules_text.at_random),
    "shortest": Rule("tie-break of CodeMonkeys, arXiv 2501.14723", rules_text.shortest),
    "majority": Rule("self-consistency, arXiv 2203.11171, over classes of equivalent patches", rules_text.majority),
    "medoid": Rule("minimum Bayes risk, Kumar and Byrne 2004, by words in common", rules_text.medoid),
    "agreement": learning(
        "raters of unknown accuracy, Dawid and Skene 1979, with similarity in place of equality", rules_text.agreement
    ),
    "paper votes": Rule("CodeMonkeys, arXiv 2501.14723, section 2.3", rules_tests.paper_votes, ("edited",)),
    "votes": Rule(
        "votes of CodeMonkeys, by valid tests that discriminate between candidates", rules_tests.votes, ("edited",)
    ),
    "votes without own": Rule(
        "votes, without tests written together with the candidate", rules_tests.votes_without_own, ("edited",)
    ),
    "dual agreement": Rule("CodeT, arXiv 2207.10397", rules_tests.dual_agreement, ("edited",)),
    "agentless": Rule("Agentless, arXiv 2407.01489", rules_tests.agentless, ("breaks",)),
    "tests then agreement": Rule(
        "ours: signals of Agentless, votes first, similarity for equality",
        rules_tests.tests_then_agreement,
    ),
    "agreement then tests": Rule(
        "R2E-Gym's hybrid, arXiv 2504.07164, with similarity as its execution-free score",
        rules_tests.agreement_then_tests,
        ("edited",),
    ),
    "hybrid": Rule("R2E-Gym's hybrid, arXiv 2504.07164", rules_tests.hybrid, ("scores", "edited")),
    "best of majority": Rule("Best-of-Majority, ICLR 2026", rules_tests.best_of_majority, ("edited",)),
    "behaviour clusters": Rule(
        "AlphaCode's filter and clusters, arXiv 2203.07814, by results of tests",
        rules_tests.behaviour_clusters,
    ),
    "weaver": learning("Weaver, arXiv 2506.18203", weaver.weaver),
    "weaver of families": learning("Weaver, with one verifier per family", weaver.weaver_of_families),
    "judge": Rule("a prompted verifier, as in R2E-Gym, arXiv 2504.07164", rules_judges.judge, ("scores",)),
    "top judge": Rule(
        "CodeMonkeys' filter by votes, then a judge", rules_judges.votes_then_judge, ("scores", "edited")
    ),
    "conversation": Rule("CodeMonkeys, arXiv 2501.14723, section 2.3", rules_judges.conversation, ("conversation",)),
    "ballots": Rule("Trae Agent, arXiv 2507.23370", rules_judges.ballots, ("ballots",)),
    "tournament": Rule(
        "Recursive Tournament Voting, arXiv 2604.16529, as a cascade", rules_judges.tournament, ("matches",)
    ),
}
"""Built-in rules: those that read patches alone, then those that use tests, then those that learn or ask a model."""


def rule_names() -> list[str]:
    """Names of the built-in rules, then those of rules that other packages have installed."""
    return list(dict.fromkeys([*RULES, *PLUGGED.names()]))


def all_rules() -> dict[str, Rule]:
    """The built-in rules and those that other packages have installed, by name. Raises BadSettings."""
    return {name: find_rule(name) for name in rule_names()}


def find_rule(name: str, given: str = "") -> Rule:
    """The rule of a name, or at a `module:attribute`. Raises BadSettings listing the rules there are.

    `given`: how the user gave it, for the message; `selection.rule=NAME` if empty.
    """
    if name in RULES:
        return RULES[name]
    if name not in PLUGGED:
        raise BadSettings(
            f"{given or f'selection.rule={name}'}: no such rule; there are: {', '.join(rule_names())}; "
            "one of your own is named as module:attribute"
        )
    return plugged_rule(name)

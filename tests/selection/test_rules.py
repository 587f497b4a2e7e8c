"""Each rule on evidence made by hand, where what it must choose can be told by its source; and what all rules share."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.selection_speed import synthetic
from codemonkeys.selection.evidence import Evidence, Match, ScriptOutcome
from codemonkeys.selection.rules import AGREEMENT, EITHER_TESTS, EXECUTION, RULES
from codemonkeys.selection.rules_tests import behaviour_classes

TOLD = {"+": ScriptOutcome.FIXED, "-": ScriptOutcome.PRESENT, "!": ScriptOutcome.BROKEN, "x": ScriptOutcome.NOT_APPLIED}


def told(row: str) -> tuple[ScriptOutcome, ...]:
    return tuple(TOLD[letter] for letter in row)


def patch(line: str, path: str = "a.py", at: int = 5) -> str:
    return f"--- a/{path}\n+++ b/{path}\n@@ -{at},1 +{at},1 @@\n-old\n+{line}\n"


def evidence(*patches: str, classes: tuple[int, ...] = (), **known: object) -> Evidence:
    whole = Evidence("task", patches, classes or tuple(range(len(patches))))
    return replace(whole, **known)  # type: ignore[arg-type]


def with_tests(original: str, *rows: str, **known: object) -> Evidence:
    patches = [patch("a" * (9 - n)) for n in range(len(rows))]  # later ones are shorter
    return evidence(*patches, original=told(original), edited=tuple(map(told, rows)), **known)  # type: ignore[arg-type]


def best(rule: str, of: Evidence) -> int:
    return RULES[rule].rank(of).order[0]


def test_paper_counts_every_pass_and_ours_only_that_of_tests_that_found_the_issue() -> None:
    seen = with_tests("-++!", "+---", "-+++", "-++-")
    assert RULES["paper votes"].rank(seen).order == (1, 2, 0)
    assert RULES["votes"].rank(seen).order[0] == 0


def test_ties_of_votes_go_to_the_shorter_then_the_earlier() -> None:
    assert RULES["votes"].rank(with_tests("--", "+-", "-+", "--")).order == (1, 0, 2)
    same = evidence(patch("a"), patch("b"), original=told("-"), edited=(told("+"), told("+")))
    assert RULES["votes"].rank(same).order == (0, 1)


def test_confidence_of_votes_is_over_tests_that_tell_candidates_apart() -> None:
    seen = RULES["votes"].rank(with_tests("---", "++-", "+--", "+--"))
    assert seen.order[0] == 0 and seen.confidence == 1.0
    nothing = RULES["votes"].rank(with_tests("--", "+-", "+-"))
    assert nothing.confidence == 0.0 and "no test tells" in nothing.reason


def test_own_tests_do_not_vote_for_their_candidate_or_its_equals() -> None:
    seen = with_tests("---", "+--", "-++", "---", own=(0, 1, 2))
    assert best("votes without own", seen) == 1
    twins = with_tests("---", "++-", "++-", "--+", own=(0, 1, 2), classes=(0, 0, 2))
    assert RULES["votes without own"].rank(twins).order == (2, 0)


def test_dual_agreement_multiplies_candidates_by_tests() -> None:
    """Four that pass one test lose to three that pass two: 4 against 6."""
    seen = with_tests("---", "+--", "+--", "+--", "+--", "-++", "-++", "-++")
    assert best("dual agreement", seen) == 6
    assert RULES["dual agreement"].rank(seen).confidence == pytest.approx(6 / 21)


def test_agentless_takes_the_least_broken_that_pass_then_the_most_frequent_then_the_earliest() -> None:
    rows = ("+", "-", "-", "+", "+", "+")
    seen = with_tests("-", *rows, classes=(0, 1, 1, 3, 4, 4), regressions=9, breaks=(1, 0, 0, 0, 0, 0))
    assert RULES["agentless"].rank(seen).order == (4, 3, 1, 0)
    untested = replace(seen, original=(), edited=())
    assert RULES["agentless"].rank(untested).order == (1, 4, 3, 0)


def test_hybrid_cuts_by_the_judge_first_then_regressions_votes_and_the_judge() -> None:
    rows = ("++", "++", "+-", "+-", "--", "--", "--", "--")
    scores = (0.1, 0.9, 0.8, 0.85, 0.7, 0.2, 0.1, 0.1)
    seen = with_tests("--", *rows, scores=scores, regressions=3, breaks=(0, 1, 0, 0, 0, 0, 0, 0))
    assert RULES["hybrid"].rank(seen).order[:4] == (3, 2, 4, 1)
    few = with_tests("--", "++", "--", scores=(0.1, 0.9))
    assert best("hybrid", few) == 0, "three are kept at least"


def test_hybrid_keeps_half_of_the_samples_not_of_the_distinct_candidates() -> None:
    """Ten samples, five of which wrote the first: it and nothing else is the half that the judge rates highest."""
    classes = (0, 0, 0, 0, 0, 5, 6, 7, 8, 9)
    rows = ("-",) * 5 + ("+", "+", "-", "-", "-")
    scores = (0.9,) * 5 + (0.8, 0.7, 0.2, 0.2, 0.1)
    seen = with_tests("-", *rows, classes=classes, scores=scores)
    assert RULES["hybrid"].rank(seen).order[:3] == (0, 5, 6)
    assert RULES["hybrid"].rank(replace(seen, by_samples=False)).order[0] == 5, "as tasks that were judged before"
    fewer = replace(seen, classes=(0, 0, 2, 2, 4, 5, 6, 7, 8, 9), scores=(0.9, 0.9, 0.85, 0.85, *scores[4:]))
    assert RULES["hybrid"].rank(fewer).order[:3] == (0, 4, 2), "two, one and two are five of ten"


def test_tests_then_agreement_lets_regressions_settle_ties_only() -> None:
    seen = with_tests("--", "++", "+-", "+-", regressions=5, breaks=(2, 0, 0))
    assert best("tests then agreement", seen) == 0
    assert best("tests then agreement", with_tests("-", "+", "+", regressions=5, breaks=(1, 0))) == 1
    untested = evidence(patch("a b c"), patch("a b d"), patch("x", "b.py"), regressions=1, breaks=(1, 0, 0))
    assert best("tests then agreement", untested) == 1
    for nothing in ({}, {"edited": ((), ())}, {"edited": ((), ()), "breaks": (None, None)}):
        ranking = RULES["tests then agreement"].rank(evidence(patch("a"), patch("b"), **nothing))
        assert ranking.order == () and ranking.reason == "no test ran"


def test_best_of_majority_leaves_out_rare_behaviour_unless_all_is_rare() -> None:
    seen = with_tests("---", "+++", "++-", "++-", "---")
    assert best("best of majority", seen) == 2
    assert best("best of majority", with_tests("---", "+++", "++-", "---")) == 0


def test_behaviour_clusters_are_of_candidates_that_pass_most_scripts_one_of_each_first() -> None:
    """The largest is of those that fail most; of equal size, votes and then regressions decide."""
    seen = with_tests("----", "++++", "+++-", "+++-", "----", "----", "----")
    assert RULES["behaviour clusters"].rank(seen).order == (1, 0, 2, 3, 4, 5)
    assert best("behaviour clusters", with_tests("--", "+-", "++")) == 1
    seen = with_tests("--", "++", "++", "++", regressions=5, breaks=(2, 1, None))
    assert RULES["behaviour clusters"].rank(seen).order == (1, 0, 2)
    twice = with_tests("---", "+++", "++-", "++-", classes=(0, 1, 1))
    assert RULES["behaviour clusters"].rank(twice).order == (1, 0), "how many wrote it counts"
    untested = evidence(patch("a"), patch("b"), regressions=1, breaks=(1, 0))
    assert best("behaviour clusters", untested) == 1


def test_behaviour_makes_candidates_equal_where_it_is_known() -> None:
    seen = with_tests("--", "+-", "+-", "-+", "+-", regressions=2, breaks=(0, 0, 0, 1))
    assert behaviour_classes(seen) == (0, 0, 2, 3)
    assert behaviour_classes(replace(seen, breaks=(0, None, 0, None))) == (0, 1, 2, 3)
    assert behaviour_classes(replace(seen, original=(), edited=(), classes=(0, 1, 1, 3))) == (0, 1, 1, 3)


def test_majority_takes_the_largest_class_and_its_first() -> None:
    ranking = RULES["majority"].rank(evidence(patch("a"), patch("bb"), patch("b b"), classes=(0, 1, 1)))
    assert ranking.order == (1, 0)
    assert ranking.confidence == pytest.approx(2 / 3)


def test_random_takes_each_candidate_as_often_and_the_same_again() -> None:
    of = [replace(evidence(*map(patch, "abcd"), classes=(0, 0, 2, 3)), task=f"task {n}") for n in range(600)]
    chosen = [best("random", e) for e in of]
    assert chosen == [best("random", e) for e in of]
    assert 250 < chosen.count(0) < 350  # two of four candidates
    assert chosen.count(1) == 0


def test_judge_alone_and_after_the_votes() -> None:
    seen = with_tests("--", "--", "+-", "+-", "+-", scores=(0.9, 0.2, None, 0.5))
    assert RULES["judge"].rank(seen).order == (0, 3, 1, 2)
    assert RULES["top judge"].rank(seen).order == (3, 1, 2, 0)


def test_conversation_is_what_it_chose() -> None:
    of = evidence(*map(patch, "abc"), classes=(0, 1, 1))
    assert RULES["conversation"].rank(replace(of, conversation=(2,))).order == (1,)
    none = RULES["conversation"].rank(replace(of, conversation=(None,)))
    assert none.order == ()


def test_ballots_end_early_and_ties_are_no_confidence() -> None:
    of = evidence(*map(patch, "abc"))
    early = RULES["ballots"].rank(replace(of, ballots=(1, 1, 1, 0, 0)))
    assert (early.order[0], early.confidence) == (1, 1.0)
    tie = RULES["ballots"].rank(replace(of, ballots=(2, 0, 0, 2)))
    assert (tie.order, tie.confidence) == ((2, 0), 0.0)
    none = RULES["ballots"].rank(replace(of, ballots=(None, None, 1)))
    assert none.order == () and "none" in none.reason


ROWS = st.sampled_from(sorted(TOLD))


def any_match(count: int) -> st.SearchStrategy[Match]:
    """A match among some of so many candidates, equal ones and empty ones too."""
    positions = st.integers(0, count - 1)
    groups = st.lists(positions, min_size=1, max_size=3, unique=True).map(tuple)
    votes = st.lists(st.none() | positions, max_size=4).map(tuple)
    return st.builds(
        lambda number, group, votes: Match(number, group, votes, group[0]), st.integers(1, 3), groups, votes
    )


@st.composite
def any_evidence(draw: st.DrawFn) -> Evidence:
    """Evidence of any kind and any gaps, as long as it is well formed."""
    count, tests = draw(st.integers(0, 6)), draw(st.integers(0, 4))

    def each(of: st.SearchStrategy[object], length: int = count) -> tuple[object, ...]:
        return tuple(draw(st.lists(of, min_size=length, max_size=length)))

    patches = each(st.sampled_from(["", " \n", "no diff", *map(patch, ("a", "b", "a b", "c d e"))]))
    first = {p: patches.index(p) for p in patches}
    of = Evidence("task", patches, tuple(first[p] for p in patches))  # type: ignore[arg-type]
    known: dict[str, tuple[object, ...]] = {
        "sources": each(st.sampled_from("uvw")),
        "original": each(st.sampled_from(list(ScriptOutcome)), tests),
        "own": each(st.none() | st.integers(0, max(tests - 1, 0)) if tests else st.none()),
        "approved": each(st.booleans()),
        "breaks": each(st.none() | st.integers(0, 3)),
        "scores": each(st.none() | st.floats(0, 1)),
        "ballots": each(st.none() | st.integers(0, count - 1), 3) if count else (),
        "conversation": each(st.none() | st.integers(0, count - 1), 1) if count else (),
        "matches": each(any_match(count), 3) if count else (),
    }
    known["edited"] = tuple(each(st.sampled_from(list(ScriptOutcome)), tests) for _ in range(count))
    kept = draw(st.sets(st.sampled_from(sorted(known))))
    if not {"original", "edited"} <= kept:
        kept -= {"original", "edited", "own"}
    return replace(of, regressions=4 if "breaks" in kept else 0, **{name: known[name] for name in kept})  # type: ignore[arg-type]


def test_with_evidence_of_every_kind_every_rule_has_something_to_rank_by() -> None:
    """That of the benchmark of their speed, which would not end otherwise."""
    pool = synthetic(tasks=6, count=5)
    for name, rule in RULES.items():
        fitted = rule.fit(pool)
        assert any(fitted.rank(evidence).order for evidence in pool), name


@settings(max_examples=150, deadline=None)
@given(st.lists(any_evidence(), max_size=4))
def test_every_rule_orders_distinct_candidates_that_change_something_or_says_why_not(pool: list[Evidence]) -> None:
    for name, rule in RULES.items():
        fitted = rule.fit(pool)
        for of in pool:
            ranking = fitted.rank(of)
            assert ranking == fitted.rank(of)
            assert 0.0 <= ranking.confidence <= 1.0, name
            assert ranking.reason or name == "random", name
            assert len(set(ranking.order)) == len(ranking.order), name
            if name not in ("conversation", "ballots"):  # what a model chose is what it was shown
                for k in ranking.order:
                    assert of.classes[k] == k and of.patches[k].strip(), name
                    assert not of.edited or not of.edited[k] or set(of.edited[k]) != {ScriptOutcome.NOT_APPLIED}, name


UNTESTED = (*EITHER_TESTS, "weaver", "weaver of families")
"""Rules that need no one kind of evidence, but some."""


def test_rules_abstain_without_the_evidence_that_they_need() -> None:
    bare = evidence(patch("a"), patch("b"))
    for name, rule in RULES.items():
        ranking = rule.rank(bare)
        assert bool(ranking.order) == (not rule.needs and name not in UNTESTED), name
        assert rule.source and (ranking.order or ranking.confidence == 0.0)
    assert RULES[AGREEMENT].pooled and not RULES[EXECUTION].pooled
    assert not RULES[AGREEMENT].fit([bare]).pooled


def test_naming_the_rules_needs_no_heavy_library() -> None:
    program = "import sys, codemonkeys.selection.rules; print([n for n in ('numpy', 'scipy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_page_describes_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "selection.md").read_text()
    assert re.findall(r"^\| `([\w ]+)` \|", page.split("## Agreement")[0], re.M) == list(RULES)


def test_a_tournament_is_won_by_the_one_that_nobody_beats() -> None:
    four = evidence(patch("aaaa"), patch("bbb"), patch("cc"), patch("d"))
    first = (Match(1, (0, 3), (3, 3), 3), Match(1, (1, 2), (1, 2, 1, 1), 1, whole=True))
    found = RULES["tournament"].rank(replace(four, matches=(*first, Match(2, (1, 3), (3, 3, None, 3), 3, whole=True))))
    # Of those beaten in one round, the one with the larger share of votes precedes.
    assert found.order == (3, 1, 2, 0) and found.confidence == 0.75
    assert found.reason == "won 2 matches, with at least 3 of 4 votes"
    tied = RULES["tournament"].rank(replace(four, matches=(*first, Match(2, (1, 3), (3, 1, 3, 1), 1, whole=True))))
    assert tied.order[:2] == (1, 3) and tied.confidence == 0.0
    unfinished = RULES["tournament"].rank(replace(four, matches=first))
    assert set(unfinished.order[:2]) == {1, 3} and unfinished.confidence == 0.0
    assert unfinished.reason == "one of 2 that no other has beaten"

"""How long the selection rules take on evidence in memory; used by `python -m benchmarks.selection`."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

from codemonkeys.selection.evidence import Evidence, Match, ScriptOutcome
from codemonkeys.selection.rules import RULES
from codemonkeys.selection.text_equivalence import text_classes


def synthetic(tasks: int, count: int, seed: int = 0) -> list[Evidence]:
    """Random evidence of every kind: patches of a dozen lines, ten tests, scores, ballots, a tournament."""
    dice = random.Random(seed)
    names = [f"name{n}" for n in range(200)]
    return [_synthetic(f"task-{n}", count, dice, names) for n in range(tasks)]


def _synthetic(task: str, count: int, dice: random.Random, names: Sequence[str]) -> Evidence:
    def patch() -> str:
        start = dice.randrange(1, 60)
        lines = [f"{sign}    {' = '.join(dice.choices(names, k=6))}" for sign in "------++++++"]
        return "\n".join(["--- a/a.py", "+++ b/a.py", f"@@ -{start},6 +{start},6 @@", *lines, ""])

    patches = tuple(patch() for _ in range(count))
    sources = tuple(f"system{n}" for n in range(count))
    edited = tuple(tuple(dice.choices([ScriptOutcome.FIXED, ScriptOutcome.PRESENT], k=10)) for _ in patches)
    return Evidence(
        *(task, patches, text_classes(patches), sources, tuple(f"family{n % 4}" for n in range(count))),
        original=tuple(dice.choices([ScriptOutcome.FIXED, ScriptOutcome.PRESENT], k=10)),
        edited=edited,
        own=tuple(range(count)),
        approved=tuple(dice.random() < 0.7 for _ in patches),
        regressions=20,
        breaks=tuple(dice.choice((0, 0, 1, 3)) for _ in patches),
        scores=tuple(dice.random() for _ in patches),
        ballots=tuple(dice.choices(range(count), k=5)),
        conversation=(dice.randrange(count),),
        matches=tuple(_tournament(count, dice)),
    )


def _tournament(count: int, dice: random.Random) -> Iterator[Match]:
    left, played = list(range(count)), 0
    while len(left) > 1:
        played += 1
        pairs = [tuple(left[place : place + 2]) for place in range(0, len(left), 2)]
        left = [dice.choice(pair) for pair in pairs]
        yield from (Match(played, pair, (winner,), winner) for pair, winner in zip(pairs, left, strict=True))


def speed(tasks: int = 500, count: int = 10) -> float:
    """Seconds for all rules in sequence, with the evidence in memory."""
    pool = synthetic(tasks, count)
    start = time.perf_counter()
    for rule in RULES.values():
        fitted = rule.fit(pool)
        rankings = [fitted.rank(evidence) for evidence in pool]
        # Of random evidence a rule that filters verifiers may keep too few.
        assert any(ranking.order for ranking in rankings)
    return time.perf_counter() - start

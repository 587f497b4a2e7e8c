"""Whether pruned beams pay: to begin more trajectories than are gone on with, against plain sampling at equal dollars.

    python -m benchmarks.search [--data FOLDER] [--home FOLDER] [--no-execution] [--tasks N]

Two parts, as no stored run has both real first edits and what further turns make of them:

*executed*: real submissions on the runnable tasks that have right and wrong ones stand for first edits. All evidence is
of executions; what is kept of random pools is compared with what as many plain samples hold. Further turns change
nothing of them, so this tells how well executions prune, and no more.

*simulated*: how likely trajectories are right after 1 to 8 calls, by task, and what calls cost, are fitted to the
CodeMonkeys paper (arXiv 2501.14723, figure 5, read off its curves, and table 1); how often tests err is assumed.

Settings are chosen on four fifths of the tasks and counted on the others. Ends with one line
`RESULT executed_gain= ci_low= ci_high= simulated_gain= simulated_low= simulated_high=`: the share of tasks that a beam
resolves at equal dollars, less that of plain sampling, with 95 % intervals over tasks.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.decisive import expected
from benchmarks.selection_cases import Case
from codemonkeys.report.resampling import subset
from codemonkeys.report.statistics import Interval, bootstrap
from codemonkeys.report.tuning import FOLDS, folds
from codemonkeys.selection.rules import EXECUTION
from codemonkeys.selection.rules_base import passed, valid_tests

EDITS = tuple(dollars / 500 for dollars in (35, 58, 77, 92, 105, 117, 127, 137))
"""US dollars of an edit conversation with at most so many calls (figure 5)."""
TEST = 439.99 / 5000
"""US dollars of a test conversation (table 1)."""
ONE = (27.9, 37.5, 40.8, 42.8, 43.9, 44.6, 45.2, 45.8)
TEN = (50.4, 63.0, 65.4, 68.0, 68.6, 68.6, 69.4, 69.8)
"""Percent of tasks that one edit, or any of ten, resolves after so many calls (figure 5)."""
PAPER = ((5, 1, 44.1), (5, 2, 56.2), (5, 4, 61.3), (3, 8, 59.1), (10, 1, 50.4), (10, 8, 69.8))
"""Trajectories, calls, and percent of tasks that any resolves: the simulation has to come near."""
DEARER = (1, 16)
"""How many times what they cost in the paper calls after the first edit are taken to cost."""
MOST = 10
TURNS = (1, 2, 4, 8)
POOL = 6
"""First edits of a pool of real submissions."""
POOLS = 200
BEGUN = (TEST + EDITS[0]) / (TEST + EDITS[3])
"""What a first edit costs, of a trajectory of 4 calls."""


class Config(NamedTuple):
    """How many trajectories begin, how many go on, and to which call."""

    begun: int
    kept: int
    turns: int

    def usd(self, dearer: float) -> float:
        """Mean cost of a task, if calls after the first cost so many times what they cost in the paper."""
        return self.begun * (TEST + EDITS[0]) + self.kept * dearer * (EDITS[self.turns - 1] - EDITS[0])

    @property
    def is_plain(self) -> bool:
        """Whether nothing is pruned."""
        return self.begun == self.kept


class Simulated(NamedTuple):
    """A task: for each trajectory, the call after which it is right, and how it behaves until then."""

    right_from: tuple[int, ...]
    """More than 8 for one that never is."""
    wrong_way: tuple[int, ...]
    passes: tuple[tuple[bool, ...], ...]
    """By way to behave, of which the first is right, what each of five tests says."""

    def way(self, trajectory: int, turns: int) -> int:
        """How a trajectory behaves after so many calls."""
        return 0 if self.right_from[trajectory] <= turns else self.wrong_way[trajectory]


def chances(turns: int, dice: random.Random, tasks: int) -> list[float]:
    """Probabilities that an edit is right after so many calls, of tasks from the hardest: a Beta fitted to figure 5."""
    mean, ten = ONE[turns] / 100, TEN[turns] / 100
    low, high = 1e-3, 1e3
    for _ in range(60):
        total = (low * high) ** 0.5
        none = prod((total * (1 - mean) + n) / (total + n) for n in range(10))
        low, high = (total, high) if 1 - none < ten else (low, total)
    return sorted(dice.betavariate(total * mean, total * (1 - mean)) for _ in range(tasks))


def simulate(tasks: int, right_pass: float, wrong_pass: float, seed: int = 0) -> list[Simulated]:
    """Tasks as the paper's; one that is harder after one call is so after all. Wrong edits behave in five ways."""
    dice, found = random.Random(seed), []
    for of_task in zip(*(chances(turns, dice, tasks) for turns in range(len(ONE))), strict=True):
        grown = list(accumulate(of_task, max))
        right_from = tuple(1 + sum(chance < end for chance in grown) for end in (dice.random() for _ in range(MOST)))
        passes = tuple(tuple(dice.random() < (wrong_pass if way else right_pass) for _ in range(5)) for way in range(6))
        found.append(Simulated(right_from, tuple(dice.randint(1, 5) for _ in range(MOST)), passes))
    return found


def resolved(task: Simulated, config: Config, prune: Callable[[Simulated, int], list[int]]) -> tuple[float, float]:
    """Probability that what is chosen is right, over ties, and whether any candidate is, pruned ones included."""
    kept = set(prune(task, config.begun)[: config.kept])
    ways = [task.way(n, config.turns if n in kept else 1) for n in range(config.begun)]
    alike: dict[tuple[bool, ...], list[int]] = {}
    for way in ways:
        alike.setdefault(task.passes[way], []).append(way)
    best = max(alike, key=lambda said: (sum(said), len(alike[said])))
    return alike[best].count(0) / len(alike[best]), float(0 in ways)


def by_executions(task: Simulated, begun: int) -> list[int]:
    """First edits by the tests that they pass."""
    return sorted(range(begun), key=lambda n: -sum(task.passes[task.way(n, 1)]))


def in_order(_: Simulated, begun: int) -> list[int]:
    """First edits as they come: pruned blindly."""
    return list(range(begun))


Table = dict[Config, list[float]]
"""By configuration, the probability to resolve each task."""
CONFIGS = [
    *(Config(begun, begun, turns) for begun in range(1, MOST + 1) for turns in TURNS),
    *(
        Config(begun, kept, turns)
        for begun in range(2, MOST + 1)
        for kept in range(1, begun)
        for turns in TURNS
        if turns > 1
    ),
]


def best(table: Table, usd: float, dearer: float, tasks: Sequence[int]) -> Config:
    """What resolves most of some tasks for at most so much."""
    fits = [config for config in table if config.usd(dearer) <= usd * (1 + 1e-9)]
    return max(fits, key=lambda config: sum(table[config][n] for n in tasks))


def gained(beams: Table, plain: Table, usd: float, dearer: float) -> Interval:
    """What the best beam gains over the best plain sampling for at most so much, each chosen on other folds."""
    fold_of = folds([str(n) for n in range(len(next(iter(plain.values()))))], 0)
    found = []
    for fold in range(FOLDS):
        others = [n for n, f in enumerate(fold_of) if f != fold]
        one, other = (table[best(table, usd, dearer, others)] for table in (beams, plain))
        found += [one[n] - other[n] for n, f in enumerate(fold_of) if f == fold]
    return bootstrap(found)


def show_simulated(name: str, tasks: Sequence[Simulated]) -> Interval:
    """Print what plain sampling and beams resolve by cost; returns the gain at that of six trajectories of 4 calls."""
    found = {
        prune.__name__: {config: [resolved(task, config, prune)[0] for task in tasks] for config in CONFIGS}
        for prune in (by_executions, in_order)
    }
    plain = {config: values for config, values in found["in_order"].items() if config.is_plain}
    print(f"\nsimulated, {name}: {len(tasks)} tasks; the best of plain sampling by cost, and what the best beam gains")
    print(f"{'later calls':>11} {'USD a task':>10} {'plain (begun, kept, calls)':>27} {'resolved':>8}", end="")
    print(f"  {'beam by executions':^37}  {'pruned blindly':^37}")
    middle = None
    for dearer in DEARER:
        for begun in (2, 4, 6, 8, 10):
            usd = Config(begun, begun, 4).usd(dearer)
            first = best(plain, usd, dearer, range(len(tasks)))
            print(
                f"{f'x {dearer:g}':>11} {usd:10.2f} {tuple(first)!s:>27} {sum(plain[first]) / len(tasks):8.1%}", end=""
            )
            for kind, table in found.items():
                beams = {config: values for config, values in table.items() if not config.is_plain}
                gain = gained(beams, plain, usd, dearer)
                chosen = best(beams, usd, dearer, range(len(tasks)))
                print(
                    f"  {tuple(chosen)!s:>11} {gain.value:+6.1%} ({gain.low:+.1%} to {gain.high:+.1%})".ljust(39),
                    end="",
                )
                if (dearer, begun, kind) == (1, 6, "by_executions"):
                    middle = gain
            print()
    assert middle is not None
    return middle


def executed_cases(folder: Path, home: Path) -> list[Case]:
    """The runnable tasks that have right and wrong candidates, with what tests say of each."""
    from benchmarks.executed import candidates_of, collect_all, contested

    tasks = {task.id: task for task in contested(folder / "task_repo")}
    return [
        Case(inputs.evidence, tuple(bool(candidates_of(tasks[task])[row]["resolved"]) for row in rows))
        for task, (inputs, rows) in collect_all(tasks.values(), home).items()
    ]


def only(case: Case, kept: Sequence[int]) -> Case:
    """A case with some of its candidates alone."""
    return Case(subset(case.evidence, kept), tuple(case.verdicts[k] for k in kept))


def show_executed(cases: Sequence[Case]) -> Interval:
    """Print how executions prune pools of real edits; returns what half of a pool gains on plain samples."""
    print(f"\nexecuted: {len(cases)} tasks, {POOLS} pools of {POOL} first edits of each; kept alone are chosen among")
    print(
        f"{'kept':>4} {'holds a right one':>18} {'blindly':>8} {'plain samples':>14} {'resolved, beam':>15} "
        f"{'plain':>7}  gain"
    )
    middle = None
    for kept in range(1, POOL):
        equal = POOL * BEGUN + kept * (1 - BEGUN)
        holds, blind, beam, plain = ([0.0] * len(cases) for _ in range(4))
        for n, case in enumerate(cases):
            dice = random.Random(f"{n} {kept}")
            of, scripts = case.evidence, valid_tests(case.evidence)
            for _ in range(POOLS):
                order = dice.sample(range(len(case.verdicts)), min(POOL, len(case.verdicts)))
                best = sorted(order, key=lambda k: (-passed(of, k, scripts), of.breaks[k] or 0 if of.breaks else 0))
                chosen = best[:kept]
                drawn = dice.sample(range(len(case.verdicts)), min(len(case.verdicts), drawn_number(equal, dice)))
                holds[n] += any(case.verdicts[k] for k in chosen) / POOLS
                blind[n] += any(case.verdicts[k] for k in order[:kept]) / POOLS
                beam[n] += expected(only(case, sorted(chosen)), EXECUTION) / POOLS
                plain[n] += expected(only(case, sorted(drawn)), EXECUTION) / POOLS
        gain = bootstrap([one - other for one, other in zip(beam, plain, strict=True)])
        means = [sum(values) / len(cases) for values in (holds, blind, beam, plain)]
        print(
            f"{kept:4} {means[0]:18.1%} {means[1]:8.1%} {equal:14.2f} {means[2]:15.1%} {means[3]:7.1%}  "
            f"{gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})"
        )
        middle = gain if kept == POOL // 2 else middle
    assert middle is not None
    return middle


def drawn_number(mean: float, dice: random.Random) -> int:
    """A whole number of samples that is so many on average."""
    return int(mean) + (dice.random() < mean % 1)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("CODEMONKEYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--home", type=Path, help="folder of environments; by default one that is removed")
    parser.add_argument("--no-execution", action="store_true")
    parser.add_argument("--tasks", type=int, default=1_000, help="simulated tasks")
    given = parser.parse_args()
    sound, weak = simulate(given.tasks, 0.9, 0.2), simulate(given.tasks, 0.8, 0.45)
    for begun, turns, coverage in PAPER:
        mean = sum(resolved(task, Config(begun, begun, turns), in_order)[1] for task in sound) / len(sound)
        print(f"coverage of {begun} trajectories of {turns} calls: {mean:.1%}, in the paper {coverage} %")
    simulated = show_simulated("sound tests", sound)
    show_simulated("weak tests", weak)
    executed = Interval(float("nan"), float("nan"), float("nan"))
    if not given.no_execution:
        with TemporaryDirectory() as scratch:
            executed = show_executed(executed_cases(given.data, given.home or Path(scratch)))
    print(
        f"RESULT executed_gain={executed.value:.3f} ci_low={executed.low:.3f} ci_high={executed.high:.3f} "
        f"simulated_gain={simulated.value:.3f} simulated_low={simulated.low:.3f} simulated_high={simulated.high:.3f}"
    )


if __name__ == "__main__":
    main()

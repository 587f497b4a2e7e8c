"""Whether compute goes where it pays: `marginal` against `fixed` at equal dollars, on candidates of real systems.

    python -m benchmarks.compute [--data FOLDER] [--home FOLDER] [--no-execution] [--draws N]

The samples of a task are the fifteen submissions on SWE-bench Lite, drawn in random orders, each at the same price;
what they really cost is not known. They have no test results, so what `marginal` goes by is equal text. Beside them
the candidates of the seven tasks that run here and have right and wrong ones, with test results, and simulated tasks
whose success rates are distributed as in the CodeMonkeys paper, with sound and with weak tests.

Thresholds and calibrations are chosen on four fifths of the tasks and counted on the others. The cost ratio is what
`marginal` costs relative to ten samples of `fixed`, at the cheapest threshold that resolves no less on the other folds.
Ends with one line `RESULT cost_ratio_at_equal_resolved= ci_low= ci_high=`, of Lite, with a 95 % interval over tasks.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.selection_cases import Case, lite
from codemonkeys.report.resampling import GradedTask, Trajectory
from codemonkeys.report.statistics import Interval, bootstrap
from codemonkeys.report.tuning import FOLDS, calibration_of, folds
from codemonkeys.report.tuning_outcomes import Config, Outcomes, Thresholds, outcomes
from codemonkeys.selection.evidence import Evidence, ScriptOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 10
"""Of `fixed`, which the others are compared with: the default."""
THRESHOLDS: Thresholds = {
    "marginal": [{"selection.sample_cost": cost} for cost in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06)],
    "stop": [{"selection.wrong_worth": worth} for worth in (-0.05, -0.25, -1.0)],
    "first-finish": [{"compute.agreeing": count} for count in (1, 2, 3)],
}
ROUNDS = 1_000
MOST_CALLS = 8
"""Of a simulated trajectory."""


class Comparison(NamedTuple):
    """A policy against `fixed`, cross-validated."""

    ratio: Interval
    """Its cost relative to that of `fixed`."""
    gained: Interval
    """Share of tasks that it resolves, less that of `fixed`."""


def tasks_of(cases: Sequence[Case], calls: Callable[[], int] = lambda: 1) -> list[GradedTask]:
    """Candidates as trajectories of so many calls, which cost 1 on average."""
    mean = (2 + MOST_CALLS) / 2
    found = []
    for case in cases:
        made = [(k, calls()) for k in range(len(case.verdicts))]
        each = {k: (1.0,) if number == 1 else (1 / mean,) * number for k, number in made}
        trajectories = tuple(Trajectory(k, "edit", {"edit": usd}, k) for k, usd in each.items())
        found.append(GradedTask(case.evidence.task, case.evidence, case.verdicts, trajectories))
    return found


def simulated(
    tasks: int, right_pass: float, wrong_pass: float, seed: int = 0, samples: int = SAMPLES, tests: int = 5
) -> list[GradedTask]:
    """Tasks of the paper's distribution; right candidates behave alike, wrong ones in five ways.

    `right_pass`, `wrong_pass`: probability of a way to behave that is right, or wrong, to pass each of the tests.
    """
    dice, cases = random.Random(seed), []
    for n in range(tasks):
        chance = dice.betavariate(0.252, 0.298)
        right = tuple(dice.random() < chance for _ in range(samples))
        ways = [0 if good else dice.randint(1, 5) for good in right]
        said = {
            way: tuple(
                ScriptOutcome.FIXED if dice.random() < (wrong_pass if way else right_pass) else ScriptOutcome.PRESENT
                for _ in range(tests)
            )
            for way in sorted(set(ways))
        }
        first: dict[int, int] = {}
        evidence = Evidence(
            *(f"task-{n}", tuple(f"patch {way}" for way in ways)),
            tuple(first.setdefault(way, k) for k, way in enumerate(ways)),
            original=(ScriptOutcome.PRESENT,) * tests,
            edited=tuple(said[way] for way in ways),
            own=(None,) * samples,
            approved=(True,) * samples,
        )
        cases.append(Case(evidence, right))
    return tasks_of(cases, lambda: dice.randint(2, MOST_CALLS))


def played(tasks: Sequence[GradedTask], rule: str, draws: int, timed: bool) -> tuple[Outcomes, list[int]]:
    """What each number of samples and each policy comes to, calibrated on the other folds; and the folds.

    `timed`: it is known when trajectories end.
    """
    fold_of = folds([task.id for task in tasks], 0)
    others = [[t for t, f in zip(tasks, fold_of, strict=True) if f != fold] for fold in range(FOLDS)]
    measured = [calibration_of(each) for each in others]
    thresholds = {policy: tried for policy, tried in THRESHOLDS.items() if timed or policy != "first-finish"}
    found = outcomes(tasks, [measured[fold] for fold in fold_of], draws, 0, [rule], thresholds)
    return found, fold_of


def compare(found: Outcomes, fold_of: Sequence[int], choose: Callable[[Config], bool]) -> Comparison:
    """The cheapest of some points that resolves no less than `fixed` on other folds, counted on each fold."""
    import numpy as np

    configs = [config for config in found.resolved if choose(config)]
    (fixed,) = (c for c in found.resolved if c.policy == "fixed" and c.samples == SAMPLES)
    resolved, usd = (np.stack([table[c] for c in configs]) for table in (found.resolved, found.usd))
    base, price = found.resolved[fixed], found.usd[fixed]
    fold, dice = np.array(fold_of), np.random.default_rng(0)

    def cross_validated(drawn: NDArray[Any]) -> tuple[float, float]:
        cost = gained = 0.0
        for number in range(FOLDS):
            train, test = drawn[fold[drawn] != number], drawn[fold[drawn] == number]
            if not len(train):  # All that is drawn lies in this fold: there is nothing to choose by.
                cost += float(price[test].sum())
                continue
            good = resolved[:, train].mean(axis=1) >= base[train].mean() - 1e-9
            spent = np.where(good, usd[:, train].mean(axis=1), np.inf)
            if np.isfinite(spent).any():
                best = int(np.argmin(spent))
                cost += float(usd[best, test].sum())
                gained += float((resolved[best, test] - base[test]).sum())
            else:  # Nothing is as good: what is compared with is drawn itself.
                cost += float(price[test].sum())
        return cost / float(price[drawn].sum()), gained / len(drawn)

    everyone = np.arange(len(fold_of))
    rounds = [cross_validated(dice.choice(everyone, len(everyone))) for _ in range(ROUNDS)]
    value = cross_validated(everyone)
    ratio, gained = (sorted(each) for each in zip(*rounds, strict=True))
    low, high = int(0.025 * ROUNDS), int(0.975 * ROUNDS)
    return Comparison(Interval(value[0], ratio[low], ratio[high]), Interval(value[1], gained[low], gained[high]))


def show(name: str, tasks: Sequence[GradedTask], rule: str, draws: int, timed: bool = False) -> Comparison:
    """Print what each number of samples and each policy comes to; returns how `marginal` compares."""
    found, fold_of = played(tasks, rule, draws, timed)
    print(f"\n{name}: {len(tasks)} tasks, chosen by {rule!r}, {draws} orders of each")
    print(f"{'':44} {'samples':>8} {'resolved':>9}  95 % interval")
    for config in found.resolved:
        share, cost = bootstrap([*map(float, found.resolved[config])]), found.usd[config].mean()
        label = f"fixed {config.samples}" if config.policy == "fixed" else config.words().partition(f"{rule}, ")[2]
        print(f"{label:44} {cost:8.2f} {share.value:9.1%}  {share.low:5.1%} to {share.high:5.1%}")
    print(f"at equal resolved as fixed {SAMPLES}, chosen on other folds:")
    results = {}
    for policy in dict.fromkeys(config.policy for config in found.resolved):
        compared = compare(found, fold_of, lambda c, policy=policy: c.policy == policy and c.samples >= 1)  # type: ignore[misc]
        results[policy] = compared
        (ratio, low, high), (gained, least, most) = compared
        print(
            f"  {policy:14} cost ratio {ratio:.3f} ({low:.3f} to {high:.3f}), resolved {gained:+.1%} "
            f"({least:+.1%} to {most:+.1%})"
        )
    return results["marginal"]


def executed_tasks(folder: Path, home: Path) -> list[GradedTask]:
    """The runnable tasks that have right and wrong candidates, with what tests say of each."""
    from benchmarks.executed import candidates_of, collect_all, contested

    tasks = {task.id: task for task in contested(folder / "task_repo")}
    cases = []
    for task, (inputs, rows) in collect_all(tasks.values(), home).items():
        made = candidates_of(tasks[task])
        cases.append(Case(inputs.evidence, tuple(bool(made[row]["resolved"]) for row in rows)))
    return tasks_of(cases)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("CODEMONKEYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--home", type=Path, help="folder of environments and evidence; by default one that is removed")
    parser.add_argument("--no-execution", action="store_true")
    parser.add_argument("--draws", type=int, default=10)
    given = parser.parse_args()
    show("simulated, sound tests", simulated(300, 0.9, 0.2), "behaviour clusters", given.draws, timed=True)
    show("simulated, weak tests", simulated(300, 0.8, 0.45), "behaviour clusters", given.draws, timed=True)
    if not given.no_execution:
        with TemporaryDirectory() as scratch:
            tasks = executed_tasks(given.data, given.home or Path(scratch))
            show("executed", tasks, "behaviour clusters", given.draws)
    found = show("SWE-bench Lite", tasks_of(lite(given.data)), "medoid", given.draws)
    ratio, low, high = found.ratio
    print(f"RESULT cost_ratio_at_equal_resolved={ratio:.3f} ci_low={low:.3f} ci_high={high:.3f}")


if __name__ == "__main__":
    main()

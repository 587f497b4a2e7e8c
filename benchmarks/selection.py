"""How well each selection rule chooses: by texts alone on SWE-bench Lite, and with real execution on runnable tasks.

    python -m benchmarks.selection [--data FOLDER] [--home FOLDER] [--no-execution]

No rule sees a verdict, and no number in a rule was fitted to one. Ends with one line
`RESULT label_free= executed= best_execution_free= rules_s= pools5_executed= pools5_best_execution_free=
pools10_executed= pools10_best_execution_free= decisive= shortlisted=`: the score of the agreement rule on Lite; on the
runnable tasks that have right and wrong candidates the scores of the execution rule and of the best rule without
execution; the seconds that all rules take on 500 tasks of 10 candidates; the two scores again as means over random
pools of five and ten of a task's candidates (a run draws ten by default), since one choice for each of seven tasks
decides little; how many choices of the execution rule are right by expectation over ties, and how many shortlists hold
a right candidate.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.decisive import print_decisions
from benchmarks.selection_cases import POOLS, Case, lite, pools, without_tests
from benchmarks.selection_speed import speed
from codemonkeys.report.statistics import TaskScore, bootstrap, bootstrap_of, oracle, random_score, recovery, score
from codemonkeys.selection.agreement import competences, support
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.rules import AGREEMENT, EXECUTION, RULES

WITHOUT_EXECUTION = ("random", "shortest", "majority", "medoid", "agreement", "weaver", "weaver of families")

POOL_SIZES = (5, 10)


def scores(cases: Sequence[Case], rule: str) -> tuple[list[TaskScore], int, float]:
    """A rule's result on each case, how often it abstained, and how long it took, in seconds."""
    start = time.perf_counter()
    pool = [case.evidence for case in cases]
    fitted = RULES[rule].fit(pool)
    rankings = [fitted.rank(evidence) for evidence in pool]
    seconds = time.perf_counter() - start
    found = [
        TaskScore(random_score(case.verdicts), float(score(ranking, case.verdicts)), float(oracle(case.verdicts)))
        for case, ranking in zip(cases, rankings, strict=True)
    ]
    return found, sum(not ranking.order for ranking in rankings), seconds


def table(cases: Sequence[Case], rules: Sequence[str], each: int = 1) -> dict[str, float]:
    """Print what each rule reaches, with intervals over resampled tasks; not of a rule that always abstains.

    `each`: how many cases in a row belong to one task.
    """
    print(f"{'rule':22} {'score':>6}  95 % interval   recovered  95 % interval   abstained  seconds")
    reached = {}
    for n, rule in enumerate(rules):
        found, abstained, seconds = scores(cases, rule)
        tasks = by_task(found, each)
        if n == 0:
            _print_bound("expected at random", [task.random for task in tasks])
            _print_bound("oracle", [task.oracle for task in tasks])
        if abstained == len(cases):
            continue
        mean = bootstrap([task.selected for task in tasks])
        share = bootstrap_of(tasks, recovery)
        reached[rule] = mean.value
        print(
            f"{rule:22} {mean.value:6.1%}  {mean.low:5.1%} to {mean.high:5.1%}  {share.value:9.1%}  "
            f"{share.low:5.1%} to {share.high:5.1%}  {abstained:10}  {seconds:7.2f}"
        )
    return reached


def by_task(found: Sequence[TaskScore], each: int) -> list[TaskScore]:
    """The mean result of each task, for a fixed number of consecutive cases per task."""
    return [_mean(found[start : start + each]) for start in range(0, len(found), each)]


def _mean(results: Sequence[TaskScore]) -> TaskScore:
    return TaskScore(*(sum(column) / len(results) for column in zip(*results, strict=True)))


def _print_bound(name: str, values: Sequence[float]) -> None:
    found = bootstrap(values)
    print(f"{name:22} {found.value:6.1%}  {found.low:5.1%} to {found.high:5.1%}")


def gap(cases: Sequence[Case]) -> None:
    """Print where the agreement rule falls behind the best single system. This looks at verdicts; no rule does."""
    pool = [case.evidence for case in cases]
    known = competences(pool)
    right: dict[str, set[str]] = {name: set() for name in known}
    for case in cases:
        for source, verdict in zip(case.evidence.sources, case.verdicts, strict=True):
            if verdict:
                right[source].add(case.evidence.task)
    best = max(right, key=lambda name: len(right[name]))
    rule = RULES[AGREEMENT].fit(pool)
    print(f"\nBest single system: {best}, {len(right[best]) / len(cases):.1%}")
    print("competence found without labels, relative to 1, and true score:")
    for name in sorted(known, key=lambda name: -known[name]):
        print(f"  {name:40} {known[name]:5.2f}  {len(right[name]) / len(cases):6.1%}")
    print("tasks by how many families resolve them: agreement, best single system")
    families = dict(zip(*_families(cases), strict=True))
    for count in range(len(set(families.values())) + 1):
        some = [c for c in cases if len({families[n] for n in right if c.evidence.task in right[n]}) == count]
        chosen = sum(score(rule.rank(case.evidence), case.verdicts) for case in some)
        print(
            f"  {count} families, {len(some):3} tasks: {chosen:3} {sum(c.evidence.task in right[best] for c in some):3}"
        )
    print(f"agreement weighted by true scores, from nine tenths of the tasks for the tenth: {_with_truth(cases):.1%}")


def _families(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    pairs = sorted({pair for c in cases for pair in zip(c.evidence.sources, c.evidence.families, strict=True)})
    return [source for source, _ in pairs], [family for _, family in pairs]


def _with_truth(cases: Sequence[Case], folds: int = 10) -> float:
    """The same vote with competence taken from verdicts on other tasks."""
    order = list(cases)
    random.Random(0).shuffle(order)
    chosen = 0
    for fold in range(folds):
        others = [case for n, case in enumerate(order) if n % folds != fold]
        said: dict[str, list[bool]] = {}
        for case in others:
            for source, verdict in zip(case.evidence.sources, case.verdicts, strict=True):
                said.setdefault(source, []).append(verdict)
        rates = {source: (sum(found) + 1) / (len(found) + 2) for source, found in said.items()}
        mean = sum(rates.values()) / len(rates)
        weights: Mapping[str, float] = {source: rate / mean for source, rate in rates.items()}
        for case in order[fold::folds]:
            sums = support(case.evidence, weights)
            chosen += bool(sums) and case.verdicts[max(range(len(sums)), key=sums.__getitem__)]
    return chosen / len(cases)


def executed(folder: Path, home: Path) -> tuple[list[Case], list[SelectionInput]]:
    """The runnable tasks that have right and wrong candidates, with evidence by real execution."""
    from benchmarks.executed import candidates_of, collect_all, contested

    tasks = {task.id: task for task in contested(folder / "task_repo")}
    cases, collected = [], []
    for task, (inputs, rows) in collect_all(tasks.values(), home).items():
        found = candidates_of(tasks[task])
        case = Case(inputs.evidence, tuple(bool(found[row]["resolved"]) for row in rows))
        if len(set(case.verdicts)) > 1:
            cases.append(case)
            collected.append(inputs)
    return cases, collected


def compare(cases: Sequence[Case], each: int = 1) -> tuple[float, float]:
    """Print what rules reach without execution and with it; the execution rule's score, and the best one without."""
    print("without execution")
    bare = [without_tests(case) for case in cases]
    without = table(bare, WITHOUT_EXECUTION, each)
    best = max(without, key=without.__getitem__)
    print("with execution")
    using = [rule for rule in RULES if rule not in WITHOUT_EXECUTION or rule.startswith("weaver")]
    executed = table(cases, using, each)[EXECUTION]
    pairs = zip(by_task(scores(cases, EXECUTION)[0], each), by_task(scores(bare, best)[0], each), strict=True)
    more = bootstrap([one.selected - other.selected for one, other in pairs])
    print(f"{EXECUTION}, less {best} without execution: {more.value:+.1%}, {more.low:+.1%} to {more.high:+.1%}")
    return executed, without[best]


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("CODEMONKEYS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default, help="folder with ensemble/, datasets/ and task_repo/")
    parser.add_argument("--home", type=Path, help="where environments and evidence of tasks are kept")
    parser.add_argument("--no-execution", action="store_true", help="leave out what needs a sandbox")
    arguments = parser.parse_args()
    cases = lite(Path(arguments.data))
    print(f"SWE-bench Lite: {len(cases)} tasks, {sum(len(c.verdicts) for c in cases)} candidates, texts alone")
    label_free = table(cases, WITHOUT_EXECUTION)[AGREEMENT]
    gap(cases)
    seconds = speed()
    print(f"\nAll {len(RULES)} rules on 500 tasks of 10 candidates: {seconds:.1f} s")
    nothing = (float("nan"), float("nan"))
    whole, drawn, decisive = nothing, dict.fromkeys(POOL_SIZES, nothing), nothing
    if not arguments.no_execution:
        with TemporaryDirectory() as empty:
            contested, collected = executed(Path(arguments.data), arguments.home or Path(empty))
        print("\nWhat decides each task")
        decisive = print_decisions(contested, collected)
        print(f"\n{len(contested)} runnable tasks with right and wrong candidates, all candidates")
        whole = compare(contested)
        for size in POOL_SIZES:
            print(f"\nThe same tasks, {POOLS} random pools of {size} of each one's candidates")
            drawn[size] = compare([pool for case in contested for pool in pools(case, size)], POOLS)
    of_pools = (
        f"pools{size}_executed={using:.3f} pools{size}_best_execution_free={without:.3f}"
        for size, (using, without) in drawn.items()
    )
    print(
        f"RESULT label_free={label_free:.3f} executed={whole[0]:.3f} best_execution_free={whole[1]:.3f} "
        f"rules_s={seconds:.2f} {' '.join(of_pools)} decisive={decisive[0]:.2f} shortlisted={decisive[1]}"
    )


if __name__ == "__main__":
    main()

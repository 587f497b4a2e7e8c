"""Sections on quality: context recall, coverage, turns, selection rules. What it cost stands beside each number."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.grading.recall import LIMITS
from codemonkeys.report.overview.drawing import Caption, Line, Point, chart, intervals, round_ticks
from codemonkeys.report.overview.facts import Results
from codemonkeys.report.overview.paths import labels_of
from codemonkeys.report.rule_results import AS_RUN
from codemonkeys.report.savings import generation_cost
from codemonkeys.report.sections import Section
from codemonkeys.report.statistics import Interval, pass_at_k
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.report.study import SYSTEMS, is_ensemble
from codemonkeys.report.study_tables import by_score, interval_cells, missing
from codemonkeys.report.tables import dollars
from codemonkeys.report.tests_and_turns import after_turn, judged_turns
from codemonkeys.stages import STAGES, base_stage, choice_of


def cost_of_phase(stored: StoredRun, phase: str) -> float | None:
    """US dollars of all stages of a phase, those of named choices left out; None if a price is unknown."""
    total = Cost()
    for stage, cost in stored.costs.items():
        if not choice_of(stage) and base_stage(stage) in STAGES and STAGES[base_stage(stage)].phase == phase:
            total = total.plus(cost)
    return total.usd


def recall_section(results: Results) -> Section:
    """Context recall, in all and by context size, with where files were lost."""
    title = "Context recall"
    if isinstance(results.recalls, str):
        return Section(title, (), (), (), (f"Left out: {results.recalls}.",))
    recalls = results.recalls
    if not recalls:
        return Section(
            title, (), (), (), ("Left out: no task has a chosen context and a reference patch of source files.",)
        )
    usd = dollars(cost_of_phase(results.stored, "context"))
    whole = sum(not recall.lost for recall in recalls)
    sized = [recall for recall in recalls if recall.by_limit]
    held = [(limit, sum(recall.by_limit[limit] for recall in sized)) for limit in LIMITS] if sized else []
    rows = [
        *((f"{limit:,} tokens", str(count), f"{count / len(sized):.0%}", "") for limit, count in held),
        ("as it was", str(whole), f"{whole / len(recalls):.0%}", usd),
    ]
    lost = [f"{r.task}: {path} was lost ({why})." for r in recalls for path, why in r.lost.items()]
    points = [Point(limit / 1000, count / len(sized)) for limit, count in held]
    figure = ""
    if points:
        caption = Caption(
            "recall",
            "Context recall by context size",
            f"Share of {len(sized)} tasks whose context, cut at a size, holds every file of the reference patch.",
        )
        ticks = [(limit / 1000, str(limit // 1000)) for limit in LIMITS]
        figure = chart(caption, [Line("recall", points, "c1")], ticks, "context size, thousands of tokens")
    headers = ("context of at most", "tasks", "share", "cost of context")
    said = f"{whole} of {len(recalls)} contexts hold every source file that the reference patch edits, for {usd}."
    return Section(title, headers, tuple(rows), headers[1:], (said, *lost[:LOST]), figure=figure)


LOST = 20
"""Most lost files that are listed."""


def coverage_section(results: Results) -> Section:
    """Coverage by number of samples, which is pass@k, with what so many samples cost."""
    study, what = results.study, "candidates" if is_ensemble(results.stored) else "samples"
    title = f"Coverage by number of {what}{' (pass@k)' * (what == 'samples')}"
    if not study.coverage:
        return Section(title, (), (), (), (f"Left out: {why_not_covered(results)}",))
    drawn = study.coverage[-1][0]
    context, generation = cost_of_phase(results.stored, "context"), generation_cost(results.stored).usd
    tasks = max(1, len(results.facts.tasks))

    def usd(k: int) -> str:
        if context is None or generation is None:
            return dollars(None)
        return dollars((context + generation * k / drawn) / tasks)

    forecast = bool(study.forecast)
    rows = [(str(k), *interval_cells(share), usd(k), *["drawn"] * forecast) for k, share in study.coverage]
    rows += [(str(k), *interval_cells(share), usd(k), "forecast") for k, share in study.forecast]
    lines = [line_of("drawn", study.coverage, "c1")]
    lines += [line_of("forecast", (study.coverage[-1], *study.forecast), "c4")] if study.forecast else []
    numbers = [k for k, _ in (*study.coverage, *study.forecast)]
    step = max(1, len(numbers) // 8)
    caption = Caption(
        "coverage",
        f"Coverage by number of {what}",
        f"Share of tasks with a correct candidate: {study.coverage[0][1].value:.0%} with one, "
        f"{study.coverage[-1][1].value:.0%} with {drawn}. The band is the 95 % interval over tasks.",
    )
    figure = chart(caption, lines, [(float(k), str(k)) for k in numbers[::step]], f"{what} per task")
    headers = (what, "coverage", "95 %", "cost per task", *["how"] * forecast)
    said = [
        f"Any candidate is right in {study.coverage[-1][1].value:.1%} of the tasks that count, with {drawn} {what}. "
        "Costs are those of context and samples, without selection."
    ]
    said += [f"No forecast of more samples: {study.no_forecast}."] if study.no_forecast else []
    return Section(title, headers, tuple(rows), headers[:4], tuple(said), figure=figure)


def line_of(label: str, intervals: Sequence[tuple[int, Interval]], style: str) -> Line:
    """Coverage as a line with its band."""
    return Line(label, [Point(k, share.value, share.low, share.high) for k, share in intervals], style)


def why_not_covered(results: Results) -> str:
    """Why there is no coverage, and what gives it."""
    name = results.study.run
    if results.verdicts is None:
        return f"the run was not evaluated. codemonkeys evaluate {name} grades what was chosen."
    return f"not all candidates have a verdict. codemonkeys study {name} --grade candidates grades them."


def turns_section(results: Results) -> Section:
    """Coverage by number of samples and of turns, over what they cost."""
    title = "Samples and turns"
    stored, verdicts = results.stored, results.verdicts
    judged = judged_turns(stored, labels_of(results), verdicts) if verdicts is not None else {}
    if is_ensemble(stored):
        return Section(title, (), (), (), (f"Left out: {SYSTEMS}.",))
    if not judged:
        why = why_not_covered(results).replace("--grade candidates", "--grade turns")
        return Section(title, (), (), (), (f"Left out: {why if verdicts is None else needs_turns(results)}",))
    tasks: dict[str, list[list[bool]]] = {**judged, **{task: [] for task in stored.without}}
    most = max(len(trajectories) for trajectories in tasks.values())
    longest = max(len(trajectory) for trajectories in tasks.values() for trajectory in trajectories)
    context = cost_of_phase(stored, "context")
    paid = costs_of_samples(results, longest)
    rows, lines = [], []
    for turn in range(longest):
        points = []
        for k in range(1, most + 1):
            share = sum(covered(trajectories, k, turn) for trajectories in tasks.values()) / len(tasks)
            usd = None
            if context is not None and paid is not None:
                begun = context / max(1, len(results.facts.tasks))
                usd = begun + k * sum(paid[task][turn] for task in tasks if task in paid) / len(tasks)
            points.append(Point(usd or 0.0, share))
            rows.append((str(turn + 1), str(k), f"{share:.1%}", dollars(usd)))
        lines.append(Line(f"{turn + 1} turn{'s' * (turn > 0)}", points, f"c{min(turn + 1, 6)}"))
    caption = Caption(
        "turns",
        "Coverage by samples and turns, over cost",
        f"Each line has a number of turns; along it, from left to right, 1 to {most} samples.",
    )
    dear = max(point.x for line in lines for point in line.points)
    ticks = [(tick, f"{tick:.3g}") for tick in round_ticks(dear)]
    figure = chart(caption, lines, ticks, "USD per task, context included") if dear else ""
    headers = ("turns", "samples", "coverage", "cost per task")
    said = (
        f"Over {len(tasks)} tasks whose edits all have verdicts, or that have no candidate. A turn is a model call of "
        "the test and of the edit conversation; costs are those of context and of so many turns.",
    )
    return Section(title, headers, tuple(rows), headers, said, figure=figure)


def needs_turns(results: Results) -> str:
    """What gives verdicts on edits of earlier turns."""
    name = results.study.run
    return f"edits of earlier turns have no verdict. codemonkeys study {name} --grade turns grades them."


def covered(trajectories: Sequence[Sequence[bool]], k: int, turn: int) -> float:
    """pass@k of a task after a turn; with fewer trajectories, of all of them."""
    if not trajectories:
        return 0.0
    right = sum(after_turn(trajectory, turn) for trajectory in trajectories)
    return pass_at_k(len(trajectories), right, min(k, len(trajectories)))


def costs_of_samples(results: Results, turns: int) -> dict[str, list[float]] | None:
    """By task, US dollars of one sample up to each turn, on average over its samples; None if a price is unknown."""
    samples: dict[str, set[int]] = {}
    totals: dict[str, list[float]] = {}
    for (task, sample, turn), usd in results.facts.turns.items():
        if usd is None:
            return None
        samples.setdefault(task, set()).add(sample)
        up_to = totals.setdefault(task, [0.0] * turns)
        for later in range(turn, turns):
            up_to[later] += usd
    return {task: [usd / len(samples[task]) for usd in up_to] for task, up_to in totals.items()}


def rules_section(results: Results) -> Section:
    """Selection rules side by side, with their intervals and costs."""
    study = results.study
    scored = any(row.score is not None for row in study.rules)
    rows = []
    for row in by_score(study):
        cells = [*interval_cells(row.score), *interval_cells(row.recovered)] if scored else []
        usd = dollars(row.cost.usd) if row.cost.calls else dollars(0.0)
        rows.append((row.name, *cells, str(row.abstained), f"{row.as_run:.0%}", usd, str(row.cost.executions)))
    headers = (
        *("rule", *("score", "95 %", "recovered", "95 % of it") * scored),
        *("abstains", "agrees with run", "cost of evidence", "executions"),
    )
    said = [f"{study.tasks} tasks count: with candidates and complete evidence, or ended without a candidate."]
    if study.random is not None and study.oracle is not None:
        said.append(
            f"A random candidate is right in {study.random.value:.1%}, a perfect choice in {study.oracle.value:.1%}; "
            "recovered is the share of this gap that a rule closes."
        )
    if not scored:
        said.append(f"Scores are left out: {why_not_covered(results)}")
    said += [f"{why[:1].upper()}{why[1:]}: {', '.join(names)}." for why, names in missing(study).items()]
    return Section("Selection rules", headers, tuple(rows), headers[1:], tuple(said), figure=rules_figure(results))


def rules_figure(results: Results) -> str:
    """Scores of the rules with their intervals; none without scores."""
    study = results.study
    rows = [
        (row.name, *row.score, "c2" if row.name == AS_RUN else "c1") for row in by_score(study) if row.score is not None
    ]
    if not rows:
        return ""
    bounds = [("random", study.random.value)] if study.random else []
    bounds += [("any right", study.oracle.value)] if study.oracle else []
    told = ", ".join(f"{name} {value:.0%}" for name, value, *_ in rows[:3])
    caption = Caption(
        "rules", "Score of each selection rule", f"Best first: {told}. Lines are 95 % intervals over tasks."
    )
    return intervals(caption, rows, bounds)

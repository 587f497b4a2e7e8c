"""What a graded run says of kinds of tasks and of the errors of tests: the numbers that policies else assume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from codemonkeys.compute.beliefs import supported
from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files
from codemonkeys.report.forecast import SuccessDistribution, fit
from codemonkeys.report.layers import merged
from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import StoredRun, read_run
from codemonkeys.report.verdict_sources import Verdicts, add_stored
from codemonkeys.selection.evidence import Evidence
from codemonkeys.settings import Settings
from codemonkeys.wording import setting

KINDS = 10
"""Kinds of tasks, equally frequent."""
FEWEST = 10
"""Graded tasks that a calibration needs."""


@dataclass(frozen=True)
class Calibration:
    """Measured on a graded run."""

    tasks: int
    chances: tuple[float, ...]
    """Probability that a sample is right, by kind of task, the hardest first."""
    accepts_right: float
    """Share of right candidates that tests accept."""
    refuses_wrong: float
    """Share of wrong candidates that they reject."""

    def apply(self, settings: Settings) -> Settings:
        """The settings with what was measured."""
        rates = {"accepts_right": self.accepts_right, "refuses_wrong": self.refuses_wrong}
        selection = settings.selection.model_copy(update=rates)
        compute = settings.compute.model_copy(update={"chances": self.chances})
        return settings.model_copy(update={"selection": selection, "compute": compute})


def calibrate(
    evidence: Mapping[str, Evidence], labels: Mapping[str, Sequence[Verdict]], samples: Mapping[str, int]
) -> Calibration | None:
    """Measure it on the tasks whose candidates all have a verdict; None if these are too few.

    `samples`: trajectories of each task, with or without a candidate; tasks without one may be among them. Candidates
    that are merged from others are no samples. Rates have one right and one wrong decision added, so that none is 0 or
    1.
    """
    graded = [task for task in evidence if None not in labels[task]]
    drawn = {
        task: [labels[task][k] for k in range(len(labels[task])) if not merged(evidence[task], k)] for task in graded
    }
    counts = [(max(samples.get(task, 0), len(drawn[task])), sum(map(bool, drawn[task]))) for task in graded]
    counts += [(number, 0) for task, number in samples.items() if task not in evidence and number]
    if len(counts) < FEWEST or not graded:
        return None
    pairs = [pair for task in graded for pair in zip(supported(evidence[task]), labels[task], strict=True)]
    right = [taken for taken, verdict in pairs if verdict]
    wrong = [taken for taken, verdict in pairs if not verdict]
    return Calibration(
        tasks=len(counts),
        chances=chances_of(fit(counts)),
        accepts_right=round((sum(right) + 1) / (len(right) + 2), 4),
        refuses_wrong=round((len(wrong) - sum(wrong) + 1) / (len(wrong) + 2), 4),
    )


def chances_of(fitted: SuccessDistribution) -> tuple[float, ...]:
    """Means of the equally frequent parts of a distribution, in rising order."""
    from scipy.stats import beta

    alpha, other = fitted.alpha, fitted.beta
    bounds = [float(beta(alpha, other).ppf(n / KINDS)) for n in range(KINDS + 1)]
    # The mean within bounds of a Beta variable is by the distribution function of the one with alpha + 1.
    below = [alpha / (alpha + other) * float(beta(alpha + 1, other).cdf(bound)) for bound in bounds]
    means = [KINDS * (high - low) * fitted.ceiling for low, high in zip(below, below[1:], strict=False)]
    return tuple(round(min(1.0, max(0.0, mean)), 4) for mean in means)


def calibration_of(run: StoredRun, verdicts: Verdicts) -> Calibration | None:
    """What a stored run says; None if too few of its tasks are graded."""
    labels = {task: verdicts.of_candidates(found) for task, found in run.evidence.items()}
    known = {**dict.fromkeys(run.without, 0), **run.samples}
    samples = {task: drawn for task, drawn in known.items() if task in run.evidence or task in run.without}
    return calibrate(run.evidence, labels, samples)


def calibrated(settings: Settings, folders: Sequence[Path]) -> Settings:
    """The settings, with the numbers of the run that `compute.from_study` names; as they are, if it names none.

    `folders`: in which runs are looked for by name. Raises BadInput if there is no such run, or its verdicts are too
    few.
    """
    named = settings.compute.from_study
    if named is None:
        return settings
    places = [Path(named) / "run.db", *(folder / named / "run.db" for folder in folders)]
    database = next((place for place in places if place.is_file()), None)
    if database is None:
        raise run_files.no_run(named, folders)
    with run_files.reading(database) as connection:
        run, verdicts = read_run(connection), Verdicts()
        add_stored(verdicts, connection)
    found = calibration_of(run, verdicts)
    if found is None:
        few = len({*run.evidence, *run.without}) < FEWEST
        runs, name = database.parent.parent, database.parent.name
        grade = f"grade its candidates with `codemonkeys study {name} --grade candidates --runs {quote(str(runs))}`"
        raise BadInput(
            f"{setting('compute.from_study', named)}: fewer than {FEWEST} tasks of that run are graded; "
            f"{'name a run of which more tasks have ended' if few else grade}, or leave the setting out"
        )
    return found.apply(settings)

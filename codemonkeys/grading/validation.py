"""Validates environments: the hidden tests must fail without a fix and pass with the reference fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.grading.containers import ContainerGrader, EngineContainers, Way
from codemonkeys.grading.evaluation import Grader
from codemonkeys.grading.layout import remove_logs
from codemonkeys.grading.sandboxed import Job, SandboxGrader
from codemonkeys.grading.splitting import SplitGrader
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.grading.ways import check_parsers, own_ways
from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.predictions import Prediction
from sandboxes.base import Environment, Sandbox


@dataclass(frozen=True)
class Validator:
    """Validates the environments of tasks; a task without a reference fix, as Harbor's, is graded unedited only."""

    keys: Mapping[str, AnswerKey]
    grader: Grader
    folder: Path
    """Logs are written to `ID/unedited` and `ID/fixed` in it."""

    def problems(self, id: str) -> tuple[str, ...]:
        """Problems of a task's environment; none if it is valid. May be called from several threads."""
        key, verdicts = self.keys[id], list[Verdict]()
        for name, patch in (("unedited", ""), *([("fixed", key.patch)] if key.patch else [])):
            log = self.folder / id / name
            remove_logs(log)
            job = Job(Prediction(id, name, patch), key, log)
            self.grader.grade([job], "images check", self.folder, 1, verdicts.append)
        return tuple(_problems(*verdicts))


def open_validator(
    source: str,
    ids: Sequence[str],
    environment: Callable[[str], Environment],
    sandbox: Sandbox,
    folder: Path,
    scripts: Path | None = None,
    own: Callable[[Mapping[str, Way], Mapping[str, AnswerKey]], Grader] | None = None,
) -> Validator:
    """A validator of tasks of a source.

    `scripts`: see `own_ways`; `own`: the grader of tasks that are graded in such ways, by default in containers of this
    machine's engine. Raises BadRecord for a task that cannot be graded.
    """
    keys, ways = load_answer_keys(source, list(ids)), own_ways(source, scripts)
    check_parsers({id: key for id, key in keys.items() if key.log_parser not in ways})
    usual = EngineContainers(lambda id: str(environment(id).image))
    own_grader = ContainerGrader(ways, usual) if own is None else own(ways, keys)
    grader = SplitGrader(ways, own_grader, SandboxGrader(environment, sandbox))
    for key in keys.values():
        grader.check(key)
    return Validator(keys, grader, folder)


def validate(
    source: str,
    tasks: Mapping[str, Task],
    environment: Callable[[str], Environment],
    sandbox: Sandbox,
    folder: Path,
    scripts: Path | None = None,
) -> dict[str, tuple[str, ...]]:
    """Problems of each task's environment, by id, one after another; see `open_validator`."""
    validator = open_validator(source, list(tasks), environment, sandbox, folder, scripts)
    return {id: validator.problems(id) for id in tasks}


def _problems(unedited: Verdict, fixed: Verdict | None = None) -> list[str]:
    found = []
    for verdict, name in ((unedited, "unedited code"), *([(fixed, "reference fix")] if fixed else [])):
        if verdict.outcome is Outcome.INFRASTRUCTURE:
            found.append(f"the {name} could not be graded: {verdict.detail}")
    if unedited.resolved:
        found.append("the hidden tests pass without any fix")
    if fixed and not fixed.resolved and fixed.outcome is not Outcome.INFRASTRUCTURE:
        tests = ", ".join(f"{good} of {good + bad} {name}" for name, (good, bad) in fixed.tests.items())
        said = f" ({tests})" if tests else ""
        found.append(f"the reference fix does not resolve it: {fixed.outcome} {fixed.detail}".strip() + said)
    return found

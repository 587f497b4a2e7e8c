"""Validates environments: the hidden tests must fail without a fix and pass with the reference fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from codemonkeys.grading.containers import ContainerGrader
from codemonkeys.grading.layout import remove_logs
from codemonkeys.grading.sandboxed import Job, SandboxGrader
from codemonkeys.grading.splitting import SplitGrader
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.grading.ways import check_parsers, own_ways
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.predictions import Prediction
from sandboxes.base import Environment, Sandbox


def validate(
    source: str,
    tasks: Mapping[str, Task],
    environment: Callable[[str], Environment],
    sandbox: Sandbox,
    folder: Path,
    scripts: Path | None = None,
) -> dict[str, tuple[str, ...]]:
    """Problems of each task's environment, by id; an empty tuple if it is valid.

    Logs are written to `ID/unedited` and `ID/fixed` in `folder`. `scripts`: see `own_ways`. A task without a reference
    fix, as Harbor's, is graded unedited only.
    """
    keys = load_answer_keys(source, list(tasks))
    ways = own_ways(source, scripts)
    check_parsers({id: key for id, key in keys.items() if key.log_parser not in ways})
    own = ContainerGrader(ways, lambda id: str(environment(id).image))
    grader = SplitGrader(ways, own, SandboxGrader(environment, sandbox))
    problems: dict[str, tuple[str, ...]] = {}
    for id, key in keys.items():
        grader.check(key)
        verdicts: list[Verdict] = []
        for name, patch in (("unedited", ""), *([("fixed", key.patch)] if key.patch else [])):
            log = folder / id / name
            remove_logs(log)
            job = Job(Prediction(id, name, patch), key, log)
            grader.grade([job], "images check", folder, 1, verdicts.append)
        problems[id] = tuple(_problems(*verdicts))
    return problems


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

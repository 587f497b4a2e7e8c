"""Whether an environment can grade: without a fix the hidden tests do not pass, with the reference fix they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from codemonkeys.grading.layout import forget
from codemonkeys.grading.sandboxed import Job, SandboxGrader
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.predictions import Prediction
from sandboxes.base import Environment, Sandbox


def validate(
    source: str, tasks: Mapping[str, Task], environment: Callable[[str], Environment], sandbox: Sandbox, folder: Path
) -> dict[str, tuple[str, ...]]:
    """What is wrong with the environments of tasks, by id; an empty tuple: nothing.

    Logs are left in `folder`, in `ID/unedited` and `ID/fixed`.
    """
    keys = load_answer_keys(source, list(tasks))
    grader = SandboxGrader(environment, sandbox)
    problems: dict[str, tuple[str, ...]] = {}
    for id, key in keys.items():
        grader.check(key)
        verdicts: list[Verdict] = []
        for name, patch in (("unedited", ""), ("fixed", key.patch)):
            log = folder / id / name
            forget(log)
            verdicts.append(grader.grade_one(Job(Prediction(id, name, patch), key, log)))
        problems[id] = tuple(_problems(*verdicts))
    return problems


def _problems(unedited: Verdict, fixed: Verdict) -> list[str]:
    found = []
    for verdict, name in ((unedited, "unedited code"), (fixed, "reference fix")):
        if verdict.outcome is Outcome.INFRASTRUCTURE:
            found.append(f"the {name} could not be graded: {verdict.detail}")
    if unedited.resolved:
        found.append("the hidden tests pass without any fix")
    if not fixed.resolved and fixed.outcome is not Outcome.INFRASTRUCTURE:
        tests = ", ".join(f"{good} of {good + bad} {name}" for name, (good, bad) in fixed.tests.items())
        said = f" ({tests})" if tests else ""
        found.append(f"the reference fix is not found to resolve it: {fixed.outcome} {fixed.detail}".strip() + said)
    return found

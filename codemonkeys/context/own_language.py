"""Whether test scripts of a task can be written in its repository's language: tried once, in its environment."""

from __future__ import annotations

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.script_languages import launchers_of, trial_script, working
from codemonkeys.engine.scripts import ScriptKind, limits_of
from codemonkeys.engine.work import Work
from codemonkeys.keys import StepKey
from codemonkeys.stages import ENVIRONMENT
from sandboxes.base import Script

TRIAL = "script"
"""Part of the step that tries which scripts run."""


async def choose_script(work: Work) -> ScriptKind | None:
    """The kind of test script in the repository's language that runs in a task's environment; None for the usual ones.

    It comes before the step that describes the environment: a task that has that one and no trial was begun by a
    version without trials, and goes on as it began. Raises ExecutionFailed, RunInterrupted.
    """
    launchers = launchers_of(work.task.language)
    described, tried = StepKey(work.task.id, ENVIRONMENT.name), StepKey(work.task.id, ENVIRONMENT.name, part=TRIAL)
    stored = work.journal.executions.stored
    if not launchers or work.is_begun_by_older:
        return None
    if stored(tried) is None and (work.settings.model is None or stored(described) is not None):
        return None
    limits = limits_of(work.settings.sandbox)
    script = Script(trial_script(launchers, limits.seconds), "scripts.sh", ("bash",))
    done = await work.steps.executions.run(tried, ExecutionRequest(work.environment, script, None, limits))
    return working(launchers, done.output)

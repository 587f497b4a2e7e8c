"""Tries an environment with a trivial script, before a call is paid for scripts that could not run there."""

from __future__ import annotations

from codemonkeys.engine.scripts import could_tell, limits_of, script_kind
from codemonkeys.errors import EnvironmentFailed
from codemonkeys.settings import SandboxSettings
from codemonkeys.tasks.base import Task
from codemonkeys.wording import option
from sandboxes.base import Environment, Sandbox, Script

NOTHING = {"Python": "pass\n", "Bash": ":\n"}
"""A script that does nothing, by language."""
SHOWN = 300
"""Characters shown of what a trivial script printed."""


def try_environment(task: Task, environment: Environment, sandbox: Sandbox, settings: SandboxSettings) -> None:
    """Run a script that does nothing, as test scripts will be run; blocks. Raises EnvironmentFailed if it fails."""
    kind = script_kind(task)
    script = Script(NOTHING[kind.language], kind.name, kind.launch)
    result = sandbox.run(environment, script, None, limits_of(settings))
    if could_tell(result):
        return
    ended = f"ended with exit code {result.exit_code}" if result.exit_code is not None else str(result.reason)
    said = " ".join((result.detail or result.output).split())[-SHOWN:]
    raise EnvironmentFailed(
        f"{task.id}: scripts do not run in its environment: `{kind.command}` with an empty script: {ended}"
        f"{f' ({said})' if said else ''}. Install {kind.runner[0]} there, or name another place: "
        f"{option('venv', 'FOLDER')} or {option('image', 'NAME')}"
    )

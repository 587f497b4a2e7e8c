"""CodeMonkeys takes real software issues and returns patches that resolve them.

import codemonkeys

settings = codemonkeys.load_settings(["generation.samples=4"], model="fake")
summary = await codemonkeys.solve("tasks.jsonl", settings, ids=["pallets__flask-5014"], name="flask")
for task in codemonkeys.open_run("runs/flask").tasks():
    print(task.id, task.state, task.patch)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from codemonkeys import errors
from codemonkeys.errors import CodeMonkeysError

if TYPE_CHECKING:
    from codemonkeys.api import (
        Event,
        Prediction,
        Run,
        Settings,
        Stop,
        Summary,
        Task,
        Verdict,
        Work,
        ensemble,
        evaluate,
        load_settings,
        load_tasks,
        local_task,
        open_run,
        open_task,
        resume,
        run_ensemble,
        run_evaluate,
        run_resume,
        run_select,
        run_sleep,
        run_solve,
        select,
        sleep,
        solve,
    )

__version__ = "0.2.0"

__all__ = [
    "CodeMonkeysError",
    "Event",
    "Prediction",
    "Run",
    "Settings",
    "Stop",
    "Summary",
    "Task",
    "Verdict",
    "Work",
    "__version__",
    "ensemble",
    "errors",
    "evaluate",
    "load_settings",
    "load_tasks",
    "local_task",
    "open_run",
    "open_task",
    "resume",
    "run_ensemble",
    "run_evaluate",
    "run_resume",
    "run_select",
    "run_sleep",
    "run_solve",
    "select",
    "sleep",
    "solve",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that importing the package stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'codemonkeys' has no attribute {name!r}")
    return getattr(import_module("codemonkeys.api"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

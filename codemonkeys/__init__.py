"""CodeMonkeys takes real software issues and returns patches that resolve them.

from pathlib import Path
from codemonkeys import (load_settings, run_session)

settings = load_settings(["generation.samples=4"], model="fake")
summary = run_session("tasks.jsonl", ["pallets__flask-5014"], settings, Path("runs"), "flask")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from codemonkeys.errors import CodeMonkeysError

if TYPE_CHECKING:
    from codemonkeys.runs.session import Summary, run_session
    from codemonkeys.settings import Settings, load_settings
    from codemonkeys.tasks.base import Task
    from codemonkeys.tasks.sources import load_tasks

__version__ = "0.1.0"

__all__ = [
    "CodeMonkeysError",
    "Settings",
    "Summary",
    "Task",
    "__version__",
    "load_settings",
    "load_tasks",
    "run_session",
]

_HOMES = {
    "Settings": "codemonkeys.settings",
    "Summary": "codemonkeys.runs.session",
    "Task": "codemonkeys.tasks.base",
    "load_settings": "codemonkeys.settings",
    "load_tasks": "codemonkeys.tasks.sources",
    "run_session": "codemonkeys.runs.session",
}


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that importing the package stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'codemonkeys' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

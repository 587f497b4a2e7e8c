"""All settings, in one tree: what they are, and where their values come from."""

from codemonkeys.settings.loading import build, load_settings, merge
from codemonkeys.settings.tree import (
    ContextSettings,
    GenerationSettings,
    ModelLimits,
    OperationSettings,
    SandboxSettings,
    SelectionSettings,
    Settings,
)

__all__ = [
    "ContextSettings",
    "GenerationSettings",
    "ModelLimits",
    "OperationSettings",
    "SandboxSettings",
    "SelectionSettings",
    "Settings",
    "build",
    "load_settings",
    "merge",
]

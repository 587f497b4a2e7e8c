"""Settings: one tree, and where its values come from."""

from codemonkeys.settings.agent_settings import AgentSettings
from codemonkeys.settings.compute_settings import ComputeSettings
from codemonkeys.settings.loading import build, given_or_loaded, load_settings, merge
from codemonkeys.settings.model_settings import ModelSettings
from codemonkeys.settings.sandbox_settings import ClusterSettings, SandboxSettings
from codemonkeys.settings.selection_settings import SelectionSettings
from codemonkeys.settings.tree import (
    BatchSettings,
    ContextSettings,
    GenerationSettings,
    ModelLimits,
    OperationSettings,
    Settings,
)

__all__ = [
    "AgentSettings",
    "BatchSettings",
    "ClusterSettings",
    "ComputeSettings",
    "ContextSettings",
    "GenerationSettings",
    "ModelLimits",
    "ModelSettings",
    "OperationSettings",
    "SandboxSettings",
    "SelectionSettings",
    "Settings",
    "build",
    "given_or_loaded",
    "load_settings",
    "merge",
]

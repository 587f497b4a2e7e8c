"""The demo: a real, closed issue of the package humanize, solved with recorded model answers.

Nothing of humanize is packed in here. The set-up takes its last release with the bug and the tests of the release that
fixed it from the package index, and makes a SWE-bench task repository of them, like any official one.
"""

from pathlib import Path

from codemonkeys.demo.task_repository import INSTANCE_ID, build_task_repository

__all__ = ["INSTANCE_ID", "RECORDING", "build_task_repository"]

RECORDING = Path(__file__).parent / "recording.jsonl"
"""The answers of the model, and nothing else of the run."""

"""The demo: a real, closed issue of the package humanize, solved with recorded model answers.

No code of humanize is included here. The set-up downloads the last release with the bug and the tests of the release
that fixed it from the package index, and builds a SWE-bench task repository from them, like any official one.
"""

from pathlib import Path

from codemonkeys.demo.task_repository import INSTANCE_ID, build_task_repository

__all__ = ["INSTANCE_ID", "RECORDING", "build_task_repository"]

RECORDING = Path(__file__).parent / "recording.jsonl"
"""The model's answers; everything else in the demo runs for real."""

"""Whether a virtual environment has what runs the repository's tests, told by its files: nothing of it is executed."""

from __future__ import annotations

from pathlib import Path

from codemonkeys.repository_tests.runners import claiming
from codemonkeys.tasks.base import Checkout
from codemonkeys.tasks.snapshot import Snapshot


def has_pytest(venv: Path) -> bool:
    """Whether pytest is installed in a virtual environment, or may be found outside it."""
    try:
        settings = (venv / "pyvenv.cfg").read_text("utf-8", "replace").replace(" ", "").lower()
    except OSError:
        settings = ""
    return "include-system-site-packages=true" in settings or any(venv.glob("lib*/python*/site-packages/pytest"))


def missing_pytest(checkout: Checkout, commit: str, named: str) -> str | None:
    """What to tell a user whose repository has tests for pytest, and whose virtual environment lacks it; else None.

    `named`: the setting `selection.test_runner`. Raises BadInput for a commit that does not exist.
    """
    if checkout.venv is None or has_pytest(checkout.venv):
        return None
    with Snapshot.of_repository(checkout.repository, commit) as snapshot:
        runners = claiming(snapshot, named)
    if not runners or runners[0].name != "pytest":
        return None
    return (
        f"{checkout.venv} has no pytest: of the repository's own tests only those that unittest can run will tell what "
        f"an edit breaks. To have all of them: {checkout.venv}/bin/python -m pip install pytest"
    )

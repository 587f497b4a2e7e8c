"""The public names of the package, and the errors' one tree."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import codemonkeys
from codemonkeys import errors
from tests.tiny_task import ID, make_task_repository


def test_every_public_name_is_there_and_no_other() -> None:
    for name in codemonkeys.__all__:
        assert getattr(codemonkeys, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = codemonkeys.nothing


@pytest.mark.slow
def test_example_of_the_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    source = make_task_repository(tmp_path / "tasks")
    (task,) = codemonkeys.load_tasks(source)
    settings = codemonkeys.load_settings(["generation.samples=1"], model="fake")
    summary = codemonkeys.run_solve(source, settings, ids=[task.id], runs=tmp_path / "runs", name="first")
    assert (task.id, summary.predicted, summary.waiting, summary.spent) == (ID, 1, 0, 0)


def test_errors_form_the_tree_that_is_drawn() -> None:
    classes = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    assert errors.__doc__ is not None
    for name, kind in classes.items():
        assert issubclass(kind, errors.CodeMonkeysError)
        assert name in errors.__doc__, name
        assert kind.__doc__ and kind.__doc__.endswith("."), name

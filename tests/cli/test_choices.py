"""Sandboxes, models and rules that other packages have installed: listed, checked, selected by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codemonkeys.selection.rules import RULES
from tests.cli.command import Done, codemonkeys
from tests.plugins import install
from tests.tiny_task import make_task_repository

CODE = """
from codemonkeys.models import open_model as ours
from codemonkeys.selection.evidence import Ranking
from sandboxes import Backend, local

def first(evidence):
    return Ranking((0,), 0.5, "the first, by the installed rule")

def open_model(spec, operation):
    return ours("fake", operation)

BACKEND = Backend(lambda run, **options: local.LocalSandbox(), lambda: None, "folders")
AWAY = Backend(lambda run, **options: local.LocalSandbox(), lambda: "It is away: call it back.", "image")
"""
ENTRY_POINTS = {
    "codemonkeys.sandboxes": "near = outside_plugin:BACKEND\naway = outside_plugin:AWAY\nbroken = outside_plugin:GONE",
    "codemonkeys.task_sources": "mine = outside_plugin:SOURCE",
    "codemonkeys.models": "parrot = outside_plugin:open_model",
    "codemonkeys.rules": "first = outside_plugin:first\nlost = no_such_module:rule",
}


class Place:
    """A way to call commands where a package with plug-ins is installed."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.site = install(folder / "site", CODE, ENTRY_POINTS)
        self.source = make_task_repository(folder / "tasks")

    def __call__(self, *arguments: str | Path) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder, PYTHONPATH=str(self.site))


# Packages that are installed for a test are seen by new processes only.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Place:
    return Place(tmp_path_factory.mktemp("choices"), shared_home)


def test_settings_list_every_component(place: Place) -> None:
    choices = json.loads(place("settings", "--json").out)["choices"]
    assert choices["task sources"][-1] == "mine" and "task_repository" in choices["task sources"]
    assert choices["sandboxes"] == ["local", "docker", "here", "ray-local", "ray-docker", "away", "broken", "near"]
    assert choices["models"] == ["fake", "replay", "parrot"]
    assert choices["selection rules"] == [*RULES, "first", "lost"]
    shown = place("settings").out
    for word in ("near", "parrot", "any litellm name", "first", "--sandbox", "--model", "-c selection.rule="):
        assert word in shown


def test_doctor_loads_each_component_and_reports_errors(place: Place) -> None:
    done = place("doctor", "--json")
    checks = {check["name"]: (check["verdict"], check["detail"]) for check in json.loads(done.out)}
    assert done.code == 0 and checks["sandbox near"] == ("ok", "works here")
    assert checks["sandbox away"] == ("warning", "It is away: call it back.")
    verdict, detail = checks["sandbox broken"]
    assert verdict == "warning" and "'broken' cannot be loaded" in detail and "outside_plugin:GONE" in detail
    assert checks["models"] == ("ok", "fake, replay, parrot, any litellm name")
    verdict, detail = checks["task sources"]
    assert verdict == "warning" and "has no attribute 'SOURCE'" in detail
    verdict, detail = checks["selection rules"]
    assert verdict == "warning" and "No module named 'no_such_module'" in detail


def test_a_run_uses_them_by_name(place: Place) -> None:
    chosen = ("-m", "parrot", "--sandbox", "near", "-c", "selection.rule=first", "-c", "generation.samples=2")
    done = place("solve", place.source, *chosen, "--run", "plugged", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["tasks"][0]["reason"] == "the first, by the installed rule"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            ("--sandbox", "nowhere"),
            (
                "no sandbox 'nowhere'",
                "local, docker, here, ray-local, ray-docker, away, broken, near",
                "module:attribute",
            ),
        ),
        (("--sandbox", ""), ("sandbox.kind",)),
        (("--sandbox", "broken"), ("'broken' cannot be loaded",)),
        (("-c", "sandbox.kind=outside_plugin:first"), ("not sandboxes.Backend",)),
        (("-c", "selection.rule=frist"), ("selection.rule=frist: no such rule", "random", "first")),
        (("-c", "selection.shortlist=outside_plugin:BACKEND"), ("neither a Rule nor a function",)),
        (("-m", "outside_plugin:BACKEND"), ("not a function of a name",)),
    ],
)
def test_unusable_components_are_refused_before_anything_is_written(
    place: Place, given: tuple[str, str], words: tuple[str, ...]
) -> None:
    model = () if "-m" in given else ("-m", "fake")
    done = place("solve", place.source, *model, *given, "--run", "refused")
    assert done.code == 2, done.err
    for word in words:
        assert word in done.err
    assert not (place.folder / "runs" / "refused").exists()


def test_a_sandbox_that_does_not_work_is_refused_with_its_reason(place: Place) -> None:
    done = place("solve", place.source, "-m", "fake", "--sandbox", "away", "--run", "refused")
    assert done.code == 1 and "the sandbox away cannot be used: It is away: call it back." in done.err
    assert not (place.folder / "runs" / "refused").exists()


def test_own_repository_runs_in_the_environment_the_sandbox_supports(place: Place) -> None:
    """Without a virtual environment or an image, one that takes folders runs on this machine's programs."""
    from subprocess import run

    repository = place.folder / "own"
    repository.mkdir()
    (repository / "a.py").write_text("x = 1\n")
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "base")):
        run(["git", *words], cwd=repository, check=True)
    asked = ("fix", "own", "--issue", "It breaks when empty", "-m", "fake", "-c", "generation.samples=1")
    done = place(*asked, "--sandbox", "near", "--run", "own")
    assert done.code == 0 and "codemonkeys_dry_run.txt" in done.out, done.err
    done = place(*asked, "--sandbox", "nowhere", "--run", "refused")
    assert done.code == 2 and "no sandbox 'nowhere'" in done.err
    assert not (place.home / ".local/state/codemonkeys/runs/refused").exists()

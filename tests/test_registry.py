"""Open registries: what can be named, in which order it is looked up, and what loading leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.registry import Registry
from tests.plugins import as_installed_command, install

GROUP = "codemonkeys.test_things"
VALUE = "VALUE = 'installed'\n"


def is_text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(f"expected text, not {type(found).__name__}")
    return found


THINGS = Registry("thing", GROUP, {"mark": "codemonkeys.stages:__name__"}, is_text)


@pytest.fixture(autouse=True)
def no_module_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with as_installed_command(tmp_path_factory.getbasetemp()):
        yield


def test_a_name_is_built_in_or_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "zebra = a_plugin:VALUE\nadder = a_plugin:VALUE\nmark = a_plugin:VALUE"
    install(tmp_path, VALUE, {GROUP: points}, "a_plugin")
    assert THINGS.names() == ["mark"] and "zebra" not in THINGS
    monkeypatch.syspath_prepend(tmp_path)
    assert THINGS.names() == ["mark", "adder", "zebra"] and "zebra" in THINGS
    assert THINGS.get("zebra") == "installed"
    assert THINGS.get("mark") == "codemonkeys.stages", "a package cannot take the name of what is built in"


def test_a_module_of_the_current_folder_is_importable_only_while_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "registry_helper.py").write_text("HELP = 'helped'\n")
    (tmp_path / "registry_own.py").write_text("from registry_helper import HELP\nclass Own:\n    VALUE = HELP\n")
    (tmp_path / "registry_other.py").touch()
    (tmp_path / "json.py").write_text("raise RuntimeError('a module of the standard library was replaced')\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(BadSettings, match="expected text, not type; check registry_own:Own"):
        THINGS.get("registry_own:Own")
    assert THINGS.get("registry_helper:HELP") == "helped"
    assert THINGS.get("json:__name__") == "json"
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        __import__("registry_other")


def test_an_entry_point_is_not_looked_for_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "", {GROUP: "lost = registry_lost:VALUE"}, "a_plugin")
    (tmp_path / "registry_lost.py").write_text("VALUE = 'found'\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSettings, match="thing 'lost' cannot be loaded: ModuleNotFoundError"):
        THINGS.get("lost")
    assert THINGS.get("registry_lost:VALUE") == "found"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "AttributeError.*check registry_bad:VALUE"),
        ("VALUE = 5\n", "cannot be loaded: expected text, not int; check registry_bad:VALUE"),
        ("VALUE = 5 + ''\n", "TypeError: unsupported operand"),
        ("raise ValueError('not today')\n", "ValueError: not today"),
        ("VALUE =\n", "SyntaxError"),
        ("import registry_nowhere\n", "No module named 'registry_nowhere'.*or lie in the current folder"),
    ],
)
def test_what_cannot_be_loaded_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "registry_bad.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(BadSettings, match=said):
        THINGS.get("registry_bad:VALUE")
    assert sys.path == before


@pytest.mark.parametrize("name", ["nothing", "", "a:b:c", "a-b:c", ":c", "a:"])
def test_a_name_that_nothing_has_lists_those_there_are(name: str) -> None:
    assert name not in THINGS
    with pytest.raises(BadSettings, match=f"there is no thing '{name}'; choose one of mark, or"):
        THINGS.get(name)

"""What a command loads before it does its work, and that reading values without pydantic changes none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from codemonkeys.cli.app import COMMANDS, application
from codemonkeys.cli.plain_values import Command, Group
from codemonkeys.demo.example import store_example
from tests.cli.command import environment
from tests.models.endpoint import serve, status
from tests.recorded import dry_run
from tests.runs.test_runs import Bench

LOADING = """
import sys
from codemonkeys.cli import main
try: main()
except SystemExit as ended: code = ended.code
print(code, *[name for name in NAMES if name in sys.modules], file=sys.stderr)
"""


def loaded(names: tuple[str, ...], *arguments: str, cwd: Path, home: Path, **variables: str) -> list[str]:
    """The exit code of a command in a process of its own, and which of these modules it has loaded at its end."""
    program = LOADING.replace("NAMES", repr(names))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip(), done
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize("arguments", [("show", "example"), ("status", "example"), ("status",), ("export", "example")])
def test_reading_a_run_loads_little(arguments: tuple[str, ...], tmp_path: Path) -> None:
    store_example(tmp_path / "runs", "example")
    more = ("--output", str(tmp_path / "preds.json")) if arguments[0] == "export" else ()
    heavy = ("pydantic", "asyncio", "importlib.metadata", "litellm", "sqlite_utils", "numpy", "yaml", "jinja2")
    found = loaded(heavy, *arguments, *more, "--runs", str(tmp_path / "runs"), cwd=tmp_path, home=tmp_path)
    assert found == ["0"]


@pytest.mark.slow
def test_a_run_at_an_endpoint_of_ones_own_is_resumed_without_litellm(tmp_path: Path, shared_home: Path) -> None:
    bench = Bench(tmp_path, shared_home)
    with serve(lambda seen: status(401)) as endpoint:
        assert bench(*bench.arguments(endpoint, samples=1)).code == 2
    with serve(dry_run) as endpoint:
        arguments = ("resume", "run", "--api-base", endpoint.url)
        assert loaded(("litellm",), *arguments, cwd=bench.folder, home=bench.home) == ["0"]
        assert len(endpoint.requests) > 2


def test_one_command_is_built_for_one_that_is_named_and_all_for_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    names = {command.__name__ for command in COMMANDS}
    assert {info.callback.__name__ for info in application("show").registered_commands if info.callback} == {"show"}
    for other in ("", "shw", "--help", "images"):
        made = application(other)
        assert {info.callback.__name__ for info in made.registered_commands if info.callback} == names
        assert [group.name for group in made.registered_groups] == ["images"]
    with pytest.raises(SystemExit) as ended:
        application("shw")(["shw"])
    assert ended.value.code == 2 and "Did you mean 'show'" in capsys.readouterr().err


def program(found: dict[str, Any], plain: bool) -> typer.Typer:
    """A program with a parameter of each kind that ours have, which keeps what it was given."""
    made = typer.Typer(cls=Group if plain else None, add_completion=False, rich_markup_mode=None)

    def act(
        name: str,
        also: Annotated[list[str] | None, typer.Argument()] = None,
        place: Annotated[Path | None, typer.Option(envvar="PLACE")] = None,
        there: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
        config: Annotated[list[str] | None, typer.Option("--config", "-c")] = None,
        text: str = "as it was",
        count: Annotated[int | None, typer.Option(min=0)] = None,
        share: float | None = None,
        flag: bool = False,
        either: Annotated[bool | None, typer.Option("--yes/--no")] = None,
    ) -> None:
        """Keep all values."""
        found.update({key: value for key, value in locals().items() if key != "found"})

    made.callback()(lambda: None)
    made.command("act", cls=Command if plain else None)(act)
    return made


@pytest.mark.parametrize(
    "words",
    [
        "a",
        "a b c",
        "a -c x=1 -c y=2 --flag --yes --text t",
        "a --place . --there FILE --count 3 --share 0.5 --no",
        "a --place nowhere",
        "",
        "a --there .",
        "a --there nowhere",
        "a --count -1",
        "a --count many",
        "a --share x",
        "a --text",
        "a --unknown",
        "--help",
    ],
)
def test_values_and_messages_are_those_of_typer(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    ways = []
    for place in ("", "of the environment"):
        monkeypatch.setenv("PLACE", place)
        for plain in (False, True):
            found: dict[str, Any] = {}
            with pytest.raises(SystemExit) as ended:
                program(found, plain)(["act", *words.replace("FILE", "file").split()])
            ways.append((ended.value.code, found, capsys.readouterr()))
    assert ways[0] == ways[1] and ways[2] == ways[3]
    assert (ways[0][0] == 0) is bool(ways[0][1] or words == "--help")

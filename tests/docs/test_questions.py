"""Each question of the page is answered by the command below it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from codemonkeys.cli.app import app
from codemonkeys.demo.example import store_example
from tests.docs.pages import FENCED, ROOT

PAGE = (ROOT / "docs" / "questions.md").read_text()
QUESTIONS = re.findall(r"^## (\d+\. [^\n]*\?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example run."""
    folder = tmp_path_factory.mktemp("questions")
    store_example(folder / "runs")
    return folder / "runs"


def words(line: str) -> str:
    return " ".join(line.split())


def test_there_are_ten() -> None:
    assert [question.partition(".")[0] for question, _ in QUESTIONS] == [str(number) for number in range(1, 11)]


def test_each_is_answered_by_one_command(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(runs.parent / "home"))
    printed: dict[str, str] = {}
    for question, text in QUESTIONS:
        (language, command), (_, answer) = FENCED.findall(text)
        assert language == "bash" and answer.strip(), question
        program, *arguments = shlex.split(command.replace("\\\n", ""))
        assert program == "codemonkeys"
        if command not in printed:
            with pytest.raises(SystemExit) as ended:
                app([*arguments, "--runs", str(runs)])
            printed[command] = capsys.readouterr().out
            assert ended.value.code == 0, question
        lines = {words(line) for line in printed[command].splitlines()}
        assert {words(line) for line in answer.splitlines()} <= lines, (question, printed[command])

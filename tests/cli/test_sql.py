"""`sql`: a stored run asked by a query, with its texts readable, and nothing else touched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from codemonkeys.cli.app import app
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.stages import EDIT
from tests.report.finished_run import finish_run

HOSTILE = "\x1b[31mred\x07 [bold]" + "x" * 20_000
"""Long enough to be stored compressed."""


def hostile(request: Request) -> str:
    said = answer(request)
    return f"{HOSTILE}\n{said}" if request.key.stage == EDIT.name else said


def test_texts_can_be_read_and_nothing_written(
    tmp_path: Path, make_repository: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    finish_run(runs, make_repository({"a.py": "x = 1\n"}), answered=hostile, generation={"samples": 1})

    def sql(query: str, *more: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(["sql", "run", query, *more, "--runs", str(runs)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    code, out, _ = sql("SELECT answer FROM answers WHERE stage = 'edit' ORDER BY call LIMIT 1", "--json")
    assert code == 0 and json.loads(out)[0]["answer"].startswith(HOSTILE)
    code, out, _ = sql("SELECT answer, id FROM calls WHERE stage = 'edit' ORDER BY id LIMIT 1", "--json")
    assert code == 0 and json.loads(out)[0]["answer"].startswith(HOSTILE), "compressed, as `calls` of a file says"
    code, out, _ = sql("SELECT count(*) AS n FROM executions WHERE output = 'ran'", "--json")
    assert code == 0 and json.loads(out)[0]["n"] > 0
    code, out, _ = sql("SELECT substr(answer, 1, 40) AS [\x1b[31mhead] FROM answers WHERE stage = 'edit'")
    assert code == 0 and "[bold]" in out and "\x1b" not in out and "\x07" not in out
    code, out, _ = sql(
        "SELECT role, content FROM messages WHERE stage = 'edit' AND position = 1 AND turn = 1", "--json"
    )
    assert code == 0 and json.loads(out)[0]["role"] == "system" and "a.py" in json.loads(out)[0]["content"]
    code, out, _ = sql("SELECT count(*) AS n FROM outputs WHERE script <> '' AND output = 'ran'", "--json")
    assert code == 0 and json.loads(out)[0]["n"] > 0
    assert json.loads(sql("SELECT issue FROM issues", "--json")[1])[0]["issue"]
    for query in ("DELETE FROM tasks", f"ATTACH '{tmp_path}/other.db' AS o", "SELECT nothing", "SELECT 1; SELECT 2"):
        code, _, err = sql(query)
        assert code == 2 and "the query cannot be answered" in err, query
    assert not (tmp_path / "other.db").exists()
    with closing(sqlite3.connect(runs / "run" / "run.db")) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (1,)

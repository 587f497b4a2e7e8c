"""The page that describes a run's files is checked against a real one."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from codemonkeys.journal.store import Journal

PAGE = (Path(__file__).parents[1] / "docs" / "files.md").read_text()


def test_page_describes_every_table_view_and_column(tmp_path: Path) -> None:
    Journal(tmp_path, "run", "source", {}).close()
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
    assert sorted(sections) == sorted(names)
    for name in names:
        if name != "_sqlite_migrations":
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            described = set(re.findall(r"`(\w+)`", sections[name]))
            assert columns <= described, f"{name}: {columns - described} not described"
    connection.close()

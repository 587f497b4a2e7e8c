"""A task source outside the package: a folder of Markdown files, one issue each, with its columns in a YAML head.

    codemonkeys solve task_source:SOURCE:issues -m fake --dry-run

finds this module if it is installed or lies in the current folder, and reads issues/*.md:

    ---
    repo: pallets/flask
    base_commit: 7ee9ceb71e868944a46e1ff00b506772a53a4f1d
    image: mine/flask:1
    ---
    A blueprint with an empty name is accepted. It should be refused.

An installed package does the same without a prefix, once it names the source in its pyproject.toml:

    [project.entry-points."codemonkeys.task_sources"]
    markdown = "task_source:SOURCE"
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from codemonkeys.errors import BadRecord
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record, select_records
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path, task_of


class MarkdownIssues:
    """Issues in Markdown files."""

    name = "markdown"
    accepts = "a folder of issues (*.md with a YAML head)"

    def claims(self, source: str) -> bool:
        """A folder whose Markdown files all have a head."""
        files = list(Path(source).expanduser().glob("*.md"))
        return bool(files) and all(file.read_text(encoding="utf-8").startswith("---\n") for file in files)

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path, so that the run can be resumed from any folder."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Columns are what the heads say, labels such as `patch` too; only those asked for are handed on."""
        return select_records(read_issues(Path(source).expanduser()), source, ids, columns, split)

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks with the columns of SWE-bench."""
        return [task_of(record) for record in self.records(source, ids, TASK_COLUMNS, None)]


SOURCE = MarkdownIssues()


def read_issues(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a folder, each with its location: the head, the text below it, and the file's name as id."""
    for file in sorted(folder.glob("*.md")):
        head, end, text = file.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
        columns = yaml.safe_load(head) if end else None
        if not isinstance(columns, dict):
            raise BadRecord(f"{file}: has no head; begin with lines of `name: value` between two lines of ---")
        yield str(file), {**columns, "instance_id": file.stem, "problem_statement": text.strip() + "\n"}

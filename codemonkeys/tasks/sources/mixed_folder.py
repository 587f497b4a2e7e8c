"""A folder with files of rows, in any formats, and tasks of Harbor side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record, select_ids, select_records
from codemonkeys.tasks.sources import task_folders
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path, task_of
from codemonkeys.tasks.sources.row_file import row_files, rows_of
from codemonkeys.wording import option


class MixedFolder:
    """Rows and Harbor's tasks of one folder."""

    name = "mixed_folder"
    accepts = "a folder with files of rows (.parquet, .jsonl) and Harbor tasks side by side"

    def claims(self, source: str) -> bool:
        """A folder that holds both."""
        folder = Path(source).expanduser()
        both = task_folders.is_harbor(folder) and bool(row_files(folder))
        return bool(source.strip()) and both and not (folder / task_folders.TASK_FILE).is_file()

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records of the rows, then of the folders. Raises BadRecord for an id that both have."""
        if split is not None:
            raise BadInput(f"{source}: it holds Harbor tasks, which have no splits; leave out {option('split')}")
        folders = task_folders.task_folders(Path(source).expanduser())
        rows = (row for file in row_files(Path(source).expanduser()) for row in rows_of(file, columns))
        found = select_records(rows, source, None, columns)
        for record in found:
            if record.id in folders:
                raise BadRecord(f"{record.where}: {record.id} is there already, at {folders[record.id]}; remove one")
        known = {record.id: record for record in found}
        if ids is None:
            return [*found, *task_folders.SOURCE.records(source, None, columns, None)]
        chosen = select_ids(ids, {**known, **folders}, source)
        inner = [id for id in chosen if id in folders]
        known |= {record.id: record for record in task_folders.SOURCE.records(source, inner, columns, None)}
        return [known[id] for id in chosen]

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks of the rows and of the folders."""
        folders = task_folders.task_folders(Path(source).expanduser())
        records = self.records(source, ids, TASK_COLUMNS, None)
        inner = [record.id for record in records if record.id in folders]
        made = {task.id: task for task in task_folders.SOURCE.tasks(source, inner)}
        return [made[record.id] if record.id in made else task_of(record) for record in records]


SOURCE = MixedFolder()

"""A file with one row for each task: .parquet, .jsonl or .json. Of parquet only the columns needed are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadRecord, UnknownDataset
from codemonkeys.tasks import formats
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import DATA_FILES, Record, named_format, read_rows, select_records
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path, task_of


class RowFile:
    """Rows in a file, in any format of `codemonkeys.tasks.formats`."""

    name = "row_file"
    accepts = (
        "a file of rows as SWE-bench, SWE-bench Pro and others have them (.parquet, .jsonl with one row a line, or "
        ".json with a list or dictionary of rows)"
    )

    def claims(self, source: str) -> bool:
        """A file with such a suffix, unless its content names another format."""
        path = Path(source).expanduser()
        return path.is_file() and path.suffix in DATA_FILES and named_format(path) is None

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records of the rows; `split` selects by the column of that name."""
        path = Path(source).expanduser()
        if path.suffix not in DATA_FILES or not path.is_file():
            raise UnknownDataset(f"{source}: no such file of rows; give one that ends in {', '.join(DATA_FILES)}")
        wanted = {*columns, "split"} if split else columns
        return select_records(rows_of(path, wanted), source, ids, columns, split)

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks of the rows."""
        return [task_of(record) for record in self.records(source, ids, TASK_COLUMNS, None)]


SOURCE = RowFile()


def row_files(folder: Path) -> list[Path]:
    """Files of a folder that can hold nothing but rows, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in (".jsonl", ".parquet") and path.is_file())
    except (OSError, ValueError):
        return []


def rows_of(path: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a file with one of the suffixes in DATA_FILES, each with its location. Raises BadRecord."""
    return parquet_rows(path, columns) if path.suffix == ".parquet" else read_rows(path)


def parquet_rows(path: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a parquet file, each with its location; what these columns are not made of is None. Raises BadRecord."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            reads = formats.reads(names, ("instance_id", *columns))
            rows = file.read(columns=[name for name in reads if name in names]).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadRecord(f"{path}: cannot be read as parquet: {error}") from None
    unread = dict.fromkeys(names)
    for number, row in enumerate(rows, 1):
        yield f"{path} row {number}", {**unread, **row}

"""Published datasets: Hugging Face ids, short names for them, and folders of data files as the hub has them.

Only the columns asked for become values: labels stay in the library's file on disk.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

from codemonkeys.errors import UnknownDataset
from codemonkeys.tasks import formats
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import DATA_FILES, Record, select_records
from codemonkeys.tasks.sources.base import IMAGE_COLUMNS, TASK_COLUMNS, task_of
from codemonkeys.tasks.sources.row_file import rows_of
from codemonkeys.tasks.sources.task_folders import is_harbor
from codemonkeys.tasks.sources.task_repository import is_task_repository


@dataclass(frozen=True)
class Published:
    """What is known of a dataset that its rows do not say."""

    repository: str
    split: str = "test"
    language: str = "python"
    """Used if rows have no column `language`; `other` if it differs from task to task and is never Python."""
    images: str = ""
    """Prefix of its image names, if rows name no image and SWE-bench's naming rule does not apply."""


ALIASES = {
    "verified": Published("SWE-bench/SWE-bench_Verified"),
    "lite": Published("SWE-bench/SWE-bench_Lite"),
    "full": Published("SWE-bench/SWE-bench"),
    "multilingual": Published("SWE-bench/SWE-bench_Multilingual", language="other"),
    "multimodal": Published("SWE-bench/SWE-bench_Multimodal", language="javascript"),
    "live": Published("SWE-bench-Live/SWE-bench-Live", images="starryzhang/sweb.eval.x86_64."),
    "rebench": Published("nebius/SWE-rebench"),
    "rebench-v2": Published("nebius/SWE-rebench-V2", "train"),
    "pro": Published("ScaleAI/SWE-bench_Pro"),
    "gym": Published("SWE-Gym/SWE-Gym", "train"),
    "smith": Published("SWE-bench/SWE-smith", "train"),
}
"""The short names in use for these datasets."""

# By the name alone: several owners publish the same dataset.
_KNOWN = {published.repository.rpartition("/")[2].lower(): published for published in ALIASES.values()}
_ADDRESS = re.compile(r"(?P<name>[^@:]+?)(?:@(?P<revision>[\w.-]+))?(?::(?P<split>[\w.-]+))?")
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LIBRARY = RLock()
"""Held while the library works: its switch between cache and network is one for the whole process."""


class HuggingFace:
    """Datasets that the library `datasets` loads."""

    name = "huggingface"
    accepts = (
        f"{', '.join(ALIASES)}; the Hugging Face id of a SWE-bench dataset (owner/name); a folder of data files as the "
        "hub has them (each also as NAME:SPLIT)"
    )

    def claims(self, source: str) -> bool:
        """A short name, an id, or a folder with data files that is not a task repository."""
        address = parse_address(source)
        if address is None or Path(source).suffix in DATA_FILES or Path(source).expanduser().is_file():
            return False
        folder = address.folder
        return folder is None or (
            not (is_task_repository(folder) or is_harbor(folder))
            and any(found.suffix in DATA_FILES for found in folder.rglob("*"))
        )

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The address with revision (of a folder: its absolute path) and split. Raises UnknownDataset."""
        address = _address(source, split)
        builder = _builder(address, cached)
        split = _split(address, list(builder.info.splits or {}) or list(builder.config.data_files or {}))
        if address.folder is not None:
            return str(Address(str(address.folder.resolve()), split=split))
        return str(replace(address, revision=builder.hash, split=split))

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records of a split. Raises UnknownDataset."""
        return select_records(published_rows(_address(source, split), columns), source, ids, columns)

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks of a split."""
        return [task_of(record) for record in self.records(source, ids, TASK_COLUMNS, None)]


SOURCE = HuggingFace()


@dataclass(frozen=True)
class Address:
    """Where a dataset is: NAME[@REVISION][:SPLIT], where NAME is a short name, a Hugging Face id or a folder."""

    name: str
    revision: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.name}{revision}:{self.split}" if self.split else f"{self.name}{revision}"

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one: only the hub has revisions."""
        path = Path(self.name).expanduser()
        return path if self.revision is None and path.is_dir() else None

    @property
    def published(self) -> Published:
        """What is known of the dataset."""
        return _KNOWN.get(self.name.rpartition("/")[2].lower(), Published(self.name))


def parse_address(source: str) -> Address | None:
    """The address that a source is; None if it cannot be one."""
    folder, colon, split = source.rpartition(":")
    if not source.strip():
        return None
    if Path(source).expanduser().is_dir():
        return Address(source)
    if colon and folder and Path(folder).expanduser().is_dir():
        return Address(folder, split=split)
    match = _ADDRESS.fullmatch(source)
    if match is None:
        return None
    address = Address(**match.groupdict())
    if address.name in ALIASES:
        return replace(address, name=ALIASES[address.name].repository)
    return address if _REPOSITORY.fullmatch(address.name) else None


def _address(source: str, split: str | None) -> Address:
    address = parse_address(source)
    if address is None:
        raise UnknownDataset(f"{source}: not a dataset of the Hugging Face hub; accepted: {SOURCE.accepts}")
    return replace(address, split=split or address.split)


def published_rows(address: Address, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a dataset, each with its location; what these columns are not made of is None. Raises UnknownDataset."""
    builder = _builder(address, cached=False)
    files = _own_files(address, builder)
    if files is not None:
        for file in files:
            yield from ((where, _completed(row, address.published, columns)) for where, row in rows_of(file, columns))
        return
    with _explained(address):
        builder.download_and_prepare()
        split = _split(address, list(builder.info.splits))
        rows = builder.as_dataset(split=split)
    names = list(rows.column_names)
    there = [name for name in formats.reads(names, ("instance_id", *columns)) if name in names]
    where, unread = replace(address, split=split), dict.fromkeys(names)
    # Arrow's own values: the library would decode texts of a column of mixed types again, "3.10" to a number.
    for number, row in enumerate(_plain_rows(rows.select_columns(there)), 1):
        yield f"{where} row {number}", _completed({**unread, **row}, address.published, columns)


def _own_files(address: Address, builder: Any) -> list[Path] | None:
    """The files of a split of a local folder that we read as they are; None if the library has to read some."""
    if address.folder is None:
        return None
    by_split = builder.config.data_files or {}
    files = [Path(str(name)) for name in by_split.get(_split(address, list(by_split)), ())]
    return files if files and all(file.suffix in DATA_FILES and file.is_file() for file in files) else None


def _plain_rows(rows: Any) -> Iterator[dict[str, Any]]:
    if not rows.column_names:
        return
    for table in rows.with_format("arrow").iter(batch_size=500):
        yield from table.to_pylist()


def _completed(row: dict[str, Any], published: Published, columns: Collection[str]) -> dict[str, Any]:
    """A row, completed by what is known of its dataset."""
    if "language" in columns and not row.get("language"):
        row["language"] = published.language
    if "image" in columns and published.images and not any(row.get(column) for column in IMAGE_COLUMNS):
        row["image"] = f"{published.images}{str(row.get('instance_id')).replace('__', '_1776_')}:latest".lower()
    return row


def _split(address: Address, there: list[str]) -> str:
    """The split to read; raises UnknownDataset naming those there are."""
    wanted = address.split or (address.published.split if address.published.split in there else None)
    if wanted is None and len(there) == 1:
        wanted = there[0]
    if wanted not in there:
        which = f"no split {wanted!r}" if wanted else "several splits"
        raise UnknownDataset(f"{address.name} has {which}; write {address.name}:SPLIT with one of: {', '.join(there)}")
    return wanted


def _builder(address: Address, cached: bool) -> Any:
    """The library's builder of a dataset: from the cache if allowed and possible, else from the hub."""
    import datasets

    datasets.disable_progress_bars()
    # They log each of many attempts at length; our own error says it once.
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if address.folder is not None:
        with _explained(address):
            return datasets.load_dataset_builder(str(address.folder.resolve()))
    pinned = address.revision is not None and _COMMIT.fullmatch(address.revision) is not None
    if cached or pinned:
        with _offline():
            try:
                builder = datasets.load_dataset_builder(address.name, revision=address.revision)
            except (OSError, ValueError):  # not in the cache
                builder = None
        if builder is not None and (address.revision is None or builder.hash == address.revision):
            return builder
    with _explained(address):
        builder = datasets.load_dataset_builder(address.name, revision=address.revision)
    if pinned and builder.hash != address.revision:
        raise UnknownDataset(
            f"{address}: the hub cannot be reached, and the cache holds another revision, {builder.hash}; "
            "connect to the network and try again"
        )
    return builder


@contextmanager
def _offline() -> Iterator[None]:
    """What HF_HUB_OFFLINE=1 does, within this context: use the cache only."""
    from datasets import config
    from huggingface_hub import constants

    with _LIBRARY:
        before = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
        config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    """Raise the library's errors as ours, which say what to do."""
    from datasets import config
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        with _LIBRARY:
            yield
    except DatasetNotFoundError as error:
        raise UnknownDataset(
            f"{address.name}: {error} Check the name; for a private or gated dataset set HF_TOKEN. "
            f"Short names: {', '.join(ALIASES)}"
        ) from None
    except ConnectionError:
        raise UnknownDataset(
            f"{address.name}: the Hugging Face hub at {config.HF_ENDPOINT} cannot be reached, and "
            f"{config.HF_DATASETS_CACHE} does not hold this dataset. Check the network (HTTPS_PROXY, or HF_ENDPOINT "
            "for a mirror), or copy its parquet file from another machine and give that"
        ) from None
    except (DatasetsError, OSError, ValueError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UnknownDataset(f"{address}: cannot be loaded: {first or type(error).__name__}") from None

"""Published data sets: their Hugging Face ids and short names, folders of data files, and parquet files.

Only the columns that are asked for become values: labels stay in the library's file on disk.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadRecord, UnknownDataset


@dataclass(frozen=True)
class Published:
    """What the rows of a data set do not say themselves."""

    repository: str
    split: str = "test"
    language: str = "python"
    """Where rows have no column `language`; `other` where it differs from task to task and is never Python."""
    images: str = ""
    """What the names of its images begin with, where rows name none and SWE-bench's rule does not hold."""


ALIASES = {
    "verified": Published("SWE-bench/SWE-bench_Verified"),
    "lite": Published("SWE-bench/SWE-bench_Lite"),
    "full": Published("SWE-bench/SWE-bench"),
    "multilingual": Published("SWE-bench/SWE-bench_Multilingual", language="other"),
    "multimodal": Published("SWE-bench/SWE-bench_Multimodal", language="javascript"),
    "live": Published("SWE-bench-Live/SWE-bench-Live", images="starryzhang/sweb.eval.x86_64."),
    "rebench": Published("nebius/SWE-rebench"),
}
"""The short names that the field has for data sets."""

# By the name alone: several owners publish the same data set.
_KNOWN = {published.repository.rpartition("/")[2].lower(): published for published in ALIASES.values()}
_ADDRESS = re.compile(r"(?P<name>[^@:]+?)(?:@(?P<revision>[\w.-]+))?(?::(?P<split>[\w.-]+))?")
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Address:
    """Where a data set is: NAME[@REVISION][:SPLIT], where NAME is an alias, a Hugging Face id or a folder."""

    name: str
    revision: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.name}{revision}:{self.split}" if self.split else f"{self.name}{revision}"

    @property
    def published(self) -> Published:
        """What is known of the data set."""
        return _KNOWN.get(self.name.rpartition("/")[2].lower(), Published(self.name))


def parse_address(source: str) -> Address | None:
    """The address that a source is; None if it can be none."""
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


def pin(address: Address, cached: bool = False) -> Address:
    """The same address with split and revision named, so that it means the same tasks for ever.

    `cached`: do not go to the hub if the data set is in the cache. Raises UnknownDataset.
    """
    builder = _builder(address, cached)
    split = _split(address, list(builder.info.splits or {}) or list(builder.config.data_files or {}))
    if Path(address.name).expanduser().is_dir():
        return replace(address, split=split)
    return replace(address, revision=builder.hash, split=split)


def published_rows(address: Address, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a data set, each with where it stands. Raises UnknownDataset."""
    builder = _builder(address, cached=False)
    with _explained(address):
        builder.download_and_prepare()
        split = _split(address, list(builder.info.splits))
        rows = builder.as_dataset(split=split)
    there = [name for name in ("instance_id", *columns) if name in rows.column_names]
    where = replace(address, split=split)
    for number, row in enumerate(rows.select_columns(list(dict.fromkeys(there))), 1):
        yield f"{where} row {number}", _completed(row, address.published, columns)


def parquet_rows(path: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a parquet file, each with where it stands. Raises BadRecord."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            there = [name for name in dict.fromkeys(("instance_id", *columns)) if name in file.schema_arrow.names]
            rows = file.read(columns=there).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadRecord(f"{path}: cannot be read as parquet: {error}") from None
    for number, row in enumerate(rows, 1):
        yield f"{path} row {number}", row


def _completed(row: dict[str, Any], published: Published, columns: Collection[str]) -> dict[str, Any]:
    """A row with what is known of its data set where it is silent."""
    if "language" in columns and not row.get("language"):
        row["language"] = published.language
    if "image" in columns and published.images and not any(row.get(c) for c in ("image", "image_name", "docker_image")):
        row["image"] = f"{published.images}{str(row.get('instance_id')).replace('__', '_1776_')}:latest".lower()
    return row


def _split(address: Address, there: list[str]) -> str:
    """The split that is meant; raises UnknownDataset naming those there are."""
    wanted = address.split or (address.published.split if address.published.split in there else None)
    if wanted is None and len(there) == 1:
        wanted = there[0]
    if wanted not in there:
        which = f"no split {wanted!r}" if wanted else "several splits"
        raise UnknownDataset(f"{address.name} has {which}; choose one with --split: {', '.join(there)}")
    return wanted


def _builder(address: Address, cached: bool) -> Any:
    """The library's builder of a data set: out of the cache if that will do, else from the hub."""
    import datasets

    datasets.disable_progress_bars()
    # They say at length, for each of many attempts, what our own error says once.
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = Path(address.name).expanduser()
    if folder.is_dir():
        with _explained(address):
            return datasets.load_dataset_builder(str(folder.resolve()))
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
            "connect to the network and call again"
        )
    return builder


@contextmanager
def _offline() -> Iterator[None]:
    """What HF_HUB_OFFLINE=1 does, for a while: look into the cache only."""
    from datasets import config
    from huggingface_hub import constants

    before = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    """The library's errors as ours, which say what to do."""
    from datasets import config
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        yield
    except DatasetNotFoundError as error:
        raise UnknownDataset(
            f"{address.name}: {error} Check the name; for a private or gated data set put a token into HF_TOKEN. "
            f"Short names: {', '.join(ALIASES)}"
        ) from None
    except ConnectionError:
        raise UnknownDataset(
            f"{address.name}: the Hugging Face hub at {config.HF_ENDPOINT} cannot be reached, and "
            f"{config.HF_DATASETS_CACHE} does not hold this data set. Check the network (HTTPS_PROXY, or HF_ENDPOINT "
            "for a mirror), or bring its parquet file from another machine and give that"
        ) from None
    except (DatasetsError, OSError, ValueError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UnknownDataset(f"{address}: cannot be loaded: {first or type(error).__name__}") from None

"""Verdicts on candidates, for reports only. The layering keeps selection code from importing this module."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.journal import texts
from codemonkeys.journal.queries import rows
from codemonkeys.report.layer_records import REFUSED
from codemonkeys.selection.evidence import Evidence
from codemonkeys.tasks.records import parse_json
from codemonkeys.wording import option

RESOLVED = "resolved"
UNDECIDED = frozenset(("infrastructure failure", "unknown"))
"""Outcomes that do not judge the patch."""
FORMATS = (
    "{system: [resolved ids]}, {task: {patch hash or system: true, false or an outcome}}, or a summary file of the "
    "harness, given as SYSTEM=FILE"
)


@dataclass
class Verdicts:
    """Known verdicts on patches: True if resolved."""

    by_patch: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    """By task and SHA-256 of the patch."""
    by_source: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    """By task and system."""
    resolved: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Resolved tasks by system, for complete lists: all other tasks are not resolved."""

    @property
    def known(self) -> bool:
        """Whether there are any verdicts."""
        return bool(self.by_patch or self.by_source or self.resolved)

    def of(self, task: str, patch: str, source: str = "") -> bool | None:
        """Whether a patch is correct; None if unknown."""
        known = self.by_patch.get((task, patch_hash(patch)))
        if known is None:
            known = self.by_source.get((task, source))
        if known is None and source in self.resolved:
            known = task in self.resolved[source]
        return known

    def of_candidates(self, evidence: Evidence) -> tuple[bool | None, ...]:
        """The verdict of each candidate. One without a verdict takes that of its equivalents, if they agree."""
        sources = evidence.sources or ("",) * len(evidence.patches)
        known = [self.of(evidence.task, patch, source) for patch, source in zip(evidence.patches, sources, strict=True)]
        of_class: dict[int, set[bool]] = {}
        for first, verdict in zip(evidence.classes, known, strict=True):
            if verdict is not None:
                of_class.setdefault(first, set()).add(verdict)
        return tuple(
            next(iter(of_class[first])) if verdict is None and len(of_class.get(first, ())) == 1 else verdict
            for first, verdict in zip(evidence.classes, known, strict=True)
        )


def patch_hash(patch: str) -> str:
    """SHA-256 of a patch, as stored in the journal."""
    return hashlib.sha256(patch.encode("utf-8", "replace")).hexdigest()


def add_stored(verdicts: Verdicts, connection: sqlite3.Connection) -> None:
    """Add the verdicts stored in a run's journal."""
    for row in rows(connection, "SELECT task, patch_hash, outcome FROM verdicts"):
        if row["outcome"] not in UNDECIDED:
            verdicts.by_patch[row["task"], row["patch_hash"]] = row["outcome"] == RESOLVED


def ungraded(connection: sqlite3.Connection, earlier: bool = False) -> dict[str, list[str]]:
    """Patches without a verdict, by task: distinct candidates, merged ones that tests refused included.

    `earlier`: also those of earlier edit turns.
    """
    query = f"SELECT task, patch_hash FROM candidates WHERE duplicate_of IS NULL UNION {REFUSED}"
    if earlier:
        query += (
            " UNION SELECT task, patch_hash FROM execution_steps WHERE stage = 'edit' AND part = 'edited'"
            " AND state = 'done' AND (task, patch_hash) NOT IN (SELECT task, patch_hash FROM candidates)"
        )
    graded = "SELECT task, patch_hash FROM verdicts WHERE outcome != 'infrastructure failure'"
    patches: dict[str, list[str]] = {}
    for row in rows(connection, f"{query} EXCEPT {graded} ORDER BY task, patch_hash"):
        patches.setdefault(row["task"], []).append(texts.get(connection, row["patch_hash"]))
    return patches


def add_file(verdicts: Verdicts, given: str, sources: Sequence[str]) -> None:
    """Add the verdicts of a file: `FILE`, or `SYSTEM=FILE` for one system's summary.

    `sources`: the systems whose candidates are judged. Raises BadInput for an unreadable or malformed file.
    """
    system, equals, name = given.partition("=")
    try:
        path = Path(name) if equals and not Path(given).exists() else Path(given)
        system = system if path == Path(name) and equals else ""
        content = parse_json(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise BadInput(f"{option('verdicts', given)}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start})") from None
    if not isinstance(content, dict):
        raise BadRecord(f"{path}: holds {type(content).__name__}; verdicts are {FORMATS}")
    if "resolved_ids" in content or isinstance(content.get("resolved"), list) and system:
        _add_summary(verdicts, content, path, system or system_of(path, sources))
    elif content and all(_is_list_of_ids(value) for value in content.values()):
        if not set(content) & set(sources):
            raise BadInput(
                f"{path} names {', '.join(sorted(content)[:5])}, but none of this run's systems: {', '.join(sources)}. "
                "For one system's summary, give SYSTEM=FILE"
            )
        verdicts.resolved |= {name: frozenset(ids) for name, ids in content.items()}
    else:
        _add_table(verdicts, content, path, sources)


def system_of(path: Path, sources: Sequence[str]) -> str:
    """The system of a summary file, which is named MODEL.RUN.json. Raises BadInput if it is not one of `sources`."""
    matches = [source for source in sources if path.name.startswith(source.replace("/", "__") + ".")]
    if len(sources) == 1:
        return sources[0]
    if not matches:
        raise BadInput(
            f"{path}: its name does not say whose summary it is; give it as {option('verdicts', f'SYSTEM={path}')}; "
            f"systems: {_few(sources)}"
        )
    return max(matches, key=len)


def _add_summary(verdicts: Verdicts, content: Mapping[str, Any], path: Path, system: str) -> None:
    """Add the harness's summary of one system; tasks that it could not grade stay unknown."""
    resolved = content.get("resolved_ids", content.get("resolved"))
    if not _is_list_of_ids(resolved):
        raise BadRecord(f"{path}: its resolved ids are not a list of ids")

    def ids(name: str) -> list[str]:
        listed = content.get(name, [])
        if not _is_list_of_ids(listed):
            raise BadRecord(f"{path}: its {name} are not a list of ids")
        return [*listed]

    unresolved = ids("unresolved_ids") + ids("empty_patch_ids")
    ungraded_ids = {*ids("infra_failure_ids"), *ids("ambiguous_failure_ids")}
    if "unresolved_ids" not in content:
        verdicts.resolved[system] = frozenset(resolved)
    for id in unresolved:
        if id not in ungraded_ids:
            verdicts.by_source[str(id), system] = False
    verdicts.by_source |= {(id, system): True for id in resolved}


def _add_table(verdicts: Verdicts, content: Mapping[str, Any], path: Path, sources: Sequence[str]) -> None:
    """Add a table {task: {patch hash or system: verdict}}."""
    for task, verdict_of in content.items():
        if not isinstance(verdict_of, dict):
            raise BadRecord(f"{path}: {task[:80]!r} holds {type(verdict_of).__name__}; verdicts are {FORMATS}")
        for key, verdict in verdict_of.items():
            if not isinstance(verdict, bool | str):
                raise BadRecord(f"{path}: the verdict on {key[:80]!r} of {task[:80]} is {json.dumps(verdict)[:80]}")
            if verdict in UNDECIDED:
                continue
            table = verdicts.by_source if key in sources else verdicts.by_patch
            table[task, key] = verdict == RESOLVED if isinstance(verdict, str) else verdict


def _is_list_of_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(id, str) for id in value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"

"""Verdicts on candidates, for reports. Nothing that selects can import this: it lies above everything that does."""

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
from codemonkeys.selection.evidence import Evidence
from codemonkeys.tasks.records import parse_json
from codemonkeys.wording import option

RESOLVED = "resolved"
UNKNOWN = frozenset(("infrastructure failure", "unknown"))
"""Outcomes that say nothing of a patch."""
ACCEPTED = (
    "{system: [resolved ids]}, {task: {patch hash or system: true, false or an outcome}}, or a summary file of the "
    "harness, given as SYSTEM=FILE"
)


@dataclass
class Verdicts:
    """Which patches are known to be right or wrong."""

    by_patch: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    """By task and SHA-256 of the patch."""
    by_source: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    """By task and system."""
    resolved: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By system, where the list is complete: all other tasks are not resolved."""

    @property
    def known(self) -> bool:
        """Whether there is any verdict."""
        return bool(self.by_patch or self.by_source or self.resolved)

    def of(self, task: str, patch: str, source: str = "") -> bool | None:
        """Whether a patch is right; None if nobody said."""
        known = self.by_patch.get((task, patch_hash(patch)))
        if known is None:
            known = self.by_source.get((task, source))
        if known is None and source in self.resolved:
            known = task in self.resolved[source]
        return known

    def of_candidates(self, evidence: Evidence) -> tuple[bool | None, ...]:
        """For each candidate whether it is right; one that nobody judged is what those equivalent to it are."""
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
    """SHA-256 of a patch, as the journal names it."""
    return hashlib.sha256(patch.encode("utf-8", "replace")).hexdigest()


def add_stored(verdicts: Verdicts, connection: sqlite3.Connection) -> None:
    """Take in the verdicts that a run's journal holds."""
    for row in rows(connection, "SELECT task, patch_hash, outcome FROM verdicts"):
        if row["outcome"] not in UNKNOWN:
            verdicts.by_patch[row["task"], row["patch_hash"]] = row["outcome"] == RESOLVED


def ungraded(connection: sqlite3.Connection, earlier: bool = False) -> dict[str, list[str]]:
    """Patches without a verdict, by task: of distinct candidates; with `earlier`, what edit turns tried too."""
    query = "SELECT task, patch_hash FROM candidates WHERE duplicate_of IS NULL"
    if earlier:
        query += (
            " UNION SELECT task, patch_hash FROM execution_steps WHERE stage = 'edit' AND part = 'edited'"
            " AND state = 'done' AND (task, patch_hash) NOT IN (SELECT task, patch_hash FROM candidates)"
        )
    graded = "SELECT task, patch_hash FROM verdicts WHERE outcome != 'infrastructure failure'"
    found: dict[str, list[str]] = {}
    for row in rows(connection, f"{query} EXCEPT {graded} ORDER BY task, patch_hash"):
        found.setdefault(row["task"], []).append(texts.get(connection, row["patch_hash"]))
    return found


def add_file(verdicts: Verdicts, given: str, sources: Sequence[str]) -> None:
    """Take in a file of verdicts: `FILE`, or `SYSTEM=FILE` for what one system resolves.

    `sources`: the systems whose candidates are judged. Raises BadInput for a file that cannot be understood.
    """
    system, equals, name = given.partition("=")
    path = Path(name) if equals and not Path(given).exists() else Path(given)
    system = system if path == Path(name) and equals else ""
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise BadInput(
            f"{option('verdicts', given)}: {path} cannot be read: {error.strerror}; check the path"
        ) from None
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start})") from None
    if not isinstance(content, dict):
        raise BadRecord(f"{path}: holds {type(content).__name__}; verdicts are {ACCEPTED}")
    if "resolved_ids" in content or isinstance(content.get("resolved"), list) and system:
        _add_summary(verdicts, content, path, system or system_of(path, sources))
    elif content and all(_is_list_of_ids(value) for value in content.values()):
        if not set(content) & set(sources):
            raise BadInput(
                f"{path} names {', '.join(sorted(content)[:5])}, and none of the systems here: {', '.join(sources)}. "
                "For a summary of one system give SYSTEM=FILE"
            )
        verdicts.resolved |= {name: frozenset(ids) for name, ids in content.items()}
    else:
        _add_table(verdicts, content, path, sources)


def system_of(path: Path, sources: Sequence[str]) -> str:
    """The system that a summary is of: its file is named MODEL.RUN.json. Raises BadInput if that is none of ours."""
    found = [source for source in sources if path.name.startswith(source.replace("/", "__") + ".")]
    if len(sources) == 1:
        return sources[0]
    if not found:
        raise BadInput(
            f"{path}: whose summary is that? Give it as {option('verdicts', f'SYSTEM={path}')}; "
            f"there are: {_few(sources)}"
        )
    return max(found, key=len)


def _add_summary(verdicts: Verdicts, content: Mapping[str, Any], path: Path, system: str) -> None:
    """What the harness wrote of one system. What it could not grade is not known."""
    resolved = content.get("resolved_ids", content.get("resolved"))
    if not _is_list_of_ids(resolved):
        raise BadRecord(f"{path}: its resolved ids are no list of ids")
    wrong = [*content.get("unresolved_ids", ()), *content.get("empty_patch_ids", ())]
    unknown = {*content.get("infra_failure_ids", ()), *content.get("ambiguous_failure_ids", ())}
    if "unresolved_ids" not in content:
        verdicts.resolved[system] = frozenset(resolved)
    for id in wrong:
        if id not in unknown:
            verdicts.by_source[str(id), system] = False
    verdicts.by_source |= {(id, system): True for id in resolved}


def _add_table(verdicts: Verdicts, content: Mapping[str, Any], path: Path, sources: Sequence[str]) -> None:
    """{task: {patch hash or system: verdict}}."""
    for task, judged in content.items():
        if not isinstance(judged, dict):
            raise BadRecord(f"{path}: {task[:80]!r} holds {type(judged).__name__}; verdicts are {ACCEPTED}")
        for key, verdict in judged.items():
            if not isinstance(verdict, bool | str):
                raise BadRecord(f"{path}: the verdict on {key[:80]!r} of {task[:80]} is {json.dumps(verdict)[:80]}")
            if verdict in UNKNOWN:
                continue
            table = verdicts.by_source if key in sources else verdicts.by_patch
            table[task, key] = verdict == RESOLVED if isinstance(verdict, str) else verdict


def _is_list_of_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(id, str) for id in value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"

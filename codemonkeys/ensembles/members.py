"""Submissions of other systems, read and checked against the tasks. Unusable records are reported, never fatal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from codemonkeys.errors import BadInput
from codemonkeys.generation.paths import patch_paths
from codemonkeys.system.text import valid_text
from codemonkeys.tasks.submissions import name_of, read_submission
from codemonkeys.wording import option

LARGEST = 1 << 20
"""Maximum characters of a patch: longer ones are not fixes, but include stray data."""
SHOWN = 200
"""Maximum characters of foreign text in a report."""


class DroppedRecord(NamedTuple):
    """A record that is left out, and why."""

    task: str
    """The id as written in the record; empty if there is none."""
    where: str
    """File and line, or record."""
    why: str
    """`no record`, `unknown id`, `repeated`, `empty patch`, `no diff`, `too large` or `does not apply`."""
    detail: str = ""


@dataclass(frozen=True)
class Member:
    """One system's submission."""

    name: str
    family: str
    path: Path
    sha256: str
    """Of the file or folder, to detect changes when a run is resumed."""
    patches: dict[str, str]
    """Usable patches by task id."""
    dropped: tuple[DroppedRecord, ...]
    models: tuple[str, ...]
    """Model names in its records; more than one is reported as a mix."""

    @property
    def counts(self) -> Counter[str]:
        """Number of dropped records by reason."""
        return Counter(record.why for record in self.dropped)


def read_members(paths: Sequence[Path], known: Collection[str], families: Sequence[str] = ()) -> list[Member]:
    """Submissions of other systems, in any form that `codemonkeys.tasks.submissions` reads.

    `known`: ids of the tasks. `families`: `NAME=GLOB` each, where GLOB matches member names; other members get their
    family from `guess_family`. Raises BadInput for a path that is not a predictions file or is given twice, and for a
    GLOB without a match.
    """
    members: list[Member] = []
    for path in paths:
        member = read_member(path, known)
        if any(member.path.samefile(other.path) for other in members):
            raise BadInput(f"{path} is given twice; an ensemble counts each submission once")
        if any(member.name == other.name for other in members):
            member = replace(member, name=f"{member.path.absolute().parent.name}/{member.name}")
        if any(member.name == other.name for other in members):
            raise BadInput(f"{path}: another member has the same name {member.name!r}; rename the file")
        members.append(member)
    return with_families(members, families)


def with_families(members: Sequence[Member], families: Sequence[str]) -> list[Member]:
    """The members with families assigned. Raises BadInput for an item that is not NAME=GLOB or matches no member."""
    named = list(members)
    for given in families:
        family, _, pattern = given.partition("=")
        matching = [n for n, member in enumerate(members) if pattern and fnmatchcase(member.name, pattern)]
        if not family.strip() or not matching:
            there = ", ".join(member.name for member in members)
            raise BadInput(f"{option('family', given)}: give NAME=GLOB, with a GLOB that matches some of: {there}")
        for n in matching:
            named[n] = replace(members[n], family=family.strip())
    return named


MODEL = re.compile(
    r"(gpt|chatgpt|claude|sonnet|opus|haiku|gemini|gemma|qwen|qwq|deepseek|llama|mistral|mixtral|devstral|codestral|kimi|"
    r"glm|grok|minimax|nova|phi)(?![a-z])|(gpt|claude|qwen|llama)[-\w]*\d|o[1345](-?mini|-?preview|-?pro)?$",
    re.I,
)
"""Parts of names that say which model a system asks."""
VERSION = re.compile(r"v?\d[\w.]*(-[\w.]+)*", re.I)


def guess_family(name: str) -> str:
    """The first part of a submission's name that is neither a date, a version nor a model: the system's.

    `20240402_sweagent_gpt4`, `sweagent-2.1` and `claude-3.5-sonnet_sweagent` all give `sweagent`.
    """
    parts = parts_of(name)
    own = [part for part in parts if not MODEL.match(part) and not VERSION.fullmatch(part)]
    return (own or parts or [name])[0].lower()


def guess_model(name: str) -> str:
    """The model in a submission's name, `gpt4` in `20240402_sweagent_gpt4`; empty if none is recognised."""
    return next((part for part in parts_of(name) if MODEL.match(part)), "")


def parts_of(name: str) -> list[str]:
    """The parts of a submission's name, without numbers alone, such as dates."""
    return [part for part in re.split(r"[\s_+]+|-(?=v?\d)", name) if part and not part.isdigit()]


def read_member(path: Path, known: Collection[str]) -> Member:
    """Read one submission. Raises BadInput, or BadRecord for a file that is not JSON."""
    submission = read_submission(path)
    file = submission.path
    patches: dict[str, str] = {}
    dropped: list[DroppedRecord] = []
    models: dict[str, None] = {}
    for where, row in submission.entries:
        if row is None or not isinstance(row.get("instance_id"), str):
            dropped.append(DroppedRecord("", where, "no record", "not an object with an instance_id"))
            continue
        id, patch = valid_text(row["instance_id"]), row.get("model_patch")
        if isinstance(model := row.get("model_name_or_path"), str):
            models[valid_text(model[:SHOWN])] = None
        if id in patches:
            # As in the harness, the last one counts.
            dropped.append(DroppedRecord(id, where, "repeated", "replaces an earlier record"))
        if found := problem(id, patch, known):
            dropped.append(DroppedRecord(id[:SHOWN], where, *found))
            patches.pop(id, None)
        else:
            patches[id] = str(patch)
    name = name_of(file)
    return Member(name, guess_family(name), file, submission.sha256, patches, tuple(dropped), tuple(models))


def problem(id: str, patch: object, known: Collection[str]) -> tuple[str, str] | None:
    """Why a record is unusable, with details; None if it is usable."""
    if id not in known:
        return "unknown id", "the dataset has no such task"
    if patch is None or (isinstance(patch, str) and not patch.strip()):
        return "empty patch", ""
    if not isinstance(patch, str):
        return "no record", f"model_patch is {type(patch).__name__}, not text"
    if len(patch) > LARGEST:
        return "too large", f"{len(patch):,} characters; the maximum is {LARGEST:,}"
    try:
        patch.encode()
    except UnicodeEncodeError:
        return "no diff", "it contains a lone surrogate, which is not valid text"
    if not patch_paths(patch):
        return "no diff", "no line names a file"
    return None

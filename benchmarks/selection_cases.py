"""Cases of the selection benchmark: a task's evidence, and apart from it the verdicts on its candidates."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.text_equivalence import text_classes
from codemonkeys.tasks.predictions import read_predictions

POOLS = 100
"""Random pools of a task's candidates."""


@dataclass(frozen=True)
class Case:
    """A task's evidence and, kept apart from it, the verdicts on its candidates."""

    evidence: Evidence
    verdicts: tuple[bool, ...]


def lite(folder: Path) -> list[Case]:
    """The submissions on SWE-bench Lite; tasks in the order of the data set, candidates in that of the systems."""
    systems = {path.stem: read_predictions(path) for path in sorted(folder.glob("ensemble/lite/*.jsonl"))}
    resolved = json.loads((folder / "ensemble/lite/resolved.json").read_text())
    cases = []
    for line in (folder / "datasets/lite.jsonl").read_text().splitlines():
        task = json.loads(line)["instance_id"]
        made = {name: found[task].model_patch for name, found in systems.items() if task in found}
        made = {name: patch for name, patch in made.items() if patch.strip()}
        names, patches = tuple(made), tuple(made.values())
        families = tuple(name.split("_")[0] for name in names)
        evidence = Evidence(task, patches, text_classes(patches), names, families)
        cases.append(Case(evidence, tuple(task in resolved[name] for name in names)))
    return cases


def without_tests(case: Case) -> Case:
    """The case without execution evidence."""
    bare = replace(case.evidence, original=(), edited=(), own=(), approved=(), regressions=0, breaks=())
    return replace(case, evidence=bare)


def pools(case: Case, size: int, count: int = POOLS, seed: int = 0) -> list[Case]:
    """Random pools of a task's candidates, each with right and wrong ones; all of them if `size` is no smaller."""
    dice = random.Random(seed)
    found: list[Case] = []
    while len(found) < count:
        kept = sorted(dice.sample(range(len(case.verdicts)), min(size, len(case.verdicts))))
        if len({case.verdicts[k] for k in kept}) > 1:
            found.append(_only(case, kept, f"{case.evidence.task} {len(found)}"))
    return found


def _only(case: Case, kept: Sequence[int], name: str) -> Case:
    """The case restricted to some of its candidates."""
    of, first = case.evidence, dict[int, int]()
    evidence = replace(
        of,
        task=name,
        patches=tuple(of.patches[k] for k in kept),
        classes=tuple(first.setdefault(of.classes[k], n) for n, k in enumerate(kept)),
        sources=tuple(of.sources[k] for k in kept if of.sources),
        families=tuple(of.families[k] for k in kept if of.families),
        edited=tuple(of.edited[k] for k in kept if of.edited),
        own=tuple(of.own[k] for k in kept if of.own),
        approved=tuple(of.approved[k] for k in kept if of.approved),
        breaks=tuple(of.breaks[k] for k in kept if of.breaks),
    )
    return Case(evidence, tuple(case.verdicts[k] for k in kept))

"""Measures the prompts of a task in tokens, from its real repository and our templates, without calling a model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from codemonkeys.agent.commands import MOST
from codemonkeys.agent.desk import LISTED
from codemonkeys.context.beyond import by_likeness, shown
from codemonkeys.context.digest_calls import DEFINITIONS, batches_of, message
from codemonkeys.context.digests import parts_of, subjects_of
from codemonkeys.context.environment import MOST_CHARACTERS
from codemonkeys.context.languages import is_source
from codemonkeys.context.reading import SourceFile, as_outline, fitting, pack, shown_tokens, source_files
from codemonkeys.context.survey import look
from codemonkeys.engine.script_languages import launchers_of
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import CodeMonkeysError
from codemonkeys.generation.distilling import PARTS
from codemonkeys.generation.paragraphs import CHARACTERS as PART_CHARACTERS
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Price, Request
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.windows import Window
from codemonkeys.runs.no_sandbox import NoSandbox
from codemonkeys.runs.runner import open_work
from codemonkeys.settings import Settings
from codemonkeys.stages import (
    AGENT,
    CONTEXT_MODES,
    CRITIQUE,
    DIGEST,
    DISTILL,
    EDIT,
    JUDGE,
    PRUNE,
    RANK,
    RELEVANCE,
    RERANK,
    SELECT,
    TEST,
    TOURNAMENT,
)
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment

LISTED_TOKENS = 60
"""Overhead of a file in a list or context, beside its path, text and summary: delimiters and length."""

LONGEST_VERDICT = "It did not end within 100000 seconds and was stopped for using more than 1000000 MiB of memory."
"""At least as long as any verdict line of an execution."""

LONGEST_PATH = "path/" * 20
"""A long path of a new file."""

LONGEST_ENVIRONMENT = "1." * (MOST_CHARACTERS // 2 + 40)
"""At least as many tokens as any text about an environment, with what says that it was cut."""


_SAID = [{"stage": stage, "messages": [{"role": "user", "text": ""}] * 40} for stage in ("test", "edit")]
"""The messages of a trajectory, without their texts."""
LAYERED: dict[str, Any] = {"number": 1, "patch": "", "scripts": 10, "passed": 10, "tests": 100, "broken": None}
LAYERED |= {"verdict": LONGEST_VERDICT, "output": "", "critique": None}
"""A candidate as layers are shown it, without texts."""
CHOICES = "choices"
"""The messages about context choices, which have no stage of their own, in `systems` and `users`."""


@dataclass(frozen=True)
class Batch:
    """One relevance or digest call."""

    files: int
    """For a digest call, definitions."""
    prompt: int
    """Tokens of the message that contains the files."""


@dataclass(frozen=True)
class Measures:
    """Prompt sizes of one task, in tokens."""

    passes: tuple[tuple[Batch, ...], ...]
    """Relevance calls, one tuple per pass: digests, outlines and whole files, depending on the mode."""
    digests: tuple[Batch, ...]
    """Calls that write digests, assuming none is cached."""
    repair: int
    """The repair message of relevance."""
    files: int
    source: int
    """All files that relevance reads, in full."""
    paths: int
    """The paths of these files and of tests, with delimiters."""
    systems: dict[str, int] = field(hash=False)
    """System message by stage, without files, candidates and tests."""
    users: dict[str, int] = field(hash=False)
    """Longest user message by stage, without scripts, patches and outputs."""
    tests: int = 0
    """Bytes of the test files that relevance does not read, and a context may hold: no fewer than their tokens."""


@dataclass
class CountingModel:
    """A stand-in for a model that only counts tokens."""

    name: str
    price: Price | None
    window: Window | None = None
    _cache: dict[bytes, int] = field(default_factory=dict)

    def count_tokens(self, text: str) -> int:
        """Tokens by the cl100k vocabulary. Counts are cached, as tasks of one repository share most texts."""
        key = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if key not in self._cache:
            self._cache[key] = count_tokens(text)
        return self._cache[key]

    async def complete(self, request: Request) -> Completion:
        """Always raises CodeMonkeysError."""
        raise CodeMonkeysError(f"{request.key}: a dry run calls no model")

    async def close(self) -> None:
        """Nothing to release."""


@contextmanager
def counting_steps(settings: Settings, models: ModelSet) -> Iterator[Steps]:
    """Steps for measuring: as in a run, but with a temporary journal and without sandbox. `models`: that only count."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), "plan", "plan", {})
        try:
            steps = Steps(journal, models, NoSandbox(), settings.operation)
            yield steps
            steps.close()
        finally:
            journal.close()


def measure(task: Task, snapshot: Snapshot, settings: Settings, steps: Steps) -> Measures:
    """Measure the prompts that a run would send. Raises BadSettings for a template that cannot be rendered."""
    return _measure_work(open_work(Workspace(task, snapshot, Environment("plan")), settings, steps))


def _measure_work(work: Work) -> Measures:
    work.prompts = work.prompts.given(runs_on=LONGEST_ENVIRONMENT)
    kinds = [launcher.kind for launcher in launchers_of(work.task.language)]
    work.own_script = max(kinds, key=lambda kind: len(kind.command + kind.note), default=None)
    context = work.settings.context
    count = work.models.primary.count_tokens
    found = look(work.task, work.snapshot, context)
    files = source_files(work, found)
    read = {file.path for file in files}
    tests = {e.path: e.size for e in work.entries if is_source(e.path) and e.path not in read}
    mode = CONTEXT_MODES[context.mode]
    *shorter, _ = forms = mode.forms
    ordered = by_likeness(work, files, found) if mode.lexical else files
    first, later = (ordered[: context.lexical_files], ordered[context.lexical_files :]) if mode.lexical else (files, [])
    outlines = [as_outline(file) for file in first] if shorter else []
    passes = [_batches(work, [fitting(work, file) for file in first], context.batch_tokens)]
    if later:
        passes.append(_beyond(work, later))
    # A digest is never longer than its outline, and is listed in fewer tokens.
    for _ in shorter:
        passes.insert(0, _batches(work, outlines, context.outline_batch_tokens))
    largest = max((batch.files for calls in passes for batch in calls), default=1)
    numbers = ", ".join(str(n) for n in range(1, largest + 1))
    aims = {"aim_tokens": context.aim_tokens, "most_tokens": context.most_tokens}
    script = {"script": work.script}
    result = {"verdict": LONGEST_VERDICT, "output": ""}
    candidates = [
        {"number": n, "votes": 10, "patch": "", "broken": (), "flags": (), "untrusted": True}
        for n in range(1, work.settings.selection.candidates + 1)
    ]
    several = {"files": [], "candidates": candidates, "tests": 10, "regressions": 10, "example": " ", **script}
    seconds = f"{work.settings.sandbox.seconds:g}"
    nearest = None if work.settings.generation.early_tests else {"path": " ", "text": ""}
    results = [{"number": c["number"], **result} for c in candidates]
    repository = {"passing": 100, "broken": 100, "output": ""}
    both, turns = {"original": result, "edited": result, "repository": repository}, {"turns_left": 1}
    agent = {"files": [], "paths": [], "steps": 100, "seconds": seconds, "repository": work.environment.repository}
    agent["tools"] = False
    commands: dict[str, Any] = {
        "found": [{"asked": " ", "told": LONGEST_VERDICT, "output": ""}] * MOST,
        "files": {"left": [LONGEST_PATH] * LISTED},
        "problem": "results",
        "steps_left": 1,
        "names": {"done": "DONE", "add": "ADD"},
    }
    whole = {"patch_known": False, "original_known": False, "difference": None}
    return Measures(
        passes=tuple(passes),
        digests=_digest_batches(work, first) if "digest" in forms else (),
        repair=count(work.prompts("relevance.repair", problem=f"no JSON object for file {numbers}", count=largest)),
        files=len(files),
        source=sum(file.tokens for file in files),
        paths=sum(count(path) + LISTED_TOKENS for path in (*(file.path for file in files), *tests)),
        systems={
            DIGEST.name: count(work.prompts("definition.system")),
            RELEVANCE.name: count(work.prompts("relevance.system")),
            RANK.name: count(work.prompts("rank.system", files=[], **aims)),
            TEST.name: count(work.prompts("test.system", seconds=seconds, files=[], nearest=nearest, **script)),
            EDIT.name: count(work.prompts("edit.system", files=[], turns=10, room=100_000, **script)),
            AGENT.name: count(work.prompts("agent.system", most=MOST, **agent, **script)),
            JUDGE.name: count(work.prompts("judge.system", files=[])),
            TOURNAMENT.name: count(work.prompts("tournament.system", files=[])),
            DISTILL.name: count(work.prompts("distill.system")),
            CRITIQUE.name: count(work.prompts("critique.system", files=[])),
            RERANK.name: count(work.prompts("rerank.system", files=[])),
            PRUNE.name: count(work.prompts("prune.system", files=[])),
            CHOICES: count(work.prompts("choices.system", files=[])),
            SELECT.name: count(work.prompts("select.system", may_refuse=True, **several)),
        },
        users={
            RANK.name: count(work.prompts("rank.user")) + LISTED_TOKENS,
            TEST.name: count(work.prompts("test.result", result=result, **turns)) + LISTED_TOKENS,
            EDIT.name: count(work.prompts("edit.result", patch=" ", **both, **whole, **turns)) + LISTED_TOKENS,
            AGENT.name: count(work.prompts("agent.result", results={"patch": " ", **both, **whole}, **commands)),
            JUDGE.name: count(work.prompts("judge.user", patch=" ")),
            TOURNAMENT.name: count(work.prompts("tournament.user", **_match(work.settings.selection.match_size))),
            DISTILL.name: count(work.prompts("distill.user", conversations=_SAID)),
            CRITIQUE.name: count(work.prompts("critique.user", candidate=LAYERED)),
            RERANK.name: count(work.prompts("rerank.user", candidates=[LAYERED])),
            PRUNE.name: count(work.prompts("prune.user", edits=[LAYERED | {"broken": 100}])),
            CHOICES: count(work.prompts("choices.user", choices=[{"number": 1, "paths": [], "tokens": 100_000}])),
            SELECT.name: count(work.prompts("select.result", original=result, results=results, **turns))
            + LISTED_TOKENS,
        },
        tests=sum(tests.values()),
    )


def _match(size: int) -> dict[str, Any]:
    """What a vote of a tournament is told, without patches, lines of failures, scripts and tests."""
    summary = dict.fromkeys(PARTS, " ".join(["part"] * (PART_CHARACTERS // 4)))
    shown = [{"number": n, "patch": "", "flags": (), "summary": summary} for n in range(1, size + 1)]
    return {"candidates": shown, "voting": 10, "regressions": 10, "fails": [], "tests": [], "scripts": []}


def _beyond(work: Work, files: Sequence[SourceFile]) -> tuple[Batch, ...]:
    """The call that asks which other files to read, and as many of the largest as it may name."""
    settings = work.settings.context
    values = {"files": [], "paths": [file.path for file in shown(work, files)], "most": settings.lexical_files}
    asking = work.models.scan.count_tokens(work.prompts("beyond.system", **values))
    largest = sorted(files, key=lambda file: -file.tokens)[: settings.lexical_files]
    read = _batches(work, [fitting(work, file) for file in largest], settings.batch_tokens)
    return (Batch(0, asking), *read)


def _batches(work: Work, files: Sequence[SourceFile], limit: int) -> tuple[Batch, ...]:
    """The relevance calls for these files. Everything around the texts is counted on messages without them."""
    count = work.models.scan.count_tokens
    batches = []
    for batch in pack(work, files, limit):
        around = count(work.prompts("relevance.user", files=[replace(file, text="") for file in batch]))
        texts = sum(shown_tokens(work, file) for file in batch)
        batches.append(Batch(len(batch), around + texts + len(batch)))
    return tuple(batches)


def _digest_batches(work: Work, files: Sequence[SourceFile]) -> tuple[Batch, ...]:
    count = work.models.scan.count_tokens
    found = subjects_of(work, [parts_of(file) for file in files])
    subjects = {key: described.subject for key, described in found.items()}
    batches = batches_of(work, DEFINITIONS, subjects)
    return tuple(
        Batch(len(batch), count(message(work, DEFINITIONS, [subjects[key] for key in batch]))) for batch in batches
    )

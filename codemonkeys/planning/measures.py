"""What the prompts of a task come to in tokens: its real codebase in our real templates, without asking any model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from codemonkeys.context.digests import shown_for_digest
from codemonkeys.context.reading import SourceFile, outlined, pack, shown_tokens, source_files
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import CodeMonkeysError
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Price, Request
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.runs.runner import open_work
from codemonkeys.settings import Settings
from codemonkeys.stages import CONTEXT_MODES, DIGEST, EDIT, JUDGE, RANK, RELEVANCE, SELECT, TEST
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Execution, Limits, Script
from sandboxes.inside import failed

LISTED_TOKENS = 60
"""What a file costs in a list or a context beside its path, text and summary: delimiters and its length."""

LONGEST_VERDICT = "It did not end within 100000 seconds and was stopped for using more than 1000000 MiB of memory."
"""As long as any line in which an execution's end is told."""


@dataclass(frozen=True)
class Batch:
    """One call of relevance."""

    files: int
    prompt: int
    """Tokens of the message that shows them."""


@dataclass(frozen=True)
class Measures:
    """Tokens of one task's prompts."""

    passes: tuple[tuple[Batch, ...], ...]
    """The calls of relevance, a tuple for each reading: digests, outlines and whole files, as the mode has them."""
    digests: tuple[Batch, ...]
    """The calls that make digests, if none of them has been made before."""
    repair: int
    """A message that asks relevance again."""
    files: int
    source: int
    """All files that relevance reads, whole."""
    paths: int
    """The paths of these files, and what stands around each."""
    systems: dict[str, int] = field(hash=False)
    """The system message of each stage, without files, candidates and tests."""
    users: dict[str, int] = field(hash=False)
    """The longest message of each stage without scripts, patches and outputs."""


@dataclass
class Counter:
    """Stands where a model does, and only counts."""

    name: str
    price: Price | None
    _known: dict[bytes, int] = field(default_factory=dict)

    def count_tokens(self, text: str) -> int:
        """Tokens by the cl100k vocabulary; equal texts, as of many tasks of a repository, are counted once."""
        key = sha256(text.encode("utf-8", "surrogateescape")).digest()
        if key not in self._known:
            self._known[key] = count_tokens(text)
        return self._known[key]

    async def complete(self, request: Request) -> Completion:
        """Refuse."""
        raise CodeMonkeysError(f"{request.key}: a dry run asks no model")

    async def close(self) -> None:
        """Nothing to release."""


class Nowhere:
    """Stands where a sandbox does, and runs nothing."""

    name = "none"

    def ensure(self, environment: Environment) -> None:
        """Nothing to check."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Refuse."""
        return failed("a dry run executes nothing")

    def close(self) -> None:
        """Nothing to end."""


@contextmanager
def counting(settings: Settings, counter: Counter) -> Iterator[Steps]:
    """The steps of a run that takes none: everything as in a run, but for a journal that nobody keeps."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), "plan", "plan", {})
        try:
            steps = Steps(journal, ModelSet(counter, counter), Nowhere(), settings.operation)
            yield steps
            steps.close()
        finally:
            journal.close()


def measure(task: Task, snapshot: Snapshot, settings: Settings, steps: Steps) -> Measures:
    """Measure a task by what a run would send. Raises BadSettings for a template that cannot be rendered."""
    return _measured(open_work(Workspace(task, snapshot, Environment("plan")), settings, steps))


def _measured(work: Work) -> Measures:
    context = work.settings.context
    count = work.models.primary.count_tokens
    files = source_files(work)
    *shorter, _ = forms = CONTEXT_MODES[context.mode].forms
    outlines = [outlined(file) for file in files] if shorter else []
    shortened = [file if file.tokens <= context.file_tokens else outlined(file) for file in files]
    passes = [_batches(work, shortened, context.batch_tokens)]
    # A digest is never longer than the outline that it is made of.
    for _ in shorter:
        passes.insert(0, _batches(work, outlines, context.outline_batch_tokens))
    most = max((batch.files for calls in passes for batch in calls), default=1)
    numbers = ", ".join(str(n) for n in range(1, most + 1))
    aims = {"aim_tokens": context.aim_tokens, "most_tokens": context.most_tokens}
    script = {"script": work.script}
    shown = {"verdict": LONGEST_VERDICT, "output": ""}
    candidates = [
        {"number": n, "votes": 10, "patch": "", "broken": ()} for n in range(1, work.settings.selection.candidates + 1)
    ]
    several = {"files": [], "candidates": candidates, "tests": 10, "regressions": 10, "example": " ", **script}
    seconds = f"{work.settings.sandbox.seconds:g}"
    results = [{"number": c["number"], **shown} for c in candidates]
    both, turns = {"original": shown, "edited": shown}, {"turns_left": 1}
    return Measures(
        passes=tuple(passes),
        digests=_digest_batches(work, outlines) if "digest" in forms else (),
        repair=count(work.prompts("relevance.repair", problem=f"no JSON object for file {numbers}", count=most)),
        files=len(files),
        source=sum(file.tokens for file in files),
        paths=sum(count(file.path) + LISTED_TOKENS for file in files),
        systems={
            DIGEST.name: count(work.prompts("digest.system")),
            RELEVANCE.name: count(work.prompts("relevance.system")),
            RANK.name: count(work.prompts("rank.system", files=[], **aims)),
            TEST.name: count(work.prompts("test.system", seconds=seconds, **script)),
            EDIT.name: count(work.prompts("edit.system", files=[], **script)),
            JUDGE.name: count(work.prompts("judge.system", files=[])),
            SELECT.name: count(work.prompts("select.system", may_refuse=True, **several)),
        },
        users={
            RANK.name: count(work.prompts("rank.user")) + LISTED_TOKENS,
            TEST.name: count(work.prompts("test.result", result=shown, **turns)) + LISTED_TOKENS,
            EDIT.name: count(work.prompts("edit.result", patch=" ", **both, **turns)) + LISTED_TOKENS,
            JUDGE.name: count(work.prompts("judge.user", patch=" ")),
            SELECT.name: count(work.prompts("select.result", original=shown, results=results, **turns)) + LISTED_TOKENS,
        },
    )


def _batches(work: Work, files: Sequence[SourceFile], most: int) -> tuple[Batch, ...]:
    """The calls that show these files. What stands around the texts is counted with the texts left out."""
    count = work.models.scan.count_tokens
    batches = []
    for batch in pack(work, files, most):
        around = count(work.prompts("relevance.user", files=[replace(file, text="") for file in batch]))
        texts = sum(shown_tokens(work, file) for file in batch)
        batches.append(Batch(len(batch), around + texts + len(batch)))
    return tuple(batches)


def _digest_batches(work: Work, outlines: Sequence[SourceFile]) -> tuple[Batch, ...]:
    count = work.models.scan.count_tokens
    batches = []
    for batch in pack(work, outlines, work.settings.context.outline_batch_tokens):
        around = count(work.prompts("digest.user", files=shown_for_digest(work, [replace(f, text="") for f in batch])))
        texts = sum(shown_tokens(work, file) for file in batch)
        batches.append(Batch(len(batch), around + texts + len(batch)))
    return tuple(batches)

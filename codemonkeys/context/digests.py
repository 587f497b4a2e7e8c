"""Digests: one line about each file, put together from digests of its definitions, which all tasks and runs share.

Sleep-time compute (arXiv 2504.13171): reading that does not depend on the issue is paid for once, and ahead if so
wished; a later commit pays for the definitions that changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from codemonkeys.context.changed_together import partners_of
from codemonkeys.context.definitions import Definition, DigestOfFile
from codemonkeys.context.digest_calls import DEFINITIONS, DigestPlan, Subject, digests_of
from codemonkeys.context.file_digests import as_file_digests, hash_of, is_begun_with_them, name_of_model
from codemonkeys.context.outline import outline_lines, written
from codemonkeys.context.reading import SourceFile, without_grammar
from codemonkeys.engine.work import Work

SHORT = 80
"""Outlines of up to this many characters serve as their own digests."""


async def as_digests(work: Work, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files shortened to their digests: one line each."""
    if is_begun_with_them(work):
        return await as_file_digests(work, files)
    parts = await work.in_thread(lambda: [parts_of(file) for file in files])
    said = await describe(work, parts)
    partners = await partners_of(work, [file.path for file in files])
    return [replace(part.file, text=part.line(said) + partners.get(part.file.path, ""), form="line") for part in parts]


@dataclass(frozen=True)
class FileParts:
    """A file with its definitions."""

    file: SourceFile
    outline: str
    digest: DigestOfFile

    def line(self, said: dict[Definition, str]) -> str:
        """The digest; the outline itself where that is not much, or no longer."""
        digest, outline = self.digest.line(said), " ".join(self.outline.split())
        return outline if len(outline) <= max(SHORT, len(digest)) else digest


def parts_of(file: SourceFile) -> FileParts:
    """The definitions of a file; of one without a grammar, its beginning and end."""
    lines = outline_lines(file.path, file.text)
    if lines is None:
        text = without_grammar(file.text)
        return FileParts(file, text, DigestOfFile.of_text(text))
    text = written(lines)
    return FileParts(file, text, DigestOfFile.of_outline(lines, len(text)))


async def describe(work: Work, parts: Sequence[FileParts]) -> dict[Definition, str]:
    """What a model says, or said before, of the definitions that are too long to speak for themselves."""
    subjects = subjects_of(work, parts)
    store = work.steps.digests
    assert store is not None, "a session opens the store where the settings ask for digests"
    plan = DigestPlan(work, DEFINITIONS)
    if not plan.is_recorded:
        asked = [s.definition for s in subjects.values()]
        found = len(store.get(subjects))
        plan.write(definitions=sum(len(part.digest.definitions) for part in parts), asked=len(asked), known=found)
    texts = await digests_of(work, DEFINITIONS, {key: s.subject for key, s in subjects.items()})
    return {subjects[key].definition: text for key, text in texts.items()}


@dataclass(frozen=True)
class Described:
    """A definition that a model is asked about."""

    definition: Definition
    subject: Subject


def subjects_of(work: Work, parts: Sequence[FileParts]) -> dict[str, Described]:
    """What a model is asked about, by key: hash of the definition with what holds it, the model and the templates.

    Equal definitions have one digest, in whatever file they are.
    """
    template = work.prompts.source("definition.system") + work.prompts.source("definition.user")
    model = name_of_model(work)
    return {
        hash_of("definition", model, template, one.owner, one.text): Described(
            one, Subject(part.file.path, one.shown, one.words_for_digest)
        )
        for part in parts
        for one in part.digest.asked
    }

"""Digests of whole files, for tasks that began with them: any change to a file's outline asks for a new one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace

from codemonkeys.context.digest_calls import DEFINITIONS, FILES, Subject, digests_of
from codemonkeys.context.reading import SourceFile, as_outline, shown_tokens
from codemonkeys.engine.work import Work
from codemonkeys.stages import DIGEST, RELEVANCE

FEWEST_WORDS = 15
MOST_WORDS = 50
TOKENS_PER_WORD = 10
"""Outline tokens per word of a digest."""
SHORT = 40
"""Outlines of up to this many tokens serve as their own digests."""
_LINE_NUMBERS = re.compile(r"  #\d+-\d+$", re.M)


def is_begun_with_them(work: Work) -> bool:
    """Whether a task has been asked about by digests of whole files, so that it goes on with them."""
    noted = {kind: work.journal.note(work.task.id, DIGEST.name, 0, kind.plan) for kind in (FILES, DEFINITIONS)}
    if noted[FILES] is not None or noted[DEFINITIONS] is not None:
        return noted[FILES] is not None
    return work.journal.has_asked(work.task.id, DIGEST.name, RELEVANCE.name)


async def as_file_digests(work: Work, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files shortened to their digests, or to their outlines where no digest is available."""
    outlines = await work.in_thread(lambda: [as_outline(file) for file in files])
    template = work.prompts.source("digest.system") + work.prompts.source("digest.user")
    model = name_of_model(work)
    keys = [key_of(file, model, template) for file in outlines]
    long = {key: file for key, file in zip(keys, outlines, strict=True) if shown_tokens(work, file) > SHORT}
    subjects = {key: Subject(file.path, file.text, words_for(work, file)) for key, file in long.items()}
    texts = await digests_of(work, FILES, subjects)

    def shortest(key: str, file: SourceFile) -> SourceFile:
        digest = replace(file, text=texts[key], form="digest") if key in texts else file
        # A digest can turn out longer than the outline.
        return digest if shown_tokens(work, digest) < shown_tokens(work, file) else file

    return [shortest(key, file) for key, file in zip(keys, outlines, strict=True)]


def name_of_model(work: Work) -> str:
    """The model that makes digests, with the parameters that it is given."""
    given = work.models.parameters_of(DIGEST.name, 0).given()
    return f"{work.models.scan.name} {json.dumps(given, sort_keys=True)}" if given else work.models.scan.name


def key_of(file: SourceFile, model: str, template: str) -> str:
    """Key of a digest: hash of the outline, the model with its parameters, and the prompt templates.

    Line numbers are left out: they change with every edit above a definition, and do not matter for a digest.
    """
    return hash_of(model, template, _LINE_NUMBERS.sub("", file.text))


def hash_of(*parts: str) -> str:
    """A key of the digest store."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def words_for(work: Work, file: SourceFile) -> int:
    """Maximum number of words for a digest."""
    return max(FEWEST_WORDS, min(MOST_WORDS, shown_tokens(work, file) // TOKENS_PER_WORD))

"""Lexical first: the model reads the files that share most words with the issue, and those that it asks for beyond."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.context.json_arrays import last_paths
from codemonkeys.context.named import named_files
from codemonkeys.context.reading import SourceFile, index_of
from codemonkeys.context.survey import Survey
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.stages import RELEVANCE


def by_likeness(work: Work, files: Sequence[SourceFile], found: Survey | None = None) -> list[SourceFile]:
    """Files ordered by what they have in common with the issue: named there, then by words, then by path; blocks.

    `found`: the survey, by default the recorded one.
    """
    with index_of(work, found) as index:
        paths = [*named_files(work.task.issue, [file.path for file in files], index), *index.rank(work.task.issue)]
    place = {path: number for number, path in enumerate(dict.fromkeys(paths))}
    return sorted(files, key=lambda file: (place.get(file.path, len(place)), file.path))


async def asked_for(work: Work, number: int, files: Sequence[SourceFile], found: Sequence[object]) -> list[SourceFile]:
    """Those of the files, of which the model sees only the paths, that it wants to read.

    `number`: the sample of the call. `found`: what it called relevant so far.
    """
    settings = work.settings.context
    listed = shown(work, files)
    if not listed:
        return []
    by_path = {file.path: file for file in listed}
    system = work.prompts("beyond.system", files=found, paths=list(by_path), most=settings.lexical_files)
    talk = Conversation(work, RELEVANCE, number, system, WITH_REPAIR, 0.0, settings.max_tokens)

    def parse(answer: str) -> list[SourceFile]:
        wanted = last_paths(answer, by_path)
        if wanted is None:
            raise UnusableAnswer("it ends with no JSON array.")
        return [by_path[path] for path in wanted[: settings.lexical_files]]

    def repair(problem: str) -> str:
        return work.prompts("beyond.repair", problem=problem)

    return await talk.ask(work.prompts("beyond.user"), parse, repair) or []


def shown(work: Work, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The first of the files whose paths fit into a call."""
    left = work.settings.context.outline_batch_tokens
    listed = []
    for file in files:
        left -= work.models.scan.count_tokens(file.path) + 4
        if left < 0:
            break
        listed.append(file)
    return listed

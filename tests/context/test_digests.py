"""Digests are made once for all tasks and runs, asked for again by nobody, and no file is lost over them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.context.relevance import RelevantFile, find_relevant
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import JournalError
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Request
from codemonkeys.models.roles import ModelSet
from codemonkeys.tasks.snapshot import Snapshot
from tests.context.test_relevance import numbers
from tests.fakes import TASK, AnsweringModel
from tests.rooms import room

BODY = "".join(f"    value_{n} = {n} * 2\n" for n in range(50))


def source(name: str) -> str:
    functions = (f'def {name}_{n}(first, second):\n    """Does {name} {n}."""\n{BODY}' for n in range(8))
    return "\n\n".join(functions)


FILES: dict[str, str | bytes] = {f"package/{name}.py": source(name) for name in ("apple", "pear", "plum")}
FILES["package/tiny.py"] = "x = 1\n"


def answering(digest: Callable[[str], str | None] = lambda path: f"All about {path}.") -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        if request.key.stage == "digest":
            texts = [(n, digest(path)) for n, path in numbers(request)]
            return json.dumps([{"file": n, "digest": text} for n, text in texts if text])
        return json.dumps([{"file": n, "relevant": "plum" in path, "summary": "S"} for n, path in numbers(request)])

    return answer


def asked(work: Work, stage: str) -> list[Request]:
    model = work.models.scan
    assert isinstance(model, AnsweringModel)
    return [request for request in model.requests if request.key.stage == stage]


def find(work: Work, store: Path) -> list[RelevantFile]:
    work.steps.digests = DigestStore(store)
    try:
        return asyncio.run(find_relevant(work))
    finally:
        work.steps.digests.close()


def test_digest_outline_whole_each_reads_what_the_one_before_keeps(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    with room(tmp_path, make_snapshot(FILES), answering(), context={"mode": "digest"}) as work:
        (found,) = find(work, tmp_path / "digests.db")
        assert found.path == "package/plum.py"
        shown = [re.findall(r'^File \d+: "package/(\w+).py"(?: \(an? (\w+))?', request.messages[1].content, re.M)
                 for request in asked(work, "relevance")]  # fmt: skip
        first, second, third = shown
        assert first == [("apple", "digest"), ("pear", "digest"), ("plum", "digest"), ("tiny", "")]
        assert (second, third) == ([("plum", "outline")], [("plum", "")])
        # Made from outlines, of the long files only, knowing nothing of the issue.
        (made,) = asked(work, "digest")
        assert [path for _, path in numbers(made)] == ["package/apple.py", "package/pear.py", "package/plum.py"]
        assert "value_1" not in made.messages[1].content
        assert all(TASK.issue not in message.content for message in made.messages)


def test_second_run_makes_only_what_is_new(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    store = tmp_path / "digests.db"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with room(tmp_path / "one", make_snapshot(FILES, "a"), answering(), context={"mode": "digest"}) as work:
        find(work, store)
    # A line moved within its file changes the blob and the line numbers, not what the file is about.
    later = FILES | {"package/pear.py": "\n\n" + source("pear"), "package/fig.py": source("fig")}
    with room(tmp_path / "two", make_snapshot(later, "b"), answering(), context={"mode": "digest"}) as work:
        find(work, store)
        (made,) = asked(work, "digest")
        assert [path for _, path in numbers(made)] == ["package/fig.py"]
        assert "All about package/pear.py." in asked(work, "relevance")[0].messages[1].content


def test_a_file_without_a_readable_digest_is_read_as_its_outline(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def no_pear(path: str) -> str | None:
        return None if "pear" in path else "Short."

    with room(tmp_path, make_snapshot(FILES), answering(no_pear), context={"mode": "digest"}) as work:
        find(work, tmp_path / "digests.db")
        assert len(asked(work, "digest")) == 2  # asked once more, then let be
        first = asked(work, "relevance")[0].messages[1].content
        assert '"package/pear.py" (an outline' in first and '"package/apple.py" (a digest' in first


def test_a_resumed_run_asks_what_it_asked_before_whatever_others_stored(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """The run stops after its digests were paid for but before they were stored; meanwhile another run stored one."""
    store = tmp_path / "digests.db"

    def stops(request: Request) -> str:
        text = answering()(request)
        if request.key.stage == "relevance":
            raise KeyboardInterrupt
        return text

    with room(tmp_path, make_snapshot(FILES), stops, context={"mode": "digest"}) as work:
        with pytest.raises(KeyboardInterrupt):
            find(work, store)
        kept = DigestStore(store)
        keys = work.steps.journal.note(TASK.id, "digest", 0, "plan")["batches"][0]
        texts = kept.get(keys)
        kept.close()
    store.unlink()
    other = DigestStore(store)
    other.put({keys[0]: texts[keys[0]]})
    other.close()
    model = AnsweringModel(answering())
    journal = Journal(tmp_path, "run", "source", {})
    try:
        resumed = replace(work, steps=Steps(journal, ModelSet(model, model), work.steps.sandbox, work.steps.operation))
        (found,) = find(resumed, store)
        assert found.path == "package/plum.py"
        assert asked(resumed, "digest") == []  # answered by the journal
    finally:
        journal.close()


def test_tasks_at_the_same_time_share_one_making(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), answering(), context={"mode": "digest"}) as work:
        tasks = [replace(TASK, id=f"owner__name-{n}") for n in range(1, 5)]
        work.steps.journal.add_tasks(tasks)
        work.steps.digests = DigestStore(tmp_path / "digests.db")

        async def all_at_once() -> list[list[RelevantFile]]:
            return list(await asyncio.gather(*(find_relevant(replace(work, task=task)) for task in tasks)))

        found = asyncio.run(all_at_once())
        work.steps.digests.close()
        assert [[file.path for file in files] for files in found] == [["package/plum.py"]] * 4
        assert len(asked(work, "digest")) == 1


def test_when_the_making_task_fails_another_takes_over(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    made: list[str] = []

    def answer(request: Request) -> str:
        if request.key.stage == "digest":
            made.append(request.key.task)
            if len(made) == 1:
                raise OSError("gone")
        return answering()(request)

    with room(tmp_path, make_snapshot(FILES), answer, context={"mode": "digest"}) as work:
        tasks = [replace(TASK, id=f"owner__name-{n}") for n in (1, 2)]
        work.steps.journal.add_tasks(tasks)
        work.steps.digests = DigestStore(tmp_path / "digests.db")

        async def both() -> list[list[RelevantFile] | BaseException]:
            work_on = (find_relevant(replace(work, task=task)) for task in tasks)
            return list(await asyncio.gather(*work_on, return_exceptions=True))

        ended = asyncio.run(both())
        work.steps.digests.close()
        found = [[file.path for file in files] for files in ended if isinstance(files, list)]
        assert found == [["package/plum.py"]]
        assert len(set(made)) == 2


def test_a_store_that_cannot_be_read_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "digests.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(JournalError, match="delete it: digests are then made anew"):
        DigestStore(path)
    assert path.read_bytes() == b"no database at all" * 100

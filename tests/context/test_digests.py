"""Digests are made once for all tasks and runs, asked for again by nobody, and no file is lost over them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.context.relevance import RelevantFile, find_relevant, read_numbers
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
REASON = "because the orchard is large and whoever looks for anything in it has to know where it stands " * 2


def function(name: str, does: str = "Picks") -> str:
    """A function with so long a docstring that a model is asked to say it shorter."""
    return f'def {name}(first, second):\n    """{does} {name} {REASON}."""\n{BODY}'


def source(name: str) -> str:
    return "\n\n".join(function(f"{name}_{n}") for n in range(8))


FILES: dict[str, str | bytes] = {f"package/{name}.py": source(name) for name in ("apple", "pear", "plum")}
FILES["package/tiny.py"] = "x = 1\n"


def definitions(request: Request) -> list[tuple[int, str]]:
    """(number, name) of the definitions that a request shows."""
    found = re.findall(
        r"^Definition (\d+), at most \d+ words\n\n<.*>\n(?:.*\n)*?def (\w+)", request.messages[1].content, re.M
    )
    return [(int(n), name) for n, name in found]


def names(requests: list[Request]) -> list[str]:
    return [name for request in requests for _, name in definitions(request)]


def answering(digest: Callable[[str], str | None] = lambda name: f"All about {name}.") -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        if request.key.stage == "digest":
            texts = [(n, digest(name)) for n, name in definitions(request)]
            return json.dumps([{"definition": n, "digest": text} for n, text in texts if text])
        chosen = [n for n, path in numbers(request) if "plum" in path]
        if "<digests" in request.messages[1].content:
            return json.dumps(chosen)
        return json.dumps([{"file": n, "relevant": n in chosen, "summary": "S"} for n, _ in numbers(request)])

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
        assert found.path == "package/plum.py" and found.summary == "S"
        first, second, third = (request.messages[1].content for request in asked(work, "relevance"))
        lines = re.findall(r'^File \d: "package/(\w+).py": (.*)$', first, re.M)
        assert [name for name, _ in lines] == ["apple", "pear", "plum", "tiny"]
        assert (
            dict(lines)["apple"].startswith("apple_0: All about apple_0.; apple_1: All about")
            and lines[3][1] == "x = 1"
        )
        assert re.findall(r"^File.*", second, re.M) == ['File 1: "package/plum.py" (an outline: bodies are left out)']
        assert re.findall(r"^File.*", third, re.M) == ['File 1: "package/plum.py"']
        # Made from outlines, of the long definitions only, knowing nothing of the issue.
        made = asked(work, "digest")
        assert names(made) == [f"{fruit}_{n}" for fruit in ("apple", "pear", "plum") for n in range(8)]
        assert all("value_1" not in message.content for request in made for message in request.messages)
        assert all(TASK.issue not in message.content for request in made for message in request.messages)


def test_a_later_commit_pays_for_the_definitions_that_changed(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    store = tmp_path / "digests.db"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with room(tmp_path / "one", make_snapshot(FILES, "a"), answering(), context={"mode": "digest"}) as work:
        find(work, store)
        assert work.journal.note(TASK.id, "digest", 0, "definitions")["known"] == 0
    # A line moved, a changed body, a short function more: nothing of that changes what a definition is about; nor does
    # it matter in which file it stands.
    pear = "\n\ndef short():\n    pass\n\n\n" + source("pear").replace("value_7 = 7", "value_7 = 8")
    changed = function("pear_3", "Peels").join(pear.split(function("pear_3").replace("value_7 = 7", "value_7 = 8")))
    later = FILES | {"package/pear.py": changed, "package/fig.py": source("plum")}
    with room(tmp_path / "two", make_snapshot(later, "b"), answering(), context={"mode": "digest"}) as work:
        find(work, store)
        assert names(asked(work, "digest")) == ["pear_3"]
        first = asked(work, "relevance")[0].messages[1].content
        assert "pear_3: All about pear_3.; pear_4: All" in first and "short; pear_0: All about pear_0." in first
        note = work.journal.note(TASK.id, "digest", 0, "definitions")
        assert (note["asked"], note["known"]) == (24, 23), "those of two files are the same"


def test_a_definition_without_a_readable_digest_speaks_for_itself(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def no_pear(name: str) -> str | None:
        return None if "pear" in name else "Short."

    with room(tmp_path, make_snapshot(FILES), answering(no_pear), context={"mode": "digest"}) as work:
        find(work, tmp_path / "digests.db")
        assert len(asked(work, "digest")) == 2 * len({request.key.sample for request in asked(work, "digest")})
        first = asked(work, "relevance")[0].messages[1].content
        assert "pear_0: Picks pear_0 because" in first and "apple_0: Short." in first


def test_screening_takes_numbers_or_judgements_and_keeps_all_if_it_cannot_read_either(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    assert read_numbers("[2, 1]", 2) == {1, 2} and read_numbers("none: []", 2) == set()
    judged = '[{"file": 1, "relevant": false, "summary": ""}, {"file": 2, "relevant": true}]'
    assert read_numbers(judged, 2) == {2}
    for unusable in ("", "[3]", "[true]", "[0]", '["a"]', '[{"file": 3, "relevant": true}]'):
        assert read_numbers(unusable, 2) is None, unusable

    def mute(request: Request) -> str:
        return "[99]" if "<digests" in request.messages[1].content else answering()(request)

    with room(tmp_path, make_snapshot(FILES), mute, context={"mode": "digest"}) as work:
        find(work, tmp_path / "digests.db")
        outlines = asked(work, "relevance")[2].messages[1].content
        assert outlines.count("(an outline") == 3 and "tiny.py" in outlines


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
        keys = work.steps.journal.note(TASK.id, "digest", 0, "definitions")["batches"][0]
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
        assert sorted(names(asked(work, "digest"))) == sorted(
            f"{fruit}_{n}" for fruit in ("apple", "pear", "plum") for n in range(8)
        )


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
    with pytest.raises(JournalError, match="delete this one: digests are then generated again"):
        DigestStore(path)
    assert path.read_bytes() == b"no database at all" * 100

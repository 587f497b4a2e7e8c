"""Relevance: every source file is read, and none is dropped in silence."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.context.for_tests import existing_tests
from codemonkeys.context.reading import index_of
from codemonkeys.context.relevance import find_relevant, read_judgements
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, ModelError, PromptTooLong, RejectedRequest
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.models.base import Request
from codemonkeys.tasks.snapshot import Snapshot
from tests.rooms import room

FILES: dict[str, str | bytes] = {
    "package/a.py": "def a():\n    return 1\n",
    "package/b.py": "def b():\n    return 2\n",
    "package/data.bin": b"\x00\x01",
    "package/empty.py": "",
    "package/latin.py": "# caf\u00e9\nx = 1\n".encode("latin-1"),
    "package/tests/test_a.py": "def test_a(): pass\n",
    "README.md": "Text\n",
}


def numbers(request: Request) -> list[tuple[int, str]]:
    """(number, path) of the files that a request shows."""
    said = request.messages[1].content
    return [(int(n), json.loads(path)) for n, path in re.findall(r'^File (\d+): ("[^"]*")', said, re.M)]


def judging(relevant: Callable[[str], bool]) -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        return json.dumps(
            [{"file": n, "relevant": relevant(path), "summary": f"About\n{path}"} for n, path in numbers(request)]
        )

    return answer


def note(work: Work) -> dict[str, object]:
    with run_files.reading(work.steps.journal.folder / "run.db") as connection:
        (row,) = queries.rows(connection, "SELECT body FROM notes WHERE kind = 'files'")
    found: dict[str, object] = json.loads(row["body"])
    return found


def test_reads_source_files_and_keeps_the_relevant(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), judging(lambda path: path.endswith("b.py"))) as work:
        (found,) = asyncio.run(find_relevant(work))
        assert (found.path, found.summary, found.maybe) == ("package/b.py", "About package/b.py", False)
        assert note(work) == {"read": 3, "relevant": 1, "maybe": [], "shortened": []}


def test_only_files_of_the_scope_are_read_indexed_and_shown_as_tests(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    files = {"a/x.py": "x = 1\n", "a/test_x.py": "def test_x(): pass\n", "ab/y.py": "y = 1\n"}
    snapshot = make_snapshot(files | {"ab/test_y.py": "def test_y(): pass\n", "root.py": "z = 1\n"})
    with room(tmp_path, snapshot, judging(lambda path: True), context={"tests": True}) as work:
        work.task = replace(work.task, scope="a")
        assert [file.path for file in asyncio.run(find_relevant(work))] == ["a/test_x.py", "a/x.py"]
        assert [path for path, _ in existing_tests(work)] == ["a/test_x.py"]
        with index_of(work) as index:
            assert sorted(index.paths) == ["a/test_x.py", "a/x.py"]


@pytest.mark.parametrize("answer", ["Not JSON at all.", "[]", '[{"file": 7, "relevant": true}]', '[{"file": "1"}]'])
def test_unreadable_answer_is_asked_for_once_more_and_its_files_kept(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], answer: str
) -> None:
    with room(tmp_path, make_snapshot(FILES), lambda request: answer, context={"batch_tokens": 0}) as work:
        found = asyncio.run(find_relevant(work))
        assert [file.path for file in found if file.maybe] == ["package/a.py", "package/b.py", "package/latin.py"]
        assert note(work)["maybe"] == [file.path for file in found]
        assert len(work.models.primary.requests) == 2 * 3  # type: ignore[attr-defined]


def test_half_an_answer_is_used_and_the_other_half_asked_for(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def answer(request: Request) -> str:
        first, *others = numbers(request)
        shown = [first] if request.key.turn == 0 else others
        return json.dumps([{"file": n, "relevant": False, "summary": ""} for n, _ in shown])

    with room(tmp_path, make_snapshot(FILES), answer) as work:
        found = asyncio.run(find_relevant(work))
        assert {file.summary for file in found} == {
            "The scan found no file relevant. This one shares words with the issue."
        }


def test_long_file_is_read_as_its_outline_and_that_is_said(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(3000))
    shown: list[str] = []

    def answer(request: Request) -> str:
        shown.append(request.messages[1].content)
        return judging(lambda path: True)(request)

    snapshot = make_snapshot({"long.py": f"def very_long():\n{body}"})
    with room(tmp_path, snapshot, answer, context={"file_tokens": 1000}) as work:
        (found,) = asyncio.run(find_relevant(work))
        assert found.tokens > 1000
        assert note(work)["shortened"] == ["long.py"]
    assert "very_long" in shown[0] and "x2999" not in shown[0] and "(an outline" in shown[0]


def test_outline_mode_reads_whole_only_what_the_outline_does_not_rule_out(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    whole: list[str] = []

    def answer(request: Request) -> str:
        if "(an outline" not in request.messages[1].content:
            whole.extend(path for _, path in numbers(request))
        return judging(lambda path: path.endswith("a.py"))(request)

    with room(tmp_path, make_snapshot(FILES), answer, context={"mode": "outline"}) as work:
        assert [file.path for file in asyncio.run(find_relevant(work))] == ["package/a.py"]
    assert "package/a.py" in whole and "package/b.py" not in whole


def test_small_files_share_a_call_and_large_ones_go_alone(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot({"a.py": "x = 1\n" * 10, "b.py": "y = 1\n" * 1000, "c.py": "z = 1\n", "d.py": "z = 2\n"})
    batches: list[list[str]] = []

    def answer(request: Request) -> str:
        batches.append([path for _, path in numbers(request)])
        return judging(lambda path: True)(request)

    with room(tmp_path, snapshot, answer, context={"batch_tokens": 100}) as work:
        asyncio.run(find_relevant(work))
    assert sorted(batches) == [["a.py"], ["b.py"], ["c.py", "d.py"]]


LONG = "def very_long():\n" + "".join(f"    x{n} = {n}\n" for n in range(300))


@pytest.mark.parametrize("refusal", [PromptTooLong("9000 tokens"), FilteredAnswer("withheld")])
def test_a_refused_batch_is_asked_file_by_file_and_a_refused_file_by_its_outline(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], refusal: ModelError
) -> None:
    """Nothing that the provider refused is asked again when the run is resumed."""
    snapshot = make_snapshot({"a.py": "x = 1\n", "long.py": LONG, "z.py": "z = 1\n"})
    asked: list[tuple[int, list[str]]] = []

    def answer(request: Request) -> str:
        asked.append((request.key.turn, [path for _, path in numbers(request)]))
        if "x299" in request.messages[1].content:
            raise refusal
        return judging(lambda path: path == "long.py")(request)

    for _ in range(2):
        with room(tmp_path, snapshot, answer) as work:
            (found,) = asyncio.run(find_relevant(work))
            assert (found.path, found.maybe, found.summary) == ("long.py", False, "About long.py")
    files = ["a.py", "long.py", "z.py"]
    assert asked == [(0, files), (2, ["a.py"]), (6, ["long.py"]), (8, ["long.py"]), (10, ["z.py"])]


@pytest.mark.parametrize("mode", ["full", "digest"])
def test_a_file_that_the_model_never_takes_is_kept_as_maybe(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], mode: str
) -> None:
    def answer(request: Request) -> str:
        if "secret" in request.messages[1].content:
            raise FilteredAnswer("withheld")
        return judging(lambda path: False)(request)

    snapshot = make_snapshot({"a.py": "x = 1\n", "b.py": "def secret():\n" + "    print(1)\n" * 200})
    with room(tmp_path, snapshot, answer, context={"mode": mode, "digests": str(tmp_path / "digests.db")}) as work:
        work.steps.digests = DigestStore(tmp_path / "digests.db")
        (found,) = asyncio.run(find_relevant(work))
        work.steps.digests.close()
        assert (found.path, found.maybe) == ("b.py", True)
        assert note(work)["maybe"] == ["b.py"]


def test_another_refusal_still_ends_the_task(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    """Of a parameter that the model does not know, say: it would be refused for every file."""

    def answer(request: Request) -> str:
        raise RejectedRequest("no such parameter")

    with room(tmp_path, make_snapshot(FILES), answer) as work, pytest.raises(ExceptionGroup):
        asyncio.run(find_relevant(work))


def test_judgements_of_a_strange_shape_are_not_believed() -> None:
    answer = '[{"file": true, "relevant": true}, {"file": 1, "relevant": "no"}, 5, {"file": 2, "relevant": true}]'
    assert read_judgements(answer, 2) == {2: (True, "(no summary)")}


def test_that_no_file_is_relevant_is_said_and_alike_ones_stand_in(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    files: dict[str, str | bytes] = {f"package/m{n}.py": f"x = {n}\n" for n in range(20)}
    files["package/zoo.py"] = "def breaks(name):\n    raise ValueError('name is empty')\n"
    with room(tmp_path, make_snapshot(files), judging(lambda path: False)) as work:
        said: list[str] = []
        work.steps.notify = lambda event: said.append(event.text)
        found = asyncio.run(find_relevant(work))
        assert len(found) == 10 and all(file.maybe for file in found)
        assert "package/zoo.py" in [file.path for file in found]
        assert work.journal.note(work.task.id, "relevance", 0, "none relevant") == 21
        assert any("called none of 21 files relevant" in text for text in said)


def test_lexical_mode_reads_the_most_alike_and_what_is_asked_for_beyond(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    files: dict[str, str | bytes] = {f"package/m{n}.py": f"x = {n}\n" for n in range(20)}
    files["package/zoo.py"] = "def breaks(name):\n    raise ValueError('name is empty')\n"
    read: list[str] = []

    def answer(request: Request) -> str:
        if "have not been read" in request.messages[0].content:
            assert "package/zoo.py" not in request.messages[0].content.split("have not been read")[1]
            return 'Perhaps this one. ["package/m7.py", "package/invented.py", "package/m7.py", "package/m8.py"]'
        read.extend(path for _, path in numbers(request))
        return judging(lambda path: path.endswith(("zoo.py", "m7.py")))(request)

    context = {"mode": "lexical", "lexical_files": 1}
    with room(tmp_path, make_snapshot(files), answer, context=context) as work:
        found = asyncio.run(find_relevant(work))
        assert read == [
            "package/zoo.py",
            "package/zoo.py",
            "package/m7.py",
        ]  # its outline first; then at most one beyond, as the setting says
        assert [file.path for file in found] == ["package/zoo.py", "package/m7.py"]
        assert note(work)["read"] == 2


def test_a_refused_question_for_more_files_costs_no_task(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    files: dict[str, str | bytes] = {"a.py": "x = 1\n", "zoo.py": "raise ValueError('the name is empty')\n"}

    def answer(request: Request) -> str:
        if "have not been read" in request.messages[0].content:
            raise FilteredAnswer("it is filtered")
        return judging(lambda path: True)(request)

    with room(tmp_path, make_snapshot(files), answer, context={"mode": "lexical", "lexical_files": 1}) as work:
        for _ in range(2):  # A resumed run asks no more.
            assert [file.path for file in asyncio.run(find_relevant(work))] == ["zoo.py"]
        asked = [r for r in work.models.scan.requests if "have not been read" in r.messages[0].content]  # type: ignore[attr-defined]
        assert len(asked) == 1

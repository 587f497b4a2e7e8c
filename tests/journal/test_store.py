"""The journal: what is stored is stored once, for good, and what is not understood is left alone."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, BudgetReached, CorruptJournal, JournalError, NewerJournal, RunExists
from codemonkeys.journal import queries, run_files, schema, texts, writer
from codemonkeys.journal.executions import execution_hash
from codemonkeys.journal.schema import migrations
from codemonkeys.journal.settlement import Settlement
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.tasks.base import Task
from sandboxes.base import Environment, Execution, Limits, Reason, Script

TASK = Task("owner__name-1", "owner/name", "0" * 40, "It breaks.")
OTHER = Task("owner__name-2", "owner/name", "0" * 40, "It breaks.")
PRICE = Price(prompt=1e-6, completion=2e-6, cache_read=1e-7, cache_write=1.25e-6)


def request(turn: int = 0, text: str = "Hello", sample: int = 0) -> Request:
    return Request(StepKey(TASK.id, "edit", sample, turn), (Message("user", text),))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, "run", "source", {"model": "m"})
    journal.add_tasks([TASK])
    journal.put_price("m", PRICE)
    yield journal
    journal.close()


def test_files_are_private(journal: Journal) -> None:
    journal.calls.begin(request(), "m", 0.1, None)
    assert journal.folder.stat().st_mode & 0o777 == 0o700
    for path in journal.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_answer_survives_and_costs_what_its_usage_says(journal: Journal, tmp_path: Path) -> None:
    usage = Usage(1000, 100, cache_read_tokens=400, cache_write_tokens=200, raw={"any": {"thing": 1}})
    answer = Completion("text \udcff", "stop", usage, "m-2026", 1.5, attempts=2)
    journal.calls.finish(journal.calls.begin(request(), "m", 0.5, None), answer)
    journal.close()

    again = Journal(tmp_path, "run", "source", {"model": "m"})
    stored = again.calls.stored(request().key)
    assert stored is not None and stored.request_hash == request().hash("m")
    read = again.calls.answer(stored)
    assert (read.text, read.usage, read.attempts) == ("text ?", usage, 2)
    assert again.calls.spent() == pytest.approx(400e-6 + 400e-7 + 200 * 1.25e-6 + 200e-6)
    again.close()


def test_call_cut_off_stays_on_the_bill_at_its_upper_bound(journal: Journal, tmp_path: Path) -> None:
    journal.calls.begin(request(), "m", 0.25, None)
    journal.close()
    again = Journal(tmp_path, "run", "source", {"model": "m"})
    assert again.calls.stored(request().key) is None
    assert again.calls.spent() == 0.25
    assert read(again, "SELECT state FROM calls") == [{"state": "lost"}]
    again.close()


def test_superseded_answer_stays_on_the_bill(journal: Journal) -> None:
    answer = Completion("a", "stop", Usage(1000, 0), "m")
    journal.calls.finish(journal.calls.begin(request(), "m", 0.5, None), answer)
    stored = journal.calls.stored(request().key)
    assert stored is not None
    journal.calls.supersede(stored)
    assert journal.calls.stored(request().key) is None
    journal.calls.finish(journal.calls.begin(request(text="Other"), "m", 0.5, None), answer)
    assert journal.calls.spent() == pytest.approx(2000e-6)


def test_failed_call_costs_nothing_unless_it_may_have_been_billed(journal: Journal) -> None:
    journal.calls.fail(journal.calls.begin(request(0), "m", 0.5, None), "refused", billed=False)
    assert journal.calls.spent() == 0
    journal.calls.fail(journal.calls.begin(request(1), "m", 0.5, None), "timed out", billed=True)
    assert journal.calls.spent() == 0.5


def test_unknown_price_is_unknown_and_not_zero(journal: Journal) -> None:
    journal.put_price("secret", None)
    journal.calls.finish(journal.calls.begin(request(), "secret", 0, None), Completion("a", "stop", Usage(9, 9), "x"))
    spend = read(journal, "SELECT cost_usd FROM spend_by_stage")
    assert spend == [{"cost_usd": None}]


def test_what_a_call_cost_is_kept_as_it_was_settled(journal: Journal, tmp_path: Path) -> None:
    """Whoever adds up later, by another clock or another price list, finds the same."""
    answered = Completion("a", "stop", Usage(1_000, 0), "m")
    journal.calls.finish(journal.calls.begin(request(0), "m", 0.5, None), answered, Settlement(0.25))
    journal.put_price("m", Price(prompt=1.0))
    assert journal.calls.spent() == 0.25
    journal.close()
    again = Journal(tmp_path, "run", "source", {"model": "m"})
    assert again.calls.spent() == 0.25
    again.close()


def test_a_cost_that_nobody_knows_is_never_zero(journal: Journal) -> None:
    """Not while a call is in flight, nor without a count of tokens, nor if it failed; a provider may tell it."""
    journal.put_price("secret", None)
    journal.calls.begin(request(0), "secret", 0.0, None)
    journal.calls.finish(journal.calls.begin(request(1), "secret", 0.0, None), Completion("a", "stop", None, "x"))
    journal.calls.fail(journal.calls.begin(request(2), "secret", 0.0, None), "cut", billed=True)
    assert {row["cost_usd"] for row in read(journal, "SELECT cost_usd FROM calls")} == {None}
    assert read(journal, "SELECT cost_usd FROM spend_by_stage") == [{"cost_usd": None}]
    told = Completion("a", "stop", Usage(9, 9), "x")
    journal.calls.finish(journal.calls.begin(request(3), "secret", 0.0, None), told, Settlement(0.5))
    assert journal.calls.spent() == 0.5


def read(journal: Journal, query: str) -> list[dict[str, Any]]:
    with run_files.reading(journal.folder / "run.db") as connection:
        return queries.rows(connection, query)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(1, 100), st.floats(0, 1)), min_size=1, max_size=40),
    st.integers(1, 500),
)
def test_budget_holds_in_every_order(
    tmp_path: Path, seed: int, calls: list[tuple[int, float]], limit_cents: int
) -> None:
    """Reservations and settlements in any order: never over, and refused only if the reservation did not fit."""
    rng = random.Random(seed)
    journal = Journal(tmp_path, f"run-{uuid.uuid4()}", "source", {})
    journal.add_tasks([TASK])
    journal.put_price("m", Price(prompt=0.01))
    limit = limit_cents / 100
    open_calls: list[tuple[int, int]] = []
    for number, (cents, used) in enumerate(calls):
        before = journal.calls.spent()
        try:
            step = journal.calls.begin(request(number), "m", cents / 100, limit)
            open_calls.append((step, int(cents * used)))
        except BudgetReached:
            assert before + cents / 100 > limit - 1e-6
        assert journal.calls.spent() <= limit + 1e-6
        while open_calls and rng.random() < 0.5:
            step, tokens = open_calls.pop(rng.randrange(len(open_calls)))
            journal.calls.finish(step, Completion("", "stop", Usage(tokens, 0), "m"))
            assert journal.calls.spent() <= limit + 1e-6
    journal.close()


def test_run_of_other_settings_is_refused_and_operation_may_change(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    Journal(tmp_path, "run", "source", {"model": "m", "operation": {"budget": 3}}).close()
    with pytest.raises(RunExists, match="a different model .*'m', is now 'n'"):
        Journal(tmp_path, "run", "source", {"model": "n"})
    with pytest.raises(RunExists, match="a different source"):
        Journal(tmp_path, "run", "elsewhere", {"model": "m"})


@pytest.mark.slow
def test_second_process_is_refused_and_told_the_first(journal: Journal, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from codemonkeys.journal.store import Journal\n"
        "Journal(Path(sys.argv[1]), 'run', 'source', {'model': 'm'})"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "RunBusy: process " in done.stderr and f"process {os.getpid()} is working" in done.stderr
    journal.close()
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def unspeakable_schema() -> bytes:
    """A database with a table that sqlite complains of by its name, which is no text."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE name (x)")
        return connection.serialize().replace(b"tablename", b"table\xffame").replace(b"TABLE name", b"TABLE,name")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no database at all" * 100, id="none"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 4096, id="pages"),
        pytest.param(unspeakable_schema(), id="schema"),
    ],
)
def test_corrupt_database_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "run.db"
    path.write_bytes(content)
    with pytest.raises(CorruptJournal, match="run.db cannot be read as a run"):
        Journal(tmp_path, "run", "source", {})
    with pytest.raises(CorruptJournal):
        with run_files.reading(path):
            pass
    assert path.read_bytes() == content


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    connection.execute("CREATE TABLE precious (x)")
    connection.close()
    with pytest.raises(CorruptJournal, match="it holds no run"):
        Journal(tmp_path, "run", "source", {})


def test_a_run_that_was_killed_as_it_began_begins_again(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "run.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with pytest.raises(CorruptJournal, match="has not begun, and holds nothing yet"):
        with run_files.reading(path):
            pass
    Journal(tmp_path, "run", "source", {}).close()
    with run_files.reading(path) as connection:
        assert connection.execute("SELECT source FROM run").fetchone()[0] == "source"
    assert [found.name for found in path.parent.glob("run.db.*")] == [], "there is nothing to back up"


def test_patient_changes_share_a_commit_with_the_next_one_that_is_not(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[bool] = []
    end = journal._writer._end_transaction

    def commit() -> None:
        commits.append(True)
        end()

    monkeypatch.setattr(journal._writer, "_end_transaction", commit)

    def note(number: int) -> Callable[[], None]:
        return lambda: journal.put_note(TASK.id, "edit", number, "any", number)

    async def several(patience: float) -> None:
        monkeypatch.setattr(writer, "PATIENCE", patience)
        waiting = [asyncio.ensure_future(journal.group_commit(note(n), patient=True)) for n in range(3)]
        if patience > 60:
            await asyncio.sleep(0.05)
            assert not any(one.done() for one in waiting) and not commits
            await journal.group_commit(note(3))
        await asyncio.gather(*waiting)

    asyncio.run(several(3600))
    assert len(commits) == 1
    asyncio.run(several(0.01))
    assert len(commits) == 2
    with run_files.reading(journal.folder / "run.db") as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone()[0] == 4


def test_a_patient_change_is_made_also_if_the_loop_ended_in_which_an_earlier_one_waited(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def given_up() -> None:
        monkeypatch.setattr(writer, "PATIENCE", 3600)
        asyncio.ensure_future(journal.group_commit(lambda: journal.put_note(TASK.id, "edit", 0, "a", 0), patient=True))
        await asyncio.sleep(0)

    async def later() -> None:
        monkeypatch.setattr(writer, "PATIENCE", 0.01)
        await journal.group_commit(lambda: journal.put_note(TASK.id, "edit", 1, "a", 1), patient=True)

    asyncio.run(given_up())
    asyncio.run(asyncio.wait_for(later(), 30))
    assert journal.note(TASK.id, "edit", 1, "a") == 1


def test_a_commit_that_fails_unlike_a_full_disk_keeps_nobody_waiting(journal: Journal) -> None:
    def broken() -> None:
        with journal._writer.writing() as connection:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            connection.execute(
                "INSERT INTO notes (task, stage, sample, kind, body) VALUES ('none', 'edit', 0, 'any', '1')"
            )

    def note() -> None:
        journal.put_note(TASK.id, "edit", 0, "any", 1)

    async def both() -> tuple[BaseException | None, BaseException | None]:
        waiting = asyncio.gather(journal.group_commit(broken), journal.group_commit(note), return_exceptions=True)
        return await asyncio.wait_for(waiting, 30)

    assert [type(end) for end in asyncio.run(both())] == [sqlite3.IntegrityError] * 2
    asyncio.run(journal.group_commit(note))
    assert journal.note(TASK.id, "edit", 0, "any") == 1


def test_nor_one_after_which_the_totals_cannot_be_read_anew(journal: Journal) -> None:
    """As on a disk that fails: what reads the totals after a rollback fails too."""

    def broken() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def several() -> list[BaseException | None]:
        changes = (journal.group_commit(change) for change in (broken, lambda: None))
        return await asyncio.wait_for(asyncio.gather(*changes, return_exceptions=True), 30)

    journal._writer.on_rollback = broken
    ended = asyncio.run(several())
    assert [type(end) for end in ended] == [JournalError] * 2 and "disk I/O error" in str(ended[0])


def test_newer_schema_is_refused(journal: Journal, tmp_path: Path) -> None:
    with journal._writer.writing() as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('codemonkeys', 'm999_future', '')"
        )
    path = journal.folder / "run.db"
    journal.close()
    with pytest.raises(NewerJournal, match="m999_future"):
        Journal(tmp_path, "run", "source", {"model": "m"})
    with pytest.raises(NewerJournal):
        with run_files.reading(path):
            pass


def test_a_run_of_an_older_version_goes_on_though_it_lacks_a_setting(tmp_path: Path) -> None:
    old = {"generation": {"samples": 3}, "operation": {"tasks": 1}}
    Journal(tmp_path, "run", "source", old).close()
    newer = {"generation": {"samples": 3, "wave": None}, "operation": {"tasks": 2}}
    Journal(tmp_path, "run", "source", newer).close()
    for other in ({"samples": 4, "wave": None}, {"wave": None}):
        with pytest.raises(RunExists, match=r"a different generation \(generation\.[a-z_]+ was "):
            Journal(tmp_path, "run", "source", {**newer, "generation": other})
    with pytest.raises(RunExists, match="a different generation"):
        Journal(tmp_path, "run", "source", {**newer, "generation": {"samples": 3, "wave": 2}})


def test_older_schema_is_copied_before_it_is_migrated(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.put_note(TASK.id, "edit", 0, "kind", "kept")
    journal.close()
    newer = migrations()

    @newer(name="m002_test")
    def more(db: object) -> None:
        db.conn.execute("CREATE TABLE more (x)")  # type: ignore[attr-defined]

    monkeypatch.setattr(schema, "migrations", lambda: newer)
    monkeypatch.setattr(run_files, "KNOWN_MIGRATIONS", run_files.KNOWN_MIGRATIONS | {"m002_test"})
    Journal(tmp_path, "run", "source", {"model": "m"}).close()
    (copy,) = (tmp_path / "run").glob("run.db.before-*")
    assert copy.stat().st_mode & 0o777 == 0o600
    old = sqlite3.connect(copy)
    assert old.execute("SELECT body FROM notes").fetchall() == [('"kept"',)]
    assert old.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone() is None
    old.close()
    now = sqlite3.connect(tmp_path / "run" / "run.db")
    assert now.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone() == (1,)
    now.close()


def test_readers_know_every_migration() -> None:
    from sqlite_utils import Database

    database = Database(memory=True)
    assert {migration.name for migration in migrations().pending(database)} == run_files.KNOWN_MIGRATIONS
    database.close()


def test_full_disk_is_told_and_loses_nothing(journal: Journal, tmp_path: Path) -> None:
    done = Completion("kept", "stop", Usage(1, 1), "m")
    journal.calls.finish(journal.calls.begin(request(0), "m", 0.1, None), done)
    pages = journal._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    noise = random.Random(1).randbytes(1 << 20).hex()
    with pytest.raises(JournalError, match="disk is full.*resume the run 'run'"):
        journal.calls.finish(journal.calls.begin(request(1), "m", 0.1, None), Completion(noise, "stop", None, "m"))
    journal.close()
    again = Journal(tmp_path, "run", "source", {"model": "m"})
    stored = again.calls.stored(request(0).key)
    assert stored is not None and again.calls.answer(stored).text == "kept"
    again.close()


def test_what_follows_in_the_next_turn_of_the_event_loop_shares_the_commit(journal: Journal) -> None:
    """As when an answer is stored and the call that waited for its slot is booked; all of it is durable on return."""
    commits: list[str] = []

    def watch(statement: str) -> None:
        if statement.startswith("COMMIT"):
            commits.append(statement)

    async def begin(turn: int) -> int:
        for _ in range(turn):
            await asyncio.sleep(0)
        await journal.group_commit(lambda: journal.calls.begin(request(turn), "m", 0.5, None))
        return int(read(journal, "SELECT count(*) AS calls FROM calls")[0]["calls"])

    async def begin_two() -> list[int]:
        return list(await asyncio.gather(begin(0), begin(1)))

    journal._writer.connection.set_trace_callback(watch)
    assert asyncio.run(begin_two()) == [2, 2]
    assert len(commits) == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\x00b", ".hidden", "-o", "x" * 101])
def test_run_name_cannot_be_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="run name"):
        run_files.run_folder(tmp_path, name)


def test_execution_is_found_by_key_and_by_equal_arguments(journal: Journal) -> None:
    place, script, limits = Environment("e"), Script("print()"), Limits()
    digest = execution_hash(place, script, "patch", limits)
    key = StepKey(TASK.id, "edit", 0, 0, "edited")
    result = Execution(Reason.KILLED, None, 11, "out", 0.5)
    journal.executions.put(key, digest, place, script, "patch", result, reused=False, attempts=1)
    for stored in (journal.executions.stored(key), journal.executions.equal(digest)):
        assert stored is not None and journal.executions.result(stored) == result
    assert journal.executions.stored(key._replace(part="original")) is None


def test_outputs_of_a_task_that_has_ended_take_no_memory_and_others_are_still_stored_against_them(
    journal: Journal,
) -> None:
    similar, place, script = journal._writer.similar, Environment("e"), Script("print()")
    lines = "".join(f"test_{n} ... ok\n" for n in range(400))

    def put(task: str, candidate: int) -> str:
        result = Execution(Reason.EXITED, 0, output=f"{lines}candidate {candidate} of {task}")
        key, patch = StepKey(task, "regression", candidate, 0, "suite"), f"patch {candidate}"
        digest = execution_hash(place, script, patch, Limits())
        journal.executions.put(key, digest, place, script, patch, result, reused=False, attempts=1)
        query = "SELECT output_hash FROM execution_steps WHERE task = ? AND sample = ?"
        return str(journal._writer.connection.execute(query, (task, candidate)).fetchone()[0])

    def size(text: str) -> int:
        query = "SELECT length(compressed) FROM texts WHERE hash = ?"
        return int(journal._writer.connection.execute(query, (text,)).fetchone()[0])

    journal.add_tasks([OTHER])
    first, second = put(TASK.id, 1), put(TASK.id, 2)
    assert first in similar and second not in similar
    journal.forget_task(TASK.id)
    assert first not in similar and similar.bytes == 0
    third = put(OTHER.id, 3)
    assert size(third) < 100 < size(first)
    assert texts.get(journal._writer.connection, third).endswith(f"candidate 3 of {OTHER.id}")
    journal.forget_task(OTHER.id)
    journal.forget_task(OTHER.id)


def test_a_submission_that_could_be_applied_says_nothing_of_the_issue(journal: Journal) -> None:
    """Unlike a test script with the same exit code."""

    def put(part: str, exit_code: int) -> None:
        key, result = StepKey(TASK.id, "votes", 1, 0, part), Execution(Reason.EXITED, exit_code)
        script = Script(part)
        digest = execution_hash(Environment("e"), script, None, Limits())
        journal.executions.put(key, digest, Environment("e"), script, None, result, reused=False, attempts=1)

    put("applied", 0)
    assert not journal.executions.could_not_tell(TASK.id), "no test script ran"
    put("edited", 127)
    assert journal.executions.could_not_tell(TASK.id)
    put("original", 2)
    assert not journal.executions.could_not_tell(TASK.id)


@given(st.text(max_size=50_000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_texts_come_back_as_they_were_and_lie_there_once(text: str, plain: bool) -> None:
    from sqlite_utils import Database

    database = Database(memory=True)
    migrations().apply(database)
    first, second = texts.put(database.conn, text, plain), texts.put(database.conn, text)
    assert first == second
    assert texts.get(database.conn, first) == text
    assert database["texts"].count == 1
    database.close()

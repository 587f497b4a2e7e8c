"""Every page, on a run as it comes and on one whose content is hostile."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest

from codemonkeys.journal import texts
from codemonkeys.journal.run_files import RunLock
from codemonkeys.journal.store import Journal
from codemonkeys.settings import load_settings
from codemonkeys.view.server import Viewer
from tests import fakes
from tests.journal.test_old_runs import restore
from tests.view.page import read_page
from tests.view.shown_runs import FILE, HEAD, HOSTILE, ID, TASK, get, make_run, task_path, with_viewer

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, copy_run: Callable[..., Path]) -> Path:
    """A folder with a run and a hostile one."""
    folder = tmp_path_factory.mktemp("view") / "runs"
    copy_run(folder)
    copy_run(folder, "hostile", hostile=True)
    return folder


def kind(path: str) -> str:
    """Pages of one kind are made by the same code."""
    path, query, _ = path.partition("?")
    parts = path.split("/")
    return ("/".join(parts[:3]) if parts[1] == "-" else f"table {len(parts)}") + query


async def walk(viewer: Viewer, start: str, of_each: int) -> dict[str, str]:
    """Follow all links from a page, to some pages of each kind; the text of each page by its address."""
    seen: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    waiting = [start]
    while waiting:
        path = waiting.pop(0)
        if path in seen or kinds[kind(path)] >= of_each or re.search(r"\.(json|csv)", path):
            continue
        kinds[kind(path)] += 1
        answer = await viewer.client.get(path)
        assert answer.status_code == 200, (path, answer.text[-500:])
        seen[path] = answer.text
        if answer.headers["content-type"].startswith("text/html"):
            page = read_page(answer.text)
            assert page.faults == [], path
            links = (urljoin(f"http://localhost{path}", link).partition("#")[0] for link in page.links)
            waiting += [link.removeprefix("http://localhost") for link in links]
    return seen


@pytest.mark.parametrize("run", ["run", "hostile"])
def test_every_page_is_whole_and_shows_what_is_hostile_as_text(runs: Path, run: str) -> None:
    pages = with_viewer(runs, lambda viewer: walk(viewer, f"/-/run/{run}", 2))
    kinds = {kind(path) for path in pages}
    for page in ("run", "task", "trajectory", "conversation", "vote", "runs", "search", "text"):
        assert any(found.startswith(f"/-/{page}") for found in kinds), (page, kinds)
    for path, text in pages.items():
        if not path.startswith("/-/text/"):
            assert not HIDDEN.search(text), path
            assert "1337" not in re.sub(r"\d{5,}|[0-9a-f]{64}", "", text), path  # 7 * 191, by a template
    if run == "hostile":
        assert sum("&lt;script&gt;alert(1)" in text for text in pages.values()) > 12


def test_forms_lead_to_whole_pages(runs: Path) -> None:
    for run in ("run", "hostile"):
        paths = [
            f"{task_path('candidates', TASK, run=run)}?one=1&other=2",
            f"/-/runs?one={run}&other=run&all=1",
            f"/{run}?sql=select+*+from+outputs",
            f"/{run}/call_steps?_facet=stage&stage__exact=edit&_sort=turn",
        ]
        for path, answer in zip(paths, get(runs, *paths), strict=True):
            assert answer.status_code == 200 and read_page(answer.text).faults == [], path
            assert not HIDDEN.search(answer.text), path


def test_hidden_characters_are_named(runs: Path) -> None:
    (page, raw) = get(runs, task_path("task", ID, run="hostile"), task_path("task", TASK, run="hostile"))
    text = "".join(read_page(page.text).text)
    assert "\u241b[31mred" in text and "[U+202E]gnp.exe" in text and "[U+200B]zero" in text
    assert HOSTILE.partition("\x1b")[0] in text and "{{ 7 * 191 }}" in text
    assert FILE.replace("\u202e", "[U+202E]") in "".join(read_page(raw.text).text)


def test_a_task_in_work_is_interrupted_where_nothing_works_on_its_run(
    tmp_path: Path, copy_run: Callable[..., Path]
) -> None:
    database = copy_run(tmp_path)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tasks SET state = 'running', ended_at = NULL WHERE id = ?", (TASK,))
    paths = ["/-/run/run", task_path("task", TASK), "/-/run/run?state=interrupted"]
    for answer in get(tmp_path, *paths):
        assert ">interrupted<" in answer.text and ">running<" not in answer.text and "Refresh" not in answer.text
    lock = RunLock(database.parent)
    for answer in get(tmp_path, *paths[:2]):
        assert ">interrupted<" not in answer.text and ">running<" in answer.text
    lock.release()


def test_a_run_is_told_in_numbers_with_its_money(runs: Path) -> None:
    (page,) = get(runs, "/-/run/run")
    with closing(sqlite3.connect(runs / "run" / "run.db")) as connection:
        (cost,) = connection.execute("SELECT sum(cost_usd) FROM costs").fetchone()
        (calls,) = connection.execute("SELECT count(*) FROM costs").fetchone()
    assert cost > 0
    text = " ".join(" ".join(read_page(page.text).text).split())
    assert f"cost {cost:.4f} USD" in text or f"cost {cost:,.2f} USD" in text
    assert f"calls {calls}" in text and "tasks 2" in text and "owner__name-1" in text


def test_tasks_are_narrowed_down_by_facets(runs: Path) -> None:
    (some, none) = get(runs, "/-/run/hostile?state=failed", "/-/run/hostile?state=waiting&page=2")
    assert "1 task," in some.text and some.text.count('scope="row"><a href="/-/task/') == 1
    assert "0 tasks," in none.text and 'href="/-/task/' not in none.text
    (graded,) = get(runs, "/-/run/hostile?verdict=not+resolved")
    assert "2 tasks," in graded.text


def test_each_of_several_verdicts_says_which_candidates_it_is_about(
    tmp_path: Path, copy_run: Callable[..., Path]
) -> None:
    database = copy_run(tmp_path)
    with closing(sqlite3.connect(database)) as connection, connection:
        of_task = "SELECT patch_hash FROM candidates WHERE task = ?"
        hashes = {row[0] for row in connection.execute(of_task, (TASK,))}
        connection.execute("DELETE FROM verdicts")
        for patch in sorted(hashes):
            connection.execute(
                "INSERT INTO verdicts (task, patch_hash, outcome, detail, graded_at) "
                "VALUES (?, ?, 'not resolved', '', '2026-01-01T00:00:00+00:00')",
                (TASK, patch),
            )
    (page,) = get(tmp_path, task_path("task", TASK))
    assert len(hashes) > 1 and page.text.count("<h3>Verdict on candidate") == len(hashes)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "DELETE FROM verdicts WHERE patch_hash = (SELECT patch_hash FROM tasks WHERE id = ?)", (TASK,)
        )
        connection.execute("DELETE FROM verdicts WHERE rowid > (SELECT min(rowid) FROM verdicts)")
    (page,) = get(tmp_path, task_path("task", TASK))
    assert page.text.count("<h3>Verdict on candidate") == 1, "the only one is not about what was chosen"


def test_a_task_counts_from_one_and_leads_on(runs: Path) -> None:
    (page,) = get(runs, task_path("task", TASK))
    links = set(read_page(page.text).links)
    assert {task_path("trajectory", TASK, n) for n in (1, 2, 3)} <= links
    assert {task_path("vote", TASK, 1, n) for n in (1, 2, 3)} <= links
    assert not {task_path("trajectory", TASK, 0), task_path("vote", TASK, 1, 0)} & links
    assert "issue present" in page.text and "fixed" in page.text and 'class="cell for"' in page.text
    assert "ranked 1" in page.text and "whole" in page.text


def test_a_trajectory_has_every_turn_as_it_was_sent(runs: Path) -> None:
    (page,) = get(runs, task_path("trajectory", TASK, 2))
    text = "".join(read_page(page.text).text)
    with closing(sqlite3.connect(runs / "run" / "run.db")) as connection:
        calls = connection.execute(
            "SELECT stage, turn, request FROM call_steps WHERE task = ? AND sample = 1 AND stage IN ('test', 'edit')",
            (TASK,),
        ).fetchall()
        for stage, turn, request in calls:
            assert f'id="{stage}-{turn + 1}"' in page.text
            for _, digest in json.loads(request)["messages"]:
                assert texts.get(connection, digest).strip() in text, (stage, turn)
    assert "codemonkeys_dry_run.txt (new)" in text and "tokens read" in text and "USD" in text


def test_layers_and_a_tournament_are_shown_where_they_belong(tmp_path: Path) -> None:
    """A merged candidate has a trajectory like any other; what orders candidates is no part of the choice."""
    generation = {"samples": 2, "layers": ["generate", "critique", "rank", "fuse", "verify"]}
    make_run(tmp_path / "runs", tmp_path / "made", tasks=1, generation=generation, selection={"rule": "tournament"})
    (page,) = get(tmp_path / "runs", task_path("task", TASK))
    merged = task_path("trajectory", TASK, 3)
    assert merged in read_page(page.text).links and "fuse fake" in page.text
    (trajectory,) = get(tmp_path / "runs", merged)
    assert trajectory.status_code == 200 and 'id="fuse-1"' in trajectory.text and 'id="edit-1"' not in trajectory.text
    others, _, choice = page.text.partition('<h2 id="choice">')
    choice = choice.partition("<h2")[0]
    for link in (f"/conversation/run/{TASK}/{stage}/" for stage in ("critique", "rerank")):
        assert link in others and link not in choice
    assert "/tournament/" in choice and "/fuse/" not in page.text


def test_a_text_is_cut_on_a_page_and_whole_by_its_link(
    tmp_path: Path, copy_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_run(tmp_path / "runs")
    monkeypatch.setattr("codemonkeys.view.conversation_page.LONGEST", 10)
    (page,) = get(tmp_path / "runs", task_path("trajectory", TASK, 1))
    link = next(link for link in read_page(page.text).links if link.startswith("/-/text/"))
    (whole,) = get(tmp_path / "runs", link)
    assert "Only the beginning is shown" in page.text and len(whole.text) > 100
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"


def test_every_table_can_be_exported(runs: Path) -> None:
    answers, rows, query = get(
        runs,
        "/run/answers.json?_shape=array&stage=edit",
        "/run/tasks.csv",
        "/run.json?sql=select+count(*)+as+n+from+issues",
    )
    assert "CREATE" in answers.json()[0]["answer"] and rows.text.count("\n") == 3
    assert query.json()["rows"] == [[2]]


def test_what_is_not_there_is_told_in_words(runs: Path, tmp_path: Path) -> None:
    missing = [
        *("/-/run/nothing", "/-/task/run/nothing", "/nothing", "/run/nothing"),
        *(task_path("trajectory", TASK, 9), task_path("vote", TASK, 1, 9), task_path("candidates", TASK)),
        *(f"{task_path('candidates', TASK)}?one=1&other=9", f"/-/text/run/{'0' * 64}"),
        *("/-/runs?one=run&other=nothing", "/-/search?run=nothing&q=a"),
    ]
    for path, answer in zip(missing, get(runs, *missing), strict=True):
        assert answer.status_code == 404, (path, answer.status_code)
        assert read_page(answer.text).faults == [] and "Traceback" not in answer.text, path
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_bytes(b"no database")
    home, run = get(tmp_path, "/", "/-/run/broken")
    assert (home.status_code, run.status_code) == (200, 404)
    assert "cannot be read as a run" in home.text and "cannot be read as a run" in run.text


def test_a_run_that_goes_on_is_followed(tmp_path: Path, copy_run: Callable[..., Path]) -> None:
    database = copy_run(tmp_path / "runs")
    (ended,) = get(tmp_path / "runs", "/-/run/run")
    assert "follow.js" not in ended.text
    with closing(sqlite3.connect(database)) as connection:
        source, settings = connection.execute("SELECT source, settings FROM run").fetchone()
    with closing(Journal(tmp_path / "runs", "run", source, json.loads(settings))) as journal:
        journal.put_note(TASK, "edit", 2, "ended early", "written while it is read")
        during, page, script = get(tmp_path / "runs", "/-/run/run", task_path("task", TASK), "/-/files/follow.js")
    assert "going on" in during.text and 'data-follow="5"' in during.text
    assert read_page(during.text).faults == []
    assert "written while it is read" in page.text
    assert script.status_code == 200


def test_a_run_that_begins_later_is_listed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()

    async def before_and_after(viewer: Viewer) -> tuple[str, str, int]:
        before = await viewer.client.get("/")
        Journal(tmp_path / "runs", "late", "source", {}).close()
        after, table = await viewer.client.get("/"), await viewer.client.get("/late/tasks")
        return before.text, after.text, table.status_code

    before, after, status = with_viewer(tmp_path / "runs", before_and_after)
    assert "no runs yet" in before and "/-/run/late" in after and status == 200


def test_a_run_of_an_older_version_is_shown(tmp_path: Path) -> None:
    """As it is: a reader does not migrate it."""
    database = restore("judge", tmp_path / "runs")
    before = database.read_bytes()
    pages = with_viewer(tmp_path / "runs", lambda viewer: walk(viewer, "/-/run/judge", 1))
    assert any(path.startswith("/-/conversation/") for path in pages)
    assert database.read_bytes() == before


def test_an_ensemble_is_shown_by_its_members(tmp_path: Path) -> None:
    settings = load_settings(["selection.rule=majority"]).model_dump(mode="json")
    with closing(Journal(tmp_path, "run", "source", {"ensemble": {"members": []}, **settings})) as journal:
        journal.add_tasks([fakes.TASK])
        patches = [HEAD.replace(FILE, "a.py") + f" x\n-y\n+{number}\n" for number in (1, 2)]
        journal.put_candidates(
            fakes.TASK.id,
            [(n, n - 1, patch, "", True, None, f"member {n}", "alpha") for n, patch in enumerate(patches, 1)],
        )
        journal.end_task(fakes.TASK.id, "predicted", "most alike", 2, patches[1])
    pages = with_viewer(tmp_path, lambda viewer: walk(viewer, "/-/run/run", 1))
    assert not any(path.startswith("/-/trajectory") for path in pages)
    assert "member 2" in pages[task_path("task", fakes.TASK.id)]
    (both,) = get(tmp_path, f"{task_path('candidates', fakes.TASK.id)}?one=1&other=2")
    assert read_page(both.text).faults == [] and "member 1" in both.text and "/-/trajectory" not in both.text

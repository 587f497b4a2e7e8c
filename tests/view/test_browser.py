"""The command `view` as a process, and its pages in Chromium."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright

from codemonkeys.journal.store import Journal
from tests.bounds import killed_after
from tests.cli.command import environment
from tests.view.shown_runs import TASK, task_path

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync"),
)
PAGES = [
    *("/", "/-/run/{0}", "/-/runs?one=run&other={0}&all=1", "/-/search?run={0}&q=breaks", "/{0}", "/{0}/call_steps"),
    *(task_path(kind, TASK, *more, run="{0}") for kind, *more in (("task",), ("trajectory", 1), ("vote", 1, 1))),
    f"{task_path('candidates', TASK, run='{0}')}?one=1&other=2",
    *(task_path("conversation", TASK, "select", 1, run="{0}"), "/{0}?sql=select+*+from+outputs", "/-/run/nothing"),
]


class Server(NamedTuple):
    """A server that shows a folder of runs."""

    address: str
    runs: Path


@contextmanager
def serving(runs: Path) -> Iterator[Server]:
    """A server process, which is interrupted as a user does it."""
    command = [sys.executable, "-m", "codemonkeys", "view", "--runs", str(runs), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(runs.parent / "home")) as process:
        assert process.stderr is not None
        try:
            with killed_after(300, process):
                (address,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            yield Server(address, runs)
        finally:
            process.send_signal(signal.SIGINT)
            with killed_after(60, process):
                # A page that was not made prints why.
                assert process.stderr.read() == ""
                assert process.wait() == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, copy_run: Callable[..., Path]) -> Iterator[Server]:
    """A server with a run and a hostile one."""
    runs = tmp_path_factory.mktemp("browser") / "runs"
    copy_run(runs)
    copy_run(runs, "hostile", hostile=True)
    with serving(runs) as found:
        yield found


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    """Chromium; after the runs were made, as no other event loop may run beside it."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


class Watched(NamedTuple):
    """A page, and what should not happen on it."""

    page: Page
    faults: list[str]


@contextmanager
def watched(browser: Browser, width: int, scheme: str = "light", scripts: bool = True) -> Iterator[Watched]:
    """A page of some width that notes messages of the console, errors, dialogs and requests to anywhere else."""
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: note_dialog(dialog, faults))
    page.on("request", lambda request: note_request(request.url, faults))
    yield Watched(page, faults)
    context.close()


def note_dialog(dialog: Dialog, faults: list[str]) -> None:
    """A fault; the page would wait for an answer."""
    faults.append(f"dialog: {dialog.message}")
    dialog.dismiss()


def note_request(url: str, faults: list[str]) -> None:
    """A fault if a request goes elsewhere."""
    if urlsplit(url).hostname != "127.0.0.1":
        faults.append(f"request: {url}")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1600, "light")])
@pytest.mark.parametrize("run", ["run", "hostile"])
def test_pages_render_without_a_fault_and_fit(
    server: Server, browser: Browser, run: str, width: int, scheme: str
) -> None:
    with watched(browser, width, scheme) as (page, faults):
        for path in PAGES:
            answer = page.goto(server.address + path.format(run))
            assert answer is not None
            missing = answer.status == 404
            assert missing is (path == "/-/run/nothing"), path
            found = page.evaluate(
                "() => [document.documentElement.scrollWidth, document.querySelectorAll('main h1').length, "
                "getComputedStyle(document.body).backgroundColor]"
            )
            assert found[0] <= width and found[1] == 1, (path, found)
            assert max(map(int, re.findall(r"\d+", found[2]))) < 60 or scheme == "light", found
            # Chromium itself says that a page was not found.
            assert [fault for fault in faults if not (missing and "404" in fault)] == [], path


def test_everything_is_reached_by_keyboard(server: Server, browser: Browser) -> None:
    with watched(browser, 1600) as (page, faults):
        page.goto(f"{server.address}{task_path('task', TASK)}")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            element, outline, name = page.evaluate(
                "() => { const e = document.activeElement; "
                "return [e.tagName, getComputedStyle(e).outlineStyle, e.getAttribute('aria-label') || e.textContent]; }"
            )
            if element == "BODY":
                break
            assert outline != "none", (element, name)
            reached.add((element, name.strip()))
        elements = {element for element, _ in reached}
        assert {"A", "SUMMARY", "SELECT", "BUTTON", "DIV", "PRE"} <= elements
        assert {("DIV", "Votes"), ("A", "trajectory 3"), ("PRE", "Issue")} <= reached
        page.get_by_role("link", name="trajectory 2").first.press("Enter")
        assert page.url.endswith("/2") and page.locator("h1").inner_text() == "Trajectory 2"
        assert faults == []


def test_pages_are_read_without_scripts(server: Server, browser: Browser) -> None:
    with watched(browser, 360, scripts=False) as (page, faults):
        page.goto(f"{server.address}{task_path('task', TASK)}")
        assert page.get_by_text("codemonkeys_dry_run.txt (new)").first.is_visible()
        page.locator("#candidate-2 summary").last.click()
        assert page.locator("#candidate-2 figure").first.is_visible()
        page.goto(f"{server.address}/-/search?run=run")
        page.get_by_role("searchbox").fill("breaks")
        page.keyboard.press("Enter")
        page.wait_for_url("**/-/search?*q=breaks*")
        assert faults == []


def test_a_run_is_followed_and_what_was_opened_stays_open(server: Server, browser: Browser) -> None:
    with closing(sqlite3.connect(server.runs / "run" / "run.db")) as connection:
        source, settings = connection.execute("SELECT source, settings FROM run").fetchone()
    with closing(Journal(server.runs, "run", source, json.loads(settings))) as journal:
        with closing(sqlite3.connect(server.runs / "run" / "run.db")) as connection, connection:
            connection.execute("UPDATE tasks SET state = 'running' WHERE id = ?", (TASK,))
        with watched(browser, 1600) as (page, faults):
            page.goto(f"{server.address}{task_path('task', TASK)}")
            page.locator("#candidate-2 summary").last.click()
            page.locator("#candidate-2 a").first.focus()
            journal.put_note(TASK, "edit", 1, "ended early", "written meanwhile")
            page.get_by_text("written meanwhile").wait_for(timeout=60_000)
            assert page.locator("#candidate-2 figure").first.is_visible()
            assert page.evaluate("document.activeElement.textContent") == "trajectory 2"
            assert faults == []


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    port = urlsplit(server.address).port
    command = [sys.executable, "-m", "codemonkeys", "view", "--runs", str(server.runs), "--port", str(port)]
    done = subprocess.run(
        command, env=environment(server.runs), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2 and "choose another with --port PORT" in done.stderr, done.stderr

"""An agent whose process is killed at fifty moments: nothing is asked or run again but what was in flight."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.models.base import Request
from codemonkeys.models.fake import Called
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.local import LocalSandbox
from tests.agent.test_tools import EDITED, SUBMITTED, call, calls
from tests.agent.test_tools import TEST as SCRIPT
from tests.agent.test_trajectory import DONE, EDIT, FILES, TEST, bash, desk, run
from tests.agent.test_trajectory import sandbox as sandbox

KILLS = 25
COMMANDS = (
    ("mkdir made && echo 1 > made/count && rm tests/test_a.py",),
    (
        "echo 2 >> made/count; git stash -q; git stash pop -q; cat made/count",
        "cat made/count > /tmp/seen; chmod +x a.py",
    ),
    ("cat /tmp/seen; ls tests made",),
)
IN_TEXT: list[str | Called] = [*("".join(map(bash, each)) for each in COMMANDS), TEST, EDIT, DONE]
BY_TOOLS: list[str | Called] = [
    *(calls(*(call("bash", command=command) for command in each)) for each in COMMANDS),
    calls(call("write_test", script=SCRIPT)),
    calls(EDITED),
    calls(SUBMITTED),
]
STEPS = (
    "SELECT (SELECT count(*) FROM call_steps WHERE state = 'done') + "
    "(SELECT count(*) FROM execution_steps WHERE state = 'done')"
)


def query(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the run's journal answers; nothing before there is one."""
    try:
        connection = sqlite3.connect(f"file:{folder}/run/run.db?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return []
    try:
        return connection.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def work_on(folder: Path, form: str, asked: Path) -> str:
    """Let the agent work on the repository in a folder, to the end; the patch and the test that it leaves."""
    answers = IN_TEXT if form == "text" else BY_TOOLS

    def answer(request: Request) -> str | Called:
        with asked.open("a") as file:
            file.write(f"{request.key.turn}\n")
        return answers[request.key.turn]

    box = LocalSandbox(bubblewrap=False)
    with desk(folder, Snapshot.of_repository, answer, box, agent={"calls": form}) as work:
        candidate = run(work)
    box.close()
    assert candidate is not None and candidate.approved
    return candidate.patch + candidate.test


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "tools"])
def test_a_killed_agent_goes_on_as_if_it_had_not_been(
    form: str, tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    answers = IN_TEXT if form == "text" else BY_TOOLS
    asked = tmp_path / "asked"
    make_snapshot(FILES)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        shutil.copytree(tmp_path / "repository", folder / "repository")
    (tmp_path / "python").symlink_to(tmp_path.parent / "python")
    expected = work_on(whole, form, asked)
    ((total,),) = query(whole, STEPS)
    asked.unlink()
    rng, signals = random.Random(50), []
    # Not forks of this process: it has threads, and a lock that one of them held would be held in the fork for ever.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    for number in range(KILLS):
        agent = processes.Process(target=work_on, args=(killed, form, asked), daemon=True)
        agent.start()
        enough, end = int(total * (number + rng.random()) / (KILLS + 1)), time.monotonic() + 120
        done = query(killed, STEPS) or [(0,)]
        while done[0][0] < enough:
            assert time.monotonic() < end, f"agent {number} was no further than {done[0][0]} of {enough} steps"
            time.sleep(0.01)
            done = query(killed, STEPS) or [(0,)]
        time.sleep(rng.random() * 0.05)
        agent.kill()
        agent.join()
        signals.append(agent.exitcode)
    assert signals.count(-signal.SIGKILL) >= KILLS - 2, signals
    assert work_on(killed, form, asked) == expected
    states: dict[str, int] = dict(query(killed, "SELECT state, count(*) FROM call_steps GROUP BY state"))
    assert states["done"] == len(answers)
    lost = states.get("lost", 0)
    assert len(answers) <= len(asked.read_text().split()) <= len(answers) + lost
    twice = (
        "SELECT 1 FROM execution_steps WHERE reused = 0 AND state = 'done' GROUP BY request_hash HAVING count(*) > 1"
    )
    assert query(killed, twice) == []
    assert query(killed, STEPS) == [(total,)]

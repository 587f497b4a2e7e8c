"""Ctrl-C in a real terminal, which sends it to all processes in the foreground."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemonkeys import open_run
from codemonkeys.report.run_status import StatusReader
from codemonkeys.tasks.build_once import locked
from codemonkeys.tasks.environments import environment_folder, read_inputs
from tests.cli.terminal import CTRL_C, Terminal
from tests.runs.test_runs import wait_for
from tests.tiny_task import GOLD, ID, add_tasks, make_task_repository

pytestmark = [pytest.mark.long, pytest.mark.slow]


@pytest.fixture
def index() -> Iterator[socket.socket]:
    """A package index that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
        return False
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def test_pip_survives_an_interrupt_and_ends_with_the_second(
    tmp_path: Path, shared_home: Path, index: socket.socket
) -> None:
    """A run that drains still needs what it has started; a run that is aborted leaves none of it behind."""
    source = make_task_repository(tmp_path / "waiting", requirements="no-such-package-of-ours==1\n")
    address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
    arguments = ("solve", source, "-m", "fake", "--run", "run", "--sandbox", "local")
    variables = {"PIP_INDEX_URL": address, "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": ""}
    terminal = Terminal(arguments, shared_home, tmp_path, variables)
    try:
        connection, _ = index.accept()
        with connection:
            terminal.press(CTRL_C)
            wait_for(lambda: "draining" in terminal.shown)
            assert is_open(connection) and terminal.command.poll() is None
            terminal.press(CTRL_C)
            assert terminal.wait(60) == 130, terminal.shown
            wait_for(lambda: not is_open(connection))
    finally:
        terminal.close()
    assert "Traceback" not in terminal.shown and "failed" not in terminal.shown, terminal.shown
    (task,) = open_run(tmp_path / "runs" / "run").tasks()
    assert (task.state, task.reason) == ("running", "")
    status = StatusReader(tmp_path / "runs" / "run").read()
    assert status.troubles == [] and status.owner is None


EVALUATE = ("evaluate", "gold.jsonl", "--sandbox", "local", "--workers", "1")


def test_grading_ends_with_the_first_interrupt(tmp_path: Path, shared_home: Path) -> None:
    """What queues is not begun, what runs is killed, and neither has a verdict."""
    source = make_task_repository(tmp_path / "endless")
    ids = add_tasks(Path(source), 3)
    for id in ids:
        (Path(source) / "tasks" / id / "eval.sh").write_text("#!/bin/bash\nsleep 1000\n")
    rows = [{"instance_id": id, "model_name_or_path": "gold", "model_patch": GOLD} for id in ids]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    terminal = Terminal((*EVALUATE, source), shared_home, tmp_path)
    try:
        wait_for(lambda: any(tmp_path.rglob("eval.sh")) and any((tmp_path / "logs").rglob("patch.diff")))
        time.sleep(1)  # It may run by now; that it is killed on the way there would be right as well.
        terminal.press(CTRL_C)
        assert terminal.wait(60) == 130, terminal.shown
    finally:
        terminal.close()
    assert "Traceback" not in terminal.shown and "infrastructure" not in terminal.shown, terminal.shown
    assert len(list((tmp_path / "logs").rglob("patch.diff"))) == 1


def test_grading_ends_while_another_process_makes_the_environment(tmp_path: Path) -> None:
    """Equal environments are made by one process, for which the others wait: for as long as that takes."""
    source, home = make_task_repository(tmp_path / "waiting"), tmp_path / "home"
    row = {"instance_id": ID, "model_name_or_path": "gold", "model_patch": GOLD}
    (tmp_path / "gold.jsonl").write_text(json.dumps(row) + "\n")
    environment = environment_folder(read_inputs(Path(source, "tasks", ID)), home)
    environment.parent.mkdir(parents=True)
    terminal = Terminal((*EVALUATE, source), home, tmp_path)
    try:
        with locked(environment.with_name(f".{environment.name}.lock")):
            wait_for(lambda: any((tmp_path / "logs").rglob("patch.diff")))
            terminal.press(CTRL_C)
            assert terminal.wait(60) == 130, terminal.shown
    finally:
        terminal.close()
    assert "Traceback" not in terminal.shown and "infrastructure" not in terminal.shown, terminal.shown
    assert not environment.exists()

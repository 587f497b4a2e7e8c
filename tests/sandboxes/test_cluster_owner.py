"""A cluster that a process starts for itself: what its processes know, and that they end with it, also by SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sandboxes import conformance
from sandboxes.cluster.orphans import orphaned_clusters
from sandboxes.conformance.isolation import KEYS
from tests.bounds import killed_after
from tests.sandboxes.cluster import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

CANARY = "canary-of-a-cluster"
OWNER = """\
import sys, time
from pathlib import Path
from sandboxes import Environment, Limits, Script
from sandboxes.cluster.driver import RaySandbox
repository, home = Path(sys.argv[1]), sys.argv[2]
sandbox = RaySandbox("owner", "local", share=False)
environment = Environment("one", folders=(("/testbed", repository),))
limits = Limits(seconds=300, memory_mb=512)
text = "cat a.txt # " + "long enough to be sent by its hash " * 20
done = sandbox.run(environment, Script(text, "a.sh", ("sh",)), None, limits)
session = sandbox.open(environment, limits)
session.run("echo 1 > new")
print(sandbox._connection.own.folder, [done.output, session.run("cat new").output], flush=True)
sandbox.run(environment, Script("sleep 600", "b.sh", ("sh",)), None, limits)
"""
TRAP = "open({mark!r}, 'w').close()\nraise ImportError('a module of the current folder was imported')\n"


def test_its_processes_know_no_key_and_end_with_their_owner(tmp_path: Path) -> None:
    """Not in variables, arguments, or files of the session; and nothing is imported from the current folder."""
    conformance.prepare_repository(tmp_path / "repository")
    here, mark = tmp_path / "here", tmp_path / "imported"
    here.mkdir()
    for name in ("platformdirs", "yaml", "docker", "secrets", "queue", "codemonkeys"):
        (here / f"{name}.py").write_text(TRAP.format(mark=str(mark)))
    owner = subprocess.Popen(
        # Without the current folder in its own path, as a console script has it.
        [sys.executable, "-P", "-c", OWNER, tmp_path / "repository", tmp_path],
        env={**os.environ, **dict.fromkeys(KEYS, CANARY), "CODEMONKEYS_HOME": str(tmp_path / "home")},
        cwd=here,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    with owner.stdout, suppress(ProcessLookupError):
        try:
            with killed_after(500, owner):
                folder, _, outputs = owner.stdout.readline().partition(" ")
            assert outputs == "['one\\ntwo\\nthree\\n', '1\\n']\n"
            ours = processes_of(folder)
            assert len(ours) >= 4
            assert not [pid for pid in ours if CANARY.encode() in about(pid, "environ") + about(pid, "cmdline")]
            assert Path(folder) not in orphaned_clusters()
            files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
            assert len(files) > 10
            assert not [path for path in files if CANARY.encode() in path.read_bytes()]
            assert not mark.exists()
            # Nobody else can read its token.
            assert Path(folder).stat().st_mode & 0o77 == 0
        finally:
            owner.send_signal(signal.SIGKILL)
            owner.wait()
    wait_for(lambda: not processes_of(folder))
    wait_for(lambda: not Path(folder).exists())


def processes_of(folder: str) -> list[int]:
    """Those that name the folder of the cluster in their variables or arguments, but for this process."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if int(entry.name) != os.getpid()]
    return [pid for pid in pids if folder.encode() in about(pid, "environ") + about(pid, "cmdline")]


def about(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""

"""What only the local sandbox does: namespaces on folders of this machine."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandboxes import (
    Environment,
    Execution,
    Limits,
    Reason,
    SandboxError,
    Script,
    cgroups,
    conformance,
    host,
    unaccounted,
)
from sandboxes import launcher as launcher_module
from sandboxes import local as local_module
from sandboxes.local import LocalSandbox

pytestmark = pytest.mark.slow

SH = ("sh",)


@pytest.fixture(scope="module")
def one() -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox(bubblewrap=False)
    yield sandbox
    sandbox.close()


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def fingerprint(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (path.lstat().st_mode, path.lstat().st_mtime_ns, data)
    return found


def test_the_folders_outside_never_change(local: LocalSandbox, local_environment: Environment) -> None:
    before = [fingerprint(folder) for _, folder in local_environment.folders]
    text = "rm -rf /testbed/* /testbed/.git*; chmod 777 /testbed /opt/testbed; rm -rf /opt/testbed/lib; ls -A /testbed"
    done = local.run(local_environment, Script(text, command=SH))
    assert done.exit_code == 0 and done.output == ""
    assert [fingerprint(folder) for _, folder in local_environment.folders] == before


text = st.text(st.characters(), max_size=20)  # lone surrogates and NUL among them
number = st.sampled_from([0, 1, 64, 512, 1 << 40, math.inf, math.nan, -1])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    script=st.builds(Script, text, text, st.lists(text, max_size=3).map(tuple)),
    patch=st.none() | text,
    limits=st.builds(Limits, number, number, number, number, number, number) | st.just(Limits(seconds=5)),
    variables=st.lists(st.tuples(text, text), max_size=2).map(tuple),
    repository=text | st.just("/testbed"),
)
def test_run_never_raises(
    local_environment: Environment,
    one: LocalSandbox,
    script: Script,
    patch: str | None,
    limits: Limits,
    variables: tuple[tuple[str, str], ...],
    repository: str,
) -> None:
    environment = replace(local_environment, variables=variables, repository=repository)
    done = one.run(environment, script, patch, limits)
    assert isinstance(done, Execution)
    (done.output + done.detail).encode()


def test_build_writes_to_the_folders_and_to_nothing_else(local: LocalSandbox, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "venv").mkdir()
    environment = Environment(
        "built", folders=(("/testbed", tmp_path / "repository"), ("/opt/testbed", tmp_path / "venv"))
    )
    text = "pwd > where; echo x > /opt/testbed/x; echo x > /tmp/x; echo x > ~/x; echo x > /usr/x || echo refused"
    done = local.build(environment, Script(text, command=SH))
    assert done.exit_code == 0 and "refused" in done.output
    assert (tmp_path / "repository" / "where").read_text() == "/testbed\n"
    assert (tmp_path / "venv" / "x").exists()
    assert local.run(environment, Script("cat where; ls -A /tmp ~", command=SH)).output.startswith("/testbed\n/home")


@pytest.mark.parametrize("name", ["a,b", "a:b", "back\\slash", "sp ace", "new\nline", "é", "'q\"$(id)"])
def test_any_name_of_a_folder(local: LocalSandbox, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "file").write_text("here")
    environment = Environment("odd", folders=(("/testbed", folder),))
    assert local.run(environment, Script("cat file; echo x > file", command=SH)).output == "here"
    assert (folder / "file").read_text() == "here"


def test_a_folder_within_a_folder(local: LocalSandbox, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("inner")
    (tmp_path / "outer" / "repository").mkdir(parents=True)
    environment = Environment(
        "nested",
        folders=(("/opt/x/repository", tmp_path / "inner"), ("/opt/x", tmp_path / "outer")),
        repository="/opt/x/repository",
    )
    patch = (
        "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-inner\n\\ No newline at end of file\n+new\n"
    )
    assert local.run(environment, Script("pwd; cat file", command=SH), patch).output == "/opt/x/repository\nnew\n"


def test_a_hostile_repository_cannot_use_git_while_the_patch_is_applied(
    local: LocalSandbox, local_environment: Environment, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    conformance.prepare_repository(repository)
    for key in ("core.fsmonitor", "core.sshCommand", "filter.evil.clean", "filter.evil.smudge", "core.pager"):
        subprocess.run(["git", "config", key, "touch /tmp/evil; cat"], cwd=repository, check=True)
    (repository / ".gitattributes").write_text("* filter=evil\n")
    environment = Environment("hostile", folders=(("/testbed", repository),))
    patch = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n-one\n+1\n two\n three\n"
    done = local.run(environment, Script("ls /tmp; cat a.txt", command=SH), patch)
    assert done.output == "1\ntwo\nthree\n", done


def test_close_ends_calls_in_flight(bubblewrap: bool, local_environment: Environment) -> None:
    sandbox = LocalSandbox(bubblewrap)
    mark = str(uuid.uuid4())
    results = []
    script = Script(f"sleep 1000; : {mark}", command=("sh", "-c", f"sleep 1000; : {mark}"))
    thread = threading.Thread(target=lambda: results.append(sandbox.run(local_environment, script)))
    thread.start()
    wait_until(lambda: conformance.processes_with(mark))
    sandbox.close()
    thread.join(20)
    assert [done.reason for done in results] == [Reason.SANDBOX_FAILED]
    assert not conformance.processes_with(mark)
    assert sandbox.run(local_environment, script).reason is Reason.SANDBOX_FAILED


@pytest.mark.parametrize("closed", [True, False])
def test_a_run_that_the_kernel_does_not_end_is_given_up(closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipes stay open: who reads them to their end would wait for ever."""
    monkeypatch.setattr(launcher_module, "_KILLED", 0.2)
    ends, stop, read = [os.pipe() for _ in range(4)], threading.Event(), list[object]()
    process = launcher_module.Process(ends[0][1], *(ours for ours, _ in ends[1:]))
    if closed:
        stop.set()
    given = process, Limits(seconds=0.1), stop, 0.1, False
    thread = threading.Thread(target=lambda: read.append(launcher_module.read_all(*given)), daemon=True)
    thread.start()
    thread.join(60)
    told = "" if closed else "the sandbox did not exit by itself 0.1 s after the time limit"
    assert read == [(b"", told, b"")]
    process.end()
    for descriptor in (ends[0][0], *(theirs for _, theirs in ends[1:])):
        os.close(descriptor)


OWNER = """
import sys, threading
from pathlib import Path
from sandboxes import Environment, Limits, Script
from sandboxes.local import LocalSandbox
environment = Environment("owned", folders=(("/testbed", Path(sys.argv[1])),))
script = Script("", command=("sh", "-c", "trap '' TERM; setsid sleep 1000; : " + sys.argv[2]))
sandbox = LocalSandbox(sys.argv[3] == "True")
limits = Limits(seconds=500)
for _ in range(3):
    threading.Thread(target=sandbox.run, args=(environment, script, None, limits)).start()
"""


def test_nothing_outlives_a_killed_owner(bubblewrap: bool, tmp_path: Path) -> None:
    """No process, control group, mount or file, without anybody coming back."""
    mark = str(uuid.uuid4())
    before = mounts()
    for name in ("repository", "temporary"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-c", OWNER, str(tmp_path / "repository"), mark, str(bubblewrap)]
    variables = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    owner = subprocess.Popen(command, start_new_session=True, env=variables)
    wait_until(lambda: len(conformance.processes_with(f"sleep 1000; : {mark}") - {str(owner.pid)}) >= 3)
    started = family(owner.pid) - {str(owner.pid)}
    assert len(started) >= 7  # the one they are forked from, and two for each run
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_until(lambda: not conformance.processes_with(mark))
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in started))
    for folder in set(cgroups.parents().values()):
        assert not list(folder.glob(f"codemonkeys-{owner.pid}-*"))
    assert mounts() <= before
    assert [path for name in ("repository", "temporary") for path in (tmp_path / name).iterdir()] == []


def mounts() -> set[str]:
    """Where something is mounted, but for what engines mount."""
    places = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    return {place for place in places if "overlay2" not in place and "netns" not in place and "/shm" not in place}


def family(process: int) -> set[str]:
    """A process, all that it has started, and those in turn."""
    return {str(process)}.union(*(family(int(child)) for child in children(process)))


def test_nothing_outlives_a_killed_launcher(bubblewrap: bool, local_environment: Environment) -> None:
    sandbox = LocalSandbox(bubblewrap)
    assert sandbox.run(local_environment, Script("exit 0", command=SH)).exit_code == 0
    mark = str(uuid.uuid4())
    results = []
    script = Script("", command=("sh", "-c", f"sleep 1000; : {mark}"))
    thread = threading.Thread(target=lambda: results.append(sandbox.run(local_environment, script)))
    thread.start()
    wait_until(lambda: conformance.processes_with(mark))
    runs = [run for launcher in launchers() for run in children(int(launcher))]
    (busy,) = [run for run in runs if family(int(run)) & conformance.processes_with(mark)]
    os.kill(int(busy), signal.SIGKILL)
    thread.join(20)
    assert [done.reason for done in results] == [Reason.SANDBOX_FAILED]
    wait_until(lambda: not conformance.processes_with(mark))

    thread = threading.Thread(target=lambda: results.append(sandbox.run(local_environment, script)))
    thread.start()
    wait_until(lambda: conformance.processes_with(mark))
    started = [process for launcher in launchers() for run in children(int(launcher)) for process in family(int(run))]
    for launcher in launchers():
        os.kill(int(launcher), signal.SIGKILL)
    thread.join(20)
    assert [done.reason for done in results] == [Reason.SANDBOX_FAILED] * 2
    wait_until(lambda: not conformance.processes_with(mark))
    wait_until(lambda: not [process for process in started if Path(f"/proc/{process}").exists()])
    assert sandbox.run(local_environment, Script("exit 5", command=SH)).exit_code == 5
    sandbox.close()


def launchers() -> list[str]:
    """Processes of zygote.py that this process has started."""
    return [process for process in children(os.getpid()) if process in conformance.processes_with("zygote.main")]


def children(process: int) -> list[str]:
    """Processes that a process has started and not yet waited for."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # threads come and go
            found += (task / "children").read_text().split()
    return found


def test_process_1_is_out_of_reach(local: LocalSandbox, local_environment: Environment) -> None:
    """Else a script could say itself how it ended."""
    text = """
echo 'codemonkeys: exited 0 0.00 0' >/proc/1/fd/2 || echo refused
kill -9 1
unshare --user true || echo refused
exit 3
"""
    done = local.run(local_environment, Script(text, command=SH))
    assert (done.exit_code, done.output.count("refused")) == (3, 2), done


def test_a_script_sees_the_same_with_bubblewrap_and_without(local_environment: Environment) -> None:
    if not local_module.bubblewrap_works():
        pytest.skip("bubblewrap is not installed, or cannot be used here")
    text = (
        "env | sort; id; stat -c '%A %u %g %n' / /* /etc/* /dev/* /dev/pts/*; umask; ulimit -a; hostname; ls /proc/1/fd"
    )
    mounts = "cut -d ' ' -f 5,6 /proc/self/mountinfo | grep -v '^/proc/' | sort"
    seen = [
        LocalSandbox(bubblewrap).run(local_environment, Script(f"{text}; {mounts}", "s.sh", ("bash",)))
        for bubblewrap in (False, True)
    ]
    assert seen[0].output == seen[1].output and seen[0].exit_code == seen[1].exit_code == 0, seen


def test_bubblewrap_is_used_where_it_works() -> None:
    assert local_module.bubblewrap_works() is bool(shutil.which("bwrap"))


@pytest.mark.parametrize(
    ("program", "told"), [("/usr/bin/no-bwrap", "apt-get install bubblewrap"), ("/usr/bin/false", "cannot be used")]
)
def test_without_a_bubblewrap_that_works(
    local_environment: Environment, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    monkeypatch.setattr(local_module, "_BUBBLEWRAP", program)
    monkeypatch.setattr(local_module, "bubblewrap_works", local_module.bubblewrap_works.__wrapped__)
    script = Script("exit 7", command=SH)
    assert LocalSandbox().run(local_environment, script).exit_code == 7
    required = LocalSandbox(bubblewrap=True)
    assert required.run(local_environment, script).reason is Reason.SANDBOX_FAILED
    with pytest.raises(SandboxError, match=told):
        required.ensure(local_environment)


def test_groups_of_dead_owners_are_removed() -> None:
    parents = cgroups.parents()
    if not {"memory", "pids"} <= parents.keys():
        pytest.skip("control groups cannot be written here")
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = parents["memory"] / f"codemonkeys-{dead.pid}-0"
    left.mkdir()
    kept = cgroups.create(Limits(), 0, parents)
    assert kept
    cgroups.remove_orphans(parents)
    assert not left.exists() and all(folder.exists() for folder in kept.folders)
    kept.remove()
    assert not any(folder.exists() for folder in kept.folders)


def test_a_group_that_is_busy_is_removed_later() -> None:
    parents = cgroups.parents()
    if not cgroups.usable(parents):
        pytest.skip("control groups cannot be written here")
    group = cgroups.create(Limits(), 0, parents)
    assert group
    member = subprocess.Popen(["sleep", "1000"])
    for entrance in group.entrances:
        Path(entrance).write_text(str(member.pid))
    group.remove()
    assert all(folder.exists() for folder in group.folders)
    member.kill()
    member.wait()
    cgroups.remove_busy(20)
    assert not any(folder.exists() for folder in group.folders)


def test_a_group_that_systemd_delegates_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tree that looks like the kernel's; its processes move to a group of their own."""
    (tmp_path / "cgroup.controllers").write_text("memory pids cpu\n")
    (tmp_path / "codemonkeys").touch()  # nothing can be made below the root
    scope = tmp_path / "user.slice" / "run.scope"
    scope.mkdir(parents=True)
    (scope / "cgroup.procs").write_text("12345\n")
    (tmp_path / "membership").write_text("0::/user.slice/run.scope\n")
    monkeypatch.setattr(cgroups, "_MEMBERSHIP", tmp_path / "membership")
    assert cgroups.parents(tmp_path) == {}  # it may be another's, as far as we know
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"1" if path == scope and name == "user.delegate" else b"")
    for member in ("run.scope", "run.scope/codemonkeys-processes"):
        (tmp_path / "membership").write_text(f"0::/user.slice/{member}\n")
        assert cgroups.parents(tmp_path) == dict.fromkeys(("memory", "pids", "cpu"), scope / "codemonkeys")
    assert (scope / "codemonkeys-processes" / "cgroup.procs").read_text() == "12345"
    assert cgroups.orphans({"memory": scope}) == []


def test_groups_of_version_2(tmp_path: Path) -> None:
    """The files that are written, on a tree that looks like the kernel's."""
    root = tmp_path / "cgroup"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (root / "cgroup.subtree_control").write_text("")
    parents = cgroups.parents(root)
    own = root / "codemonkeys"
    assert parents == {name: own for name in ("memory", "pids", "cpu")}
    assert (root / "cgroup.subtree_control").read_text() == (own / "cgroup.subtree_control").read_text() == "+cpu"

    created = Path.mkdir

    def mkdir(folder: Path, *given: Any, **named: Any) -> None:
        created(folder, *given, **named)
        if folder.parent == own:  # the kernel fills a new group
            for name in ("cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max"):
                (folder / name).touch()
            (folder / "memory.events").write_text("low 0\noom 1\noom_kill 3\n")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "mkdir", mkdir)
        group = cgroups.create(Limits(memory_mb=7, processes=11, cpus=1.5), 4, parents)
    assert group is not None
    (folder,) = group.folders
    settings = ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    assert [(folder / name).read_text() for name in settings] == [str(7 << 20), "0", "15", "150000 100000"]
    assert group.oom_kills() == 3 and group.entrances == [str(folder / "cgroup.procs")]


def test_groups_that_cannot_be_written_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "codemonkeys").touch()  # no folder can be made there
    assert cgroups.parents(tmp_path) == {}
    assert cgroups.create(Limits(), 4, {}) is None


def own_groups() -> set[Path]:
    return {
        group for folder in set(cgroups.parents().values()) for group in folder.glob(f"codemonkeys-{os.getpid()}-*")
    }


@pytest.mark.parametrize("closed", [True, False])
def test_no_group_is_left_behind(closed: bool, bubblewrap: bool, local_environment: Environment) -> None:
    before = own_groups()
    sandbox = LocalSandbox(bubblewrap)
    for memory_mb in range(1000, 1020):  # more kinds than may wait
        script, limits = Script("sleep 1000", command=SH), Limits(seconds=0.02, memory_mb=memory_mb)
        assert sandbox.run(local_environment, script, limits=limits).reason is Reason.TIMED_OUT
    assert len({group.name for group in own_groups() - before}) <= 16
    if closed:
        sandbox.close()
    del sandbox
    gc.collect()
    assert own_groups() <= before


def test_a_run_that_was_begun_ahead_has_the_limits_of_its_script(
    bubblewrap: bool, local_environment: Environment
) -> None:
    take = Script("x = bytearray(200 << 20)", command=("python3",))
    with contextlib.closing(LocalSandbox(bubblewrap)) as sandbox:
        for memory_mb in (1000, 1000, 100, 100, 1000):
            done = sandbox.run(local_environment, take, limits=Limits(memory_mb=memory_mb))
            assert (done.exit_code == 0) is (memory_mb == 1000), done


def kill_what_waits(launcher: int) -> None:
    """Kill the one run that a launcher has begun ahead."""
    wait_until(lambda: len(family(launcher)) == 3)
    waiting = family(launcher) - {str(launcher)}
    os.kill(int(children(launcher)[0]), signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in waiting))


def test_a_run_that_was_begun_ahead_and_died_is_not_used(bubblewrap: bool, local_environment: Environment) -> None:
    others = launchers()
    with contextlib.closing(LocalSandbox(bubblewrap)) as sandbox:
        for code in range(3):
            assert sandbox.run(local_environment, Script(f"exit {code}", command=SH)).exit_code == code
            (launcher,) = set(launchers()).difference(others)
            kill_what_waits(int(launcher))


@pytest.mark.parametrize(
    "check",
    [
        conformance.limits.memory_is_limited,
        conformance.limits.memory_is_limited_in_total,
        conformance.limits.memory_of_files_without_a_name_is_limited,
        conformance.limits.memory_of_sockets_is_limited,
        conformance.limits.a_fork_bomb_is_limited,
        conformance.outcomes.exit_codes_are_faithful,
    ],
    ids=lambda check: check.__name__,
)
def test_without_control_groups(
    check: conformance.Check, bubblewrap: bool, local_environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "parents", dict)
    check(LocalSandbox(bubblewrap), local_environment)


def test_what_no_limit_counts_is_refused_without_control_groups(
    bubblewrap: bool, local_environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
import ctypes, os, socket
try: os.memfd_create("x"); print("memory file")
except OSError as error: print(error.strerror)
print(ctypes.CDLL(None).shmget(0, 4096, 0o1600))
with socket.socketpair()[0] as end:
    before = end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, before * 2)
    print(end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before)
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as end:
    end.sendall(b"as ever")
    print(server.accept()[0].recv(7))
"""
    monkeypatch.setattr(cgroups, "parents", dict)
    with contextlib.closing(LocalSandbox(bubblewrap)) as sandbox:
        done = sandbox.run(local_environment, Script(text))
    assert done.output.splitlines() == ["Function not implemented", "-1", "True", "b'as ever'"], done


def test_without_control_groups_the_library_that_refuses_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "parents", dict)
    monkeypatch.setattr(unaccounted, "_LIBRARY", "no-such-library.so")
    assert "apt-get install libseccomp2" in (local_module.unavailable(False) or "")


ORDINARY_USER = """
import os, sys
from pathlib import Path
from sandboxes import Environment, conformance
from sandboxes.local import LocalSandbox
place = Path(sys.argv[1])
os.environ["HOME"] = str(place)
conformance.prepare_repository(place / "repository")
(place / "bin").mkdir()
(place / "bin" / "python").symlink_to("/usr/bin/python3")
environment = Environment(
    "ordinary",
    folders=(("/testbed", place / "repository"), ("/opt/bin", place / "bin")),
    variables=(("PATH", "/opt/bin:/usr/bin:/bin"),),
)
sandbox = LocalSandbox(sys.argv[2] == "True")
sandbox.ensure(environment)
for check in conformance.CHECKS:
    check(sandbox, environment)
print("holds as user", os.getuid())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user already")
def test_the_suite_holds_for_an_ordinary_user(bubblewrap: bool) -> None:
    version = ["/usr/bin/python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not os.path.exists(version[0]) or subprocess.run(version).returncode:
        pytest.skip("no Python 3.11 at /usr/bin/python3 for an ordinary user to run")
    # pytest's own folders are closed to other users.
    place = Path("/var/tmp") / f"codemonkeys-{uuid.uuid4()}"
    try:
        shutil.copytree(Path(local_module.__file__).parent, place / "code" / "sandboxes")
        (place / "work").mkdir()
        os.chown(place / "work", 65534, 65534)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        command = [*user, "/usr/bin/python3", "-c", ORDINARY_USER, str(place / "work"), str(bubblewrap)]
        done = subprocess.run(command, cwd=place / "code", capture_output=True, text=True, timeout=500)
    finally:
        shutil.rmtree(place)
    assert done.stdout == "holds as user 65534\n", done.stderr


def test_ensure_names_what_is_missing(local: LocalSandbox, local_environment: Environment, tmp_path: Path) -> None:
    local.ensure(local_environment)
    with pytest.raises(SandboxError, match="no folders.*use the docker sandbox"):
        local.ensure(replace(local_environment, folders=()))
    with pytest.raises(SandboxError, match=f"{tmp_path}/gone is missing"):
        local.ensure(replace(local_environment, folders=(("/testbed", tmp_path / "gone"),)))
    with pytest.raises(SandboxError, match="no folder contains the repository"):
        local.ensure(replace(local_environment, repository="/elsewhere"))
    for bad in ("testbed", "/", "/a/../b"):
        with pytest.raises(SandboxError, match="is not an absolute path"):
            local.ensure(replace(local_environment, folders=((bad, tmp_path),), repository=bad))


def test_a_set_up_that_fails_is_no_exit_code(local: LocalSandbox, tmp_path: Path) -> None:
    within_usr = Environment("bad", folders=(("/usr/no/such", tmp_path),), repository="/usr/no/such")
    done = local.run(within_usr, Script("exit 0", command=SH))
    assert (done.reason, done.exit_code) == (Reason.SANDBOX_FAILED, None)
    assert "/usr/no" in done.detail and "Read-only" in done.detail
    missing = Environment("bad", folders=(("/testbed", tmp_path / "gone"),))
    assert local.run(missing, Script("exit 0", command=SH)).reason is Reason.SANDBOX_FAILED


def test_what_is_mounted_below_a_system_folder_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay of a folder shows only what lies beneath its mounts."""
    below = tmp_path / "usr" / "lo cal"
    below.mkdir(parents=True)
    lines = [f"1 0 8:1 / {place} rw - ext4 /dev/x rw" for place in ("/", tmp_path, str(below).replace(" ", "\\040"))]
    told = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: "\n".join(lines) if path.name == "mountinfo" else told(path, *a, **k)
    )
    monkeypatch.setattr(host, "_SYSTEM", (str(tmp_path / "usr"),))
    monkeypatch.setattr(host, "_SETTINGS", ())
    assert host.system() == ({}, [str(tmp_path / "usr"), str(below)], [])


def test_an_interpreter_that_lies_in_a_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    for folder in ("bin", "lib/python3", "venv/bin"):
        (home / folder).mkdir(parents=True)
    (home / "bin" / "python").touch()
    (home / "venv" / "bin" / "python").symlink_to(home / "bin" / "python")
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(SandboxError, match="cannot be exposed"):
        host.interpreters(home / "venv")


def test_an_interpreter_is_found_through_every_link(tmp_path: Path) -> None:
    for folder in ("pythons/3.11.0/bin", "pythons/3.11.0/lib/python3.11", "venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pythons/3.11.0/bin/python3.11").touch()
    (tmp_path / "pythons/3.11").symlink_to("3.11.0")
    (tmp_path / "venv/bin/python3").symlink_to(tmp_path / "pythons/3.11/bin/python3.11")
    (tmp_path / "venv/bin/python").symlink_to("python3")
    (tmp_path / "venv/pyvenv.cfg").write_text(f"home = {tmp_path}/pythons/3.11/bin\n")
    found = [str(tmp_path / "pythons" / name) for name in ("3.11", "3.11.0")]
    assert host.interpreters(tmp_path / "venv") == found


def test_signals_that_the_host_blocks_or_ignores_reach_scripts(local_environment: Environment) -> None:
    """A worker of a cluster blocks some in its threads; what is started in the background ignores others."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR1))
    try:
        with contextlib.closing(LocalSandbox(bubblewrap=False)) as sandbox:
            text = (
                "import signal; print(signal.getsignal(2) is signal.default_int_handler, signal.pthread_sigmask(0, ()))"
            )
            assert sandbox.run(local_environment, Script(text)).output == "True set()\n"
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGUSR1))
        signal.signal(signal.SIGINT, before)


def test_an_image_needs_no_library_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does process 1 load what an image has in its place."""
    root = tmp_path / "root"
    conformance.prepare_repository(root / "testbed")
    needed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout.split()
    for path in ("/bin/sh", *(word for word in needed if word.startswith("/"))):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    monkeypatch.setattr(cgroups, "parents", dict)
    with contextlib.closing(LocalSandbox()) as sandbox:
        done = sandbox.run(Environment("small", root=root), Script("echo as ever", command=("/bin/sh",)))
    assert (done.exit_code, done.output) == (0, "as ever\n"), done

"""The sandbox `here`: the working tree is put back byte for byte, and what is not isolated is listed, no more."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandboxes import Environment, Limits, Reason, Script, conformance
from sandboxes.conformance import isolation
from sandboxes.here import BACKEND, ThisContainer
from sandboxes.kept import LOST, KeptSandbox
from tests.sandboxes.test_local import wait_until

NOT_HELD = {name for names in LOST.values() for name in names}
SIGNALS_TO_PROCESS_1 = {"only_the_clock_times_out", "a_stopped_helper_does_not_stretch_the_time"}
EVERY = (*conformance.CHECKS, *conformance.SESSION_CHECKS)
HELD = [check.__name__ for check in EVERY if check.__name__ not in NOT_HELD]


def environment_in(folder: Path) -> Environment:
    """The conformance repository in a folder, with this Python as `python`."""
    conformance.prepare_repository(folder / "repository")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    variables = (("PATH", f"{folder / 'bin'}:/usr/bin:/bin"),)
    return Environment("conformance", repository=str(folder / "repository"), variables=variables)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return environment_in(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def here(environment: Environment) -> Iterator[KeptSandbox]:
    # Not BACKEND.open, which closes the memory of this process.
    sandbox = KeptSandbox(ThisContainer(), "here")
    yield sandbox
    sandbox.close()


def state(tree: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything in a tree: mode, owner, time of the last change and content."""
    found = {}
    for path in sorted(tree.rglob("*")):
        seen = path.lstat()
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[str(path.relative_to(tree))] = (seen.st_mode, seen.st_uid, seen.st_mtime_ns, content)
    return found


def test_what_is_lost_is_listed_by_the_names_of_checks() -> None:
    """All others are held by `test_what_can_hold_holds`: none is left out silently."""
    assert NOT_HELD < {check.__name__ for check in EVERY}
    assert len(HELD) + len(NOT_HELD) == len(EVERY) and len(NOT_HELD) == sum(map(len, LOST.values()))
    assert all(reason in BACKEND.lost for reason in LOST)


@pytest.mark.slow
def test_what_can_hold_holds(tmp_path: Path) -> None:
    """In a namespace of processes and mounts: some checks send signals to process 1, and change scratch folders."""
    program = f"""
import sys
from pathlib import Path
from sandboxes import conformance
from tests.sandboxes.test_here import EVERY, HELD, KeptSandbox, ThisContainer, environment_in
environment, sandbox = environment_in(Path({str(tmp_path)!r})), KeptSandbox(ThisContainer(), "here")
for check in EVERY:
    if check.__name__ in HELD:
        try: check(sandbox, environment)
        except Exception as error: print(f"{{check.__name__}}: {{type(error).__name__}}: {{error}}")
sandbox.close()
"""
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
            *(sys.executable, "-c", program),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert (done.returncode, done.stdout) == (0, ""), (done.stdout, done.stderr[-2000:])


@pytest.mark.parametrize("check", [isolation.the_script_is_out_of_reach], ids=lambda check: check.__name__)
def test_what_is_lost_is_lost(check: conformance.Check, here: KeptSandbox, environment: Environment) -> None:
    with pytest.raises(AssertionError):
        check(here, environment)


def test_the_network_is_lost(here: KeptSandbox, environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = f"import socket\nsocket.create_connection({server.getsockname()!r})\nprint('reached')"
        assert here.run(environment, Script(text)).output == "reached\n"


def test_the_tree_is_put_back_byte_for_byte(tmp_path: Path) -> None:
    """Whatever a script does to tracked, ignored and untracked files, to links, pipes, modes, times and git's data."""
    environment = environment_in(tmp_path)
    tree = Path(environment.repository)
    (tree / ".gitignore").write_text("ignored\n")
    for name, mode in (("ignored/deep/file", 0o640), ("untracked", 0o755), ("closed/file", 0o400)):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode() * 100)
        (tree / name).chmod(mode)
    (tree / "link").symlink_to("nowhere")
    (tree / "name\udcff").write_bytes(b"odd")
    (tree / "empty").mkdir(mode=0o700)
    os.mkfifo(tree / "pipe")
    (tree / "closed").chmod(0o500)
    os.utime(tree / "untracked", ns=(10**18, 10**18))
    before = state(tree)
    sandbox = KeptSandbox(ThisContainer(), "here")
    for command in (
        "echo more >> ignored/deep/file; touch -d 2001-01-01 untracked; chmod 600 untracked; rm link pipe; : > pipe",
        "rm -rf ./* .git; mkdir untracked; ln -s / ignored; : > empty",
        "git -c user.name=a -c user.email=a@b commit -qam x; git gc -q; mkdir -p a/b; mkfifo a/b/c; chmod 000 a",
        'printf %s "$(tr u v < untracked)" > new && touch -r untracked new && cat new > untracked; rm new',
        f"cd ..; rm -rf {tree}; ln -s /nowhere {tree}",
    ):
        done = sandbox.run(environment, Script(command, "script.sh", ("bash",)))
        assert done.reason is Reason.EXITED, done
        assert state(tree) == before, command
    sandbox.close()
    assert state(tree) == before


def test_nothing_of_a_script_goes_on(here: KeptSandbox, environment: Environment, tmp_path: Path) -> None:
    """Not even what has left its session and was adopted."""
    mark = f"codemonkeys-here-{os.getpid()}-{time.monotonic_ns()}"
    text = f"setsid sh -c '(sleep 1000; : {mark}) & (sleep 1001; : {mark}) &' & sleep 0.2; echo done"
    done = here.run(environment, Script(text, "script.sh", ("bash",)))
    assert done.output == "done\n" and not conformance.processes_with(mark), done


def test_a_process_that_is_killed_leaves_the_tree_as_it_was(tmp_path: Path) -> None:
    """The script that it was running is killed, and the tree put back, by a process that lives on."""
    environment = environment_in(tmp_path)
    mark = f"codemonkeys-here-{os.getpid()}-{time.monotonic_ns()}"
    before = state(Path(environment.repository))
    program = f"""
from sandboxes import Environment, Script
from sandboxes.here import KeptSandbox, ThisContainer
script = Script("echo changed > a.txt; : > new; sleep 1000; : {mark}", "script.sh", ("bash",))
KeptSandbox(ThisContainer()).run(Environment("e", repository={environment.repository!r}), script)
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    wait_until(lambda: process.poll() is not None or (Path(environment.repository) / "new").exists(), 60)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox = KeptSandbox(ThisContainer())
    again = sandbox.run(environment, Script("cat a.txt", "script.sh", ("sh",)))
    assert again.output == "one\ntwo\nthree\n", again
    assert state(Path(environment.repository)) == before and not conformance.processes_with(mark)
    other = KeptSandbox(ThisContainer()).run(environment, Script("true", "script.sh", ("sh",)))
    assert other.reason is Reason.SANDBOX_FAILED and "another run works in" in other.detail, other
    sandbox.close()


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    before = state(Path(environment.repository))
    sandbox = KeptSandbox(ThisContainer())
    results = []
    script = Script(": > new; sleep 1000", "script.sh", ("bash",))
    thread = threading.Thread(target=lambda: results.append(sandbox.run(environment, script, None, Limits(1000))))
    thread.start()
    wait_until((Path(environment.repository) / "new").exists, 60)
    sandbox.close()
    thread.join(60)
    assert results[0].reason is Reason.SANDBOX_FAILED, results
    assert state(Path(environment.repository)) == before
    assert sandbox.run(environment, script).detail == "the sandbox was closed"


def test_closing_ends_what_is_about_to_run(tmp_path: Path) -> None:
    """A command that begins when it has been told to end is told again."""
    told = threading.Event()

    class Late(ThisContainer):
        def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
            assert "keeper.main('run'" not in words[-1] or told.wait(60)
            return super().exec(words, seconds)

        def interrupt(self) -> None:
            super().interrupt()
            told.set()

    environment, sandbox = environment_in(tmp_path), KeptSandbox(Late())
    sandbox.ensure(environment)
    results = []
    script = Script("sleep 60", "script.sh", ("bash",))
    thread = threading.Thread(target=lambda: results.append(sandbox.run(environment, script, None, Limits(100))))
    thread.start()
    wait_until(sandbox._lock.locked, 60)
    sandbox.close()
    thread.join(100)
    assert [done.reason for done in results] == [Reason.SANDBOX_FAILED], results


def test_a_copy_that_was_tampered_with_is_not_put_back(tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    sandbox = KeptSandbox(ThisContainer())
    sandbox.ensure(environment)
    (folder,) = [Path(tree.folder) for tree in sandbox._trees.values()]
    text = f"echo mine > {folder}/copy/a.txt; echo changed > a.txt"
    done = sandbox.run(environment, Script(text, "script.sh", ("bash",)))
    assert done.reason is Reason.SANDBOX_FAILED and "the copy of" in done.detail, done
    done = sandbox.run(environment, Script("true", "script.sh", ("bash",)))
    assert "left in the middle of an execution" in done.detail and f"cp -a {folder}/copy/." in done.detail, done
    sandbox.close()
    assert folder.exists(), "what can be saved is kept"
    with contextlib.suppress(OSError):
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's scripts run with fewer capabilities than other processes")
def test_variables_of_other_processes_cannot_be_read(here: KeptSandbox, environment: Environment) -> None:
    with subprocess.Popen(["sleep", "1000"], env={"OPENAI_API_KEY": "sk-canary"}) as process:
        text = f"print(open('/proc/{process.pid}/environ').read())"
        done = here.run(environment, Script(text))
        process.kill()
    assert "PermissionError" in done.output and "canary" not in done.output, done

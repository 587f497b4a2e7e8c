"""What the local sandbox does before a script is known, or does once for several, lets nothing through between them."""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Environment, Execution, Limits, Reason, Script, cgroups, conformance, plans, spares
from sandboxes import local as local_module
from sandboxes.local import LocalSandbox
from sandboxes.patched import Patched

pytestmark = pytest.mark.slow

SH = ("sh",)
PATCH = """\
diff --git a/a.txt b/a.txt
old mode 100644
new mode 100755
--- a/a.txt
+++ b/a.txt
@@ -1,3 +1,3 @@
 one
-two
+2
 three
diff --git a/deep/er/new.txt b/deep/er/new.txt
new file mode 100644
--- /dev/null
+++ b/deep/er/new.txt
@@ -0,0 +1 @@
+new
diff --git a/latin.txt b/latin.txt
deleted file mode 100644
--- a/latin.txt
+++ /dev/null
@@ -1 +0,0 @@
-caf\udce9
diff --git a/crlf.txt b/moved.txt
similarity index 100%
rename from crlf.txt
rename to moved.txt
diff --git a/link b/link
new file mode 120000
--- /dev/null
+++ b/link
@@ -0,0 +1 @@
+a.txt
\\ No newline at end of file
"""
LIST = Script(
    "find . -path ./.git -prune -o -printf '%p %y %m %s %l\\n' | sort; md5sum a.txt deep/er/new.txt", "list", SH
)
LIMITS = Limits(seconds=20, memory_mb=512)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalSandbox]:
    with contextlib.closing(LocalSandbox()) as opened:
        yield opened


@pytest.fixture
def own(tmp_path: Path) -> Environment:
    """An environment of this test alone."""
    conformance.prepare_repository(tmp_path / "repository")
    variables = (("PATH", "/usr/bin:/bin"),)
    return Environment(str(tmp_path), folders=(("/testbed", tmp_path / "repository"),), variables=variables)


def output(done: Execution) -> str:
    assert done.reason is Reason.EXITED, done
    return done.output


def test_a_patch_that_is_laid_makes_what_git_makes_of_it(sandbox: LocalSandbox, own: Environment) -> None:
    """Contents, modes, links, removed and renamed files, new folders: the same in every run, and in another sandbox."""
    first = output(sandbox.run(own, LIST, PATCH, LIMITS))
    assert sandbox._patched.get(own, PATCH, LIMITS) is not None
    assert output(sandbox.run(own, LIST, PATCH, LIMITS)) == first
    for line in ("./deep/er/new.txt f 644 4", "./link l 777 5 a.txt", "./a.txt f 755"):
        assert line in first
    assert "latin" not in first and "crlf" not in first


def test_what_a_script_does_to_the_patched_tree_is_seen_by_none(sandbox: LocalSandbox, own: Environment) -> None:
    """Neither by the next script of the candidate, nor by one without its patch, nor by one that runs beside it."""
    expected, base = output(sandbox.run(own, LIST, PATCH, LIMITS)), output(sandbox.run(own, LIST, None, LIMITS))
    for text in (
        "echo changed >> a.txt; echo more >> deep/er/new.txt; chmod 600 a.txt; echo x > mine",
        "rm -rf deep link a.txt moved.txt; ln -s /etc deep; mkdir latin.txt",
        "mv deep elsewhere; git add -A; git -c user.name=a -c user.email=a@b commit -qm mine; touch -d @1 a.txt",
        "find / -xdev -name '*.txt' -exec sh -c 'echo x > \"$1\"' sh {} ';' 2>/dev/null",
    ):
        sandbox.run(own, Script(text, "harm.sh", SH), PATCH, LIMITS)
        assert output(sandbox.run(own, LIST, PATCH, LIMITS)) == expected
    assert output(sandbox.run(own, LIST, None, LIMITS)) == base


def test_a_patch_is_looked_for_by_all_that_decides_what_it_changes(
    sandbox: LocalSandbox, own: Environment, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    conformance.prepare_repository(other)
    (other / "a.txt").write_text("one\ntwo\nthree\nfour\n")
    show = Script("cat a.txt", "show.sh", SH)
    assert output(sandbox.run(own, show, PATCH, LIMITS)) == "one\n2\nthree\n"
    elsewhere = replace(own, name="other", folders=(("/testbed", other),))
    assert output(sandbox.run(elsewhere, show, PATCH, LIMITS)) == "one\n2\nthree\nfour\n"
    assert output(sandbox.run(own, show, PATCH.replace("+2", "+two!"), LIMITS)) == "one\ntwo!\nthree\n"
    for _ in range(2):  # what does not apply is asked of git each time
        assert sandbox.run(own, show, PATCH.replace("-two", "-deux"), LIMITS).reason is Reason.PATCH_FAILED


def test_an_environment_that_is_built_further_is_patched_anew(
    sandbox: LocalSandbox, own: Environment, tmp_path: Path
) -> None:
    show = Script("cat a.txt", "show.sh", SH)
    assert output(sandbox.run(own, show, PATCH, LIMITS)) == "one\n2\nthree\n"
    assert sandbox.build(own, Script("echo four >> a.txt", "build.sh", SH), LIMITS).exit_code == 0
    assert output(sandbox.run(own, show, PATCH, LIMITS)) == "one\n2\nthree\nfour\n"


@pytest.mark.parametrize("name", ["__pycache__/x", r"__pyc\141che__/x"], ids=["plain", "quoted"])
def test_a_patch_of_caches_is_laid_too(sandbox: LocalSandbox, own: Environment, name: str) -> None:
    """However git spells their names; what a script leaves in them is no part of a layer."""
    old, new = (f'"{side}/{name}"' for side in "ab")
    patch = f"diff --git {old} {new}\nnew file mode 100644\n--- /dev/null\n+++ {new}\n@@ -0,0 +1 @@\n+cached\n"
    show = Script("cat __pycache__/x", "show.sh", SH)
    for _ in range(2):
        assert output(sandbox.run(own, show, patch, LIMITS)) == "cached\n"


def test_an_environment_that_is_changed_by_hand_is_patched_anew(sandbox: LocalSandbox, own: Environment) -> None:
    ((_, folder),) = own.folders
    show = Script("cat a.txt; ls deep/er", "show.sh", SH)
    assert output(sandbox.run(own, show, PATCH, LIMITS)) == "one\n2\nthree\nnew.txt\n"
    (folder / "a.txt").write_text("one\ntwo\nthree\nfour\n")
    assert output(sandbox.run(own, show, PATCH, LIMITS)) == "one\n2\nthree\nfour\nnew.txt\n"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "new.txt").write_text("mine")
    assert sandbox.run(own, show, PATCH, LIMITS).reason is Reason.PATCH_FAILED
    (folder / "deep" / "er" / "new.txt").unlink()
    (folder / "a.txt").write_text("other\n")
    assert sandbox.run(own, show, PATCH, LIMITS).reason is Reason.PATCH_FAILED


def test_a_patch_that_copies_a_file_takes_it_as_it_is(sandbox: LocalSandbox, own: Environment) -> None:
    ((_, folder),) = own.folders
    patch = "diff --git a/a.txt b/copy.txt\nsimilarity index 100%\ncopy from a.txt\ncopy to copy.txt\n"
    show = Script("cat copy.txt", "show.sh", SH)
    for text in ("one\n", "two\n"):
        (folder / "a.txt").write_text(text)
        assert output(sandbox.run(own, show, patch, LIMITS)) == text


def test_a_repository_behind_a_link_is_patched_in_every_run(sandbox: LocalSandbox, tmp_path: Path) -> None:
    conformance.prepare_repository(tmp_path / "work" / "real" / "repository")
    (tmp_path / "work" / "link").symlink_to("real")
    folders = (("/place", tmp_path / "work"),)
    environment = Environment("linked", folders=folders, repository="/place/link/repository")
    for _ in range(2):
        assert output(sandbox.run(environment, Script("cat a.txt", "show.sh", SH), PATCH, LIMITS)) == "one\n2\nthree\n"


def test_a_patch_applied_before_a_build_is_not_kept_after_it(own: Environment) -> None:
    """Though its script ends later."""
    kept = Patched()
    begun = kept.cleared
    kept.clear()
    gathered = marshal.dumps(("/testbed/x", "file", 0o644, b"x", 0)) + marshal.dumps(None)
    kept.add(own, PATCH, LIMITS, gathered, begun)
    assert kept.get(own, PATCH, LIMITS) is None
    kept.add(own, PATCH, LIMITS, gathered, kept.cleared)
    assert kept.get(own, PATCH, LIMITS) is not None


def test_a_folder_that_was_made_anew_is_seen_as_it_is(sandbox: LocalSandbox, own: Environment) -> None:
    """Though a run on the one before was begun ahead."""
    ((_, folder),) = own.folders
    for number in range(3):
        (folder / "number").write_text(str(number))
        assert output(sandbox.run(own, Script("cat number", "n.sh", SH), None, LIMITS)) == str(number)
        shutil.rmtree(folder)
        folder.mkdir()


def test_no_more_runs_wait_than_have_been_under_way(own: Environment) -> None:
    with contextlib.closing(LocalSandbox()) as sandbox:
        for seconds in range(10, 16):
            limits = replace(LIMITS, seconds=seconds)
            assert sandbox.run(own, Script("exit 0", "exit.sh", SH), None, limits).exit_code == 0
        time.sleep(0.5)
        wait_until(lambda: len(sandbox._spares._waiting) == 1)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_a_run_that_cannot_be_started_ahead_keeps_nobody_waiting(
    own: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = spares.Starter.start

    def start(starter: spares.Starter, limits: Limits, ground: plans.Ground) -> spares.StartedRun:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("not of the kind that is expected")
        return real(starter, limits, ground)

    monkeypatch.setattr(spares.Starter, "start", start)
    with contextlib.closing(LocalSandbox()) as sandbox:
        for _ in range(2):
            assert sandbox.run(own, Script("exit 0", "exit.sh", SH), None, LIMITS).exit_code == 0
            wait_until(lambda: not (sandbox._spares._orders or sandbox._spares._starting))


def test_a_run_needs_no_further_thread(own: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is about to exit, or has as many as it may, gets none."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with contextlib.closing(LocalSandbox()) as sandbox:
        for _ in range(2):
            assert sandbox.run(own, Script("exit 0", "exit.sh", SH), None, LIMITS).exit_code == 0
        monkeypatch.undo()
    assert not cgroups._busy


def test_groups_of_runs_that_ended_are_removed_by_themselves(own: Environment) -> None:
    with contextlib.closing(LocalSandbox()) as sandbox:
        for _ in range(3):
            assert sandbox.run(own, Script("exit 0", "exit.sh", SH), None, LIMITS).exit_code == 0
        wait_until(lambda: not cgroups._busy)


COLLECTED = """
import gc
from pathlib import Path
from sandboxes import cgroups
from sandboxes.local import LocalSandbox
gc.disable()
sandbox = LocalSandbox()
sandbox.itself = sandbox
del sandbox
def removed(folder):
    cgroups._busy.add(Path("another"))
    return bool(gc.collect())
cgroups._removed = removed
cgroups._busy.add(Path("one"))
cgroups.remove_busy()
print(cgroups._busy)
"""


def test_a_sandbox_that_is_collected_while_groups_are_removed_stops_nobody() -> None:
    """Garbage is collected in whichever thread makes the object too many: also in one that removes groups."""
    command, place = [sys.executable, "-c", COLLECTED], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("{PosixPath('another')}\n", ""), done


def test_a_sandbox_that_its_own_thread_collects_ends_what_waits(
    own: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten, real, wrong = threading.Event(), spares.Starter.start, list[object]()
    ended, end = list[spares.StartedRun](), spares.StartedRun.end

    def ends(run: spares.StartedRun) -> None:
        ended.append(run)
        end(run)

    def start(starter: spares.Starter, limits: Limits, ground: plans.Ground) -> spares.StartedRun:
        if threading.current_thread() is not threading.main_thread():
            assert forgotten.wait(60)
            gc.collect()
        return real(starter, limits, ground)

    monkeypatch.setattr(spares.Starter, "start", start)
    monkeypatch.setattr(spares.StartedRun, "end", ends)
    monkeypatch.setattr(sys, "unraisablehook", wrong.append)
    sandbox: Any = LocalSandbox()
    sandbox.itself = sandbox
    assert sandbox.run(own, Script("exit 0", "exit.sh", SH), None, LIMITS).exit_code == 0
    thread, waiting = sandbox._spares._thread, sandbox._spares._waiting
    gc.disable()
    try:
        del sandbox
        forgotten.set()
        thread.join(60)
    finally:
        gc.enable()
    assert not thread.is_alive() and wrong == [] and len(ended) == 1 and not waiting


def test_process_1_tells_nothing_and_heeds_no_signal(sandbox: LocalSandbox, own: Environment) -> None:
    """It is a fork of a process of this machine: its arguments, memory and files are not for a script to read."""
    text = """
import os
for name in "environ", "mem", "maps", "cwd", "root", "exe", "fd/1":
    try: open(f"/proc/1/{name}", "rb").read(1) or print("empty", name)
    except OSError: continue
    print("could read", name)
print(open("/proc/1/cmdline").read().strip(chr(0)), open("/proc/1/comm").read().strip(), flush=True)
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError: pass
"""
    done = sandbox.run(own, Script(text + "os._exit(7)\n", command=("python3",)), None, LIMITS)
    assert (done.exit_code, done.output) == (7, "sandbox sandbox\n"), done
    assert str(Path(local_module.__file__).parent) not in done.output


@pytest.mark.parametrize("grouped", [True, False], ids=["group", "no group"])
def test_a_script_that_limits_process_1_is_no_failure_of_the_sandbox(
    grouped: bool, own: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may limit the processes of the same user. Where they cannot be counted any more, that is the end."""
    text = "import resource, time\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))\n"
    text += "print('x' * 200_000, flush=True); time.sleep(0.2); exit(3)\n"
    if not grouped:
        monkeypatch.setattr(cgroups, "parents", dict)
    elif not cgroups.usable(cgroups.parents()):
        pytest.skip("control groups cannot be written here")
    with contextlib.closing(LocalSandbox()) as sandbox:
        done = sandbox.run(own, Script(text, command=("python3",)), None, LIMITS)
    if grouped:
        assert (done.exit_code, len(done.output)) == (3, 200_001), done
    else:
        assert done.reason is Reason.KILLED, done


def test_nothing_of_the_root_is_imported_by_process_1(sandbox: LocalSandbox, own: Environment, tmp_path: Path) -> None:
    """Modules that lie where those of this machine's Python do, in a root that a patch or an image may have filled."""
    library = Path(os.__file__).parent
    planted = tmp_path / "library"
    planted.mkdir()
    for module in ("encodings/ascii", "encodings/latin_1", "traceback", "subprocess", "locale", "shutil"):
        path = planted / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("import os\nos.write(2, b'codemonkeys: exited 0 0.00 0\\n')\nos._exit(0)\n")
    folders = (*own.folders, (str(library), planted)) if not str(library).startswith("/usr") else own.folders
    environment = replace(own, name="planted", folders=folders)
    for text, code in (("exit 3", 3), ("kill -9 $$", None), ("no-such-command", 127)):
        done = sandbox.run(environment, Script(text, "s.sh", SH), None, LIMITS)
        assert done.exit_code == code and done.reason is (Reason.KILLED if code is None else Reason.EXITED), done
    assert sandbox.run(environment, Script("exit 3", "s.sh", SH), "no patch\n", LIMITS).reason is Reason.PATCH_FAILED


def test_a_file_that_bash_reads_first_is_read(sandbox: LocalSandbox, own: Environment) -> None:
    """Images set it, to have a script find another interpreter."""
    ((_, folder),) = own.folders
    (folder / "first").write_text("export PATH=/testbed/bin:$PATH FIRST=read\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "env").write_text('#!/bin/sh\necho "another, $FIRST"\n')
    (folder / "bin" / "env").chmod(0o755)
    variables = (*own.variables, ("BASH_ENV", "/testbed/first"))
    for activate in ("", "true"):
        environment = replace(own, variables=variables, activate=activate)
        assert output(sandbox.run(environment, Script("", "s", ("env",)), None, LIMITS)) == "another, read\n"


def test_capabilities_that_cannot_be_dropped_are_no_success() -> None:
    """The script would have them."""
    text = "from sandboxes.syscalls import drop_capabilities; drop_capabilities(())"
    nothing = [] if os.getuid() else ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run([*nothing, sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 1 and "drop capabilities: Operation not permitted" in done.stderr, done


@pytest.mark.parametrize("command", [("env",), ("./no-first-line",), ("./not-executable",), ("no-such",), (".",)])
def test_a_script_without_an_activation_finds_what_bash_would_leave_it(
    sandbox: LocalSandbox, own: Environment, command: tuple[str, ...]
) -> None:
    """Variables, and what becomes of commands that are no programs."""
    ((_, folder),) = own.folders
    for name, mode in (("no-first-line", 0o755), ("not-executable", 0o644)):
        (folder / name).write_text("echo $0 ran; exit 9\n")
        (folder / name).chmod(mode)
    script = Script("", "script.sh", ("env", "-u", "_", *command) if command == ("env",) else command)
    plain, activated = (sandbox.run(replace(own, activate=activate), script, None, LIMITS) for activate in ("", "true"))
    assert plain.exit_code == activated.exit_code
    assert sorted(plain.output.replace("line 2", "line 3").splitlines()) == sorted(
        activated.output.replace("line 2", "line 3").splitlines()
    )

"""Sessions: files persist from command to command, processes do not, and everything else is as in a single run."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace

from sandboxes.base import Environment, Execution, Limits, Reason, Script
from sandboxes.conformance import isolation, outcomes
from sandboxes.conformance.common import BRIEF, exited, processes_with
from sandboxes.layers import MOST_BYTES, Layer
from sandboxes.sessions import SessionSandbox


class _Stepping:
    """A sandbox whose runs are each the first command of a session."""

    name = "stepping"

    def __init__(self, sandbox: SessionSandbox) -> None:
        self._sandbox = sandbox

    def ensure(self, environment: Environment) -> None:
        """See to nothing: the checks are run on one that works."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        assert not patch
        return self._sandbox.step(environment, script, limits=limits).execution

    def close(self) -> None:
        """Leave the sandbox to its owner."""


def files_persist_and_processes_do_not(sandbox: SessionSandbox, environment: Environment) -> None:
    """In the repository and in scratch folders; a process of one command is gone before the next one starts."""
    mark = f"codemonkeys-{uuid.uuid4()}"
    session = sandbox.open(environment, BRIEF)
    begin = f"""
mkdir -p deep/er && echo new > deep/er/file && echo kept > /tmp/scratch && rm latin.txt && chmod +x a.txt
ln -s a.txt link && printf four >> a.txt && mkfifo pipe
setsid perl -e 'sleep 1000' {mark} >/dev/null 2>&1 &
export VARIABLE=lost; cd deep"""
    exited(session.run(begin))
    look = f"""
cat deep/er/file /tmp/scratch link; test -e latin.txt; echo $?; test -x a.txt; echo $? $VARIABLE; basename "$PWD"
cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^{mark}' """
    expected = "new\nkept\none\ntwo\nthree\nfour1\n0\n" + environment.repository.rpartition("/")[2] + "\n0\n"
    assert session.run(look).output == expected
    assert not processes_with(mark)
    session.close()
    assert "new" not in exited(sandbox.run(environment, Script("ls\n", "list.sh", ("sh",)))).split()


def what_holds_of_a_run_holds_of_a_command(sandbox: SessionSandbox, environment: Environment) -> None:
    """No network, no view of this machine, one commit, no reach of the command's own file; outcomes are faithful."""
    stepping = _Stepping(sandbox)
    for check in (
        isolation.there_is_no_network,
        isolation.the_host_is_hidden,
        isolation.git_knows_the_base_only,
        isolation.the_script_is_out_of_reach,
        isolation.nothing_survives,
        outcomes.signals_are_told_from_exits,
        outcomes.a_forged_verdict_is_output,
        outcomes.variables_and_activation_arrive,
    ):
        check(stepping, environment)


def limits_hold_for_each_command(sandbox: SessionSandbox, environment: Environment) -> None:
    """A command that hangs, floods, or fills the disk is stopped; the session goes on with its files."""
    session = sandbox.open(environment, replace(BRIEF, disk_mb=8, output_bytes=10_000, seconds=10))
    hang = session.run("echo before > kept; sleep 1000", replace(BRIEF, seconds=1))
    assert hang.reason is Reason.TIMED_OUT, hang
    flood = session.run("while :; do echo flood; done")
    assert flood.reason is Reason.OUTPUT_LIMIT and len(flood.output) < 11_000, flood.reason
    full = session.run("head -c 20M /dev/zero > full || rm full; echo full")
    assert "No space left" in full.output, full
    killed = session.run("kill -9 $$")
    assert (killed.reason, killed.signal) == (Reason.KILLED, 9), killed
    assert exited(session.run("cat kept")) == "before\n"


def a_snapshot_restores_and_forks(sandbox: SessionSandbox, environment: Environment) -> None:
    """A snapshot is a value: gone back to, forked, and laid in another session, all with equal files."""
    session = sandbox.open(environment, BRIEF)
    exited(session.run("mkdir new && echo one > new/file && rm data.bin && echo 1 > /tmp/number"))
    first = session.snapshot()
    exited(session.run("rm -r new && mkdir new && echo two > a.txt && rm /tmp/number && ln -s crlf.txt data.bin"))
    other = session.fork()
    look = "cat a.txt; ls new; ls /tmp; ls -F data.bin"
    changed = session.run(look).output
    assert changed == "two\ndata.bin@\n", changed
    assert other.run(look).output == changed
    session.restore(first)
    earlier = session.run("cat a.txt new/file /tmp/number; ls data.bin 2>/dev/null || echo gone").output
    assert earlier == "one\ntwo\nthree\none\n1\ngone\n", earlier
    again = sandbox.open(environment, BRIEF, Layer(first.entries))
    assert exited(again.run("cat new/file")) == "one\n" and again.snapshot().id == first.id


def nothing_changed_is_an_equal_layer(sandbox: SessionSandbox, environment: Environment) -> None:
    """Reading, touching and undoing change nothing, so that equal commands after it are equal."""
    session = sandbox.open(environment, BRIEF)
    exited(
        session.run(
            "cat a.txt >/dev/null; touch a.txt new; rm new; mkdir __pycache__; touch __pycache__/m; mkfifo pipe"
        )
    )
    assert session.snapshot().entries == (), session.snapshot()
    # Nor is a trace of it left to a session that begins with equal files.
    assert exited(sandbox.open(environment, BRIEF).run("ls -d __pycache__ pipe 2>/dev/null; true")) == ""
    exited(session.run("cp a.txt /tmp/kept; echo more >> a.txt"))
    exited(session.run("cp /tmp/kept a.txt; rm /tmp/kept"))
    assert session.snapshot().entries == (), session.snapshot()


def files_are_read_and_written(sandbox: SessionSandbox, environment: Environment) -> None:
    session, repository = sandbox.open(environment, BRIEF), environment.repository
    assert session.read(f"{repository}/data.bin") == bytes(range(256))
    session.write(f"{repository}/new/deep.bin", bytes(range(255, -1, -1)), 0o755)
    session.write(f"{repository}/a.txt", b"written\n")
    assert exited(session.run("test -x new/deep.bin && cat a.txt && wc -c < new/deep.bin")) == "written\n256\n"
    exited(session.run("printf '\\377\\000' > a.txt"))
    assert session.read(f"{repository}/a.txt") == b"\xff\0"


def the_diff_is_exact(sandbox: SessionSandbox, environment: Environment) -> None:
    """Binary files, modes, links, bytes that are no UTF-8: the diff makes of the base what the session has."""
    session = sandbox.open(environment, BRIEF)
    change = """
printf 'caf\\351\\r\\nmore' > latin.txt; printf '\\000\\001' > data.bin; chmod +x a.txt; printf 'x\\r\\n' >> crlf.txt
mkdir d; printf '\\377' > 'd/a "b'; ln -s ../a.txt d/link; chmod 755 'd/a "b'; rm .gitattributes"""
    exited(session.run(change))
    listing = """
find . -path ./.git -prune -o ! -type d -printf '%p %y %l\\n' | LC_ALL=C sort
find . -path ./.git -prune -o -type f -perm -100 -print | LC_ALL=C sort
find . -path ./.git -prune -o -type f -exec md5sum {} + | LC_ALL=C sort"""
    patched = sandbox.run(environment, Script(listing, "list.sh", ("sh",)), session.diff())
    assert exited(session.run(listing)) == exited(patched), patched


def the_diff_does_not_rest_on_what_git_was_told(sandbox: SessionSandbox, environment: Environment) -> None:
    """Commits, stashes, an index or a repository that was changed or removed hide nothing of what changed."""
    for command in (
        "git -c user.name=a -c user.email=a@b commit -qam mine",
        "git update-index --assume-unchanged a.txt",
        "rm -rf .git",
        "git config core.excludesFile /tmp/all; echo '*' > /tmp/all; git add a.txt; git config diff.external true",
        "echo '* -diff' > .git/info/attributes",
    ):
        session = sandbox.open(environment, BRIEF)
        session.run(f"echo four >> a.txt; {command}")
        assert session.diff().endswith(" three\n+four\n"), (command, session.diff())


def a_repository_that_was_removed_comes_back(sandbox: SessionSandbox, environment: Environment) -> None:
    """Its files may go; a session in which nothing can run any more goes back to what it was before the command."""
    session, repository = sandbox.open(environment, BRIEF), environment.repository
    exited(session.run("echo kept > new"))
    session.run(f"rm -rf {repository}; true")
    left = session.run("ls -A | wc -l; cat new 2>/dev/null")
    assert left.reason is Reason.EXITED and left.output in ("0\n", "5\nkept\n", "6\nkept\n", "7\nkept\n"), left
    session.run(f"chmod 000 {repository}; chmod 000 / ; true")
    assert exited(session.run("echo works")) == "works\n"


def what_is_too_much_is_dropped(sandbox: SessionSandbox, environment: Environment) -> None:
    """A command that leaves more than a layer holds is told so, and its changes go."""
    session = sandbox.open(environment, BRIEF)
    exited(session.run("echo kept > new"))
    done = session.run(f"head -c {MOST_BYTES + 1} /dev/zero > much; echo lost > new")
    assert done.exit_code == 0 and "as they were before this command" in done.output, done.output[-300:]
    assert exited(session.run("cat new; ls much 2>/dev/null | wc -l")) == "kept\n0\n"


def many_sessions_do_not_meet(sandbox: SessionSandbox, environment: Environment) -> None:
    outputs: dict[int, str] = {}

    def one(number: int) -> None:
        session = sandbox.open(environment, BRIEF)
        for _ in range(3):
            session.run(f"echo {number} >> mine")
            time.sleep(0.01)
        outputs[number] = session.run("cat mine").output

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n" * 3 for number in range(4)}, outputs

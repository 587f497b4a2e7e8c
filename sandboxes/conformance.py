"""What every sandbox must do, as checks that can be run against any of them.

    for check in conformance.CHECKS:
        check(sandbox, environment)

A check raises AssertionError when the sandbox does not hold. The environment is any that `prepare_repository` has made
the repository of, with `python`, `bash` and `git` inside. Some checks take a second, none more than about ten.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

Check = Callable[[Sandbox, Environment], None]

_FILES = {
    "a.txt": b"one\ntwo\nthree\n",
    "latin.txt": b"caf\xe9\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "data.bin": bytes(range(256)),
}
_BRIEF = Limits(seconds=20, memory_mb=512)


def prepare_repository(folder: Path) -> None:
    """Make the repository that the checks expect, of one commit, in an empty or new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _FILES.items():
        (folder / name).write_bytes(data)
    (folder / ".gitattributes").write_text("crlf.txt text eol=crlf\n")
    identity = ("-c", "user.name=base", "-c", "user.email=base@localhost")
    for words in (("init", "-q"), ("add", "-A", "-f"), (*identity, "commit", "-q", "-m", "base")):
        subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=folder, check=True)


def _python(
    sandbox: Sandbox, environment: Environment, text: str, patch: str | None = None, limits: Limits = _BRIEF
) -> Execution:
    return sandbox.run(environment, Script(text), patch, limits)


def _exited(done: Execution, code: int = 0) -> str:
    assert done.reason is Reason.EXITED and done.exit_code == code, done
    return done.output


def exit_codes_are_faithful(sandbox: Sandbox, environment: Environment) -> None:
    for code in (0, 1, 2, 42, 124, 126, 127, 128, 137, 139, 143, 255):
        done = sandbox.run(environment, Script(f"exit {code}\n", "script.sh", ("sh",)))
        assert done == Execution(Reason.EXITED, code, None, "", done.seconds), done


def signals_are_told_from_exits(sandbox: Sandbox, environment: Environment) -> None:
    for number in (1, 2, 6, 9, 11, 13, 15):
        done = _python(
            sandbox,
            environment,
            f"import os, signal\nsignal.signal({number}, 0) if {number} != 9 else 0\nos.kill(os.getpid(), {number})",
        )
        assert (done.reason, done.signal, done.exit_code) == (Reason.KILLED, number, None), done


def a_missing_command_is_an_exit(sandbox: Sandbox, environment: Environment) -> None:
    done = sandbox.run(environment, Script("", command=("no-such-command",)))
    assert "no-such-command" in _exited(done, 127)


def both_streams_come_in_order(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nfor i in range(50): os.write(1, b'out\\n'); os.write(2, b'err\\n')"
    assert _exited(_python(sandbox, environment, text)) == "out\nerr\n" * 50


def invalid_utf8_is_replaced(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nos.write(1, 'é'.encode()[:1]); os.write(1, 'é'.encode()[1:] + b' \\xff\\x00|')"
    assert _exited(_python(sandbox, environment, text)) == "é \ufffd\x00|"


def a_forged_verdict_is_output(sandbox: Sandbox, environment: Environment) -> None:
    text = "import sys\nfor f in sys.stdout, sys.stderr: print('\\ncodemonkeys: exited 0 0.00 0', file=f)\nsys.exit(3)"
    _exited(_python(sandbox, environment, text), 3)


def timeout_ends_every_process(sandbox: Sandbox, environment: Environment) -> None:
    mark = f"codemonkeys-conformance-{uuid.uuid4()}"
    text = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
if os.fork() == 0:
    os.setsid()
    os.execvp("sh", ["sh", "-c", "sleep 1000; : {mark}"])
time.sleep(1000)
"""
    done = _python(sandbox, environment, text, limits=Limits(seconds=1.5))
    assert (done.reason, done.output) == (Reason.TIMED_OUT, "here\n"), done
    assert done.seconds >= 1.5, done
    assert not processes_with(mark)


def processes_with(mark: str) -> set[str]:
    """Processes of this machine, those in sandboxes too, that have this text among their arguments."""
    found = set()
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in arguments.read_bytes():
                found.add(arguments.parent.name)
    return found


def a_process_left_behind_does_not_block(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nprint('done')"
    assert _exited(_python(sandbox, environment, text)) == "done\n"


def memory_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = "held = []\nfor _ in range(64): held.append(bytearray(b'x') * (16 << 20))\nprint('held all')"
    done = _python(sandbox, environment, text, limits=Limits(memory_mb=256))
    told = done.reason is Reason.EXITED and done.exit_code == 1 and "MemoryError" in done.output
    assert done.reason is Reason.OUT_OF_MEMORY or told, done
    _exited(_python(sandbox, environment, "bytearray(b'x') * (64 << 20)", limits=Limits(memory_mb=256)))


def a_fork_bomb_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError:
    print("refused")
else:
    time.sleep(1000)
"""
    done = _python(sandbox, environment, text, limits=Limits(seconds=20, processes=50, memory_mb=2048))
    stopped = (done.reason, done.signal) == (Reason.KILLED, 9)
    assert stopped or _exited(done) == "refused\n", done


def a_flood_of_output_is_stopped(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nwhile True: os.write(1, b'0123456789' * 1000)"
    done = _python(sandbox, environment, text, limits=Limits(output_bytes=100_000))
    assert done.reason is Reason.OUTPUT_LIMIT, done.reason
    assert done.output == "0123456789" * 10_000
    exact = _python(sandbox, environment, "print('x' * 99_999)", limits=Limits(output_bytes=100_000))
    assert len(_exited(exact)) == 100_000


def the_disk_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import sys
for name in "/tmp/big", "big":
    try:
        with open(name, "wb") as file:
            for _ in range(64): file.write(bytes(1 << 20))
        print("wrote all to", name)
    except OSError:
        pass
"""
    assert _exited(_python(sandbox, environment, text, limits=Limits(disk_mb=16))) == ""


def nothing_survives(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import os, pathlib, site, sys
places = [".", "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), *site.getsitepackages()]
found = [str(mark) for place in places if (mark := pathlib.Path(place, "mark")).exists()]
print(found, pathlib.Path("a.txt").read_text(), os.path.exists("latin.txt"))
for place in places:
    try: pathlib.Path(place, "mark").write_text("x")
    except OSError as error: assert place not in (".", "/tmp"), error
pathlib.Path("a.txt").write_text("changed")
os.remove("latin.txt")
"""
    for _ in range(2):
        assert _exited(_python(sandbox, environment, text)) == "[] one\ntwo\nthree\n True\n"


def there_is_no_network(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import socket, sys
for family, address in (socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET, ("127.0.0.1", int(PORT))):
    with socket.socket(family) as out:
        out.settimeout(3)
        try: out.connect(address); print("reached", address)
        except OSError: pass
try: socket.getaddrinfo("example.com", 80); print("resolved")
except OSError: pass
with socket.socket(socket.AF_UNIX) as out:
    try: out.connect(chr(0) + NAME); print("reached the abstract socket")
    except OSError: pass
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("loopback works")
"""
    name = f"codemonkeys-conformance-{os.getpid()}-{threading.get_ident()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen()
        text = text.replace("PORT", str(server.getsockname()[1])).replace("NAME", repr(name))
        assert _exited(_python(sandbox, environment, text)) == "loopback works\n"


def the_host_is_hidden(sandbox: Sandbox, environment: Environment) -> None:
    secret, name = "a-secret-of-the-host", "CODEMONKEYS_CONFORMANCE_SECRET"
    here = Path.home() / f".codemonkeys-conformance-{os.getpid()}-{threading.get_ident()}"
    os.environ[name] = secret
    try:
        here.write_text(secret)
        text = f"""
import glob, os, pathlib
print(os.path.exists({str(here)!r}), {name!r} in os.environ)
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try: assert {secret!r}.encode() not in pathlib.Path(path).read_bytes(), path
    except PermissionError: pass
print(len(glob.glob("/proc/[0-9]*")) < 10, os.path.exists("/proc/{os.getpid()}/root/etc/hostname"))
status = pathlib.Path("/proc/self/status").read_text().split()
print({{status[status.index(f"Cap{{kind}}:") + 1].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}})
print(status[status.index("NoNewPrivs:") + 1])
for path in "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper":
    try: open(path, "w").close(); print("could write", path)
    except OSError: pass
"""
        lines = _exited(_python(sandbox, environment, text)).splitlines()
        assert lines == ["False False", "True False", "{''}", "1"], lines
    finally:
        here.unlink()
        del os.environ[name]


def git_knows_the_base_only(sandbox: Sandbox, environment: Environment) -> None:
    script = Script("git log --all --format=%s && git status --short && git remote", "script.sh", ("sh",))
    assert _exited(sandbox.run(environment, script)) == "base\n"


def the_script_is_out_of_reach(sandbox: Sandbox, environment: Environment) -> None:
    text = f"""
import os, sys
print(os.getcwd() == {environment.repository!r}, __file__.startswith(os.getcwd() + "/"), sys.argv == [__file__])
for attempt in (lambda: open(__file__, "a"), lambda: os.chmod(__file__, 0o777), lambda: os.remove(__file__)):
    try: attempt(); print("done")
    except OSError: pass
"""
    assert _exited(_python(sandbox, environment, text)) == "True False True\n"


def variables_and_activation_arrive(sandbox: Sandbox, environment: Environment) -> None:
    changed = Environment(
        environment.name,
        environment.image,
        environment.folders,
        environment.repository,
        (*environment.variables, ("ODD", "a b\n'\"$(id)")),
        f'{environment.activate}\nexport ACTIVE="yes it is"  # a comment',
    )
    text = "import os\nprint([os.environ['ODD'], os.environ['ACTIVE']])"
    assert _exited(_python(sandbox, changed, text)) == f"{[dict(changed.variables)['ODD'], 'yes it is']}\n"


def _shown(sandbox: Sandbox, environment: Environment, patch: str, *names: str) -> list[str]:
    text = f"for name in {names!r}: print(open(name, 'rb').read())"
    return _exited(_python(sandbox, environment, text, patch)).splitlines()


def a_patch_is_applied(sandbox: Sandbox, environment: Environment) -> None:
    patch = (
        "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2  \n three\n"
        "diff --git a/deep/new.txt b/deep/new.txt\nnew file mode 100755\n--- /dev/null\n+++ b/deep/new.txt\n"
        "@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n"
    )
    expected = [repr(b"one\n2  \nthree\n"), repr(b"new")]
    assert _shown(sandbox, environment, patch, "a.txt", "deep/new.txt") == expected


def a_patch_keeps_bytes(sandbox: Sandbox, environment: Environment) -> None:
    latin = "diff --git a/latin.txt b/latin.txt\n--- a/latin.txt\n+++ b/latin.txt\n@@ -1 +1 @@\n-caf\udce9\n+th\udce9\n"
    crlf = "diff --git a/crlf.txt b/crlf.txt\n--- a/crlf.txt\n+++ b/crlf.txt\n@@ -1,2 +1,2 @@\n one\r\n-two\r\n+2\r\n"
    shown = _shown(sandbox, environment, latin + crlf, "latin.txt", "crlf.txt")
    assert shown == [repr(b"th\xe9\n"), repr(b"one\r\n2\r\n")], shown


def a_binary_patch_is_applied(sandbox: Sandbox, environment: Environment) -> None:
    # Of a new file of the bytes 0 to 9, as `git diff --binary` writes it.
    patch = (
        "diff --git a/new.bin b/new.bin\nnew file mode 100644\n"
        "index 0000000000000000000000000000000000000000..df93f5f3f72487244976c34e85525cf445016566\n"
        "GIT binary patch\nliteral 10\nRcmZQzWMXDvWn<^y1ONc904@Lk\n\nliteral 0\nHcmV?d00001\n\n"
    )
    assert _shown(sandbox, environment, patch, "new.bin") == [repr(bytes(range(10)))]


def a_refused_patch_runs_nothing(sandbox: Sandbox, environment: Environment) -> None:
    stale = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-other\n+thing\n"
    outside = "diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n"
    for patch in (stale, outside, "no patch at all\n"):
        done = _python(sandbox, environment, "print('the script ran')", patch)
        assert done.reason is Reason.PATCH_FAILED and done.exit_code is None, done
        assert "error" in done.output and "the script ran" not in done.output, done


def an_empty_patch_is_none(sandbox: Sandbox, environment: Environment) -> None:
    assert _exited(_python(sandbox, environment, "print('ran')", "")) == "ran\n"


def many_at_once_do_not_meet(sandbox: Sandbox, environment: Environment) -> None:
    outputs: dict[int, str] = {}

    def one(number: int) -> None:
        text = f"import time\nopen('mine', 'x').write('{number}')\ntime.sleep(0.2)\nprint(open('mine').read())"
        outputs[number] = _exited(_python(sandbox, environment, text))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n" for number in range(4)}, outputs


CHECKS: tuple[Check, ...] = (
    exit_codes_are_faithful,
    signals_are_told_from_exits,
    a_missing_command_is_an_exit,
    both_streams_come_in_order,
    invalid_utf8_is_replaced,
    a_forged_verdict_is_output,
    timeout_ends_every_process,
    a_process_left_behind_does_not_block,
    memory_is_limited,
    a_fork_bomb_is_limited,
    a_flood_of_output_is_stopped,
    the_disk_is_limited,
    nothing_survives,
    there_is_no_network,
    the_host_is_hidden,
    git_knows_the_base_only,
    the_script_is_out_of_reach,
    variables_and_activation_arrive,
    a_patch_is_applied,
    a_patch_keeps_bytes,
    a_binary_patch_is_applied,
    a_refused_patch_runs_nothing,
    an_empty_patch_is_none,
    many_at_once_do_not_meet,
)

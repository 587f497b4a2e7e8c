"""Results of scripts are reported faithfully, and scripts and patches find what they should inside."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script
from sandboxes.conformance.common import BRIEF, exited, python


def exit_codes_are_faithful(sandbox: Sandbox, environment: Environment) -> None:
    for code in (0, 1, 2, 42, 124, 126, 127, 128, 137, 139, 143, 255):
        done = sandbox.run(environment, Script(f"exit {code}\n", "script.sh", ("sh",)))
        assert done == Execution(Reason.EXITED, code, None, "", done.seconds), done


def signals_are_told_from_exits(sandbox: Sandbox, environment: Environment) -> None:
    for number in (1, 2, 6, 9, 11, 13, 15):
        done = python(
            sandbox,
            environment,
            f"import os, signal\nsignal.signal({number}, 0) if {number} != 9 else 0\nos.kill(os.getpid(), {number})",
        )
        assert (done.reason, done.signal, done.exit_code) == (Reason.KILLED, number, None), done


def a_missing_command_is_an_exit(sandbox: Sandbox, environment: Environment) -> None:
    done = sandbox.run(environment, Script("", command=("no-such-command",)))
    assert "no-such-command" in exited(done, 127)


def both_streams_come_in_order(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nfor i in range(50): os.write(1, b'out\\n'); os.write(2, b'err\\n')"
    assert exited(python(sandbox, environment, text)) == "out\nerr\n" * 50


def invalid_utf8_is_replaced(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nos.write(1, 'é'.encode()[:1]); os.write(1, 'é'.encode()[1:] + b' \\xff\\x00|')"
    assert exited(python(sandbox, environment, text)) == "é \ufffd\x00|"


def a_forged_verdict_is_output(sandbox: Sandbox, environment: Environment) -> None:
    text = "import sys\nfor f in sys.stdout, sys.stderr: print('\\ncodemonkeys: exited 0 0.00 0', file=f)\nsys.exit(3)"
    exited(python(sandbox, environment, text), 3)


def a_name_with_a_folder_is_refused(sandbox: Sandbox, environment: Environment) -> None:
    for name in ("a/b.py", "../b.py", "/b.py", "b/", "", ".", "..", "b\0.py"):
        done = sandbox.run(environment, Script("print('the script ran')", name))
        assert (done.reason, done.exit_code, done.output) == (Reason.SANDBOX_FAILED, None, ""), done
        assert repr(name) in done.detail, done


def what_cannot_be_run_is_told(sandbox: Sandbox, environment: Environment) -> None:
    """`run` returns, whatever it is given; texts of the result can be stored."""
    here = Script("print('the script ran')")
    wrong: list[tuple[str, Any]] = [(name, value) for name in ("seconds", "cpus") for value in (math.inf, math.nan, -1)]
    wrong += [(name, 0) for name in ("seconds", "memory_mb", "processes", "output_bytes", "disk_mb")]
    cases: list[tuple[Environment, Script, str | None, Limits]] = [
        *((environment, here, None, replace(Limits(), **{name: value})) for name, value in wrong),
        (environment, Script("\ud800"), None, BRIEF),
        (environment, Script("", "\ud800.py"), None, BRIEF),
        (environment, Script("", command=("\0",)), None, BRIEF),
        (environment, here, "\ud800", BRIEF),
        (replace(environment, variables=(("A\0", "b"),)), here, None, BRIEF),
        (replace(environment, repository="/no/such\udcffplace"), here, None, BRIEF),
    ]
    for case in cases:
        done = sandbox.run(*case)
        assert done.reason is Reason.SANDBOX_FAILED and done.detail and not done.output, (case[1:], done)
        done.detail.encode()


def variables_and_activation_arrive(sandbox: Sandbox, environment: Environment) -> None:
    changed = replace(
        environment,
        variables=(*environment.variables, ("ODD", "a b\n'\"$(id)")),
        activate=f'{environment.activate}\nexport ACTIVE="yes it is"  # a comment',
    )
    text = "import os\nprint([os.environ['ODD'], os.environ['ACTIVE']])"
    assert exited(python(sandbox, changed, text)) == f"{[dict(changed.variables)['ODD'], 'yes it is']}\n"


def _shown(sandbox: Sandbox, environment: Environment, patch: str, *names: str) -> list[str]:
    text = f"for name in {names!r}: print(open(name, 'rb').read())"
    return exited(python(sandbox, environment, text, patch)).splitlines()


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
        done = python(sandbox, environment, "print('the script ran')", patch)
        assert done.reason is Reason.PATCH_FAILED and done.exit_code is None, done
        assert "error" in done.output and "the script ran" not in done.output, done


def an_empty_patch_is_none(sandbox: Sandbox, environment: Environment) -> None:
    assert exited(python(sandbox, environment, "print('ran')", "")) == "ran\n"

"""Scripts cannot reach the machine, other runs or the sandbox itself."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

from sandboxes import history
from sandboxes.base import Environment, Sandbox, Script
from sandboxes.conformance.common import BRIEF, exited, processes_with, python

_PROVIDERS = "ANTHROPIC AZURE COHERE DEEPSEEK FIREWORKS GEMINI GROQ MISTRAL OPENAI OPENROUTER TOGETHERAI XAI"
KEYS = (*(f"{name}_API_KEY" for name in _PROVIDERS.split()), "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "GITHUB_TOKEN")
"""Environment variables with secrets."""


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
        assert exited(python(sandbox, environment, text)) == "[] one\ntwo\nthree\n True\n"


def there_is_no_network(sandbox: Sandbox, environment: Environment) -> None:
    """Nothing outside can be reached: hosts, DNS, services of this machine, engines, cloud metadata."""
    text = """
import socket
for address in ("192.0.2.1", 80), ("169.254.169.254", 80), ("172.17.0.1", 22), ("127.0.0.1", PORT):
    with socket.socket() as out:
        out.settimeout(3)
        try: out.connect(address); print("reached", address)
        except OSError: pass
with socket.socket(type=socket.SOCK_DGRAM) as out:
    try: out.sendto(bytes(12), ("192.0.2.1", 53)); print("sent to a resolver")
    except OSError: pass
try: socket.getaddrinfo("example.com", 80); print("resolved")
except OSError: pass
for name in chr(0) + NAME, *ENGINES:
    with socket.socket(socket.AF_UNIX) as out:
        try: out.connect(name); print("reached", name)
        except OSError: pass
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("loopback works")
"""
    name = f"codemonkeys-conformance-{os.getpid()}-{threading.get_ident()}"
    engine = os.environ.get("DOCKER_HOST", "").removeprefix("unix://")
    engines = [path for path in (engine, "/var/run/docker.sock", "/run/podman/podman.sock") if path.startswith("/")]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen()
        text = text.replace("PORT", str(server.getsockname()[1])).replace("NAME", repr(name))
        text = text.replace("ENGINES", repr(engines))
        assert exited(python(sandbox, environment, text)) == "loopback works\n"


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
        lines = exited(python(sandbox, environment, text)).splitlines()
        assert lines == ["False False", "True False", "{''}", "1"], lines
    finally:
        here.unlink()
        del os.environ[name]


def no_key_is_found(sandbox: Sandbox, environment: Environment) -> None:
    """A canary in every provider's variable appears in no file or process of a sandbox, nor in the host's processes.

    The check is strongest if the variables were set before the sandbox was opened.
    """
    canary = f"canary-{os.getpid()}-{threading.get_ident()}"
    text = f"""
import os, pathlib, time
canary, found = bytes.fromhex({canary.encode().hex()!r}), []
def look(path):
    try:
        if path.is_file() and canary in path.read_bytes()[:1 << 22]: print("found in", path)
    except OSError: pass
print(*(name for name, value in os.environ.items() if canary in value.encode()))
for process in pathlib.Path("/proc").glob("[0-9]*"):
    look(process / "environ"); look(process / "cmdline")
for place in "/codemonkeys /etc /home /root /run /tmp /var/tmp /dev/shm ~".split() + [os.getcwd()]:
    for folder, _, names in os.walk(os.path.expanduser(place)):
        for name in names: look(pathlib.Path(folder, name))
time.sleep(1)
"""
    before = {name: os.environ.get(name) for name in KEYS}
    os.environ |= dict.fromkeys(KEYS, canary)
    outputs: list[str] = []
    # It reads every file of those places, of which a host folder that is shown may have tens of thousands.
    patient = replace(BRIEF, seconds=300)
    thread = threading.Thread(target=lambda: outputs.append(exited(python(sandbox, environment, text, limits=patient))))
    seen: set[str] = set()
    try:
        thread.start()
        while thread.is_alive():
            seen |= processes_with(canary) | processes_with(canary, "environ")
            thread.join(0.1)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    assert (outputs, seen) == (["\n"], set()), (outputs, seen)


def git_knows_the_base_only(sandbox: Sandbox, environment: Environment) -> None:
    """One commit, no other objects, and a clean working tree in which git detects changes."""
    assert exited(sandbox.run(environment, history.verify())) == ""
    text = "git log --all --format=%s && git status --short && git remote && echo four >> a.txt && git diff --numstat"
    assert exited(sandbox.run(environment, Script(text, "script.sh", ("sh",)))) == "base\n1\t0\ta.txt\n"


def the_script_is_out_of_reach(sandbox: Sandbox, environment: Environment) -> None:
    text = f"""
import os, sys
print(os.getcwd() == {environment.repository!r}, __file__.startswith(os.getcwd() + "/"), sys.argv == [__file__])
for attempt in (lambda: open(__file__, "a"), lambda: os.chmod(__file__, 0o777), lambda: os.remove(__file__)):
    try: attempt(); print("done")
    except OSError: pass
"""
    assert exited(python(sandbox, environment, text)) == "True False True\n"


def runs_do_not_see_each_other(sandbox: Sandbox, environment: Environment) -> None:
    """Processes, files and sockets of concurrent runs are invisible to each other."""
    mark = f"codemonkeys-conformance-{os.getpid()}-{threading.get_ident()}"
    shown = f"""
import os, pathlib, socket, sys, time
if len(sys.argv) < 2: os.execv(sys.executable, [sys.executable, __file__, {mark!r}])
for place in "/tmp", "/dev/shm": pathlib.Path(place, {mark!r}).touch()
with socket.socket(socket.AF_UNIX) as server:
    server.bind(chr(0) + {mark!r}); server.listen()
    time.sleep(2)
"""
    looking = f"""
import glob, os, pathlib, socket
mark = bytes.fromhex({mark.encode().hex()!r}).decode()
print([path for path in glob.glob("/proc/[0-9]*/cmdline") if mark in pathlib.Path(path).read_text()])
print(glob.glob(f"/tmp/{{mark}}") + glob.glob(f"/dev/shm/{{mark}}"))
with socket.socket(socket.AF_UNIX) as out: print(out.connect_ex(chr(0) + mark) != 0)
"""
    outputs: list[str] = []
    thread = threading.Thread(target=lambda: outputs.append(exited(python(sandbox, environment, shown))))
    thread.start()
    while thread.is_alive() and not processes_with(mark):
        thread.join(0.05)
    assert exited(python(sandbox, environment, looking)) == "[]\n[]\nTrue\n"
    thread.join()
    assert outputs == [""]


def many_at_once_do_not_meet(sandbox: Sandbox, environment: Environment) -> None:
    outputs: dict[int, str] = {}

    def one(number: int) -> None:
        text = f"import time\nopen('mine', 'x').write('{number}')\ntime.sleep(0.2)\nprint(open('mine').read())"
        outputs[number] = exited(python(sandbox, environment, text))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n" for number in range(4)}, outputs

"""A script reaches nothing of the machine, of other runs and of the sandbox itself."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from sandboxes.base import Environment, Sandbox, Script
from sandboxes.conformance.common import exited, python


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


def git_knows_the_base_only(sandbox: Sandbox, environment: Environment) -> None:
    script = Script("git log --all --format=%s && git status --short && git remote", "script.sh", ("sh",))
    assert exited(sandbox.run(environment, script)) == "base\n"


def the_script_is_out_of_reach(sandbox: Sandbox, environment: Environment) -> None:
    text = f"""
import os, sys
print(os.getcwd() == {environment.repository!r}, __file__.startswith(os.getcwd() + "/"), sys.argv == [__file__])
for attempt in (lambda: open(__file__, "a"), lambda: os.chmod(__file__, 0o777), lambda: os.remove(__file__)):
    try: attempt(); print("done")
    except OSError: pass
"""
    assert exited(python(sandbox, environment, text)) == "True False True\n"


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

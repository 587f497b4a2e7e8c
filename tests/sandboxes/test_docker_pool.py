"""Containers that wait, that are kept for a candidate, and that are gone when one comes for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sandboxes import Environment, Limits, Reason, Script, conformance
from sandboxes.docker import DockerSandbox
from sandboxes.engine import remove
from tests.sandboxes.test_docker import containers, engine, running
from tests.sandboxes.test_local import SH, wait_until

__all__ = ["engine"]

pytestmark = pytest.mark.docker
# The number of a name space that is gone is given again; that and when its first process started are not.
WHICH = Script("stat -L -c %i /proc/self/ns/pid; cut -d' ' -f22 /proc/1/stat", command=("sh",))


@pytest.fixture(scope="module")
def kept(docker_environment: Environment) -> Iterator[DockerSandbox]:
    sandbox = DockerSandbox("kept", reuse=True)
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_the_suite_holds_where_containers_are_kept(
    check: conformance.Check, kept: DockerSandbox, docker_environment: Environment
) -> None:
    check(kept, docker_environment)


def container_of(sandbox: DockerSandbox, environment: Environment, patch: str | None = None) -> str:
    """The name space of processes that a script ran in, and since when: others for each container."""
    done = sandbox.run(environment, WHICH, patch)
    assert done.exit_code == 0, done
    return done.output


def new_file(name: str) -> str:
    return f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"


def test_a_container_is_kept_for_its_candidate_only(kept: DockerSandbox, docker_environment: Environment) -> None:
    one, other = (new_file(str(uuid.uuid4())) for _ in range(2))
    first = container_of(kept, docker_environment, one)
    assert container_of(kept, docker_environment, one) == first
    assert container_of(kept, docker_environment, other) != first
    assert container_of(kept, docker_environment, one) == first
    fresh = DockerSandbox("fresh")
    assert container_of(fresh, docker_environment, one) != container_of(fresh, docker_environment, one)
    fresh.close()


PLANT = r"""
import os, pathlib, site, socket, stat, subprocess, sys, tempfile
done = []
def attempt(what):
    try: what(); return True
    except OSError: return False
places = [d for d, folders, files in os.walk("/") if not d.startswith(("/proc", "/sys", "/dev/pts"))]
for place in places:
    if os.path.realpath(place).startswith(("/dev", "/sys")): continue
    if attempt(lambda: pathlib.Path(place, "MARK").write_text("MARK")): done.append(place)
os.symlink("/testbed", "/tmp/MARK-link"); os.mkfifo("/tmp/MARK-pipe")
os.makedirs("/tmp/MARK-deep/a/b"); os.chmod("/tmp/MARK-deep/a", 0)
pathlib.Path(".git/hooks").mkdir(exist_ok=True)
hook = pathlib.Path(".git/hooks/post-checkout")
hook.write_text("#!/bin/sh\ntouch /tmp/MARK"); hook.chmod(0o755)
subprocess.run(["git", "config", "core.hooksPath", "/tmp/MARK"], check=True)
identity = ["-c", "user.name=MARK", "-c", "user.email=m"]
subprocess.run(["git", *identity, "commit", "-qam", "MARK", "--allow-empty"], check=True)
pathlib.Path(os.path.expanduser("~/.gitconfig")).write_text("[user]\nname = MARK\n")
pathlib.Path(os.path.expanduser("~/.bashrc")).write_text("export MARK=1\n")
pathlib.Path(os.path.expanduser("~/.config")).mkdir()
pathlib.Path(os.path.expanduser("~/.config/x.pth")).write_text("MARK")
os.rename("a.txt", "MARK.txt"); os.chmod("data.bin", 0o777); os.remove("latin.txt")
held = open("/tmp/held", "w"); held.write("MARK"); os.remove("/tmp/held")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        loop = "while :; do touch /tmp/MARK /testbed/MARK; sleep 0.01; done # MARK"
        subprocess.run(["sh", "-c", "trap '' TERM HUP; " + loop])
    os._exit(0)
hidden = socket.socket(socket.AF_UNIX); hidden.bind("\0MARK"); hidden.listen()
print(len(done))
"""
SEEK = r"""
import os, pathlib, socket, subprocess, sys
found = []
for folder, folders, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys/")): folders.clear(); continue
    found += [os.path.join(folder, name) for name in folders + files if "MARK" in name]
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if path.parts[2] not in ("1", str(os.getpid())) and b"touch" in path.read_bytes(): found.append(path)
for folder in ".", os.path.expanduser("~"), "/tmp", "/var/tmp", "/dev/shm":
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and b"MARK" in path.read_bytes(): found.append(path)
if "MARK" in os.environ or "MARK" in open("/proc/net/unix").read(): found.append("environment or socket")
command = "git log --all --format=%s; git status --short; git config --list | grep MARK"
log = subprocess.run(command, shell=True, capture_output=True, text=True)
print(found, log.stdout.split(), oct(os.stat("data.bin").st_mode), os.path.exists("latin.txt"))
"""


def test_nothing_is_left_for_the_next_script(kept: DockerSandbox, docker_environment: Environment) -> None:
    patch = new_file(str(uuid.uuid4()))
    clean = kept.run(docker_environment, Script(SEEK), patch)
    name = container_of(kept, docker_environment, patch)
    assert clean.output.startswith("[] ['base',"), clean
    mark = uuid.uuid4().hex
    planted = kept.run(docker_environment, Script(PLANT.replace("MARK", mark)), patch)
    assert planted.exit_code == 0 and int(planted.output) > 10, planted
    after = kept.run(docker_environment, Script(SEEK.replace("MARK", mark)), patch)
    assert after.output == clean.output, after
    # It was the same container: it was cleaned, not thrown away.
    assert container_of(kept, docker_environment, patch) == name


def test_no_time_is_left_for_the_next_script(kept: DockerSandbox, docker_environment: Environment) -> None:
    """Of a folder in which nothing else is left."""
    patch = new_file(str(uuid.uuid4()))
    touch, tell = (Script(f"{command} /tmp /dev/shm", "s.sh", SH) for command in ("touch -d @1", "stat -c %Y"))
    assert kept.run(docker_environment, touch, patch).exit_code == 0
    assert min(map(int, kept.run(docker_environment, tell, patch).output.split())) > 1


@pytest.mark.parametrize(
    "left",
    [
        "open('/dev/mark', 'w').write('x')",
        "os.remove('/dev/null'); open('/dev/null', 'w')",
        "os.chmod('/tmp', 0o700)",
        "os.chmod('/dev/zero', 0o600)",
        "os.setxattr('/testbed', 'user.mark', b'x')",
        "subprocess.run(['perl', '-e', 'shmget(7, 4096, 01600) // die'], check=True)",
        "subprocess.run(['perl', '-e', 'msgget(7, 01600) // die'], check=True)",
        "resource.prlimit(1, resource.RLIMIT_NOFILE, (64, 64))",
        "open('/proc/1/oom_score_adj', 'w').write('500')",
        "file = '/proc/1/autogroup'; assert os.path.exists(file), 'not supported'; open(file, 'w').write('5')",
        "import ctypes; assert ctypes.CDLL(None).mq_open(b'/mark', 0o102, 0o600, None) >= 0",
        "held = [bytearray(b'x') * (1 << 24) for _ in range(100)]",
    ],
)
def test_a_container_that_cannot_be_cleaned_is_thrown_away(
    kept: DockerSandbox, docker_environment: Environment, left: str
) -> None:
    patch, limits = new_file(str(uuid.uuid4())), Limits(memory_mb=1024)
    script = Script(f"import os, resource, subprocess\n{left}\n")
    first = container_of(kept, docker_environment, patch)
    done = kept.run(docker_environment, script, patch, limits if "held" in left else None)
    assert done.reason in (Reason.EXITED, Reason.OUT_OF_MEMORY), done
    if "held" in left:
        first = ""
    elif done.exit_code and "not supported" in done.output.lower():
        pytest.skip("this kernel has no such thing")
    else:
        assert done.exit_code == 0, done
    assert container_of(kept, docker_environment, patch) != first


def test_a_process_that_holds_out_is_ended(kept: DockerSandbox, docker_environment: Environment) -> None:
    """A fork bomb that goes on forking: the next script of the candidate finds none of it."""
    patch, mark = new_file(str(uuid.uuid4())), uuid.uuid4().hex
    bomb = Script(
        f': {mark}; f() {{ setsid sh -c "$1" & f "$1" & }}; f \'sleep 9; : {mark}\' 2>/dev/null; exit 0', command=SH
    )
    kept.run(docker_environment, bomb, patch, Limits(processes=64, seconds=5))
    assert not conformance.processes_with(mark)
    done = kept.run(docker_environment, Script("ls -d /proc/[0-9]* | wc -l", command=SH), patch, Limits(processes=64))
    assert done.exit_code == 0 and int(done.output) < 8, done


def test_a_waiting_container_that_was_removed_is_not_used(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run)
    script = Script("exit 7", command=SH)
    assert sandbox.run(docker_environment, script).exit_code == 7
    for _ in range(3):
        wait_until(lambda: len(running(engine, run)) == 2)
        for found in containers(engine, run):
            remove(engine, found["Id"])
        assert sandbox.run(docker_environment, script).exit_code == 7
    sandbox.close()


def test_a_waiting_container_ends_when_it_has_waited_for_long(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run, idle_seconds=1)
    script = Script("exit 7", command=SH)
    assert sandbox.run(docker_environment, script).exit_code == 7
    wait_until(lambda: not containers(engine, run))
    assert sandbox.run(docker_environment, script).exit_code == 7
    sandbox.close()


def test_containers_of_environments_that_are_done_with_go(engine: Any, docker_environment: Environment) -> None:
    run = str(uuid.uuid4())
    sandbox = DockerSandbox(run, ahead=2)
    for memory in range(1000, 1012):
        sandbox.run(docker_environment, Script("exit 7", command=SH), limits=Limits(memory_mb=memory))
    wait_until(lambda: len(containers(engine, run)) <= 16)
    sandbox.close()
    assert not containers(engine, run)

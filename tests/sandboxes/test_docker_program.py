"""What process 1 of a container does itself instead of starting programs: nothing of it reaches a script."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Limits, Script, conformance, ready
from sandboxes.ready import TEMPLATE
from tests.sandboxes.conftest import BASE_IMAGE
from tests.sandboxes.test_docker import engine
from tests.sandboxes.test_docker_image import image_of, sandbox, shell
from tests.sandboxes.test_docker_pool import new_file

__all__ = ["engine"]

pytestmark = pytest.mark.docker

LOOK = """
import ctypes, os, signal, stat
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print({name: status[name].split() for name in ("Uid", "Gid", "Groups", "NoNewPrivs", "SigIgn", "SigBlk")})
print({int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, oct(os.umask(0)))
kinds = {name: stat.S_IFMT(os.fstat(int(name)).st_mode) for name in os.listdir("/proc/self/fd") if int(name) < 3}
print(len(os.listdir("/proc/self/fd")), kinds["1"], *sorted(os.environ))
for process in {1, os.getppid()} - {os.getpid()}:
    for name in "mem", "environ", "fd/0", "maps":
        try:
            with open(f"/proc/{process}/{name}", "rb") as file: file.read(1); print("could read", process, name)
        except OSError: pass
    if ctypes.CDLL(None, use_errno=True).ptrace(16, process, 0, 0) == 0: print("could trace", process)
"""
PLACES = """
import os, pathlib, stat
def told(top):
    for folder, folders, files in os.walk(os.fsencode(top)):
        for name in (b".", *folders, *files):
            path = os.path.join(folder, name)
            seen, place = os.lstat(path), os.path.relpath(path, os.fsencode(top))
            is_file, is_link = stat.S_ISREG(seen.st_mode), stat.S_ISLNK(seen.st_mode)
            content = pathlib.Path(os.fsdecode(path)).read_bytes() if is_file else os.readlink(path) if is_link else b""
            yield place, seen.st_mode, seen.st_uid, seen.st_gid, not is_link and int(seen.st_mtime), content
one, other = set(told(".")), set(told("TEMPLATE/0"))
print(len(one) > 8, one ^ other)
"""


@pytest.mark.parametrize("user", ["root", "mia"])
def test_a_script_has_nothing_of_what_watches_it(user: str, engine: Any, tmp_path: Path) -> None:
    """No privilege, ignored signal, open file, variable or mask of process 1, nor a look into it."""
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"FROM {BASE_IMAGE}\nRUN groupadd -g 90 team && useradd -u 1234 -G team -m mia\n"
    recipe += f"COPY repository /testbed\nUSER {user}\n"
    number, groups = ("0", ["0"]) if user == "root" else ("1234", ["90", "1234"])
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox(reuse=True) as opened:
        for _ in range(2):
            done = opened.run(environment, Script(LOOK), new_file("new"))
            first, second, third, *could = done.output.splitlines()
            assert eval(first) == {
                "Uid": [number] * 4,
                "Gid": [number] * 4,
                "Groups": groups,
                "NoNewPrivs": ["1"],
                # Python itself ignores SIGPIPE and SIGXFSZ.
                "SigIgn": ["0000000001001000"],
                "SigBlk": ["0000000000000000"],
            }, done
            assert second == "{0} 0o22", done
            files, output, *variables = third.split()
            assert (int(files), int(output)) == (4, 0o010000), done  # the listing itself is open too
            assert set(variables) <= {"HOME", "HOSTNAME", "LANG", "LC_CTYPE", "OLDPWD", "PATH", "PWD", "SHLVL", "_"}
            assert not could, done
        pipe = shell(opened, environment, "bash -c 'yes | head -n 1 >/dev/null; echo ${PIPESTATUS[0]}'")
        assert pipe.output == "141\n", pipe


def test_folders_are_as_the_image_has_them(engine: Any, tmp_path: Path) -> None:
    """Byte for byte, with names, modes, links and times; so they are after a script that changed everything."""
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"""FROM {BASE_IMAGE}
COPY repository /testbed
RUN cd /testbed && mkdir -p "deep/a b" empty && printf '\\377' > "$(printf 'deep/a b/\\303\\050 \\n x')" && \\
    ln a.txt hard && ln -s nowhere broken && chmod 4711 data.bin && chmod 500 deep && truncate -s 3M sparse && \\
    touch -d '2001-02-03 04:05:06' crlf.txt && : > none && mkfifo pipe
"""
    look = Script(PLACES.replace("TEMPLATE", TEMPLATE))
    change = Script("import shutil, os; [os.rename(n, n + '2') for n in os.listdir('.')]; open('x', 'w').write('x')")
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox(reuse=True) as opened:
        for _ in range(2):
            done = opened.run(environment, look)
            assert done.output == "True set()\n", done
            assert opened.run(environment, change).exit_code == 0


def test_a_session_has_all_folders_that_can_be_written(engine: Any, tmp_path: Path) -> None:
    """Also one within another; and what a cache of Python was left in is no part of it."""
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"""FROM {BASE_IMAGE}
RUN useradd -u 1234 -m mia && mkdir -p /data /home/mia/data/deep && echo old > /home/mia/data/in
RUN chown -R mia /home/mia /data
COPY repository /testbed
VOLUME /data /home/mia/data
USER mia
"""
    write = """
for place in /data ~/data ~ /tmp /testbed; do
    echo $place > $place/mark; mkdir $place/__pycache__; : > $place/__pycache__/x
done
rm ~/data/in; rmdir ~/data/deep; : > ~/data/__pycache__x"""
    read = "for place in /data ~/data ~ /tmp /testbed; do cat $place/mark; ls -A $place; done"
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox() as opened:
        session = opened.open(environment, Limits(seconds=20, memory_mb=512))
        assert session.run(write).exit_code == 0
        paths = {entry.path: entry.kind for entry in session.snapshot().entries}
        marks = {f"{place}/mark": "file" for place in ("/data", "/home/mia", "/home/mia/data", "/testbed", "/tmp")}
        assert paths == marks | {"/home/mia/data/in": "gone", "/home/mia/data/deep": "gone"}
        seen = session.run(read)
        again = opened.open(environment, Limits(seconds=20, memory_mb=512), session.snapshot()).run(read)
        assert seen.output == again.output and "/home/mia/data\n" in seen.output, (seen, again)


def test_machines_whose_calls_have_other_numbers_are_served_by_programs(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ready.program
    known = "(x86_64|aarch64)"
    assert known in real("container.pl")
    monkeypatch.setattr(ready, "program", lambda name: real(name).replace(known, "(none)"))
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"FROM {BASE_IMAGE}\nCOPY repository /testbed\n"
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox(reuse=True) as opened:
        conformance.isolation.the_host_is_hidden(opened, environment)
        conformance.isolation.nothing_survives(opened, environment)
        conformance.outcomes.a_patch_is_applied(opened, environment)
        conformance.sessions.a_snapshot_restores_and_forks(opened, environment)
        # What cannot be seen to be clean is not kept.
        which, patch = "cut -d' ' -f22 /proc/1/stat", new_file(str(uuid.uuid4()))
        assert len({opened.run(environment, Script(which, command=("sh",)), patch).output for _ in range(2)}) == 2

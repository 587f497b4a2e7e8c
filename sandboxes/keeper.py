"""Runs one script in a working tree of this very container, and puts everything back: what keeps `here` honest.

A process of its own, so that what a script leaves behind is found below it and killed, and so that the tree is put back
even if its owner dies. It is started for each execution, here or in another container (kept.py):

    python -c "... keeper.main(ACTION, FOLDER)"

`begin` copies the tree, `run` runs FOLDER/request and writes FOLDER/reply, `end` removes the folder. Needs Python 3.9
and nothing of this package but kept_tree.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import marshal
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from sandboxes.kept_tree import KeptTree, TooMuch, TreeError, remove

GRACE = 2.0
"""Seconds after the time limit when the processes are killed, should process 1 of the script have failed to."""
_PATCHING = 120.0
"""Seconds that applying a patch may take besides."""
_PATIENCE = 20.0
"""Seconds that killed processes have to disappear."""
_TICK = 0.05
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_DROPS = (
    ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
    ("setpriv", "--no-new-privs"),
)
"""Commands that take away privileges, the first that works here: without capabilities not even root reads the
variables of other processes."""


class _Ended(NamedTuple):
    """How a script ended."""

    output: bytes
    report: str
    """What inside.pl said, or what stands for it."""
    owner_lives: bool = True


def main(action: str, folder: str) -> None:
    """Carry out one action; what is wrong is told in the reply."""
    place = Path(folder)
    request: dict[str, Any] = marshal.loads((place / "request").read_bytes())
    try:
        reply = {"begin": _begin, "run": _run, "end": _end}[action](place, request)
    except (OSError, TreeError, ValueError, TypeError, EOFError) as error:
        reply = {"failed": str(error)}
    if reply:
        (place / "reply").write_bytes(marshal.dumps(reply, 4))


def _begin(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Copy the tree; the reply tells what the keeping rests on, and how privileges are dropped."""
    tree = Path(request["tree"])
    if not tree.is_dir() or tree.is_symlink():
        raise TreeError(f"{tree} is not a folder")
    if place.is_relative_to(tree):
        raise TreeError(f"{place}, where its copy would lie, is part of the working tree {tree}: set TMPDIR")
    missing = [name for name in ("perl", "bash", "git") if not shutil.which(name)]
    if missing:
        raise TreeError(f"{', '.join(missing)} must be installed in this container")
    dumped = KeptTree.keep(tree, place / "copy").dump()
    (place / "nodes").write_bytes(dumped)
    return {"nodes": hashlib.sha256(dumped).digest(), "drop": next((d for d in _DROPS if _works(d)), ())}


def _works(words: tuple[str, ...]) -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0
    return False


def _end(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Forget the copy, unless a script was in the middle of its work when it was last used."""
    if (place / "running").exists():
        raise TreeError(middle(request["tree"], str(place)))
    remove(place)
    return {}


def middle(tree: str, place: str) -> str:
    """What to say of a tree that was not put back."""
    return (
        f"{tree} was left in the middle of an execution. Its files as they were before lie in {place}/copy: put them "
        f"back with `cp -a {place}/copy/. {tree}/`, see `git status` for files that are new, then remove {place}"
    )


def _run(place: Path, request: dict[str, Any]) -> dict[str, Any]:
    dumped = (place / "nodes").read_bytes()
    if hashlib.sha256(dumped).digest() != request["nodes"]:
        raise TreeError(f"{place}/nodes, which tells how the working tree was, was changed by a script")
    if (place / "running").exists():
        raise TreeError(middle(request["tree"], str(place)))
    kept = KeptTree.load(Path(request["tree"]), place / "copy", dumped)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    (place / "running").touch()
    outside = [Path(entry[0]) for entry in request["layer"] or () if not _is_below(entry[0], kept.tree)]
    gathered: Any = None
    try:
        if request["layer"] is not None:
            kept.lay([entry for entry in request["layer"] if _is_below(entry[0], kept.tree)])
            _lay_outside(request["layer"], kept.tree)
        ended = _execute(place / "script", request)
        if request["layer"] is not None:
            gathered = _gather(kept, request)
    finally:
        _kill_all()
        remove(place / "script")
        for path in outside:
            remove(path)
        if kept.restore():
            dumped = kept.dump()
            (place / "nodes").write_bytes(dumped)
        (place / "running").unlink()
    return {
        "output": ended.output,
        "report": ended.report if ended.owner_lives else "the process that wanted this is gone",
        "layer": gathered,
        "nodes": hashlib.sha256(dumped).digest(),
    }


def _is_below(path: str, folder: Path) -> bool:
    return path == str(folder) or path.startswith(f"{folder}/")


def _lay_outside(entries: Any, tree: Path) -> None:
    """Files of a session that lie outside of the tree, in scratch folders that exist."""
    for path, kind, mode, content, _ in entries:
        if not _is_below(path, tree) and kind == "file":
            remove(Path(path))
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)


def _gather(kept: KeptTree, request: dict[str, Any]) -> Any:
    """Entries of what has changed, or why they cannot be kept."""
    try:
        found = kept.changes(*request["most"])
    except (TooMuch, OSError) as error:
        return f"the command left {error}"
    return [*found, *(entry for entry in request["layer"] if not _is_below(entry[0], kept.tree))]


def _execute(scripts: Path, request: dict[str, Any]) -> _Ended:
    """Run the command of a request, which must end in time, and kill all that it started."""
    scripts.mkdir(0o755)
    for name, content in request["files"].items():
        with open(os.open(scripts / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
            file.write(content)
    temporary = scripts / "tmp"
    temporary.mkdir(0o700)
    process = subprocess.Popen(
        request["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **request["variables"], "TMPDIR": str(temporary)},
        start_new_session=True,
        preexec_fn=lambda: _in_child(request),
    )
    return _watch(process, request)


def _in_child(request: dict[str, Any]) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    most = request["file_bytes"] if hard < 0 else min(request["file_bytes"], hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    if request["keyctl"]:
        # A session keyring that is new and empty; where that is forbidden, so are keys.
        ctypes.CDLL(None).syscall(request["keyctl"], 1, None)


def _watch(process: subprocess.Popen[bytes], request: dict[str, Any]) -> _Ended:
    assert process.stdout is not None and process.stderr is not None
    output, report = bytearray(), bytearray()
    kept = {process.stdout.fileno(): (output, request["output_bytes"]), process.stderr.fileno(): (report, 1 << 16)}
    started = time.monotonic()
    # Only for when process 1 of the script fails to: the time of a patch is not the script's.
    deadline, begun = started + request["seconds"] + _PATCHING, False
    owner = [0] if request["owned"] else []
    verdict = ""
    while kept and not verdict:
        ready = select.select([*kept, *owner], [], [], _TICK)[0]
        if owner and 0 in ready and not os.read(0, 1):
            _kill_all()
            return _Ended(b"", "", owner_lives=False)
        for descriptor in ready:
            if descriptor in kept and not _keep(descriptor, *kept[descriptor]):
                del kept[descriptor]
        if not begun and b"codemonkeys: begun" in report:
            begun, deadline = True, time.monotonic() + request["seconds"] + GRACE
        if process.poll() is not None and not ready:
            break  # others may have its pipes open
        verdict = _verdict(request) if time.monotonic() < deadline else "timed-out 0"
    _kill_all(process)
    for descriptor, (data, most) in kept.items():
        while select.select([descriptor], [], [], 0)[0] and _keep(descriptor, data, most):
            pass
    told = report.decode(errors="replace")
    if verdict:
        told = f"\ncodemonkeys: {verdict} {time.monotonic() - started:.2f} 0\n"
    elif "\ncodemonkeys: " not in told and "codemonkeys: begun" in told:
        # A script has killed the process that watched it.
        told = f"\ncodemonkeys: killed {signal.SIGKILL:d} {time.monotonic() - started:.2f} 0 lost\n"
    return _Ended(bytes(output), told)


def _keep(descriptor: int, data: bytearray, most: int) -> bool:
    """Read on, as far as there is room; whether there may be more."""
    read = os.read(descriptor, 1 << 16)
    data += read[: max(most - len(data), 0)]
    return bool(read)


def _verdict(request: dict[str, Any]) -> str:
    """The limit that the processes exceed together, as inside.pl would name it; empty if none."""
    found = _below(os.getpid())
    if len(found) > request["processes"]:
        return f"killed {signal.SIGKILL:d}"
    most = request["memory_kb"]
    if sum(_number(f"/proc/{pid}/status", "VmRSS:") for pid in found) <= most:
        return ""
    # Pages that several processes share are counted once; the kernel takes longer to say.
    precise = sum(_number(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in found)
    return "out-of-memory 0" if precise > most else ""


def _number(path: str, word: str) -> int:
    with contextlib.suppress(OSError):
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith(word):
                    return int(line.split()[1])
    return 0


def _below(top: int) -> list[int]:
    """Processes below one, whoever has adopted them since; none is missed that this process is the reaper of."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                about = Path("/proc", name, "stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
                children.setdefault(int(about[1]), []).append(int(name))
    found: list[int] = []
    waiting = [top]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _kill_all(process: subprocess.Popen[bytes] | None = None) -> None:
    """Kill every process below this one, and wait for their end. Raises TreeError if they do not end."""
    deadline = time.monotonic() + _PATIENCE
    while found := _below(os.getpid()):
        if time.monotonic() > deadline:
            raise TreeError(f"{len(found)} processes that a script has left cannot be killed")
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:
            if process is None or pid != process.pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        if process is not None:
            process.poll()
        time.sleep(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])

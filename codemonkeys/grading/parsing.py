"""Runs parsers of logs that others wrote, in a sandbox: never in this process, and without network."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.grading.containers import ContainerScript, File, run_in_container
from codemonkeys.tasks.environments import PYTHON
from codemonkeys.tasks.images import engine
from sandboxes import local
from sandboxes.base import Environment, Limits, Reason, Script

LIMITS = Limits(seconds=300, memory_mb=2048, output_bytes=64 << 20)
INPUT, SCRIPTS, PROGRAM = "/testbed", "/scripts", "/parse.py"
LARGEST = 64 << 20
"""Maximum bytes of parsers that a container gets."""
_BEFORE = f"""\
import json, sys
sys.dont_write_bytecode = True
with open("{INPUT}/log.txt", encoding="utf-8", errors="replace", newline="") as file:
    log = file.read()
with open("{INPUT}/arguments.json", encoding="utf-8") as file:
    arguments = json.load(file)
"""


def run_parser(
    program: str, log: str, arguments: Mapping[str, Any], scripts: Path | None, image: str
) -> dict[str, str]:
    """The status of each test in a log, by a program that others wrote, or that uses what others wrote.

    `program`: Python that reads `log` and `arguments` and sets `result` to a dictionary of texts. `scripts`: a folder
    that it finds at /scripts. It runs in the local sandbox, with this Python; where that cannot be used, in a container
    of `image`, with the Python of it. Raises EnvironmentFailed if it cannot run, or ends without a result.
    """
    mark = uuid.uuid4().hex
    # What the parsers print is no result: the mark is not known before they have ended.
    text = f"{_BEFORE}{program}\nprint()\nprint({mark!r} + json.dumps(result))\n"
    files = {"log.txt": log, "arguments.json": json.dumps(arguments)}
    runs = _in_container if local.unavailable() else _in_sandbox
    output = runs(text, files, scripts, image)
    before, found, after = output.rpartition(f"\n{mark}")
    try:
        result = json.loads(after) if found else None
    except (ValueError, RecursionError):
        result = None
    if not isinstance(result, dict) or not all(isinstance(status, str) for status in result.values()):
        raise EnvironmentFailed(f"the parser of its tests returned no statuses: {output.strip()[-2000:]}")
    return result


def _in_sandbox(text: str, files: Mapping[str, str], scripts: Path | None, image: str) -> str:
    with tempfile.TemporaryDirectory() as made:
        for name, content in files.items():
            (Path(made) / name).write_bytes(content.encode("utf-8", "surrogateescape"))
        # Tells the sandbox which Python to make visible.
        (Path(made) / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\n")
        folders = ((INPUT, Path(made)), *([(SCRIPTS, scripts.resolve())] if scripts is not None else []))
        sandbox = local.LocalSandbox()
        try:
            script = Script(text, "parse.py", (str(PYTHON),))
            done = sandbox.run(Environment("parser", folders=folders), script, limits=LIMITS)
        finally:
            sandbox.close()
    if done.reason is not Reason.EXITED or done.exit_code != 0:
        said = (done.detail or done.output).strip()[-2000:]
        raise EnvironmentFailed(f"the parser of its tests did not run to its end ({done.reason}): {said}")
    return done.output


def _in_container(text: str, files: Mapping[str, str], scripts: Path | None, image: str) -> str:
    given = {f"{INPUT}/{name}": File(content.encode("utf-8", "surrogateescape")) for name, content in files.items()}
    found = sorted(path for path in scripts.rglob("*.py") if path.is_file()) if scripts is not None else []
    if sum(path.stat().st_size for path in found) > LARGEST:
        raise EnvironmentFailed(f"{scripts}: more than {LARGEST >> 20} MiB of Python to parse with")
    given |= {f"{SCRIPTS}/{path.relative_to(str(scripts)).as_posix()}": File(path.read_bytes()) for path in found}
    script = ContainerScript(("python3", PROGRAM), given | {PROGRAM: File(text.encode())}, (), LIMITS.seconds)
    with engine() as client:
        return run_in_container(client, image, f"parse-{uuid.uuid4().hex[:12]}", script, isolated=True).output

"""Applying a patch as the official harness does: what comes out is the diff, byte for byte, and nothing beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput
from codemonkeys.generation.applying import REFUSED, diff_of_output, diff_script
from codemonkeys.generation.patch import patched_files
from codemonkeys.tasks.snapshot import Snapshot

FILES = {".gitattributes": "* text=auto\n*.py ident\n", ".gitignore": "*.log\n", "a.py": "x = 1\ny = 2\nz = 3\n"}
CHANGE = """--- a/a.py
+++ b/a.py
@@ -1,3 +1,3 @@
 x = 1
-y = 2
+y = '\N{SNOWMAN}'
 z = 3
"""
NEW = "--- /dev/null\n+++ b/new/kept\n@@ -0,0 +1 @@\n+new\n"
needs_patch = pytest.mark.skipif(shutil.which("patch") is None, reason="patch(1) is the harness's last way")


def run(repository: Path, patch: str) -> str:
    """The output of the script in a folder that holds a build's leftovers too."""
    (repository / "built.log").write_text("left by an installation\n")
    done = subprocess.run(["bash", "-c", diff_script(patch)], cwd=repository, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    "patch",
    [
        CHANGE + NEW.replace("kept", "kept.log"),
        pytest.param((NEW + CHANGE).removesuffix("\n"), marks=needs_patch),
        pytest.param((NEW + CHANGE).replace("-1,3 +1,3", "-1,4 +1,4"), marks=needs_patch),
        pytest.param((CHANGE + NEW).replace("\n", "\r\n"), marks=needs_patch),
    ],
    ids=["strict", "stripped", "miscounted", "crlf"],
)
def test_what_came_out_is_the_diff(make_repository: Callable[..., Path], patch: str) -> None:
    repository = make_repository(FILES)
    with Snapshot.of_repository(repository) as snapshot:
        made = diff_of_output(snapshot, run(repository, patch))
        changed = patched_files(snapshot, made)
        assert set(changed) in ({"a.py", "new/kept"}, {"a.py", "new/kept.log"})
        assert (changed["a.py"] or b"").replace(b"\r\n", b"\n").decode() == FILES["a.py"].replace("2", "'\N{SNOWMAN}'")


def test_what_no_command_applies_is_refused(make_repository: Callable[..., Path]) -> None:
    repository = make_repository(FILES)
    with Snapshot.of_repository(repository) as snapshot:
        for patch in (CHANGE.replace("a.py", "b.py"), "END\necho $(exit 3)`exit 3`'\"; exit 0\n"):
            with pytest.raises(BadInput, match=REFUSED):
                diff_of_output(snapshot, run(repository, patch))
        with pytest.raises(BadInput, match="printed nothing"):
            diff_of_output(snapshot, "")

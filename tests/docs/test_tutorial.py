"""The tutorial's commands that need no key do what it says, and print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment
from tests.docs.pages import FENCED, ROOT, section

PAGE = (ROOT / "docs" / "tutorial.md").read_text()


def in_outline(line: str) -> str:
    """A line without its numbers, which come from prompts and price lists, and their alignment."""
    return " ".join(re.sub(r"\d[\d,.]*", "#", line).split())


@pytest.mark.slow
def test_commands_without_a_key_print_what_the_page_shows(tmp_path: Path, shared_home: Path) -> None:
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    variables = environment(shared_home, PATH=programs, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1")
    printed = ""
    shown = 0
    for heading in ("## 3. Rehearse on an issue of your own", "## 4. Estimate what it costs"):
        for language, text in FENCED.findall(section(PAGE, heading)):
            if language == "bash":
                script = ["bash", "-euo", "pipefail", "-c", text]
                done = subprocess.run(script, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                printed = done.stdout
            else:
                shown += 1
                lines = {in_outline(line) for line in printed.splitlines()}
                assert {in_outline(line) for line in text.splitlines()} <= lines, printed
    assert shown == 2
    status = ["git", "-C", "greeting", "status", "--porcelain"]
    assert subprocess.run(status, cwd=tmp_path, capture_output=True, check=True).stdout == b"", "nothing was touched"

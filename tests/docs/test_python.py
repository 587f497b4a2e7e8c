"""The examples of docs/python.md run as they stand, and print what the page says."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repositories import make_repository
from tests.tiny_task import FILES, make_task_repository

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.M | re.S)


async def run_example(source: str, line: int, names: dict[str, object]) -> str:
    """Run a program with `await` at its top level, as a notebook does; returns what it prints."""
    # Errors name the line of the page.
    code = compile("\n" * line + source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = eval(code, names)
        if inspect.isawaitable(result):
            await result
    return printed.getvalue()


@pytest.mark.slow
def test_examples_run_and_print_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    monkeypatch.chdir(tmp_path)
    make_task_repository(tmp_path / "tasks")
    files = {**{name: text.encode() for name, text in FILES.items()}, ".gitignore": b".venv\n"}
    greeting = make_repository(tmp_path / "greeting", files)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", greeting / ".venv"], check=True)
    page = PAGE.read_text()
    examples = list(EXAMPLE.finditer(page))
    assert len(examples) == page.count("```python\n") > 10

    async def run() -> None:
        names: dict[str, object] = {}
        for example in examples:
            line = page.count("\n", 0, example.start(1))
            assert await run_example(example[1], line, names) == (example[2] or ""), f"{PAGE.name}:{line + 1}"

    asyncio.run(run())
    assert not (tmp_path / "runs" / "refused").exists()

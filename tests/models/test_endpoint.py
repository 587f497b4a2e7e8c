"""The endpoint as a process, and a model that copes with its faults."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from codemonkeys.errors import AccessRefused
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.retry import Patience


@pytest.mark.slow
def test_a_process_with_faults(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([["number (1|3)\\b", "odd"], ["number", "some"]]))
    command = [sys.executable, "-m", "tests.models.endpoint", "--answers", str(rules)]
    faults = ["--fail-429", "0.2", "--fail-500", "0.2", "--cut", "0.2"]
    root = Path(__file__).parents[2]
    with subprocess.Popen([*command, *faults], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            asyncio.run(ask(process.stdout.readline().strip()))
        finally:
            process.kill()


async def ask(url: str) -> None:
    model = HostedModel("openai/test", url, 20, Patience(attempts=50, backoff=0.001))

    def request(text: str) -> Request:
        return Request(StepKey("t", "edit"), (Message("user", text),))

    try:
        answers = await asyncio.gather(*(model.complete(request(f"number {n}")) for n in range(20)))
        assert [a.text for a in answers] == ["odd" if n in (1, 3) else "some" for n in range(20)]
        assert max(a.attempts for a in answers) > 1
        try:
            await model.complete(request("something else"))
        except AccessRefused as error:
            assert "404" in str(error)
        else:
            raise AssertionError("no rule matches")
    finally:
        await model.close()

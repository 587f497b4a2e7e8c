"""A command that never ends fails its test, which says where it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command


def test_a_command_that_never_ends_is_ended_and_tells_where_it_waits(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    process = Command("view", "--runs", tmp_path / "runs", "--port", "0", home=tmp_path, cwd=tmp_path)
    with pytest.raises(AssertionError, match="not ended after 5 s.*hread 0x.*most recent call first"):
        process.communicate(5)
    assert process.poll() is not None

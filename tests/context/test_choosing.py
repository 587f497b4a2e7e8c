"""The files of a context: named, ranked, and around; no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.context.around import around
from codemonkeys.context.choosing import choose_context
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.context.relevance import RelevantFile
from codemonkeys.models.base import Request
from codemonkeys.tasks.snapshot import Snapshot
from tests.rooms import room

FILES: dict[str, str | bytes] = {
    "pkg/__init__.py": "",
    "pkg/core.py": "def check_name(name):\n    return bool(name)\n",
    "pkg/user.py": "from pkg.core import check_name\n# It breaks when the name is empty.\n",
    "pkg/relative.py": "from .core import check_name  # name\n",
    "pkg/large.py": "from .core import check_name  # name\n" + "# empty name\n" * 2000,
    "pkg/stranger.py": "score = 1  # a name that is empty\n",
    "pkg/ranked.py": "x = 1\n",
    "tests/test_core.py": "def test_name(): assert True\n",
    "tests/test_other.py": "def test_name(): assert True\n",
    "lib/box.js": "import { a } from './core'  // a name\n",
}
RELEVANT = [RelevantFile(path, 20, "") for path in ("pkg/core.py", "pkg/ranked.py", "pkg/stranger.py")]


def ranking(request: Request) -> str:
    return json.dumps(["pkg/core.py", "pkg/ranked.py"])


def test_importers_callers_and_tests_lie_around() -> None:
    with LexicalIndex((path, str(text)) for path, text in FILES.items()) as index:
        found = around(index, ["pkg/core.py"], "It breaks when the name is empty.")
    assert found[0] == "tests/test_core.py"
    assert set(found[1:]) == {"pkg/user.py", "pkg/relative.py", "pkg/large.py", "lib/box.js"}


def test_examples_and_data_of_tests_do_not_lie_around() -> None:
    aside = {
        "tests/data/app.py": "import pkg.core\n",
        "docs/conf.py": "import pkg.core\n",
        "examples/a.py": "import pkg.core",
    }
    with LexicalIndex((path, str(text)) for path, text in (FILES | aside).items()) as index:
        assert index.text("docs/conf.py") == "import pkg.core\n"
        assert not aside.keys() & set(around(index, ["pkg/core.py"], "The name of pkg.core is empty."))


def test_no_file_that_nothing_speaks_for_is_in_the_context(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    with room(tmp_path, make_snapshot(FILES), ranking, context={"around_tokens": 1000}) as work:
        chosen = [file.path for file in asyncio.run(choose_context(work, RELEVANT))]
        assert chosen[:2] == ["pkg/core.py", "pkg/ranked.py"]
        assert set(chosen[2:]) == {"tests/test_core.py", "pkg/user.py", "pkg/relative.py", "lib/box.js"}
        note = work.journal.note(work.task.id, "rank", 0, "context")
        assert note["around"] == chosen[2:] and note["chosen"] == chosen and note["named"] == []


def test_nothing_lies_around_where_that_is_turned_off(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), ranking, context={"around_tokens": 0}) as work:
        assert [file.path for file in asyncio.run(choose_context(work, RELEVANT))] == ["pkg/core.py", "pkg/ranked.py"]


def test_what_the_issue_names_comes_first_whatever_the_scan_said(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    with room(tmp_path, make_snapshot(FILES), ranking) as work:
        task = replace(work.task, issue="See pkg/user.py and the function `check_name`.")
        chosen = [file.path for file in asyncio.run(choose_context(replace(work, task=task), RELEVANT[1:]))]
        # What the issue spells out is in; what only defines a name in it comes before all else that was not chosen.
        assert chosen[:3] == ["pkg/user.py", "pkg/ranked.py", "pkg/core.py"]
        assert work.journal.note(work.task.id, "rank", 0, "context")["named"] == ["pkg/user.py"]


def test_what_nobody_chose_takes_little_beside_what_was_chosen(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    user = "from .core import check_name\n" + "# a name\n" * 40
    users: dict[str, str | bytes] = {f"pkg/user{n}.py": user for n in range(30)}
    large: dict[str, str | bytes] = {"pkg/core.py": "def check_name(name):\n" + "    print(name)\n" * 400, **users}
    for n, (limit, files) in enumerate(((1000, FILES | users), (1000, FILES | large), (100_000, FILES | large))):
        snapshot = make_snapshot(files, f"repository {n}")
        with room(tmp_path / str(n), snapshot, ranking, context={"around_tokens": limit}) as work:
            sizes = {path: work.models.scan.count_tokens(str(files[path])) for path in ("pkg/core.py", "pkg/ranked.py")}
            asyncio.run(choose_context(work, [RelevantFile(path, size, "") for path, size in sizes.items()]))
            note = work.journal.note(work.task.id, "rank", 0, "context")
            taken = sum(note["sizes"][path] for path in note["around"])
            assert 0 < taken <= min(limit, max(limit, sum(sizes.values())) / 4)


@pytest.mark.parametrize("older", [True, False])
def test_a_context_goes_on_as_it_began(older: bool, tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), ranking) as work:
        if older:
            note = {"rankings": [], "order": [], "chosen": [], "tokens": 0}
            work.journal.put_note(work.task.id, "rank", 0, "context", note)
        for _ in range(2):
            chosen = [file.path for file in asyncio.run(choose_context(work, RELEVANT))]
            assert ("pkg/stranger.py" in chosen) == older
            assert ("pkg/user.py" in chosen) != older

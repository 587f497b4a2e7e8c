"""Controls: what they are made of, whom they cost their votes, and what they do not change."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys import open_run
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.edits import Changes, File
from codemonkeys.generation.patch import make_patch
from codemonkeys.journal import queries, run_files
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.report.task_view import task_view
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence, stored_evidence
from codemonkeys.selection.control_scripts import PLAIN, PYTEST, TITLE, control_of, kind_of, preparation
from codemonkeys.selection.conversation import make_finalists
from codemonkeys.selection.evidence import ScriptOutcome
from codemonkeys.selection.rules import find_rule
from codemonkeys.stages import SELECT
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringSandbox
from tests.rooms import room

SCRIPT = '''\
import sys
from pathlib import Path
SOURCES = Path("src")
where = str(SOURCES)
sys.path.insert(0, where)
import subprocess, json
try:
    from shop.cart import (
        total,
    )
except ImportError:
    sys.exit(1)

def check():
    import shop.price as price
    return importlib.import_module("shop.late"), price

done = subprocess.run([sys.executable, "-c", "import child; child.main()"])
TEST = """
from shop.written import anything

def test_it():
    assert anything()
"""
sys.exit(0 if total() == 2 else 2)
'''


def test_a_control_has_the_paths_and_imports_of_its_scripts_and_nothing_else() -> None:
    assert preparation(SCRIPT) == [
        "import sys",
        "from pathlib import Path",
        'SOURCES = Path("src")',
        "where = str(SOURCES)",
        "sys.path.insert(0, where)",
        "import subprocess, json",
        "from shop.cart import (\n        total,\n    )",
        "import shop.price as price",
        'importlib.import_module("shop.late")',
        "import child",
        "from shop.written import anything",
    ]
    other = SCRIPT.replace("== 2", "== 3")
    assert control_of([SCRIPT, other], PLAIN) == control_of([SCRIPT], PLAIN)


def test_kinds() -> None:
    assert kind_of(SCRIPT) == PLAIN and kind_of("import pytest\n") == PYTEST
    assert kind_of("echo 'not Python'\nfi\n") is None


@pytest.mark.parametrize(
    ("package", "code"),
    [("", 2), ("raise ImportError", 2), ("import os\nos._exit(0)", 0), ("import sys\nsys.exit(0)", 0)],
)
def test_only_what_ends_the_process_fails(tmp_path: Path, package: str, code: int) -> None:
    (tmp_path / "shop.py").write_text(package)
    (tmp_path / "control.py").write_text(control_of(["import sys, shop\nsys.exit(shop.x)\n", "import missing"], PLAIN))
    done = subprocess.run([sys.executable, "control.py"], cwd=tmp_path, check=False)
    assert done.returncode == code


@given(
    st.text()
    | st.lists(st.sampled_from(["import x", "from", "(", '"""', "\n", ";", "sys.path", "\ud800"])).map("".join)
)
def test_any_text_has_a_control_or_none(script: str) -> None:
    if kind := kind_of(script):
        compile(control_of([script], kind), "control.py", "exec")


Answer = Callable[[str, str | None], int]
ONE, TWO = "import shop\n# one\n", "import shop, other\n# two\n"


def evidence_of(tmp_path: Path, snapshot: Snapshot, answer: Answer) -> tuple[SelectionInput, list[str]]:
    """The evidence of three candidates of which the third touches a conftest.py, and the controls that ran."""
    texts = {"a.py": "x = 2\n"}, {"a.py": "x = 3\n"}, {"a.py": "x = 4\n", "conftest.py": "y = 1\n"}
    patches = [make_patch(snapshot, Changes({k: File(v.encode()) for k, v in t.items()})) for t in texts]
    candidates = [Candidate(n, patch, (ONE, TWO, ONE)[n], True) for n, patch in enumerate(patches)]
    sandbox = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, answer(script, patch)))
    with room(tmp_path, snapshot, lambda request: "", sandbox=sandbox) as work:
        inputs = asyncio.run(collect_evidence(work, candidates))
        again = asyncio.run(collect_evidence(work, candidates))
        assert again == inputs
        with run_files.reading(work.journal.folder / "run.db") as connection:
            assert stored_evidence(connection, TASK.id) == inputs.evidence
    return inputs, [script for script, _ in sandbox.runs if script.startswith(TITLE)]


def hostile(script: str, patch: str | None) -> int:
    """Every edit makes scripts say fixed; that with x = 3 ends its control likewise."""
    if script.startswith(TITLE):
        return 0 if patch and "x = 3" in patch else 2
    return 2 if patch is None else 0


def test_a_candidate_that_fails_its_control_has_no_votes(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    inputs, controls = evidence_of(tmp_path, make_snapshot({"a.py": "x = 1\n"}), hostile)
    assert len(controls) == 4 and len(set(controls)) == 1, "one for each candidate, and one for the unedited code"
    assert [inputs.matrix.votes(position) for position in range(3)] == [2, 0, 2]
    assert set(inputs.evidence.edited[1]) == {ScriptOutcome.UNTRUSTED}
    for rule in ("votes", "paper votes", "dual agreement", "tests then agreement"):
        assert find_rule(rule).rank(inputs.evidence).order[-1] == 1, rule
    finalists = make_finalists(inputs, [0, 1, 2])
    assert [f.untrusted for f in finalists] == [False, True, False]
    assert [f.flags for f in finalists] == [(), (), ("conftest: conftest.py",)]

    run = open_run(tmp_path / "run")
    assert [(v.candidate, v.vote, v.control) for v in run.votes() if v.test == 0] == [
        *((1, True, True), (2, False, False), (3, True, True))
    ]
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        story = queries.task_story(connection, TASK.id)
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as shown:
        console.print(task_view(story))
    assert "candidate 2 failed its control: its votes do not count" in shown.get()
    assert "candidate 3 touches conftest: conftest.py" in shown.get()


def test_a_control_that_fails_on_the_unedited_code_tells_nothing(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def answer(script: str, patch: str | None) -> int:
        return 0 if script.startswith(TITLE) else hostile(script, patch)

    inputs, controls = evidence_of(tmp_path, make_snapshot({"a.py": "x = 1\n"}), answer)
    assert len(controls) == 3 and [inputs.matrix.votes(position) for position in range(3)] == [2, 2, 2]


def test_a_script_whose_imports_end_the_process_spoils_only_its_own_control(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def answer(script: str, patch: str | None) -> int:
        return 0 if script.startswith(TITLE) and "other" in script else hostile(script, patch)

    inputs, _ = evidence_of(tmp_path, make_snapshot({"a.py": "x = 1\n"}), answer)
    assert [inputs.matrix.votes(position) for position in range(3)] == [2, 0, 2]


def test_a_selection_that_began_without_controls_goes_on_so(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Its stored request holds the votes as they were counted then."""

    async def ask(work: Work) -> None:
        key = StepKey(TASK.id, SELECT.name)
        await work.steps.calls.call(Request(key, (Message("system", "choose"),), 0.0, 100))

    snapshot = make_snapshot({"a.py": "x = 1\n"})
    with room(tmp_path, snapshot, lambda request: "one") as work:
        asyncio.run(ask(work))
    inputs, controls = evidence_of(tmp_path, snapshot, hostile)
    assert not controls and not inputs.flags
    assert [inputs.matrix.votes(position) for position in range(3)] == [2, 2, 2]

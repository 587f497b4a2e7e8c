"""Agents in real sessions: they look, edit, test and submit; limits hold, and a resumed one does nothing twice."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.agent.trajectory import run_agent
from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.work import Work
from codemonkeys.errors import CodeMonkeysError, RunInterrupted
from codemonkeys.generation.candidate import Candidate
from codemonkeys.models.base import Message, Price, Request
from codemonkeys.models.fake import Called
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes import Environment, Execution, Limits, Script, Step
from sandboxes.layers import EMPTY, Layer
from sandboxes.local import LocalSandbox
from tests.fakes import AnsweringModel
from tests.rooms import MARKER, room

FILES = {
    "a.py": "def a():\n    return 1\n",
    "tests/test_a.py": "from a import a\n\n\ndef test_a():\n    assert a() < 9\n",
}
END = f">>>>>>> END {MARKER}"
DONE = f"<<<<<<< DONE {MARKER}\n"
EDIT = f"<<<<<<< SEARCH {MARKER} a.py\n    return 1\n======= {MARKER}\n    return 2\n{END}\n"
FIX = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def a():\n-    return 1\n+    return 2\n"


def bash(text: str) -> str:
    return f"<<<<<<< BASH {MARKER}\n{text}\n{END}\n"


TEST = (
    f"<<<<<<< TEST {MARKER}\nimport sys\nfrom a import a\nprint('a is', a())\nsys.exit(0 if a() == 2 else 2)\n{END}\n"
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSandbox]:
    """A sandbox, and beside the folders of the tests a Python for what runs in it."""
    place = tmp_path_factory.getbasetemp() / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    opened = LocalSandbox(bubblewrap=False)
    yield opened
    opened.close()


@contextmanager
def desk(
    tmp_path: Path,
    make_snapshot: Callable[..., Snapshot],
    answers: Sequence[str | Called] | Callable[[Request], str | Called],
    box: Any,
    **given: Any,
) -> Iterator[Work]:
    """A task in work whose environment is its repository, and a model that gives these answers."""
    repository = tmp_path / "repository"
    snapshot = Snapshot.of_repository(repository) if repository.exists() else make_snapshot(FILES)
    given.setdefault("generation", {})
    given["generation"] = {"kinds": ["agent"], "repository_tests": False, **given["generation"]}
    given.setdefault("sandbox", {"seconds": 20, "memory_mb": 512})
    answer = answers if callable(answers) else lambda request: answers[request.key.turn]
    with room(tmp_path, snapshot, answer, sandbox=box) as work:
        work.settings = load_settings(**given)
        folders = (("/testbed", repository), ("/opt/python", tmp_path.parent / "python"))
        work.environment = Environment(
            "agents", folders=folders, variables=(("PATH", "/opt/python/bin:/usr/bin:/bin"),)
        )
        yield work


def told(work: Work) -> list[str]:
    """The last message of each request, in order."""
    model = work.models.primary
    assert isinstance(model, AnsweringModel)
    return [request.messages[-1].content for request in model.requests]


def run(work: Work, sample: int = 0) -> Candidate | None:
    return asyncio.run(run_agent(work, sample, [ContextFile("a.py", FILES["a.py"], 9)]))


def test_an_agent_looks_edits_tests_and_submits(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    answers = [
        f"I look.\n{bash('grep -rn return . --include=*.py; echo note > notes.log')}<<<<<<< SHOW {MARKER} a.py:2-2\n",
        TEST,
        EDIT + bash("python -c 'import a; print(a.a())'; cat notes.log"),
        DONE,
    ]
    with desk(tmp_path, make_snapshot, answers, sandbox) as work:
        candidate = run(work)
        assert candidate is not None and candidate.approved and candidate.source == "answering"
        assert candidate.patch.endswith(FIX) and "notes.log" not in candidate.patch
        begun, looked, tested, edited = told(work)
        assert '"a.py"' in work.models.primary.requests[0].messages[0].content  # type: ignore[attr-defined]
        assert "Begin by looking" in begun
        assert "./a.py:2:    return 1" in looked and "lines 2 to 2 of 2" in looked
        assert 'are no part of your patch (ADD those that belong to it): "notes.log"' in looked
        assert "exit code 2: issue present" in tested and "a is 1" in tested
        assert FIX in edited and "2\nnote\n" in edited and "exit code 0: issue fixed" in edited


def test_new_files_are_part_of_the_patch_if_created_or_added(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    answers = [
        bash("printf '\\000\\377' > data.bin; chmod +x data.bin; echo x > junk.log; chmod 755 a.py")
        + f"<<<<<<< CREATE {MARKER} pkg/new.py\nx = 1\n{END}\n<<<<<<< ADD {MARKER} data.bin\n",
        DONE,
        DONE,
    ]
    with desk(tmp_path, make_snapshot, answers, sandbox) as work:
        candidate = run(work)
        assert candidate is not None and candidate.approved and not candidate.test
        patch = candidate.patch
        assert "new mode 100755" in patch and "b/pkg/new.py" in patch and "junk" not in patch
        assert "diff --git a/data.bin b/data.bin\nnew file mode 100755" in patch and "GIT binary patch" in patch
        assert "there is no test script" in told(work)[2]


def test_edits_are_of_files_as_they_are(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    """Also after a shell command has changed them; what does not fit changes nothing and is told."""
    answers = [
        bash("sed -i 's/return 1/return 7/' a.py"),
        EDIT,
        EDIT.replace("return 1", "return 7"),
        TEST + DONE,
    ]
    with desk(tmp_path, make_snapshot, answers, sandbox) as work:
        candidate = run(work)
        assert candidate is not None and candidate.approved and candidate.patch.endswith(FIX)
        assert "nothing was edited" in told(work)[2] and "return 7" in told(work)[2]


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("sleep 100", "did not end within 1 seconds"),
        ("yes flood", "printing without end"),
        ("kill -9 $$", "killed by signal 9"),
        ("sleep 100 & sleep 100 & exit 3", "exit code 3"),
        ("head -c 70M /dev/zero > big", "as they were before this command"),
        ("rm -rf /testbed; ls -A", "exit code 0"),
        ("rm -rf .git; git init -q; git config core.worktree /", "exit code 0"),
    ],
)
def test_what_a_command_does_ends_with_it(
    command: str, word: str, tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    """A hang, a flood, a dead shell, processes left behind, too much data, a repository or its git data removed."""
    put_back = bash("echo back > a.py; echo works")
    edit = f"<<<<<<< DELETE {MARKER} a.py\n<<<<<<< CREATE {MARKER} a.py\ndef a():\n    return 2\n{END}\n"
    answers = [bash(command), put_back, edit, TEST + DONE, DONE]
    given = {"sandbox": {"seconds": 1, "memory_mb": 512}}
    with desk(tmp_path, make_snapshot, answers, sandbox, **given) as work:
        candidate = run(work)
        assert word in told(work)[1], told(work)[1]
        assert "works" in told(work)[2]
        assert candidate is not None and "+    return 2" in candidate.patch


@pytest.mark.parametrize(
    ("answers", "approved"),
    [
        (["I have no idea."] * 4, None),
        ([DONE] * 4, None),
        ([bash("ls")] * 4, None),
        ([f"<<<<<<< TOOL {MARKER} x\n", EDIT, "thinking", "thinking"], False),
        ([EDIT, TEST.replace("a() == 2", "True") + DONE, DONE], True),
        ([bash("ls") + bash("ls") + EDIT, f"<<<<<<< SEARCH {MARKER}\n", bash("true"), bash("true")], False),
    ],
    ids=["never commands", "empty patches", "never submits", "unknown tool", "test that always passes", "two at once"],
)
def test_a_model_that_goes_astray(
    answers: list[str],
    approved: bool | None,
    tmp_path: Path,
    make_snapshot: Callable[..., Snapshot],
    sandbox: LocalSandbox,
) -> None:
    with desk(tmp_path, make_snapshot, answers, sandbox, agent={"steps": 4}) as work:
        candidate = run(work)
        assert (candidate.approved if candidate else None) is approved
        assert len(told(work)) <= 4


@pytest.mark.parametrize("limit", [{"tokens": 1}, {"usd": 1e-9}, {"seconds": 1e-6}])
def test_a_limit_ends_an_agent_with_what_it_has(
    limit: dict[str, float], tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    with desk(tmp_path, make_snapshot, [EDIT + bash("true"), DONE], sandbox, agent=limit) as work:
        if "usd" in limit:
            work.models.primary.price = Price(0, 1)
        candidate = run(work)
        assert candidate is not None and not candidate.approved and len(told(work)) == 1
        (early,) = work.ended_early
        assert f"agent.{next(iter(limit))}" in str(early)


class Counting:
    """A sandbox that counts what it carries out, and fails the whole session after so many steps."""

    name = "local"

    def __init__(self, sandbox: LocalSandbox) -> None:
        self._sandbox = sandbox
        self.stop_after: int | None = None
        self.done: list[str] = []

    def ensure(self, environment: Environment) -> None:
        """It is there."""

    def _count(self, text: str) -> None:
        if self.stop_after is not None and len(self.done) >= self.stop_after:
            raise RunInterrupted("stopped here")
        self.done.append(text)

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        self._count(script.text + (patch or ""))
        return self._sandbox.run(environment, script, patch, limits)

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        self._count(script.text + layer.id)
        return self._sandbox.step(environment, script, layer, limits)

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Any:
        return self._sandbox.open(environment, limits, layer)

    def close(self) -> None:
        """It is somebody else's."""


def test_a_resumed_agent_asks_and_runs_nothing_twice(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    """Stopped before each of its executions in turn, it ends as if it had never been stopped."""
    answers = [
        bash("mkdir made && echo 1 > made/count && rm tests/test_a.py"),
        bash("echo 2 >> made/count; git stash -q; git stash pop -q; cat made/count") + TEST,
        EDIT + bash("cat made/count > /tmp/seen"),
        bash("cat /tmp/seen; ls tests made"),
        DONE,
    ]
    asked: list[int] = []

    def answer(request: Request) -> str:
        asked.append(request.key.turn)
        return answers[request.key.turn]

    counting = Counting(sandbox)
    candidate = None
    for most in range(1, 12):
        counting.stop_after = most
        with desk(tmp_path, make_snapshot, answer, counting) as work:
            try:
                candidate = run(work)
            except CodeMonkeysError as error:
                assert "stopped here" in str(error)
                continue
            break
    assert asked == [0, 1, 2, 3, 4]
    assert len(counting.done) == len(set(counting.done)) == most
    assert candidate is not None and candidate.approved
    whole = tmp_path.with_name("whole")
    whole.mkdir()
    shutil.copytree(tmp_path / "repository", whole / "repository")
    with desk(whole, make_snapshot, answers, sandbox) as work:
        assert run(work) == candidate
        assert "1\n2\n" in told(work)[4] and "count" in told(work)[4]


def test_old_outputs_become_short_in_blocks(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    """What a call begins with is, for most calls, what the call before it held, so that the cache is read."""
    long = bash("for n in $(seq 1 250); do echo line $n of the output; done")
    answers = [long.replace("250", str(250 + n)) for n in range(12)] + [EDIT, DONE, DONE]
    with desk(tmp_path, make_snapshot, answers, sandbox, agent={"history_tokens": 6_000}) as work:
        assert run(work) is not None
        model = work.models.primary
        assert isinstance(model, AnsweringModel)
        sent = [request.messages for request in model.requests]
    sizes = [sum(len(message.content) // 4 for message in messages) for messages in sent]
    assert max(sizes) < 8_000 and "left out, as the conversation has become long" in sent[-1][3].content
    assert "line 4 of the output" not in sent[-1][3].content

    def extends(one: tuple[Message, ...], other: tuple[Message, ...]) -> bool:
        return other[: len(one)] == one

    rewritten = [n for n in range(1, len(sent)) if not extends(sent[n - 1], sent[n])]
    assert 1 <= len(rewritten) <= len(sent) // 2, rewritten


def test_a_long_output_lies_whole_in_a_file(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    answers = [bash("seq 1 5000"), bash("sed -n 2500p /tmp/output-1-1.txt"), EDIT, DONE, DONE]
    with desk(tmp_path, make_snapshot, answers, sandbox) as work:
        run(work)
        assert "characters left out" in told(work)[1] and "/tmp/output-1-1.txt" in told(work)[1]
        assert "\n2500\n" in told(work)[2]


def test_short_outputs_leave_their_room_to_longer_ones(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    """An answer's outputs have 16,000 characters together; what writes no output takes none of them."""
    long = bash("seq 1 2500")
    answers = [TEST + bash("echo short") + long, EDIT + bash("seq 5000 9000") * 2 + bash("true"), DONE, DONE]
    with desk(tmp_path, make_snapshot, answers, sandbox) as work:
        run(work)
        whole, cut = told(work)[1:3]
    assert "\n1250\n" in whole and "left out" not in whole
    assert cut.count("characters left out") == 2 and len(cut) < 17_500

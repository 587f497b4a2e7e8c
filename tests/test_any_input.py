"""Whatever bytes stand in a file that a command reads, they are read or refused in words; never a traceback."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codemonkeys.api import open_run
from codemonkeys.ensembles.members import read_member
from codemonkeys.ensembles.solving import read_tests
from codemonkeys.errors import BadInput, BadSettings, CodeMonkeysError, UnknownDataset
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.store import Journal
from codemonkeys.models.prices import price_of
from codemonkeys.models.replay import ReplayModel
from codemonkeys.prompting import Prompts
from codemonkeys.prompting.check import MARKER, check_prompts
from codemonkeys.report.exports import export
from codemonkeys.report.run_status import StatusReader
from codemonkeys.report.verdict_sources import Verdicts, add_file
from codemonkeys.runs.replays import read_run
from codemonkeys.runs.resuming import read_stored
from codemonkeys.settings import load_settings
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.filtering import parse_filter, parse_slice
from codemonkeys.tasks.own_issue import read_issue
from codemonkeys.tasks.predictions import read_predictions
from codemonkeys.tasks.recipes import load_recipes
from codemonkeys.tasks.sources import find_source, load_tasks

ROW = {
    "instance_id": "a__b-1", "repo": "a/b", "base_commit": "0123abcd", "problem_statement": "It fails.", "version": "1",
    "patch": "", "FAIL_TO_PASS": ["t::a"], "PASS_TO_PASS": "[]", "split": "test",
}  # fmt: skip
PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\n+b\n"
PREDICTION = {"instance_id": "a__b-1", "model_name_or_path": "m", "model_patch": PATCH}
CALL = {
    "task": "a__b-1", "stage": "edit", "sample": 0, "turn": 0, "text": "x", "finish_reason": "stop", "model": "m",
    "usage": {"prompt_tokens": 1}, "messages": ["0" * 64],
}  # fmt: skip
TASK_FILE = {
    "format": "codemonkeys-issue-1", "id": "a-1", "repo": "a", "base_commit": "0123abcd", "issue": "It fails.",
    "language": "python", "version": "", "image": None, "folder": None, "checkout": {"repository": "/a", "venv": None},
}  # fmt: skip
SETTINGS = (
    b"model: fake\ncontext:\n  mode: digest\n  tokens: 1000\noperation:\n  budget: 3\n  models: {m: {calls: 2}}\n"
)
RECIPES = b"base: debian\npython: '3.11'\ntasks:\n  a__b-1:\n    requirements: [a==1]\n    install: make\n"


PRO = {
    **ROW,
    "dockerhub_tag": "t",
    "repo_language": "js",
    "selected_test_files_to_run": "['a']",
    "fail_to_pass": "['a']",
}
MULTI_SWE = {
    "org": "a", "repo": "b", "number": 1, "base": {"sha": "0123abcd"}, "fix_patch": "", "f2p_tests": {"a": {}},
    "resolved_issues": [{"title": "It", "body": "fails"}], "lang": "go",
}  # fmt: skip
HARBOR = b'[task]\nname = "a/b"\n[environment]\ndocker_image = "x"\nworkdir = "/app"\n[metadata]\nlanguage = "go"\n'
TRAJECTORY = {"info": {"submission": PATCH, "config": {"model": {"model_name": "m"}}}, "instance_id": "a__b-1"}
SAMPLE = {"id": "a__b-1", "store": {"model_patch": PATCH}, "scores": {"s": {"metadata": {}}}, "output": {"model": "m"}}


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def load_both(path: Path) -> None:
    """As `solve` reads tasks, and as `evaluate` does."""
    load_tasks(str(path))
    load_answer_keys(str(path))


def in_task_folder(path: Path) -> None:
    """The settings of a task of Harbor."""
    (path.parent / "instruction.md").write_text("It fails.\n")
    (path.parent / "tests").mkdir(exist_ok=True)
    (path.parent / "tests" / "test.sh").touch()
    load_both(path.parent)


def in_task_repository(name: str, path: Path) -> None:
    """A file of a task repository, of which the others are as they should be."""
    task = path.parent / "repository" / "tasks" / "a__b-1"
    task.mkdir(parents=True, exist_ok=True)
    (task.parent.parent / "sweb.yaml").write_text("splits: [test]\n")
    (task / "task.yaml").write_text("instance_id: a__b-1\nrepo: a/b\nbase_commit: 0123abcd\n")
    (task / "problem_statement.md").write_text("It fails.\n")
    (task / "gold.patch").write_text(PATCH)
    (task / "tests.json").write_text('{"FAIL_TO_PASS": [], "PASS_TO_PASS": []}')
    place = task.parent.parent / name if name == "sweb.yaml" else task / name
    place.write_bytes(path.read_bytes())
    load_both(task.parent.parent)


def as_templates(path: Path) -> None:
    """A template of the user's own."""
    (path.parent / "own").mkdir(exist_ok=True)
    (path.parent / "own" / path.name).write_bytes(path.read_bytes())
    check_prompts(path.parent / "own")
    Prompts(MARKER, path.parent / "own")


def as_test_script(path: Path) -> None:
    (path.parent / "tests" / "a-1").mkdir(parents=True, exist_ok=True)
    (path.parent / "tests" / "a-1" / path.name).write_bytes(path.read_bytes())
    read_tests(path.parent / "tests", [Task("a-1", "a", "0", "")])


def as_run(path: Path) -> None:
    """All that reads a run."""
    folder = path.parent / "runs" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "run.db"
    database.write_bytes(path.read_bytes())
    for look in (
        lambda: Journal(folder.parent, "one", "source", {}).close(),
        lambda: open_run(folder).tasks(),
        lambda: StatusReader(folder).read(),
        lambda: read_stored(folder.parent, "one", {}),
        lambda: read_run(database),
        partial(with_connection, database, lambda connection: queries.task_story(connection, "a-1")),
        partial(with_connection, database, lambda c: export(c, folder, path.parent / "p.json", "preds", True)),
    ):
        read_or_refuse(look)


def with_connection(database: Path, look: Callable[[sqlite3.Connection], object]) -> None:
    with run_files.reading(database) as connection:
        look(connection)


class Input(NamedTuple):
    """A file that some command reads."""

    name: str
    good: bytes
    """What it may hold; what is tried is this after changes, and random bytes."""
    read: Callable[[Path], object]


INPUTS = {
    "rows": Input("rows.jsonl", lines(ROW, {**ROW, "instance_id": "a__b-2"}), load_both),
    "rows of Pro": Input("rows.jsonl", lines(PRO), load_both),
    "rows of Multi-SWE-bench": Input("rows.jsonl", lines(MULTI_SWE), load_both),
    "a task of Harbor": Input("task.toml", HARBOR, in_task_folder),
    "a trajectory": Input("a__b-1.traj.json", json.dumps(TRAJECTORY).encode(), read_predictions),
    "a log": Input("log.json", json.dumps({"eval": {}, "samples": [SAMPLE]}).encode(), read_predictions),
    "a packed log": Input("log.eval", b"PK\x03\x04", read_predictions),
    "a list of rows": Input("rows.json", json.dumps([ROW]).encode(), load_both),
    "rows in parquet": Input("rows.parquet", b"PAR1", load_both),
    **{
        f"{name} of a task": Input(name, good, partial(in_task_repository, name))
        for name, good in {
            "task.yaml": b"instance_id: a__b-1\nrepo: a/b\nbase_commit: 0123abcd\nimage: x\nversion: 1\nsplit: test\n",
            "sweb.yaml": b"datasets: [a]\nsplits: [test]\n",
            "tests.json": b'{"FAIL_TO_PASS": ["a"], "PASS_TO_PASS": []}',
            "problem_statement.md": b"It fails.\n",
        }.items()
    },
    "a stored task": Input("issue.json", json.dumps(TASK_FILE).encode(), lambda path: load_tasks(str(path))),
    "an issue": Input("bug.md", b'{"title": "It fails", "body": "when empty"}', lambda path: read_issue(str(path), "")),
    "predictions": Input("preds.jsonl", lines(PREDICTION), read_predictions),
    "predictions by id": Input("preds.json", json.dumps({"a__b-1": PREDICTION}).encode(), read_predictions),
    "a submission": Input("preds.jsonl", lines(PREDICTION), lambda path: read_member(path, {"a__b-1"})),
    "a submission by id": Input(
        "preds.json", json.dumps({"a__b-1": PREDICTION}).encode(), lambda path: read_member(path, {"a__b-1"})
    ),
    "test scripts": Input("a.py", b"raise SystemExit(2)\n", as_test_script),
    "verdicts": Input(
        "verdicts.json",
        b'{"a__b-1": {"m": true}, "m": ["a__b-1"]}',
        lambda path: add_file(Verdicts(), str(path), ["m"]),
    ),
    "settings": Input("settings.yaml", SETTINGS, lambda path: load_settings([str(path)])),
    "prices": Input(
        "prices.json",
        b'{"m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "litellm_provider": "m", '
        b'"input_cost_per_token_above_2k_tokens": 1}}',
        lambda path: price_of("m", path),
    ),
    "a recording": Input("calls.jsonl", lines({"format": "codemonkeys-recording-2"}, CALL), ReplayModel.open),
    "a template": Input("test.user.jinja", b"Issue: {{ issue }}{% if x %}{{ marker }}{% endif %}\n", as_templates),
    "recipes": Input("recipes.yaml", RECIPES, load_recipes),
}
EXAMPLES = 25
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
"""What JSON and YAML can hold, half a surrogate pair included."""


WORD = re.compile(rb'"[^"\\]*"|[0-9.]+|\[[^][]*\]|\{[^{}]*\}|[a-z]+')
"""What a value may take the place of."""


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """The content after some changes: bytes replaced, a value replaced by another, or nothing left of it."""
    kind = draw(st.sampled_from(["bytes", "splice", "value", "cut"]))
    if kind == "bytes":
        return draw(st.binary(max_size=60))
    start = draw(st.integers(0, len(good)))
    if kind == "cut":
        return good[:start]
    end = draw(st.integers(start, min(len(good), start + 30)))
    if kind == "splice":
        return good[:start] + draw(st.binary(max_size=12)) + good[end:]
    words = [place.span() for place in WORD.finditer(good)] or [(start, end)]
    first, last = draw(st.sampled_from(words))
    return good[:first] + json.dumps(draw(VALUES)).encode() + good[last:]


def read_or_refuse(read: Callable[[], object]) -> None:
    try:
        read()
    except CodeMonkeysError as error:
        assert str(error).strip()


SLOW = {"a template", "rows in parquet", *(kind for kind in INPUTS if kind.endswith(" of a task"))}
"""Every try reads several files."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in sorted(INPUTS)]
)
@pytest.mark.slow
def test_a_file_is_read_or_refused_in_words(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("input")
    name, good, read = INPUTS[kind]

    @settings(max_examples=EXAMPLES)
    @given(damaged(good))
    def attempt(content: bytes) -> None:
        (folder / name).write_bytes(content)
        read_or_refuse(lambda: read(folder / name))

    attempt()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Possible .*set:FutureWarning")  # A pattern that Python takes, and warns of.
@settings(max_examples=EXAMPLES)
@given(st.text(max_size=20) | VALUES.map(json.dumps))
@example("[[")
@example("[a--b]")
def test_options_are_read_or_refused_in_words(text: str) -> None:
    names = ("generation.samples", "operation.budget", "sandbox", "model", "context.mode", "operation.api_base")
    readers: list[Callable[[], object]] = [
        lambda: parse_slice(text),
        lambda: parse_filter(text),
        lambda: read_issue(text, text),
        lambda: load_settings([text]),
        lambda: load_settings([], text),
        *(partial(load_settings, [f"{name}={text}"]) for name in names),
        lambda: find_source(text),
    ]
    for read in readers:
        read_or_refuse(read)


def test_a_variable_of_the_environment_and_a_path_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMONKEYS_GENERATION", "many")
    with pytest.raises(BadSettings, match="generation.*give it as JSON, or one setting a variable"):
        load_settings()
    monkeypatch.delenv("CODEMONKEYS_GENERATION")
    for path in ("~nobody-of-this-name/tasks.jsonl", "x" * 5000, "a\0b"):
        with pytest.raises(UnknownDataset):
            find_source(path)
    assert load_settings([f"model={'x' * 5000}"]).model == "x" * 5000
    with pytest.raises(BadInput, match="not a regular expression"):
        parse_filter("a{99999999999999999999}")


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_run_is_read_or_refused_in_words(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.db").write_bytes(data.draw(damaged(stored_run())))
        as_run(folder / "run.db")


@cache
def stored_run() -> bytes:
    """The database of a run with one task that has ended."""
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name), "one", "source", {"ids": [], **load_settings().model_dump(mode="json")})
        journal.add_tasks([Task("a-1", "a", "0123abcd", "It fails.")])
        journal.put_note("a-1", "task", 0, "files", {"read": ["a.py"]})
        journal.end_task("a-1", "predicted", "the only one", 1, PATCH)
        journal.close()
        return (Path(name) / "one" / "run.db").read_bytes()

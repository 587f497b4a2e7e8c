"""Digests made ahead: under a budget, resumed without asking again, and reused by a later commit and by its tasks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys import open_run, run_resume, run_sleep
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.sleeping import Which, exit_of, plan
from codemonkeys.context.changed_together import changed_together
from codemonkeys.errors import BadInput
from codemonkeys.models.base import Price, Request
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.outcomes import State
from codemonkeys.runs.resuming import read_stored, stored_request
from codemonkeys.runs.session import Options, RunRequest, Summary
from codemonkeys.runs.sleeping import as_sleep, commits_of, request_to_sleep, reuse_of, sleep
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Checkout
from tests.context.test_digests import answering, function, names, source
from tests.fakes import AnsweringModel
from tests.repositories import git, make_repository

COMMIT = ("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "next")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of three files, whose last commit changes a definition in one of them."""
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    files = {f"{name}.py": source(name).encode() for name in ("apple", "pear", "plum")}
    folder = make_repository(tmp_path / "orchard", files)
    for number in range(3):  # two files that change together
        for name in ("apple", "plum"):
            (folder / f"{name}.py").write_text(f"X = {number}\n\n\n{source(name)}")
        git(folder, *COMMIT)
    (folder / "pear.py").write_text(source("pear").replace(function("pear_3"), function("pear_3", "Peels")))
    git(folder, *COMMIT)
    return folder


def request_for(
    repository: Path, runs: Path, name: str, model: AnsweringModel, base: str, **operation: object
) -> RunRequest:
    settings = load_settings(model="answering", context={"outline_batch_tokens": 800}, operation=operation)
    request = request_to_sleep(commits_of(repository, [base]), settings, (), runs, name)
    return replace(request, models=lambda _: ModelSet(model, model))


def carry_out(request: RunRequest, runs: Path, name: str) -> Summary:
    return asyncio.run(sleep(request, Options(runs, name)))


def test_a_budget_is_kept_and_a_resumed_run_asks_nothing_again(repository: Path, tmp_path: Path) -> None:
    model = AnsweringModel(answering(), price=Price(1e-3, 1e-3))
    runs = tmp_path / "runs"
    first = carry_out(request_for(repository, runs, "ahead", model, "HEAD", budget=6.0), runs, "ahead")
    asked = len(model.requests)
    assert exit_of(first) is Exit.BUDGET and 0 < asked < 24 and (first.spent or 0.0) <= 6.0
    stored = read_stored(runs, "ahead", {"budget": 1000.0})
    assert stored.sleeps
    again = replace(as_sleep(stored_request(stored)), models=lambda _: ModelSet(model, model))
    second = carry_out(again, runs, "ahead")
    assert exit_of(second) is Exit.DONE and [str(task.state) for task in second.ended] == ["digested"]
    assert sorted(names(model.requests)) == sorted(f"{n}_{k}" for n in ("apple", "pear", "plum") for k in range(8))
    (reuse,) = reuse_of(runs / "ahead").values()
    assert (reuse.asked, reuse.known, reuse.unread) == (24, 0, 0)
    assert not any(task.patch for task in open_run(runs / "ahead").tasks())


def test_a_later_commit_reuses_what_was_made(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    for name, base, made in (("one", "HEAD~1", 24), ("two", "HEAD", 1)):
        if name == "two":
            which = Which(str(repository), {})
            assert plan(which, [], {"model": "answering", "context": {"outline_batch_tokens": 800}}, True) is Exit.DONE
            (task,) = json.loads(capsys.readouterr().out)["tasks"]
            assert (task["asked"], task["known"], task["cost"]["calls"]) == (24, 23, 1)
        model = AnsweringModel(answering())
        carry_out(request_for(repository, runs, name, model, base), runs, name)
        assert len(names(model.requests)) == made
    (reuse,) = reuse_of(runs / "two").values()
    assert (reuse.asked, reuse.known) == (24, 23)


def test_digests_are_made_from_python(repository: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    settings = load_settings(model="fake", context={"digests": tmp_path / "digests.db"})
    for name, bases, known in (("one", ["HEAD~1"], 0), ("two", ["HEAD", "HEAD~1"], 47)):
        summary = run_sleep(repository, settings, bases=bases, runs=runs, name=name)
        found = open_run(summary.folder).digests()
        assert [task.task for task in summary.ended] == list(found) and len(found) == len(bases)
        assert sum(each.known for each in found.values()) == known
    assert {task.state for task in run_resume("two", runs=runs).ended} == {State.DIGESTED}, "resumed as what it is"
    again = run_sleep(str(repository), settings, runs=runs, name="again")
    assert [(each.asked, each.known) for each in open_run(again.folder).digests().values()] == [(24, 24)]
    with pytest.raises(BadInput, match="is a repository"):
        run_sleep(repository, settings, ids=["x"], runs=runs, name="refused")
    assert not (runs / "refused").exists()


def test_files_that_changed_together_are_known_up_to_the_commit(repository: Path, tmp_path: Path) -> None:
    assert changed_together(repository, "HEAD") == {"apple.py": ["plum.py"], "plum.py": ["apple.py"]}
    assert changed_together(repository, "HEAD~3") == {}, "together twice only"
    assert changed_together(repository, "0" * 40) == {} == changed_together(tmp_path, "HEAD")


def test_a_repository_is_no_dataset_and_a_dataset_has_no_commits(repository: Path) -> None:
    (task,) = Which(str(repository), {}).commits() or ()
    assert task.checkout == Checkout(repository)
    with pytest.raises(BadInput, match="is a repository: which of its commits to read is said by bases"):
        Which(str(repository), {"ids": ["x"]}).commits()
    with pytest.raises(BadInput, match="bases and scope are for the folder of a git repository"):
        Which("lite", {}, ("HEAD",)).commits()


def test_nothing_of_the_issue_is_asked_ahead(repository: Path, tmp_path: Path) -> None:
    requests: list[Request] = []

    def noting(request: Request) -> str:
        requests.append(request)
        return answering()(request)

    runs = tmp_path / "runs"
    carry_out(request_for(repository, runs, "ahead", AnsweringModel(noting), "HEAD"), runs, "ahead")
    assert {request.key.stage for request in requests} == {"digest"}
    assert all("<issue" not in message.content for request in requests for message in request.messages)

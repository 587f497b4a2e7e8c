"""`codemonkeys images`: an image from a recipe, checked by its hidden tests, and removed; no other is touched."""

from __future__ import annotations

import io
import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from codemonkeys.cli import images as commands
from codemonkeys.cli.app import app
from codemonkeys.errors import BadInput
from codemonkeys.tasks import images
from codemonkeys.tasks.commit_archive import pack_commit
from codemonkeys.tasks.recipes import Recipe, load_recipes, merged
from tests.cli.command import Done
from tests.tiny_task import EVAL, FILES, GOLD

BASE = "codemonkeys/python:3.11"


@pytest.fixture
def id() -> Iterator[str]:
    """A unique task id; images built for it are removed at the end."""
    id = f"tiny__{uuid.uuid4().hex}"
    yield id
    with images.engine() as client:
        for ours in images.images_of_ours(client, {id}):
            client.images.remove(ours.id, force=True)


def rows_of(repository: Path, id: str, **changes: str) -> dict[str, Any]:
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
    return {
        "instance_id": id,
        "repo": "tiny/greeting",
        "base_commit": commit,
        "problem_statement": "No comma.",
        "version": "1",
        "patch": GOLD,
        "test_patch": "",
        "log_parser": "parse_log_pytest",
        "eval_script": EVAL,
        "FAIL_TO_PASS": ["tests/test_greeting.py::test_comma"],
        "PASS_TO_PASS": ["tests/test_greeting.py::test_name"],
        **changes,
    }


class Command(Protocol):
    """Calls `images` commands; returns exit code, standard output and standard error."""

    def __call__(self, *words: str | Path) -> Done: ...


@pytest.fixture
def run(
    tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs in this process: starting another takes longer than the work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))

    def call(*words: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app(["images", *map(str, words)])
        said = capsys.readouterr()
        return Done(int(end.value.code or 0), said.out, said.err)

    return call


@pytest.mark.docker
def test_images_are_listed_while_others_are_removed(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked for each that was listed would fail for one that another process has removed since."""
    from docker.errors import ImageNotFound

    def gone(image: str) -> NoReturn:
        raise ImageNotFound(f"No such image: {image}")

    with images.engine() as client:
        recipe, labels = f"FROM {BASE}\nENV id={id}\n".encode(), {images.OF_TASK: id, images.CONTENT: id}
        made, _ = client.images.build(fileobj=io.BytesIO(recipe), labels=labels, tag=f"{id}:latest", rm=True)
        monkeypatch.setattr(client.api, "inspect_image", gone)
        (found,) = images.images_of_ours(client, {id})
    assert (found.id, found.names, found.task) == (made.id, (f"{id}:latest",), id) and found.bytes > 1_000_000


@pytest.mark.docker
def test_an_image_from_a_recipe(id: str, make_repository: Callable[..., Path], tmp_path: Path, run: Command) -> None:
    """A dataset row without an image: built, checked and removed."""
    repository = make_repository(dict(FILES))
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows_of(repository, id)) + "\n")
    (tmp_path / "requirements.txt").write_text("iniconfig\n")
    recipe = f"repository: {repository}\nbase: {BASE}\nrequirements: requirements.txt\n"
    install = "install: python -c 'import iniconfig' > made.txt\n"
    (tmp_path / "recipes.yaml").write_text(f"{recipe}tasks:\n  {id}:\n    {install}")

    assert "has no image" in run("check", "rows.jsonl").err, "nothing is built by a check"
    done = run("build", "rows.jsonl", "--recipes", "recipes.yaml", "--json")
    assert done.code == 0, done.err
    name = f"codemonkeys/{id}:latest"
    assert json.loads(done.out) == {"built": {id: name}, "failed": {}}
    with images.engine() as client:
        first = client.images.get(name).id
        assert run("build", "rows.jsonl", "--recipes", "recipes.yaml").code == 0
        assert client.images.get(name).id == first, "what has not changed is not built anew"
    done = run("check", "rows.jsonl", "--json")
    assert done.code == 0 and json.loads(done.out) == {id: []}, done.out + done.err

    # Hidden tests that pass on the unedited code, and ones that the fix does not satisfy.
    for wanted, said in (("Hello you", "pass without any fix"), ("Hi", "reference fix does not resolve it")):
        text = EVAL.replace("Hello, you!", wanted)
        (tmp_path / "odd.jsonl").write_text(json.dumps(rows_of(repository, id, eval_script=text)) + "\n")
        done = run("check", "odd.jsonl")
        assert done.code == 1 and said in done.err, done.err

    would = json.loads(run("clean", "-i", id, "--dry-run", "--json").out)
    assert name in {row["what"] for row in would} and all(row["bytes"] > 0 for row in would)
    with images.engine() as client:
        assert images.get(client, name) is not None
        others = {image.id for image in client.images.list(name="codemonkeys/python")}
        assert f"{len(would)} removed" in run("clean", "-i", id).out
        assert images.get(client, name) is None and images.images_of_ours(client, {id}) == []
        assert {image.id for image in client.images.list(name="codemonkeys/python")} == others != set()


@pytest.mark.docker
def test_a_failed_build_is_reported_and_does_not_stop_others(
    id: str, make_repository: Callable[..., Path], tmp_path: Path, run: Command
) -> None:
    repository = make_repository(dict(FILES))
    rows = [rows_of(repository, id), {**rows_of(repository, f"{id}-2"), "base_commit": "0" * 40}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "none.txt").touch()
    build = ("build", "rows.jsonl")
    assert run(*build).code == 2, "a recipe that lacks something is refused"
    given: list[str | Path] = ["--repository", repository, "--requirements", "none.txt", "--base", BASE]
    done = run(*build, *given, "--install", "true", "--json")
    assert done.code == 3, done.err
    told = json.loads(done.out)
    assert list(told["built"]) == [id] and f"commit {'0' * 40}" in told["failed"][f"{id}-2"]
    done = run(*build, *given, "--install", "echo cannot go on; exit 7", "-i", id)
    assert done.code == 1 and "cannot go on" in done.err and "7" in done.err


def test_copies_of_images_are_removed_by_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path))
    named = tmp_path / "roots" / ".named"
    named.mkdir(parents=True)
    for number, task in enumerate(("a__a-1", "b__b-1")):
        folder = tmp_path / "roots" / f"{number}-testbed"
        (folder / "root").mkdir(parents=True)
        (folder / "root" / "file").write_bytes(b"x" * 5000)
        (named / str(number)).write_text(json.dumps({"task": task, "name": "n", "image": f"sha256:{number}-test"}))
    removed = list(commands.remove_copies({"a__a-1"}, dry_run=True))
    assert [(r.task, r.kept) for r in removed] == [("a__a-1", "")] and removed[0].bytes >= 5000
    assert (tmp_path / "roots" / "0-testbed").exists()
    assert len(list(commands.remove_copies({"a__a-1"}, dry_run=False))) == 1
    assert not (tmp_path / "roots" / "0-testbed").exists() and (tmp_path / "roots" / "1-testbed").exists()


def test_recipes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "recipes.yaml"
    file.write_text('python: "3.9"\nrequirements: r.txt\ntasks:\n  a__b-1:\n    python: "3.11"\n')
    for_all, for_one = load_recipes(file)
    assert for_all == Recipe("3.9", requirements=str(tmp_path / "r.txt"))
    assert merged(for_all, for_one["a__b-1"], Recipe(base="mine")) == Recipe("3.11", "mine", str(tmp_path / "r.txt"))
    for wrong in ("python: 3.11\n", "pyhton: '3'\n", "- a\n", "tasks: [a]\n", "tasks: {a: b}\n", "a: [\n"):
        file.write_text(wrong)
        with pytest.raises(BadInput, match="recipes.yaml"):
            load_recipes(file)
    with pytest.raises(BadInput, match="cannot be read"):
        load_recipes(tmp_path / "missing.yaml")


def test_packing_a_commit_is_deterministic(make_repository: Callable[..., Path]) -> None:
    repository = make_repository({"a.txt": "a\n", "b/c.py": "c\n"})
    assert pack_commit(str(repository), "HEAD") == pack_commit(f"file://{repository}", "HEAD")

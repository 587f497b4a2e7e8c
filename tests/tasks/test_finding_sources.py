"""Which source reads what: by claim, by name, from an installed package, or from a module of the user's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, BadRecord, BadSettings, UnknownDataset
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.filtering import TaskFilter, choose
from codemonkeys.tasks.sources import absolute, find_source, load_tasks, pin, read_records, task_sources
from codemonkeys.tasks.sources.task_file import write_issue, write_tasks
from tests.cli.command import codemonkeys
from tests.plugins import as_installed_command, install
from tests.tasks.harbor_tasks import harbor_task
from tests.tasks.test_sources import row, task_repository, written

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "task_source.py"
TASK = Task("a__b-1", "a/b", "7ee9ceb7", "It fails.")
ISSUE = "---\nrepo: a/b\nbase_commit: 7ee9ceb7\npatch: label\n---\nIt fails.\n"

CLAIMED = {
    "task_folders": ["harbor-set", "harbor-set/one", "harbor-with-data"],
    "huggingface": [
        *("verified", "lite:dev", "SWE-bench/SWE-bench_Lite", "owner/name@main:dev", "huggingface"),
        *("set", "set:test", "empty/../set", "rows"),
    ],
    "mixed_folder": ["mixed"],
    "row_file": [
        "rows.jsonl",
        "list.json",
        "rows.json",
        "rows.parquet",
        "owner/name.jsonl",
        "broken.json",
        "other.json",
    ],
    "task_file": ["issue.json", "tasks.json", "renamed.json"],
    "task_repository": ["repository", "repository-with-data"],
}
NOBODYS = [
    *("missing.jsonl", "owner/missing.parquet", "missing", "../missing", "empty", "rows.txt", "owner/file", "docs"),
    *("foreign.json", "set.txt:test", "a b/c", "owner/name@a@b", "--split", "verifed", "verified:", "owner/name:a:b"),
]


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with something of every kind in it."""
    for name in ("rows.jsonl", "owner/name.jsonl", "set/data/test-1.jsonl", "rows/test.jsonl", "huggingface/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, [row("a__b-1"), row("a__b-2")])
    (tmp_path / "list.json").write_text(json.dumps([row()]))
    (tmp_path / "rows.json").write_text(json.dumps({"format": row("format"), "a__b-2": row("a__b-2")}))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"format": 5}')
    (tmp_path / "foreign.json").write_text('{"format": "somebody-elses-1", "tasks": []}')
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    write_issue(tmp_path / "issue.json", TASK)
    write_tasks(tmp_path / "tasks.json", [TASK])
    shutil.copy(tmp_path / "tasks.json", tmp_path / "renamed.json")
    task_repository(tmp_path / "repository", "a__b-1")
    task_repository(tmp_path / "repository-with-data", "a__b-1")
    written(tmp_path / "repository-with-data" / "rows.jsonl", [row()])
    for name in ("harbor-set/one", "harbor-set/two", "harbor-with-data"):
        harbor_task(tmp_path / name)
    written(tmp_path / "harbor-with-data" / "tests" / "rows.jsonl", [row()])
    harbor_task(tmp_path / "mixed" / "one")
    written(tmp_path / "mixed" / "rows.jsonl", [row()])
    for name in ("rows.txt", "owner/file", "docs/a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_module_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with as_installed_command(tmp_path_factory.getbasetemp()):
        yield


def claimants(source: str) -> list[str]:
    sources = task_sources()
    return [name for name in sources.built_in if sources.get(name).claims(source)]


def test_every_source_has_samples_its_own_name_a_phrase_and_a_line_of_the_page() -> None:
    sources = task_sources()
    page = (ROOT / "docs" / "datasets.md").read_text()
    assert list(sources.built_in) == sorted(CLAIMED), "give a new format samples here"
    for name in sources.built_in:
        assert sources.get(name).name == name and f"\n| `{name}` | " in page
    with pytest.raises(UnknownDataset) as error:
        find_source("nowhere")
    said = str(error.value).partition("; accepted: ")[2]
    assert said == "; ".join(sources.get(name).accepts for name in sources.names())


def test_no_two_sources_claim_the_same(samples: Path) -> None:
    for name, sources in CLAIMED.items():
        for source in sources:
            assert claimants(source) == [name], source
            found, rest = find_source(source)
            assert (found.name, rest) == (name, source)
    for source in NOBODYS:
        assert claimants(source) == [], source
        with pytest.raises(UnknownDataset, match="accepted: verified"):
            find_source(source)
    for source in ("", " \n"):
        with pytest.raises(UnknownDataset, match="names no file, folder or dataset; accepted: verified"):
            find_source(source)


def test_a_source_can_be_named(samples: Path) -> None:
    assert load_tasks("row_file:rows.jsonl") == load_tasks("rows.jsonl")
    assert pin("row_file:rows.jsonl") == f"row_file:{samples / 'rows.jsonl'}"
    assert load_tasks(pin("row_file:rows.jsonl"), ["a__b-2"]) == load_tasks("rows.jsonl", ["a__b-2"])
    shutil.copy("rows.jsonl", "row_file:rows.jsonl")
    assert find_source("row_file:rows.jsonl")[1] == "rows.jsonl", "a name means the source"
    assert find_source("./row_file:rows.jsonl")[0].name == "row_file"
    for source, said in (
        ("row_file:nowhere.jsonl", "no such file of rows"),
        ("row_file:rows.txt", "no such file of rows"),
        ("huggingface:a b", "not a dataset of the Hugging Face hub"),
    ):
        with pytest.raises(UnknownDataset, match=said):
            load_tasks(source)
    with pytest.raises(BadRecord, match="sweb.yaml: cannot be read"):
        load_tasks("task_repository:empty")
    with pytest.raises(BadRecord, match="not a task file as codemonkeys writes it"):
        load_tasks("task_file:rows.json")


def test_a_path_is_a_path(samples: Path) -> None:
    assert load_tasks(Path("rows.jsonl")) == load_tasks("rows.jsonl")
    assert load_answer_keys(Path("rows.jsonl")) == load_answer_keys("rows.jsonl")
    assert pin(Path("rows.jsonl")) == str(samples / "rows.jsonl")
    for name in ("verified", "owner/name", "row_file:rows.jsonl"):
        with pytest.raises(UnknownDataset, match=f"{samples / name}: no such file, folder or dataset"):
            find_source(Path(name))


@pytest.mark.parametrize("source", ["rows.jsonl", "repository", "tasks.json", "issue.json", "set:test"])
def test_what_is_pinned_is_found_from_any_folder(
    samples: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    tasks = load_tasks(source)
    assert tasks
    pinned, ids = choose(source, TaskFilter())
    assert pinned == str(samples / source) and absolute(source) in (pinned, source)
    monkeypatch.chdir("/")
    assert load_tasks(pinned, ids) == [
        task if task.folder is None else Task(**{**vars(task), "folder": samples / task.folder}) for task in tasks
    ]


def markdown(folder: Path, *ids: str) -> Path:
    folder.mkdir()
    for id in ids:
        (folder / f"{id}.md").write_text(ISSUE.replace("It", id))
    return folder


def test_the_example_is_a_source_by_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    markdown(tmp_path / "issues", "a__b-1", "a__b-2")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownDataset, match="not a folder in a known format"):
        load_tasks("issues")
    (task,) = load_tasks("task_source:SOURCE:issues", ["a__b-2"])
    assert (task.id, task.issue, task.base_commit) == ("a__b-2", "a__b-2 fails.\n", "7ee9ceb7")
    pinned, ids = choose("task_source:SOURCE:issues", TaskFilter(slice="1:"))
    assert (pinned, ids) == (f"task_source:SOURCE:{tmp_path / 'issues'}", ["a__b-2"])
    assert load_tasks(pinned, ids) == [task]
    records = read_records(pinned, None, ("patch",))
    assert [record.columns for record in records] == [{"patch": "label"}] * 2, "columns that were asked for"
    with pytest.raises(BadInput, match="no column 'split'"):
        choose(pinned, TaskFilter(split="dev"))
    (tmp_path / "issues" / "c.md").write_text("It fails.\n")
    with pytest.raises(BadRecord, match="c.md: has no head"):
        load_tasks(pinned)
    for wrong in ("task_source:Nothing:issues", "task_sources:SOURCE:issues", "task_source:MarkdownIssues:issues"):
        with pytest.raises(BadSettings, match="task source '.*' cannot be loaded"):
            load_tasks(wrong)


@pytest.mark.slow
def test_the_example_runs_from_the_command_line(tmp_path: Path, shared_home: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    markdown(tmp_path / "issues", "a__b-1", "a__b-2")
    # As with the installed command, whose sys.path does not begin with the current folder.
    own = {"PYTHONSAFEPATH": "1", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    given = ("solve", "task_source:SOURCE:issues", "-i", "a__b-2", "-m", "fake")
    done = codemonkeys(*given, "--dry-run", "--json", home=shared_home, cwd=tmp_path, **own)
    assert done.code == 0, done.err
    assert [task["task"] for task in json.loads(done.out)["tasks"]] == ["a__b-2"]
    wrong = codemonkeys("solve", "task_source:SOURCES:issues", "-m", "fake", home=shared_home, cwd=tmp_path, **own)
    assert wrong.code == 2 and "check task_source:SOURCES" in wrong.err and "Traceback" not in wrong.err


@pytest.mark.slow
def test_a_source_of_an_installed_package_claims_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path
) -> None:
    points = {"codemonkeys.task_sources": "markdown = task_source:SOURCE"}
    install(tmp_path / "site", EXAMPLE.read_text(), points, "task_source")
    folder = str(markdown(tmp_path / "issues", "a__b-1"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert load_tasks(folder) == load_tasks(f"markdown:{folder}") != []
    monkeypatch.chdir(tmp_path)
    assert pin("markdown:issues") == f"markdown:{folder}" and pin("issues") == folder
    with pytest.raises(UnknownDataset, match=r"SPLIT\); .*; a folder of issues \(\*\.md with a YAML head\)$"):
        load_tasks("verifed")
    variables = {"PYTHONPATH": str(tmp_path / "site"), "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    given = ("solve", "issues", "-m", "fake", "--dry-run", "--json")
    done = codemonkeys(*given, home=shared_home, cwd=tmp_path, **variables)
    assert done.code == 0 and [task["task"] for task in json.loads(done.out)["tasks"]] == ["a__b-1"], done.err


GREEDY = """
from pathlib import Path
from codemonkeys.tasks.base import Task

class Greedy:
    name, accepts, ids = "greedy", "everything", ["a", "b"]
    def claims(self, source): return True
    def pin(self, source, split, cached): return source
    def records(self, source, ids, columns, split): raise AssertionError
    def tasks(self, source, ids): return [Task(id, "r", "0123abcd", "It fails.") for id in self.ids]

SOURCE = Greedy()
"""


def test_installed_sources_come_last_and_may_not_disagree(
    samples: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    install(site, GREEDY, {"codemonkeys.task_sources": "one = greedy_source:SOURCE"}, "greedy_source")
    monkeypatch.syspath_prepend(site)
    assert find_source("rows.jsonl")[0].name == "row_file"
    assert find_source("docs")[0].name == "greedy"
    install(site, GREEDY, {"codemonkeys.task_sources": "two = greedy_source:SOURCE"}, "greedy_again")
    with pytest.raises(UnknownDataset, match="docs: read by one and by two; say which, as in one:docs"):
        find_source("docs")
    assert find_source("two:docs")[0].name == "greedy"


@pytest.mark.parametrize(
    ("returned", "asked", "said"),
    [
        (["a", "b"], ["b"], "or other tasks than asked for"),
        (["a", "b"], ["b", "a"], "in another order"),
        (["a", "a"], None, "returned a task twice"),
        (["../a"], None, "cannot be an instance_id"),
    ],
)
def test_a_source_that_breaks_its_contract_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: list[str], asked: list[str] | None, said: str
) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY.replace('["a", "b"]', repr(returned)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRecord, match=said):
        load_tasks("greedy:SOURCE:anything", asked)

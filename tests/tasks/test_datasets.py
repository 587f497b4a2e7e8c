"""Published datasets: through the real library, against a small hub, from its cache, and from files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from codemonkeys.errors import BadRecord, UnknownDataset
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.sources import load_tasks
from codemonkeys.tasks.sources.huggingface import ALIASES, parse_address
from tests.tasks.hub import COMMIT, Hub, serving
from tests.tasks.test_sources import row

TOKEN = "hf_canarycanarycanary0123456789"
# The columns that each dataset has in addition to those of SWE-bench, with the values of a row.
SCHEMAS: dict[str, dict[str, Any]] = {
    "SWE-bench/SWE-bench_Verified": {"version": "2.3", "difficulty": "<15 min fix"},
    "SWE-bench/SWE-bench_Multilingual": {"version": "1"},
    "SWE-bench/SWE-bench_Multimodal": {
        "problem_statement": "It looks so:\n![image](https://example.org/a.png)",
        "image_assets": json.dumps({"test_patch": ["label.png"]}),
    },
    "SWE-bench-Live/SWE-bench-Live": {"test_cmds": ["label"], "all_hints_text": "label", "commit_urls": ["label"]},
    "ScaleAI/SWE-bench_Pro": {"dockerhub_tag": "tag", "repo_language": "js", "requirements": '"- all of it"'},
    "nebius/SWE-rebench": {
        "docker_image": "swerebench/sweb.eval.x86_64.a_1776_b-1",
        "meta": {"llm_score": {"difficulty_score": 1}},
        "install_config": {"test_cmd": "label"},
        "FAIL_TO_PASS": ["label a"],
        "PASS_TO_PASS": ["label b"],
    },
}


def packed(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    target = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), target)
    return target.getvalue()


class Machine(NamedTuple):
    """A home folder with a cache of its own, and a hub."""

    hub: Hub
    home: Path

    def __call__(self, program: str, *arguments: str, **variables: str) -> Any:
        """Run a program, whose last line is JSON, as a process that knows this hub."""
        names = {"HF_ENDPOINT": self.hub.address, "HF_HOME": str(self.home), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **names, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


TASKS = """
import json, sys
from dataclasses import asdict
from codemonkeys.errors import UnknownDataset
from codemonkeys.tasks.filtering import (TaskFilter, choose)
from codemonkeys.tasks.sources import load_tasks
out = {}
for name in sys.argv[1:]:
    try:
        source, ids = choose(name, TaskFilter())
        out[name] = [source, [asdict(task) for task in load_tasks(source, ids)]]
    except UnknownDataset as error:
        out[name] = str(error)
print(json.dumps(out, default=str))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    files = {
        name: {
            "README.md": b"---\nlicense: mit\n---\n",
            "data/test-00000-of-00001.parquet": packed([row("a__b-1", **more), row("a__b-2", **more)]),
            "data/dev-00000-of-00001.parquet": packed([row("a__b-dev", **more)]),
        }
        for name, more in SCHEMAS.items()
    }
    with serving(files) as hub:
        yield Machine(hub, tmp_path_factory.mktemp("machine"))


@pytest.mark.slow
def test_every_short_name_becomes_tasks_without_labels(machine: Machine) -> None:
    names = ["verified", "multilingual", "multimodal", "live", "rebench", "verified:dev", "pro"]
    found = machine(TASKS, *names, HF_TOKEN=TOKEN)
    assert set(ALIASES) - set(names) == {
        *("lite", "full"),  # like `verified`
        *("rebench-v2", "gym", "smith"),  # their formats are tried in test_formats.py
    }
    for name in names[:5]:
        source, tasks = found[name]
        assert source == f"{ALIASES[name].repository}@{COMMIT}:test"
        assert [task["id"] for task in tasks] == ["a__b-1", "a__b-2"]
        assert "label" not in json.dumps(tasks)
    first = {name: found[name][1][0] for name in names[:5]}
    languages = {name: task["language"] for name, task in first.items()}
    assert languages == {
        **dict.fromkeys(("verified", "live", "rebench"), "python"),
        "multilingual": "other",
        "multimodal": "javascript",
    }
    assert first["live"]["image"] == "starryzhang/sweb.eval.x86_64.a_1776_b-1:latest"
    assert first["rebench"]["image"] == "swerebench/sweb.eval.x86_64.a_1776_b-1"
    assert first["verified"]["image"].startswith("swebench/sweb.eval.")
    (pro, _) = found["pro"][1]
    assert (pro["image"], pro["language"], pro["workdir"]) == ("jefzda/sweap-images:tag", "javascript", "/app")
    assert pro["issue"].endswith("## Requirements\n\n- all of it\n") and "label" not in json.dumps(pro)
    assert first["multimodal"]["issue"].startswith("It looks so:")
    assert [task["id"] for task in found["verified:dev"][1]] == ["a__b-dev"]
    assert f"Bearer {TOKEN}" in machine.hub.tokens
    kept = [path for path in machine.home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == [], "the token is stored nowhere"

    machine.hub.asked.clear()
    pinned = found["verified"][0]
    assert machine(TASKS, pinned, HF_TOKEN=TOKEN)[pinned][1] == found["verified"][1]
    assert not [path for path in machine.hub.asked if "Verified" in path], "a resume does not go to the hub"

    offline = machine(TASKS, "verified", pinned, "lite", HF_HUB_OFFLINE="1")
    assert offline["verified"] == offline[pinned] == found["verified"], "from the cache"
    assert "cannot be reached" in offline["lite"] and "HF_ENDPOINT" in offline["lite"]

    wrong = machine(TASKS, "SWE-bench/SWE-bench_Nothing", "verified:train")
    assert "HF_TOKEN" in wrong["SWE-bench/SWE-bench_Nothing"] and "verified, lite" in str(wrong)
    assert wrong["verified:train"].endswith(
        "no split 'train'; write SWE-bench/SWE-bench_Verified:SPLIT with one of: test, dev"
    )


@pytest.mark.parametrize("shape", ["file", "folder"])
def test_parquet_files_and_folders_hold_the_same_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    file = tmp_path / "set" / "data" / "test-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(packed([row("a__b-1", version="2"), row("a__b-2", version="3")]))
    source = str(file) if shape == "file" else f"{tmp_path / 'set'}:test"
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(r) + "\n" for r in (row("a__b-1", version="2"), row("a__b-2", version="3"))))
    assert [asdict(task) for task in load_tasks(source)] == [asdict(task) for task in load_tasks(str(lines))]
    keys = load_answer_keys(source, ["a__b-2"])
    assert keys["a__b-2"].patch == "label patch" and keys["a__b-2"].PASS_TO_PASS == ("label b", "label c")


def test_solving_reads_no_column_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    (tmp_path / "rows.parquet").write_bytes(packed([row()]))
    read: list[list[str]] = []
    whole = parquet.ParquetFile.read

    def noted(self: Any, *, columns: list[str]) -> Any:
        read.append(columns)
        return whole(self, columns=columns)

    monkeypatch.setattr(parquet.ParquetFile, "read", noted)
    load_tasks(str(tmp_path / "rows.parquet"))
    assert set(read[0]) == {"instance_id", "repo", "base_commit", "problem_statement"}


def test_what_is_not_a_dataset_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(BadRecord, match="cannot be read as parquet"):
        load_tasks(str(tmp_path / "rows.parquet"))
    with pytest.raises(UnknownDataset, match="no such file, folder or dataset; accepted: verified, lite"):
        load_tasks("verifed")
    assert parse_address("owner/name@main:dev") is not None
    for source in ("", "a b/c", "../x", "owner/name@a@b", "--split"):
        assert parse_address(source) is None, source


@pytest.mark.data
def test_real_rows_survive_the_way_through_parquet(data_dir: Path, tmp_path: Path) -> None:
    lines = data_dir / "datasets" / "lite_dev.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    (tmp_path / "lite_dev.parquet").write_bytes(packed(rows))
    assert load_tasks(str(tmp_path / "lite_dev.parquet")) == load_tasks(str(lines))
    assert load_answer_keys(str(tmp_path / "lite_dev.parquet")) == load_answer_keys(str(lines))

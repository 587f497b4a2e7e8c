"""Submissions in the forms of the field's programs; what is none of them is refused by the column that is missing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.ensembles.members import read_member
from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.predictions import Prediction, read_predictions
from codemonkeys.tasks.submissions import looks_like_one, read_submission
from tests.tiny_task import GOLD, WRONG

ONE, TWO = "acme__anvil-1", "acme__anvil-2"
PATCHES = {ONE: GOLD, TWO: WRONG}
READ: list[Callable[[Path], object]] = [read_predictions, lambda path: read_member(path, PATCHES)]


def dumped(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def lines(path: Path, *rows: Any) -> Path:
    return dumped(path, "".join(json.dumps(row) + "\n" for row in rows))


def trajectory(patch: str | None, **more: Any) -> dict[str, Any]:
    info = {"exit_status": "Submitted", "submission": patch, "config": {"model": {"model_name": "some/model"}}}
    return {"info": info, "messages": [], "trajectory_format": "mini-swe-agent-1.1", **more}


def sample(id: str, patch: str, place: str = "store") -> dict[str, Any]:
    told: dict[str, Any] = {"store": {}, "metadata": {"patch": "the answer", "test_patch": "label"}, "scores": {}}
    if place == "scores":
        told["scores"] = {"swe_bench": {"value": 1.0, "metadata": {"model_patch": patch}}}
    elif place == "store":
        told["store"] = {"Agent:model_patch": patch}
    else:
        told["metadata"]["model_patch"] = patch
    return {"id": id, "epoch": 1, "output": {"model": "some/model"}, **told}


def mini(folder: Path) -> Path:
    rows = {id: {"model_name_or_path": "m", "instance_id": id, "model_patch": p} for id, p in PATCHES.items()}
    dumped(folder / "preds.json", rows)
    dumped(folder / ONE / f"{ONE}.traj.json", trajectory("stale", instance_id=ONE))
    return folder


def mini_without_predictions(folder: Path) -> Path:
    dumped(folder / ONE / f"{ONE}.traj.json", trajectory(GOLD, instance_id=ONE))
    dumped(folder / TWO / f"{TWO}.traj.json", trajectory(WRONG))  # the file's name is the id
    return folder


def swe_agent(folder: Path) -> Path:
    for id, patch in PATCHES.items():
        row = {"model_name_or_path": "m", "instance_id": id, "model_patch": patch}
        dumped(folder / id / f"{id}.pred", row)
    return folder


def openhands(folder: Path) -> Path:
    rows = [{"instance_id": id, "test_result": {"git_patch": p}, "history": []} for id, p in PATCHES.items()]
    lines(folder / "output.jsonl", *rows)
    return folder


def multi_swe(folder: Path) -> Path:
    rows = [{"org": "acme", "repo": "anvil", "number": int(id[-1]), "fix_patch": p} for id, p in PATCHES.items()]
    return lines(folder / "multi.jsonl", *rows)


def pro(folder: Path) -> Path:
    return dumped(folder / "pro.json", [{"instance_id": id, "patch": p, "prefix": "m"} for id, p in PATCHES.items()])


def live(folder: Path) -> Path:
    return dumped(folder / "live.json", {id: {"model_patch": patch} for id, patch in PATCHES.items()})


def harbor_job(folder: Path) -> Path:
    for id, patch in PATCHES.items():
        trial = folder / "2026-11-27__10-00-00" / f"{id}__AbCdEfG"
        dumped(trial / "result.json", {"task_name": f"acme/{id}", "agent_info": {"name": "m"}})
        dumped(trial / "agent" / "trajectory.json", {})
        dumped(trial / "artifacts" / "patch.diff", patch)
        dumped(trial / "artifacts" / "other.diff", "not this one")
    dumped(folder / "2026-11-27__10-00-00" / "result.json", {})
    return folder


def inspect_archive(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "2026_log.eval", "w") as archive:
        archive.writestr("header.json", "{}")
        for (id, patch), place in zip(PATCHES.items(), ("store", "scores"), strict=True):
            archive.writestr(f"samples/{id}_epoch_1.json", json.dumps(sample(id, patch, place)))
    return folder


def inspect_json(folder: Path) -> Path:
    samples = [sample(ONE, GOLD, "metadata"), sample(TWO, WRONG)]
    return dumped(folder / "log.json", {"version": 2, "status": "success", "eval": {}, "samples": samples})


FORMS = [
    *(mini, mini_without_predictions, swe_agent, openhands, multi_swe, pro, live, harbor_job),
    *(inspect_archive, inspect_json),
]


@pytest.mark.parametrize("make", FORMS, ids=[make.__name__ for make in FORMS])
def test_every_form_has_the_same_patches_and_a_model(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "system_x")
    assert looks_like_one(path)
    member = read_member(path, PATCHES)
    assert member.patches == PATCHES and not member.dropped
    predictions = read_predictions(path)
    assert {id: found.model_patch for id, found in predictions.items()} == PATCHES
    assert all(found.model_name_or_path for found in predictions.values())
    again = read_member(member.path, PATCHES)
    assert (again.sha256, again.name, again.patches) == (member.sha256, member.name, member.patches), "for a resume"


@pytest.mark.parametrize("make", [mini_without_predictions, swe_agent, harbor_job])
def test_a_change_in_a_folder_is_noticed(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "system_x")
    before = read_submission(path)
    for changed in [*path.rglob(f"{ONE}*.traj.json"), *path.rglob(f"{ONE}.pred"), *path.rglob("patch.diff")]:
        changed.write_text(changed.read_text().replace("Hello, ", "Hallo, "))
    after = read_submission(path)
    assert before.path == after.path == path and before.sha256 != after.sha256


def test_the_reference_fix_in_a_sample_is_not_its_patch(tmp_path: Path) -> None:
    bare = {**sample(ONE, GOLD), "store": {}}
    member = read_member(dumped(tmp_path / "log.json", {"eval": {}, "samples": [bare, "?"]}), PATCHES)
    assert not member.patches and [record.why for record in member.dropped] == ["empty patch", "no record"]


def test_rows_of_a_dataset_are_no_submission(tmp_path: Path) -> None:
    row = {"instance_id": ONE, "problem_statement": "?", "patch": GOLD, "test_patch": GOLD}
    for read in READ:
        with pytest.raises(BadRecord, match="these are rows of a dataset"):
            read(lines(tmp_path / "rows.jsonl", row))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"instance_id": ONE, "diff": GOLD},
            r"no record has a column of patches \(model_patch, .*there are: instance_id, diff",
        ),
        (
            {"id": ONE, "model_patch": GOLD},
            r"no record has a column of ids \(instance_id, .*there are: id, model_patch",
        ),
    ],
)
def test_what_is_in_no_form_is_refused_with_the_column_that_is_missing(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    for path in (lines(tmp_path / "x.jsonl", row), dumped(tmp_path / "x.json", [row])):
        for read in READ:
            with pytest.raises(BadRecord, match=said):
                read(path)


def test_folders_that_could_be_several_or_none_are_refused(tmp_path: Path) -> None:
    dumped(tmp_path / "docs" / "a.md", "")
    with pytest.raises(BadInput, match="expected one of all_preds.jsonl"):
        read_submission(tmp_path / "docs")
    jobs = harbor_job(tmp_path / "jobs")
    (jobs / "2026-11-27__10-00-00").rename(jobs / "first")
    harbor_job(jobs)
    with pytest.raises(BadInput, match="several jobs of harbor; give one"):
        read_submission(jobs)
    inspect_archive(tmp_path / "logs")
    (tmp_path / "logs" / "other.eval").write_bytes((tmp_path / "logs" / "2026_log.eval").read_bytes())
    with pytest.raises(BadInput, match="several logs of inspect"):
        read_submission(tmp_path / "logs")
    (tmp_path / "cut.eval").write_bytes(b"PK")
    with pytest.raises(BadRecord, match=r"cut.eval: cannot be read as a log of inspect"):
        read_submission(tmp_path / "cut.eval")


def test_a_form_without_models_is_called_by_its_file(tmp_path: Path) -> None:
    assert read_predictions(live(tmp_path))[ONE] == Prediction(ONE, "live", GOLD)
    assert read_predictions(openhands(tmp_path / "hands"))[ONE].model_name_or_path == "hands"
    (tmp_path / "run.db").touch()
    assert not looks_like_one(tmp_path), "the folder of a run is no submission"

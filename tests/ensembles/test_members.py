"""Other systems' submissions: what they hold, what is left out, and that nothing in them does harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.ensembles.members import LARGEST, Member, guess_family, guess_model, read_member, read_members
from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.sources import load_tasks
from tests.tiny_task import GOLD, WRONG

KNOWN = {"a__b-1", "a__b-2"}


def row(id: object, patch: object = GOLD, model: object = "system") -> dict[str, Any]:
    return {"instance_id": id, "model_name_or_path": model, "model_patch": patch}


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def whys(member: Member) -> list[str]:
    return [record.why for record in member.dropped]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", "dictionary"])
def test_all_forms_say_the_same(tmp_path: Path, suffix: str) -> None:
    rows = [row("a__b-1"), row("a__b-2", WRONG)]
    path = tmp_path / f"system{suffix if suffix != 'dictionary' else '.json'}"
    if suffix == ".jsonl":
        write(path, rows)
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        # The key is the id, whether or not the record names it again.
        path.write_text(json.dumps({r["instance_id"]: {"model_patch": r["model_patch"]} for r in rows}))
    member = read_member(path, KNOWN)
    assert member.patches == {"a__b-1": GOLD, "a__b-2": WRONG} and not member.dropped


def test_what_cannot_be_used_is_listed_and_never_fatal(tmp_path: Path) -> None:
    path = write(
        tmp_path / "system.jsonl",
        [
            row("a__b-1", WRONG),
            '{"instance_id": "a__b-2", "model_pa',
            "[1, 2]",
            row(None),
            row("other__task-1"),
            row("a__b-2", None),
            row("a__b-2", "I could not find the bug, sorry."),
            row("a__b-2", 7),
            row("a__b-1", GOLD, "another model"),
        ],
    )
    member = read_member(path, KNOWN)
    assert member.patches == {"a__b-1": GOLD}
    assert whys(member) == [
        *("no record", "no record", "no record", "unknown id", "empty patch", "no diff", "no record", "repeated")
    ]
    assert member.dropped[0].where.endswith("system.jsonl:2")
    assert member.models == ("system", "another model")


def test_hostile_records_are_left_out(tmp_path: Path) -> None:
    escape = "\x1b]0;owned\x07\u202e"
    path = write(
        tmp_path / "system.jsonl",
        [
            row("../../etc/passwd"),
            row("a__b-1\x00"),
            row("x" * 100_000),
            row("a__b-1", GOLD + "+" * LARGEST),
            '{"instance_id": "a__b-2", "model_patch": "' + GOLD.replace("\n", "\\n").replace('"', '\\"') + '\\ud800"}',
            "[" * 100_000,
            row("a__b-2", GOLD, escape * 1000),
        ],
    )
    member = read_member(path, KNOWN)
    assert member.patches == {"a__b-2": GOLD}
    assert whys(member) == ["unknown id", "unknown id", "unknown id", "too large", "no diff", "no record"]
    assert all(len(record.task) <= 200 for record in member.dropped)
    assert all(len(model) <= 200 for model in member.models)


def test_folder_of_the_leaderboard(tmp_path: Path) -> None:
    folder = tmp_path / "20240402_sweagent_gpt4"
    write(folder / "all_preds.jsonl", [row("a__b-1"), row("outside__the-split-1")])
    (folder / "results").mkdir()
    (folder / "results" / "results.json").write_text('{"resolved": ["a__b-1"]}')
    member = read_member(folder, KNOWN)
    assert (member.name, member.family) == ("20240402_sweagent_gpt4", "sweagent")
    assert list(member.patches) == ["a__b-1"] and whys(member) == ["unknown id"]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("20240402_sweagent_gpt4", "sweagent"),
        ("moatless_20241117_claude35sonnet1022", "moatless"),
        ("Agentless-1.5_gpt4o", "agentless"),
        ("20241028_SWE-Fixer_v2", "swe-fixer"),
        ("2024", "2024"),
        ("gpt4_agentless", "agentless"),
        ("claude-3.5-sonnet_sweagent", "sweagent"),
        ("o1-mini_moatless_20241117", "moatless"),
        ("qwen2.5-coder_openhands", "openhands"),
        ("opusculum_gpt4o", "opusculum"),
        ("gpt4o", "gpt4o"),
    ],
)
def test_family_of_a_name(name: str, family: str) -> None:
    assert guess_family(name) == family


@pytest.mark.parametrize(
    ("name", "model"),
    [("20240402_sweagent_gpt4", "gpt4"), ("moatless_claude35sonnet1022", "claude35sonnet1022"), ("CodeR_20240604", "")],
)
def test_model_of_a_name(name: str, model: str) -> None:
    assert guess_model(name) == model


def test_families_can_be_named(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.jsonl", [row("a__b-1")]) for name in ("one_a", "one_b", "two")]
    assert [member.family for member in read_members(paths, KNOWN)] == ["one", "one", "two"]
    assert [m.family for m in read_members(paths, KNOWN, ["x=one_*", "y=one_b"])] == ["x", "y", "two"]
    for wrong in ("x=three*", "x", "=one_a"):
        with pytest.raises(BadInput, match="family="):
            read_members(paths, KNOWN, [wrong])


def test_members_are_told_apart(tmp_path: Path) -> None:
    one, two = (write(tmp_path / folder / "s.jsonl", [row("a__b-1")]) for folder in ("one", "two"))
    assert [member.name for member in read_members([one, two], KNOWN)] == ["s", "two/s"]
    with pytest.raises(BadInput, match="given twice"):
        read_members([one, tmp_path / "one" / ".." / "one" / "s.jsonl"], KNOWN)


def test_no_such_submission(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.json").write_text("[{")
    (tmp_path / "number.json").write_text("7")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe")
    for name in ("folder", "missing.jsonl", "preds.txt", "broken.json", "number.json", "latin.jsonl"):
        with pytest.raises((BadInput, BadRecord), match=name):
            read_member(tmp_path / name, KNOWN)


@pytest.mark.data
def test_real_submissions(data_dir: Path) -> None:
    known = {task.id for task in load_tasks(str(data_dir / "datasets" / "lite.jsonl"))}
    members = {m.name: m for m in read_members(sorted((data_dir / "ensemble" / "lite").glob("*.jsonl")), known)}
    assert len(members) == 15
    assert {member.family for member in members.values()} == {"acr", "aider", "coder", "moatless", "sweagent"}
    coder = members["CodeR_20240604"]
    assert len(coder.patches) == 264 and set(whys(coder)) == {"empty patch"}
    assert not any(member.counts["unknown id"] for member in members.values())

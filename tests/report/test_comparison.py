"""Comparisons: what is gained and lost, whether that may be chance, and by what two systems differ."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from codemonkeys import open_run
from codemonkeys.cli.app import app
from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts
from codemonkeys.report.comparison import Side, TaskOutcome, compare, diffs, flat, mcnemar
from codemonkeys.report.comparison_tables import sections
from codemonkeys.report.sections import cell_of, markdown, sections_view
from tests.report.finished_run import finish_run


def side(name: str, *resolved: bool | None, **more: Any) -> Side:
    """A side whose tasks cost a dollar and took a minute each."""
    return Side(
        name, {f"t-{n}": TaskOutcome("predicted", right, 1.0, 60.0) for n, right in enumerate(resolved)}, **more
    )


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (0, 6, 0.03125), (10, 2, 0.038574), (3, 3, 1.0)]
)
def test_the_exact_test_gives_known_values(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p, abs=1e-6)


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])), max_size=20))
def test_sides_exchanged_exchange_what_is_gained_and_lost(pairs: list[tuple[bool | None, bool | None]]) -> None:
    one, other = side("one", *(a for a, _ in pairs)), side("other", *(b for _, b in pairs))
    there, back = compare(one, other), compare(other, one)
    assert there.count("gained") == back.count("lost") == sum(b is True and a is False for a, b in pairs)
    assert there.count("unknown") == sum(None in pair for pair in pairs) and there.p == back.p
    assert sum(there.count(change) for change in set(there.changes.values())) == len(pairs)
    if there.difference is None or back.difference is None:
        assert all(None in pair for pair in pairs)
    else:
        assert there.difference.value == pytest.approx(-back.difference.value)
        assert there.difference.low <= there.difference.value <= there.difference.high


def test_tasks_of_one_side_are_told_and_not_counted() -> None:
    found = compare(side("one", True, False), side("other", True, True, True))
    assert (found.count("gained"), found.count("both"), found.count("only second")) == (1, 1, 1)
    assert found.difference is not None and found.difference.value == 0.5 and found.cost_usd == 0.0


def test_settings_models_versions_and_prompts_that_differ_are_named() -> None:
    tree = {"generation": {"samples": 2, "models": []}, "model": "a"}
    one = side("one", True, version="0.1", settings=flat(tree), models={"edit": "a"}, prompts={"x": "1\n2\n"})
    tree = {"generation": {"samples": 3, "models": []}, "model": "a"}
    other = side("other", True, version="0.2", settings=flat(tree), models={"edit": "b"}, prompts={"x": "1\n3\n"})
    found = compare(one, other)
    assert [(each.what, each.first, each.second) for each in found.differing] == [
        ("version", "0.1", "0.2"),
        ("model of edit", "a", "b"),
        ("generation.samples", "2", "3"),
    ]
    assert "-2\n+3\n" in found.prompts["x"] and diffs({"x": "1"}, {"x": "1"}) == {}
    assert compare(one, side("file", False)).no_prompts == ("file",)


def test_nothing_of_others_is_markup_or_reaches_the_terminal_as_code() -> None:
    evil = "\x1b[31m|`<script>*_[x](y)\x07"
    one = side(evil, True, settings={evil: evil}, models={"edit": evil}, prompts={"x": f"{evil}\n```\n"})
    other = side("other", False, settings={evil: "b"}, models={"edit": "b"}, prompts={"x": "````\n"})
    found = sections([one, other], [compare(one, other)], all_tasks=True)
    shown = io.StringIO()
    Console(file=shown, width=300, highlight=False, markup=False).print(sections_view(found))
    written = markdown(found)
    for text in (shown.getvalue(), written):
        assert "\x1b" not in text and "\x07" not in text
    outside = written.split("`````diff")[0]
    assert "<script>" not in outside and cell_of(evil) in outside and "`````\n" in written
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} <= {3, 4, 9}, "no cell ends early"


def test_the_command_compares_runs_choices_and_files(
    tmp_path: Path, make_repository: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    repository, runs = make_repository({"a.py": "x = 1\n"}), tmp_path / "runs"
    for name, samples in (("first", 1), ("second", 2)):
        finish_run(runs, repository, tasks=2, generation={"samples": samples})
        (runs / "run").rename(runs / name)
    for name, right in (("first", 0), ("second", 1)):
        graded = {}
        for number, task in enumerate(open_run(runs / name).tasks()):
            verdict = Grading("resolved" if number >= right else "not resolved", "", {}, 1.0)
            graded[task.id] = GradedPatch(task.patch, verdict, [verdict])
        put_verdicts(runs / name / "run.db", graded)

    def call(*arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app([*map(str, arguments), "--runs", str(runs)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    code, said = call("compare", "first", "second")
    assert code == 0, said
    for part in ("resolved by both", "owner__name-0", "generation.samples", "-50.0 points", "p = 1", "were not stored"):
        assert part in said, part
    code, said = call("compare", "first", "second", "--json")
    values = json.loads(said)
    assert values["comparisons"][0]["changes"] == {"owner__name-0": "lost", "owner__name-1": "both"}
    assert values["sides"][0]["resolved"] == 2 and values["sides"][1]["cost_usd"] > values["sides"][0]["cost_usd"] > 0

    code, _ = call("select", "second", "--rule", "shortest")
    assert code == 0
    code, said = call("compare", "second", "second:shortest", "--markdown")
    assert code == 0 and "## second:shortest against second" in said and "| selection.rule |" in said
    assert call("compare", "second", "second:none")[0] == 2 and call("compare", "second")[0] == 2

    assert call("export", "first", "-o", tmp_path / "mine.jsonl")[0] == 0
    (tmp_path / "verdicts.json").write_text(json.dumps({"mine": ["owner__name-1"]}))
    mine = tmp_path / "mine.jsonl"
    code, said = call("compare", "first", mine, "--verdicts", f"{mine}={tmp_path / 'verdicts.json'}", "--json")
    assert code == 0 and json.loads(said)["comparisons"][0]["changes"]["owner__name-0"] == "lost", said

"""Data sets and submissions of others on the command line: what is said before money, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Done, forked
from tests.tasks.harbor_tasks import harbor_task
from tests.tasks.test_formats import ROWS, written
from tests.tasks.test_submissions import FORMS, ONE, TWO, lines

NOWHERE = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")}
"""Read when a connection is opened: no command reaches a network."""


def call(folder: Path, *arguments: str) -> Done:
    return forked(*arguments, home=folder / "home", cwd=folder, DOCKER_HOST=f"unix://{folder}/none", **NOWHERE)


def test_an_estimate_says_what_cannot_be_graded_and_where_images_run(tmp_path: Path) -> None:
    """A folder of five formats, among them a row that nobody can run, which the filter leaves out."""
    (tmp_path / "set").mkdir()
    for number, name in enumerate(("SWE-bench Pro", "Multi-SWE-bench", "Scale-SWE", "R2E-Gym", "SWE-bench Live")):
        row = ROWS[name][0]
        given = {"instance_id": f"mixed-{number}"} if "instance_id" in row else {}
        windows = {"instance_id": "odd", "platform": "windows"} if name == "SWE-bench Live" else {}
        written(tmp_path / "set" / f"{number}.jsonl", {**row, **given, **windows})
    done = call(tmp_path, "solve", "set", "-m", "fake", "--dry-run", "--filter", "mixed|Acme|anvil")
    assert done.code == 0, done.err
    for id in ("mixed-0", "Acme__Anvil-7", "mixed-2", "anvil-abababababab"):
        assert id in done.out
    assert "mixed-2 will not be gradable" in done.err and "needs the scripts of the repository" in done.err
    assert "Multi-SWE-bench: images exist for linux/x86_64 only" in done.err and "label" not in done.err + done.out
    refused = call(tmp_path, "solve", "set", "-m", "fake", "--dry-run")
    assert refused.code == 2 and "the code of odd runs on 'windows'" in refused.err


def test_harbor_tasks_can_be_estimated(tmp_path: Path) -> None:
    harbor_task(tmp_path / "set" / "one")
    harbor_task(tmp_path / "set" / "two")
    done = call(tmp_path, "solve", "set", "-m", "fake", "--dry-run")
    assert done.code == 0 and "one" in done.out and "scripts run without network" in done.err, done.err


def test_what_another_harness_grades_is_refused_with_its_name(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", ROWS["SWE-PolyBench"][0])
    lines(tmp_path / "preds.jsonl", {"instance_id": "acme__anvil-7", "model_name_or_path": "m", "model_patch": "x"})
    done = call(tmp_path, "evaluate", "preds.jsonl", rows)
    assert done.code == 2 and "src/poly_bench_evaluation is missing, with the parsers" in done.err
    rows = written(tmp_path / "rows.jsonl", ROWS["Scale-SWE"][0])
    done = call(tmp_path, "evaluate", "preds.jsonl", rows)
    assert done.code == 2 and "acme__anvil-7: it is graded by the harness of its data set" in done.err
    pro = written(tmp_path / "pro.jsonl", ROWS["SWE-bench Pro"][0])
    done = call(tmp_path, "evaluate", "preds.jsonl", pro, "--scripts", "clone")
    assert done.code == 2 and "clone/run_scripts/acme__anvil-7/run_script.sh is missing" in done.err


def test_an_ensemble_takes_every_form_and_refuses_what_is_none(tmp_path: Path) -> None:
    task = {"repo": "acme/anvil", "base_commit": "5" * 40, "problem_statement": "It rings."}
    written(tmp_path / "tasks.jsonl", {**task, "instance_id": ONE}, {**task, "instance_id": TWO})
    given = [make(tmp_path / make.__name__) for make in FORMS]
    done = call(tmp_path, "ensemble", *map(str, given), "tasks.jsonl", "-o", "chosen.jsonl")
    assert done.code == 0, done.err
    assert (tmp_path / "chosen.jsonl").read_text().count("model_patch") == 2
    lines(tmp_path / "odd.jsonl", {"instance_id": ONE, "answer": "x"})
    refused = call(tmp_path, "ensemble", "odd.jsonl", str(given[0]), "tasks.jsonl")
    assert refused.code == 2 and "there are: instance_id, answer" in refused.err


@pytest.mark.parametrize("form", ["mini", "harbor_job"])
def test_a_folder_can_be_graded_by_name(tmp_path: Path, form: str) -> None:
    (make,) = [make for make in FORMS if make.__name__ == form]
    make(tmp_path / form)
    done = call(tmp_path, "evaluate", form)
    assert done.code == 2 and "a predictions file needs its dataset" in done.err

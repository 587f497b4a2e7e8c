"""Every format whose tests pytest runs, on two issues of real packages: only the reference resolves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.grading.validation import validate
from codemonkeys.grading.verdict import Outcome
from codemonkeys.tasks import images
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes import Environment
from sandboxes.docker import DockerSandbox
from tests.grading.python_rows import (
    NEUTRAL,
    PACKAGES,
    ROWS,
    branch_of,
    image_of,
    keys_of,
    prepared_image,
    prepared_recipe,
    scripts,
)
from tests.tasks.test_formats import written

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("python formats")]
"""Its images are made, and removed, once."""


@pytest.fixture(scope="module")
def prepared(data_dir: Path) -> Iterator[None]:
    """The images of the two packages, with what R2E-Gym and SWE-smith need; other formats take them as they are."""
    keys = keys_of(data_dir)
    with images.engine() as client:
        for name, key in keys.items():
            files = {
                images.DOCKERFILE: prepared_recipe(name, key).encode(),
                "gold.diff": key.patch.encode(),
                "test.diff": key.test_patch.encode(),
            }
            images.build_image(client, prepared_image(name), f"prepared-{name}", images.Context(files))
            client.images.get(image_of(name)).tag(poly_image(name))
        yield
        made = {*(f"prepared-{name}" for name in PACKAGES), *(branch_of(name) for name in PACKAGES)}
        for image in images.images_of_ours(client, made):
            client.images.remove(image.id, force=True)
        for name in PACKAGES:
            client.images.remove(poly_image(name))


def poly_image(name: str) -> str:
    return f"ghcr.io/timesler/swe-polybench.eval.x86_64.acme__{name}-1:v1.1"


@pytest.mark.docker
@pytest.mark.data
@pytest.mark.parametrize("format", list(ROWS))
def test_the_reference_resolves_and_a_neutral_patch_does_not(
    prepared: None, format: str, data_dir: Path, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    rows = [ROWS[format](name, key) for name, key in keys_of(data_dir).items()]
    source = written(tmp_path / "rows.jsonl", *rows)
    scripts(tmp_path)
    tasks = {task.id: replace(task, hidden="") for task in load_tasks(source)}
    keys = load_answer_keys(source)
    assert len(keys) == 2
    references = {
        id: key.patch or reference.patch
        for (id, key), reference in zip(keys.items(), keys_of(data_dir).values(), strict=True)
    }
    first, second = keys
    outcomes = []
    # Every sandbox that differs: most formats need no more of an image than solving does.
    kinds = ("docker", "local") if format in ("R2E-Gym", "SWE-smith") else ("docker",)
    pairs = ({first: references[first], second: NEUTRAL}, {first: NEUTRAL, second: references[second]})
    for kind, patches in product(kinds, pairs):
        options, out = GradingOptions(kind, isolated=True, workers=2), tmp_path / f"out-{kind}"
        predictions = {id: Prediction(id, "m", patch) for id, patch in patches.items()}
        verdicts = {v.id: v for v in grade_predictions(predictions, source, options, "x", out)}
        outcomes += [verdicts[first], verdicts[second]]
    said = [outcome.outcome for outcome in outcomes]
    expected = [Outcome.RESOLVED, Outcome.NOT_RESOLVED, Outcome.NOT_RESOLVED, Outcome.RESOLVED]
    assert said == expected * len(kinds), outcomes
    assert all(outcome.tests["FAIL_TO_PASS"][not outcome.resolved] for outcome in outcomes)
    log = out / "logs" / "run_evaluation" / "x" / "m" / second
    assert "PASSED" in (log / "test_output.txt").read_text() and (log / "report.json").is_file()
    environments = {id: Environment(id, image=images.ensure_image(task, shared_home)) for id, task in tasks.items()}
    sandbox = DockerSandbox("checks")
    try:
        checked = {second: tasks[second]}
        problems = validate(source, checked, environments.__getitem__, sandbox, tmp_path / "checks", tmp_path)
    finally:
        sandbox.close()
    assert problems == {second: ()}, "`images check`"

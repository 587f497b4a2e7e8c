"""Harbor's tasks are graded in a container by their own test.sh, and the reward that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemonkeys.errors import BadInput
from codemonkeys.grading.harbor import reward_of
from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.grading.verdict import Outcome
from codemonkeys.tasks import images
from codemonkeys.tasks.predictions import Prediction
from tests.sandboxes.conftest import BASE_IMAGE
from tests.tasks.harbor_tasks import harbor_task

GOOD = "diff --git a/ring.txt b/ring.txt\n--- a/ring.txt\n+++ b/ring.txt\n@@ -1 +1 @@\n-dong\n+ding\n"
NEUTRAL = "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+ding\n"
TEST = """\
#!/bin/bash
[ "$MOOD" = well ] && [ -f /tests/data/word.txt ] && [ ! -e /tests/stale ] || exit 1
grep -q none ring.txt && exit 0
grep -q "$(cat /tests/data/word.txt)" ring.txt && reward=1 || reward=0
echo $reward > /logs/verifier/reward.txt
"""
DOCKERFILE = f"""\
FROM {BASE_IMAGE}
WORKDIR /srv/anvil
RUN echo dong > ring.txt && mkdir -p /tests /logs/verifier && touch /tests/stale && echo 1 > /logs/verifier/reward.txt
"""


def ringing(folder: Path, settings: str = '[verifier]\ntimeout_sec = 300.0\nenv = { MOOD = "well" }\n') -> Path:
    task = harbor_task(folder, settings, DOCKERFILE)
    (task / "tests" / "test.sh").write_text(TEST)
    (task / "tests" / "data").mkdir()
    (task / "tests" / "data" / "word.txt").write_text("ding\n")
    return task


@pytest.mark.parametrize(
    ("as_json", "as_text", "reward"),
    [
        (None, b"1\n", 1.0),
        (None, b"0.5", 0.5),
        (b'{"reward": 1, "other": 0}', b"0", 1.0),
        (b'{"accuracy": 0.25}', None, 0.25),
        (b'{"a": 1, "b": 2}', None, None),
        (b"[" * 100_000, None, None),
        (None, b"well done", None),
        (None, None, None),
    ],
)
def test_rewards(as_json: bytes | None, as_text: bytes | None, reward: float | None) -> None:
    assert reward_of(as_json, as_text) == reward


def test_what_cannot_be_graded_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for name, settings, said in (
        ("secret", '[verifier]\nenv = { KEY = "${OPENAI_API_KEY}" }\n', "KEY=.* which no container here is given"),
        ("untested", "", "tests/test.sh"),
    ):
        task = ringing(tmp_path / name, settings)
        if name == "untested":
            (task / "tests" / "test.sh").unlink()
        with pytest.raises(BadInput, match=said):
            grade_predictions({name: Prediction(name, "m", GOOD)}, str(task), GradingOptions(), "x", tmp_path)


@pytest.mark.docker
def test_the_reference_resolves_and_others_do_not(tmp_path: Path) -> None:
    outcomes = {
        "good": (GOOD, Outcome.RESOLVED, "reward 1"),
        "neutral": (NEUTRAL, Outcome.NOT_RESOLVED, "reward 0"),
        "misfit": (GOOD.replace("-dong", "-bong"), Outcome.PATCH_FAILED, ""),
        "silent": (GOOD.replace("+ding", "+none"), Outcome.INFRASTRUCTURE, "its tests/test.sh wrote no reward"),
    }
    for name in outcomes:
        ringing(tmp_path / "set" / name)
    predictions = {name: Prediction(name, "m", patch) for name, (patch, _, _) in outcomes.items()}
    try:
        options = GradingOptions(isolated=True, workers=2)
        verdicts = grade_predictions(predictions, str(tmp_path / "set"), options, "x", tmp_path / "out")
    finally:
        with images.engine() as client:
            for made in images.images_of_ours(client, set(outcomes)):
                client.images.remove(made.id, force=True)
    assert {v.id: v.outcome for v in verdicts} == {name: outcome for name, (_, outcome, _) in outcomes.items()}
    assert all(outcomes[v.id][2] in v.detail for v in verdicts)
    assert (tmp_path / "out/logs/run_evaluation/x/m/good/reward.txt").read_text() == "1\n"

"""`ensemble` and `study` on the tiny task, with made-up submissions and every kind of rule."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, codemonkeys
from tests.models.endpoint import serve
from tests.recorded import dry_run
from tests.runs.test_runs import MODEL, Bench, slowly, wait_for
from tests.tiny_task import GOLD, ID, WRONG, make_task_repository

pytestmark = pytest.mark.xdist_group("tiny-run")

COMMENTED = GOLD.replace('+    return f"Hello, {name}!"\n', '+    # Greets.\n+    return f"Hello, {name}!"\n').replace(
    "@@ -1,2 +1,2 @@", "@@ -1,2 +1,3 @@"
)
LONGER = WRONG.replace("Hi {name}", "Hi to {name}")
STALE = GOLD.replace('"Hello {name}"', '"Good day {name}"')
ISSUE_TEST = """\
import sys

sys.path.insert(0, ".")
from greeting import greet

said = greet("you")
raise SystemExit(0 if "," in said and said.endswith("!") else 2)
"""


class Room:
    """A folder with submissions for the tiny task, and a way to call commands in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.source = make_task_repository(folder / "tasks")
        submitted = {"alpha_1": WRONG, "alpha_2": LONGER, "beta": GOLD, "gamma": COMMENTED, "delta": STALE}
        for name, patch in submitted.items():
            self.submit(name, [{"instance_id": ID, "model_name_or_path": name, "model_patch": patch}])
        tests = folder / "given" / ID
        tests.mkdir(parents=True)
        (tests / "one.py").write_text(ISSUE_TEST)

    def submit(self, name: str, rows: list[dict[str, Any]]) -> None:
        (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def __call__(self, *arguments: str | Path) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder)

    def ensemble(self, *more: str, members: str = "alpha_1 alpha_2 beta gamma delta") -> Done:
        return self("ensemble", *(f"{name}.jsonl" for name in members.split()), self.source, *more)

    def query(self, run: str, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / "runs" / run / "run.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Room:
    return Room(tmp_path_factory.mktemp("ensemble"), shared_home)


@pytest.mark.slow
def test_text_rules_need_no_model_and_no_sandbox(room: Room) -> None:
    from swebench.harness.utils import get_predictions_from_file

    bad = [{"instance_id": "../../x", "model_patch": GOLD}, {"instance_id": ID, "model_patch": ""}]
    room.submit("evil_\x1b[31m", [{**row, "model_name_or_path": "\x1b]0;owned\x07"} for row in bad])
    members = "alpha_1 alpha_2 beta gamma delta evil_\x1b[31m"
    done = room.ensemble("--run", "texts", "-o", "chosen.jsonl", members=members)
    assert done.code == 0, done.err
    assert "unknown id" in done.out and "empty patch" in done.out and "alpha" in done.out
    assert "\x1b" not in done.out + done.err and "\x07" not in done.out + done.err
    (prediction,) = get_predictions_from_file(str(room.folder / "chosen.jsonl"), "tiny", "test")
    assert prediction["instance_id"] == ID and prediction["model_patch"]
    assert room.query("texts", "SELECT count(*) FROM call_steps UNION ALL SELECT count(*) FROM execution_steps") == [
        *((0,), (0,))
    ]
    # beta and gamma differ in a comment only.
    same = "SELECT source, family, duplicate_of FROM candidates ORDER BY number"
    rows = room.query("texts", same)
    assert rows[0] == ("alpha_1", "alpha", None) and rows[3] == ("gamma", "gamma", 3)
    left_out = json.loads((room.folder / "runs" / "texts" / "members.json").read_text())[5]["dropped"]
    assert [record["why"] for record in left_out] == ["unknown id", "empty patch"]
    other = room.ensemble("--run", "texts", members=members.replace("alpha_1", "beta").replace("2 beta", "2 alpha_1"))
    assert other.code == 2 and "ensemble.members.1.family was 'alpha', is now 'beta'" in other.err
    few = room.ensemble("--run", "few", "--select", "weaver", members="alpha_1 beta")
    assert few.code == 0 and "fewer than three informative verifiers: agreement does instead" in few.out
    set_so = room.ensemble("--run", "set", "-c", "selection.rule=weaver", members="alpha_1 beta")
    assert set_so.code == 0 and "Chosen by weaver" in set_so.out, "the rule of -c counts where --select is not given"
    again = room.ensemble("--run", "texts", "-o", "chosen.jsonl", members=members)
    assert again.code == 2 and "already exists" in again.err
    assert room.ensemble("--run", "texts", "-o", "chosen.jsonl", "--overwrite", members=members).code == 0
    assert room("resume", "texts").code == 0
    shown = room("show", "texts").out
    assert "predicted" in shown and "confidence" in shown and "alpha_1" in shown
    one = room("show", "texts", ID).out
    assert "No test script ran." in one and "gamma" in one and "approved" not in one and "was written" not in one


@pytest.mark.slow
def test_votes_run_given_tests_and_verdicts_come_after(room: Room) -> None:
    """Given test scripts, real executions, no model; then every candidate is graded and the rules compared."""
    done = room.ensemble("--run", "votes", "--select", "votes", "--tests", "given", "--sandbox", "local", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["tasks"][0]["source"] in ("beta", "gamma") and report["tasks"][0]["confidence"] == 1.0
    assert [r["why"] for m in report["members"] if m["name"] == "delta" for r in m["dropped"]] == ["does not apply"]
    assert room.query("votes", "SELECT count(*) FROM call_steps") == [(0,)]
    blind = room("study", "votes", "--json", "--figures", "none")
    assert "no figure was written" in blind.err and not list((room.folder / "none").iterdir())
    before = json.loads(blind.out)
    assert before["random"] is None and "votes" in [row["name"] for row in before["rules"]]
    studied = room("study", "votes", "--grade", "candidates", "--sandbox", "local", "--figures", "figures", "--json")
    assert studied.code == 0, studied.err
    study = json.loads(studied.out)
    scores = {row["name"]: row["score"][0] for row in study["rules"]}
    assert scores["votes"] == scores["as the run chose"] == 1.0 and scores["shortest"] == 0.0
    # Three distinct candidates, each graded once: that which differs in a comment shares the verdict.
    assert sorted(room.query("votes", "SELECT outcome FROM verdicts")) == [
        *(("not resolved",), ("not resolved",), ("resolved",))
    ]
    assert study["random"][0] == 0.5 and study["oracle"][0] == 1.0
    assert (room.folder / "figures" / "rules.svg").read_text().startswith("<?xml")
    table = room("study", "votes")
    assert table.code == 0 and "recovered" in table.out and "Each system alone" in table.out
    assert "0 patches" in room("study", "votes", "--grade", "turns", "--sandbox", "local").err
    # A rule that learns from all tasks decides when everything is known of them.
    learned = room.ensemble("--run", "weaver", "--select", "agreement", "--tests", "given", "--sandbox", "local")
    assert learned.code == 0 and "Chosen by agreement" in learned.out, learned.err
    assert room.query("weaver", "SELECT reason FROM tasks") == [("most like what unrelated sources wrote",)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("patch") is None, reason="the harness's last way to apply a patch is patch(1)")
def test_a_patch_that_the_harness_would_apply_is_a_candidate(room: Room) -> None:
    """Last newline stripped, a hunk header that counts wrongly, CRLF: the diff of what came out is chosen."""
    readme = "--- a/README.md\n+++ b/README.md\n@@ -1 +1,2 @@\n+Hello.\n Greets people.\n"
    lenient = {
        "stripped": (GOLD + readme).rstrip("\n"),
        "miscounted": GOLD.replace("@@ -1,2 +1,2 @@", "@@ -1,3 +1,3 @@"),
        "crlf": GOLD.replace("\n", "\r\n"),
    }
    for name, patch in lenient.items():
        room.submit(name, [{"instance_id": ID, "model_name_or_path": name, "model_patch": patch}])
    options = ["--select", "votes", "--tests", "given", "--sandbox", "local", "--run", "lenient", "-o", "lenient.jsonl"]
    done = room.ensemble(*options, members=" ".join([*lenient, "alpha_1", "delta"]))
    assert done.code == 0, done.err
    patches = dict(room.query("lenient", "SELECT source, plain FROM candidates JOIN texts ON hash = patch_hash"))
    assert list(patches) == [*lenient, "alpha_1"]
    assert patches["miscounted"] == patches["crlf"] and patches["miscounted"].startswith("diff --git a/greeting.py")
    assert ".orig" not in patches["stripped"] and "+Hello.\n" in patches["stripped"]
    # Prose, such as a README, makes no other candidate of an edit.
    assert room.query("lenient", "SELECT sum(duplicate_of = 1) FROM candidates") == [(2,)]
    (prediction,) = [json.loads(line) for line in (room.folder / "lenient.jsonl").read_text().splitlines()]
    assert prediction["model_patch"] in patches.values() and "Hello, {name}!" in prediction["model_patch"]
    assert room("resume", "lenient").code == 0


@pytest.mark.slow
def test_verdicts_from_a_file_and_invalid_input(room: Room) -> None:
    verdicts = room.folder / "resolved.json"
    verdicts.write_text(json.dumps({"alpha_1": [], "alpha_2": [], "beta": [ID], "gamma": [ID], "delta": []}))
    done = room.ensemble("--run", "judged", "--verdicts", str(verdicts))
    assert done.code == 0 and "a random candidate is correct in 40.0%" in done.out, done.err
    for arguments, word in (
        (["--select", "votes"], "--tests FOLDER"),
        (["--select", "oracle"], "no such rule"),
        (["--tests", "nowhere"], "no test scripts"),
        (["--family", "x=nobody*"], "--family"),
        (["-o", "chosen.txt"], "extensions"),
        (["--verdicts", "missing.json"], "cannot be read"),
    ):
        refused = room.ensemble("--run", "refused", *arguments)
        assert refused.code == 2 and word in refused.err and "Traceback" not in refused.err, refused.err
    assert not (room.folder / "runs" / "refused").exists()
    assert room("study", "judged", "--verdicts", "missing.json").code == 2
    assert room("study", "judged", "--grade", "everything").code == 2
    room.submit("beta_copy", [{"instance_id": ID, "model_patch": GOLD}])
    assert room.ensemble("--run", "moved", members="beta_copy alpha_1").code == 0
    room.submit("beta_copy", [{"instance_id": ID, "model_patch": WRONG}])
    changed = room("resume", "moved")
    assert changed.code == 2 and "has changed since" in changed.err


@pytest.mark.slow
def test_study_of_our_own_run(room: Room) -> None:
    """Stored trajectories: coverage by samples, turns and waves, tests and costs, once their edits are graded."""
    samples = ("-c", "generation.samples=3", "-c", "generation.wave=2", "-c", "generation.diversity=memory")
    assert room("solve", room.source, "-m", "fake", "--run", "own", *samples, "--sandbox", "local").code == 0
    done = room("study", "own", "--grade", "turns", "--sandbox", "local", "--json")
    assert done.code == 0, done.err
    study = json.loads(done.out)
    assert "3 patches of 1 tasks" in done.err
    assert [k for k, _ in study["coverage"]] == [1, 2, 3] and study["coverage"][2][1][0] == 0.0
    assert [(row["turn"], row["any"]) for row in study["turns"]] == [(1, 0.0), (2, 0.0)] and study["turn_tasks"] == 1
    assert study["tests"]["scripts"] == 1 and "1 graded tasks" in study["no_forecast"]
    waves = [(wave["wave"], wave["candidates"], wave["new"], wave["coverage"]) for wave in study["diversity"]["waves"]]
    assert study["diversity"]["how"] == "memory" and waves == [(1, 2, 2, 0.0), (2, 1, 1, 0.0)]
    assert "Later waves see: memory" in room("study", "own").out
    costs = {row["name"]: row["cost"] for row in study["rules"]}
    assert costs["votes"][0] == 6 and costs["votes"][2] > 0 and costs["shortest"] == [0, 0.0, 0, 0.0]
    # Grading leaves what the run itself left: its prediction, and the verdicts beside it.
    assert "not resolved" in room("show", "own", ID).out


@pytest.mark.slow
def test_conversation_survives_a_kill_and_pays_nothing_twice(tmp_path: Path, shared_home: Path) -> None:
    """Example tests and the selection conversation over real HTTP; the process is killed midway."""
    bench = Bench(tmp_path, shared_home)
    for name, patch in {"alpha": WRONG, "beta": GOLD, "gamma": COMMENTED}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({ID: {"model_patch": patch}}))
    members = ["alpha.json", "beta.json", "gamma.json"]
    with serve(slowly(0.5)) as endpoint:
        model = ["-m", MODEL, "--api-base", endpoint.url, "-c", "operation.prices=prices.json"]
        more = ["--sandbox", "local", "-c", "generation.samples=2", "-c", "operation.calls=1", "--budget", "5"]
        process = bench.start(
            "ensemble", *members, bench.source, "--run", "run", "--select", "conversation", *model, *more
        )
        wait_for(lambda: len(endpoint.requests) >= 2)
        process.kill()
        process.communicate()
    done_calls = "SELECT count(*) FROM call_steps WHERE state = 'done'"
    answered = bench.query(done_calls)[0][0]
    assert answered >= 1
    with serve(dry_run) as endpoint:
        done = bench("resume", "run", "--api-base", endpoint.url)
        assert done.code == 0, done.err
        assert len(endpoint.requests) == 5 - answered
    stages = bench.query("SELECT stage, count(*) FROM call_steps WHERE state = 'done' GROUP BY stage")
    assert dict(stages) == {"test": 4, "select": 1}
    assert bench.query("SELECT state, source FROM tasks JOIN candidates ON number = candidate") == [
        ("predicted", "beta")
    ]
    # What was in flight when the process died may have been billed.
    assert bench.query("SELECT count(*) FROM calls WHERE state = 'lost' AND cost_usd > 0")[0][0] == 1

"""Runs of models with a small window: settings are fitted before anything is spent, and every call fits."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import BadSettings
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.store import Journal
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.windows import Window
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.runs.windows import fit_settings, windows_of
from codemonkeys.selection.control_scripts import TITLE
from codemonkeys.selection.deciding import Choice
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox
from tests.models.endpoint import Endpoint, Reply, Seen, answer, serve, status
from tests.recorded import said_before, stage_of
from tests.rooms import MARKER

PRIMARY, SCAN, WRITER = (AnsweringModel(lambda request: "", name=name) for name in ("primary", "scan", "writer"))
MODELS = ModelSet(PRIMARY, SCAN, (WRITER,))
LARGE = Window(1_000_000, 64_000)


def fitted(windows: dict[str, Window], *configs: str) -> tuple[Settings, list[str]]:
    told: list[str] = []
    return fit_settings(load_settings(configs), MODELS, windows, told.append), told


@pytest.mark.parametrize(
    "windows", [{}, dict.fromkeys(("primary", "scan", "writer"), LARGE), {"writer": Window(200_000)}]
)
def test_settings_that_fit_stay_as_they_are(windows: dict[str, Window]) -> None:
    settings = load_settings()
    assert fit_settings(settings, MODELS, windows) is settings


@pytest.mark.parametrize(
    ("small", "lowered", "kept"),
    [
        ("scan", {"context.file_tokens", "context.outline_batch_tokens"}, {"context.tokens"}),
        (
            "writer",
            {"context.tokens", "context.most_tokens", "context.aim_tokens", "context.test_tokens"},
            {"context.file_tokens"},
        ),
        ("primary", {"context.tokens"}, {"context.file_tokens", "context.most_tokens"}),
    ],
)
def test_each_role_lowers_what_fills_its_prompts(small: str, lowered: set[str], kept: set[str]) -> None:
    windows = {**dict.fromkeys(("primary", "scan", "writer"), LARGE), small: Window(16_384)}
    settings, told = fitted(windows)
    named = {line.partition("=")[0] for line in told}
    assert lowered <= named and not named & kept
    assert all(f"more than {small} holds: its window of 16,384 tokens" in line for line in told)
    before, after = (values.model_dump() for values in (load_settings(), settings))
    for section, _, name in (setting.partition(".") for setting in named):
        assert after[section][name] < before[section][name]
    # What is fitted fits: nothing more is lowered, and nothing is said, the second time.
    assert fit_settings(settings, MODELS, windows, told.append) is settings


def test_tests_written_from_the_issue_alone_need_no_room_for_files() -> None:
    for early, expected in (("false", True), ("true", False)):
        _, told = fitted({"writer": Window(16_384)}, f"generation.early_tests={early}")
        assert any(line.startswith("context.test_tokens=") for line in told) == expected


def test_a_window_that_is_too_small_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(BadSettings, match=r"scan.*takes 4,096 tokens.*larger window"):
        fitted({"scan": Window(4_096)})
    with pytest.raises(BadSettings, match=r"context\.tokens=128,000 is more than writer holds.*context\.fit=lower"):
        fitted({"writer": Window(64_000)}, "context.fit=refuse")


NAME = "openai/small"
SIZE = 16_384
PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6, "max_input_tokens": SIZE}
EDIT = f"<<<<<<< SEARCH {MARKER} a.py\n    return 1\n======= {MARKER}\n    return 2\n>>>>>>> END {MARKER}"
TEST = f"<<<<<<< TEST {MARKER}\nimport a\n>>>>>>> END {MARKER}"
FILES = {
    "a.py": "def a():\n    return 1\n",
    **{f"{n}.py": f"def f{n}(x):\n    return x + {n}\n" * 250 for n in range(4)},
}


class SmallProvider:
    """Refuses what does not fit into its window, never approves of anything, and keeps its own bill."""

    def __init__(self, counted: float = 1.2) -> None:
        """`counted`: its tokens for one of ours."""
        self.counted = counted
        self.bill = 0.0
        self.refused = 0

    def __call__(self, seen: Seen) -> Reply:
        prompt = round(self.counted * count_tokens(seen.text))
        if prompt + seen.body["max_tokens"] > SIZE:
            self.refused += 1
            return status(
                400, code="context_length_exceeded", message="This model's maximum context length is 16384 tokens."
            )
        text = self.answer(seen)
        usage = {"prompt_tokens": prompt, "completion_tokens": round(self.counted * count_tokens(text))}
        self.bill += prompt * PRICES["input_cost_per_token"]
        self.bill += usage["completion_tokens"] * PRICES["output_cost_per_token"]
        return answer(text, {**usage, "total_tokens": sum(usage.values())})

    def answer(self, seen: Seen) -> str:
        stage, turn = stage_of(seen), len(said_before(seen))
        if stage == "relevance":
            count = seen.body["messages"][-1]["content"].count("File ")
            return json.dumps([{"file": n, "relevant": True, "summary": "It matters."} for n in range(1, count + 1)])
        if stage == "rank":
            return json.dumps(sorted(FILES))
        if stage == "select":
            return f"<<<<<<< CHOOSE {MARKER} 1"
        return f"{'So I think. ' * 250}\n{TEST if stage == 'test' else EDIT.replace('return 2', f'return {turn + 2}')}"


def chatty(script: str, patch: str | None) -> Execution:
    number = zlib.crc32(f"{script}{patch}".encode())  # each edit's output differs from the one before in every line
    output = "" if script.startswith(TITLE) else f"one line of output {number}\n" * 600
    return Execution(Reason.EXITED, 2 if patch is None or script.startswith(TITLE) else 0, output=output)


@contextmanager
def opened(folder: Path, snapshot: Snapshot, endpoint: Endpoint, registry: dict[str, Any]) -> Iterator[Work]:
    """The task in work against the endpoint, as a session opens it."""
    folder.mkdir(exist_ok=True)
    (folder / "prices.json").write_text(json.dumps({NAME: registry}))
    model = HostedModel(NAME, endpoint.url, registry=folder / "prices.json")
    models = ModelSet(model, model)
    settings = load_settings(generation={"samples": 2})
    windows = windows_of(models, settings.context.token_margin)
    with closing(Journal(folder, "run", "source", settings.model_dump(mode="json"), windows)) as journal:
        journal.add_tasks([TASK])
        steps = Steps(journal, models, AnsweringSandbox(chatty), settings.operation)
        prompts = Prompts(MARKER, None, {"repo": TASK.repo, "issue": TASK.issue})
        yield Work(TASK, snapshot, PLACE, fit_settings(settings, models, journal.windows), prompts, steps)
        steps.close()


def bodies(endpoint: Endpoint) -> Counter[str]:
    return Counter(json.dumps(seen.body, sort_keys=True) for seen in endpoint.requests)


async def solve(work: Work) -> Choice | None:
    """Solve the task; its connections are closed in the loop that they belong to."""
    try:
        return await solve_task(work)
    finally:
        await work.models.close()


@pytest.mark.slow
def test_a_run_within_16k_fits_and_is_resumed_with_the_same_requests(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot(FILES)
    whole, halved = SmallProvider(), SmallProvider()
    with serve(whole) as endpoint, opened(tmp_path / "whole", snapshot, endpoint, PRICES) as work:
        choice = asyncio.run(solve(work))
        assert choice is not None and choice.patch and not whole.refused, work.ended_early
        assert work.journal.calls.spent() == pytest.approx(whole.bill, rel=1e-9)
        expected = bodies(endpoint)
        assert any("left out, as the conversation" in seen.text for seen in endpoint.requests)
        # Outputs are left out in few steps: nearly every turn begins as the one before it.
        turns = [seen.body["messages"] for seen in endpoint.requests if stage_of(seen) == "edit"]
        assert max(len(messages) for messages in turns) == 8

    async def part(work: Work, endpoint: Endpoint) -> None:
        solving = asyncio.ensure_future(solve_task(work))
        while len(endpoint.requests) < 12:
            await asyncio.sleep(0.01)
        solving.cancel()
        await asyncio.wait([solving])
        work.steps.abort()
        await work.steps.in_flight.drain()
        await work.models.close()

    with serve(halved) as endpoint:
        with opened(tmp_path / "halved", snapshot, endpoint, PRICES) as work:
            asyncio.run(part(work, endpoint))
        # A newer list, which knows a larger window, changes nothing in a run that has begun.
        with opened(tmp_path / "halved", snapshot, endpoint, {**PRICES, "max_input_tokens": 1_000_000}) as work:
            again = asyncio.run(solve(work))
        assert again is not None and again.patch == choice.patch and not halved.refused
        assert bodies(endpoint).keys() == expected.keys()


@pytest.mark.slow
def test_a_provider_that_counts_far_more_refuses_late_turns_and_no_edit_is_lost(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    provider = SmallProvider(counted=2.0)
    with serve(provider) as endpoint, opened(tmp_path, make_snapshot(FILES), endpoint, PRICES) as work:
        choice = asyncio.run(solve(work))
        assert choice is not None and choice.patch and provider.refused
        early = [work.journal.note(TASK.id, "edit", sample, "ended early") for sample in range(2)]
        assert all(why and "context.tokens" in why for why in early)
        with run_files.reading(tmp_path / "run" / "run.db") as connection:
            calls = queries.rows(connection, "SELECT state, sum(cost_usd) AS usd FROM calls GROUP BY state")
        # What was answered costs what the provider counted; what it refused stays on the bill, as some charge for it.
        assert {row["state"]: row["usd"] for row in calls}["done"] == pytest.approx(provider.bill, rel=1e-9)
        assert work.journal.calls.spent() >= provider.bill

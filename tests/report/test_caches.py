"""What is told of providers' caches: hits and money saved by stage, and a warning where there should have been some."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.caches import CacheUse, cache_use
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.roles import ModelSet
from codemonkeys.report.tables import caches_line, missed_caches, summary_view
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox
from tests.report.test_task_view import text

PRICE = Price(1e-6, 4e-6, 1e-7, 1.25e-6, tiers=((10_000, Price(2e-6, 8e-6, 2e-7, 2.5e-6)),))
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))


class CachingModel(AnsweringModel):
    """Answers with the usages of a script, in order of turns."""

    def __init__(self, usages: list[Usage], price: Price | None) -> None:
        super().__init__(lambda request: "fine", "caching", price)
        self.usages = usages

    async def complete(self, request: Request) -> Completion:
        return Completion("fine", "stop", self.usages[request.key.turn], self.name)


def used(folder: Path, stage: str, usages: list[Usage], price: Price | None = PRICE) -> tuple[list[CacheUse], str]:
    """What is known of the caches of a run with these calls, and its summary."""
    model = CachingModel(usages, price)
    with closing(Journal(folder, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        steps = Steps(journal, ModelSet(model, model), SANDBOX, OperationSettings())

        async def ask() -> None:
            for turn in range(len(usages)):
                await steps.calls.call(Request(StepKey(TASK.id, stage, 0, turn), (Message("user", f"{turn}"),)))

        asyncio.run(ask())
        steps.close()
    with run_files.reading(folder / "run" / "run.db") as connection:
        uses = cache_use(connection)
        return uses, text(summary_view(queries.run_overview(connection) | {"caches": uses}))


def test_hit_rate_and_money_saved_at_the_price_of_each_call(tmp_path: Path) -> None:
    usages = [Usage(8_000, 10, 0, 8_000), Usage(12_000, 10, 8_000, 4_000)]
    (use,), told = used(tmp_path, "edit", usages)
    assert use.hit_rate == pytest.approx(0.4)
    # A write costs a quarter more; the second call is of the dearer tier.
    assert use.saved_usd == pytest.approx(-8_000 * 0.25e-6 + 8_000 * 1.8e-6 - 4_000 * 0.5e-6)
    assert caches_line([use], [{"cache_read_tokens": 8_000, "prompt_tokens": 20_000}]) == (
        "40% of the prompts was read from caches, which saved 0.01 USD"
    )
    dearer = replace(use, saved_usd=-0.25)
    assert caches_line([dearer], [{"cache_read_tokens": 8_000, "prompt_tokens": 20_000}]) == (
        "40% of the prompts was read from caches; writing to them cost 0.25 USD more than that saved"
    )
    assert "40%" in told and "saved" in told and "0.01 USD" in told and not missed_caches([use])


@pytest.mark.parametrize(
    ("stage", "usages", "price", "missed"),
    [
        ("edit", [Usage(9_000, 1)] * 4, PRICE, True),
        ("edit", [Usage(9_000, 1)] * 3, PRICE, False),
        ("edit", [Usage(900, 1)] * 4, PRICE, False),
        ("edit", [Usage(9_000, 1)] * 3 + [Usage(9_000, 1, 10)], PRICE, False),
        ("relevance", [Usage(9_000, 1)] * 4, PRICE, False),
        ("edit", [Usage(9_000, 1)] * 4, Price(1e-6, 4e-6, 1e-6, 1e-6), False),
        ("edit", [Usage(9_000, 1)] * 4, None, False),
    ],
)
def test_a_stage_that_should_have_hit_and_did_not_is_named(
    stage: str, usages: list[Usage], price: Price | None, missed: bool, tmp_path: Path
) -> None:
    (use,), told = used(tmp_path, stage, usages, price)
    assert use.missed is missed
    assert ("of 3 calls that begin like one before them, none was read" in " ".join(told.split())) is missed

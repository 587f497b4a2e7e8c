"""Upper bounds hold against an endpoint that counts as it likes: no more is ever charged than the budget."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemonkeys.engine.bounds import Size, UpperBounds
from codemonkeys.engine.steps import Steps
from codemonkeys.errors import BudgetReached
from codemonkeys.journal.settlement import Settlement
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.counting import UNKNOWN, Counting
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.tokens import count_tokens
from codemonkeys.settings import ModelLimits, OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox
from tests.models.endpoint import Reply, Seen, answer, serve

SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
PROMPT, COMPLETION = 3e-6, 15e-6
ENTRY = {
    "input_cost_per_token": PROMPT,
    "output_cost_per_token": COMPLETION,
    "cache_read_input_token_cost": PROMPT / 10,
    "cache_creation_input_token_cost": PROMPT * 1.25,
    "cache_creation_input_token_cost_above_1hr": PROMPT * 2,
}
WORDS = "def function(value): return value + 1\n# a line of prose, as it stands in source code\n"


class Provider:
    """Counts from 1.0 to 2.2 times as many tokens as cl100k, now so and now so, and adds up what it charges."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._factor, self._left = 1.0, 0
        self.bill = 0.0

    def __call__(self, seen: Seen) -> Reply:
        draw = self._random
        if self._left == 0:
            self._factor, self._left = draw.choice([1.0, 1.1, draw.uniform(1.0, 2.2), 2.2]), draw.randrange(1, 80)
        self._left -= 1
        prompt = round(self._factor * count_tokens(seen.text)) + draw.randrange(16)
        written, longest = draw.randrange(prompt + 1), seen.body["max_tokens"]
        hour = draw.choice([0, written, draw.randrange(written + 1)])
        read = draw.randrange(prompt - written + 1)
        completion = draw.choice([longest, draw.randrange(1, longest + 1)])
        # Within the limit of the answer, or beside it, where it may be as long again.
        beside = longest if draw.random() < 0.3 and completion < longest else 0
        output = completion + beside
        self.bill += (prompt - written - read) * PROMPT + read * PROMPT / 10 + output * COMPLETION
        self.bill += (written - hour) * PROMPT * 1.25 + hour * PROMPT * 2
        kept = {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": written - hour}
        details = {"cached_tokens": read, "cache_creation_tokens": written, "cache_creation_token_details": kept}
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + output,
            "prompt_tokens_details": details,
            "cache_creation_input_tokens": written,
            "completion_tokens_details": {"reasoning_tokens": beside},
        }
        return answer("Hello.", usage, seconds=draw.random() * 0.02)


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.floats(0.05, 2.0))
def test_sixty_four_in_flight_never_pass_the_budget_however_the_endpoint_counts(
    tmp_path: Path, seed: int, limit: float
) -> None:
    rng, provider, refused = random.Random(seed), Provider(seed), list[float]()
    registry = tmp_path / "prices.json"
    registry.write_text(json.dumps({"openai/test": ENTRY}))

    async def run(url: str) -> None:
        model = HostedModel("openai/test", url, concurrency=64, registry=registry)
        steps = Steps(journal, ModelSet(model, model), SANDBOX, OperationSettings(budget=limit, calls=64))

        async def worker(number: int) -> None:
            for turn in range(2):
                text = Message("user", f"{number} {turn} {WORDS * rng.randrange(300)}")
                key = StepKey(TASK.id, "edit", number, turn)
                request = Request(key, (text,), max_tokens=rng.randint(20, 2_000), cache=True)
                try:
                    await steps.calls.call(request)
                except BudgetReached:
                    refused.append(
                        steps.calls.bounds.of(request, model, await steps.calls.bounds.measure(request, model))
                    )
                assert journal.calls.spent() <= limit + 1e-9
                assert provider.bill <= limit + 1e-9

        await asyncio.gather(*(worker(number) for number in range(64)))
        await steps.in_flight.drain()
        steps.close()
        await model.close()

    name = f"run-{uuid.uuid4()}"
    with closing(Journal(tmp_path, name, "source", {})) as journal, serve(provider) as endpoint:
        journal.add_tasks([TASK])
        asyncio.run(run(endpoint.url))
        spent = journal.calls.spent()
    assert spent == pytest.approx(provider.bill, abs=1e-9), "the bill is the endpoint's, to the token"
    with closing(Journal(tmp_path, name, "source", {})) as journal:
        assert journal.calls.spent() == pytest.approx(spent, abs=1e-9)
    assert not refused or limit - spent < max(refused) + 1e-9


def bounds_of(journal: Journal, **operation: object) -> UpperBounds:
    return UpperBounds(journal.calls, OperationSettings.model_validate(operation))


def model_of(counting: Counting = UNKNOWN) -> AnsweringModel:
    return AnsweringModel(lambda request: "x", price=Price(prompt=1.0, completion=1000.0), counting=counting)


def test_a_tokeniser_that_is_not_known_is_first_taken_to_count_bytes(tmp_path: Path) -> None:
    """Then as what its answers show, and never less than was expected of it: it may change its mind."""
    model, size = model_of(), Size(1_000, 4_000)
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        journal.put_price(model.name, model.price)
        bounds = bounds_of(journal)
        assert bounds.prompt_tokens(model, size) == 4_000 + 256
        seen = []
        for number, counted in enumerate((1_000, 3_256, 2_000)):
            request = Request(StepKey(TASK.id, "edit", number), (Message("user", "Hello"),))
            step = journal.calls.begin(request, model.name, 10_000.0, None)
            journal.calls.finish(step, Completion("x", "stop", Usage(counted, 1), "m"), Settlement(1.0, 1_000))
            seen.append(bounds.prompt_tokens(model, size))
        assert seen == pytest.approx([2_300 + 256, 3_000 * 1.25 + 256, 3_000 * 1.25 + 256])
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        assert bounds_of(journal).prompt_tokens(model, size) == pytest.approx(seen[-1]), "a resumed run knows"


def test_what_the_settings_say_of_a_tokeniser_goes_first(tmp_path: Path) -> None:
    model, size = model_of(), Size(1_000, 4_000)
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        every = bounds_of(journal, token_ratio=1.5, reasoning_beside=False)
        assert every.of_size(model, size, 7) == 1_500 + 7 * 1000
        own = bounds_of(journal, token_ratio=1.5, models={model.name: ModelLimits(token_ratio=2.0)})
        assert own.of_size(model, size, 7) == 2_000 + 2 * 7 * 1000
        thinking = own.of_size(model, size, 7, Parameters(thinking_tokens=3))
        assert thinking == 2_000 + 10 * 1000, "reasoning beside the answer has a limit of its own"

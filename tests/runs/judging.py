"""A model with a price that judges, for tests that count what it is asked; it finds the last candidate right."""

from __future__ import annotations

from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.fake_answers import answer
from codemonkeys.settings import OperationSettings
from codemonkeys.stages import JUDGE, base_stage

ASKED: list[Request] = []
"""Every request of this process, in order."""
RIGHT = "trajectory 2"
"""What stands in the candidate that it finds right."""


class Judging:
    """Costs a cent a token, and answers as the fake model does, but for its judgements."""

    name = "judging"
    price: Price | None = Price(0.01, 0.01)

    def count_tokens(self, text: str) -> int:
        return 1

    async def complete(self, request: Request) -> Completion:
        ASKED.append(request)
        judges = base_stage(request.key.stage) == JUDGE.name
        text = answer(request) if not judges else "YES" if RIGHT in request.messages[-1].content else "NO"
        return Completion(text, "stop", Usage(10, 1), self.name)

    async def close(self) -> None:
        """Nothing is open."""


def open_model(name: str, operation: OperationSettings) -> Judging:
    return Judging()

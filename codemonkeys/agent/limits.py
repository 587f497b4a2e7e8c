"""The limits of one agent, by what its stored steps have used: a resumed run comes to the same decisions."""

from __future__ import annotations

from codemonkeys.engine.work import Work
from codemonkeys.errors import AgentLimitReached
from codemonkeys.stages import AGENT


def limit_reached(work: Work, sample: int, turn: int) -> AgentLimitReached | None:
    """Which limit an agent has reached with a turn; None if it may go on."""
    settings = work.settings.agent
    used = work.journal.conversation_use(work.task.id, AGENT.name, sample, turn)
    for name, most, amount in (
        ("tokens", settings.tokens, used.tokens),
        ("usd", settings.usd, used.usd),
        ("seconds", settings.seconds, used.seconds),
    ):
        if most is not None and amount >= most:
            return AgentLimitReached(
                f"agent.{name}={most:g} is reached after {turn + 1} steps. Raise it for longer ones"
            )
    return None

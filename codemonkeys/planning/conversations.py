"""Typical conversations, in tokens.

They follow the CodeMonkeys paper (arXiv 2501.14723). Its Table 1 lists dollars by stage and kind of token for 10
samples of 8 turns on 500 tasks, which gives the tokens of a trajectory; its Figure 5 shows how many trajectories
continue after each turn. `tests/planning` checks that these numbers reproduce the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from codemonkeys.models.base import Usage


@dataclass(frozen=True)
class ConversationProfile:
    """A typical conversation of a stage, in tokens."""

    continuing: tuple[float, ...]
    """Share of conversations that make the first, second, ... call; the last value holds for all later calls."""
    answer: int
    """Length of an answer."""
    first: int
    """Length of a sample's first message, without the template."""
    reply: int
    """Length of a message with an execution's result."""

    def share(self, turn: int) -> float:
        """Share of conversations that make a call in a turn, from 0."""
        return self.continuing[min(turn, len(self.continuing) - 1)]


EDIT_PROFILE = ConversationProfile((1, 1, 0.83, 0.66, 0.57, 0.51, 0.46, 0.41), answer=870, first=1_500, reply=1_300)
TEST_PROFILE = ConversationProfile((1, 1, 0.65, 0.45, 0.32, 0.24, 0.19, 0.15), answer=985, first=100, reply=900)
SELECT_PROFILE = ConversationProfile((1, 1, 1, 1, 0.5, 0.3, 0.1, 0.1, 0, 0), answer=1_360, first=100, reply=2_300)
AGENT_PROFILE = ConversationProfile(
    (*(1.0,) * 8, *(0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4), *(0.35, 0.3, 0.25), 0.2),
    answer=300,
    first=200,
    reply=900,
)
"""Of an agent: an assumption, until a run of yours tells more (`--experience`). About twenty short steps."""
PATCH = 600
"""Tokens of a candidate's patch."""
JUDGE_PROFILE = ConversationProfile((1,), answer=700, first=PATCH, reply=0)


@dataclass(frozen=True)
class Conversations:
    """Equal conversations that share a system message; all but the first read it from the provider's cache."""

    count: int
    turns: int
    system: int
    first: int
    profile: ConversationProfile

    def usage(self) -> tuple[float, Usage]:
        """Expected number of calls, and their tokens."""
        if not self.count or not self.turns:
            return 0.0, Usage()
        shares = [self.profile.share(turn) for turn in range(self.turns)]
        grown = self.profile.answer + self.profile.reply
        calls = self.count * sum(shares)
        # Every call reads the cache entry of the call before it: the system message and all but the newest messages.
        read = sum(
            share * (self.system + (self.first + (turn - 1) * grown if turn else 0))
            for turn, share in enumerate(shares)
        )
        written = self.first + sum(shares[1:]) * grown
        cache_read = round(self.count * read - self.system)
        cache_write = round(self.count * written + self.system)
        return calls, Usage(cache_read + cache_write, round(calls * self.profile.answer), cache_read, cache_write)

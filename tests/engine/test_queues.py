"""Priority queues in front of limited resources, on clocks that tests move."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.engine.queues import ExecutionSlots, Priority, PriorityQueue, Resource, priority, priority_to_begin
from codemonkeys.models.throttle import Throttle, TokenBucket
from sandboxes.base import Capacity

BEGIN = "begin"


def test_later_stages_of_earlier_tasks_go_first_and_beginning_goes_last() -> None:
    order = [("select", 0), ("select", 9), ("votes", 0), ("edit", 0), ("edit", 1), ("rank", 0), ("test", 0)]
    order += [("relevance", 1), (BEGIN, 0), (BEGIN, 7)]
    asked = random.Random(1).sample(order, len(order))
    went: list[tuple[str, int]] = []

    async def one(queue: PriorityQueue, stage: str, position: int) -> None:
        async with queue.slot(priority_to_begin(position) if stage == BEGIN else priority(stage, position)):
            went.append((stage, position))
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        queue = PriorityQueue(ExecutionSlots(1, 1000))
        async with queue.slot(Priority(-100, 0)):
            waiting = [asyncio.ensure_future(one(queue, *who)) for who in asked]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    asyncio.run(all_of_them())
    assert went == order


def test_at_the_end_of_a_run_earlier_stages_and_turns_go_first_also_of_those_that_wait() -> None:
    order = [(BEGIN, 0, 0), ("relevance", 3, 0), ("test", 1, 0), ("test", 2, 0), ("test", 0, 1), ("edit", 0, 0)]
    order += [("edit", 0, 2), ("select", 0, 0)]
    asked = random.Random(1).sample(order, len(order))
    went: list[tuple[str, int, int]] = []
    ends = False

    async def one(queue: PriorityQueue, stage: str, position: int, turn: int) -> None:
        level = priority_to_begin(position) if stage == BEGIN else priority(stage, position, turn)
        async with queue.slot(level, owner=str(position)):
            went.append((stage, position, turn))
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        nonlocal ends
        queue = PriorityQueue(ExecutionSlots(1, 1000), ends=lambda: ends)
        async with queue.slot(Priority(-100, 0)):
            waiting = [asyncio.ensure_future(one(queue, *who)) for who in asked]
            await asyncio.sleep(0)
            ends = True
        await asyncio.gather(*waiting)

    asyncio.run(all_of_them())
    assert went == order


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 5), st.integers(1, 100), st.randoms())
def test_no_more_than_fits_and_everybody_has_a_turn(
    sizes: list[int], most: int, memory: int, rng: random.Random
) -> None:
    """Whoever is cancelled while waiting, or just when the turn comes, leaves no place taken."""
    inside: list[int] = []
    ended = 0

    async def one(queue: PriorityQueue, size: int) -> None:
        nonlocal ended
        async with queue.slot(Priority(0, 0), size):
            inside.append(size)
            try:
                assert len(inside) <= most
                assert len(inside) == 1 or sum(inside) <= memory
                await asyncio.sleep(0)
            finally:
                inside.remove(size)
        ended += 1

    async def all_of_them() -> int:
        queue = PriorityQueue(ExecutionSlots(most, memory))
        running = [asyncio.ensure_future(one(queue, size)) for size in sizes]
        for _ in range(rng.randrange(5)):
            await asyncio.sleep(0)
        for task in rng.sample(running, len(running) // 3):
            task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 10)
        async with asyncio.timeout(10):
            await asyncio.gather(*(one(queue, 1) for _ in range(most)))
        return sum(isinstance(result, asyncio.CancelledError) for result in results)

    cancelled = asyncio.run(all_of_them())
    assert ended == len(sizes) - cancelled + most


def test_who_holds_a_share_goes_after_those_that_hold_less() -> None:
    """One task floods the queue at a later stage: another still gets its share, and the rest goes to the first."""
    went: list[str] = []

    async def one(queue: PriorityQueue, stage: str, owner: str) -> None:
        async with queue.slot(priority(stage, 0), owner=owner):
            went.append(owner)
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        queue = PriorityQueue(ExecutionSlots(4, 1000), share=lambda: 2)
        big = [asyncio.ensure_future(one(queue, "votes", "big")) for _ in range(40)]
        await asyncio.sleep(0)
        small = [asyncio.ensure_future(one(queue, "edit", "small")) for _ in range(6)]
        await asyncio.gather(*big, *small)

    asyncio.run(all_of_them())
    assert went[:4] == ["big"] * 4  # nobody else was there
    last = max(number for number, owner in enumerate(went) if owner == "small")
    assert last < 4 + 2 * 6 + 2
    assert went[last + 1 :] == ["big"] * (46 - last - 1)


class SharedSlots(ExecutionSlots):
    """Slots of owners that are told by the size; checks that nobody goes beyond the share before others had theirs."""

    def __init__(self, most: int, share: int) -> None:
        super().__init__(most, 1000)
        self.share = share
        self.held: Counter[int] = Counter()
        self.waiting: Counter[int] = Counter()

    def acquire(self, size: int) -> float:
        if (seconds := super().acquire(1)) == 0:
            if self.held[size] >= self.share:
                assert not any(self.waiting[other] and self.held[other] < self.share for other in range(3))
            self.held[size] += 1
            self.waiting[size] -= 1
        return seconds

    def release(self, size: int) -> None:
        super().release(1)
        self.held[size] -= 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40), st.integers(1, 4), st.integers(1, 9))
def test_nobody_goes_beyond_the_share_while_others_with_less_wait(
    asked: list[tuple[int, int]], share: int, most: int
) -> None:
    slots = SharedSlots(most, share)

    async def one(queue: PriorityQueue, owner: int, turns: int) -> None:
        slots.waiting[owner] += 1
        async with queue.slot(Priority(-owner, 0), owner, str(owner)):
            for _ in range(turns):
                await asyncio.sleep(0)

    async def all_of_them() -> None:
        queue = PriorityQueue(slots, lambda: share)
        await asyncio.wait_for(asyncio.gather(*(one(queue, *request) for request in asked)), 10)

    asyncio.run(all_of_them())
    assert not any(slots.held.values()) and not any(slots.waiting.values())


def fill(room: Resource, size: int = 1) -> int:
    """How many fit in."""
    count = 0
    while room.acquire(size) == 0:
        count += 1
    return count


def test_concurrency_backs_off_once_for_all_calls_under_way_and_recovers() -> None:
    throttle = Throttle(10)
    assert fill(throttle) == 10
    for _ in range(10):  # All ten are refused, but they went out together.
        throttle.too_many(0)
    assert throttle.concurrency == pytest.approx(7)
    throttle.too_many(throttle.reductions)
    assert throttle.concurrency == pytest.approx(4.9)
    for _ in range(100):
        throttle.too_many(throttle.reductions)
    assert throttle.concurrency == 1
    rounds = 0
    while throttle.concurrency < 10:
        throttle.answered(0)
        rounds += 1
    assert 40 <= rounds <= 60  # One more for each round of calls: about the sum of 1 to 9.
    throttle.answered(0)
    assert throttle.concurrency == 10


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_a_minute_holds_so_many_requests_and_tokens() -> None:
    clock = Clock()
    throttle = Throttle(1000, requests_per_minute=60, tokens_per_minute=6000, clock=clock)
    assert fill(throttle, 10) == 60
    assert throttle.acquire(10) == pytest.approx(1)
    clock.time += 30
    assert fill(throttle, 100) == 30  # 30 requests and 3000 tokens came back, of 5400 and 600 left.
    clock.time += 60
    assert throttle.acquire(9000) == 0  # Larger than a minute's: it goes when a whole minute is there,
    assert throttle.acquire(10) == pytest.approx(30.1)  # and the next ones make up for it.
    throttle.count_attempt(600)
    assert throttle.acquire(10) == pytest.approx(36.1)


def test_clock_that_goes_back_takes_nothing_away() -> None:
    clock = Clock()
    allowance = TokenBucket(60, clock)
    allowance.take(30)
    clock.time -= 10_000
    assert allowance.wait(30) == 0
    allowance.take(30)
    clock.time += 10
    assert allowance.wait(10) == 0
    clock.time += 1e9
    assert allowance.wait(60) == 0 and allowance.wait(1e6) == 0


def test_waiting_for_a_minute_ends_by_itself() -> None:
    async def two() -> None:
        queue = PriorityQueue(Throttle(5, requests_per_minute=1200))
        queue.resource._requests.take(1200)  # type: ignore[attr-defined]
        for _ in range(2):
            async with queue.slot(Priority(0, 0)):
                pass

    asyncio.run(asyncio.wait_for(two(), 10))


def test_memory_limits_executions_but_one_always_runs() -> None:
    assert fill(ExecutionSlots(8, 10_000), 4_096) == 2
    assert fill(ExecutionSlots(8, 100), 4_096) == 1
    assert ExecutionSlots(1, 100).acquire(1) == 0 != math.inf


def test_executions_follow_a_cluster_that_grows_and_shrinks() -> None:
    """Where nothing is set; what is set limits it further."""
    now = Capacity(2, 1000, 2)
    slots = ExecutionSlots(None, None, lambda: now)
    assert fill(slots, 100) == 2
    now = Capacity(4, 350, 2)
    assert fill(slots, 100) == 1
    now = Capacity(0, 0, 0)
    assert fill(slots, 100) == 0 and fill(ExecutionSlots(None, None, lambda: now), 100) == 1
    now = Capacity(64, 1000, 4)
    assert fill(ExecutionSlots(3, None, lambda: now), 100) == 3
    assert fill(ExecutionSlots(None, 500, lambda: now), 100) == 5


def test_a_cluster_is_given_more_than_fits_unless_that_is_limited() -> None:
    """While some wait for the node that has their environment, others find cores that would idle."""
    now = Capacity(4, 1000, 2)
    assert fill(ExecutionSlots(None, None, lambda: now, 2), 100) == 8
    assert fill(ExecutionSlots(None, None, lambda: now, 2), 400) == 5
    assert fill(ExecutionSlots(3, None, lambda: now, 2), 100) == 3
    assert fill(ExecutionSlots(None, 250, lambda: now, 2), 100) == 2

"""The money of a run: what a call may use of it, so that every task begun can end with a prediction.

A task that begins reserves its minimum, stage by stage: the least that leads to one candidate. Only that stage of that
task may use a reserve. Besides, each task has its part of the share that is kept for selection. So calls that are nice
to have, such as a tenth sample, end before those that a begun task needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from codemonkeys.errors import BudgetReached
from codemonkeys.keys import StepKey
from codemonkeys.settings import OperationSettings
from codemonkeys.stages import RESERVES, SELECT, reserve_of, sharing
from codemonkeys.wording import option

SELECTION = reserve_of(SELECT.name)

TOLERANCE = 1e-9
"""What a sum of prices may be off, in US dollars: far below what anything costs."""


class Bill(Protocol):
    """What has been spent or reserved so far."""

    def spent(self, task: str | None = None, stage: str | None = None) -> float:
        """US dollars of the run, of a task, or of one of its stages."""
        ...

    def bookings(self, task: str) -> int:
        """How often a task's bill has changed."""
        ...


class SpendLimits(NamedTuple):
    """What the bill may come to with a call, in US dollars; None: no limit."""

    run: float | None
    task: float | None


class Budget:
    """Reserves money for the tasks begun."""

    def __init__(self, bill: Bill, operation: OperationSettings, tasks: int = 1) -> None:
        """`tasks`: how many the run has."""
        self._bill = bill
        self._run, self._task = operation.budget, operation.task_budget
        self._share = operation.selection_share
        self.tasks = tasks
        self._reserves: dict[str, dict[str, float]] = {}
        """For each task begun, the minimum of each of its reserves."""
        self._sums: dict[str, tuple[int, float]] = {}
        """What is left of that, selection included, after so many bookings on the task's bill."""
        self._unsettled = 0
        self._change = asyncio.Event()

    async def begin(self, task: str, minimum: Mapping[str, float]) -> None:
        """Reserve a task's minimum, in US dollars by reserve; see `afford`."""
        await self.afford(task, minimum)
        self._reserves[task] = dict(minimum)
        self._sums.pop(task, None)

    async def afford(self, task: str, minimum: Mapping[str, float]) -> None:
        """See that a task's minimum can be paid, waiting while tasks in work may leave enough.

        Raises BudgetReached if they do not: the task is not begun, and costs nothing more.
        """
        needed = sum(self._left(task, stage, amount) for stage, amount in minimum.items())
        while (lacking := self._lacking(task, needed)) is not None:
            if not self._reserves and not self._unsettled:
                raise BudgetReached(f"{task} is not begun: {lacking}")
            await self.change.wait()

    def _lacking(self, task: str, needed: float) -> str | None:
        needs = f"to end with a prediction it may need {needed:.4f} USD"
        if self._run is not None:
            left = self._run - self._bill.spent() - self._reserved_by_others(task, None)
            if needed + self._kept_for_selection(task) > left:
                of_all = f"{max(0.0, left):.4f} of the budget of {self._run:.2f} USD"
                return f"{needs} besides its selection, and {of_all} are left. Raise it with {option('budget', 'USD')}"
        if self._task is not None:
            left = self._task - self._bill.spent(task)
            if needed + self._share * self._task > left:
                of_its_own = f"{max(0.0, left):.4f} USD of its own"
                raised = option("task_budget", "USD")
                return f"{needs} besides its selection, and {of_its_own} are left. Raise them with {raised}"
        return None

    def end(self, task: str) -> None:
        """The task has ended: its reserves are released."""
        self._reserves.pop(task, None)
        self._changed()

    def limits(self, key: StepKey) -> SpendLimits:
        """What the bill may come to with a call of a stage of a task."""
        run = task = None
        reserve = reserve_of(key.stage)
        if self._run is not None:
            run = self._run - self._reserved_by_others(key.task, reserve)
        if self._task is not None:
            own = self._share * self._task if reserve != SELECTION and key.task in self._reserves else 0.0
            task = self._task - own - self._reserved(key.task, reserve)
        return SpendLimits(run, task)

    def fits(self, key: StepKey, bound: float) -> bool:
        """Whether a call that may cost so much could go out now."""
        run, task = self.limits(key)
        return (run is None or self._bill.spent() + bound <= run + TOLERANCE) and (
            task is None or self._bill.spent(key.task) + bound <= task + TOLERANCE
        )

    def _reserved_by_others(self, task: str, stage: str | None) -> float:
        total = sum(self._sum(other) for other in self._reserves if other != task)
        if stage is not None and task in self._reserves:
            total += self._reserved(task, stage) + (stage != SELECTION) * self._kept_for_selection(task)
        return total

    def _sum(self, task: str) -> float:
        bookings = self._bill.bookings(task)
        if task not in self._sums or self._sums[task][0] != bookings:
            self._sums[task] = bookings, self._reserved(task, None) + self._kept_for_selection(task)
        return self._sums[task][1]

    def _reserved(self, task: str, besides: str | None) -> float:
        stages = self._reserves.get(task, {})
        return sum(self._left(task, stage, amount) for stage, amount in stages.items() if stage != besides)

    def _left(self, task: str, stage: str, amount: float) -> float:
        spent = sum(self._bill.spent(task, each) for each in sharing(stage))
        return max(0.0, amount - spent)

    def _kept_for_selection(self, task: str) -> float:
        return self._left(task, SELECTION, self._share * (self._run or 0.0) / max(1, self.tasks))

    def reserved(self, key: StepKey) -> None:
        """A call's upper bound is on the bill: to be told at once, or what was reserved for it counts twice."""
        self._unsettled += 1
        reserves, reserve = self._reserves.get(key.task, {}), reserve_of(key.stage)
        # Once a later stage has begun, money for an earlier one is free again.
        for earlier in RESERVES[: RESERVES.index(reserve)] if reserve in RESERVES else ():
            reserves.pop(earlier, None)
        self._sums.pop(key.task, None)

    def settled(self, key: StepKey) -> None:
        """A call's cost is known."""
        self._unsettled -= 1
        self._changed()

    @property
    def may_change(self) -> bool:
        """Whether what is reserved now may come out cheaper."""
        return self._unsettled > 0

    @property
    def change(self) -> asyncio.Event:
        """Set when a call has settled or a task has ended after now: to be asked for before what it may change."""
        return self._change

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

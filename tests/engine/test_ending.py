"""When the last tasks of a run level off."""

from __future__ import annotations

import pytest

from codemonkeys.engine.ending import Ending
from codemonkeys.settings import load_settings


@pytest.mark.parametrize(
    ("tasks", "calls", "at_once", "samples", "wave", "last"),
    [
        (60, 32, 16, 10, None, 12),  # what fills the slots, four times
        (500, 32, 16, 1, None, -1),  # as many may not be under way
        (20, 32, 16, 10, None, 5),  # no more than a quarter of all
        (60, 32, 16, 20, 10, 12),  # a wave is what runs at once
        (3, 32, 16, 10, None, 0),
    ],
)
def test_the_last_tasks_are_those_that_no_longer_fill_the_slots(
    tasks: int, calls: int, at_once: int, samples: int, wave: int | None, last: int
) -> None:
    settings = load_settings(
        operation={"calls": calls, "tasks": at_once}, generation={"samples": samples, "wave": wave}
    )
    ending = Ending()
    ending.expect(tasks, settings)
    near = []
    for ending.left in range(tasks, -1, -1):
        near += [ending.left] * ending.is_near
    assert near == list(range(last, -1, -1))


@pytest.mark.parametrize(
    ("tasks", "machines", "last"),
    [
        (800, 8, 48),  # each is home to six of the last ones
        (200, 64, 100),  # no more than half of all
        (3, 8, 1),
        (800, 0, 0),  # no machine is up
    ],
)
def test_on_several_machines_the_last_tasks_are_those_that_no_longer_fill_them(
    tasks: int, machines: int, last: int
) -> None:
    ending = Ending()
    assert not ending.is_near_on(machines)  # nothing is known of any task
    ending.expect(tasks, load_settings())
    near = []
    for ending.left in range(tasks, -1, -1):
        near += [ending.left] * ending.is_near_on(machines)
    assert near == list(range(last, -1, -1))

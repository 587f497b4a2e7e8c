"""Parameters of a call: part of what is asked, and of nothing where none is given."""

from __future__ import annotations

from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.parameters import Parameters

KEY = StepKey("task", "edit", 0, 0)
MESSAGES = (Message("user", "Hello"),)


def test_a_request_without_parameters_has_the_hash_that_older_runs_stored() -> None:
    stored = "62fe150747c0f3d1b31c5140434eec7240aca637743bd09ec2fb359fd95dad9e"
    assert Request(KEY, MESSAGES).hash("openai/test") == stored


def test_each_parameter_changes_the_hash() -> None:
    asked = [
        Parameters(),
        Parameters(effort="high"),
        Parameters(effort="low"),
        Parameters(thinking_tokens=1024),
        Parameters(temperature=0.0),
        Parameters(top_p=0.9),
        Parameters(max_tokens=100),
        Parameters(service_tier="flex"),
        Parameters(api="responses"),
        Parameters(extra_body={"seed": 1}),
        Parameters(extra_headers={"x-title": "t"}),
    ]
    hashes = {Request(KEY, MESSAGES, parameters=each).hash("openai/test") for each in asked}
    assert len(hashes) == len(asked)


def test_the_order_of_further_fields_does_not_matter() -> None:
    first, second = Parameters(extra_body={"a": 1, "b": 2}), Parameters(extra_body={"b": 2, "a": 1})
    assert Request(KEY, MESSAGES, parameters=first).hash("m") == Request(KEY, MESSAGES, parameters=second).hash("m")

"""Windows of models: what litellm's list and a registry file tell, read cautiously."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.windows import Window, Windowed, read_window, window_of


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"max_input_tokens": 200_000, "max_output_tokens": 64_000, "max_tokens": 64_000}, Window(200_000, 64_000)),
        # The window includes the answer, which is not bounded by itself.
        ({"max_input_tokens": 8_191, "max_output_tokens": 8_191, "max_tokens": 8_191}, Window(8_191)),
        ({"max_input_tokens": 8_192, "max_output_tokens": 32_000}, Window(8_192)),
        ({"max_input_tokens": 4_097, "max_tokens": 4_097}, Window(4_097)),
        ({"max_input_tokens": 262_144}, Window(262_144)),
        ({"max_input_tokens": 1_000_000, "max_output_tokens": 8_192}, Window(1_000_000, 8_192)),
        # Only the answer is known; and one number that may be either, taken as the smaller.
        ({"max_output_tokens": 8_192, "max_tokens": 8_192}, Window(None, 8_192)),
        ({"max_tokens": 1_000}, Window(1_000)),
        ({}, None),
        ({"max_input_tokens": "max input tokens, if the provider specifies it"}, None),
    ],
)
def test_entries_are_read_cautiously(entry: dict[str, Any], window: Window | None) -> None:
    assert read_window(entry) == window


def test_registry_is_asked_first_and_what_it_does_not_say_is_in_the_list(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"openai/mine": {"max_input_tokens": 16_384}, "openai/gpt-4o": {"input_cost": 1}}))
    assert window_of("openai/mine", file) == Window(16_384)
    assert window_of("openai/gpt-4o", file) == window_of("openai/gpt-4o") == Window(128_000, 16_384)
    assert window_of("openai/nobody-knows-it") is None
    model = HostedModel("openai/mine", registry=file)
    assert isinstance(model, Windowed) and model.window == Window(16_384)


@pytest.mark.parametrize("length", [0, -5, 1.5, "many", True])
def test_a_length_that_is_none_is_refused_by_name(length: object, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"openai/mine": {"max_input_tokens": length}}))
    with pytest.raises(BadSettings, match="max_input_tokens must be a whole number"):
        window_of("openai/mine", file)

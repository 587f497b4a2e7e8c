"""Keys as messages show them: samples, tests and turns count from 1, candidates have their numbers."""

import pytest

from codemonkeys.keys import StepKey


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (StepKey("a__b-1", "edit", 0, 3), "a__b-1 edit sample 1 turn 4"),
        (StepKey("a__b-1", "test", 2, 0, "original"), "a__b-1 test sample 3 turn 1 original"),
        (StepKey("a__b-1", "votes", 2, 0, "edited"), "a__b-1 votes test 1 on candidate 2"),
        (StepKey("a__b-1", "votes", 0, 4, "original"), "a__b-1 votes test 5 on the unedited code"),
        (StepKey("a__b-1", "votes", 2, 5, "plain control"), "a__b-1 votes plain control on candidate 2"),
        (
            StepKey("a__b-1", "votes", 0, 5, "plain control of 3"),
            "a__b-1 votes plain control of 3 on the unedited code",
        ),
        (StepKey("a__b-1", "votes", 0, 0, "applied"), "a__b-1 votes submission 1 applied"),
        (StepKey("a__b-1", "regression", 3, 5, "edited"), "a__b-1 regression on candidate 3"),
        (StepKey("a__b-1", "select", 2, 1, "edited"), "a__b-1 select turn 2 on candidate 2"),
        (StepKey("a__b-1", "select", 0, 1), "a__b-1 select sample 1 turn 2"),
    ],
)
def test_a_key_counts_as_the_tables_do(key: StepKey, shown: str) -> None:
    assert str(key) == shown

"""Settings that mean nothing in an ensemble, whose candidates are given and not drawn."""

from __future__ import annotations

from codemonkeys.settings import Settings

OF_DRAWING: dict[str, tuple[str, ...]] = {
    "generation": (
        *("branch", "diversity", "distill_best", "distill_by", "distill_characters", "edit_turns", "fuse_best"),
        *("layers", "memory_characters", "parents", "readings", "repository_tests", "wave"),
    ),
    "agent": (),
    "compute": (),
    "search": (),
    "selection": ("stop", "wrong_worth", "sample_cost", "accepts_right", "refuses_wrong"),
}
"""Settings, by section, that decide how candidates are drawn and how many; of a section without names, all."""


def without_effect(settings: Settings) -> list[str]:
    """The settings of these that differ from their defaults, by name."""
    found: list[str] = []
    for section, names in OF_DRAWING.items():
        given = getattr(settings, section)
        default = type(given)()
        changed = (name for name in names or type(given).model_fields if getattr(given, name) != getattr(default, name))
        found += [f"{section}.{name}" for name in changed]
    return found


def remark_on(settings: Settings) -> str:
    """What to tell of them before anything is spent; empty if there are none."""
    names = without_effect(settings)
    if not names:
        return ""
    verb = "has" if len(names) == 1 else "have"
    return (
        f"{', '.join(names)} {verb} no effect here: an ensemble chooses among the patches it is given, and draws none"
    )

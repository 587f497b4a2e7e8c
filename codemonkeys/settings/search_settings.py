"""Settings of the search over contexts and first edits, of which only the best few are gone on with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from codemonkeys.settings.section import Section


class SearchSettings(Section):
    """A beam over context choices and first edits (SWE-Reasoner, arXiv 2503.23803); by default there is none."""

    contexts: int = Field(1, ge=1)
    """Context choices that are drawn: the usual one, and others that each follow one ranking, at
    `generation.temperature`. Trajectories of kind `edit` and agents get those that are kept in turn."""
    keep_contexts: int = Field(1, ge=1)
    """Context choices that are kept: before any edit where a judge prunes, else after the first edits of the first
    wave, those with the best of them."""
    keep_edits: int | None = Field(None, ge=1)
    """First edits of a wave that are kept, of trajectories of kind `edit`; only these have further turns. The others
    are candidates as they are. By default all are kept."""
    prune: Literal["executions", "judge"] = "executions"
    """What decides which are kept. `executions`: how many test scripts of the wave a first edit passes, then how few of
    the repository's tests it breaks. `judge`: votes of the judge model, which is told that of edits."""
    votes: int = Field(3, ge=1)
    """For `judge`: orders that it is asked for, each over differently shuffled ones."""

    @property
    def waits_for_edits(self) -> bool:
        """Whether the trajectories of a wave wait for each other's first edits."""
        return self.keep_edits is not None or (self.prune == "executions" and self.contexts > self.keep_contexts)

    @model_validator(mode="after")
    def _keeps_what_is_drawn(self) -> SearchSettings:
        if self.keep_contexts > self.contexts:
            raise ValueError(f"keep_contexts={self.keep_contexts} is more than contexts={self.contexts} draws")
        return self

"""Settings of how one candidate is selected."""

from __future__ import annotations

from pydantic import Field

from codemonkeys.settings.section import Section


class SelectionSettings(Section):
    """How one candidate is selected."""

    rule: str = "conversation"
    """`conversation`: a selection conversation about the shortlist; `judge`: a judge's belief in every candidate;
    `top judge`: the same for the shortlist only; `hybrid`: the better half by a judge, then tests; `ballots`: several
    conversations, each in shuffled order; `tournament`: matches of two, whose winners go on; a rule that calls no
    model, by its name in `codemonkeys study`; or a rule of your own, as `module:attribute`."""
    shortlist: str = "behaviour clusters"
    """Rule that ranks the shortlist, and decides when the model does not. It must not call a model, except
    `tournament`, which then plays until at most `candidates` are left."""
    candidates: int = Field(3, ge=1)
    """Maximum size of the shortlist that goes to the selection conversation."""
    model: str | None = None
    """Model that judges: judge answers, ballots and the selection conversation; by default the primary model."""
    turns: int = Field(10, ge=0)
    """Maximum model calls of the selection conversation; 0 selects the first of the shortlist."""
    evidence_tokens: int = Field(12_000, ge=0)
    """Maximum tokens of the scripts and tests that tell the shortlist apart, with what they print on each, that begin a
    selection conversation or a ballot; 0 shows votes alone."""
    max_tokens: int = Field(8_192, ge=1)
    """Maximum answer length per turn, in tokens."""
    judge_samples: int = Field(5, ge=1)
    """Judge answers per candidate; its belief is the share that say yes."""
    ballots: int = Field(5, ge=1)
    """Maximum number of ballots; voting ends early once a choice has an absolute majority."""
    match_size: int = Field(2, ge=2)
    """For `tournament`: candidates that a match compares. Models judge pairs better than longer lists (arXiv
    2604.16529)."""
    match_votes: int = Field(4, ge=1)
    """For `tournament`: maximum votes, with all evidence, of a match in which the first two votes, with little
    evidence, disagree. A multiple of `match_size` shows each candidate in every place equally often."""
    regression_files: int = Field(10, ge=0)
    """Number of the repository's own test files to run on every candidate, most relevant first; 0 runs none."""
    regression_seconds: float = Field(120.0, gt=0)
    """Time limit for these tests on the unedited code, wall clock; candidates get twice as long."""
    test_runner: str = "auto"
    """What runs them: a name of the docs' table, `module:attribute`, or `auto`: the first that fits."""
    stop: bool = False
    """Decide after each wave (`generation.wave`) whether another is worth it, the best candidate can be trusted, or
    none can, which ends the task without a prediction (arXiv 2411.17501)."""
    wrong_worth: float = Field(-0.5, le=0)
    """For `stop`: value of a wrong patch, relative to 1 for a right one and 0 for none."""
    sample_cost: float = Field(0.0, ge=0)
    """For `stop`: cost of one trajectory, on the same scale."""
    accepts_right: float = Field(0.96, gt=0, lt=1)
    """For `stop`: probability that a right candidate passes most tests and breaks nothing. An assumption, close to what
    Trae Agent reports for regression tests (arXiv 2507.23370); `codemonkeys study` measures it."""
    refuses_wrong: float = Field(0.67, gt=0, lt=1)
    """For `stop`: probability that a wrong candidate fails that check. See `accepts_right`."""

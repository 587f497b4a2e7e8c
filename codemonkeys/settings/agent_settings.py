"""Settings of the trajectories that are agents."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codemonkeys.settings.section import Section


class AgentSettings(Section):
    """Trajectories of kind `agent` (see `generation.kinds`): what they begin with, and when they end."""

    context: Literal["none", "paths", "files"] = "paths"
    """What an agent is shown of the files that the context stage found: nothing, their paths, or the whole files. With
    `none`, and no other kind of trajectory, that stage is left out."""
    calls: Literal["auto", "tools", "text"] = "auto"
    """How commands are given: `tools`, the model's native tool calls; `text`, blocks between marker lines, which any
    model can write; `auto`: tools for models of which litellm's list, or the file of operation.prices, says
    `supports_function_calling`, as it stands when the run begins."""
    steps: int = Field(40, ge=1)
    """Maximum model calls of an agent; malformed answers count."""
    tokens: int | None = Field(None, ge=1)
    """Maximum tokens of an agent, prompts and answers together; checked after each step."""
    usd: float | None = Field(None, gt=0)
    """Maximum cost of an agent in US dollars; checked after each step. The budgets of the run and of the task hold
    besides, and are checked before each call."""
    seconds: float | None = Field(3_600, gt=0)
    """Maximum time of an agent's calls and commands, in seconds; checked after each step."""
    history_tokens: int = Field(64_000, ge=2_000)
    """Once a conversation is longer than this, in tokens, its oldest outputs are replaced by their first lines, several
    at a time, so that most calls find what comes before them in the provider's cache."""

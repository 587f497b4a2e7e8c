"""Watches the first answers of each stage: when all are empty or cut, a limit is too low, and money buys nothing."""

from __future__ import annotations

from codemonkeys.engine.events import Notify, note
from codemonkeys.errors import NoUsableAnswers
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Request
from codemonkeys.stages import STAGES, base_stage, role_of
from codemonkeys.wording import setting

UNUSABLE = frozenset({"empty", "length"})
"""Finish reasons of answers from which nothing is taken."""


class FirstAnswers:
    """The answers of a session, by stage, until one can be used."""

    def __init__(self, journal: Journal, notify: Notify, limit: int) -> None:
        """`limit`: answers of a stage after which the run stops if none can be used; 0: never."""
        self._journal, self._notify, self._limit = journal, notify, limit
        self._unusable: dict[str, int] = {}
        """Answers of a stage so far, while none could be used."""
        self._proven: set[str] = set()
        """Stages with an answer that can be used, in this session or an earlier one."""

    def take(self, request: Request, model: str, answer: Completion) -> NoUsableAnswers | None:
        """Count an answer that came just now; returns why the run has to stop, if it has to."""
        stage = request.key.stage
        if stage in self._proven or answer.finish_reason == "broken":  # Of which no setting is the cause.
            return None
        if answer.finish_reason not in UNUSABLE or self._journal.calls.has_usable(stage):
            self._proven.add(stage)
            return None
        count = self._unusable[stage] = self._unusable.get(stage, 0) + 1
        if count == 1:
            self._notify(note(f"the first answer of stage {stage} {described(answer)}: {remedy(request, model)}"))
        if count != self._limit:
            return None
        return NoUsableAnswers(
            f"stopped, as none of the first {count} answers of stage {stage} from {model} can be used; the last "
            f"{described(answer)}. In a new run, {remedy(request, model)}. To go on with this one regardless, give "
            f"the same command with {setting('operation.empty_answers', 0)}"
        )


def described(answer: Completion) -> str:
    """What is wrong with an answer that cannot be used, as a predicate."""
    usage = answer.usage
    spent = f", {usage.reasoning_tokens} of them for thinking" if usage and usage.reasoning_tokens else ""
    tokens = f" after {usage.completion_tokens} tokens{spent}" if usage else ""
    was = "was cut at its maximum length" if answer.finish_reason == "length" else "ended"
    return f"{was}{tokens}{'' if answer.text.strip() else ', without any text'}"


def remedy(request: Request, model: str) -> str:
    """Which setting helps, as an imperative."""
    stage = STAGES.get(base_stage(request.key.stage))
    given = request.parameters.max_tokens
    name = stage.answer_length if stage and given is None else f"models.{role_of(request.key.stage)}.max_tokens"
    return f"raise {name} (now {given or request.max_tokens}), or let {model} think less (effort, thinking tokens)"

"""Agents that branch: those of a wave share what one of them did until sampled next commands disagree.

After EGSS (arXiv 2602.05242), which forks a trajectory at steps of high entropy. One agent, the root, goes to its end.
Before some of its steps, up to its last change, a few more answers are sampled; where their commands disagree most, by
the entropy over kinds and targets, others go on from those answers. A fork makes none of the calls before it: the
root's answers stand for them, their commands come from the journal, and so does the session as it was.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from codemonkeys.agent.commands import Bash, Command, Edits, Unreadable, in_words, parse_commands
from codemonkeys.agent.tools import TOOLS, commands_of
from codemonkeys.agent.trajectory import Fork, gives_tools, run_agent
from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import Replace
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.look_ups import LookUp, Show
from codemonkeys.generation.looking_up import in_words as in_words_of_look_up
from codemonkeys.journal.transcripts import FORK
from codemonkeys.models.base import Completion, Message
from codemonkeys.stages import AGENT, BRANCH

SAMPLED = 3
"""Answers that are sampled before a step, beside the root's own."""
EARLIEST = 0.5
"""No fork before this share of the steps to the root's last change: it would share little, and save little."""

DECIDED = "forks"
"""Kind of the note that holds the turns of the answers by which forks leave a root."""

Signature = tuple[str, ...]
"""What the commands of an answer are, by kind and target; empty for an answer that holds none."""
Context = Awaitable[Sequence[ContextFile]] | Sequence[ContextFile]


class Sampled(NamedTuple):
    """The answers before one step, and how much their commands disagree."""

    step: int
    entropy: float
    """In bits; 0 if all have the same commands."""
    others: tuple[int, ...]
    """The turn of one answer for each way to go on that is not the root's, the most frequent first."""


def grouped(work: Work, samples: Sequence[int]) -> list[list[int]]:
    """Samples that grow from one root: those of one model, whose cache they share. The first of each is the root."""
    found: dict[str, list[int]] = {}
    for sample in samples:
        found.setdefault(work.models.of(AGENT.name, sample).name, []).append(sample)
    return list(found.values())


async def run_branch(work: Work, samples: Sequence[int], context: Context, earlier: str) -> list[Candidate | None]:
    """Run a root and its forks, in the order of their samples; where too few steps disagree, others begin anew."""
    root, *rest = samples
    said: list[Message] = []
    candidate = await run_agent(work, root, context, earlier, said=said)
    forks = await decide_forks(work, root, said, rest) if rest else []
    begun = [*forks, *[None] * (len(rest) - len(forks))]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(run_agent(work, sample, context, earlier, fork))
            for sample, fork in zip(rest, begun, strict=True)
        ]
    return [candidate, *(task.result() for task in tasks)]


async def decide_forks(work: Work, root: int, said: Sequence[Message], rest: Sequence[int]) -> list[Fork]:
    """Where samples leave a root, which is decided once: a resumed run could have the money for other answers."""
    turns: list[int] | None = work.journal.note(work.task.id, BRANCH.name, root, DECIDED)
    if turns is None:
        turns = await find_forks(work, root, said, len(rest))
        await work.note(BRANCH, DECIDED, turns, root)
    for sample, turn in zip(rest, turns, strict=False):
        await work.note(BRANCH, FORK, {"of": root, "step": turn // SAMPLED, "turn": turn}, sample)
    answers = answers_of(work, root)
    return [Fork(root, (*answers[: turn // SAMPLED], sampled_answer(work, root, turn))) for turn in turns]


async def find_forks(work: Work, root: int, said: Sequence[Message], count: int) -> list[int]:
    """The turns of the sampled answers by which to leave a root: those where commands disagree most first."""
    answers = answers_of(work, root)
    own = [signature_of(work, answer) for answer in answers]
    steps = steps_to_sample([any(part.startswith(CHANGING) for part in each) for each in own], -(-count // 2))
    later = [step for step in range(*span(steps)) if step not in steps]
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(sample_step(work, root, said, step, own[step])) for step in steps]
    found = [task.result() for task in asked]
    # Where these do not suffice, the latest others, one after another: a fork from there shares most.
    while later and len(found) < count and sum(len(each.others) for each in found) < count:
        step = later.pop()
        found.append(await sample_step(work, root, said, step, own[step]))
    ranked = sorted(found, key=lambda each: (-each.entropy, -each.step))
    return [turn for each in ranked for turn in each.others][:count]


def span(steps: Sequence[int]) -> tuple[int, int]:
    """From the first of some steps to behind the last."""
    return (steps[0], steps[-1] + 1) if steps else (0, 0)


def answers_of(work: Work, sample: int) -> list[Completion]:
    """The answers of an agent, by step."""
    found: list[Completion] = []
    while stored := work.journal.calls.stored(work.key(AGENT, sample, len(found))):
        found.append(work.journal.calls.answer(stored))
    return found


def steps_to_sample(changes: Sequence[bool], most: int) -> list[int]:
    """Steps before which to sample: evenly up to the last that changes something. `changes`: whether each step does."""
    last = max((step for step, change in enumerate(changes) if change), default=len(changes) - 1)
    first = min(max(1, math.ceil(EARLIEST * last)), last)
    if last < 1 or most < 1:
        return []
    room = last - first
    return sorted({last - round(number * room / max(1, most - 1)) for number in range(most)})


async def sample_step(work: Work, root: int, said: Sequence[Message], step: int, own: Signature) -> Sampled:
    """Sample answers to what the root was told before a step."""
    before = messages_before(said, step)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(sample_answer(work, root, before, step, number)) for number in range(SAMPLED)]
    turns = [turn for task in asked if (turn := task.result()) is not None]
    found = [(signature_of(work, sampled_answer(work, root, turn)), turn) for turn in turns]
    counts = Counter([own, *(signature for signature, _ in found if signature)])
    firsts: dict[Signature, int] = {}
    for signature, turn in found:
        if signature and signature != own:
            firsts.setdefault(signature, turn)
    ways = sorted(firsts, key=lambda signature: -counts[signature])
    return Sampled(step, entropy(list(counts.values())), tuple(firsts[signature] for signature in ways))


async def sample_answer(work: Work, root: int, before: Sequence[Message], step: int, number: int) -> int | None:
    """Ask for one more answer to what a root was told, and return its turn.

    None if there is no money for it, or the provider refuses it.
    """
    generation, turn = work.settings.generation, step * SAMPLED + number
    talk = Conversation(
        *(work, BRANCH, root, "", 1, generation.temperature, generation.max_tokens),
        first_turn=turn,
        history_tokens=work.settings.agent.history_tokens,
        said=list(before[:-1]),
        tools=TOOLS if gives_tools(work, root) else (),
    )
    try:
        if await talk.ask(before[-1], lambda answer: answer) is None:
            return None
    except (BudgetReached, FilteredAnswer, RejectedRequest):
        return None
    return turn


def sampled_answer(work: Work, root: int, turn: int) -> Completion:
    """A sampled answer, from the journal."""
    stored = work.journal.calls.stored(work.key(BRANCH, root, turn))
    assert stored is not None  # It is noted, or has just been given.
    return work.journal.calls.answer(stored)


def messages_before(said: Sequence[Message], step: int) -> Sequence[Message]:
    """What was said before the answer of a step, from 0."""
    answers = [number for number, message in enumerate(said) if message.role == "assistant"]
    return said[: answers[step]]


LINE = "\n"
NEARBY = 50
"""Lines that are shown within so many of each other count as the same target."""
CHANGING = ("edit", "test", "bash")
"""How the parts of a signature begin whose commands may change something."""


def signature_of(work: Work, answer: Completion) -> Signature:
    """Kind and target of each command of an answer."""
    try:
        commands = commands_of(answer.calls) if answer.calls else parse_commands(answer.text, work.marker)
        return tuple(target_of(command) for command in commands)
    except UnusableAnswer:
        return ()


def target_of(command: Command) -> str:
    """Kind and target of a command: of an edit its places, of shell commands the programs and the paths."""
    match command:
        case Bash(text):
            words = [word.strip("\"'") for word in text.split()]
            programs = [line.split()[0] for line in text.splitlines() if line.split()]
            paths = [word for word in words if "/" in word or word.endswith((".py", ".c", ".js", ".go", ".rs"))]
            return f"bash {' '.join(dict.fromkeys([*programs, *paths]))}"
        case Edits(edits):
            places = [
                f"{edit.path} {edit.search.strip().partition(LINE)[0]}"
                if isinstance(edit, Replace)
                else f"{type(edit).__name__} {edit.path}"
                for edit in edits
            ]
            return f"edit {' '.join(places)}"
        case Unreadable():
            return "unreadable"
        case Show(path, first):
            return f"show {path} {first // NEARBY}"
        case _ if isinstance(command, LookUp):
            return in_words_of_look_up(command)
    return in_words(command).lower()


def entropy(counts: Sequence[int]) -> float:
    """Shannon entropy of how often each way was sampled, in bits."""
    total = sum(counts)
    return sum(-count / total * math.log2(count / total) for count in counts if count)

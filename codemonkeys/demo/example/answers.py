"""Two scripted models, which answer from tasks.yaml: answers, prices and latencies are invented."""

from __future__ import annotations

import json
import re

from codemonkeys.demo.example.script import ExampleTask, example_tasks
from codemonkeys.errors import FilteredAnswer, RetriesExhausted
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.counting import EXACT
from codemonkeys.models.fake_answers import marker
from codemonkeys.models.tokens import count_tokens
from codemonkeys.settings import OperationSettings
from codemonkeys.stages import EDIT, JUDGE, RANK, RELEVANCE, TEST, base_stage


class ScriptedModel:
    """Answers each step as the script of its task says, at a price."""

    def __init__(self, name: str, price: Price) -> None:
        self.name = name
        self.price: Price | None = price
        self.counting = EXACT

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by the cl100k vocabulary."""
        return count_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """Answer one request. Raises what the script says: FilteredAnswer, RetriesExhausted."""
        task = example_tasks()[request.key.task]
        text = answer_to(task, request)
        tokens = [self.count_tokens(message.content) for message in request.messages]
        # As of a provider that caches prompts: a later turn reads what the turn before it has written.
        read, written = (sum(tokens[:-2]), sum(tokens[-2:])) if request.key.turn else (0, sum(tokens))
        usage = Usage(sum(tokens), self.count_tokens(text), read, written)
        ending = "length" if text == CUT else "stop"
        return Completion(text, ending, usage, self.name, 0.4 + usage.completion_tokens / 50)

    async def close(self) -> None:
        """Nothing to release."""


CUT = "I first look at where the sum of a column is taken, and at what"


def answer_to(task: ExampleTask, request: Request) -> str:
    """The answer to one request."""
    system, said = request.messages[0].content, request.messages[-1].content
    match base_stage(request.key.stage):
        case RELEVANCE.name:
            wanted = {task.told["file"], *task.told.get("also", ())}
            shown = [
                (int(n), json.loads(path) in wanted) for n, path in re.findall(r'^File (\d+): (".*?")', said, re.M)
            ]
            return json.dumps([{"file": n, "relevant": yes, "summary": "Named." if yes else ""} for n, yes in shown])
        case RANK.name:
            return json.dumps([json.loads(path) for path in re.findall(r'^(".*") \(\d+ tokens\)$', system, re.M)])
        case TEST.name | EDIT.name:
            return turn_of(task, request)
        case JUDGE.name:
            return "YES" if has_edit(task, said) else "NO"
        case _:
            number = next((n for n, text in candidates_in(system) if has_edit(task, text)), "1")
            return f"It covers the most cases.\n\n<<<<<<< CHOOSE {marker_of(system)} {number}"


def turn_of(task: ExampleTask, request: Request) -> str:
    """One turn of a test or edit conversation; the last one that is written accepts itself."""
    stage, turn = base_stage(request.key.stage), request.key.turn
    if task.told.get("overloaded") and stage == EDIT.name:
        raise RetriesExhausted(f"{request.key}: the scripted provider stays overloaded (529)", charged=False)
    turns = task.told["samples"][request.key.sample][stage]
    code = marker(request.messages[0].content)
    done = f"<<<<<<< DONE {code}"
    if turn >= len(turns):
        return done
    match turns[turn]:
        case "malformed":
            return "The sum has to go on where a row has ended."
        case "refusal":
            raise FilteredAnswer(f"{request.key}: the scripted provider withheld the answer")
        case "cut":
            return CUT
        case "look":
            return f"<<<<<<< FIND {code} shorten"
        case "elsewhere":
            path = task.told["file"]
            return f"<<<<<<< SEARCH {code} {path}\n    return sums(rows)\n======= {code}\n    pass\n>>>>>>> END {code}"
        case name if stage == TEST.name:
            body = f"<<<<<<< TEST {code}\n{task.test_script(name)}>>>>>>> END {code}"
        case name:
            body = "\n".join(
                f"<<<<<<< SEARCH {code} {place.path}\n{place.old}\n======= {code}\n{place.new}\n>>>>>>> END {code}"
                for place in task.edit(name)
            )
    return f"{body}\n{done}" if turn == len(turns) - 1 else body


def candidates_in(system: str) -> list[tuple[str, str]]:
    """Number and text of each candidate in the message that begins a selection."""
    parts = re.split(r"^Candidate (\d+), for which ", system, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def has_edit(task: ExampleTask, text: str) -> bool:
    """Whether a text has all lines of the edit that the script prefers."""
    wanted = {line for place in task.edit(task.told["choose"]) for line in place.new.splitlines()}
    return all(line in text for line in wanted)


def marker_of(system: str) -> str:
    """The task's marker, as it appears in the message that begins a selection."""
    return str(re.findall(r"^<<<<<<< CHOOSE (\S+) ", system, re.M)[-1])


def scripted(spec: str, operation: OperationSettings) -> ScriptedModel:
    """The model that ranks, writes and chooses."""
    return ScriptedModel("scripted", Price(3e-6, 15e-6, 0.3e-6, 3.75e-6))


def scripted_scan(spec: str, operation: OperationSettings) -> ScriptedModel:
    """The cheap model that reads every file."""
    return ScriptedModel("scripted-scan", Price(0.8e-6, 4e-6, 0.08e-6, 1e-6))

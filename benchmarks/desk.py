"""Calls and tokens of four real tasks, answered by hand in the place of the model, before and after a change.

    python -m benchmarks.desk

Two checkouts solved the same tasks of SWE-bench, as of version 0.1 and as of today, each with two trajectories of up to
four turns, one ranking, and the local sandbox. An endpoint handed out each request of the stages test, edit and select,
and it was answered as a strong model would, from what the request showed, without a look at reference patches or hidden
tests; relevance and ranking were answered by the stand-in of `benchmarks.edit_context` in both. The answers are in
`benchmarks/recordings`, with the tokens of each prompt (a quarter of its characters). The answers after were given a
second time by the same rules to the code as it was committed, so that the tokens are those of today's prompts.

Agents were answered in the same way, with their commands carried out in the local sandbox; these recordings are among
those of the tests. Of each trajectory of their runs it prints steps, commands (edits in a row count as one) and tokens.

Ends with one line `RESULT edit_ratio= generation_ratio=`: tokens of the edit stage, after over before, and of test and
edit stages together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from codemonkeys.agent.commands import parse_commands
from codemonkeys.models.replay import read_recording

RECORDINGS = Path(__file__).parent / "recordings"
AGENTS = Path(__file__).parents[1] / "tests" / "data" / "recordings" / "agents"
STAGES = ("test", "edit", "select")


def spent(recording: Path) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Calls and tokens of prompts, by task and stage."""
    calls, tokens = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for key, answer in read_recording(recording).items():
        assert answer.usage is not None
        calls[key.task, key.stage] += 1
        tokens[key.task, key.stage] += answer.usage.prompt_tokens
    return calls, tokens


def trajectories(recording: Path) -> Iterator[tuple[str, int, int, Counter[str], int]]:
    """Of each trajectory of one task: kind, sample from 1, calls, commands by their kind, and tokens of prompts."""
    calls, tokens = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    commands: dict[int, Counter[str]] = {}
    for key, answer in read_recording(recording).items():
        if key.stage in ("agent", "test", "edit"):
            assert answer.usage is not None
            kind = "agent" if key.stage == "agent" else "edit"
            calls[kind, key.sample] += 1
            tokens[kind, key.sample] += answer.usage.prompt_tokens
            if kind == "agent":
                found = re.search(r"^<<<<<<< [A-Z]+ (\w+)", answer.text, re.M)
                assert found is not None
                of_sample = commands.setdefault(key.sample, Counter())
                of_sample.update(type(command).__name__ for command in parse_commands(answer.text, found[1]))
    for kind, sample in sorted(calls, key=lambda of: of[1]):
        yield kind, sample + 1, calls[kind, sample], commands.get(sample, Counter()), tokens[kind, sample]


def main() -> None:
    """Print the tables and the RESULT line."""
    for recording in sorted(AGENTS.glob("*.jsonl")):
        for kind, sample, calls, commands, tokens in trajectories(recording):
            done = ", ".join(f"{count} {name}" for name, count in sorted(commands.items()))
            print(f"{recording.stem:36} {sample} {kind:5} {calls:2} calls, {tokens:7,} tokens  {done}")
    print()
    (calls_before, before), (calls_after, after) = (
        spent(RECORDINGS / name) for name in ("before.jsonl", "after.jsonl")
    )
    for task in sorted({task for task, _ in before}):
        for stage in STAGES:
            of = task, stage
            change = f"{calls_before[of]} -> {calls_after[of]} calls"
            print(f"{task:36} {stage:6} {change}, {before[of]:9,} -> {after[of]:9,} tokens")

    def ratio(*stages: str) -> float:
        totals = [sum(n for (_, stage), n in tokens.items() if stage in stages) for tokens in (after, before)]
        return totals[0] / totals[1]

    print(f"RESULT edit_ratio={ratio('edit'):.3f} generation_ratio={ratio('test', 'edit'):.3f}")


if __name__ == "__main__":
    main()

"""Calls and tokens of four real tasks, answered by hand in the place of the model, before and after a change.

    python -m benchmarks.desk

Two checkouts solved the same tasks of SWE-bench, as of version 0.1 and as of today, each with two trajectories of up to
four turns, one ranking, and the local sandbox. An endpoint handed out each request of the stages test, edit and select,
and it was answered as a strong model would, from what the request showed, without a look at reference patches or hidden
tests; relevance and ranking were answered by the stand-in of `benchmarks.edit_context` in both. The answers are in
`benchmarks/recordings`, with the tokens of each prompt (a quarter of its characters). The answers after were given a
second time by the same rules to the code as it was committed, so that the tokens are those of today's prompts.

Ends with one line `RESULT edit_ratio= generation_ratio=`: tokens of the edit stage, after over before, and of test and
edit stages together.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from codemonkeys.models.replay import read_recording

RECORDINGS = Path(__file__).parent / "recordings"
STAGES = ("test", "edit", "select")


def spent(recording: Path) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Calls and tokens of prompts, by task and stage."""
    calls, tokens = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for key, answer in read_recording(recording).items():
        assert answer.usage is not None
        calls[key.task, key.stage] += 1
        tokens[key.task, key.stage] += answer.usage.prompt_tokens
    return calls, tokens


def main() -> None:
    """Print the table and the RESULT line."""
    (calls_before, before), (calls_after, after) = (
        spent(RECORDINGS / name) for name in ("before.jsonl", "after.jsonl")
    )
    for task in sorted({task for task, _ in before}):
        for stage in STAGES:
            of = task, stage
            calls = f"{calls_before[of]} -> {calls_after[of]} calls"
            print(f"{task:36} {stage:6} {calls}, {before[of]:9,} -> {after[of]:9,} tokens")

    def ratio(*stages: str) -> float:
        totals = [sum(n for (_, stage), n in tokens.items() if stage in stages) for tokens in (after, before)]
        return totals[0] / totals[1]

    print(f"RESULT edit_ratio={ratio('edit'):.3f} generation_ratio={ratio('test', 'edit'):.3f}")


if __name__ == "__main__":
    main()

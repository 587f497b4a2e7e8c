"""Templates are checked before money is spent: rendered with sample values that are those the code gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.work import Work
from codemonkeys.errors import BadSettings
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import shipped_folder
from codemonkeys.prompting.check import check_prompts
from codemonkeys.prompting.samples import RUN, SAMPLES
from codemonkeys.tasks.snapshot import Snapshot
from tests.rooms import MARKER, rendered_values, room

LONG = f'def long():\n    """{"So much is said of it that a model is asked to say it shorter. " * 4}"""\n'
SOURCES = {
    "long.py": LONG,
    "a.py": "def a():\n    return 1\n" * 60,
    "b.py": "def b():\n    return 2\n" * 60,
    "c.py": "c = 3\n",
}


def test_every_template_has_samples_and_renders() -> None:
    assert {path.stem for path in shipped_folder().glob("*.jinja")} == SAMPLES.keys()
    check_prompts(None)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("select.result", "{{ resluts }}", "uses resluts, which that message is not given; it may use issue, marker"),
        ("edit.result", "{% if edited %}{{ edited.outpt }}{% endif %}", "outpt"),
        ("test.result", "{% if turns_left > 100 %}{{ nowhere }}{% endif %}", "nowhere"),
        ("judge.user", "{% if %}", "judge.user.jinja"),
        ("rank.system", "{% for file in files %}{{ file.size }}{% endfor %}", "size"),
    ],
)
@pytest.mark.slow
def test_a_wrong_variable_is_found_in_any_branch_of_any_stage(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.jinja").write_text(text)
    with pytest.raises(BadSettings, match=said) as raised:
        check_prompts(tmp_path)
    assert f"{name}.jinja" in str(raised.value)
    (tmp_path / f"{name}.jinja").write_text("Short. {{ issue }}")
    check_prompts(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("edit.sytem.jinja", r"edit.sytem.jinja replaces no template; did you mean edit.system.jinja\?$"),
        ("zzz.jinja", "zzz.jinja replaces no template; the names are .*edit.system.jinja"),
    ],
)
def test_a_template_that_replaces_none_is_refused_with_the_nearest(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(BadSettings, match=said):
        check_prompts(tmp_path)
    with pytest.raises(BadSettings, match="a file; give the folder that it is in"):
        check_prompts(tmp_path / name)


@pytest.mark.parametrize(
    ("rule", "mode"),
    [("conversation", "digest"), ("judge", "digest"), ("ballots", "digest"), ("tournament", "lexical")],
)
@pytest.mark.slow
def test_samples_are_what_the_code_gives(
    rule: str, mode: str, tmp_path: Path, make_snapshot: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a run in which every conversation gives a malformed answer first, so that it is repaired, and one looks up."""
    given = rendered_values(monkeypatch)

    def answers(request: Request) -> str:
        first = request.key.turn == 0 and request.key.stage != "judge"
        looks_up = request.key[1:3] == ("edit", 0)
        if looks_up and request.key.turn == 1:
            return f"<<<<<<< FIND {MARKER} return"
        return "Rubbish." if first else answer(moved(request, 1 + looks_up))

    def moved(request: Request, turns: int) -> Request:
        """The request as if it came so many turns earlier."""
        from dataclasses import replace

        return replace(request, key=request.key._replace(turn=max(0, request.key.turn - turns)))

    diversity = "distill" if rule in ("judge", "tournament") else "memory"
    generation = {"samples": 4, "wave": 2, "diversity": diversity, "kinds": ["edit", "agent"]}
    settings: dict[str, Any] = {
        "generation": generation,
        "context": {"mode": mode, "lexical_files": 2},
        "selection": {"rule": rule, "turns": 4},
    }
    with room(tmp_path, make_snapshot(SOURCES), answers, **settings) as work:
        if rule == "ballots":  # as a task that began before there were digests of definitions
            work.journal.put_note(work.task.id, "digest", 0, "plan", {"batches": [], "unread": []})
        asyncio.run(solved(work, tmp_path))
    expected = {name: set().union(*samples) for name, samples in SAMPLES.items()}
    assert {name: names for name, names in given.items() if names != expected[name]} == {}
    missing = expected.keys() - given.keys()
    asking = {"conversation": "select.", "judge": "judge.", "ballots": "select.", "tournament": "tournament."}[rule]
    unused = (
        *{"digest": ("beyond.",), "lexical": ("digest.", "definition.", "screen.")}[mode],
        *(("definition.", "screen.") if rule == "ballots" else ("digest.",)),
        {"memory": "distill.", "distill": "edit.earlier"}[diversity],
    )
    elsewhere = ("critique.", "rerank.", "fuse.", "choices.", "prune.")  # in the tests of layers and of searches
    rare = ("select.", "judge.", "tournament.", "answer.", *elsewhere, *unused)
    optional = {"select.result", "edit.earlier", "edit.peers"} | {name for name in expected if name.startswith(rare)}
    assert missing <= optional and any(name.startswith(asking) for name in given)
    assert RUN.keys() == {"repo", "issue", "runs_on"}


async def solved(work: Work, folder: Path) -> None:
    """Solve the task with a store of digests."""
    work.steps.digests = DigestStore(folder / "digests.db")
    try:
        assert await solve_task(work) is not None
    finally:
        work.steps.digests.close()

"""Answers of the model `fake`: valid in every stage and determined by the request."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from codemonkeys import stages
from codemonkeys.models.base import Request
from codemonkeys.models.fake import Called, FakeModel
from codemonkeys.models.tool_calls import ToolCall

if TYPE_CHECKING:
    from codemonkeys.settings import OperationSettings

TEST = """\
import os
import sys

print("The file that the fake model's edit creates is", "there" if os.path.exists("{file}") else "missing")
sys.exit(0 if os.path.exists("{file}") else 2)
"""
FILE = "codemonkeys_dry_run.txt"


def respond(request: Request) -> str | Called:
    """What the fake model says in text, or by the tools that a request offers."""
    if not request.tools:
        return answer(request)
    calls: list[tuple[str, dict[str, str]]] = [("submit", {})]
    if request.key.turn == 0:
        line = f"Written by trajectory {request.key.sample} of a dry run."
        calls = [("write_test", {"script": TEST.format(file=FILE)}), ("create_file", {"path": FILE, "content": line})]
    numbered = enumerate(calls, 1)
    return Called(tuple(ToolCall(f"call{n}", name, json.dumps(arguments)) for n, (name, arguments) in numbered))


def answer(request: Request) -> str:
    """Find every file relevant, rank as listed, create one file, test for it, approve all, choose the first."""
    system, said = request.messages[0].content, request.messages[-1].content
    if len(request.messages) > 1 and not re.search(r"^(?:File|Definition) \d", said, re.M):  # asked again
        said = request.messages[1].content
    match stages.base_stage(request.key.stage):
        case stages.DIGEST.name:
            if definitions := re.findall(r"^Definition (\d+), ", said, re.M):
                return json.dumps([{"definition": int(n), "digest": "Dry run."} for n in definitions])
            return json.dumps([{"file": n, "digest": "Dry run."} for n in range(1, files_shown(said) + 1)])
        case stages.RELEVANCE.name:
            count = files_shown(said)
            return json.dumps([{"file": n, "relevant": True, "summary": "Dry run."} for n in range(1, count + 1)])
        case stages.RANK.name:
            return json.dumps([json.loads(path) for path in re.findall(r'^(".*") \(\d+ tokens\)$', system, re.M)])
        case stages.TEST.name:
            body = f"<<<<<<< TEST {marker(system)}\n{TEST.format(file=FILE)}>>>>>>> END {marker(system)}"
        case stages.EDIT.name | stages.FUSE.name:
            line = f"Written by trajectory {request.key.sample} of a dry run."
            body = f"<<<<<<< CREATE {marker(system)} {FILE}\n{line}\n>>>>>>> END {marker(system)}"
        case stages.AGENT.name:
            line = f"Written by trajectory {request.key.sample} of a dry run."
            body = f"<<<<<<< TEST {marker(system)}\n{TEST.format(file=FILE)}>>>>>>> END {marker(system)}\n"
            body += f"<<<<<<< CREATE {marker(system)} {FILE}\n{line}\n>>>>>>> END {marker(system)}"
        case stages.DISTILL.name:
            return "HYPOTHESIS: Dry run.\nTRIED: Dry run.\nSEEN: Dry run.\nOPEN: Dry run."
        case stages.CRITIQUE.name:
            return "STRENGTHS: Dry run.\nFAULTS: Dry run."
        case stages.RERANK.name | stages.PRUNE.name:
            return json.dumps([int(n) for n in re.findall(r"^(?:Candidate|Choice|Edit) (\d+):$", said, re.M)])
        case stages.JUDGE.name:
            return "YES"
        case _:
            return str(re.findall(r"^<<<<<<< CHOOSE .*$", system, re.M)[-1])
    return body if request.key.turn == 0 else f"<<<<<<< DONE {marker(system)}"


def files_shown(said: str) -> int:
    """Number of files in a message."""
    return len(re.findall(r"^File \d+: ", said, re.M))


def marker(system: str) -> str:
    """The task's marker, as it appears in the system message."""
    # A regular expression looks at every line of all files that a system message shows, in milliseconds.
    at = f"\n{system}".rindex("\n<<<<<<< DONE ")
    return system[at:].split(maxsplit=3)[2]


def open_fake(spec: str, operation: OperationSettings) -> FakeModel:
    """The model `fake`."""
    return FakeModel(respond)

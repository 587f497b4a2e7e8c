"""For each template the values that the code gives it, as samples: every branch of it has one that takes it."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

RUN: Values = {"repo": "owner/name", "issue": "It breaks.", "runs_on": "Language: Python"}
"""What every template is given, beside the marker."""

_FILE = {
    "path": "src/module.py",
    "text": "x = 1\n",
    "tokens": 5,
    "form": "whole",
    "summary": "It defines x.",
    "words": 15,
}
_SHORT = {**_FILE, "form": "outline"}
_DIGEST = {**_FILE, "form": "digest"}
_LINE = {**_FILE, "form": "line"}
_DEFINITION: Values = {"number": 1, "text": "class A:", "words": 5}
_SCRIPT = {
    "language": "Python",
    "name": "issue_test.py",
    "runner": ("python",),
    "command": "python issue_test.py",
    "note": "",
}
_RUNNING: Values = {"script": _SCRIPT, "seconds": "100"}
_PRESENT = {"verdict": "It ended with exit code 2: issue present.", "output": "it breaks"}
_FIXED = {"verdict": "It ended with exit code 0: issue fixed.", "output": "(it printed nothing)"}
_BREAKS = {"passing": 3, "broken": 1, "output": "tests/test_module.py::test_x:\nassert 2 == 1"}
_PATCH = "--- a/src/module.py\n+++ b/src/module.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
_TEST = "import sys\nsys.exit(2)\n"
_PROBLEM: Values = {"problem": "The answer holds no block."}
_CANDIDATES = [
    {
        "number": 1,
        "votes": 2,
        "patch": _PATCH,
        "broken": ("tests/test_module.py::test_x",),
        "untrusted": False,
        "flags": (),
    },
    {
        "number": 2,
        "votes": 0,
        "patch": _PATCH,
        "broken": (),
        "untrusted": True,
        "flags": ("conftest: conftest.py",),
    },
]
_EDITING: Values = {"script": _SCRIPT, "turns": 4, "room": 16_000}
_RESULT: Values = {
    "patch": "",
    "patch_known": False,
    "original": None,
    "original_known": False,
    "edited": None,
    "difference": None,
    "repository": None,
    "turns_left": 1,
}
_SELECT: Values = {"files": [_FILE], "candidates": _CANDIDATES, "script": _SCRIPT, "tests": 2}

_APART: Values = {
    "fails": [
        {"number": 1, "present": [], "unsure": [2], "broken": 1, "untrusted": True},
        {"number": 2, "present": [1, 3], "unsure": [], "broken": None, "untrusted": False},
    ],
    "voting": 3,
    "regressions": 2,
    "tests": [{"numbers": [1], "names": ("tests/test_module.py::test_x",), "more": 2, "output": "1 failed"}],
    "scripts": [
        {
            "number": 1,
            "text": _TEST,
            "valid": True,
            "original": _PRESENT,
            "results": [{"numbers": [1], **_FIXED}, {"numbers": [2, 3], **_PRESENT}],
        },
        {"number": 2, "text": "", "valid": False, "original": _FIXED, "results": [{"numbers": [1], **_PRESENT}]},
    ],
    "votes_differ": True,
    "alike": 1,
    "left_out": [3],
}
_EVIDENCE = (
    _APART,
    {**_APART, "votes_differ": False, "left_out": [], "alike": 0},
    {**_APART, "votes_differ": False, "regressions": 0, "tests": [], "scripts": []},
)

_SUMMARY = {"hypothesis": "x is wrong.", "tried": "x = 2", "seen": "It works.", "open": "The case of None."}
_FLAGGED: tuple[Values, ...] = (
    {"number": 1, "patch": _PATCH, "flags": (), "summary": _SUMMARY},
    {"number": 2, "patch": _PATCH, "flags": ("conftest: conftest.py",), "summary": None},
)
_SAID = [{"role": role, "text": "It breaks."} for role in ("user", "assistant")]
_LESSON: Values = {"sample": 0, "summary": _SUMMARY, "patch": "", "scripts": 0, "tests": 0}
_TESTED: Values = {**_LESSON, "summary": None, "patch": _PATCH, "scripts": 2, "passed": 1, "tests": 3, "broken": None}
_COUNTED: Values = {"patch": _PATCH, "scripts": 2, "passed": 1, "tests": 3, "broken": None}
_LAYERED = [
    {"number": 1, **_COUNTED, **_PRESENT, "critique": {"strengths": "It is short.", "faults": "None is left out."}},
    {"number": 2, **_COUNTED, "scripts": 0, "tests": 0, "verdict": "", "output": "", "critique": None},
]

_BEGUN = [
    {"number": 1, "patch": _PATCH, "scripts": 2, "passed": 1, "broken": 1, **_PRESENT},
    {"number": 2, "patch": _PATCH, "scripts": 0, "passed": 0, "broken": None, "verdict": "", "output": ""},
]

_AGENT: Values = {"script": _SCRIPT, "most": 6, "steps": 40, "seconds": "100", "repository": "/testbed"}
_TOLD: Values = {
    "names": {"done": "DONE", "add": "ADD"},
    "found": [
        {"asked": "BASH", "told": "exit code 0.", "output": "it breaks"},
        {"asked": "TEST", "told": "kept.", "output": ""},
    ],
    "results": None,
    "problem": "",
    "files": {"left": ["new.py", "x.log"]},
    "steps_left": 9,
}
_WHOLE = {name: value for name, value in _RESULT.items() if name != "turns_left"}

_CHANGED: tuple[Values, ...] = (
    {},
    {"patch": _PATCH, "original": _PRESENT, "edited": _FIXED, "repository": _BREAKS},
    {"patch": _PATCH, "patch_known": True, "original": _PRESENT, "original_known": True, "edited": _FIXED},
    {"patch": _PATCH, "repository": {**_BREAKS, "broken": 0}},
    *(
        {"original": _PRESENT, "edited": _FIXED, "difference": {"since": since, "output": output}}
        for since in ("before", "unedited")
        for output in ("", "-it breaks\n+it works")
    ),
)

SAMPLES: dict[str, tuple[Values, ...]] = {
    "agent.repair": tuple({**_PROBLEM, "steps_left": left, "tools": tools} for left, tools in ((1, False), (2, True))),
    "agent.result": (
        *({**_TOLD, "problem": problem} for problem in ("nothing", "test", "results", "unreadable")),
        *({**_TOLD, "steps_left": left, "files": {"left": []}} for left in (0, 1, 5)),
        *({**_TOLD, "results": {**_WHOLE, **results}} for results in _CHANGED),
    ),
    "agent.system": tuple(
        {"files": files, "paths": paths, "tools": tools, **_AGENT}
        for files, paths, tools in (([], [], False), ([_FILE], [], False), ([], ["src/module.py"], True))
    ),
    "agent.user": ({},),
    "answer.broken": ({"stage": "edit", "max_tokens": 8192, "empty": False},),
    "answer.cut": tuple(
        {"stage": stage, "max_tokens": 8192, "empty": empty}
        for stage in ("relevance", "rank", "test", "edit", "agent", "select", "judge")
        for empty in (False, True)
    ),
    "beyond.repair": (_PROBLEM,),
    "beyond.system": ({"files": [_FILE], "paths": ["src/other.py"], "most": 30}, {"files": [], "paths": [], "most": 1}),
    "beyond.user": ({},),
    "critique.repair": (_PROBLEM,),
    "critique.system": ({"files": [_FILE]}, {"files": []}),
    "critique.user": (
        {"candidate": {**_COUNTED, **_PRESENT}},
        {"candidate": {**_COUNTED, "scripts": 0, "broken": 2, "verdict": "", "output": ""}},
    ),
    "choices.system": ({"files": [_FILE]},),
    "choices.user": ({"choices": [{"number": n, "paths": ("src/name.py",), "tokens": 90} for n in (1, 2)]},),
    "definition.repair": ({**_PROBLEM, "count": 2},),
    "definition.system": ({},),
    "definition.user": (
        {"files": [{"path": "src/module.py", "definitions": [_DEFINITION, {**_DEFINITION, "number": 2}]}], "count": 2},
        {"files": [{"path": path, "definitions": [_DEFINITION]} for path in ("src/module.py", "a.c")], "count": 1},
    ),
    "digest.repair": ({**_PROBLEM, "count": 2},),
    "digest.system": ({},),
    "digest.user": ({"files": [_SHORT]}, {"files": [_SHORT, _FILE]}),
    "distill.lessons": (
        {"lessons": [_LESSON, _TESTED, {**_TESTED, "summary": _SUMMARY, "broken": 0}], "drawn": 4},
        {"lessons": [_TESTED], "drawn": 1},
    ),
    "distill.repair": (_PROBLEM,),
    "distill.system": ({},),
    "distill.user": ({"conversations": [{"stage": stage, "messages": _SAID} for stage in ("test", "edit")]},),
    "edit.earlier": ({"tried": [{"patch": _PATCH, **_PRESENT}, {"patch": _PATCH, "verdict": "", "output": ""}]},),
    "edit.look_up": (
        {
            "found": [{"asked": "FIND x", "told": "1 line.", "output": "src/module.py:1: x = 1"}],
            "edited": True,
            "turns_left": 2,
        },
        {
            "found": [{"asked": "SHOW y.py", "told": "there is no such file.", "output": ""}],
            "edited": False,
            "turns_left": 2,
        },
        {"found": [], "edited": True, "turns_left": 1},
        {"found": [], "edited": False, "turns_left": 1},
    ),
    "edit.peers": (
        {"peers": [{**_COUNTED, **_PRESENT}, {**_COUNTED, "scripts": 0, "tests": 0, "verdict": "", "output": ""}]},
        {"peers": [{**_COUNTED, "broken": 2, **_PRESENT}]},
    ),
    "edit.reading": tuple({"sample": sample} for sample in range(1, 11)),
    "edit.repair": (_PROBLEM,),
    "edit.result": (
        {**_RESULT, "patch": _PATCH, "original": _PRESENT, "edited": _FIXED, "turns_left": 2},
        {**_RESULT, "patch": _PATCH, "original": _PRESENT, "edited": _FIXED, "original_known": True},
        {**_RESULT, "patch": _PATCH, "patch_known": True, "original": _PRESENT, "edited": _FIXED},
        *(
            {**_RESULT, "original": _PRESENT, "edited": _FIXED, "difference": {"since": since, "output": output}}
            for since in ("before", "unedited")
            for output in ("", "-it breaks\n+it works")
        ),
        {**_RESULT, "patch": _PATCH, "repository": _BREAKS},
        {**_RESULT, "patch": _PATCH, "repository": {**_BREAKS, "broken": 0}},
        {**_RESULT, "original": _PRESENT},
        {**_RESULT, "turns_left": 0},
    ),
    "edit.system": ({**_EDITING, "files": [_FILE]}, {**_EDITING, "files": [], "turns": 1}),
    "edit.user": ({"test": _TEST, "original": _PRESENT}, {"test": "", "original": None}),
    "fuse.user": ({"candidates": _LAYERED},),
    "judge.system": ({"files": [_FILE]}, {"files": []}),
    "judge.user": ({"patch": _PATCH},),
    "prune.repair": ({**_PROBLEM, "count": 2},),
    "prune.system": ({"files": [_FILE]}, {"files": []}),
    "prune.user": ({"edits": _BEGUN},),
    "rank.repair": (_PROBLEM,),
    "rank.system": ({"files": [_FILE], "aim_tokens": 60_000, "most_tokens": 120_000},),
    "rank.user": ({},),
    "relevance.repair": ({**_PROBLEM, "count": 2},),
    "relevance.system": ({},),
    "relevance.user": ({"files": [_FILE]}, {"files": [_SHORT, _DIGEST, _FILE]}, {"files": [_DIGEST]}),
    "rerank.repair": ({**_PROBLEM, "count": 2},),
    "rerank.system": ({"files": [_FILE]}, {"files": []}),
    "rerank.user": ({"candidates": _LAYERED},),
    "screen.repair": ({**_PROBLEM, "count": 2},),
    "screen.system": ({},),
    "screen.user": ({"files": [_LINE]}, {"files": [_LINE, _LINE]}),
    "select.repair": ({**_PROBLEM, "numbers": [1, 2]},),
    "select.result": (
        {"original": _PRESENT, "results": [{"number": 1, **_FIXED}], "turns_left": 2},
        {"original": _PRESENT, "results": [{"number": 1, **_FIXED}, {"number": 2, **_PRESENT}], "turns_left": 1},
    ),
    "select.system": (
        {**_SELECT, "regressions": 3, "example": _TEST, "may_refuse": True},
        {**_SELECT, "regressions": 0, "example": "", "may_refuse": False},
    ),
    "select.user": _EVIDENCE,
    "tournament.system": ({"files": [_FILE]}, {"files": []}),
    "tournament.user": tuple(
        {"candidates": list(_FLAGGED), **view}
        for view in (*_EVIDENCE, {**_APART, "voting": 0, "regressions": 0, "scripts": [], "tests": []})
    ),
    "test.repair": (_PROBLEM,),
    "test.result": ({"result": _PRESENT, "turns_left": 2}, {"result": _FIXED, "turns_left": 1}),
    "test.system": (
        {**_RUNNING, "files": [_FILE, _SHORT], "nearest": _FILE},
        {**_RUNNING, "files": [], "nearest": None},
    ),
    "test.user": ({},),
}
"""By the name of the template."""

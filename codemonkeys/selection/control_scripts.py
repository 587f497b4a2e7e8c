"""Writes controls: programs that do what test scripts do before they look, and then exit with `ISSUE_PRESENT`.

An edit that decides how a process ends when it is imported, or when pytest loads it, ends its control likewise, and is
found out. Controls are made from the text of scripts alone; nothing here runs any of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from codemonkeys.context.languages import parse
from codemonkeys.engine.scripts import ISSUE_PRESENT

if TYPE_CHECKING:
    from tree_sitter import Node

TITLE = "# A control: what test scripts import, without what they look for.\n"
PLAIN, PYTEST = "plain", "pytest"
"""Kinds of scripts: those that call pytest are controlled by tests that fail as well."""

_IMPORTS = ("import_statement", "import_from_statement")
_PATHS = re.compile(r"\bsys\.path\b|\bchdir\b|\benviron\b|\bputenv\b")
_IN_TEXT = re.compile(r"(?:^|;|\\n)[ \t]*((?:import|from)[ \t]+[\w.]+[\w., \t]*)", re.M)
"""Imports in the source of other programs, which a script passes to `python -c` or writes to a file."""
_DYNAMIC = re.compile(r"""(?:[\w.]*\bimport_module|__import__)\(\s*(["'])[\w.]+\1\s*\)""")

# Statements run one by one, so that one which fails, or which an old Python cannot read, takes no other away.
_PROGRAM = """\
import sys

names = {"__name__": "__main__", "__file__": __file__}
for statement in STATEMENTS:
    try:
        exec(statement, names)
    except Exception:
        pass
"""
_PYTEST_PROGRAM = """\
import os
import subprocess

# What decides about tests lies at the root or in a folder with a conftest.py, those of the edit included.
folders = ["."]
for folder, names, files in os.walk("."):
    names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
    if "conftest.py" in files and folder != ".":
        folders.append(folder)
failing = []
for number, folder in enumerate(folders[:FOLDERS]):
    failing.append(os.path.join(folder, "test_control_%d.py" % number))
    with open(failing[-1], "w") as file:
        file.write("def test_control():\\n    assert False\\n")
ended = subprocess.Popen(
    [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rpsxX", "-p", "no:cacheprovider"] + failing,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
)
said = ended.communicate()[0].decode("utf-8", "replace")
if ended.returncode == 0 or any(
    line.startswith(("PASSED", "SKIPPED", "XFAIL", "XPASS")) for line in said.splitlines()
):
    print(said)
    sys.exit("a test that fails was not reported as failed")
"""
FOLDERS = 20
"""Maximum number of folders with a conftest.py that get a failing test, the root included."""


def kind_of(script: str) -> str | None:
    """The kind of a test script; None for one that is not Python, which has no control."""
    tree = parse("script.py", script.encode("utf-8", "replace"))
    if tree is None or tree.root_node.has_error:
        return None
    return PYTEST if "pytest" in script else PLAIN


def control_of(scripts: Iterable[str], kind: str) -> str:
    """The control of test scripts of one kind; equal preparations give equal controls."""
    statements = list(dict.fromkeys(statement for script in scripts for statement in preparation(script)))
    pytest = f"FOLDERS = {FOLDERS}\n{_PYTEST_PROGRAM}" if kind == PYTEST else ""
    return f"{TITLE}STATEMENTS = {statements!r}\n{_PROGRAM}{pytest}sys.exit({ISSUE_PRESENT})\n"


def preparation(script: str) -> list[str]:
    """The statements by which a Python script sets its paths and imports, in order, also from texts within it."""
    content = script.encode("utf-8", "replace")
    tree = parse("script.py", content)
    assert tree is not None
    nodes = list(_walk(tree.root_node))
    found: dict[int, list[str]] = {}
    for node in nodes:
        text = _text(node)
        if node.type in _IMPORTS or (node.type == "call" and _DYNAMIC.fullmatch(text)):
            found[node.start_byte] = [text]
        elif node.type == "string_content":
            found[node.start_byte] = [match.strip() for match in _IN_TEXT.findall(text)]
    for node in _path_statements(nodes):
        found.setdefault(node.start_byte, [_text(node)])
    return [statement for start in sorted(found) for statement in found[start]]


def _path_statements(nodes: Sequence[Node]) -> list[Node]:
    """Statements about paths and variables of the environment, and the assignments whose names they use."""
    simple = [node for node in nodes if node.type == "expression_statement"]
    chosen = {node.start_byte: node for node in simple if _PATHS.search(_text(node))}
    waiting = list(chosen.values())
    while waiting:
        names = {_text(node) for node in _walk(waiting.pop()) if node.type == "identifier"}
        for node in simple:
            target = node.children[0].child_by_field_name("left") if node.children[0].type == "assignment" else None
            if target is not None and _text(target) in names and node.start_byte not in chosen:
                chosen[node.start_byte] = node
                waiting.append(node)
    return list(chosen.values())


def _walk(root: Node) -> Iterator[Node]:
    stack = [root]  # explicit, since code may nest deeper than calls
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")

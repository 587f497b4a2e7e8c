#!/usr/bin/env bash
# tree-sitter-python sees no error in a function without a body, nor in Python 2.
#
# One would guess that `root_node.has_error` is a cheap syntax check after an edit. The grammar is lenient: a block
# may be empty, indentation need not be consistent, and Python 2 is accepted next to Python 3, backquotes and `<>`
# included. An edit that cut off a body or mixed tabs with spaces passes. An unclosed bracket is reported.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tree-sitter==0.26.1 tree-sitter-python==0.25.0

cat > probe.py <<'PY'
import ast
from importlib.metadata import version

import tree_sitter
import tree_sitter_python

SOURCES = {
    "a body that is gone": "def f():\n\ndef g():\n    return 1\n",
    "a body that lost its indentation": "def f():\nreturn 1\n",
    "an if with nothing in it": "if x:\n",
    "a tab below eight spaces": "if x:\n        y\n\tz\n",
    "Python 2": "print `x` <> 0777\n",
    "an open bracket": "f(1\n",
}


def compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


print("tree-sitter", version("tree-sitter"), "with tree-sitter-python", version("tree-sitter-python"))
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
errors = {name: parser.parse(source.encode()).root_node.has_error for name, source in SOURCES.items()}
for name, source in SOURCES.items():
    print(f"{name}: Python refuses it: {not compiles(source)}, tree-sitter sees an error: {errors[name]}")
    assert not compiles(source)
assert errors == {name: name == "an open bracket" for name in SOURCES}, "changed"
PY
venv/bin/python probe.py

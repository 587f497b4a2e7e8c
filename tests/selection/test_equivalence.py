from __future__ import annotations

import ast
import inspect
import json
import tarfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codemonkeys.context.languages import is_prose
from codemonkeys.errors import BadInput
from codemonkeys.generation.edits import Changes, File
from codemonkeys.generation.patch import make_patch
from codemonkeys.selection.equivalence import classes, normal_form
from codemonkeys.tasks.snapshot import Snapshot
from tests.repositories import make_repository

BASE = '''"""A module."""

import os


def run(a, b):
    """Run it."""
    if a:
        return [a, b]
    return None
'''
FILES = {"a.py": BASE.encode(), "b.py": b"x = 1\n", "notes.txt": b"notes\n", "bad.py": b"def (:\n"}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    with Snapshot.of_repository(make_repository(tmp_path_factory.mktemp("equal") / "r", FILES)) as snapshot:
        yield snapshot


def form(snapshot: Snapshot, path: str, text: str) -> str:
    return normal_form(snapshot, Changes({path: File(text.encode())}))


def equal(snapshot: Snapshot, path: str, one: str, other: str) -> bool:
    return form(snapshot, path, one) == form(snapshot, path, other)


FIXED = BASE.replace("return None", "return b")


@pytest.mark.parametrize(
    "other",
    [
        FIXED.replace("return b\n", "return b  # the fallback\n"),
        FIXED.replace('    """Run it."""\n', '    """Run it.\n\n    With care.\n    """\n'),
        FIXED.replace('    """Run it."""\n', ""),
        FIXED.replace('"""A module."""', "# A module."),
        FIXED.replace("\n    if a:", "\n\n    # first\n\n    if a:"),
        FIXED.replace("[a, b]", "[\n            a,\n            b,\n        ]"),
        FIXED.replace("run(a, b)", "run( a,b, )"),
        FIXED.replace("    ", "  "),
        FIXED.replace("import os\n", "import os;\n"),
        FIXED.replace("\n", "\r\n"),
        FIXED.replace("if a:", "if \\\n            a:"),
        FIXED.rstrip("\n"),
    ],
)
def test_layout_makes_no_difference(snapshot: Snapshot, other: str) -> None:
    assert other != FIXED and equal(snapshot, "a.py", FIXED, other)


@pytest.mark.parametrize(
    "other",
    [
        BASE,
        FIXED.replace("return b\n", "return a\n"),
        FIXED.replace("    return b\n", "        return b\n"),
        FIXED.replace("[a, b]", "(a, b)"),
        FIXED.replace("import os", "import os as os"),
        FIXED.replace('    """Run it."""\n', '    f"""{a}"""\n'),
        FIXED.replace("return b", "return 'b'"),
        "# -*- coding: latin-1 -*-\n" + FIXED,
    ],
)
def test_meaning_makes_a_difference(snapshot: Snapshot, other: str) -> None:
    assert not equal(snapshot, "a.py", FIXED, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 'a b'\n", "x = 'a  b'\n"),
        ("x = '# a'\n", "x = '# b'\n"),
        ("x = '\\n \\t'\n", "x = '\\n  \\t'\n"),
        ("x = (a,)\n", "x = (a)\n"),
        ("x = a[1,]\n", "x = a[1]\n"),
        ("x = f'{a }'\n", "x = f'{a!r}'\n"),
        ("if a:\n    b\n    c\n", "if a:\n    b\nc\n"),
        ("x = '''\n'''\n", "x = '''\n\n'''\n"),
    ],
)
def test_close_calls(snapshot: Snapshot, one: str, other: str) -> None:
    assert not equal(snapshot, "new.py", one, other)


@pytest.mark.parametrize(
    ("path", "one", "same", "different"),
    [
        ("a.js", "f(a); // x\n", "/* y */ f( a );\n", "f(b);\n"),
        ("a.js", "x = `a b`;\n", "x =  `a b`;\n", "x = `a  b`;\n"),
        ("a.js", "function f() { return x; }\n", "function f() {\n  return x;\n}\n", "function f() { return\n x; }\n"),
        ("a.ts", "let a: number = 1;\n", "let a : number=1; // n\n", "let a: string = 1;\n"),
        (
            "a.go",
            "package a\n\nvar x = 1\n",
            "package a\n// x\nvar  x = 1\n",
            "//go:build linux\npackage a\n\nvar x = 1\n",
        ),
        ("a.rs", "fn f() { g(); }\n", "/// Doc.\nfn f() {\n    g();\n}\n", "fn f() { g() }\n"),
        ("A.java", "class A { int x; }\n", "/** Doc. */\nclass A {\n  int x;\n}\n", "class A { long x; }\n"),
        ("a.c", "#ifdef A\nint x; /* c */\n#endif\n", "#ifdef A\nint  x;\n#endif\n", "#ifdef B\nint x;\n#endif\n"),
        ("a.c", "#define A 1\n", "#define A 1\n\n", "#define A 1 + 1\n"),
        ("a.cpp", "int f() { return -1; }\n", "int f()\n{ return  -1 ; }\n", "int f() { return 1; }\n"),
        ("a.rb", "x = %w(a b)\nputs x\n", "x = %w(a b) # c\nputs x\n", "x = %w(a  c)\nputs x\n"),
        ("a.rb", "x = <<~A\n  a\nA\n", "x =  <<~A\n  a\nA\n", "x = <<~A\n  b\nA\n"),
        ("a.php", "<?php\nf(1); // a\n", "<?php\n\nf( 1 );\n", "<?php\nf(2);\n"),
        ("a.ts", "// x\nf()\n", "f()\n", "// @ts-nocheck\nf()\n"),
        ("a.rb", "# It rings.\nA = 'a'\n", "A = 'a'\n", "# frozen_string_literal: true\nA = 'a'\n"),
        (
            "a.php",
            "<?php\nclass A {}\n",
            "<?php\n/** A @param */\nclass A {}\n",
            "<?php\n/** @ORM\\Entity */\nclass A {}\n",
        ),
        (
            "a.go",
            'package a\n\n// int x;\nimport "C"\n',
            'package a\n\n// int x;\nimport  "C"\n',
            'package a\n\n// long x;\nimport "C"\n',
        ),
        ("a.cs", "class A { int x = 1; }\n", "class A\n{\n  int x = 1; // x\n}\n", "class A { int x = 2; }\n"),
    ],
)
def test_languages(snapshot: Snapshot, path: str, one: str, same: str, different: str) -> None:
    assert equal(snapshot, path, one, same)
    assert not equal(snapshot, path, one, different)


SOURCES = [
    FIXED,
    inspect.getsource(textwrap.dedent),
    "async def f(*a, b=1, **c):\n    x[1:2, ...] = {**c, 'k': [i for i in a if i]}\n    return lambda y, *z: (yield)\n",
    "try:\n    a; b\nexcept* (E, F) as e:\n    'no doc'\nelse:\n    del a, b\nfor i, in x: pass\nassert (a, b), c\n",
]


def meaning(source: str) -> str | None:
    """Python's own syntax tree without docstrings; None if the source is no program."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
    return ast.dump(tree)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SOURCES), st.data())
def test_python_with_one_form_has_one_meaning(snapshot: Snapshot, source: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(source)))
    end = min(len(source), start + data.draw(st.integers(0, 3)))
    inserted = data.draw(st.sampled_from(["", " ", "\n", ",", ";", "#", "'", "    ", "x", "(", ")", ":", "\\\n", "-"]))
    other = source[:start] + inserted + source[end:]
    assume(other != source and meaning(other) is not None)
    if equal(snapshot, "any.py", source, other):
        assert meaning(source) == meaning(other)


def test_unknown_languages_and_broken_files_count_by_their_bytes(snapshot: Snapshot) -> None:
    assert not equal(snapshot, "notes.txt", "a b\n", "a  b\n")
    assert not equal(snapshot, "bad.py", "def (: # a\n", "def (:\n")


def test_file_that_says_the_same_as_before_does_not_count(snapshot: Snapshot) -> None:
    fix = {"a.py": File(FIXED.encode())}
    assert normal_form(snapshot, Changes(fix)) == normal_form(
        snapshot, Changes({**fix, "b.py": File(b"# one\nx = 1\n")})
    )
    assert normal_form(snapshot, Changes(fix)) != normal_form(snapshot, Changes({**fix, "c.py": File(b"# one\n")}))


def test_what_only_people_read_counts_only_alone(snapshot: Snapshot) -> None:
    fix, told = {"a.py": File(FIXED.encode())}, {"CHANGES.rst": File(b"Fixed.\n")}
    assert normal_form(snapshot, Changes(fix)) == normal_form(snapshot, Changes(fix | told))
    assert normal_form(snapshot, Changes(fix), prose=True) != normal_form(snapshot, Changes(fix | told), prose=True)
    other = Changes({"CHANGES.rst": File(b"Fixed again.\n")})
    assert normal_form(snapshot, Changes(told)) != normal_form(snapshot, other)


@pytest.mark.parametrize(
    ("path", "prose"),
    [
        ("CHANGES", True),
        ("docs/changelog.rst", True),
        ("changelog/9999.bugfix", True),
        ("docs/releases/4.1.txt", True),
        ("doc/conf.py", False),
        ("changelog/tool.py", False),
        ("requirements.txt", False),
        ("CMakeLists.txt", False),
        ("tests/roots/index.rst", False),
    ],
)
def test_prose_is_told_from_what_decides_how_code_runs(path: str, prose: bool) -> None:
    assert is_prose(path) == prose


def test_paths_modes_and_deletions_count(snapshot: Snapshot) -> None:
    changes = [
        Changes({"b.py": None}),
        Changes({"b.py": File(b"")}),
        Changes({"b.py": File(b"x = 1\n", "100755")}),
        Changes({"b.py": None, "c.py": File(b"x = 1\n")}),
        Changes({"b.py": None, "d.py": File(b"x = 1\n")}),
        Changes({"c.py": File(b"x = 1\n")}),
    ]
    assert len({normal_form(snapshot, change) for change in changes}) == len(changes)


def test_deeply_nested_code(snapshot: Snapshot) -> None:
    deep = "x = " + "[" * 3000 + "]" * 3000 + "\n"
    assert equal(snapshot, "deep.py", deep, deep + "# end\n")


def test_classes_in_the_order_first_seen(snapshot: Snapshot) -> None:
    texts = [
        FIXED,
        BASE.replace("None", "a"),
        FIXED + "# end\n",
        FIXED.replace("b]", "a]"),
        FIXED.replace("if a:", "if  a:"),
    ]
    patches = [make_patch(snapshot, Changes({"a.py": File(text.encode())})) for text in texts]
    assert classes(snapshot, patches) == [[0, 2, 4], [1], [3]]
    with pytest.raises(BadInput, match="does not apply"):
        classes(snapshot, [*patches, "no patch"])


@pytest.mark.slow
@pytest.mark.data
def test_real_candidates(data_dir: Path, tmp_path: Path) -> None:
    """Real patches for one task: those that are grouped got the same verdict from the hidden tests."""
    task = data_dir / "task_repo/tasks/pytest-dev__pytest-11143"
    folder = tmp_path / "repository"
    with tarfile.open(task / "repo.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    make_repository(folder, {})
    rows = [json.loads(line) for line in (task / "candidates.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["model_patch"].strip()]
    with Snapshot.of_repository(folder) as snapshot:
        groups = classes(snapshot, [row["model_patch"] for row in rows])
    assert sorted(index for group in groups for index in group) == list(range(len(rows)))
    assert 1 < len(groups) < len(rows)
    for group in groups:
        assert len({rows[index]["resolved"] for index in group}) == 1

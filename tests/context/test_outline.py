from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from codemonkeys.context.languages import is_source, is_test, language_of
from codemonkeys.context.outline import outline

PYTHON = '''#!/usr/bin/env python
"""What this is.

Much more.
"""
from __future__ import annotations

try:
    import fast
except ImportError:
    fast = None

LIMIT: int = 3
TABLE = [
    1,
    2,
]


@register("name")
class Worker(Base):
    """Works.

    Hard.
    """

    speed = 1

    @property
    async def run(
        self, count: int = 1, *names: str
    ) -> list[str]:
        """Run it."""
        local = 1

        def inner(): ...

        return []


if LIMIT:
    def helper(x): return x

print("done")
'''

PYTHON_OUTLINE = '''"""What this is."""
from __future__ import annotations
import fast
fast = None
LIMIT: int = 3
TABLE = [ 1, 2, ]
@register("name")
class Worker(Base):  #21-38
    """Works."""
    speed = 1
    @property
    async def run( self, count: int = 1, *names: str ) -> list[str]:  #30-38
        """Run it."""
def helper(x):
'''


def test_python() -> None:
    assert outline("a.py", PYTHON) == PYTHON_OUTLINE
    assert outline("a.py", PYTHON.encode()) == PYTHON_OUTLINE
    assert outline("a.py", PYTHON.replace("\n", "\r\n")) == PYTHON_OUTLINE


def test_syntax_error_leaves_the_rest() -> None:
    text = outline("a.py", "def broken(:\n    pass\n\ndef good(a):\n    return 1\n\nclass C:\n    def f(self): pass\n")
    assert text and "def good(a):" in text and "class C:" in text and "    def f(self):" in text


def test_odd_sources() -> None:
    assert outline("a.py", "") == ""
    assert outline("a.py", b"\xff\xfe = '\xe9'\n") is not None
    assert outline("a.py", "\udce9 = 1\n") is not None
    assert outline("a.txt", "text") is None
    assert outline("a.kt", "class A") is None
    assert outline("a.py", "x = " + "(" * 5000 + ")" * 5000) is not None


def test_long_texts_are_shortened() -> None:
    text = outline("a.py", f"X = [{'1, ' * 5000}]\n\ndef f():\n    '''{'word ' * 5000}'''\n")
    assert text and len(text) < 1000


@pytest.mark.parametrize(
    ("path", "source", "lines"),
    [
        (
            "a.js",
            "import x from 'y';\nconst add = (a, b) => {\n  return a;\n};\n"
            "export class A extends B {\n  run() { return 1 }\n}",
            ["import x from 'y';", "const add = (a, b) => ... ;  #2-4", "class A extends B  #5-7", "    run()"],
        ),
        (
            "a.ts",
            "export interface P { name: string; go(): void }\nexport type T = A;\n"
            "class A<T> {\n  f(a: T): T {\n    return a\n  }\n}",
            [
                "interface P",
                "    name: string",
                "    go(): void",
                "type T = A;",
                "class A<T>  #3-7",
                "    f(a: T): T  #4-6",
            ],
        ),
        ("a.tsx", "export function App({a}: P) {\n  return <p>{a}</p>;\n}", ["function App({a}: P)  #1-3"]),
        (
            "a.go",
            "package m\ntype T struct { A int }\nfunc (t *T) F(a int) error {\n  return nil\n}",
            ["package m", "type T struct { A int }", "func (t *T) F(a int) error  #3-5"],
        ),
        (
            "a.rs",
            "use a::b;\nimpl T for P {\n    fn f(&self) -> i32 {\n        1\n    }\n}",
            ["use a::b;", "impl T for P  #2-6", "    fn f(&self) -> i32  #3-5"],
        ),
        (
            "A.java",
            "package a;\npublic class A {\n  int x = 1;\n  public A(int x) {\n    f();\n  }\n}",
            ["package a;", "public class A  #2-7", "    int x = 1;", "    public A(int x)  #4-6"],
        ),
        (
            "a.c",
            "#include <x.h>\ntypedef struct { int a; } T;\n#ifdef X\nint f(int a)\n{\n  return 1;\n}\n#endif\n",
            ["#include <x.h>", "typedef struct ... T;", "    int a;", "int f(int a)  #4-7"],
        ),
        (
            "a.cpp",
            "namespace n {\ntemplate <class T>\nclass A : B {\n  int f() const;\n};\n}\n",
            ["namespace n  #1-6", "    class A : B  #3-5", "        int f() const;"],
        ),
        (
            "a.rb",
            "require 'x'\nmodule M\n  class A < B\n    attr_accessor :x\n    def f(a)\n      1\n    end\n  end\nend\n",
            [
                "require 'x'",
                "module M  #2-9",
                "    class A < B  #3-8",
                "        attr_accessor :x",
                "        def f(a)  #5-7",
            ],
        ),
        (
            "a.php",
            "<?php\nuse A\\B;\nclass A {\n  public function f(int $a): int {\n    return 1;\n  }\n}\n",
            ["use A\\B;", "class A  #3-7", "    public function f(int $a): int  #4-6"],
        ),
        (
            "a.cs",
            "using System;\nclass A : B {\n  public int P { get; }\n  int F(int a) {\n    return 1;\n  }\n}\n",
            ["using System;", "class A : B  #2-7", "    public int P { get; }", "    int F(int a)  #4-6"],
        ),
    ],
)
def test_languages(path: str, source: str, lines: list[str]) -> None:
    assert (outline(path, source) or "").splitlines() == lines


def test_language_and_source() -> None:
    assert language_of("src/A.PY") == "python" and language_of("a/b.tsx") == "tsx"
    assert is_source("x.vue") and is_source("x.kt") and is_source("run.sh")
    assert not any(map(is_source, ["README.md", "py", ".py", "a.py/b", "setup.cfg", "data.json"]))


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("tests/a.py", True),
        ("pkg/sub/tests/a.py", True),
        ("web/__tests__/a.js", True),
        ("Tests/A.cs", True),
        ("testing/python/collect.py", True),
        ("test/a.py", True),
        ("spec/a.rb", True),
        ("src/test/java/A.java", True),
        ("pkg/client_test.go", True),
        ("src/a.spec.ts", True),
        ("test_requests.py", True),
        ("pkg/conftest.py", True),
        ("src/_pytest/python.py", False),
        ("django/test/client.py", False),
        ("sympy/testing/runtests.py", False),
        ("src/flask/testing.py", False),
        ("pkg/latest.py", False),
        ("contest/a.py", False),
        ("tests.py", False),
    ],
)
def test_what_counts_as_a_test(path: str, test: bool) -> None:
    assert is_test(path) is test


@pytest.mark.data
def test_outlines_of_a_real_codebase_are_about_a_third(data_dir: Path) -> None:
    full = short = 0
    with tarfile.open(data_dir / "task_repo/tasks/pallets__flask-5014/repo.tar.gz") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".py") and not is_test(member.name.removeprefix("./")):
                file = archive.extractfile(member)
                assert file is not None
                source = file.read()
                full += len(source)
                short += len((outline(member.name, source) or "").encode())
    assert 0.15 < short / full < 0.4

"""Where the special imports go: docstring and __future__ imports stay first, and a leading number does not matter."""

import ast
import sys


def main() -> int:
    from _pytest.assertion.rewrite import rewrite_asserts

    body = "def check(value):\n    assert value == 2\n"
    verdict = 0
    for head, docstring in [
        ("", None),
        ('"""Doc."""\n', "Doc."),
        ("5\n", None),
        ("5.5\n'text'\n", None),
        ('"""Doc."""\n5\n', "Doc."),
        ("from __future__ import annotations\n7\n", None),
        ('"""Doc."""\nfrom __future__ import annotations\n7\n', "Doc."),
    ]:
        source = head + body
        tree = ast.parse(source)
        scope: dict = {"__name__": "sample"}
        try:
            rewrite_asserts(tree, source.encode())
            exec(compile(tree, "sample.py", "exec"), scope)
            scope["check"](2)
        except Exception as error:
            print("BAD", repr(head), "->", repr(error))
            verdict = 2
            continue
        good = scope.get("__doc__") == docstring
        try:
            scope["check"](3)
            good = False
        except AssertionError as error:
            good = good and "3 == 2" in str(error)
        print("ok " if good else "BAD", repr(head), "docstring", repr(scope.get("__doc__")))
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

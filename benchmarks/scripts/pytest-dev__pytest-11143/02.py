"""rewrite_asserts accepts any constant as first expression and still rewrites the asserts after it."""

import ast
import sys


def main() -> int:
    from _pytest.assertion.rewrite import rewrite_asserts

    bad = 0
    for first in ("0", "1", "-1", "3.5", "2j", "True", "None", "...", "b'bytes'", "b'PYTEST_DONT_REWRITE'", "(1, 2)"):
        source = f"{first}\ndef check(value):\n    assert value == 2\n"
        tree = ast.parse(source)
        scope: dict = {}
        try:
            rewrite_asserts(tree, source.encode())
            exec(compile(tree, "sample.py", "exec"), scope)
        except Exception as error:
            print("BAD", first, "->", repr(error))
            bad += 1
            continue
        try:
            scope["check"](1)
        except AssertionError as error:
            explained = "1 == 2" in str(error)
        else:
            explained = False
        print("ok " if explained else "BAD", first, "-> assert explained:", explained)
        bad += not explained
    return 2 if bad else 0


sys.exit(main())

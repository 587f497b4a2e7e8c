"""A string that merely follows a leading number is no docstring, so it cannot switch rewriting off."""

import ast
import sys


def explained(source: str) -> bool:
    from _pytest.assertion.rewrite import rewrite_asserts

    tree = ast.parse(source)
    rewrite_asserts(tree, source.encode())
    scope: dict = {}
    exec(compile(tree, "sample.py", "exec"), scope)
    try:
        scope["check"](1)
    except AssertionError as error:
        return "1 == 2" in str(error)
    return False


def main() -> int:
    import _pytest.assertion.rewrite  # noqa: F401

    body = "\ndef check(value):\n    assert value == 2\n"
    cases = {
        '1\n"PYTEST_DONT_REWRITE"' + body: True,
        "42\n43\n44" + body: True,
        '"PYTEST_DONT_REWRITE"\n1' + body: False,
        '"Doc."\nfrom __future__ import annotations\n1' + body: True,
        "from __future__ import annotations\n1" + body: True,
    }
    verdict = 0
    for source, wanted in cases.items():
        try:
            found: object = explained(source)
        except Exception as error:
            found = repr(error)
        print(repr(source.partition("\ndef")[0]), "->", found, "expected", wanted)
        if found is not wanted:
            verdict = 2
    return verdict


sys.exit(main())

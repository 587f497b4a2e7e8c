"""The check for a switched-off file takes text as before, and the whole rewriter takes a module of one number."""

import ast
import sys


def main() -> int:
    from _pytest.assertion.rewrite import AssertionRewriter, rewrite_asserts

    verdict = 0
    for text, wanted in (
        ("PYTEST_DONT_REWRITE", True),
        ("Doc.\n\nPYTEST_DONT_REWRITE\n", True),
        ("Doc.", False),
        ("", False),
    ):
        found = AssertionRewriter.is_rewrite_disabled(text)
        print("ok " if found is wanted else "BAD", repr(text), found)
        if found is not wanted:
            verdict = 2
    for source in ("1", "1\n", "1\n2\n3\n", "1.0\n\nx = 1\n", "'doc'\n", "", "None\n", "1\n\n\nassert True\n"):
        tree = ast.parse(source)
        try:
            rewrite_asserts(tree, source.encode())
            exec(compile(tree, "sample.py", "exec"), {})
        except Exception as error:
            print("BAD", repr(source), "->", repr(error))
            verdict = 2
        else:
            print("ok ", repr(source))
    return verdict


sys.exit(main())

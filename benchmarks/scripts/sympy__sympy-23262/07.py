"""Only tuples of one element get the comma: the source of every other shape is what it was."""

import inspect
import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import lambdify, symbols

    x, y = symbols("x y")
    sources = [
        ((x,), "(x,)"),
        ((x, y), "(x, y)"),
        ((x, y, 1), "(x, y, 1)"),
        ((), "()"),
        ([x], "[x]"),
        ([x, y], "[x, y]"),
        ([], "[]"),
        (((x,), (y,)), "((x,), (y,))"),
        ([(x,), [y]], "[(x,), [y]]"),
        (x + y, "x + y"),
    ]
    verdict = 0
    for expr, wanted in sources:
        source = inspect.getsource(lambdify([x, y], expr, modules="math"))
        found = source.partition("return ")[2].strip()
        good = found.replace(" ", "") == wanted.replace(" ", "")
        print("ok " if good else "BAD", expr, "->", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

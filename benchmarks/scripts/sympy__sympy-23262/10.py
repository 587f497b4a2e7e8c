"""Matrices, dictionaries of results and sympy's own Tuple beside the mended tuple: each comes back as what it is."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import ImmutableMatrix, Matrix, Tuple, lambdify, symbols

    x = symbols("x")
    verdict = 0
    cases = [
        ("tuple of a list of a tuple", ([(x,)],), ([(2,)],)),
        ("tuple in a longer tuple", (x, (x,), [x]), (2, (2,), [2])),
        ("sympy Tuple", Tuple(x), (2,)),
        ("sympy Tuple in a list", [Tuple(x)], [(2,)]),
        ("sympy Tuple of two", Tuple(x, x), (2, 2)),
        ("string in a tuple", ("x*2",), (4,)),
        ("number in a tuple", (1.5,), (1.5,)),
    ]
    for name, expr, wanted in cases:
        try:
            found = lambdify(x, expr, "math")(2)
        except Exception as error:
            found = repr(error)
        good = found == wanted and type(found) is type(wanted)
        print("ok " if good else "BAD", name, "->", repr(found))
        if not good:
            verdict = 2
    for name, expr in (("matrix", Matrix([[x]])), ("immutable matrix", ImmutableMatrix([[x]]))):
        found = lambdify(x, expr, "sympy")(2)
        inside = lambdify(x, (expr,), "sympy")(2)
        good = found == Matrix([[2]]) and isinstance(inside, tuple) and inside[0] == Matrix([[2]])
        print("ok " if good else "BAD", name, "->", found, inside)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

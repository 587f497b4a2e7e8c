"""The result of a lambdified one-element tuple is a tuple in numpy-free modules, whatever the element is."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Piecewise, Rational, lambdify, pi, sqrt, symbols, true

    x, y = symbols("x y")
    verdict = 0
    cases = [
        ((Rational(1, 2),), (0.5,)),
        ((pi * 0,), (0,)),
        ((sqrt(x),), (2.0,)),
        ((Piecewise((x, x > 0), (y, True)),), (4,)),
        ((true,), (True,)),
        ((x > y,), (False,)),
        ((x * y - 1,), (19,)),
        ((x, y), (4, 5)),
        (x * y, 20),
        ([x * y], [20]),
    ]
    for expr, wanted in cases:
        try:
            found = lambdify((x, y), expr, "math")(4, 5)
        except Exception as error:
            found = repr(error)
        good = found == wanted and type(found) is type(wanted)
        print("ok " if good else "BAD", expr, "->", repr(found))
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

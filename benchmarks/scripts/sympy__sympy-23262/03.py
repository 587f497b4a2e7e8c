"""lambdastr writes text that evaluates to a one-element tuple, with and without dummified or nested arguments."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Function, Tuple, symbols
    from sympy.utilities.lambdify import lambdastr

    x, y = symbols("x y")
    f = Function("f")
    verdict = 0
    cases = [
        (lambdastr(x, (x**2,)), (3,), (9,)),
        (lambdastr([x], ((x,),)), (3,), ((3,),)),
        (lambdastr((x, (y,)), (x + y,)), (3, (4,)), (7,)),
        (lambdastr(f(x), (f(x) + 1,), dummify=True), (3,), (4,)),
        (lambdastr(x, Tuple(x)), (3,), (3,)),
        (lambdastr(x, [x]), (3,), [3]),
        (lambdastr(x, ()), (3,), ()),
        (lambdastr((x, y), (y, x)), (3, 4), (4, 3)),
        (lambdastr(x, x + 1), (3,), 4),
    ]
    for text, args, wanted in cases:
        found = eval(text)(*args)
        good = found == wanted and type(found) is type(wanted)
        print("ok " if good else "BAD", text, "->", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

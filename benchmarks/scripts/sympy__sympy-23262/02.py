"""Nested containers come back from a lambdified function with exactly the nesting they had."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import lambdify, symbols

    x, y = symbols("x y")
    verdict = 0
    cases = [
        (((x,),), ((3,),)),
        ([(x,)], [(3,)]),
        (((x,), 2), ((3,), 2)),
        ((x, (y,)), (3, (4,))),
        (([x],), ([3],)),
        ((((x, y),),), (((3, 4),),)),
        ([x], [3]),
        ([], []),
        ((), ()),
        ((x, y), (3, 4)),
        ([[x], [y]], [[3], [4]]),
        (x + y, 7),
    ]
    for expr, wanted in cases:
        found = lambdify([x, y], expr, modules="math")(3, 4)
        good = found == wanted and type(found) is type(wanted)
        print("ok " if good else "BAD", expr, "->", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

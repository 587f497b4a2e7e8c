"""One-element tuples survive cse, the module choices, string entries and nested arguments, also in the docstring."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Integer, cos, lambdify, sin, symbols

    x = symbols("x")
    verdict = 0
    for name, function, args, wanted in [
        ("cse", lambdify(x, ((x + 1) ** 2 + 1 / (x + 1),), "math", cse=True), (1,), (4.5,)),
        ("math", lambdify(x, (cos(x),), "math"), (0,), (1.0,)),
        ("mpmath", lambdify(x, (sin(x) + 1,), "mpmath"), (0,), (1,)),
        ("sympy", lambdify(x, (x + 1,), "sympy"), (Integer(1),), (2,)),
        ("string entry", lambdify(x, ("x + 1",), "math"), (1,), (2,)),
        ("nested arguments", lambdify(((x,),), (2 * x,), "math"), ((4,),), (8,)),
        ("number", lambdify(x, (5,), "math"), (0,), (5,)),
        ("no tuple", lambdify(x, x + 1, "math"), (1,), 2),
    ]:
        found = function(*args)
        good = found == wanted and type(found) is type(wanted)
        if isinstance(wanted, tuple):
            good = good and ",)" in function.__doc__.partition("Source code:")[2]
        print("ok " if good else "BAD", name, "->", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

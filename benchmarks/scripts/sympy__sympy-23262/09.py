"""A program that relies on the return type: it unpacks, indexes, measures and joins what the function returns."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import diff, lambdify, sin, symbols

    x, y = symbols("x y")
    verdict = 0
    for variables in ((x,), (x, y)):
        gradient = tuple(diff(sin(x) * (y + 1), v) for v in variables)
        function = lambdify([x, y], gradient, modules="math")
        result = function(0.0, 2.0)
        try:
            checks = [
                len(result) == len(variables),
                result[0] == 3.0,
                result + (1,) == (*result, 1),
                dict(zip(variables, result, strict=True))[x] == 3.0,
                [*result][-1] == result[-1],
            ]
        except TypeError as error:
            print("BAD", variables, "the result is no tuple:", error)
            verdict = 2
            continue
        print("ok " if all(checks) else "BAD", variables, result)
        if not all(checks):
            verdict = 2
    return verdict


sys.exit(main())

"""Dimensionless arguments are accepted while sums with a truly dimensional argument are still refused."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Function, exp, sin
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    f = Function("f")
    rc = u.second / (u.ohm * u.farad)
    accepted = [1 + exp(rc), 2 + f(rc), u.meter + u.kilometer, 1 + exp(u.meter / u.kilometer), u.meter + f(u.meter)]
    refused = [100 + exp(u.second), 1 + sin(u.meter), u.meter + u.second, 1 + exp(rc * u.second), u.second + exp(rc)]
    verdict = 0
    for expr in accepted + refused:
        try:
            result = SI._collect_factor_and_dimension(expr)
        except ValueError:
            result = None
        good = (result is not None) == (expr in accepted)
        print("ok " if good else "BAD", expr, "->", result)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

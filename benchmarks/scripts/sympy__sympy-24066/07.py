"""A dimensionless argument is recognised in functions of two arguments and in undefined ones, summed with a number."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Function, S, atan2, exp, log
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    rc = u.second / (u.ohm * u.farad)
    strain = u.pascal * u.meter**2 / u.newton
    f, g = Function("f"), Function("g")
    verdict = 0
    for expr in (1 + f(rc), 1 + f(strain) + g(rc), 1 + log(3 * rc), 2 * exp(rc) - exp(strain), 1 + exp(f(rc))):
        try:
            factor, dimension = SI._collect_factor_and_dimension(expr)
        except ValueError as error:
            print("BAD", expr, "->", error)
            verdict = 2
            continue
        good = system.is_dimensionless(dimension)
        print("ok " if good else "BAD", expr, "->", factor, dimension)
        if not good:
            verdict = 2
    parts = SI._collect_factor_and_dimension(atan2(u.meter, u.meter))
    print("a function of two arguments is still taken apart:", parts[0])
    return verdict if parts[0] == atan2(S(1), S(1)) else 2


sys.exit(main())

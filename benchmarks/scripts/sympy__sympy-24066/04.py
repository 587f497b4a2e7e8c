"""Sums of several such functions, products with units, and functions nested in functions are all collected."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import cos, exp, sin
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    rc = u.second / (u.ohm * u.farad)
    work = u.joule / (u.newton * u.meter)
    cases = [
        (exp(rc) + sin(work), 1),
        (3 + exp(sin(rc)), 1),
        (cos(1 + exp(rc)) + 2, 1),
        (5 + 2 * exp(-rc), 1),
        (u.volt + u.volt * exp(-rc), u.voltage),
        (u.meter * exp(rc) + u.kilometer, u.length),
    ]
    verdict = 0
    for expr, wanted in cases:
        try:
            factor, dimension = SI._collect_factor_and_dimension(expr)
        except ValueError as error:
            print("BAD", expr, "->", error)
            verdict = 2
            continue
        same = system.is_dimensionless(dimension) if wanted == 1 else system.equivalent_dims(dimension, wanted)
        print("ok " if same else "BAD", expr, "->", factor, dimension)
        if not same:
            verdict = 2
    return verdict


sys.exit(main())

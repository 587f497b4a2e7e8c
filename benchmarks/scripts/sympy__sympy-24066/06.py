"""Exponentials of dimensionless products by several roads: exp, E**x, numeric bases, multiples of the exponent."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import E, S, exp, sqrt
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    rc = u.second / (u.ohm * u.farad)
    cases = [
        (S(1) + exp(rc), 1 + E),
        (S(1) + E**rc, 1 + E),
        (S(1) + S(3) ** rc, S(4)),
        (S(1) + exp(2 * rc), 1 + E**2),
        (S(1) + exp(-rc / 2), 1 + 1 / sqrt(E)),
        (S(1) - exp(rc) / 2, 1 - E / 2),
        (S(1) + exp(rc) ** 2 * 3, 1 + 3 * E**2),
        (S(1) + exp(rc**2), 1 + E),
    ]
    verdict = 0
    for expr, wanted in cases:
        try:
            factor, dimension = SI._collect_factor_and_dimension(expr)
        except ValueError as error:
            print("BAD", expr, "->", error)
            verdict = 2
            continue
        good = (factor - wanted).equals(0) and system.is_dimensionless(dimension)
        print("ok " if good else "BAD", expr, "->", factor, dimension)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

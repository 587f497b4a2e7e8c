"""A function of a dimensionless product counts as a plain number in products, powers and quotients."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import E, S, exp, sin
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    rc = u.second / (u.ohm * u.farad)
    cases = [
        (exp(rc), S.One, E),
        (u.meter * exp(rc), u.length, E),
        (u.meter / exp(rc), u.length, 1 / E),
        ((u.meter * exp(rc)) ** 2, u.length**2, E**2),
        (u.volt * (1 - exp(-rc)), u.voltage, None),
        (sin(rc) * u.second, u.time, sin(1)),
        (u.meter * (2 + exp(rc)), u.length, 2 + E),
    ]
    verdict = 0
    for expr, wanted, scale in cases:
        try:
            factor, dimension = SI._collect_factor_and_dimension(expr)
        except ValueError as error:
            print("BAD", expr, "->", error)
            verdict = 2
            continue
        same = system.is_dimensionless(dimension) if wanted == 1 else system.equivalent_dims(dimension, wanted)
        right = scale is None or (factor - scale).equals(0)
        print("ok " if same and right else "BAD", expr, "->", factor, dimension)
        if not (same and right):
            verdict = 2
    return verdict


sys.exit(main())

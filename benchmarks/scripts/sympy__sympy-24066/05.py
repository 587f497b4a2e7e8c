"""The scale factor of a charging capacitor comes out right, with prefixed units and plain quantities alike."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from math import exp as real_exp

    from sympy import S, exp, symbols
    from sympy.physics import units as u
    from sympy.physics.units import Quantity
    from sympy.physics.units.systems.si import SI

    x = symbols("x")
    resistance = Quantity("resistance")
    SI.set_quantity_dimension(resistance, u.impedance)
    SI.set_quantity_scale_factor(resistance, 2 * u.ohm)
    collect = SI._collect_factor_and_dimension
    cases = [
        (1 + exp(-u.millisecond / (u.kilo * u.ohm * u.farad)), 1 + real_exp(-1e-6)),
        (1 - exp(-3 * u.second / (resistance * u.farad)), 1 - real_exp(-1.5)),
        (S(10) + exp(2 * u.minute / (u.ohm * u.farad * 60)), 10 + real_exp(2)),
        (S(10) + 2 ** (u.second / (u.ohm * u.farad)), 12.0),
    ]
    verdict = 0
    for expr, wanted in cases:
        try:
            factor = float(collect(expr)[0])
        except ValueError as error:
            print("BAD", expr, "->", error)
            verdict = 2
            continue
        good = abs(factor - wanted) < 1e-9
        print("ok " if good else "BAD", expr, "->", factor, "expected", wanted)
        if not good:
            verdict = 2
    return verdict if collect(x * u.meter)[0] == x else 2


sys.exit(main())

"""Other functions and other dimensionless unit products can be added to plain numbers."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import S, cos, cosh, exp, sin, tanh
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    # each of these is 1, once the units are resolved
    ones = [
        u.newton * u.second**2 / (u.kilogram * u.meter),
        u.volt * u.ampere * u.second / u.joule,
        u.hertz * u.second,
        u.pascal * u.meter**2 / u.newton,
    ]
    verdict = 0
    for function, inner in [(f, one) for f in (exp, sin, cos, cosh, tanh) for one in ones]:
        scale = SI._collect_factor_and_dimension(inner)[0]
        try:
            factor, dimension = SI._collect_factor_and_dimension(S(7) + function(inner))
        except ValueError as error:
            print("BAD", function.__name__, "->", error)
            verdict = 2
            continue
        right = (factor - 7 - function(scale)).equals(0) and SI.get_dimension_system().is_dimensionless(dimension)
        print("ok " if right else "BAD", function.__name__, "->", factor, dimension)
        if not right:
            verdict = 2
    return verdict


sys.exit(main())

"""The order of the parts of a sum makes no difference, nor does how the dimensionless unit is built."""

import os
import sys
from itertools import permutations


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Add, S, cos, exp
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    inners = [
        u.second / (u.ohm * u.farad),
        u.henry / (u.ohm * u.second),
        u.watt * u.second / u.joule,
        u.coulomb / (u.ampere * u.second),
        u.weber / (u.volt * u.second),
    ]
    verdict = 0
    for inner in inners:
        found = set()
        for parts in permutations((S(2), exp(inner), cos(inner))):
            try:
                factor, dimension = SI._collect_factor_and_dimension(Add(*parts, evaluate=False))
            except ValueError as error:
                found.add(str(error))
                continue
            found.add("fine" if system.is_dimensionless(dimension) and factor.is_number else f"{factor} {dimension}")
        print("ok " if found == {"fine"} else "BAD", inner, found)
        if found != {"fine"}:
            verdict = 2
    return verdict


sys.exit(main())

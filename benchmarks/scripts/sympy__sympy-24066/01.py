"""The report's 100 + exp(second/(ohm*farad)) is collected without an error, as a dimensionless quantity."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import E, exp, simplify
    from sympy.physics import units
    from sympy.physics.units.systems.si import SI

    expr = units.second / (units.ohm * units.farad)
    system = SI.get_dimension_system()
    assert system.is_dimensionless(SI._collect_factor_and_dimension(expr)[1])
    try:
        factor, dimension = SI._collect_factor_and_dimension(100 + exp(expr))
    except ValueError as error:
        print("ValueError:", error)
        return 2
    print("factor", factor, "dimension", dimension)
    good = simplify(factor - (100 + E)) == 0 and system.is_dimensionless(dimension)
    return 0 if good else 2


sys.exit(main())

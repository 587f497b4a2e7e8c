"""What other code gets from the unit system holds for the report's expression too: errors keep their kind and text."""

import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Abs, exp
    from sympy.physics import units as u
    from sympy.physics.units import Quantity
    from sympy.physics.units.systems.si import SI

    system = SI.get_dimension_system()
    rc = u.second / (u.ohm * u.farad)
    speed, other = Quantity("speed"), Quantity("other")
    speed.set_global_relative_scale_factor(3, u.meter / u.second)
    other.set_global_relative_scale_factor(5, u.meter / u.second)
    kept = [
        SI._collect_factor_and_dimension(Abs(speed - other)) == (2, u.length / u.time),
        SI._collect_factor_and_dimension(speed / other + 1)[0] * 5 == 8,
        SI._collect_factor_and_dimension(u.kilometer + u.meter) == (1001, u.length),
    ]
    for wrong in (100 + exp(u.second / u.ohm), u.meter + exp(rc), exp(rc) + u.second, 100 + exp(rc) + u.meter):
        try:
            SI._collect_factor_and_dimension(wrong)
            kept.append(False)
        except ValueError as error:
            kept.append("Dimension of" in str(error) and "should be" in str(error))
        print("refused" if kept[-1] else "accepted", wrong)
    try:
        factor, dimension = SI._collect_factor_and_dimension(100 + exp(rc))
    except ValueError as error:
        print("BAD", error)
        return 2
    print("kept:", kept, factor, dimension)
    return 0 if all(kept) and system.is_dimensionless(dimension) else 2


sys.exit(main())

"""Cases around the printer: printers of the user, long expressions, tuple subclasses and dummified arguments."""

import os
import sys
from collections import namedtuple


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import Function, lambdify, symbols
    from sympy.printing.pycode import PythonCodePrinter

    x = symbols("x")
    f = Function("f")
    many = symbols("a:30")
    One = namedtuple("One", "value")
    printer = PythonCodePrinter({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True})
    cases = {
        "own printer": (lambda: lambdify(x, (x + 1,), "math", printer=printer)(2), (3,)),
        "printer class": (lambda: lambdify(x, (x + 1,), "math", printer=PythonCodePrinter)(2), (3,)),
        "long sum": (lambda: lambdify(many, (sum(many),), "math")(*range(30)), (435,)),
        "dummified": (lambda: lambdify(f(x), (2 * f(x),), "math", dummify=True)(2), (4,)),
        "named tuple": (lambda: tuple(lambdify(x, One(x), "math")(2)), (2,)),
        "no argument": (lambda: lambdify((), (7,))(), (7,)),
        "plain value": (lambda: lambdify((), 7)(), 7),
    }
    verdict = 0
    for name, (call, wanted) in cases.items():
        try:
            found = call()
        except Exception as error:
            found = repr(error)
        good = found == wanted and type(found) is type(wanted)
        print("ok " if good else "BAD", name, "->", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

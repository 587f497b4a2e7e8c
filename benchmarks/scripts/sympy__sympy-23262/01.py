"""lambdify([], (1,)) generates `return (1,)` and its function returns a tuple, as in the report."""

import inspect
import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from sympy import lambdify

    one = lambdify([], tuple([1]))
    two = lambdify([], tuple([1, 2]))
    source = inspect.getsource(one)
    print(repr(source), repr(inspect.getsource(two)))
    checks = {
        "source has the comma": source == "def _lambdifygenerated():\n    return (1,)\n",
        "result is a tuple": one() == (1,),
        "pair is untouched": inspect.getsource(two) == "def _lambdifygenerated():\n    return (1, 2)\n",
        "pair is returned": two() == (1, 2),
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

"""A fresh interpreter unpacks the single result and finds every tuple length from 0 to 4 preserved."""

import subprocess
import sys

PROGRAM = """
from sympy import Tuple, Matrix, lambdify, pycode, symbols
x = symbols("x")
for size in range(5):
    result = lambdify(x, tuple(x + n for n in range(size)), "math")(10)
    assert result == tuple(10 + n for n in range(size)), (size, result)
    result = lambdify(x, [x + n for n in range(size)], "math")(10)
    assert result == [10 + n for n in range(size)], (size, result)
(value,) = lambdify([x], (x,), "math")(10)
assert value == 10
assert lambdify(x, Tuple(x), "math")(10) == (10,)
(matrix,) = lambdify(x, (Matrix([[x, 1]]),), "sympy")(10)
assert matrix == Matrix([[10, 1]]), matrix
assert eval(pycode((x,)), {"x": 1}) == (1,)
print("all shapes preserved")
"""


def main() -> int:
    probe = subprocess.run([sys.executable, "-c", "import sympy"], capture_output=True, text=True)
    probe.check_returncode()
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    print(done.stdout, done.stderr[-300:])
    return 0 if done.returncode == 0 and "all shapes preserved" in done.stdout else 2


sys.exit(main())

"""The scale behind the traceback can be set up with boolean values and maps them in order, as it maps 0 and 1."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import pandas as pd
    from seaborn._core.properties import Color
    from seaborn._core.scales import Continuous

    def mapped(values: list) -> np.ndarray:
        data = pd.Series(values, name="flag")
        return np.asarray(Continuous()._setup(data, Color())(data), dtype=float)

    verdict = 0
    for flags in ([True, False], [False, True], [True, False, True, False, False]):
        wanted = mapped([int(flag) for flag in flags])
        try:
            found = mapped(flags)
        except Exception as error:
            print("BAD", flags, repr(error))
            verdict = 2
            continue
        good = found.shape == wanted.shape and np.allclose(found, wanted)
        print("ok " if good else "BAD", flags)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

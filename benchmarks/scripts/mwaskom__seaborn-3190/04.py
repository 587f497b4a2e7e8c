"""An explicit continuous scale maps False and True like the numbers 0 and 1, to the ends of the gradient."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import seaborn.objects as so

    def faces(color: list, scale: object) -> np.ndarray:
        plot = so.Plot(["a", "b", "c"], [1, 2, 3], color=color).add(so.Bar()).scale(color=scale)
        return np.array([bar.get_facecolor() for bar in plot.plot()._figure.axes[0].patches])

    verdict = 0
    for name, scale in {
        "named": so.Continuous("viridis"),
        "normed": so.Continuous("viridis", norm=(0, 2)),
        "ends": so.Continuous(("#ff0000", "#0000ff")),
    }.items():
        wanted = faces([1, 0, 1], scale)
        try:
            found = faces([True, False, True], scale)
        except Exception as error:
            print("BAD", name, repr(error.__cause__ or error))
            verdict = 2
            continue
        good = np.allclose(found, wanted)
        print("ok " if good else "BAD", name)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

"""The default color mapping takes booleans, and named palettes, missing values and Fill keep working with them."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import seaborn.objects as so
    from seaborn import color_palette

    def drawn(scale: object = None, **variables: list) -> list:
        plot = so.Plot(["a", "b", "c"], [1, 2, 3], **variables).add(so.Bar())
        plot = plot if scale is None else plot.scale(color=scale)
        return [bar.get_facecolor()[:3] for bar in plot.plot()._figure.axes[0].patches]

    flags = [True, False, True]
    cases = {
        "edgecolor": lambda: len(drawn(edgecolor=flags)) == 3,
        "default": lambda: np.isfinite(drawn(color=flags)).all(),
        "two variables": lambda: len(drawn(color=flags, fill=[False, True, True])) == 3,
        "named palette": lambda: np.allclose(
            sorted(set(drawn("deep", color=flags))), sorted(color_palette("deep")[:2])
        ),
        "explicit pair": lambda: len(set(drawn({True: "r", False: "b"}, color=flags))) == 2,
        "missing value": lambda: len(drawn(color=[True, False, None])) >= 2,
        "fill alone": lambda: len(drawn(fill=flags)) == 3,
    }
    verdict = 0
    for name, case in cases.items():
        try:
            good = bool(case())
        except Exception as error:
            print(f"    {error.__cause__ or error!r}")
            good = False
        print("ok " if good else "BAD", name)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

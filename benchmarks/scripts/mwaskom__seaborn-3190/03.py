"""Boolean color with dots, with a legend and in facets; numbers and strings keep the colours they had."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import seaborn.objects as so
    from seaborn import color_palette

    def plot(color: list) -> so.Plot:
        return so.Plot([1, 2, 3, 4], [1, 2, 3, 4], color=color).add(so.Dot())

    def colours(plotter) -> np.ndarray:
        return plotter._figure.axes[0].collections[0].get_facecolors()[:, :3]

    ramp = color_palette("ch:", as_cmap=True)([0.0, 1.0])[:, :3]
    checks = {
        "numbers use the gradient ends": np.allclose(colours(plot([0, 1, 0, 1]).plot())[:2], ramp),
        "strings use the palette": np.allclose(colours(plot(list("uvuv")).plot())[:2], color_palette("deep")[:2]),
    }
    flags = [True, False, True, False]
    try:
        plotter = plot(flags).plot()
        plotter._figure.canvas.draw()
        checks["dots get two colours"] = len(np.unique(colours(plotter), axis=0)) == 2
        checks["there is a legend with entries"] = any(item.get_texts() for item in plotter._figure.legends)
        checks["facets draw"] = len(plot(flags).facet(list("ppqq")).plot()._figure.axes) == 2
    except Exception as error:
        print("boolean color raised", repr(error.__cause__ or error))
        checks["booleans are mapped"] = False
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

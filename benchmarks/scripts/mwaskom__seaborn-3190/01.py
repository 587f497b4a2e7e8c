"""The bar plot of the report, coloured by [True, False], compiles, draws, and shows two different colours."""

import io
import sys
import traceback


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import seaborn.objects as so

    try:
        plotter = so.Plot(["a", "b"], [1, 2], color=[True, False]).add(so.Bar()).plot()
        plotter.save(io.BytesIO(), format="png")
    except Exception:
        print(traceback.format_exc(limit=1)[-600:])
        return 2
    bars = plotter._figure.axes[0].patches
    faces = [tuple(round(part, 4) for part in bar.get_facecolor()) for bar in bars]
    print("face colours:", faces)
    numbers = all(part == part for face in faces for part in face)
    return 0 if len(set(faces)) == 2 and numbers else 2


sys.exit(main())

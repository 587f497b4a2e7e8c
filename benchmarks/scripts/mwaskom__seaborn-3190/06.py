"""Every common mark can be coloured by a boolean column, also those that draw one artist for each group."""

import io
import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import pandas as pd
    import seaborn.objects as so

    frame = pd.DataFrame(
        {"x": [1, 2, 3, 1, 2, 3], "y": [1.0, 3.0, 2.0, 2.0, 1.0, 3.0], "flag": [True, True, True, False, False, False]}
    )
    verdict = 0
    for mark in (so.Bar(), so.Bars(), so.Dot(), so.Dots(), so.Line(), so.Lines(), so.Path(), so.Area(), so.Range()):
        plot = so.Plot(frame, "x", "y", color="flag")
        if isinstance(mark, so.Range):
            plot = so.Plot(frame, "x", ymin="y", ymax=frame["y"] + 1, color="flag")
        try:
            plot.add(mark).plot().save(io.BytesIO(), format="png")
        except Exception as error:
            print("BAD", type(mark).__name__, repr(error.__cause__ or error))
            verdict = 2
        else:
            print("ok ", type(mark).__name__)
    return verdict


sys.exit(main())

"""Boolean color data in several containers gives one colour per truth value, consistently over the rows."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import pandas as pd
    import seaborn.objects as so

    flags = [True, False, False, True]
    frame = pd.DataFrame({"x": list("abcd"), "y": [1, 2, 3, 4], "flag": flags})
    verdict = 0
    for name, build in {
        "list": lambda: so.Plot(list("abcd"), [1, 2, 3, 4], color=flags),
        "array": lambda: so.Plot(list("abcd"), [1, 2, 3, 4], color=np.array(flags)),
        "comparison": lambda: so.Plot(frame, "x", "y", color=frame["y"].isin([1, 4])),
        "column": lambda: so.Plot(frame, "x", "y", color="flag"),
    }.items():
        try:
            axes = build().add(so.Bar()).plot()._figure.axes[0]
            faces = [bar.get_facecolor() for bar in sorted(axes.patches, key=lambda bar: bar.get_x())]
        except Exception as error:
            print("BAD", name, repr(error.__cause__ or error))
            verdict = 2
            continue
        good = len(faces) == 4 and faces[0] == faces[3] != faces[1] == faces[2] and not np.isnan(faces).any()
        print("ok " if good else "BAD", name)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

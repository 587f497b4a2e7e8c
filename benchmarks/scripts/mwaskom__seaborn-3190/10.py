"""A condition as color works in a realistic plot: a frame, a statistic, dodging, facets, and scales set by hand."""

import io
import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    import pandas as pd
    import seaborn.objects as so

    dice = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "day": list("abcd") * 10,
            "bill": dice.normal(20, 5, 40),
            "smoker": [True, False] * 20,
            "side": list("lr") * 20,
        }
    )
    frame["high"] = frame["bill"] > 20
    cases = {
        "aggregated and dodged": lambda: so.Plot(frame, "day", "bill", color="high").add(
            so.Bar(), so.Agg(), so.Dodge()
        ),
        "histogram": lambda: so.Plot(frame, "bill", color="smoker").add(so.Bars(), so.Hist()),
        "facets": lambda: so.Plot(frame, "day", "bill", color="high").facet("side").add(so.Dot()),
        "two layers": lambda: so.Plot(frame, "day", "bill", color="high").add(so.Dot()).add(so.Line(), so.Agg()),
        "nominal by hand": lambda: so.Plot(frame, "day", "bill", color="high").add(so.Dot()).scale(color=so.Nominal()),
        "numbers": lambda: so.Plot(frame, "day", "bill", color="bill").add(so.Dot()),
        "layer variable": lambda: so.Plot(frame, "day", "bill").add(so.Dot(), color="smoker"),
    }
    verdict = 0
    for name, build in cases.items():
        try:
            build().plot().save(io.BytesIO(), format="png")
        except Exception as error:
            print("BAD", name, repr(error.__cause__ or error))
            verdict = 2
        else:
            print("ok ", name)
    return verdict


sys.exit(main())

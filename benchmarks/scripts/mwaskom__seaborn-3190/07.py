"""Boolean data that holds one value only, or a single row, is drawn too, as strings of one value are."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import seaborn.objects as so

    verdict = 0
    for color in ([True, True, True], [False, False, False], [True], [False], ["u", "u"]):
        count = len(color)
        try:
            axes = so.Plot(list("abc")[:count], [1, 2, 3][:count], color=color).add(so.Bar()).plot()._figure.axes[0]
        except Exception as error:
            print("BAD", color, repr(error.__cause__ or error))
            verdict = 2
            continue
        good = len(axes.patches) == count
        print("ok " if good else "BAD", color, len(axes.patches), "bars")
        if not good:
            verdict = 2
    return verdict


sys.exit(main())

"""Legend of a boolean color: an entry for each shown value at least, in different colours, whatever its labels say."""

import sys


def main() -> int:
    import matplotlib

    matplotlib.use("Agg")
    import seaborn.objects as so

    try:
        plotter = so.Plot([1, 2, 3, 4], [4, 3, 2, 1], color=[True, False, True, False]).add(so.Dot()).plot()
        plotter._figure.canvas.draw()
    except Exception as error:
        print("raised", repr(error.__cause__ or error))
        return 2
    entries = plotter._legend_contents
    print("legend contents:", entries)
    if len(entries) != 1:
        return 2
    _, artists, labels = entries[0]
    colours = {tuple(round(part, 4) for part in artist.get_facecolor()[0]) for artist in artists}
    print("labels:", labels, "colours:", colours)
    return 0 if len(labels) == len(set(labels)) >= 2 and len(colours) == len(labels) else 2


sys.exit(main())

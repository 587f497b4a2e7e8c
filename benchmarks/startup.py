"""Start-up time of `import codemonkeys` and `codemonkeys --help`, relative to an empty Python process.

    python -m benchmarks.startup [--repeat 15]

Ends with one line `RESULT import_ratio= help_ratio= import_s= help_s=`: medians, ratios over the empty process.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "empty": ["-c", "pass"],
    "import": ["-c", "import codemonkeys"],
    "help": ["-m", "codemonkeys", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """Wall-clock time of one Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure the commands alternately, round by round, so that all see the same machine load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=15)
    rounds = parser.parse_args().repeat
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"Python {platform.python_version()} on {platform.machine()}, medians of {rounds}")
    for name, median in medians.items():
        print(f"{name:8} {median * 1000:6.0f} ms")
    ratios = {name: medians[name] / medians["empty"] for name in ("import", "help")}
    print(
        f"RESULT import_ratio={ratios['import']:.2f} help_ratio={ratios['help']:.2f} "
        f"import_s={medians['import']:.3f} help_s={medians['help']:.3f}"
    )


if __name__ == "__main__":
    main()

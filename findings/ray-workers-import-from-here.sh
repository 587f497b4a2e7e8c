#!/usr/bin/env bash
# Workers of Ray import from the driver's current folder before anything that is installed.
#
# One would guess that a task finds the modules that its driver finds: one that was started with `python -P` or by a
# console script does not look in the current folder. Ray sends that folder along with the job, and workers put it before
# all others. A module there whose name is that of an installed package, or of the standard library, replaces it on all
# nodes that have the folder: whoever runs `tool` in a checked-out repository of somebody else runs that code there.
set -euo pipefail

folder=$(mktemp -d /tmp/f-XXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ray==2.60.0

mkdir theirs
echo 'WHERE = "the current folder"' > theirs/colorsys.py
cat > probe.py <<'PY'
import colorsys
import sys

import ray


@ray.remote
def where():
    import colorsys

    return getattr(colorsys, "WHERE", "the standard library")


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=sys.argv[1])
driver, worker = getattr(colorsys, "WHERE", "the standard library"), ray.get(where.remote())
print("ray", ray.__version__)
print("the driver has imported colorsys of", driver)
print("a worker has imported colorsys of", worker)
ray.shutdown()
assert (driver, worker) == ("the standard library", "the current folder"), "changed"
PY
cd theirs
HOME="$folder" RAY_USAGE_STATS_ENABLED=0 ../venv/bin/python -P ../probe.py "$folder/r"

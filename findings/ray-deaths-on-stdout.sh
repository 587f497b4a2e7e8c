#!/usr/bin/env bash
# Ray prints to the driver's standard output that a node has died, also with `log_to_driver=False`.
#
# One would guess that this option keeps the cluster's messages from the driver, or that they go to standard error. They
# go to standard output, whose content belongs to the program: JSON that it prints there for another one is broken by the
# death of a machine.
set -euo pipefail

folder=$(mktemp -d /tmp/f-XXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ray==2.60.0

cat > probe.py <<'PY'
import os
import signal
import time

import ray
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
(raylet,) = (process.process.pid for process in node.all_processes["raylet"])
os.kill(raylet, signal.SIGKILL)
end = time.monotonic() + 120
while sum(found["Alive"] for found in ray.nodes()) > 1 and time.monotonic() < end:
    time.sleep(0.2)
time.sleep(10)
ray.shutdown()
cluster.shutdown()
PY
mkdir r
HOME="$folder" RAY_TMPDIR="$folder/r" RAY_USAGE_STATS_ENABLED=0 venv/bin/python probe.py > out 2> err || { cat err >&2; exit 1; }
venv/bin/python -c 'import ray; print("ray", ray.__version__)'
echo "standard output of a program that prints nothing:"
grep -m 3 "(raylet)" out | cut -c1-150

#!/usr/bin/env bash
# `datasette --immutable` shows an old state of a database that a run is still writing to, without a warning.
#
# One would guess that --immutable is the careful way to look into the database of a live run: it promises not to
# write. It also promises SQLite that nobody else writes, so SQLite reads the main file alone. In WAL mode,
# transactions committed since the last checkpoint live in the file beside it and are left out: counts and sums of
# money are too low. Opened without the option, Datasette shows everything.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check datasette==0.65.4

cat > probe.py <<'PY'
import json
import sqlite3
import subprocess
import sys

run = sqlite3.connect("run.db")
run.execute("pragma journal_mode = wal")
run.execute("create table calls (usd real)")
run.execute("insert into calls values (1.0)")
run.commit()
run.execute("pragma wal_checkpoint(truncate)")
run.executemany("insert into calls values (?)", [(2.0,), (3.0,)])
run.commit()


def datasette(*arguments: str) -> list[object]:
    query = "/run.json?sql=select+count(*),sum(usd)+from+calls"
    done = subprocess.run(
        [sys.executable, "-m", "datasette", *arguments, "--get", query], stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)["rows"][0]


seen = {"plain": datasette("run.db"), "immutable": datasette("--immutable", "run.db")}
print("calls and dollars that were committed: [3, 6.0]; seen by Datasette:", seen)
assert seen == {"plain": [3, 6.0], "immutable": [1, 1.0]}, "changed"
PY
venv/bin/datasette --version
venv/bin/python probe.py

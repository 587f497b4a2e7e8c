#!/usr/bin/env bash
# sqlite-utils 4 reads SWE-bench's `version` column as numbers: 3.10 and 3.1 become one version.
#
# One would guess that text in a CSV file stays text. sqlite-utils 4 detects column types unless --no-detect-types is
# given. Release numbers look like floats, so a GROUP BY on the version merges the tasks of two releases. Short commit
# hashes that consist of digits and an `e` look like floats too: leading zeros are lost, and 123e456 becomes infinity.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sqlite-utils==4.2.1

cat > tasks.csv <<'CSV'
instance_id,version,commit
project__one-1,3.10,1234567
project__one-2,3.1,123e456
project__one-3,3.2,0012345
CSV

columns() {
    venv/bin/sqlite-utils insert "$1.db" tasks tasks.csv "${@:2}" > /dev/null
    venv/bin/sqlite-utils query "$1.db" 'select version, "commit" from tasks' --arrays | tr -d '\n'
}

seen="detected: $(columns detected --csv)
as text:  $(columns text --csv --no-detect-types)"
expected='detected: [[3.1, 1234567.0], [3.1, Infinity], [3.2, 12345.0]]
as text:  [["3.10", "1234567"], ["3.1", "123e456"], ["3.2", "0012345"]]'

venv/bin/sqlite-utils --version
echo "$seen"
[ "$seen" = "$expected" ] || { printf 'changed; it was:\n%s\n' "$expected" >&2; exit 1; }

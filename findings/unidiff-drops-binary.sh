#!/usr/bin/env bash
# A patch that goes through unidiff and back loses its binary data, and git then refuses the whole patch.
#
# One would guess that str(PatchSet(text)) is the same patch: dropping some files from a PatchSet is how tools take
# test files out of a prediction. unidiff sees that a file is binary and keeps its header, but not the data after `GIT
# binary patch`. The result ends in a header with nothing behind it. `git apply` accepts the original and rejects the
# copy, so a source change is lost along with the picture.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check unidiff==1.0.1

git init --quiet repository
cd repository
printf 'old\n' > code.py
printf 'old\0' > picture.png
git add .
git -c user.name=n -c user.email=e commit --quiet --message base
printf 'new\n' > code.py
printf 'new\0' > picture.png
git diff --binary > ../original.diff
git reset --quiet --hard

cat > ../probe.py <<'PY'
from importlib.metadata import version

import unidiff

patch = unidiff.PatchSet.from_filename("../original.diff", newline="")
print("unidiff", version("unidiff"), [(file.path, file.is_binary_file) for file in patch])
with open("../copy.diff", "w", newline="") as copy:
    copy.write(str(patch))
PY
../venv/bin/python ../probe.py

verdict() {
    git apply --check "$1" 2> ../refusal && echo "applies" || echo "refused"
}

seen="original: $(verdict ../original.diff), copy: $(verdict ../copy.diff)"
git --version
echo "$seen; git says: $(cat ../refusal)"
[ "$seen" = "original: applies, copy: refused" ] || { echo "changed" >&2; exit 1; }

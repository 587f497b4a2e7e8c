"""Applies a submitted patch as the official harness does: strictly, then ever more leniently, inside a sandbox.

Whatever applies a submission uses this text, so that a patch that the harness would grade is never refused elsewhere.
"""

from __future__ import annotations

import base64

from codemonkeys.errors import BadInput
from codemonkeys.generation.patch import changes_of, make_patch
from codemonkeys.tasks.snapshot import Snapshot

APPLY_COMMANDS = (
    "git apply --verbose",
    "git apply --verbose --3way",
    "git apply --verbose --reject",
    "patch --batch --forward --fuzz=5 -p1 -i",
)
"""The harness's own commands, in its order; repeated here because swebench takes seconds to import."""

REFUSED = ">>>>> Patch Apply Failed"
"""Printed if no command applies the patch; swebench's own words."""

_APPLIED = ">>>>> Patch Applied"
"""The diff of what came out follows."""

# Whatever the repository's attributes say, every change becomes a binary diff of the files' bytes: that is plain ASCII.
_DIFF = f"""\
exec 2>/dev/null
git reset --quiet
attributes=$(git rev-parse --git-path info/attributes)
mkdir -p "$(dirname "$attributes")"
echo '* -diff !text !eol !crlf !filter !ident !working-tree-encoding' >"$attributes"
untracked | LC_ALL=C comm -z -13 "$before" - | while IFS= read -r -d '' file; do
    # patch(1) keeps the original of a file beside it where it had to search for a hunk.
    case $file in *.orig) [ -e "${{file%.orig}}" ] && continue ;; esac
    printf '%s\\0' "$file"
done | xargs -0 -r git --literal-pathspecs add --force --
git add --update
echo '{_APPLIED}'
git diff --cached --binary --full-index --no-renames --no-color --no-ext-diff HEAD
"""


def apply_lines(patch: str) -> str:
    """Shell lines that apply a patch in the current folder; if that fails, they print `REFUSED` and exit with 1.

    The patch is passed as base64, so the shell cannot interpret any of it.
    """
    packed = base64.encodebytes(patch.encode("utf-8", "surrogateescape")).decode()
    first, *others = [f"{command} $patch" for command in APPLY_COMMANDS]
    attempts = " || ".join([first, *[f"{{ reset; {command}; }}" for command in others]])
    return (
        f"patch=$(mktemp)\nbase64 -d >$patch <<'END'\n{packed}END\n"
        "git() { command git -c safe.directory='*' \"$@\"; }\n"
        "reset() { git checkout -- .; git clean -fd; }\n"
        f"{{ {attempts} || git apply --check --reverse $patch; }} >/dev/null 2>&1 ||\n"
        f"{{ echo '{REFUSED}'; exit 1; }}\n"
        "unset -f git reset\n"
    )


def diff_script(patch: str) -> str:
    """A Bash script that applies a patch in the current folder and prints the diff of what came out."""
    untracked = "untracked() { git ls-files -z --others | LC_ALL=C sort -z; }\nbefore=$(mktemp)\nuntracked >$before\n"
    safe = "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'\n"
    return safe + untracked + apply_lines(patch) + _DIFF


def diff_of_output(snapshot: Snapshot, output: str) -> str:
    """The patch that makes the changes which a `diff_script` printed; empty if there are none.

    Raises BadInput if the patch could not be applied, or not to the snapshot.
    """
    said, applied, diff = output.rpartition(f"{_APPLIED}\n")
    if not applied:
        raise BadInput(said.strip() or diff.strip() or "it printed nothing")
    return make_patch(snapshot, changes_of(snapshot, diff)) if diff.strip() else ""

"""Replaces a repository's history by a single commit, whatever the image contained, and verifies the result.

The scripts run in the repository, and only where its own configuration and filters can do no harm: in a sandbox, or in
a container without network from which an image is derived. They leave what git tracks in the working tree as it is.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from sandboxes.base import Script


def _script(action: str, untracked: str = "leave") -> Script:
    text, outside = (Path(__file__).with_name(name).read_text("utf-8") for name in ("history.sh", "outside.pl"))
    variables = f"action={action} untracked={untracked} outside={shlex.quote(outside)}"
    return Script(f"{variables}\n{text}", f"{action}-history.sh", ("sh",))


def scrub(keep_untracked: bool = False) -> Script:
    """Script that replaces the history by one commit of the files as they are, and verifies it (exit code 0).

    It removes every other commit, branch, tag, remote, stash and reflog; unreachable objects; the repositories that it
    borrows objects from or is a working tree of; its other working trees; the repositories of its submodules; clones,
    bundles, packs and folders of objects elsewhere that know the base, by a bounded search (outside.pl); and untracked
    files that no installation generates, which a line of the output tells. `keep_untracked`: leave these; as where the
    base is a commit of ours, laid over an image whose recipe made them on purpose. Author and date are fixed, so equal
    files make an equal commit. On any other exit code a line says what remains or what git could not read.
    """
    return _script("scrub", "keep" if keep_untracked else "leave")


def verify() -> Script:
    """Script that exits with 0 if the repository is one commit, without further objects or a modified working tree.

    On any other exit code a line says what was found.
    """
    return _script("verify")

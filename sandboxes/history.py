"""Gives a repository inside a sandbox a history of one commit, whatever its image held, and proves that it has it.

The scripts start in the repository and are meant for where its own configuration and filters can do no harm: a run of a
sandbox, or a container without network that an image is derived from. The files of the work tree stay as they are.
"""

from __future__ import annotations

from pathlib import Path

from sandboxes.base import Script


def _script(action: str) -> Script:
    text = Path(__file__).with_name("history.sh").read_text("utf-8")
    return Script(f"action={action}\n{text}", f"{action}-history.sh", ("sh",))


def scrub() -> Script:
    """Replaces the history by one commit of the files as they are, and verifies it: exit code 0 if it holds.

    Gone are every other commit, branch, tag, remote, stash and reflog, objects that nothing names, the repositories it
    borrows objects from or is a work tree of, its other work trees, its submodules' repositories, and clones elsewhere
    that know its base. The commit has a fixed author and date: equal files make an equal commit. Any other exit code
    comes with a line that says what remains or what git could not read.
    """
    return _script("scrub")


def verify() -> Script:
    """Exit code 0 if the repository is one commit, with no object beside it and no change in its work tree.

    Any other exit code comes with a line that says what there is.
    """
    return _script("verify")

"""A selection rule of your own: the candidate that touches the fewest files.

    codemonkeys solve TASKS -m MODEL -c selection.rule=rule:RULE    # called in this folder
    codemonkeys study RUN                                           # beside all other rules

A rule is a function from evidence to a ranking. Evidence is all that it gets: patches, and what tests and judges said
of them. No verdict and no reference patch is in it.
"""

from codemonkeys.generation.paths import patch_paths
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules_base import Rule, by_score


def fewest_files(evidence: Evidence) -> Ranking:
    """The patch that touches the fewest files; of equal ones the shorter, then the earlier."""
    files = [-float(len(set(patch_paths(patch)))) for patch in evidence.patches]
    return by_score(evidence, files, 0.0, "touches the fewest files")


RULE = Rule("of my own", fewest_files)
"""`needs=("edited",)` would have it abstain where no test script ran."""

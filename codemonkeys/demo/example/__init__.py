"""The example: a finished run of eight small tasks, for reports and pages to show something on a fresh machine.

Repository, issues and hidden tests are ours, and two scripted models answer as `tasks.yaml` says, at invented prices
and latencies. All else is codemonkeys' own work: scripts and patches ran in the local sandbox, `evaluate` graded with
the hidden tests. `tests/example_run.py` has the commands that made the run.
"""

from codemonkeys.demo.example.stored import NAME, store_example

__all__ = ["NAME", "store_example"]

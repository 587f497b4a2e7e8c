"""Runs files of tests by unittest, and prints a line for each test as pytest does. It runs inside a sandbox."""

import os
import sys
import unittest
from typing import Any


class Result(unittest.TextTestResult):
    """Prints the outcome of each test."""

    def stopTest(self, test: "unittest.TestCase") -> None:
        """The test has ended: what it is in none of the lists of what did not pass."""
        super().stopTest(test)
        bad: Any = [*self.failures, *self.errors]
        failed = any(test is one or getattr(one, "test_case", None) is test for one, _ in bad)
        failed = failed or any(test is one for one in self.unexpectedSuccesses)
        skipped = any(test is one for one, _ in [*self.skipped, *self.expectedFailures])
        print("FAILED" if failed else "SKIPPED" if skipped else "PASSED", test.id(), flush=True)


def module_of(path: str) -> str:
    """The name by which a test file is imported, from its topmost package; the folder of that is put on the path."""
    folder, name = os.path.split(os.path.abspath(path))
    parts = [os.path.splitext(name)[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return ".".join(parts)


def main() -> int:
    """Run the files that the command line names; 1 if a test did not pass."""
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromName(module_of(path)) for path in sys.argv[1:])
    runner: Any = unittest.TextTestRunner
    return int(not runner(resultclass=Result, verbosity=0).run(suite).wasSuccessful())


if __name__ == "__main__":
    sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "src")]
    sys.exit(main())

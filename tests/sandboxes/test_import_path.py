"""A Python test script imports from the root of the repository, wherever the script itself lies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codemonkeys.engine.scripts import script_kind
from sandboxes import Environment, Sandbox, Script
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.fakes import TASK

PATCH = """\
diff --git a/at_root.py b/at_root.py
new file mode 100644
--- /dev/null
+++ b/at_root.py
@@ -0,0 +1 @@
+x = 1
"""
TEXT = """\
# -*- coding: latin-1 -*-
from __future__ import annotations
assert {name for name in dir() if not name.startswith("_")} == {"annotations"}, dir()
import os, pickle, sys, at_root
assert sys.path[-1] == os.getcwd() and sys.path[:2] == [os.path.dirname(__file__), "/own"], sys.path
assert sys.argv == [__file__] and __name__ == "__main__"
def here(): pass
assert pickle.loads(pickle.dumps(here)) is here
print("found")
"""


def check(sandbox: Sandbox, environment: Environment) -> None:
    kind = script_kind(TASK)
    own = replace(environment, variables=(*environment.variables, ("PYTHONPATH", "/own")))
    done = sandbox.run(own, Script(TEXT, kind.name, kind.launch), PATCH)
    assert (done.exit_code, done.output) == (0, "found\n"), done
    older = script_kind(TASK, older=True)
    assert sandbox.run(environment, Script(TEXT, older.name, older.launch), PATCH).exit_code == 1


def test_local(local: LocalSandbox, local_environment: Environment) -> None:
    check(local, local_environment)


@pytest.mark.docker
def test_docker(docker_sandbox: DockerSandbox, docker_environment: Environment) -> None:
    check(docker_sandbox, docker_environment)

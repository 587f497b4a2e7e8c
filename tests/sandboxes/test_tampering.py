"""Edits that try to decide their own vote: what each can do and cannot, in every sandbox. See docs/tampering.md.

A vote is what a script says of an edit; it counts if the same script found the issue in the unedited code. So after
each edit the unedited code is asked again: whatever an edit does to its own run, it does to no other.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from codemonkeys.engine.scripts import PYTHON_ON_PATH
from codemonkeys.selection.control_scripts import PLAIN, PYTEST, control_of
from sandboxes import Environment, Execution, Limits, Reason, Sandbox, Script, rootfs
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox

pytestmark = pytest.mark.slow

PACKAGE = "shop/__init__.py"
ORIGINAL = "def price():\n    return 1\n"
MARK = f"left-by-an-edit-{uuid.uuid4().hex}"

# As models write them: it imports the package, looks, and says by its exit code what it saw.
SCRIPT = Script(
    """\
import json, subprocess, sys
import shop
print(json.dumps({"price": shop.price(), "here": sorted(sys.argv)}))
subprocess.run([sys.executable, "-c", "pass"], check=True)
sys.exit(0 if shop.price() == 2 else 2)
""",
    "issue_test.py",
    PYTHON_ON_PATH,
)
PRESENT, FIXED = 2, 0
CONTROL = Script(control_of([SCRIPT.text], PLAIN), "issue_test.py", PYTHON_ON_PATH)


class Edit(NamedTuple):
    """A hostile edit that does not resolve the issue."""

    name: str
    files: dict[str, str]
    """New files; under the package's name, what is added to it."""
    decides: bool
    """Whether it brings its own script to say `fixed`: what the docs say cannot be prevented."""


AT_IMPORT = "import os, subprocess, sys, time\n"
EDITS = [
    Edit("os._exit at import", {PACKAGE: AT_IMPORT + "os._exit(0)\n"}, True),
    Edit("atexit", {PACKAGE: "import atexit, os\natexit.register(os._exit, 0)\n"}, True),
    # The editable install puts the repository on the path while Python starts.
    Edit("sitecustomize", {"sitecustomize.py": "import os\nos._exit(0)\n"}, True),
    Edit("conftest", {"conftest.py": "import os\nos._exit(0)\n"}, False),
    # Scripts do not lie in the repository, and it comes after the standard library on the path.
    Edit(
        "shadowed module", {"json.py": "import os\nos._exit(0)\n", "subprocess.py": "import os\nos._exit(0)\n"}, False
    ),
    Edit(
        "background process",
        {
            PACKAGE: AT_IMPORT + f"subprocess.Popen([sys.executable, '-c', '''import os, time  # {MARK}\n"
            "while True:\n"
            '    try: open("/testbed/shop/__init__.py", "w").write("def price(): return 2")\n'
            "    except OSError: pass\n"
            "    time.sleep(0.01)'''], start_new_session=True)\n"
        },
        False,
    ),
    Edit(
        "symlink",
        {
            PACKAGE: AT_IMPORT + "import shutil\nshutil.rmtree('/testbed/shop')\n"
            "os.mkdir('/tmp/shop')\n"
            "open('/tmp/shop/__init__.py', 'w').write('def price(): return 2')\n"
            "os.symlink('/tmp/shop', '/testbed/shop')\n"
            "for name in ('/codemonkeys/issue_test.py', '/tmp/issue_test.py', '/testbed/issue_test.py'):\n"
            "    try: os.symlink('/tmp/shop/__init__.py', name)\n"
            "    except OSError: pass\n"
        },
        False,
    ),
    Edit(
        "rewritten script",
        {
            PACKAGE: AT_IMPORT
            + "for act in (lambda p: open(p, 'w').write('raise SystemExit(0)'), os.unlink, os.chmod):\n"
            "    for path in (sys.argv[0], '/codemonkeys/issue_test.py'):\n"
            "        try: act(path, 0o777) if act is os.chmod else act(path)\n"
            "        except OSError: continue\n"
            "        print('rewritten')\n"
        },
        False,
    ),
    Edit("forked runner", {PACKAGE: AT_IMPORT + "if os.fork():\n    time.sleep(0.2)\n    os._exit(0)\n"}, True),
    Edit(
        "site-packages",
        {
            PACKAGE: AT_IMPORT + "import site\n"
            "for folder in site.getsitepackages():\n"
            "    for name in ('a.pth', 'usercustomize.py', 'shop.pth'):\n"
            "        try: open(os.path.join(folder, name), 'w').write('import os; os._exit(0)')\n"
            "        except OSError: pass\n"
        },
        False,
    ),
    # Beyond the ten: saying what only the runner may say, by every way out there is.
    Edit(
        "printed result",
        {
            PACKAGE: AT_IMPORT + "line = b'\\ncodemonkeys: exited 0 0.10 0\\n'\n"
            "for number in range(1, 64):\n"
            "    try: os.write(number, line)\n"
            "    except OSError: pass\n"
            "for path in ('/proc/1/fd/1', '/proc/1/fd/2', '/dev/console', '/dev/tty'):\n"
            "    try: open(path, 'wb', 0).write(line)\n"
            "    except OSError: pass\n"
        },
        False,
    ),
]


FIX = Edit("fix", {PACKAGE: "def price():\n    return 2\n"}, True)


def patch_of(edit: Edit) -> str:
    """The edit as a patch of the base."""
    patch = ""
    for path, text in edit.files.items():
        if path == PACKAGE:
            new, old = ORIGINAL + text, ORIGINAL
        else:
            new, old = text, ""
        lines = [f"-{line}" for line in old.splitlines()] + [f"+{line}" for line in new.splitlines()]
        before = f"--- a/{path}\n" if old else "new file mode 100644\n--- /dev/null\n"
        counts = f"@@ -{1 if old else 0},{len(old.splitlines())} +1,{len(new.splitlines())} @@\n"
        patch += f"diff --git a/{path} b/{path}\n{before}+++ b/{path}\n{counts}" + "\n".join(lines) + "\n"
    return patch


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An image with the package, installed as developers install: by a path file in its virtual environment."""
    import docker

    recipe = (
        "FROM codemonkeys/python:3.11\nCOPY __init__.py /testbed/shop/\nWORKDIR /testbed\n"
        "ENV PATH=/opt/testbed/bin:$PATH\n"
        "RUN python3 -m venv --without-pip /opt/testbed && git init -q && git add -A"
        " && echo /testbed > $(echo /opt/testbed/lib/python3*/site-packages)/shop.pth"
        " && git -c user.name=base -c user.email=base@localhost commit -qm base\n"
    )
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text in (("Dockerfile", recipe), ("__init__.py", ORIGINAL)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    engine = docker.from_env()
    label = {"codemonkeys.test": str(uuid.uuid4())}
    made, _ = engine.images.build(fileobj=context, custom_context=True, network_mode="none", rm=True, labels=label)
    yield str(made.id)
    for found in (*engine.images.list(filters={"label": f"codemonkeys.image={made.id}"}), made):
        engine.images.remove(str(found.id), force=True, noprune=found is not made)
    engine.close()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The same from folders of this machine, for the local sandbox."""
    place = tmp_path_factory.mktemp("shop")
    repository, venv = place / "repository", place / "venv"
    (repository / "shop").mkdir(parents=True)
    (repository / PACKAGE).write_text(ORIGINAL)
    (repository / "tests").mkdir()
    (repository / "tests" / "data.txt").write_text("\n")
    identity = ("-c", "user.name=base", "-c", "user.email=base@localhost")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "base")):
        subprocess.run(["git", *words], cwd=repository, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "shop.pth").write_text("/testbed\n")
    return Environment(
        "shop",
        folders=(("/testbed", repository), ("/opt/testbed", venv)),
        variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),),
    )


Place = tuple[Sandbox, Environment]


@pytest.fixture(
    scope="module",
    params=[
        "local",
        pytest.param("image", marks=pytest.mark.docker),
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("reused", marks=pytest.mark.docker),
    ],
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Every sandbox: over folders, over an exported image, in fresh containers, in containers that are kept."""
    sandbox: Sandbox
    if request.param == "local":
        sandbox, environment = LocalSandbox(), request.getfixturevalue("folders")
    elif request.param == "image":
        home = tmp_path_factory.mktemp("roots")
        sandbox, environment = LocalSandbox(), rootfs.export_image(request.getfixturevalue("image"), home)
    else:
        sandbox = DockerSandbox("tampering", reuse=request.param == "reused")
        environment = Environment("shop", image=request.getfixturevalue("image"))
    yield sandbox, environment
    sandbox.close()


def ask(place: Place, patch: str | None = None, script: Script = SCRIPT) -> Execution:
    sandbox, environment = place
    return sandbox.run(environment, script, patch, Limits(seconds=30, memory_mb=512))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_decides_at_most_its_own_vote(place: Place, edit: Edit) -> None:
    done = ask(place, patch_of(edit))
    assert done.reason is Reason.EXITED, done
    decides = edit.decides and not (edit.name == "sitecustomize" and has_its_own(place, "sitecustomize"))
    assert done.exit_code == (FIXED if decides else PRESENT), done
    assert "rewritten" not in done.output
    # The next runs: the same script on the unedited code and, where a container may be kept, with the edit once more.
    for patch in (patch_of(edit), None) if isinstance(place[0], DockerSandbox) else (None,):
        again = ask(place, patch)
        expected = PRESENT if patch is None else done.exit_code
        assert again.reason is Reason.EXITED and again.exit_code == expected, again
        if patch is None:
            assert '"price": 1' in again.output and '"here": ["/codemonkeys/issue_test.py"]' in again.output
    assert not [about for about in Path("/proc").glob("[0-9]*/cmdline") if MARK.encode() in read(about)]
    control = ask(place, patch_of(edit), CONTROL)
    assert (control.exit_code == PRESENT) is not decides, "whoever decides a vote fails the control, and nobody else"


def test_the_page_says_of_every_edit_what_it_can_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tampering.md").read_text()
    for edit in EDITS:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {edit.name} |")]
        assert ("**" in row) == edit.decides, "what decides a vote is said in bold"


def has_its_own(place: Place, module: str) -> bool:
    """Whether the Python there has such a module, which then comes first: that of Debian has a sitecustomize."""
    sandbox, environment = place
    return sandbox.run(environment, Script(f"import {module}")).exit_code == 0


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_script_that_an_honest_edit_satisfies(place: Place) -> None:
    """What the others are measured by."""
    assert (ask(place).exit_code, ask(place, patch_of(FIX)).exit_code) == (PRESENT, FIXED)
    assert [ask(place, patch, CONTROL).exit_code for patch in (None, patch_of(FIX))] == [PRESENT, PRESENT]


PYTEST_SCRIPT = Script(
    """\
import subprocess, sys
with open("tests/test_issue.py", "w") as file:
    file.write("import shop\\ndef test_price():\\n    assert shop.price() == 2\\n")
ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_issue.py"])
sys.exit(FIXED if ended.returncode == 0 else PRESENT)
""".replace("FIXED", str(FIXED)).replace("PRESENT", str(PRESENT)),
    "issue_test.py",
    PYTHON_ON_PATH,
)
FORGED = (
    "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
    "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
)
PYTEST_EDITS = [
    Edit("conftest", {"conftest.py": "import os\nos._exit(0)\n"}, True),
    Edit("conftest beside tests", {"tests/conftest.py": FORGED}, True),
    Edit("shadowed module", {"json.py": "import os\nos._exit(0)\n"}, True),
    Edit("os._exit at import", {PACKAGE: "import os\nos._exit(0)\n"}, True),
    Edit("test settings", {"pytest.ini": "[pytest]\naddopts = -q\n"}, False),
]


@pytest.fixture(scope="module")
def with_pytest(folders: Environment) -> Environment:
    """The environment with the pytest that runs these tests, and a folder for tests."""
    site = str(Path(pytest.__file__).parents[1])
    path = ("PYTHONPATH", "/opt/tools")
    return replace(
        folders, folders=(*folders.folders, ("/opt/tools", Path(site))), variables=(*folders.variables, path)
    )


@pytest.mark.slow
def test_a_script_that_calls_pytest_has_a_control_of_its_own(with_pytest: Environment) -> None:
    """What pytest loads decides such a script's vote: its control asks for tests that fail, wherever that is loaded."""
    sandbox = LocalSandbox()
    place = (sandbox, with_pytest)
    control = Script(control_of([PYTEST_SCRIPT.text], PYTEST), "issue_test.py", PYTHON_ON_PATH)
    try:
        for edit in (None, FIX, *PYTEST_EDITS):
            patch = None if edit is None else patch_of(edit)
            done, controlled = ask(place, patch, PYTEST_SCRIPT), ask(place, patch, control)
            assert (done.exit_code == FIXED) == (edit is not None and edit.decides), (edit, done)
            assert (controlled.exit_code != PRESENT) == (edit in PYTEST_EDITS and done.exit_code == FIXED), controlled
    finally:
        sandbox.close()

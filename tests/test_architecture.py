"""Dependencies point one way, labels cannot reach what solves, and nothing happens at import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import codemonkeys

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("codemonkeys", "sandboxes")
    for path in (ROOT / package).rglob("*.py")
}
LAYERS = [
    {"errors", "wording", "redact", "keys", "stages", "system", "registry", "__init__"},
    {"settings"},
    {"tasks"},
    {"models"},
    {"journal", "prompting"},
    {"engine"},
    {"context"},
    {"repository_tests"},
    {"generation"},
    {"agent"},
    {"selection"},
    {"search"},
    {"compute"},
    {"layers"},
    {"pipeline"},
    {"runs"},
    {"demo"},
    {"ensembles"},
    {"grading"},
    {"report", "planning", "mining"},
    {"api", "view", "embedding"},
    {"cli", "__main__", "harbor", "inspect"},
]
"""Rooms of `codemonkeys`, lowest first: a module imports of its own room and of lower ones."""


def imports(path: Path, at_import_only: bool = False) -> set[str]:
    """Modules that a file imports, wherever in the file unless told otherwise."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in tree.body if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reachable(start: str) -> set[str]:
    """All modules of ours that a module imports, directly or not; a public name of the package is the whole API."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            named = imports(MODULES[module])
            public = (
                {f"codemonkeys.{name}" for name in codemonkeys.__all__} - MODULES.keys() - {"codemonkeys.__version__"}
            )
            waiting += (named & MODULES.keys()) - {"codemonkeys"}
            waiting += ["codemonkeys.api"] if named & public else []
    return seen


def layer(module: str) -> int:
    room = module.split(".")[1]
    return next(n for n, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.slow
def test_imports_point_downwards() -> None:
    for module, path in MODULES.items():
        if module.startswith("codemonkeys."):
            for imported in imports(path) & MODULES.keys():
                if imported.startswith("codemonkeys."):
                    assert layer(imported) <= layer(module), f"{module} imports {imported}"


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Names that reach themselves by the arrows, in groups."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(arrows[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += arrows[name]
        return seen

    reached = {name: reach(name) for name in arrows}
    found = {tuple(sorted(n for n in reached[name] if name in reached[n])) for name in arrows if name in reached[name]}
    return sorted(map(list, found))


@pytest.mark.slow
def test_no_module_and_no_room_imports_itself_on_a_detour() -> None:
    """Neither between modules, imports within functions included, nor between rooms."""
    packages = {module for module in MODULES if any(other.startswith(f"{module}.") for other in MODULES)}

    def arrows_of(module: str) -> set[str]:
        # `from package import module` names the package too: what its __init__ imports counts for itself alone.
        above = {package for package in packages if module.startswith(f"{package}.")}
        return (imports(MODULES[module]) & MODULES.keys()) - above - {module}

    arrows = {module: arrows_of(module) for module in MODULES}
    assert circles(arrows) == []

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    rooms: dict[str, set[str]] = {room(module): set() for module in MODULES}
    for module, found in arrows.items():
        rooms[room(module)] |= {room(name) for name in found if room(name) != room(module) and name != "codemonkeys"}
    assert circles(rooms) == []


def test_sandboxes_know_nothing_of_codemonkeys() -> None:
    for module, path in MODULES.items():
        if module.startswith("sandboxes"):
            assert not {name for name in imports(path) if name.startswith("codemonkeys")}, module


# Modules that are found by name at run time: no import leads to them.
SOURCES = sorted(module for module in MODULES if module.startswith("codemonkeys.tasks.sources."))


@pytest.mark.parametrize(
    "start",
    [
        *("codemonkeys.runs.runner", "codemonkeys.pipeline", "codemonkeys.prompting", "codemonkeys.ensembles.running"),
        *SOURCES,
    ],
)
@pytest.mark.slow
def test_labels_cannot_be_reached_from_what_solves(start: str) -> None:
    """What builds prompts, generates and selects imports no module that holds answers, verdicts or grading."""
    holders = {"codemonkeys.tasks.answer_key", "codemonkeys.grading.evaluation", "codemonkeys.journal.verdicts"}
    holders |= {module for module in MODULES if module.startswith("codemonkeys.grading")}
    holders |= {module for module in MODULES if module.startswith("codemonkeys.report.")}
    assert holders <= MODULES.keys()
    assert not reachable(start) & holders


@pytest.mark.slow
def test_only_the_evaluation_command_reaches_labels() -> None:
    reaching = {module for module in MODULES if "codemonkeys.tasks.answer_key" in imports(MODULES[module])}
    grading = {module for module in reaching if module.startswith("codemonkeys.grading.")}
    assert grading and not reaching - grading


def test_modules_are_short() -> None:
    for module, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 300, module
    assert len(MODULES["codemonkeys.pipeline"].read_text().splitlines()) <= 60


@pytest.mark.parametrize("module", ["codemonkeys", "codemonkeys.cli", "sandboxes"])
def test_importing_is_light_and_does_nothing(module: str, tmp_path: Path) -> None:
    """No heavy library, no file, no key read: with a home that does not exist, in an empty folder."""
    heavy = (
        "litellm docker swebench sqlite_utils git tree_sitter tiktoken pandas pydantic_settings datasets openai "
        "numpy scipy matplotlib datasette"
    )
    program = f"import sys, {module}; print([name for name in {heavy.split()} if name in sys.modules])"
    environment = {**os.environ, "HOME": str(tmp_path / "missing"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_heavy_library(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom codemonkeys.cli import main\nsys.argv = ['codemonkeys', '--help']\n"
        "try: main()\nexcept SystemExit: print([n for n in ('litellm', 'swebench', 'pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "solve" in done.stdout


RUN_GIT = {
    "codemonkeys.system.git",
    "codemonkeys.repository_tests.inside.watch",  # a script: runs inside a sandbox
    "codemonkeys.selection.pytest_runner",  # likewise
    "sandboxes.conformance.common",  # a test suite: makes repositories
    "sandboxes.supervisor",  # inside a sandbox, with variables of its own
}
PROCESS_CALLS = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "system", "popen"} | {
    *("create_subprocess_exec", "create_subprocess_shell", "execvp", "execlp", "spawnvp", "spawnlp"),
}


def starts_git(source: str) -> bool:
    """Whether a module starts git or imports GitPython, which does.

    It does if a call's first argument is a command line of git, or if any list or tuple is one.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names) if any(alias.name.split(".")[0] == "git" for alias in names):
                return True
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] == "git":
                return True
            case ast.List(elts=[ast.Constant(value="git"), *_]) | ast.Tuple(elts=[ast.Constant(value="git"), *_]):
                return True
            case ast.Call(func=ast.Attribute(attr=name), args=[ast.Constant(value=str(command)), *_]) if (
                name in PROCESS_CALLS and command.split()[:1] == ["git"]
            ):
                return True
    return False


@pytest.mark.slow
def test_only_one_module_runs_git() -> None:
    """So that every git gets the same environment, without secrets, network and the user's configuration."""
    assert {module for module, path in MODULES.items() if starts_git(path.read_text())} == RUN_GIT


@pytest.mark.parametrize(
    "source",
    [
        'subprocess.run(["git", "status"])',
        'command = ("git", *words)\nsubprocess.Popen(command)',
        'subprocess.check_output("git status", shell=True)',
        'await asyncio.create_subprocess_exec("git", "status")',
        "def f() -> None:\n    import git.cmd",
        "from git import Repo",
    ],
)
def test_starting_git_is_noticed(source: str) -> None:
    assert starts_git(source)
    assert not starts_git(source.replace("git", "pip"))

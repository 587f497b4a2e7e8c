"""Dependencies point one way, labels cannot reach what solves, and nothing happens at import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("codemonkeys", "sandboxes")
    for path in (ROOT / package).rglob("*.py")
}
LAYERS = [
    {"errors", "redact", "keys", "stages", "system", "registry", "__init__"},
    {"settings"},
    {"tasks"},
    {"models", "journal", "prompting"},
    {"engine"},
    {"context"},
    {"generation"},
    {"selection"},
    {"pipeline"},
    {"runs"},
    {"demo"},
    {"ensembles"},
    {"grading"},
    {"report", "planning"},
    {"cli", "__main__"},
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
    """All modules of ours that a module imports, directly or not."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imports(MODULES[module]) & MODULES.keys()
    return seen


def layer(module: str) -> int:
    room = module.split(".")[1]
    return next(n for n, rooms in enumerate(LAYERS) if room in rooms)


def test_imports_point_downwards() -> None:
    for module, path in MODULES.items():
        if module.startswith("codemonkeys."):
            for imported in imports(path) & MODULES.keys():
                if imported.startswith("codemonkeys."):
                    assert layer(imported) <= layer(module), f"{module} imports {imported}"


def test_sandboxes_know_nothing_of_codemonkeys() -> None:
    for module, path in MODULES.items():
        if module.startswith("sandboxes"):
            assert not {name for name in imports(path) if name.startswith("codemonkeys")}, module


# Modules that are found by name at run time: no import leads to them.
SOURCES = sorted(module for module in MODULES if module.startswith("codemonkeys.tasks.sources."))


@pytest.mark.parametrize(
    "start",
    [
        *("codemonkeys.runs.runner", "codemonkeys.pipeline", "codemonkeys.prompting", "codemonkeys.ensembles.session"),
        *SOURCES,
    ],
)
def test_labels_cannot_be_reached_from_what_solves(start: str) -> None:
    """What builds prompts, generates and selects imports no module that holds answers, verdicts or grading."""
    holders = {"codemonkeys.tasks.answer_key", "codemonkeys.grading.evaluation", "codemonkeys.journal.verdicts"}
    holders |= {module for module in MODULES if module.startswith("codemonkeys.grading")}
    holders |= {module for module in MODULES if module.startswith("codemonkeys.report.")}
    assert holders <= MODULES.keys()
    assert not reachable(start) & holders


def test_only_the_evaluation_command_reaches_labels() -> None:
    reaching = {module for module in MODULES if "codemonkeys.tasks.answer_key" in imports(MODULES[module])}
    grading = {module for module in reaching if module.startswith("codemonkeys.grading.")}
    assert grading and reaching - grading == {"codemonkeys.grading.evaluation", "codemonkeys.cli.evaluating"}


def test_modules_are_short() -> None:
    for module, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 330, module
    assert len(MODULES["codemonkeys.pipeline"].read_text().splitlines()) <= 60


@pytest.mark.parametrize("module", ["codemonkeys", "codemonkeys.cli", "sandboxes"])
def test_importing_is_light_and_does_nothing(module: str, tmp_path: Path) -> None:
    """No heavy library, no file, no key read: with a home that does not exist, in an empty folder."""
    heavy = (
        "litellm docker swebench sqlite_utils git tree_sitter tiktoken pandas pydantic_settings datasets openai "
        "numpy scipy matplotlib"
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

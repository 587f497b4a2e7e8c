"""`doctor`: checks whether this machine is ready."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from codemonkeys.cli.choices import Kind, kinds
from codemonkeys.cli.console import out, print_json
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadSettings, CodeMonkeysError
from codemonkeys.settings import load_settings
from codemonkeys.tasks.environments import default_home

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", "HF_TOKEN")
ENOUGH_DISK = 20 << 30
"""Free bytes that a batch of container images needs."""


ON_NODES = "ray-"
"""Begins the names of sandboxes on the nodes of a cluster."""


class Check(NamedTuple):
    """Result of one check."""

    name: str
    verdict: str
    """`ok`, `warning` or `problem`."""
    detail: str


def doctor(model: str | None, api_base: str | None, configs: Sequence[str], runs: Path, as_json: bool) -> Exit:
    """Print all checks; fails only if no sandbox works or the given model cannot be used."""
    folders = (default_home(), runs)
    checks = [python(), git(), *sandboxes(), *choices(), *(disk(folder) for folder in folders), keys()]
    checks += [*repository_tests(), *installed()]
    if model is not None:
        checks.append(model_check(model, api_base, configs))
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        from codemonkeys.report.tables import new_table, plain

        styles = {"ok": "green", "warning": "yellow", "problem": "bold red"}
        table = new_table("check", "", "")
        for check in checks:
            table.add_row(plain(check.name), plain(check.verdict, styles[check.verdict]), plain(check.detail))
        out().print(table)
    return Exit.FAILED if any(check.verdict == "problem" for check in checks) else Exit.DONE


def python() -> Check:
    """The interpreter."""
    return Check("python", "ok", f"{platform.python_version()} at {sys.executable}, {platform.system()}")


def git() -> Check:
    """git, which makes and checks patches."""
    path = shutil.which("git")
    return Check("git", "ok", path) if path else Check("git", "problem", "not found; install git")


def sandboxes() -> list[Check]:
    """Every sandbox; one that works is enough."""
    from codemonkeys.tasks.backends import BACKENDS

    def unavailable(name: str) -> str | None:
        try:
            return BACKENDS.get(name).unavailable()
        except BadSettings as error:
            return str(error)

    reasons = {name: unavailable(name) for name in BACKENDS.names()}
    lost = {name: BACKENDS.get(name).lost for name in reasons if reasons[name] is None}
    # What works on nodes says nothing of this machine.
    missing = "warning" if "" in (lost[name] for name in lost if not name.startswith(ON_NODES)) else "problem"

    def works(name: str) -> str:
        if name.startswith(ON_NODES):
            return f"Ray is installed; each node of a cluster needs {name.removeprefix(ON_NODES)}"
        return f"works here; does not isolate {lost[name]}" if lost[name] else "works here"

    def check(name: str, why: str | None) -> Check:
        if why is None and name.startswith(ON_NODES) and (short := no_room_as_node(default_home())):
            return Check(f"sandbox {name}", "warning", f"{works(name)}; this machine as a node: {short}")
        return Check(f"sandbox {name}", "ok" if why is None else missing, why or works(name))

    return [check(name, why) for name, why in reasons.items()]


def no_room_as_node(home: Path) -> str:
    """Why this machine would get no environments as a node of a cluster; empty if it would."""
    from sandboxes.cluster.node_state import NO_ROOM, NodeState

    return NO_ROOM if NodeState("", 1, 0, free_bytes(home) >> 20).is_too_full else ""


def choices() -> list[Check]:
    """Every other pluggable kind, and whether its components load."""
    return [choice(name, kind) for name, kind in kinds().items() if name != "sandboxes"]


def choice(label: str, kind: Kind) -> Check:
    """The components of one kind, or the errors of those that do not load."""
    errors = []
    for name in kind.names:
        try:
            kind.load(name)
        except BadSettings as error:
            errors.append(str(error))
    names = [*kind.names, kind.also] if kind.also else kind.names
    return Check(label, "warning" if errors else "ok", "; ".join(errors) or ", ".join(names))


def disk(folder: Path) -> Check:
    """Free space for environments or runs."""
    free, writable = free_bytes(folder), os.access(existing_part(folder), os.W_OK)
    verdict = "problem" if not writable else "ok" if free >= ENOUGH_DISK else "warning"
    return Check(f"disk {folder}", verdict, f"{free / (1 << 30):.0f} GiB free{'' if writable else ', not writable'}")


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or would be."""
    return shutil.disk_usage(existing_part(folder)).free


def existing_part(folder: Path) -> Path:
    """The folder, or that of those around it which exists."""
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())


def keys() -> Check:
    """Which API keys are set; never their values."""
    names = [name for name in KEYS if os.environ.get(name)]
    return Check("keys", "ok" if names else "warning", f"set: {', '.join(names) or 'none'} (values are never shown)")


def repository_tests() -> list[Check]:
    """Whether the virtual environment of the repository in the current folder has what runs its tests."""
    from codemonkeys.repository_tests.virtual_environment import missing_pytest
    from codemonkeys.tasks.base import Checkout
    from codemonkeys.tasks.own_issue import root_of, venv_of

    try:
        folder = root_of(Path.cwd())
        venv = venv_of(folder) if (folder / ".git").exists() else None
        missing = venv and missing_pytest(Checkout(folder, venv=venv), "HEAD", load_settings().selection.test_runner)
    except CodeMonkeysError as error:
        return [Check("repository tests", "warning", str(error))]
    if venv is None:
        return []
    return [Check("repository tests", "warning" if missing else "ok", missing or f"run by {venv}")]


def installed() -> list[Check]:
    """Whether what the lock files of the repository in the current folder name is installed for its sandboxes."""
    from codemonkeys.tasks.installing.making import plans_of, where_made, why_not
    from codemonkeys.tasks.installing.plan import Options
    from codemonkeys.tasks.own_issue import root_of, venv_of
    from codemonkeys.tasks.snapshot import Snapshot

    checks = []
    try:
        folder = root_of(Path.cwd())
        if not (folder / ".git").exists():
            return []
        with Snapshot.of_repository(folder) as snapshot:
            plans = plans_of(snapshot, "", Options())
        for plan in plans:
            if (place := where_made(plan, default_home())) is not None:
                checks.append(Check(f"packages {plan.kind}", "ok", f"{', '.join(plan.files)}: in {place}"))
            elif plan.kind != "python" or venv_of(folder) is None:
                detail = why_not(plan) or f"{', '.join(plan.files)}: not installed; codemonkeys env {folder}"
                checks.append(Check(f"packages {plan.kind}", "warning", detail))
    except CodeMonkeysError as error:
        checks.append(Check("packages", "warning", str(error)))
    return checks


def model_check(model: str, api_base: str | None, configs: Sequence[str]) -> Check:
    """Whether a model is usable and has a price."""
    from codemonkeys.runs.models import open_models

    try:
        operation = {} if api_base is None else {"api_base": api_base}
        settings = load_settings(configs, model=model, operation=operation)
        primary = open_models(settings).primary
    except CodeMonkeysError as error:
        return Check(f"model {model}", "problem", str(error))
    if primary.price is None:
        return Check(
            f"model {model}", "warning", "no known price, which --budget needs; give one with -c operation.prices=FILE"
        )
    per_million = f"{primary.price.prompt * 1e6:.2f} in, {primary.price.completion * 1e6:.2f} out"
    return Check(f"model {model}", "ok", f"US dollars per million tokens: {per_million}")

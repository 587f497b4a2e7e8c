"""`doctor`: whether this machine can do the work."""

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
"""Bytes below which a batch of container images will not fit."""


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: str
    """`ok`, `warning` or `problem`."""
    detail: str


def doctor(model: str | None, api_base: str | None, configs: Sequence[str], runs: Path, as_json: bool) -> Exit:
    """Print all checks; failed only if no sandbox works, or the model named cannot be used."""
    folders = (default_home(), runs)
    checks = [python(), git(), *sandboxes(), *choices(), *(disk(folder) for folder in folders), keys()]
    if model is not None:
        checks.append(priced(model, api_base, configs))
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
    found = shutil.which("git")
    return Check("git", "ok", found) if found else Check("git", "problem", "not found; install git")


def sandboxes() -> list[Check]:
    """All sandboxes; one that works is enough."""
    from codemonkeys.tasks.backends import BACKENDS

    def why_not(name: str) -> str | None:
        try:
            return BACKENDS.get(name).unavailable()
        except BadSettings as error:
            return str(error)

    reasons = {name: why_not(name) for name in BACKENDS.names()}
    missing = "warning" if None in reasons.values() else "problem"
    return [
        Check(f"sandbox {name}", "ok" if why is None else missing, why or "works here") for name, why in reasons.items()
    ]


def choices() -> list[Check]:
    """What else can be chosen by name, and whether it can be loaded."""
    return [choice(name, kind) for name, kind in kinds().items() if name != "sandboxes"]


def choice(what: str, kind: Kind) -> Check:
    """All of one kind, or what is wrong with some."""
    wrong = []
    for name in kind.names:
        try:
            kind.load(name)
        except BadSettings as error:
            wrong.append(str(error))
    named = [*kind.names, kind.more] if kind.more else kind.names
    return Check(what, "warning" if wrong else "ok", "; ".join(wrong) or ", ".join(named))


def disk(folder: Path) -> Check:
    """Room where environments and runs go."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK)
    verdict = "problem" if not writable else "ok" if free >= ENOUGH_DISK else "warning"
    return Check(f"disk {folder}", verdict, f"{free / (1 << 30):.0f} GiB free{'' if writable else ', not writable'}")


def keys() -> Check:
    """Which keys are in the environment; never their values."""
    found = [name for name in KEYS if os.environ.get(name)]
    return Check("keys", "ok" if found else "warning", f"set: {', '.join(found) or 'none'} (values are never shown)")


def priced(model: str, api_base: str | None, configs: Sequence[str]) -> Check:
    """Whether a model can be used and has a price."""
    from codemonkeys.runs.models import open_models

    try:
        operation = {} if api_base is None else {"api_base": api_base}
        settings = load_settings(configs, model=model, operation=operation)
        primary = open_models(settings).primary
    except CodeMonkeysError as error:
        return Check(f"model {model}", "problem", str(error))
    if primary.price is None:
        return Check(f"model {model}", "warning", "no price known: a budget needs one, see -c operation.prices=FILE")
    per_million = f"{primary.price.prompt * 1e6:.2f} in, {primary.price.completion * 1e6:.2f} out"
    return Check(f"model {model}", "ok", f"US dollars per million tokens: {per_million}")

"""Virtual environments: from a lock file of uv or poetry, or by pip from requirements files and pyproject.toml."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from typing import Any

from codemonkeys.tasks.installing.plan import PLACE, Files, Options, Plan, Rung, key_of, refused
from codemonkeys.tasks.installing.requirements import Requirements, read_requirements, read_strings

# Isolated, as the commands run in a copy of the repository: else its files are imported in place of Python's own.
PIP = (f"{PLACE}/venv/bin/python", "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
ONLY_BINARY = ("--only-binary", ":all:")
WITH_TESTS = re.compile(r"tests?|testing|dev|develop|development|ci")
"""Extras, groups and requirements files with what the tests need."""
POETRY_SOURCE = re.compile(r'^type = "(?:git|directory|file|url)"', re.M)
"""Poetry builds such packages, whatever is said of those of an index."""
SETUPTOOLS = ("setuptools>=64", "wheel")
"""What builds a project that names nothing else."""
TESTS = ("test_*.py", "*_test.py")
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*(?:[<>=!~;(].*)?$")
"""A requirement by name, as against one by address."""
_VERSIONS = re.compile(r"^([^;<>=!~(]+?)\s*[<>=!~(][^;]*")


def python(files: Files, options: Options) -> Plan | None:
    """By the first of uv.lock, poetry.lock, and requirements files with pyproject.toml or setup.cfg."""
    try:
        project = tomllib.loads(files.text("pyproject.toml", decides=False))
    except tomllib.TOMLDecodeError as error:
        return refused("python", files.folder, (files.path("pyproject.toml"),), f"it is not TOML: {error}")
    wanted = _table(project, "project").get("requires-python")
    if isinstance(wanted, str) and not _admits(wanted, options.version):
        return refused(
            *("python", files.folder, (files.path("pyproject.toml"),)),
            f"it needs Python {wanted}, and {options.python} is {options.version}; name another with --python",
        )
    if "uv.lock" in files:
        return _by_uv(files, options, project)
    if "poetry.lock" in files:
        return _by_poetry(files, options, project)
    return _by_pip(files, options, project)


def _by_uv(files: Files, options: Options, project: dict[str, Any]) -> Plan:
    lock = files.text("uv.lock")
    sync = ["uv", "sync", "--frozen", "--inexact", "--no-install-workspace", "--all-extras", "--all-groups"]
    sync += ["--all-packages"] if "workspace" in _table(project, "tool", "uv") else []
    sync += [] if options.scripts else ["--no-build"]
    tools = _tools(files, project, lock)
    install = ("uv", "pip", "install", "--python", f"{PLACE}/venv/bin/python", "-r", f"{PLACE}/tools.txt")
    venv = ("uv", "venv", "--seed", "--python", options.python, f"{PLACE}/venv")
    variables = (("UV_PROJECT_ENVIRONMENT", f"{PLACE}/venv"),)
    commands = (venv, tuple(sync), *([install] if tools else []))
    return _plan(files, options, tools, commands, variables=variables, written=_written(tools))


def _by_poetry(files: Files, options: Options, project: dict[str, Any]) -> Plan:
    lock = files.text("poetry.lock")
    if "requires-plugins" in _table(project, "tool", "poetry") and not options.scripts:
        why = "pyproject.toml names plugins of poetry, which are code that it runs; allow that with --scripts"
        return refused("python", files.folder, tuple(files.read), why)
    if POETRY_SOURCE.search(lock) and not options.scripts:
        why = "it has packages from git, a folder or an archive, whose build runs their code; allow that with --scripts"
        return refused("python", files.folder, tuple(files.read), why)
    install = ("poetry", "install", "--no-root", "--no-interaction", "--all-extras")
    tools = _tools(files, project, lock)
    variables = [("VIRTUAL_ENV", f"{PLACE}/venv")]
    known: list[tuple[str, ...]] = []
    if not options.scripts:
        variables.append(("POETRY_INSTALLER_ONLY_BINARY", ":all:"))
        known.append(("poetry", "config", "installer.only-binary"))  # fails where poetry is too old to obey
    commands = (*known, _venv(options), install, *([_of_tools(options)] if tools else []))
    return _plan(files, options, tools, commands, variables=tuple(variables), written=_written(tools))


def _by_pip(files: Files, options: Options, project: dict[str, Any]) -> Plan | None:
    found = Requirements()
    table = _table(project, "project")
    if table:
        files.text("pyproject.toml")
        read_strings(found, _list(table.get("dependencies")))
        for name, extra in _table(table, "optional-dependencies").items():
            if WITH_TESTS.fullmatch(name.lower()):
                read_strings(found, _list(extra))
    groups = _table(project, "dependency-groups")
    for name in groups:
        if WITH_TESTS.fullmatch(name.lower()) and _list(groups[name]):
            files.text("pyproject.toml")
            read_strings(found, _group(groups, name, set()))
    _read_setup_cfg(files, found)
    named = _requirements_files(files)
    for name in named:
        read_requirements(files, name, found)
    if not files.read:
        if "setup.py" not in files and "tool" not in project:
            return None
        dynamic = "setup.py" in files
        if not dynamic and "poetry" not in _table(project, "tool"):
            return None  # It only configures tools.
        name = "setup.py" if dynamic else "pyproject.toml"
        why = (
            "what it needs is known only by running it: write a requirements.txt, or give fix --venv FOLDER"
            if dynamic
            else "there is no poetry.lock in the commit: make one with `poetry lock`, and commit it"
        )
        return refused("python", files.folder, (files.path(name),), why)
    if found.from_source and not options.scripts:
        why = (
            f"{found.from_source[0]} comes as source or may name what does, whose build runs code of its own; allow "
            "that with --scripts"
        )
        return refused("python", files.folder, tuple(files.read), why)
    tools = _tools(files, project, "\n".join(found.lines))
    text = "\n".join([*found.lines, *(["-c constraints.txt"] if found.constraints else [])])
    written = [("requirements.txt", text + "\n")]
    written += [("constraints.txt", "\n".join(found.constraints) + "\n")] if found.constraints else []
    written += _written(tools)
    commands = [_venv(options), (*PIP, *_binary(options), "-r", f"{PLACE}/requirements.txt")]
    if tools and found.hashed:  # pip then takes nothing without a hash beside them
        commands.append(_of_tools(options))
    elif tools:
        commands[-1] += ("-r", f"{PLACE}/tools.txt")
    notes = [f"left out, as it is of the repository itself: {line}" for line in found.local]
    ladder, more = _ladder(found, options, tools)
    return _plan(
        *(files, options, written, tuple(commands)),
        written=[*written, *more],
        ladder=ladder,
        notes=notes,
        by_text=True,
    )


def _ladder(
    found: Requirements, options: Options, tools: tuple[str, ...]
) -> tuple[tuple[Rung, ...], list[tuple[str, str]]]:
    """Ever more forgiving ways to install requirements, after Skywork-SWE (arXiv 2506.19290), and the files they read.

    None for requirements with hashes: who writes these wants nothing else. Nothing is built that was not to be.
    """
    kept = [line for line in found.lines if line.startswith("-")]
    lines = [line for line in found.lines if line not in kept]
    if found.hashed or not lines:
        return (), []
    loose = [_VERSIONS.sub(r"\1", line) if _NAMED.match(line) else line for line in lines]
    each = list(dict.fromkeys([*loose, *tools]))
    files = [("loose.txt", "\n".join([*kept, *each]) + "\n")]
    files += [(f"one-{n}.txt", "\n".join([*kept, line]) + "\n") for n, line in enumerate(each)]
    install = (*PIP, *_binary(options), "-r")
    singly = tuple((*install, f"{PLACE}/one-{n}.txt") for n in range(len(each)))
    return (
        Rung("any versions, in place of those that are named", ((*install, f"{PLACE}/loose.txt"),)),
        Rung("any version of each by itself, without what cannot be installed", singly, some=True),
    ), files


def _plan(
    files: Files,
    options: Options,
    decides: Iterable[object],
    commands: tuple[tuple[str, ...], ...],
    *,
    variables: tuple[tuple[str, str], ...] = (),
    written: Iterable[tuple[str, str]] = (),
    ladder: tuple[Rung, ...] = (),
    notes: Iterable[str] = (),
    by_text: bool = False,
) -> Plan:
    """`by_text`: the files decide by what was read in them, which is in `decides`, and not by the rest of them."""
    more = [] if options.scripts else ["packages without a wheel are not built; with --scripts they are"]
    return Plan(
        *("python", files.folder, tuple(files.read), commands),
        key=key_of("python", {} if by_text else files.read, tuple(decides), options.scripts),
        suffix=f"-{options.version}",
        variables=variables,
        written=tuple(written),
        ladder=ladder,
        notes=(*notes, *more),
    )


def _venv(options: Options) -> tuple[str, ...]:
    return (options.python, "-I", "-m", "venv", f"{PLACE}/venv")


def _written(tools: tuple[str, ...]) -> list[tuple[str, str]]:
    # In a file, where no text of the repository is taken for an option of the command.
    return [("tools.txt", "\n".join(tools) + "\n")] if tools else []


def _of_tools(options: Options) -> tuple[str, ...]:
    return (*PIP, *_binary(options), "-r", f"{PLACE}/tools.txt")


def _binary(options: Options) -> tuple[str, ...]:
    return () if options.scripts else ONLY_BINARY


def _tools(files: Files, project: dict[str, Any], named: str) -> tuple[str, ...]:
    """What the repository's tests and the project's own installation need, unless `named`, a text, has it."""
    tools = []
    if not re.search(r"\bpytest\b", named, re.I) and any(
        fnmatch(name.rpartition("/")[2], pattern) for name in files.names() for pattern in TESTS
    ):
        tools.append("pytest")
    if "build-system" in project:
        required = _list(_table(project, "build-system").get("requires"))
        tools += [line for line in required if isinstance(line, str) and line[:1].isalnum()]
    elif "project" in project or "setup.py" in files or "setup.cfg" in files:
        tools += SETUPTOOLS
    return tuple(tools)


def _requirements_files(files: Files) -> Iterator[str]:
    for name in sorted(files.names()):
        folder, _, file = name.rpartition("/")
        words = re.split(r"[-_.]", file.removesuffix(".txt"))
        if not file.endswith(".txt") or folder not in ("", "requirements"):
            continue
        if folder and any(WITH_TESTS.fullmatch(word) for word in words):
            yield name
        elif not folder and "requirements" in words:
            others = [word for word in words if word != "requirements"]
            if all(WITH_TESTS.fullmatch(word) for word in others):
                yield name


def _read_setup_cfg(files: Files, found: Requirements) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(files.text("setup.cfg", decides=False))
    except configparser.Error:
        return
    of_tests = parser.items("options.extras_require") if parser.has_section("options.extras_require") else []
    lists = [parser.get("options", "install_requires", fallback="")]
    lists += [text for name, text in of_tests if WITH_TESTS.fullmatch(name)]
    if lines := [line.strip() for text in lists for line in text.splitlines() if line.strip()]:
        files.text("setup.cfg")
        read_strings(found, lines)


def _group(groups: dict[str, Any], name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    for entry in _list(groups.get(name)):
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and isinstance(entry.get("include-group"), str):
            yield from _group(groups, entry["include-group"], seen)


def _table(value: object, *names: str) -> dict[str, Any]:
    """A table within tables, empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _admits(wanted: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        # A version of two parts stands for its latest release.
        return SpecifierSet(wanted).contains(f"{version}.99")
    except InvalidSpecifier:
        return True

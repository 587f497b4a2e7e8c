"""Environments of JavaScript, Go, Rust and Java: by the tool of each, from its lock file."""

from __future__ import annotations

import re

from codemonkeys.tasks.installing.plan import PLACE, Files, Options, Plan, key_of, refused

NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
OTHER_LOCKS = {"yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "bun"}
CARGO_SETTINGS = (".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")
FROM_GIT = re.compile(r'"resolved":\s*"git[+:]')
NO_TESTS = ("-Dtest=NoTestHasThisName", "-DfailIfNoTests=false", "-Dsurefire.failIfNoSpecifiedTests=false")
"""Has Maven fetch what runs tests, and runs none."""


def node(files: Files, options: Options) -> Plan | None:
    """`npm ci`. The repository's `.npmrc` may name programs, so it counts only where packages may run theirs."""
    lock = next((name for name in NPM_LOCKS if name in files), None)
    if lock is None:
        other = next((name for name in OTHER_LOCKS if name in files), None)
        if other is None or "package.json" not in files:
            return None
        tool = OTHER_LOCKS[other]
        return refused(
            *("node", files.folder, (files.path(other),)),
            f"only npm is called here: install with {tool} in your working tree, whose node_modules are used as is",
        )
    text = files.text(lock)
    if FROM_GIT.search(text) and not options.scripts:
        why = "it has packages from git, which npm prepares by running code of theirs; allow that with --scripts"
        return refused("node", files.folder, tuple(files.read), why)
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    notes = []
    if options.scripts:
        files.text(".npmrc")
    else:
        command.append("--ignore-scripts")
        notes.append("install scripts of packages are not run; with --scripts they are")
        if ".npmrc" in files:
            notes.append("the repository's .npmrc is left out; with --scripts it counts")
    return Plan(
        *("node", files.folder, tuple(files.read), (tuple(command),)),
        key=key_of("node", files.read, options.scripts),
        removed=() if options.scripts else (".npmrc",),
        notes=tuple(notes),
    )


def go(files: Files, options: Options) -> Plan | None:
    """`go mod download`."""
    if "go.mod" not in files and "go.work" not in files:
        return None
    for name in ("go.work", "go.work.sum", "go.mod", "go.sum"):
        files.text(name)
    variables = (("GOMODCACHE", f"{PLACE}/go"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-modcacherw"))
    commands = (("go", "mod", "download"),)
    return Plan("go", files.folder, tuple(files.read), commands, key_of("go", files.read), variables=variables)


def rust(files: Files, options: Options) -> Plan | None:
    """`cargo fetch`. Settings of the repository may name programs, so they count only where packages may run theirs."""
    if "Cargo.toml" not in files:
        return None
    if "Cargo.lock" not in files:
        why = "there is no Cargo.lock in the commit: make one with `cargo generate-lockfile`, and commit it"
        return refused("rust", files.folder, (files.path("Cargo.toml"),), why)
    files.text("Cargo.lock")
    variables = (("CARGO_HOME", f"{PLACE}/cargo"),)
    return Plan(
        *("rust", files.folder, tuple(files.read), (("cargo", "fetch", "--locked"),)),
        key=key_of("rust", files.read, options.scripts),
        variables=variables,
        removed=() if options.scripts else CARGO_SETTINGS,
    )


def java(files: Files, options: Options) -> Plan | None:
    """What Maven needs to work offline, what runs the tests among it."""
    if "pom.xml" not in files:
        return None
    if not options.scripts:
        why = "Maven runs the plugins and extensions that it names; allow that with --scripts"
        return refused("java", files.folder, (files.path("pom.xml"),), why)
    for name in sorted(files.names()):
        if name.rpartition("/")[2] == "pom.xml":
            files.text(name)
    maven = ("mvn", "-B", "-q", f"-Dmaven.repo.local={PLACE}/m2")
    commands = ((*maven, "dependency:go-offline"), (*maven, *NO_TESTS, "test"))
    return Plan("java", files.folder, tuple(files.read), commands, key_of("java", files.read))

"""git sees the repository and nothing else of this machine; online, the user's configuration but no keys."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.git import Git, ObjectReader, find_repository, identity, run_online
from codemonkeys.tasks.commit_archive import pack_commit
from tests.repositories import git, make_repository

FILES = {"a.py": b"x = 1\n", "empty": b"", "folder/b.bin": bytes(range(256)) * 300}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


def found(folder: Path) -> Git:
    git = find_repository(folder)
    assert git is not None
    return git


def environment_of(done: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in done.decode().splitlines() if "=" in line)


def hash_of(repository: Path, path: str) -> str:
    return git(repository, "rev-parse", f"HEAD:{path}").decode().strip()


def test_no_variable_of_ours_reaches_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    seen = environment_of(found(repository).run("-c", "alias.show-environment=!env", "show-environment"))
    assert seen["LC_ALL"] == "C" and seen["GIT_DIR"] == str(repository / ".git")
    assert not {"OPENAI_API_KEY", "GIT_INDEX_FILE", "LANG", "HOME"} & seen.keys()


def test_no_configuration_of_the_user_and_no_program_of_the_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "config", "--file", str(tmp_path / ".gitconfig"), "core.abbrev", "12")
    git(repository, "config", "core.fsmonitor", f"touch {tmp_path}/ran")
    hook = repository / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    ours = found(repository)
    assert ours.try_run("config", "core.abbrev").stdout == b""
    ours.run("update-ref", "refs/heads/new", "HEAD")
    ours.run("status", "--porcelain")
    program = tmp_path / "verify"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "gpg.program", str(program))
    signed = ours.run("cat-file", "commit", "HEAD").replace(b"\n\n", b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n\n", 1)
    made = ours.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).decode().strip()
    ours.run("log", "--format=%H", made)
    assert not (tmp_path / "ran").exists()


def test_replace_objects_are_not_obeyed_and_nothing_is_fetched(repository: Path) -> None:
    before = hash_of(repository, "a.py")
    other = git(repository, "hash-object", "-w", "--stdin", stdin=b"replaced\n").decode().strip()
    git(repository, "replace", before, other)
    assert found(repository).run("cat-file", "blob", before) == FILES["a.py"]
    refused = found(repository).try_run("ls-remote", str(repository))
    assert refused.returncode and b"transport 'file' not allowed" in refused.stderr


def test_settings_keep_names_with_equals_signs(repository: Path) -> None:
    ours = Git(repository / ".git", repository, settings={"filter.a=b.smudge": "x"})
    assert ours.text("config", "filter.a=b.smudge") == "x"


def test_equal_trees_make_equal_commits_with_a_fixed_date(repository: Path) -> None:
    ours = Git(repository / ".git", repository, identity("base", date="2000-01-01T00:00:00Z"))
    tree = ours.text("rev-parse", "HEAD^{tree}")
    commit = ours.text("commit-tree", "-m", "base", tree)
    assert ours.text("commit-tree", "-m", "base", tree) == commit
    assert ours.text("log", "-1", "--format=%an %ce %cd", "--date=unix", commit) == "base base@localhost 946684800"


def test_failures_say_what_and_where(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentFailed, match=rf"git cat-file failed \(exit \d+\) in {repository}: .*no-such-object"):
        found(repository).run("cat-file", "blob", "no-such-object")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="install git"):
        found(repository)


def test_repositories_are_found_where_they_are_and_not_above(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(linked))
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare.git")
    for folder in (repository, linked, tmp_path / "bare.git", repository / ".git"):
        assert found(folder).text("rev-parse", "HEAD^{tree}") == found(repository).text("rev-parse", "HEAD^{tree}")
    assert found(linked).text("symbolic-ref", "HEAD") == "refs/heads/side"
    for other in (repository / "folder", tmp_path, tmp_path / "missing", repository / "a.py"):
        assert find_repository(other) is None
    (repository / ".git" / "config").write_text("[core\n")
    with pytest.raises(EnvironmentFailed, match="git cannot read .*bad config"):
        find_repository(repository)


def test_objects_are_read_and_a_missing_one_stops_no_other(repository: Path) -> None:
    reader = ObjectReader(found(repository))
    for path, content in FILES.items():
        assert reader.read(hash_of(repository, path)) == content
    with pytest.raises(EnvironmentFailed, match="cannot read object 0000.*git fsck"):
        reader.read("0" * 40)
    damaged = repository / ".git" / "objects" / hash_of(repository, "a.py")[:2] / hash_of(repository, "a.py")[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged")
    with pytest.raises(EnvironmentFailed, match="cannot read object"):
        reader.read(hash_of(repository, "a.py"))
    assert reader.read(hash_of(repository, "folder/b.bin")) == FILES["folder/b.bin"]
    reader.close()


def test_a_reader_that_nobody_closes_leaves_no_process(repository: Path) -> None:
    reader = ObjectReader(found(repository))
    reader.read(hash_of(repository, "a.py"))
    process = reader._process
    assert process is not None and process.poll() is None
    del reader
    gc.collect()
    assert process.poll() is not None


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from codemonkeys.tasks.snapshot import Snapshot

signal.signal(signal.SIGINT, lambda *_: None)
with Snapshot.of_repository(Path(sys.argv[1])) as snapshot:
    assert snapshot.read("a.py") == b"x = 1\\n"
    os.killpg(0, signal.SIGINT)
    print(len(snapshot.read("folder/b.bin")))
"""


def test_an_interrupt_of_the_terminal_does_not_reach_git(repository: Path) -> None:
    """A terminal sends Ctrl-C to the whole process group."""
    command = [sys.executable, "-c", INTERRUPTED, str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True, check=False)
    assert done.stdout.strip() == str(len(FILES["folder/b.bin"])), done.stderr


def test_online_the_configuration_of_the_user_counts(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "config", "--file", ".gitconfig", f"url.file://{tmp_path}/.insteadOf", "mirror:")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert pack_commit("mirror:repository", "HEAD") == pack_commit(str(repository), "HEAD")
    with pytest.raises(EnvironmentFailed, match="commit no-such of .* cannot be fetched: git checkout failed"):
        pack_commit(str(repository), "no-such")


def test_online_a_hook_that_called_us_keeps_its_index(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make_repository(tmp_path / "mine", {"mine.py": b""})
    expected = pack_commit(str(repository), "HEAD")
    for name, path in {"GIT_DIR": "", "GIT_INDEX_FILE": "index", "GIT_OBJECT_DIRECTORY": "objects"}.items():
        monkeypatch.setenv(name, str(mine / ".git" / path))
    before = (mine / ".git" / "index").read_bytes()
    assert pack_commit(str(repository), "HEAD") == expected
    assert (mine / ".git" / "index").read_bytes() == before


def test_online_no_key_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    run_online("-c", "alias.show-environment=!env >shown", "show-environment", folder=tmp_path, seconds=60)
    seen = environment_of((tmp_path / "shown").read_bytes())
    assert seen["HTTPS_PROXY"] == "http://localhost:1" and seen["GIT_TERMINAL_PROMPT"] == "0"
    assert "OPENAI_API_KEY" not in seen


def test_online_what_takes_too_long_is_ended_with_its_helpers(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="took longer than 1 s; try later"):
        run_online("-c", "alias.hang=!echo $$ >pid; sleep 1000", "hang", folder=tmp_path, seconds=1)
    helper = int((tmp_path / "pid").read_text())
    for _ in range(1000):  # The signal has been sent, but may not have been delivered yet.
        if not is_running(helper):
            return
        time.sleep(0.01)
    pytest.fail("the helper outlives its git")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_git_gets_a_session_of_its_own(repository: Path) -> None:
    shown = found(repository).text("-c", "alias.show-session=!cat /proc/self/stat", "show-session")
    assert int(shown.rsplit(")", 1)[1].split()[3]) != os.getsid(0)

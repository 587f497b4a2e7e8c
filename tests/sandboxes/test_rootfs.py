"""Root file systems of images, copied to this machine."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandboxes import Environment, SandboxError, Script, rootfs
from sandboxes.engine import open_engine
from sandboxes.local import LocalSandbox
from sandboxes.rootfs import export_image
from tests.sandboxes.conftest import BASE_IMAGE

pytestmark = pytest.mark.docker

RECIPE = f"""
FROM {BASE_IMAGE}
ENV GREETING="hello there" PATH=/opt/own:$PATH
COPY app /app
RUN cp /bin/true /usr/bin/risen && chmod 6755 /usr/bin/risen && chown 1234:1234 /usr/bin/risen \\
 && chown -R 1234:1234 /app && ln -s /etc /codemonkeys && mkfifo /pipe \\
 && ln -s /etc/passwd /outside && ln /usr/bin/perl /linked
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with variables, odd files, and a repository at /app whose history holds more than its base."""
    engine = open_engine(timeout=120)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(RECIPE.encode())
        archive.addfile(entry, io.BytesIO(RECIPE.encode()))
        archive.add(_repository(tmp_path_factory.mktemp("app")), "app")
    context.seek(0)
    made, _ = engine.images.build(fileobj=context, custom_context=True, network_mode="none", rm=True)
    yield str(made.id)
    engine.images.remove(str(made.id), force=True)
    engine.close()


def _repository(folder: Path) -> Path:
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    for text in ("base", "future"):
        (folder / "code.py").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", text], check=True)
    subprocess.run([*git, "tag", "fixed"], check=True)
    subprocess.run([*git, "reset", "-q", "--hard", "HEAD~"], check=True)
    return folder


@pytest.fixture(scope="module")
def exported(image: str, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The image, asked for by two threads at once."""
    home = tmp_path_factory.mktemp("home")
    found: list[Environment] = []
    threads = [
        threading.Thread(target=lambda: found.append(export_image(image, home, "/app")), daemon=True) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    assert len(found) == 2 and found[0] == found[1]
    return found[0]


def test_scripts_find_what_the_image_holds(exported: Environment) -> None:
    text = """
echo "$GREETING" "$PATH" "$HOME"
git log --all --format=%s; git tag; cat code.py; echo
readlink /outside; cmp /linked /usr/bin/perl && echo same; ls -A /dev/shm; ls -A /codemonkeys
echo changed > code.py && echo x > /usr/bin/new && rm /usr/bin/risen && git diff --stat
"""
    sandbox = LocalSandbox()
    for _ in range(2):
        done = sandbox.run(exported, Script(text, "look.sh", ("sh",)))
        assert done.output.splitlines() == [
            "hello there /opt/own:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /root",
            "base",
            "base",
            "/etc/passwd",
            "same",
            "look.sh",
            " code.py | 2 +-",
            " 1 file changed, 1 insertion(+), 1 deletion(-)",
        ], done
    sandbox.close()


def test_nothing_dangerous_lies_on_this_machine(exported: Environment) -> None:
    root = exported.root
    assert root is not None and exported.name == exported.image
    assert stat.S_IMODE(root.parent.parent.stat().st_mode) == 0o700
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode), path
        assert not mode & (stat.S_ISUID | stat.S_ISGID) or stat.S_ISLNK(mode), path
    assert not any((root / "dev").iterdir()) and not (root / "codemonkeys").is_symlink()
    if os.getuid() == 0:
        assert (root / "usr/bin/risen").stat().st_uid == 1234
        assert (root / "app/code.py").stat().st_uid == 0
    assert sorted(path.name for path in root.parent.parent.iterdir() if not path.name.endswith(".lock")) == [
        root.parent.name
    ]


def test_an_image_that_is_there_needs_no_engine(
    image: str, exported: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert exported.root is not None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert export_image(image, exported.root.parent.parent, "/app") == exported
    with pytest.raises(SandboxError, match="No Docker engine answers"):
        export_image(image, tmp_path / "other", "/app")


def test_a_copy_is_whole_or_not_there(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match="no image no/such"):
        export_image("no/such:image", tmp_path)
    with (
        monkeypatch.context() as patched,
        pytest.raises(SandboxError, match="could not be given a history.*bash: No such file"),
    ):
        patched.setattr(rootfs, "_copy", lambda image, root, repository: (root / "app").mkdir())
        export_image(image, tmp_path, "/app")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(SandboxError, match="1 MiB free.*CODEMONKEYS_HOME"):
        export_image(image, tmp_path, "/app")
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_who_waits_for_the_copy_of_another_process_can_be_told_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an interrupt: the other one may take minutes, or hang."""
    identity, asked = f"sha256:{'0' * 64}", list[bool]()

    def is_given_up() -> bool:
        asked.append(True)
        return len(asked) == 3

    def export(*arguments: object) -> None:
        raise AssertionError("another process does this")

    monkeypatch.setattr(rootfs, "_export", export)
    with (tmp_path / f".{'0' * 64}-app.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SandboxError, match="aborted while another process held .*-app.lock"):
            export_image(identity, tmp_path, "/app", is_given_up=is_given_up)
    assert len(asked) == 3
    with pytest.raises(AssertionError, match="another process"):
        export_image(identity, tmp_path, "/app", is_given_up=lambda: True)  # the lock is free


def test_links_of_an_image_lead_nowhere(tmp_path: Path) -> None:
    """A mount point that is a link would have the first process write to this machine."""
    for name in ("dev", "proc", "sys", "codemonkeys", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "there").write_text("as it was")
    root = tmp_path / "root"
    for name in ("etc", "proc"):
        (root / name).mkdir(parents=True)
    for name in ("dev", "sys"):
        (root / name).symlink_to(tmp_path / name)
    (root / "codemonkeys").symlink_to(f"/old{tmp_path}/outside")
    (root / "etc/hosts").symlink_to(tmp_path / "outside" / "there")
    rootfs.make_mount_points(root)
    assert all((root / name).is_dir() and not (root / name).is_symlink() for name in ("dev", "sys", "codemonkeys"))
    assert (tmp_path / "outside" / "there").read_text() == "as it was"
    (root / "testbed").symlink_to(f"/old{tmp_path}/outside")
    environment = Environment("links", root=root, folders=(("/testbed/x", tmp_path / "dev"),))
    done = LocalSandbox(bubblewrap=False).run(environment, Script("exit 0", command=("sh",)))
    assert "symbolic link" in done.detail and sorted(path.name for path in (tmp_path / "outside").iterdir()) == [
        "there"
    ]


@pytest.mark.parametrize(
    "entries",
    [
        [("../x", tarfile.REGTYPE, "")],
        [("a/../../x", tarfile.REGTYPE, "")],
        [("link", tarfile.SYMTYPE, "/etc"), ("link/x", tarfile.REGTYPE, "")],
        [("hard", tarfile.LNKTYPE, "../../x")],
    ],
)
def test_names_that_lead_out_are_refused(entries: list[tuple[str, bytes, str]], tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    packed.seek(0)
    (tmp_path / "root").mkdir()
    with tarfile.open(fileobj=packed) as archive, pytest.raises(tarfile.TarError, match="leads out"):
        rootfs.unpack(archive, tmp_path / "root", "/testbed")

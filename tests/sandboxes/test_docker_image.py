"""What the docker sandbox makes of an image: no history, its own user and home, and nothing without a limit."""

from __future__ import annotations

import contextlib
import io
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Environment, Execution, Limits, SandboxError, Script, conformance, history
from sandboxes.docker import DockerSandbox
from sandboxes.ready import TEMPLATE
from tests.sandboxes import test_history as histories
from tests.sandboxes.conftest import BASE_IMAGE
from tests.sandboxes.test_docker import containers, engine
from tests.sandboxes.test_local import SH, wait_until

__all__ = ["engine"]

pytestmark = pytest.mark.docker
RUN = str(uuid.uuid4())
CASES = (
    histories.tags,
    histories.a_remote,
    histories.a_stash,
    histories.a_reflog,
    histories.an_unreachable_pack,
    histories.alternates,
    histories.a_work_tree_elsewhere,
    histories.being_a_work_tree,
)


@contextlib.contextmanager
def image_of(engine: Any, recipe: str, *folders: Path) -> Iterator[Environment]:
    """An environment whose image is built from the lines of a recipe and these folders."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe.encode())
        archive.addfile(entry, io.BytesIO(recipe.encode()))
        for folder in folders:
            archive.add(folder, folder.name)
    context.seek(0)
    label = {"codemonkeys.test": str(uuid.uuid4())}
    image, _ = engine.images.build(fileobj=context, custom_context=True, network_mode="none", rm=True, labels=label)
    try:
        yield Environment("image", image=str(image.id))
    finally:
        for made in (*engine.images.list(filters={"label": f"codemonkeys.image={image.id}"}), image):
            engine.images.remove(str(made.id), force=True, noprune=made is not image)


@contextlib.contextmanager
def sandbox(**settings: Any) -> Iterator[DockerSandbox]:
    opened = DockerSandbox(RUN, **{"ahead": 0} | settings)
    try:
        yield opened
    finally:
        opened.close()


def shell(opened: DockerSandbox, environment: Environment, text: str) -> Execution:
    return opened.run(environment, Script(text, "script.sh", SH))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_one_commit_is_left(case: Callable[[histories.Image], None], engine: Any, tmp_path: Path) -> None:
    image = histories.Image(tmp_path)
    case(image)
    recipe = f"FROM {BASE_IMAGE}\nCOPY testbed /testbed\nCOPY elsewhere /elsewhere\n"
    with image_of(engine, recipe, image.repository, image.elsewhere) as environment, sandbox() as opened:
        assert opened.run(environment, history.verify()).exit_code == 0
        everywhere = histories.SEARCH.replace("find /testbed /elsewhere", "find / -xdev -path /proc -prune -o")
        lines = shell(opened, environment, everywhere).output.splitlines()
    packs = [line for line in lines if "pack" in line and not line.startswith(f"{TEMPLATE}/0/.git/objects/pack/pack-")]
    assert lines[0] == "base" and not packs and histories.FUTURE not in " ".join(lines), lines
    assert " code.py | 1 +" in lines and "kept.log" in lines, lines


def test_scripts_run_as_the_user_of_the_image(engine: Any, tmp_path: Path) -> None:
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"""FROM {BASE_IMAGE}
RUN groupadd -g 1500 team && useradd -u 1234 -G team -m -d /home/mia mia && echo mine > /home/mia/.setting
RUN mkdir -p /data /home/mia/data && echo volume > /data/in && echo nested > /home/mia/data/in && chown -R mia /home/mia
COPY repository /testbed
VOLUME /data /home/mia/data
USER mia
"""
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox(reuse=True) as opened:
        seen = shell(
            opened, environment, "id; pwd; echo $HOME; cat ~/.setting; echo x > ~/.setting; echo x > a.txt; ls -d ~"
        )
        assert seen.exit_code == 0, seen
        assert seen.output.splitlines() == [
            "uid=1234(mia) gid=1234(mia) groups=1234(mia),1500(team)",
            "/testbed",
            "/home/mia",
            "mine",
            "/home/mia",
        ]
        # Its processes belong to another user than process 1.
        left = shell(opened, environment, "setsid sh -c 'while :; do sleep 1; done' & cat ~/.setting a.txt")
        assert left.output == "mine\none\ntwo\nthree\n", left
        again = shell(opened, environment, "ls -d /proc/[0-9]* | wc -l; cat /data/in ~/data/in; ls /data ~/data")
        count, *others = again.output.split()
        assert int(count) <= 5 and others == "volume nested /data: in /home/mia/data: in".split(), again
        # A volume that the image declares would lie on the engine's disk, without a limit.
        full = Script("for place in /data ~/data; do head -c 20M /dev/zero > $place/x && echo $place; done", command=SH)
        assert "/data\n" not in opened.run(environment, full, limits=Limits(disk_mb=10)).output
        for check in conformance.CHECKS[:4]:
            check(opened, environment)
        conformance.isolation.the_script_is_out_of_reach(opened, environment)
        conformance.isolation.nothing_survives(opened, environment)


def test_a_home_that_holds_an_installation_is_shown_but_not_written(engine: Any, tmp_path: Path) -> None:
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"FROM {BASE_IMAGE}\nCOPY repository /testbed\nRUN head -c 80M /dev/zero > /root/big\n"
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox() as opened:
        done = shell(opened, environment, "stat -c %s ~/big; touch ~/new || echo refused; touch new && echo done")
        assert done.output.splitlines()[0] == str(80 << 20) and done.output.splitlines()[-2:] == ["refused", "done"], (
            done
        )


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("RUN rm /usr/bin/git", "no git"),
        ("RUN rm -rf /testbed", "no repository at /testbed"),
        ("RUN rm -rf /testbed/.git", "freed of its history"),
        ("USER nobody-knows", "nobody-knows"),
    ],
)
def test_an_image_that_lacks_something_is_refused(recipe: str, told: str, engine: Any, tmp_path: Path) -> None:
    conformance.prepare_repository(tmp_path / "repository")
    lines = f"FROM {BASE_IMAGE}\nCOPY repository /testbed\n{recipe}\n"
    with image_of(engine, lines, tmp_path / "repository") as environment, sandbox() as opened:
        with pytest.raises(SandboxError, match=told):
            opened.ensure(environment)


def test_a_ready_image_that_was_removed_is_made_again(engine: Any, tmp_path: Path) -> None:
    conformance.prepare_repository(tmp_path / "repository")
    recipe = f"FROM {BASE_IMAGE}\nCOPY repository /testbed\n"
    with image_of(engine, recipe, tmp_path / "repository") as environment, sandbox() as opened:
        assert shell(opened, environment, "exit 7").exit_code == 7
        wait_until(lambda: not containers(engine, RUN))
        (made,) = engine.images.list(filters={"label": f"codemonkeys.image={environment.image}"})
        engine.images.remove(made.id, force=True, noprune=True)
        assert shell(opened, environment, "exit 7").exit_code == 7

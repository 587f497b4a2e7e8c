"""Images on a node: sent by the driver, known to the runs that come after, and removed when room is needed."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from codemonkeys.cli.cleaning import sent_files
from sandboxes import Environment, Reason
from sandboxes.cluster.messages import Done, NodeSettings, execution_of
from sandboxes.cluster.node import NodeAgent
from sandboxes.cluster.shipping import pieces_of, source_of
from sandboxes.engine import open_engine
from tests.sandboxes.test_cluster_parts import order

pytestmark = pytest.mark.docker

SETTINGS = NodeSettings("tests", "docker")


@pytest.fixture
def environment(docker_environment: Environment) -> Iterator[Environment]:
    """One whose image nothing else uses."""
    recipe = f"FROM {docker_environment.image}\nLABEL codemonkeys.test={uuid.uuid4()}\n".encode()
    with closing(open_engine(timeout=60)) as engine:
        image, _ = engine.images.build(fileobj=io.BytesIO(recipe), network_mode="none", rm=True)
        yield Environment("one", image=str(image.id))
        if there(str(image.id)):
            engine.images.remove(str(image.id), force=True, noprune=True)


def there(image: str) -> bool:
    with closing(open_engine(timeout=60)) as engine:
        return image in [found.id for found in engine.images.list(all=True)]


def started() -> NodeAgent:
    agent = NodeAgent(SETTINGS, 2, 4096)
    agent.start()
    return agent


def test_an_image_that_was_sent_is_known_to_later_runs(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is there, and no run uses it, it can make room: with all that was derived from it."""
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path))
    image, source, pieces = str(environment.image), source_of(environment), list(pieces_of(environment))
    agent = started()
    assert agent.hold(source) == 0 and agent.facts().held == {}  # the engine has it of its own
    agent.close()
    with closing(open_engine(timeout=60)) as engine:
        for derived in engine.images.list(filters={"label": f"codemonkeys.image={image}"}):
            engine.images.remove(derived.id, force=True, noprune=True)
        engine.images.remove(image, force=True, noprune=True)

    agent = started()
    assert agent.hold(source) is None
    for number, piece in enumerate(pieces):
        agent.receive(environment, number, piece)
    agent.received(environment, sum(map(len, pieces)))
    size = agent.hold(source)
    assert size and there(image)
    done = agent.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done) and execution_of(done.result, "").output == "one\ntwo\nthree\n"

    other = started()
    assert other.facts().held == {"one": pytest.approx(size, abs=0.1)}
    assert other.hold(source)
    other.evict("one")
    (found,) = sent_files()
    assert there(image) and found.needed == "a run uses it"
    done = agent.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done) and execution_of(done.result, "").reason is Reason.EXITED
    agent.close()
    (found,) = sent_files()
    assert found.needed == ""
    other.evict("one")
    assert not there(image) and other.facts().held == {} and not list(sent_files())
    other.close()

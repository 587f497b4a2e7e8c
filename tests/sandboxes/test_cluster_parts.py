"""The parts of the `ray` sandboxes that need no cluster: an agent by itself, files as pieces, what was sent."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from docker.errors import DockerException
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.cli.cleaning import sent_files
from codemonkeys.tasks.build_once import unfinished
from sandboxes import Entry, Environment, Execution, Layer, Limits, Reason, SandboxError, conformance
from sandboxes.cluster import connection as connecting
from sandboxes.cluster import images, shipping
from sandboxes.cluster.connection import advice, knock
from sandboxes.cluster.homes import Homes
from sandboxes.cluster.messages import (
    Done,
    NodeSettings,
    Order,
    Unknown,
    applied,
    difference,
    execution_of,
    limit_values,
)
from sandboxes.cluster.node import NodeAgent
from sandboxes.cluster.orphans import orphaned_clusters
from sandboxes.cluster.shipping import pieces_of, source_of
from sandboxes.cluster.texts import Kept, Key, Ref, Sent, hash_of
from sandboxes.layers import EMPTY
from sandboxes.local import LocalSandbox
from sandboxes.processes import pid_namespace

SETTINGS = NodeSettings("tests", "local", share=False)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    conformance.prepare_repository(tmp_path / "repository")
    return Environment("one", folders=(("/testbed", tmp_path / "repository"),))


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeAgent]:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    agent = NodeAgent(SETTINGS, 2, 4096)
    agent.start()
    yield agent
    agent.close()


def send(agent: NodeAgent, environment: Environment) -> None:
    """What the driver does."""
    source = source_of(environment)
    assert agent.hold(source) is None
    size = 0
    for number, piece in enumerate(pieces_of(environment)):
        agent.receive(environment, number, piece)
        size += len(piece)
    agent.received(environment, size)
    assert agent.hold(source)


def order(
    environment: Environment, script: str | Ref, patch: str | Ref | None = None, layer: str | None = None
) -> Order:
    where = (environment.name, environment.repository, environment.variables, environment.activate)
    return Order(*where, script, "script.sh", ("sh",), patch, limit_values(Limits(seconds=60)), layer)


def test_limits_cross_as_they_are() -> None:
    limits = Limits(1.5, 2, 3, 4, 5, 6.5)
    assert Limits(*limit_values(limits)) == limits


def test_an_agent_runs_on_what_it_was_sent(agent: NodeAgent, environment: Environment) -> None:
    send(agent, environment)
    done = agent.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done)
    execution = execution_of(done.result, "here")
    assert (execution.reason, execution.output, execution.node) == (Reason.EXITED, "one\ntwo\nthree\n", "here")
    assert agent.facts().held.keys() == {"one"}
    agent.evict("one")
    assert agent.facts().held == {} and agent.hold(source_of(environment)) is None


def test_an_agent_says_what_it_does_not_have(agent: NodeAgent, environment: Environment) -> None:
    text, layer = "echo 1", Layer.of([Entry("/testbed/new", "file", 0o644, b"new\n")])
    script = Ref(hash_of(text))
    assert agent.carry_out(order(environment, script, layer=layer.id), {}) == Unknown((script.hash, layer.id), True)
    send(agent, environment)
    assert agent.carry_out(order(environment, script), {}) == Unknown((script.hash,))
    assert isinstance(agent.carry_out(order(environment, script), {script.hash: text}), Done)
    done = agent.carry_out(order(environment, script), {})
    assert isinstance(done, Done) and done.result[3] == "1\n"
    assert agent.carry_out(order(environment, "cat new", layer=layer.id), {}) == Unknown((layer.id,))
    done = agent.carry_out(order(environment, "cat new; echo more >> new", layer=layer.id), {}, (layer,))
    assert isinstance(done, Done) and done.layer is not None
    after = applied(layer, done.layer)
    done = agent.carry_out(order(environment, "cat new", layer=after.id), {})
    assert isinstance(done, Done) and (done.result[3], done.layer) == ("new\nmore\n", None)


def test_files_arrive_as_they_are(agent: NodeAgent, environment: Environment, tmp_path: Path) -> None:
    repository, other = tmp_path / "repository", tmp_path / "repository and more"
    other.mkdir()
    (other / "own").write_text("x")
    (other / "own").chmod(0o640)
    (repository / "odd |name\n").write_bytes(b"\0" * 5000)
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o755)
    os.link(repository / "run", repository / "hard")
    os.symlink("a.txt", repository / "soft")
    os.symlink("/no/where", repository / "./dangling")
    (repository / "empty").mkdir(mode=0o700)
    environment = replace(environment, folders=(*environment.folders, ("/opt/more", other)))
    send(agent, environment)
    (sent,) = (tmp_path / "home" / "sent").glob("[!.]*")
    assert (sent / "0/hard").stat().st_ino == (sent / "0/run").stat().st_ino
    for here, there in ((repository, sent / "0"), (other, sent / "1")):
        assert listing(here) == listing(there)


def listing(folder: Path) -> list[tuple[str, int, str | bytes]]:
    found = []
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found.append((str(path.relative_to(folder)), stat.S_IMODE(mode), content))
    return found


def test_what_breaks_off_leaves_nothing(agent: NodeAgent, environment: Environment, tmp_path: Path) -> None:
    (piece,) = pieces_of(environment)
    agent.receive(environment, 0, piece[:2000])
    with pytest.raises(SandboxError, match=f"2000 of {len(piece)} bytes"):
        agent.received(environment, len(piece))
    agent.receive(environment, 0, b"no archive" * 1000)
    with pytest.raises(SandboxError, match="one cannot be unpacked"):
        agent.received(environment, 10_000)
    agent.receive(environment, 0, piece[:2000])
    agent.forget("one")
    with pytest.raises(SandboxError, match="without those before"):
        agent.receive(environment, 1, piece[2000:])
    assert list((tmp_path / "home" / "sent").iterdir()) == []


@pytest.mark.parametrize("error", [DockerException("no space left on device"), KeyError()])
@pytest.mark.parametrize("late", [True, False])
def test_an_engine_that_cannot_load_an_image_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, error: Exception, late: bool
) -> None:
    """It may say so after the last piece, as of a full disk: who sent it waited for ever."""

    def load(pieces: Iterator[bytes]) -> None:
        if late:
            list(pieces)
        raise error

    engine = SimpleNamespace(images=SimpleNamespace(load=load), close=lambda: None)
    monkeypatch.setattr(images, "open_engine", lambda timeout: engine)
    receiving = images.Images(lambda *_: None).receiving(Environment("one", image="one"))
    told: list[str] = []

    def send() -> None:
        try:
            for _ in range(5):
                receiving.write(b"piece")
            receiving.finish()
        except SandboxError as failed:
            told.append(str(failed))
        receiving.close()

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    sending.join(60)
    assert not sending.is_alive() and told == [f"image one cannot be loaded: {str(error) or 'KeyError'}"]


def test_what_is_in_use_stays(agent: NodeAgent, environment: Environment, tmp_path: Path) -> None:
    """Driver and node may think of room for something else while work comes; and runs share a node's disk."""
    send(agent, environment)
    with agent._use("one"):
        agent.evict("one")
        assert agent.facts().held.keys() == {"one"}
    other = NodeAgent(SETTINGS, 2, 4096)
    other.start()
    assert other.hold(source_of(environment))
    agent.evict("one")
    assert isinstance(other.carry_out(order(environment, "cat a.txt"), {}), Done)
    assert other.facts().held.keys() == {"one"}
    other.close()
    assert agent.hold(source_of(environment))
    agent.evict("one")
    assert list((tmp_path / "home" / "sent").iterdir()) == []


def test_clean_removes_what_was_sent_once_no_run_uses_it(
    agent: NodeAgent, environment: Environment, tmp_path: Path
) -> None:
    send(agent, environment)
    (used,) = sent_files()
    assert used.needed == "a run uses it" and used.name.startswith("one (0 MiB, ")
    with pytest.raises(SandboxError, match="a run uses it"):
        used.remove()
    done = agent.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done) and done.result[3] == "one\ntwo\nthree\n"
    agent.close()
    (left,) = sent_files()
    assert left.needed == ""
    left.remove()
    assert list((tmp_path / "home" / "sent").iterdir()) == [] == list(sent_files())


def test_folders_that_have_changed_are_sent_again(agent: NodeAgent, environment: Environment, tmp_path: Path) -> None:
    """As a virtual environment of one's own does between two runs: its environment has the same name."""
    send(agent, environment)
    agent.close()
    (tmp_path / "repository" / "a.txt").write_text("changed\n")
    later = NodeAgent(SETTINGS, 2, 4096)
    later.start()
    send(later, environment)
    done = later.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done) and done.result[3] == "changed\n"
    assert len(list((tmp_path / "home" / "sent").iterdir())) == 1
    later.close()
    again = NodeAgent(SETTINGS, 2, 4096)
    again.start()
    assert again.hold(source_of(environment))
    again.close()


def test_cleaning_keeps_away_from_what_is_being_received(
    agent: NodeAgent, environment: Environment, tmp_path: Path
) -> None:
    (piece,) = pieces_of(environment)
    agent.receive(environment, 0, piece[:2000])
    assert unfinished(tmp_path / "home") == []
    receiving = agent._holding._receiving["one"]
    assert isinstance(receiving, shipping.Unpacking)
    receiving._locked.close()  # as when its process is killed
    assert unfinished(tmp_path / "home") == [receiving._making]


def test_disk_for_environments_is_limited(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    agent = NodeAgent(replace(SETTINGS, disk_mb=7), 2, 4096)
    agent.start()
    assert agent.facts().disk_free_mb == 7
    (tmp_path / "repository" / "large").write_bytes(bytes(3 << 20))
    send(agent, environment)
    assert agent.facts().disk_free_mb == 4
    agent.close()


def test_a_folder_that_is_gone_is_told(environment: Environment, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="prepare it again"):
        source_of(replace(environment, folders=(("/testbed", tmp_path / "none"),)))
    with pytest.raises(SandboxError, match="cannot be packed"):
        list(pieces_of(replace(environment, folders=(("/testbed", tmp_path / "none"),))))


def test_folders_of_this_machine_are_known_again(environment: Environment, tmp_path: Path) -> None:
    source = source_of(environment)
    assert shipping.is_shared(source)
    assert not shipping.is_shared(replace(source, boot="another machine"))
    assert not shipping.is_shared(replace(source, boot=""))
    subprocess.run(["cp", "-a", tmp_path / "repository", tmp_path / "copy"], check=True)
    moved = replace(environment, folders=(("/testbed", tmp_path / "copy"),))
    assert not shipping.is_shared(replace(source, environment=moved))


entries = st.builds(
    Entry,
    st.sampled_from(["/a", "/b/c", "/b/d", "/e"]),
    st.sampled_from(["file", "link", "gone"]),
    st.just(0o644),
    st.binary(max_size=3),
    st.integers(0, 3),
)
layers = st.lists(entries, max_size=5).map(Layer.of)


@given(layers, layers)
def test_a_layer_crosses_as_what_differs(before: Layer, after: Layer) -> None:
    again = applied(before, difference(before, after))
    assert (again, again.entries) == (after, after.entries)
    assert difference(after, after) == ((), ())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), st.integers(1, 5))
def test_what_was_sent_is_bounded_and_never_invented(steps: list[tuple[bool, int]], most: int) -> None:
    sent, real = Sent(most), set[Key]()
    for add, number in steps:
        key = str(number)
        if add:
            sent.add(key)
            real.add(key)
        else:
            sent.forget(key)
            real.discard(key)
        assert len(sent) <= most
        assert all(str(n) in real for n in range(10) if str(n) in sent)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=60))
def test_what_is_kept_is_bounded(puts: list[tuple[int, int]]) -> None:
    kept: Kept[int] = Kept(100)
    values: dict[str, int] = {}
    for number, size in puts:
        values[str(number)] = size
        kept.put(str(number), size, size)
        found = {key: value for key in values if (value := kept.get(key)) is not None}
        assert sum(found.values()) <= 100 and found.items() <= values.items() and str(number) in found


def test_homes_of_sessions_are_bounded() -> None:
    homes = Homes(2)
    for number in range(4):
        homes.put(str(number), "node")
    homes.put(EMPTY.id, "node")
    assert [homes.get(str(number)) for number in range(4)] == [None, None, "node", "node"]
    assert homes.get(EMPTY.id) is None


def test_nothing_is_left_in_the_folder_for_temporary_files(environment: Environment) -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    list(pieces_of(environment))
    assert not {name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("codemonkeys")}


def test_what_keeps_a_process_from_a_cluster_is_told() -> None:
    """Ray's own words on versions, and what to do where nothing answers."""
    other = RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.55.0\n    Python: 3.11.9\n")
    assert "Ray: 2.55.0" in advice("auto", other) and "Install the same ray and Python" in advice("auto", other)
    nowhere = advice("192.0.2.1:6379", ConnectionError("Could not connect.\nat all"))
    assert nowhere.startswith("no Ray cluster answers at 192.0.2.1:6379: Could not connect. Start one with `ray start")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(SandboxError, match=rf"no Ray cluster answers at {address}: .*refused\. Start"):
        knock(address)


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_port_that_is_none_of_ray_is_told(says: bytes) -> None:
    """As the dashboard's: Ray itself would try again and again, for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(says)

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        with pytest.raises(SandboxError, match="what listens there is not the head of a Ray cluster, whose port is"):
            knock(f"127.0.0.1:{server.getsockname()[1]}")
        answering.join(60)
        assert not answering.is_alive()


def test_leaving_a_cluster_whose_head_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would wait for it, and once more at the end of the process."""
    released, forgotten = threading.Event(), list[bool]()
    monkeypatch.setattr(connecting, "DISCONNECTING", 0.1)
    monkeypatch.setattr(connecting, "_disconnect", lambda: released.wait(300))
    monkeypatch.setattr(connecting, "_forget_shutdown", lambda: forgotten.append(True))
    leaving = object.__new__(connecting.Connection)
    leaving._keep, leaving.own = False, None
    monkeypatch.setattr(connecting, "_users", [leaving])
    closing = threading.Thread(target=leaving.close, daemon=True)
    closing.start()
    closing.join(60)
    released.set()
    assert not closing.is_alive() and forgotten == [True]


def test_any_error_of_a_node_is_a_failed_sandbox(agent: NodeAgent, environment: Environment) -> None:
    """As of a full disk: the driver counts these, and tries another node."""

    class Full:
        def run(self, *arguments: object) -> Execution:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    send(agent, environment)
    agent.close()
    agent._sandbox = cast(LocalSandbox, Full())
    done = agent.carry_out(order(environment, "cat a.txt"), {})
    assert isinstance(done, Done)
    execution = execution_of(done.result, "here")
    assert execution.reason is Reason.SANDBOX_FAILED and "No space left" in execution.detail


def test_clusters_of_another_container_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it shares the folder for temporary files, its processes are alive but not to be seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, namespace in (("dead", f" {pid_namespace()}"), ("old", ""), ("elsewhere", " 1")):
        (tmp_path / f"cm-ray-{name}").mkdir()
        (tmp_path / f"cm-ray-{name}" / "owner").write_text(f"{os.getpid()} 1{namespace}")
    found = {folder.name for folder in orphaned_clusters() if folder.parent == tmp_path}
    assert found == {"cm-ray-dead", "cm-ray-old"}


def test_an_agent_names_the_keys_that_it_was_started_with(agent: NodeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    assert agent.facts().keys == ()
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.setenv("EMPTY_API_KEY", "")
    assert agent.facts().keys == ("OPENAI_API_KEY",)

"""The connection of this process to a Ray cluster, of which it can have one at a time."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sandboxes.base import SandboxError
from sandboxes.cluster.handle import Found
from sandboxes.cluster.starting import OwnCluster, start, variables

EXTRA = "pip install 'codemonkeys[ray]'"
KNOCKING = 20.0
"""Seconds that the head of a cluster has to answer."""
DISCONNECTING = 120.0
"""Seconds to take leave of a cluster: where its head hangs, Ray waits for ever."""
_lock = threading.Lock()
_users: list[Connection] = []


def unavailable() -> str | None:
    """Why no cluster can be used from here and what to do about it; None if one may."""
    if importlib.util.find_spec("ray") is None:
        return f"It needs Ray, which is not installed: {EXTRA}"
    return None


class Connection:
    """A connection to a cluster; all of this process that name the same address share one."""

    def __init__(self, address: str | None, cores: int | None = None) -> None:
        """`address`: `auto` (the cluster of this machine), HOST:PORT, or `local` or None: one is started, of so many
        cores, and ended with the connection.

        Raises SandboxError saying why there is none and what to do.
        """
        if reason := unavailable():
            raise SandboxError(reason)
        self._wanted = address or "local"
        self.own: OwnCluster | None = None
        """The cluster, if it was started here."""
        self._keep = False
        """Whether the process was connected before, and stays so."""
        self.address, self.dashboard = self._wanted, ""
        """HOST:PORT of its head, and the URL of Ray's dashboard, which may not be there."""
        with _lock:
            if _users:
                self._share(_users[0])
            else:
                try:
                    self.own = start(cores) if self._wanted == "local" else None
                    _in_thread(self._connect)
                except BaseException:
                    if self.own is not None:
                        self.own.close()
                    raise
            _users.append(self)

    def _share(self, first: Connection) -> None:
        if first._wanted != self._wanted:
            raise SandboxError(f"this process uses the Ray cluster {first._wanted}; close that sandbox first")
        self.own, self._keep = first.own, first._keep
        self.address, self.dashboard = first.address, first.dashboard

    def _connect(self) -> None:
        with _settled(self.own.folder if self.own else None):
            import ray

            if ray.is_initialized():
                self._keep = True
                return
            address = self.own.address if self.own else self._wanted
            knock(address)
            logger = logging.getLogger("ray")
            level = logger.level
            logger.setLevel(logging.ERROR)
            _print_with(_print_nothing)
            try:
                with _nameless():
                    context: Any = ray.init(
                        address=address,
                        namespace="codemonkeys",
                        job_config=_job_config(),
                        log_to_driver=False,
                        configure_logging=False,
                    )
            except Exception as error:  # Ray raises errors of many kinds
                _print_with(_printing.pop())
                raise SandboxError(advice(self._wanted, error)) from error
            finally:
                logger.setLevel(level)
            self.address = str(context.address_info.get("gcs_address") or address)
            self.dashboard = f"http://{url}" if (url := context.dashboard_url) else ""

    def close(self) -> None:
        """Give it up; the last one of this process disconnects, and ends the cluster if it was started here."""
        with _lock:
            if self not in _users:
                return
            _users.remove(self)
            if _users:
                return
            if not self._keep:
                try:
                    _in_thread(_disconnect, DISCONNECTING)
                except TimeoutError:
                    _forget_shutdown()
            if self.own is not None:
                self.own.close()


def knock(address: str) -> None:
    """Raise SandboxError at once if nothing listens at HOST:PORT, or no Ray: that would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), KNOCKING) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "1" and not _speaks_grpc(connection):
                why = "what listens there is not the head of a Ray cluster, whose port is 6379 by default"
                raise SandboxError(advice(address, OSError(why)))
    except OSError as error:
        raise SandboxError(advice(address, error)) from error


def _speaks_grpc(connection: socket.socket) -> bool:
    """Whether a server begins as one of gRPC does, by its settings for HTTP/2."""
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS)
    with suppress(TimeoutError, ConnectionError):
        first = connection.recv(len(_SETTINGS), socket.MSG_WAITALL)
        return len(first) == len(_SETTINGS) and first[3] == _SETTINGS[3]
    return False


_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""A frame of HTTP/2 of the kind 4, which either side sends first: an empty one."""


def _disconnect() -> None:
    import ray

    ray.shutdown()
    _print_with(_printing.pop())


def _forget_shutdown() -> None:
    """Keep Ray from waiting once more at the end of this process."""
    import ray

    atexit.unregister(ray.shutdown)


_printing: list[Any] = []
"""How Ray has printed before, for when it is of no use to us any more."""


def _print_with(function: Callable[..., None]) -> None:
    """Have Ray print the cluster's messages in this way: by itself it prints them to standard output."""
    from ray._private import worker

    if function is _print_nothing:
        _printing.append(worker.print_to_stdstream)
    worker.print_to_stdstream = function


def _print_nothing(*message: object, **options: object) -> None:
    """What becomes of nodes is told by the sandbox, and standard output belongs to the command."""


def _in_thread(function: Callable[[], None], seconds: float | None = None) -> None:
    """Call it in another thread: in the main one, Ray takes the handler of SIGTERM, which is the run's.

    Raises TimeoutError after so many seconds.
    """
    errors: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="codemonkeys-ray", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if errors:
        raise errors[0]


@contextmanager
def _settled(folder: Path | None) -> Iterator[None]:
    """Variables that Ray reads of this process while it connects to a cluster of ours; else those of the user."""
    given = {"RAY_USAGE_STATS_ENABLED": "0"}
    if folder is not None:
        given |= {name: text for name, text in variables(folder).items() if name.startswith("RAY_")}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        if folder is not None:
            _reread()
        yield
    finally:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text


@contextmanager
def _nameless() -> Iterator[None]:
    """Have Ray tell the cluster nothing of this process's command line, which may name an endpoint with its key."""
    from ray._private import utils

    before = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: "codemonkeys"
    try:
        yield
    finally:
        utils.get_entrypoint_name = before


def _reread() -> None:
    """Have Ray read its variables, as it may have been imported before."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    ray_constants.ENABLE_RAY_CLUSTER = False
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _job_config() -> Any:
    """The configuration of a job whose workers import nothing from the current folder, which may be anybody's."""
    from ray.job_config import JobConfig

    class Config(JobConfig):  # type: ignore[misc, unused-ignore]
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return Config()


def advice(wanted: str, error: Exception) -> str:
    """Why a cluster cannot be used, in the words of an error of Ray, and what to do."""
    said = str(error).strip().splitlines()
    why = (said[0] if said else type(error).__name__).removesuffix(".")
    if "ersion mismatch" in str(error):
        why = " ".join(said)
        return f"the Ray cluster {wanted} has another version: {why} Install the same ray and Python on every node."
    return (
        f"no Ray cluster answers at {wanted}: {why}. Start one with `ray start --head`, join this machine to it with "
        "`ray start --address=HOST:PORT --num-cpus=0`, or leave out the address: then one is started here."
    )


def living() -> list[Found]:
    """The nodes that live and take work: a node that was started without cores, as heads often are, takes none."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [
        Found(
            node["NodeID"],
            _name(node),
            int(node["Resources"]["CPU"]),
            int(node["Resources"].get("memory", 0)) >> 20,
        )
        for node in nodes
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]


def _name(node: dict[str, Any]) -> str:
    host, address = node["NodeManagerHostname"], node["NodeManagerAddress"]
    return str(host) if host == address else f"{host} ({address})"

"""Forks commands from a process that has imported everything: `python tests/cli/fork_server.py DESCRIPTOR`,
that of a listening socket.

Importing takes most of the seconds of a short command. The server does it once, at the first request, and each request
is then served by a fork that becomes the command: its own arguments, environment, folder, standard streams and session.
Nothing of the command runs before the fork, and whatever a process reads from its environment it reads after it, but
for what libraries read while they are imported; see `command.py` for who needs a process of their own.

A request is one message of JSON with the descriptors of the three standard streams; the answers are the process id, and
the exit code when it has ended. The server ends with the process that started it.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import termios
import threading

exit_code: int | None = None


@atexit.register
def leave() -> None:
    """End without taking apart everything that was imported; registered first, so the last that happens at the end."""
    if exit_code is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


STREAMS = 3
MESSAGE = 1 << 18
"""Bytes that a request has at most."""
LIBRARIES = (
    *("docker", "jinja2.meta", "platformdirs", "sqlite_utils", "typer._adapters", "typer._click.decorators"),
    *("swebench.harness.run_evaluation", "swebench.task.repo"),
    # At its first call litellm imports these, which takes as long as a short run.
    *("litellm._service_logger", "litellm.llms.litellm_proxy.chat.transformation"),
    *("litellm.proxy.openai_files_endpoints.common_utils", "openai.resources"),
)
"""What commands import where they use it."""


def preload() -> None:
    """Import all that commands import; leave nothing else behind."""
    from sqlite_utils import plugins

    import codemonkeys
    from codemonkeys.context import languages
    from codemonkeys.models import litellm_calls, prices, tokens
    from codemonkeys.prompting import rendering

    for module in pkgutil.walk_packages(codemonkeys.__path__, "codemonkeys."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    tokens.vocabulary()
    prices.shipped_prices()
    litellm_calls.load()
    for name in LIBRARIES:
        importlib.import_module(name)
    plugins.ensure_plugins_loaded()
    # jinja2 compiles a template at its first use.
    for template in rendering.shipped_folder().glob("*.jinja"):
        rendering.template(template.stem, None, False)
    languages.grammar("python")
    threads = os.listdir("/proc/self/task")  # Those of libraries too, which may hold a lock at the fork.
    assert len(threads) == 1, f"a fork would lose all but one of {len(threads)} threads: {threading.enumerate()}"
    # What is there stays there: no collection in a fork copies its pages.
    gc.collect()
    gc.freeze()


def tell_tasks(*_: object) -> None:
    """Tell on standard error where the tasks of the event loop wait: the stack of no thread shows that."""
    asyncio = sys.modules.get("asyncio")
    with contextlib.suppress(RuntimeError):  # There is no loop.
        for task in asyncio.all_tasks() if asyncio else ():
            print(task.get_name(), file=sys.stderr)
            waiting = task.get_coro()
            while (frame := getattr(waiting, "cr_frame", None)) is not None:
                print(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}", file=sys.stderr)
                waiting = waiting.cr_await
    sys.stderr.flush()


def become(request: dict[str, object], streams: list[int]) -> None:
    """Make this process that of a command."""
    os.setsid()
    # A suite that was started in the background of a script has it ignored, and so would the command.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGUSR1, tell_tasks)
    faulthandler.enable(2)  # SIGABRT has all threads told.
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.chdir(request["folder"])  # type: ignore[arg-type]
    sys.path[0] = os.getcwd()
    sys.argv = ["codemonkeys", *request["arguments"]]  # type: ignore[misc]
    tempfile.tempdir = None


def serve(listener: socket.socket) -> None:
    """Serve until the process that started this one has ended; returns in a fork, which has become the command."""
    owner = os.pidfd_open(os.getppid())
    waiting = selectors.DefaultSelector()
    for source in (listener, owner):
        waiting.register(source, selectors.EVENT_READ)
    commands: dict[int, tuple[int, socket.socket]] = {}
    loaded = False
    while True:
        for ready, _ in waiting.select():
            if ready.fd == owner:
                for process, _ in commands.values():
                    os.killpg(process, signal.SIGKILL)
                sys.exit()
            if ready.fd in commands:
                waiting.unregister(ready.fd)
                process, client = commands.pop(ready.fd)
                os.close(ready.fd)
                _, status = os.waitpid(process, 0)
                with contextlib.suppress(OSError), client:
                    client.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            if not loaded:
                preload()
                loaded = True
            client = listener.accept()[0]
            request, streams, _, _ = socket.recv_fds(client, MESSAGE, STREAMS)
            process = os.fork()
            if process == 0:
                waiting.close()
                for opened in (listener, client, *(other for _, other in commands.values())):
                    opened.close()
                for handle in (owner, *commands):
                    os.close(handle)
                become(json.loads(request), streams)
                return
            for stream in streams:
                os.close(stream)
            handle = os.pidfd_open(process)
            waiting.register(handle, selectors.EVENT_READ)
            commands[handle] = (process, client)
            client.send(str(process).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        runpy.run_module("codemonkeys", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else exit_code
        raise

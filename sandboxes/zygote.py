"""The process from which the runs of a `local` sandbox are forked; launcher.py starts it.

One is started for a sandbox and kept, as starting Python takes longer than all that is done here. Its standard input is
a socket that brings, for every run, where to join its control group and three descriptors: a pipe that will bring the
plan, both as `marshal` writes them, and the run's standard output and error. It forks for each, which goes as far as it
can without the plan; when the plan's pipe is closed, that run ends. It ends itself, and every run with it, when its
owner does, and then removes the owner's control groups. It has no environment and runs no code of a plan's folders.
What a run cannot do it says on its standard error.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import NoReturn

from sandboxes import cgroups, namespace


def run(parent: int, entrances: list[str]) -> None:
    """Make the namespaces and a first process in them; wait for its end, or for the end of standard input."""
    namespace.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)  # it died before we could ask to die with it
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for processes in entrances:
        namespace.write(processes, "0")
    namespace.unshare()
    alive, told = os.pipe()
    child = os.fork()
    if child == 0:
        namespace.die_with_parent()
        os.close(told)
        if not os.read(alive, 1):
            os._exit(1)  # the same race
        namespace.settle()
        with open(0, "rb", closefd=False) as given:
            plan = marshal.load(given)
        namespace.become_first_process(plan)
    os.write(told, b".")
    process, ended = os.pidfd_open(child), select.poll()
    ended.register(process, select.POLLIN)
    ended.register(0, 0)  # that it was closed, not that it holds a plan
    if process not in dict(ended.poll()):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def serve(owner: int) -> bool:
    """Fork for every request on standard input, until that is closed or the owner has died; whether it has."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are forked
    here, alive = os.getpid(), os.pidfd_open(owner)
    requests = socket.socket(fileno=0)
    while os.getppid() == owner and alive not in select.select([0, alive], [], [])[0]:
        request, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 3)
        if not request:  # a process that dies closes its files first
            return bool(select.select([alive], [], [], 10)[0])
        try:
            child = os.fork()
        except OSError as error:
            os.write(descriptors[2], f"cannot start a process: {error.strerror}\n".encode())
            child = here
        if child == 0:
            os.close(alive)
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            answer(here, marshal.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)
    return True


def answer(parent: int, entrances: list[str]) -> NoReturn:
    """One run, in a process of its own; never returns to what this process was forked from."""
    try:
        run(parent, entrances)
    except OSError as error:
        about = [str(name) for name in (error.filename, error.filename2) if name]
        os.write(2, (": ".join([*about, error.strerror or str(error)]) + "\n").encode(errors="surrogateescape"))
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(1)


def main(owner: int, folders: list[Path]) -> None:
    """Serve the owner; if it dies, leave nothing of it."""
    if serve(owner):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        deadline = time.monotonic() + 30  # the kernel takes a moment to end what was killed
        while cgroups.remove_of(owner, folders) and time.monotonic() < deadline:
            time.sleep(0.1)

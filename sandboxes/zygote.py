"""The process from which the runs of a `local` sandbox are forked; launcher.py starts it.

Each sandbox keeps one, as starting Python takes longer than everything done here. Its standard input is a socket. For
every run it receives the `cgroup.procs` files to join (as `marshal` writes them) and four descriptors: a pipe for the
plan (again by `marshal`), the run's standard output and error, and a pipe for what it has changed. It forks for each
run; the fork proceeds as far as possible without a plan, and ends when the plan's pipe is closed. When its owner dies
it ends with all runs, and removes the owner's control groups. It has no environment variables and runs no code from a
plan's folders. Failures of a run are reported on the run's standard error.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import socket
import time
from typing import NoReturn

from sandboxes import namespace, roots, supervisor, upper
from sandboxes.syscalls import die_with_parent


def run(parent: int, entrances: list[str]) -> None:
    """Create the namespaces and their first process; wait until all of the run has ended or standard input is closed.

    Of a run that has ended by itself, and whose plan asks for it, write what it has changed.
    """
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call above took effect
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for processes in entrances:
        roots.write(processes, "0")
    namespace.unshare()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        die_with_parent()
        ours.close()
        if not theirs.recv(1):
            os._exit(1)  # the same race
        namespace.settle()
        with open(0, "rb", closefd=False) as given:
            namespace.become_first_process(given, theirs)
    theirs.close()
    ours.send(b".")
    handed = wait(child, ours)
    upper.gather(handed, upper.OUTPUT)
    # Nobody needs to wait for the kernel to take the root apart.
    for descriptor in (1, 2, upper.OUTPUT):
        os.close(descriptor)
    os.waitpid(child, 0)


def wait(child: int, channel: socket.socket) -> upper.Handed | None:
    """Wait until every process of the run has ended, or standard input is closed; what process 1 has handed over."""
    process, events = os.pidfd_open(child), select.poll()
    events.register(process, select.POLLIN)
    events.register(channel, select.POLLIN)
    events.register(0, 0)  # its closing only, not the plan
    handed: upper.Handed | None = None
    gone = False
    while not gone:
        ready = dict(events.poll())
        gone = process in ready
        if channel.fileno() in ready:
            while message := receive(channel):
                if message[0] == supervisor.ENDED:
                    gone = True
                else:
                    handed = message
            if ready[channel.fileno()] & select.POLLHUP:
                events.unregister(channel)
        if 0 in ready and not gone:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os._exit(1)
    return handed


def receive(channel: socket.socket) -> upper.Handed | None:
    """A message with the descriptors that came with it; None if there is none."""
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 64, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    return (message, descriptors) if message else None


def serve(owner: int) -> bool:
    """Fork for every request on standard input until that is closed; returns whether the owner has died."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are not waited for
    here, alive = os.getpid(), os.pidfd_open(owner)
    requests = socket.socket(fileno=0)
    while os.getppid() == owner and alive not in select.select([0, alive], [], [])[0]:
        request, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 4)
        if not request:  # a dying process closes its files first
            return bool(select.select([alive], [], [], 10)[0])
        try:
            child = os.fork()
        except OSError as error:
            os.write(descriptors[2], f"cannot start a process: {error.strerror}\n".encode())
            child = here
        if child == 0:
            os.close(alive)
            for number, descriptor in enumerate(descriptors):
                if descriptor != number:
                    os.dup2(descriptor, number, inheritable=number != upper.OUTPUT)
                    os.close(descriptor)
            answer(here, marshal.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)
    return True


def answer(parent: int, entrances: list[str]) -> NoReturn:
    """Carry out one run in a forked process; never returns."""
    try:
        run(parent, entrances)
    except OSError as error:
        about = [str(name) for name in (error.filename, error.filename2) if name]
        os.write(2, (": ".join([*about, error.strerror or str(error)]) + "\n").encode(errors="surrogateescape"))
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(1)


def main(owner: int, folders: list[str]) -> None:
    """Serve the owner; if it dies, clean up after it. `folders`: with its control groups."""
    # Scripts get signals as ever, whatever the thread that started this blocks, or its process ignores.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    gc.freeze()
    if serve(owner):
        from pathlib import Path

        from sandboxes import cgroups

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        deadline = time.monotonic() + 30  # killed processes take a moment to disappear
        while cgroups.remove_of(owner, map(Path, folders)) and time.monotonic() < deadline:
            time.sleep(0.1)

"""Scripts cannot exceed their limits of time, memory, processes, output and disk."""

from __future__ import annotations

import uuid

from sandboxes.base import Environment, Limits, Reason, Sandbox, Script
from sandboxes.conformance.common import exited, processes_with, python


def timeout_ends_every_process(sandbox: Sandbox, environment: Environment) -> None:
    mark = f"codemonkeys-conformance-{uuid.uuid4()}"
    text = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
if os.fork() == 0:
    os.setsid()
    os.execvp("sh", ["sh", "-c", "sleep 1000; : {mark}"])
time.sleep(1000)
"""
    done = python(sandbox, environment, text, limits=Limits(seconds=1.5))
    assert (done.reason, done.output) == (Reason.TIMED_OUT, "here\n"), done
    assert done.seconds >= 1.5, done
    assert not processes_with(mark)


def only_the_clock_times_out(sandbox: Sandbox, environment: Environment) -> None:
    """No signal to the processes that watch a script makes its end a time limit."""
    text = """
import os, signal, sys, time
for process in 1, os.getppid():
    for number in signal.SIGALRM, signal.SIGCHLD:
        try: os.kill(process, number)
        except OSError: pass
time.sleep(0.3)
sys.exit(3)
"""
    exited(python(sandbox, environment, text), 3)


def a_stopped_helper_does_not_stretch_the_time(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import os, signal, time
def send(number):
    for process in 1, os.getppid():
        try: os.kill(process, number)
        except OSError: pass
send(signal.SIGSTOP)
time.sleep(12)
print("still here", flush=True)
send(signal.SIGCONT)
"""
    done = python(sandbox, environment, text, limits=Limits(seconds=1))
    assert done.reason is Reason.TIMED_OUT and "still here" not in done.output, done


def a_process_left_behind_does_not_block(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nprint('done')"
    assert exited(python(sandbox, environment, text)) == "done\n"


def memory_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = "held = []\nfor _ in range(64): held.append(bytearray(b'x') * (16 << 20))\nprint('held all')"
    done = python(sandbox, environment, text, limits=Limits(memory_mb=256))
    told = done.reason is Reason.EXITED and done.exit_code == 1 and "MemoryError" in done.output
    assert done.reason is Reason.OUT_OF_MEMORY or told, done
    exited(python(sandbox, environment, "bytearray(b'x') * (64 << 20)", limits=Limits(memory_mb=256)))


def memory_is_limited_in_total(sandbox: Sandbox, environment: Environment) -> None:
    """A limit on each process would not be enough; what processes share is counted once."""
    text = """
import os, time
shared = bytearray(b"x") * (48 << 20)
for _ in range(6):
    if os.fork() == 0:
        held = bytearray(b"x") * (SIZE << 20)
        time.sleep(SECONDS)
        os._exit(0)
os.wait()  # the kernel may end one only
"""
    limits = Limits(seconds=60, memory_mb=256)
    done = python(sandbox, environment, text.replace("SIZE", "64").replace("SECONDS", "30"), limits=limits)
    assert done.reason is Reason.OUT_OF_MEMORY, done
    exited(python(sandbox, environment, text.replace("SIZE", "0").replace("SECONDS", "0.5"), limits=limits))


def memory_of_files_without_a_name_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import os
held = 0
try:
    file = os.memfd_create("held")
    while held < 512 << 20: held += os.write(file, bytes(16 << 20))
except OSError: pass
print(held >> 20)
"""
    done = python(sandbox, environment, text, limits=Limits(seconds=60, memory_mb=256))
    assert done.reason is Reason.OUT_OF_MEMORY or int(exited(done)) <= 256, done


def memory_of_sockets_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import socket, time
held, pairs = 0, []
try:
    while held < 192 << 20:
        pairs.append(socket.socketpair())
        pairs[-1][0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        pairs[-1][0].setblocking(False)
        try:
            while True: held += pairs[-1][0].send(bytes(1 << 15))
        except BlockingIOError: pass
except OSError: pass
else: print("all of it is held", flush=True)
time.sleep(1)
"""
    done = python(sandbox, environment, text, limits=Limits(seconds=60, memory_mb=96))
    assert done.reason is Reason.OUT_OF_MEMORY or exited(done) == "", done


def a_fork_bomb_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError:
    print("refused")
else:
    time.sleep(1000)
"""
    done = python(sandbox, environment, text, limits=Limits(seconds=20, processes=50, memory_mb=2048))
    stopped = (done.reason, done.signal) == (Reason.KILLED, 9)
    assert stopped or exited(done) == "refused\n", done


def a_fork_bomb_goes_off_alone(sandbox: Sandbox, environment: Environment) -> None:
    """It ends its own run only, and leaves nothing behind."""
    mark = f"codemonkeys-conformance-{uuid.uuid4()}"
    text = f"bomb() {{ bomb | bomb & }}; bomb; exec sh -c 'sleep 1000; : {mark}'"
    limits = Limits(seconds=2, processes=50, memory_mb=1024)
    done = sandbox.run(environment, Script(text, f"{mark}.sh", ("sh",)), limits=limits)
    assert done.reason in (Reason.TIMED_OUT, Reason.KILLED, Reason.EXITED, Reason.OUTPUT_LIMIT), done
    assert not processes_with(mark)
    assert exited(python(sandbox, environment, "print('well')")) == "well\n"


def the_last_output_is_kept(sandbox: Sandbox, environment: Environment) -> None:
    """All of it, also where a script has made the pipe larger and ends at once."""
    text = """
import fcntl, os
try: fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
except OSError: pass
for _ in range(10): os.write(1, b"0123456789" * 5000)
os._exit(0)
"""
    assert exited(python(sandbox, environment, text)) == "0123456789" * 50_000


def a_flood_of_output_is_stopped(sandbox: Sandbox, environment: Environment) -> None:
    text = "import os\nwhile True: os.write(1, b'0123456789' * 1000)"
    done = python(sandbox, environment, text, limits=Limits(output_bytes=100_000))
    assert done.reason is Reason.OUTPUT_LIMIT, done.reason
    assert done.output == "0123456789" * 10_000
    behind = f"import os, time\nif os.fork():\n    time.sleep(1000)\nos.setsid()\n{text.partition(chr(10))[2]}"
    done = python(sandbox, environment, behind, limits=Limits(seconds=20, output_bytes=100_000))
    assert (done.reason, len(done.output)) == (Reason.OUTPUT_LIMIT, 100_000), done.reason
    exact = python(sandbox, environment, "print('x' * 99_999)", limits=Limits(output_bytes=100_000))
    assert len(exited(exact)) == 100_000


def the_disk_is_limited_in_total(sandbox: Sandbox, environment: Environment) -> None:
    """A limit on the size of single files would not be enough."""
    text = """
written = 0
try:
    for number in range(16):
        with open(f"part{number}", "wb") as file:
            for _ in range(4): written += file.write(bytes(1 << 20)); file.flush()
except OSError: pass
print(written >> 20)
"""
    done = exited(python(sandbox, environment, text, limits=Limits(disk_mb=16, memory_mb=512)))
    assert 4 <= int(done) <= 16, done


def the_disk_is_limited(sandbox: Sandbox, environment: Environment) -> None:
    text = """
import sys
for name in "/tmp/big", "big":
    try:
        with open(name, "wb") as file:
            for _ in range(64): file.write(bytes(1 << 20))
        print("wrote all to", name)
    except OSError:
        pass
"""
    assert exited(python(sandbox, environment, text, limits=Limits(disk_mb=16))) == ""

"""What no limit of a process counts: refused, kept small, or counted, where control groups cannot be used.

Refusing is libseccomp's work, which apt and systemd bring along.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

_LIBRARY = "libseccomp.so.2"
_REFUSED = ("memfd_create", "memfd_secret", "shmget", "msgget")
"""System calls whose memory lies in no address space."""
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_TCP = {"tcp_rmem": "4096 131072 262144", "tcp_wmem": "4096 16384 262144"}
# From <seccomp.h>.
_ALLOW, _ERROR, _MASKED_EQUAL, _NO_SLOWER = 0x7FFF0000, 0x00050000, 7, 7
_INT = 0xFFFFFFFF
"""The bits of an argument that the kernel reads as an int."""


class _Comparison(ctypes.Structure):
    """An argument of a system call that a rule is for."""

    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def missing() -> bool:
    """Whether this machine lacks the library."""
    try:
        library()
    except OSError:
        return True
    return False


def library() -> ctypes.CDLL:
    """What `refuse` needs, from the root that this process has now; raises OSError."""
    return ctypes.CDLL(_LIBRARY)


def refuse(library: ctypes.CDLL) -> None:
    """Refuse these system calls to this process and all that it starts; raises OSError."""
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    library.seccomp_attr_set(rules, _NO_SLOWER, ctypes.c_uint32(1))
    failed = 0
    for name in _REFUSED:
        number = library.seccomp_syscall_resolve_name(name.encode())
        failed |= library.seccomp_rule_add_array(rules, ctypes.c_uint32(_ERROR | errno.ENOSYS), number, 0, None)
    # Larger buffers are a wish that the kernel need not grant: the call succeeds, and does nothing.
    number = library.seccomp_syscall_resolve_name(b"setsockopt")
    for option in (_SO_SNDBUF, _SO_RCVBUF):
        given = (_Comparison * 2)(
            _Comparison(1, _MASKED_EQUAL, _INT, _SOL_SOCKET), _Comparison(2, _MASKED_EQUAL, _INT, option)
        )
        failed |= library.seccomp_rule_add_array(rules, ctypes.c_uint32(_ERROR), number, 2, given)
    failed |= library.seccomp_load(rules)
    library.seccomp_release(rules)
    if failed:
        raise OSError(errno.EINVAL, "libseccomp could not refuse system calls")


def keep_sockets_small() -> None:
    """Limit the buffers of TCP sockets in this network namespace."""
    for name, sizes in _TCP.items():
        with open(f"/proc/sys/net/ipv4/{name}", "wb", 0) as file:
            file.write(sizes.encode())


def over(processes: int, memory_kb: int, socket_kb: int) -> str:
    """The limit that the processes of this namespace exceed together, as a report names it; empty if none.

    A limit of 0 is none. The memory is that of all processes but this one, and each socket's buffers at their largest.
    """
    if not processes and not memory_kb:
        return ""
    try:
        found = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # a script has limited the files of this process, which is of its own user
        return "killed"
    if processes and len(found) > processes:
        return "killed"
    if not memory_kb:
        return ""
    sockets = _number("/proc/net/sockstat", b"sockets: used") * socket_kb
    others = [name for name in found if name != "1"]
    if sockets + sum(_number(f"/proc/{name}/status", b"VmRSS:") for name in others) <= memory_kb:
        return ""
    # Pages that several processes share are counted once; the kernel takes longer to say.
    # A process that ends meanwhile has neither.
    precise = (
        _number(f"/proc/{name}/smaps_rollup", b"Pss:") or _number(f"/proc/{name}/status", b"VmRSS:") for name in others
    )
    return "out-of-memory" if sockets + sum(precise) > memory_kb else ""


def _number(path: str, word: bytes) -> int:
    """What a file of the kernel has after a word; 0 if it has no such line, or cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        for line in file:
            if line.startswith(word):
                return int(line[len(word) :].split()[0])
    return 0

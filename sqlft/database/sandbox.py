"""What a child process does to itself before it sees SQL that a model wrote.

Landlock takes the filesystem away (https://docs.kernel.org/userspace-api/landlock.html), a network namespace and a
seccomp filter the network. None of them needs a privilege, and none can be undone. They hold for the calling thread and
the threads that it starts later, so they come before the engine starts any.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Sequence

NETWORK = ("network namespace", "seccomp", "landlock tcp")
"""The ways to take the network away. Each is used where the system has it; one of them is enough."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
# bit i of a right exists since the ABI at its place: 13 rights, then REFER, TRUNCATE, IOCTL_DEV
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_BIND_AND_CONNECT_TCP = _ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_NEW_USER, _NEW_NET, _CLONE_THREAD = 0x10000000, 0x40000000, 0x10000
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

# sockets, other programs and processes, doors into the kernel: nothing that a query needs. Numbers on x86-64 and arm64.
_DENIED = """
socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, io_uring_setup 425 425,
execve 59 221, execveat 322 281, fork 57 -1, vfork 58 -1, kill 62 129, pidfd_send_signal 424 424, pidfd_getfd 438 438,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, unshare 272 97, setns 308 268, mount 165 40,
umount2 166 39, bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217,
request_key 249 218
"""
# column in that table, AUDIT_ARCH, clone; clone3 is 435 on both
_MACHINES = {"x86_64": (1, 0xC000003E, 56), "aarch64": (2, 0xC00000B7, 220)}
_CLONE3 = 435


class NoSandboxError(Exception):
    """This system cannot hold a child process; the message says what it lacks."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("access", ctypes.c_uint64), ("fd", ctypes.c_int32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def confine(read: Iterable[str], write: Iterable[str], network: Sequence[str] = NETWORK) -> list[str]:
    """Confines this thread and those it starts from now on, for good.

    Args:
        read: Folders and files that may be read; nothing else may.
        write: Files that exist and may be written; none can be made, renamed or removed.
        network: Which of `NETWORK` may be used.

    Returns:
        What holds now, for reports: 'landlock', and of `network` what the system has.

    Raises:
        NoSandboxError: Landlock is missing, or every way to take the network away is.
    """
    if not sys.platform.startswith("linux"):
        raise NoSandboxError(f"{platform.system()} has no Landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        raise NoSandboxError("this kernel has no Landlock (Linux 5.13 or newer, with landlock among its LSMs)")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    taken = []
    if NETWORK[0] in network and (libc.unshare(_NEW_NET) == 0 or libc.unshare(_NEW_USER | _NEW_NET) == 0):
        taken.append(NETWORK[0])
    tcp = NETWORK[2] in network and abi >= 4
    _landlock(libc, abi, read, write, tcp)
    if NETWORK[1] in network and _seccomp(libc):
        taken.append(NETWORK[1])
    if tcp and not taken:
        taken.append(NETWORK[2])
    if not taken:
        raise NoSandboxError("no network namespace may be made here, and the kernel takes no seccomp filter")
    return ["landlock", *taken]


def limit_resources(memory: int) -> None:
    """Bounds address space (`memory` bytes beside what is mapped already), what it may write, and core dumps."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(seconds: float) -> None:
    """Kills this process (SIGXCPU) once it has used that many seconds of CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def die_with_parent(parent: int) -> None:
    """Kills this process when the thread that started it ends, so that no query outlives who asked."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _landlock(libc: ctypes.CDLL, abi: int, read: Iterable[str], write: Iterable[str], tcp: bool) -> None:
    rights = (1 << _RIGHTS_OF_ABI.get(abi, 16)) - 1
    ruleset = _Ruleset(rights, _BIND_AND_CONNECT_TCP * tcp, _ABSTRACT_SOCKETS_AND_SIGNALS * (abi >= 6))
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = _check(libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, 0), "landlock_create_ruleset")
    for paths, access in ((read, _READ_FILE | _READ_DIR), (write, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & rights)):
        for path in paths:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = _PathBeneath(access if os.path.isdir(path) else access & ~_READ_DIR, fd)
            _check(libc.syscall(_ADD_RULE, rules, 1, ctypes.byref(rule), 0), f"landlock_add_rule {path}")
            os.close(fd)
    _check(libc.syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    os.close(rules)


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Installs the filter; False where this machine or kernel takes none."""
    if platform.machine() not in _MACHINES:
        return False
    program = _filter(platform.machine())
    prog = _Program(len(program) // 8, program)
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(prog), 0, 0) == 0)


def _filter(machine: str) -> bytes:
    """The BPF program: every comparison is followed by the verdict that it leads to."""
    column, arch, clone = _MACHINES[machine]
    deny, unknown = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

    def if_(test: int, value: int, verdict: int) -> list[tuple[int, int, int, int]]:
        return [(test, 0, 1, value), (_RETURN, 0, 0, verdict)]

    number, first_argument = 0, 16  # offsets in struct seccomp_data; the architecture is at 4
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, number)]
    if machine == "x86_64":
        steps += if_(_AT_LEAST, 0x40000000, deny)  # the x32 numbers of the same calls
    for call in _DENIED.split(","):
        if (call_number := int(call.split()[column])) >= 0:
            steps += if_(_EQUAL, call_number, deny)
    # clone3 hides its flags behind a pointer; glibc then falls back to clone, which may make threads alone
    steps += if_(_EQUAL, _CLONE3, unknown)
    steps += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, first_argument), (_HAS_BITS, 1, 0, _CLONE_THREAD)]
    steps += [(_RETURN, 0, 0, deny), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise NoSandboxError(f"{what}: {os.strerror(number)}")
    return result

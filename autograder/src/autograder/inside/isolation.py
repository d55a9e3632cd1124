"""Walls around one hand-in: namespaces, mounts, limits, capabilities and a system-call filter, straight from
the kernel.

Called by a process that was forked from the warm worker, before any code of the student runs in it. The
worker itself lives in a bubblewrap sandbox; these walls stand inside that one, so that two hand-ins of one
worker share nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from functools import cache
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_locked_libc = ctypes.PyDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x80
_CLONE_PARENT = 0x8000
_ALL_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)
_HUGE, _MADV_COLLAPSE = 2 << 20, 25
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_NAME, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 15, 36, 38


def _check(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def prctl(option: int, *arguments: Any) -> int:
    """prctl(2) with its arguments as unsigned longs or pointers."""
    padded = [*arguments, *([0] * (4 - len(arguments)))]
    typed = [a if not isinstance(a, int) else ctypes.c_ulong(a) for a in padded]
    return _check(_libc.prctl(option, *typed), f"prctl({option})")


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2). Raises OSError."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _check(
        _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), f"mount {target}"
    )


def fork_into_namespaces() -> int:
    """os.fork(), with the child as the first process in new user, mount, pid, network, ipc, uts and cgroup
    namespaces; it calls `remain` to have a user there.

    One clone(2) instead of fork, unshare and a second fork: each copy of a process that holds torch costs
    milliseconds. Raises OSError.
    """
    return _clone(_ALL_NAMESPACES)


def fork_beside() -> int:
    """os.fork(), with the child as a child of this process's own parent. Raises OSError."""
    return _clone(_CLONE_PARENT) if platform.machine() in _ARCHITECTURES else os.fork()


def _clone(flags: int) -> int:
    """clone(2) for a process with one thread, as libc's own handlers of fork are passed over."""
    number = _CLONE[_ARCHITECTURES[platform.machine()][0]]
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # A PyDLL keeps the interpreter's lock over the call, so the child holds it as well.
    pid = int(_locked_libc.syscall(number, ctypes.c_ulong(flags | signal.SIGCHLD), None, None, None, None))
    if pid:
        errno = ctypes.get_errno()
        python.PyOS_AfterFork_Parent()
        if pid < 0:
            raise OSError(errno, f"clone: {os.strerror(errno)}")
        return pid
    python.PyOS_AfterFork_Child()
    return 0


def remain(uid: int, gid: int) -> None:
    """In the first process of a new user namespace: be the user that one was outside. Raises OSError."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount_private(disk_mb: int) -> bool:
    """Fresh /tmp, /dev/shm and /proc for this pid namespace.

    Returns False where no fresh /proc can be had (then it is empty).
    """
    mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={disk_mb}m,nr_inodes=20000,mode=1777")
    mount(
        "tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=64m,nr_inodes=2000,mode=1777"
    )
    try:
        mount("devpts", "/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    except OSError:
        mount("tmpfs", "/dev/pts", "tmpfs", _MS_NOSUID | _MS_NOEXEC, "size=4k,mode=555")
    try:
        mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        return True
    except OSError:
        mount("tmpfs", "/proc", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=4k,mode=555")
        return False


def become(uid: int, gid: int) -> None:
    """Drop from root to an unprivileged user, for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    prctl(_PR_SET_DUMPABLE, 1)  # a change of user clears it, and /proc/self would stay root's


def be_called(name: str) -> None:
    """The name of this process in ps and top, at most 15 letters of it."""
    prctl(_PR_SET_NAME, ctypes.create_string_buffer(name.encode()))


def bear_orphans() -> None:
    """Children of children that exit become children of this process."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """This process is killed when its parent ends."""
    prctl(_PR_SET_PDEATHSIG, 9)


def limit_own_memory(more_mb: int) -> None:
    """This process may take so much more address space than it has."""
    limit = (_virtual_kb("VmSize") << 10) + (more_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def make_cheap_to_copy() -> None:
    """Put this process's own memory into huge pages, where the kernel can (Linux 6.1).

    A process is copied half a dozen times for each hand-in; a copy of one that holds torch then costs a third
    of the processor time.
    """
    try:
        with open("/proc/self/maps") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        place, rights, _offset, _device, inode, *name = line.split()
        if "w" not in rights or inode != "0" or (name and name[0] != "[heap]"):
            continue
        start, end = (int(number, 16) for number in place.split("-"))
        start, end = -(-start // _HUGE) * _HUGE, end // _HUGE * _HUGE
        if end > start:
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


def hide_memory() -> None:
    """No other process of the same user may look into this one through ptrace or /proc."""
    prctl(_PR_SET_DUMPABLE, 0)


def _virtual_kb(field: str) -> int:
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith(field):
                    return int(line.split()[1])
    except OSError:
        pass
    return 1 << 20


def limit_resources(limits: dict[str, Any]) -> None:
    """Kernel limits per process, on top of what the warm process already uses.

    Memory, file size, open files, processes.
    """
    memory = int(limits["memory_mb"]) << 20
    pairs = {
        resource.RLIMIT_AS: (_virtual_kb("VmSize") << 10) + memory,
        resource.RLIMIT_DATA: (_virtual_kb("VmData") << 10) + memory,
        resource.RLIMIT_FSIZE: int(limits["file_mb"]) << 20,
        resource.RLIMIT_NPROC: int(limits["processes"]),
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_CPU: int(limits["submission_seconds"]) + 30,
    }
    for what, value in pairs.items():
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def drop_privileges() -> None:
    """No capability, now or later, and no set-uid program that could bring one back."""
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break
    header = struct.pack("=II", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


# Calls that reach outside of an ordinary program: other processes' memory, new namespaces and mounts, kernel
# interfaces with a history of holes. By machine: (number on x86_64, number on aarch64).
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "syslog": (103, 116), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT64 = (56, 220), (435, 435), (302, 261)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def filter_system_calls() -> bool:
    """A seccomp filter: denied calls return EPERM, clone with namespace flags too, clone3 is unknown (libc
    then takes clone).

    Returns False on a machine whose call numbers are not listed here; the caller says what is weaker then.
    """
    program = filter_program()
    if not program:
        return False
    buffer = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)), 16
    )
    prctl(_PR_SET_SECCOMP, 2, ctypes.cast(header, ctypes.c_void_p))
    return True


@cache
def filter_program() -> bytes:
    """The seccomp filter of this machine, compiled, eight bytes for each instruction; nothing for a machine
    whose call numbers are not listed here.
    """
    if platform.machine() not in _ARCHITECTURES:
        return b""
    column, audit = _ARCHITECTURES[platform.machine()]
    load, jump_eq, jump_ge, jump_set, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, eperm, enosys = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
    program: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4),
        (jump_eq, 1, 0, audit),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
    ]
    if column == 0:  # the x32 numbers of x86_64 would slip past the list
        program += [(jump_ge, 0, 1, 0x40000000), (give, 0, 0, eperm)]
    for numbers in _DENIED.values():
        program += [(jump_eq, 0, 1, numbers[column]), (give, 0, 0, eperm)]
    program += [(jump_eq, 0, 1, _CLONE3[column]), (give, 0, 0, enosys)]
    # Limits of other processes: prlimit64 only on the caller itself, whose number it gives as 0.
    program += [
        (jump_eq, 0, 4, _PRLIMIT64[column]),
        (load, 0, 0, 16),
        (jump_eq, 1, 0, 0),
        (give, 0, 0, eperm),
    ]
    program += [(load, 0, 0, 0)]
    namespaces = _ALL_NAMESPACES | CLONE_NEWTIME
    program += [
        (jump_eq, 0, 3, _CLONE[column]),
        (load, 0, 0, 16),
        (jump_set, 0, 1, namespaces & ~CLONE_NEWTIME),
        (give, 0, 0, eperm),
        (give, 0, 0, allow),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in program)

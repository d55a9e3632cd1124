"""A control group around a warm process and all its hand-ins, where this machine lets us have one.

The group bounds what all processes of a hand-in use together, in the kernel. Where none can be had, the
limits per process and the keeper's watch (inside/zygote.py) stand alone; `course doctor` says which.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "course-"
STALE_SECONDS = 60.0
WARM_MB = 1024  # room for the warm process itself and its libraries


class Group:
    """One control group: `join` from the process that is to be bounded, `remove` when it is empty."""

    def __init__(self, folders: list[Path], kind: str) -> None:
        self.folders = folders
        self.kind = kind

    def join(self) -> None:
        """Put the calling process, and what it forks from now on, into the group."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                (folder / "cgroup.procs").write_text(str(os.getpid()))

    def out_of_memory(self) -> int:
        """How often the kernel has killed a process of the group for its memory."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (self.folders[0] / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def remove(self) -> None:
        """Remove the group; the kernel needs a moment to take away the last processes."""
        for folder in self.folders:
            for _ in range(100):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def make(memory_mb: int, processes: int) -> Group | None:
    """A group with these limits, or None where this user may not make one."""
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    memory, tasks = str((memory_mb + WARM_MB) << 20), str(processes + 32)
    if (ROOT / "cgroup.controllers").exists():
        return _try(
            {_own_v2() / name: {"memory.max": memory, "memory.swap.max": "0", "pids.max": tasks}}, "cgroup v2"
        )
    return _try(
        {
            ROOT / "memory" / name: {"memory.limit_in_bytes": memory},
            ROOT / "pids" / name: {"pids.max": tasks},
        },
        "cgroup v1",
    )


def _own_v2() -> Path:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = ROOT / line[3:].lstrip("/")
                return own.parent if own != ROOT else ROOT
    return ROOT


def _sweep(parent: Path) -> None:
    """Remove empty groups that killed runs left; one that still holds a process can't be removed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                folder.rmdir()


def _try(wanted: dict[Path, dict[str, str]], kind: str) -> Group | None:
    made: list[Path] = []
    try:
        for folder, settings in wanted.items():
            _sweep(folder.parent)
            folder.mkdir()
            made.append(folder)
            for name, value in settings.items():
                if name == "memory.swap.max" and not (folder / name).exists():
                    continue
                (folder / name).write_text(value)
    except OSError:
        Group(made, kind).remove()
        return None
    return Group(made, kind)

"""`course doctor`: tries to break each promise of the sandbox on this very machine, and says which hold.

Each trial runs hostile code as a student's cell in a real session, with small limits, and looks from outside
at what it did. The promises are numbered in docs/security.md; tests/autograder/test_sandbox.py runs the same
trials.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError
from autograder.sandbox import NESTED, CellRun, Sandbox, Session
from autograder.settings import Limits

SMALL = Limits(
    cell_seconds=5,
    submission_seconds=30,
    memory_mb=256,
    processes=24,
    file_mb=8,
    disk_mb=16,
    output_kb=64,
    value_mb=4,
)
Trial = Callable[[Sandbox, Path], tuple[bool, str]]


@dataclass(frozen=True)
class Finding:
    """One promise, whether it holds here, how it was tried, and what was seen: raw, for who looks closer."""

    number: int
    promise: str
    holds: bool
    detail: str
    tried: str = ""


def _run(sandbox: Sandbox, code: str) -> tuple[CellRun, Session]:
    with sandbox.open() as session:
        return session.run_cell(code), session


def _said(run: CellRun) -> str:
    return (run.stdout + run.stderr).strip()


def no_network(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    port = server.getsockname()[1]
    code = f"""
import socket
for address in [("127.0.0.1", {port}), ("10.255.255.1", 80)]:
    try:
        socket.create_connection(address, timeout=1); print("CONNECTED", address)
    except OSError as error: print(type(error).__name__)
"""
    run, _session = _run(sandbox, code)
    server.close()
    return "CONNECTED" not in _said(run) and run.error is None, _said(run).replace("\n", ", ")


def no_files_outside(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    secret = folder / "gradebook.db"
    secret.write_text("SECRET")
    places = [
        str(secret),
        str(Path.home()),
        "/etc/shadow",
        os.getcwd(),
        "/home",
        "/root",
        "/var",
        "/opt",
        "/mnt",
    ]
    code = f"""
import os
for place in {places!r}:
    try: seen = os.listdir(place) if os.path.isdir(place) else open(place).read()
    except OSError: seen = ""
    seen = [n for n in seen if n not in (".pyenv", ".local", "miniconda3", "anaconda3")] if isinstance(seen, list) else seen
    if seen: print("SEEN", place, str(seen)[:80])
"""
    run, _session = _run(sandbox, code)
    return "SEEN" not in _said(run) and run.error is None, _said(run) or f"{len(places)} places look empty"


def nothing_writable(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
import os, sys
written = []
for folder in ["/", "/usr", "/etc", "/grader", "/venv", os.path.dirname(os.__file__), *sys.path]:
    try:
        open(os.path.join(folder, "written"), "w").close(); written.append(folder)
    except OSError: pass
print("WRITTEN", written) if [w for w in written if not w.startswith("/tmp")] else print("nothing but /tmp")
"""
    run, _session = _run(sandbox, code)
    return "WRITTEN" not in _said(run) and run.error is None, _said(run)


def nothing_left_for_the_next(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    leave = "import os\nfor f in ['/tmp/left', '/dev/shm/left', '/tmp/work/left', '/tmp/home/left']: open(f, 'w').close()\nimport sys; sys.left = 1"
    look = "import os, sys\nprint([f for f in ['/tmp/left', '/dev/shm/left', '/tmp/work/left', '/tmp/home/left'] if os.path.exists(f)], hasattr(sys, 'left'))"
    _run(sandbox, leave)
    if sandbox.isolation != NESTED:
        sandbox.close()
        sandbox.start()
    run, _session = _run(sandbox, look)
    return _said(run) == "[] False", _said(run)


def no_secrets_in_environment(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    os.environ["COURSE_DOCTOR_SECRET"] = "SECRET"
    try:
        run, _session = _run(
            sandbox, "import os; print('SECRET' in str(dict(os.environ)), sorted(os.environ)[:4])"
        )
    finally:
        del os.environ["COURSE_DOCTOR_SECRET"]
    return _said(run).startswith("False"), _said(run)


def no_other_processes(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
import os, signal
seen = [p for p in os.listdir("/proc") if p.isdigit()]
killed = []
for pid in [1, os.getppid()]:
    try:
        os.kill(pid, signal.SIGKILL); killed.append(pid)
    except OSError: pass
print(len(seen) <= 4, seen)
"""
    with sandbox.open() as session:
        run = session.run_cell(code)
        again = session.run_cell("print('still there')")
    return _said(run).startswith("True") and "still there" in again.stdout, _said(run)


def fork_bomb_is_bounded(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
import os, time
n = 0
try:
    for _ in range(300):
        if os.fork() == 0: time.sleep(60); os._exit(0)
        n += 1
except OSError as error: print("stopped at", n, type(error).__name__)
else: print("FORKED", n)
"""
    started = time.monotonic()
    run, session = _run(sandbox, code)
    quick = time.monotonic() - started < 20
    return "FORKED" not in _said(run) and quick, _said(
        run
    ) or f"ended: {', '.join(session.limits_hit) or run.status}"


def memory_is_bounded(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    run, _session = _run(sandbox, "x = bytearray(900 << 20); print('GOT', len(x))")
    share, _session = _run(
        sandbox, "import mmap\nm = mmap.mmap(-1, 900 << 20); m.write(b'x' * (900 << 20)); print('GOT')"
    )
    many = "import os, time\nfor _ in range(8):\n    if os.fork() == 0: x = bytearray(100 << 20); time.sleep(3); os._exit(0)\ntime.sleep(3); print('GOT')"
    spread, _session = _run(sandbox, many)
    kind = sandbox.group.kind if sandbox.group else "limits per process and a watch on their sum"
    good = all("GOT" not in r.stdout for r in (run, share, spread))
    ends = [(r.error or {}).get("type", r.status) for r in (run, share, spread)]
    return good, f"{kind}; one array: {ends[0]}, shared: {ends[1]}, spread over processes: {ends[2]}"


def disk_is_bounded(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
written = 0
try:
    for i in range(64):
        with open(f"/tmp/fill{i}", "wb") as f: written += f.write(b"x" * (4 << 20))
except OSError as error: print("stopped after", written >> 20, "MB", type(error).__name__)
else: print("WROTE", written)
"""
    run, _session = _run(sandbox, code)
    return "WROTE" not in _said(run) and "stopped" in _said(run), _said(run)


def output_is_bounded(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = "import os\nfor _ in range(300): os.write(1, b'x' * (1 << 20))\nprint('done')"
    run, session = _run(sandbox, code)
    return (
        len(run.stdout) <= SMALL.output_kb << 10 and "output" in session.limits_hit,
        f"300 MB printed, {len(run.stdout) >> 10} KB kept",
    )


def time_is_bounded(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    started = time.monotonic()
    run, _session = _run(
        sandbox, "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    )
    took = time.monotonic() - started
    return (
        run.status == "timeout" and took < SMALL.cell_seconds + 10,
        f"{run.status} after {took:.1f} s, interrupts swallowed",
    )


def nothing_left_behind(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    marker = f"left-{os.getpid()}-{time.monotonic_ns()}"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', '{marker}'], start_new_session=True)"
    _run(sandbox, code)
    if sandbox.isolation != NESTED:
        sandbox.close()
        sandbox.start()
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if marker.encode() in Path(f"/proc/{pid}/cmdline").read_bytes() and int(pid) != os.getpid():
                left.append(pid)
        except OSError:
            continue
    return not left, f"{len(left)} processes left"


def no_privileges(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
import ctypes, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
libc = ctypes.CDLL(None, use_errno=True)
print(status["CapEff"] == status["CapBnd"] == "0" * 16, status["NoNewPrivs"] == "1", status["Seccomp"] == "2",
      libc.unshare(0x10000000) == -1, libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == -1, os.getuid() != 0)
"""
    run, _session = _run(sandbox, code)
    return _said(run) == " ".join(
        ["True"] * 6
    ), "no capability, no new privileges, calls filtered" if "False" not in _said(run) else _said(run)


def no_looking_into_others(sandbox: Sandbox, folder: Path) -> tuple[bool, str]:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
seen = [libc.ptrace(16, 1, 0, 0) != -1]
for path in ("/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/fd"):
    try:
        (os.listdir if path.endswith("fd") else lambda p: open(p, "rb").read(1))(path); seen.append(path)
    except OSError: pass
print([s for s in seen if s])
"""
    run, _session = _run(sandbox, code)
    return _said(run) == "[]", _said(run) if _said(
        run
    ) != "[]" else "ptrace and /proc of the keeper are closed"


TRIALS: tuple[tuple[int, str, Trial], ...] = (
    (1, "no network", no_network),
    (2, "no file outside is seen", no_files_outside),
    (3, "nothing outside is written", nothing_writable),
    (4, "nothing passes from one hand-in to the next", nothing_left_for_the_next),
    (5, "no secret in the environment", no_secrets_in_environment),
    (6, "no other process is seen or signalled", no_other_processes),
    (7, "a fork bomb is bounded", fork_bomb_is_bounded),
    (8, "memory is bounded", memory_is_bounded),
    (9, "disk is bounded", disk_is_bounded),
    (10, "output is bounded", output_is_bounded),
    (11, "time is bounded", time_is_bounded),
    (12, "no process is left behind", nothing_left_behind),
    (13, "no privileges", no_privileges),
    (14, "no looking into other processes", no_looking_into_others),
)

#: How each promise was tried, for a reader.
TRIED = {
    1: "A cell tried to reach a server on this machine and an address outside.",
    2: "A cell looked for a gradebook, home folders and system files.",
    3: "A cell tried to write into the system, Python's folders and the grader's.",
    4: "A hand-in left files and a variable; the next one looked for them.",
    5: "A cell looked for a secret of this process in its environment.",
    6: "A cell listed all processes and tried to kill those around it.",
    7: "A cell started 300 processes that sleep.",
    8: "Cells took 900 MB: in an array, in shared memory, and spread over processes.",
    9: "A cell tried to write 256 MB of files.",
    10: "A cell printed 300 MB.",
    11: "A cell looped for ever and swallowed every interrupt.",
    12: "A cell started a process that should outlive it.",
    13: "A cell looked for privileges and tried to mount and to make namespaces.",
    14: "A cell tried to trace the keeper and to read its memory.",
}


def verdict(findings: list[Finding]) -> str:
    """What the findings mean for grading on this machine."""
    broken = [finding.promise for finding in findings if not finding.holds]
    if not broken:
        return f"All {len(findings)} promises hold: you can grade here."
    return (
        f"{len(broken)} of {len(findings)} promises do not hold: {'; '.join(broken)}. Do not grade students' "
        "work here: a hand-in could break just that. Use a machine where all hold; docs/elsewhere.md lists some."
    )


def examine(
    isolation: str = NESTED, progress: Callable[[str, int, int], None] | None = None
) -> list[Finding]:
    """Run all trials. Raises CourseError when the sandbox does not start at all.

    `progress` is called with what is being tried, how many trials are done and how many there are.
    """
    assert threading.current_thread() is threading.main_thread(), (
        "bubblewrap follows the thread that starts it"
    )
    findings = []
    with (
        Sandbox(SMALL, ["numpy"], isolation=isolation) as sandbox,
        tempfile.TemporaryDirectory(prefix="doctor-") as folder,
    ):
        sandbox.start()
        findings.append(
            Finding(
                0,
                "the sandbox starts",
                True,
                started := "; ".join(sandbox.notes) or f"bubblewrap, {sandbox.isolation} namespaces",
                f"It was started: {started}.",
            )
        )
        for number, promise, trial in TRIALS:
            if progress:
                progress(promise, number - 1, len(TRIALS))
            if not sandbox.alive or sandbox.isolation != NESTED:
                sandbox.close()
                sandbox.start()
            try:
                holds, detail = trial(sandbox, Path(folder))
            except (CourseError, OSError) as error:
                holds, detail = False, f"the trial broke: {error}"
            findings.append(Finding(number, promise, holds, detail[:300], TRIED[number]))
    return findings

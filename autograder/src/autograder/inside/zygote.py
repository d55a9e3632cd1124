"""The warm process: imports what hand-ins need, then forks once per hand-in. It never runs a line of a
student's code.

    grader --control socket--> warm process --fork--> keeper (pid 1 of the hand-in) --fork--> student
    grader <------------- lifeline ------------------> keeper        ends everything when the grader lets go
    grader <------------- frames --------------------> student       session.py

The keeper watches memory and the number of processes, reaps, and says how the student's process ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from autograder.inside import first_calls, isolation

TICK_SECONDS = 0.05


def main(control_fd: int) -> None:
    """Warm up as told by the first message on the control socket, then fork for each further one until it
    closes.
    """
    isolation.be_called("course-warm")
    control = socket.socket(fileno=control_fd)
    settings = json.loads(control.recv(1 << 16))
    if settings["drop_to"] is not None:
        isolation.mount("proc", "/proc", "proc", 14)
        isolation.become(*settings["drop_to"])
    isolation.bear_orphans()
    notes = warm_up(settings["modules"])
    threads = len(os.listdir("/proc/self/task"))
    control.send(
        json.dumps(
            {"ready": threads == 1, "threads": threads, "notes": notes, "memory_kb": _anonymous_kb("self")}
        ).encode()
    )
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while True:
        poller.poll(200)
        _reap()
        try:
            message, fds, _, _ = socket.recv_fds(control, 1 << 16, 4, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        if not message:
            return
        _begin(control, json.loads(message), fds, settings["nested"], settings["watch"])
        for fd in fds:
            os.close(fd)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def warm_up(modules: list[str]) -> list[str]:
    """Import what hand-ins will import and do the slow first steps of torch and matplotlib.

    Returns what could not be done.
    """
    os.chdir("/tmp")
    gc.disable()  # nothing of what is imported will ever be garbage
    notes = []
    for name in [*modules, "autograder.inside.session"]:
        try:
            importlib.import_module(name)
        except Exception as error:
            notes.append(f"{name} could not be imported in the sandbox: {type(error).__name__}: {error}")
    if "numpy" in sys.modules:
        first_calls.call_numpy()
    if "torch" in sys.modules:
        first_calls.call_torch()
    if "matplotlib.pyplot" in sys.modules:
        from matplotlib import pyplot

        pyplot.switch_backend("agg")
        figure = pyplot.figure()
        figure.add_subplot().plot([0, 1])
        figure.canvas.draw()
        pyplot.close(figure)
    if "autograder.inside.session" in sys.modules:
        sys.modules["autograder.inside.session"].prepare()
    isolation.filter_program()
    gc.freeze()
    gc.enable()
    isolation.make_cheap_to_copy()
    return notes


def _begin(control: socket.socket, job: dict[str, Any], fds: list[int], nested: bool, watch: bool) -> None:
    """Fork the keeper of a hand-in, behind its own walls where it shall have them."""
    user = os.getuid(), os.getgid()
    try:
        keeper = isolation.fork_into_namespaces() if nested else os.fork()
    except OSError as error:
        with socket.socket(fileno=os.dup(fds[0])) as lifeline:
            _tell(lifeline, {"failure": f"{type(error).__name__}: {error}"})
        return
    if keeper == 0:
        control.close()
        _job(job, fds, user if nested else None, watch)


def _job(job: dict[str, Any], fds: list[int], nested_user: tuple[int, int] | None, watch: bool) -> None:
    """Build the walls, become the keeper, start the student's process. Never returns."""
    isolation.be_called("course-keeper")
    lifeline = socket.socket(fileno=fds[0])
    status = 1
    try:
        notes = []
        if nested_user:
            isolation.remain(*nested_user)
            if not isolation.mount_private(int(job["limits"]["disk_mb"])):
                notes.append("no fresh /proc")
        status = _keep(lifeline, fds[1:], job, notes, watch, alone=nested_user is not None)
        if nested_user:
            _end_all()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        _tell(lifeline, {"cpu_seconds": used.ru_utime + used.ru_stime})
    except BaseException as error:
        _tell(lifeline, {"failure": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(status)


def _end_all() -> None:
    """Kill and reap everything in this pid namespace, so that nothing is left when the grader hears that
    we are gone.
    """
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.002)
        except ChildProcessError:
            return


def _tell(lifeline: socket.socket, message: dict[str, Any]) -> None:
    try:
        lifeline.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)
    except OSError:
        pass


def _keep(
    lifeline: socket.socket, fds: list[int], job: dict[str, Any], notes: list[str], watch: bool, alone: bool
) -> int:
    """The keeper.

    Returns when the grader lets go of the lifeline, a limit of the whole hand-in is passed, or nothing is
    left.
    """
    wake_out, wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the student may signal pid 1; nothing of it must arrive
    student = os.fork()
    if student == 0:
        lifeline.close()
        _student(fds, job)
    isolation.hide_memory()
    for fd in fds:
        os.close(fd)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    _tell(lifeline, {"started": student, "notes": notes})
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    poller.register(wake_out, select.POLLIN)
    baseline = _anonymous_kb("self")
    next_look = 0.0
    while True:
        events = dict(poller.poll(TICK_SECONDS * 1000))
        if wake_out in events:
            os.read(wake_out, 4096)
            if not _report_ends(lifeline):
                return 0
        if lifeline.fileno() in events:
            order = lifeline.recv(1)
            if not order:
                if (
                    not alone
                ):  # no pid namespace ends with this process: the student's process at least ends here
                    os.killpg(student, signal.SIGKILL)
                return 0
            try:
                os.kill(student, signal.SIGINT if order == b"i" else signal.SIGKILL)
            except ProcessLookupError:
                pass
        if watch and time.monotonic() >= next_look:
            next_look = time.monotonic() + TICK_SECONDS
            broken = _over_limit(job["limits"], baseline)
            if broken:
                _tell(lifeline, {"limit": broken})
                return 0


def _report_ends(lifeline: socket.socket) -> bool:
    """Tell the grader which processes ended and how. False when none is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        _tell(lifeline, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _anonymous_kb(pid: str) -> int:
    total = 0
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith(("RssAnon", "RssShmem")):
                    total += int(line.split()[1])
    except OSError:
        pass
    return total


def _proportional_kb(pid: str) -> int:
    """A process's memory, what it shares counted in parts; slower to find than what it has in all."""
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith(("Pss_Anon", "Pss_Shmem")):
                    total += int(line.split()[1])
    except OSError:
        return _anonymous_kb(pid)
    return total


def _over_limit(limits: dict[str, Any], baseline: int) -> str:
    """Which limit of the whole hand-in is passed, if any.

    Memory shared with the warm process is not counted.
    """
    pids = [p for p in os.listdir("/proc") if p.isdigit() and p != "1"]
    if len(pids) > int(limits["processes"]):
        return "processes"
    limit = (int(limits["memory_mb"]) << 10) + baseline
    if sum(_anonymous_kb(pid) for pid in pids) <= limit:
        return ""  # even if nothing were shared
    return "memory" if sum(_proportional_kb(pid) for pid in pids) > limit else ""


def _student(fds: list[int], job: dict[str, Any]) -> None:
    """The student's process: own output pipes, no other descriptor, no privilege. Never returns."""
    status = 1
    try:
        isolation.be_called("course-student")
        frames, out, err = fds
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        frames = os.dup2(frames, 3, inheritable=False)
        os.closerange(4, 65536)
        for folder in ("/tmp/work", "/tmp/home"):
            os.makedirs(folder, exist_ok=True)
        os.chdir("/tmp/work")
        os.setsid()
        if os.path.exists("/proc/self/oom_score_adj"):
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("1000")
        isolation.limit_resources(job["limits"])
        isolation.drop_privileges()
        isolation.filter_system_calls()
        from autograder.inside import session

        session.serve(socket.socket(fileno=frames), job)
        status = 0
    except BaseException as error:
        os.write(2, f"the sandbox could not start: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)

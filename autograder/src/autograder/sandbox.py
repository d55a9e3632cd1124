"""The outside of the sandbox: starts the warm process in bubblewrap, opens one walled session per hand-in.

See inside/zygote.py for the other side. What comes through a session is data from hostile code: decoded by
wire.py, limited in size and time, and never believed to be more than a value.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autograder import cgroup
from autograder.errors import CourseError
from autograder.inside import wire
from autograder.inside.channel import Channel, Closed, Late
from autograder.settings import ONE_CORE, Limits

NOBODY = 65534
START_SECONDS = 90.0
GRACE_SECONDS = 1.5
MAX_OUTPUTS = 500  # displayed by one cell
MAX_COPIES = 64  # asked for in one message
_START = (
    "import sys; sys.path.insert(0, '/grader'); "
    "from autograder.inside import zygote; zygote.main(int(sys.argv[1]))"
)
_CLEAN = ("-s", "-P")  # no user site, no working folder on the path; PYTHONHASHSEED must count, so not -I
#: Asks the C library for memory in huge pages, where the kernel has them: cheaper to fill and to copy.
HUGE_PAGES = "glibc.malloc.hugetlb=1"
HUGE_PAGES_SETTINGS = "/sys/kernel/mm/transparent_hugepage"  # where it looks for them
ENVIRONMENT = {
    **ONE_CORE,
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp/home",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "GLIBC_TUNABLES": HUGE_PAGES,
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PIP_NO_INDEX": "1",
    "HF_HUB_OFFLINE": "1",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "IPYTHONDIR": "/tmp/ipython",
    "NBGRADER_EXECUTION": "autograde",
    "NEXTWORD_PRESET": "grade",
}


class Broken(Exception):
    """The student's process is gone or silent; `status` is a verdict of records.py, `why` a sentence."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class StudentFault(Exception):
    """Something in the student's code: an exception, a missing name, a value that can't cross."""

    def __init__(self, kind: str, text: str, base: str = "Exception", where: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.base = base
        self.where = where


class Unsendable(Exception):
    """An argument of a test can't cross: the test author's fault."""


@dataclass
class CellRun:
    """How one cell ran.

    What it printed and displayed, and its error (type, text, base, where) if it had one.
    """

    stdout: str = ""
    stderr: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    status: str = "passed"


def bubblewrap() -> str:
    """The path of bwrap. Raises CourseError that names the command which installs it."""
    found = shutil.which("bwrap")
    if not found:
        raise CourseError(
            "The sandbox needs bubblewrap, and the command bwrap was not found.",
            "Install it (Debian, Ubuntu: sudo apt-get install bubblewrap; Fedora: dnf install bubblewrap), "
            "or run in a throw-away machine with --unsafe-no-sandbox.",
        )
    return found


USER_NAMESPACES = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


def _remedy(said: str) -> str:
    """What to do where bubblewrap said this, and no sandbox started."""
    if not re.search(r"permission denied|not permitted|namespace", said, re.IGNORECASE):
        return "Run: course doctor"
    try:
        restricted = USER_NAMESPACES.read_text().strip() == "1"
    except OSError:
        restricted = False
    if restricted:
        return "This Ubuntu lets bubblewrap make none before it has a profile: see docs/elsewhere.md, Ubuntu."
    return "It needs Linux namespaces, which containers often forbid: see docs/elsewhere.md."


def _inside(path: Path, folders: list[Path]) -> bool:
    return any(path == f or f in path.parents for f in folders)


def _system_mounts() -> list[str]:
    arguments = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "localtime", "alternatives", "fonts", "mime.types", "nsswitch.conf"):
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += ["--ro-bind-try", HUGE_PAGES_SETTINGS, HUGE_PAGES_SETTINGS]
    return arguments


def _python_mounts(modules: list[str], hidden: list[Path]) -> tuple[list[str], str]:
    """This interpreter with its packages, and at /grader what lies outside of them (packages installed in
    place).

    A virtual environment appears as /venv wherever it lies, so that a fresh /tmp can't hide it. Folders in
    `hidden` that lie within a mounted one are covered. Returns the arguments and the program to start.
    """
    bound: dict[Path, str] = {Path("/usr"): "/usr"}
    base, prefix = Path(os.path.realpath(sys.base_prefix)), Path(os.path.realpath(sys.prefix))
    program = sys.executable
    if prefix != base:
        bound[prefix] = "/venv"
        program = "/venv/bin/" + Path(sys.executable).name
    for path in (base, Path(sys.base_prefix)):
        if not _inside(path, list(bound)):
            bound[path] = str(path)
    here = Path(__file__).resolve().parent
    extra = {
        here / "__init__.py": "/grader/autograder/__init__.py",
        here / "inside": "/grader/autograder/inside",
    }
    for name in sorted({m.split(".")[0] for m in modules}):
        spec = find_spec(name)
        if spec is None or not spec.origin or not spec.submodule_search_locations:
            continue
        origin = Path(spec.origin).resolve().parent
        if not _inside(origin, list(bound)):
            extra[origin] = f"/grader/{name}"
    bound |= extra
    arguments: list[str] = []
    folders = {
        str(folder) for target in bound.values() for folder in Path(target).parents if str(folder) != "/"
    }
    for folder in sorted(folders):
        arguments += [
            "--perms",
            "0755",
            "--dir",
            folder,
        ]  # else closed to the user that the warm process becomes
    for path, target in bound.items():
        arguments += ["--ro-bind", str(path), target]
    for covered in (folder.resolve() for folder in hidden):
        for path, target in bound.items():
            if path in covered.parents:
                arguments += ["--tmpfs", str(Path(target, covered.relative_to(path)))]
    return arguments, program


def command(modules: list[str], hidden: list[Path]) -> list[str]:
    """The bubblewrap command line, the Python program included.

    `hidden` are folders that must not be seen in any case.
    """
    arguments = [bubblewrap(), "--die-with-parent", "--new-session", "--clearenv"]
    arguments += [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        "sandbox",
    ]
    if os.geteuid() == 0:
        arguments += [
            "--cap-add",
            "ALL",
        ]  # the warm process drops to nobody itself, after mounting a /proc that can be nested
    else:
        arguments += ["--unshare-user", "--uid", str(os.getuid()), "--gid", str(os.getgid())]
    arguments += [
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--remount-ro",
        "/dev",
        "--perms",
        "1777",
        "--tmpfs",
        "/dev/shm",
    ]
    mounts, program = _python_mounts(modules, hidden)
    arguments += [*_system_mounts(), *mounts]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--remount-ro", "/", "--", program, *_CLEAN, "-c", _START]


def _bare_command() -> list[str]:
    """The warm process without walls around it."""
    here = str(Path(__file__).resolve().parent.parent)
    return [sys.executable, *_CLEAN, "-c", _START.replace("/grader", here)]


NESTED, SINGLE, NONE = "nested", "single", "none"
_SINGLE_NOTE = (
    "no namespaces of their own for forked hand-ins here: each hand-in gets a fresh sandbox (slower, as safe)"
)


class Sandbox:
    """A warm process inside bubblewrap, from which sessions are forked.

    `isolation`: nested (each session in namespaces of its own inside bubblewrap's; falls back to single where
    the kernel refuses them), single (good for one hand-in, then it must be closed), none (no bubblewrap at
    all: for throw-away machines).
    """

    def __init__(
        self, limits: Limits, modules: list[str], hidden: tuple[Path, ...] = (), isolation: str = NESTED
    ) -> None:
        self.limits = limits
        self.modules = modules
        self.hidden = list(hidden)
        self.isolation = isolation
        self.group: cgroup.Group | None = None
        self.notes: list[str] = []
        self.lost = False
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._log: Any = None

    def start(self) -> None:
        """Start the warm process and wait until it is ready. Raises CourseError with what bubblewrap said."""
        self._start()
        if self.isolation == NESTED:
            with self.open() as session:
                run = session.run_cell("None")
            if run.status == "internal":
                self.close()
                self.isolation = SINGLE
                self._start()
                self.notes.append(f"{_SINGLE_NOTE} ({(run.error or {}).get('text', '')})")

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        out, log = os.pipe()
        bare = self.isolation == NONE
        argv = _bare_command() if bare else command(self.modules, self.hidden)
        sessions = max(4, os.cpu_count() or 1)  # so many at a time share this warm process, and its group
        each = self.limits.memory_mb + self.limits.disk_mb + 512  # with room for the watch to be late
        self.group = cgroup.make(each * sessions, self.limits.processes * sessions)
        self._process = subprocess.Popen(
            [*argv, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env=ENVIRONMENT if bare else None,
            preexec_fn=self.group.join if self.group else None,
        )
        theirs.close()
        os.close(log)
        self._control, self._log = ours, out
        drop = [NOBODY, NOBODY] if os.geteuid() == 0 and not bare else None
        try:
            settings = {
                "modules": self.modules,
                "nested": self.isolation == NESTED,
                "watch": not bare,
                "drop_to": drop,
            }
            ours.send(json.dumps(settings).encode())
            ours.settimeout(START_SECONDS)
            answer = ours.recv(1 << 16)
        except OSError:
            answer = b""
        if not answer:
            said = self._said()
            self.close()
            raise CourseError(
                f"The sandbox did not start: {said or 'bubblewrap said nothing'}.", _remedy(said)
            )
        ours.settimeout(None)
        ready = json.loads(answer)
        self.notes = ready["notes"]
        if not ready["ready"]:
            self.close()
            raise CourseError(
                f"The warm process has {ready['threads']} threads after importing {', '.join(self.modules)}; "
                "forking it would be unsafe.",
                "Leave out the module that starts threads when it is imported.",
            )

    def _said(self) -> str:
        os.set_blocking(self._log, False)
        deadline, text = time.monotonic() + 1, b""
        while time.monotonic() < deadline and len(text) < 4000:
            try:
                piece = os.read(self._log, 4000)
            except BlockingIOError:
                time.sleep(0.05)
                continue
            if not piece:
                break
            text += piece
        return text.decode(errors="replace").strip()[-600:]

    @property
    def alive(self) -> bool:
        """Whether the warm process runs. Only for the process that started it."""
        return self._process is not None and self._process.poll() is None

    def ensure(self) -> None:
        """Start the warm process if there is none."""
        if not self.alive:
            self.close()
            self.start()

    def open(self) -> Session:
        """A fresh session.

        Own namespaces, forked from the warm process. Raises CourseError when that does not answer.
        """
        lifelines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        frames = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        out, err = os.pipe(), os.pipe()
        passed = [lifelines[1].fileno(), frames[1].fileno(), out[1], err[1]]
        try:
            if self._control is None:
                raise OSError("not started")
            socket.send_fds(
                self._control, [json.dumps({"limits": dataclasses.asdict(self.limits)}).encode()], passed
            )
        except OSError as error:
            raise CourseError(
                f"The sandbox's warm process does not answer ({error}).", "Run: course doctor"
            ) from None
        finally:
            lifelines[1].close()
            frames[1].close()
            os.close(out[1])
            os.close(err[1])
        return Session(lifelines[0], frames[0], out[0], err[0], self)

    def close(self) -> None:
        """End the warm process and everything that was forked from it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.send_signal(signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
            self._process = None
        if self.group is not None:
            self.group.remove()
            self.group = None
        self.lost = False
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Session:
    """One hand-in inside its own walls.

    The main line that runs cells, and snapshots of it that answer tests.
    """

    def __init__(
        self, lifeline: socket.socket, frames: socket.socket, out: int, err: int, sandbox: Sandbox
    ) -> None:
        self.limits = sandbox.limits
        self.sandbox = sandbox
        self.deadline = time.monotonic() + self.limits.submission_seconds
        self.limits_hit: list[str] = []
        self._lifeline = lifeline
        self._pipes = {out: bytearray(), err: bytearray()}
        self._out, self._err = out, err
        self._kept = 0  # bytes of output, over all cells
        for fd in self._pipes:
            os.set_blocking(fd, False)
        self.main = Peer(frames, self)
        self._ended: dict[int, int] = {}
        self._out_of_memory = sandbox.group.out_of_memory() if sandbox.group else 0
        self._limit = ""
        self._started: int | None = None
        self.warnings: list[str] = []
        self.cpu_seconds = 0.0

    # -- the student's own cells ---------------------------------------------------------------------------

    def put_files(self, files: dict[str, bytes]) -> None:
        """Write the hand-in's other files into the working folder of the session."""
        if files:
            encoder = wire.Encoder()
            self.main.request(
                {"op": "files", "files": encoder.encode(files)}, encoder.buffers, self.limits.cell_seconds
            )

    def run_cell(self, source: str) -> CellRun:
        """Run one cell in the main line; never raises for what the student did.

        After `died` there is no main line any more.
        """
        self._take_output()
        run = CellRun()
        try:
            reply, _ = self.main.request(
                {"op": "cell", "source": source}, (), self.limits.cell_seconds, interrupt=True
            )
        except StudentFault as fault:
            run.error = {"type": fault.kind, "text": fault.text, "base": fault.base, "where": fault.where}
        except Broken as broken:
            run.status = broken.status
            run.error = {"type": broken.status, "text": broken.why, "base": "Exception", "where": ""}
        else:
            run.outputs = _checked_outputs(reply.get("outputs"), (self.limits.output_kb << 10) - self._kept)
            self._kept += sum(len(text) for shown in run.outputs for text in shown["data"].values())
            run.error = _checked_error(reply.get("error"))
        if run.error is not None and self.main.interrupted:
            run.status = "timeout"
            run.error = {
                "type": "Timeout",
                "text": f"stopped after {self.limits.cell_seconds:g} seconds",
                "base": "Exception",
                "where": run.error["where"],
            }
        elif run.error is not None and run.error["type"] == "MemoryError":
            run.status = "memory"
        run.stdout, run.stderr = self._take_output()
        return run

    def snapshots(self, count: int) -> list[Peer] | None:
        """Copies of the student's process as it is now, each of which will answer one test.

        None when it runs threads; fewer than asked for, or none at all, when it is gone.
        """
        made: list[Peer] = []
        while len(made) < count and not self.main.closed:
            more = self._copies(min(count - len(made), MAX_COPIES))
            if more is None:
                return None
            made += more
        return made

    def _copies(self, count: int) -> list[Peer] | None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(count)]
        deadline = self.until(self.limits.cell_seconds)
        pids: Any = None
        try:
            self.main.channel.send({"op": "snapshots", "count": count}, (), deadline)
            socket.send_fds(self.main.channel.sock, [b"f"], [theirs.fileno() for _, theirs in pairs])
            pids = self.main.receive(deadline)[0].get("pids")
        except (Closed, Late, OSError, wire.WireError):
            self.main.close()
        finally:
            for _, theirs in pairs:
                theirs.close()
        if not isinstance(pids, list) or len(pids) != count:
            for ours, _ in pairs:
                ours.close()
            return [] if self.main.closed else None
        peers = [Peer(ours, self) for ours, _ in pairs]
        for peer, pid in zip(peers, pids, strict=True):
            peer.pid = pid if type(pid) is int else None
        return peers

    def end_main(self) -> None:
        """The student's cells are done: end their process, keep its snapshots."""
        self.main.close()
        self._order(b"k")

    # -- the keeper ----------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        self._order(b"i")

    def _order(self, order: bytes) -> None:
        try:
            self._lifeline.send(order, socket.MSG_DONTWAIT)
        except OSError:
            pass

    def why_gone(self, peer: Peer) -> Broken:
        """Ask the keeper how a process ended."""
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            poller = select.poll()
            poller.register(self._lifeline, select.POLLIN)
            ready = poller.poll(100)
            if ready:
                try:
                    message = self._lifeline.recv(1 << 16)
                except OSError:
                    message = b""
                if not message:
                    break
                self._note(json.loads(message))
            pid = peer.pid if peer.pid is not None else self._started
            if (
                self._limit
                or (pid is not None and pid in self._ended)
                or (peer is self.main and self._started in self._ended)
            ):
                break
        if self._limit == "memory":
            return Broken("memory", f"used more than {self.limits.memory_mb} MB of memory")
        if self._limit == "processes":
            return Broken("died", f"started more than {self.limits.processes} processes")
        if self._limit:
            return Broken("internal", self._limit)
        code = self._ended.get(peer.pid if peer.pid is not None else self._started or -1)
        if code is None:
            return Broken("died", "ended by itself")
        group = self.sandbox.group
        if code == -signal.SIGKILL and group is not None and group.out_of_memory() > self._out_of_memory:
            return Broken("memory", f"used more than {self.limits.memory_mb} MB of memory")
        if code == -signal.SIGKILL:
            return Broken("died", "was killed, by itself or by the system for its use of memory")
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return Broken("died", f"crashed ({name})")
        return Broken("died", f"left the program (exit status {code})")

    def _note(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._started = message["started"]
            self.warnings += message["notes"]
        elif "ended" in message:
            self._ended[message["ended"]] = message["code"]
        elif "limit" in message:
            self._limit = message["limit"]
            self.limits_hit.append(message["limit"])
        elif "cpu_seconds" in message:
            self.cpu_seconds = float(message["cpu_seconds"])
        elif "failure" in message:
            self._limit = f"the sandbox failed: {message['failure']}"

    # -- output and time -----------------------------------------------------------------------------------

    def drain(self, fd: int) -> bool:
        """Read what was printed; keep what the limit allows. False at its end."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        room = (self.limits.output_kb << 10) - self._kept
        self._pipes[fd] += data[: max(0, room)]
        self._kept += min(len(data), max(0, room))
        if room < len(data) and "output" not in self.limits_hit:
            self.limits_hit.append("output")
        return True

    def _take_output(self) -> tuple[str, str]:
        for fd in self._pipes:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            rounds = 0
            while (
                rounds < 64 and any(event & select.POLLIN for _, event in poller.poll(0)) and self.drain(fd)
            ):
                rounds += 1
        texts = tuple(self._pipes[fd].decode("utf-8", "replace") for fd in (self._out, self._err))
        for kept in self._pipes.values():
            kept.clear()
        return texts[0], texts[1]

    @property
    def watched(self) -> tuple[int, ...]:
        return tuple(self._pipes)

    def until(self, seconds: float) -> float:
        """The moment at which an operation of so many seconds ends, or the hand-in's own end if that is
        sooner.
        """
        return min(self.deadline, time.monotonic() + seconds)

    def close(self) -> None:
        """End every process of the hand-in and wait until the kernel has taken them away."""
        self.main.close()
        self._lifeline.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + 5
        poller = select.poll()
        poller.register(self._lifeline, select.POLLIN)
        gone = False
        while not gone and time.monotonic() < deadline:
            if poller.poll(100):
                try:
                    message = self._lifeline.recv(1 << 16)
                    gone = not message
                    if message:
                        self._note(json.loads(message))
                except OSError:
                    gone = True
        self._lifeline.close()
        for fd in self._pipes:
            os.close(fd)
        self.sandbox.lost = (
            self.sandbox.lost or not gone
        )  # the keeper does not answer: the warm process must be ended

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Peer:
    """One process of the session and the requests it answers."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.session = session
        self.pid: int | None = None
        self.closed = False
        self.interrupted = False
        self.callbacks: dict[int, Callable[..., Any]] = {}
        self.callback_error: BaseException | None = None
        self.max_bytes = session.limits.value_mb << 20
        self.channel = Channel(sock, 2 * self.max_bytes + (1 << 20), session.watched, session.drain)

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        return self.channel.receive(deadline)

    def request(
        self,
        header: dict[str, Any],
        buffers: list[bytes] | tuple[bytes, ...],
        seconds: float,
        interrupt: bool = False,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Ask and wait.

        Raises StudentFault (an exception over there), Broken (no answer: gone, silent, or not a frame).
        """
        if self.closed:
            raise Broken("died", "the process had ended before")
        self.interrupted = False
        self.callback_error = None
        deadline = self.session.until(seconds)
        try:
            self.channel.send(header, buffers, deadline)
            while True:
                try:
                    reply, out = self.receive(deadline)
                except Late:
                    if not interrupt or self.interrupted:
                        raise
                    self.interrupted = True
                    self.session.interrupt()
                    deadline = time.monotonic() + GRACE_SECONDS
                    continue
                if "callback" not in reply:
                    break
                self._call_back(reply, out, deadline)
        except Late:
            self.close()
            whole = time.monotonic() >= self.session.deadline
            limit = self.session.limits.submission_seconds if whole else seconds
            if "time" not in self.session.limits_hit:
                self.session.limits_hit.append("time")
            raise Broken(
                "timeout", f"took longer than {limit:g} seconds" + (" in all" if whole else "")
            ) from None
        except Closed:
            self.close()
            raise self.session.why_gone(self) from None
        except wire.WireError as error:
            self.close()
            raise Broken("died", f"sent an answer that is no value ({error})") from None
        said = _checked_error(reply.get("error")) if "outputs" not in reply else None
        if said is not None:
            raise StudentFault(said["type"], said["text"], said["base"], said["where"])
        return reply, out

    def _call_back(self, reply: dict[str, Any], buffers: list[bytes], deadline: float) -> None:
        function = self.callbacks.get(reply["callback"]) if type(reply["callback"]) is int else None
        if function is None:
            raise wire.WireError("no such function")
        decoder = wire.Decoder(buffers)
        tree = reply.get("args")
        if not isinstance(tree, list) or len(tree) != 2:
            raise wire.WireError("not arguments")
        args, kwargs = decoder.decode(tree[0]), decoder.decode(tree[1])
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise wire.WireError("not arguments")
        try:
            encoder = wire.Encoder(max_bytes=self.max_bytes)
            value = encoder.encode(function(*args, **{str(k): v for k, v in kwargs.items()}))
        except Exception as error:
            self.callback_error = error
            self.channel.send({"error": type(error).__name__}, (), deadline)
        else:
            self.channel.send({"value": value}, encoder.buffers, deadline)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.channel.close()


def _checked_error(error: Any) -> dict[str, str] | None:
    """An exception's description as the student's process gave it, forced into short strings."""
    if not isinstance(error, dict):
        return None
    return {
        "type": _text(error.get("type"), 100) or "Exception",
        "text": _text(error.get("text"), 2000),
        "base": _text(error.get("base"), 100) or "Exception",
        "where": _text(error.get("where"), 100),
    }


def _text(value: Any, length: int) -> str:
    return value[:length].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _checked_outputs(outputs: Any, room: int) -> list[dict[str, Any]]:
    """Displayed data reduced to text and images, within the limit, whatever the student's process sent."""
    import base64
    import binascii

    kept: list[dict[str, Any]] = []
    for output in outputs[:MAX_OUTPUTS] if isinstance(outputs, list) else []:
        if not isinstance(output, dict) or not isinstance(output.get("data"), dict):
            continue
        data: dict[str, str] = {}
        for mime in ("text/plain", "image/png", "image/jpeg"):
            value = output["data"].get(mime)
            if not isinstance(value, str) or len(value) > room:
                continue
            if mime != "text/plain":
                try:
                    base64.b64decode(value, validate=False)
                    value = "".join(value.split())
                except (binascii.Error, ValueError):
                    continue
            data[mime] = _text(value, room)
            room -= len(value)
        if data:
            kept.append(
                {
                    "data": data,
                    "alt": _text(output.get("alt"), 500),
                    "result": output.get("kind") == "execute_result",
                }
            )
    return kept

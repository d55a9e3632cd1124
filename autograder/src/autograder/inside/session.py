"""The student's process: runs cells, holds what they define, answers calls by value.

Everything here shares a process with hostile code, so nothing here is trusted: the referee checks each
answer, and a student who rewrites this module gains only the right to name the values that are compared.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import random
import re
import socket
import sys
import types
from typing import Any

from autograder.inside import isolation, wire
from autograder.inside.channel import Channel, Closed

MAX_TEXT = 2000
IMAGE_TYPES = ("image/png", "image/jpeg")
_shell: Any = None


def prepare() -> None:
    """Build the IPython shell that cells run in; done once, before forking."""
    global _shell
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(self, data: Any, metadata: Any = None, source: Any = None, **_: Any) -> None:
            _outputs.append(("display_data", data, metadata or {}))

        def clear_output(self, wait: bool = False) -> None:
            _outputs.clear()

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            _outputs.append(("execute_result", format_dict, md_dict or {}))

        def log_output(self, format_dict: Any) -> None:
            pass

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            pass

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            pass

        def transform_cell(self, raw_cell: str) -> str:
            one_line = len(raw_cell.splitlines()) < 2  # may be a magic without its mark
            if not one_line and is_plain(raw_cell) and not self.input_transformers_post:
                return raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"
            return str(super().transform_cell(raw_cell))

    config = Config()
    config.HistoryManager.enabled = False
    config.Completer.use_jedi = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.cache_size = 0
    _shell = Shell.instance(config=config, display_pub_class=Publisher, displayhook_class=Hook)
    if "matplotlib.pyplot" in sys.modules:
        _shell.enable_matplotlib("inline")
    _shell.run_cell("None", store_history=False)
    _outputs.clear()


_outputs: list[tuple[str, Any, Any]] = []
_SPECIAL = re.compile(
    r"[!?]"  # shell commands, help
    r"|=[ \t]*%"  # the result of a magic
    r"|^[ \t]*(?:[%,;/]|>>>|\.\.\.|In ?\[)"  # magics, calls without parentheses, pasted prompts
    r"|^[^\S\n]+$"  # blanks alone
    r"|\A\s|[^\S\n]\s*\Z",  # an indented cell, one that begins with empty lines or ends in blanks
    re.MULTILINE,
)


def is_plain(source: str) -> bool:
    """Whether IPython would hand a cell to Python as it is. May say no; then IPython tokenizes it to see."""
    return _SPECIAL.search(source) is None


class _Session:
    def __init__(self, channel: Channel, job: dict[str, Any]) -> None:
        self.channel = channel
        self.job = job
        self.handles: dict[int, Any] = {}
        self.pickled: list[Any] = []
        self.value_bytes = int(job["limits"]["value_mb"]) << 20

    # -- frames --------------------------------------------------------------------------------------------

    def loop(self) -> None:
        while True:
            try:
                header, buffers = self.channel.receive()
            except Closed:
                return
            if header["op"] == "snapshots":
                self.snapshots(header["count"])
            else:
                self.answer(header, buffers)

    def answer(self, header: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            # Only the referee writes here, and this side has nothing to lose: unpickling inwards is safe.
            self.pickled = _unpickled(buffers[header["pickle"]]) if "pickle" in header else []
            reply, out = getattr(self, "do_" + header["op"])(header, wire.Decoder(buffers, self.resolve))
        except BaseException as error:
            reply, out = {"error": describe(error)}, []
        _flush()
        self.channel.send(reply, out)

    def resolve(self, tree: list) -> Any:
        if tree[0] == "handle":
            return self.handles[tree[1]]
        if tree[0] == "import":
            value: Any = __import__(tree[1], fromlist=["_"])
            for part in tree[2].split("."):
                value = getattr(value, part)
            return value
        if tree[0] == "callback":
            return self.callback(tree[1])
        if tree[0] == "pickled":
            return self.pickled[tree[1]]
        raise wire.WireError(f"unknown tag {tree[0]}")

    def callback(self, number: int) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            encoder = wire.Encoder(max_bytes=self.value_bytes)
            tree = [encoder.encode(list(args)), encoder.encode(kwargs)]
            self.channel.send({"callback": number, "args": tree}, encoder.buffers)
            header, buffers = self.channel.receive()
            if "error" in header:
                kind = getattr(builtins, header["error"], RuntimeError)
                raise kind("the function that the test passed in failed")
            return wire.Decoder(buffers).decode(header["value"])

        return call

    # -- values --------------------------------------------------------------------------------------------

    def reference(self, value: Any) -> list | None:
        """A handle for what has no plain form but a use.

        Functions, classes, modules, iterators, instances asked for.
        """
        torch = sys.modules.get("torch")
        if isinstance(value, type):
            kind = "class"
        elif isinstance(
            value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.LambdaType)
        ) or (type(value).__name__ in ("partial", "_lru_cache_wrapper") and callable(value)):
            kind = "function"
        elif torch is not None and isinstance(value, torch.nn.Module):
            kind = "module"
        elif hasattr(type(value), "__next__"):
            kind = "iterator"
        else:
            return None
        return self.handle(value, kind)

    def handle(self, value: Any, kind: str) -> list:
        number = id(value)
        self.handles[number] = value
        name = getattr(value, "__name__", type(value).__name__)
        return ["handle", number, kind, name if isinstance(name, str) else ""]

    def pack(self, value: Any, objects: bool = False) -> tuple[dict[str, Any], list[bytes]]:
        encoder = wire.Encoder(self.reference, self.value_bytes)
        try:
            return {"value": encoder.encode(value)}, encoder.buffers
        except wire.Uncrossable as error:
            if objects:
                return {"value": self.handle(value, "object")}, []
            return {"uncrossable": error.kind, "why": str(error)}, []

    # -- operations ----------------------------------------------------------------------------------------

    def do_cell(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        _outputs.clear()
        result = _shell.run_cell(header["source"], store_history=False, silent=False)
        error = result.error_before_exec or result.error_in_exec
        if "matplotlib.pyplot" in sys.modules:
            _flush_figures()
        outputs, buffers = _plain_outputs(int(self.job["limits"]["output_kb"]) << 10)
        return {"outputs": outputs, "error": describe(error) if error is not None else None}, buffers

    def do_get(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        if header["name"] not in _shell.user_ns:
            return {"missing": header["name"]}, []
        return self.pack(_shell.user_ns[header["name"]], objects=True)

    def do_call(self, header: dict[str, Any], decoder: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        target = self.handles[header["target"]]
        args, kwargs = decoder.decode(header["args"]), decoder.decode(header["kwargs"])
        result = target(*args, **kwargs)
        if header["after"]:
            from nextword.check import state_of  # who asks for this has nextword among the setup's imports

            return self.pack((result, [state_of(a) for a in args]))
        if isinstance(target, type):
            torch = sys.modules.get("torch")
            module = torch is not None and isinstance(result, torch.nn.Module)
            return {"value": self.handle(result, "module" if module else "object")}, []
        if result is not None and any(result is held for held in self.handles.values()):
            return {"value": self.handle(result, "object")}, []  # return self
        return self.pack(result)

    def do_attribute(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        return self.pack(getattr(self.handles[header["target"]], header["name"]), objects=True)

    def do_assign(self, header: dict[str, Any], decoder: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        setattr(self.handles[header["target"]], header["name"], decoder.decode(header["value"]))
        return {"value": None}, []

    def do_item(self, header: dict[str, Any], decoder: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        return self.pack(self.handles[header["target"]][decoder.decode(header["key"])], objects=True)

    def do_length(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        return {"value": len(self.handles[header["target"]])}, []

    def do_iterate(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        return {"value": self.handle(iter(self.handles[header["target"]]), "iterator")}, []

    def do_next(self, header: dict[str, Any], _: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        try:
            value = next(self.handles[header["target"]])
        except StopIteration:
            return {"stop": True}, []
        return self.pack(value)

    def do_files(self, header: dict[str, Any], decoder: wire.Decoder) -> tuple[dict[str, Any], list[bytes]]:
        for name, data in decoder.decode(header["files"]).items():
            path = os.path.join("/tmp/work", name)
            with contextlib.suppress(
                OSError
            ):  # no room, or a file where a folder should be: on with the rest
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data)
        if "/tmp/work" not in sys.path:
            sys.path.append("/tmp/work")  # last: a file called torch.py shadows nothing
        return {"value": None}, []

    def snapshots(self, count: int) -> None:
        """Fork copies of this process that answer on sockets of their own, as things stand now. The keeper is
        their parent, which sees how they end.
        """
        _, fds, _, _ = socket.recv_fds(self.channel.sock, 1, count)
        threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
        pids: list[int] = []
        _flush()
        state = random.getstate()
        for fd in fds if threads == 1 else ():
            try:
                pid = isolation.fork_beside()
            except OSError:  # too many processes: the tests run in this one, then
                break
            if not pid:
                random.setstate(state)  # Python seeds it anew in each forked process
                self.become_copy(fd, [other for other in fds if other != fd])
            pids.append(pid)
        for fd in fds:
            os.close(fd)
        self.channel.send({"pids": pids})

    def become_copy(self, fd: int, others: list[int]) -> None:
        """In a fresh copy: answer on this socket until it is closed; no copy holds another's. Never
        returns.
        """
        status = 1
        try:
            isolation.be_called("course-test")
            self.channel.sock.close()
            for other in others:
                os.close(other)
            self.channel = Channel(socket.socket(fileno=fd), self.channel.max_bytes)
            self.loop()
            status = 0
        finally:
            os._exit(status)


def _unpickled(data: bytes) -> list[Any]:
    """The modules and optimizers that came with a call; the gradients travel beside their modules."""
    values, gradients = pickle.loads(data)
    for value, carried in zip(values, gradients, strict=True):
        if carried is not None:
            for parameter, gradient in zip(value.parameters(), carried, strict=True):
                parameter.grad = gradient
    return values


def serve(sock: socket.socket, job: dict[str, Any]) -> None:
    """Answer frames until the referee closes the socket."""
    random.seed(0)  # Python seeds it anew in each forked process
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    os.environ.update(HOME="/tmp/home", TMPDIR="/tmp", PWD="/tmp/work")
    _Session(Channel(sock, 1 << 31), job).loop()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def describe(error: BaseException) -> dict[str, str]:
    """Type and text of an exception, and where in the student's own lines it was raised."""
    kind = type(error).__name__
    try:
        text = str(error)[:MAX_TEXT]
    except Exception:
        text = ""
    bases = [c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins"]
    return {
        "type": str(kind)[:100],
        "text": text,
        "base": bases[0] if bases else "Exception",
        "where": _where(error),
    }


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    lines, frame = [], error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "ipython-input" in name or name.startswith("<ipython") or "ipykernel" in name:
            lines.append(f"line {frame.tb_lineno}")
        frame = frame.tb_next
    return lines[-1] if lines else ""


def _flush_figures() -> None:
    from matplotlib import pyplot

    if pyplot.get_fignums():
        try:
            from matplotlib_inline.backend_inline import flush_figures

            flush_figures()
        except Exception:
            pyplot.close("all")


def _plain_outputs(room: int) -> tuple[list, list[bytes]]:
    """What was displayed, reduced to plain text and images; anything over the limit is left out and said
    so.
    """
    kept: list[dict[str, Any]] = []
    for kind, data, metadata in _outputs:
        plain: dict[str, str] = {}
        for mime in ("text/plain", *IMAGE_TYPES):
            value = data.get(mime) if isinstance(data, dict) else None
            if isinstance(value, bytes):
                import base64

                value = base64.b64encode(value).decode()
            if isinstance(value, str):
                plain[mime] = value
        size = sum(len(v) for v in plain.values())
        room -= size
        if room < 0:
            kept.append(
                {
                    "kind": "display_data",
                    "data": {"text/plain": "[more output than the limit allows was left out]"},
                    "alt": "",
                }
            )
            break
        if plain:
            image = metadata.get("image/png") if isinstance(metadata, dict) else None
            alt = image.get("alt") if isinstance(image, dict) else ""
            kept.append({"kind": kind, "data": plain, "alt": alt if isinstance(alt, str) else ""})
    _outputs.clear()
    return kept, []

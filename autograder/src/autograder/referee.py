"""Where tests run: outside the sandbox, on values that come out of it.

A test cell is plain Python. A name that neither the setup cells nor the test defines is the student's: it is
bound to a proxy, whose call sends the arguments over and brings plain values back. So a student who patches
assertions, returns objects with a lying `__eq__` or rewrites the notebook changes nothing here: comparisons
are made by this process on data.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import math
import pickle
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from autograder import names
from autograder.alarms import time_limit
from autograder.inside import wire
from autograder.records import DIED, FAILED, INTERNAL, MEMORY, PARTIAL, PASSED, TIMEOUT, TestOutcome
from autograder.sandbox import Broken, Peer, StudentFault, Unsendable

HIDDEN_BEGIN, HIDDEN_END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"  # as nbgrader looks for them
HIDDEN_MESSAGE = (
    "The visible tests pass, but a hidden test does not: your answer is not right for every input."
)
OUR_FAULT = "The grader had a problem with this test; your instructor was told."
_HIDDEN_ENDS = {TIMEOUT: "took too long", MEMORY: "used too much memory", DIED: "ended the process"}
SETUP_NAME = "<setup>"
MAX_MESSAGE = 4000
MAX_LOG_BYTES = 32 << 20
MAX_ITEMS = 1_000_000
_VALUE_KINDS = frozenset({"function", "class", "iterator"})
_ANY_KIND = _VALUE_KINDS | {"object", "module"}


class TestTimeout(BaseException):
    """The test's own time is over. Not an Exception, so that a test's `except` does not swallow it."""

    __test__ = False


@dataclass
class Exchange:
    """One request that a test made of the student's process and what came back, kept for the diagnosis.

    `op` is get, call, attribute, assign, item, length, iterate or next; `target` the number of what it was
    asked of; `sent` and `result` are trees and buffers as they went over the wire.
    """

    op: str
    target: int
    name: str = ""
    sent: dict[str, Any] = field(default_factory=dict)
    sent_buffers: list[bytes] = field(default_factory=list)
    result: Any = None
    result_buffers: list[bytes] = field(default_factory=list)
    fault: StudentFault | None = None


@dataclass
class Conversation:
    """The requests of one test to one process of the student."""

    peer: Peer
    seconds: float
    log: list[Exchange] = field(default_factory=list)
    _objects: set[int] = field(default_factory=set)
    _logged: int = 0

    def _remember(self, exchange: Exchange) -> None:
        """Keep an exchange for the diagnosis, unless all of them together are large."""
        self._logged += sum(len(b) for b in (*exchange.sent_buffers, *exchange.result_buffers))
        if self._logged < MAX_LOG_BYTES:
            self.log.append(exchange)
        else:
            self.log.clear()

    def _keep_result(self, exchange: Exchange, reply: dict[str, Any], buffers: list[bytes]) -> None:
        self._logged += sum(len(b) for b in buffers)
        if self._logged < MAX_LOG_BYTES:
            exchange.result, exchange.result_buffers = reply.get("value"), buffers
        else:
            self.log.clear()

    def get(self, name: str) -> Any:
        """The value or proxy of a name.

        Raises StudentFault (kind NameError) where the student has not defined it.
        """
        reply, buffers = self.peer.request({"op": "get", "name": name}, (), self.seconds)
        if "missing" in reply:
            raise StudentFault(
                "NameError",
                f"{name} is not defined: run your cells from top to bottom and look for the first error",
                "NameError",
            )
        self._remember(Exchange("get", 0, name, result=reply.get("value"), result_buffers=buffers))
        value = self._value(reply, buffers, _ANY_KIND)
        if isinstance(value, Remote):
            object.__setattr__(value, "_label", name)
        return value

    def call(self, target: Remote, args: tuple[Any, ...], kwargs: dict[str, Any], after: bool = False) -> Any:
        encoder = _ArgumentEncoder(self.peer)
        try:
            header = {
                "op": "call",
                "target": target._number,
                "args": encoder.encode(list(args)),
                "kwargs": encoder.encode(kwargs),
                "after": after,
            }
            encoder.finish(header)
        except wire.Uncrossable as error:
            raise Unsendable(
                f"an argument of {target._label} can't be sent to the student's process: {error}"
            ) from error
        exchange = Exchange("call", target._number, target._label, header, encoder.buffers)
        self._remember(exchange)
        try:
            reply, buffers = self.peer.request(header, encoder.buffers, self.seconds)
            allowed = (
                frozenset({"object", "module"}) if target._kind == "class" and not after else _VALUE_KINDS
            )
            value = self._value(reply, buffers, allowed)
        except StudentFault as fault:
            exchange.fault = fault
            raise _as_exception(fault) from None
        failed = self.peer.callback_error
        if isinstance(failed, StopIteration):
            raise RuntimeError("a function that the test passed in raised StopIteration")
        if failed is not None:
            raise failed
        self._keep_result(exchange, reply, buffers)
        return value

    def ask(self, op: str, target: Remote, value: Any = None, **header: Any) -> Any:
        """One other operation on something that stays with the student: attribute, item, length, next."""
        encoder = _ArgumentEncoder(self.peer)
        if value is not None:
            key, what = value
            header[key] = encoder.encode(what)
            encoder.finish(header)
        exchange = Exchange(op, target._number, str(header.get("name", "")), header, encoder.buffers)
        self._remember(exchange)
        try:
            reply, buffers = self.peer.request(
                {"op": op, "target": target._number, **header}, encoder.buffers, self.seconds
            )
            if "stop" in reply and op == "next":
                raise StopIteration
            self._keep_result(exchange, reply, buffers)
            return self._value(reply, buffers, _VALUE_KINDS if op == "next" else _ANY_KIND)
        except StudentFault as fault:
            exchange.fault = fault
            raise _as_exception(fault) from None

    def _value(self, reply: dict[str, Any], buffers: list[bytes], allowed: frozenset[str]) -> Any:
        if "uncrossable" in reply:
            kind = str(reply["uncrossable"])[:100]
            raise StudentFault(
                "TypeError",
                f"it returned {_a(kind)}, which can't be compared; return numbers, lists, arrays or tensors",
                "TypeError",
            )
        if "value" not in reply:
            raise Broken(DIED, "sent an answer that is no value")

        def handle(tree: list) -> Remote:
            if (
                len(tree) != 4
                or tree[0] != "handle"
                or type(tree[1]) is not int
                or not isinstance(tree[3], str)
            ):
                raise wire.WireError("not a handle")
            number, kind, name = tree[1], tree[2], tree[3][:100]
            if kind not in _ANY_KIND or (kind not in allowed and number not in self._objects):
                raise StudentFault(
                    "TypeError",
                    f"it returned {_a(name or 'an object')}, which can't be compared; return plain values",
                    "TypeError",
                )
            if kind in ("object", "module"):
                self._objects.add(number)
            return _REMOTES[kind](self, number, kind, name)

        decoder = wire.Decoder(buffers, handle)
        try:
            value = decoder.decode(reply["value"])
            if len(decoder.used) < len(buffers):
                raise wire.WireError("it came with data that is no part of it")
            return value
        except wire.WireError as error:
            raise StudentFault(
                "TypeError", f"the value that came back can't be read ({error})", "TypeError"
            ) from None


def _a(word: str) -> str:
    return (
        word if word.startswith(("a ", "an ")) else f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
    )


class _ArgumentEncoder(wire.Encoder):
    """Encodes what a test passes in: proxies by their number, functions by name or as callbacks, modules as
    copies.

    Copies of torch modules and optimizers are pickled here and unpickled in the sandbox: pickles only ever
    travel inwards.
    """

    def __init__(self, peer: Peer) -> None:
        super().__init__(self._argument, peer.max_bytes)
        self._peer = peer
        self._pickled: list[Any] = []

    def _argument(self, value: Any) -> list | None:
        if isinstance(value, Remote):
            return ["handle", value._number]
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, (torch.nn.Module, torch.optim.Optimizer)):
            self._pickled.append(value)
            return ["pickled", len(self._pickled) - 1]
        if callable(value):
            place = _importable(value)
            if place:
                return ["import", *place]
            number = len(self._peer.callbacks)
            self._peer.callbacks[number] = value
            return ["callback", number]
        return None

    def finish(self, header: dict[str, Any]) -> None:
        """Add the pickled arguments, all in one, so that an optimizer still holds its module's parameters
        over there.
        """
        if self._pickled:
            try:
                self.buffers.append(pickle.dumps((self._pickled, list(map(_gradients, self._pickled)))))
            except Exception as error:
                raise wire.Uncrossable(type(self._pickled[0]).__name__, str(error)) from error
            header["pickle"] = len(self.buffers) - 1


def _gradients(value: Any) -> list[Any] | None:
    """What the parameters of a module carry and a pickle leaves behind; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.nn.Module):
        return None
    return [parameter.grad for parameter in value.parameters()]


def _importable(value: Any) -> tuple[str, str] | None:
    """Module and name of a function or class that the sandbox can import by itself."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    if module.split(".")[0] not in (
        "builtins",
        "math",
        "operator",
        "statistics",
        "numpy",
        "torch",
        "nextword",
    ):
        return None
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return (module, name) if found is value else None


def _as_exception(fault: StudentFault) -> BaseException:
    """The student's exception as one of the same builtin type, so that a test may expect a ValueError."""
    base = getattr(builtins, fault.base, None)
    if fault.base in (
        "KeyboardInterrupt",
        "SystemExit",
        "GeneratorExit",
        "BaseException",
        "BaseExceptionGroup",
        "ExceptionGroup",
        "StopIteration",
    ):
        base = RuntimeError
    if not (isinstance(base, type) and issubclass(base, Exception)):
        base = Exception
    try:
        made = type(fault.kind, (base, _Raised), {})(fault.text)
    except (TypeError, ValueError):  # builtin types with arguments of their own, such as UnicodeDecodeError
        made = type("Exception", (Exception, _Raised), {})(fault.text)
    made.fault = fault
    return made


class _Raised:
    """Marks an exception that came from the student's process."""

    fault: StudentFault


class Remote:
    """Something that stays in the student's process.

    It has no value here: it can't be compared, added or printed.
    """

    _conversation: Conversation
    _number: int
    _kind: str
    _label: str

    def __init__(self, conversation: Conversation, number: int, kind: str, name: str) -> None:
        object.__setattr__(self, "_conversation", conversation)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_label", name)
        object.__setattr__(self, "__name__", name)

    def __repr__(self) -> str:
        return f"<{self._label}, in the student's process>"

    def __bool__(self) -> bool:
        raise TypeError(f"{self._label} has no truth value in a test")


class RemoteFunction(Remote):
    """A function of the student: callable, nothing else."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._conversation.call(self, args, kwargs)

    def __nextword_after__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Result and arguments as the call left them; see nextword.check.after."""
        return self._conversation.call(self, args, kwargs, after=True)


class RemoteObject(RemoteFunction):
    """A class of the student, or an instance that a test made of one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._conversation.ask("attribute", self, name=name)
        if isinstance(value, Remote):
            object.__setattr__(value, "_label", f"{self._label}.{name}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self._conversation.ask("assign", self, ("value", value), name=name)

    def __getitem__(self, key: Any) -> Any:
        return self._conversation.ask("item", self, ("key", key))

    def __len__(self) -> int:
        length = self._conversation.ask("length", self)
        if type(length) is not int:
            raise TypeError("the length is no number")
        return length

    def __iter__(self) -> Iterator[Any]:
        return iter(self._conversation.ask("iterate", self))


class RemoteIterator(Remote):
    """A generator or iterator of the student: gives its items one by one, by value."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        seen = self.__dict__.get("_seen", 0)
        if seen >= MAX_ITEMS:
            raise ValueError(f"{self._label} gave more than {MAX_ITEMS} items")
        object.__setattr__(self, "_seen", seen + 1)
        return self._conversation.ask("next", self)


_REMOTES: dict[str, type[Remote]] = {
    "function": RemoteFunction,
    "class": RemoteObject,
    "object": RemoteObject,
    "module": RemoteObject,
    "iterator": RemoteIterator,
}


def hidden_lines(source: str) -> set[int]:
    """The numbers (from 1) of the lines of a test cell that students never see."""
    lines, inside = set(), False
    for number, line in enumerate(source.splitlines(), start=1):
        inside = inside or HIDDEN_BEGIN in line
        if inside:
            lines.add(number)
        inside = inside and HIDDEN_END not in line
    return lines


@dataclass(frozen=True)
class TestCode:
    """A test cell, compiled in parts.

    What students see, what they don't, and the last expression, whose value may be the points. `open` says
    that nothing in it is hidden.
    """

    __test__ = False

    visible: types.CodeType
    rest: types.CodeType
    last: types.CodeType | None
    open: bool


@lru_cache(maxsize=1024)
def compiled(source: str, name: str) -> types.CodeType:
    """A cell as code. Raises SyntaxError."""
    return compile(names.plain_python(source), name, "exec")


@lru_cache(maxsize=1024)
def compiled_test(source: str, grade_id: str) -> TestCode:
    """A test cell as code. Raises SyntaxError."""
    name = f"<{grade_id}>"
    tree = ast.parse(names.plain_python(source), name)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    else:
        last = None
    first = min(hidden_lines(source), default=1 << 30)
    visible = [n for n in tree.body if (n.end_lineno or n.lineno) < first]
    rest = tree.body[len(visible) :]
    return TestCode(
        compile(ast.Module(visible, []), name, "exec"),
        compile(ast.Module(rest, []), name, "exec"),
        compile(ast.Expression(last.value), name, "eval") if last is not None else None,
        not rest and (last is None or last.lineno < first),
    )


@dataclass
class OpenTest:
    """A test between its visible and its hidden part."""

    grade_id: str
    source: str
    max_points: float
    conversation: Conversation | None = None
    code: TestCode | None = None
    saved: dict[str, Any] = field(default_factory=dict)
    outcome: TestOutcome | None = None
    hidden: bool = False
    seconds: float = 0.0

    @property
    def log(self) -> list[Exchange]:
        return self.conversation.log if self.conversation is not None else []


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


class Referee:
    """Runs the test cells of one notebook for one hand-in, in one namespace, as a notebook would."""

    def __init__(
        self,
        student_names: frozenset[str],
        test_names: frozenset[str],
        call_seconds: float,
        test_seconds: float,
    ) -> None:
        self.student_names = student_names
        self.test_names = test_names
        self.call_seconds = call_seconds
        self.test_seconds = test_seconds
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}

    def set_up(self, source: str) -> None:
        """Run a setup cell here. It is ours; an error in it is ours too and goes to the caller."""
        with quiet():
            exec(compiled(source, SETUP_NAME), self.namespace)

    def begin(
        self, grade_id: str, source: str, max_points: float, peer: Peer | None, gone: Broken | None
    ) -> OpenTest:
        """Run the visible part of a test against a process of the student.

        Never raises for what the student did.
        """
        test = OpenTest(grade_id, source, max_points)
        try:
            if peer is None:
                raise gone or Broken(DIED, "had ended before this test")
            test.conversation = Conversation(peer, self.call_seconds)
            code = test.code = compiled_test(source, grade_id)
            self._run(test, lambda: self._start(test, code))
            if code.open and test.outcome is None:
                self._run(test, lambda: self._score(test, code))
        except BaseException as error:
            self._fail(test, error, hidden=False)
        wanted = names.referenced_names(source) | names.bound_names(source)
        test.saved = {name: self.namespace[name] for name in wanted if name in self.namespace}
        return test

    def complete(self, test: OpenTest) -> TestOutcome:
        """Run the hidden part, with the test's names as its visible part left them; the outcome of the
        whole.
        """
        if test.outcome is None:
            code = test.code
            assert code is not None
            test.hidden = True
            self.namespace.update(test.saved)
            self._run(test, lambda: self._score(test, code))
        assert test.outcome is not None
        return replace(test.outcome, seconds=round(test.seconds, 3))

    def _run(self, test: OpenTest, part: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            with time_limit(max(0.01, self.test_seconds - test.seconds), TestTimeout), quiet():
                part()
        except BaseException as error:
            self._fail(test, error, test.hidden)
        finally:
            test.seconds += time.monotonic() - started

    def _start(self, test: OpenTest, code: TestCode) -> None:
        """Bind the student's names to proxies and run the visible statements."""
        assert test.conversation is not None
        source = test.source
        for name in sorted(names.referenced_names(source)):
            asked = name in self.student_names
            if not asked:  # a name of nobody's: perhaps a helper of the student's
                ours = name in self.namespace or name in self.test_names or hasattr(builtins, name)
                asked = not ours and name not in names.bound_names(source)
            if asked:
                self.namespace.pop(name, None)
                try:
                    self.namespace[name] = test.conversation.get(name)
                except StudentFault as fault:
                    if fault.kind != "NameError":
                        self.namespace[name] = _Unusable(name, fault)
        exec(code.visible, self.namespace)

    def _score(self, test: OpenTest, code: TestCode) -> None:
        """Run what is left of the test and count its points."""
        exec(code.rest, self.namespace)
        points, status, note = test.max_points, PASSED, ""
        if code.last is not None:
            value = eval(code.last, self.namespace)
            points, status, note = _partial(value, test.max_points)
        message = HIDDEN_MESSAGE if test.hidden and status in (PARTIAL, FAILED) else ""
        test.outcome = TestOutcome(
            test.grade_id, points, test.max_points, status, message, bool(message), note=note
        )

    def _fail(self, test: OpenTest, error: BaseException, hidden: bool) -> None:
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise error
        status, message, note = self._explain(error, test.source, test.grade_id, hidden)
        test.outcome = TestOutcome(
            test.grade_id,
            0.0,
            test.max_points,
            status,
            message[:MAX_MESSAGE],
            hidden,
            note=note[:MAX_MESSAGE],
        )

    def _explain(
        self, error: BaseException, source: str, grade_id: str, hidden: bool
    ) -> tuple[str, str, str]:
        """Status, what the student may read, what the instructor reads.

        Of a hidden part the student reads fixed words only: whatever the student's code put into an
        exception, or did to its process, may hold what the hidden test passed in.
        """
        text = _text_of(error)
        if isinstance(error, Unsendable):
            return INTERNAL, OUR_FAULT, text
        if isinstance(error, Broken) and error.status == INTERNAL:
            return INTERNAL, OUR_FAULT, error.why
        if isinstance(error, (TestTimeout, Broken, MemoryError)) and not isinstance(error, _Raised):
            status = (
                error.status
                if isinstance(error, Broken)
                else TIMEOUT
                if isinstance(error, TestTimeout)
                else MEMORY
            )
            if hidden:
                return status, f"In a hidden test your code {_HIDDEN_ENDS.get(status, 'ended')}.", text
            if isinstance(error, Broken):
                return status, f"Your code {error.why}.", ""
            if isinstance(error, TestTimeout):
                return status, f"This test took longer than {self.test_seconds:g} seconds.", ""
            return status, "This test ran out of memory with what your code returned.", ""
        if isinstance(error, _Raised):
            kind = error.fault.kind
            status = MEMORY if kind == "MemoryError" else FAILED
            where = f" ({error.fault.where} of your cell)" if error.fault.where else ""
            known = kind if isinstance(getattr(builtins, kind, None), type) else "an error"
            if hidden:
                return status, f"In a hidden test your code raised {known}.", f"{kind}: {text}"
            return status, f"Your code raised {kind}{where}: {text}".rstrip(": "), ""
        if isinstance(error, NameError) and getattr(error, "name", None) in self.student_names:
            return (
                FAILED,
                f"{error.name} is not defined. Define it, and check that its cell runs without an error.",
                "",
            )
        line = _line(error, grade_id)
        if hidden:
            return FAILED, HIDDEN_MESSAGE, f"line {line}: {type(error).__name__}: {text}"
        if isinstance(error, AssertionError):
            shown = text or f"this does not hold: {_source_line(source, line)}"
            return FAILED, shown, ""
        if isinstance(error, SyntaxError) and line is None:
            return (
                INTERNAL,
                "The grader had a problem with this test; your instructor was told.",
                f"the test is no Python: {error}",
            )
        return FAILED, f"{type(error).__name__} at `{_source_line(source, line)}`: {text}", ""


class _Unusable:
    """Stands for a name of the student whose value can't cross; using it in any way says so."""

    def __init__(self, name: str, fault: StudentFault) -> None:
        object.__setattr__(self, "_why", (name, fault))

    def __getattribute__(self, attribute: str) -> Any:
        name, fault = object.__getattribute__(self, "_why")
        raise _as_exception(StudentFault(fault.kind, f"{name}: {fault.text}", fault.base))


def _partial(value: Any, max_points: float) -> tuple[float, str, str]:
    """Points by a test's last value: a number is the points; None, a text or a truth value is full marks.

    nbgrader takes everything else for full marks too; here it might come from the student, so it asks for a
    person.
    """
    if value is None or isinstance(value, (bool, str, Remote)):
        return max_points, PASSED, ""
    torch = sys.modules.get("torch")
    if isinstance(value, np.generic) or (
        torch is not None and isinstance(value, torch.Tensor) and value.ndim == 0
    ):
        value = value.item()
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or number > max_points:
        kind = type(value).__name__
        note = f"the test's last value, of type {kind}, is no number between 0 and {max_points:g}"
        return 0.0, INTERNAL, note
    return number, PASSED if number == max_points else (PARTIAL if number > 0 else FAILED), ""


def _line(error: BaseException, grade_id: str) -> int | None:
    """The line of the test cell at which an exception left it."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<{grade_id}>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _source_line(source: str, line: int | None) -> str:
    lines = source.splitlines()
    return lines[line - 1].strip() if line and line <= len(lines) else "this test"


class _Sink(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a test prints or warns goes nowhere and costs nobody a point."""
    with contextlib.redirect_stdout(_Sink()), contextlib.redirect_stderr(_Sink()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

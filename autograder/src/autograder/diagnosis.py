"""Which misconception a failed test shows: what it asked, replayed through the known wrong answers.

When a wrong answer from the course's variants gives the very same results on the very same arguments, and the
right answer does not, the student most likely made that mistake. The wrong answers are trusted code and run
here, outside the sandbox; what they are given are arguments that our own tests made.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder import names
from autograder.alarms import time_limit
from autograder.course_folder import SETUP, STUDENT, AssignmentNotebook
from autograder.inside import wire
from autograder.referee import Exchange, TestTimeout, quiet

REPLAY_SECONDS = 2.0
ALL_SECONDS = 6.0


@dataclass(frozen=True)
class WrongAnswer:
    """A typical wrong answer.

    The exercise, the misconception in one sentence, and a whole cell that gives it.
    """

    exercise: str
    misconception: str
    source: str


def write_wrong_answers(path: Path, answers: list[WrongAnswer]) -> None:
    """Keep the wrong answers of a notebook in the course folder, for the diagnosis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(a) for a in answers], indent=1), encoding="utf-8")


def read_wrong_answers(path: Path) -> tuple[WrongAnswer, ...]:
    """The wrong answers kept in the course folder; none where there is no file."""
    if not path.exists():
        return ()
    return tuple(WrongAnswer(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))


class Unlike(Exception):
    """The replay gave something else than the student did, or can't be compared."""


class Explainer:
    """The right and the wrong answers of one notebook; loaded when the first test fails."""

    def __init__(self, notebook: AssignmentNotebook, wrong_answers: tuple[WrongAnswer, ...]) -> None:
        self.notebook = notebook
        self.wrong_answers = wrong_answers
        self._solved: dict[str, Any] | None = None

    def misconception(self, log: list[Exchange]) -> str:
        """The sentence that names the mistake, or nothing when no known wrong answer gives these results."""
        asked = {e.name for e in log if e.op == "get"}
        candidates = [a for a in self.wrong_answers if a.exercise in asked]
        if not candidates or not any(e.op == "call" for e in log):
            return ""
        deadline = time.monotonic() + ALL_SECONDS
        try:
            with quiet(), time_limit(ALL_SECONDS, TestTimeout):
                solved = self._solve()
                if _replays(log, solved):
                    return ""  # the right answer gives the same: the test failed for another reason
                for answer in candidates:
                    if time.monotonic() > deadline:
                        break
                    namespace = dict(solved)
                    exec(compile(names.plain_python(answer.source), "<variant>", "exec"), namespace)
                    if _replays(log, namespace):
                        return answer.misconception
        except (Exception, TestTimeout):
            return ""
        return ""

    def _solve(self) -> dict[str, Any]:
        if self._solved is None:
            self._solved = {"__name__": "__main__"}
            for cell in self.notebook.cells:
                if cell.kind == "code" and cell.role in (SETUP, STUDENT):
                    exec(compile(names.plain_python(cell.source), "<solution>", "exec"), self._solved)
        return self._solved


def _replays(log: list[Exchange], namespace: dict[str, Any]) -> bool:
    """Whether this namespace answers every exchange as the student's process did."""
    held: dict[int, Any] = {}
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (as the student's process was seeded)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
    try:
        for exchange in log:
            _replay(exchange, namespace, held)
    except (Unlike, wire.WireError, LookupError):
        return False
    return True


def _replay(exchange: Exchange, namespace: dict[str, Any], held: dict[int, Any]) -> None:
    try:
        value = _answer(exchange, namespace, held)
    except Unlike:
        raise
    except Exception as error:
        if exchange.fault is None or exchange.fault.kind != type(error).__name__:
            raise Unlike from None
        return
    if exchange.fault is not None:
        raise Unlike

    def hold(tree: list) -> Any:
        if len(tree) != 4 or tree[0] != "handle":
            raise Unlike
        held[tree[1]] = value
        return value

    theirs = wire.Decoder(exchange.result_buffers, hold).decode(exchange.result)
    if theirs is not value and not alike(theirs, value):
        raise Unlike


def _answer(exchange: Exchange, namespace: dict[str, Any], held: dict[int, Any]) -> Any:
    def resolve(tree: list) -> Any:
        if tree[0] == "handle":
            return held[tree[1]]
        if tree[0] == "import":
            found: Any = __import__(tree[1], fromlist=["_"])
            for part in tree[2].split("."):
                found = getattr(found, part)
            return found
        raise Unlike  # callbacks and pickled modules are not replayed

    if exchange.op == "get":
        return namespace[exchange.name]
    target = held[exchange.target]
    decoder = wire.Decoder(exchange.sent_buffers, resolve)
    if exchange.op == "call":
        if exchange.sent.get("after"):
            raise Unlike
        return target(*decoder.decode(exchange.sent["args"]), **decoder.decode(exchange.sent["kwargs"]))
    if exchange.op == "attribute":
        return getattr(target, exchange.name)
    if exchange.op == "assign":
        return setattr(target, exchange.name, decoder.decode(exchange.sent["value"]))
    if exchange.op == "item":
        return target[decoder.decode(exchange.sent["key"])]
    if exchange.op == "length":
        return len(target)
    if exchange.op == "iterate":
        return iter(target)
    return next(target)


def alike(a: Any, b: Any) -> bool:
    """Equal up to rounding: numbers within 1e-6 (relative), arrays also in shape, containers item by item."""
    torch = sys.modules.get("torch")
    if torch is not None:
        a = a.detach().cpu().double().numpy() if isinstance(a, torch.Tensor) and a.is_floating_point() else a
        b = b.detach().cpu().double().numpy() if isinstance(b, torch.Tensor) and b.is_floating_point() else b
        a = a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else a
        b = b.detach().cpu().numpy() if isinstance(b, torch.Tensor) else b
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape != b.shape:
            return False
        if a.dtype.kind in "biufc" and b.dtype.kind in "biufc":
            return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))
        return bool(np.array_equal(a, b))
    if isinstance(a, (bool, np.bool_)) or isinstance(b, (bool, np.bool_)):
        return isinstance(a, (bool, np.bool_)) and isinstance(b, (bool, np.bool_)) and bool(a) == bool(b)
    if isinstance(a, (int, float, np.number)) and isinstance(b, (int, float, np.number)):
        x, y = float(a), float(b)
        return x == y or (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return len(a) == len(b) and all(k in b and alike(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)

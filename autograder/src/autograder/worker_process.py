"""A grading process of its own, and the side of it that hands it work.

`python -m autograder.worker_process` reads (grading, hand-in) pairs and writes results. Both sides are
trusted and speak pickle over pipes; students' code only ever runs behind the sandbox that this process
starts. It ends when its input does, so a killed run leaves nothing behind.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import threading
from typing import IO, Any

from autograder.errors import CourseError
from autograder.grade import Grading, close_sandboxes, grade_handin, handin_key
from autograder.intake import HandIn
from autograder.records import INTERNAL, NotebookResult, Result, TestOutcome
from autograder.sandbox import ENVIRONMENT

_LENGTH = struct.Struct("!Q")
RETRIES = 1


def _write(pipe: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    data = pipe.read(_LENGTH.unpack(head)[0])
    return pickle.loads(data)


class WorkerProcess:
    """Handle to one grading process; started when first needed, started anew when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._grading_key = ""

    def grade(self, grading: Grading, handin: HandIn) -> dict[str, Any]:
        """The result of one hand-in. A process that dies over it twice gives the verdict *internal*."""
        for _ in range(RETRIES + 1):
            try:
                return self._ask(grading, handin)
            except (EOFError, OSError, pickle.UnpicklingError):
                self.close()
        why = "the grading process died over this hand-in, twice"
        notebooks = tuple(
            NotebookResult(
                n.name,
                tuple(
                    TestOutcome(
                        t.grade_id,
                        0.0,
                        t.points,
                        INTERNAL,
                        "The grader had a problem with this hand-in.",
                        note=why,
                    )
                    for t in n.tests
                ),
                problem=why,
                status=INTERNAL,
            )
            for n in grading.assignment.notebooks
        )
        return Result(
            handin.student,
            grading.assignment.name,
            notebooks,
            handin_key(grading.key, handin),
            handin.timestamp,
        ).to_json()

    def _ask(self, grading: Grading, handin: HandIn) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._start()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        key = grading.key
        _write(process.stdin, (key, grading if key != self._grading_key else None, handin))
        self._grading_key = key
        answer = _read(process.stdout)
        if isinstance(answer, CourseError):
            raise answer
        return dict(answer)

    def _start(self) -> None:
        self.close()
        environment = {
            **os.environ,
            **{k: v for k, v in ENVIRONMENT.items() if k.endswith("_THREADS")},
            "PYTHONHASHSEED": "0",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autograder.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._grading_key = ""

    def close(self) -> None:
        """End the process and its sandbox."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


_local = threading.local()
_all: list[WorkerProcess] = []


def grade_in_worker(grading: Grading, handin: HandIn) -> dict[str, Any]:
    """What an executor's thread calls.

    Grade in this thread's own worker process (on this machine, or on a dask worker's).
    """
    if not hasattr(_local, "worker"):
        _local.worker = WorkerProcess()
        _all.append(_local.worker)
    return _local.worker.grade(grading, handin)


def close_workers() -> None:
    """End all worker processes that threads of this process started."""
    while _all:
        _all.pop().close()


def _main() -> None:
    try:
        _serve()
    finally:
        close_sandboxes()


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    grading: Grading | None = None
    while True:
        try:
            _key, sent, handin = _read(sys.stdin.buffer)
        except EOFError:
            return
        grading = sent or grading
        assert grading is not None
        try:
            answer: Any = grade_handin(grading, handin)
        except CourseError as error:
            answer = error
        try:
            _write(answers, answer)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    _main()

"""A grading process of its own, and the side of it that hands it work.

`python -m autograder.worker_process` reads (number, grading, hand-in) and writes (number, result), several at
a time: one warm sandbox and one import of torch serve all of them. Both sides are trusted and speak pickle
over pipes; students' code only ever runs behind the sandbox that this process starts. It ends when its input
does, so a killed run leaves nothing behind.
"""

from __future__ import annotations

import os
import pickle
import queue
import selectors
import struct
import subprocess
import sys
import threading
import time
from typing import IO, Any

from autograder.errors import CourseError
from autograder.grade import (
    Grading,
    Running,
    Worker,
    close_sandboxes,
    handin_key,
    internal_result,
    worker_for,
)
from autograder.inside.isolation import be_called
from autograder.intake import HandIn
from autograder.records import Result
from autograder.sandbox import HUGE_PAGES
from autograder.settings import ONE_CORE

_LENGTH = struct.Struct("!Q")
RETRIES = 2


class Died(Exception):
    """The grading process ended before it answered."""


def _write(pipe: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    return pickle.loads(_exactly(pipe, _LENGTH.unpack(_exactly(pipe, _LENGTH.size))[0]))


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = pipe.read(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


class WorkerProcess:
    """Handle to one grading process, shared by threads; started when first needed, started anew when it
    dies.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._count = 0
        self._grading_key = ""

    def grade(self, grading: Grading, handin: HandIn) -> dict[str, Any]:
        """The result of one hand-in, as plain data.

        When the process dies, the hand-ins in it are tried again one by one, so that the one that killed it
        is found; that one gets the verdict *internal*. Raises CourseError when no sandbox can be had.
        """
        try:
            return self._ask(grading, handin)
        except Died:
            with self._alone:
                for _ in range(RETRIES):
                    try:
                        return self._ask(grading, handin)
                    except Died:
                        continue
        key = handin_key(grading.key, handin)
        return internal_result(grading, handin, key, "the grading process died over this hand-in").to_json()

    def _ask(self, grading: Grading, handin: HandIn) -> dict[str, Any]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            process = self._process
            assert process is not None and process.stdin is not None
            self._count += 1
            number, key = self._count, grading.key
            answers = self._waiting[number] = queue.SimpleQueue()
            try:
                _write(process.stdin, (number, grading if key != self._grading_key else None, handin))
            except OSError:
                raise Died from None
            self._grading_key = key
        answer = answers.get()
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def _start(self) -> None:
        environment = {**os.environ, **ONE_CORE, "GLIBC_TUNABLES": HUGE_PAGES}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autograder.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONHASHSEED": "0"},
        )
        self._grading_key = ""
        self._waiting = {}
        threading.Thread(target=self._listen, args=(self._process, self._waiting), daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes], waiting: dict[int, queue.SimpleQueue[Any]]) -> None:
        """Hand each answer to the thread that waits for it; when the process ends, tell all that still
        wait.
        """
        assert process.stdout is not None
        try:
            while True:
                number, answer = _read(process.stdout)
                waiting.pop(number).put(answer)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            process.kill()
            process.wait()
            with self._lock:  # from here on `_ask` sees that the process is gone
                while waiting:
                    waiting.popitem()[1].put(Died())

    def close(self) -> None:
        """End the process and its sandbox."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            try:
                process.stdin.close()
                process.wait(10)
            except (subprocess.TimeoutExpired, OSError):
                process.kill()
                process.wait()


_shared = WorkerProcess()


def grade_in_worker(grading: Grading, handin: HandIn) -> dict[str, Any]:
    """What an executor calls, here or on a dask worker: grade in the process that all threads share."""
    return _shared.grade(grading, handin)


def close_workers() -> None:
    """End this process's worker process."""
    _shared.close()


def _serve() -> None:
    """Read work and write answers until the input ends; whatever runs side by side is the other end's
    choice.
    """
    be_called("course-worker")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = os.fdopen(0, "rb", buffering=0, closefd=False)
    selector = selectors.DefaultSelector()
    selector.register(work, selectors.EVENT_READ)
    running: dict[int, tuple[int, Running]] = {}  # pipe -> number of the request, hand-in
    grading: Grading | None = None
    worker: Worker | None = None

    def begin(number: int, handin: HandIn, again: bool = False) -> None:
        try:
            assert worker is not None
            started = worker.begin(handin, again)
        except CourseError as error:
            _write(answers, (number, error))
            return
        running[started.pipe] = (number, started)
        selector.register(started.pipe, selectors.EVENT_READ)

    def end(pipe: int) -> None:
        number, started = running.pop(pipe)
        selector.unregister(pipe)
        assert worker is not None
        result: Result | None = worker.finish(started)
        if result is None:
            begin(number, started.handin, again=True)
        else:
            _write(answers, (number, result.to_json()))

    while True:
        for key, _ in selector.select(1.0):
            if key.fileobj is not work:
                started = running[key.fd][1]
                assert worker is not None
                if not worker.read(started):
                    end(key.fd)
                continue
            number, sent, handin = _read(work)
            if sent is not None:
                grading = sent
                while running:  # another assignment: what still runs belongs to the one before
                    pipe, (_, started) = next(iter(running.items()))
                    assert worker is not None
                    while worker.read(started):
                        pass
                    end(pipe)
            assert grading is not None
            worker = worker_for(grading)
            begin(number, handin)
        for pipe in [p for p, (_, r) in running.items() if time.monotonic() > r.deadline]:
            end(pipe)


def _main() -> None:
    try:
        _serve()
    except (EOFError, BrokenPipeError):
        pass
    finally:
        close_sandboxes()


if __name__ == "__main__":
    _main()

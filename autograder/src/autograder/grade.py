"""One hand-in from bytes to a result: rebuild, run, judge, explain.

`Worker` is what a grading process holds: a warm sandbox. It forks a referee for each hand-in:
what a test leaves behind in our own process is gone with it, and a fault in it costs one hand-in a verdict
*internal*, not the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from autograder import names
from autograder.course_folder import (
    LOCKED,
    MANUAL,
    SETUP,
    STUDENT,
    TEST,
    Assignment,
    AssignmentNotebook,
    Cell,
    visible_source,
)
from autograder.diagnosis import Explainer, WrongAnswer
from autograder.effects import Before
from autograder.inside import first_calls
from autograder.inside.isolation import (
    be_called,
    end_with_parent,
    limit_own_memory,
    make_cheap_to_copy,
)
from autograder.intake import HandIn, Rebuilt, concerned, take_notebook
from autograder.records import (
    DIED,
    FAILED,
    INTERNAL,
    MEMORY,
    PASSED,
    TIMEOUT,
    UNREADABLE,
    NotebookResult,
    Result,
    TestOutcome,
    clean,
    worst,
)
from autograder.referee import HIDDEN_MESSAGE, SETUP_NAME, OpenTest, Referee, compiled, compiled_test
from autograder.sandbox import ENVIRONMENT, NESTED, Broken, CellRun, Peer, Sandbox, Session, StudentFault
from autograder.settings import ONE_CORE, Limits

RUN_ROLES = (SETUP, STUDENT, LOCKED)
REFEREE_MB = 2048  # on top of what the warm process has: a test's own work and the values that come back
INTERNAL_MESSAGE = "The grader had a problem with this hand-in; your instructor was told."


@dataclass(frozen=True)
class Grading:
    """All that decides a grade besides the hand-in: the assignment, the limits, the wrong answers that
    explain failures.

    `hidden` are folders that the sandbox must not show even where a mounted folder holds them.
    """

    assignment: Assignment
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    variants: dict[str, tuple[WrongAnswer, ...]] = field(default_factory=dict, repr=False)  # by notebook
    isolation: str = NESTED

    @cached_property
    def key(self) -> str:
        """A hash of all that is in it, and of the versions that grade."""
        digest = hashlib.sha256(self.assignment.version.encode())
        digest.update(
            repr((sorted(dataclasses.asdict(self.limits).items()), sorted(self.variants.items()))).encode()
        )
        digest.update(repr((sys.version_info[:3], _versions())).encode())
        return digest.hexdigest()

    @property
    def modules(self) -> list[str]:
        """What both sides import before the first hand-in."""
        found = set(self.assignment.modules) | {"numpy"}
        if {m.split(".")[0] for m in found} & {"nextword", "matplotlib"}:
            found |= {"matplotlib.pyplot"}
        return sorted(found)


def _versions() -> list[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("numpy", "torch", "autograder", "nextword"):
        with contextlib.suppress(PackageNotFoundError):
            found.append((name, version(name)))
    return found


def handin_key(grading_key: str, handin: HandIn) -> str:
    """A hash of everything that decides this hand-in's grade: same key, same grade."""
    digest = hashlib.sha256(grading_key.encode())
    for name, data in sorted(handin.files.items()):
        digest.update(hashlib.sha256(name.encode() + b"\0" + data).digest())
    return digest.hexdigest()


def solved_handin(assignment: Assignment) -> HandIn:
    """The instructor's own solution as if it had been handed in."""
    files = dict(assignment.files)
    for notebook in assignment.notebooks:
        cells = []
        for cell in notebook.cells:
            made = (
                nbformat.v4.new_code_cell(cell.source)
                if cell.kind == "code"
                else nbformat.v4.new_markdown_cell(cell.source)
            )
            made.metadata.update(cell.metadata)
            cells.append(made)
        files[f"{notebook.name}.ipynb"] = nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()
    return HandIn("solution", files)


@dataclass
class Running:
    """A hand-in that is being graded in a forked referee.

    its process, the pipe of its answer, when to give up.
    """

    handin: HandIn
    key: str
    pid: int
    pipe: int
    deadline: float
    sandbox: Sandbox
    again: bool = False
    answer: bytearray = field(default_factory=bytearray)


class Worker:
    """A grading process's means: a warm sandbox, and torch and friends imported for the referee too.

    Each hand-in is graded by a referee forked from here; several may run at a time (`begin`, then `read`
    until it says that the answer is whole, then `finish`), or one after the other (`grade`).
    """

    def __init__(self, grading: Grading) -> None:
        self.grading = grading
        gc.disable()  # nothing of what is imported will ever be garbage
        os.environ.update(ONE_CORE)
        for name in grading.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        first_calls.call_numpy()
        if "torch" in sys.modules:
            first_calls.call_torch()
        os.environ.update(
            {k: ENVIRONMENT[k] for k in ("NBGRADER_EXECUTION", "NEXTWORD_PRESET", "HF_HUB_OFFLINE")}
        )
        os.environ.setdefault("MPLBACKEND", "agg")
        self.sandbox = self._new_sandbox()
        self._retired: list[Sandbox] = []
        self._users: Counter[int] = Counter()
        self._look_ahead()
        gc.freeze()
        gc.enable()
        make_cheap_to_copy()

    def _look_ahead(self) -> None:
        """Find out what every hand-in asks about our own cells: each forked referee then knows it."""
        solved = solved_handin(self.grading.assignment)
        for notebook in self.grading.assignment.notebooks:
            _referee(self.grading, notebook)
            rebuilt = take_notebook(solved, self.grading.assignment, notebook)
            for _, origin in _ours(rebuilt):
                with contextlib.suppress(SyntaxError):
                    compiled(_set_up_source(origin), SETUP_NAME)
                    if origin.role == TEST:
                        compiled_test(origin.source, origin.grade_id)

    def _new_sandbox(self) -> Sandbox:
        grading = self.grading
        return Sandbox(grading.limits, grading.modules, grading.hidden, isolation=grading.isolation)

    def grade(self, handin: HandIn) -> Result:
        """The result of one hand-in. Never raises for what is in it."""
        running = self.begin(handin)
        while True:
            poller = select.poll()
            poller.register(running.pipe, select.POLLIN)
            if poller.poll(max(0.0, running.deadline - time.monotonic()) * 1000) and self.read(running):
                continue
            result = self.finish(running)
            if result is not None:
                return result
            running = self.begin(handin, again=True)

    def begin(self, handin: HandIn, again: bool = False) -> Running:
        """Fork a referee for a hand-in. Raises CourseError when no sandbox can be had."""
        self.sandbox.ensure()
        key = handin_key(self.grading.key, handin)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(read)
                be_called("course-referee")
                end_with_parent()
                limit_own_memory(REFEREE_MB)
                data = json.dumps(self._grade(handin, key)).encode()
                with os.fdopen(write, "wb") as pipe:
                    pipe.write(data)
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        self._users[id(self.sandbox)] += 1
        return Running(handin, key, pid, read, time.monotonic() + self._patience(), self.sandbox, again)

    def read(self, running: Running) -> bool:
        """Take what the referee has written; False when that was all."""
        piece = os.read(running.pipe, 1 << 20)
        running.answer += piece
        return bool(piece)

    def finish(self, running: Running) -> Result | None:
        """The result of a hand-in whose answer is whole, or late.

        None: its sandbox broke under it; begin it again.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)
        os.close(running.pipe)
        os.waitpid(running.pid, 0)
        sandbox = running.sandbox
        broken = not sandbox.alive
        self._users[id(sandbox)] -= 1
        answer = _plain(running.answer)
        if (answer is None or answer["lost"]) and sandbox is self.sandbox:
            self._retire()
        self._close_unused()
        if broken and not running.again:
            return None
        if answer is None:
            return self._internal(running, "the referee's process ended without an answer")
        if "fault" in answer:
            return self._internal(running, answer["fault"])
        return Result.from_json(answer["result"])

    def _retire(self) -> None:
        """Leave the sandbox to the hand-ins that are in it, and take a new one for the next."""
        self._retired.append(self.sandbox)
        self.sandbox = self._new_sandbox()
        self._close_unused()

    def _close_unused(self) -> None:
        for sandbox in [s for s in self._retired if not self._users[id(s)]]:
            sandbox.close()
            self._retired.remove(sandbox)

    def _patience(self) -> float:
        notebooks = self.grading.assignment.notebooks
        tests = sum(len(n.tests) for n in notebooks)
        return 60 + 2 * len(notebooks) * self.grading.limits.submission_seconds + tests * 2

    def _grade(self, handin: HandIn, key: str) -> dict[str, Any]:
        """In the forked referee.

        grade, in the shared sandbox or, where that can't be forked from, in one of its own.
        """
        shared = self.sandbox.isolation == NESTED
        try:
            with contextlib.nullcontext(self.sandbox) if shared else self._new_sandbox() as sandbox:
                sandbox.isolation = self.sandbox.isolation
                if not shared:
                    sandbox.start()
                assignment = self.grading.assignment
                graded = tuple(grade_notebook(self.grading, n, handin, sandbox) for n in assignment.notebooks)
                result = Result(handin.student, assignment.name, graded, key, handin.timestamp)
                return {"result": clean(result.to_json()), "lost": shared and sandbox.lost}
        except Exception:
            return {"fault": _fault(), "lost": True}

    def _internal(self, running: Running, why: str) -> Result:
        return internal_result(self.grading, running.handin, running.key, why)

    def close(self) -> None:
        for sandbox in [*self._retired, self.sandbox]:
            sandbox.close()


def internal_result(grading: Grading, handin: HandIn, key: str, why: str) -> Result:
    """What a hand-in gets when grading it failed through our fault: no score, and a person is asked."""
    notebooks = []
    for notebook in grading.assignment.notebooks:
        outcomes = tuple(
            TestOutcome(t.grade_id, 0.0, t.points, INTERNAL, INTERNAL_MESSAGE, note=why)
            for t in notebook.tests
        )
        notebooks.append(NotebookResult(notebook.name, outcomes, problem=why, status=INTERNAL))
    return Result(handin.student, grading.assignment.name, tuple(notebooks), key, handin.timestamp)


def without_work(result: Result, why: str) -> Result:
    """The same hand-in with the verdict *internal*: what came out of it could not be kept."""
    notebooks = tuple(
        NotebookResult(
            n.notebook,
            tuple(
                TestOutcome(o.grade_id, 0.0, o.max_points, INTERNAL, INTERNAL_MESSAGE, note=clean(why))
                for o in n.outcomes
            ),
            problem=clean(why),
            status=INTERNAL,
        )
        for n in result.notebooks
    )
    return dataclasses.replace(result, notebooks=notebooks)


def _fault() -> str:
    """The exception at hand as one line: what, and where in our own code."""
    kind, error, trace = sys.exc_info()
    last = traceback.extract_tb(trace)[-1] if trace else None
    where = f" ({Path(last.filename).name}, line {last.lineno})" if last else ""
    return f"{kind.__name__ if kind else 'Exception'}: {error}{where}"[:1000]


def _plain(answer: bytearray) -> dict[str, Any] | None:
    try:
        return dict(json.loads(answer))
    except ValueError:
        return None


_workers: dict[str, Worker] = {}


def worker_for(grading: Grading) -> Worker:
    """This process's worker for a grading; the one for another grading is closed."""
    key = grading.key
    if key not in _workers:
        close_sandboxes()
        _workers[key] = Worker(grading)
    return _workers[key]


def close_sandboxes() -> None:
    """End this process's sandboxes."""
    while _workers:
        _workers.popitem()[1].close()


def evaluate(grading: Grading, handin: HandIn) -> Result:
    """Grade one hand-in in this process (no gradebook involved)."""
    return worker_for(grading).grade(handin)


def grade_notebook(
    grading: Grading, notebook: AssignmentNotebook, handin: HandIn, sandbox: Sandbox
) -> NotebookResult:
    """Rebuild, run and judge one notebook of a hand-in."""
    started = time.monotonic()
    rebuilt = take_notebook(handin, grading.assignment, notebook)
    repairs = rebuilt.repairs
    if rebuilt.problem:
        return _unreadable(notebook, rebuilt, repairs, time.monotonic() - started)
    ours = grading.assignment.files  # first, so that there is room for them
    files = {**ours, **{k: v for k, v in handin.files.items() if k not in ours and not k.endswith(".ipynb")}}
    files = {name: data for name, data in files.items() if len(data) <= grading.limits.file_mb << 20}
    with _scratch(grading.assignment.files):
        runs, judged, sessions = _run_and_judge(grading, notebook, rebuilt, files, sandbox)
    outcomes = tuple(judged)
    status = worst([o.status for o in outcomes] or [PASSED])
    if status in (FAILED, PASSED) and any(r.status in (TIMEOUT, MEMORY, DIED) for r in runs.values()):
        status = worst([status, *(r.status for r in runs.values())])
    review, review_cells = _for_review(notebook, rebuilt, outcomes)
    return NotebookResult(
        notebook=notebook.name,
        outcomes=outcomes,
        repairs=tuple(repairs),
        limits_hit=tuple(dict.fromkeys(hit for s in sessions for hit in s.limits_hit)),
        status=status,
        seconds=round(time.monotonic() - started, 3),
        cpu_seconds=round(sum(s.cpu_seconds for s in sessions), 3),
        rebuilt=_as_notebook(notebook, rebuilt, runs),
        review=review,
        review_cells=review_cells,
    )


def _for_review(
    notebook: AssignmentNotebook, rebuilt: Rebuilt, outcomes: tuple[TestOutcome, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a person should look at: the rescue was in doubt about an answer, and points are missing there."""
    full = {o.grade_id for o in outcomes if o.points >= o.max_points}
    open_cells = {cell: doubts for cell, doubts in concerned(notebook, rebuilt).items() if cell not in full}
    sentences = dict.fromkeys(sentence for doubts in open_cells.values() for sentence in doubts)
    return tuple(sentences), tuple(open_cells)


def _run_and_judge(
    grading: Grading,
    notebook: AssignmentNotebook,
    rebuilt: Rebuilt,
    files: dict[str, bytes],
    sandbox: Sandbox,
) -> tuple[dict[int, CellRun], list[TestOutcome], list[Session]]:
    """First all cells of the student, with a snapshot of the process for each test as it was there; then the
    tests, each on its snapshot.

    So no cell runs after a hidden test's inputs have been seen, and a crash keeps what was earned before it.
    A snapshot waits while cells follow that nothing before them can notice; when nothing follows at all, the
    process itself answers the last test.
    """
    runs: dict[int, CellRun] = {}
    snapshots: dict[str, Peer | None] = {}
    threaded = False
    waiting: list[str] = []
    before = Before()

    def take(tests: list[str]) -> None:
        nonlocal threaded
        copies = session.snapshots(len(tests))
        threaded = threaded or copies is None
        snapshots.update(zip(tests, copies or (), strict=False))
        waiting[:] = waiting[len(tests) :]

    with sandbox.open() as session:
        _put(session, files)
        gone = None
        for index, cell in enumerate(rebuilt.cells):
            if cell.kind != "code":
                continue
            role = cell.origin.role if cell.origin is not None else STUDENT
            if role == TEST:
                assert cell.origin is not None
                waiting.append(cell.origin.grade_id)
                before.add(visible_source(cell.origin.source))  # no copy may tell of a hidden word
            elif (role in RUN_ROLES or role == MANUAL) and gone is None:
                if waiting and before.can_notice(cell.source):
                    take(waiting[:])
                before.add(cell.source)
                runs[index] = session.run_cell(cell.source)
                if session.main.closed:
                    gone = Broken(runs[index].status, (runs[index].error or {}).get("text", "ended"))
        take(waiting[:-1])
        if waiting and not session.main.closed:
            snapshots[waiting[0]] = session.main
        else:
            session.end_main()
        if not threaded:
            outcomes = _judge_all(grading, notebook, rebuilt, runs, snapshots.get, gone)
    if not threaded:
        return runs, outcomes, [session]
    outcomes, again = _judge_live(grading, notebook, rebuilt, runs, files, sandbox)
    return runs, outcomes, [session, *again]


def _put(session: Session, files: dict[str, bytes]) -> None:
    with contextlib.suppress(StudentFault, Broken):
        session.put_files(files)


def _judge_all(
    grading: Grading,
    notebook: AssignmentNotebook,
    rebuilt: Rebuilt,
    runs: dict[int, CellRun],
    peer_of: Callable[[str], Peer | None],
    gone: Broken | None,
) -> list[TestOutcome]:
    """The visible parts of all tests first, then the hidden ones: what a student reads was said before any
    process of the hand-in had seen a hidden test's inputs.
    """
    referee = _referee(grading, notebook)
    explainer = Explainer(notebook, grading.variants.get(notebook.name, ()))
    begun: list[tuple[int, OpenTest]] = []
    for index, origin in _ours(rebuilt):
        referee.set_up(_set_up_source(origin))
        if origin.role == TEST:
            peer = peer_of(origin.grade_id)
            begun.append((index, referee.begin(origin.grade_id, origin.source, origin.points, peer, gone)))
    outcomes = []
    for index, test in begun:
        outcome = _explained(referee.complete(test), test, explainer)
        outcomes.append(_with_cause(outcome, rebuilt, runs, index))
        if test.conversation is not None:
            test.conversation.peer.close()
    return outcomes


def _referee(grading: Grading, notebook: AssignmentNotebook) -> Referee:
    limits = grading.limits
    return Referee(notebook.student_names, notebook.test_names, limits.cell_seconds, limits.test_seconds)


def _ours(rebuilt: Rebuilt) -> Iterator[tuple[int, Cell]]:
    for index, cell in enumerate(rebuilt.cells):
        if cell.origin is not None and cell.kind == "code":
            yield index, cell.origin


def _set_up_source(origin: Cell) -> str:
    """What of our own cells the referee runs too.

    setup cells, and the imports of answer cells as we wrote them.
    """
    if origin.role == SETUP:
        return origin.source
    return names.import_statements(origin.source) if origin.role == STUDENT else ""


def _explained(outcome: TestOutcome, test: OpenTest, explainer: Explainer) -> TestOutcome:
    if outcome.status in (PASSED, INTERNAL):
        return outcome
    return dataclasses.replace(outcome, misconception=explainer.misconception(test.log))


def _with_cause(
    outcome: TestOutcome, rebuilt: Rebuilt, runs: dict[int, CellRun], test_index: int
) -> TestOutcome:
    """Add the error of the cell before a test, when the test failed because that cell did."""
    for index in range(test_index - 1, -1, -1):
        origin = rebuilt.cells[index].origin
        if origin is not None and origin.role == TEST:
            break
        run = runs.get(index)
        if run is None or run.error is None or "is not defined" not in outcome.message:
            continue
        where = f" ({run.error['where']})" if run.error["where"] else ""
        cause = f"The cell before stopped with {run.error['type']}{where}: {run.error['text']}"
        status = run.status if run.status != PASSED else outcome.status
        return dataclasses.replace(outcome, message=f"{outcome.message}\n{cause}", status=status)
    return outcome


def _judge_live(
    grading: Grading,
    notebook: AssignmentNotebook,
    rebuilt: Rebuilt,
    runs: dict[int, CellRun],
    files: dict[str, bytes],
    sandbox: Sandbox,
) -> tuple[list[TestOutcome], list[Session]]:
    """For a process with threads, which can't be copied: run the cells again, silently, with the tests in
    between.

    Once with the visible parts only, whose messages the student reads; once with the whole tests, which then
    say nothing but that a hidden part failed.
    """
    shown, first = _live_run(grading, notebook, rebuilt, files, sandbox, whole=False)
    judged, second = _live_run(grading, notebook, rebuilt, files, sandbox, whole=True)
    explainer = Explainer(notebook, grading.variants.get(notebook.name, ()))
    outcomes = []
    for index, (test, seen) in shown.items():
        if seen is not None and seen.status != PASSED:
            outcome = seen
        else:
            hidden_test, outcome = (
                judged[index][0],
                judged[index][1] or TestOutcome(test.grade_id, 0, 0, INTERNAL),
            )
            if outcome.status not in (PASSED, INTERNAL) and not outcome.hidden:
                outcome = dataclasses.replace(
                    outcome, message=HIDDEN_MESSAGE, hidden=True, note=outcome.message
                )
            test = hidden_test
        outcomes.append(_with_cause(_explained(outcome, test, explainer), rebuilt, runs, index))
    return outcomes, [first, second]


def _live_run(
    grading: Grading,
    notebook: AssignmentNotebook,
    rebuilt: Rebuilt,
    files: dict[str, bytes],
    sandbox: Sandbox,
    whole: bool,
) -> tuple[dict[int, tuple[OpenTest, TestOutcome | None]], Session]:
    """One run of the cells with the tests in between, by the position of each test's cell."""
    referee = _referee(grading, notebook)
    done: dict[int, tuple[OpenTest, TestOutcome | None]] = {}
    with sandbox.open() as session:
        _put(session, files)
        for index, cell in enumerate(rebuilt.cells):
            if cell.kind != "code":
                continue
            origin = cell.origin
            if origin is not None:
                referee.set_up(_set_up_source(origin))
            if origin is None or origin.role in (*RUN_ROLES, MANUAL):
                session.run_cell(cell.source)
            elif origin.role == TEST:
                peer = None if session.main.closed else session.main
                gone = Broken(DIED, "had ended before this test")
                test = referee.begin(origin.grade_id, origin.source, origin.points, peer, gone)
                done[index] = (test, referee.complete(test) if whole else test.outcome)
    return done, session


@contextlib.contextmanager
def _scratch(files: dict[str, bytes]) -> Any:
    """A working folder for the referee's setup cells, with the assignment's own files."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="referee-") as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _unreadable(
    notebook: AssignmentNotebook, rebuilt: Rebuilt, repairs: list[str], seconds: float
) -> NotebookResult:
    message = (
        f"Your notebook could not be graded: {rebuilt.problem}. Hand it in again, or ask your instructor."
    )
    outcomes = tuple(TestOutcome(t.grade_id, 0.0, t.points, UNREADABLE, message) for t in notebook.tests)
    review, review_cells = _for_review(notebook, rebuilt, outcomes)
    return NotebookResult(
        notebook.name,
        outcomes,
        tuple(repairs),
        problem=rebuilt.problem,
        status=UNREADABLE,
        seconds=round(seconds, 3),
        rebuilt=_as_notebook(notebook, rebuilt, {}),
        review=review,
        review_cells=review_cells,
    )


def _as_notebook(notebook: AssignmentNotebook, rebuilt: Rebuilt, runs: dict[int, CellRun]) -> dict[str, Any]:
    """The rebuilt notebook as plain data.

    For each cell its kind, source, the position of ours, and how it ran.
    """
    positions = {id(c): i for i, c in enumerate(notebook.cells)}
    cells = []
    for index, cell in enumerate(rebuilt.cells):
        run = runs.get(index)
        cells.append(
            {
                "kind": cell.kind,
                "source": cell.source,
                "ours": positions[id(cell.origin)] if cell.origin is not None else None,
                "run": dict(vars(run)) if run is not None else None,
            }
        )
    return {"cells": cells}

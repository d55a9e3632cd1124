"""Grade answers to one notebook with the real engine and no gradebook: for variants, mutants, the gate."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace

from autograder.build import Course, answered_notebook, instructor_notebook, release_notebook, write_text
from autograder.course_folder import Assignment, read_notebook
from autograder.errors import CourseError
from autograder.grade import Grading, Worker
from autograder.intake import HandIn
from autograder.records import INTERNAL, Result, TestOutcome
from autograder.settings import Limits
from autograder.source import SourceNotebook

Answers = Mapping[str, str]
CELL_SECONDS, TEST_SECONDS, SUBMISSION_SECONDS = 5.0, 10.0, 30.0


def short_limits(limits: Limits) -> Limits:
    """The course's limits, with less time: an answer that loops must not hold up hundreds of others."""
    return replace(
        limits,
        cell_seconds=min(limits.cell_seconds, CELL_SECONDS),
        test_seconds=min(limits.test_seconds, TEST_SECONDS),
        submission_seconds=min(limits.submission_seconds, SUBMISSION_SECONDS),
    )


@dataclass(frozen=True)
class _Task:
    """One hand-in to grade, and by what."""

    grading: Grading
    handin: HandIn


class Trial:
    """The engine, warm, for one notebook. Use it in a `with` statement."""

    def __init__(self, course: Course, source: SourceNotebook, limits: Limits | None = None) -> None:
        self._source = source
        self._release = release_notebook(source, course.notebooks)
        instructor = instructor_notebook(source, course.notebooks)
        self._notebook = read_notebook(instructor, self._release, source.name)
        self._limits = limits or course.settings.limits
        self._hidden = (course.root.resolve() / "solutions",)

    def __enter__(self) -> Trial:
        self._environment = dict(os.environ)
        return self

    def __exit__(self, *exc: object) -> None:
        _close_worker()
        os.environ.clear()  # a worker sets what grading needs; a notebook run after it is no grading
        os.environ.update(self._environment)

    def run(self, answered: Answers, only: str = "") -> dict[str, TestOutcome]:
        """Outcomes by grade id of a hand-in with these sources in its exercise cells.

        `only` names the exercise whose test is wanted; the others are left out, which saves
        most of the time.
        """
        return self._outcomes(_grade(self._task(answered, only)))

    def run_many(
        self, several: Sequence[tuple[Answers, str]], workers: int = 2
    ) -> Iterator[tuple[int, dict[str, TestOutcome]]]:
        """As `run` for each (answers, only), side by side; yields (position, outcomes) as they finish."""
        if len(several) < 2 or workers < 2:
            for position, (answered, only) in enumerate(several):
                yield position, self.run(answered, only)
            return
        fork_free = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(several)), mp_context=fork_free) as pool:
            waiting: dict[Future[Result], int] = {
                pool.submit(_grade, self._task(answered, only)): position
                for position, (answered, only) in enumerate(several)
            }
            try:
                while waiting:
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        yield waiting.pop(future), self._outcomes(future.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def _task(self, answered: Answers, only: str) -> _Task:
        release, notebook = self._release, self._notebook
        if only:
            left_out = {t.grade_id for t in notebook.tests} - {f"test_{only}"}
            notebook = replace(notebook, cells=tuple(c for c in notebook.cells if c.grade_id not in left_out))
            release = release.copy()
            release.cells = [c for c in release.cells if c.id not in left_out]
        text = write_text(answered_notebook(release, answered))
        assignment = Assignment(self._source.name, (notebook,))
        return _Task(
            Grading(assignment, self._limits, hidden=self._hidden),
            HandIn("trial", {f"{self._source.name}.ipynb": text.encode()}),
        )

    def _outcomes(self, result: Result) -> dict[str, TestOutcome]:
        outcomes = {outcome.grade_id: outcome for outcome in result.outcomes}
        for outcome in outcomes.values():
            if outcome.status == INTERNAL:
                reason = (outcome.note.strip() or "no reason given").splitlines()[-1]
                raise CourseError(
                    f"{self._source.path}: grading {outcome.grade_id} failed in the grader itself: {reason}.",
                    "Run course doctor; if that is fine, look at the test.",
                )
        return outcomes


_workers: list[Worker] = []


def _grade(task: _Task) -> Result:
    """Grade in this process's one warm worker: the sandbox is the same whatever tests the task has."""
    if not _workers:
        _workers.append(Worker(task.grading))
    worker = _workers[0]
    worker.grading = task.grading
    return worker.grade(task.handin)


def _close_worker() -> None:
    while _workers:
        _workers.pop().close()

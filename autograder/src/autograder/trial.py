"""Grade answers to one notebook with the real engine and no gradebook: for variants, mutants, the gate."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace

from autograder.build import Course, answered_notebook, instructor_notebook, release_notebook, write_text
from autograder.course_folder import Assignment, read_notebook
from autograder.errors import CourseError
from autograder.grade import Grading, Worker, evaluate
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


class Trial:
    """The engine, warm, for one notebook. Use it in a `with` statement."""

    def __init__(self, course: Course, source: SourceNotebook, limits: Limits | None = None) -> None:
        self._source = source
        self._release = release_notebook(source, course.notebooks)
        instructor = instructor_notebook(source, course.notebooks)
        self._grading = Grading(
            Assignment(source.name, (read_notebook(instructor, self._release, source.name),)),
            limits or course.settings.limits,
            hidden=(course.root.resolve() / "solutions",),
        )
        self._worker: Worker | None = None

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._worker is not None:
            self._worker.close()

    def run(self, answered: Answers) -> dict[str, TestOutcome]:
        """Outcomes by grade id of a hand-in with these sources in its exercise cells."""
        if self._worker is None:
            self._worker = Worker(self._grading)
        return self._outcomes(self._worker.grade(self._hand_in(answered)))

    def run_many(
        self, several: Sequence[Answers], workers: int = 2
    ) -> Iterator[tuple[int, dict[str, TestOutcome]]]:
        """As `run` for each, side by side; yields (position, outcomes) as they finish."""
        if len(several) < 2 or workers < 2:
            for position, answered in enumerate(several):
                yield position, self.run(answered)
            return
        fork_free = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(several)), mp_context=fork_free) as pool:
            waiting: dict[Future[Result], int] = {
                pool.submit(evaluate, self._grading, self._hand_in(answered)): position
                for position, answered in enumerate(several)
            }
            try:
                while waiting:
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        yield waiting.pop(future), self._outcomes(future.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def _hand_in(self, answered: Answers) -> HandIn:
        text = write_text(answered_notebook(self._release, answered))
        return HandIn("trial", {f"{self._source.name}.ipynb": text.encode()})

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

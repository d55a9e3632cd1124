"""`course grade`: a whole class, in parallel, to be stopped at any moment and taken up again.

A journal holds one synced line per finished hand-in, written before the gradebook; a run that was killed
records what it finds there and grades only the rest. The key of a line is a hash of the hand-in, the tests,
the limits and the versions: same key, same grade. Where only the due date or the late rules changed,
penalties are set anew, and nothing is graded.
"""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course_folder import Assignment, CourseFolder
from autograder.diagnosis import read_wrong_answers
from autograder.errors import CourseError
from autograder.grade import Grading, handin_key, solved_handin, without_work
from autograder.intake import read_folder
from autograder.late import assign_penalties, has_rule, write_due_date
from autograder.record import Recorder
from autograder.records import INTERNAL, PASSED, Result
from autograder.sandbox import NESTED
from autograder.worker_process import close_workers, grade_in_worker

Progress = Callable[[int, int, Result | None], None]


@dataclass
class Summary:
    """What a run did. `skipped` had been graded and had not changed; `refused` have unusable names."""

    assignment: str
    results: list[Result] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    broken_tests: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(r.verdict for r in self.results)


class Journal:
    """One line per finished hand-in and per recording; synced, so that no written line is lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab")  # noqa: SIM115  (open as long as the journal)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise CourseError(
                f"Another course grade is grading this assignment ({path} is in use).",
                "Wait for it to end; what it grades is not graded again.",
            ) from None
        except OSError:
            pass  # some network file systems have no locks
        self.graded, self.recorded, whole = read_journal(path)
        if whole < path.stat().st_size:
            os.truncate(path, whole)  # a line that a killed run had not finished

    def add_result(self, result: Result) -> None:
        self.graded[result.student] = result
        self.recorded.pop(result.student, None)  # what was recorded was another result
        self._append({"student": result.student, "key": result.key, "result": result.to_json()})

    def add_recorded(self, result: Result, late_key: str) -> None:
        self.recorded[result.student] = recorded_key(result, late_key)
        self._append({"student": result.student, "key": self.recorded[result.student]})

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def recorded_key(result: Result, late_key: str) -> str:
    """Everything that decides what the gradebook says of a hand-in: the grade, and what lateness costs."""
    return f"{result.key}, {late_key}"


def read_journal(path: Path) -> tuple[dict[str, Result], dict[str, str], int]:
    """Last results by student, keys of what was recorded, length of the whole lines. Changes nothing."""
    graded: dict[str, Result] = {}
    recorded: dict[str, str] = {}
    whole = 0
    if not path.exists():
        return graded, recorded, whole
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                entry = json.loads(line)
                if "result" in entry:
                    graded[entry["student"]] = Result.from_json(entry["result"])
                    recorded.pop(entry["student"], None)
                else:
                    recorded[entry["student"]] = entry["key"]
            except (ValueError, KeyError, TypeError):
                continue
    return graded, recorded, whole


def journal_path(folder: CourseFolder, assignment: str) -> Path:
    """Where the journal of an assignment lies.

    With the graded notebooks, under a name that nbgrader's commands pass over.
    """
    return folder.step("autograded", ".course", ".").resolve() / f"{assignment}.journal.jsonl"


def grading_for(folder: CourseFolder, assignment: Assignment, isolation: str = NESTED) -> Grading:
    """Everything that decides grades in this course folder."""
    variants = {
        n.name: read_wrong_answers(folder.root / "variants" / f"{n.name}.json") for n in assignment.notebooks
    }
    return Grading(assignment, folder.limits(), (folder.root,), variants, isolation)


@contextmanager
def executor(workers: int, scheduler: str = "") -> Iterator[concurrent.futures.Executor]:
    """Where hand-ins are graded.

    Threads with a worker process each on this machine, or a dask cluster's workers.
    """
    if scheduler:
        from distributed import Client

        try:
            client = Client(scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise CourseError(
                f"No dask scheduler answers at {scheduler} ({error}).", "Start one: dask scheduler"
            ) from None
        try:
            yield client.get_executor(pure=False, retries=2)
        finally:
            client.close()
        return
    pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="grade")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close_workers()


def grade_class(
    folder: CourseFolder,
    assignment_name: str,
    *,
    students: list[str] | None = None,
    force: bool = False,
    changed_only: bool = False,
    workers: int = 0,
    scheduler: str = "",
    isolation: str = NESTED,
    progress: Progress | None = None,
) -> Summary:
    """Grade what was handed in and is not graded yet, or has changed since; with `force`, everything.

    Raises CourseError when the assignment is unknown, nothing was handed in, or the sandbox can't be had.
    """
    started = time.monotonic()
    assignment = folder.assignment(assignment_name)
    folder.ensure_in_gradebook(assignment)
    write_due_date(folder, assignment_name)
    grading = grading_for(folder, assignment, isolation)
    everyone = folder.students(assignment_name)
    unknown = sorted(set(students or ()) - set(everyone))
    if unknown:
        raise CourseError(
            f"No hand-in of {', '.join(unknown)} for {assignment_name}.",
            f"Handed in: {', '.join(everyone) or 'nobody'}.",
        )
    wanted = students or everyone
    if not wanted:
        raise CourseError(
            f"Nobody has handed in {assignment_name}.",
            f"Put hand-ins into {folder.step('submitted', 'STUDENT', assignment_name)}.",
        )
    summary = Summary(assignment_name, refused=folder.unusable_names(assignment_name))
    journal = Journal(journal_path(folder, assignment_name))
    grading_key = grading.key
    try:
        with (
            Recorder(folder, assignment) as recorder,
            executor(workers or os.cpu_count() or 1, scheduler) as pool,
        ):
            in_gradebook = recorder.recorded()
            todo = _todo(
                folder,
                assignment_name,
                wanted,
                grading_key,
                journal,
                in_gradebook,
                force,
                changed_only,
                recorder,
                summary,
            )
            done, total = len(summary.skipped) + len(summary.resumed), len(wanted)
            if progress:
                progress(done, total, None)
            if not todo:
                return summary
            solution = pool.submit(grade_in_worker, grading, solved_handin(assignment))
            first = True
            for result in _grade_all(pool, grading, folder, assignment_name, todo):
                if first:
                    summary.broken_tests = _failures(Result.from_json(solution.result()))
                    first = False
                result = _keep(recorder, journal, result)
                summary.results.append(result)
                done += 1
                if progress:
                    progress(done, total, result)
    finally:
        journal.close()
        summary.seconds = time.monotonic() - started
    return summary


def _todo(
    folder: CourseFolder,
    assignment: str,
    wanted: list[str],
    grading_key: str,
    journal: Journal,
    in_gradebook: set[str],
    force: bool,
    changed_only: bool,
    recorder: Recorder,
    summary: Summary,
) -> list[str]:
    todo = []
    for student in wanted:
        before = journal.graded.get(student)
        if force or before is None:
            if not (changed_only and before is None):
                todo.append(student)
            else:
                summary.skipped.append(student)
            continue
        handin = read_folder(folder.step("submitted", student, assignment), student)
        if before.key != handin_key(grading_key, handin) or before.verdict == INTERNAL:
            todo.append(student)
        elif (
            journal.recorded.get(student) == recorded_key(before, recorder.late_key)
            and student in in_gradebook
        ):
            summary.skipped.append(student)
        elif journal.recorded.get(student, "").startswith(before.key) and student in in_gradebook:
            # Only what lateness costs has changed; recorded anew, points given by hand would ask for a person
            if has_rule(folder):
                assign_penalties(folder, assignment, student, [n.notebook for n in before.notebooks])
            journal.add_recorded(before, recorder.late_key)
            summary.resumed.append(student)
        else:
            _keep(recorder, journal, before, known=True)
            summary.resumed.append(student)
    return todo


def _keep(recorder: Recorder, journal: Journal, result: Result, known: bool = False) -> Result:
    """Journal and record one result. If it can't be recorded, that hand-in alone becomes *internal*."""
    if not known:
        journal.add_result(result)
    try:
        recorder.record(result)
    except CourseError:
        raise
    except Exception as error:
        result = without_work(result, f"it could not be recorded: {type(error).__name__}: {error}")
        journal.add_result(result)
        recorder.record(result)
    journal.add_recorded(result, recorder.late_key)
    return result


def _failures(solution: Result) -> dict[str, str]:
    """Tests that the instructor's own solution does not pass, and why: the test is wrong, or the solution.

    Raises CourseError when nothing at all could be judged: then nobody's work can be.
    """
    for notebook in solution.notebooks:
        if notebook.status == INTERNAL and notebook.problem:
            raise CourseError(
                f"Even the instructor's own solution of {notebook.notebook} can't be graded: "
                f"{notebook.problem}.",
                "Nothing was recorded. Run the instructor's notebook in JupyterLab, mend its locked cells, "
                "and make the release again.",
            )
    return {o.grade_id: o.note or o.message for o in solution.outcomes if o.status != PASSED}


def _grade_all(
    pool: concurrent.futures.Executor,
    grading: Grading,
    folder: CourseFolder,
    assignment: str,
    students: list[str],
) -> Iterator[Result]:
    """Results in the order in which they are ready; only a few hand-ins are in memory at a time."""
    waiting: set[concurrent.futures.Future[dict[str, Any]]] = set()
    left = iter(students)
    room = 4 * (os.cpu_count() or 1) + 4
    while True:
        while len(waiting) < room:
            student = next(left, None)
            if student is None:
                break
            handin = read_folder(folder.step("submitted", student, assignment), student)
            waiting.add(pool.submit(grade_in_worker, grading, handin))
        if not waiting:
            return
        ready, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in ready:
            yield Result.from_json(future.result())

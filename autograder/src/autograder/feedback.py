"""`course feedback`: a page per student and notebook, where nbgrader's own lies, handed back the same way.

A page holds what the student may know: points, hints of visible tests, misconceptions, their work and its
outputs. The template is not even given the source and messages of hidden tests, or notes for the instructor.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import pages
from autograder.answers import REST, WRITTEN, Answer, Section, sections, title
from autograder.class_report import latest_results
from autograder.course_folder import Assignment, AssignmentNotebook, CourseFolder
from autograder.errors import CourseError
from autograder.grade_class import journal_path
from autograder.late import assignment_title, refresh_penalties
from autograder.marks import NotebookMarks, StudentMarks, read_marks
from autograder.records import (
    DIED,
    FAILED,
    INTERNAL,
    MANUAL,
    MEMORY,
    PARTIAL,
    PASSED,
    TIMEOUT,
    UNREADABLE,
    NotebookResult,
    Result,
    TestOutcome,
)
from autograder.safe_markdown import SECONDS, rendered

#: What the student reads for each status: a sign that needs no colour, and words.
VERDICTS = {
    PASSED: ("✓", "Passed"),
    PARTIAL: ("◐", "Partly right"),
    FAILED: ("✗", "Not right yet"),
    TIMEOUT: ("✗", "Stopped: it took too long"),
    MEMORY: ("✗", "Stopped: it used too much memory"),
    DIED: ("✗", "Your program ended before the test"),
    UNREADABLE: ("✗", "Your notebook could not be read"),
    INTERNAL: ("…", "Your instructor will look at this"),
    MANUAL: ("…", "Waits for a person to grade it"),
}
GRADED_BY_HAND = ("✎", "Graded by a person")
NOT_ATTEMPTED = ("–", "Not attempted")
LIMITS = {
    "time": "Your code ran longer than it may and was stopped.",
    "memory": "Your code used more memory than it may and was ended.",
    "processes": "Your code started more processes than it may and was ended.",
    "output": "Your code printed more than it may; the rest was left out.",
}
MAX_CELLS = 60
MAX_IMAGES_BYTES = 12 << 20
ALONE_SECONDS = 5.0  # other processes take about as long to start


@dataclass(frozen=True)
class Page:
    """Everything that one page is made of, as plain data that travels to another process."""

    path: Path
    assignment: str
    student: str
    ours: AssignmentNotebook
    result: NotebookResult
    marks: NotebookMarks
    late_seconds: float
    title: str = ""


@dataclass(frozen=True)
class Output:
    """Something a cell showed: kind is text, error or image."""

    kind: str
    text: str
    alt: str = ""


@dataclass(frozen=True)
class ShownAnswer:
    """A cell of the student on the page. Rendered markdown is a Markup; other text is shown literally."""

    code: bool
    source: str
    outputs: tuple[Output, ...]
    added: bool


@dataclass(frozen=True)
class Exercise:
    """An exercise on the page. `points` is None while nobody knows them."""

    anchor: str
    title: str
    sign: str
    verdict: str
    status: str
    points: float | None
    max_points: float
    hint: str
    misconception: str
    comment: str
    question: str
    seconds: float
    by_person: bool
    answers: tuple[ShownAnswer, ...]


def write_feedback(
    folder: CourseFolder,
    assignment: str,
    students: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write feedback/STUDENT/ASSIGNMENT/NOTEBOOK.html for all who were graded, or those named; the files.

    Raises CourseError when nobody has been graded yet, or one of those named has not.
    """
    refresh_penalties(folder, assignment)
    jobs = _pages(folder, assignment, students)
    written = []
    for path in _map(write_one, jobs):
        written.append(path)
        if progress:
            progress(len(written), len(jobs))
    return written


def graded(folder: CourseFolder, assignment: str) -> list[Result]:
    """The last result of every student. Raises CourseError when nobody has been graded yet."""
    results = latest_results(folder, assignment) if journal_path(folder, assignment).exists() else []
    if not results:
        raise CourseError(
            f"Nobody's {assignment} has been graded in {folder.root}.",
            f"Grade it first: course grade {assignment}",
        )
    return results


def _pages(folder: CourseFolder, assignment: str, students: list[str] | None) -> list[Page]:
    ours = folder.assignment(assignment)
    results = {result.student: result for result in graded(folder, assignment)}
    unknown = sorted(set(students or ()) - set(results))
    if unknown:
        raise CourseError(
            f"{', '.join(unknown)}: no graded hand-in of {assignment}.",
            f"Graded: {', '.join(results)}. Grade the others with: course grade {assignment}",
        )
    wanted = students or list(results)
    marks = read_marks(folder, assignment, set(wanted))
    base = Path(str(folder.paths.root))
    called = assignment_title(folder, assignment)
    jobs = []
    if not students:
        wanted = [result.student for result in still_shown(folder, ours, results.values())]
    for student in wanted:
        own = marks.get(student, StudentMarks())
        for result in results[student].notebooks:
            path = folder.step("feedback", student, assignment) / f"{result.notebook}.html"
            notebook_marks = own.notebooks.get(result.notebook, NotebookMarks())
            own_notebook = trusted(ours, result)
            pages.inside(base, path)
            jobs.append(
                Page(
                    path, assignment, student, own_notebook, result, notebook_marks, own.late_seconds, called
                )
            )
    return jobs


def trusted(ours: Assignment, result: NotebookResult) -> AssignmentNotebook:
    """Our notebook of a result. Raises CourseError when the release is not the one that was graded."""
    notebook = of_release(ours, result)
    if notebook is not None:
        return notebook
    raise CourseError(
        f"The release of {ours.name} has changed since it was graded: {result.notebook} has other cells now.",
        f"Grade it again: course grade {ours.name}",
    )


def still_shown(folder: CourseFolder, ours: Assignment, results: Iterable[Result]) -> list[Result]:
    """Without those whose hand-in is gone since an earlier release, who can't be graded again."""
    there = set(folder.students(ours.name))
    return [r for r in results if r.student in there or all(of_release(ours, n) for n in r.notebooks)]


def of_release(ours: Assignment, result: NotebookResult) -> AssignmentNotebook | None:
    """Our notebook of a result; None when the release is not the one that was graded."""
    tests = {outcome.grade_id for outcome in result.outcomes}
    for notebook in ours.notebooks:
        if (
            notebook.name == result.notebook
            and {test.grade_id for test in notebook.tests} == tests
            and _is_of(notebook, result)
        ):
            return notebook
    return None


def _is_of(notebook: AssignmentNotebook, result: NotebookResult) -> bool:
    """Whether our cells are those that the result was rebuilt from: answers are told by their place."""
    for cell in result.rebuilt.get("cells", []) if result.rebuilt else []:
        place = cell["ours"]
        if place is None:
            continue
        if place >= len(notebook.cells):
            return False
        own = notebook.cells[place]
        if not own.takes_answer and cell["source"] != own.released:
            return False
    return True


def _map(work: Callable[[Page], Path], jobs: list[Page]) -> Iterator[Path]:
    """Do the jobs one by one; if that turns out to take long, the rest on all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    started = time.monotonic()
    for done, job in enumerate(jobs):
        seconds = time.monotonic() - started
        if (
            cores > 1
            and done
            and seconds > ALONE_SECONDS
            and seconds / done * (len(jobs) - done) > 3 * ALONE_SECONDS
        ):
            yield from _map_in_parallel(work, jobs[done:], min(cores, 8))
            return
        yield work(job)


def _map_in_parallel(work: Callable[[Page], Path], jobs: list[Page], workers: int) -> Iterator[Path]:
    # Not forked: this process may hold a gradebook's connections and threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(work, jobs, chunksize=8)


def write_one(page: Page) -> Path:
    """Write one page."""
    pages.write_page(page.path, feedback_page(page))
    return page.path


def feedback_page(page: Page) -> str:
    """The HTML of one page."""
    result, marks = page.result, page.marks
    exercises: list[Exercise] = []
    rest: tuple[ShownAnswer, ...] = ()
    shown = _Shown()
    outcomes = {outcome.grade_id: outcome for outcome in result.outcomes}
    for index, section in enumerate(sections(page.ours, result), start=1):
        if section.kind == REST:
            rest = shown.answers(section)
        else:
            exercises.append(
                _exercise(f"exercise-{index}", page, section, outcomes.get(section.grade_id), shown)
            )
    points = sum(exercise.points or 0 for exercise in exercises)
    return pages.render(
        "feedback.html.j2",
        title=f"{page.title or title(page.assignment)}: feedback",
        assignment=page.title or title(page.assignment),
        notebook=result.notebook if result.notebook != page.assignment else "",
        student=page.student,
        exercises=exercises,
        rest=rest,
        left_out=shown.left_out,
        points=points,
        total=max(0.0, points - marks.penalty),
        max_points=sum(exercise.max_points for exercise in exercises),
        penalty=marks.penalty,
        late=pages.duration(page.late_seconds) if page.late_seconds > 0 else "",
        waiting=[exercise.title for exercise in exercises if exercise.points is None],
        problem=result.problem if result.status == UNREADABLE else "",
        repairs=result.repairs,
        limits=[LIMITS.get(limit, limit) for limit in result.limits_hit],
        seconds=result.seconds,
    )


def _exercise(
    anchor: str, page: Page, section: Section, outcome: TestOutcome | None, shown: _Shown
) -> Exercise:
    mark = page.marks.marks.get(section.grade_id)
    cell = next(c for c in page.ours.cells if c.grade_id == section.grade_id)
    status = outcome.status if outcome is not None else MANUAL
    points = outcome.points if outcome is not None and status != INTERNAL else None
    if mark is not None:
        points = mark.points
    by_person = mark is not None and mark.by_person
    sign, verdict = VERDICTS.get(status, ("", status))
    blank = bool(section.answers) and not section.attempted
    if by_person and status in (MANUAL, INTERNAL, UNREADABLE):
        sign, verdict = GRADED_BY_HAND
    elif blank and (status == FAILED or (status == MANUAL and points is not None)):
        sign, verdict = NOT_ATTEMPTED
    return Exercise(
        anchor=anchor,
        title=title(section.grade_id),
        sign=sign,
        verdict=verdict,
        status=status,
        points=points,
        max_points=mark.max_points if mark is not None else cell.points,
        hint=outcome.message if outcome is not None and status != PASSED else "",
        misconception=outcome.misconception if outcome is not None and status != PASSED else "",
        comment=_comments(page, section),
        question=_written(section.question) if section.kind == WRITTEN else "",
        seconds=outcome.seconds if outcome is not None else 0.0,
        by_person=by_person,
        answers=shown.answers(section),
    )


def _comments(page: Page, section: Section) -> str:
    """What people wrote about this exercise: nbgrader keeps comments with the answer cells."""
    start = [c.grade_id for c in page.ours.cells].index(section.grade_id)
    found = [page.marks.comments.get(section.grade_id, "")]
    if section.kind != WRITTEN:
        for cell in reversed(page.ours.cells[:start]):
            if cell.points:
                break
            found.insert(0, page.marks.comments.get(cell.grade_id, ""))
    return "\n\n".join(text for text in found if text)


def _written(source: str, seconds: float = SECONDS) -> str:
    """Markdown for the page: rendered where that is safe and soon done, else as it was written."""
    source = pages.plain(source)
    return (rendered(source, seconds) if seconds > 0 else None) or source


class _Shown:
    """What a page has shown so far: a page stays small enough to open, whatever was handed in."""

    def __init__(self) -> None:
        self.cells = 0
        self.image_bytes = 0
        self.left_out = 0
        self.until = time.monotonic() + SECONDS  # for all that the student wrote together

    def answers(self, section: Section) -> tuple[ShownAnswer, ...]:
        kept = []
        for answer in section.answers:
            if not answer.source.strip() and answer.run is None:
                continue
            if not answer.changed and not _has_output(answer):
                continue
            self.cells += 1
            if self.cells > MAX_CELLS:
                self.left_out += 1
                continue
            code = answer.kind == "code"
            kept.append(
                ShownAnswer(
                    code,
                    answer.source if code else _written(answer.source, self.until - time.monotonic()),
                    tuple(self._outputs(answer.run)),
                    not answer.released,
                )
            )
        return tuple(kept)

    def _outputs(self, run: dict[str, Any] | None) -> list[Output]:
        if run is None:
            return []
        shown = [Output("text", run[name]) for name in ("stdout", "stderr") if run[name].strip()]
        for output in run["outputs"][:20]:
            shown += self._display(output)
        error = run["error"]
        if error is not None:
            where = f" ({error['where']})" if error["where"] else ""
            shown.append(Output("error", f"{error['type']}{where}: {error['text']}"))
        return shown

    def _display(self, output: dict[str, Any]) -> list[Output]:
        for mime in pages.IMAGE_FORMATS:
            source = pages.image_source(mime, output["data"].get(mime, ""))
            if source and self.image_bytes + len(source) <= MAX_IMAGES_BYTES:
                self.image_bytes += len(source)
                return [Output("image", source, output.get("alt") or "")]
        text = output["data"].get("text/plain", "")
        return [Output("text", text)] if text.strip() else []


def _has_output(answer: Answer) -> bool:
    run = answer.run
    return run is not None and bool(run["stdout"].strip() or run["outputs"])

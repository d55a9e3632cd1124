"""What stands in the gradebook after machines and people have graded: points, comments, late penalties."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.course_folder import CourseFolder, quiet_nbgrader


@dataclass(frozen=True)
class Mark:
    """The points of one graded cell. `points` is None while a person has still to grade it."""

    points: float | None
    max_points: float
    by_person: bool = False
    extra_credit: float = 0.0


@dataclass(frozen=True)
class NotebookMarks:
    """One notebook of one student: marks and comments by grade_id, and what lateness costs."""

    marks: dict[str, Mark] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    penalty: float = 0.0


@dataclass(frozen=True)
class StudentMarks:
    """All notebooks of one hand-in."""

    notebooks: dict[str, NotebookMarks] = field(default_factory=dict)
    late_seconds: float = 0.0

    @property
    def penalty(self) -> float:
        return sum(notebook.penalty for notebook in self.notebooks.values())

    @property
    def waiting(self) -> list[str]:
        """The graded cells that wait for a person."""
        return [
            grade_id
            for notebook in self.notebooks.values()
            for grade_id, mark in notebook.marks.items()
            if mark.points is None
        ]


def read_marks(
    folder: CourseFolder, assignment: str, students: set[str] | None = None
) -> dict[str, StudentMarks]:
    """What the gradebook holds on an assignment, by student; nothing where it does not know it."""
    from nbgrader.api import Gradebook

    found: dict[str, StudentMarks] = {}
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as gradebook:
        if assignment not in {known.name for known in gradebook.assignments}:
            return {}
        for submission in gradebook.assignment_submissions(assignment):
            if students is None or submission.student_id in students:
                notebooks = {notebook.name: _notebook(notebook) for notebook in submission.notebooks}
                found[submission.student_id] = StudentMarks(notebooks, submission.total_seconds_late)
    return found


def _notebook(notebook: object) -> NotebookMarks:
    marks = {}
    for grade in notebook.grades:  # type: ignore[attr-defined]  # nbgrader's tables have no types
        by_person = grade.manual_score is not None
        waits = grade.needs_manual_grade and not by_person
        points = None if waits else float(grade.score)
        marks[grade.name] = Mark(points, float(grade.max_score), by_person, float(grade.extra_credit or 0))
    comments = {c.name: c.manual_comment for c in notebook.comments if c.manual_comment}  # type: ignore[attr-defined]
    return NotebookMarks(marks, comments, float(notebook.late_submission_penalty or 0))  # type: ignore[attr-defined]

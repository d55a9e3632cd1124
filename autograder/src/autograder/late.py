"""Due dates and late rules from course.toml, as a penalty that nbgrader's own preprocessor applies.

[late]
percent_per_day = 10     # of the points earned, for each day begun
grace_minutes = 15       # so much later is not late
max_days = 3             # later than that earns nothing; leave it out for no such end
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbformat.v4 import new_notebook
from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

from autograder.course_folder import CourseFolder, quiet_nbgrader
from autograder.errors import CourseError
from autograder.settings import AssignmentSettings

SECONDS_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class LateRule:
    """What lateness costs. `max_days` 0: no end."""

    percent_per_day: float = 0.0
    grace_minutes: float = 0.0
    max_days: float = 0.0

    def penalty(self, points: float, seconds_late: float) -> float:
        """The points that are taken away, never more than were earned."""
        late = seconds_late - 60 * self.grace_minutes
        if late <= 0 or points <= 0:
            return 0.0
        if self.max_days and late > self.max_days * SECONDS_PER_DAY:
            return points
        days = math.ceil(late / SECONDS_PER_DAY)
        return min(points, round(points * self.percent_per_day / 100 * days, 6))


def read_rule(path: Path) -> LateRule | None:
    """The [late] table of a course.toml, or None. Raises CourseError for one that says something else."""
    table = course_table(path).get("late")
    if table is None:
        return None
    known = LateRule.__dataclass_fields__
    for key, value in table.items():
        if key not in known:
            raise CourseError(f"{path}, [late]: unknown setting {key}.", f"Known: {', '.join(known)}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise CourseError(f"{path}, [late]: {key} must be a number of at least 0, not {value!r}.")
    return LateRule(**table)


def course_table(path: Path) -> dict[str, Any]:
    """Everything in a course.toml; nothing if there is none."""
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML: {error}.", "Mend that line.") from None
    if not isinstance(table.get("assignment", []), list):
        raise CourseError(f"{path}: [assignment] is one table.", "Write [[assignment]], with two brackets.")
    return table


def assignment_title(folder: CourseFolder, assignment: str) -> str:
    """What course.toml of the course folder calls an assignment, or nothing."""
    for table in course_table(folder.root / "course.toml").get("assignment", []):
        if table.get("name") == assignment:
            return str(table.get("title", ""))
    return ""


def add_assignments(folder: CourseFolder, assignments: Iterable[AssignmentSettings]) -> None:
    """Add those that course.toml of the course folder does not name to its end.

    What is written there already, due dates and titles too, stays as it is.
    """
    path = folder.root / "course.toml"
    known = {table.get("name") for table in course_table(path).get("assignment", [])}
    new = [assignment for assignment in assignments if assignment.name not in known]
    with open(path, "a", encoding="utf-8") as file:
        for assignment in new:
            file.write(f'\n[[assignment]]\nname = "{assignment.name}"\n')
            file.write(f"title = {json.dumps(assignment.title, ensure_ascii=False)}\n")
            if assignment.due:
                file.write(f'due = "{assignment.due.isoformat()}"\n')


def write_due_date(folder: CourseFolder, assignment: str) -> None:
    """Tell the gradebook when an assignment is due, where course.toml of the course folder says so."""
    from nbgrader.api import Gradebook

    due = due_date(folder, assignment)
    if due is None:
        return
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as gradebook:
        gradebook.update_or_create_assignment(assignment, duedate=due.astimezone(UTC).isoformat())


def due_date(folder: CourseFolder, assignment: str) -> datetime | None:
    """When an assignment is due: course.toml of the course folder, else the gradebook."""
    for table in course_table(folder.root / "course.toml").get("assignment", []):
        if table.get("name") == assignment and table.get("due"):
            due = table["due"]
            try:
                moment = due if isinstance(due, datetime) else datetime.fromisoformat(str(due))
            except ValueError:
                raise CourseError(
                    f"course.toml: the due date of {assignment} is {due!r}.",
                    "Write 2027-02-01T23:59:00+00:00.",
                ) from None
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    from nbgrader.api import Gradebook, MissingEntry

    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        try:
            found = book.find_assignment(assignment).duedate
        except MissingEntry:
            return None
    return found.replace(tzinfo=UTC) if found else None


def late_key(folder: CourseFolder, assignment: str) -> str:
    """What decides late penalties besides the hand-in's time, as text: same key, same penalties."""
    return f"due {due_date(folder, assignment)}, {read_rule(folder.root / 'course.toml')}"


class RulePlugin(LateSubmissionPlugin):
    """nbgrader's late plugin with the course's rule."""

    percent_per_day = Float(0.0).tag(config=True)
    grace_minutes = Float(0.0).tag(config=True)
    max_days = Float(0.0).tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """The points to take away, or None."""
        rule = LateRule(self.percent_per_day, self.grace_minutes, self.max_days)
        return rule.penalty(score, total_seconds_late) or None


def has_rule(folder: CourseFolder) -> bool:
    """Whether lateness costs points by a rule, ours or nbgrader's; else a penalty was given by a person."""
    method = folder.config.get("LateSubmissionPlugin", {}).get("penalty_method", "none")
    plugin = folder.config.get("AssignLatePenalties", {}).get("plugin_class")
    return read_rule(folder.root / "course.toml") is not None or plugin is not None or method != "none"


def assign_penalties(folder: CourseFolder, assignment: str, student: str, notebooks: Iterable[str]) -> None:
    """Let nbgrader set the late penalties of a submission's notebooks, by the points they have now."""
    from nbgrader.preprocessors import AssignLatePenalties

    config = penalty_config(folder)
    about = {"assignment": assignment, "student": student, "db_url": folder.db_url}
    with quiet_nbgrader():
        for notebook in notebooks:
            resources = {"nbgrader": about | {"notebook": notebook}}
            AssignLatePenalties(config=config).preprocess(new_notebook(), resources)


def refresh_penalties(folder: CourseFolder, assignment: str) -> None:
    """Set the penalties of all that was late anew: since grading, points may have been given by hand."""
    from nbgrader.api import Gradebook

    if not has_rule(folder):
        return
    late: dict[str, list[str]] = {}
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        if assignment in {known.name for known in book.assignments}:
            for submission in book.assignment_submissions(assignment):
                if submission.total_seconds_late > 0 or any(
                    n.late_submission_penalty for n in submission.notebooks
                ):
                    late[submission.student_id] = [notebook.name for notebook in submission.notebooks]
    for student, notebooks in late.items():
        assign_penalties(folder, assignment, student, notebooks)


def penalty_config(folder: CourseFolder) -> Any:
    """The folder's configuration, with the rule of its course.toml where there is one."""
    rule = read_rule(folder.root / "course.toml")
    if rule is None:
        return folder.config
    config = folder.config.copy()
    config.AssignLatePenalties.plugin_class = RulePlugin
    for key, value in vars(rule).items():
        config.RulePlugin[key] = float(value)
    return config

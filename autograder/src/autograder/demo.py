"""`course demo`: build the course, let a made-up class hand in, grade it, and show the gradebook."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from autograder import class_report
from autograder.build import Course, build
from autograder.class_report import Cell, Line
from autograder.course_folder import MANUAL, TEST, CourseFolder, quiet_nbgrader
from autograder.errors import CourseError
from autograder.feedback import write_feedback
from autograder.grade_class import Progress, Summary, grade_class
from autograder.record import Recorder
from autograder.report import make_report, write_report
from autograder.sample_class import HandIn, make_class
from autograder.settings import Limits
from autograder.setup_folder import init

FIRST = 2  # so many notebooks are enough to see it all
MARK = ".made-by-course-demo"  # this folder may be thrown away and made anew
# One hand-in loops for ever and is stopped at this limit; the course's own is longer than a demo should be.
DEMO_CELL_SECONDS = 4.0

NEXT = "source .venv/bin/activate; course doctor; course init ~/lm-course"


@dataclass(frozen=True)
class Row:
    """One line of the demo's gradebook."""

    hand_in: HandIn
    cells: tuple[Cell, ...]
    verdict: str
    late: timedelta
    repaired: tuple[str, ...]
    misconceptions: tuple[str, ...]

    @property
    def points(self) -> float:
        """The points so far, without what a person has yet to grade."""
        return sum(cell.points or 0.0 for cell in self.cells)

    @property
    def max_points(self) -> float:
        """The points that are to be had."""
        return sum(cell.max_points for cell in self.cells)


def make_demo(
    course: Course,
    folder: Path,
    wanted: list[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[CourseFolder, dict[str, list[HandIn]]]:
    """A fresh course folder with assignments released and handed in by the sample class: `wanted`, or all.

    Raises CourseError when `folder` holds something that this command did not make.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise CourseError(f"{folder} is not empty.", "Name another folder with --dir.")
        shutil.rmtree(folder)
    names = course.names(wanted)
    build(course, names)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    made = init(course.root, folder, names, force=True, progress=progress)
    own = course.settings.limits
    limits = replace(own, cell_seconds=min(DEMO_CELL_SECONDS, own.cell_seconds))
    (folder / "course.toml").write_text(_toml(limits, course, names), encoding="utf-8")
    classes = {name: make_class(course, name) for name in names}
    for hand_ins in classes.values():
        for hand_in in hand_ins:
            hand_in.write(folder / "submitted")
    _enrol(made, [h for hand_ins in classes.values() for h in hand_ins])
    return made, classes


def _toml(limits: Limits, course: Course, names: list[str]) -> str:
    """The demo's course.toml: shorter limits, and what the assignments are called."""
    lines = ["[limits]", *(f"{key} = {value}" for key, value in asdict(limits).items())]
    for name in names:
        title = json.dumps(course.settings.assignment(name).title, ensure_ascii=False)
        lines += ["", "[[assignment]]", f'name = "{name}"', f"title = {title}"]
    return "\n".join(lines) + "\n"


def _enrol(folder: CourseFolder, hand_ins: list[HandIn]) -> None:
    """Write the class list into the gradebook."""
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as gradebook:
        for student in {h.student for h in hand_ins}:
            gradebook.update_or_create_student(
                student.id, first_name=student.first_name, last_name=student.last_name
            )


def grade_demo(
    folder: CourseFolder, hand_ins: list[HandIn], due: datetime | None, progress: Progress | None = None
) -> tuple[list[Row], Summary]:
    """Grade one assignment and read the gradebook back, one row per hand-in in the order of the class."""
    name = hand_ins[0].assignment
    summary = grade_class(folder, name, progress=progress)
    assignment = folder.assignment(name)
    graded = [c for n in assignment.notebooks for c in n.cells if c.role in (TEST, MANUAL) and c.points]
    with Recorder(folder, assignment) as recorder:
        scores = recorder.scores()
    results = {result.student: result for result in summary.results}
    rows = []
    for hand_in in hand_ins:
        found, result = scores[hand_in.student.id], results[hand_in.student.id]
        explained = dict.fromkeys(o.misconception for o in result.outcomes if o.misconception)
        rows.append(
            Row(
                hand_in=hand_in,
                cells=tuple(
                    Cell(c.grade_id, found.get(c.grade_id), c.points, c.role == MANUAL) for c in graded
                ),
                verdict=result.verdict,
                late=max(timedelta(0), hand_in.handed_in - due) if due else timedelta(0),
                repaired=result.repairs,
                misconceptions=tuple(explained),
            )
        )
    return rows, summary


def gradebook_table(title: str, rows: list[Row]) -> tuple[Table, str]:
    """The table to print, and a line that says which exercise each numbered column is."""
    lines = []
    for row in rows:
        student = row.hand_in.student
        who = Text.assemble(f"{student.first_name} {student.last_name}\n", (f"  {row.hand_in.story}", "dim"))
        remarks = ((_lateness(row.late),) if row.late else (), row.repaired, row.misconceptions)
        lines.append(Line(who, row.cells, row.verdict, remarks))
    return class_report.gradebook_table(
        lines, title, who="Student, what was handed in", remarks="Late, repaired, explained"
    )


def _lateness(late: timedelta) -> str:
    hours = late.total_seconds() / 3600
    return f"late by {hours:.0f} hours" if hours >= 1.5 else f"late by {hours * 60:.0f} minutes"


def run_demo(
    course: Course,
    directory: Path,
    console: Console,
    verdict_bar: Callable[[str], AbstractContextManager[Progress]],
    step_bar: Callable[[str], AbstractContextManager[tuple[Bar, Any]]],
    names: list[str] | None = None,
) -> None:
    """All of it for the notebooks named (else all), with what a reader should know printed to `console`.

    `verdict_bar` opens a progress bar of that title and gives the function that moves it; `step_bar` gives
    the bar itself and its task.
    """
    with step_bar("building") as (steps, task):
        folder, classes = make_demo(
            course,
            directory,
            names,
            lambda what, done, total: steps.update(task, description=what, completed=done, total=total),
        )
    console.print(
        f"The course is built. A made-up class has handed in {sum(map(len, classes.values()))} notebooks. "
        f"Here a cell may run {folder.limits().cell_seconds:g} seconds; course.toml says "
        f"{course.settings.limits.cell_seconds:g}."
    )
    for name, hand_ins in classes.items():
        with verdict_bar(f"grading {name}") as progress:
            rows, summary = grade_demo(folder, hand_ins, course.settings.assignment(name).due, progress)
        table, legend = gradebook_table(f"{name}: {len(rows)} hand-ins in {summary.seconds:.0f} s", rows)
        console.print()
        console.print(table)
        console.print(legend, style="dim")
        for cell, why in summary.broken_tests.items():
            console.print(f"The course's own solution fails {cell}: {why}", style="red", markup=False)
        write_feedback(folder, name)
        write_report(folder, make_report(folder, name))
    console.print()
    for path, what in _written(folder):
        console.print(f"{path}  {what}", markup=False)
    console.print()
    if len(classes) < len(course.names()):
        console.print("These were the notebooks " + ", ".join(classes) + "; course demo --all takes all.")
    console.print(f"Next: {NEXT}", markup=False, soft_wrap=True)


def _written(folder: CourseFolder) -> list[tuple[str, str]]:
    def shown(path: Path) -> str:
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)

    files = [
        (folder.root / "gradebook.db", "nbgrader's gradebook, which Formgrader in JupyterLab shows"),
        (folder.root / "submitted", "what the class handed in"),
        (folder.root / "autograded", "the same notebooks, rebuilt, run and graded"),
        (folder.root / "feedback", "a page for each student: open one in a browser"),
        (folder.root / "reports", "how the class did: open the .html"),
    ]
    found = [(shown(path), what) for path, what in files if path.exists()]
    width = max(len(path) for path, _ in found)
    return [(path.ljust(width), what) for path, what in found]

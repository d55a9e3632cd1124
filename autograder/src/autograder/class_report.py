"""What `course grade` prints: the gradebook as a table, and what needs a person."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.course_folder import MANUAL, TEST, CourseFolder
from autograder.grade_class import Summary, journal_path, read_journal
from autograder.marks import NotebookMarks, StudentMarks, read_marks
from autograder.records import INTERNAL, PARTIAL, PASSED, UNREADABLE, Result
from autograder.records import MANUAL as MANUAL_VERDICT

STYLES = {
    PASSED: "green",
    MANUAL_VERDICT: "green",
    PARTIAL: "yellow",
    INTERNAL: "bold magenta",
    UNREADABLE: "bold red",
}
SHOWN_REMARKS = 2


@dataclass(frozen=True)
class Cell:
    """One graded cell as the gradebook has it; `points` is None while a person has to grade it."""

    name: str
    points: float | None
    max_points: float
    by_hand: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a gradebook: who, the points, the verdict, and groups of remarks on the hand-in."""

    who: Text
    cells: tuple[Cell, ...]
    verdict: str
    remarks: tuple[tuple[str, ...], ...] = ()

    @property
    def points(self) -> float:
        """The points so far, without what a person has yet to grade."""
        return sum(cell.points or 0.0 for cell in self.cells)


def latest_results(folder: CourseFolder, assignment: str) -> list[Result]:
    """The last result of every student, from the journal, by name."""
    graded, _, _ = read_journal(journal_path(folder, assignment))
    return [graded[student] for student in sorted(graded)]


def gradebook_table(
    lines: Sequence[Line], title: str | None = None, who: str = "Student", remarks: str = "Repaired"
) -> tuple[Table, str]:
    """The table to print, and a line that says which exercise each numbered column is."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(who, no_wrap=True)
    columns = lines[0].cells
    for number, cell in enumerate(columns, start=1):
        table.add_column(f"{number}\n/{cell.max_points:g}", justify="right", no_wrap=True)
    most = sum(cell.max_points for cell in columns)
    table.add_column(f"Sum\n/{most:g}", justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column(remarks)
    for line in lines:
        table.add_row(
            line.who,
            *(_score(cell) for cell in line.cells),
            Text(f"{line.points:g}", style="bold"),
            Text(line.verdict, style=STYLES.get(line.verdict, "red")),
            Text("\n".join(_remarks(line))),
        )
    names = ", ".join(f"{n} {cell.name.removeprefix('test_')}" for n, cell in enumerate(columns, start=1))
    waits = any(cell.points is None for line in lines for cell in line.cells)
    return table, f"Columns: {names}." + (" A ? waits for a person." if waits else "")


def _score(cell: Cell) -> Text:
    if cell.points is None:
        return Text("?", style="cyan")
    style = "green" if cell.points >= cell.max_points else ("red" if cell.points <= 0 else "yellow")
    return Text(f"{cell.points:g}", style=style)


def _remarks(line: Line) -> Iterator[str]:
    for sentences in line.remarks:
        yield from sentences[:SHOWN_REMARKS]
        if len(sentences) > SHOWN_REMARKS:
            yield f"and {len(sentences) - SHOWN_REMARKS} more"


def class_lines(folder: CourseFolder, assignment: str, results: list[Result]) -> list[Line]:
    """The gradebook of an assignment: what machines and people have given so far."""
    graded = [
        (notebook.name, cell)
        for notebook in folder.assignment(assignment).notebooks
        for cell in notebook.cells
        if cell.role in (TEST, MANUAL) and cell.points
    ]
    marks = read_marks(folder, assignment)
    lines = []
    for result in results:
        notebooks = marks.get(result.student, StudentMarks()).notebooks
        cells = []
        for notebook, cell in graded:
            mark = notebooks.get(notebook, NotebookMarks()).marks.get(cell.grade_id)
            points = mark.points if mark else None
            cells.append(Cell(cell.grade_id, points, cell.points, cell.role == MANUAL))
        problems = tuple(n.problem for n in result.notebooks if n.problem)
        lines.append(Line(Text(result.student), tuple(cells), result.verdict, (problems or result.repairs,)))
    return lines


def to_mark(line: Line) -> list[Cell]:
    """The written answers that wait for a person. Who handed in nothing readable has none."""
    if line.verdict in (INTERNAL, UNREADABLE):
        return []
    return [cell for cell in line.cells if cell.by_hand and cell.points is None]


def marking_sentences(lines: Sequence[Line], assignment: str, course_dir: str) -> list[str]:
    """What a person has to mark, and what to run then; nothing if nothing waits."""
    waiting = [cells for line in lines if (cells := to_mark(line))]
    if not waiting:
        return []
    answers, points = sum(map(len, waiting)), sum(cell.max_points for cells in waiting for cell in cells)
    return [
        f"needs you: {answers} written answer{'s' * (answers != 1)} of {len(waiting)} "
        f"student{'s' * (len(waiting) != 1)} {'wait' if answers != 1 else 'waits'} for a person, "
        f"{points:g} points together: mark with nbgrader's formgrader (in JupyterLab)",
        f"then: course feedback, course report, course export; each {assignment} --course-dir {course_dir}",
    ]


def print_summary(folder: CourseFolder, summary: Summary) -> None:
    """The table of the whole class, then a line on this run and what needs a person."""
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    results = latest_results(folder, summary.assignment)
    lines = class_lines(folder, summary.assignment, results)
    table, legend = gradebook_table(lines)
    console.print(table)
    console.print(legend, style="dim", markup=False)
    graded = ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.most_common()) or "nothing new"
    pace = f" in {summary.seconds:.1f} s" if summary.results else ""
    unchanged = f"; {len(summary.skipped)} unchanged" if summary.skipped else ""
    resumed = f"; {len(summary.resumed)} graded before and recorded now" if summary.resumed else ""
    console.print(f"graded {len(summary.results)}{pace}: {graded}{unchanged}{resumed}")
    for grade_id, why in summary.broken_tests.items():
        console.print(
            f"warning: your own solution does not pass {grade_id}: {why}", style="bold yellow", markup=False
        )
    for name in summary.refused:
        console.print(
            f"needs you: the folder {name!r} can't be a student's name and was not graded; rename it",
            markup=False,
        )
    for result in results:
        for notebook in result.notebooks:
            if notebook.status == INTERNAL:
                why = notebook.problem or next(
                    (o.note for o in notebook.outcomes if o.status == INTERNAL), ""
                )
                console.print(
                    f"needs you: {result.student}: {why.strip().splitlines()[-1] if why else ''}",
                    style="magenta",
                    markup=False,
                )
        for sentence in result.review:
            console.print(f"needs you: {result.student}: {sentence}", style="magenta", markup=False)
    for sentence in marking_sentences(lines, summary.assignment, shlex.quote(str(folder.root))):
        console.print(sentence, markup=False, style="magenta")
    console.print(f"gradebook: {folder.db_url}", markup=False)
    console.print(
        f"graded notebooks: {folder.step('autograded', 'STUDENT', summary.assignment)}", markup=False
    )
    console.print(f"journal: {journal_path(folder, summary.assignment)}", markup=False)


def summary_json(folder: CourseFolder, summary: Summary) -> dict[str, Any]:
    """The same for a program."""
    results = latest_results(folder, summary.assignment)
    lines = class_lines(folder, summary.assignment, results)
    return {
        "assignment": summary.assignment,
        "seconds": round(summary.seconds, 3),
        "graded": len(summary.results),
        "unchanged": summary.skipped,
        "resumed": summary.resumed,
        "broken_tests": summary.broken_tests,
        "refused": summary.refused,
        "verdicts": dict(summary.verdicts),
        "students": [
            {
                "student": r.student,
                "points": r.points,
                "max_points": r.max_points,
                "verdict": r.verdict,
                "to_mark": {cell.name: cell.max_points for cell in to_mark(line)},
                "repairs": list(r.repairs),
                "review": list(r.review),
                "outcomes": [
                    {
                        "test": o.grade_id,
                        "points": o.points,
                        "max_points": o.max_points,
                        "status": o.status,
                        "misconception": o.misconception,
                    }
                    for o in r.outcomes
                ],
            }
            for r, line in zip(results, lines, strict=True)
        ],
    }

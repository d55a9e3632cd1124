"""What `course grade` prints: the gradebook as a table, and what needs a person."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.course_folder import CourseFolder
from autograder.grade_class import Summary, journal_path, read_journal
from autograder.records import INTERNAL, PASSED, UNREADABLE, Result

STYLES = {
    "passed": "green",
    "partial": "yellow",
    "failed": "",
    "manual": "",
    INTERNAL: "bold magenta",
    UNREADABLE: "bold red",
}


def latest_results(folder: CourseFolder, assignment: str) -> list[Result]:
    """The last result of every student, from the journal, by name."""
    graded, _, _ = read_journal(journal_path(folder, assignment))
    return [graded[student] for student in sorted(graded)]


def gradebook_table(results: list[Result]) -> Table:
    """One row per student: points per exercise, total, verdict, what was repaired."""
    tests = list(dict.fromkeys(o.grade_id for r in results for o in r.outcomes))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("student", no_wrap=True)
    for test in tests:
        table.add_column(test.removeprefix("test_").replace("_", " "), justify="right")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("repaired")
    for result in results:
        points = {o.grade_id: o for o in result.outcomes}
        cells = []
        for test in tests:
            outcome = points.get(test)
            shown = "" if outcome is None else f"{outcome.points:g}"
            cells.append(shown if outcome is None or outcome.status == PASSED else f"[yellow]{shown}[/]")
        style = STYLES.get(result.verdict, "red")
        verdict = f"[{style}]{result.verdict}[/]" if style else result.verdict
        notes = "; ".join([*result.repairs[:2], *(["..."] if len(result.repairs) > 2 else [])])
        problem = "; ".join(n.problem for n in result.notebooks if n.problem)
        table.add_row(
            escape(result.student),
            *cells,
            f"{result.points:g}/{result.max_points:g}",
            verdict,
            escape(problem or notes),
        )
    return table


def print_summary(folder: CourseFolder, summary: Summary) -> None:
    """The table of the whole class, then a line on this run and what needs a person."""
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    results = latest_results(folder, summary.assignment)
    console.print(gradebook_table(results))
    graded = ", ".join(f"{n} {verdict}" for verdict, n in summary.verdicts.most_common()) or "nothing new"
    pace = f" in {summary.seconds:.1f} s" if summary.results else ""
    unchanged = f"; {len(summary.skipped)} unchanged" if summary.skipped else ""
    resumed = f"; {len(summary.resumed)} recorded from a run that was stopped" if summary.resumed else ""
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
    console.print(f"gradebook: {folder.db_url}", markup=False)
    console.print(
        f"graded notebooks: {folder.step('autograded', 'STUDENT', summary.assignment)}", markup=False
    )
    console.print(f"journal: {journal_path(folder, summary.assignment)}", markup=False)


def summary_json(folder: CourseFolder, summary: Summary) -> dict[str, Any]:
    """The same for a program."""
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
            for r in latest_results(folder, summary.assignment)
        ],
    }

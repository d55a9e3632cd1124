"""`course report`: what an instructor wants to know about an assignment, on one page, and as CSV and JSON.

For instructors only: it holds notes on hidden tests and names students.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from autograder import pages
from autograder.answers import REST, TESTED, Section, sections, title
from autograder.course_folder import MANUAL as BY_HAND
from autograder.course_folder import TEST, Assignment, CourseFolder
from autograder.feedback import graded, still_shown, trusted
from autograder.late import assignment_title, refresh_penalties
from autograder.marks import NotebookMarks, StudentMarks, read_marks
from autograder.records import (
    DIED,
    INTERNAL,
    MEMORY,
    PASSED,
    SEVERITY,
    TIMEOUT,
    UNREADABLE,
    NotebookResult,
    Result,
    TestOutcome,
)
from autograder.similarity import Group, Work, similar

BINS = 10
MIN_FOR_DISCRIMINATION = 8
SLOWEST = 10
SHOWN_GROUPS, SIDE_BY_SIDE = 30, 10
MAX_SHOWN_SOURCE = 3000


@dataclass(frozen=True)
class Counted:
    """A sentence and the students it is about."""

    text: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class ExerciseStatistics:
    """One exercise over the whole class.

    `full` and `mean` are shares of those graded; `discrimination` is the correlation of its points with those
    of all other exercises (none for a small class, or where everybody has the same).
    """

    key: str
    title: str
    max_points: float
    by_hand: bool
    graded: int
    waiting: int
    blank: int
    full: float | None
    mean: float | None
    hidden_only: int
    discrimination: float | None
    misconceptions: tuple[Counted, ...]
    hints: tuple[Counted, ...]
    seconds: float

    @property
    def remark(self) -> str:
        """What to look at, if anything."""
        if self.discrimination is not None and self.discrimination < 0:
            return "the stronger students do worse: look at this test"
        if self.full == 1 and self.graded >= MIN_FOR_DISCRIMINATION:
            return "everybody has it: it tells nothing apart"
        if self.full == 0 and self.graded >= MIN_FOR_DISCRIMINATION:
            return "nobody has it: look at this test"
        if self.discrimination is not None and self.discrimination < 0.2:
            return "hardly tells strong from weak"
        return ""


@dataclass(frozen=True)
class StudentRow:
    """One hand-in. `share` is of the points that are known so far."""

    student: str
    points: float
    max_points: float
    penalty: float
    share: float | None
    verdict: str
    seconds: float
    late_seconds: float
    scores: dict[str, float | None]
    waiting: tuple[str, ...]
    repairs: tuple[str, ...]
    limits: tuple[str, ...]
    feedback: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return max(0.0, self.points - self.penalty)


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    assignment: str
    handed_in: int
    max_points: float
    students: tuple[StudentRow, ...]
    exercises: tuple[ExerciseStatistics, ...]
    verdicts: dict[str, int]
    went_wrong: tuple[Counted, ...]
    needs_a_person: tuple[Counted, ...]
    similar: tuple[Group, ...]
    works: dict[str, dict[str, Work]] = field(default_factory=dict, repr=False)
    title: str = ""

    @property
    def shares(self) -> list[float]:
        return [row.share for row in self.students if row.share is not None]

    def to_json(self) -> dict[str, Any]:
        """Plain data for other programs."""
        data = asdict(self)
        del data["works"]
        for row, made in zip(self.students, data["students"], strict=True):
            made["score"] = row.score
            del made["feedback"]
        return data


def make_report(folder: CourseFolder, assignment: str) -> Report:
    """Gather everything. Raises CourseError when nobody has been graded yet."""
    ours = folder.assignment(assignment)
    results = still_shown(folder, ours, graded(folder, assignment))
    refresh_penalties(folder, assignment)
    marks = read_marks(folder, assignment)
    handed_in = folder.students(assignment)
    found = [_Gathered(ours, result, marks.get(result.student, StudentMarks())) for result in results]
    cells = {
        _key(ours, n.name, c.grade_id): c
        for n in ours.notebooks
        for c in n.cells
        if c.role in (TEST, BY_HAND)
    }
    keys = list(cells)
    rows = tuple(_row(folder, one) for one in found)
    points = np.array([[_nan(row.scores.get(key)) for key in keys] for row in rows])
    readable = [i for i, r in enumerate(results) if r.verdict not in (UNREADABLE, INTERNAL)]
    strength = dict(zip(keys, discrimination(points[readable]), strict=True))
    works = {one.result.student: one.works for one in found}
    return Report(
        assignment=assignment,
        handed_in=len(handed_in),
        max_points=sum(notebook.max_points for notebook in ours.notebooks),
        students=rows,
        exercises=tuple(
            _statistics(key, cells[key].points, cells[key].role == BY_HAND, found, strength[key])
            for key in keys
        ),
        verdicts=dict(
            sorted(Counter(r.verdict for r in results).items(), key=lambda kv: SEVERITY[::-1].index(kv[0]))
        ),
        went_wrong=_counted(_wrong(results, rows)),
        needs_a_person=tuple(_needs(results, set(handed_in), rows)),
        similar=tuple(similar(works)),
        works=works,
        title=assignment_title(folder, assignment),
    )


def _key(ours: Assignment, notebook: str, grade_id: str) -> str:
    return grade_id if len(ours.notebooks) == 1 else f"{notebook}/{grade_id}"


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


class _Gathered:
    """One hand-in with everything known about it, by exercise."""

    def __init__(self, ours: Assignment, result: Result, marks: StudentMarks) -> None:
        self.result = result
        self.marks = marks
        self.scores: dict[str, float | None] = {}
        self.most: dict[str, float] = {}
        self.blank: set[str] = set()
        self.outcomes: dict[str, TestOutcome] = {}
        self.works: dict[str, Work] = {}
        for notebook in result.notebooks:
            self._notebook(ours, notebook, marks.notebooks.get(notebook.notebook, NotebookMarks()))

    def _notebook(self, ours: Assignment, result: NotebookResult, marks: NotebookMarks) -> None:
        outcomes = {outcome.grade_id: outcome for outcome in result.outcomes}
        points = {cell.grade_id: cell.points for cell in ours.notebook(result.notebook).cells}
        for section in sections(trusted(ours, result), result):
            if section.kind == REST:
                continue
            key = _key(ours, result.notebook, section.grade_id)
            outcome, mark = outcomes.get(section.grade_id), marks.marks.get(section.grade_id)
            self.most[key] = points[section.grade_id]
            if outcome is not None:
                self.outcomes[key] = outcome
            if mark is not None:
                self.scores[key] = mark.points
            else:
                self.scores[key] = (
                    outcome.points if outcome is not None and outcome.status != INTERNAL else None
                )
            if not section.attempted and result.status not in (UNREADABLE, INTERNAL):
                self.blank.add(key)
            self._work(key, section)

    def _work(self, key: str, section: Section) -> None:
        own = [a for a in section.answers if a.changed and a.kind == "code"]
        if section.kind == TESTED and own:
            self.works[key] = Work(
                "\n".join(answer.source for answer in own), "\n".join(answer.released for answer in own)
            )


def discrimination(points: np.ndarray) -> list[float | None]:
    """For each column (an exercise) its correlation with the sum of the others. Rows are students.

    The corrected item-total correlation: near 0, an exercise does not tell strong students from weak ones.
    """
    found: list[float | None] = []
    for column in range(points.shape[1]):
        item = points[:, column]
        rest = np.nansum(np.delete(points, column, axis=1), axis=1)
        known = ~np.isnan(item)
        item, rest = item[known], rest[known]
        if len(item) < MIN_FOR_DISCRIMINATION or np.ptp(item) == 0 or np.ptp(rest) == 0:
            found.append(None)
        else:
            found.append(round(float(np.corrcoef(item, rest)[0, 1]), 3))
    return found


def _row(folder: CourseFolder, one: _Gathered) -> StudentRow:
    result = one.result
    known = {key: points for key, points in one.scores.items() if points is not None}
    known_max = sum(one.most[key] for key in known)
    points = sum(known.values())
    return StudentRow(
        student=result.student,
        points=points,
        max_points=sum(one.most.values()),
        penalty=one.marks.penalty,
        share=round(points / known_max, 4) if known_max else None,
        verdict=result.verdict,
        seconds=round(sum(n.seconds for n in result.notebooks), 3),
        late_seconds=one.marks.late_seconds,
        scores=one.scores,
        waiting=tuple(one.marks.waiting),
        repairs=result.repairs,
        limits=tuple(limit for n in result.notebooks for limit in n.limits_hit),
        feedback=tuple(_links(folder, result)),
    )


def _links(folder: CourseFolder, result: Result) -> Iterable[str]:
    """Addresses of the feedback pages that have been written, as seen from reports/."""
    for notebook in result.notebooks:
        path = folder.step("feedback", result.student, result.assignment) / f"{notebook.notebook}.html"
        if path.exists() and path.is_relative_to(folder.root):
            yield "../" + quote(path.relative_to(folder.root).as_posix(), errors="surrogateescape")


def _statistics(
    key: str, max_points: float, by_hand: bool, found: list[_Gathered], strength: float | None
) -> ExerciseStatistics:
    scores = {one.result.student: one.scores[key] for one in found if key in one.scores}
    known = [points for points in scores.values() if points is not None]
    failed = [(one.result.student, one.outcomes[key]) for one in found if key in one.outcomes]
    failed = [
        (student, outcome)
        for student, outcome in failed
        if outcome.status not in (PASSED, UNREADABLE, INTERNAL)
    ]
    blank = {one.result.student for one in found if key in one.blank}
    return ExerciseStatistics(
        key=key,
        title=title(key),
        max_points=max_points,
        by_hand=by_hand,
        graded=len(known),
        waiting=len(scores) - len(known),
        blank=len(blank),
        full=sum(points >= max_points for points in known) / len(known) if known else None,
        mean=sum(known) / len(known) / max_points if known and max_points else None,
        hidden_only=sum(outcome.hidden for _, outcome in failed),
        discrimination=strength,
        misconceptions=_counted((student, o.misconception) for student, o in failed),
        hints=_counted((student, _hint(o)) for student, o in failed if student not in blank),
        seconds=max((one.outcomes[key].seconds for one in found if key in one.outcomes), default=0.0),
    )


def _hint(outcome: TestOutcome) -> str:
    """What the test said, in one line: for a hidden test what it said to the instructor."""
    words = f"Hidden test, {outcome.note}" if outcome.hidden else outcome.message
    return pages.shortened(" ".join(words.split()), 300)


def _counted(said: Iterable[tuple[str, str]]) -> tuple[Counted, ...]:
    """Equal sentences together, the most frequent first."""
    who: dict[str, list[str]] = {}
    for student, text in said:
        if text:
            who.setdefault(text, []).append(student)
    return tuple(
        Counted(text, tuple(who[text])) for text in sorted(who, key=lambda text: (-len(who[text]), text))
    )


#: What is said of hand-ins that ended so; wrong answers are told exercise by exercise.
ENDINGS = {
    TIMEOUT: "Stopped, as it ran too long",
    MEMORY: "Stopped, as it used too much memory",
    DIED: "Ended before the tests",
    UNREADABLE: "Could not be read",
    INTERNAL: "The grader itself failed",
}


def _wrong(results: list[Result], rows: tuple[StudentRow, ...]) -> Iterable[tuple[str, str]]:
    """What went wrong with whole hand-ins: how they ended, and who has not one point."""
    for result, row in zip(results, rows, strict=True):
        if result.verdict in ENDINGS:
            yield row.student, ENDINGS[result.verdict]
        if row.share == 0:
            yield row.student, "No points at all"


def _needs(results: list[Result], handed_in: set[str], rows: tuple[StudentRow, ...]) -> Iterable[Counted]:
    """What only a person can settle, the most urgent first."""
    notebooks = [(r.student, n) for r in results for n in r.notebooks]
    yield from _counted(
        (s, f"The grader itself failed: {_why(n)}") for s, n in notebooks if n.status == INTERNAL
    )
    yield from _counted(
        (s, f"The hand-in can't be read: {n.problem}") for s, n in notebooks if n.status == UNREADABLE
    )
    missing = sorted(handed_in - {r.student for r in results})
    yield from _counted((student, "Handed in, but not graded yet: course grade") for student in missing)
    waiting = [
        (row.student, title(grade_id))
        for row in rows
        for grade_id in row.waiting
        if row.verdict not in (INTERNAL, UNREADABLE)
    ]
    yield from _counted((student, f"To be graded by hand: {name}") for student, name in waiting)


def _why(notebook: NotebookResult) -> str:
    notes = [notebook.problem, *(o.note for o in notebook.outcomes if o.status == INTERNAL)]
    return next((note.strip().splitlines()[-1] for note in notes if note.strip()), "it does not say why")


def write_report(folder: CourseFolder, report: Report) -> list[Path]:
    """Write reports/ASSIGNMENT.html, .csv and .json in the course folder; the files."""
    base = folder.root / "reports" / report.assignment
    texts = {".html": report_page(report), ".csv": as_csv(report), ".json": as_json(report)}
    written = []
    for ending, text in texts.items():
        path = pages.inside(folder.root, base.with_name(base.name + ending))
        pages.write_page(path, text)
        written.append(path)
    return written


def as_json(report: Report) -> str:
    """The report for a program."""
    return json.dumps(report.to_json(), indent=1) + "\n"


def as_csv(report: Report) -> str:
    """One line per student; text that a spreadsheet would take for a formula is marked as text."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    keys = [exercise.key for exercise in report.exercises]
    facts = (
        "student",
        "score",
        "points",
        "late_penalty",
        "max_points",
        "verdict",
        "late_seconds",
        "seconds",
        "waits_for",
        "repaired",
        "limits",
    )
    table.writerow([_cell(text) for text in (*facts, *keys)])
    for row in report.students:
        values = [
            row.student,
            row.score,
            row.points,
            row.penalty,
            row.max_points,
            row.verdict,
            row.late_seconds,
            row.seconds,
        ]
        values += ["; ".join(row.waiting), "; ".join(row.repairs), "; ".join(row.limits)]
        table.writerow([_cell(value) for value in (*values, *(row.scores.get(key) for key in keys))])
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        value = pages.plain(value)
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return "" if value is None else value


def report_page(report: Report) -> str:
    """The HTML of the page."""
    slowest = sorted(report.students, key=lambda row: -row.seconds)[:SLOWEST]
    groups = report.similar[:SHOWN_GROUPS]
    return pages.render(
        "report.html.j2",
        report=report,
        title=report.title or title(report.assignment),
        histogram=histogram(report.shares),
        slowest=slowest,
        repaired=[row for row in report.students if row.repairs],
        limited=[row for row in report.students if row.limits],
        groups=groups,
        more_groups=len(report.similar) - len(groups),
        side_by_side={group: _side_by_side(report, group) for group in groups[:SIDE_BY_SIDE]},
    )


def _side_by_side(report: Report, group: Group) -> list[tuple[str, str]]:
    """What the closest pair of a group wrote."""
    pair = group.closest
    return [
        (
            student,
            pages.shortened(
                "\n\n".join(report.works[student][e].source for e in pair.exercises), MAX_SHOWN_SOURCE
            ),
        )
        for student in (pair.first, pair.second)
    ]


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, in the drawing's units."""

    x: float
    y: float
    height: float
    count: int
    label: str


@dataclass(frozen=True)
class Histogram:
    """How the class did: bars, and the mean and the median as shares."""

    bars: tuple[Bar, ...]
    mean: float
    median: float
    text: str


def histogram(shares: list[float]) -> Histogram | None:
    """Bars for every tenth of the points, ready to be drawn 600 wide and 160 high."""
    if not shares:
        return None
    counts = np.histogram(np.clip(shares, 0, 1), bins=BINS, range=(0, 1))[0]
    width, height, top = 600 / BINS, 160, max(counts)
    labels = [f"{100 * i // BINS} to {100 * (i + 1) // BINS}%" for i in range(BINS)]
    bars = tuple(
        Bar(i * width, height - height * count / top, height * count / top, int(count), labels[i])
        for i, count in enumerate(counts)
    )
    text = ", ".join(f"{bar.label}: {bar.count}" for bar in bars if bar.count)
    return Histogram(bars, float(np.mean(shares)), float(np.median(shares)), text)

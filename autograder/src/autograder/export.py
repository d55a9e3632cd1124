"""`course export`: points in the table that the platform takes back, and feedback pages in one zip that it
takes whole.

Canvas and Moodle: the platform's own CSV is the template; one column is filled, everything else stays as it
was. Nothing is written for a student whose work still waits for a person: the cell keeps what it had, and
the names are listed.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Any

from autograder.collect import ALREADY, OLDER, TAKEN, Receipt, read_receipts
from autograder.course_folder import CourseFolder, quiet_nbgrader
from autograder.errors import CourseError
from autograder.late import assignment_title, refresh_penalties
from autograder.layouts import CANVAS_NAME
from autograder.roster import Identity, Roster, decoded, read_roster, separator

CANVAS, MOODLE, CSV, JSON = "canvas", "moodle", "csv", "json"
TARGETS = (CANVAS, MOODLE, CSV, JSON)
_CANVAS_HEADER = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


@dataclass(frozen=True)
class Mark:
    """One student's points for an assignment. `waits`: a person has yet to grade something."""

    student: str
    first_name: str
    last_name: str
    email: str
    points: float
    max_points: float
    late_penalty: float
    handed_in: str
    waits: bool
    missing: bool


@dataclass
class Export:
    """The text to write, and what a person should know about it."""

    text: str
    filled: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def marks(folder: CourseFolder, assignment: str) -> list[Mark]:
    """Everybody's points, late penalties taken off, as formgrader shows them. Raises CourseError for an
    unknown assignment.
    """
    from nbgrader.api import Gradebook, MissingEntry

    found = []
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        try:
            known = book.find_assignment(assignment)
        except MissingEntry:
            raise CourseError(f"The gradebook does not know {assignment}.", "Grade it first.") from None
        most = float(known.max_score)
        submissions = {s.student_id: s for s in known.submissions}
        for s in book.students:
            handed = submissions.get(s.id)
            names = (s.id, s.first_name or "", s.last_name or "", s.email or "")
            if handed is None:
                found.append(Mark(*names, 0.0, most, 0.0, "", False, True))
                continue
            waits = any(
                g.needs_manual_grade and g.manual_score is None for n in handed.notebooks for g in n.grades
            )
            penalty = sum(n.late_submission_penalty or 0.0 for n in handed.notebooks)
            when = handed.timestamp.replace(tzinfo=UTC).isoformat() if handed.timestamp else ""
            points = max(0.0, float(handed.score) - penalty)
            found.append(Mark(*names, round(points, 4), most, round(penalty, 4), when, waits, False))
    return sorted(found, key=lambda m: m.student)


def export(folder: CourseFolder, assignment: str, target: str, template: Path | None = None) -> Export:
    """The points as `target` takes them. Raises CourseError where the template does not fit."""
    if target not in TARGETS:
        raise CourseError(f"{target} is not a format.", f"Known: {', '.join(TARGETS)}.")
    refresh_penalties(folder, assignment)
    found = marks(folder, assignment)
    if target == JSON:
        result = Export(
            json.dumps(
                {"assignment": assignment, "students": [asdict(m) for m in found]},
                indent=1,
                ensure_ascii=False,
            )
            + "\n"
        )
    elif target == CSV:
        result = Export(_plain(found))
    elif template is None and target == MOODLE:
        raise CourseError(
            "Moodle takes back only its own grading worksheet.",
            "Download it (Submissions, Download grading worksheet) and name it with --template.",
        )
    elif template is None:
        result = Export(_new_canvas(folder, assignment, found))
    else:
        result = _filled(folder, assignment, target, template, found)
    result.waiting = [m.student for m in found if m.waits]
    if target in (CSV, JSON) or template is None:
        result.filled = [m.student for m in found if not m.waits and not m.missing]
    return result


def number(points: float) -> str:
    """Points without a useless .0."""
    return f"{points:.4f}".rstrip("0").rstrip(".")


def _plain(found: list[Mark]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(
        [
            "student",
            "first_name",
            "last_name",
            "email",
            "points",
            "max_points",
            "late_penalty",
            "handed_in",
            "status",
        ]
    )
    for m in found:
        status = "missing" if m.missing else "waits for a person" if m.waits else "graded"
        points = "" if m.waits else number(m.points)
        row = [
            m.student,
            m.first_name,
            m.last_name,
            m.email,
            points,
            number(m.max_points),
            number(m.late_penalty),
            m.handed_in,
            status,
        ]
        writer.writerow([_harmless(text) for text in row])
    return out.getvalue()


def _harmless(text: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula; numbers may."""
    return (
        f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") and not re.fullmatch(r"-?[\d.]+", text) else text
    )


def _new_canvas(folder: CourseFolder, assignment: str, found: list[Mark]) -> str:
    people = read_roster(folder, None).people
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*_CANVAS_HEADER, assignment])
    writer.writerow(["    Points Possible", "", "", "", "", number(found[0].max_points) if found else ""])
    for m in found:
        name = f"{m.last_name}, {m.first_name}" if m.last_name else m.student
        lms = people[m.student].number if m.student in people else ""
        points = "" if m.waits or m.missing else number(m.points)
        writer.writerow([_harmless(text) for text in (name, lms, "", m.student, "", points)])
    return out.getvalue()


def _filled(folder: CourseFolder, assignment: str, target: str, template: Path, found: list[Mark]) -> Export:
    try:
        data = template.read_bytes()
    except OSError as error:
        raise CourseError(f"{template} can't be read ({error.strerror}).") from None
    text = decoded(data)
    sign = separator(text)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
    if not rows:
        raise CourseError(f"{template} is empty.", "Export it from the platform again.")
    header = [title.strip().lstrip("\ufeff") for title in rows[0]]
    column = _column(header, folder, assignment, target, template)
    by_student = {m.student: m for m in found}
    roster = read_roster(folder, None)
    _add_numbers(roster, read_receipts(folder, assignment))
    result = Export("")
    for row in rows[1:]:
        row += [""] * (len(header) - len(row))
        about = dict(zip(header, row, strict=False))
        if _is_heading(about):
            _check_maximum(row[column], found, template)
            continue
        identity = _identity(about, target)
        person, _ = roster.find(identity)
        if person is None and identity.id:
            person = roster.people.get(identity.id)
        mark = by_student.get(person.id) if person else None
        if mark is None:
            if any(identity.__dict__.values()):
                result.notes.append(f"{identity}: not in the gradebook; left as it was")
            continue
        if target == MOODLE:
            _check_maximum(about.get("Maximum grade", about.get("Maximum Grade", "")), found, template)
            if about.get("Grade can be changed", "Yes").strip().casefold() in ("no", "nein", "non"):
                result.notes.append(f"{mark.student}: Moodle has locked this grade; left as it was")
                continue
        if mark.waits or mark.missing:
            continue
        row[column] = number(mark.points)
        result.filled.append(mark.student)
    absent = sorted({m.student for m in found if not m.missing and not m.waits} - set(result.filled))
    result.notes += [f"{student}: graded, but not in {template.name}" for student in absent]
    out = io.StringIO(newline="")
    csv.writer(
        out, delimiter=sign, lineterminator="\r\n" if "\r\n" in text else "\n", quoting=csv.QUOTE_MINIMAL
    ).writerows(rows)
    mark_at_start = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
    result.text = mark_at_start + out.getvalue()
    return result


def _column(header: list[str], folder: CourseFolder, assignment: str, target: str, template: Path) -> int:
    if target == MOODLE:
        found = [
            i
            for i, title in enumerate(header)
            if title.casefold() in ("grade", "bewertung", "note", "calificación")
        ]
    else:
        title = assignment_title(folder, assignment)
        wanted = {assignment.casefold(), title.casefold()} - {""}
        found = [i for i, t in enumerate(header) if re.sub(r"\s*\(\d+\)$", "", t).casefold() in wanted]
    if len(found) != 1:
        why = "has no column for" if not found else "has several columns for"
        raise CourseError(f"{template} {why} {assignment}.", f"Its columns: {', '.join(header)}.")
    return found[0]


def _is_heading(about: dict[str, str]) -> bool:
    return about.get("Student", "").strip() == "Points Possible"


def _check_maximum(text: str, found: list[Mark], template: Path) -> None:
    """The platform's highest mark must be ours: 36 of 40 is not 36 of 100."""
    try:
        theirs = float(text.strip().replace(",", "."))
    except ValueError:
        return
    ours = found[0].max_points if found else theirs
    if abs(theirs - ours) > 1e-6:
        raise CourseError(
            f"{template} has a maximum of {number(theirs)} points, the gradebook of {number(ours)}.",
            "Set the platform's maximum to the gradebook's and export its table again.",
        )


def _identity(about: dict[str, str], target: str) -> Identity:
    if target == MOODLE:
        lms = re.sub(r"^\D+", "", about.get("Identifier", ""))
        ids = about.get("ID number", "") or about.get("Username", "") or about.get("Email address", "")
        return Identity(lms, ids.strip(), about.get("Full name", "").strip())
    ids = about.get("SIS Login ID", "") or about.get("SIS User ID", "")
    name = " ".join(reversed([part.strip() for part in about.get("Student", "").split(",")]))
    return Identity(about.get("ID", "").strip(), ids.strip(), name)


def _add_numbers(roster: Roster, receipts: list[Receipt]) -> None:
    """The platform's numbers as they stood in the collected files' names."""
    for receipt in receipts:
        found = re.search(r"\((\d+)\)$", receipt.identity)
        person = roster.people.get(receipt.student)
        if found and person is not None:
            roster.people[person.id] = replace(person, lms=person.lms | {found.group(1)})


# -- feedback ----------------------------------------------------------------------------------------------


def feedback_zip(folder: CourseFolder, assignment: str, target: str) -> tuple[bytes, list[str], list[str]]:
    """One zip of feedback pages in the platform's layout; who is in it, and who has a page but no place on
    the platform.

    The same pages give the same bytes. Raises CourseError when there are no pages yet.
    """
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        students = sorted(s.id for s in book.students)
    pages = {s: sorted(folder.step("feedback", s, assignment).glob("*.html")) for s in students}
    pages = {s: found for s, found in pages.items() if found}
    if not pages:
        raise CourseError(
            f"There is no feedback for {assignment}.", f"Write it first: course feedback {assignment}"
        )
    receipts = [r for r in read_receipts(folder, assignment) if r.status in (TAKEN, ALREADY, OLDER)]
    out, placed, left = io.BytesIO(), [], []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, found in pages.items():
            places = _places(student, [r for r in receipts if r.student == student], target)
            if not places:
                left.append(student)
                continue
            placed.append(student)
            for page in found:
                info = zipfile.ZipInfo(f"{places}{page.stem}-feedback.html", (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, page.read_bytes())
    return out.getvalue(), placed, left


def _places(student: str, receipts: list[Receipt], target: str) -> str:
    """What stands before a page's name in the zip: the very prefix under which the platform gave the
    hand-in.
    """
    if target in (CSV, JSON):
        return f"{student}/"
    for receipt in sorted(
        receipts, key=lambda r: (r.status == OLDER, not r.file.endswith(".ipynb"), -r.order)
    ):
        name = receipt.member.replace("\\", "/")
        if target == CANVAS:
            found = CANVAS_NAME.fullmatch(name.rsplit("/", 1)[-1])
            if found:
                return name.rsplit("/", 1)[-1][: found.start("file")]
        else:
            moodle = re.search(r"(?:^|/)([^/_]*_\d+_assignsubmission_file)(?:_?/|_)", name)
            if moodle:
                return f"{moodle.group(1)}_/"
    return ""


def write_feedback_zip(folder: CourseFolder, assignment: str, target: str, path: Path) -> dict[str, Any]:
    """Write the zip; what is in it, as plain data."""
    data, placed, left = feedback_zip(folder, assignment, target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"path": str(path), "students": placed, "without_place": left}

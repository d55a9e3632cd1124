"""Giving back: platforms take their own tables and zips; late rules; what a person gave stays."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from classes import make, notebook_bytes, put
from engine import MEAN, Cells, solved
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.collect import collect
from autograder.course_folder import CourseFolder
from autograder.errors import CourseError
from autograder.export import export, feedback_zip, marks
from autograder.late import LateRule, due_date, read_rule

ROSTER = "id,first_name,last_name,email,lms_user_id\nmeiling,Mei Ling,Tan,mei@example.org,101\nelif,Elif,Yıldız,elif@example.org,102\n"
CANVAS = (
    "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Mean and scale (55),Other (56)\r\n"
    '"    Points Possible",,,,,5.00,10.00\r\n'
    '"Tan, Mei Ling",101,S1,mtan,"A, B",,7.5\r\n'
    '"Yıldız, Elif",102,S2,eyil,A,3.00,8\r\n'
    '"Student, Test",900,,,A,,\r\n'
)
MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,Last modified (grade),Feedback comments\n"
    'Participant 101,Mei Ling Tan,mei@example.org,"Submitted, ""late""",,5.00,Yes,-,\n'
    "Participant 102,Elif Yıldız,elif@example.org,-,1.00,5.00,Yes,-,well\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> CourseFolder:
    """Mei Ling has 3.5 points less half a point for lateness; Elif's work waits for a person."""
    made = make(tmp_path / "course")
    with open(made.root / "course.toml", "a", encoding="utf-8") as file:
        file.write('\n[[assignment]]\nname = "ps"\ntitle = "Mean and scale"\n')
    with Gradebook(made.db_url) as book:
        for student, lms, first, last in (
            ("meiling", "101", "Mei Ling", "Tan"),
            ("elif", "102", "Elif", "Yıldız"),
            ("absent", "103", "A", "B"),
        ):
            book.add_student(
                student, first_name=first, last_name=last, email=f"{student}@example.org", lms_user_id=lms
            )
        for student, score in (("meiling", 3.5), ("elif", 2.0)):
            book.add_submission("ps", student)
            grade = book.find_grade("test_mean", "ps", "ps", student)
            grade.manual_score, grade.needs_manual_grade = score, False
            book.find_grade("test_scale", "ps", "ps", student).needs_manual_grade = student == "elif"
            book.find_submission_notebook("ps", "ps", student).late_submission_penalty = 0.5
        book.db.commit()
    return made


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))


def test_canvas_takes_its_own_table_back(folder: CourseFolder, tmp_path: Path) -> None:
    template = tmp_path / "grades.csv"
    template.write_bytes(CANVAS.encode())
    found = export(folder, "ps", "canvas", template)
    before, after = rows(CANVAS), rows(found.text)
    assert after[2][5] == "3" and after[3][5] == "3.00", "Elif waits for a person and keeps what Canvas has"
    after[2][5] = before[2][5]
    assert after == before, "nothing else may change"
    assert found.text.startswith("\ufeff") and "\r\n" in found.text
    assert found.filled == ["meiling"] and found.waiting == ["elif"]
    template.write_bytes(found.text.encode())
    assert export(folder, "ps", "canvas", template).text == found.text


def test_moodle_takes_its_own_worksheet_back(folder: CourseFolder, tmp_path: Path) -> None:
    template = tmp_path / "worksheet.csv"
    template.write_text(MOODLE, encoding="utf-8")
    after = rows(export(folder, "ps", "moodle", template).text)
    assert [row[4] for row in after] == ["Grade", "3", "1.00"]
    assert after[1][3] == 'Submitted, "late"' and after[2][8] == "well"


def test_a_maximum_that_differs_is_no_small_matter(folder: CourseFolder, tmp_path: Path) -> None:
    for name, text in (
        ("canvas", CANVAS.replace("5.00,10.00", "100,10")),
        ("moodle", MOODLE.replace("5.00,Yes", "100.00,Yes")),
    ):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        with pytest.raises(CourseError, match="maximum of 100"):
            export(folder, "ps", name, tmp_path / "t.csv")


def test_a_table_without_the_column_is_refused(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CANVAS.replace("Mean and scale", "Another"), encoding="utf-8")
    with pytest.raises(CourseError, match="no column for ps"):
        export(folder, "ps", "canvas", tmp_path / "t.csv")
    with pytest.raises(CourseError, match="grading worksheet"):
        export(folder, "ps", "moodle")


def test_who_is_not_in_the_table_is_named(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "\n".join(line for line in CANVAS.split("\r\n") if "101" not in line), encoding="utf-8"
    )
    notes = export(folder, "ps", "canvas", tmp_path / "t.csv").notes
    assert any("meiling" in note for note in notes)


def test_plain_formats(folder: CourseFolder) -> None:
    with Gradebook(folder.db_url) as book:
        book.add_student("mallory", first_name='=HYPERLINK("http://x")', last_name="M")
    table = {r["student"]: r for r in csv.DictReader(io.StringIO(export(folder, "ps", "csv").text))}
    assert table["meiling"]["points"] == "3" and table["meiling"]["late_penalty"] == "0.5"
    assert table["elif"]["points"] == "" and table["elif"]["status"] == "waits for a person"
    assert table["absent"]["status"] == "missing" and table["mallory"]["first_name"].startswith("'=")
    data = json.loads(export(folder, "ps", "json").text)
    assert [s["student"] for s in data["students"] if s["waits"]] == ["elif"]
    assert rows(export(folder, "ps", "canvas").text)[1][5] == "5"


def test_the_command_says_what_it_wrote(folder: CourseFolder, tmp_path: Path) -> None:
    out = tmp_path / "grades.csv"
    done = CliRunner().invoke(
        app, ["export", "ps", "--out", str(out), "--course-dir", str(folder.root)], catch_exceptions=False
    )
    assert out.exists()
    assert re.search(rf"^Wrote {re.escape(str(out))}: \d+ students?$", done.output, re.MULTILINE)


def test_feedback_goes_back_under_the_platforms_own_names(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    book = notebook_bytes(solved())
    for layout, members, expected in (
        (
            "canvas",
            {"tanmeiling_101_9001_ps-2.ipynb": book, "yıldızelif_LATE_102_9002_my work.ipynb": book},
            {"tanmeiling_101_9001_ps-feedback.html", "yıldızelif_LATE_102_9002_ps-feedback.html"},
        ),
        (
            "moodle",
            {
                "Mei Ling Tan_101_assignsubmission_file_/ps.ipynb": book,
                "Elif Yıldız_102_assignsubmission_file_/ps.ipynb": book,
            },
            {
                "Mei Ling Tan_101_assignsubmission_file_/ps-feedback.html",
                "Elif Yıldız_102_assignsubmission_file_/ps-feedback.html",
            },
        ),
    ):
        with zipfile.ZipFile(tmp_path / f"{layout}.zip", "w") as made:
            for name, data in members.items():
                made.writestr(name, data)
        collect(folder, "ps", [tmp_path / f"{layout}.zip"], layout, tmp_path / "roster.csv")
        for student in ("meiling", "elif", "absent"):
            target = folder.step("feedback", student, "ps")
            target.mkdir(parents=True, exist_ok=True)
            (target / "ps.html").write_text(f"for {student}", encoding="utf-8")
        data, placed, left = feedback_zip(folder, "ps", layout)
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            assert set(packed.namelist()) == expected
            assert b"for elif" in {packed.read(n) for n in packed.namelist() if "lif" in n}
        assert placed == ["elif", "meiling"] and left == ["absent"]
        assert feedback_zip(folder, "ps", layout)[0] == data


@pytest.mark.parametrize(
    ("late", "lost"),
    [
        (0, 0),
        (600, 0),
        (901, 1),
        (24 * 3600 + 900, 1),
        (24 * 3600 + 901, 2),
        (3 * 24 * 3600 + 900, 3),
        (3 * 24 * 3600 + 901, 10),
    ],
)
def test_late_rules(late: int, lost: float) -> None:
    assert LateRule(percent_per_day=10, grace_minutes=15, max_days=3).penalty(10, late) == pytest.approx(lost)


def test_a_penalty_never_takes_more_than_was_earned() -> None:
    assert LateRule(percent_per_day=40).penalty(5, 9 * 24 * 3600) == 5
    assert LateRule(percent_per_day=40).penalty(0, 9 * 24 * 3600) == 0


def test_no_name_is_a_formula_in_the_table_for_canvas(folder: CourseFolder) -> None:
    with Gradebook(folder.db_url) as book:
        book.update_or_create_student("meiling", last_name="=1+1")
    assert "'=1+1, Mei Ling" in {row[0] for row in rows(export(folder, "ps", "canvas").text)}


def test_a_table_that_matches_nobody_was_filled_for_nobody(folder: CourseFolder, tmp_path: Path) -> None:
    template = tmp_path / "grades.csv"
    template.write_text("Student,ID,SIS User ID,SIS Login ID,Section,ps\nNobody,999,S9,x,A,\n")
    assert export(folder, "ps", "canvas", template).filled == []


def test_a_wrong_late_rule_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    for text, word in (("[late]\nper_day = 3", "unknown setting"), ("[late]\nmax_days = -1", "at least 0")):
        path.write_text(text)
        with pytest.raises(CourseError, match=word):
            read_rule(path)
    path.write_text("")
    assert read_rule(path) is None


def test_the_due_date_is_course_tomls_then_the_gradebooks(folder: CourseFolder) -> None:
    with Gradebook(folder.db_url) as book:
        book.update_or_create_assignment("ps", duedate="2027-01-01 00:00:00")
    assert due_date(folder, "ps") == datetime(2027, 1, 1, tzinfo=UTC)
    with open(folder.root / "course.toml", "a", encoding="utf-8") as file:
        file.write('due = "2027-02-01T12:00:00+02:00"\n')
    assert due_date(folder, "ps") == datetime(2027, 2, 1, 10, tzinfo=UTC)


WITH_TEXT: Cells = [*MEAN, ("manual", "why", "YOUR ANSWER HERE", 3)]


@pytest.mark.slow
def test_late_points_manual_points_and_doubts_in_the_gradebook(tmp_path: Path) -> None:
    """One real class: a late hand-in, one whose file was cut off, one graded by hand and graded again."""
    from autograder.grade_class import grade_class

    folder = make(tmp_path / "course", WITH_TEXT)
    with open(folder.root / "course.toml", "a", encoding="utf-8") as file:
        file.write("\n[late]\npercent_per_day = 10\n")
    with Gradebook(folder.db_url) as book:
        book.update_or_create_assignment("ps", duedate="2027-02-01 12:00:00")
    right = {**solved(WITH_TEXT), "why": "Because."}
    data = notebook_bytes(right, WITH_TEXT)
    for student, content, when in (
        ("late", data, "2027-02-03 00:00:00 UTC"),
        ("cut", data[: data.index(b"def scale")], "2027-01-31 00:00:00 UTC"),
        (
            "wrong",
            notebook_bytes({**right, "scale": "def scale(a, f): return a"}, WITH_TEXT),
            "2027-01-31 00:00:00 UTC",
        ),
    ):
        put(folder, student, content)
        (folder.step("submitted", student, "ps") / "timestamp.txt").write_text(when)
    grade_class(folder, "ps", workers=1)

    def grade(book: Gradebook, cell: str, student: str):
        return book.find_grade(cell, "ps", "ps", student)

    with Gradebook(folder.db_url) as book:
        late = book.find_submission_notebook("ps", "ps", "late")
        assert late.score == 5 and late.late_submission_penalty == 1.0, "two days begun, 10% of 5 points each"
        assert (
            grade(book, "test_mean", "cut").auto_score == 2
            and not grade(book, "test_mean", "cut").needs_manual_grade
        )
        assert grade(book, "test_scale", "cut").needs_manual_grade, (
            "it may have been in the part that was lost"
        )
        assert grade(book, "test_scale", "cut").auto_score == 0
        assert not grade(book, "test_scale", "wrong").needs_manual_grade, (
            "a plain wrong answer asks for nobody"
        )
        for cell, points in (("why", 2.5), ("test_scale", 1.0)):
            found = grade(book, cell, "wrong")
            found.manual_score, found.needs_manual_grade = points, False
        book.db.commit()
    grade_class(folder, "ps", students=["wrong"], force=True, workers=1)
    with Gradebook(folder.db_url) as book:
        assert grade(book, "why", "wrong").manual_score == 2.5
        assert grade(book, "test_scale", "wrong").score == 1.0, "the hand-given points stay when graded again"
    table = {m.student: m for m in marks(folder, "ps")}
    assert table["wrong"].points == 2 + 1 + 2.5 and not table["wrong"].waits
    assert table["cut"].waits and table["late"].waits
    assert table["late"].points == 4.0
    with Gradebook(folder.db_url) as book:
        found = grade(book, "why", "late")
        found.manual_score, found.needs_manual_grade = 3.0, False
        book.db.commit()
    given = {row[0]: row for row in rows(export(folder, "ps", "csv").text)}["late"]
    assert (given[4], given[6]) == ("6.4", "1.6"), (
        "20% of 8 points: lateness costs of points given by hand, too"
    )
    toml = folder.root / "course.toml"
    toml.write_text(toml.read_text().replace("percent_per_day = 10", "percent_per_day = 5"))
    assert set(grade_class(folder, "ps", workers=1).resumed) == {"cut", "late", "wrong"}
    with Gradebook(folder.db_url) as book:
        assert book.find_submission_notebook("ps", "ps", "late").late_submission_penalty == 0.8
        assert not grade(book, "why", "late").needs_manual_grade, "nobody is asked again for a new late rule"
        book.find_submission("ps", "late").extension = timedelta(days=9)
        book.db.commit()
    given = {row[0]: row for row in rows(export(folder, "ps", "csv").text)}["late"]
    assert (given[4], given[6]) == ("8", "0"), "an extension takes the penalty away"
    toml.write_text(toml.read_text().partition("[late]")[0])
    with Gradebook(folder.db_url) as book:
        book.find_submission("ps", "late").extension = None
        book.find_submission_notebook("ps", "ps", "late").late_submission_penalty = 2.5
        book.db.commit()
    given = {row[0]: row for row in rows(export(folder, "ps", "csv").text)}["late"]
    assert given[6] == "2.5", "without a rule a penalty is a person's"

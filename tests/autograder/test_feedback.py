"""Feedback pages say what a student may know, all of it, and nothing else."""

from __future__ import annotations

import base64
import html
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder import feedback, pages
from autograder.answers import sections
from autograder.class_report import latest_results
from autograder.cli import app
from autograder.course_folder import CourseFolder, quiet_nbgrader
from autograder.errors import CourseError
from autograder.feedback import Page, feedback_page, write_feedback
from autograder.marks import Mark, NotebookMarks, read_marks
from autograder.records import FAILED, INTERNAL, PASSED, NotebookResult, TestOutcome

SCRIPT = re.compile(
    r"<\s*(script|iframe|object|embed|link|base|form|input|textarea|foreignobject)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def given(graded_course: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A course folder with everybody's feedback in it."""
    course = graded_course.copy(tmp_path_factory.mktemp("given") / "course")
    write_feedback(course.folder, course.assignment)
    return course


@pytest.fixture(scope="module")
def written(given: Any) -> dict[str, str]:
    """Every student's page."""
    return {
        result.student: page_of(given, result.student).read_text(encoding="utf-8")
        for result in latest_results(given.folder, given.assignment)
    }


def page_of(course: Any, student: str) -> Path:
    return course.folder.step("feedback", student, course.assignment) / f"{course.assignment}.html"


def words(page: str) -> str:
    """What a reader sees of a page."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def picture(width: int, height: int) -> str:
    """A PNG whose header claims this size, whatever its data holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(
        b"IDAT", zlib.compress(b"\0" * (3 * width + 1) * height if width * height < 10_000 else b"\0")
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")).decode()


def test_every_student_gets_a_page_where_nbgrader_has_feedback(given: Any, written: dict[str, str]) -> None:
    assert len(written) == 9
    assert page_of(given, "amara") == given.root / "feedback" / "amara" / "small" / "small.html"
    assert "Feedback for amara" in words(written["amara"])
    assert "5 of 7 points" in words(written["amara"])


def test_a_page_says_outcome_hint_limits_and_lateness(written: dict[str, str]) -> None:
    chiara = words(written["chiara"])
    assert "Half of 3 is 1.5, not 6.0." in chiara and "Not right yet" in chiara
    assert "half 0 of 2" in chiara and "runs 3 of 3" in chiara
    assert "half of 3.0" not in chiara, "what a test's call prints is not an output of the student's cell"
    elif_ = words(written["elif yıldız"])
    assert "it took too long" in elif_ and "ran longer than it may" in elif_ and "Handed in 1 d late" in elif_
    assert "name 'found' is not defined" in elif_
    assert "left the program (exit status 3)" in words(written["gabi"])
    assert "its JSON is broken" in words(written["farid"]) and "hand it in once more" in words(
        written["farid"]
    )
    assert "YOUR CODE HERE" not in written["farid"], "the stub is not the student's answer"
    assert "Not attempted" in words(written["hana"])


def test_nothing_of_a_hidden_test_is_on_any_page(written: dict[str, str]) -> None:
    assert "a hidden test does not" in words(written["dilnoza"])
    for student, page in written.items():
        for secret in ("HIDDEN-MESSAGE", "424242", "212121", "hidden_argument", "abba"):
            assert secret not in page, f"{secret} is on the page of {student}"


def test_notes_for_the_instructor_stay_with_the_instructor(graded_course: Any) -> None:
    ours = graded_course.folder.assignment("small").notebooks[0]
    outcomes = (
        TestOutcome("test_half", 0.0, 2, INTERNAL, "Your instructor was told.", note="SECRET-NOTE"),
        TestOutcome("test_runs", 3.0, 3, PASSED, note="SECRET-NOTE"),
    )
    result = NotebookResult("small", outcomes, problem="SECRET-PROBLEM (referee.py, line 3)", status=INTERNAL)
    page = feedback_page(Page(Path("x"), "small", "s", ours, result, NotebookMarks(), 0.0))
    assert "SECRET" not in page
    assert "Your instructor will look at this" in page and "3 of 7 points" in page
    assert "person still has to look at them: half, why" in words(page)


def test_own_cells_are_shown_with_their_text_and_pictures(
    graded_course: Any, written: dict[str, str]
) -> None:
    page = written[graded_course.hostile]
    assert page.count("<img ") == 1, "one valid picture; the forged one is left out"
    assert re.search(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]+" alt="[^"]*&lt;script&gt;', page)
    assert "&lt;script&gt;window.pwned=1&lt;/script&gt;" in page
    assert "IPython.core.display.HTML object" in page


def test_no_markup_of_a_student_survives(written: dict[str, str]) -> None:
    for student, page in written.items():
        assert not SCRIPT.search(page), f"{student}: {SCRIPT.search(page)}"
        tags = set(
            re.findall(r"<([a-zA-Z0-9]+)[\s>/]", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
        )
        assert not tags - {
            *(
                "html",
                "head",
                "meta",
                "title",
                "style",
                "body",
                "a",
                "header",
                "h1",
                "h2",
                "h3",
                "p",
                "bdi",
                "strong",
            ),
            *(
                "svg",
                "rect",
                "main",
                "div",
                "table",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "span",
                "section",
                "pre",
                "code",
            ),
            *("figure", "img", "figcaption", "ul", "li", "footer"),
        }, f"{student}: {tags}"
        assert not re.search(r"<[^>]*\son\w+\s*=", page), student
        assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', page)), student
        assert "\u202e" not in page and "\x1b" not in page, student


def test_written_answers_are_rendered_where_that_is_safe(written: dict[str, str], graded_course: Any) -> None:
    page = next(page for page in written.values() if "True division returns a" in page)
    assert "<p>True division returns a <strong>float</strong>.</p>" in page
    assert "<li>even for 4 / 2</li>" in page
    assert "[click](" in written[graded_course.hostile], "what is dangerous is shown as it was typed"


def test_the_page_has_the_title_that_course_toml_gives(course_copy: Any) -> None:
    with open(course_copy.root / "course.toml", "a", encoding="utf-8") as file:
        file.write('title = "Halves & <runs>"\n')  # its last table is the assignment's
    write_feedback(course_copy.folder, "small", ["amara"])
    page = page_of(course_copy, "amara").read_text(encoding="utf-8")
    assert "<title>Halves &amp; &lt;runs&gt;: feedback</title>" in page
    assert "<h1>Halves &amp; &lt;runs&gt;</h1>" in page


def test_the_policy_forbids_everything_but_the_pages_own_style(written: dict[str, str]) -> None:
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', written["amara"])[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy
    before_policy = written["amara"].partition("Content-Security-Policy")[0]
    assert "<style" not in before_policy and "<title" not in before_policy, "the policy comes first"


def add_a_sentence(folder: CourseFolder) -> None:
    """Make another release, with one cell more near its beginning."""
    for step in ("source", "release"):
        path = folder.step(step, ".", "small") / "small.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell("One more sentence.", id=f"more-{step}"))
        nbformat.write(notebook, path)


def test_answers_are_not_shown_under_the_cells_of_another_release(course_copy: Any) -> None:
    folder = course_copy.folder
    add_a_sentence(folder)
    with pytest.raises(CourseError, match="has changed since it was graded: small has other cells now"):
        write_feedback(folder, "small", ["amara"])


def test_who_has_left_the_class_does_not_keep_others_from_their_feedback(course_copy: Any) -> None:
    folder = course_copy.folder
    add_a_sentence(folder)
    for student in latest_results(folder, "small"):
        shutil.rmtree(folder.step("submitted", student.student, "small"))
    assert write_feedback(folder, "small") == []
    with pytest.raises(CourseError, match="has other cells now"):
        write_feedback(folder, "small", ["amara"])


def test_marks_comments_and_penalties_of_people_are_shown(course_copy: Any) -> None:
    folder = course_copy.folder
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        why = book.find_grade("why", "small", "small", "amara")
        why.manual_score, why.needs_manual_grade = 1.5, False
        book.find_comment(
            "why", "small", "small", "amara"
        ).manual_comment = "Good, but say <b>true</b> division."
        half = book.find_grade("test_half", "small", "small", "amara")
        half.manual_score = 1.0
        book.find_comment("half", "small", "small", "amara").manual_comment = "Too short a name."
        book.find_submission_notebook("small", "small", "amara").late_submission_penalty = 0.5
        book.db.commit()
    write_feedback(folder, "small", ["amara"])
    page = page_of(course_copy, "amara").read_text(encoding="utf-8")
    text = words(page)
    assert "<strong>5 of 7 points</strong>" in page, "1 + 3 + 1.5 - 0.5"
    assert "5.5 − 0.5 = 5" in text
    assert "Graded by a person" in text and "the points were set by a person" in text
    assert "Good, but say &lt;b&gt;true&lt;/b&gt; division." in page and "Too short a name." in text
    assert not page_of(course_copy, "bence").exists()


def test_marks_say_who_waits_for_a_person(graded_course: Any) -> None:
    marks = read_marks(graded_course.folder, "small")
    assert marks["amara"].notebooks["small"].marks["test_half"] == Mark(2.0, 2.0)
    assert marks["amara"].waiting == ["why"]
    assert marks["hana"].waiting == [], "nbgrader itself gives an answer that was left blank 0"
    assert marks["elif yıldız"].late_seconds == 86400
    assert read_marks(graded_course.folder, "unknown") == {}


def test_answers_are_found_by_exercise(graded_course: Any) -> None:
    ours = graded_course.folder.assignment("small").notebooks[0]
    results = {r.student: r.notebooks[0] for r in latest_results(graded_course.folder, "small")}
    amara, hana = sections(ours, results["amara"]), sections(ours, results["hana"])
    assert [(s.kind, s.grade_id, s.attempted) for s in amara] == [
        ("tested", "test_half", True),
        ("tested", "test_runs", True),
        ("written", "why", True),
    ]
    assert not any(s.attempted for s in hana)
    assert "Why does `half`" in amara[2].question


def test_odd_students_stay_in_their_own_folder(given: Any, written: dict[str, str], tmp_path: Path) -> None:
    base = given.root / "feedback"
    assert {path.name for path in base.iterdir()} == set(written)
    with pytest.raises(CourseError, match="leads out of"):
        pages.inside(tmp_path, tmp_path / ".." / "elsewhere" / "x.html")
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / "eve").symlink_to("/")
    with pytest.raises(CourseError, match="leads out of"):
        pages.inside(tmp_path, tmp_path / "feedback" / "eve" / "small" / "small.html")


def test_a_name_that_is_no_text_still_gets_a_page(graded_course: Any, tmp_path: Path) -> None:
    ours = graded_course.folder.assignment("small").notebooks[0]
    student = os.fsdecode(b"caf\xe9")  # a folder name from a machine with another encoding
    path = tmp_path / student / "small.html"
    feedback.write_one(Page(path, "small", student, ours, NotebookResult("small"), NotebookMarks(), 0.0))
    assert "Feedback for <bdi>caf?</bdi>" in path.read_text(encoding="utf-8")


def test_what_is_missing_is_said(course_copy: Any) -> None:
    with pytest.raises(CourseError, match="nobody: no graded hand-in of small"):
        write_feedback(course_copy.folder, "small", ["nobody"])
    for path in (course_copy.root / "autograded").rglob("*.jsonl"):
        path.unlink()
    with pytest.raises(CourseError, match="has been graded") as caught:
        write_feedback(course_copy.folder, "small")
    assert "course grade small" in caught.value.remedy
    with pytest.raises(CourseError):
        write_feedback(course_copy.folder, "unknown")


def test_a_changed_release_is_noticed(course_copy: Any) -> None:
    for step in ("release", "source"):
        path = course_copy.folder.step(step, ".", "small") / "small.ipynb"
        path.write_text(
            path.read_text(encoding="utf-8").replace("test_runs", "test_runs_2"), encoding="utf-8"
        )
    with pytest.raises(CourseError, match="changed since it was graded"):
        write_feedback(course_copy.folder, "small")


def test_many_pages_are_written_by_several_processes_with_the_same_result(
    course_copy: Any, written: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "ALONE_SECONDS", 0.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    seen = []
    write_feedback(course_copy.folder, "small", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 9) for n in range(1, 10)]
    for student, page in written.items():
        assert page_of(course_copy, student).read_text(encoding="utf-8") == page


def test_the_command(course_copy: Any) -> None:
    arguments = [
        "feedback",
        "small",
        "--course-dir",
        str(course_copy.root),
        "--student",
        "amara",
        "--student",
        "hana",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("2 pages in ")
    assert page_of(course_copy, "hana").exists()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[31;1mred\x1b[0m b", "ared b"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("nul\0 bell\x07 del\x7f c1\x9b31m", "nul bell del c131m"),
        ("abc\u202egnp.exe\u2066", "abc[U+202E]gnp.exe[U+2066]"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("tab\tand שלום and ✓", "tab\tand שלום and ✓"),
    ],
)
def test_text_is_made_plain(text: str, seen: str) -> None:
    assert pages.plain(text) == seen


@pytest.mark.usefixtures("must_end")
def test_long_text_keeps_its_ends_and_stays_quick() -> None:
    shown = pages.plain("start" + "x" * 3_000_000 + "end")
    assert shown.startswith("start") and shown.endswith("end") and len(shown) < 21_000
    assert "characters left out" in shown
    for hostile in ("\x1b]" * 500_000, "\x1b[" * 500_000, "\r" * 1_000_000, "\x1b[0;" * 300_000):
        pages.plain(hostile)


@pytest.mark.usefixtures("must_end")
@pytest.mark.parametrize(
    "source", ["'" * 200_000, "(" * 200_000, "@" * 200_000, "f'{" * 60_000, "\\" * 200_000]
)
def test_hostile_source_does_not_hold_up_the_page(source: str) -> None:
    pages.highlighted(source)


def test_only_real_pictures_of_a_sane_size_are_shown() -> None:
    good = picture(20, 10)
    assert pages.image_source("image/png", good) == f"data:image/png;base64,{good}"
    assert pages.image_source("image/png", f"{good[:40]}\n{good[40:]}\n") == f"data:image/png;base64,{good}"
    svg = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>").decode()
    for mime, data in [
        ("image/png", ""),
        ("image/png", '"><script>'),
        ("image/png", svg),
        ("image/svg+xml", svg),
        ("image/jpeg", good),
        ("image/png", good[:60]),
        ("image/png", picture(50_000, 50_000)),
        ("text/html", good),
        ("image/png", "A" * 10_000_000),
    ]:
        assert pages.image_source(mime, data) == "", (mime, data[:40])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (3, "3.0 s"),
        (86400, "1 d"),
        (90061, "1 d 1 h"),
        (3725, "1 h 2 min"),
        (61, "1 min 1 s"),
    ],
)
def test_spans_of_time(seconds: float, said: str) -> None:
    assert pages.duration(seconds) == said


def test_a_failed_test_without_words_still_reads(graded_course: Any) -> None:
    ours = graded_course.folder.assignment("small").notebooks[0]
    outcomes = (
        TestOutcome("test_half", 0.0, 2, FAILED, "", misconception="You multiplied."),
        TestOutcome("test_runs", 1.5, 3, "partial", "Some are right."),
    )
    result = NotebookResult(
        "small", outcomes, ("half: the cell was duplicated",), ("memory", "something new")
    )
    text = words(feedback_page(Page(Path("x"), "small", "s", ours, result, NotebookMarks(), 0.0)))
    assert (
        "What most likely happened You multiplied." in text and "What the test says Some are right." in text
    )
    assert "Partly right" in text and "1.5 of 3" in text
    assert (
        "half: the cell was duplicated" in text
        and "more memory than it may" in text
        and "something new" in text
    )


# nbgrader's own tools, on what was recorded


def nbgrader(course: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_nbgrader_export_has_the_same_scores(course_copy: Any) -> None:
    import csv

    done = nbgrader(course_copy, "export", "--to", "grades.csv")
    assert done.returncode == 0, done.stderr
    with open(course_copy.root / "grades.csv", encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["student_id"] in ("amara", "chiara", "elif yıldız", "farid")
        ]
    assert {row["student_id"]: float(row["score"]) for row in rows} == {
        "amara": 5.0,
        "chiara": 3.0,
        "elif yıldız": 0.0,
        "farid": 0.0,
    }


@pytest.mark.slow
def test_nbgrader_generate_feedback_works_and_hides_hidden_tests(course_copy: Any) -> None:
    done = nbgrader(course_copy, "generate_feedback", "small")
    assert done.returncode == 0, done.stderr[-3000:]
    for result in latest_results(CourseFolder(course_copy.root), "small"):
        page = page_of(course_copy, result.student).read_text(encoding="utf-8")
        assert not any(secret in page for secret in ("HIDDEN-MESSAGE", "424242", "hidden_argument")), (
            result.student
        )
    chiara = page_of(course_copy, "chiara").read_text(encoding="utf-8")
    assert "Half of 3 is 1.5, not 6.0." in chiara and "(Score: 3.0 / 7.0)" in chiara


def test_nbgrader_leaves_our_pages_unless_told_to_replace_them(given: Any, tmp_path: Path) -> None:
    course = given.copy(tmp_path / "course")
    assert nbgrader(course, "generate_feedback", "small", "--student", "amara").returncode == 0
    assert "Content-Security-Policy" in page_of(course, "amara").read_text(encoding="utf-8")
    assert nbgrader(course, "generate_feedback", "small", "--student", "amara", "--force").returncode == 0
    assert "Content-Security-Policy" not in page_of(course, "amara").read_text(encoding="utf-8")

"""The instructor's report counts right, finds what was copied, and shows what needs a person."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from autograder.class_report import latest_results
from autograder.cli import app
from autograder.errors import CourseError
from autograder.feedback import write_feedback
from autograder.grade_class import Journal, journal_path
from autograder.records import FAILED, INTERNAL, NotebookResult, Result, TestOutcome
from autograder.report import (
    Report,
    as_csv,
    discrimination,
    histogram,
    make_report,
    report_page,
    write_report,
)
from autograder.similarity import Forms, Work, similar


@pytest.fixture(scope="module")
def report(graded_course: Any) -> Report:
    return make_report(graded_course.folder, graded_course.assignment)


def exercise(report: Report, key: str) -> Any:
    return next(one for one in report.exercises if one.key == key)


def test_exercises_are_counted_over_the_class(report: Report) -> None:
    half, runs, why = (exercise(report, key) for key in ("test_half", "test_runs", "why"))
    assert half.graded + half.waiting == 9 and (half.blank, half.hidden_only) == (1, 1)
    assert half.full == pytest.approx(2 / half.graded) and runs.full == pytest.approx(3 / runs.graded)
    assert (half.max_points, runs.max_points, why.max_points) == (2, 3, 2)
    assert why.by_hand and why.waiting + why.graded == 9 and why.waiting >= 4 and why.blank == 4
    assert [hint.text for hint in half.hints if "chiara" in hint.students] == ["Half of 3 is 1.5, not 6.0."]
    hidden = [hint.text for hint in half.hints if "dilnoza" in hint.students]
    assert hidden == ["Hidden test, line 4: AssertionError: HIDDEN-MESSAGE-OF-HALF"], (
        "instructors may read it"
    )
    assert not any({"farid", "hana"} & set(hint.students) for hint in half.hints)


def test_verdicts_and_students(graded_course: Any, report: Report) -> None:
    assert report.verdicts == {"passed": 2, "failed": 4, "timeout": 1, "died": 1, "unreadable": 1}
    assert report.handed_in == 9 and report.max_points == 7
    rows = {row.student: row for row in report.students}
    assert rows["amara"].score == 5 and rows["amara"].share == 1.0, "of the points that are known"
    assert rows["chiara"].share == pytest.approx(3 / 7, abs=1e-3), "a blank written answer has 0 points"
    assert rows["elif yıldız"].late_seconds == 86400 and rows["elif yıldız"].limits == ("time",)
    assert graded_course.hostile in rows


def test_what_needs_a_person_is_named_first(course_copy: Any) -> None:
    folder = course_copy.folder
    journal = Journal(journal_path(folder, "small"))
    fault = "the referee's process ended\nKeyError: 'x' (grade.py, line 7)"
    outcomes = tuple(
        TestOutcome(t, 0.0, p, INTERNAL, "told", note=fault) for t, p in (("test_half", 2), ("test_runs", 3))
    )
    journal.add_result(
        Result("amara", "small", (NotebookResult("small", outcomes, problem=fault, status=INTERNAL),))
    )
    journal.close()
    (folder.step("submitted", "zora", "small")).mkdir(parents=True)
    report = make_report(folder, "small")
    assert [(need.text.partition(":")[0], need.students) for need in report.needs_a_person] == [
        ("The grader itself failed", ("amara",)),
        ("The hand-in can't be read", ("farid",)),
        ("Handed in, but not graded yet", ("zora",)),
        ("To be graded by hand", (course_copy.hostile, "bence", "dilnoza")),
    ]
    assert "KeyError: 'x'" in report.needs_a_person[0].text
    assert report.handed_in == 10 and len(report.students) == 9


def test_points_of_people_count(course_copy: Any) -> None:
    from nbgrader.api import Gradebook

    from autograder.course_folder import quiet_nbgrader

    folder = course_copy.folder
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        why = book.find_grade("why", "small", "small", "bence")
        why.manual_score, why.needs_manual_grade = 1.0, False
        book.find_submission_notebook("small", "small", "bence").late_submission_penalty = 0.5
        book.db.commit()
    bence = next(row for row in make_report(folder, "small").students if row.student == "bence")
    assert (bence.points, bence.penalty, bence.score, bence.waiting) == (6.0, 0.5, 5.5, ())


def test_copies_with_other_names_are_found(report: Report) -> None:
    assert [group.students for group in report.similar] == [("amara", "bence", "gabi")]
    pair = report.similar[0].closest
    assert pair.exercises == ("test_runs",) and pair.similarity >= 0.99
    amara_gabi = next(p for p in report.similar[0].pairs if (p.first, p.second) == ("amara", "gabi"))
    assert amara_gabi.same_words == 1.0 > pair.same_words


def test_the_page_says_all_of_it_and_escapes_it(graded_course: Any, report: Report) -> None:
    page = report_page(report)
    assert "Content-Security-Policy" in page and "<script" not in page.lower()
    for text in (
        "HIDDEN-MESSAGE-OF-HALF",
        "amara",
        "mean",
        "To be graded by hand: why",
        "Side by side",
        "100% alike",
    ):
        assert text in page, text
    assert graded_course.hostile in page, "the name is text; nothing in it has a meaning in HTML"
    assert "http" not in page.replace("http-equiv", "").replace("evil.example", "").replace(
        "url(http://", ""
    ).replace("http:///", "").replace("0;url=http", "")


def test_hand_ins_that_ended_badly_or_have_nothing_are_what_went_wrong(report: Report) -> None:
    said = {one.text: set(one.students) for one in report.went_wrong}
    assert said["Stopped, as it ran too long"] == {"elif yıldız"}
    assert {"Ended before the tests", "Could not be read", "No points at all"} <= set(said)
    assert said["No points at all"] == {row.student for row in report.students if row.share == 0}
    nothing_else = replace(report, exercises=())
    assert "No points at all" in report_page(nothing_else) and "Nothing did." not in report_page(nothing_else)
    assert "Nothing did." in report_page(replace(nothing_else, went_wrong=()))


def test_name_score_and_verdict_come_before_the_many_exercises(report: Report) -> None:
    head = report_page(report).partition('id="everybody"')[2].partition("</thead>")[0]
    columns = re.findall(r"<th [^>]*>([^<]*)</th>", head)
    assert columns[:3] == ["Student", "Score", "Verdict"]
    assert columns[-len(report.exercises) :] == [one.title for one in report.exercises]


def test_links_lead_to_feedback_pages_only(course_copy: Any) -> None:
    from urllib.parse import unquote

    write_feedback(course_copy.folder, "small")
    html_path = write_report(course_copy.folder, make_report(course_copy.folder, "small"))[0]
    links = re.findall(r'href="([^"]*)"', html_path.read_text(encoding="utf-8"))
    assert len(links) == 9
    for link in links:
        assert link.startswith("../feedback/")
        assert (html_path.parent / unquote(link)).exists()


def test_files_and_command(course_copy: Any) -> None:
    result = CliRunner().invoke(app, ["report", "small", "--course-dir", str(course_copy.root), "--json"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    folder = course_copy.root / "reports"
    assert sorted(path.name for path in folder.iterdir()) == ["small.csv", "small.html", "small.json"]
    assert data == json.loads((folder / "small.json").read_text(encoding="utf-8"))
    assert {row["student"]: row["score"] for row in data["students"]}["chiara"] == 3.0
    assert data["exercises"][0]["hints"][0]["students"]
    again = CliRunner().invoke(app, ["report", "small", "--course-dir", str(course_copy.root)])
    assert again.output.splitlines() == [
        str(folder / f"small.{ending}") for ending in ("html", "csv", "json")
    ]


def test_a_report_needs_grades(course_copy: Any) -> None:
    for path in (course_copy.root / "autograded").rglob("*.jsonl"):
        path.unlink()
    with pytest.raises(CourseError, match="has been graded"):
        make_report(course_copy.folder, "small")


def test_csv_is_read_back_and_holds_no_formula(graded_course: Any, report: Report) -> None:
    from dataclasses import replace

    formulas = ('=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(1)", "\t=1", 'quote",and;comma')
    rows = [replace(report.students[1], student=student) for student in formulas]
    table = list(csv.DictReader(io.StringIO(as_csv(replace(report, students=(*report.students, *rows))))))
    assert float(table[1]["score"]) == 5.0 and float(table[1]["test_runs"]) == 3.0 and table[1]["why"] == ""
    for row in table:
        assert not row["student"].startswith(("=", "+", "-", "@", "\t"))
    assert table[-1]["student"] == 'quote",and;comma'


def test_discrimination_is_the_corrected_item_total_correlation() -> None:
    generator = np.random.default_rng(1)
    ability = generator.normal(size=200)
    good = (ability + generator.normal(size=200) > 0).astype(float)
    other = (ability + generator.normal(size=200) > 0).astype(float)
    noise = generator.integers(0, 2, 200).astype(float)
    reversed_ = (ability + generator.normal(size=200) < 0).astype(float)
    found = discrimination(np.stack([good, other, noise, reversed_, np.ones(200)], axis=1))
    rest = other + noise + reversed_ + 1
    assert found[0] == pytest.approx(np.corrcoef(good, rest)[0, 1], abs=1e-3)
    assert found[3] is not None and found[3] < -0.2
    assert found[4] is None, "everybody has it"
    gaps = np.stack([good, other], axis=1)
    gaps[::2, 0] = np.nan
    assert discrimination(gaps)[0] == pytest.approx(np.corrcoef(good[1::2], other[1::2])[0, 1], abs=1e-3)
    assert discrimination(np.ones((3, 2))) == [None, None], "a handful of students says nothing"


def test_histogram() -> None:
    drawn = histogram([0.0, 0.05, 0.5, 1.0, 1.0, 1.2])
    assert drawn is not None
    assert [bar.count for bar in drawn.bars] == [2, 0, 0, 0, 0, 1, 0, 0, 0, 3], "extra credit counts as all"
    assert max(bar.height for bar in drawn.bars) == 160
    assert histogram([]) is None


LOOP = '''\
def answer(values):
    """Given."""
    total = 0.0
    for value in values:
        if value > 0 and value % 2 == 1:
            total += value * 3 - 1
        else:
            total -= value / 2
    return round(total / max(len(values), 1), 3)
'''
STUB = 'def answer(values):\n    """Given."""\n    # YOUR CODE HERE\n    raise NotImplementedError()\n'
RENAMED = '''\
def answer(values):
    """Given."""
    s = 0.5  # start
    for v in values:
        if v > 7 and v % 4 == 5:
            s += v * 9 - 2  # grow


        else: s -= v / 8
    return round(s / max(len(values), 2), 6)
'''
OTHER = """\
def answer(values):
    odd = [3 * v - 1 for v in values if v > 0 and v % 2 == 1]
    rest = [v / 2 for v in values if not (v > 0 and v % 2 == 1)]
    mean = (sum(odd) - sum(rest)) / (len(values) or 1)
    return float(f"{mean:.3f}")
"""


def test_a_form_forgets_names_numbers_comments_and_layout() -> None:
    forms = Forms()
    first = forms.form(Work(LOOP, STUB))
    assert first == forms.form(Work(RENAMED, STUB))
    assert first != forms.form(Work(LOOP.replace("max(", "min("), STUB)), (
        "builtin functions are no names of the student"
    )
    assert first != forms.form(Work(OTHER, STUB))
    assert forms.form(Work(STUB, STUB)) == "", "what was given is nobody's work"
    assert len(forms.form(Work(LOOP))) > len(first)
    for broken in ("def f(:\n  'unclosed\n\t\x00 \ud800", "'''", "\\", "if" * 1000):
        forms.form(Work(broken, STUB))


def test_what_everybody_writes_is_not_alike() -> None:
    everybody = {f"s{i}": {"e": Work(LOOP, STUB)} for i in range(10)}
    assert similar(everybody) == []
    two = {
        **{f"s{i}": {"e": Work(f"x = {i}", STUB)} for i in range(8)},
        "a": {"e": Work(LOOP)},
        "b": {"e": Work(RENAMED)},
    }
    assert [group.students for group in similar(two)] == [("a", "b")]
    assert similar({"a": {"e": Work("return x / 2")}, "b": {"e": Work("return x / 2")}}) == [], "too short"
    assert similar({}) == [] and similar({"a": {}, "b": {"e": Work(LOOP)}}) == []


def test_three_hundred_hand_ins_are_compared_in_seconds() -> None:
    generator = random.Random(3)
    words = [
        "for x in y:",
        "if a < b:",
        "total += f(x)",
        "return g(a, b)",
        "z = [i for i in x if i]",
        "while p: p -= 1",
    ]

    def program() -> str:
        return "\n".join(generator.choice(words) for _ in range(20))

    works = {f"s{i:03}": {f"e{j}": Work(program()) for j in range(10)} for i in range(300)}
    works["s299"] = {key: Work(work.source.replace("total", "sum_")) for key, work in works["s000"].items()}
    started = time.monotonic()
    groups = similar(works)
    assert time.monotonic() - started < 30
    assert groups[0].students == ("s000", "s299") and len(groups[0].closest.exercises) == 10


def test_a_large_class_is_reported_in_seconds(course_copy: Any, tmp_path: Path) -> None:
    folder = course_copy.folder
    model = {result.student: result for result in latest_results(folder, "small")}["chiara"].to_json()
    journal = Journal(journal_path(folder, "small"))
    for number in range(300):
        result = Result.from_json({**model, "student": f"s{number:03}"})
        journal.graded[result.student] = result
        journal._file.write(
            (json.dumps({"student": result.student, "key": "", "result": result.to_json()}) + "\n").encode()
        )
    journal.close()
    started = time.monotonic()
    report = make_report(folder, "small")
    assert len(report_page(report)) < 3_000_000
    assert time.monotonic() - started < 30
    half = exercise(report, "test_half")
    assert half.hints[0].text == "Half of 3 is 1.5, not 6.0." and len(half.hints[0].students) == 301
    assert half.remark == "hardly tells strong from weak" or half.discrimination is not None


def test_misconceptions_are_counted(course_copy: Any) -> None:
    journal = Journal(journal_path(course_copy.folder, "small"))
    for student in ("chiara", "gabi"):
        outcomes = (
            TestOutcome("test_half", 0.0, 2, FAILED, "no", misconception="Multiplied instead of divided."),
            TestOutcome("test_runs", 0.0, 3, FAILED, "no"),
        )
        journal.add_result(Result(student, "small", (NotebookResult("small", outcomes, status=FAILED),)))
    journal.close()
    report = make_report(course_copy.folder, "small")
    counted = exercise(report, "test_half").misconceptions
    assert [(one.text, one.students) for one in counted] == [
        ("Multiplied instead of divided.", ("chiara", "gabi"))
    ]
    assert "Multiplied instead of divided." in report_page(report)

"""What `course grade` prints says what is still missing, and never takes a name for markup."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from autograder.class_report import Cell, Line, gradebook_table, marking_sentences
from autograder.course_folder import CourseFolder
from autograder.errors import CourseError
from autograder.records import INTERNAL, PASSED


def line(name: str, why: float | None, verdict: str = PASSED) -> Line:
    cells = (Cell("test_half", 2, 2), Cell("why", why, 3, by_hand=True))
    return Line(Text(name), cells, verdict, (("one", "two", "three", "four"),))


def shown(lines: list[Line]) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    table, legend = gradebook_table(lines)
    console.print(table)
    console.print(legend)
    return console.export_text()


def test_points_that_wait_for_a_person_are_seen_to_be_missing() -> None:
    text = shown([line("[bold]ann", None)])
    assert "/5" in text and "?" in text and "[bold]ann" in text
    assert "1 half, 2 why. A ? waits for a person." in text
    assert "two" in text and "three" not in text and "and 2 more" in text
    assert "waits" not in shown([line("ann", 3)])


def test_a_sentence_says_how_many_answers_wait_and_what_to_run_then() -> None:
    said = marking_sentences([line("ann", None), line("bob", 3), line("eve", None)], "ps", "~/lm")
    assert said[0].startswith("needs you: 2 written answers of 2 students wait for a person, 6 points")
    assert said[1] == "then: course feedback, course report, course export; each ps --course-dir ~/lm"
    assert "1 written answer of 1 student waits" in marking_sentences([line("ann", None)], "ps", ".")[0]


def test_no_sentence_where_nothing_can_be_marked() -> None:
    assert marking_sentences([line("bob", 3), line("eve", None, INTERNAL)], "ps", ".") == []


def error_for(root: Path, assignment: str) -> CourseError:
    with pytest.raises(CourseError) as raised:
        CourseFolder(root).assignment(assignment)
    return raised.value


def test_outside_a_course_folder_it_asks_for_one(tmp_path: Path) -> None:
    error = error_for(tmp_path, "01_ngrams")
    assert error.message == f"{tmp_path} is no course folder."
    assert "--course-dir" in error.remedy and "generate_assignment" not in error.remedy


def test_a_misspelt_assignment_is_answered_with_the_nearest(tmp_path: Path) -> None:
    for name in ("00_start_here", "01_ngrams"):
        (tmp_path / "source" / name).mkdir(parents=True)
        (tmp_path / "release" / name).mkdir(parents=True)
    assert error_for(tmp_path, "01_ngram").remedy.startswith("Did you mean 01_ngrams? Released here: 00_")
    assert error_for(tmp_path, "xyz").remedy == "Released here: 00_start_here, 01_ngrams."
    (tmp_path / "source" / "02_new").mkdir()
    assert "nbgrader generate_assignment 02_new" in error_for(tmp_path, "02_new").remedy

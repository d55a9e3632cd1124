"""The sample class holds what it promises, and its dishonest members would win without the sandbox."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autograder.build import Course, open_course
from autograder.demo import Row, grade_demo, gradebook_table, make_demo, run_demo
from autograder.errors import CourseError
from autograder.records import FAILED, TIMEOUT
from autograder.sample_class import HandIn, make_class
from autograder.variants import WRONG, load_variants

COURSE = """\
[course]
title = "Small"
id = "small"
repository = "someone/small"

[limits]
cell_seconds = 2
submission_seconds = 20

[[assignment]]
name = "01_small"
due = "2027-02-08T23:59:00+00:00"
"""

SOURCE = '''\
# %% [markdown]
# # Small

# %% setup
import math

# %% exercise="half" minutes=1 difficulty=1
def half(x: float) -> float:
    """Half of x."""
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION

# %% test="half" points=2
assert half(3.0) != 6.0, "That is twice x; divide."
assert half(3.0) == 1.5, f"Half of 3 is 1.5, not {half(3.0)}."
### BEGIN HIDDEN TESTS
assert half(-5.0) == -2.5
### END HIDDEN TESTS

# %% exercise="root" minutes=1 difficulty=1
def root(x: float) -> float:
    """The square root of x."""
    ### BEGIN SOLUTION
    return math.sqrt(x)
    ### END SOLUTION

# %% test="root" points=3
assert root(16.0) == 4.0, f"The root of 16 is 4, not {root(16.0)}. Did you halve it?"
### BEGIN HIDDEN TESTS
assert root(0.25) == 0.5
### END HIDDEN TESTS

# %% [markdown] question="why" points=1 minutes=1
# Why?
# ### BEGIN MARK SCHEME
# Because.
# ### END MARK SCHEME
'''

VARIANTS = """\
from autograder.variants import right, wrong


@right("half", why="multiplies")
def times_half(x: float) -> float:
    return x * 0.5


@wrong("half", misconception="Doubles.", hint="twice x")
def doubled(x: float) -> float:
    return x * 2


@wrong("half", misconception="Rounds down.", hint="1.5")
def floored(x: float) -> float:
    return x // 2


@wrong("root", misconception="Halves.", hint="halve")
def halved(x: float) -> float:
    return x / 2
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("small")
    (root / "solutions" / "variants").mkdir(parents=True)
    (root / "course.toml").write_text(COURSE, encoding="utf-8")
    (root / "solutions" / "01_small.py").write_text(SOURCE, encoding="utf-8")
    (root / "solutions" / "variants" / "01_small.py").write_text(VARIANTS, encoding="utf-8")
    return open_course(root)


@pytest.fixture(scope="module")
def hand_ins(course: Course) -> list[HandIn]:
    return make_class(course, "01_small")


def the_one(hand_ins: list[HandIn], words: str) -> HandIn:
    found = [h for h in hand_ins if words in h.story]
    assert len(found) == 1, [h.story for h in hand_ins]
    return found[0]


def run_cells(hand_in: HandIn) -> dict[str, Any]:
    """The names that the hand-in's answers define in an ordinary, unguarded process."""
    scope: dict[str, Any] = {}
    for cell in hand_in.notebook.cells:
        if cell.metadata.get("nextword", {}).get("role") in ("setup", "exercise"):
            exec(cell.source, scope)
    return scope


def test_every_wrong_answer_is_handed_in_by_somebody(course: Course, hand_ins: list[HandIn]) -> None:
    declared = load_variants(course, course.source("01_small"))
    wanted = {(v.exercise, v.name) for v in declared.variants if v.kind == WRONG}
    assert {(e, v.name) for h in hand_ins for e, v in h.wrong.items()} == wanted
    doubling = next(h for h in hand_ins if "half" in h.wrong and h.wrong["half"].name == "doubled")
    assert run_cells(doubling)["half"](3) == 6


def test_wrong_answers_are_spread_over_the_class(hand_ins: list[HandIn]) -> None:
    assert [len(h.wrong) for h in hand_ins if h.wrong] == [2, 1]


def test_students_are_different_people(hand_ins: list[HandIn]) -> None:
    ids = [h.student.id for h in hand_ins]
    assert len(set(ids)) == len(ids)
    assert all(id.isascii() and id.islower() and " " not in id for id in ids)


def test_what_each_special_hand_in_deserves(hand_ins: list[HandIn]) -> None:
    assert the_one(hand_ins, "everything right").solved == {"half", "root"}
    assert the_one(hand_ins, "untouched").solved == set()
    assert the_one(hand_ins, "the first 1 of 2").solved == {"half"}
    assert the_one(hand_ins, "loops").solved == {"half"}
    assert the_one(hand_ins, "tries to read").solved == set()
    assert run_cells(the_one(hand_ins, "other right"))["half"](5) == 2.5


def test_late_means_after_the_due_date(course: Course, hand_ins: list[HandIn]) -> None:
    due = course.settings.assignment("01_small").due
    assert due is not None
    assert [h.story for h in hand_ins if h.handed_in > due] == ["right, but a day late"]


def test_the_thief_succeeds_where_nothing_guards_the_solutions(hand_ins: list[HandIn]) -> None:
    scope = run_cells(the_one(hand_ins, "tries to read"))
    assert scope["half"](3.0) == 1.5
    assert scope["root"](16.0) == 4.0


def test_colab_copy_has_what_colab_leaves_behind(hand_ins: list[HandIn], tmp_path: Path) -> None:
    path = the_one(hand_ins, "Colab").write(tmp_path)
    assert path.name == "Copy of 01_small.ipynb"
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert "id" not in saved["cells"][0]
    assert "state" not in saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    code = [c["metadata"] for c in saved["cells"] if c["cell_type"] == "code"]
    assert all(metadata["executionInfo"]["user"]["displayName"] for metadata in code)


def test_deleted_test_is_gone_and_the_answers_stay(hand_ins: list[HandIn]) -> None:
    ids = [c.id for c in the_one(hand_ins, "deleted").notebook.cells]
    assert "test_root" not in ids
    assert {"test_half", "half", "root"} <= set(ids)


def test_hand_in_lies_where_nbgrader_looks(hand_ins: list[HandIn], tmp_path: Path) -> None:
    late = the_one(hand_ins, "late")
    assert late.write(tmp_path) == tmp_path / late.student.id / "01_small" / "01_small.ipynb"
    stamp = (tmp_path / late.student.id / "01_small" / "timestamp.txt").read_text()
    assert stamp == late.handed_in.strftime("%Y-%m-%d %H:%M:%S UTC\n")


@pytest.fixture(scope="module")
def graded(course: Course, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """The demo's gradebook of the small course, by what was handed in."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    folder, classes = make_demo(course, tmp_path_factory.mktemp("demo") / "course")
    rows, summary = grade_demo(folder, classes["01_small"], course.settings.assignment("01_small").due)
    assert not summary.broken_tests
    return {f"{row.hand_in.student.id}: {row.hand_in.story}": row for row in rows}


def row_of(graded: dict[str, Row], words: str) -> Row:
    found = [row for story, row in graded.items() if words in story]
    assert len(found) == 1, list(graded)
    return found[0]


def points(row: Row) -> dict[str, float | None]:
    return {cell.name: cell.points for cell in row.cells}


@pytest.mark.slow
@pytest.mark.parametrize("words", ["everything right", "other right", "a day late", "Colab", "deleted"])
def test_honest_work_keeps_its_points(graded: dict[str, Row], words: str) -> None:
    row = row_of(graded, words)
    assert points(row) == {"test_half": 2, "test_root": 3, "why": None}
    assert row.max_points == 6


@pytest.mark.slow
def test_work_that_is_not_done_or_not_right_loses_its_points(graded: dict[str, Row]) -> None:
    assert points(row_of(graded, "untouched"))["test_half"] == 0
    assert row_of(graded, "untouched").verdict == FAILED
    assert points(row_of(graded, "the first 1 of 2")) == {"test_half": 2, "test_root": 0, "why": 0}
    for row in graded.values():
        for exercise in row.hand_in.wrong:
            assert points(row)[f"test_{exercise}"] == 0, row
        assert set(row.misconceptions) == {v.misconception for v in row.hand_in.wrong.values()}


@pytest.mark.slow
def test_the_thief_gets_nothing_behind_the_sandbox(graded: dict[str, Row]) -> None:
    row = row_of(graded, "tries to read")
    assert points(row)["test_half"] == 0
    assert points(row)["test_root"] == 0


@pytest.mark.slow
def test_the_loop_is_stopped_and_costs_its_own_exercise_only(graded: dict[str, Row]) -> None:
    row = row_of(graded, "loops")
    assert row.verdict == TIMEOUT
    assert points(row)["test_half"] == 2
    assert points(row)["test_root"] == 0


@pytest.mark.slow
def test_the_table_says_who_is_late_and_what_was_mended(graded: dict[str, Row]) -> None:
    assert {story for story, row in graded.items() if row.late} == {"elif_yildiz: right, but a day late"}
    assert row_of(graded, "deleted").repaired
    assert row_of(graded, "Colab").repaired
    assert not row_of(graded, "everything right").repaired
    console = Console(width=150, record=True, file=io.StringIO())
    table, legend = gradebook_table("01_small", list(graded.values()))
    console.print(table)
    shown = console.export_text()
    assert "late by 27 hours" in shown
    assert "Bence Halász" in shown
    assert "1 half, 2 root, 3 why" in legend


def test_a_folder_of_somebody_elses_is_left_alone(course: Course, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years of work")
    with pytest.raises(CourseError, match="not empty"):
        make_demo(course, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.slow
def test_the_whole_demo_prints_the_gradebook_and_names_files_that_are_there(
    course: Course, tmp_path: Path
) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    printed = io.StringIO()
    moved: list[int] = []

    def bar(title: str) -> Any:
        return contextlib.nullcontext(lambda done, total, result: moved.append(done))

    steps: list[str] = []

    class Steps:
        def update(self, task: Any, description: str, completed: int, total: int) -> None:
            steps.append(f"{description}, {completed} of {total}")

    run_demo(
        course,
        tmp_path / "course",
        Console(width=200, file=printed),
        bar,
        lambda title: contextlib.nullcontext((Steps(), 0)),  # type: ignore[arg-type]
    )
    assert steps == ["reading 01_small, 0 of 2", "releasing 01_small, 1 of 2"]
    text = printed.getvalue()
    assert "Amara Okafor" in text
    assert moved[-1] == 11
    assert text.rstrip().endswith("Next: source .venv/bin/activate; course doctor; course init ~/lm-course")
    for name in ("gradebook.db", "submitted", "autograded", "feedback", "reports"):
        assert str(tmp_path / "course" / name) in text
        assert (tmp_path / "course" / name).exists()
    pages = list((tmp_path / "course" / "feedback").glob("*/01_small/*.html"))
    assert len(pages) == 11

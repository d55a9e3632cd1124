"""`course ladder` runs what records rungs, and publishes what was measured."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from autograder import ladder as steps
from autograder.build import Course, open_course
from autograder.errors import CourseError
from nextword import corpus, ladder, metrics
from nextword.ladder import Rung

BEGIN, END = "<!-- ladder: written by `course ladder` -->", "<!-- end of ladder -->"
SETTINGS = """
[course]
title = "Test"
id = "t"
repository = "a/b"
branch = "main"

[[assignment]]
name = "01_counting"
title = "Counting"

[[assignment]]
name = "02_nothing"
title = "Nothing"
"""
RECORDING = """# %% [markdown]
# # Counting

# %% setup
from nextword import corpus, ladder, metrics

# %% exercise="nats" minutes=5 difficulty=1
def nats(n: int) -> float:
    \"\"\"Nats of n characters.\"\"\"
    ### BEGIN SOLUTION
    return 1.5 * n
    ### END SOLUTION

# %% test="nats" points=1
assert nats(2) == 3.0

# %% experiment
n = metrics.n_characters(corpus("village").test)
ladder.record("Counted", nats=nats(n), characters=n, notebook="01", seconds=7)
"""


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "course.toml").write_text(SETTINGS)
    (tmp_path / "solutions").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "solutions/01_counting.py").write_text(RECORDING)
    (tmp_path / "solutions/02_nothing.py").write_text("# %% [markdown]\n# # Nothing\n")
    return open_course(tmp_path)


def rung(model: str, bits: float, notebook: str) -> Rung:
    characters = metrics.n_characters(corpus("village").test)
    return Rung(model, bits * math.log(2) * characters, characters, notebook, "cpu")


@pytest.mark.slow
def test_a_run_measures_and_publishes(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTWORD_PRESET", "cpu")
    (measured,) = steps.run(course, None)
    assert measured.notebook == "01_counting"
    assert [(r.model, r.seconds, r.preset) for r in measured.rungs] == [("Counted", 7, "cpu")]
    assert ladder.read(course.root / steps.DATA) == list(measured.rungs)
    page = (course.root / steps.PAGE).read_text()
    bits = 1.5 / math.log(2)
    assert (
        f"| Counted | {bits:.3f} | {bits - steps.floor():.3f} | cpu | 7 | `course ladder 01_counting` |"
        in page
    )
    assert (course.root / steps.PICTURE).stat().st_size > 10_000


def test_publishing_keeps_other_notebooks_and_the_page_around(course: Course) -> None:
    page = course.root / steps.PAGE
    page.write_text(f"# Results\n\nAbove.\n\n{BEGIN}\nold\n{END}\n\nBelow.\n")
    steps.publish(
        course, [steps.Measured("01_counting", (rung("One", 1.5, "01"), rung("Gone", 1.2, "01")), 1)]
    )
    steps.publish(course, [steps.Measured("02_nothing", (rung("Two", 0.9, "02"),), 1)])
    steps.publish(course, [steps.Measured("01_counting", (rung("One", 1.4, "01"),), 1)])
    text = page.read_text()
    assert text.startswith("# Results\n\nAbove.") and text.endswith("Below.\n") and "old" not in text
    assert "Gone" not in text and text.index("| One | 1.400 |") < text.index("| Two | 0.900 |")
    assert [r.model for r in ladder.read(course.root / steps.DATA)] == ["One", "Two"]


def test_what_can_not_be_measured_is_said(course: Course) -> None:
    assert steps.notebooks(course) == ["01_counting"]
    with pytest.raises(CourseError, match="None of these notebooks records a rung"):
        steps.run(course, ["02_nothing"])
    (course.root / steps.PAGE).write_text(f"# Results, with one mark\n{END}\n")
    with pytest.raises(CourseError, match="has lost a mark"):
        steps.publish(course, [])


@pytest.mark.slow
def test_a_failing_notebook_publishes_nothing(course: Course) -> None:
    path = course.root / "solutions/01_counting.py"
    path.write_text(path.read_text().replace("nats=nats(n)", "nats=nats(n) / 0"))
    with pytest.raises(CourseError, match="The solved 01_counting fails with ZeroDivisionError"):
        steps.run(course, None)
    assert not (course.root / steps.DATA).exists()

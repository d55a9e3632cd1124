"""Trials: answers to one notebook graded by the real engine, one after the other and side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.build import Course, answers, open_course
from autograder.errors import CourseError
from autograder.records import FAILED, INTERNAL, PASSED, NotebookResult, Result, TestOutcome
from autograder.source import SourceNotebook
from autograder.trial import Trial

SOURCE = """\
# %% setup
import math

# %% exercise="half" minutes=5 difficulty=1
def half(x: float) -> float:
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION

# %% test="half" points=2
assert half(4) == 2, "Divide by two."
### BEGIN HIDDEN TESTS
assert half(-1) == -0.5, "A secret reason."
### END HIDDEN TESTS
"""


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "course.toml").write_text(
        '[course]\ntitle = "Halves"\nid = "h"\nrepository = "a/b"\n[[assignment]]\nname = "00_half"\n'
    )
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "00_half.py").write_text(SOURCE)
    return open_course(tmp_path)


@pytest.fixture
def source(course: Course) -> SourceNotebook:
    return course.source("00_half")


ANSWERS = {
    "solution": ("def half(x): return x / 2", PASSED, 2.0),
    "wrong": ("def half(x): return x * 2", FAILED, 0.0),
    "wrong where only the hidden test looks": ("def half(x): return abs(x) / 2", FAILED, 0.0),
}


@pytest.mark.slow
def test_outcomes_of_the_real_engine(course: Course, source: SourceNotebook) -> None:
    with Trial(course, source) as trial:
        assert trial.run(answers(source))["test_half"].points == 2
        assert trial.run({})["test_half"].points == 0
        for code, status, points in ANSWERS.values():
            outcome = trial.run({"half": code})["test_half"]
            assert (outcome.status, outcome.points, outcome.max_points) == (status, points, 2.0)
        wrong = trial.run({"half": ANSWERS["wrong"][0]})["test_half"]
        assert "Divide by two." in wrong.message
        assert not wrong.hidden
        hidden = trial.run({"half": "def half(x): return abs(x) / 2"})["test_half"]
        assert hidden.hidden
        assert "secret" not in hidden.message


@pytest.mark.slow
def test_only_one_test_runs_and_the_environment_comes_back(course: Course) -> None:
    second = (
        SOURCE.replace("half", "third")
        .replace("x / 2", "half(x) * 2 / 3")
        .replace("# %% setup\nimport math\n", "")
    )
    second = second.replace("(4) == 2", "(3) == 1").replace("(-1) == -0.5", "(0) == 0")
    (course.root / "solutions" / "00_half.py").write_text(SOURCE + second)
    source = course.source("00_half")
    before = dict(os.environ)
    with Trial(course, source) as trial:
        assert {k: o.points for k, o in trial.run(answers(source), "third").items()} == {"test_third": 2.0}
        assert {k: o.points for k, o in trial.run({}, "half").items()} == {"test_half": 0.0}
        assert set(trial.run(answers(source))) == {"test_half", "test_third"}
    assert dict(os.environ) == before


@pytest.mark.slow
def test_side_by_side_gives_the_same(course: Course, source: SourceNotebook) -> None:
    codes = [({"half": code}, "half") for code, _, _ in ANSWERS.values()] * 2
    with Trial(course, source) as trial:
        found = dict(trial.run_many(codes, workers=2))
    assert [found[i]["test_half"].points for i in range(len(codes))] == [2, 0, 0, 2, 0, 0]


def test_a_fault_of_the_grader_is_an_error(
    course: Course, source: SourceNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = TestOutcome("test_half", 0, 2, INTERNAL, note="Traceback\nImportError: no nextword")
    result = Result("trial", "00_half", (NotebookResult("00_half", (broken,)),))

    class BrokenWorker:
        def __init__(self, grading: object) -> None:
            pass

        def grade(self, handin: object) -> Result:
            return result

        def close(self) -> None:
            pass

    monkeypatch.setattr("autograder.trial.Worker", BrokenWorker)
    with Trial(course, source) as trial, pytest.raises(CourseError, match="ImportError: no nextword"):
        trial.run({})

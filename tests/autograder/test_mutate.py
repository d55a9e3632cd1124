"""Mutants: readable, stable, no two alike, only inside the solution; survivors must be explained."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import trial
from autograder.build import Course, open_course
from autograder.errors import CourseError
from autograder.mutate import (
    EQUIVALENT,
    NOTICED,
    SURVIVED,
    Score,
    failures,
    mutants,
    run_mutants,
    table,
)
from autograder.records import FAILED, PASSED, TestOutcome
from autograder.settings import Limits
from autograder.source import SourceCell, parse_source
from autograder.trial import short_limits

SOURCE = '''\
# %% setup
import math

# %% exercise="grade" minutes=5 difficulty=1
def grade(points: float, most: float = 10) -> float:
    """The share of the points.

    >>> grade(5 - 1)
    0.4
    """
    scale = 1 * 1
    ### BEGIN SOLUTION
    if points > most:
        return 1.0
    return points / most * scale
    ### END SOLUTION

# %% test="grade" points=2
assert grade(4) == 0.4, "Divide by the most."
assert grade(12) == 1.0
assert grade(10.5) == 1.0

# %% submit
'''
VARIANTS = """\
from autograder.variants import equivalent

equivalent("grade", mutant="line 1: points > most -> points >= most", why="the limit gives 1 either way")
equivalent("grade", mutant="line 3: points / most * scale -> points / most / scale", why="scale is 1")
equivalent("grade", mutant="line 3: points / most * scale -> points / most", why="scale is 1")
"""


def exercise(body: str, signature: str = "f(x, y)") -> SourceCell:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    source = f"def {signature}:\n    ### BEGIN SOLUTION\n{lines}    ### END SOLUTION"
    return SourceCell("exercise", source, "f", name="f")


def said(body: str) -> list[str]:
    return [mutant.description for mutant in mutants(exercise(body))]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x - 1", ["x - 1 -> x + 1", "x - 1 -> x", "1 -> 2", "1 -> 0", "1 -> -1", "x - 1 -> 1 - x"]),
        ("return x < y", ["x < y -> x <= y", "x < y -> x > y"]),
        ("return x and y", ["x and y -> x or y", "x and y -> x", "x and y -> y"]),
        ("return not x", ["not x -> x"]),
        ("return -x", ["-x -> x"]),
        ("return x == y", ["x == y -> x != y"]),
        ("return True", ["True -> False"]),
        ("return x[1:y]", ["1:y -> 1 + 1:y", "1:y -> 1:y - 1", "1:y -> :y", "1:y -> 1:"]),
        ("return range(x)", ["range(x) -> range(x + 1)", "range(x) -> range(x - 1)"]),
        ("return range(2, y)", ["range(2, y) -> range(2, y + 1)", "range(2, y) -> range(2 + 1, y)"]),
        ("return x.sum(dim=1)", ["x.sum(dim=1) -> x.sum()", "x.sum(dim=1) -> x.sum(dim=0)"]),
        ("return min(x, y)", ["min(x, y) -> max(x, y)"]),
        ("return math.log(x)", ["math.log(x) -> math.log2(x)", "math.log(x) -> x"]),
        ("return x.item(), y", ["return (x.item(), y) -> return (y, x.item())", "x.item() -> x"]),
        ("return divmod(x, y)", ["divmod(x, y) -> divmod(y, x)"]),
        (
            "return x if y else 0",
            ["x if y else 0 -> x", "x if y else 0 -> 0", "x if y else 0 -> x if not y else 0"],
        ),
        ("return [i for i in x if i]", ["for i in x if i -> for i in x"]),
        ("return 1e-9 + x", ["1e-09 -> 1e-06", "1e-09 -> 0.0"]),
    ],
)
def test_kinds_of_change(body: str, expected: list[str]) -> None:
    found = said(body)
    assert {f"line 1: {text}" for text in expected} <= set(found), found


def test_statements_are_dropped() -> None:
    found = said("total = 0\nfor i in x:\n    total += i\nreturn total")
    assert "line 1: total = 0 -> nothing" in found
    assert "line 2: for i in x: -> nothing" in found
    assert "line 3: total += i -> nothing" in found
    assert "line 3: total += i -> total -= i" in found
    assert "line 3: total += i -> total = i" in found


def test_every_mutant_is_a_different_program() -> None:
    found = mutants(
        exercise("for i in range(1, x):\n    y += x[i:] * 2 - 1\nreturn min(x, y) / (1 if y else 2)")
    )
    assert len({ast.dump(ast.parse(m.source)) for m in found}) == len(found) > 20
    assert len({m.description for m in found}) == len(found)
    assert all(m.source.startswith("def f(x, y):") for m in found)


def test_changes_that_mean_nothing_are_left_out() -> None:
    assert not any("max(y, x)" in text for text in said("return max(x, y)"))
    assert not any("-1" in text for text in said("return x.sum(axis=1)"))


def test_two_ways_to_the_same_program_are_one_mutant() -> None:
    assert sum("not x" in text for text in said("if not x:\n    return y\nreturn 2")) == 2  # negated, dropped


def test_no_mutant_that_only_looks_different() -> None:
    # 0 negated is 0; +0 and 0 compile alike; a dropped constant statement too
    assert said("return 0") == ["line 1: 0 -> 1", "line 1: 0 -> -1"]


def test_words_of_messages_are_left_alone() -> None:
    assert said('raise ValueError(f"{x} is 3 - 1")') == [
        "line 1: raise ValueError(f'{x} is 3 - 1') -> nothing"
    ]


def test_only_the_solution_changes_and_docstrings_rename_nothing() -> None:
    cell = parse_source(SOURCE, "00_marks").cell("exercise", "grade")
    found = mutants(cell)
    assert all("scale = 1 * 1" in m.source and "most: float=10" in m.source for m in found)
    longer = SOURCE.replace("The share of the points.", "The share of the points.\n\n    More words.")
    again = mutants(parse_source(longer, "00_marks").cell("exercise", "grade"))
    assert [m.description for m in again] == [m.description for m in found]


def test_limit_draws_by_seed() -> None:
    cell = parse_source(SOURCE, "00_marks").cell("exercise", "grade")
    every = [m.description for m in mutants(cell)]
    few = [m.description for m in mutants(cell, limit=4, seed=1)]
    assert len(few) == 4
    assert few == [m.description for m in mutants(cell, limit=4, seed=1)]
    assert few == [d for d in every if d in few]
    assert any(few != [m.description for m in mutants(cell, limit=4, seed=s)] for s in range(2, 6))
    assert [m.description for m in mutants(cell, limit=10_000)] == every


class InProcess(trial.Trial):
    """The trial without its engine."""

    def __init__(self, course: Course, source: object, limits: Limits | None = None) -> None:
        self._source = source  # type: ignore[assignment]

    def __exit__(self, *exc: object) -> None:
        pass

    def run(self, answered: dict[str, str], only: str = "") -> dict[str, TestOutcome]:  # type: ignore[override]
        return next(self.run_many([(answered, "")]))[1]

    def run_many(self, several: list, workers: int = 2) -> Iterator[tuple[int, dict[str, TestOutcome]]]:  # type: ignore[override]
        for position, (answered, _) in reversed(list(enumerate(several))):
            try:
                namespace: dict = {}
                exec(answered["grade"], namespace)
                exec(self._source.cell("test", "grade").source, namespace)
                outcome = TestOutcome("test_grade", 2, 2, PASSED)
            except Exception:
                outcome = TestOutcome("test_grade", 0, 2, FAILED)
            yield position, {"test_grade": outcome}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "course.toml").write_text(
        '[course]\ntitle = "Marks"\nid = "marks"\nrepository = "a/b"\n[[assignment]]\nname = "00_marks"\n'
    )
    (tmp_path / "solutions" / "variants").mkdir(parents=True)
    (tmp_path / "solutions" / "00_marks.py").write_text(SOURCE)
    (tmp_path / "solutions" / "variants" / "00_marks.py").write_text(VARIANTS)
    return open_course(tmp_path)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "Trial", InProcess)


@pytest.mark.usefixtures("in_process")
def test_all_noticed_or_explained(course: Course) -> None:
    calls: list[tuple[int, int]] = []
    ((score, fates),) = run_mutants(course, progress=lambda done, total: calls.append((done, total)))
    assert score.ok, score
    assert failures([score]) == []
    assert len(score.equivalent) == 3
    assert score.noticed + 3 == score.mutants == len(fates)
    assert calls[-1] == (len(fates), len(fates))
    assert {fate.fate for fate in fates} == {NOTICED, EQUIVALENT}
    assert next(f.why for f in fates if f.fate == EQUIVALENT) == "the limit gives 1 either way"
    json.dumps([fate.to_json() for fate in fates])


@pytest.mark.usefixtures("in_process")
def test_a_survivor_is_named_with_its_remedy(course: Course) -> None:
    path = course.root / "solutions" / "variants" / "00_marks.py"
    path.write_text("\n".join(line for line in VARIANTS.split("\n") if "points >= most" not in line))
    ((score, fates),) = run_mutants(course)
    assert score.survivors == ("line 1: points > most -> points >= most",)
    assert not score.ok
    assert [f.mutant for f in fates if f.fate == SURVIVED] == list(score.survivors)
    (sentence,) = failures([score])
    assert (
        "exercise grade: the test does not notice the change `line 1: points > most -> points >= most`"
        in sentence
    )
    assert "equivalent('grade', mutant='line 1: points > most -> points >= most', why=...)" in sentence


@pytest.mark.usefixtures("in_process")
def test_a_weak_test_has_a_low_share(course: Course) -> None:
    weak = SOURCE.replace("assert grade(12) == 1.0\nassert grade(10.5) == 1.0\n", "").replace(
        "== 0.4,", "> 0,"
    )
    (course.root / "solutions" / "00_marks.py").write_text(weak)
    ((score, _),) = run_mutants(course)
    assert score.share < 0.9
    assert any("of the changes are noticed, 90% are wanted" in text for text in failures([score]))


@pytest.mark.usefixtures("in_process")
def test_mutants_of_a_solution_that_fails_prove_nothing(course: Course) -> None:
    (course.root / "solutions" / "00_marks.py").write_text(
        SOURCE.replace("grade(12) == 1.0", "grade(12) == 2.0")
    )
    with pytest.raises(CourseError, match="the solution itself fails test_grade"):
        list(run_mutants(course))


@pytest.mark.usefixtures("in_process")
def test_stale_declarations(course: Course) -> None:
    stale = 'equivalent("grade", mutant="line 9: a -> b", why="x")\n'
    noticed = 'equivalent("grade", mutant="line 2: 1.0 -> 2.0", why="x")\n'
    (course.root / "solutions" / "variants" / "00_marks.py").write_text(VARIANTS + stale + noticed)
    ((score, _),) = run_mutants(course)
    assert score.stale == (
        "line 2: 1.0 -> 2.0: the test notices it",
        "line 9: a -> b: there is no such mutant",
    )
    assert len(failures([score])) == 2
    # drawing a few does not make the others look stale
    ((few, _),) = run_mutants(course, limit=1)
    assert few.stale[-1].startswith("line 9")
    assert all("no such mutant" in text for text in few.stale if "line 9" in text)


def test_share_without_mutants_and_table() -> None:
    score = Score("n", "e", 0, 0, (), (), ())
    assert score.share == 1.0
    columns, rows, good = table([score, Score("n", "e", 10, 8, ("a",), ("b",), ())])
    assert len(columns) == len(rows[0])
    assert (rows[1][-1], good) == ("89%", [True, False])


def test_short_limits_never_exceed_the_courses() -> None:
    limits = short_limits(Limits(cell_seconds=1.0, submission_seconds=600.0))
    assert limits.cell_seconds == 1.0
    assert limits.submission_seconds < 60


@pytest.mark.slow
def test_the_real_engine_notices_and_survives_a_loop(course: Course) -> None:
    endless = SOURCE.replace(
        "    if points > most:\n",
        "    left = 3\n    while left > 0:\n        left -= 1\n    if points > most:\n",
    )
    (course.root / "solutions" / "00_marks.py").write_text(endless)
    ((score, fates),) = run_mutants(course)
    by_mutant = {fate.mutant: fate.fate for fate in fates}
    assert by_mutant["line 3: left -= 1 -> nothing"] == NOTICED
    assert by_mutant["line 5: 1.0 -> 2.0"] == NOTICED
    assert by_mutant["line 1: 3 -> 4"] == SURVIVED
    assert score.mutants == len(fates)

"""Variants: declarations are read without being run, spliced in as source, judged by their own test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from autograder import trial
from autograder.build import Course, open_course
from autograder.errors import CourseError
from autograder.records import FAILED, PASSED, TestOutcome
from autograder.source import parse_source
from autograder.variants import hand_in_answers, judge, load_variants, parse_variants, run_variants

SOURCE = parse_source(
    '''\
# %% [markdown]
# # Sums

# %% setup
import math

# %% exercise="total" minutes=5 difficulty=1
def total(numbers: list[float]) -> float:
    """The sum."""
    ### BEGIN SOLUTION
    return math.fsum(numbers)
    ### END SOLUTION

# %% test="total" points=2
assert total([1, 2]) == 3, "Add them up."

# %% exercise="mean" minutes=5 difficulty=1
def mean(numbers: list[float]) -> float:
    """The mean."""
    ### BEGIN SOLUTION
    return total(numbers) / len(numbers)
    ### END SOLUTION

# %% test="mean" points=3
assert mean([1, 3]) == 2, "Divide by how many there are."
''',
    "00_sums",
)
VARIANTS = '''\
"""Answers to 00_sums."""

from __future__ import annotations

import functools
import math
import operator

from autograder.variants import equivalent, right, wrong


def _add(a, b):
    return operator.add(a, b)


@right("total", why="recursion")
def recursive(numbers: list[float]) -> float:
    return numbers[0] + recursive(numbers[1:]) if numbers else 0


@right("total", why="reduces")
def reduced(numbers):
    return functools.reduce(_add, numbers, 0)


@wrong("total", misconception="Multiplies.", hint="Add them")
def product(numbers):
    return math.prod(numbers)


@wrong(
    "mean",
    misconception="Forgets to divide, "
    "as sums are easier.",
    hint="Divide by",
)
def undivided(numbers):
    return total(numbers)


equivalent("mean", mutant="line 1: a -> b", why="same thing")
'''


def declared(text: str):
    return parse_variants(text, SOURCE)


def test_reads_kinds_and_texts() -> None:
    found = declared(VARIANTS)
    assert [(v.exercise, v.name, v.kind) for v in found.variants] == [
        ("total", "recursive", "right"),
        ("total", "reduced", "right"),
        ("total", "product", "wrong"),
        ("mean", "undivided", "wrong"),
    ]
    undivided = found.of("mean", "wrong")[0]
    assert undivided.misconception == "Forgets to divide, as sums are easier."
    assert undivided.hint == "Divide by"
    assert [(e.exercise, e.mutant, e.why) for e in found.equivalents] == [
        ("mean", "line 1: a -> b", "same thing")
    ]


def test_spliced_source_is_renamed_and_undecorated() -> None:
    recursive = declared(VARIANTS).of("total")[0].source
    namespace: dict = {}
    exec(recursive, namespace)
    assert namespace["total"]([1, 2, 3]) == 6
    assert "recursive" not in recursive
    assert "right" not in recursive


def test_other_decorators_stay() -> None:
    text = '@wrong("total", misconception="x", hint="y")\n@staticmethod\ndef f(numbers):\n    return 1\n'
    assert declared(text).variants[0].source.startswith("@staticmethod\ndef total(")


def test_imports_and_helpers_come_along_where_they_are_needed() -> None:
    recursive, reduced, product, undivided = (v.source for v in declared(VARIANTS).variants)
    assert [type(n) for n in ast.parse(reduced).body] == [
        ast.Import,
        ast.Import,
        ast.FunctionDef,
        ast.FunctionDef,
    ]
    namespace: dict = {}
    exec(reduced, namespace)
    assert namespace["total"]([1, 2]) == 3
    assert "import" not in recursive
    assert "import" not in product  # math comes from the setup cell
    assert "import" not in undivided


def test_a_class_may_be_a_variant_of_names_that_are_unknown_here() -> None:
    text = '@wrong("total", misconception="x", hint="y")\nclass Summer(nn.Module):\n    other: Summer\n'
    assert declared(text).variants[0].source == "class total(nn.Module):\n    other: total\n"


def test_hand_in_has_the_variant_in_one_place() -> None:
    variant = declared(VARIANTS).of("total", "wrong")[0]
    answered = hand_in_answers(SOURCE, variant)
    assert answered["total"] == "def total(numbers):\n    return math.prod(numbers)\n"
    assert "total(numbers) / len(numbers)" in answered["mean"]


MALFORMED = {
    "syntax": ("def f(:\n", "line 1: "),
    "no exercise": ("@right\ndef f(numbers): pass\n", "right does not name its exercise"),
    "unknown exercise": ('@right("sum", why="x")\ndef f(numbers): pass\n', "has no exercise sum"),
    "no hint": (
        '@wrong("total", misconception="x")\ndef f(numbers): pass\n',
        "wrong takes hint and misconception",
    ),
    "empty hint": ('@wrong("total", misconception="x", hint="")\ndef f(numbers): pass\n', "hint of wrong"),
    "computed hint": ('@wrong("total", misconception="x", hint=H)\ndef f(numbers): pass\n', "hint of wrong"),
    "unknown setting": ('@right("total", why="x", hint="y")\ndef f(numbers): pass\n', "right takes why"),
    "other parameters": (
        '@right("total", why="x")\ndef f(values): pass\n',
        "f takes (values), but total takes (numbers)",
    ),
    "twice": ('@right("total", why="x")\ndef f(numbers): pass\n' * 2, "f is declared twice for total"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_declarations_get_a_sentence(case: str) -> None:
    text, message = MALFORMED[case]
    with pytest.raises(CourseError) as caught:
        declared(text)
    assert caught.value.message.startswith("solutions/variants/00_sums.py, line ")
    assert message in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "points", "message", "hidden", "note"),
    [
        ("right", 2, "", False, ""),
        ("right", 1, "", False, "a right answer loses points"),
        ("wrong", 2, "", False, "a wrong answer keeps all points"),
        ("wrong", 0, "Likely cause: Add them up.", False, ""),
        ("wrong", 0, "NameError", False, "the visible test's message lacks the hint"),
        ("wrong", 0, "Add them up.", True, "only a hidden test fails, so the student sees no hint"),
    ],
)
def test_judging(kind: str, points: float, message: str, hidden: bool, note: str) -> None:
    variant = declared(VARIANTS).of("total", kind)[0]
    row = judge(variant, points, 2, message, hidden)
    assert (row.note, row.ok) == (note, not note)
    assert row.got == f"{points} of 2"
    assert {"notebook", "exercise", "variant", "kind", "expected", "got", "hint"} <= set(row.to_json())


class InProcess(trial.Trial):
    """The trial without its engine: answers and tests run right here."""

    def run(self, answered: dict[str, str], only: str = "") -> dict[str, TestOutcome]:
        namespace: dict = {}
        outcomes = {}
        for cell in self._source.cells:
            try:
                if cell.role in ("setup", "test"):
                    exec(cell.source, namespace)
                elif cell.role == "exercise":
                    exec(answered[cell.id], namespace)
                status, message = PASSED, ""
            except Exception as error:
                status, message = FAILED, str(error)
            if cell.role == "test":
                points = cell.points if status == PASSED else 0
                outcomes[cell.id] = TestOutcome(cell.id, points, cell.points, status, message)
        return outcomes


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    (tmp_path / "course.toml").write_text(
        '[course]\ntitle = "Sums"\nid = "sums"\nrepository = "a/b"\n[[assignment]]\nname = "00_sums"\n'
    )
    (tmp_path / "solutions" / "variants").mkdir(parents=True)
    (tmp_path / "solutions" / "variants" / "00_sums.py").write_text(VARIANTS)
    course = open_course(tmp_path)
    monkeypatch.setattr(Course, "source", lambda self, name: SOURCE)
    monkeypatch.setattr(trial, "Trial", InProcess)
    return course


def test_run_judges_only_the_variants_own_test(course: Course) -> None:
    rows = [row for _, row in run_variants(course)]
    assert [row.variant for row in rows] == [
        "(the solution)", "(the solution)", "recursive", "reduced", "product", "undivided",
    ]  # fmt: skip
    assert all(row.ok for row in rows)


def test_run_names_what_is_wrong(course: Course) -> None:
    path = course.root / "solutions" / "variants" / "00_sums.py"
    path.write_text(VARIANTS.replace("math.prod(numbers)", "sum(numbers)").replace("Divide by", "Count them"))
    notes = {row.variant: row.note for _, row in run_variants(course) if not row.ok}
    assert notes == {
        "product": "a wrong answer keeps all points",
        "undivided": "the visible test's message lacks the hint",
    }


def test_a_row_that_is_not_ok_says_what_the_test_said() -> None:
    variant = declared(VARIANTS).of("mean", "wrong")[0]
    row = judge(variant, 0, 2, "mean([1, 3])\n  expected 2", False)
    assert str(row) == (
        "00_sums, exercise mean, variant undivided: the visible test's message lacks the hint. "
        "The hint: Divide by. The test says: mean([1, 3]) expected 2"
    )


def test_no_file_means_no_variants(course: Course) -> None:
    (course.root / "solutions" / "variants" / "00_sums.py").unlink()
    assert load_variants(course, SOURCE).variants == ()

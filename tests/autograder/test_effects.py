"""A test sees the student's process as it was where the test stands, whenever the copy is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch  # noqa: F401  (so that it is there)
from engine import LIMITS, Cells, grading, hand_in, solved
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from autograder.effects import Before
from autograder.grade import Worker, _scratch, grade_notebook
from autograder.inside.session import is_plain
from autograder.sandbox import Session

EARLIER = """import numpy as np
rate = 0.1  # a comment about heads: are they many?
\u03bc = 1
def mean(values): return helper(values)"""

UNNOTICED = [
    "",
    "# only a comment",
    "'a docstring'",
    "def scale(array, factor=2, *, by=(1, -1)):\n    global rate\n    return array * factor",
    "def scale(array: 'np.ndarray[int]', factor: list[int] | None = None) -> dict[str, int]: ...",
    "async def later(): pass",
    "class Block(np.ndarray):\n    'One block.'\n    width = 3\n    def forward(self, x): return x",
    "WIDTH = 3\nNAMES = ['a', {'b': -1}]",
    "import math\nfrom collections import Counter",
    "import torch.nn as neural\nfrom torch import nn",
    "pass",
]
NOTICED = {
    "it is no Python": "def scale(:",
    "a magic": "%matplotlib inline",
    "a shell command": "!true",
    "a call": "print('hello')",
    "it is defined anew": "def mean(values): return 0",
    "a helper of an earlier answer": "def helper(values): return 0",
    "a variable of an earlier cell": "rate = 0.2",
    "a name that a test asks for": "def wanted(): pass",
    "a word in a comment": "heads = 2",
    "an import under an earlier name": "import numpy as np",
    "a module that nobody knows": "import my_own_file",
    "a module that is not there yet": "import this",
    "a part that is not there yet": "from concurrent.futures import nothing_there",
    "a letter that Python reads as another": "\u00b5 = 2",
    "an import of everything": "from math import *",
    "a relative import": "from . import something",
    "a decorator": "@np.vectorize\ndef scale(x): return x",
    "a call in a default value": "def scale(x, y=print('hello')): return x",
    "a call in an annotation": "def scale(x: print('hello')): return x",
    "a call among the bases": "class Block(type('Base', (), {})): pass",
    "a metaclass": "class Block(metaclass=np.meta): pass",
    "a statement in a class": "class Block:\n    print('hello')",
    "an attribute is set": "np.pi = 3",
    "an item is set": "CACHE[0] = 3",
    "a loop": "for i in range(3): pass",
    "a condition": "if True: width = 3",
    "something is deleted": "del np",
    "a list that is computed": "squares = [i for i in range(3)]",
    "arithmetic, which may be overloaded": "width = np.pi + 1",
}


SHELL = InteractiveShell()


def before(*sources: str) -> Before:
    made = Before()
    for source in sources or (EARLIER, "assert mean([1]) == wanted"):
        made.add(source)
    return made


@pytest.mark.parametrize("source", UNNOTICED)
def test_what_nothing_before_can_notice(source: str) -> None:
    assert not before().can_notice(source)


@pytest.mark.parametrize("why", NOTICED)
def test_what_could_be_noticed(why: str) -> None:
    assert before().can_notice(NOTICED[why])


@pytest.mark.parametrize(
    "looking",
    ["x = globals()", "%run -i helpers.py", "!true", "import IPython; IPython.get_ipython()", "eval('late')", "import inspect", "import sys; sys.modules['__main__']", "dir()",
     "class A:\n    def __init_subclass__(cls): A.seen = cls", "get_ipython().user_ns"],
)  # fmt: skip
def test_who_looks_around_notices_everything(looking: str) -> None:
    assert before(looking).can_notice("def scale(x): return x")


def test_a_module_put_into_evaluation_mode_is_not_looking_around() -> None:
    assert not before("model.eval(); loss = model.dir").can_notice("def scale(x): return x")


@given(st.text("abx =%!?,;/.>[]()\n\t \\'\"#", max_size=40))
def test_cells_that_go_to_python_as_they_are_are_those_that_ipython_would_leave_alone(source: str) -> None:
    source = f"a = 1\n{source}"  # a single line is never taken for plain
    if is_plain(source):
        ended = source if source.endswith("\n") else source + "\n"
        assert SHELL.transform_cell(source) == ended


CELLS: Cells = [
    ("locked", "imports", "import numpy as np", 0),
    ("solution", "one", "def one():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", 0),
    ("test", "test_one", "assert one() == 1, 'one is not 1'\n### BEGIN HIDDEN TESTS\nassert one() == 1\n### END HIDDEN TESTS", 1),
    ("solution", "two", "def two():\n    ### BEGIN SOLUTION\n    return 2\n    ### END SOLUTION", 0),
    ("test", "test_two", "assert two() == 2, 'two is not 2'\n### BEGIN HIDDEN TESTS\nassert two() == 2\n### END HIDDEN TESTS", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def worker():
    made = Worker(grading(CELLS))
    yield made
    made.close()


def points(worker: Worker, answers: dict[str, str], extra: dict[int, str] | None = None) -> list[float]:
    result = worker.grade(hand_in({**solved(CELLS), **answers}, CELLS, extra))
    return [outcome.points for outcome in result.outcomes]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("later", "wanted"),
    [
        ("def two(): return 2", [1, 1]),
        ("def one(): return 0\ndef two(): return 2", [1, 1]),  # defined anew after its test
        ("number = 0\ndef two(): return 2", [1, 1]),
        ("def two(): return 2\nglobals()['one'] = two", [1, 1]),
        ("def two(): return number", [1, 1]),  # reads what the first answer made
        ("def two(): return seen", [1, 0]),  # a name that only a test's own process has
    ],
)
def test_later_cells_change_nothing_for_an_earlier_test(
    worker: Worker, later: str, wanted: list[float]
) -> None:
    first = "number = 2\ndef one():\n    global seen\n    seen = 2\n    return number - 1"
    assert points(worker, {"one": first, "two": later}) == wanted


@pytest.mark.slow
def test_each_test_has_a_process_of_its_own(worker: Worker) -> None:
    counting = "calls = 0\ndef one():\n    global calls\n    calls += 1\n    return 1"
    assert points(worker, {"one": counting, "two": "def two(): return 2 + calls"}) == [1, 1]
    leaving = "import os\ndef one(): os._exit(0)"
    assert points(worker, {"one": leaving}) == [0, 1]
    assert points(worker, {"two": "import os\ndef two(): os._exit(0)"}) == [1, 0]


@pytest.mark.slow
def test_whether_a_copy_is_made_tells_nothing_of_a_hidden_test(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [(k, g, s.replace("assert one() == 1\n", "secret_word = one()\n"), p) for k, g, s, p in CELLS]
    assert "secret_word" in cells[2][2]
    copy, made = Session.snapshots, []
    monkeypatch.setattr(Session, "snapshots", lambda self, n: made.append(n) or copy(self, n))
    for guess in ("secret_word", "no_such_word"):
        with _scratch({}):
            handin = hand_in(solved(cells), cells, {3: f"{guess} = 1"})
            grading_of = grading(cells)
            grade_notebook(grading_of, grading_of.assignment.notebooks[0], handin, worker.sandbox)
    assert made == [1, 1]


@pytest.mark.slow
def test_the_feedback_says_how_a_copy_ended_whichever_test_it_was(worker: Worker) -> None:
    leaving = {"one": "import os\ndef one(): os._exit(3)", "two": "import os\ndef two(): os._exit(4)"}
    outcomes = worker.grade(hand_in({**solved(CELLS), **leaving}, CELLS)).outcomes
    said = [outcome.message for outcome in outcomes]
    assert "exit status 3" in said[0] and "exit status 4" in said[1], said


@pytest.mark.slow
def test_where_processes_run_out_the_tests_run_in_the_students_own() -> None:
    made = Worker(grading(CELLS, replace(LIMITS, processes=3)))
    try:
        pool = "import os, time\nif not os.fork():\n    time.sleep(60)"
        assert points(made, {}, {1: pool}) == [1, 1]
    finally:
        made.close()


@pytest.mark.slow
def test_copies_draw_the_same_random_numbers(worker: Worker) -> None:
    seeding = (
        "import random\nrandom.seed(5)\nfirst, drawn = random.Random(5).random(), []\n"
        "def one():\n    drawn.append(random.random())\n    return 1 if drawn[0] == first else 0"
    )
    assert points(worker, {"one": seeding, "two": "def two(): return 1 + one()"}) == [1, 1]


@pytest.mark.slow
def test_a_cell_of_one_line_may_be_a_magic_without_its_mark(worker: Worker) -> None:
    result = worker.grade(hand_in(solved(CELLS), CELLS, {1: "pwd"}))
    run = result.notebooks[0].rebuilt["cells"][1]["run"]
    assert run["error"] is None and "/tmp/work" in str(run["outputs"])


SOCKETS = """import os
def sockets():
    places = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(p) and os.readlink(p).startswith("socket:") for p in places)
"""


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{}, {5: "two()"}])
def test_no_copy_can_answer_in_place_of_another(worker: Worker, extra: dict[int, str]) -> None:
    one, two = f"{SOCKETS}def one(): return sockets()", "def two(): return 1 + sockets()"
    assert points(worker, {"one": one, "two": two}, extra) == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "copies"), [({}, 1), ({5: "two()"}, 2), ({3: "one()"}, 1), ({2: "one()"}, 1)]
)
def test_a_process_is_copied_only_where_it_must_be(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, extra: dict[int, str], copies: int
) -> None:
    made: list[int] = []
    copy = Session.snapshots

    def counted(session: Session, count: int):
        made.append(count)
        return copy(session, count)

    monkeypatch.setattr(Session, "snapshots", counted)
    worker.sandbox.ensure()
    assignment = worker.grading.assignment
    with _scratch({}):
        result = grade_notebook(
            worker.grading, assignment.notebooks[0], hand_in(solved(CELLS), CELLS, extra), worker.sandbox
        )
    assert result.points == 2 and sum(made) == copies

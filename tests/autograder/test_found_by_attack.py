"""Holes that an attack on the grader found once, each with the hand-in that found it."""

from __future__ import annotations

from pathlib import Path

import pytest
from classes import make, notebook_bytes, put
from engine import LIMITS, Cells, grading, hand_in, solved

from autograder.grade import Worker
from autograder.grade_class import grade_class
from autograder.record import Recorder
from autograder.records import NotebookResult

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def worker():
    made = Worker(grading())
    yield made
    made.close()


def grade(worker: Worker, cells: Cells, answers: dict[str, str], **more) -> NotebookResult:
    worker.grading = grading(cells)
    return worker.grade(hand_in({**solved(cells), **answers}, cells, **more)).notebooks[0]


def two_tests(first: str, second: str) -> Cells:
    return [
        ("locked", "imports", "import numpy as np", 0),
        ("solution", "f", "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", 0),
        ("test", "test_f", first, 1),
        ("solution", "g", "def g(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", 0),
        ("test", "test_g", second, 5),
    ]


HIDDEN = "assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(31337) == 31337\n### END HIDDEN TESTS"


def test_text_that_can_not_be_stored_stops_nobody(tmp_path: Path) -> None:
    cells = [
        ("solution", "f", "def f(x):\n    ### BEGIN SOLUTION\n    return 'a'\n    ### END SOLUTION", 0),
        ("test", "test_f", "got = f(1)\nassert got == 'a', f'got {got}'", 2),
    ]
    folder = make(tmp_path / "course", cells)
    put(folder, "bad", notebook_bytes({"f": "def f(x): return 'x\\ud800\\x1b[2J\\u202e'"}, cells))
    put(folder, "good", notebook_bytes(solved(cells), cells))
    summary = grade_class(folder, "ps")
    assert {r.student: r.points for r in summary.results} == {"bad": 0, "good": 2}
    message = next(r for r in summary.results if r.student == "bad").outcomes[0].message
    assert "\x1b" not in message and "\u202e" not in message


def test_a_result_that_can_not_be_recorded_costs_only_itself(tmp_path: Path, monkeypatch) -> None:
    folder = make(tmp_path / "course")
    for name in ("ann", "bob"):
        put(folder, name, notebook_bytes(solved()))
    write = Recorder._write

    def fail_once(self, result, documents) -> None:
        if result.student == "ann" and result.points:
            raise OSError("disk on fire")
        write(self, result, documents)

    monkeypatch.setattr(Recorder, "_write", fail_once)
    verdicts = {r.student: r.verdict for r in grade_class(folder, "ps").results}
    assert verdicts == {"ann": "internal", "bob": "passed"}


def test_a_name_that_an_answer_only_imports_is_ours(worker: Worker) -> None:
    cells = [
        (
            "solution",
            "f",
            "import numpy as np\ndef f(x):\n    ### BEGIN SOLUTION\n    return 2\n    ### END SOLUTION",
            0,
        ),
        ("test", "test_f", "assert np.allclose(f(1), 2)", 2),
    ]
    lie = "class np:\n    allclose = staticmethod(lambda *a: True)\ndef f(x): return 0"
    assert grade(worker, cells, {}).points == 2
    assert grade(worker, cells, {"f": lie}).points == 0


def test_names_that_tests_bind_are_never_the_students(worker: Worker) -> None:
    cells = two_tests(
        "assert f(1) == 1\ncases = [(2, 2), (3, 3)]",
        "for x, y in cases:\n    assert g(x) == y",
    )
    lie = {"f": "cases = []\ndef f(x): return 0", "g": "def g(x): return 0"}
    assert grade(worker, cells, {}).points == 6
    assert grade(worker, cells, lie).points == 0


def test_an_exercise_named_like_a_builtin_is_tested(worker: Worker) -> None:
    cells = [
        (
            "solution",
            "sum",
            "def sum(values):\n    ### BEGIN SOLUTION\n    return values[0] + values[1]\n    ### END SOLUTION",
            0,
        ),
        ("test", "test_sum", "assert sum([1, 2]) == 3", 2),
    ]
    assert grade(worker, cells, {}).points == 2
    assert grade(worker, cells, {"sum": "def sum(values): raise NotImplementedError"}).points == 0


def test_points_are_numbers(worker: Worker) -> None:
    cells = [
        ("locked", "imports", "import numpy as np", 0),
        ("solution", "f", "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION", 0),
        ("test", "test_f", "score = 0\nfor x in (1, 2): score += f(x) == 2 * x\nscore", 2),
    ]
    assert grade(worker, cells, {}).points == 2
    assert grade(worker, cells, {"f": "import numpy as np\ndef f(x): return np.array([2, 4])"}).points == 0


def test_stop_means_something_only_for_iterators(worker: Worker) -> None:
    cells = [
        (
            "solution",
            "K",
            "class K:\n    ### BEGIN SOLUTION\n    def __getitem__(self, i): return i * i\n    ### END SOLUTION",
            0,
        ),
        ("test", "test_K", "k = K()\nassert all(map(lambda i: k[i] == i * i, range(5)))", 3),
    ]
    lie = (
        "from autograder.inside import session\n"
        "session._Session.do_item = lambda self, h, d: ({'stop': True}, [])\nclass K: pass"
    )
    assert grade(worker, cells, {}).points == 3
    assert grade(worker, cells, {"K": lie}).points == 0


LEAKS = {
    "through a file, into the message of a later test": (
        {
            "f": "def f(x):\n    open('/tmp/seen', 'a').write(f' {x}')\n    return x",
            "g": "def g(x): return 'seen' + open('/tmp/seen').read()",
        },
        two_tests(HIDDEN, "got = g(2)\nassert got == 2, f'g(2) should be 2, not {got}'"),
    ),
    "through a thread, which forbids copies": (
        {
            "f": "import threading, time\nseen = []\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
            "def f(x):\n    seen.append(x)\n    return x",
            "g": "def g(x): return str(seen)",
        },
        two_tests(HIDDEN, "got = g(2)\nassert got == 2, f'g(2) should be 2, not {got}'"),
    ),
    "through a helper of the visible part": (
        {"f": "def f(x):\n    if x == 1: return 1\n    raise ValueError(f'saw {x}')"},
        two_tests(
            "def same(x): assert f(x) == x, f'f({x}) is wrong'\nsame(1)\n"
            "### BEGIN HIDDEN TESTS\nsame(31337)\n### END HIDDEN TESTS",
            "assert g(1) == 1",
        ),
    ),
    "through the exit status": (
        {"f": "import os\ndef f(x):\n    if x > 255: os._exit(x % 256)\n    return x"},
        two_tests(HIDDEN, "assert g(1) == 1"),
    ),
}


@pytest.mark.parametrize("how", LEAKS)
def test_what_a_hidden_test_passes_in_does_not_come_out(worker: Worker, how: str) -> None:
    answers, cells = LEAKS[how]
    result = grade(worker, cells, answers)
    for outcome in result.outcomes:
        assert "31337" not in outcome.message + outcome.misconception, outcome
        assert str(31337 % 256) not in outcome.message
    assert "31337" not in str(result.rebuilt)
    assert result.points < 6


def test_output_is_limited_over_all_cells(worker: Worker) -> None:
    noisy = "print('x' * 65536)\nfrom IPython.display import display\ndisplay({'text/plain': 'y' * 65536}, raw=True)"
    cells = two_tests("assert f(1) == 1", "assert g(1) == 1")
    result = grade(worker, cells, {}, extra=dict.fromkeys(range(1, 6), noisy))
    assert result.points == 6
    assert len(str(result.rebuilt)) < 4 * (LIMITS.output_kb << 10)


def test_the_referees_memory_is_bounded_too(worker: Worker) -> None:
    cells = [
        ("locked", "imports", "import numpy as np", 0),
        (
            "solution",
            "f",
            "def f(x):\n    ### BEGIN SOLUTION\n    return np.zeros(3)\n    ### END SOLUTION",
            0,
        ),
        ("test", "test_f", "assert np.allclose(f(1), np.zeros(3))", 2),
        ("solution", "g", "def g(x):\n    ### BEGIN SOLUTION\n    return [1]\n    ### END SOLUTION", 0),
        ("test", "test_g", "assert sum(g(1)) == 1", 2),
    ]
    wide = "def f(x): return np.zeros((3_000_000, 1), bool) @ np.zeros((1, 1), bool)"
    result = grade(
        worker,
        cells,
        {"f": "def f(x): return np.zeros((7_000_000, 1), bool)", "g": "def g(x): return range(10**10)"},
    )
    assert result.points == 0 and "internal" not in {o.status for o in result.outcomes}, (
        wide,
        result.outcomes,
    )


def test_a_hand_in_can_not_make_itself_our_fault(worker: Worker) -> None:
    cells = two_tests("assert f(1) == 1", "assert g(1) == 1")
    for code in (
        "import os, signal\nos.kill(1, signal.SIGINT)",
        "import resource\ntry: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))\nexcept OSError: pass",
        "\n".join(["!true"] * 600),
    ):
        result = grade(worker, cells, {}, extra={2: code})
        assert {o.status for o in result.outcomes} <= {"passed", "timeout"}, (code[:40], result.outcomes)


def test_two_hand_ins_share_no_terminal(worker: Worker) -> None:
    worker.grading = grading()
    worker.sandbox.ensure()
    with worker.sandbox.open() as first, worker.sandbox.open() as second:
        opened = first.run_cell(
            "import os\nmaster = os.open('/dev/ptmx', os.O_RDWR)\nprint(os.listdir('/dev/pts'))"
        )
        seen = second.run_cell("import os\nprint(sorted(os.listdir('/dev/pts')))")
    assert opened.error is None or opened.error["type"] in ("FileNotFoundError", "PermissionError", "OSError")
    assert "0" not in seen.stdout


def test_memory_without_a_name_is_refused(worker: Worker) -> None:
    worker.sandbox.ensure()
    with worker.sandbox.open() as session:
        run = session.run_cell("import os\nos.memfd_create('x')")
    assert run.error is not None and run.error["type"] == "PermissionError"


def test_fractions_and_decimals_cross(worker: Worker) -> None:
    cells = [
        ("solution", "f", "def f(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION", 0),
        ("test", "test_f", "assert abs(float(f(1)) - 0.5) < 1e-9", 2),
    ]
    for answer in (
        "from fractions import Fraction\ndef f(x): return Fraction(x, 2)",
        "from decimal import Decimal\ndef f(x): return Decimal(x) / 2",
    ):
        assert grade(worker, cells, {"f": answer}).points == 2

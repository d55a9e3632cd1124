"""The promises of docs/security.md, each tried by code that wants to break it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from engine import grading, hand_in, solved

from autograder import sandbox
from autograder.doctor import SMALL, TRIALS, examine
from autograder.errors import CourseError
from autograder.grade import Worker
from autograder.sandbox import NONE, SINGLE, Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def findings():
    return {f.number: f for f in examine()}


@pytest.mark.parametrize(("number", "promise"), [(0, "the sandbox starts"), *((n, p) for n, p, _ in TRIALS)])
def test_promise(findings, number: int, promise: str) -> None:
    assert findings[number].holds, findings[number].detail


@pytest.mark.parametrize("isolation", [SINGLE, NONE])
def test_the_doctor_notices_what_does_not_hold(isolation: str) -> None:
    """Without namespaces of their own, and above all without bubblewrap, trials must fail: they test something."""
    sandbox = Sandbox(SMALL, ["numpy"], isolation=isolation)
    broken = {1: NONE, 2: NONE}
    with sandbox:
        sandbox.start()
        from pathlib import Path
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            for number, _, trial in TRIALS:
                if number in broken:
                    holds, _detail = trial(sandbox, Path(folder))
                    assert holds == (isolation != broken[number])
                    sandbox.close()
                    sandbox.start()


@pytest.fixture(scope="module")
def worker():
    made = Worker(grading())
    yield made
    made.close()


FIRST_PASSES = {
    "a segmentation fault": "import ctypes; ctypes.string_at(0)",
    "os._exit": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit()",
    "recursion": "def r(n): return r(n + 1)\nimport sys; sys.setrecursionlimit(10**9); r(0)",
    "closing all descriptors": "import os; os.closerange(0, 4096)",
    "garbage to the grader": "import os; os.write(3, b'x' * 10000)",
    "a forged frame": "from autograder.inside import wire\nimport os\nos.write(3, wire.pack({'value': 1}))",
    "a huge header": "from autograder.inside import wire\nimport os\nos.write(3, wire.PREFIX.pack(wire.MAGIC, 1 << 31, 1 << 62, 1))",
    "stopping itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "memory": "x = [bytearray(1 << 20) for _ in range(4000)]",
    "a loop that swallows interrupts": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
}


@pytest.mark.parametrize("what", FIRST_PASSES)
def test_a_crash_keeps_the_points_earned_before_it(worker: Worker, what: str) -> None:
    """The first exercise is right; then the process is brought down, in the cell of the second."""
    answers = {**solved(), "scale": FIRST_PASSES[what] + "\ndef scale(array, factor): return array * 0 + 1"}
    result = worker.grade(hand_in(answers))
    first, second = result.outcomes
    assert (first.status, first.points) == ("passed", 2), result
    assert second.points == 0 and second.status != "internal", result
    again = worker.grade(hand_in(solved()))
    assert again.points == 5, "the next hand-in must not notice"


def test_a_process_that_kills_all_it_can_see_harms_only_its_own_hand_in(worker: Worker) -> None:
    result = worker.grade(hand_in({**solved(), "scale": "import os, signal; os.kill(-1, signal.SIGKILL)"}))
    assert result.verdict == "died" and result.points == 0
    assert worker.grade(hand_in(solved())).points == 5


VALUES = {
    "a huge value": "def mean(values): return bytearray(1 << 30)",
    "a huge list": "def mean(values): return [0] * 50_000_000",
    "nested": "def mean(values):\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
    "contains itself": "def mean(values):\n    x = []\n    x.append(x)\n    return x",
    "a huge text": "def mean(values): return 'x' * (1 << 28)",
    "a huge int": "def mean(values): return 1 << (1 << 26)",
    "exit in a call": "import os\ndef mean(values): os._exit(0)",
    "endless call": "def mean(values):\n    while True: pass",
    "an exception with a huge text": "def mean(values): raise ValueError('x' * (1 << 27))",
    "an exception that lies": "class E(Exception):\n    def __str__(self): raise RuntimeError\ndef mean(values): raise E",
    "a frame of its own": "import os\nfrom autograder.inside import wire\ndef mean(values):\n    os.write(3, wire.pack({'value': 2})); return 0",
}


@pytest.mark.parametrize("what", VALUES)
def test_a_bad_answer_costs_only_its_own_test(worker: Worker, what: str) -> None:
    result = worker.grade(hand_in({**solved(), "mean": VALUES[what]}))
    first, second = result.outcomes
    assert first.points == 0 and first.status != "internal", result
    assert (second.status, second.points) == ("passed", 3), result


def test_many_slow_cells_end_with_the_hand_ins_own_time(worker: Worker) -> None:
    from engine import LIMITS

    slow = {3: "\n".join(["import time", "time.sleep(2.5)"])}
    handin = hand_in(solved(), extra={1: slow[3], 2: slow[3], 3: slow[3]})
    import dataclasses

    short = dataclasses.replace(LIMITS, submission_seconds=4)
    made = Worker(grading(limits=short))
    try:
        started = time.monotonic()
        result = made.grade(handin)
        assert result.verdict == "timeout" and time.monotonic() - started < 30
    finally:
        made.close()


def test_threads_that_go_on_do_not_hurt(worker: Worker) -> None:
    going = "import threading, time\ndef run():\n    while True: time.sleep(0.01)\nthreading.Thread(target=run, daemon=True).start()"
    result = worker.grade(hand_in(solved(), extra={1: going}))
    assert result.points == 5, result
    pool = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(2)\ndef mean(values): return sum(pool.map(float, values)) / len(values)"
    assert worker.grade(hand_in({**solved(), "mean": pool + "\nmean([1.0])"})).points == 5


HONEST = {
    "worker processes": "import multiprocessing as mp\ndef double(x): return 2 * x\nwith mp.get_context('fork').Pool(2) as p: assert p.map(double, [1, 2]) == [2, 4]",
    "chatty": "for i in range(2000): print('line', i)",
    "warnings": "import warnings; warnings.warn('careful'); import sys; print('oh', file=sys.stderr)",
    "magics": "%matplotlib inline\n!echo hello",
    "files of its own": "open('notes.txt', 'w').write('x'); assert open('notes.txt').read() == 'x'",
    "a figure": "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
    "an error in an extra cell": "1 / 0",
}


@pytest.mark.parametrize("what", HONEST)
def test_honest_work_in_odd_clothes_keeps_its_points(worker: Worker, what: str) -> None:
    result = worker.grade(hand_in(solved(), extra={2: HONEST[what], 6: HONEST[what]}))
    assert result.points == 5, result


def test_files_that_shadow_modules_and_start_up_files_do_nothing(worker: Worker) -> None:
    handin = hand_in({})
    evil = b"raise SystemExit"
    names = [
        "numpy.py",
        "torch.py",
        "random.py",
        "autograder.py",
        "sitecustomize.py",
        "usercustomize.py",
        ".ipython/profile_default/startup/00.py",
    ]
    from dataclasses import replace

    files = {**hand_in(solved()).files, **dict.fromkeys(names, evil)}
    assert worker.grade(replace(handin, files=files)).points == 5


def test_a_hand_ins_own_module_can_be_imported(worker: Worker) -> None:
    from dataclasses import replace

    files = {
        **hand_in({**solved(), "mean": "from mine import mean"}).files,
        "mine.py": b"def mean(v): return sum(v) / len(v)",
    }
    assert worker.grade(replace(hand_in({}), files=files)).points == 5


def test_single_use_sandboxes_give_the_same_scores() -> None:
    made = Worker(grading(isolation=SINGLE))
    try:
        assert made.grade(hand_in(solved())).points == 5
        assert made.grade(hand_in({})).points == 0
    finally:
        made.close()


@pytest.mark.parametrize(
    ("restricted", "word"), [("1\n", "Ubuntu"), ("0\n", "containers"), (None, "containers")]
)
def test_where_bubblewrap_may_not_start_the_remedy_is_named(
    restricted: str | None, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: str(refusing))
    monkeypatch.setattr(sandbox, "USER_NAMESPACES", tmp_path / "restrict")
    if restricted is not None:
        (tmp_path / "restrict").write_text(restricted)
    with pytest.raises(CourseError, match="setting up uid map: Permission denied") as caught:
        Sandbox(SMALL, ["numpy"]).start()
    assert word in caught.value.remedy and "docs/elsewhere.md" in caught.value.remedy


def test_without_bubblewrap_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.sandbox.shutil.which", lambda name: None)
    with pytest.raises(CourseError, match="bubblewrap.*apt-get install"):
        Sandbox(SMALL, ["numpy"]).start()


def test_a_course_folder_inside_the_environment_is_covered(tmp_path) -> None:
    import sys
    from pathlib import Path

    inside = Path(sys.prefix) / "share"
    with Sandbox(SMALL, [], hidden=(inside,)) as sandbox:
        sandbox.start()
        with sandbox.open() as session:
            run = session.run_cell("import os; print(os.listdir('/venv/share'))")
    assert run.stdout.strip() == "[]", run


def test_the_same_hand_in_gives_the_same_result_byte_for_byte(worker: Worker) -> None:
    import json

    noisy = {
        **solved(),
        "mean": "import random, numpy as np\nnoise = (random.random(), np.random.rand(), hash('x'))\nprint(noise)\ndef mean(v): return sum(v) / len(v) + 0 * random.random()",
    }

    def without_times(result) -> str:
        data = json.loads(json.dumps(result.to_json()))

        def strip(node):
            if isinstance(node, dict):
                return {k: strip(v) for k, v in node.items() if k not in ("seconds", "cpu_seconds")}
            return [strip(v) for v in node] if isinstance(node, list) else node

        return json.dumps(strip(data))

    other = Worker(grading())
    try:
        results = {without_times(w.grade(hand_in(noisy))) for w in (worker, worker, other)}
    finally:
        other.close()
    assert len(results) == 1

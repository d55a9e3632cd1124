"""Made-up classes in real course folders, for tests of grading as a whole."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from engine import MEAN, Cells, hand_in, instructor, solved

from autograder.course_folder import CourseFolder, make_course_folder

COURSE_TOML = """
[limits]
cell_seconds = 3
submission_seconds = 20
memory_mb = 256
processes = 32
output_kb = 64
disk_mb = 32
value_mb = 8
"""

HOSTILE = (
    "while True: pass",
    "import os; os._exit(0)",
    "import os, signal; os.kill(-1, 9)",
    "x = bytearray(4 << 30)",
    "import os\nfor _ in range(200): os.fork()",
    "print('x' * (1 << 26))",
    "import ctypes; ctypes.string_at(0)",
    "open('/tmp/fill', 'wb').write(b'x' * (1 << 28))",
    "import sys; sys.setrecursionlimit(10**9)\ndef r(n): return r(n + 1)\nr(0)",
    "def mean(v): raise SystemExit",
)
BROKEN = (
    b"",
    b"{",
    b"\x00" * 100,
    b"[]",
    b'{"cells": 3}',
    b"[" * 100000,
    b'{"cells": [{"cell_type": 7, "source": 3}]}',
    "{}".encode("utf-16"),
)


def make(folder: Path, cells: Cells = MEAN, assignment: str = "ps") -> CourseFolder:
    """A course folder with one assignment of that name, whose notebook has the same name."""
    shutil.copytree(_template(tuple(cells), assignment), folder)
    return CourseFolder(folder)


@cache
def _template(cells: tuple, assignment: str) -> Path:
    """Made once per process: nbgrader takes seconds to make a gradebook."""
    folder = Path(tempfile.mkdtemp(prefix="course-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_course_folder(folder, "test", {assignment: instructor(list(cells))}, COURSE_TOML)
    return folder


def put(folder: CourseFolder, student: str, data: bytes, assignment: str = "ps") -> None:
    """Lay a notebook file down as a student's hand-in."""
    target = folder.step("submitted", student, assignment)
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{assignment}.ipynb").write_bytes(data)


def honest(number: int) -> dict[str, str]:
    """One of four honest hand-ins, from full marks to none."""
    right = solved()
    return [right, {**right, "mean": "def mean(values): return 2"}, {"scale": right["scale"]}, {}][number % 4]


def expected(number: int) -> float:
    """What `honest(number)` is worth."""
    return [5.0, 3.0, 3.0, 0.0][number % 4]


def notebook_bytes(answers: dict[str, str], cells: Cells = MEAN, **more) -> bytes:
    return hand_in(answers, cells, **more).files["nb.ipynb"]

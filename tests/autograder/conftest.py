"""A small class, graded once per test run, for everything that looks at results."""

from __future__ import annotations

import base64
import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course_folder import CourseFolder, make_course_folder
from autograder.errors import CourseError
from autograder.grade_class import grade_class
from autograder.sandbox import bubblewrap

ASSIGNMENT = "small"
DUE = datetime(2027, 2, 1, 12, tzinfo=UTC)
LIMITS = "[limits]\ncell_seconds = 3\nsubmission_seconds = 20\noutput_kb = 64\nmemory_mb = 512\n"
SETTINGS = f'{LIMITS}\n[[assignment]]\nname = "{ASSIGNMENT}"\ndue = "{DUE.isoformat()}"\n'

SETUP = "import math\n"
HALF = '''\
def half(x: float) -> float:
    """Half of x."""
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION
'''
TEST_HALF = """\
assert half(3.0) == 1.5, f"Half of 3 is 1.5, not {half(3.0)}."
### BEGIN HIDDEN TESTS
hidden_argument = 424242.0
assert half(hidden_argument) == 212121.0, "HIDDEN-MESSAGE-OF-HALF"
### END HIDDEN TESTS
"""
RUNS = '''\
def runs(text: str) -> list[tuple[str, int]]:
    """The letters of a text with how often each follows itself: "aab" is [("a", 2), ("b", 1)]."""
    ### BEGIN SOLUTION
    found = []
    for letter in text:
        if found and found[-1][0] == letter:
            found[-1] = (letter, found[-1][1] + 1)
        else:
            found.append((letter, 1))
    return found
    ### END SOLUTION
'''
TEST_RUNS = """\
assert runs("") == [], "An empty text has no runs."
assert runs("aab") == [("a", 2), ("b", 1)], f"runs('aab') should not be {runs('aab')!r}."
### BEGIN HIDDEN TESTS
assert runs("abba" * 3)[-1] == ("a", 1), "HIDDEN-MESSAGE-OF-RUNS"
### END HIDDEN TESTS
"""
QUESTION = "Why does `half` return a float even for an even whole number?"
RIGHT_HALF = 'def half(x: float) -> float:\n    """Half of x."""\n    return x / 2\n'
RIGHT_RUNS = '''\
def runs(text: str) -> list[tuple[str, int]]:
    """The letters of a text with how often each follows itself: "aab" is [("a", 2), ("b", 1)]."""
    found = []
    for letter in text:
        if found and found[-1][0] == letter:
            found[-1] = (letter, found[-1][1] + 1)
        else:
            found.append((letter, 1))
    return found
'''
#: The same with other names, comments and spacing, as someone who copied would hand it in.
COPIED_RUNS = '''\
def runs(text: str) -> list[tuple[str, int]]:
    """The letters of a text with how often each follows itself: "aab" is [("a", 2), ("b", 1)]."""
    # my own idea
    result = []
    for ch in text:
        if result and result[-1][0] == ch:   # same again
            result[-1] = (ch, result[-1][1] + 1)
        else:
            result.append((ch, 1))

    return result
'''
GROUPED_RUNS = """\
from itertools import groupby

def runs(text: str) -> list[tuple[str, int]]:
    return [(letter, sum(1 for _ in group)) for letter, group in groupby(text)]
"""
SET_RUNS = """\
def runs(text: str) -> list[tuple[str, int]]:
    return [(letter, text.count(letter)) for letter in sorted(set(text))]
"""
#: Each tries to run a script in a page that shows it, or to make the page fetch something.
MARK = "window.pwned=1"
HOSTILE_TEXT = (
    f"<script>{MARK}</script><img src=x onerror='{MARK}'><svg onload={MARK}></svg>"
    f"<style>body{{background:url(http://evil.example/css)}}</style>"
    f"<iframe srcdoc='<script>parent.{MARK}</script>'></iframe>"
    f"<a href='javascript:{MARK}'>click</a>\"'><script>{MARK}</script>"
    f"</textarea></pre></title></style><script>{MARK}</script>"
    f"<meta http-equiv=refresh content='0;url=http://evil.example/meta'>"
    f"<base href=http://evil.example/><object data=http://evil.example/o>"
    "{{ 7*7 }}{% raw %}\x1b]0;title\x07\x1b[31mred\u202egnp.exe"
)
HOSTILE_ANSWER = (
    f"{HOSTILE_TEXT}\n\n[click](javascript:{MARK}) ![p](http://evil.example/pixel.png) [ref]\n\n"
    f"[ref]: javascript:{MARK}\n\n"
    f'[x](<javascript:{MARK}>) [y](&#106;avascript:{MARK}) [<a title="](javascript:{MARK})">z</a>\n\n'
    f"```mermaid\n<img src=x onerror={MARK}>\n```\n\n$\\href{{javascript:{MARK}}}{{m}}$\n"
)
HOSTILE_STUDENT = "(javascript:window.pwned=1)%3Cscript%3E"  # worse names are refused when grading


@dataclass(frozen=True)
class GradedCourse:
    """A course folder after `course grade`. Read it; a test that writes takes `course_copy`."""

    folder: CourseFolder
    assignment: str
    hostile: str = HOSTILE_STUDENT

    def copy(self, root: Path) -> GradedCourse:
        """The same in another folder, to change."""
        shutil.copytree(self.root, root, symlinks=True)
        return GradedCourse(CourseFolder(root), self.assignment)

    @property
    def root(self) -> Path:
        return self.folder.root


def nbgrader_cell(
    kind: str, source: str, grade_id: str, *, grade: bool, solution: bool, points: float | None = None
) -> Any:
    made = new_code_cell(source, id=grade_id) if kind == "code" else new_markdown_cell(source, id=grade_id)
    metadata = {
        "grade_id": grade_id,
        "grade": grade,
        "solution": solution,
        "locked": not solution,
        "schema_version": 3,
        "task": False,
    }
    made.metadata["nbgrader"] = {**metadata, **({"points": points} if points is not None else {})}
    return made


def source_notebook() -> Any:
    """The instructor's notebook: two exercises with visible and hidden tests, one question for a person."""
    cells = [
        new_markdown_cell("# Small", id="title"),
        nbgrader_cell("code", SETUP, "setup", grade=False, solution=False),
        nbgrader_cell("code", HALF, "half", grade=False, solution=True),
        nbgrader_cell("code", TEST_HALF, "test_half", grade=True, solution=False, points=2),
        nbgrader_cell("code", RUNS, "runs", grade=False, solution=True),
        nbgrader_cell("code", TEST_RUNS, "test_runs", grade=True, solution=False, points=3),
        nbgrader_cell("markdown", QUESTION, "question_why", grade=False, solution=False),
        nbgrader_cell("markdown", "YOUR ANSWER HERE", "why", grade=True, solution=True, points=2),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def png(width: int = 60, height: int = 30) -> str:
    """A small picture, in base64."""
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (width, height), (20, 90, 160)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def hostile_half() -> str:
    """An answer whose outputs and error hold every trick of HOSTILE_TEXT."""
    return f"""\
from IPython.display import HTML, SVG, Image, Javascript, Markdown, display
HOSTILE = {HOSTILE_TEXT!r}
print(HOSTILE)
display(HTML(HOSTILE), Markdown(HOSTILE), Javascript({MARK!r}))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='{MARK}'><script>{MARK}</script></svg>"))
display({{"text/html": HOSTILE, "text/plain": HOSTILE}}, raw=True)
display({{"image/png": '"><script>{MARK}</script>'}}, raw=True)
alt = {{"alt": '"><script>{MARK}</script>'}}
display({{"image/png": {png()!r}}}, metadata={{"image/png": alt}}, raw=True)
class Odd(Exception):
    pass
Odd.__name__ = "<script>{MARK}</script>"
def half(x):
    raise Odd(HOSTILE)
"""


#: What each student hands in: answers by grade_id; `added` is the text of cells of their own, `raw` the file.
CLASS: dict[str, dict[str, str]] = {
    "amara": {"half": RIGHT_HALF, "runs": RIGHT_RUNS, "why": "Because `/` always divides as floats."},
    "bence": {
        "half": RIGHT_HALF,
        "runs": COPIED_RUNS,
        "why": "True division returns a **float**.\n\n- even for 4 / 2",
    },
    "chiara": {"half": "def half(x):\n    print('half of', x)\n    return x * 2\n", "runs": GROUPED_RUNS},
    "dilnoza": {
        "half": "def half(x):\n    return {3.0: 1.5}.get(x)\n",
        "runs": SET_RUNS,
        "why": "It is the operator.",
    },
    "elif yıldız": {
        "runs": "def runs(text):\n    return found\n",
        "half": "def half(x):\n    while True:\n        pass\n",
    },
    "farid": {"raw": '{"cells": [broken'},
    "gabi": {"half": "import os\nos._exit(3)\n", "runs": RIGHT_RUNS},
    "hana": {},
    HOSTILE_STUDENT: {
        "half": hostile_half(),
        "runs": f"def runs(text):\n    return {HOSTILE_TEXT!r}\n",
        "why": HOSTILE_ANSWER,
        "added": HOSTILE_ANSWER,
    },
}


def hand_in(
    folder: CourseFolder, student: str, answers: dict[str, str], timestamp: str = "2027-02-01 10:00:00 UTC"
) -> None:
    """Put a hand-in of that student into submitted/."""
    notebook = nbformat.read(folder.step("release", ".", ASSIGNMENT) / f"{ASSIGNMENT}.ipynb", as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id in answers:
            cell.source = answers[grade_id]
    if "added" in answers:
        make = (nbformat.v4.new_markdown_cell, nbformat.v4.new_raw_cell)
        notebook.cells[1:1] = [new(answers["added"]) for new in make]
    target = folder.step("submitted", student, ASSIGNMENT)
    target.mkdir(parents=True)
    (target / f"{ASSIGNMENT}.ipynb").write_text(answers.get("raw") or json.dumps(notebook), encoding="utf-8")
    (target / "timestamp.txt").write_text(timestamp, encoding="utf-8")


@pytest.fixture(scope="session")
def graded_course(tmp_path_factory: pytest.TempPathFactory) -> GradedCourse:
    """A class of nine, graded: right, copied, wrong, hidden failure, endless, broken, crash, blank, hostile.

    `elif yıldız` handed in a day late. Written answers wait for a person.
    """
    try:
        bubblewrap()
    except CourseError as error:
        pytest.skip(f"grading needs the sandbox: {error}")
    root = tmp_path_factory.mktemp("graded") / "course"
    folder = make_course_folder(root, "small-course", {ASSIGNMENT: source_notebook()}, SETTINGS)
    for student, answers in CLASS.items():
        late = student.startswith("elif")
        hand_in(folder, student, answers, "2027-02-02 12:00:00 UTC" if late else "2027-02-01 10:00:00 UTC")
    grade_class(folder, ASSIGNMENT, workers=1)
    return GradedCourse(folder, ASSIGNMENT)


@pytest.fixture
def course_copy(graded_course: GradedCourse, tmp_path: Path) -> GradedCourse:
    """The graded course in a folder of its own, for a test that changes it."""
    return graded_course.copy(tmp_path / "course")


@pytest.fixture
def must_end() -> Iterator[None]:
    """Stop a test that hangs: what takes a second here would take hours if its time grew with the square."""

    def give_up(*_: object) -> None:
        raise AssertionError("this hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)

"""Small notebooks for the engine's tests: made by hand with nbgrader's plain metadata, plain Python, quick to start."""

from __future__ import annotations

from typing import Any

import nbformat

from autograder.course_folder import Assignment, AssignmentNotebook, read_notebook, visible_source
from autograder.grade import Grading
from autograder.intake import HandIn
from autograder.settings import Limits

LIMITS = Limits(
    cell_seconds=3,
    submission_seconds=30,
    test_seconds=10,
    memory_mb=256,
    disk_mb=32,
    file_mb=8,
    output_kb=64,
    value_mb=8,
)

Cells = list[tuple[str, str, str, float]]  # kind of cell, grade_id, source, points

MEAN: Cells = [
    ("locked", "imports", "import numpy as np", 0),
    (
        "solution",
        "mean",
        "def mean(values):\n    ### BEGIN SOLUTION\n    return sum(values) / len(values)\n    ### END SOLUTION",
        0,
    ),
    (
        "test",
        "test_mean",
        "assert mean([1, 2, 3]) == 2, 'the mean of 1, 2, 3 is 2'\n"
        "### BEGIN HIDDEN TESTS\nassert mean([4, 8]) == 6, 'HIDDEN-WORDS'\n### END HIDDEN TESTS",
        2,
    ),
    (
        "solution",
        "scale",
        "def scale(array, factor):\n    ### BEGIN SOLUTION\n    return array * factor\n    ### END SOLUTION",
        0,
    ),
    (
        "test",
        "test_scale",
        "np.testing.assert_allclose(scale(np.array([1.0, 2.0]), 3), [3.0, 6.0])\n"
        "### BEGIN HIDDEN TESTS\nnp.testing.assert_allclose(scale(np.zeros((2, 2)), 3), np.zeros((2, 2)))\n### END HIDDEN TESTS",
        3,
    ),
]


def instructor(cells: Cells) -> Any:
    """nbgrader's source notebook."""
    made = []
    for kind, grade_id, source, points in cells:
        if kind == "plain":
            made.append(nbformat.v4.new_code_cell(source, id=f"plain-{len(made)}"))
            continue
        grading = {
            "schema_version": 3,
            "grade_id": grade_id,
            "grade": kind in ("test", "manual"),
            "solution": kind in ("solution", "manual"),
            "locked": kind in ("test", "locked"),
            "task": False,
        }
        if kind in ("test", "manual"):
            grading["points"] = points
        make = nbformat.v4.new_markdown_cell if kind == "manual" else nbformat.v4.new_code_cell
        made.append(make(source, id=grade_id.replace("_", "-"), metadata={"nbgrader": grading}))
    return nbformat.v4.new_notebook(
        cells=made,
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def released(cells: Cells) -> Any:
    """What students get: stubs, and no hidden tests."""
    made = instructor(cells)
    for cell in made.cells:
        cell.source = visible_source(_stubbed(cell.source))
    return made


def _stubbed(source: str) -> str:
    lines, inside = [], False
    for line in source.splitlines():
        if "### BEGIN SOLUTION" in line:
            inside = True
            lines.append(line[: len(line) - len(line.lstrip())] + "raise NotImplementedError()")
        elif "### END SOLUTION" in line:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def notebook(cells: Cells = MEAN, name: str = "nb") -> AssignmentNotebook:
    return read_notebook(instructor(cells), released(cells), name)


def grading(cells: Cells = MEAN, limits: Limits = LIMITS, **settings: Any) -> Grading:
    return Grading(Assignment("ps", (notebook(cells),)), limits, **settings)


def solved(cells: Cells = MEAN) -> dict[str, str]:
    """The instructor's own answers by grade_id."""
    return {
        g: "\n".join(x for x in s.splitlines() if "### " not in x) for k, g, s, _ in cells if k == "solution"
    }


def hand_in(
    answers: dict[str, str], cells: Cells = MEAN, extra: dict[int, str] | None = None, student: str = "ann"
) -> HandIn:
    """A hand-in with these answers; `extra` puts cells of the student's own before the given positions."""
    made = released(cells)
    for cell in made.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell.source = answers[grade_id]
    for position, source in sorted((extra or {}).items(), reverse=True):
        made.cells.insert(position, nbformat.v4.new_code_cell(source))
    return HandIn(student, {"nb.ipynb": nbformat.writes(made).encode()})

"""Solved notebooks as they were when they last ran: the release gate keeps them, the site shows them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.build import Course, instructor_notebook, solved_notebook, write_text
from autograder.errors import CourseError
from autograder.source import SourceNotebook

FOLDER = Path("build") / "executed"
_KEY = "source_sha256"


def source_key(course: Course, source: SourceNotebook) -> str:
    """What tells whether an executed notebook is of the present source."""
    text = write_text(instructor_notebook(source, course.notebooks))
    return hashlib.sha256(text.encode()).hexdigest()


def keep_executed(course: Course, source: SourceNotebook, notebook: NotebookNode) -> None:
    """Keep a solved notebook that has run, so that nobody need run it again to read it."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata["nextword"] = {_KEY: source_key(course, source)}
    path = course.root / FOLDER / f"{source.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(write_text(notebook), encoding="utf-8")


def executed(course: Course, name: str) -> NotebookNode:
    """The solved notebook with its outputs, as it was left, or run now. Raises CourseError if it fails."""
    source = course.source(name)
    path = course.root / FOLDER / f"{name}.ipynb"
    if path.exists():
        notebook = nbformat.read(path, as_version=4)
        if notebook.metadata.get("nextword", {}).get(_KEY) == source_key(course, source):
            return notebook
    from autograder.rehearsal import execute

    notebook = execute(solved_notebook(source, course.notebooks))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise CourseError(
                    f"The solved {name} fails with {output.ename}: {output.evalue}.",
                    f"Run: course build --check {name}",
                )
    keep_executed(course, source, notebook)
    return notebook

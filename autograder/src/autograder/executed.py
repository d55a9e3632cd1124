"""Running notebooks; and solved ones as they last ran: the release gate keeps them, the site shows them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.build import Course, instructor_notebook, quiet, solved_notebook, write_text
from autograder.errors import CourseError
from autograder.source import SourceNotebook

CELL_SECONDS = 900  # then it hangs; a busy machine is no fault of the notebook
QUIET_KERNEL = ["--log-level=40"]
FOLDER = Path("build") / "executed"
_KEY = "source_sha256"


def execute(notebook: NotebookNode) -> NotebookNode:
    """Run every cell in a fresh kernel and an empty folder; errors stay in the outputs."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook = nbformat.from_dict(deepcopy(notebook))
    with tempfile.TemporaryDirectory(prefix="course-run-") as folder, quiet():
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            allow_errors=True,
            extra_arguments=QUIET_KERNEL,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (CellTimeoutError, DeadKernelError) as error:
            name = notebook.metadata.get("colab", {}).get("name", "?")
            raise CourseError(
                f"{name} cannot be run to its end: {last_line(str(error))}.",
                f"No cell may take more than {CELL_SECONDS} seconds.",
            ) from None
    return notebook


def last_line(text: str) -> str:
    """The last line of a message that says something, without its full stop."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1].rstrip(".") if lines else ""


def first_error(notebook: NotebookNode) -> NotebookNode | None:
    """The first error that a notebook's cells have left behind."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return next((output for output in outputs if output.output_type == "error"), None)


def run_solved(course: Course, source: SourceNotebook) -> NotebookNode:
    """The solved notebook after a run. Raises CourseError when a cell fails."""
    notebook = execute(solved_notebook(source, course.notebooks))
    error = first_error(notebook)
    if error is not None:
        raise CourseError(
            f"The solved {source.name} fails with {error.ename}: {error.evalue}.",
            f"Mend it first: course build --check {source.name}",
        )
    return notebook


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
    notebook = run_solved(course, source)
    keep_executed(course, source, notebook)
    return notebook


def solved_names(source: SourceNotebook) -> dict[str, Any]:
    """The names of the solved notebook, run in this process: setup and solutions, nothing else."""
    names: dict[str, Any] = {}
    for cell in source.cells:
        if cell.role in ("setup", "exercise"):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, names)
    return names

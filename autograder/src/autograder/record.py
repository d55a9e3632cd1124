"""Results into nbgrader's gradebook and autograded/ folder, so that formgrader, feedback and export work as
ever.

nbgrader's own preprocessors save the grades and the late penalties; this module only hands them the notebook:
ours, with the student's sources and outputs, each test cell holding its points as an execution result and the
student's message as text. Hidden tests are not in it. Everything from the student is plain text or an image;
manual answers are sanitized.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    Notebook,
    SubmittedNotebook,
)
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import parse_utc

from autograder.course_folder import (
    TEST,
    Assignment,
    AssignmentNotebook,
    CourseFolder,
    quiet_nbgrader,
    visible_source,
)
from autograder.late import assign_penalties, late_key
from autograder.records import INTERNAL, PASSED, NotebookResult, Result, TestOutcome
from autograder.safe_markdown import make_harmless


class _Rows:
    """The grades and comments of one submission, fetched at once; what nbgrader's SaveAutoGrades asks a
    gradebook for, one by one. Its commits are left to the one that ends the transaction.
    """

    def __init__(self, gradebook: Gradebook, submission: Any) -> None:
        self._grades = self._by_cell(gradebook, submission, Grade)
        self._comments = self._by_cell(gradebook, submission, Comment)
        self.db = self

    @staticmethod
    def _by_cell(gradebook: Gradebook, submission: Any, kind: Any) -> dict[tuple[str, str], Any]:
        rows = (
            gradebook.db.query(Notebook.name, BaseCell.name, kind)
            .join(SubmittedNotebook, SubmittedNotebook.id == kind.notebook_id)
            .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
            .join(BaseCell, BaseCell.id == kind.cell_id)
            .filter(SubmittedNotebook.assignment_id == submission.id)
        )
        return {(notebook, cell): found for notebook, cell, found in rows}

    def find_grade(self, cell: str, notebook: str, *_: str) -> Any:
        return self._found(self._grades, cell, notebook)

    def find_comment(self, cell: str, notebook: str, *_: str) -> Any:
        return self._found(self._comments, cell, notebook)

    @staticmethod
    def _found(rows: dict[tuple[str, str], Any], cell: str, notebook: str) -> Any:
        if (notebook, cell) not in rows:
            raise MissingEntry(f"{notebook} has no cell {cell} in the gradebook")
        return rows[notebook, cell]

    def commit(self) -> None:
        """Not yet."""


class _Save(SaveAutoGrades):
    """nbgrader's SaveAutoGrades on rows that have been fetched."""

    def __init__(self, rows: _Rows, **settings: Any) -> None:
        super().__init__(**settings)
        self.gradebook = rows

    def preprocess(self, nb: Any, resources: Any) -> Any:
        self.notebook_id = resources["nbgrader"]["notebook"]
        self.assignment_id = resources["nbgrader"]["assignment"]
        self.student_id = resources["nbgrader"]["student"]
        for index, cell in enumerate(nb.cells):
            self.preprocess_cell(cell, resources, index)
        return nb, resources


class Recorder:
    """Writes results of one assignment, each in one transaction. Not for use by several threads."""

    def __init__(self, folder: CourseFolder, assignment: Assignment) -> None:
        self.folder = folder
        self.assignment = assignment
        with quiet_nbgrader():
            self.gradebook = Gradebook(folder.db_url, folder.paths.course_id)
        self.late_key = late_key(folder, assignment.name)

    def close(self) -> None:
        self.gradebook.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recorded(self) -> set[str]:
        """The students whose submission of this assignment is in the gradebook."""
        return {s.student_id for s in self.gradebook.assignment_submissions(self.assignment.name)}

    def record(self, result: Result) -> None:
        """Write one result: files first (replaced as a whole), then the gradebook (one transaction)."""
        documents = {}
        for notebook in result.notebooks:
            ours = self.assignment.notebook(notebook.notebook)
            document = as_document(ours, notebook)
            make_harmless(document, written_by_student(ours, notebook))
            documents[notebook.notebook] = document
        self._write(result, documents)
        with quiet_nbgrader():
            late = self._grades(result, documents)
            if late:
                assign_penalties(self.folder, self.assignment.name, result.student, documents)
                self.gradebook.db.expire_all()

    def _grades(self, result: Result, documents: dict[str, Any]) -> bool:
        book, name = self.gradebook, self.assignment.name
        with self._one_transaction(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # nbgrader builds a submission before it adds it; SQLAlchemy remarks on that
            book.update_or_create_student(result.student)
            moment = None  # no time, also where an earlier hand-in had one
            with contextlib.suppress(ValueError, OverflowError):
                moment = parse_utc(result.timestamp) if result.timestamp else None
            submission = book.update_or_create_submission(name, result.student, timestamp=moment)
            rows = _Rows(book, submission)
            for notebook, document in documents.items():
                resources = {
                    "nbgrader": {
                        "notebook": notebook,
                        "assignment": name,
                        "student": result.student,
                        "db_url": self.folder.db_url,
                    }
                }
                _Save(rows, config=self.folder.config).preprocess(document, resources)
            for notebook_result in result.notebooks:
                for outcome in notebook_result.outcomes:
                    if outcome.status == INTERNAL:
                        grade = rows.find_grade(outcome.grade_id, notebook_result.notebook)
                        grade.auto_score = None
                        grade.needs_manual_grade = True
                for cell in (
                    notebook_result.review_cells
                ):  # the rescue was in doubt: the score stands, and a person is asked
                    with contextlib.suppress(MissingEntry):
                        rows.find_grade(cell, notebook_result.notebook).needs_manual_grade = True
            penalized = any(n.late_submission_penalty for n in submission.notebooks)
            return bool(submission.total_seconds_late > 0 or penalized)

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """nbgrader commits after every cell; here its commits only flush, and one commit ends it all."""
        session = self.gradebook.db
        commit = session.commit
        session.commit = session.flush
        try:
            yield
        except BaseException:
            session.rollback()
            raise
        else:
            commit()
        finally:
            del session.commit

    def _write(self, result: Result, documents: dict[str, Any]) -> None:
        """autograded/STUDENT/ASSIGNMENT, replaced as a whole so that no half-written folder is ever seen."""
        target = self.folder.step("autograded", result.student, self.assignment.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            for name, data in self.assignment.files.items():
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            if result.timestamp:
                (fresh / "timestamp.txt").write_text(result.timestamp, encoding="utf-8")
            for name, document in documents.items():
                nbformat.write(document, fresh / f"{name}.ipynb")
            for path in fresh.rglob("*"):
                path.chmod(0o755 if path.is_dir() else 0o444)
            fresh.chmod(0o755)
            if target.exists():
                old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
                os.rename(target, old / "old")
                os.rename(fresh, target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Per student.

        The score of each graded cell as formgrader shows it (None while a person has to grade it).
        """
        table: dict[str, dict[str, float | None]] = {}
        for submission in self.gradebook.assignment_submissions(self.assignment.name):
            row = table.setdefault(submission.student_id, {})
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    row[grade.name] = (
                        None if grade.needs_manual_grade and grade.manual_score is None else grade.score
                    )
        return table


def as_document(ours: AssignmentNotebook, result: NotebookResult) -> Any:
    """The graded notebook as an nbformat node that nbgrader's preprocessors understand."""
    outcomes = {o.grade_id: o for o in result.outcomes}
    used: set[str] = set()
    cells = []
    for index, cell in enumerate(result.rebuilt.get("cells", [])) if result.rebuilt else _bare(ours):
        origin = ours.cells[cell["ours"]] if cell["ours"] is not None else None
        cell_id = origin.cell_id if origin is not None and origin.cell_id not in used else ""
        cell_id = cell_id or f"student-{index}"
        used.add(cell_id)
        kind = cell["kind"] if cell["kind"] in ("code", "raw") else "markdown"
        metadata = dict(origin.metadata) if origin is not None else {}
        made = {"cell_type": kind, "id": cell_id, "metadata": metadata, "source": cell["source"]}
        if kind == "code":
            made |= {"execution_count": None, "outputs": []}
            if origin is not None and origin.role == TEST:
                made |= {"source": visible_source(origin.source)}
                made |= {"outputs": test_outputs(outcomes[origin.grade_id])}
            elif cell["run"] is not None:
                made |= {"outputs": run_outputs(cell["run"])}
        cells.append(made)
    # As a whole, and checked when it is written: nbformat's own makers check each cell and output by itself.
    return nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": dict(ours.metadata), "cells": cells}
    )


def written_by_student(ours: AssignmentNotebook, result: NotebookResult) -> set[int]:
    """The indices of cells whose source is the student's: answers, and cells of their own."""
    cells = result.rebuilt.get("cells", []) if result.rebuilt else []
    return {i for i, c in enumerate(cells) if c["ours"] is None or ours.cells[c["ours"]].takes_answer}


def _bare(ours: AssignmentNotebook) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, cell in enumerate(ours.cells):
        yield index, {"kind": cell.kind, "source": cell.released, "ours": index, "run": None}


def test_outputs(outcome: TestOutcome) -> list[Any]:
    """A test cell's outputs.

    The points as the result (what nbgrader reads), then what the student may read.
    """
    points = {"text/plain": repr(float(outcome.points))}
    return [
        {"output_type": "execute_result", "data": points, "metadata": {}, "execution_count": 1},
        *(_shown({"text/plain": text}) for text in explanation(outcome)),
    ]


def _shown(data: dict[str, str], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def explanation(outcome: TestOutcome) -> list[str]:
    """What the student may read about one test, as plain text."""
    if outcome.status == PASSED:
        return []
    lines = [outcome.message] if outcome.message else []
    if outcome.misconception:
        lines.append(f"Likely misconception: {outcome.misconception}")
    return lines


def run_outputs(run: dict[str, Any]) -> list[Any]:
    """The outputs of a cell of the student: text and images only."""
    outputs = []
    for name in ("stdout", "stderr"):
        if run[name]:
            outputs.append({"output_type": "stream", "name": name, "text": run[name]})
    for shown in run["outputs"]:
        metadata = (
            {"image/png": {"alt": shown["alt"]}} if shown["alt"] and "image/png" in shown["data"] else {}
        )
        outputs.append(_shown(dict(shown["data"]), metadata))
    error = run["error"]
    if error is not None:
        where = f" ({error['where']})" if error["where"] else ""
        text = f"{error['type']}{where}: {error['text']}"
        said = {"ename": error["type"], "evalue": error["text"], "traceback": [text]}
        outputs.append({"output_type": "error", **said})
    return outputs

"""What the release gate finds by running a notebook: solved and untouched, in both engines and a kernel."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from autograder.build import (
    answered_notebook,
    answers,
    instructor_notebook,
    quiet,
    release_config,
    solved_notebook,
    venv_on_path,
    write_text,
)
from autograder.claims import claim_cells, failing_line
from autograder.errors import CourseError
from autograder.executed import CELL_SECONDS, QUIET_KERNEL, execute, first_error, keep_executed, last_line
from autograder.names import bound_names
from autograder.source import SourceCell
from autograder.trial import Trial

if TYPE_CHECKING:
    from autograder.gate import Fault, Subject

SOLVED, UNTOUCHED = "solved", "untouched"


def our_engine(subject: Subject) -> Iterator[Fault]:
    """In our engine each test passes on the solution and fails on the stub."""
    if not subject.source.of_role("exercise"):
        return
    with Trial(subject.course, subject.source) as trial:
        solved = trial.run(answers(subject.source))
        untouched = trial.run({})
    scores = {
        SOLVED: {grade_id: outcome.points for grade_id, outcome in solved.items()},
        UNTOUCHED: {grade_id: outcome.points for grade_id, outcome in untouched.items()},
    }
    said = {grade_id: last_line(outcome.message or outcome.note) for grade_id, outcome in solved.items()}
    yield from _compare(subject, "course grade", scores, said)


def plain_nbgrader(subject: Subject) -> Iterator[Fault]:
    """In plain `nbgrader autograde` each test passes on the solution and fails on the stub."""
    if not subject.source.of_role("exercise"):
        return
    handed_in = {
        SOLVED: answered_notebook(subject.release, answers(subject.source)),
        UNTOUCHED: subject.release,
    }
    scores = autograde_plainly(
        instructor_notebook(subject.source, subject.course.notebooks), subject.source.name, handed_in
    )
    yield from _compare(subject, "nbgrader autograde", scores, {})


def _compare(
    subject: Subject, engine: str, scores: dict[str, dict[str, float]], said: dict[str, str]
) -> Iterator[Fault]:
    for cell in subject.source.of_role("test"):
        points = cell.points or 0
        got = scores[SOLVED].get(cell.id, 0)
        if got != points:
            because = f" It says: {said[cell.id]}." if said.get(cell.id) else ""
            yield subject.fault(
                cell,
                f"{engine} gives the solution {got:g} of {points:g} points.{because}",
                "Run the solved notebook (course build --solved DIR) and mend the test or the solution.",
            )
        if scores[UNTOUCHED].get(cell.id, 0):
            yield subject.fault(
                cell,
                f"{engine} gives points to the untouched stub.",
                "Let the test call what the student writes.",
            )


def autograde_plainly(
    instructor: NotebookNode, name: str, handed_in: dict[str, NotebookNode]
) -> dict[str, dict[str, float]]:
    """Score of each test, by student and grade id, from nbgrader's own autograde in a folder of its own."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    with tempfile.TemporaryDirectory(prefix="course-check-") as folder:
        root = Path(folder).resolve()
        _write(root / "source" / name / f"{name}.ipynb", instructor)
        for student, notebook in handed_in.items():
            _write(root / "submitted" / student / name / f"{name}.ipynb", notebook)
        config = release_config()
        config.CourseDirectory.root = str(root)
        config.ExecutePreprocessor.timeout = CELL_SECONDS
        config.ExecutePreprocessor.extra_arguments = QUIET_KERNEL
        with quiet(), venv_on_path():
            api = NbGraderAPI(CourseDirectory(config=config), config=config)
            done = [api.generate_assignment(name, create=True)]
            done += [api.autograde(name, student, create=True) for student in handed_in]
            for result in done:
                if not result["success"]:
                    raise CourseError(f"nbgrader cannot grade {name}: {result['error'] or result['log']}")
            scores: dict[str, dict[str, float]] = {}
            with api.gradebook as gradebook:
                for student in handed_in:
                    found = gradebook.find_submission_notebook(name, name, student)
                    scores[student] = {grade.name: grade.auto_score or 0.0 for grade in found.grades}
        return scores


def _write(path: Path, notebook: NotebookNode) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(write_text(notebook), encoding="utf-8")


def solved_run(subject: Subject) -> Iterator[Fault]:
    """The solved notebook runs and shows what it claims; graded cells write no stderr; figures have alt."""
    notebook = solved_notebook(subject.source, subject.course.notebooks)
    claims = claim_cells(subject.course.root, subject.source.name)
    notebook.cells += claims.values()
    claim_of = {cell.id: claim for claim, cell in claims.items()}
    notebook = execute(notebook)
    graded = {cell.id for cell in subject.source.cells if cell.role in ("exercise", "test")}
    by_id = {cell.id: cell for cell in subject.source.cells}
    kept = copy(notebook)
    kept.cells = [cell for cell in notebook.cells if cell.id not in claim_of]
    if first_error(kept) is None:
        keep_executed(subject.course, subject.source, kept)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        where = by_id.get(cell.id, cell.id)
        for output in cell.outputs:
            if output.output_type == "error" and cell.id in claim_of:
                yield subject.fault(
                    claim_of[cell.id] or "claims",
                    f"does not hold: {failing_line(output.traceback)} ({output.ename}: {output.evalue}).",
                    "Make the experiment show it more clearly, or the prose and the claim say what it shows.",
                )
            elif output.output_type == "error":
                yield subject.fault(
                    where,
                    f"the solved notebook fails with {output.ename}: {output.evalue}.",
                    "Mend the cell.",
                )
            if output.output_type == "stream" and output.name == "stderr" and cell.id in graded:
                line = last_line(output.text)
                yield subject.fault(
                    where,
                    f"writes to stderr ({line}), which scores 0 in nbgrader.",
                    "Silence the warning or progress bar.",
                )
            if _figure_without_alt(output):
                yield subject.fault(
                    where,
                    "shows a figure without alt text.",
                    "Show it with nextword.plots and say what it shows.",
                )


def _figure_without_alt(output: NotebookNode) -> bool:
    if "data" not in output:
        return False
    for kind in ("image/png", "image/jpeg", "image/svg+xml"):
        if kind in output.data:
            described = output.get("metadata", {}).get(kind, {})
            return not str(described.get("alt", "") if hasattr(described, "get") else "").strip()
    return False


def untouched_run(subject: Subject) -> Iterator[Fault]:
    """The released notebook runs to its end, and only NotImplementedError stops a cell.

    An experiment may also miss a name that an earlier experiment would have made, had it not stopped so.
    """
    notebook = deepcopy(subject.release)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    by_id = {cell.id: cell for cell in subject.source.cells}
    missing: set[str] = set()
    for cell in execute(notebook).cells:
        for output in cell.get("outputs", []):
            if output.output_type != "error":
                continue
            authored = by_id.get(cell.id, cell.id)
            lost = re.fullmatch(r"name '(\w+)' is not defined", output.evalue)
            follows = lost is not None and lost[1] in missing
            if output.ename == "NotImplementedError" or (follows and _is_experiment(authored)):
                missing |= bound_names(cell.source)
                continue
            yield subject.fault(
                authored,
                f"fails in the untouched notebook with {output.ename}: {output.evalue}.",
                "Without an answer it may only fail with NotImplementedError: let it call the exercise.",
            )


def _is_experiment(cell: SourceCell | str) -> bool:
    return isinstance(cell, SourceCell) and cell.role == "experiment"


STEPS: tuple[Callable[[Subject], Iterator[Fault]], ...] = (
    our_engine,
    plain_nbgrader,
    solved_run,
    untouched_run,
)

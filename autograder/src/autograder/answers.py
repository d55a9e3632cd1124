"""What a student wrote, exercise by exercise: the rebuilt notebook of a result, cut where its tests stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder.course_folder import MANUAL, STUDENT, TEST, AssignmentNotebook, Cell
from autograder.records import UNREADABLE, NotebookResult

TESTED, WRITTEN, REST = "tested", "written", "rest"


@dataclass(frozen=True)
class Answer:
    """One cell that is the student's own: an answer in a cell of ours, or a cell that the student added."""

    kind: str
    source: str
    released: str = ""
    run: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def changed(self) -> bool:
        """Whether the student wrote anything: it is not the released stub, but for white space."""
        return self.source.split() != self.released.split()


@dataclass(frozen=True)
class Section:
    """An exercise: the student's cells up to its test, or a written answer. REST comes last, ungraded."""

    kind: str
    grade_id: str
    answers: tuple[Answer, ...] = ()
    question: str = ""

    @property
    def attempted(self) -> bool:
        return any(answer.changed for answer in self.answers)


def title(grade_id: str) -> str:
    """What people call an exercise: `test_bits_per_character` is "bits per character"."""
    return grade_id.removeprefix("test_").replace("_", " ").strip() or grade_id


def sections(ours: AssignmentNotebook, result: NotebookResult) -> list[Section]:
    """The exercises of a notebook in its own order, each with what the student wrote for it."""
    found: list[Section] = []
    pending: list[Answer] = []
    for origin, cell in _cells(ours, result):
        if origin is None or origin.role == STUDENT:
            if result.status != UNREADABLE and cell is not None:
                pending.append(_answer(origin, cell))
        elif origin.role == TEST:
            found.append(Section(TESTED, origin.grade_id, tuple(pending)))
            pending = []
        elif origin.role == MANUAL:
            own = () if cell is None or result.status == UNREADABLE else (_answer(origin, cell),)
            found.append(Section(WRITTEN, origin.grade_id, (*pending, *own), _question(ours, origin)))
            pending = []
    if any(answer.changed for answer in pending):
        found.append(Section(REST, "", tuple(pending)))
    return found


def _cells(
    ours: AssignmentNotebook, result: NotebookResult
) -> Iterator[tuple[Cell | None, dict[str, Any] | None]]:
    """Our cell beside the rebuilt one, in the rebuilt order; all of ours if nothing was rebuilt."""
    rebuilt = result.rebuilt.get("cells", [])
    if not rebuilt:
        for cell in ours.cells:
            yield cell, None
    for made in rebuilt:
        position = made["ours"]
        known = position is not None and position < len(ours.cells)
        yield (ours.cells[position] if known else None), made


def _answer(origin: Cell | None, cell: dict[str, Any]) -> Answer:
    return Answer(cell["kind"], cell["source"], origin.released if origin is not None else "", cell["run"])


def _question(ours: AssignmentNotebook, cell: Cell) -> str:
    """The locked text right above a written answer, as released: without its mark scheme."""
    position = ours.cells.index(cell)
    above = ours.cells[position - 1] if position else None
    if above is None or above.kind != "markdown" or not above.grade_id:
        return ""
    return above.released

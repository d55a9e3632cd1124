"""What a student handed in, read as hostile bytes and put into our own notebook.

Nothing is run and nothing is trusted here. The notebook that will be graded is built from the release: its cells, metadata,
tests and points; only the sources of answer cells, and cells that the student added, come from the hand-in. So deleted tests,
forged points, duplicated ids and lost metadata end here. Every step of the rescue is written down.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz

from autograder import names
from autograder.course_folder import SKIPPED, STUDENT, TEST, Assignment, AssignmentNotebook, Cell

MAX_FILES, MAX_DEPTH = 500, 8
MAX_FILE_BYTES, MAX_TOTAL_BYTES = 64 << 20, 256 << 20
MAX_CELLS, MAX_SOURCE = 5000, 2 << 20
ALIKE = 60.0
IGNORED_NAMES = ("timestamp.txt",)


@dataclass(frozen=True)
class HandIn:
    """The files of one student for one assignment, by their path inside the hand-in; and what was left out."""

    student: str
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    timestamp: str = ""


@dataclass
class RebuiltCell:
    """A cell of the notebook that is graded: one of ours (`origin`), or one that the student added (`origin` None)."""

    kind: str
    source: str
    origin: Cell | None
    answered: bool = True


@dataclass
class Rebuilt:
    """Our notebook with the student's answers in it."""

    cells: list[RebuiltCell]
    repairs: list[str] = field(default_factory=list)
    problem: str = ""


def read_folder(folder: Path, student: str) -> HandIn:
    """Read a submission folder: regular files only, within limits, no link followed."""
    files: dict[str, bytes] = {}
    notes: list[str] = []
    total = 0
    if folder.is_symlink() or not folder.is_dir():
        return HandIn(student, {}, ("the hand-in is not a folder",))

    def visit(path: str, inside: str, depth: int) -> None:
        nonlocal total
        try:
            entries = sorted(os.scandir(path), key=lambda e: e.name)
        except OSError as error:
            notes.append(f"{inside or '.'} could not be read ({error.strerror})")
            return
        for entry in entries:
            relative = f"{inside}/{entry.name}" if inside else entry.name
            shown = relative.encode("utf-8", "replace").decode()
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue
            if stat.S_ISDIR(mode):
                if entry.name.startswith((".", "__pycache__")):
                    continue
                if depth >= MAX_DEPTH:
                    notes.append(f"{shown} was left out: folders lie too deep")
                    continue
                visit(entry.path, relative, depth + 1)
            elif not stat.S_ISREG(mode):
                notes.append(f"{shown} was left out: it is a link, a pipe or a device, not a file")
            elif len(files) >= MAX_FILES:
                notes.append(f"{shown} was left out: there are more than {MAX_FILES} files")
            else:
                data = _read_regular(entry.path)
                if data is None:
                    notes.append(f"{shown} was left out: it could not be read, or is larger than {MAX_FILE_BYTES >> 20} MB")
                elif total + len(data) > MAX_TOTAL_BYTES:
                    notes.append(f"{shown} was left out: the hand-in is larger than {MAX_TOTAL_BYTES >> 20} MB")
                else:
                    total += len(data)
                    files[shown] = data

    visit(str(folder), "", 0)
    timestamp = files.get("timestamp.txt", b"")[:100].decode("utf-8", "replace").strip()
    return HandIn(student, files, tuple(notes), timestamp)


def _read_regular(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
            return None
        data = bytearray()
        while len(data) <= MAX_FILE_BYTES:
            piece = os.read(fd, 1 << 20)
            if not piece:
                return bytes(data)
            data += piece
        return None
    except OSError:
        return None
    finally:
        os.close(fd)


def choose_notebook(handin: HandIn, assignment: Assignment, name: str) -> tuple[bytes | None, list[str]]:
    """The file of the hand-in that answers the notebook `name`, and how it was found."""
    exact = handin.files.get(f"{name}.ipynb")
    if exact is not None:
        return exact, []
    others = {n.name for n in assignment.notebooks} - {name}
    candidates = [p for p in handin.files if p.lower().endswith(".ipynb") and Path(p).stem not in others]
    if len(assignment.notebooks) > 1 and len(candidates) > 1:
        candidates = [p for p in candidates if name.lower() in Path(p).stem.lower()] or candidates
    if not candidates:
        return None, [f"no notebook {name}.ipynb was handed in"]

    def rank(path: str) -> tuple[float, int, str]:
        return (fuzz.partial_ratio(name.lower(), Path(path).stem.lower()), len(handin.files[path]), path)

    best = max(candidates, key=rank)
    return handin.files[best], [f"{name}.ipynb was missing; {best} was taken instead"]


def rebuild(notebook: AssignmentNotebook, data: bytes) -> Rebuilt:
    """Our notebook with the student's answers. Never raises: what can't be read is said in `problem`."""
    try:
        cells, repairs = read_cells(data)
    except Unreadable as error:
        return Rebuilt(_filled(notebook, {}, {}), [], str(error))
    return _place(notebook, cells, repairs)


class Unreadable(Exception):
    """The bytes hold no notebook."""


@dataclass
class StudentCell:
    """A cell as the student handed it in."""

    kind: str
    source: str
    grade_id: str
    cell_id: str
    index: int


def read_cells(data: bytes) -> tuple[list[StudentCell], list[str]]:
    """The cells of a notebook file in any nbformat, and what had to be mended to read them. Raises Unreadable."""
    repairs: list[str] = []
    text = _decode(data, repairs)
    try:
        raw = json.loads(text)
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except ValueError as error:
        raise Unreadable(f"the file is not a notebook (its JSON is broken: {error})") from None
    if not isinstance(raw, dict):
        raise Unreadable("the file is not a notebook")
    found = raw.get("cells")
    if found is None and isinstance(raw.get("worksheets"), list):
        found = [c for sheet in raw["worksheets"] if isinstance(sheet, dict) for c in _listed(sheet.get("cells"))]
        repairs.append("the notebook was in the old format 3")
    if not isinstance(found, list):
        raise Unreadable("the file is JSON, but not a notebook: it has no cells")
    cells = []
    for index, item in enumerate(found[:MAX_CELLS]):
        cell = _student_cell(item, index)
        if cell is None:
            repairs.append(f"cell {index + 1} could not be read and was left out")
        else:
            cells.append(cell)
    if len(found) > MAX_CELLS:
        repairs.append(f"only the first {MAX_CELLS} cells were read")
    return cells, repairs


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _decode(data: bytes, repairs: list[str]) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        repairs.append("the file was in UTF-16")
        return data.decode("utf-16", "replace")
    if data.startswith(b"\xef\xbb\xbf"):
        repairs.append("the file began with a byte order mark")
        data = data[3:]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        repairs.append("the file was not in UTF-8; unreadable characters were replaced")
        return data.decode("utf-8", "replace")


def _student_cell(item: Any, index: int) -> StudentCell | None:
    if not isinstance(item, dict):
        return None
    source = item.get("source", item.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str) or len(source) > MAX_SOURCE:
        return None
    source = source.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\0", "")
    metadata = item.get("metadata") if isinstance(item.get("metadata"), dict) else {}
    grading = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    kind = item.get("cell_type")
    own_id = item.get("id") or metadata.get("id") or ""
    grade_id = grading.get("grade_id")
    return StudentCell(
        kind if kind in ("code", "markdown", "raw") else "code",
        source,
        grade_id if isinstance(grade_id, str) else "",
        own_id if isinstance(own_id, str) else "",
        index,
    )


def _place(notebook: AssignmentNotebook, cells: list[StudentCell], repairs: list[str]) -> Rebuilt:
    """Find for each cell of ours the student's, then let the cells that the student added follow in their order."""
    taken: dict[int, int] = {}  # index of the student's cell -> index of ours
    answers: dict[int, StudentCell] = {}
    for ours, cell in enumerate(notebook.cells):
        if not cell.takes_answer:
            continue
        found, how = _find(cell, cells, taken)
        if found is not None:
            answers[ours] = found
            taken[found.index] = ours
            if how:
                repairs.append(f"{cell.grade_id}: {how}")
        elif cell.role == STUDENT:
            repairs.append(f"{cell.grade_id}: the cell was missing")
    _anchor(notebook, cells, taken, repairs)
    extras: dict[int, list[StudentCell]] = {}
    anchor = -1
    for student in cells:
        if student.index in taken:
            anchor = taken[student.index]
        elif student.kind == "code" and student.source.strip():
            extras.setdefault(anchor, []).append(student)
    return Rebuilt(_filled(notebook, answers, extras), repairs)


def _find(cell: Cell, cells: list[StudentCell], taken: dict[int, int]) -> tuple[StudentCell | None, str]:
    """The student's cell that answers one of ours: by grade_id, cell id, the function it defines, then by likeness."""
    free = [s for s in cells if s.index not in taken]
    by_grade_id = [s for s in free if cell.grade_id and s.grade_id == cell.grade_id]
    defining = [s for s in free if s.kind != "markdown" and set(cell.defines) & set(names.defined_function(s.source))] if cell.defines else []
    changed = [s for s in defining if not _same(s.source, cell.released)]
    if by_grade_id:
        best = _last_changed(by_grade_id, cell)
        if cell.defines and _same(best.source, cell.released) and changed:
            return changed[-1], "the answer was found in another cell"
        how = "the cell was duplicated; the last changed copy counts" if len(by_grade_id) > 1 else ""
        return best, how or ("the cell's type had been changed" if best.kind != cell.kind else "")
    by_id = [s for s in free if cell.cell_id and s.cell_id == cell.cell_id]
    if by_id:
        return by_id[0], "nbgrader's metadata was lost; the cell was found by its id"
    if defining:
        return (changed or defining)[-1], f"nbgrader's metadata was lost; the cell was found by its definition of {cell.defines[0]}"
    scored = [(fuzz.ratio(s.source, cell.released), s) for s in free if s.kind == cell.kind and s.source.strip()]
    best_score, likely = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if likely is not None and best_score >= ALIKE and not likely.grade_id:
        return likely, "nbgrader's metadata was lost; the cell was found by its likeness"
    return None, ""


def _last_changed(candidates: list[StudentCell], cell: Cell) -> StudentCell:
    changed = [s for s in candidates if not _same(s.source, cell.released)]
    return (changed or candidates)[-1]


def _same(a: str, b: str) -> bool:
    return [line.rstrip() for line in a.strip().splitlines()] == [line.rstrip() for line in b.strip().splitlines()]


def _anchor(notebook: AssignmentNotebook, cells: list[StudentCell], taken: dict[int, int], repairs: list[str]) -> None:
    """Match our locked cells, so that they are not taken for cells of the student's and the added ones keep their places."""
    by_source = {}
    for ours, cell in enumerate(notebook.cells):
        by_source.setdefault((cell.kind, cell.released.strip()), ours)
    by_grade_id = {c.grade_id: i for i, c in enumerate(notebook.cells) if c.grade_id}
    by_id = {c.cell_id: i for i, c in enumerate(notebook.cells) if c.cell_id}
    seen = set(taken.values())
    for student in cells:
        if student.index in taken:
            continue
        ours = by_source.get((student.kind, student.source.strip()))
        if ours is None:
            ours = by_grade_id.get(student.grade_id, by_id.get(student.cell_id))
            if ours is None or notebook.cells[ours].takes_answer:
                continue
            cell = notebook.cells[ours]
            if cell.role not in (TEST, SKIPPED) and cell.kind == "code":
                continue  # a changed setup cell: ours runs, and theirs after it as a cell of their own
            if cell.role == TEST:
                repairs.append(f"{cell.grade_id}: the test had been changed; the original was used")
        taken[student.index] = ours
        seen.add(ours)
    for ours, cell in enumerate(notebook.cells):
        if cell.role == TEST and ours not in seen:
            repairs.append(f"{cell.grade_id}: the test had been deleted; the original was used")


def _filled(notebook: AssignmentNotebook, answers: dict[int, StudentCell], extras: dict[int, list[StudentCell]]) -> list[RebuiltCell]:
    cells = [RebuiltCell("code", s.source, None) for s in extras.get(-1, [])]
    for index, cell in enumerate(notebook.cells):
        answer = answers.get(index)
        if cell.takes_answer and answer is not None:
            cells.append(RebuiltCell(cell.kind, answer.source, cell, not _same(answer.source, cell.released)))
        else:
            cells.append(RebuiltCell(cell.kind, cell.released, cell, not cell.takes_answer))
        cells += [RebuiltCell("code", s.source, None) for s in extras.get(index, [])]
    return cells

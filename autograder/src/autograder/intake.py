"""What a student handed in, read as hostile bytes and put into our own notebook.

Nothing is run and nothing is trusted here. The notebook that will be graded is built from the release: its
cells, metadata, tests and points; only the sources of answer cells, and cells that the student added, come
from the hand-in. So deleted tests, forged points, duplicated ids and lost metadata end here. Every step of
the rescue is written down.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz

from autograder import names, rescue
from autograder.archives import Bounds, is_archive, safe_path, unpack, without_common_folder
from autograder.course_folder import MANUAL, TEST, Assignment, AssignmentNotebook, Cell
from autograder.matching import Doubt, Placed, place, same

MAX_FILES, MAX_DEPTH = 500, 8
MAX_FILE_BYTES, MAX_TOTAL_BYTES = 64 << 20, 256 << 20
MAX_COMPARED = 6
IGNORED_NAMES = ("timestamp.txt",)
BOOKS = (".ipynb", ".ipynb.json", ".ipynb.txt", ".json")
SCRIPTS = (".py", ".ipynb.html", ".html", ".htm", ".txt")


@dataclass(frozen=True)
class HandIn:
    """The files of one student for one assignment, by their path in the hand-in; and what was left out."""

    student: str
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    timestamp: str = ""


@dataclass
class RebuiltCell:
    """A cell of the notebook that is graded: one of ours (`origin`), or one that the student added (`origin`
    None).
    """

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
    doubts: list[Doubt] = field(default_factory=list)


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
                data = read_regular(entry.path)
                if data is None:
                    notes.append(
                        f"{shown} was left out: it could not be read, or is larger than "
                        f"{MAX_FILE_BYTES >> 20} MB"
                    )
                elif total + len(data) > MAX_TOTAL_BYTES:
                    notes.append(
                        f"{shown} was left out: the hand-in is larger than {MAX_TOTAL_BYTES >> 20} MB"
                    )
                else:
                    total += len(data)
                    files[shown] = data

    visit(str(folder), "", 0)
    open_archives(files, notes)
    timestamp = files.get("timestamp.txt", b"")[:100].decode("utf-8", "replace").strip()
    return HandIn(student, files, tuple(notes), timestamp)


def open_archives(files: dict[str, bytes], notes: list[str]) -> None:
    """Where no notebook lies open, look for one in the archives that were handed in."""
    if any(p.lower().endswith(".ipynb") and not is_archive(p, data) for p, data in files.items()):
        return
    found = None
    for path in [p for p, data in files.items() if is_archive(p, data)]:
        bounds = Bounds(MAX_FILES, MAX_FILE_BYTES, MAX_TOTAL_BYTES - sum(map(len, files.values())))
        found = unpack(files[path], path, bounds, found)
        notes += found.notes
        if found.files and path.lower().endswith(".ipynb"):
            del files[path]
        for inner, data in without_common_folder(found.files).items():
            if (
                safe_path(inner) == inner
                and inner not in files
                and inner not in IGNORED_NAMES
                and len(files) < MAX_FILES
            ):
                files[inner] = data
        if found.files:
            notes.append(f"{path} was opened")


def read_regular(path: str) -> bytes | None:
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
    data, notes, _ = _choose(handin, assignment, name)
    return data, notes


def _choose(handin: HandIn, assignment: Assignment, name: str) -> tuple[bytes | None, list[str], list[str]]:
    """The file, how it was found, and doubts about it.

    The file of the right name wins, unless nothing in it is answered and another file answers more.
    """
    others = {n.name for n in assignment.notebooks} - {name}
    candidates = [p for p in handin.files if _may_be_notebook(p) and plain_stem(p) not in others]
    if len(others) and len(candidates) > 1:
        candidates = [p for p in candidates if name.lower() in Path(p).stem.lower()] or candidates
    for endings in (BOOKS[:1], BOOKS):
        candidates = [p for p in candidates if p.lower().endswith(endings)] or candidates
    if not candidates:
        return None, [f"no notebook {name}.ipynb was handed in"], []
    exact = f"{name}.ipynb"

    def rank(path: str) -> tuple[bool, bool, float, int, str]:
        stem = Path(path).stem.lower()
        return (
            path == exact,
            plain_stem(path) == name,
            fuzz.partial_ratio(name.lower(), stem),
            len(handin.files[path]),
            path,
        )

    ranked = sorted(candidates, key=rank, reverse=True)
    best, doubts = ranked[0], []
    if len(ranked) > 1:
        answered = {p: _answered(assignment.notebook(name), handin.files[p]) for p in ranked[:MAX_COMPARED]}
        fullest = max(answered, key=lambda p: (len(answered[p]), -ranked.index(p)))
        if len(answered[best]) == 0 < len(answered[fullest]):
            best = fullest
        rivals = [p for p, sources in answered.items() if p != best and sources and sources != answered[best]]
        if rivals:
            doubts.append(
                f"several different notebooks were handed in; {best} was graded, not {', '.join(rivals)}"
            )
    if best == exact:
        return handin.files[best], [], doubts
    missing = "held no answer" if exact in handin.files else "was missing"
    return handin.files[best], [f"{exact} {missing}; {best} was taken instead"], doubts


def _may_be_notebook(path: str) -> bool:
    return path.lower().endswith((*BOOKS, *SCRIPTS)) and path not in IGNORED_NAMES


def plain_stem(path: str) -> str:
    """The name without endings and what browsers, Colab and LMSs add: `Copy of x (1).ipynb` is x."""
    stem = Path(path).name
    for ending in sorted((*BOOKS, *SCRIPTS), key=len, reverse=True):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    stem = re.sub(r"^(Copy of |Kopie van |Kopie von |Copie de |Copia de )+", "", stem)
    return re.sub(r"( ?\(\d+\)|-\d+|[ _-]?[Cc]opy\d*)+$", "", stem)


def _answered(notebook: AssignmentNotebook, data: bytes) -> dict[str, str]:
    """The answers in a file that differ from the release, by grade_id."""
    rebuilt = rebuild(notebook, data)
    return {
        c.origin.grade_id: c.source.strip()
        for c in rebuilt.cells
        if c.origin is not None and c.origin.takes_answer and c.answered
    }


def take_notebook(handin: HandIn, assignment: Assignment, notebook: AssignmentNotebook) -> Rebuilt:
    """Our notebook with the answers of a hand-in: the file is chosen, read and matched. Never raises."""
    data, notes, doubts = _choose(handin, assignment, notebook.name)
    if data is None:
        rebuilt = rebuild(notebook, b"{}")
        rebuilt.problem = notes.pop()
        rebuilt.repairs, rebuilt.doubts = [], []
        others = [p for p in handin.files if p not in IGNORED_NAMES]
        if others:
            rebuilt.doubts.append(
                Doubt("", f"there was no notebook, but other files: {', '.join(others[:5])}")
            )
        elif handin.notes:
            rebuilt.doubts.append(Doubt("", "there was no notebook, and something was left out"))
    else:
        rebuilt = rebuild(notebook, data)
    rebuilt.repairs = [*handin.notes, *notes, *rebuilt.repairs]
    rebuilt.doubts = [*(Doubt("", d) for d in doubts), *rebuilt.doubts]
    return rebuilt


def rebuild(notebook: AssignmentNotebook, data: bytes) -> Rebuilt:
    """Our notebook with the student's answers. Never raises: what can't be read is said in `problem`."""
    try:
        reading = rescue.read(data)
        placed = place(notebook, reading.cells)
        other = place(notebook, reading.other) if reading.other is not None else None
    except rescue.Unreadable as error:
        return Rebuilt(
            _filled(notebook, Placed()),
            [],
            str(error),
            [Doubt("", f"the hand-in could not be read: {error}")],
        )
    except (RecursionError, MemoryError):
        problem = "its code is nested too deeply to be read"
        return Rebuilt(
            _filled(notebook, Placed()), [], problem, [Doubt("", f"the hand-in could not be read: {problem}")]
        )
    doubts = [*(Doubt("", sentence) for sentence in reading.doubts), *placed.doubts]
    if other is not None:
        doubts += _merge_sides(notebook, placed, other)
    return Rebuilt(_filled(notebook, placed), [*reading.repairs, *placed.repairs], "", doubts)


def _merge_sides(notebook: AssignmentNotebook, placed: Placed, other: Placed) -> list[Doubt]:
    """Both sides of a merge conflict: an answer that only one side has is taken; where both differ, the
    first, and a doubt.
    """
    doubts = []
    for index, cell in enumerate(notebook.cells):
        if not cell.takes_answer:
            continue
        ours, theirs = placed.answers.get(index, cell.released), other.answers.get(index, cell.released)
        if same(ours, theirs) or same(theirs, cell.released):
            continue
        if same(ours, cell.released):
            placed.answers[index] = theirs
            placed.repairs.append(
                f"{cell.grade_id}: the answer was taken from the second side of a merge conflict"
            )
        else:
            doubts.append(
                Doubt(
                    cell.grade_id,
                    f"{cell.grade_id}: a merge conflict holds two answers; the first one counts",
                )
            )
    if placed.extras != other.extras:
        doubts.append(
            Doubt(
                "",
                "the two sides of a merge conflict have different added cells; those of the first were used",
            )
        )
    return doubts


def concerned(notebook: AssignmentNotebook, rebuilt: Rebuilt) -> dict[str, list[str]]:
    """For each graded cell the doubts that can have cost it points: those on its own answer and on answers
    that it leads to.
    """
    found: dict[str, list[str]] = {}
    for doubt in rebuilt.doubts:
        for grade_id in _reached(notebook, rebuilt, doubt.grade_id):
            found.setdefault(grade_id, []).append(doubt.sentence)
    return found


def _reached(notebook: AssignmentNotebook, rebuilt: Rebuilt, grade_id: str) -> list[str]:
    graded = [c for c in notebook.cells if c.role in (TEST, MANUAL)]
    cell = next((c for c in notebook.cells if c.grade_id and c.grade_id == grade_id), None)
    if cell is None:
        return [c.grade_id for c in graded]
    if cell.role == MANUAL:
        return [cell.grade_id]
    reached = set(cell.defines) | names.bound_names(cell.source) | names.bound_names(cell.released)
    if not reached:
        return [c.grade_id for c in graded if c.role == TEST]
    answers = [c for c in rebuilt.cells if c.kind == "code" and (c.origin is None or c.origin.takes_answer)]
    while True:
        more = (
            set().union(
                *(names.bound_names(c.source) for c in answers if names.free_names(c.source) & reached)
            )
            - reached
        )
        if not more:
            break
        reached |= more
    return [c.grade_id for c in graded if c.role == TEST and names.free_names(c.source) & reached]


def _filled(notebook: AssignmentNotebook, placed: Placed) -> list[RebuiltCell]:
    cells = [RebuiltCell(kind, source, None) for kind, source in placed.extras.get(-1, [])]
    for index, cell in enumerate(notebook.cells):
        answer = placed.answers.get(index)
        if cell.takes_answer and answer is not None:
            cells.append(RebuiltCell(cell.kind, answer, cell, not same(answer, cell.released)))
        else:
            cells.append(RebuiltCell(cell.kind, cell.released, cell, not cell.takes_answer))
        cells += [RebuiltCell(kind, source, None) for kind, source in placed.extras.get(index, [])]
    return cells

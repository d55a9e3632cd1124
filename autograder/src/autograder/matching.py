"""Which of the student's cells answers which of ours, and where the cells that the student added go.

Found by grade_id, then cell id, then the function that a cell defines, then place and likeness. A repair
says what was done; a doubt says what a person should look at when points are lost. A function under another
name is only suggested, never taken for the right one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from autograder import names
from autograder.course_folder import MANUAL, SKIPPED, STUDENT, TEST, AssignmentNotebook, Cell
from autograder.rescue import StudentCell

ALIKE = 60.0
BADGE_ID = "view-in-github"
_LONGEST_COMPARED = 20_000
_MOST_PROSE = 80  # lines of text that may have been merged into an answer
_SHORTEST_BLOCK = 30  # a locked text of fewer characters may stand in an answer by chance


@dataclass(frozen=True)
class Doubt:
    """Something that a person should look at if the tests of this answer (of any, if empty) do not give full
    points.
    """

    grade_id: str
    sentence: str


@dataclass
class Placed:
    """The student's sources by the index of our answer cell, and the added cells (kind, source) by the index
    of ours they follow.
    """

    answers: dict[int, str] = field(default_factory=dict)
    extras: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


def place(notebook: AssignmentNotebook, cells: list[StudentCell]) -> Placed:
    """Find for each answer cell of ours the student's; the cells that the student added follow in their
    order.
    """
    return _Matcher(notebook, cells).run()


def same(a: str, b: str) -> bool:
    """Whether two sources are equal but for blank ends of lines."""
    return [line.rstrip() for line in a.strip().splitlines()] == [
        line.rstrip() for line in b.strip().splitlines()
    ]


class _Matcher:
    def __init__(self, notebook: AssignmentNotebook, cells: list[StudentCell]) -> None:
        self.ours = notebook.cells
        self.cells = [c for c in cells if not _is_badge(c)]
        self.taken: dict[int, int] = {}  # index of the student's cell -> index of ours
        self.dropped: set[int] = set()  # copies that must not run
        self.placed = Placed()
        self.wanted = {
            i: _wanted(notebook, c) for i, c in enumerate(self.ours) if c.takes_answer and c.kind == "code"
        }
        self.rest: dict[
            int, str
        ] = {}  # index of the student's copy of a locked cell -> what else stands in it
        self._defines: dict[int, frozenset[str]] = {}

    def run(self) -> Placed:
        answers = [i for i, c in enumerate(self.ours) if c.takes_answer]
        self._lock_exact()
        for ours in answers:
            self._by_own_marks(ours)
        self._lock_changed()
        for ours in answers:
            if ours not in self.placed.answers:
                self._by_place(ours)
        for ours in answers:
            if ours not in self.placed.answers:
                self._out_of_merged(ours)
        for ours in answers:
            if ours not in self.placed.answers:
                self._by_likeness(ours)
        self._missing(answers)
        self._join_split(answers)
        self._cut_merged(answers)
        self._suggest(answers)
        self._text_beside(answers)
        self._extras()
        self._lend(answers)
        self._hoist(answers)
        return self.placed

    # -- our locked cells --------------------------------------------------------------------------

    def _lock_exact(self) -> None:
        """The student's copies of our own locked cells, word for word: ours stand in for them."""
        by_source: dict[tuple[str, str], list[int]] = {}
        for ours, cell in enumerate(self.ours):
            if not cell.takes_answer:
                by_source.setdefault((cell.kind, cell.released.strip()), []).append(ours)
        used: set[int] = set()
        for student in self.cells:
            found = by_source.get((student.kind, student.source.strip()), [])
            if not found or not student.source.strip():
                continue
            free = [o for o in found if o not in used]
            best = next(
                (
                    o
                    for o in free
                    if self.ours[o].grade_id == student.grade_id or self.ours[o].cell_id == student.cell_id
                ),
                None,
            )
            ours = best if best is not None else (free or found)[0]
            used.add(ours)
            self.taken[student.index] = ours

    def _lock_changed(self) -> None:
        """Locked cells that the student edited: ours run; what was added to them is kept where it can
        matter.
        """
        by_grade_id = {c.grade_id: i for i, c in enumerate(self.ours) if c.grade_id}
        by_id = {c.cell_id: i for i, c in enumerate(self.ours) if c.cell_id}
        seen = set(self.taken.values())
        for student in self._free():
            ours = by_grade_id.get(student.grade_id)
            if ours is None:
                ours = by_id.get(student.cell_id)
            if ours is None or self.ours[ours].takes_answer:
                continue
            cell = self.ours[ours]
            if cell.kind == "code" and student.kind == "code" and cell.role not in (TEST, SKIPPED):
                continue  # a changed setup cell: ours runs, and theirs after it as a cell of their own
            self.taken[student.index] = ours
            seen.add(ours)
            if same(student.source, cell.source):
                continue  # the instructor's own copy, hidden tests and all
            if cell.role == TEST:
                self._note(f"{cell.grade_id}: the test had been changed; the original was used")
            rest = _without_block(student.source, cell.released)
            if rest is not None and rest.strip():
                self.rest[student.index] = rest
        for ours, cell in enumerate(self.ours):
            if cell.role == TEST and ours not in seen:
                self._note(f"{cell.grade_id}: the test had been deleted; the original was used")

    # -- answers -----------------------------------------------------------------------------------

    def _by_own_marks(self, ours: int) -> None:
        """By grade_id, then by cell id, then by what a cell defines."""
        cell = self.ours[ours]
        free = self._free()
        marked = [
            s for s in free if cell.grade_id and s.grade_id == cell.grade_id and not self._of_another(s, ours)
        ]
        how = ""
        if not marked:
            known = {c.grade_id for c in self.ours if c.grade_id}
            marked = [
                s
                for s in free
                if cell.cell_id
                and s.cell_id == cell.cell_id
                and s.grade_id not in known
                and not self._of_another(s, ours)
            ]
            how = "nbgrader's metadata was lost; the cell was found by its id" if marked else ""
        changed = [s for s in marked if not same(s.source, cell.released)]
        if not self.wanted.get(ours):
            if marked:
                self._take(ours, (changed or marked)[-1], how, changed, marked)
            return
        defining = [s for s in changed if self._answers(s, ours)]
        strays = [
            s
            for s in free
            if s not in marked
            and self._answers(s, ours)
            and not same(s.source, cell.released)
            and not self._claimed(s, ours)
        ]
        if defining:
            self._take(ours, defining[-1], how, changed, marked)
            for stray in strays:
                if not _alike_code(stray.source, defining[-1].source):
                    self._doubt(
                        cell,
                        f"{_listed(self.wanted[ours])} is defined in another cell as well; the one in the "
                        "original cell counts",
                    )
            return
        code = [s for s in strays if s.kind == "code"] or strays
        if code:
            lost = not marked
            named = self.wanted[ours]
            why = (
                f"nbgrader's metadata was lost; the cell was found by its definition of {_listed(named)}"
                if lost
                else "the answer was found in another cell"
            )
            self._take(ours, code[-1], why, code, code)
            for stub in marked:
                if same(stub.source, cell.released):
                    self.taken[stub.index] = ours
                    self.dropped.add(stub.index)
            return
        if changed or (marked and not self._hidden_in_locked(ours)):
            self._take(ours, (changed or marked)[-1], how, changed, marked)

    def _take(
        self, ours: int, chosen: StudentCell, how: str, changed: list[StudentCell], marked: list[StudentCell]
    ) -> None:
        cell = self.ours[ours]
        self.taken[chosen.index] = ours
        self.placed.answers[ours] = chosen.source
        if len(marked) > 1:
            different = [s for s in changed if not _alike_code(s.source, chosen.source)]
            if not different:
                for copy in marked:
                    self.taken[copy.index] = ours
                    if copy is not chosen:
                        self.dropped.add(copy.index)
                how = how or "the cell was duplicated; the last changed copy counts"
            else:
                for copy in marked:
                    if same(copy.source, cell.released):
                        self.taken[copy.index] = ours
                        self.dropped.add(copy.index)
                how = how or "the cell was duplicated; the last changed copy counts"
                if any(self._answers(s, ours) for s in different) or not self.wanted.get(ours):
                    self._doubt(cell, "several different cells answer it; the last one counts")
        if how:
            self._note(f"{cell.grade_id}: {how}")
        if chosen.kind != cell.kind and "type" not in how:
            self._note(f"{cell.grade_id}: the cell's type had been changed")
        if chosen.damaged:
            self._doubt(cell, "the file is damaged in this very cell")

    def _by_place(self, ours: int) -> None:
        """An answer without marks and without a name to go by: the cells between the neighbours that are
        known.
        """
        cell = self.ours[ours]
        if self.wanted.get(ours):
            return
        between = [
            s
            for s in self._between(ours)
            if s.kind == cell.kind and s.source.strip() and not self._of_another(s, ours)
        ]
        if cell.kind == "code":
            between = [s for s in between if names.parse(s.source) is not None]
        if not between:
            return
        text = ("\n\n" if cell.kind != "code" else "\n").join(s.source for s in between)
        for student in between:
            self.taken[student.index] = ours
        self.placed.answers[ours] = text
        self._note(f"{cell.grade_id}: nbgrader's metadata was lost; the cell was found by its place")
        if cell.kind == "code" or len(between) > 1:
            self._doubt(cell, "the answer was found only by its place")

    def _between(self, ours: int) -> list[StudentCell]:
        """Free cells between the student's copies of our nearest cells before and after."""
        position = {index: i for i, index in enumerate(s.index for s in self.cells)}
        before = [position[s] for s, o in self.taken.items() if o < ours and s in position]
        after = [position[s] for s, o in self.taken.items() if o > ours and s in position]
        nearest_before = max((o for o in self.taken.values() if o < ours), default=None)
        nearest_after = min((o for o in self.taken.values() if o > ours), default=None)
        before = [position[s] for s, o in self.taken.items() if o == nearest_before and s in position]
        after = [position[s] for s, o in self.taken.items() if o == nearest_after and s in position]
        start, end = max(before, default=-1), min(after, default=len(self.cells))
        return [s for s in self.cells[start + 1 : end] if s.index not in self.taken] if start < end else []

    def _by_likeness(self, ours: int) -> None:
        cell = self.ours[ours]
        released = cell.released[:_LONGEST_COMPARED]
        known = {c.grade_id for c in self.ours if c.grade_id}
        scored = [
            (fuzz.ratio(s.source[:_LONGEST_COMPARED], released), -s.index, s)
            for s in self._free()
            if s.kind == cell.kind
            and s.source.strip()
            and s.grade_id not in known
            and not self._of_another(s, ours)
        ]
        best = max(scored, key=lambda found: found[:2], default=None)
        if best is not None and best[0] >= ALIKE:
            self._take(
                ours,
                best[2],
                "nbgrader's metadata was lost; the cell was found by its likeness",
                [best[2]],
                [best[2]],
            )
            self._doubt(cell, "the answer was found only by its likeness to the original cell")

    def _out_of_merged(self, ours: int) -> None:
        """An answer that stands in a cell with another answer, or with one of our locked cells."""
        if not self.wanted.get(ours):
            return
        for student in self.cells:
            if student.index in self.dropped or not self._answers(student, ours):
                continue
            if same(student.source, self.ours[ours].released):
                continue
            host = self.taken.get(student.index)
            if host is not None and self.ours[host].takes_answer and host != ours:
                source = self.placed.answers.get(host, "")
                order = [
                    (o, self.wanted[o])
                    for o in sorted(self.wanted)
                    if o == host or (o not in self.placed.answers and self.wanted[o])
                ]
                parts = _parted(source, order)
                if parts is None or ours not in parts:
                    continue
                self.placed.answers[host] = parts.pop(host, "")
                for other, part in parts.items():
                    self.placed.answers[other] = part
                    self._note(
                        f"{self.ours[other].grade_id}: the answer was found in the cell of "
                        f"{self.ours[host].grade_id} and taken out of it"
                    )
                    self._doubt(
                        self.ours[other], f"the answer stood in the cell of {self.ours[host].grade_id}"
                    )
                    self._doubt(self.ours[host], "several answers stood in this cell")
            else:
                source = student.source
                if host is not None:
                    if student.index not in self.rest:
                        continue
                    source = self.rest.pop(student.index)
                order = [
                    (o, self.wanted[o])
                    for o in sorted(self.wanted)
                    if o not in self.placed.answers and self.wanted[o]
                ]
                parts = _parted(self._cut(source, ours), order) or {ours: source}
                for other, part in parts.items():
                    self.placed.answers[other] = part
                    self._note(
                        f"{self.ours[other].grade_id}: the answer was found in a cell together with other "
                        "cells and taken out of it"
                    )
                    self._doubt(self.ours[other], "the answer stood in a cell together with others")
                self.taken.setdefault(student.index, ours)
            if ours in self.placed.answers:
                return

    def _missing(self, answers: Iterable[int]) -> None:
        for ours in answers:
            cell = self.ours[ours]
            if ours not in self.placed.answers:
                self._note(f"{cell.grade_id}: the cell was missing")
                self._doubt(cell, "the cell was missing from the notebook")

    def _join_split(self, answers: Iterable[int]) -> None:
        """An answer that was split into several cells, so that its parts are no Python alone."""
        by_index = {s.index: at for at, s in enumerate(self.cells)}
        for ours in answers:
            cell = self.ours[ours]
            chosen = [s for s, o in self.taken.items() if o == ours and s not in self.dropped]
            if cell.kind != "code" or ours not in self.placed.answers or len(chosen) != 1:
                continue
            source = self.placed.answers[ours]
            at = by_index[chosen[0]]
            first = last = at
            parsed = names.parse(source) is not None
            complete = parsed and self.wanted[ours] <= names.bound_names(source)
            joined = source
            while last + 1 < len(self.cells) and last - first < 12:
                following = self.cells[last + 1]
                if following.kind != "code" or not self._loose(following, ours):
                    break
                if complete and not _indented(following.source):
                    break
                joined = f"{joined}\n{following.source}"
                last += 1
                if names.parse(joined) is not None and not (
                    last + 1 < len(self.cells) and _indented(self.cells[last + 1].source)
                ):
                    complete = True
                    break
            if last == first and not complete:
                while (
                    first > 0
                    and self.cells[first - 1].kind == "code"
                    and self._loose(self.cells[first - 1], ours)
                    and at - first < 12
                ):
                    first -= 1
                    joined = f"{self.cells[first].source}\n{joined}"
                    if names.parse(joined) is not None and self.wanted[ours] <= names.bound_names(joined):
                        break
            if (
                (first, last) == (at, at)
                or names.parse(joined) is None
                or not self.wanted[ours] <= names.bound_names(joined)
            ):
                continue
            self.placed.answers[ours] = joined
            for part in self.cells[first : last + 1]:
                self.taken[part.index] = ours
            self._note(
                f"{cell.grade_id}: the answer was split into {last - first + 1} cells, which were joined"
            )
            self._doubt(cell, "the answer was split into several cells, which were joined")

    def _loose(self, student: StudentCell, ours: int) -> bool:
        return student.index not in self.taken or (
            student.index in self.dropped
            and self.taken[student.index] == ours
            and not same(student.source, self.ours[ours].released)
        )

    def _cut_merged(self, answers: list[int]) -> None:
        """Text of other cells that was merged into an answer: ours, and the student's own written answers."""
        for ours in answers:
            if self.ours[ours].kind != "code" or ours not in self.placed.answers:
                continue
            before = self.placed.answers[ours]
            source = self._cut(before, ours)
            lost = [o for o in answers if o not in self.placed.answers and self.ours[o].kind != "code"]
            if names.parse(source) is None and (source != before or lost):
                self._doubt(self.ours[ours], "the cell was merged with others, and its code is no Python")
                code, prose = _code_and_prose(source, self.wanted[ours])
                if code:
                    source = code
                    self._note(
                        f"{self.ours[ours].grade_id}: text had been merged into the answer and was taken out"
                    )
                    if len(lost) == 1:
                        self.placed.answers[lost[0]] = prose
            self.placed.answers[ours] = source

    def _cut(self, source: str, ours: int) -> str:
        cut = source
        for shortest in (_SHORTEST_BLOCK, 1):
            for other, cell in enumerate(self.ours):
                if (
                    other == ours
                    or cell.takes_answer
                    or (cell.kind == "code" and (cell.role not in (TEST, SKIPPED) or shortest == 1))
                ):
                    continue
                rest = _without_block(cut, cell.released, shortest)
                cut = cut if rest is None else rest
            if names.parse(cut) is not None:
                break
        if cut != source:
            self._note(
                f"{self.ours[ours].grade_id}: other cells had been merged into the answer; their "
                "text was taken out"
            )
        return cut

    def _suggest(self, answers: Iterable[int]) -> None:
        """A function under another name: said, not taken."""
        for ours in answers:
            cell = self.ours[ours]
            wanted = self.wanted.get(ours, frozenset())
            source = self.placed.answers.get(ours)
            if not wanted or source is None or wanted <= names.bound_names(source):
                continue
            missing = _listed(wanted - names.bound_names(source))
            if names.parse(source) is None:
                if any(s.damaged for s in self.cells if self.taken.get(s.index) == ours):
                    self._doubt(cell, "the file is damaged in this very cell")
                continue
            other = [n for n in names.defined_function(source) if n not in wanted]
            near = [n for n in other if any(_near(n, w) for w in wanted)] or other
            if not near:
                near = [
                    n
                    for s in self._free()
                    for n in names.defined_function(s.source)
                    if any(_near(n, w) for w in wanted)
                ]
            if near:
                self._note(
                    f"{cell.grade_id}: defines {near[-1]} where {missing} was asked for; a suggestion "
                    "only, nothing was renamed"
                )
                self._doubt(
                    cell, f"{missing} is not defined, but {near[-1]} is: perhaps the function was renamed"
                )

    def _text_beside(self, answers: Iterable[int]) -> None:
        """A written answer in a cell of its own below an empty answer cell."""
        for ours in answers:
            cell = self.ours[ours]
            if cell.kind == "code" or cell.role != MANUAL:
                continue
            source = self.placed.answers.get(ours, "")
            if source.strip() and not same(source, cell.released):
                continue
            own = next((s.index for s in self.cells if self.taken.get(s.index) == ours), None)
            following: list[StudentCell] = []
            started = own is None
            for student in self._between(ours) if own is None else self.cells:
                if student.index == own:
                    started = True
                elif started and student.index in self.taken:
                    if following or own is not None:
                        break
                elif started and student.kind != "code" and student.source.strip():
                    following.append(student)
            if following:
                self.placed.answers[ours] = "\n\n".join(s.source for s in following)
                for student in following:
                    self.taken[student.index] = ours
                self._note(f"{cell.grade_id}: the written answer was found in the cell below")
                self._doubt(cell, "the written answer was found in the cell below the one meant for it")

    # -- added cells -------------------------------------------------------------------------------

    def _extras(self) -> None:
        anchor = -1
        stubs = [c.released for c in self.ours if c.takes_answer]
        for student in self.cells:
            if student.index in self.taken:
                anchor = self.taken[student.index]
                if student.index in self.rest and student.kind == "code":
                    self.placed.extras.setdefault(anchor, []).append(("code", self.rest[student.index]))
            elif student.source.strip() and not any(same(student.source, stub) for stub in stubs):
                self.placed.extras.setdefault(anchor, []).append((student.kind, student.source))
        self.placed.extras = {anchor: extras for anchor, extras in self.placed.extras.items() if extras}

    def _running(self) -> set[str]:
        """Names bound by what will run: our cells, the answers, the added code cells."""
        bound: set[str] = set()
        for ours, cell in enumerate(self.ours):
            if cell.kind == "code" and cell.role not in (TEST, SKIPPED):
                bound |= names.bound_names(self.placed.answers.get(ours, cell.released))
        for extras in self.placed.extras.values():
            for kind, source in extras:
                bound |= names.bound_names(source) if kind == "code" else set()
        return bound

    def _lend(self, answers: list[int]) -> None:
        """Definitions that answers need and that stand where nothing runs: in text cells, edited tests,
        experiments.
        """
        needed: set[str] = set()
        for ours in answers:
            needed |= (
                names.free_names(self.placed.answers.get(ours, ""))
                if self.ours[ours].kind == "code"
                else set()
            )
        for extras in self.placed.extras.values():
            for kind, source in extras:
                needed |= names.free_names(source) if kind == "code" else set()
        needed -= self._running()
        if not needed:
            return
        for student in self.cells:
            host = self.taken.get(student.index)
            idle = student.kind != "code" or (host is not None and self.ours[host].role in (TEST, SKIPPED))
            if not idle or (host is not None and self.ours[host].takes_answer):
                continue
            lent = _definitions(student.source, needed)
            if not lent:
                continue
            first = min(
                (
                    o
                    for o in answers
                    if names.free_names(self.placed.answers.get(o, "")) & names.bound_names(lent)
                ),
                default=0,
            )
            self.placed.extras.setdefault(first - 1, []).append(("code", lent))
            found = _listed(names.bound_names(lent) & needed)
            needed -= names.bound_names(lent)
            self._note(
                f"{found} was defined in a cell that does not run while grading; the definition was added"
            )
            for ours in answers:
                if names.free_names(self.placed.answers.get(ours, "")) & names.bound_names(lent):
                    self._doubt(
                        self.ours[ours], f"{found} was defined only in a cell that does not run while grading"
                    )

    def _hoist(self, answers: list[int]) -> None:
        """An added cell that an earlier answer needs, and that stands after it, goes before it."""
        for _ in range(3):
            moved = False
            bound: set[str] = set()
            for ours in [-1, *range(len(self.ours))]:
                if ours >= 0:
                    cell = self.ours[ours]
                    if cell.kind == "code" and cell.role not in (TEST, SKIPPED):
                        source = self.placed.answers.get(ours, cell.released)
                        if ours in self.placed.answers and self._fetch(
                            ours, names.free_names(source) - bound
                        ):
                            moved = True
                        bound |= names.bound_names(source)
                for kind, source in self.placed.extras.get(ours, []):
                    bound |= names.bound_names(source) if kind == "code" else set()
            if not moved:
                return

    def _fetch(self, ours: int, needed: frozenset[str]) -> bool:
        provided = names.bound_names(self.placed.answers[ours])
        for anchor in sorted(self.placed.extras):
            if anchor < ours:
                continue
            tests = [o for o in range(ours, len(self.ours)) if self.ours[o].role == TEST]
            if tests and anchor < tests[0]:
                continue  # it runs before the first test that could need it
            for extra in self.placed.extras[anchor]:
                kind, source = extra
                if (
                    kind == "code"
                    and names.bound_names(source) & needed
                    and not names.bound_names(source) & provided
                    and _only_defines(source)
                ):
                    self.placed.extras[anchor].remove(extra)
                    self.placed.extras.setdefault(ours - 1, []).append(extra)
                    found = _listed(names.bound_names(source) & needed)
                    self._note(
                        f"{self.ours[ours].grade_id}: the cell that defines {found} came too late and was "
                        "moved up"
                    )
                    self._doubt(
                        self.ours[ours], f"the cell that defines {found} came after the answer that needs it"
                    )
                    return True
        return False

    # -- small questions ---------------------------------------------------------------------------

    def _free(self) -> list[StudentCell]:
        return [s for s in self.cells if s.index not in self.taken]

    def _bound(self, student: StudentCell) -> frozenset[str]:
        if student.index not in self._defines:
            tree = names.parse(student.source)
            self._defines[student.index] = (
                names.bound_names(student.source) if tree is not None else _bound_in_pieces(student.source)
            )
        return self._defines[student.index]

    def _answers(self, student: StudentCell, ours: int) -> bool:
        wanted = self.wanted.get(ours)
        return bool(wanted) and wanted <= self._bound(student)  # type: ignore[operator]

    def _of_another(self, student: StudentCell, ours: int) -> bool:
        """Whether a cell answers another exercise and not this one, whatever its marks say."""
        if student.kind != "code" or self._answers(student, ours):
            return False
        return any(
            self._answers(student, other) for other in self.wanted if other != ours and self.wanted[other]
        )

    def _claimed(self, student: StudentCell, ours: int) -> bool:
        """Whether a cell bears the mark of another answer that it answers too."""
        return any(
            other != ours
            and cell.takes_answer
            and cell.grade_id
            and cell.grade_id == student.grade_id
            and self._answers(student, other)
            for other, cell in enumerate(self.ours)
        )

    def _hidden_in_locked(self, ours: int) -> bool:
        """Whether an answer stands in a student's copy of a locked cell or of another answer."""
        cell = self.ours[ours]
        return any(
            self._answers(s, ours)
            and s.grade_id not in ("", cell.grade_id)
            and not same(s.source, cell.released)
            for s in self.cells
            if s.index not in self.dropped
        )

    def _note(self, sentence: str) -> None:
        if sentence not in self.placed.repairs:
            self.placed.repairs.append(sentence)

    def _doubt(self, cell: Cell, sentence: str) -> None:
        doubt = Doubt(cell.grade_id, f"{cell.grade_id}: {sentence}")
        if doubt not in self.placed.doubts:
            self.placed.doubts.append(doubt)


def _is_badge(cell: StudentCell) -> bool:
    return cell.cell_id == BADGE_ID or (
        cell.kind == "markdown" and len(cell.source) < 600 and "colab-badge" in cell.source
    )


def _wanted(notebook: AssignmentNotebook, cell: Cell) -> frozenset[str]:
    """The names that an answer must define: its functions and classes, else what tests read of what the
    solution binds.
    """
    if cell.defines:
        return frozenset(cell.defines)
    if cell.role != STUDENT:
        return frozenset()
    read: set[str] = set()
    for other in notebook.cells:
        if other.role == TEST:
            read |= names.free_names(other.source)
    return frozenset(names.bound_names(cell.source) & read)


def _alike_code(a: str, b: str) -> bool:
    if same(a, b):
        return True
    first, second = names.parse(a), names.parse(b)
    return first is not None and second is not None and ast.dump(first) == ast.dump(second)


def _listed(found: Iterable[str]) -> str:
    return ", ".join(sorted(found))


def _near(a: str, b: str) -> bool:
    return fuzz.ratio(a.lower().replace("_", ""), b.lower().replace("_", "")) >= 70


def _indented(source: str) -> bool:
    first = next(
        (line for line in source.split("\n") if line.strip() and not line.strip().startswith("#")), ""
    )
    return first[:1] in (" ", "\t")


def _bound_in_pieces(source: str) -> frozenset[str]:
    """Functions and classes at the margin of a source that is not Python as a whole."""
    found = set()
    for line in source.split("\n"):
        words = line.replace("(", " ").replace(":", " ").split()
        if line.startswith(("def ", "class ", "async def ")) and len(words) > 1:
            found.add(words[2] if words[0] == "async" and len(words) > 2 else words[1])
    return frozenset(found)


def _without_block(source: str, block: str, shortest: int = _SHORTEST_BLOCK) -> str | None:
    """The source without the lines of `block`, or None if they do not stand in it one after the other."""
    wanted = [line.rstrip() for line in block.strip("\n").split("\n")]
    if len(block.strip()) < shortest:
        return None
    lines = source.split("\n")
    bare = [line.rstrip() for line in lines]
    for at in range(len(bare) - len(wanted) + 1):
        if bare[at] == wanted[0] and bare[at : at + len(wanted)] == wanted:
            return "\n".join([*lines[:at], *lines[at + len(wanted) :]]).strip("\n")
    return None


def _code_and_prose(source: str, wanted: frozenset[str]) -> tuple[str, str]:
    """A source as Python that defines what is wanted, and the text after or before it; twice nothing if
    there is no such cut.
    """
    lines = source.split("\n")
    for count in range(1, min(len(lines), _MOST_PROSE)):
        for code, prose in ((lines[:-count], lines[-count:]), (lines[count:], lines[:count])):
            text = "\n".join(code).strip("\n")
            if names.parse(text) is not None and wanted <= names.bound_names(text):
                return text, "\n".join(prose).strip("\n")
    return "", ""


def _parted(source: str, order: list[tuple[int, frozenset[str]]]) -> dict[int, str] | None:
    """A source with several answers, parted before each of them; what comes before the first goes with it."""
    tree = names.parse(source)
    if tree is None:
        return None
    source = names.plain_python(source)
    owner_of = {name: ours for ours, wanted in order for name in wanted}
    lines = source.split("\n")
    parts: dict[int, list[str]] = {}
    owner: int | None = None
    waiting: list[str] = []  # before the first answer
    start = 0
    pending: list[str] = []  # between two answers: goes to the later one if it needs it
    for node in tree.body:
        end = node.end_lineno or start
        piece = lines[start:end]
        start = end
        bound = names.bound_names(ast.unparse(node))
        found = next((owner_of[n] for n in sorted(bound) if n in owner_of), None)
        if found is None:
            (pending if owner is not None else waiting).extend(piece)
            continue
        owner = found
        parts.setdefault(owner, []).extend([*waiting, *pending, *piece])
        waiting, pending = [], []
    if owner is None:
        return None
    parts[owner].extend([*pending, *lines[start:]])
    return {ours: "\n".join(part).strip("\n") for ours, part in parts.items()}


def _definitions(source: str, needed: set[str]) -> str:
    """The functions, classes, imports and constants of a source that bind a needed name."""
    tree = names.parse(source)
    if tree is None:
        return ""
    kept = []
    for node in tree.body:
        if isinstance(
            node,
            (
                ast.FunctionDef,
                ast.AsyncFunctionDef,
                ast.ClassDef,
                ast.Import,
                ast.ImportFrom,
                ast.Assign,
                ast.AnnAssign,
            ),
        ):
            text = ast.unparse(node)
            if names.bound_names(text) & needed:
                kept.append(text)
    return "\n\n".join(kept)


def _only_defines(source: str) -> bool:
    tree = names.parse(source)
    return tree is not None and all(
        isinstance(
            n,
            (
                ast.FunctionDef,
                ast.AsyncFunctionDef,
                ast.ClassDef,
                ast.Import,
                ast.ImportFrom,
                ast.Assign,
                ast.AnnAssign,
            ),
        )
        or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
        for n in tree.body
    )

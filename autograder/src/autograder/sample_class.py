"""A made-up class that hands in everything a real one does: right, wrong, late, broken and dishonest work."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from textwrap import dedent
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from autograder.build import (
    BADGE_ID,
    Course,
    answered_notebook,
    answers,
    release_notebook,
)
from autograder.errors import CourseError
from autograder.source import SourceNotebook
from autograder.variants import RIGHT, WRONG, Variant, load_variants

DEFAULT_DUE = datetime(2027, 2, 1, 23, 59, tzinfo=UTC)
WRITTEN_ANSWER = "My answer in a few sentences. A person reads it and gives the points by hand."


@dataclass(frozen=True)
class Student:
    """A member of the class. `id` is how files and the gradebook call the student."""

    id: str
    first_name: str
    last_name: str


def _student(first_name: str, last_name: str, id: str = "") -> Student:
    return Student(id or f"{first_name}_{last_name}".lower(), first_name, last_name)


# One for each special hand-in.
SPECIAL = (
    _student("Amara", "Okafor"),
    _student("Bence", "Halász", "bence_halasz"),
    _student("Chiara", "Lombardi"),
    _student("Dilnoza", "Karimova"),
    _student("Elif", "Yıldız", "elif_yildiz"),
    _student("Farid", "Rahimi"),
    _student("Gabriela", "Quispe"),
    _student("Hana", "Kobayashi"),
    _student("Robin", "Hale"),
)
# As many of these as the exercise with the most wrong answers has.
OTHERS = (
    _student("Isaac", "Mensah"),
    _student("Jorunn", "Nygård", "jorunn_nygard"),
    _student("Kiri", "Ngata"),
    _student("Lena", "Fischer"),
    _student("Mei Ling", "Tan", "meiling_tan"),
    _student("Noor", "Haddad"),
    _student("Oskar", "Wiśniewski", "oskar_wisniewski"),
    _student("Priya", "Raman"),
    _student("Quentin", "Moreau"),
    _student("Rosa", "Delgado"),
    _student("Sione", "Tupou"),
    _student("Tariq", "Aziz"),
    _student("Uma", "Shrestha"),
    _student("Viktor", "Ionescu"),
    _student("Wanjiru", "Kamau"),
    _student("Ximena", "Rojas"),
    _student("Yusuf", "Demir"),
    _student("Zofia", "Nowak"),
    _student("Aroha", "Walker"),
    _student("Beatriz", "Sousa"),
    _student("Can", "Aydın", "can_aydin"),
    _student("Deepa", "Nair"),
)


@dataclass(frozen=True)
class HandIn:
    """What one student hands in for one assignment.

    `story` says in a few words what is in it. `wrong` holds the wrong answers by exercise, `solved` the
    exercises that deserve all their points.
    """

    student: Student
    assignment: str
    story: str
    notebook: NotebookNode
    handed_in: datetime
    solved: frozenset[str]
    wrong: dict[str, Variant]
    file_name: str = ""

    def write(self, submitted: Path) -> Path:
        """Write notebook and timestamp where nbgrader's collect puts them, and return the notebook's path."""
        folder = submitted / self.student.id / self.assignment
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (self.file_name or f"{self.assignment}.ipynb")
        # Not with nbformat, which would mend what is wrong with the notebook.
        path.write_text(json.dumps(self.notebook, indent=2, ensure_ascii=False), encoding="utf-8")
        stamp = self.handed_in.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC\n")
        (folder / "timestamp.txt").write_text(stamp, encoding="utf-8")
        return path


def make_class(course: Course, name: str) -> list[HandIn]:
    """Hand-ins of one assignment: the special kinds, then every declared wrong answer.

    The later students each have a few of these and are right in the rest.
    """
    source = course.source(name)
    exercises = [cell.name for cell in source.of_role("exercise")]
    if not exercises:
        raise CourseError(f"{source.path} has no exercise, so no class can hand it in.", "Add one.")
    variants = load_variants(course, source)
    due = course.settings.assignment(name).due or DEFAULT_DUE
    desk = _Desk(course, source, release_notebook(source, course.notebooks), due)
    other_right = {e: variants.of(e, RIGHT)[0].source for e in exercises if variants.of(e, RIGHT)}
    made = special_hand_ins(desk, other_right)
    for student, wrong in _dealt([variants.of(e, WRONG) for e in exercises]):
        made.append(desk.with_wrong(student, wrong))
    return made


def _dealt(wrong: list[list[Variant]]) -> list[tuple[Student, dict[str, Variant]]]:
    """All wrong answers dealt out like cards: about as many for each, never two for one exercise."""
    hands: list[dict[str, Variant]] = [{} for _ in range(max(map(len, wrong)))]
    for number, variant in enumerate(chain.from_iterable(wrong)):
        hands[number % len(hands)][variant.exercise] = variant
    return [(_other(number), hand) for number, hand in enumerate(hands)]


def _other(number: int) -> Student:
    if number < len(OTHERS):
        return OTHERS[number]
    return Student(f"student_{number + 1:02d}", "Student", str(number + 1))


def special_hand_ins(desk: _Desk, other_right: dict[str, str]) -> list[HandIn]:
    """One hand-in of every special kind, by the students of SPECIAL."""
    amara, bence, chiara, dilnoza, elif_, farid, gabriela, hana, robin = SPECIAL
    right = desk.solutions
    half = dict(list(right.items())[: (len(right) + 1) // 2])
    last = list(right)[-1]
    looping = {**right, last: endless(right[last])}
    stolen = {exercise: thief(desk.course.root, desk.source.name, exercise) for exercise in right}
    a_day_late = desk.due + timedelta(hours=26, minutes=40)
    return [
        desk.hand_in(amara, "everything right", right),
        desk.hand_in(bence, "other right answers", {**right, **other_right}),
        desk.hand_in(chiara, "untouched", {}, written=False),
        desk.hand_in(dilnoza, f"the first {len(half)} of {len(right)}", half, written=False),
        desk.hand_in(elif_, "right, but a day late", right, when=a_day_late),
        replace(
            desk.hand_in(farid, "saved by Colab and renamed", right, change=saved_by_colab),
            file_name=f"Copy of {desk.source.name}.ipynb",
        ),
        desk.hand_in(gabriela, "right, a test cell deleted", right, change=without_last_test),
        desk.hand_in(hana, f"{last} loops for ever", looping, bad=frozenset({last})),
        desk.hand_in(robin, "tries to read the solutions", stolen, bad=frozenset(right)),
    ]


class _Desk:
    """Everything needed to write hand-ins of one assignment."""

    def __init__(self, course: Course, source: SourceNotebook, release: NotebookNode, due: datetime) -> None:
        self.course, self.source, self.release, self.due = course, source, release, due
        self.solutions = answers(source)
        self._minutes = count(0, 7)

    def hand_in(
        self,
        student: Student,
        story: str,
        answered: dict[str, str],
        *,
        when: datetime | None = None,
        wrong: dict[str, Variant] | None = None,
        bad: frozenset[str] = frozenset(),
        written: bool = True,
        change: Callable[[NotebookNode], NotebookNode] | None = None,
    ) -> HandIn:
        """A hand-in with these answers; `written` answers the questions, `change` comes last."""
        sources = dict(answered)
        if written:
            sources |= {cell.id: WRITTEN_ANSWER for cell in self.source.of_role("question")}
        notebook = answered_notebook(self.release, sources)
        when = when or self.due - timedelta(hours=27)
        return HandIn(
            student=student,
            assignment=self.source.name,
            story=story,
            notebook=change(notebook) if change else notebook,
            handed_in=when + timedelta(minutes=next(self._minutes)),
            solved=frozenset(answered) - bad - set(wrong or {}),
            wrong=wrong or {},
        )

    def with_wrong(self, student: Student, wrong: dict[str, Variant]) -> HandIn:
        """A hand-in with these wrong answers and no others."""
        story = f"{len(wrong)} wrong answer{'s' if len(wrong) > 1 else ''}"
        return self.hand_in(
            student, story, {**self.solutions, **{e: v.source for e, v in wrong.items()}}, wrong=wrong
        )


def saved_by_colab(notebook: NotebookNode) -> NotebookNode:
    """The notebook as Colab writes it: a badge without an id, a person's name, a progress bar's remains."""
    saved = copy.deepcopy(notebook)
    for number, cell in enumerate(saved.cells, start=1):
        cell.metadata["id"] = cell.id
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.metadata["executionInfo"] = {
                "status": "ok",
                "timestamp": 1801512000000 + 1000 * number,
                "user_tz": -60,
                "user": {"displayName": "Farid R.", "userId": "00000000000000000000"},
                "elapsed": 12,
            }
            cell.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    if code:
        widget = {"model_id": "0f1e2d3c", "version_major": 2, "version_minor": 0}
        code[0].outputs = [
            new_output(
                "display_data", {"application/vnd.jupyter.widget-view+json": widget, "text/plain": "0%"}
            )
        ]
        code[0].metadata["outputId"] = "5a6b7c8d"
    # Colab puts its own badge on top, without the id that nbformat 4.5 asks for.
    badge = new_markdown_cell("<a>Open In Colab</a>", metadata={"id": BADGE_ID, "colab_type": "text"})
    del badge["id"]
    saved.cells = [badge, *(cell for cell in saved.cells if cell.get("id") != BADGE_ID)]
    metadata: dict[str, Any] = saved.metadata
    metadata["accelerator"] = "GPU"
    metadata["colab"] = {"provenance": [], "gpuType": "T4"}
    metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"0f1e2d3c": {"model_name": "HBoxModel"}}
    }
    return saved


def without_last_test(notebook: NotebookNode) -> NotebookNode:
    """The notebook after somebody has deleted its last test cell."""
    tests = [c for c in notebook.cells if c.metadata.get("nextword", {}).get("role") == "test"]
    changed = copy.deepcopy(notebook)
    changed.cells = [cell for cell in changed.cells if not tests or cell.id != tests[-1].id]
    return changed


def endless(solution: str) -> str:
    """The exercise's own signature with a loop that never ends; a class gets it in every method."""
    tree = ast.parse(solution)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body = ast.parse("while True:\n    pass").body
    return ast.unparse(tree) + "\n"


def thief(root: Path, name: str, exercise: str) -> str:
    """An answer that looks for the course's solution on the grading machine, path known, and runs it."""
    return dedent(
        f'''\
        def {exercise}(*args, **kwargs):
            from pathlib import Path

            text = Path({str((root / "solutions" / f"{name}.py").resolve())!r}).read_text()
            cell = text.split('# %% exercise="{exercise}"')[1].split("\\n", 1)[1].split("\\n# %%")[0]
            scope = dict(globals())
            exec(cell, scope)
            return scope["{exercise}"](*args, **kwargs)
        '''
    )

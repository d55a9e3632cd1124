"""The course's own facts, read from course.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.errors import CourseError

#: How grading computes: side by side with one thread each, and on no GPU, which forked processes can't share.
#: Set before numpy or torch is imported.
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Limits:
    """What one hand-in may use. Seconds of wall time, megabytes of 2**20 bytes."""

    cell_seconds: float = 20.0
    submission_seconds: float = 120.0
    test_seconds: float = 60.0
    memory_mb: int = 2048
    processes: int = 64
    file_mb: int = 64
    disk_mb: int = 256
    output_kb: int = 2048
    value_mb: int = 64


@dataclass(frozen=True)
class AssignmentSettings:
    """One assignment: its name is the notebook's file name without the ending."""

    name: str
    title: str = ""
    due: datetime | None = None


@dataclass(frozen=True)
class Settings:
    """Everything course.toml says."""

    title: str
    course_id: str
    repository: str
    branch: str
    limits: Limits = field(default_factory=Limits)
    assignments: tuple[AssignmentSettings, ...] = ()

    def assignment(self, name: str) -> AssignmentSettings:
        """The assignment of that name. Raises CourseError that lists the known names."""
        for assignment in self.assignments:
            if assignment.name == name:
                return assignment
        known = ", ".join(a.name for a in self.assignments) or "none"
        raise CourseError(f"There is no assignment called {name}.", f"course.toml knows: {known}.")


def _typed(cls: type, table: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(cls)}
    for key, value in table.items():
        if key not in known:
            raise CourseError(f"{where}: unknown setting {key}.", f"Known: {', '.join(known)}.")
        if isinstance(value, bool) or (cls is Limits and not (isinstance(value, (int, float)) and value > 0)):
            raise CourseError(f"{where}: {key} must be a positive number, not {value!r}.")
    try:
        return cls(**table)
    except TypeError:
        raise CourseError(f"{where}: a name is missing.", 'Add name = "01_ngrams".') from None


def read_limits(table: dict[str, Any], where: str = "course.toml, [limits]") -> Limits:
    """Limits from a table of course.toml; what is not named keeps its default."""
    return _typed(Limits, table, where)


def load_settings(path: Path) -> Settings:
    """Read course.toml. Raises CourseError when it is missing or wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(
            f"{path} does not exist.", "Run the command in the course's repository, or name it with --root."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML: {error}.", "Mend that line.") from None
    course = data.get("course", {})
    missing = [key for key in ("title", "id", "repository") if key not in course]
    if missing:
        raise CourseError(f"{path}: [course] lacks {', '.join(missing)}.", "Add the line.")
    if not isinstance(data.get("assignment", []), list):
        raise CourseError(f"{path}: [assignment] is one table.", "Write [[assignment]], with two brackets.")
    assignments = tuple(
        _typed(AssignmentSettings, table, f"{path}, [[assignment]] {table.get('name', '?')}")
        for table in data.get("assignment", [])
    )
    for assignment in assignments:
        if assignment.due is not None and not isinstance(assignment.due, datetime):
            object.__setattr__(assignment, "due", _due(assignment, path))
    return Settings(
        title=course["title"],
        course_id=course["id"],
        repository=course["repository"],
        branch=course.get("branch", "main"),
        limits=read_limits(data.get("limits", {}), f"{path}, [limits]"),
        assignments=assignments,
    )


def _due(assignment: AssignmentSettings, path: Path) -> datetime:
    try:
        return datetime.fromisoformat(str(assignment.due))
    except ValueError:
        raise CourseError(
            f"{path}: the due date of {assignment.name} is {assignment.due!r}.",
            "Write it like 2027-02-01T23:59:00+00:00.",
        ) from None

"""What grading finds out, as plain data: safe to journal, cache, send to another machine and print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PASSED, PARTIAL, FAILED = "passed", "partial", "failed"
TIMEOUT, MEMORY, DIED = "timeout", "memory", "died"
UNREADABLE, INTERNAL, MANUAL = "unreadable", "internal", "manual"

#: From the worst to the best; the verdict of a hand-in is the worst that happened in it.
SEVERITY = (INTERNAL, UNREADABLE, MEMORY, DIED, TIMEOUT, FAILED, PARTIAL, MANUAL, PASSED)


@dataclass(frozen=True)
class TestOutcome:
    """One graded cell of one hand-in.

    `message` is what the student may read: the visible test's own words, or, when a hidden test failed, only
    that it did. `note` is for the instructor (why a verdict is internal, what a hidden test said).
    """

    __test__ = False  # not a pytest class

    grade_id: str
    points: float
    max_points: float
    status: str
    message: str = ""
    hidden: bool = False
    misconception: str = ""
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class NotebookResult:
    """One graded notebook: its tests, what the rescue repaired, the limits that were hit.

    `cells` holds, for each code cell of the rebuilt notebook that ran, its outputs in nbformat's shape
    (already reduced to plain data), keyed by the position in the rebuilt notebook. `review` says why a person
    should look at the cells in `review_cells`: the rescue was in doubt there, and points are missing.
    """

    notebook: str
    outcomes: tuple[TestOutcome, ...] = ()
    repairs: tuple[str, ...] = ()
    limits_hit: tuple[str, ...] = ()
    problem: str = ""
    status: str = PASSED
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rebuilt: dict[str, Any] = field(default_factory=dict, repr=False)
    review: tuple[str, ...] = ()
    review_cells: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        return sum(o.points for o in self.outcomes)

    @property
    def max_points(self) -> float:
        return sum(o.max_points for o in self.outcomes)


@dataclass(frozen=True)
class Result:
    """One graded hand-in: all notebooks of one assignment of one student."""

    student: str
    assignment: str
    notebooks: tuple[NotebookResult, ...] = ()
    key: str = ""
    timestamp: str = ""
    late_seconds: float = 0.0

    @property
    def points(self) -> float:
        return sum(n.points for n in self.notebooks)

    @property
    def max_points(self) -> float:
        return sum(n.max_points for n in self.notebooks)

    @property
    def verdict(self) -> str:
        return worst([n.status for n in self.notebooks] or [UNREADABLE])

    @property
    def repairs(self) -> tuple[str, ...]:
        return tuple(r for n in self.notebooks for r in n.repairs)

    @property
    def review(self) -> tuple[str, ...]:
        return tuple(r for n in self.notebooks for r in n.review)

    @property
    def outcomes(self) -> tuple[TestOutcome, ...]:
        return tuple(o for n in self.notebooks for o in n.outcomes)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal, which shares what it holds with the result; `from_json` brings it
        back.
        """
        notebooks = [{**vars(n), "outcomes": [dict(vars(o)) for o in n.outcomes]} for n in self.notebooks]
        return {**vars(self), "notebooks": notebooks}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        notebooks = tuple(
            NotebookResult(
                **{
                    **n,
                    "outcomes": tuple(TestOutcome(**o) for o in n["outcomes"]),
                    "repairs": tuple(n["repairs"]),
                    "limits_hit": tuple(n["limits_hit"]),
                    "review": tuple(n.get("review", ())),
                    "review_cells": tuple(n.get("review_cells", ())),
                }
            )
            for n in data["notebooks"]
        )
        return cls(**{**data, "notebooks": notebooks})


def worst(statuses: list[str]) -> str:
    """The most severe of the statuses."""
    return min(statuses, key=SEVERITY.index)


_CONTROLS = {
    **dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)]),
    **dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
}


def clean(value: Any) -> Any:
    """Plain data whose texts can be stored and shown anywhere.

    Lone surrogates become question marks; control characters (but tab and line break) and marks that turn the
    direction of text are dropped.
    """
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value
        return value.encode("utf-8", "replace").decode().translate(_CONTROLS)
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    return value

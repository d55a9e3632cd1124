"""Grade answers to one notebook with the real engine and no gradebook: for variants, mutants, the gate."""

from __future__ import annotations

from autograder.build import Course
from autograder.records import TestOutcome
from autograder.source import SourceNotebook


class Trial:
    """The engine, warm, for one notebook. Use it in a `with` statement."""

    def __init__(self, course: Course, source: SourceNotebook) -> None:
        self._course = course
        self._source = source

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def run(self, answered: dict[str, str]) -> dict[str, TestOutcome]:
        """Outcomes by grade id of a hand-in with these sources in its exercise cells."""
        raise NotImplementedError("the engine")

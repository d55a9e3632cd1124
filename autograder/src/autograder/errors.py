"""Errors that a person reads: one sentence about what is wrong, one about what to do."""

from __future__ import annotations


class CourseError(Exception):
    """Something the person who ran the command can mend.

    `message` says what is wrong and where; `remedy` says what to do about it. The command line prints both
    without a traceback and exits with status 1.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[CourseError], tuple[str, str]]:
        return (CourseError, (self.message, self.remedy))

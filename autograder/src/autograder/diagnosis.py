"""Which misconception a failed test shows: the calls it made, replayed through the known wrong answers.

When a wrong answer from the course's variants gives the very same results on the very same arguments, and the right answer
does not, the student most likely made that mistake. The variants are trusted code and run here, outside the sandbox; they
see arguments that our own tests made.
"""

from __future__ import annotations

from autograder.course_folder import AssignmentNotebook
from autograder.referee import Call


class Explainer:
    """The wrong answers of one notebook, loaded when the first test fails."""

    def __init__(self, notebook: AssignmentNotebook, variants: str) -> None:
        self.notebook = notebook
        self.variants = variants

    def misconception(self, calls: list[Call]) -> str:
        """The sentence that names the mistake, or nothing when no known wrong answer gives these results."""
        return ""

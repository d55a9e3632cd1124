"""The last cell of a notebook: what is still to be written, and how to hand the notebook in."""

from __future__ import annotations

import inspect
import os
import sys
from types import FunctionType
from typing import Any


def hand_in(notebook: str, *exercises: Any) -> None:
    """Print which of the exercises (functions, classes) are still to be written, and how to hand the notebook in.

    It says nothing about points: the checks of the notebook do that, and grading tries more. While nbgrader runs it
    prints nothing.
    """
    if os.environ.get("NBGRADER_EXECUTION"):
        return
    missing = [getattr(exercise, "__name__", repr(exercise)) for exercise in exercises if _is_stub(exercise)]
    done = len(exercises) - len(missing)
    if missing:
        print(f"{done} of {len(exercises)} exercises are written. Still to do: {', '.join(missing)}.")
        print("You may hand in anyway: what is written is graded, and the rest gets no points.")
    else:
        print(
            f"All {done} exercises are written. Did every check pass? Restart, run all cells, and look once more."
        )
    if "google.colab" in sys.modules:
        print(
            f"To hand in: File > Download > Download .ipynb, then upload the file {notebook}.ipynb to your course."
        )
    else:
        print(
            f"To hand in: save the notebook (Ctrl+S or Cmd+S), then upload the file {notebook}.ipynb to your course."
        )


def _is_stub(exercise: Any) -> bool:
    """Whether a function, or some method of a class, does nothing but raise NotImplementedError."""
    if inspect.isclass(exercise):
        return any(_is_stub(member) for member in vars(exercise).values() if isinstance(member, FunctionType))
    code = getattr(inspect.unwrap(exercise), "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)

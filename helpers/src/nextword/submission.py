"""The last cell of a notebook: what is still to be written, and how to hand the notebook in."""

from __future__ import annotations

import inspect
import os
import sys
from types import FunctionType
from typing import Any


def hand_in(notebook: str, *exercises: Any) -> None:
    """Print which exercises (functions, classes) are still to be written, and how to hand the notebook in.

    It says nothing of points: the checks in the notebook do, and grading tries more. While nbgrader runs, it
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
        print(f"All {done} exercises are written. Restart, run all cells, and see that every check passes.")
    save = "save the notebook (Ctrl+S or Cmd+S)"
    if "google.colab" in sys.modules:
        save = "choose File > Download > Download .ipynb"
    print(f"To hand in: {save}, then upload the file {notebook}.ipynb to your course.")


def _is_stub(exercise: Any) -> bool:
    """Whether a function, or some method of a class, does nothing but raise NotImplementedError."""
    if inspect.isclass(exercise):
        return any(_is_stub(member) for member in vars(exercise).values() if isinstance(member, FunctionType))
    code = getattr(inspect.unwrap(exercise), "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)

"""The last cell of a notebook: what is still to be written, and how to hand the notebook in."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

WAIT_SECONDS = 5  # for Colab's page to send its notebook
ANSWER_STUB = "YOUR ANSWER HERE"
_NUMBERED = re.compile(r"^(?:#+ |\*\*)Question (\d+)", re.MULTILINE)


def hand_in(notebook: str, *exercises: Any) -> None:
    """Print which exercises (functions, classes) are still to be written, and how to hand the notebook in.

    Exercises are given by name, so that one whose cell was not run is no error; older notebooks give the
    functions and classes themselves. Where the notebook can be read (on Colab as it runs, in JupyterLab as
    it was last saved) it also says which checks failed, were not run or were deleted, and which questions
    have no answer. It says nothing of points: grading tries more than the checks do. While nbgrader runs,
    it prints nothing.
    """
    if os.environ.get("NBGRADER_EXECUTION"):
        return
    defined = sys._getframe(1).f_globals  # the names of the notebook, whose cell calls this
    names, missing, not_run = [], [], []
    for exercise in exercises:
        name = exercise if isinstance(exercise, str) else getattr(exercise, "__name__", repr(exercise))
        names.append(name)
        if isinstance(exercise, str) and name not in defined:
            not_run.append(name)
        elif _is_stub(defined[name] if isinstance(exercise, str) else exercise):
            missing.append(name)
    written = [name for name in names if name not in (*missing, *not_run)]
    done = f"{len(written)} of {len(names)} exercises are written"
    if missing or not_run:
        to_do = f" Still to do: {', '.join(missing)}." if missing else ""
        print(f"{done}{' and run' if not_run else ''}.{to_do}")
        if not_run:
            print(f"The cells of these were not run yet: {', '.join(not_run)}. Run all cells from the top.")
        print("You may hand in anyway: what is written is graded, and the rest gets no points.")
    else:
        print(f"All {len(names)} exercises are written.", end=" ")
        print("Restart, run all cells, and see that every check passes.")
    on_colab = "google.colab" in sys.modules
    read = _colabs_notebook() if on_colab else _saved_notebook()
    if read is not None:
        when = "as it is now" if on_colab else "as last saved (save it and run this cell again to look anew)"
        for line in _about_checks(read, written) + _about_questions(read):
            print(f"In this notebook, {when}, {line}")
    if on_colab:
        print(
            f"To hand in: File > Download > Download .ipynb, then upload {notebook}.ipynb to your course. "
            "(Nothing downloaded? Allow downloads for this page in the browser, and choose it again.)"
        )
    else:
        print(
            f"To hand in: save the notebook (Ctrl+S or Cmd+S), then upload {notebook}.ipynb to your course."
        )


def _about_checks(read: dict[str, Any], written: list[str]) -> list[str]:
    """What is to be said of the checks of exercises that have been written."""
    outcomes: dict[str, str] = {}
    for cell in read.get("cells", []):
        grade_id = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith("test_"):
            errors = any(output.get("output_type") == "error" for output in cell.get("outputs", []))
            ran = cell.get("execution_count") is not None
            outcomes[grade_id.removeprefix("test_")] = "failed" if errors else "passed" if ran else "unrun"
    if not outcomes:  # saved by a program that keeps no metadata
        return []

    def those(outcome: str) -> str:
        return ", ".join(name for name in written if outcomes.get(name, "deleted") == outcome)

    lines = []
    if failed := those("failed"):
        lines.append(f"the checks of these fail: {failed}. Their messages say what is wrong.")
    if unrun := those("unrun"):
        lines.append(f"the checks of these have not been run: {unrun}.")
    if deleted := those("deleted"):
        lines.append(f"the checks of these are missing: {deleted}. No harm is done: grading brings its own.")
    if written and not lines:
        lines.append("the checks of all exercises that are written pass.")
    return lines


def _about_questions(read: dict[str, Any]) -> list[str]:
    """What is to be said of questions without an answer, which go by the number that stands above them."""
    title, unanswered = "", []
    for cell in read.get("cells", []):
        if cell.get("cell_type") != "markdown":
            continue
        text = "".join(cell.get("source", ""))  # a file holds it as lines, Colab's page as it likes
        about = cell.get("metadata", {}).get("nbgrader", {})
        if not about.get("solution"):
            numbers = _NUMBERED.findall(text)
            title = numbers[-1] if numbers else title
        else:
            if text.strip() in ("", ANSWER_STUB):
                unanswered.append(title or about.get("grade_id", "").replace("_", " "))
            title = ""
    return [f"questions still without an answer: {', '.join(unanswered)}."] if unanswered else []


def _colabs_notebook() -> dict[str, Any] | None:
    """The notebook in Colab's page; None where the page does not answer (the way is undocumented)."""
    try:
        from google.colab import _message

        answer = _message.blocking_request("get_ipynb", request="", timeout_sec=WAIT_SECONDS)
    except Exception:  # whatever this undocumented way raises; the student can hand in without it
        return None
    found = answer.get("ipynb") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else None


def _saved_notebook() -> dict[str, Any] | None:
    """The file of the notebook that runs, which Jupyter tells its kernels; None where it does not."""
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if path.suffix != ".ipynb" or not path.is_file():
        return None
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def _is_stub(exercise: Any) -> bool:
    """Whether a function, or some method of a class, does nothing but raise NotImplementedError."""
    if inspect.isclass(exercise):
        return any(_is_stub(member) for member in vars(exercise).values() if isinstance(member, FunctionType))
    code = getattr(inspect.unwrap(exercise), "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)

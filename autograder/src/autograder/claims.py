"""What a notebook says its experiments show, as code: solutions/claims/NAME.py.

Such a file holds functions without arguments, called claim_..., that assert. They use the names that the
solved notebook leaves behind, as its cells do; the release gate runs them after its last cell. They are in no
student's notebook.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.errors import CourseError

FOLDER = "claims"
_PREFIX = "claim_"
_FAILING_LINE = re.compile(r"^-+> \d+ (.*)$", re.MULTILINE)


def claims_path(root: Path, name: str) -> Path:
    """Where the claims of the notebook of that name lie. Not every notebook has some."""
    return root / "solutions" / FOLDER / f"{name}.py"


def claim_cells(root: Path, name: str) -> dict[str, NotebookNode]:
    """Cells to run after the solved notebook: {"": the definitions, "claim_x": a call, ...}.

    Empty where the notebook has no such file.
    Raises CourseError where the file can't be read as Python or holds no claim.
    """
    path = claims_path(root, name)
    if not path.exists():
        return {}
    shown = f"solutions/{FOLDER}/{path.name}"
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise CourseError(f"{shown}, line {error.lineno}: {error.msg}.", "Mend the line.") from None
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith(_PREFIX)]
    if not names:
        raise CourseError(f"{shown} makes no claim.", f"Write functions called {_PREFIX}..., or delete it.")
    texts = {"": text} | {claim: f"{claim}()" for claim in names}
    numbered = enumerate(texts.items())
    return {claim: new_code_cell(text, id=f"claims-{number}") for number, (claim, text) in numbered}


def failing_line(traceback: list[str]) -> str:
    """The source line that raised, from an IPython traceback; "" where it shows none."""
    lines = _FAILING_LINE.findall(strip_ansi("\n".join(traceback)))
    return lines[-1].strip() if lines else ""

"""Cells with checks, and what a notebook shows below each of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "from nextword import check",
    "check.equal(1, 1)",
    "check.equal(1, 1)\\ncheck.that(True, '')\\ncheck.distribution([1.0])\\ncheck.raises(TypeError, len, 0)",
    "x = 1",
    "check.that(True, 'yes')\\ncheck.equal(2, 1, 'f(0)', causes=[(2, 'it is doubled.')])",
    "x = 2",
):
    print("cell", flush=True)
    shell.run_cell(cell)
"""
FAILED = """\x1b[1m✗ f(0) is not right: the value differs.\x1b[0m
  expected: 1
  got:      2
Likely cause: it is doubled.
(the check in line 2)"""
SHOWN = ["", "✓ The check passed.", "✓ All 4 checks passed.", "", FAILED, ""]


def shown_by_cells(python: str | Path, **settings: object) -> list[str]:
    """What IPython shows below each cell of the script, run by that Python."""
    command = [python, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, **settings)  # type: ignore[call-overload]
    return [part.strip() for part in done.stdout.split("cell\n")[1:]]

"""Importing the package is light: the heavy libraries come with the functions that need them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    "torch",
    "matplotlib",
    "scipy",
    "pandas",
    "IPython",
    "transformers",
    "datasets",
    "nbgrader",
    "autograder",
]


def loaded_after(program: str) -> list[str]:
    program += f"\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return eval(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "program",
    [
        "import nextword",
        "from nextword import check, corpus, hand_in, ladder, plots, preset",
        "from nextword import check; check.equal([1.0], [1.0]); check.distribution([1.0])",
        "import os; os.environ['NEXTWORD_PRESET'] = 'grade'; import nextword; print(nextword.preset())",
    ],
)
def test_import_is_light(program) -> None:
    assert loaded_after(program) == []


def test_a_figure_needs_matplotlib_only() -> None:
    assert loaded_after("from nextword import plots; plots.bars({'a': 1}, title='T')") == ["matplotlib"]

"""Every notebook that trains networks, on one GPU: seconds, memory and losses, for docs/results.md.

    python -m recipes.gpu                  all notebooks from 03 on, printed
    python -m recipes.gpu 06_transformer   some of them
    python -m recipes.gpu --write          all, into docs/results.md

Each solved notebook runs in a fresh kernel with the preset `gpu`. Where torch finds no GPU, nothing runs, and
every number of the table is "not measured".
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.build import open_course, solved_notebook
from autograder.errors import CourseError
from autograder.executed import execute, first_error
from autograder.sections import put_section
from nextword import presets

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
COMMAND = "python -m recipes.gpu"
FIRST = "03"  # the notebooks before it count, or train in seconds on a processor
NOT_MEASURED = "not measured"
# Runs at the end of a notebook, in its kernel.
MEMORY_CELL = "import torch\nprint('peak GPU memory:', torch.cuda.max_memory_allocated())"
PEAK = re.compile(r"^peak GPU memory: (\d+)$", re.MULTILINE)
# What nextword.training.train prints of a run.
LOSS = re.compile(r"^(?:(.+): )?[\d,]+ steps in \d+ s, ([\d.]+) bits per character on the", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """What a notebook took on the GPU; None where it has not been measured."""

    notebook: str
    seconds: float | None = None  # of the wall clock
    memory: int | None = None  # bytes, at most, of all tensors at one time
    losses: Sequence[tuple[str, str]] | None = None  # of each training run: label, bits per character
    error: str = ""

    def as_markdown(self) -> str:
        """Return the row of the table."""
        if self.error:
            cells = [self.error, "", ""]
        elif self.seconds is None or self.memory is None or self.losses is None:
            cells = [NOT_MEASURED] * 3
        else:
            told = ", ".join(f"{label or 'a run'} {bits}" for label, bits in self.losses)
            cells = [f"{self.seconds:.0f}", f"{self.memory / 2**20:,.0f}", told or "tells none"]
        return f"| {' | '.join([self.notebook, *cells, f'`{COMMAND} {self.notebook}`'])} |"


def names_from_first(names: Sequence[str]) -> list[str]:
    """Return the notebooks that can use a GPU."""
    return [name for name in names if name >= FIRST]


def gpu_at_hand() -> str | None:
    """Return which GPU the preset `gpu` would use, and how; None where torch finds none."""
    try:
        on = presets.preset()
    except RuntimeError:
        return None
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, numbers in {on.dtype}"


def measured(name: str) -> Row:
    """Run a solved notebook with the preset `gpu` and return what it took; an error becomes its row."""
    course = open_course(ROOT)
    notebook = solved_notebook(course.source(name), course.notebooks)
    notebook.cells.append(new_code_cell(MEMORY_CELL))
    began = time.perf_counter()
    try:
        done = execute(notebook)
    except CourseError as error:
        return Row(name, error=f"fails: {error}")
    return row_of(name, done, time.perf_counter() - began)


def row_of(name: str, notebook: NotebookNode, seconds: float) -> Row:
    """Return the row of a notebook that has run with MEMORY_CELL at its end."""
    error = first_error(notebook)
    if error is not None:
        return Row(name, error=f"fails: {error.ename}")
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    text = "\n".join(output.text for output in outputs if output.output_type == "stream")
    peak = PEAK.search(text)
    return Row(name, seconds, int(peak[1]) if peak else None, LOSS.findall(text))


def section(rows: Sequence[Row], gpu: str | None) -> str:
    """Return the section of the page; `gpu` says which GPU it was, None that there was none."""
    if gpu is None:
        about = (
            f"No GPU was at hand when this table was written. `{COMMAND} --write` measures it on a machine "
            "that has one. What is tested without: `tests/helpers/test_gpu_preset.py` trains every kind of "
            "model with the preset, in bfloat16 and in float16, on a processor that refuses to mix devices."
        )
    else:
        about = (
            f"{gpu}. Each solved notebook in a kernel of its own. Seconds are of the wall clock; memory is "
            "the most that tensors took at one time; losses are what `train` told of its runs."
        )
    head = "| notebook | seconds | peak GPU memory, MiB | losses, bits per character | command |"
    return "\n".join([about, "", head, "|---|---:|---:|---|---|", *(row.as_markdown() for row in rows)])


def write(text: str, *, complete: bool) -> bool:
    """Write the section into docs/results.md; return False where one that lacks numbers would undo one."""
    page = PAGE.read_text(encoding="utf-8")
    old = page.partition("<!-- gpu: ")[2].partition("<!-- end of gpu -->")[0]
    if old and NOT_MEASURED not in old and not complete:
        return False
    put_section(PAGE, "gpu", f"{COMMAND} --write", text, title="## On a GPU")
    return True


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Notebooks; none named: all from 03 on.")] = None,
    write_: Annotated[bool, typer.Option("--write", help="Write the table into docs/results.md.")] = False,
) -> None:
    """Run the notebooks from 03 on with the preset `gpu`; tell seconds, peak GPU memory and losses.

    Examples: python -m recipes.gpu 06_transformer; python -m recipes.gpu --write
    """
    if write_ and names:
        raise typer.BadParameter("--write writes the whole table. Leave out the names.")
    try:
        wanted = names_from_first(open_course(ROOT).names(names))
    except CourseError as error:
        raise typer.BadParameter(str(error)) from None
    os.environ[presets.VARIABLE] = "gpu"  # kernels inherit it
    gpu = gpu_at_hand()
    if gpu is None:
        typer.echo(f"torch finds no GPU here, so nothing runs: every number is {NOT_MEASURED!r}.")
    rows = []
    for name in wanted:
        rows.append(Row(name) if gpu is None else measured(name))
        typer.echo(rows[-1].as_markdown())
    if write_ and not write(section(rows, gpu), complete=all(row.seconds is not None for row in rows)):
        typer.echo(f"{os.path.relpath(PAGE)} has a table that was measured. It stays as it is.")
    elif write_:
        typer.echo(f"Written to {os.path.relpath(PAGE)}.")
    if any(row.error for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

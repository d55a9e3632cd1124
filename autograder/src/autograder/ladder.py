"""`course ladder`: run the solved notebooks that record rungs, and publish what they measured.

The numbers go to docs/results.md, to the picture beside it, and into the package that students install, where
later notebooks find the rungs of earlier ones.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder.build import Course
from autograder.errors import CourseError
from autograder.executed import run_solved
from autograder.sections import put_section
from nextword import ladder
from nextword.corpora import corpus
from nextword.ladder import Rung

RECORDS = "ladder.record("
DATA = Path("helpers/src/nextword/data/ladder.json")
PAGE, PICTURE = Path("docs/results.md"), Path("docs/images/ladder.png")


@dataclass(frozen=True)
class Measured:
    """The rungs that one notebook recorded, and the seconds of wall time that it ran."""

    notebook: str
    rungs: tuple[Rung, ...]
    seconds: float


def notebooks(course: Course, names: list[str] | None = None) -> list[str]:
    """The notebooks, of these or of all, that record rungs."""
    return [
        name
        for name in course.names(names)
        if any(RECORDS in cell.source for cell in course.source(name).cells)
    ]


def measure(course: Course, name: str) -> Measured:
    """Run one solved notebook in a kernel and return what it recorded.

    Raises CourseError when a cell fails or nothing was recorded.
    """
    with tempfile.TemporaryDirectory(prefix="course-ladder-") as scratch:
        file = Path(scratch) / ladder.FILE
        started = time.monotonic()
        with _environment(ladder.VARIABLE, str(file)):
            run_solved(course, course.source(name))
        seconds = time.monotonic() - started
        if not file.exists():
            raise CourseError(f"{name} recorded no rung.", "Call ladder.record in one of its experiments.")
        return Measured(name, tuple(ladder.read(file)), seconds)


def publish(course: Course, measured: Sequence[Measured]) -> list[Path]:
    """Write the rungs, beside what was published of other notebooks; return the files written."""
    numbers = {m.notebook[:2] for m in measured}
    data = course.root / DATA
    kept = [r for r in ladder.read(data) if r.notebook not in numbers] if data.exists() else []
    rungs = sorted([*kept, *(r for m in measured for r in m.rungs)], key=lambda rung: -rung.bits)
    data.parent.mkdir(parents=True, exist_ok=True)
    ladder.write(rungs, data)
    page, picture = course.root / PAGE, course.root / PICTURE
    _draw(rungs, picture)
    names = {name[:2]: name for name in course.names(None)}
    put_section(page, "ladder", "course ladder", as_markdown(rungs, names), title="# Results")
    return [data, page, picture]


def as_markdown(rungs: Sequence[Rung], names: dict[str, str]) -> str:
    """The ladder as a table: what each model pays on the test part of `village`, and how to repeat it."""
    lines = [
        "| model | bits per character | above the floor | preset | seconds of training | command |",
        "|---|---:|---:|---|---:|---|",
    ]
    lowest = floor()
    for rung in rungs:
        # what only counts is not trained
        seconds = "counting" if rung.seconds is None else f"{rung.seconds:.0f}"
        command = f"`course ladder {names.get(rung.notebook, rung.notebook)}`"
        cells = (rung.model, f"{rung.bits:.3f}", f"{rung.bits - lowest:.3f}", rung.preset, seconds, command)
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(f"| *the floor* | {lowest:.3f} | 0 | any | exact | `course ladder` |")
    told = ", ".join(f"{rung.model} {rung.bits:.2f}" for rung in rungs)
    alt = f"Bits per character of each model on village: {told}; the floor {lowest:.2f}."
    return "\n".join([*lines, "", f"![{alt}](images/{PICTURE.name})"])


def floor() -> float:
    """Bits per character of the source itself on the test part of `village`."""
    village = corpus("village")
    assert village.source is not None
    return village.source.bits_per_character_floor(village.test)


def _draw(rungs: Sequence[Rung], path: Path) -> None:
    from nextword import plots

    figure = plots.ladder_chart({rung.model: rung.bits for rung in rungs}, floor())
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=plots.DPI)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def run(
    course: Course, names: list[str] | None, progress: Callable[[str, int, int], None] | None = None
) -> list[Measured]:
    """Measure all notebooks that record rungs, one after the other, and publish each when it is done.

    Raises CourseError when none of those named records one.
    """
    chosen = notebooks(course, names)
    if not chosen:
        raise CourseError("None of these notebooks records a rung.", "Run: course ladder")
    measured = []
    for done, name in enumerate(chosen):
        if progress:
            progress(name, done, len(chosen))
        measured.append(measure(course, name))
        publish(course, measured)
    return measured

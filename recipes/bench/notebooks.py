"""How long the solved notebooks run, each in a fresh kernel, one after the other."""

from __future__ import annotations

import os
import resource
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import typer

from autograder.build import Course, open_course
from autograder.executed import keep_executed, run_solved
from nextword import presets
from recipes.bench.alternating import Timing, alternating, wall_seconds
from recipes.bench.report import ROOT, Report, Target, number

EACH, ALL = 180.0, 1200.0  # seconds on two cores
PRESET = "cpu"


def measure(runs: int, *, names: Sequence[str] = (), course: Course | None = None) -> Report:
    """Run all notebooks one after the other, as often as asked for: a quarter of an hour for each run.

    Raises CourseError when a cell fails.
    """
    course = course or open_course(ROOT)
    processor: dict[str, list[float]] = {name: [] for name in course.names(list(names))}

    def once(name: str) -> float:
        seconds, of_processor = run_once(course, name)
        processor[name].append(of_processor)
        return seconds

    before = os.environ.get(presets.VARIABLE)
    os.environ[presets.VARIABLE] = PRESET  # kernels inherit it
    try:
        told = alternating(
            {name: partial(once, name) for name in processor},
            runs,
            lambda name, run: typer.echo(f"run {run + 1} of {runs}: {name}", err=True),
        )
    finally:
        os.environ.pop(presets.VARIABLE)
        if before is not None:
            os.environ[presets.VARIABLE] = before
    timings = [
        Timing(name, seconds, 1, {"processor seconds": number(statistics.median(processor[name]))})
        for name, seconds in told.items()
    ]
    slowest = max(timings, key=lambda timing: timing.median)
    whole = statistics.median(map(sum, zip(*told.values(), strict=True)))
    return Report(
        name="notebooks",
        title="The solved notebooks",
        about=(
            "Each notebook of `solutions/` runs with its answers in it from its first cell to its last, in a "
            f"kernel of its own, one notebook after the other, preset `{PRESET}`. "
            "Seconds are of the wall clock, the start of the kernel included."
        ),
        unit="notebook",
        timings=timings,
        packages=["nbclient", "ipykernel"],
        targets=[
            Target(
                f"each notebook in under {EACH:.0f} seconds",
                f"{number(slowest.median)} seconds at most ({slowest.way})",
                slowest.median < EACH,
            ),
            Target(
                f"all notebooks in under {ALL:,.0f} seconds",
                f"{number(whole)} seconds ({len(timings)} notebooks)",
                whole < ALL,
            ),
        ],
        seconds=True,
    )


def run_once(course: Course, name: str) -> tuple[float, float]:
    """Run one notebook, and keep it as `course build --check` does; return its wall and processor seconds."""
    source = course.source(name)
    return wall_seconds_and_of_children(lambda: keep_executed(course, source, run_solved(course, source)))


def wall_seconds_and_of_children(work: Callable[[], object]) -> tuple[float, float]:
    """Do the work; return seconds of the wall clock, and processor seconds of processes that it ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = wall_seconds(work)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

"""Our grading engine beside nbgrader's on one class, and beside what nobody can go under.

`autograder.bench` makes the class and measures; `course bench` does the same once, for any sizes.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autograder import bench
from autograder.bench import Row
from recipes.bench.alternating import Timing, alternating
from recipes.bench.report import Report, Target

SIZES = (20, 100, 300)
NBGRADER = {20: 3, 100: 1, 300: 0}  # runs of nbgrader at most, which takes 5 seconds for each hand-in
OURS, FLOOR, PLAIN = "course grade, 2 workers", "floor: cells and tests alone", "nbgrader autograde"
ABOUT = """The class hands in a torch assignment of three exercises (a softmax, causal attention, a fit by
gradient descent), three quarters of the answers right. The *floor* is the students' cells and our
tests alone, one after the other in one warm process: no sandbox, no gradebook, nothing else.
Seconds are of the wall clock; processor seconds are those of all processes, start-up and recording
included; memory is the largest sum over all processes of what each does not share."""
NOTES = """What stands between us and the floor is copying processes. Each copy of a process that holds torch,
one for the hand-in, one for its keeper, one for its referee, one for each test, costs about 5 ms of
processor time with its end, and then the pages that it writes to: one to two thousand page faults
each. docs/design.md says what was done about it. What did not help: collapsing the pages most
written to into huge ones of the copy's own (`MADV_COLLAPSE`), program text in huge pages, filling the
holes in Python's memory before copying, keeping a hand-in's processes on one core."""


def measure(runs: int, sizes: Sequence[int] = SIZES) -> Report:
    """Grade classes of these sizes every way, `runs` times in turn; nbgrader as often as `NBGRADER` says."""
    rows: dict[tuple[int, str], list[Row]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="course-bench-") as scratch:
            folder = bench.make_class(Path(scratch) / "course", size).root
            commands = dict(bench.ways(folder, nbgrader=NBGRADER.get(size, 0) > 0))

            def once(way: str, size: int = size, folder: Path = folder) -> float:
                made = bench.measure(way, size, commands[way], folder)  # noqa: B023
                rows.setdefault((size, way), []).append(made)
                return made.seconds

            slow = [way for way in commands if way.startswith("nbgrader") and NBGRADER[size] < runs]
            alternating({way: lambda way=way: once(way) for way in commands if way not in slow}, runs)
            if slow:
                alternating({way: lambda way=way: once(way) for way in slow}, NBGRADER[size])
    return report(rows)


def report(rows: dict[tuple[int, str], list[Row]]) -> Report:
    """Return what runs of every way came to, by size of the class and way."""
    timings = []
    for size in dict.fromkeys(size for size, _ in rows):
        ways = [way for of, way in rows if of == size]
        for way in sorted(ways, key=lambda way: way != OURS):
            more = {
                "hand-ins per minute": f"{60 * size / _median(rows, size, way, 'seconds'):.0f}",
                "cpu s per hand-in": f"{_median(rows, size, way, 'cpu_each'):.2f}",
                "peak MB": f"{max(row.peak_mb for row in rows[size, way]):.0f}",
            }
            seconds = tuple(row.seconds for row in rows[size, way])
            timings.append(Timing(way, seconds, size, more, f"{size} hand-ins"))
    return Report(
        name="grading",
        title="Grading",
        about=ABOUT,
        unit="hand-ins",
        timings=timings,
        packages=["nbgrader", "ipykernel"],
        targets=[*_against_nbgrader(rows), *_against_the_floor(rows)],
        notes=NOTES,
    )


def _median(rows: dict[tuple[int, str], list[Row]], size: int, way: str, measure: str) -> float:
    return statistics.median(getattr(row, measure) for row in rows[size, way])


def _against_nbgrader(rows: dict[tuple[int, str], list[Row]]) -> list[Target]:
    targets = []
    for size in (size for size, way in rows if way == PLAIN and size >= 100):
        faster = _median(rows, size, PLAIN, "seconds") / _median(rows, size, OURS, "seconds")
        cheaper = _median(rows, size, PLAIN, "cpu_each") / _median(rows, size, OURS, "cpu_each")
        targets += [
            Target(
                f"15 times the hand-ins per minute of plain nbgrader at {size}",
                f"{faster:.1f} times",
                faster >= 15,
            ),
            Target(
                f"an eighth of its processor time per hand-in at {size}", f"1/{cheaper:.1f}", cheaper >= 8
            ),
        ]
    return targets


def _against_the_floor(rows: dict[tuple[int, str], list[Row]]) -> list[Target]:
    """The targets are set at 100 hand-ins; at more, each must not cost more than there."""
    targets = []
    sizes = sorted(size for size, way in rows if way == OURS and size >= 100)
    for size in sizes[:1]:
        ours, floor = _median(rows, size, OURS, "cpu_each"), _median(rows, size, FLOOR, "cpu_each")
        peak = max(row.peak_mb for row in rows[size, OURS])
        targets += [
            Target(
                f"2 times the floor's processor time at {size}",
                f"{ours / floor:.2f} times",
                ours <= 2 * floor,
            ),
            Target(f"under 1 GiB in all at {size}", f"{peak:.0f} MB", peak < 1024),
        ]
    if len(sizes) > 1:
        small, large = (_median(rows, size, OURS, "cpu_each") for size in (sizes[0], sizes[-1]))
        target = f"no dearer for each hand-in at {sizes[-1]} than at {sizes[0]}"
        floor = _median(rows, sizes[-1], FLOOR, "cpu_each")
        said = f"{large:.2f} s against {small:.2f} s ({large / floor:.2f} times the floor)"
        targets.append(Target(target, said, large <= small))
    return targets

"""The grading benchmark: what it says of the targets, and one small class graded for real."""

from __future__ import annotations

import pytest
from nbgrader.api import Gradebook

from autograder import bench
from autograder.bench import Row
from recipes.bench.grading import FLOOR, OURS, PLAIN, report


def rows(size: int, way: str, seconds: float, cpu: float, peak: float = 500.0) -> dict:
    spread = (0.9, 1.0, 1.3)
    return {(size, way): [Row(way, size, share * seconds, share * cpu, peak) for share in spread]}


def test_targets_are_judged_by_medians() -> None:
    found = report(
        rows(100, PLAIN, 400, 380)
        | rows(100, OURS, 20, 30)
        | rows(100, FLOOR, 12, 16)
        | rows(300, OURS, 50, 60)
        | rows(300, FLOOR, 30, 29)
    )
    assert found.timings[0].label == f"{OURS}, 100 hand-ins", "ours is what the others are compared with"
    told = {target.target: (target.measured, target.reached) for target in found.targets}
    assert told == {
        "15 times the hand-ins per minute of plain nbgrader at 100": ("20.0 times", True),
        "an eighth of its processor time per hand-in at 100": ("1/12.7", True),
        "2 times the floor's processor time at 100": ("1.88 times", True),
        "under 1 GiB in all at 100": ("500 MB", True),
        "no dearer for each hand-in at 300 than at 100": (
            "0.20 s against 0.30 s (2.07 times the floor)",
            True,
        ),
    }


@pytest.mark.slow
def test_a_class_is_graded_by_our_engine_and_by_the_floor(tmp_path) -> None:
    folder = bench.make_class(tmp_path / "course", 4)
    commands = dict(bench.ways(folder.root, nbgrader=False))
    for way in (OURS, FLOOR):
        made = bench.measure(way, 4, commands[way], folder.root)
        assert made.seconds > 0 and made.cpu_seconds > 0 and made.per_minute == 240 / made.seconds
    with Gradebook(folder.db_url) as book:
        scores = sorted(one.score for one in book.assignment_submissions(bench.ASSIGNMENT))
    assert scores == [2.0, 4.0, 4.0, 6.0], "attention calls softmax, so a wrong softmax costs both"

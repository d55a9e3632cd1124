"""The benchmark of run times runs all notebooks in turn, with preset cpu, and counts the kernels' work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autograder.build import open_course
from recipes.bench import notebooks
from recipes.bench.report import ROOT


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Which notebooks ran, and with which preset, while none really does."""
    runs: list[tuple[str, str | None]] = []
    monkeypatch.setattr(
        notebooks,
        "run_solved",
        lambda _, source: runs.append((source.name, os.environ.get("NEXTWORD_PRESET"))),
    )
    monkeypatch.setattr(notebooks, "keep_executed", lambda *_: None)
    return runs


def test_all_notebooks_run_in_turn(ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTWORD_PRESET", "grade")
    report = notebooks.measure(2)
    names = open_course(ROOT).names()
    assert ran == 2 * [(name, "cpu") for name in names] and len(names) >= 12
    assert [(t.way, len(t.seconds)) for t in report.timings] == [(name, 2) for name in names]
    assert os.environ["NEXTWORD_PRESET"] == "grade"
    text = report.as_markdown()
    assert "Median of 2 runs in turn." in text and "| notebook | processor seconds | seconds |" in text


def test_tables_show_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = iter([(170.0, 160.0), (1000.0, 9.0), (185.0, 165.0), (1100.0, 8.0), (180.0, 150.0), (900.0, 7.0)])
    monkeypatch.setattr(notebooks, "run_once", lambda *_: next(ran))
    report = notebooks.measure(3, names=["00_start_here", "01_ngrams"])
    assert [(t.seconds, t.more["processor seconds"]) for t in report.timings] == [
        ((170.0, 185.0, 180.0), "160"),
        ((1000.0, 1100.0, 900.0), "8.00"),
    ]
    assert [(t.measured, t.reached) for t in report.targets] == [
        ("1,000 seconds at most (01_ngrams)", False),
        ("1,170 seconds (2 notebooks)", True),  # the median of 1170, 1285 and 1080
    ]


def test_all_of_them_may_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "run_once", lambda *_: (601.0, 1.0))
    report = notebooks.measure(1, names=["00_start_here", "01_ngrams"])
    assert [t.reached for t in report.targets] == [False, False]


def test_the_work_of_other_processes_is_counted() -> None:
    work = [sys.executable, "-c", "sum(range(10_000_000))"]
    seconds, processor = notebooks.wall_seconds_and_of_children(lambda: subprocess.run(work, check=True))
    assert processor > 0.02 and seconds > 0.02
    assert notebooks.wall_seconds_and_of_children(lambda: sum(range(10_000_000)))[1] < 0.01

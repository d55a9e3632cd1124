"""The benchmark of run times runs each notebook once, with the preset cpu, and counts its kernel's work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autograder.build import open_course
from recipes.bench import notebooks
from recipes.bench.alternating import Timing
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


def test_each_notebook_of_the_course_runs_once(ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTWORD_PRESET", "grade")
    report = notebooks.measure(5)
    names = open_course(ROOT).names()
    assert ran == [(name, "cpu") for name in names] and len(names) >= 12
    assert [(t.way, len(t.seconds)) for t in report.timings] == [(name, 1) for name in names]
    assert os.environ["NEXTWORD_PRESET"] == "grade"
    text = report.as_markdown()
    assert "One run." in text and "| notebook | processor seconds | seconds |" in text


def test_targets_are_those_of_each_and_of_all(ran, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([170.0, 1000.0, 185.0, 1100.0])
    monkeypatch.setattr(notebooks, "timed", lambda _, name: Timing(name, (next(seconds),), 1))
    first, second = (notebooks.measure(1, names=["00_start_here", "01_ngrams"]).targets for _ in range(2))
    assert [(t.measured, t.reached) for t in first] == [
        ("1,000 seconds at most (01_ngrams)", False),
        ("1,170 seconds (2 notebooks)", True),
    ]
    assert [t.reached for t in second] == [False, False]


def test_the_work_of_other_processes_is_counted() -> None:
    work = [sys.executable, "-c", "sum(range(10_000_000))"]
    seconds, processor = notebooks.wall_seconds_and_of_children(lambda: subprocess.run(work, check=True))
    assert processor > 0.02 and seconds > 0.02
    assert notebooks.wall_seconds_and_of_children(lambda: sum(range(10_000_000)))[1] < 0.01

"""What all benchmarks share: runs in turn, tables, plots, the page and its summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recipes.bench import report as reports
from recipes.bench.__main__ import NAMES, main
from recipes.bench.alternating import Timing, alternating, processor_seconds
from recipes.bench.report import Report, Target, number


def a_report(name: str = "counting", rate: float = 2.0) -> Report:
    ours = Timing("ours", (1.0 / rate, 2.0 / rate, 4.0 / rate), 100, {"loss": "1.5"})
    theirs = Timing("theirs", (8.0, 8.0, 9.0), 100)
    target = Target("as fast as theirs", f"{theirs.median / ours.median:.1f} times as fast", True)
    return Report(
        name, "Counting", "What was done.", "words", [ours, theirs], ["nothing-of-this-name"], [target]
    )


def test_ways_take_turns() -> None:
    order: list[str] = []

    def way(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    told = alternating({"a": lambda: way("a", 1.0), "b": lambda: way("b", 2.0)}, runs=3)
    assert order == ["a", "b"] * 3 and told == {"a": (1.0, 1.0, 1.0), "b": (2.0, 2.0, 2.0)}
    with pytest.raises(ValueError, match="0 runs"):
        alternating({}, runs=0)


def test_processor_seconds_are_not_those_of_sleep() -> None:
    import time

    assert processor_seconds(lambda: time.sleep(0.2)) < 0.1
    assert processor_seconds(lambda: sum(range(2_000_000))) > 0.001


def test_rates_come_from_the_median_run() -> None:
    timing = a_report().timings[0]
    assert (timing.median, timing.rate, timing.rates) == (1.0, 100.0, (50.0, 200.0))


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(v) for v in (0, 0.01234, 1.0, 45.678, 99.97, 123.4, 475_123)] == [
        "0", "0.0123", "1.00", "45.7", "100", "123", "475,000",
    ]  # fmt: skip


def test_section_shows_table_targets_and_plot() -> None:
    text = a_report().as_markdown()
    assert "no nothing-of-this-name" in text and "Median of 3 runs in turn." in text
    assert "| ours | 1.5 | 1.00 | 100 | 50.0 to 200 | 1 |" in text
    assert "| theirs |  | 8.00 | 12.5 | 11.1 to 12.5 | 0.125 |" in text
    assert "- Reached: as fast as theirs. Measured: 8.0 times as fast." in text
    assert "![Counting, words per second: ours 100, theirs 12.5.](images/bench_counting.png)" in text


def test_ways_are_compared_within_their_group() -> None:
    pairs = [("ours", 1.0, "1 text"), ("theirs", 2.0, "1 text"), ("ours", 8.0, "16"), ("theirs", 4.0, "16")]
    timings = [Timing(way, (seconds,), 100, group=group) for way, seconds, group in pairs]
    text = Report("n", "t", "", "words", timings, [], []).as_markdown()
    assert "| ours, 1 text | 1.00 | 100 | 100 to 100 | 1 |" in text
    assert "| theirs, 1 text | 2.00 | 50.0 | 50.0 to 50.0 | 0.500 |" in text
    assert "| ours, 16 | 8.00 | 12.5 | 12.5 to 12.5 | 1 |" in text
    assert "| theirs, 16 | 4.00 | 25.0 | 25.0 to 25.0 | 2.00 |" in text
    assert "t, words per second: ours, 1 text 100, theirs, 1 text 50.0" in text


def test_a_report_of_seconds_shows_neither_rates_nor_ratios() -> None:
    timings = [Timing("01", (3.0, 1.0, 2.0), 1, {"wall": "2.1"}), Timing("02", (30.0,), 1)]
    report = Report("n", "t", "", "notebook", timings, [], [], seconds=True)
    text = report.as_markdown()
    assert "| notebook | wall | seconds | fastest to slowest run |" in text
    assert "| 01 | 2.1 | 2.00 | 1.00 to 3.00 |" in text and "per second" not in text
    assert "![t, seconds: 01 2.00, 02 30.0.]" in text
    axes = reports.draw(report).axes[0]
    assert axes.get_xlabel() == "seconds" and [t.get_text() for t in axes.get_yticklabels()] == ["01", "02"]


def test_publishing_writes_section_picture_and_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(reports, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(reports, "KEPT", tmp_path / "data" / "benchmarks.json")
    for report in (a_report(), a_report("scoring"), a_report(rate=4.0)):
        reports.publish(report)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page.count("## Counting") == 2 and page.count("<!-- summary: written by") == 1
    assert (
        "| Counting | as fast as theirs | 16.0 times as fast | yes | `python -m recipes.bench counting` |"
        in page
    )
    assert "8.0 times as fast | yes | `python -m recipes.bench scoring`" in page
    assert (tmp_path / "images" / "bench_counting.png").stat().st_size > 5_000
    assert list(json.loads((tmp_path / "data" / "benchmarks.json").read_text())) == ["counting", "scoring"]


def test_unknown_names_get_the_known_ones() -> None:
    import typer

    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["speed"])
    assert result.exit_code == 2 and NAMES[0] in result.output

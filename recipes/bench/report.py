"""What a benchmark found, as a table and a plot in docs/benchmarks.md, and a row of its summary."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from autograder.sections import put_section
from nextword import plots
from recipes.bench.alternating import Timing

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
KEPT = ROOT / "docs" / "data" / "benchmarks.json"  # targets of all reports, for the summary
SUMMARY = "python -m recipes.bench"


@dataclass(frozen=True)
class Target:
    """What a benchmark should come to, what it came to, and whether that is enough."""

    target: str  # "no more than 3 times KenLM's seconds"
    measured: str  # "1.4 times"
    reached: bool


@dataclass(frozen=True)
class Report:
    """What one benchmark found.

    name      its word on the command line; the section and the picture are named after it
    title     what is compared
    about     Markdown: what was done, on what text, with which settings, what the seconds are
    unit      what `amount` of the timings counts, in the plural: "words"
    timings   every way, in the order of the table; the first of each group is ours
    packages  whose versions are told
    targets   what it should come to
    notes     Markdown below the table: what limits us, and what was left out
    seconds   the ways do different things, so seconds are shown alone, and neither rates nor ratios
    figure    a plot of its own and the alt text, where the usual one does not tell the story
    """

    name: str
    title: str
    about: str
    unit: str
    timings: Sequence[Timing]
    packages: Sequence[str]
    targets: Sequence[Target]
    notes: str = ""
    seconds: bool = False
    figure: tuple[Figure, str] | None = None

    @property
    def command(self) -> str:
        """The command that measures it again."""
        return f"{SUMMARY} {self.name}"

    def table(self) -> str:
        """Return the timings as a Markdown table: median, slowest and fastest run, and the ratio to ours."""
        columns = list(dict.fromkeys(column for timing in self.timings for column in timing.more))
        head = ["way", *columns, "seconds", f"{self.unit} per second", "slowest to fastest run", "to ours"]
        if self.seconds:
            head = [self.unit, *columns, "seconds", "fastest to slowest run"]
        lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
        ours = {timing.group: timing for timing in reversed(self.timings)}
        for timing in self.timings:
            cells = [
                timing.label,
                *(timing.more.get(column, "") for column in columns),
                number(timing.median),
            ]
            if self.seconds:
                cells.append(f"{number(min(timing.seconds))} to {number(max(timing.seconds))}")
            else:
                low, high = (number(rate) for rate in timing.rates)
                first = ours[timing.group]
                ratio = "1" if timing is first else number(timing.rate / first.rate)
                cells += [number(timing.rate), f"{low} to {high}", ratio]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def shown(self, timing: Timing) -> tuple[float, float, float]:
        """Return what the plot shows of a way: the least, the median and the most of its runs."""
        if self.seconds:
            return min(timing.seconds), timing.median, max(timing.seconds)
        low, high = timing.rates
        return low, timing.rate, high

    @property
    def axis(self) -> str:
        """What the plot shows."""
        return "seconds" if self.seconds else f"{self.unit} per second"

    def as_markdown(self) -> str:
        """Return the whole section."""
        runs = len(self.timings[0].seconds)
        counted = f"Median of {runs} runs in turn" if runs > 1 else "One run"
        lines = [f"`{self.command}`: {machine(self.packages)}. {counted}.", "", self.about, "", self.table()]
        lines.append("")
        for target in self.targets:
            outcome = "Reached" if target.reached else "**Not reached**"
            lines.append(f"- {outcome}: {target.target}. Measured: {target.measured}.")
        told = ", ".join(f"{timing.label} {number(self.shown(timing)[1])}" for timing in self.timings)
        alt = self.figure[1] if self.figure else f"{self.title}, {self.axis}: {told}."
        lines += ["", f"![{alt}](images/bench_{self.name}.png)"]
        if self.notes:
            lines += ["", self.notes]
        return "\n".join(lines)


def number(value: float) -> str:
    """Return a number with three digits that count: 0.0123, 4.56, 789, 12,300."""
    rounded = float(f"{value:.3g}")
    if rounded == 0 or rounded >= 100:
        return f"{rounded:,.0f}"
    return f"{value:#.3g}"


def machine(packages: Sequence[str]) -> str:
    """Return what was measured on: cores, processor, Python, versions of packages ("torch")."""
    told = []
    for package in ("torch", "numpy", *packages):
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            told.append(f"no {package}")
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return (
        f"{os.cpu_count()} cores, threads per process: {threads}, {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(dict.fromkeys(told))}"
    )


def publish(report: Report) -> None:
    """Write the report's section and picture, and the summary of all reports that were ever published."""
    figure = report.figure[0] if report.figure else draw(report)
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / f"bench_{report.name}.png", dpi=plots.DPI)
    pyplot.close(figure)
    title = f"## {report.title}"
    put_section(PAGE, report.name, report.command, report.as_markdown(), title=title)
    keep(report)
    put_section(PAGE, "summary", SUMMARY, summary(json.loads(KEPT.read_text(encoding="utf-8"))))


def keep(report: Report) -> None:
    """Remember the targets of a report in docs/data/benchmarks.json."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept[report.name] = {
        "title": report.title,
        "runs": len(report.timings[0].seconds),
        "targets": [asdict(target) for target in report.targets],
    }
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def summary(kept: dict[str, Any]) -> str:
    """Return all targets of all benchmarks as one table."""
    lines = ["| what | target | measured | reached | command |", "|---|---|---|---|---|"]
    for name, report in kept.items():
        for target in report["targets"]:
            reached = "yes" if target["reached"] else "**no**"
            cells = [report["title"], target["target"], target["measured"], reached, f"`{SUMMARY} {name}`"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(report: Report) -> Figure:
    """Draw units of work per second, every way a point at its median between its slowest and fastest run.

    Of a report of seconds, draw seconds.
    """
    timings = report.timings
    first = {timing.group: y for y, timing in reversed(list(enumerate(timings)))}
    figure, axes = pyplot.subplots(figsize=(8, 1.1 + 0.45 * len(timings)), layout="constrained")
    for y, timing in enumerate(timings):
        low, middle, high = report.shown(timing)
        ours = y == first[timing.group] or report.seconds
        colour = "#1b6ca8" if ours else "0.45"
        axes.plot([low, high], [y, y], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
        axes.plot(middle, y, "o" if ours else "D", color=colour)
        axes.annotate(number(middle), (middle, y), (0, 7), textcoords="offset points", ha="center")
    _, middles, highs = zip(*map(report.shown, timings), strict=True)
    if max(middles) > 20 * min(middles):
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, 1.1 * max(highs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_yticks(range(len(timings)), [timing.label for timing in timings])
    axes.set_ylim(len(timings) - 0.5, -0.75)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(report.axis)
    axes.set_title(report.title, loc="left")
    return figure

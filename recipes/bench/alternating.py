"""Several ways to do one thing, timed in turn, so that a busy minute of the machine hits all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """Seconds that one way took in each run, for an amount of work given in the benchmark's unit.

    `more` holds what else the table shows of this way, by column ("loss": "1.88"). Ways of one `group` ("16
    texts") are compared with each other, the first of them being ours.
    """

    way: str
    seconds: tuple[float, ...]
    amount: float
    more: Mapping[str, str] = field(default_factory=dict)
    group: str = ""

    @property
    def label(self) -> str:
        """The way, and its group where it has one."""
        return f"{self.way}, {self.group}" if self.group else self.way

    @property
    def median(self) -> float:
        """The median seconds of a run."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Units of work in a second, by the median run."""
        return self.amount / self.median

    @property
    def rates(self) -> tuple[float, float]:
        """Units of work in a second in the slowest and in the fastest run."""
        return self.amount / max(self.seconds), self.amount / min(self.seconds)


def processor_seconds(work: Callable[[], object]) -> float:
    """Do the work once; return the processor seconds of this process that it took, all threads together."""
    return _timed(work, time.process_time)


def wall_seconds(work: Callable[[], object]) -> float:
    """Do the work once; return the seconds of the wall clock that it took."""
    return _timed(work, time.perf_counter)


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    # What lies in memory, or the way before left behind, is not this one's to clean up; timeit does the same.
    gc.collect()
    gc.disable()
    try:
        began = clock()
        work()
        return clock() - began
    finally:
        gc.enable()


def alternating(
    ways: Mapping[str, Callable[[], float]],
    runs: int,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, tuple[float, ...]]:
    """Run every way once, then every way again, `runs` times; return the seconds that each one told.

    A way does its work and returns the seconds it took: `lambda: processor_seconds(work)`. What it prepares
    without telling is not counted. Raises ValueError for fewer than one run.
    """
    if runs < 1:
        raise ValueError(f"{runs} runs measure nothing. Ask for at least 1.")
    told: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs):
        for way, once in ways.items():
            if progress:
                progress(way, run)
            told[way].append(once())
    return {way: tuple(seconds) for way, seconds in told.items()}

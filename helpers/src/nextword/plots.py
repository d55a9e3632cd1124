"""Figures with one look: every title says the finding, every figure has alt text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0b3c5d", "#d1711f", "#3f8f6b", "#8a8a8a", "#7b4f9e", "#b8a023")
MARKERS = ("o", "s", "^", "D", "v", "P")


def _new(title: str, width: float = 7.2, height: float = 4.0) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _finish(figure: Figure, alt: str) -> Figure:
    figure.set_label(alt)
    return figure


def lines(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    alt: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    floor: tuple[str, float] | None = None,
) -> Figure:
    """Return a line chart, one labelled line per series over the same x."""
    figure, axes = _new(title)
    for i, (name, y) in enumerate(series.items()):
        axes.plot(x, y, color=COLOURS[i % 6], marker=MARKERS[i % 6], label=name)
    if floor is not None:
        axes.axhline(floor[1], color="black", linestyle=":", label=floor[0])
    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_y else "linear")
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.legend()
    return _finish(figure, alt or f"Line chart: {title}.")


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    x_label: str = "probability",
    highlight: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Return horizontal bars, one per word, in the order given."""
    figure, axes = _new(title, height=0.8 + 0.32 * len(values))
    colours = [COLOURS[1] if word == highlight else COLOURS[0] for word in values]
    axes.barh(list(values), list(values.values()), color=colours)
    axes.invert_yaxis()
    axes.set(xlabel=x_label)
    return _finish(figure, alt or f"Bar chart: {title}.")


def zipf(counts: Mapping[str, int], *, title: str, alt: str | None = None) -> Figure:
    """Return word counts against rank on logarithmic axes, with a line of slope -1."""
    figure, axes = _new(title)
    ordered = sorted(counts.values(), reverse=True)
    axes.loglog(range(1, len(ordered) + 1), ordered, color=COLOURS[0])
    axes.loglog(
        range(1, len(ordered) + 1), [ordered[0] / r for r in range(1, len(ordered) + 1)], ":", color="black"
    )
    axes.set(xlabel="rank", ylabel="count")
    return _finish(figure, alt or f"Rank-frequency chart: {title}.")


def heat_map(
    matrix: Any, rows: Sequence[str], columns: Sequence[str], *, title: str, alt: str | None = None
) -> Figure:
    """Return a matrix as shaded cells with words on both axes."""
    import numpy as np

    figure, axes = _new(title, height=1.2 + 0.35 * len(rows))
    axes.imshow(np.asarray(matrix), cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    return _finish(figure, alt or f"Heat map: {title}.")


def ladder_chart(
    rungs: Mapping[str, float], floor: float, *, title: str | None = None, alt: str | None = None
) -> Figure:
    """Return the models as bars of bits per character, with the floor drawn in."""
    title = title or "The ladder: bits per character on held-out text"
    figure = bars(rungs, title=title, x_label="bits per character", alt=alt or f"{title}; floor {floor:.2f}.")
    figure.axes[0].axvline(floor, color="black", linestyle=":")
    return figure


def show(figure: Figure, alt: str | None = None) -> None:
    """Display the figure as a PNG that carries its alt text."""
    alt = alt or str(figure.get_label())
    if not alt:
        raise ValueError("This figure has no alt text. Pass alt=... with a sentence that says what it shows.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(alt)
        return
    data = {"image/png": buffer.getvalue(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})

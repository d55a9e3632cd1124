"""Figures with one look: the title says the finding, lines and bars carry their labels, all can be read in grey.

Every function returns a matplotlib figure with alt text: the one it is given, or one made from the data. A figure that
ends a cell shows itself; `show` does the same anywhere. Colours are told apart by lightness too, and by markers and
dashes (after Okabe and Ito, 2008, Color Universal Design).
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, FAINT = "#222222", "#6b6b6b", "#dddddd"
COLOURS = ("#12395b", "#d9641e", "#4aa3c7", "#7a3b8f", "#2e7d4f", "#a08a00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), "-", (0, (5, 1.5)))
WIDTH = 7.2  # inches; a notebook's column
DPI = 144  # twice what is displayed, for sharp screens
LONGEST_ALT = 12  # values that a made alt text reads out


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
    points: Mapping[str, tuple[float, float]] | None = None,
    floor: tuple[str, float] | None = None,
) -> Figure:
    """Return a line chart: each series over the same x, labelled at its end.

    NaN leaves a gap; infinity is marked at the upper edge. `points` are named places (x, y) on the chart; `floor` is
    a name and the height of a dotted line. Raises ValueError when a series and x differ in length.
    """
    x = [float(value) for value in x]
    for name, y in series.items():
        if len(y) != len(x):
            raise ValueError(
                f"Series {name!r} has {len(y)} values for {len(x)} places on x. Give one for each."
            )
    figure, axes = _new(title, 4.1)
    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_y else "linear")
    labels: list[tuple[str, float, str]] = []
    many = len(x) > 25
    for i, (name, values) in enumerate(series.items()):
        y = [float(value) for value in values]
        style: dict[str, Any] = {"color": _of(COLOURS, i), "linestyle": _of(DASHES, i), "linewidth": 2}
        finite = [value if math.isfinite(value) else math.nan for value in y]
        axes.plot(x, finite, marker="" if many else _of(MARKERS, i), markersize=6, **style)
        for place, value in zip(x, y, strict=True):
            if value == math.inf:
                edge = axes.get_xaxis_transform()
                axes.plot([place], [0.985], marker="^", color=_of(COLOURS, i), transform=edge, clip_on=False)
                axes.text(place, 0.93, "∞", transform=edge, ha="center", va="top", color=_of(COLOURS, i))
        last = next((value for value in reversed(finite) if not math.isnan(value)), None)
        if last is not None and (len(series) > 1 or name):
            labels.append((name, last, _of(COLOURS, i)))
    if floor is not None:
        axes.axhline(floor[1], color=INK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        labels.append((floor[0], floor[1], INK))
    for name, (at_x, at_y) in (points or {}).items():
        axes.plot([at_x], [at_y], marker="o", markersize=8, color=COLOURS[1], zorder=4)
        near_edge = at_x > (min(x) + max(x)) / 2
        offset = (-9, 9) if near_edge else (9, 6)
        axes.annotate(
            name,
            (at_x, at_y),
            offset,
            textcoords="offset points",
            color=INK,
            ha="right" if near_edge else "left",
        )
    if len(x) <= 12 and not log_x:
        axes.set_xticks(x, [_number(value) for value in x])
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    _label_ends(axes, labels if len(labels) > 1 or floor else [])
    told = "; ".join(f"{name}: {_told(values)}" for name, values in series.items())
    return _finish(figure, alt or f"{title}. Line chart of {y_label} against {x_label}. {told}.")


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    x_label: str = "probability",
    highlight: str | Sequence[str] = (),
    alt: str | None = None,
) -> Figure:
    """Return horizontal bars with their values, top to bottom in the order given; those to `highlight` stand out."""
    marked = {highlight} if isinstance(highlight, str) else set(highlight)
    unknown = marked - set(values)
    if unknown:
        raise ValueError(f"There is no bar {sorted(unknown)[0]!r} to highlight. Bars: {', '.join(values)}.")
    figure, axes = _new(title, 0.75 + 0.34 * max(len(values), 2))
    _horizontal(axes, values, [COLOURS[1] if name in marked else COLOURS[0] for name in values])
    axes.set_xlabel(x_label)
    told = ", ".join(f"{name} {_number(value)}" for name, value in list(values.items())[:LONGEST_ALT])
    return _finish(figure, alt or f"{title}. Bars of {x_label}: {told}.")


def next_words(
    distribution: Mapping[str, float],
    *,
    title: str,
    top: int = 10,
    highlight: str | Sequence[str] = (),
    alt: str | None = None,
) -> Figure:
    """Return the most likely next words as bars, and what is left for all others."""
    ranked = sorted(distribution.items(), key=lambda item: (-item[1], item[0]))
    shown = {word: float(p) for word, p in ranked[:top]}
    others = sum(float(p) for _, p in ranked[top:])
    figure = bars(shown, title=title, highlight=highlight, alt=alt)
    if len(ranked) > top:
        axes = figure.axes[0]
        label = f"{len(ranked) - top:,} other words"
        axes.barh([top], [others], color="white", edgecolor=GREY, hatch="////", height=0.68)
        axes.set_yticks(range(top + 1), [*shown, label])
        axes.set_ylim(top + 0.6, -0.6)
        axes.text(others, top, f"  {_number(others)}", va="center", color=INK)
        axes.set_xlim(0, 1.14 * max([others, *shown.values()]))
        figure.set_figheight(figure.get_figheight() + 0.34)
        if alt is None:
            figure.set_label(f"{figure.get_label()[:-1]}, {label} {_number(others)}.")
    return figure


def surprise(
    tokens: Sequence[str],
    bits: Sequence[float],
    *,
    title: str,
    y_label: str = "surprise (bits)",
    alt: str | None = None,
) -> Figure:
    """Return one bar per token of a sentence: how surprising it was to a model, in bits."""
    if len(tokens) != len(bits):
        raise ValueError(f"There are {len(tokens)} tokens and {len(bits)} surprises. Give one for each.")
    figure, axes = _new(title, 3.4)
    places = range(len(tokens))
    axes.bar(places, bits, color=COLOURS[0], width=0.68)
    for place, value in enumerate(bits):
        axes.text(
            place, value, _number(round(float(value), 1)), ha="center", va="bottom", color=INK, fontsize=10
        )
    crowded = sum(map(len, tokens)) + 2 * len(tokens) > 75
    axes.set_xticks(places, tokens, rotation=35 if crowded else 0, ha="right" if crowded else "center")
    axes.tick_params(axis="x", length=0, labelsize=11)
    axes.set_ylabel(y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(y=0.12)
    told = ", ".join(f"{token} {float(value):.1f}" for token, value in zip(tokens, bits, strict=True))
    return _finish(figure, alt or f"{title}. Bars of {y_label} for each token: {told}.")


def stacked_bars(
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    *,
    title: str,
    y_label: str,
    alt: str | None = None,
) -> Figure:
    """Return one bar per label, put together from the named parts, lowest first; the sum stands on top."""
    for name, values in parts.items():
        if len(values) != len(labels):
            raise ValueError(
                f"Part {name!r} has {len(values)} values for {len(labels)} bars. Give one for each."
            )
    figure, axes = _new(title, 3.9)
    below = np.zeros(len(labels))
    for i, (name, values) in enumerate(parts.items()):
        heights = np.asarray(values, dtype=float)
        look: dict[str, Any] = (
            {"color": COLOURS[0]} if i == 0 else {"color": "white", "edgecolor": _of(COLOURS, i)}
        )
        axes.bar(
            labels, heights, 0.68, bottom=below, label=name, hatch=_of(("", "///", "...", "xxx"), i), **look
        )
        below += heights
    for place, total in enumerate(below):
        axes.text(place, total, _number(float(total)), ha="center", va="bottom", color=INK, fontsize=10)
    axes.set_ylabel(y_label)
    axes.tick_params(axis="x", length=0, labelsize=11)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(y=0.12)
    axes.legend(loc="upper right", frameon=False, reverse=True)
    told = "; ".join(f"{name}: {_told(values)}" for name, values in parts.items())
    return _finish(figure, alt or f"{title}. Stacked bars of {y_label} for {', '.join(labels)}. {told}.")


def zipf(counts: Mapping[str, int], *, title: str, alt: str | None = None) -> Figure:
    """Return how often each word occurs against its rank, on logarithmic axes, beside Zipf's line (1 / rank)."""
    ranked = sorted(((word, n) for word, n in counts.items() if n > 0), key=lambda item: (-item[1], item[0]))
    if not ranked:
        raise ValueError("There are no words to rank. Pass a Counter of words with their counts.")
    figure, axes = _new(title, 4.1)
    ranks = np.arange(1, len(ranked) + 1)
    numbers = np.array([n for _, n in ranked])
    axes.set(xscale="log", yscale="log")
    # The line goes through the middle of the band on these axes.
    height = math.exp(float(np.mean(np.log(numbers * ranks)[: max(1, len(ranked) // 2)])))
    axes.plot(ranks, height / ranks, color=COLOURS[1], linestyle=(0, (5, 1.5)), linewidth=2)
    axes.plot(ranks, numbers, ".", color=COLOURS[0], markersize=5)
    end = len(ranked) ** 0.72
    axes.annotate("1 / rank", (end, height / end), (9, 7), textcoords="offset points", color=COLOURS[1])
    for rank in [r for r in (1, 3, 10, 30, 100, 300, 1000) if r <= len(ranked)]:
        word, n = ranked[rank - 1]
        axes.plot([rank], [n], "o", color=COLOURS[0], markersize=7)
        below = dict(xytext=(-4, -9), ha="right", va="top") if rank > 1 else dict(xytext=(9, 4), ha="left")
        axes.annotate(word, (rank, n), textcoords="offset points", color=INK, **below)
    axes.set(xlabel="rank of the word", ylabel="times it occurs")
    axes.set_ylim(0.7, 2.2 * max(numbers[0], height))
    axes.grid(color=FAINT, linewidth=0.8)
    told = ", ".join(
        f"{ranked[r - 1][0]} is number {r} with {ranked[r - 1][1]:,}"
        for r in (1, 10, 100, 1000)
        if r <= len(ranked)
    )
    return _finish(
        figure,
        alt or f"{title}. Counts of {len(ranked):,} words against rank, both axes logarithmic: {told}.",
    )


def heat_map(
    matrix: ArrayLike | Mapping[str, ArrayLike],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return a matrix as shaded cells with words on both axes, or several named ones side by side on one scale.

    Shape (len(rows), len(columns)) each, else ValueError. Small matrices carry their numbers. Where values are negative,
    white is zero, blue above and orange below it.
    """
    panels = {
        name: np.asarray(m, dtype=float)
        for name, m in (matrix if isinstance(matrix, Mapping) else {"": matrix}).items()
    }
    for name, values in panels.items():
        if values.shape != (len(rows), len(columns)):
            raise ValueError(
                f"Matrix {name!r} has shape {values.shape}; {len(rows)} row names and {len(columns)} column names need "
                f"{(len(rows), len(columns))}."
            )
    high = max(float(np.nanmax(np.abs(values))) for values in panels.values()) or 1.0
    low = -high if any(float(np.nanmin(values)) < 0 for values in panels.values()) else 0.0
    cell = min(0.62, 6.0 / max(1, len(columns) * len(panels))) if len(columns) > 4 else 0.62
    figure, first = _new(title, 1.35 + max(0.3, cell) * len(rows), panels=len(panels))
    for axes, (name, values) in zip(np.atleast_1d(first), panels.items(), strict=True):
        axes.imshow(values, cmap=_shades(low < 0), vmin=low, vmax=high, aspect="auto")
        steep = max(map(len, columns)) * len(columns) * len(panels) > 70
        axes.set_xticks(
            range(len(columns)), columns, rotation=40 if steep else 0, ha="right" if steep else "center"
        )
        axes.set_yticks(range(len(rows)), rows if axes is np.atleast_1d(first)[0] else [""] * len(rows))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="minor", length=0)
        if name:
            axes.set_title(name, fontsize=11, color=INK)
        if values.size <= 150:
            for (r, c), value in np.ndenumerate(values):
                dark = abs(value) > 0.55 * high
                axes.text(
                    c,
                    r,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    color="white" if dark else INK,
                    fontsize=10,
                )
    told = "; ".join(
        (f"{name}: " if name else "")
        + ", ".join(
            f"{row} to {columns[int(np.nanargmax(line))]} {np.nanmax(line):.2f}"
            for row, line in zip(rows, values, strict=True)
        )
        for name, values in panels.items()
    )
    return _finish(figure, alt or f"{title}. Heat map; the largest value of each row: {told}.")


def ngram_windows(words: Sequence[str], n: int, *, title: str, alt: str | None = None) -> Figure:
    """Return a picture of the windows of an n-gram model: one row per prediction, its context and its word marked."""
    if n < 1 or not words:
        raise ValueError("ngram_windows needs at least one word and n of at least 1.")
    from matplotlib.patches import Rectangle

    tokens = ["<s>"] * (n - 1) + [*words, "</s>"]
    figure, axes = _new(title, 0.9 + 0.5 * (len(words) + 1))
    for row, target in enumerate(range(n - 1, len(tokens))):
        for column, token in enumerate(tokens):
            context = target - n < column < target
            face, ink = ("white", "#b5b5b5")
            if column == target:
                face, ink = COLOURS[0], "white"
            elif context:
                face, ink = "#cfe0ea", INK
            box = Rectangle(
                (column + 0.04, row + 0.1),
                0.92,
                0.8,
                facecolor=face,
                edgecolor=FAINT if face == "white" else face,
            )
            axes.add_patch(box)
            axes.text(column + 0.5, row + 0.52, token, ha="center", va="center", color=ink, fontsize=11)
    middle = n - 1
    axes.text(middle + 0.5, -0.12, "predicted", ha="center", va="bottom", color=COLOURS[0], fontsize=10)
    if n > 1:
        axes.text(middle / 2, -0.12, "context", ha="center", va="bottom", color=GREY, fontsize=10)
    axes.set(xlim=(0, len(tokens)), ylim=(len(words) + 1.05, -0.5))
    axes.axis("off")
    told = "; ".join(
        f"{' '.join(tokens[t - n + 1 : t]) or 'no context'} then {tokens[t]}"
        for t in range(n - 1, len(tokens))
    )
    return _finish(
        figure, alt or f"{title}. The windows, each a context and the word predicted from it: {told}."
    )


def ladder_chart(
    rungs: Mapping[str, float], floor: float, *, title: str | None = None, alt: str | None = None
) -> Figure:
    """Return models as bars of bits per character, highest first, with the floor drawn in; inf is a model that fails."""
    ordered = dict(sorted(rungs.items(), key=lambda item: -item[1]))
    finite = {name: bits for name, bits in ordered.items() if math.isfinite(bits)}
    if title is None:
        title = "No model on the ladder yet: only the floor is known"
        if finite:
            best = min(finite, key=finite.__getitem__)
            title = f"{best} pays {finite[best] - floor:.2f} bits per character more than the floor"
    figure, axes = _new(title, 1.15 + 0.36 * max(len(ordered), 1))
    longest = 1.12 * max([*finite.values(), 1.6 * floor])
    shown = {name: bits if math.isfinite(bits) else longest for name, bits in ordered.items()}
    _horizontal(axes, shown, [COLOURS[0]] * len(shown), texts=[_bits(bits) for bits in ordered.values()])
    for patch, bits in zip(axes.patches, ordered.values(), strict=True):
        if not math.isfinite(bits):
            patch.set(facecolor="white", edgecolor=GREY, hatch="////")
    axes.axvspan(0, floor, color="#f0e6d8", zorder=0)
    axes.axvline(floor, color=COLOURS[1], linewidth=2, linestyle=(0, (5, 1.5)))
    bottom = max(len(ordered), 1) - 0.45
    axes.text(
        floor, bottom + 0.12, f" floor {floor:.2f}", color="#a84608", va="top", ha="left", fontweight="bold"
    )
    axes.set_ylim(bottom + 0.62, -0.6)
    axes.set_xlim(0, 1.14 * longest)
    axes.set_xlabel("bits per character on held-out text")
    told = ", ".join(f"{name} {_bits(bits)}" for name, bits in ordered.items()) or "no model yet"
    return _finish(
        figure, alt or f"{title}. Bits per character: {told}; no model can be below the floor, {floor:.2f}."
    )


def alt_text(figure: Figure) -> str:
    """Return the alt text of a figure; empty when it has none."""
    return str(figure.get_label())


def show(figure: Figure, alt: str | None = None) -> None:
    """Display a figure as a PNG that carries its alt text; without a notebook around, print the alt text.

    Raises ValueError when the figure has no alt text and none is given.
    """
    alt = alt or alt_text(figure)
    if not alt:
        raise ValueError("This figure has no alt text. Pass alt=... with a sentence that says what it shows.")
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    if get_ipython is None or get_ipython() is None:
        print(alt)
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=DPI, facecolor="white")
    size = {
        "width": round(figure.get_figwidth() * DPI / 2),
        "height": round(figure.get_figheight() * DPI / 2),
    }
    display(
        {"image/png": buffer.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt, **size}},
        raw=True,
    )


# The look


@cache
def _figure_type() -> type[Figure]:
    from matplotlib.figure import Figure

    class CourseFigure(Figure):
        """A figure that shows itself with its alt text, and that pyplot neither keeps nor shows a second time."""

        def _ipython_display_(self) -> None:
            show(self)

    return CourseFigure


def _new(title: str, height: float, panels: int = 1) -> tuple[Figure, Any]:
    from matplotlib import rc_context

    wrapped = textwrap.fill(title, 72)
    # matplotlibrc files of a machine change nothing: every reader sees the same figure
    with rc_context(_STYLE):
        figure = _figure_type()(
            figsize=(WIDTH, height + 0.24 * (wrapped.count("\n") + 1)), layout="constrained"
        )
        axes: Any = figure.subplots(1, panels)
    figure.suptitle(wrapped, x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    return figure, axes


_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.8,
}


@cache
def _shades(both: bool) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "nextword", [COLOURS[1], "white", COLOURS[0]] if both else ["#f3f6f8", COLOURS[0]]
    )


def _horizontal(
    axes: Axes, values: Mapping[str, float], colours: list[str], texts: Sequence[str] | None = None
) -> None:
    places = range(len(values))
    axes.barh(places, list(values.values()), color=colours, height=0.68)
    for place, value in enumerate(values.values()):
        axes.text(
            max(value, 0), place, f"  {texts[place] if texts else _number(value)}", va="center", color=INK
        )
    axes.set_yticks(places, list(values))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)
    if values and max(values.values()) > 0:
        axes.set_xlim(min(0, *values.values()), 1.14 * max(values.values()))
    axes.spines["left"].set_color(FAINT)


def _label_ends(axes: Axes, labels: list[tuple[str, float, str]]) -> None:
    """Write each line's name at its right end, moved apart where lines end close together."""
    if not labels:
        return
    axes.figure.canvas.draw()  # limits and scales must stand before heights can be compared
    height = axes.get_window_extent().height * 72 / axes.figure.dpi  # points
    ordered = sorted(labels, key=lambda label: label[1])
    wanted = [_fraction(axes, value) * height for _, value, _ in ordered]
    placed = list(wanted)
    for _ in range(100):  # push neighbours apart, a little at a time, until all have room
        for i in range(len(placed) - 1):
            overlap = 14 - (placed[i + 1] - placed[i])
            if overlap > 0:
                placed[i] -= overlap / 2
                placed[i + 1] += overlap / 2
    for (name, _, colour), y in zip(ordered, placed, strict=True):
        axes.annotate(
            textwrap.fill(name, 26), (1.0, y / height), (10, 0), xycoords="axes fraction", textcoords="offset points",
            color=colour, va="center", fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _fraction(axes: Axes, y: float) -> float:
    return float(axes.transAxes.inverted().transform(axes.transData.transform((axes.get_xlim()[1], y)))[1])


def _finish(figure: Figure, alt: str) -> Figure:
    figure.set_label(alt)
    return figure


def _of(choices: Sequence[Any], i: int) -> Any:
    return choices[i % len(choices)]


def _number(value: float) -> str:
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bits(bits: float) -> str:
    return f"{bits:.2f}" if math.isfinite(bits) else "∞ (some text is impossible to it)"


def _told(values: Sequence[float]) -> str:
    numbers = [_number(float(value)) for value in values]
    if len(numbers) <= LONGEST_ALT:
        return ", ".join(numbers)
    return f"from {numbers[0]} to {numbers[-1]}"

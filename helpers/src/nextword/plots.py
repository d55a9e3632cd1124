"""Figures with one look: the title says the finding, lines and bars carry labels, all can be read in grey.

Every function returns a matplotlib figure with alt text: the one it is given, or one made from the data.
A figure that ends a cell shows itself; `show` does the same anywhere. Colours differ in lightness too, and
lines in markers and dashes (after Okabe and Ito 2008, Color Universal Design).
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nextword.training import History

INK, GREY, FAINT, WARM = "#222222", "#6b6b6b", "#dddddd", "#a84608"
COLOURS = ("#12395b", "#d9641e", "#7fbfdc", "#7a3b8f", "#2e7d4f", "#a08a00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), "-", (0, (5, 1.5)))
HATCHES = ("", "///", "...", "xxx")
WIDTH = 7.2  # inches: a notebook's column
DPI = 144  # twice the size displayed, for sharp screens
BY_CHANCE = 0.01  # bits per character that a model may be luckier than the floor on one test text
MANY_POINTS = 3  # on a line chart; the names of more are moved apart
LONGEST_ALT = 12  # values that an alt text made from data reads out

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a word is a dollar sign
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.8,
}
P = ParamSpec("P")


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the course's style whatever the machine's matplotlibrc says."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return styled


@contextmanager
def _style() -> Iterator[None]:
    from matplotlib import rc_context, rcParams, rcParamsDefault

    with rc_context():
        rcParams.update({key: rcParamsDefault[key] for key in rcParams if "backend" not in key})
        rcParams.update(_STYLE)
        yield


@_styled
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
    intervals: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """Return a line chart: each series over the same x, with its name at its end.

    NaN leaves a gap; infinity is marked at the upper edge. `points` are named places (x, y) on the chart;
    `floor` is the name and height of a dotted line; `intervals` holds (low, high) for each value of a series.
    Raises ValueError when a series and x, or a series and its intervals, differ in length.
    """
    for name, ends_of in (intervals or {}).items():
        if len(ends_of) != len(x) or name not in series:
            raise ValueError(f"Give an interval for each value of a series; {name!r} has {len(ends_of)}.")
    x = [float(value) for value in x]
    for name, y in series.items():
        if len(y) != len(x):
            raise ValueError(
                f"Series {name!r} has {len(y)} values for {len(x)} places on x. Give one for each."
            )
    figure, axes = _new(title, 4.1)
    if log_x:
        _make_logarithmic(axes, "x", x)
    if log_y:
        _make_logarithmic(axes, "y", [value for y in series.values() for value in y])
    ends: list[tuple[str, float, str]] = []
    for i, (name, values) in enumerate(series.items()):
        y = [float(value) for value in values]
        colour = _of(COLOURS, i)
        finite = [value if math.isfinite(value) else math.nan for value in y]
        marker = _of(MARKERS, i) if len(x) <= 25 else ""
        axes.plot(x, finite, color=colour, marker=marker, linestyle=_of(DASHES, i), linewidth=2, markersize=6)
        if intervals and name in intervals:
            lows, highs = zip(*intervals[name], strict=True)
            aside = 1 + 0.035 * (i - (len(series) - 1) / 2) if log_x else 1.0  # so that bars don't hide bars
            at = [place * aside for place in x]
            axes.vlines(at, lows, highs, color=colour, linewidth=1.3)
        edge = axes.get_xaxis_transform()
        for place in (place for place, value in zip(x, y, strict=True) if value == math.inf):
            axes.plot([place], [0.985], "^", color=colour, transform=edge, clip_on=False)
            axes.text(place, 0.94, "∞", transform=edge, ha="center", va="top", color=colour)
        known = [value for value in y if not math.isnan(value)]
        ends += [(name, known[-1], colour)] if known else []
    if floor is not None:
        axes.axhline(floor[1], color=INK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        ends.append((*floor, INK))
    for name, (at_x, at_y) in (points or {}).items():
        axes.plot([at_x], [at_y], "o", markersize=8, color=COLOURS[1], zorder=4)
        right = at_x > 0.75 * max(x)
        side, offset = ("right", (4, 17)) if right else ("left", (9, 6))
        if len(points or {}) <= MANY_POINTS:
            axes.annotate(name, (at_x, at_y), offset, textcoords="offset points", ha=side)
    if len(x) <= (12 if not log_x else 6 if intervals else 0):
        axes.set_xticks(x, [f"{value:,.6g}" for value in x])
    elif not log_x and all(value == int(value) for value in x):
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    if points and len(points) > MANY_POINTS:
        curves = [
            place for y in series.values() for place in zip(x, y, strict=True) if math.isfinite(place[1])
        ]
        _name_points(figure, axes, points, curves, size=11)
    if len(ends) > 1:
        _name_ends(figure, axes, ends)
    told = "; ".join(f"{name}: {_told(values)}" for name, values in series.items())
    return _finish(figure, alt or f"{title}. Line chart of {y_label} against {x_label}. {told}.")


@_styled
def training(
    histories: Mapping[str, History],
    *,
    title: str,
    against: str = "seconds",
    floor: tuple[str, float] | None = None,
    alt: str | None = None,
) -> Figure:
    """Return what `nextword.training.train` measured: bits per character against "seconds" or "steps".

    One colour per run: solid on the validation text, dashed on the training text, its name at the end.
    `floor` is the name and height of a dotted line. Raises ValueError without a measured run, and for another
    `against`.
    """
    if against not in ("seconds", "steps"):
        raise ValueError(f"Training is drawn against 'seconds' or 'steps', not {against!r}.")
    if not histories or not all(history.steps for history in histories.values()):
        raise ValueError("There is nothing to draw. Pass histories that train(...) returned, by name.")
    figure, axes = _new(title, 4.1)
    ends: list[tuple[str, float, str]] = []
    told = []
    for i, (name, history) in enumerate(histories.items()):
        x, colour = getattr(history, against), _of(COLOURS, i)
        marker = _of(MARKERS, i) if len(x) <= 25 else ""
        solid = history.valid or history.train
        if history.valid:
            axes.plot(x, history.train, color=colour, linestyle=(0, (4, 2)), linewidth=1.3)
        axes.plot(x, solid, color=colour, marker=marker, linewidth=2, markersize=5)
        ends.append((name, solid[-1], colour))
        which = "validation" if history.valid else "training"
        told.append(f"{name} on the {which} text from {_number(solid[0])} to {_number(solid[-1])}")
        told[-1] += f" in {x[-1]:,.0f} {against}"
    if floor is not None:
        axes.axhline(floor[1], color=INK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        ends.append((*floor, INK))
    if any(history.valid for history in histories.values()):
        key = "solid: validation text\ndashed: training text"
        axes.text(0.98, 0.97, key, transform=axes.transAxes, ha="right", va="top", color=GREY, fontsize=10)
    axes.set(xlabel="seconds of training" if against == "seconds" else "steps", ylabel="bits per character")
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    _name_ends(figure, axes, ends)
    return _finish(figure, alt or f"{title}. Bits per character against {against}: {'; '.join(told)}.")


@_styled
def bars(
    values: Mapping[str, float],
    *,
    title: str,
    x_label: str = "probability",
    highlight: str | Sequence[str] = (),
    alt: str | None = None,
) -> Figure:
    """Return horizontal bars with their values, top to bottom in the order given.

    Those that `highlight` names stand out. Raises ValueError when one of them is missing, or without bars.
    """
    marked = {highlight} if isinstance(highlight, str) else set(highlight)
    if not values:
        raise ValueError("There are no bars. Pass at least one name with its number.")
    if marked - set(values):
        raise ValueError(
            f"There is no bar {', '.join(sorted(marked - set(values)))}. Bars: {', '.join(values)}."
        )
    figure, axes = _new(title, 0.75 + 0.34 * max(len(values), 2))
    numbers = _numbers(list(values.values()))
    _horizontal(axes, values, numbers, [COLOURS[1] if name in marked else COLOURS[0] for name in values])
    axes.set_xlabel(x_label)
    told = ", ".join(f"{name}: {n}" for name, n in list(zip(values, numbers, strict=True))[:LONGEST_ALT])
    return _finish(figure, alt or f"{title}. Bars of {x_label}: {told}.")


@_styled
def next_words(
    distribution: Mapping[str, float],
    *,
    title: str,
    top: int = 10,
    highlight: str | Sequence[str] = (),
    alt: str | None = None,
) -> Figure:
    """Return the most likely next words as bars, most likely first, and one bar for all others together."""
    ranked = sorted(distribution.items(), key=lambda item: (-item[1], item[0]))
    shown = {word: float(p) for word, p in ranked[:top]}
    if len(ranked) > top:
        shown[f"{len(ranked) - top:,} other words"] = sum(float(p) for _, p in ranked[top:])
    figure = bars(shown, title=title, highlight=highlight, alt=alt)
    if len(ranked) > top:
        figure.axes[0].patches[-1].set(facecolor="white", edgecolor=GREY, hatch="////")
    return figure


@_styled
def reshaped(
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    title: str,
    top: int = 12,
    alt: str | None = None,
) -> Figure:
    """Return the most likely next words before a change of their distribution, as outlines, and after it.

    The words are those most likely before, the rest has one bar; words that are left with 0 are marked "cut".
    Raises ValueError unless both have the same words.
    """
    if set(before) != set(after) or not before:
        raise ValueError("Both distributions must be over the same words, at least one.")
    ranked = sorted(before, key=lambda word: (-before[word], word))
    shown = {word: (float(before[word]), float(after[word])) for word in ranked[:top]}
    if len(ranked) > top:
        rest = (sum(float(p[word]) for word in ranked[top:]) for p in (before, after))
        shown[f"{len(ranked) - top:,} other words"] = (next(rest), next(rest))
    figure, axes = _new(title, 0.9 + 0.34 * max(len(shown), 2))
    texts = ["cut" if new == 0 else _fixed(new, 2) for _, new in shown.values()]
    _horizontal(
        axes, {word: new for word, (_, new) in shown.items()}, [""] * len(shown), [COLOURS[0]] * len(shown)
    )
    if len(ranked) > top:
        axes.patches[-1].set(facecolor="white", edgecolor=GREY, hatch="////")
    for place, ((old, new), text) in enumerate(zip(shown.values(), texts, strict=True)):
        axes.plot(
            [0, old, old, 0], [place - 0.34, place - 0.34, place + 0.34, place + 0.34], color=COLOURS[1]
        )
        ink = GREY if new == 0 else INK
        axes.text(max(old, new), place, f"  {text}", va="center", color=ink)
    axes.set(xlim=(0, 1.14 * max(max(pair) for pair in shown.values())))
    axes.set_xlabel("probability: outlined before, filled after")
    told = ", ".join(
        f"{word} {_fixed(old, 2)} to {text}"
        for (word, (old, _)), text in zip(shown.items(), texts, strict=True)
    )
    return _finish(figure, alt or f"{title}. Probabilities of next words before and after: {told}.")


@_styled
def reliability(
    panels: Mapping[str, Sequence[tuple[float, float, int]]],
    *,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return reliability diagrams: how often a model was right, against how sure it was (Guo et al. 2017).

    Each named panel has one (mean confidence, share right, count) per bin; the area of a point grows with its
    count, and a line joins it to the diagonal, where a calibrated model has all its points. Raises ValueError
    without a bin.
    """
    if not panels or not all(panels.values()):
        raise ValueError("There is nothing to draw. Give each panel at least one bin.")
    figure, grid = _new(title, min(1 + 4.8 / len(panels), 4.1), panels=len(panels))
    told = []
    for axes, (name, bins) in zip(np.atleast_1d(grid), panels.items(), strict=True):
        sure, right, counts = (np.array(column, dtype=float) for column in zip(*bins, strict=True))
        axes.plot([0, 1], [0, 1], color=INK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        axes.vlines(sure, sure, right, color=COLOURS[1], linewidth=2)
        axes.scatter(sure, right, s=25 + 250 * counts / counts.max(), color=COLOURS[0], zorder=3)
        axes.set(xlim=(-0.04, 1.06), ylim=(-0.04, 1.06), aspect="equal", xlabel="confidence")
        axes.set_title(name, fontsize=11)
        axes.grid(color=FAINT, linewidth=0.8)
        some = ", ".join(f"{_fixed(s, 2)} sure and {_fixed(r, 2)} right" for s, r, _ in bins)
        told.append((f"{name}: " if name else "") + some)
    np.atleast_1d(grid)[0].set_ylabel("share right")
    return _finish(figure, alt or f"{title}. Share right against confidence. {'; '.join(told)}.")


@_styled
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
        axes.text(place, value, _fixed(value, 1), ha="center", va="bottom", fontsize=10)
    _name_columns(axes, tokens, room=75)
    axes.set_ylabel(y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(y=0.12)
    told = ", ".join(f"{token} {_fixed(value, 1)}" for token, value in zip(tokens, bits, strict=True))
    return _finish(figure, alt or f"{title}. Bars of {y_label} for each token: {told}.")


@_styled
def stacked_bars(
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    *,
    title: str,
    y_label: str,
    alt: str | None = None,
) -> Figure:
    """Return one bar per label, stacked from the named parts, the first at the bottom, the sum on top.

    Raises ValueError when a part has not one value for each label.
    """
    for name, values in parts.items():
        if len(values) != len(labels):
            raise ValueError(
                f"Part {name!r} has {len(values)} values for {len(labels)} bars. Give one for each."
            )
    figure, axes = _new(title, 3.9)
    below = np.zeros(len(labels))
    for i, (name, values) in enumerate(parts.items()):
        face, edge = (COLOURS[0], COLOURS[0]) if i == 0 else ("white", _of(COLOURS, i))
        look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "hatch": _of(HATCHES, i)}
        axes.bar(range(len(labels)), values, 0.68, bottom=below, label=name, **look)
        below += np.asarray(values, dtype=float)
    for place, (total, text) in enumerate(zip(below, _numbers(below.tolist()), strict=True)):
        axes.text(place, total, text, ha="center", va="bottom", fontsize=10)
    _name_columns(axes, labels, room=75)
    axes.set_ylabel(y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(y=0.12)
    if below.min() > 0.8 * below.max():  # bars of one height leave no room between them
        figure.legend(loc="outside lower center", frameon=False, ncols=len(parts))
    else:
        axes.legend(loc="best", frameon=False, reverse=True)
    told = "; ".join(f"{name}: {_told(values)}" for name, values in parts.items())
    return _finish(figure, alt or f"{title}. Stacked bars of {y_label} for {', '.join(labels)}. {told}.")


@_styled
def zipf(counts: Mapping[str, int], *, title: str, alt: str | None = None) -> Figure:
    """Return how often words occur against their rank, both axes logarithmic, beside Zipf's 1 / rank."""
    ranked = sorted(((word, n) for word, n in counts.items() if n > 0), key=lambda item: (-item[1], item[0]))
    if not ranked:
        raise ValueError("There are no words to rank. Pass a Counter of words with their counts.")
    figure, axes = _new(title, 4.1)
    ranks = np.arange(1, len(ranked) + 1)
    numbers = np.array([n for _, n in ranked])
    _make_logarithmic(axes, "x", ranks)
    _make_logarithmic(axes, "y", numbers)
    # on these axes, the line of slope -1 through the middle of the commoner half
    height = math.exp(float(np.mean(np.log(numbers * ranks)[: max(1, len(ranked) // 2)])))
    axes.plot(ranks, height / ranks, color=COLOURS[1], linestyle=(0, (5, 1.5)), linewidth=2)
    end = len(ranked) ** 0.72
    axes.annotate("1 / rank", (end, height / end), (9, 7), textcoords="offset points", color=WARM)
    axes.plot(ranks, numbers, ".", color=COLOURS[0], markersize=5)
    for rank in (r for r in (1, 3, 10, 30, 100, 300, 1000) if r <= len(ranked)):
        word, n = ranked[rank - 1]
        axes.plot([rank], [n], "o", color=COLOURS[0], markersize=7)
        side, offset = ("left", (9, 4)) if rank == 1 else ("right", (-4, -15))
        axes.annotate(word, (rank, n), offset, textcoords="offset points", ha=side)
    axes.set(xlabel="rank of the word", ylabel="times it occurs")
    axes.set_ylim(0.7, 2.2 * max(numbers[0], height))
    axes.grid(color=FAINT, linewidth=0.8)
    some = (r for r in (1, 10, 100, 1000) if r <= len(ranked))
    told = ", ".join(f"number {r} is {ranked[r - 1][0]} with {ranked[r - 1][1]:,}" for r in some)
    made = f"{title}. Counts of {len(ranked):,} words against rank, both axes logarithmic: {told}."
    return _finish(figure, alt or made)


@_styled
def heat_map(
    matrix: ArrayLike | Mapping[str, ArrayLike],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return a matrix as shaded cells with words on both axes, or several named ones side by side.

    Shape (len(rows), len(columns)) each, else ValueError. All share one scale. Small matrices carry their
    numbers, whole ones without decimals. Where values are negative, white is zero, blue above it and
    orange below.
    """
    named = matrix if isinstance(matrix, Mapping) else {"": matrix}
    decimals = 0 if all(np.asarray(values).dtype.kind in "iu" for values in named.values()) else 2
    panels = {name: np.asarray(values, dtype=float) for name, values in named.items()}
    for name, values in panels.items():
        if values.shape != (len(rows), len(columns)):
            raise ValueError(
                f"Matrix {name!r} has shape {values.shape}, but there are names for "
                f"{len(rows)} rows and {len(columns)} columns."
            )
    high = max(float(np.nanmax(np.abs(values))) for values in panels.values()) or 1.0
    low = -high if any(np.nanmin(values) < 0 for values in panels.values()) else 0.0
    shades = _shades(low < 0)
    cell = 0.62 if len(columns) * len(panels) <= 10 else max(0.3, 6 / len(columns) / len(panels))
    figure, grid = _new(title, 1.2 + cell * len(rows), panels=len(panels))
    for axes, (name, values) in zip(np.atleast_1d(grid), panels.items(), strict=True):
        axes.imshow(values, cmap=shades, vmin=low, vmax=high, aspect="auto")
        _name_columns(axes, columns, room=68 // len(panels))
        axes.set_yticks(range(len(rows)), rows if axes is np.atleast_1d(grid)[0] else [""] * len(rows))
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
        axes.tick_params(which="both", length=0)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.spines[:].set_visible(False)
        axes.set_title(name, fontsize=11)
        for (r, c), value in np.ndenumerate(values) if values.size <= 150 else ():
            ink = "white" if _is_dark(shades((value - low) / (high - low))) else INK
            axes.text(c, r, _fixed(value, decimals), ha="center", va="center", color=ink, fontsize=10)
    told = []
    for name, values in panels.items():
        best = (
            f"{row} to {columns[int(line.argmax())]} {_fixed(line.max(), decimals)}"
            for row, line in zip(rows, values, strict=True)
        )
        told.append((f"{name}: " if name else "") + ", ".join(best))
    return _finish(figure, alt or f"{title}. Heat map; the largest value of each row: {'; '.join(told)}.")


@_styled
def attention(
    weights: ArrayLike | Mapping[str, ArrayLike],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return attention weights as squares: a row per query, a column per key, the area is the weight.

    Shape (len(queries), len(keys)), or several named ones, such as heads, two in a row; else ValueError. A
    weight of 0 leaves its place empty, so that a mask shows.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    named = weights if isinstance(weights, Mapping) else {"": weights}
    panels = {name: np.asarray(values, dtype=float) for name, values in named.items()}
    for name, values in panels.items():
        if values.shape != (len(queries), len(keys)):
            raise ValueError(
                f"Attention {name!r} has shape {values.shape}, but there are names for {len(queries)} "
                f"queries and {len(keys)} keys. Pass the weights of one sentence, one head."
            )
    across = min(len(panels), 2)
    down = math.ceil(len(panels) / 2)
    cell = min(0.42, (5.6 if across == 1 else 2.5) / max(len(keys), 1))
    size = 9 if cell < 0.22 else 10
    above = 0.45 + 0.085 * max(map(len, keys), default=0)
    figure, grid = _new(title, down * (cell * len(queries) + above + 0.25 * (len(panels) > 1)), across, down)
    every = list(np.atleast_1d(grid).flat)
    for axes in every[len(panels) :]:
        axes.axis("off")
    for axes, (name, values) in zip(every, panels.items(), strict=False):
        sides = np.sqrt(np.clip(np.nan_to_num(values), 0, 1)) * 0.94
        squares = [
            Rectangle((column - side / 2, row - side / 2), side, side)
            for (row, column), side in np.ndenumerate(sides)
            if side > 0
        ]
        axes.add_collection(PatchCollection(squares, facecolor=COLOURS[0], edgecolor="none", zorder=2))
        axes.set(xlim=(-0.5, len(keys) - 0.5), ylim=(len(queries) - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(keys)), keys, fontsize=size, rotation=90 if max(map(len, keys)) > 2 else 0)
        axes.set_yticks(range(len(queries)), queries, fontsize=size)
        axes.set_xticks(np.arange(len(keys) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(queries) + 1) - 0.5, minor=True)
        axes.tick_params(which="both", length=0, labeltop=True, labelbottom=False)
        axes.grid(which="minor", color=FAINT, linewidth=0.6)
        axes.spines[:].set_visible(False)
        if name:
            axes.set_xlabel(name, fontsize=11, fontweight="bold")
    told = []
    for name, values in panels.items():
        best = [
            f"{query} at {keys[int(row.argmax())]} {row.max():.2f}"
            for query, row in zip(queries, values, strict=True)
        ]
        told.append((f"{name}: " if name else "") + ", ".join(best))
    return _finish(figure, alt or f"{title}. Attention; where each looks most: {'; '.join(told)}.")


@_styled
def residual_stream(
    streams: Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]],
    *,
    start: str,
    end: str,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return named streams, one below the other, from which parts read and to which they add.

    Each stream is a sequence of steps (on the branch, on the stream): the boxes, at least one, that a copy of
    the stream passes through before it is added, and those in the way of the stream after that.
    `start` and `end` are what a stream comes from and goes to. Raises ValueError for a stream without steps.
    """
    if not streams or not all(streams.values()):
        raise ValueError("There is no stream to draw. Give each one at least one step.")
    figure, grid = _new(title, 0.3 + 1.75 * len(streams), rows=len(streams))
    line: dict[str, Any] = {"color": COLOURS[0], "linewidth": 5, "solid_capstyle": "butt"}
    thin: dict[str, Any] = {"color": GREY, "linewidth": 1.5}
    plain: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10}
    box: dict[str, Any] = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": COLOURS[0]}
    sum_sign: dict[str, Any] = {
        "boxstyle": "circle,pad=0.12",
        "facecolor": "#cfe0ea",
        "edgecolor": COLOURS[0],
    }
    told = []
    for axes, (name, steps) in zip(np.atleast_1d(grid).flat, streams.items(), strict=True):
        x = 0.5
        said = []
        marks: list[tuple[float, float, str, dict[str, Any]]] = []
        for branch, inline in steps:
            width = 1.5
            axes.plot([x, x, x + width + 0.3], [0, 1, 1], **thin)
            target, source = (x + width + 0.3, 0.16), (x + width + 0.3, 1)
            axes.annotate("", target, source, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, **thin})
            *below, last = branch
            marks += [(x, 0.08 + 0.92 * (i + 1) / len(branch), label, box) for i, label in enumerate(below)]
            marks.append((x + 0.15 + width / 2, 1, last, box))
            x += width + 0.3
            marks.append((x, 0, "+", sum_sign))
            x += 0.25
            for label in inline:
                marks.append((x + 0.35, 0, label, box))
                x += 0.75
            x += 0.3
            said.append(f"{', '.join(branch)} and add" + (f", then {', '.join(inline)}" if inline else ""))
        axes.plot([0, x + 0.2], [0, 0], zorder=1, **line)
        head = {"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 5, "mutation_scale": 18}
        axes.annotate("", (x + 0.5, 0), (x, 0), arrowprops=head)
        for at, height, label, look in marks:
            axes.text(at, height, label, bbox=look, zorder=3, **plain)
        axes.text(-0.1, 0, start, ha="right", va="center")
        axes.text(x + 0.55, 0, end, ha="left", va="center")
        axes.set(xlim=(-0.1, x + 0.5), ylim=(-0.35, 1.4))
        axes.axis("off")
        if name:
            axes.set_title(name, fontsize=11, loc="left")
        told.append((f"{name}: " if name else "") + "; ".join(said))
    return _finish(figure, alt or f"{title}. From {start} to {end}. {' / '.join(told)}.")


@_styled
def heads(
    panels: Mapping[str, tuple[Sequence[str], Mapping[int, str]]],
    *,
    title: str,
    alt: str | None = None,
) -> Figure:
    """Return, two in a row, which places of a model are read: name -> (tokens, {place: result})."""
    down = math.ceil(len(panels) / 2)
    figure, grid = _new(title, 1.9 * down, 2, down)
    every = list(np.atleast_1d(grid).flat)
    told = []
    box: dict[str, Any] = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": COLOURS[0]}
    for axes in every[len(panels) :]:
        axes.axis("off")
    for axes, (name, (tokens, read)) in zip(every, panels.items(), strict=False):
        last = len(tokens) - 1
        axes.fill([-0.5, last + 0.5, last + 0.5, -0.5], [0.75, 0.75, 1.25, 1.25], color="#cfe0ea")
        axes.text(last / 2, 1, "pretrained model", ha="center", va="center", fontsize=10)
        for place, token in enumerate(tokens):
            axes.text(place, 0, token, ha="center", va="center", fontsize=9)
            axes.plot([place, place], [0.25, 0.75], color=GREY, linewidth=1)
        for place, result in read.items():
            arrow = {"arrowstyle": "-|>", "color": WARM, "linewidth": 1.6}
            axes.annotate("", (place, 1.95), (place, 1.25), arrowprops=arrow)
            axes.text(place, 2.2, result, ha="center", va="center", fontsize=9, bbox=box)
        axes.set(xlim=(-0.7, last + 0.7), ylim=(-0.3, 2.5))
        axes.set_title(name, fontsize=11, loc="left")
        axes.axis("off")
        told.append(f"{name}: " + ", ".join(f"{tokens[i]} gives {result}" for i, result in read.items()))
    return _finish(figure, alt or f"{title}. {'; '.join(told)}.")


@_styled
def ngram_windows(words: Sequence[str], n: int, *, title: str, alt: str | None = None) -> Figure:
    """Return a picture of the windows of an n-gram model: per prediction a row, with context and word."""
    if n < 1 or not words:
        raise ValueError("ngram_windows draws at least one word, and n of at least 1.")
    from matplotlib.patches import Rectangle

    tokens = ["<s>"] * (n - 1) + [*words, "</s>"]
    targets = range(n - 1, len(tokens))
    figure, axes = _new(title, 0.6 + 0.5 * len(targets))
    for row, target in enumerate(targets):
        for column, token in enumerate(tokens):
            face, edge, ink = "white", FAINT, "#8a8a8a"
            if column == target:
                face, edge, ink = COLOURS[0], COLOURS[0], "white"
            elif target - n < column < target:
                face, edge, ink = "#cfe0ea", "#cfe0ea", INK
            axes.add_patch(Rectangle((column + 0.04, row + 0.1), 0.92, 0.8, facecolor=face, edgecolor=edge))
            axes.text(column + 0.5, row + 0.52, token, ha="center", va="center", color=ink)
    axes.text(n - 0.5, -0.06, "predicted", ha="center", color=COLOURS[0], fontsize=10)
    if n > 1:
        axes.text((n - 1) / 2, -0.06, "context", ha="center", color=GREY, fontsize=10)
    axes.set(xlim=(0, len(tokens)), ylim=(len(targets), -0.5))
    axes.axis("off")
    told = "; ".join(f"{' '.join(tokens[t - n + 1 : t]) or 'no context'}, then {tokens[t]}" for t in targets)
    return _finish(
        figure, alt or f"{title}. Each window is a context and the word predicted from it: {told}."
    )


@_styled
def context_windows(words: Sequence[str], window: int, *, title: str, alt: str | None = None) -> Figure:
    """Return a picture of the windows around the words of a sentence: per word a row, with its neighbours.

    Raises ValueError for no words, or a window below 1.
    """
    if window < 1 or not words:
        raise ValueError("context_windows draws at least one word, and a window of at least 1.")
    from matplotlib.patches import Rectangle

    figure, axes = _new(title, 0.6 + 0.5 * len(words))
    told = []
    for row, centre in enumerate(words):
        for column, word in enumerate(words):
            face, edge, ink = "white", FAINT, "#8a8a8a"
            if column == row:
                face, edge, ink = COLOURS[0], COLOURS[0], "white"
            elif abs(column - row) <= window:
                face, edge, ink = "#cfe0ea", "#cfe0ea", INK
            axes.add_patch(Rectangle((column + 0.04, row + 0.1), 0.92, 0.8, facecolor=face, edgecolor=edge))
            axes.text(column + 0.5, row + 0.52, word, ha="center", va="center", color=ink)
        near = [*words[max(0, row - window) : row], *words[row + 1 : row + window + 1]]
        told.append(f"{centre} has {', '.join(near) or 'none'}")
    axes.text(0.5, -0.06, "word", ha="center", color=COLOURS[0], fontsize=10)
    if len(words) > 1:
        axes.text(1.5, -0.06, "its contexts", ha="center", color=GREY, fontsize=10)
    axes.set(xlim=(0, len(words)), ylim=(len(words), -0.5))
    axes.axis("off")
    return _finish(figure, alt or f"{title}. Each word and its contexts: {'; '.join(told)}.")


@_styled
def word_map(
    places: Mapping[str, Sequence[float]],
    *,
    title: str,
    groups: Mapping[str, Sequence[str]] | None = None,
    arrows: Sequence[tuple[str, str]] = (),
    alt: str | None = None,
) -> Figure:
    """Return words as named points of a plane, those of one group in one colour and with one marker.

    `places` are pairs (x, y), both in one unit; `arrows` lead from one word to another. Raises ValueError
    for a group or an arrow with a word that has no place.
    """
    groups = groups or {"": list(places)}
    named = [word for group in groups.values() for word in group] + [w for pair in arrows for w in pair]
    lost = sorted(set(named) - set(places))
    if lost or not places:
        raise ValueError(
            f"There is no place for {', '.join(lost) or 'any word'}. Give each word a pair (x, y)."
        )
    figure, axes = _new(title, 4.6)
    for start, end in arrows:
        (x, y), tip = places[start], (places[end][0], places[end][1])
        arrow = {"arrowstyle": "->", "color": GREY, "linewidth": 1.2, "shrinkA": 5, "shrinkB": 5}
        axes.annotate("", tip, (x, y), arrowprops=arrow)
    for i, (name, words) in enumerate(groups.items()):
        across, up = ([float(places[word][axis]) for word in words] for axis in (0, 1))
        look: dict[str, Any] = {"color": _of(COLOURS, i), "marker": _of(MARKERS, i), "s": 36, "zorder": 3}
        axes.scatter(across, up, label=name or None, **look)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(x=0.12, y=0.1)
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axes.spines[:].set_color(FAINT)
    axes.spines[:].set_visible(True)
    if any(groups):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=min(len(groups), 5), frameon=False)
    shares = np.linspace(0, 1, 30)[:, None]  # of the way along an arrow, where names would be crossed out
    along = [
        point
        for start, end in arrows
        for point in (1 - shares) * np.asarray(places[start]) + shares * np.asarray(places[end])
    ]
    _name_points(figure, axes, {word: places[word] for words in groups.values() for word in words}, along)
    told = "; ".join((f"{name}: " if name else "") + ", ".join(words) for name, words in groups.items())
    moves = f" Arrows: {', '.join(f'{a} to {b}' for a, b in arrows)}." if arrows else ""
    return _finish(figure, alt or f"{title}. A map of words. {told}.{moves}")


@_styled
def scatter(
    places: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    alt: str | None = None,
) -> Figure:
    """Return named points (x, y), to see whether two measures go together.

    Raises ValueError without points.
    """
    if not places:
        raise ValueError("There are no points to draw. Pass a dictionary: name -> (x, y).")
    figure, axes = _new(title, 4.3)
    if log_x:
        _make_logarithmic(axes, "x", [place[0] for place in places.values()])
    across, up = ([float(place[axis]) for place in places.values()] for axis in (0, 1))
    axes.scatter(across, up, color=COLOURS[0], s=40, zorder=3)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(x=0.1, y=0.12)
    _name_points(figure, axes, places)
    told = "; ".join(
        f"{name}: {_number(float(place[0]))} and {_number(float(place[1]))}" for name, place in places.items()
    )
    return _finish(figure, alt or f"{title}. Points of {y_label} against {x_label}. {told}.")


@_styled
def intervals(
    values: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    line: tuple[str, float] | None = None,
    alt: str | None = None,
) -> Figure:
    """Return measured values with their intervals, one (value, low, high) per row, top to bottom.

    `line` is the name and place of a dotted line to compare with. Raises ValueError without values, or where
    a low end lies above its high end.
    """
    if not values or any(low > high for _, low, high in values.values()):
        raise ValueError("Pass name -> (value, low, high), at least one, with low not above high.")
    figure, axes = _new(title, 0.95 + 0.36 * max(len(values), 2))
    for row, (value, low, high) in enumerate(values.values()):
        axes.plot([low, high], [row, row], color=COLOURS[0], linewidth=2.2, solid_capstyle="butt")
        axes.plot([value], [row], "o", color=COLOURS[0], markersize=7)
        at: Any = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
        axes.annotate(_fixed(value, 2), (1.0, row), (8, 0), **at)
    axes.set_yticks(range(len(values)), list(values))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -1.0 if line else -0.6)
    axes.set_xlabel(x_label)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.margins(x=0.1)
    if line is not None:
        axes.axvline(line[1], color=INK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        axes.annotate(line[0], (line[1], -0.95), (6, 0), textcoords="offset points", va="top", color=GREY)
    told = "; ".join(
        f"{name}: {_fixed(value, 2)} ({_fixed(low, 2)} to {_fixed(high, 2)})"
        for name, (value, low, high) in values.items()
    )
    beside = f" A line for {line[0]} at {_fixed(line[1], 2)}." if line else ""
    return _finish(figure, alt or f"{title}. Intervals of {x_label}: {told}.{beside}")


@_styled
def unrolled(
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    title: str,
    fed_back: bool = False,
    alt: str | None = None,
) -> Figure:
    """Return a recurrent network drawn once per word: what is read, the states, what is guessed.

    With `fed_back`, each output is drawn as the next input. Raises ValueError unless there is one output for
    each input.
    """
    if not inputs or len(inputs) != len(outputs):
        raise ValueError(
            f"There are {len(inputs)} inputs and {len(outputs)} outputs. Give one output for each input."
        )
    figure, axes = _new(title, 3.1)
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    box: dict[str, Any] = {"boxstyle": "round,pad=0.45", "facecolor": COLOURS[0], "edgecolor": COLOURS[0]}
    plain: dict[str, Any] = {"ha": "center", "va": "center"}
    for t, (read, guessed) in enumerate(zip(inputs, outputs, strict=True), start=1):
        axes.text(t, 0, read, **plain)
        axes.text(t, 1, f"h{t}", bbox=box, color="white", **plain)
        axes.text(t, 2, guessed, color=_darker(COLOURS[0]), fontweight="bold", **plain)
        axes.annotate("", (t, 0.77), (t, 0.2), arrowprops=arrow)
        axes.annotate("", (t, 1.8), (t, 1.23), arrowprops=arrow)
        axes.annotate("", (t - 0.2, 1), (t - 0.8, 1), arrowprops=arrow)
        axes.text(t + 0.06, 0.44, "W", color=GREY, fontsize=10, va="center")
        axes.text(t - 0.66, 1.09, "U", color=GREY, fontsize=10, ha="center")
        if fed_back and t < len(inputs):
            curve = {**arrow, "color": COLOURS[1], "linestyle": "--", "connectionstyle": "arc3,rad=0.0"}
            axes.annotate("", (t + 0.86, 0.14), (t + 0.14, 1.84), arrowprops=curve)
    axes.text(0, 1, "0", bbox={**box, "facecolor": "white", "edgecolor": GREY}, **plain)
    for height, word in ((0, "read"), (1, "state"), (2, "drawn" if fed_back else "guess")):
        axes.text(-0.35, height, word, ha="right", va="center", color=GREY, fontsize=10)
    axes.set(xlim=(-0.75, len(inputs) + 0.6), ylim=(-0.25, 2.25))
    axes.axis("off")
    told = "; ".join(f"reads {a}, then {b}" for a, b in zip(inputs, outputs, strict=True))
    return _finish(figure, alt or f"{title}. A state is carried from step to step: {told}.")


@_styled
def lstm_cell(*, title: str, alt: str | None = None) -> Figure:
    """Return a diagram of one step of an LSTM: the cell runs through, four gates act on it."""
    figure, axes = _new(title, 3.6)
    plain: dict[str, Any] = {"ha": "center", "va": "center"}
    line: dict[str, Any] = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    bold = {**line, "color": COLOURS[0], "linewidth": 3, "mutation_scale": 18}
    node: dict[str, Any] = {"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": COLOURS[0]}
    gate: dict[str, Any] = {"boxstyle": "round,pad=0.4", "facecolor": COLOURS[0], "edgecolor": COLOURS[0]}
    for start, end in ((0.55, 1.78), (2.22, 3.98), (4.42, 8.0)):
        axes.annotate("", (end, 3), (start, 3), arrowprops=bold)
    axes.text(0.3, 3, "old c", ha="right", fontweight="bold", va="center")
    axes.text(8.15, 3, "new c", ha="left", fontweight="bold", va="center")
    for x, y, sign in ((2.0, 3, "×"), (4.2, 3, "+"), (4.2, 2.05, "×"), (6.8, 1.3, "×")):
        axes.text(x, y, sign, bbox=node, fontsize=13, **plain)
    for x, name, role in (
        (2.0, "f", "forget gate"),
        (3.4, "i", "input gate"),
        (5.0, "g", "new content"),
        (6.8, "o", "output gate"),
    ):
        axes.text(x, 0.45, name, bbox=gate, color="white", fontweight="bold", **plain)
        axes.text(x, -0.12, role, color=GREY, fontsize=10, **plain)
    for foot, tip in (
        ((2.0, 0.75), (2.0, 2.76)),
        ((3.4, 0.75), (4.05, 1.85)),
        ((5.0, 0.75), (4.35, 1.85)),
        ((4.2, 2.29), (4.2, 2.76)),
        ((6.8, 0.75), (6.8, 1.06)),
        ((6.8, 2.98), (6.8, 1.54)),
        ((7.02, 1.3), (8.0, 1.3)),
    ):
        axes.annotate("", tip, foot, arrowprops=line)
    axes.text(6.95, 2.2, "tanh", color=GREY, fontsize=10, va="center")
    axes.text(8.15, 1.3, "new h", ha="left", fontweight="bold", va="center")
    axes.plot([1.5, 7.3], [-0.45, -0.45], color=GREY, linewidth=1.4)
    axes.text(4.4, -0.72, "all four are computed from the word x and the old state h", color=GREY, **plain)
    axes.set(xlim=(-0.75, 9.4), ylim=(-0.95, 3.4))
    axes.axis("off")
    return _finish(
        figure,
        alt or f"{title}. The new cell is f times the old one plus i times g; the state is o times its tanh.",
    )


@_styled
def ladder_chart(
    rungs: Mapping[str, float],
    floor: float,
    *,
    pale: Collection[str] = (),
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Return models as bars of bits per character, highest first, with the floor drawn in.

    The models in `pale` stand back, for comparison. Infinity is a model that thinks some of the text
    impossible; its bar is hatched.
    """
    ordered = dict(sorted(rungs.items(), key=lambda item: -item[1]))
    finite = {name: bits for name, bits in ordered.items() if math.isfinite(bits)}
    if title is None:
        title = "No model on the ladder yet: only the floor is known"
        if finite:
            best = min(finite, key=finite.__getitem__)
            title = f"{best} pays {_fixed(finite[best] - floor, 2)} bits per character more than the floor"
            if finite[best] < floor - BY_CHANCE:
                title = f"{best} is below the floor, where no model can be: something was counted wrong"
    figure, axes = _new(title, 1.15 + 0.36 * max(len(ordered), 1))
    longest = max([*finite.values(), 1.6 * floor])
    shown = {name: min(bits, 1.04 * longest) for name, bits in ordered.items()}
    texts = [f"{bits:.2f}" if math.isfinite(bits) else "∞" for bits in ordered.values()]
    _horizontal(axes, shown, texts, [FAINT if name in pale else COLOURS[0] for name in shown])
    for patch, bits in zip(axes.patches, ordered.values(), strict=True):
        if not math.isfinite(bits):
            patch.set(facecolor="white", edgecolor=GREY, hatch="////")
    axes.axvspan(0, floor, color="#f3eadf", zorder=0)
    axes.axvline(floor, color=COLOURS[1], linewidth=2, linestyle=(0, (5, 1.5)))
    bottom = max(len(ordered), 1) - 0.4
    axes.text(floor, bottom, f" floor {floor:.2f}", color=WARM, va="top", fontweight="bold")
    axes.set(xlim=(0, 1.16 * longest), ylim=(bottom + 0.65, -0.6))
    axes.set_xlabel("bits per character on held-out text")
    told = ", ".join(f"{name} {text}" for name, text in zip(ordered, texts, strict=True)) or "no model yet"
    made = f"{title}. Bits per character: {told}. No model can go below the floor on average: {floor:.2f}."
    return _finish(figure, alt or made)


def alt_text(figure: Figure) -> str:
    """Return the alt text of a figure; empty when it has none."""
    return str(figure.get_label())


def show(figure: Figure, alt: str | None = None) -> None:
    """Display a figure as a PNG that carries its alt text; outside a notebook, print the alt text instead.

    Raises ValueError when the figure has no alt text and none is given.
    """
    alt = alt or alt_text(figure)
    if not alt:
        raise ValueError("This figure has no alt text. Pass alt=... with a sentence that says what it shows.")
    if not in_notebook():
        print(alt)
        return
    from IPython.display import display

    data, metadata = _png(figure, alt)
    display(data, metadata=metadata, raw=True)


def explore(draw: Callable[..., Figure], **choices: Sequence[Any]) -> None:
    """Display draw(...) for the first of all choices and, where a kernel runs, menus to choose others.

    The menus, one for each of `choices`, draw the figure anew in its place; four or more numbers make a
    slider, in order of size. A page made from the notebook keeps the figure shown last.
    Raises ValueError for a menu without choices.
    """
    for name, options in choices.items():
        if len(options) == 0:
            raise ValueError(f"There is nothing to choose for {name!r}. Pass at least one value.")
    figure = draw(**{name: options[0] for name, options in choices.items()})
    if not in_notebook():
        show(figure)
        return
    from IPython.display import display

    data, metadata = _png(figure, alt_text(figure))
    shown = display(data, metadata=metadata, raw=True, display_id=True)
    try:
        import ipywidgets
    except ImportError:  # the figure stands without menus
        return

    def menu_of(name: str, options: Sequence[Any]) -> Any:
        settings: dict[str, Any] = {"options": [(str(option), i) for i, option in enumerate(options)]}
        settings |= {"value": 0, "description": name.replace("_", " ")}
        if len(options) < 4 or not all(isinstance(option, int | float) for option in options):
            return ipywidgets.Dropdown(**settings)
        settings["options"].sort(key=lambda pair: options[pair[1]])
        return ipywidgets.SelectionSlider(**settings, continuous_update=False)

    menus = {name: menu_of(name, options) for name, options in choices.items()}

    def redraw(_: Any) -> None:
        chosen = draw(**{name: choices[name][menu.value] for name, menu in menus.items()})
        data, metadata = _png(chosen, alt_text(chosen))
        shown.update(data, metadata=metadata, raw=True)

    for menu in menus.values():
        menu.observe(redraw, names="value")
    hint = ipywidgets.Label("(choose while the notebook runs)")
    display(ipywidgets.HBox([*menus.values(), hint], layout=ipywidgets.Layout(flex_flow="row wrap")))


def _png(figure: Figure, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what Jupyter displays for a figure, and its metadata: the size on the page and the alt text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    png = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(png, format="png", dpi=DPI, facecolor="white")
    size = {
        "width": round(figure.get_figwidth() * DPI / 2),
        "height": round(figure.get_figheight() * DPI / 2),
    }
    return {"image/png": png.getvalue(), "text/plain": alt}, {"image/png": {"alt": alt, **size}}


def in_notebook() -> bool:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


@cache
def _figure_type() -> type[Figure]:
    from matplotlib.figure import Figure

    class CourseFigure(Figure):
        """A figure that shows itself with its alt text, and that pyplot does not show again."""

        def _ipython_display_(self) -> None:
            show(self)

        def draw(self, renderer: Any) -> None:
            with _style():  # ticks are made when they are drawn
                super().draw(renderer)

    return CourseFigure


def _new(title: str, height: float, panels: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    """Return an empty figure with its title, and its axes: an array of them for several panels."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    title_lines = _balanced(title)
    size = (WIDTH, height + 0.24 * len(title_lines))
    figure = _figure_type()(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.09))
    axes: Any = figure.subplots(rows, panels)
    figure.suptitle("\n".join(title_lines), x=0.014, ha="left", fontsize=13, fontweight="bold")
    return figure, axes


def _balanced(title: str) -> list[str]:
    """Return a title as lines of about one length, rather than a full one and an orphan."""
    fewest = len(textwrap.wrap(title, 70))
    width = next(
        (w for w in range(len(title) // max(fewest, 1), 70) if len(textwrap.wrap(title, w)) == fewest), 70
    )
    return textwrap.wrap(title, width)


def _finish(figure: Figure, alt: str) -> Figure:
    figure.set_label(alt)
    return figure


def _horizontal(
    axes: Axes, values: Mapping[str, float], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Draw horizontal bars, each with its name before and its text behind it."""
    axes.barh(range(len(values)), list(values.values()), color=colours, height=0.68)
    for place, (value, text) in enumerate(zip(values.values(), texts, strict=True)):
        axes.text(max(value, 0), place, f"  {text}", va="center")
    axes.set_yticks(range(len(values)), list(values))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)
    if values and max(values.values()) > 0:
        axes.set_xlim(min(0, *values.values()), 1.14 * max(values.values()))
    axes.spines["left"].set_color(FAINT)


def _make_logarithmic(axes: Axes, which: str, values: Sequence[float] | NDArray[Any]) -> None:
    """Make an axis logarithmic, with its numbers written out: 10, 100, 1,000."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    positive = [float(value) for value in values if 0 < value < math.inf] or [1.0, 10.0]
    wide = max(positive) / min(positive) > 60
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _name_columns(axes: Axes, names: Sequence[str], room: int) -> None:
    """Write names under columns, aslant where so many letters would run into each other."""
    aslant = (max(map(len, names), default=0) + 2) * len(names) > room
    axes.set_xticks(range(len(names)), names)
    for label in axes.get_xticklabels():
        label.set(rotation=35 if aslant else 0, ha="right" if aslant else "center", rotation_mode="anchor")
    axes.tick_params(axis="x", length=0)


def _name_ends(figure: Figure, axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Write each line's name at its right end, moved apart where lines end close to each other."""
    figure.draw_without_rendering()  # limits and scales must stand before heights can be compared
    height = axes.get_window_extent().height * 72 / figure.dpi  # points
    ordered = sorted(ends, key=lambda end: end[1])
    places = [_height(axes, y) * height for _, y, _ in ordered]
    for _ in range(100):  # push neighbours apart, a little at a time, until all have room
        for i in range(len(places) - 1):
            overlap = 14 - (places[i + 1] - places[i])
            if overlap > 0:
                places[i] -= overlap / 2
                places[i + 1] += overlap / 2
    for (name, _, colour), place in zip(ordered, places, strict=True):
        look: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
        at = (1.0, place / height)
        axes.annotate(textwrap.fill(name, 26), at, (10, 0), color=_darker(colour), fontweight="bold", **look)


def _name_points(
    figure: Figure,
    axes: Axes,
    points: Mapping[str, Sequence[float]],
    avoid: Sequence[Sequence[float]] = (),
    size: float = 10,
) -> None:
    """Write each point's name beside it: right or left, moved up or down where names would overlap."""
    figure.draw_without_rendering()  # the transformation to points on paper must stand
    scale = 72 / figure.dpi
    at = {word: axes.transData.transform(place) * scale for word, place in points.items()}
    boxes: list[tuple[float, float, float, float]] = [(x - 4, x + 4, y - 4, y + 4) for x, y in at.values()]
    for x, y in (axes.transData.transform(place) * scale for place in avoid):
        boxes.append((x - 2, x + 2, y - 2, y + 2))
    edge = axes.get_window_extent()
    left, right, bottom, top = (v * scale for v in (edge.x0, edge.x1, edge.y0, edge.y1))
    tries = [
        (side, shift)
        for shift in (0, 9, -9, 16, -16, 24, -24, 32, -32, 40, -40)
        for side in ("left", "right")
    ]
    for word, place in sorted(points.items(), key=lambda item: -at[item[0]][1]):
        x, y = at[word]
        wide, high = 0.64 * size * len(word) + 2, 1.15 * size
        best, least = tries[0], math.inf
        for side, shift in tries:
            start = x + 7 if side == "left" else x - 7 - wide
            box = (start, start + wide, y + shift - high / 2, y + shift + high / 2)
            covered = sum(
                max(0.0, min(box[1], other[1]) - max(box[0], other[0]))
                * max(0.0, min(box[3], other[3]) - max(box[2], other[2]))
                for other in boxes
            )
            outside = max(0.0, left - box[0], box[1] - right, bottom - box[2], box[3] - top)
            cost = covered + 50 * outside + 0.4 * abs(shift) + (0.1 if side == "right" else 0.0)
            if cost < least:
                best, least, kept = (side, shift), cost, box
        boxes.append(kept)
        side, shift = best
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": size}
        axes.annotate(
            word,
            (place[0], place[1]),
            (7 if side == "left" else -7, shift),
            ha=side,
            color=INK,
            **look,
        )


def _height(axes: Axes, y: float) -> float:
    """Where a value is between the lower edge of the axes, 0, and the upper one, 1."""
    if y == math.inf:
        return 1.0
    return float(axes.transAxes.inverted().transform(axes.transData.transform((axes.get_xlim()[1], y)))[1])


@cache
def _shades(both_ways: bool) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    steps = [COLOURS[1], "white", COLOURS[0]] if both_ways else ["#f3f6f8", COLOURS[0]]
    return LinearSegmentedColormap.from_list("nextword", steps)


def _is_dark(colour: Sequence[float]) -> bool:
    """Whether white is easier to read on a colour than black (relative luminance of WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.2


def _darker(colour: str) -> tuple[float, ...]:
    """The colour as text: letters are thinner than bars, and need more contrast with the page."""
    from matplotlib.colors import to_rgb

    return tuple(0.72 * part for part in to_rgb(colour))


def _of(choices: Sequence[Any], i: int) -> Any:
    return choices[i % len(choices)]


def _number(value: float) -> str:
    return _numbers([value])[0]


def _numbers(values: Sequence[float]) -> list[str]:
    """Return numbers as text, all with as many decimals as give the largest of them three digits."""
    values = [float(value) for value in values]
    sizes = [abs(value) for value in values if math.isfinite(value)]
    largest = max(sizes, default=0.0)
    if all(size == int(size) for size in sizes):
        decimals = 0
    else:
        decimals = min(max(2 - math.floor(math.log10(largest)), 0), 3 if largest >= 0.1 else 9)
    return [_fixed(value, decimals) for value in values]


def _fixed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    return f"{round(float(value), decimals) + 0.0:,.{decimals}f}"  # adding zero takes the sign from -0.0


def _told(values: Sequence[float]) -> str:
    numbers = _numbers(values)
    return ", ".join(numbers) if len(numbers) <= LONGEST_ALT else f"from {numbers[0]} to {numbers[-1]}"

"""Figures say what they show: titles, labels, alt text, in a notebook and in its HTML."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from nextword import plots
from nextword.training import History

HISTORIES = {
    "LSTM": History("", [10, 20, 30], [1.0, 2.0, 3.2], [2.0, 1.5, 1.1], [1.9, 1.4, 1.2]),
    "quick": History("", [5, 9], [1.0, 2.0], [2.1, 1.3], []),
}
FIGURES = {
    "lines": lambda **k: plots.lines(
        [1, 2, 3], {"one": [1, 2, math.inf], "two": [3, math.nan, 3.1]}, x_label="x", y_label="y", **k
    ),
    "logarithmic": lambda **k: plots.lines(
        [0.001, 0.01, 1], {"one": [1, 20, 3000]}, x_label="x", y_label="y", log_x=True, log_y=True, **k
    ),
    "points": lambda **k: plots.lines(
        [1, 2], {"": [1, 2]}, x_label="x", y_label="y", points={"here": (1, 1)}, floor=("floor", 0.5), **k
    ),
    "training": lambda **k: plots.training(HISTORIES, floor=("floor", 0.6), **k),
    "bars": lambda **k: plots.bars({"a": 0.25, "b": 0.75}, highlight="b", **k),
    "next_words": lambda **k: plots.next_words({"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.1}, top=2, **k),
    "surprise": lambda **k: plots.surprise(["a", "</s>"], [3.0, 0.0], **k),
    "stacked_bars": lambda **k: plots.stacked_bars(["a", "b"], {"x": [1, 2], "y": [3, 4]}, y_label="y", **k),
    "zipf": lambda **k: plots.zipf(Counter("aaaabbc"), **k),
    "heat_map": lambda **k: plots.heat_map([[0.1, 0.9]], ["row"], ["c1", "c2"], **k),
    "heat_maps": lambda **k: plots.heat_map({"A": [[-1.0]], "B": [[2.0]]}, ["row"], ["column"], **k),
    "attention": lambda **k: plots.attention([[1, 0], [0.25, 0.75]], ["the", "cat"], ["the", "cat"], **k),
    "heads": lambda **k: plots.attention({h: [[0.5, 0.5]] for h in "ABC"}, ["q"], ["k1", "k2"], **k),
    "ngram_windows": lambda **k: plots.ngram_windows(["the", "dog"], 3, **k),
    "context_windows": lambda **k: plots.context_windows(["the", "dog", "barks"], 1, **k),
    "word_map": lambda **k: plots.word_map({"cat": (0, 1), "dog": (0, 0.9), "sun": (5, 5)}, **k),
    "word_map of groups": lambda **k: plots.word_map(
        {"cat": (0, 1), "cats": (1, 1)},
        groups={"one": ["cat"], "many": ["cats"]},
        arrows=[("cat", "cats")],
        **k,
    ),
    "scatter": lambda **k: plots.scatter({"a": (1, 2), "b": (3, 1)}, x_label="x", y_label="y", **k),
    "intervals": lambda **k: plots.intervals(
        {"a": (0.5, 0.4, 0.6), "b": (0.7, 0.6, 0.8)}, x_label="x", line=("chance", 0.5), **k
    ),
    "unrolled": lambda **k: plots.unrolled(["</s>", "the"], ["the", "</s>"], **k),
    "unrolled fed back": lambda **k: plots.unrolled(["</s>", "the"], ["the", "cat"], fed_back=True, **k),
    "lstm_cell": lambda **k: plots.lstm_cell(**k),
    "ladder_chart": lambda **k: plots.ladder_chart({"Uniform": 2.2, "Broken": math.inf}, 0.6, **k),
}


def drawn(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def texts_of(figure) -> list[str]:
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text for text in (artist.get_text() for artist in found) if text]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_title_alt_text_and_ink(name) -> None:
    figure = FIGURES[name](title="What was found")
    assert figure.get_suptitle() == "What was found"
    alt = plots.alt_text(figure)
    assert alt.startswith("What was found. ")
    assert alt.endswith(".")
    assert "nan" not in alt
    assert drawn(figure).std() > 5
    assert plots.alt_text(FIGURES[name](title="T", alt="Mine.")) == "Mine."


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_figure_or_lies_on_another_name(name) -> None:
    figure = FIGURES[name](title="What was found")
    drawn(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for artist in figure.findobj(lambda artist: hasattr(artist, "get_text")):
        if artist.get_text() and artist.get_visible():
            box = artist.get_window_extent()
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside or not artist.axes or artist in artist.axes.get_xticklabels(), artist.get_text()


def test_alt_text_made_from_data_holds_the_data() -> None:
    assert "a: 0.250, b: 0.750" in plots.alt_text(FIGURES["bars"](title="T"))
    assert "one: 1, 2, ∞; two: 3.00, not a number, 3.10" in plots.alt_text(FIGURES["lines"](title="T"))
    assert "a: 0.500, b: 0.300, 2 other words: 0.200" in plots.alt_text(FIGURES["next_words"](title="T"))
    assert "a 3.0, </s> 0.0" in plots.alt_text(FIGURES["surprise"](title="T"))
    assert "x: 1, 2; y: 3, 4" in plots.alt_text(FIGURES["stacked_bars"](title="T"))
    assert "number 1 is a with 4" in plots.alt_text(FIGURES["zipf"](title="T"))
    assert "row to c2 0.90" in plots.alt_text(FIGURES["heat_map"](title="T"))
    assert "A: row to column -1.00; B: row to column 2.00" in plots.alt_text(FIGURES["heat_maps"](title="T"))
    assert "the at the 1.00, cat at cat 0.75" in plots.alt_text(FIGURES["attention"](title="T"))
    assert "A: q at k1 0.50; B: q at k1 0.50" in plots.alt_text(FIGURES["heads"](title="T"))
    assert "<s> <s>, then the; <s> the, then dog; the dog, then </s>" in plots.alt_text(
        FIGURES["ngram_windows"](title="T")
    )
    assert "Broken ∞, Uniform 2.20" in plots.alt_text(FIGURES["ladder_chart"]())
    long = plots.lines(range(50), {"s": range(50)}, title="T", x_label="x", y_label="y")
    assert "s: from 0 to 49" in plots.alt_text(long)


def test_training_is_drawn_against_seconds_or_steps() -> None:
    figure = plots.training(HISTORIES, title="T", against="steps")
    train, valid, quick = figure.axes[0].lines
    assert valid.get_xydata().tolist() == [[10, 1.9], [20, 1.4], [30, 1.2]]
    assert train.get_ydata().tolist() == [2.0, 1.5, 1.1]
    assert (train.get_linestyle(), valid.get_linestyle()) == ("--", "-")
    assert quick.get_xydata().tolist() == [[5, 2.1], [9, 1.3]]
    assert {"LSTM", "quick", "solid: validation text\ndashed: training text"} <= set(texts_of(figure))
    assert "LSTM on the validation text from 1.90 to 1.20 in 30 steps" in plots.alt_text(figure)
    assert "quick on the training text from 2.10 to 1.30 in 9 steps" in plots.alt_text(figure)
    by_time = plots.training(HISTORIES, title="T").axes[0].lines[1]
    assert by_time.get_xdata().tolist() == [1.0, 2.0, 3.2]


def test_names_of_lines_that_end_together_keep_apart() -> None:
    series = {f"line {i}": [1.0, 1.0 + i / 1000] for i in range(5)}
    figure = plots.lines([0, 1], series, title="T", x_label="x", y_label="y", floor=("floor", 1.0))
    drawn(figure)
    names = [t for t in figure.axes[0].texts if t.get_text().startswith("line") or t.get_text() == "floor"]
    boxes = sorted((t.get_window_extent() for t in names), key=lambda box: box.y0)
    assert len(boxes) == 6
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_whole_numbers_stay_whole_on_an_axis() -> None:
    figure = plots.lines(range(1, 21), {"s": range(20)}, title="T", x_label="x", y_label="y")
    drawn(figure)
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


def test_bars_are_as_long_as_their_values() -> None:
    figure = plots.bars({"a": 1.0, "b": 3.0}, title="T", highlight=["b"])
    a, b = figure.axes[0].patches
    assert (a.get_width(), b.get_width()) == (1.0, 3.0)
    assert a.get_facecolor() != b.get_facecolor()
    assert {"1", "3"} <= {text.strip() for text in texts_of(figure)}


def test_stacked_bars_stand_on_each_other() -> None:
    patches = FIGURES["stacked_bars"](title="T").axes[0].patches
    assert [(p.get_y(), p.get_height()) for p in patches] == [(0, 1), (0, 2), (1, 3), (2, 4)]


def test_attention_is_drawn_as_areas_and_a_mask_leaves_a_place_empty() -> None:
    figure = plots.attention([[1, 0], [0.25, 0.75]], ["a", "b"], ["c", "d"], title="T")
    boxes = [path.get_extents() for path in figure.axes[0].collections[0].get_paths()]
    centres = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
    assert np.allclose(centres, [(0, 0), (0, 1), (1, 1)])
    areas = [box.width * box.height for box in boxes]
    assert np.allclose(np.array(areas) / areas[0], [1, 0.25, 0.75])


def test_infinity_is_marked_and_hatched() -> None:
    assert "∞" in texts_of(FIGURES["lines"](title="T"))
    broken, uniform = FIGURES["ladder_chart"]().axes[0].patches[:2]
    assert broken.get_hatch()
    assert not uniform.get_hatch()
    assert uniform.get_width() == 2.2


def test_windows_are_those_of_the_model() -> None:
    figure = plots.ngram_windows(["the", "dog"], 2, title="T")
    shown = [t.get_text() for t in figure.axes[0].texts]
    assert shown[:4] == ["<s>", "the", "dog", "</s>"]
    assert len(figure.axes[0].patches) == 3 * 4
    assert "context" not in [t.get_text() for t in plots.ngram_windows(["the"], 1, title="T").axes[0].texts]


def test_counts_in_a_heat_map_have_no_decimals() -> None:
    counts = plots.heat_map([[1, 20]], ["row"], ["c1", "c2"], title="T")
    assert {"1", "20"} <= set(texts_of(counts))
    assert "row to c2 20." in plots.alt_text(counts)
    assert {"1.00", "20.00"} <= set(texts_of(plots.heat_map([[1.0, 20]], ["row"], ["c1", "c2"], title="T")))


def test_contexts_are_within_the_window_and_not_the_word_itself() -> None:
    figure = plots.context_windows(["a", "b", "c", "d"], 2, title="T")
    assert "a has b, c; b has a, c, d; c has a, b, d; d has b, c" in plots.alt_text(figure)
    tinted = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert sum(face == tinted[1] for face in tinted) == 2 + 3 + 3 + 2
    assert "its contexts" not in texts_of(plots.context_windows(["a"], 1, title="T"))


def test_words_on_a_map_keep_their_places_and_their_names_do_not_overlap() -> None:
    places = {f"word{i}": (i % 3, 0.001 * i) for i in range(6)} | {"far": (9.0, 9.0)}
    figure = plots.word_map(places, title="T")
    offsets = {tuple(place) for place in figure.axes[0].collections[0].get_offsets().tolist()}
    assert offsets == {(float(x), float(y)) for x, y in places.values()}
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == len(places)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.lines([1], {"a": [1, 2]}, title="", x_label="", y_label=""), "2 values for 1 places"),
        (lambda: plots.bars({"a": 1}, title="", highlight="b"), "no bar b"),
        (lambda: plots.training({}, title=""), "nothing to draw"),
        (lambda: plots.training({"a": History()}, title=""), "nothing to draw"),
        (lambda: plots.training(HISTORIES, title="", against="days"), "not 'days'"),
        (lambda: plots.bars({}, title=""), "at least one name with its number"),
        (lambda: plots.surprise(["a"], [], title=""), "1 tokens and 0 surprises"),
        (lambda: plots.reshaped({"a": 1}, {"b": 1}, title=""), "the same words"),
        (lambda: plots.reliability({"a": []}, title=""), "at least one bin"),
        (lambda: plots.stacked_bars(["a"], {"x": []}, title="", y_label=""), "0 values for 1 bars"),
        (lambda: plots.unrolled(["a"], [], title=""), "1 inputs and 0 outputs"),
        (lambda: plots.zipf({}, title=""), "no words to rank"),
        (lambda: plots.heat_map([[1]], ["a"], ["b", "c"], title=""), r"shape \(1, 1\)"),
        (lambda: plots.attention([[[1]]], ["a"], ["b"], title=""), r"shape \(1, 1, 1\).* one sentence"),
        (lambda: plots.explore(plots.bars, values=[]), "nothing to choose for 'values'"),
        (lambda: plots.ngram_windows([], 2, title=""), "at least one word"),
        (lambda: plots.ngram_windows(["a"], 0, title=""), "n of at least 1"),
        (lambda: plots.context_windows([], 1, title=""), "at least one word"),
        (lambda: plots.context_windows(["a"], 0, title=""), "window of at least 1"),
        (lambda: plots.word_map({}, title=""), "no place for any word"),
        (lambda: plots.word_map({"a": (0, 0)}, title="", arrows=[("a", "b")]), "no place for b"),
    ],
)
def test_data_that_cannot_be_drawn(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_readers_matplotlibrc_changes_nothing_and_is_left_alone() -> None:
    import matplotlib

    usual = drawn(FIGURES["bars"](title="T"))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "axes.spines.top": True}):
        assert (drawn(FIGURES["bars"](title="T")) == usual).all()
        assert matplotlib.rcParams["font.size"] == 30


def test_colours_can_be_told_apart_in_grey() -> None:
    from matplotlib.colors import to_rgb

    def lightness(colour: str) -> float:  # L* of CIELAB, 0 to 100
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in to_rgb(colour)]
        return 116 * float(np.dot(linear, [0.2126, 0.7152, 0.0722])) ** (1 / 3) - 16

    grey = [lightness(colour) for colour in plots.COLOURS[:4]]
    assert min(abs(a - b) for i, a in enumerate(grey) for b in grey[:i]) > 12
    looks = list(zip(plots.MARKERS, map(str, plots.DASHES), strict=True))
    assert len(set(looks)) == len(looks) == len(plots.COLOURS)


def test_outside_a_notebook_the_alt_text_is_printed(capsys) -> None:
    plots.show(FIGURES["bars"](title="T"), alt="A is small, b is large.")
    assert capsys.readouterr().out == "A is small, b is large.\n"


def test_a_figure_without_alt_text_is_not_shown() -> None:
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match="no alt text"):
        plots.show(Figure())


def test_alt_text_reaches_the_html_once_per_figure() -> None:
    cells = [
        "from nextword import plots",
        "plots.show(plots.bars({'a': 1}, title='Shown'), alt='Said by \"show\" & told.')",
        "plots.bars({'a': 1}, title='Last line of a cell')",
        "figure = plots.bars({'a': 1}, title='Only kept')",
        "import matplotlib.pyplot as plt\nplots.bars({'a': 1}, title='With pyplot about')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    counts = [len(cell.outputs) for cell in notebook.cells]
    assert counts == [0, 1, 1, 0, 1]
    output = notebook.cells[1].outputs[0]
    assert output.metadata["image/png"]["width"] == round(plots.WIDTH * plots.DPI / 2)
    assert output.data["text/plain"] == 'Said by "show" & told.'
    # nbconvert's classic template, which nbgrader's feedback extends, is the one that hands alt text on.
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    alts = [image["alt"] for image in BeautifulSoup(html, "html.parser").select("img")]
    assert alts == [
        'Said by "show" & told.',
        "Last line of a cell. Bars of probability: a: 1.",
        "With pyplot about. Bars of probability: a: 1.",
    ]


def test_explore_outside_a_notebook_shows_the_first_choice(capsys) -> None:
    plots.explore(lambda n: plots.bars({"a": n}, title=f"T{n}"), n=[1, 2])
    assert capsys.readouterr().out == "T1. Bars of probability: a: 1.\n"


def test_menus_draw_the_figure_anew_and_a_page_keeps_it() -> None:
    cells = [
        "from nextword import plots\n"
        "plots.explore(lambda n, word: plots.bars({word: n}, title='T'), n=[1, 2], word=['a', 'b'])",
        "from ipywidgets.widgets.widget import _instances\n"
        "menus = {w.description: w for w in _instances.values() if hasattr(w, 'options')}\n"
        "menus['n'].value = 1\n"
        "menus['word'].value = 1",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        figure, menus = notebook.cells[0].outputs
        assert figure.metadata["image/png"]["alt"] == "T. Bars of probability: a: 1."
        assert "application/vnd.jupyter.widget-view+json" in menus.data
        client.execute_cell(notebook.cells[1], 1)
    figure = notebook.cells[0].outputs[0]
    assert figure.metadata["image/png"]["alt"] == "T. Bars of probability: b: 2."
    assert figure.data["text/plain"] == "T. Bars of probability: b: 2."


def test_numbers_to_choose_from_make_a_slider_in_order() -> None:
    cells = [
        "from nextword import plots\n"
        "plots.explore(lambda n: plots.bars({'a': n}, title='T'), n=[3, 1, 4, 2])",
        "from ipywidgets.widgets.widget import _instances\n"
        "[slider] = [w for w in _instances.values() if hasattr(w, 'options')]\n"
        "print(type(slider).__name__, [label for label, _ in slider.options], slider.label)\n"
        "slider.index = 3",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert notebook.cells[1].outputs[0]["text"] == "SelectionSlider ['1', '2', '3', '4'] 3\n"
    assert notebook.cells[0].outputs[0].metadata["image/png"]["alt"] == "T. Bars of probability: a: 4."


def test_words_that_a_filter_cuts_are_marked() -> None:
    before = {"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.125}
    after = {"a": 2 / 3, "b": 1 / 3, "c": 0.0, "d": 0.0}
    figure = plots.reshaped(before, after, title="T", top=3)
    assert plots.alt_text(figure) == (
        "T. Probabilities of next words before and after: a 0.50 to 0.67, b 0.25 to 0.33, c 0.12 to cut, "
        "1 other words 0.12 to cut."
    )


def test_points_of_a_reliability_diagram_grow_with_their_counts() -> None:
    bins = [(0.3, 0.2, 10), (0.9, 0.6, 40)]
    figure = plots.reliability({"before": bins, "after": bins[:1]}, title="T")
    assert "before: 0.30 sure and 0.20 right, 0.90 sure and 0.60 right" in plots.alt_text(figure)
    small, large = figure.axes[0].collections[1].get_sizes()
    assert small < large and len(figure.axes) == 2


def test_residual_stream_says_what_is_read_and_added() -> None:
    pre, post = [(["norm", "attention"], [])], [(["attention"], ["norm"])]
    figure = plots.residual_stream({"pre": pre, "post": post}, start="x", end="y", title="Two orders")
    assert plots.alt_text(figure) == (
        "Two orders. From x to y. pre: norm, attention and add / post: attention and add, then norm."
    )
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert words.count("norm") == words.count("attention") == words.count("+") == 2
    with pytest.raises(ValueError, match="at least one step"):
        plots.residual_stream({"": []}, start="x", end="y", title="Nothing")


def test_heads_say_which_places_are_read() -> None:
    panels = {"one label": (["[CLS]", "fine"], {0: "positive"}), "tags": (["Anna"], {0: "person"})}
    figure = plots.heads(panels, title="Heads")
    assert plots.alt_text(figure) == "Heads. one label: [CLS] gives positive; tags: Anna gives person."


def test_intervals_stand_beside_each_other() -> None:
    series = {"a": [1.0, 2.0], "b": [1.0, 3.0]}
    spread = {name: [(value - 1, value + 1) for value in values] for name, values in series.items()}
    figure = plots.lines([4, 16], series, title="T", x_label="x", y_label="y", log_x=True, intervals=spread)
    bars = [lines.get_segments() for lines in figure.axes[0].collections]
    assert [sorted(segment[:, 1]) for segment in bars[1]] == [[0.0, 2.0], [2.0, 4.0]]
    assert bars[0][0][0, 0] < 4 < bars[1][0][0, 0]
    with pytest.raises(ValueError, match="an interval for each value"):
        plots.lines([4], {"a": [1]}, title="", x_label="", y_label="", intervals={"a": []})

"""The word vector benchmark: its score, its verdicts, and what it runs of notebook 02."""

from __future__ import annotations

import numpy as np
import pytest

from nextword.village import Village
from recipes.bench.alternating import Timing
from recipes.bench.word_vectors import Notebook, gensim_vectors, report, solved

WORDS = ["man", "woman", "king", "queen", "crowd"]
ROWS = np.array([[1.0, 0, 0], [1.0, 1, 0], [1.0, 0, 1], [1.0, 1, 1], [9.0, 4, 6]])
PAIRS = {"female": [("man", "woman"), ("king", "queen")]}


def test_score_is_the_share_of_analogies_solved() -> None:
    assert solved((WORDS, ROWS), PAIRS, 20) == 1
    assert solved((WORDS, ROWS[[0, 3, 2, 1, 4]]), PAIRS, 20) == 0  # woman and queen exchanged
    assert solved((WORDS[:3], ROWS[:3]), PAIRS, 20) == 0  # queen unknown
    assert solved((WORDS, ROWS), PAIRS | {"none": [("a", "b"), ("c", "d")]}, 20) == 0.5


def timed(ours: float, fewer: float, theirs: float) -> list[Timing]:
    names = ("ours", "ours, fewer epochs", "gensim")
    return [Timing(n, (s,), 5e6) for n, s in zip(names, (ours, fewer, theirs), strict=True)]


@pytest.mark.parametrize(
    ("seconds", "shares", "reached"),
    [
        ((4.0, 3.0, 5.0), (0.94, 0.94, 0.94), [True, True]),
        ((6.0, 5.0, 5.0), (0.94, 0.94, 0.94), [False, True]),  # slower per word, as soon there
        ((6.0, 5.0, 5.0), (0.94, 0.90, 0.94), [False, False]),
        ((4.0, 3.0, 5.0), (0.90, 0.90, 0.94), [False, False]),  # fast and bad
        ((20.0, 15.0, 25.0), (0.94, 0.94, 0.94), [False, True]),  # below 475,000 words per second
    ],
)
def test_verdicts(seconds: tuple[float, ...], shares: tuple[float, ...], reached: list[bool]) -> None:
    timings = timed(*seconds)
    told = report(timings, {t.way: share for t, share in zip(timings, shares, strict=True)}, 1_000_000)
    assert [target.reached for target in told.targets] == reached


@pytest.mark.slow
def test_notebook_is_run_up_to_its_training() -> None:
    names = Notebook().names
    assert len(names["centers"]) > 800_000 and "losses" not in names
    # its training with few steps: the function takes them as an argument
    W, _, losses = names["trained"](
        names["sgns_gradients"], names["sgns_loss"], names["skipgram_pairs"],
        names["negative_sampling_distribution"], steps=100,
    )  # fmt: skip
    assert W.shape == (len(names["words"]), 64) and losses[1] < losses[0]


def test_gensim_is_trained_with_all_words() -> None:
    pytest.importorskip("gensim", reason="gensim is what is compared with: `make bench` installs it")
    sentences = Village().sample(300, seed=4)
    words, rows = gensim_vectors(sentences, epochs=1, alpha=0.1, seed=1)
    assert set(words) == {word for sentence in sentences for word in sentence} and rows.shape[1] == 64

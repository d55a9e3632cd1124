"""Notebook 01: Kneser-Ney against an independent computation, worked examples, what the experiments show."""

from __future__ import annotations

import doctest
import itertools
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from autograder.source import read_source
from nextword import corpus

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "01_ngrams.py")
Window = tuple[str, ...]


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    names: dict[str, Any] = {}
    for cell in SOURCE.cells:
        if cell.role in ("setup", "exercise"):
            exec(cell.source, names)
    return names


# Worked examples


def certain_model(context: Window, word: str) -> float:
    return float({"<s>": "hello", "hello": "you", "you": "</s>"}[context[0]] == word)


def greeting_model(sentence: list[str]) -> float:
    return {"a cat": -math.log(8), "hi": -math.log(128)}[" ".join(sentence)]


def story_model(context: Window, word: str) -> float:
    given = {"<s>": {"the": 3 / 4}, "the": {"cat": 1 / 3}, "cat": {"sleeps": 1.0}, "sleeps": {"</s>": 2 / 3}}
    return given[context[0]][word]


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    models = {"certain_model": certain_model, "model": greeting_model, "story_model": story_model}
    failures: list[str] = []
    example = doctest.DocTestParser().get_doctest(
        solved[exercise].__doc__, {**solved, **models}, exercise, SOURCE.path, 0
    )
    assert example.examples
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=failures.append)
    assert not failures, "".join(failures)


def test_tables_of_the_story_in_the_setup_cell_are_right(solved: dict[str, Any]) -> None:
    assert solved["count_ngrams"](solved["story"], 2) == solved["story_bigrams"]
    assert solved["continuation_counts"](solved["story_bigrams"]) == solved["story_continuations"]


def test_markovs_numbers_agree_with_each_other() -> None:
    # 8,638 vowels among 20,000 letters, 1,104 of them after a vowel (Markov 1913).
    after_vowel, after_consonant = Fraction(1104, 8638), Fraction(8638 - 1104, 20_000 - 8638)
    assert round(float(after_vowel), 3) == 0.128
    assert round(float(after_consonant), 3) == 0.663
    assert round(float(after_consonant / (1 - after_vowel + after_consonant)), 3) == 0.432
    text = "\n".join(cell.source for cell in SOURCE.cells)
    assert all(number in text for number in ("0.128", "0.663", "0.432", "20,000"))


# Kneser-Ney, computed again from its definition: exact fractions, no tables, no recursion on contexts


def padded_windows(sentences: list[list[str]], n: int) -> list[Window]:
    padded = [("<s>",) * (n - 1) + tuple(sentence) + ("</s>",) for sentence in sentences]
    return [p[i : i + n] for p in padded for i in range(len(p) - n + 1)]


class BruteForce:
    """Interpolated Kneser-Ney as Chen and Goodman (1999) write it, in exact arithmetic."""

    def __init__(self, sentences: list[list[str]], n: int, size: int, discount: Fraction) -> None:
        self.n, self.size, self.discount = n, size, discount
        windows = padded_windows(sentences, n)
        self.counts: dict[int, Counter[Window]] = {n: Counter(windows)}
        for m in range(1, n):
            # N1+(. window): the different words v with (v, *window) in the text
            longer = {window[-(m + 1) :] for window in windows}
            self.counts[m] = Counter(window[1:] for window in longer)

    def probability(self, context: Window, word: str) -> Fraction:
        p = Fraction(1, self.size)
        for m in range(1, self.n + 1):
            short = context[len(context) - (m - 1) :]
            followers = [w for w in self.counts[m] if w[:-1] == short]
            total = sum(self.counts[m][w] for w in followers)
            if total:
                own = max(Fraction(self.counts[m][(*short, word)]) - self.discount, Fraction(0))
                p = own / total + self.discount * len(followers) / total * p
        return p


def kneser_ney_tables(solved: dict[str, Any], sentences: list[list[str]], n: int) -> list[dict]:
    tables = [solved["count_ngrams"](sentences, n)]
    while len(tables) < n:
        tables.insert(0, solved["continuation_counts"](tables[0]))
    return tables


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_kneser_ney_equals_brute_force(solved: dict[str, Any], n: int) -> None:
    sentences = corpus("village").train[:25]
    words = [*sorted({word for sentence in sentences for word in sentence}), "</s>", "unheard"]
    tables = kneser_ney_tables(solved, sentences, n)
    brute = BruteForce(sentences, n, len(words), Fraction(3, 4))
    contexts = [
        *sorted(tables[-1])[:: 1 + len(tables[-1]) // 8],
        ("unheard",) * (n - 1),
        tuple(words[: n - 1]),
    ]
    for context in contexts:
        for word in words[::7] + words[-2:]:
            ours = solved["kneser_ney_probability"](tables, context, word, len(words), 0.75)
            assert ours == pytest.approx(float(brute.probability(context, word)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("discount", [0.1, 0.75, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_kneser_ney_sums_to_one_for_every_context(solved: dict[str, Any], n: int, discount: float) -> None:
    sentences = corpus("village").train[:20]
    words = [*sorted({word for sentence in sentences for word in sentence}), "</s>", "unheard"]
    tables = kneser_ney_tables(solved, sentences, n)
    unseen = [("unheard",) * (n - 1), *itertools.islice(itertools.permutations(words, n - 1), 3)]
    for context in [*tables[-1], *unseen]:
        total = sum(
            solved["kneser_ney_probability"](tables, context, word, len(words), discount) for word in words
        )
        assert abs(total - 1) < 1e-9, context


def test_continuation_counts_of_continuation_counts_are_those_of_the_text(solved: dict[str, Any]) -> None:
    sentences = corpus("village").train[:300]
    n = 4
    tables = kneser_ney_tables(solved, sentences, n)
    windows = padded_windows(sentences, n)
    for m in range(1, n):
        expected = Counter(window[1:] for window in {window[-(m + 1) :] for window in windows})
        ours = {(*c, w): count for c, following in tables[m - 1].items() for w, count in following.items()}
        assert ours == expected


# What the experiments show: the prose of the notebook stands on these


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """The names after the whole solved notebook has run, experiments included."""
    names: dict[str, Any] = {}
    for cell in SOURCE.cells:
        if not cell.markdown and cell.role != "test":
            exec(cell.source, names)
    return names


@pytest.mark.slow
def test_experiments_show_what_the_notebook_says(shown: dict[str, Any]) -> None:
    curves = shown["perplexities"]
    mle_train, kn, add_k = (
        curves[name] for name in ("MLE, known text", "Kneser-Ney, new text", "add-k, new text")
    )
    assert mle_train == sorted(mle_train, reverse=True), "a longer memory looks better on training text"
    assert all(map(math.isinf, shown["on_held_out"][1:])), "maximum likelihood finds held-out text impossible"
    assert shown["new_shares"] == sorted(shown["new_shares"]), "longer windows are more often new"
    assert shown["new_shares"][0] < 0.01, "from almost 0"
    assert shown["new_shares"][-1] > 0.5, "to more than a half"
    best = {n: min(shown["try_all_k"](n)) for n in (1, 2, 3, 4)}
    assert best[2] < best[3] < best[4] < best[1], "no k makes three or four words better than two"
    assert all(kn[i] < add_k[i] for i in range(1, 5)), "Kneser-Ney beats add-k from bigrams on"
    assert min(kn) == kn[3], "Kneser-Ney gains from a longer memory, up to four words"
    assert kn[1] > kn[2] > kn[3]
    assert abs(kn[4] / kn[3] - 1) < 0.05, "and then stays level"
    assert shown["village_matrix"][0, 0] < 0.2, "a vowel seldom follows a vowel"


@pytest.mark.slow
def test_counting_cannot_reach_beyond_its_window(shown: dict[str, Any]) -> None:
    for n in (2, 3, 4):
        shares = [shown["right_choices"](shown["models"][n], n, distance) for distance in range(6)]
        assert shares[0] > 0.8
        assert all(share > 0.55 for share in shares[: n - 1])
        assert all(share == 0.5 for share in shares[n - 1 :])


@pytest.mark.slow
def test_ladder_starts_in_the_promised_order(shown: dict[str, Any]) -> None:
    bits = {rung.model: rung.bits for rung in shown["ladder"].rungs() if rung.notebook == "01"}
    kneser_ney = next(value for model, value in bits.items() if model.startswith("Kneser-Ney"))
    floor = shown["village"].source.bits_per_character_floor(shown["test"])
    assert (bits["Uniform"] - kneser_ney) / (bits["Uniform"] - floor) > 0.75, (
        "counting closes most of the distance"
    )
    assert bits["Uniform"] > bits["Unigram, add-k"] > bits["Bigram, add-k"] > kneser_ney > floor

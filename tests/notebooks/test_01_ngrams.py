"""Notebook 01: Kneser-Ney against an independent computation, worked examples, what the experiments show."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from solved import solved_names, worked_examples

from autograder.source import read_source
from nextword import corpus

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "01_ngrams.py")
Window = tuple[str, ...]


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


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
    examples, failures = worked_examples(exercise, {**solved, **models})
    assert examples
    assert not failures, failures


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

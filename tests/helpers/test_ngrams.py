"""Kneser-Ney on sorted arrays: equal to a computation from the definition, a distribution, clear errors."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from nextword import corpus
from nextword.ngrams import KneserNey, _HashTable

Window = tuple[str, ...]


class BruteForce:
    """The definition of Chen and Goodman (1999) in exact fractions: no tables of contexts, no recursion."""

    def __init__(self, sentences: list[list[str]], n: int, size: int, discount: Fraction) -> None:
        self.n, self.size, self.discount = n, size, discount
        padded = [("<s>",) * (n - 1) + tuple(sentence) + ("</s>",) for sentence in sentences]
        windows = [p[i : i + n] for p in padded for i in range(len(p) - n + 1)]
        self.counts = {n: Counter(windows)}
        for m in range(1, n):
            longer = {window[n - m - 1 :] for window in windows}
            self.counts[m] = Counter(window[1:] for window in longer)

    def probability(self, context: Window, word: str) -> Fraction:
        p = Fraction(1, self.size)
        for m in range(1, self.n + 1):
            short = context[len(context) - (m - 1) :]
            followers = {w[-1]: count for w, count in self.counts[m].items() if w[:-1] == short}
            if followers:
                total = sum(followers.values())
                own = max(Fraction(followers.get(word, 0)) - self.discount, Fraction(0))
                p = own / total + self.discount * len(followers) / total * p
        return p


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_equals_the_definition(n: int) -> None:
    sentences, new = corpus("village").train[:25], corpus("village").train[22:28]
    words = sorted({word for sentence in sentences + new for word in sentence} | {"unheard", "</s>"})
    model = KneserNey(sentences, n, words, discount=0.75)
    brute = BruteForce(sentences, n, len(words), Fraction(3, 4))
    for sentence, ours in zip(new, model.word_log_probabilities(new), strict=True):
        padded = ("<s>",) * (n - 1) + tuple(sentence) + ("</s>",)
        wanted = [
            math.log(brute.probability(padded[i : i + n - 1], padded[i + n - 1]))
            for i in range(len(sentence) + 1)
        ]
        assert ours == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("discount", [0.0, 0.4, 0.75, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_next_words_are_a_distribution_and_agree_with_the_definition(n: int, discount: float) -> None:
    sentences = corpus("village").train[:12]
    words = sorted({word for sentence in sentences for word in sentence} | {"unheard", "</s>"})
    model = KneserNey(sentences, n, words, discount)
    brute = BruteForce(sentences, n, len(words), Fraction(discount))
    for prefix in [[], ["the"], sentences[0][:3], ["unheard", "the"], ["not", "a", "word", "of", "it"]]:
        ours = model.next_word_distribution(prefix)
        context = (("<s>",) * n + tuple(prefix))[len(prefix) + 1 :]
        wanted = [float(brute.probability(context, word)) for word in model.vocabulary]
        assert ours.sum() == pytest.approx(1, abs=1e-9)
        assert ours == pytest.approx(wanted, abs=1e-9)


def test_sentences_are_charged_for_their_words_and_their_end() -> None:
    model = KneserNey([["a", "cat"], ["a", "dog"]], 2)
    rows = model.word_log_probabilities([["a", "dog"], [], ["dog"]])
    assert [len(row) for row in rows] == [3, 1, 2]
    assert model.log_probabilities([["a", "dog"], [], ["dog"]]) == pytest.approx([row.sum() for row in rows])
    # P(a) = (1 - 0.75) / 5 + 0.75 * 4 / 5 * 1 / 4 = 0.2 and P(a | <s>) = (2 - 0.75) / 2 + 0.75 / 2 * 0.2
    assert math.exp(rows[0][0]) == pytest.approx(0.7)


def test_counts_every_different_window_once() -> None:
    # <s> a, a cat, cat </s>, a dog, dog </s>
    assert KneserNey([["a", "cat"], ["a", "dog"], ["a", "dog"]], 2).n_windows == [4, 5]


def test_without_text_every_word_is_equally_likely() -> None:
    model = KneserNey([], 3, ["</s>", "yes", "no"])
    assert model.next_word_distribution(["yes"]) == pytest.approx([1 / 3] * 3)
    assert model.log_probabilities([["no"]]) == pytest.approx([2 * math.log(1 / 3)])
    assert model.word_log_probabilities([]) == []


def test_with_no_discount_what_was_never_seen_is_impossible() -> None:
    model = KneserNey([["a", "cat"]], 2, discount=0.0)
    assert model.log_probabilities([["cat", "a"]])[0] == -math.inf


def test_order_of_sentences_does_not_matter() -> None:
    village = corpus("village")
    words = village.source.vocabulary
    one = KneserNey(village.train[:200], 4, words).log_probabilities(village.valid[:50])
    other = KneserNey(village.train[199::-1], 4, words).log_probabilities(village.valid[:50])
    assert np.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("settings", [{"n": 0}, {"n": 2, "discount": 1.5}, {"n": 2, "vocabulary": ["a"]}])
def test_settings_that_make_no_model_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"Choose|Add it"):
        KneserNey([["a"]], **settings)


def test_an_unknown_word_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="no word 'wolf'"):
        KneserNey([["a", "dog"]], 2).log_probabilities([["a", "wolf"]])


def test_hash_table_finds_every_key_and_nothing_else() -> None:
    numbers = np.random.default_rng(0).permutation(3_000_000)
    crowded = numbers[np.argsort(_HashTable(numbers[:500], missing=0)._wanted(numbers), kind="stable")[-400:]]
    for keys in (numbers[:0], numbers[:1], numbers[:500], crowded):  # crowded: all ask for the last slots
        table = _HashTable(keys, missing=len(keys) + 1)
        assert table.places(keys).tolist() == list(range(len(keys)))
        others = np.setdiff1d(numbers[:50_000], keys)
        assert (table.places(others) == len(keys) + 1).all()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_contexts_and_words_of_the_ends_of_the_vocabulary_are_told_apart(n: int) -> None:
    words = ["</s>", "a", "b", "c"]  # every window that two words can make, but those of c
    sentences = [["a", "b", "b", "a", "a"], ["b", "a"]]
    model = KneserNey(sentences, n, words)
    brute = BruteForce(sentences, n, 4, Fraction(3, 4))
    for prefix in product(["a", "b", "c", "d"], repeat=3):
        context = ("<s>", *prefix)[5 - n :]
        wanted = [float(brute.probability(context, word)) for word in words]
        assert model.next_word_distribution(prefix) == pytest.approx(wanted, abs=1e-12)

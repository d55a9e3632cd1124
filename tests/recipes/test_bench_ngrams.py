"""The benchmarks of n-grams: what they compare is the same on both sides, and they say so where it is not."""

from __future__ import annotations

import importlib
import math
import sys
from typing import Any

import numpy as np
import pytest

from nextword import corpus
from nextword.ngrams import KneserNey

pytest.importorskip("nltk", reason="NLTK is not installed")

from recipes.bench import ngram_counting as counting

TEXT = corpus("village").train[:300]


@pytest.fixture(scope="module")
def scoring() -> Any:
    pytest.importorskip("kenlm", reason="KenLM is not installed")
    from recipes.bench import ngram_scoring

    return ngram_scoring


@pytest.mark.parametrize(("benchmark", "missing"), [("counting", "nltk.lm"), ("scoring", "kenlm")])
def test_a_program_that_is_missing_gets_a_remedy(
    benchmark: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, f"recipes.bench.ngram_{benchmark}", raising=False)
    with pytest.raises(SystemExit, match=r"is not installed.*make bench"):
        importlib.import_module(f"recipes.bench.ngram_{benchmark}")


@pytest.mark.parametrize("n", [2, 3, 4])
def test_nltk_counts_the_windows_that_we_count(n: int) -> None:
    counting.compare(TEXT, n)


@pytest.mark.parametrize("change", ["a window less", "a window more often"])
def test_other_counts_are_found(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = TEXT[1:] if change == "a window less" else [*TEXT, TEXT[0]]
    monkeypatch.setattr(
        counting, "KneserNey", lambda text, n, vocabulary, discount: KneserNey(other, n, vocabulary, discount)
    )
    with pytest.raises(RuntimeError, match="NLTK"):
        counting.compare(TEXT, 3)


def test_windows_end_in_a_word_or_the_end(scoring: Any) -> None:
    assert list(scoring.windows(["a"], 2)) == [("a",), ("<s>", "a"), ("</s>",), ("a", "</s>")]
    assert ("<s>", "<s>", "a") in list(scoring.windows(["a"], 3))


@pytest.mark.parametrize("n", [2, 3])
def test_nltk_agrees_once_it_has_our_windows_and_single_words(scoring: Any, n: int) -> None:
    assert scoring.compare_with_nltk(TEXT, TEXT[:3], KneserNey(TEXT, n)) < 1e-9
    with pytest.raises(RuntimeError, match="off"):
        scoring.compare_with_nltk(
            TEXT, TEXT[:3], KneserNey(TEXT[1:], n, {w for s in TEXT for w in s} | {"</s>"})
        )


def test_nltk_as_its_manual_fits_it_is_another_model(scoring: Any) -> None:
    theirs = scoring.by_nltk(scoring.fitted_by_nltk(TEXT, 3, 0.75), TEXT[:3], 3)
    ours = KneserNey(TEXT, 3).log_probabilities(TEXT[:3])
    assert np.abs(theirs - ours).max() > 1e-6 and theirs == pytest.approx(ours, rel=0.05)


def test_kenlm_reads_our_model(scoring: Any) -> None:
    model = KneserNey(TEXT, 3, corpus("village").source.vocabulary)
    new = corpus("village").valid[:50]
    theirs = scoring.by_kenlm(scoring.read_by_kenlm(model), [" ".join(sentence) for sentence in new])
    assert theirs == pytest.approx(model.log_probabilities(new), rel=1e-6)


def test_perplexity_counts_words_and_ends(scoring: Any) -> None:
    assert scoring.perplexity(np.log([1 / 8, 1 / 4]), [["a", "b"], []]) == pytest.approx(
        math.exp(math.log(32) / 4)
    )


def test_only_sentences_without_new_words_are_left(scoring: Any) -> None:
    assert scoring.seen_in([["a", "b"]], [["b"], ["b", "c"], []]) == [["b"], []]


def test_the_reports_name_every_way_and_reach_what_does_not_depend_on_time(
    scoring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SENTENCES", 60)
    monkeypatch.setattr(scoring, "FEW", 1)
    report = scoring.measure(1)
    assert [timing.label for timing in report.timings] == [
        *("ours, lines, n = 3", "KenLM, lines, n = 3", "ours, words, n = 3"),
        *("ours, lines, n = 4", "KenLM, lines, n = 4", "ours, words, n = 4", "NLTK, words, n = 3"),
    ]
    assert [timing.amount for timing in report.timings[:6]] == [report.timings[0].amount] * 6
    assert report.targets[-1].reached and "another model" in report.notes
    monkeypatch.setattr(scoring, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="our perplexity"):
        scoring.measure(1)

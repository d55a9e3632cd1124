"""Characters are counted one way everywhere, and corpora are found by name."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword import Village, corpus, metrics

words = st.text("abcé", min_size=1, max_size=4)


@given(st.lists(st.lists(words, max_size=5), max_size=5))
def test_characters_are_those_of_the_text(sentences) -> None:
    text = metrics.text_of(sentences)
    assert metrics.n_characters(sentences) == len(text)
    assert text.count("\n") == len(sentences)
    assert [line.split() for line in text.splitlines()] == sentences
    assert metrics.n_predictions(sentences) == len(text.split()) + len(sentences)


def test_a_worked_example() -> None:
    assert metrics.text_of([["the", "dog"], []]) == "the dog\n\n"
    assert metrics.n_characters([["the", "dog"], []]) == 9
    assert metrics.n_characters([]) == 0
    assert metrics.n_predictions([["the", "dog"], []]) == 4


def test_a_string_is_not_a_sentence() -> None:
    for count in (metrics.n_characters, metrics.n_predictions, metrics.text_of):
        with pytest.raises(TypeError, match="list of words"):
            count(["the dog"])


def test_village_corpus() -> None:
    village = corpus("village")
    assert corpus("village") is village
    assert (len(village.train), len(village.valid), len(village.test)) == (15_000, 1_000, 1_000)
    assert village.train[:50] == Village().sample(50, seed=1)
    assert village.train[:20] != village.valid[:20] != village.test[:20]
    assert {word for s in village.test for word in s} <= set(village.source.vocabulary)
    assert "</s>" not in {word for s in village.train for word in s}
    assert 90_000 < sum(map(len, village.train)) < 130_000
    assert "Corpus village: 15,000 sentences" in str(village)
    with pytest.raises(FrozenInstanceError):
        village.name = "other"


def test_floor_of_the_test_text() -> None:
    # The number in the prose of notebooks and README; the source's own bill, see test_village.py.
    village = corpus("village")
    floor = village.source.bits_per_character_floor(village.test)
    assert math.isclose(floor, FLOOR, abs_tol=5e-4)


FLOOR = 0.616

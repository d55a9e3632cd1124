"""Notebook 00: its worked examples, and the metric against the course's own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from solved import solved_names, worked_examples

from autograder.source import read_source
from nextword import corpus, metrics

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "00_start_here.py")


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, solved, flags=0)
    assert examples
    assert not failures, failures


def test_score_of_a_sentence_is_what_the_floor_charges(solved: dict[str, Any]) -> None:
    village = corpus("village")
    source = village.source
    assert source is not None
    index = {word: i for i, word in enumerate(source.vocabulary)}
    for sentence in village.valid[:20]:
        tokens = [*sentence, metrics.END]
        given = [float(source.next_word_distribution(sentence[:i])[index[w]]) for i, w in enumerate(tokens)]
        score = solved["score_sentence"](sentence, given)
        assert score == pytest.approx(source.bits_per_character_floor([sentence]), rel=1e-9)
        nats = -source.log_probability(sentence)
        assert score == pytest.approx(solved["bits_per_character"](nats, metrics.n_characters([sentence])))


def test_three_exercises_measure_the_same(solved: dict[str, Any]) -> None:
    perplexity: Callable[[list[float]], float] = solved["perplexity"]
    chance = random.Random(0)
    for _ in range(50):
        words = ["x" * chance.randrange(1, 9) for _ in range(chance.randrange(1, 12))]
        given = [chance.uniform(1e-6, 1.0) for _ in range(len(words) + 1)]
        nats = [-math.log(p) for p in given]
        bits = solved["bits_per_character"](sum(nats), metrics.n_characters([words]))
        assert solved["score_sentence"](words, given) == pytest.approx(bits)
        assert len(given) * math.log2(perplexity(nats)) / metrics.n_characters([words]) == pytest.approx(bits)

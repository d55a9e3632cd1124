"""Every prediction of a text is asked for once, and batches carry no more padding than they must."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nextword import metrics
from nextword.batches import IGNORED, Batches, sentence_batches, token_batches
from nextword.tokenizers import WordTokenizer

SENTENCES = [["the", "dog", "barks"], ["a"], [], ["the", "dog"]]
TOKENIZER = WordTokenizer.train(SENTENCES)


def asked(chunks) -> list[int]:
    return [int(i) for _, targets in chunks for i in targets.flatten() if i != IGNORED]


def test_rows_of_sentences() -> None:
    batches = sentence_batches(SENTENCES, TOKENIZER)
    assert batches.inputs.tolist() == [[0, 4, 3, 2], [0, 1, 0, 0], [0, 0, 0, 0], [0, 4, 3, 0]]
    n = IGNORED
    assert batches.targets.tolist() == [[4, 3, 2, 0], [1, 0, n, n], [0, n, n, n], [4, 3, 0, n]]
    assert batches.inputs.dtype == batches.targets.dtype == torch.long
    assert len(batches) == 4
    assert batches.predictions == metrics.n_predictions(SENTENCES) == 10
    assert batches.characters == metrics.n_characters(SENTENCES)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=9), st.integers(1, 5))
def test_chunks_cover_all_sentences_once_cut_to_the_longest(sentences, size) -> None:
    tokenizer = WordTokenizer(["a", "b", "c"])
    batches = sentence_batches(sentences, tokenizer)
    chunks = list(batches.chunks(size))
    rows = Counter(tuple(i for i in row if i != IGNORED) for _, targets in chunks for row in targets.tolist())
    assert rows == Counter(tuple(tokenizer.encode_sentence(sentence)) for sentence in sentences)
    for inputs, targets in chunks:
        assert inputs.shape == targets.shape
        assert len(inputs) <= size
        assert (targets[:, -1] != IGNORED).any()
        assert (inputs[:, 0] == tokenizer.end_id).all()
        kept = targets[:, :-1] != IGNORED
        assert (inputs[:, 1:][kept] == targets[:, :-1][kept]).all()
    widths = [inputs.shape[1] for inputs, _ in chunks]
    assert widths == sorted(widths)


def test_samples_follow_the_generator_and_weigh_each_prediction_the_same() -> None:
    batches = sentence_batches(SENTENCES, TOKENIZER)
    draws = [batches.sample(3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0][0].equal(draws[1][0])
    assert draws[0][1].equal(draws[1][1])
    assert not (draws[0][0].shape == draws[2][0].shape and draws[0][0].equal(draws[2][0]))
    # The weight of a prediction is one over the predictions of its batch, since losses are means.
    generator, weights = torch.Generator().manual_seed(0), Counter()
    for _ in range(4000):
        _, targets = batches.sample(1, generator)
        rows = [tuple(i for i in row if i != IGNORED) for row in targets.tolist()]
        for row in rows:
            weights[row] += len(row) / sum(map(len, rows))
    for row, weight in weights.items():
        assert abs(weight / 4000 - len(row) / batches.predictions) < 0.06


def test_without_lengths_rows_stay_whole_and_of_any_shape() -> None:
    batches = Batches(torch.arange(12).view(6, 2), torch.tensor([0, 1, 2, 3, 4, IGNORED]), characters=7)
    assert batches.predictions == 5
    assert [tuple(x.shape) for x, _ in batches.chunks(4)] == [(4, 2), (2, 2)]
    inputs, targets = batches.sample(50, torch.Generator().manual_seed(0))
    assert inputs.shape == (50, 2)
    assert set(targets.tolist()) == {0, 1, 2, 3, 4, IGNORED}
    padded = Batches(torch.zeros(2, 9).long(), torch.tensor([[1] + [IGNORED] * 8] * 2), characters=1)
    assert padded.sample(2)[0].shape == (2, 9)


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 4))
def test_a_stream_is_covered_once(n, length, size) -> None:
    ids = torch.arange(n)
    batches = token_batches(ids, length, characters=n)
    assert asked(batches.chunks(size)) == list(range(1, n))
    assert batches.predictions == n - 1
    for inputs, targets in [*batches.chunks(size), batches.sample(size)]:
        kept = targets != IGNORED
        assert (inputs[kept] == targets[kept] - 1).all()
        assert inputs.shape == targets.shape
        assert inputs.shape[1] == min(length, n - 1)


def test_crops_begin_anywhere() -> None:
    batches = token_batches(list(range(8)), 3, characters=8)
    inputs, _ = batches.sample(200, torch.Generator().manual_seed(0))
    assert set(inputs[:, 0].tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sentence_batches([], TOKENIZER), "no sentences"),
        (lambda: sentence_batches([["cat"]], TOKENIZER), "'cat' is not in the vocabulary"),
        (lambda: token_batches([1], 4, characters=1), "at least two ids"),
        (lambda: token_batches([1, 2], 0, characters=1), "length of at least 1"),
        (lambda: Batches(torch.zeros(2, 1), torch.zeros(3, 1), 1), "2 rows of inputs and 3 of targets"),
        (lambda: Batches(torch.zeros(1, 1), torch.tensor([[IGNORED]]), 1), "0 predictions"),
        (
            lambda: Batches(torch.zeros(1, 1), torch.zeros(1, 1), 1, lengths=torch.ones(2)),
            r"lengths of shape \(2,\)",
        ),
    ],
)
def test_refusals_name_the_remedy(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()

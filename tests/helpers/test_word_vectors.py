"""Skip-gram in blocks: its step beside one pair at a time, and which vectors are alike after training."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from nextword import word_vectors
from nextword.word_vectors import Embeddings, skipgram


def sentences_of_two_kinds(n: int) -> list[list[str]]:
    """'cat chases dog' in many words: four animals, four things, and what is said of either kind."""
    draw = random.Random(0)
    animals, things = ("cat", "dog", "cow", "hen"), ("cup", "jug", "pan", "pot")
    told: list[list[str]] = []
    for _ in range(n):
        told.append(
            [draw.choice(["see", "hear"]), draw.choice(animals), draw.choice(["run", "eat", "sleep"])]
        )
        told.append([draw.choice(["wash", "fill"]), draw.choice(things), draw.choice(["up", "again", "now"])])
    return told


def test_words_that_replace_each_other_have_similar_vectors() -> None:
    words, vectors = skipgram(sentences_of_two_kinds(2000), dim=16, threshold=1.0, seed=1)
    assert len(words) == 18 and vectors.shape == (18, 16) and vectors.dtype == np.float32
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    animals = [words.index(w) for w in ("cat", "dog", "cow", "hen")]
    things = [words.index(w) for w in ("cup", "jug", "pan", "pot")]
    alike = min(cosines[np.ix_(kind, kind)].min() for kind in (animals, things))
    assert alike > 0.9 and cosines[np.ix_(animals, things)].max() < 0.5


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_step_is_that_of_one_pair_after_the_other(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(word_vectors, "GROUP", 4)
    monkeypatch.setattr(word_vectors, "NOISE", 3)
    generator = torch.Generator().manual_seed(0)
    W, C = torch.randn(9, 5, generator=generator), torch.randn(9, 5, generator=generator)
    tokens = torch.tensor([3, 1, 4, 1, 5, 8, 2, 6])
    sentence = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    noise = torch.tensor([7, 1, 1, 0, 4, 2])  # three for the first four words, three for the others
    centers, contexts = Embeddings(W.clone()), Embeddings(C.clone())
    word_vectors._step(centers, contexts, tokens, sentence, noise, window, 5, 0.1)

    grad_W, grad_C = torch.zeros_like(W), torch.zeros_like(C)

    def add(w: int, c: int, wanted: float, weight: float) -> None:
        error = weight * (torch.sigmoid(W[w] @ C[c]) - wanted)
        grad_W[w] += error * C[c]
        grad_C[c] += error * W[w]

    for i, w in enumerate(tokens.tolist()):
        for j, c in enumerate(tokens.tolist()):
            if i != j and abs(i - j) <= window and sentence[i] == sentence[j]:
                add(w, c, 1.0, 1.0)
                for n in noise[:3].tolist() if i < 4 else noise[3:].tolist():
                    add(w, n, 0.0, 5 / 3)
    for vectors, gradients, found in ((W, grad_W, centers), (C, grad_C, contexts)):
        size = gradients.square().mean(dim=1, keepdim=True).sqrt()
        torch.testing.assert_close(found.vectors, vectors - 0.1 * gradients / (size + 1e-6))


def test_the_second_step_of_a_word_is_smaller() -> None:
    embeddings = Embeddings(torch.zeros(3, 4))
    rows = torch.tensor([2])
    embeddings.step(rows, torch.ones(1, 4), rate=0.1)
    embeddings.step(rows, torch.ones(1, 4), rate=0.1)
    assert embeddings.vectors[2].tolist() == pytest.approx([-0.1 - 0.1 / 2**0.5] * 4, rel=1e-4)
    assert not embeddings.vectors[:2].any()


def test_frequent_words_are_thinned_out_as_in_word2vec() -> None:
    shares = word_vectors.shares_kept(torch.tensor([900.0, 90.0, 9.0, 1.0]), threshold=0.01)
    assert shares.tolist() == pytest.approx([1 / 90 + 90**-0.5, 1 / 9 + 1 / 3, 1.0, 1.0], rel=1e-5)


def test_noise_is_drawn_by_counts_to_the_power_of_three_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[torch.Tensor] = []
    monkeypatch.setattr(word_vectors, "_step", lambda *arguments: drawn.append(arguments[4]))
    skipgram([["a"] * 10_000 + ["b"] * 625], threshold=1.0, epochs=5)  # powers 1000 and 125
    noise = torch.cat(drawn)
    assert len(noise) > 25_000 and float((noise == 1).float().mean()) == pytest.approx(1 / 9, abs=0.01)


def test_the_seed_decides() -> None:
    sentences = sentences_of_two_kinds(50)
    first, again, other = (skipgram(sentences, dim=8, epochs=1, seed=seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_words_come_most_frequent_first_whatever_their_number() -> None:
    many = [[f"w{i}", f"w{i + 1}"] for i in range(20_000)] + [["w7"]]
    words, vectors = skipgram(many, dim=4, epochs=1)
    assert words[0] == "w7" and len(set(words)) == 20_001 == len(vectors) and np.isfinite(vectors).all()


@pytest.mark.parametrize("sentences", [[["alone"]], [[], ["alone"], []], [["a", "b"]]])
def test_the_shortest_texts_have_vectors(sentences: list[list[str]]) -> None:
    words, vectors = skipgram(sentences, dim=3, epochs=40)  # in some epochs no word is kept
    assert set(words) == {w for s in sentences for w in s} and np.isfinite(vectors).all()


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no words"):
        skipgram([[], []])
    with pytest.raises(ValueError, match="not a string"):
        skipgram(["the cat"])

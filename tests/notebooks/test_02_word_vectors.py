"""Notebook 02: PPMI, Procrustes and gradients computed another way; what the experiments show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch
from solved import solved_names, worked_examples

from autograder.source import read_source
from nextword import corpus

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "02_word_vectors.py")


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, solved)
    assert examples
    assert not failures, failures


def test_story_in_numbers_is_the_story_in_words(solved: dict[str, Any]) -> None:
    words = solved["story_words"]
    assert words == sorted({word for sentence in solved["story"] for word in sentence})
    assert [[words[i] for i in sentence] for sentence in solved["story_numbers"]] == solved["story"]


# Counting


@pytest.fixture(scope="module")
def village_numbers() -> tuple[list[list[int]], int]:
    village = corpus("village")
    index = {word: i for i, word in enumerate(village.source.vocabulary)}
    return [[index[word] for word in sentence] for sentence in village.train[:2000]], len(index)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_counts_equal_products_of_shifted_one_hot_matrices(
    solved: dict[str, Any], village_numbers: tuple[list[list[int]], int], window: int
) -> None:
    sentences, size = village_numbers
    # sentences far enough apart that no window reaches the next one
    text = [word for sentence in sentences for word in [*sentence, *[-1] * window]]
    places = np.flatnonzero(np.array(text) >= 0)
    one_hot = scipy.sparse.csr_array(
        (np.ones(len(places)), (places, np.array(text)[places])), shape=(len(text), size)
    )
    near = sum(scipy.sparse.eye_array(len(text), k=k) for k in range(-window, window + 1) if k)
    expected = (one_hot.T @ near @ one_hot).toarray()
    assert (solved["cooccurrence"](sentences, window, size) == expected).all()


def test_pairs_are_the_events_that_the_matrix_counts(
    solved: dict[str, Any], village_numbers: tuple[list[list[int]], int]
) -> None:
    sentences, size = village_numbers
    counts = solved["cooccurrence"](sentences, 3, size)
    centers, contexts = solved["skipgram_pairs"](sentences, 3)
    pairs = Counter(zip(centers.tolist(), contexts.tolist(), strict=True))
    assert pairs == {
        (w, c): counts[w, c] for w, c in zip(*map(np.ndarray.tolist, np.nonzero(counts)), strict=True)
    }


def test_ppmi_equals_sparse_computation_from_logarithms(
    solved: dict[str, Any], village_numbers: tuple[list[list[int]], int]
) -> None:
    sentences, size = village_numbers
    counts = solved["cooccurrence"](sentences, 2, size)
    cells = scipy.sparse.coo_array(counts)
    log_row, log_column = (np.log(np.maximum(counts.sum(axis=axis), 1)) for axis in (1, 0))
    pmi = np.log(cells.data) + np.log(counts.sum()) - log_row[cells.coords[0]] - log_column[cells.coords[1]]
    expected = scipy.sparse.coo_array((np.maximum(pmi, 0) / np.log(2), cells.coords), shape=counts.shape)
    ours = solved["ppmi"](counts)
    np.testing.assert_allclose(ours, expected.toarray(), rtol=1e-9, atol=1e-12)
    assert ours.any()


def test_mean_of_pmi_is_scipys_mutual_information(solved: dict[str, Any]) -> None:
    # On a table without a cell below chance, PPMI weighted by P(w, c) adds up to the mutual information.
    counts = np.kron(np.eye(3, dtype=int), np.array([[2, 4], [3, 6]]))
    joint = counts / counts.sum()
    entropy = scipy.stats.entropy
    information = (
        entropy(joint.sum(0), base=2) + entropy(joint.sum(1), base=2) - entropy(joint.ravel(), base=2)
    )
    assert (joint * solved["ppmi"](counts)).sum() == pytest.approx(information)


def test_cosine_equals_scipys_distance(solved: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    A, B = generator.normal(size=(7, 5)), generator.normal(size=(4, 5))
    expected = 1 - scipy.spatial.distance.cdist(A, B, metric="cosine")
    np.testing.assert_allclose(solved["cosine_similarity"](A, B), expected, atol=1e-12)


# Skip-gram with negative sampling


@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("shape", [(3, 2, 30, 5), (50, 16, 8, 3), (2, 1, 1, 1)])
def test_loss_and_gradients_equal_autograd(
    solved: dict[str, Any], shape: tuple[int, ...], scale: float
) -> None:
    V, d, B, k = shape
    generator = np.random.default_rng(V)
    W, C = scale * generator.normal(size=(V, d)), generator.normal(size=(V, d))
    batch = generator.integers(V, size=B), generator.integers(V, size=B), generator.integers(V, size=(B, k))
    W_torch, C_torch = torch.tensor(W, requires_grad=True), torch.tensor(C, requires_grad=True)
    centers, contexts, negatives = map(torch.from_numpy, batch)
    # as a classifier with logits: 1 for the true pair, 0 for noise
    targets = torch.cat([contexts[:, None], negatives], dim=1)
    logits = torch.bmm(C_torch[targets], W_torch[centers][:, :, None]).squeeze(2)
    wanted = torch.zeros_like(logits)
    wanted[:, 0] = 1
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / B
    loss.backward()
    assert solved["sgns_loss"](W, C, *batch) == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(solved["sgns_gradients"](W, C, *batch), (W_torch, C_torch), strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


# Alignment


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("d", [1, 2, 8, 40])
def test_alignment_equals_scipys_procrustes(solved: dict[str, Any], d: int, noise: float) -> None:
    generator = np.random.default_rng(d)
    old = generator.normal(size=(5 * d, d))
    new = old @ scipy.stats.ortho_group.rvs(d, random_state=d) if d > 1 else -old
    new = new + noise * generator.normal(size=new.shape)
    R = solved["align"](old, new)
    np.testing.assert_allclose(R, scipy.linalg.orthogonal_procrustes(old, new)[0], atol=1e-9)
    # and the polar factor of the same product, which is computed another way
    np.testing.assert_allclose(R, scipy.linalg.polar(old.T @ new)[0], atol=1e-9)


def test_no_other_turn_is_better(solved: dict[str, Any]) -> None:
    generator = np.random.default_rng(1)
    old, new = generator.normal(size=(30, 4)), generator.normal(size=(30, 4))
    best = np.linalg.norm(old @ solved["align"](old, new) - new)
    others = scipy.stats.ortho_group.rvs(4, size=500, random_state=2)
    assert all(np.linalg.norm(old @ other - new) > best for other in others)

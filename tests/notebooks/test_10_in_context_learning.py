"""Notebook 10: gradients against autograd, ridge against other libraries, likelihoods against all paths."""

from __future__ import annotations

import itertools
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from solved import solved_names, worked_examples
from torch import Tensor

from autograder.source import read_source

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "10_in_context_learning.py")
DOUBLE = torch.float64


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


# Worked examples


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, solved)
    assert examples
    assert not failures, failures


# Gradient descent, and layers that take its steps


@pytest.mark.parametrize("shape", [(1, 1, 1), (20, 5, 2), (3, 8, 4)])
def test_step_is_that_of_autograd_and_sgd(solved: dict[str, Any], shape: tuple[int, int, int]) -> None:
    N, d_x, d_y = shape
    torch.manual_seed(N)
    X, Y = torch.randn(N, d_x, dtype=DOUBLE), torch.randn(N, d_y, dtype=DOUBLE)
    W = torch.nn.Parameter(torch.randn(d_y, d_x, dtype=DOUBLE))
    before = W.detach().clone()
    optimizer = torch.optim.SGD([W], lr=0.3)
    (0.5 * (X @ W.T - Y).square().sum(1).mean()).backward()
    optimizer.step()
    torch.testing.assert_close(solved["gradient_step"](before, X, Y, 0.3), W.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("eta", [0.05, 0.2])
def test_layers_are_steps_within_1e_10(solved: dict[str, Any], steps: int, eta: float) -> None:
    torch.manual_seed(steps)
    N, d_x, d_y = 12, 4, 3
    W0 = torch.randn(d_y, d_x, dtype=DOUBLE)
    X, Y = torch.randn(50, N, d_x, dtype=DOUBLE), torch.randn(50, N, d_y, dtype=DOUBLE)
    x_query = torch.randn(50, d_x, dtype=DOUBLE)
    matrices = solved["gd_construction"](W0, eta, N)
    W_Q, W_K, W_V, P = matrices
    layer = partial(solved["linear_self_attention"], W_Q=W_Q, W_K=W_K, W_V=W_V, P=P)
    tokens = solved["regression_prompt"](X, Y, x_query, W0)
    predicted = solved["stack_layers"](tokens, [layer] * steps, d_y)[-1]
    W = W0.expand(50, d_y, d_x).clone().requires_grad_()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(0.5 * (X @ W.mT - Y).square().sum() / N, W)
        W = (W - eta * slope).detach().requires_grad_()
    wanted = (W.detach() @ x_query[..., None])[..., 0]
    assert (predicted - wanted).abs().max() < 1e-10


def test_query_in_the_sum_changes_the_second_layer_only(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    X, Y = torch.randn(10, 3, dtype=DOUBLE), torch.randn(10, 1, dtype=DOUBLE)
    tokens = solved["regression_prompt"](X, Y, torch.randn(3, dtype=DOUBLE), torch.zeros(1, 3, dtype=DOUBLE))
    W_Q, W_K, W_V, P = solved["gd_construction"](torch.zeros(1, 3, dtype=DOUBLE), 0.5, 10)

    def with_query(tokens: Tensor) -> Tensor:
        return tokens + tokens @ W_Q.T @ (tokens @ W_K.T).mT @ (tokens @ W_V.T) @ P.T

    layer = partial(solved["linear_self_attention"], W_Q=W_Q, W_K=W_K, W_V=W_V, P=P)
    right = solved["stack_layers"](tokens, [layer] * 2, 1)
    wrong = solved["stack_layers"](tokens, [with_query] * 2, 1)
    torch.testing.assert_close(right[0], wrong[0])
    assert (right[1] - wrong[1]).abs().max() > 1e-3


def test_best_one_step_loss_is_the_formula_of_the_prose(solved: dict[str, Any]) -> None:
    d, N = 5, 10
    torch.manual_seed(0)
    X, w = torch.randn(200_000, N, d), torch.randn(200_000, d, 1)
    query = torch.randn(200_000, d, 1)

    def loss(eta: float) -> float:
        change = solved["gradient_step"](torch.zeros(1, d), X, X @ w, eta)
        return float(((change @ query)[:, 0, 0] - (w * query).sum((1, 2))).square().mean())

    best = N / (N + d + 1)
    assert abs(loss(best) / (d * (d + 1) / (N + d + 1)) - 1) < 0.02
    assert loss(best) < min(loss(0.85 * best), loss(1.15 * best))


# Ridge regression, beside other people's


@pytest.mark.parametrize("shape", [(30, 4, 2), (3, 6, 1), (5, 5, 3)])
def test_least_squares_is_that_of_numpy(solved: dict[str, Any], shape: tuple[int, int, int]) -> None:
    N, d_x, d_y = shape
    rng = np.random.default_rng(N)
    X, Y, query = rng.normal(size=(N, d_x)), rng.normal(size=(N, d_y)), rng.normal(size=d_x)
    want = query @ np.linalg.lstsq(X, Y, rcond=None)[0]
    got = solved["ridge_predict"](*map(torch.from_numpy, (X, Y, query)), 0.0)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("strength", [0.01, 1.0, 50.0])
def test_ridge_is_that_of_scikit_learn(solved: dict[str, Any], strength: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    X, Y, query = rng.normal(size=(9, 4)), rng.normal(size=(9, 2)), rng.normal(size=4)
    model = linear_model.Ridge(alpha=strength, fit_intercept=False).fit(X, Y)
    got = solved["ridge_predict"](*map(torch.from_numpy, (X, Y, query)), strength)
    np.testing.assert_allclose(got.numpy(), model.predict(query[None])[0], rtol=1e-7)


def test_ridge_is_the_posterior_mean_of_the_prose(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    noise, X, query = 0.5, torch.randn(4, 3, dtype=DOUBLE), torch.randn(3, dtype=DOUBLE)
    Y = torch.randn(4, 1, dtype=DOUBLE)
    covariance = X @ X.T + noise**2 * torch.eye(4, dtype=DOUBLE)  # of the answers; of them and the query: X q
    mean = (X @ query) @ torch.linalg.inv(covariance) @ Y
    torch.testing.assert_close(solved["ridge_predict"](X, Y, query, noise**2), mean)


# Hidden Markov models, beside a sum over all hidden paths


def hidden_markov_model(S: int, V: int) -> tuple[Tensor, Tensor, Tensor]:
    start, transition, emission = (
        torch.softmax(2 * torch.randn(*shape, dtype=DOUBLE), -1) for shape in [(S,), (S, S), (S, V)]
    )
    return start, transition, emission


def likelihood(text: list[int], start: Tensor, transition: Tensor, emission: Tensor) -> float:
    total = 0.0
    for path in itertools.product(range(len(start)), repeat=len(text)):
        states = [start, *(transition[state] for state in path)]
        total += math.prod(
            float(row[state] * emission[state, token])
            for row, state, token in zip(states, path, text, strict=False)
        )
    return total


@pytest.mark.parametrize("sizes", [(2, 3, 6), (3, 4, 5), (4, 2, 4)])
def test_bayes_is_the_sum_over_concepts_and_hidden_paths(
    solved: dict[str, Any], sizes: tuple[int, int, int]
) -> None:
    S, V, T = sizes
    torch.manual_seed(S)
    concepts = [hidden_markov_model(S, V) for _ in range(3)]
    prior = torch.tensor([0.2, 0.5, 0.3], dtype=DOUBLE)
    text = torch.randint(V, (T,))
    logs, nexts = zip(*(solved["forward_algorithm"](text, *concept) for concept in concepts), strict=True)
    posterior = solved["concept_posterior"](torch.stack(logs, -1), prior)
    mixed = solved["posterior_predictive"](torch.stack(logs, -1), prior, torch.stack(nexts, -2))
    for t in range(T + 1):
        read = text[:t].tolist()
        joint = [float(p) * likelihood(read, *concept) for p, concept in zip(prior, concepts, strict=True)]
        torch.testing.assert_close(posterior[t], torch.tensor(joint, dtype=DOUBLE) / sum(joint))
        following = [
            sum(
                float(p) * likelihood([*read, v], *concept)
                for p, concept in zip(prior, concepts, strict=True)
            )
            for v in range(V)
        ]
        torch.testing.assert_close(mixed[t], torch.tensor(following, dtype=DOUBLE) / sum(joint))


def test_a_text_of_five_thousand_tokens_has_a_posterior(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    concepts = [hidden_markov_model(3, 4) for _ in range(2)]
    text = torch.randint(4, (5000,))
    logs = torch.stack([solved["forward_algorithm"](text, *concept)[0][-1] for concept in concepts])
    assert logs.max() < -3000
    posterior = solved["concept_posterior"](logs, torch.tensor([0.5, 0.5], dtype=DOUBLE))
    assert abs(float(posterior.sum()) - 1) < 1e-9

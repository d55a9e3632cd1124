"""Notebook 03: losses and gradients against PyTorch, worked examples, what the experiments show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from solved import solved_names, worked_examples
from torch import nn
from torch.nn import functional as F

from autograder.source import read_source
from nextword import corpus
from nextword.village import Village

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "03_feed_forward.py")


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


def parameters_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.fixture
def batch(solved: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, nn.Module]:
    """Windows with repeated words, targets, and a model in double precision."""
    torch.manual_seed(0)
    model = solved["FeedForwardLM"](7, 3, 2, 5).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return torch.randint(7, (6, 3)), torch.randint(7, (6,)), model


# Worked examples


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    torch.manual_seed(0)
    examples, failures = worked_examples(exercise, solved)
    assert examples
    assert not failures, failures


def test_numbers_of_the_example_of_backpropagation_are_right(solved: dict[str, Any]) -> None:
    found = solved["output_gradients"](torch.tensor([[1, 2]]), torch.tensor([0]), solved["tiny"])
    text = "\n".join(cell.source for cell in SOURCE.cells if cell.markdown)
    for values in (found["c"], found["U"][0], found["W"][:, 0], found["E"][1:, 0]):
        shown = ", ".join(f"{value:.4f}".replace("-0.0000", "0.0000") for value in values.tolist())
        assert f"({shown})" in text, shown
    assert found["E"][0].item() == 0


def test_numbers_of_the_example_of_cross_entropy_are_right(solved: dict[str, Any]) -> None:
    logits = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]]).log()
    loss = float(solved["cross_entropy"](logits, torch.tensor([1, 0])))
    text = "\n".join(cell.source for cell in SOURCE.cells if cell.markdown)
    assert f"${loss:.3f}$ nats" in text


# Cross-checks against PyTorch


@pytest.mark.parametrize("scale", [1.0, 50.0, 1000.0])
@pytest.mark.parametrize("size", [1, 2, 300])
def test_softmax_and_cross_entropy_equal_those_of_pytorch(
    solved: dict[str, Any], size: int, scale: float
) -> None:
    torch.manual_seed(size)
    logits = (torch.randn(40, size, dtype=torch.float64) * scale + 100).requires_grad_()
    targets = torch.randint(size, (40,))
    ours, theirs = solved["cross_entropy"](logits, targets), F.cross_entropy(logits, targets)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    (ours_gradient,), (theirs_gradient,) = (
        torch.autograd.grad(ours, logits),
        torch.autograd.grad(theirs, logits),
    )
    torch.testing.assert_close(ours_gradient, theirs_gradient, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        solved["logit_gradients"](logits.detach(), targets), theirs_gradient, rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(solved["softmax"](logits), F.softmax(logits, dim=-1), rtol=1e-12, atol=1e-15)


def test_embedding_equals_that_of_pytorch(solved: dict[str, Any]) -> None:
    table, ids = torch.randn(50, 8), torch.randint(50, (4, 6))
    torch.testing.assert_close(solved["embed_one_hot"](ids, table), F.embedding(ids, table), rtol=0, atol=0)


def test_model_equals_one_of_ready_made_layers(solved: dict[str, Any], batch: Any) -> None:
    idx, targets, model = batch
    layers = nn.Sequential(
        nn.Embedding(7, 2), nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 7)
    ).double()
    own = parameters_of(model)
    named = {"0.weight": "E", "2.weight": "W", "2.bias": "b", "4.weight": "U", "4.bias": "c"}
    layers.load_state_dict(
        {theirs: own[ours].T if ours in "WU" else own[ours] for theirs, ours in named.items()}
    )
    logits, loss = model(idx, targets)
    torch.testing.assert_close(logits, layers(idx))
    torch.testing.assert_close(loss, F.cross_entropy(layers(idx), targets))


def test_gradients_equal_those_of_autograd(solved: dict[str, Any], batch: Any) -> None:
    idx, targets, model = batch
    model(idx, targets)[1].backward()
    found = solved["output_gradients"](idx, targets, parameters_of(model))
    assert set(found) == {"E", "W", "b", "U", "c"}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-10, atol=1e-12)


def test_gradients_equal_differences_of_the_loss(solved: dict[str, Any], batch: Any) -> None:
    idx, targets, model = batch
    parameters = parameters_of(model)
    found = solved["output_gradients"](idx, targets, parameters)

    def loss() -> float:
        model.load_state_dict(parameters)
        return float(model(idx, targets)[1].detach())

    for name, value in parameters.items():
        for place in list(np.ndindex(*value.shape))[::3]:
            before = value[place].item()
            value[place] = before + 1e-6
            above = loss()
            value[place] = before - 1e-6
            below = loss()
            value[place] = before
            assert float(found[name][place]) == pytest.approx((above - below) / 2e-6, abs=1e-8)


def test_windows_are_those_of_the_padded_sentences(solved: dict[str, Any]) -> None:
    village = corpus("village")
    ids = {word: i for i, word in enumerate(Village().vocabulary)}
    sentences = [[*(ids[word] for word in sentence), 0] for sentence in village.train[:50]]
    contexts, targets = solved["make_windows"](sentences, 4)
    assert targets.tolist() == [word for sentence in sentences for word in sentence]
    unfolded = [torch.tensor([0] * 4 + sentence).unfold(0, 5, 1) for sentence in sentences]
    assert torch.equal(torch.cat([contexts, targets[:, None]], dim=1), torch.cat(unfolded))


def test_training_steps_are_those_of_pytorch(solved: dict[str, Any], batch: Any) -> None:
    idx, targets, model = batch
    theirs = solved["FeedForwardLM"](7, 3, 2, 5).double()
    theirs.load_state_dict(model.state_dict())
    ours_optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    theirs_optimizer = torch.optim.Adam(theirs.parameters(), lr=0.1)
    for _ in range(5):
        theirs_optimizer.zero_grad()
        loss = F.cross_entropy(theirs(idx)[0], targets)
        loss.backward()
        theirs_optimizer.step()
        assert solved["train_step"](model, ours_optimizer, idx, targets) == pytest.approx(loss.item())
    torch.testing.assert_close(dict(model.state_dict()), dict(theirs.state_dict()))


# What the notebook says of the village, and what its experiments show


def test_synonyms_never_share_a_trigram() -> None:
    source = Village()
    twins = {a: b for pair in source.synonyms for a, b in (pair, pair[::-1])}
    around: dict[str, set[tuple[str, ...]]] = {word: set() for word in twins}
    for sentence in source.sample(60_000, seed=11):
        padded = ["<s>", "<s>", *sentence, "</s>"]
        for i, word in enumerate(padded):
            if word in twins:
                for start in (i - 2, i - 1, i):
                    trigram = padded[start : start + 3]
                    around[word].add(tuple("_" if w == word else w for w in trigram))
    for word, twin in twins.items():
        assert around[word], word
        assert not around[word] & around[twin], (word, twin)


def test_every_figure_is_named_once() -> None:
    titles = re.findall(
        r'title="([^"]+)"', "\n".join(cell.source for cell in SOURCE.cells if not cell.markdown)
    )
    assert len(titles) == len(set(titles)) >= 12

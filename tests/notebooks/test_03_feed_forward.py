"""Notebook 03: losses and gradients against PyTorch, worked examples, what the experiments show."""

from __future__ import annotations

import doctest
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autograder.source import read_source
from nextword import corpus
from nextword.village import Village

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "03_feed_forward.py")


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    names: dict[str, Any] = {}
    for cell in SOURCE.cells:
        if cell.role in ("setup", "exercise"):
            exec(cell.source, names)
    return names


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
    failures: list[str] = []
    example = doctest.DocTestParser().get_doctest(solved[exercise].__doc__, solved, exercise, SOURCE.path, 0)
    assert example.examples
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=failures.append)
    assert not failures, "".join(failures)


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


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """The names after the whole solved notebook has run, experiments included."""
    names: dict[str, Any] = {}
    for cell in SOURCE.cells:
        if not cell.markdown and cell.role != "test":
            exec(cell.source, names)
    return names


@pytest.mark.slow
def test_network_beats_kneser_ney_on_unseen_trigrams(shown: dict[str, Any]) -> None:
    surprise = shown["surprise_by_kind"]
    assert surprise["new: network"] < 0.8 * surprise["new: Kneser-Ney"]
    assert abs(surprise["seen: network"] / surprise["seen: Kneser-Ney"] - 1) < 0.08, "equal on what was seen"


@pytest.mark.slow
def test_network_understands_synonyms_that_never_share_a_trigram(shown: dict[str, Any]) -> None:
    seen, twins = shown["seen_trigrams"], shown["twins"]
    for sentence in shown["swapped"]:
        with_twin = [t for t in shown["trigrams_of"](sentence) if set(t) & twins.keys()]
        assert len(with_twin) == 3
        assert not set(with_twin) & seen, "every trigram with the new word is unseen"
    for name, (by_table, by_network) in shown["twin_bits"].items():
        assert (by_network < by_table).mean() > 0.95, name
        assert by_network.mean() < 0.6 * by_table.mean(), name
    as_spoken, swapped = (
        shown["in_bits"](shown["trained_network"](), shown[n]).sum() for n in ("as_spoken", "swapped")
    )
    by_table = [shown["in_bits_by_counting"](shown[n]).sum() for n in ("as_spoken", "swapped")]
    assert swapped < 1.3 * as_spoken, "the network is hardly more surprised"
    assert by_table[1] > 1.8 * by_table[0], "the table is lost"
    predicted, read = (
        shown["ranks_of_twins"](m) for m in (shown["trained_network"]().U.T, shown["trained_network"]().E)
    )
    assert predicted.count(1) >= 10, "the output vectors found the synonyms"
    assert read.count(1) >= 8, "and so did the rows of E"


@pytest.mark.slow
def test_experiments_show_what_the_notebook_says(shown: dict[str, Any]) -> None:
    sizes, networks, tables = shown["sizes"], shown["networks_by_size"], shown["counting_by_size"]
    assert abs(networks[0] - tables[0]) < 0.02, "little to choose between bigram models"
    assert all(network < table for network, table in zip(networks[1:], tables[1:], strict=True))
    assert sizes[int(np.argmin(tables))] == 3
    assert sizes[int(np.argmin(networks))] == 3
    history = shown["long_run"](shown["FeedForwardLM"])[1]
    passed = next(
        step
        for step, bits in zip(history.steps, history.valid, strict=True)
        if bits < shown["by_counting"](3)
    )
    assert passed <= 900, "within a few hundred steps"
    assert history.valid[-1] - history.train[-1] > 0.03, "a gap opens"
    assert abs(shown["untrained_loss"] - math.log(shown["V"])) < 0.05
    assert shown["story_losses"][0] == pytest.approx(math.log(8), abs=0.02)
    assert shown["story_losses"][-1] < shown["best_story_loss"] + 0.05
    sgd, adam = (np.mean(shown["first_hundred"][name][-20:]) for name in ("SGD", "Adam"))
    assert adam < sgd
    bits = shown["swapped_bits"]
    words = [*shown["swapped_sentence"], "</s>"]
    assert bits[words.index("sofa")] == max(bits)
    assert all(bits[words.index(word)] > 8 for word in ("under", "window"))


@pytest.mark.slow
def test_feed_forward_stands_below_kneser_ney_on_the_ladder(shown: dict[str, Any]) -> None:
    rung = next(rung for rung in shown["ladder"].rungs() if rung.model == "Feed-forward")
    village = shown["village"]
    kneser_ney = -shown["counting"].log_probabilities(village.test).sum() / math.log(2) / rung.characters
    assert village.source.bits_per_character_floor(village.test) < rung.bits < kneser_ney - 0.1
    assert rung.notebook == "03"


def test_every_figure_is_named_once() -> None:
    titles = re.findall(
        r'title="([^"]+)"', "\n".join(cell.source for cell in SOURCE.cells if not cell.markdown)
    )
    assert len(titles) == len(set(titles)) >= 12

"""Notebook 04: cells beside PyTorch's, gradients through time, what the experiments show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from solved import solved_names, worked_examples
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.source import read_source
from nextword import corpus, models
from nextword.batches import sentence_batches
from nextword.tokenizers import WordTokenizer

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "04_recurrent.py")


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


# Worked examples


def certain_model(idx: Tensor) -> tuple[Tensor, None]:
    logits = torch.full((*idx.shape, 4), -100.0)
    for place, word in enumerate(idx[0].tolist()):
        logits[0, place, {0: 3, 3: 1, 1: 0}[word]] = 100.0
    return logits, None


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, {**solved, "certain_model": certain_model})
    assert examples
    assert not failures, failures


# Cells beside torch's, with copied weights

SIZES = [(1, 1, 1, 1), (2, 7, 3, 5), (4, 25, 8, 8), (3, 60, 16, 24)]  # B, T, E, H


def random_cells(kind: type[nn.Module], E: int, H: int) -> Any:
    torch.manual_seed(E + 100 * H)
    cells = kind(E, H, batch_first=True)
    for parameter in cells.parameters():
        nn.init.normal_(parameter, std=0.6)
    return cells


def weights_of(cells: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return cells.weight_ih_l0.T, cells.weight_hh_l0.T, cells.bias_ih_l0, cells.bias_hh_l0


def unroll(step: Callable[..., Any], xs: Tensor, state: tuple[Tensor, ...]) -> Tensor:
    states = []
    for x in xs.unbind(1):
        new = step(x, *state)
        state = new if isinstance(new, tuple) else (new,)
        states.append(state[0])
    return torch.stack(states, dim=1)


@pytest.mark.parametrize(("B", "T", "E", "H"), SIZES)
def test_cells_equal_those_of_torch(solved: dict[str, Any], B: int, T: int, E: int, H: int) -> None:
    xs, h, c = torch.randn(B, T, E), torch.randn(B, H), torch.randn(B, H)
    with torch.no_grad():
        elman = random_cells(nn.RNN, E, H)
        W, U, b_x, b_h = weights_of(elman)
        torch.testing.assert_close(
            solved["rnn_forward"](xs, h, W, U, b_x + b_h), elman(xs, h[None])[0], atol=1e-5, rtol=0
        )
        lstm = random_cells(nn.LSTM, E, H)
        W, U, b_x, b_h = weights_of(lstm)
        ours = unroll(lambda x, h, c: solved["lstm_step"](x, h, c, W, U, b_x + b_h), xs, (h, c))
        torch.testing.assert_close(ours, lstm(xs, (h[None], c[None]))[0], atol=1e-5, rtol=0)
        gru = random_cells(nn.GRU, E, H)
        weights = weights_of(gru)
        ours = unroll(lambda x, h: solved["gru_step"](x, h, *weights), xs, (h,))
        torch.testing.assert_close(ours, gru(xs, h[None])[0], atol=1e-5, rtol=0)


def test_elman_model_and_its_gradients_through_time_equal_those_of_torch(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    ours, cells = solved["ElmanLM"](11, 4, 6), random_cells(nn.RNN, 4, 6)
    with torch.no_grad():
        for mine, theirs in zip((ours.W, ours.U), weights_of(cells)[:2], strict=True):
            mine.copy_(theirs)
        ours.b.copy_(cells.bias_ih_l0 + cells.bias_hh_l0)
    idx, targets = torch.randint(11, (3, 20)), torch.randint(11, (3, 20))
    targets[1, 12:] = -100
    embedding, weight = (
        table.detach().clone().requires_grad_() for table in (ours.embedding.weight, ours.head.weight)
    )
    their_logits = cells(F.embedding(idx, embedding))[0] @ weight.T + ours.head.bias.detach()
    their_loss = F.cross_entropy(their_logits.transpose(1, 2), targets)
    logits, loss = ours(idx, targets)
    torch.testing.assert_close(logits, their_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(loss, their_loss, atol=1e-6, rtol=0)
    loss.backward()
    their_loss.backward()
    for mine, theirs in [
        (ours.embedding.weight.grad, embedding.grad),
        (ours.W.grad.T, cells.weight_ih_l0.grad),
        (ours.U.grad.T, cells.weight_hh_l0.grad),
        (ours.b.grad, cells.bias_ih_l0.grad),
        (ours.head.weight.grad, weight.grad),
    ]:
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_inputs_and_targets_are_those_of_the_batches(solved: dict[str, Any]) -> None:
    sentences = corpus("village").train[:50]
    tokenizer = WordTokenizer.train(sentences)
    inputs, targets = solved["shift_for_teacher_forcing"](
        [tokenizer.encode_sentence(sentence)[:-1] for sentence in sentences], tokenizer.end_id
    )
    batches = sentence_batches(sentences, tokenizer)
    assert torch.equal(inputs, batches.inputs)
    assert torch.equal(targets, batches.targets)


def test_clipped_gradients_are_those_of_torch(solved: dict[str, Any]) -> None:
    for scale in (0.01, 1.0, 100.0):
        torch.manual_seed(0)
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (4,), ())]
        for parameter in parameters:
            parameter.grad = scale * torch.randn(parameter.shape)
        ours = solved["clip_gradients"]([parameter.grad.clone() for parameter in parameters], 1.0)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for mine, parameter in zip(ours, parameters, strict=True):
            torch.testing.assert_close(mine, parameter.grad, atol=1e-5, rtol=1e-5)


def test_gradient_norms_are_those_of_the_jacobian(solved: dict[str, Any]) -> None:
    torch.manual_seed(0)
    cell, xs, h = nn.GRUCell(3, 4), torch.randn(1, 6, 3), torch.randn(1, 4)
    norms = solved["gradient_norm_by_lag"](cell, xs, h)
    product = torch.ones(1, 4)
    states = [h]
    for x in xs.unbind(1):
        states.append(cell(x, states[-1]).detach())
    for lag, norm in enumerate(norms):
        torch.testing.assert_close(norm, product.norm(), atol=1e-6, rtol=1e-4)
        if lag < 6:
            t = 5 - lag
            jacobian = torch.autograd.functional.jacobian(lambda s, t=t: cell(xs[:, t], s), states[t])
            product = product @ jacobian[0, :, 0, :]


def test_generated_sentences_are_those_of_the_package(solved: dict[str, Any]) -> None:
    torch.manual_seed(3)
    model = models.Recurrent(9, "gru", 4, 8)
    for seed in range(10):
        ours = solved["generate"](model, 0, torch.Generator().manual_seed(seed), max_words=12)
        theirs = models.generate(model, [0], 12, generator=torch.Generator().manual_seed(seed), stop=0)
        assert ours == [word for word in theirs if word]

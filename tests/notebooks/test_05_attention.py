"""Notebook 05: attention against PyTorch's own, worked examples, what the experiments show."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from solved import solved_names, worked_examples
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from autograder.source import read_source

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "05_attention.py")
TEXT = "\n".join(cell.source for cell in SOURCE.cells)


SOLVED = solved_names(SOURCE)


# Worked examples


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(exercise: str) -> None:
    examples, failures = worked_examples(exercise, SOLVED)
    assert examples
    assert not failures, failures


def test_numbers_of_the_cat_sat_on_are_right() -> None:
    scores = SOLVED["states"] @ SOLVED["query"]
    assert torch.allclose(scores, torch.tensor([0.2, 0.1, 0.1, 1.0]))
    assert [f"{e:.2f}" for e in scores.exp().tolist()] == ["1.22", "1.11", "1.11", "2.72"]
    assert f"{scores.exp().sum():.2f}" == "6.15"
    assert [f"{w:.2f}" for w in scores.softmax(0).tolist()] == ["0.20", "0.18", "0.18", "0.44"]
    assert "| weight $\\alpha_i$ | 0.20 | 0.18 | 0.18 | 0.44 | 1 |" in TEXT


def test_numbers_of_the_masked_example_are_right() -> None:
    scores = torch.tensor([1.0, 2.0, 0.0])
    assert [f"{w:.2f}" for w in scores.softmax(0).tolist()] == ["0.24", "0.67", "0.09"]
    assert [f"{w:.2f}" for w in scores[[0, 2]].softmax(0).tolist()] == ["0.73", "0.27"]
    assert "| 0.24, 0.67, 0.09 | True, False, True | 0.73, 0, 0.27 |" in TEXT


def test_numbers_in_questions_are_right() -> None:
    assert round(20 * math.log2(26)) == 94
    cost = SOLVED["attention_cost"](1024, 768)
    assert (f"{cost['maps'] / 1e9:.1f}", f"{cost['attention'] / 1e9:.1f}") == ("2.4", "1.6")
    equal = SOLVED["attention_cost"](2 * 768, 768)
    assert equal["maps"] == equal["attention"]


# Attention against PyTorch's


@st.composite
def attention_inputs(draw: st.DrawFn, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """Queries, keys, values, and a mask that hides everything from some queries."""
    front = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    t_q, t_k, d, d_v = (draw(st.integers(1, 9)) for _ in range(4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    q, k, v = (
        torch.rand(*front, t, n, generator=generator, dtype=dtype) * 2 - 1
        for t, n in [(t_q, d), (t_k, d), (t_k, d_v)]
    )
    q = q * draw(st.sampled_from([0.01, 1.0, 10.0]))
    mask = torch.rand(*front, t_q, t_k, generator=generator) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    mask[..., draw(st.integers(0, t_q - 1)), :] &= draw(st.booleans())
    return q, k, v, mask


@settings(max_examples=300, deadline=None)
@given(attention_inputs())
def test_attention_equals_pytorchs(inputs: tuple[torch.Tensor, ...]) -> None:
    q, k, v, mask = inputs
    output, weights = SOLVED["scaled_dot_product_attention"](q, k, v, mask)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert output.isfinite().all()
    assert (output - theirs).abs().max() <= 1e-6
    blind = ~mask.any(-1)
    assert (output[blind] == 0).all()
    assert (weights[blind] == 0).all()
    assert torch.allclose(weights.sum(-1), (~blind).float(), atol=1e-6)
    assert (weights[~mask] == 0).all()


@settings(max_examples=60, deadline=None)
@given(attention_inputs())
def test_attention_without_a_mask_equals_pytorchs(inputs: tuple[torch.Tensor, ...]) -> None:
    q, k, v, _ = inputs
    output, _ = SOLVED["scaled_dot_product_attention"](q, k, v)
    assert (output - F.scaled_dot_product_attention(q, k, v)).abs().max() <= 1e-6


@settings(max_examples=60, deadline=None)
@given(attention_inputs(dtype=torch.float64))
def test_gradients_equal_pytorchs_and_are_finite_in_blind_rows(inputs: tuple[torch.Tensor, ...]) -> None:
    *qkv, mask = inputs
    gradients = []
    for attention in (
        lambda *a: SOLVED["scaled_dot_product_attention"](*a)[0],
        F.scaled_dot_product_attention,
    ):
        leaves = [tensor.clone().requires_grad_() for tensor in qkv]
        attention(*leaves, mask).square().sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is not None
        assert ours.isfinite().all()
        # PyTorch's gradient of a row that is masked everywhere depends on its version
        assert torch.allclose(ours, theirs.nan_to_num(0.0), atol=1e-9)


@pytest.mark.parametrize(("width", "heads"), [(8, 1), (8, 2), (12, 3), (16, 16)])
def test_heads_equal_those_of_pytorchs_module(width: int, heads: int) -> None:
    torch.manual_seed(width + heads)
    ours = SOLVED["MultiHeadAttention"](width, heads)
    theirs = nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([m.weight for m in (ours.query, ours.key, ours.value)]))
        theirs.out_proj.weight.copy_(ours.output.weight)
    x = torch.randn(4, 6, width)
    causal = SOLVED["causal_mask"](6)
    padding = SOLVED["padding_mask"](torch.tensor([6, 3, 1, 4]), 6)
    for mask, settings_ in [
        (None, {}),
        (causal, {"attn_mask": ~causal}),
        (padding, {"key_padding_mask": ~padding[:, 0]}),
        (causal & padding, {"attn_mask": ~causal, "key_padding_mask": ~padding[:, 0]}),
    ]:
        want, weights = theirs(x, x, x, average_attn_weights=False, **settings_)
        assert torch.allclose(ours(x, mask), want, atol=1e-6)
        assert torch.allclose(ours.weights, weights, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.sampled_from([(2, 1), (4, 2), (6, 3)]), st.integers(0, 2**32))
def test_future_padding_and_order(length: int, size: tuple[int, int], seed: int) -> None:
    torch.manual_seed(seed)
    attention = SOLVED["MultiHeadAttention"](*size)
    x = torch.randn(2, length, size[0])
    cut = int(torch.randint(0, length, ()))
    causal = SOLVED["causal_mask"](length)
    changed = x.clone()
    changed[:, cut + 1 :] += 1000 * torch.randn(2, length - cut - 1, size[0])
    assert torch.allclose(
        attention(changed, causal)[:, : cut + 1], attention(x, causal)[:, : cut + 1], atol=1e-6
    )
    padding = SOLVED["padding_mask"](torch.tensor([cut + 1, cut + 1]), length)
    assert torch.allclose(attention(changed, padding)[:, : cut + 1], attention(x[:, : cut + 1]), atol=1e-5)
    order = torch.randperm(length)
    assert torch.allclose(attention(x[:, order]), attention(x)[:, order], atol=1e-5)


@pytest.mark.parametrize(("length", "width", "heads"), [(10, 4, 2), (33, 24, 3), (64, 16, 1)])
def test_cost_is_what_pytorch_counts(length: int, width: int, heads: int) -> None:
    module = SOLVED["MultiHeadAttention"](width, heads)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.randn(1, length, width))
    cost = SOLVED["attention_cost"](length, width)
    assert counter.get_total_flops() == 2 * (cost["maps"] + cost["attention"])  # it counts additions, too
    assert module.weights[0, 0].numel() == cost["weights"]

"""The attention module beside a slow loop: masks, memory, rows that may look nowhere, biases, rotation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nextword.models.attention import MultiHeadAttention, linear_biases


def slowly(module: MultiHeadAttention, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
    """One query and one head at a time, with Python numbers for the weights."""
    width = x.shape[-1]
    size = width // module.n_heads
    state = module.state_dict()
    q, k, v = (
        source @ state["qkv.weight"][part * width :][:width].T + state["qkv.bias"][part * width :][:width]
        for part, source in enumerate((x, memory, memory))
    )
    out = torch.zeros(x.shape)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            for head in range(module.n_heads):
                part = slice(head * size, (head + 1) * size)
                places = [s for s in range(memory.shape[1]) if mask[b, t, s]]
                powers = [math.exp(float(q[b, t, part] @ k[b, s, part]) / math.sqrt(size)) for s in places]
                for s, power in zip(places, powers, strict=True):
                    out[b, t, part] += power / sum(powers) * v[b, s, part]
    result: Tensor = out @ state["output.weight"].T + state["output.bias"]
    return result


@pytest.mark.parametrize(
    ("B", "T", "S", "width", "n_heads"), [(1, 1, 1, 2, 1), (2, 4, 4, 6, 3), (3, 2, 5, 8, 2)]
)
def test_module_equals_a_loop_over_places_and_heads(B: int, T: int, S: int, width: int, n_heads: int) -> None:
    torch.manual_seed(B)
    module = MultiHeadAttention(width, n_heads)
    x, memory = torch.randn(B, T, width), torch.randn(B, S, width)
    mask = torch.rand(B, T, S) < 0.6
    mask[0, 0] = False
    with torch.no_grad():
        torch.testing.assert_close(module(x, memory, mask=mask), slowly(module, x, memory, mask))
        everywhere = torch.ones(B, T, S, dtype=torch.bool)
        torch.testing.assert_close(module(x, memory), slowly(module, x, memory, everywhere))
        torch.testing.assert_close(module(x), slowly(module, x, x, torch.ones(B, T, T, dtype=torch.bool)))


def test_a_place_that_may_look_nowhere_finds_zeros_and_has_finite_gradients() -> None:
    torch.manual_seed(0)
    module = MultiHeadAttention(4, 2)
    x = torch.randn(1, 3, 4, requires_grad=True)
    out = module(x, mask=torch.zeros(3, 3, dtype=torch.bool))
    torch.testing.assert_close(out, module.output.bias.expand(1, 3, 4))
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_linear_biases_fall_with_distance_at_the_slopes_of_the_paper() -> None:
    biases = linear_biases(8, 5, 5)
    torch.testing.assert_close(biases[:, 4, 3], -(0.5 ** torch.arange(1.0, 9.0)))  # 1/2, 1/4, ... 1/256
    torch.testing.assert_close(biases[0, 4], torch.tensor([-2.0, -1.5, -1.0, -0.5, 0.0]))
    torch.testing.assert_close(linear_biases(8, 1, 5)[:, 0], biases[:, 4])


def test_bias_and_rotation_reach_the_scores() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 4)
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    module = MultiHeadAttention(4, 2)
    plain = module(x, mask=causal)
    module.bias = lambda n_heads, T, S: 1e4 * linear_biases(n_heads, T, S)
    nearest = module(x, mask=causal)  # so steep that each place sees itself alone
    torch.testing.assert_close(nearest, module(x, mask=torch.eye(4, dtype=torch.bool)))
    module.bias, module.rotate = None, lambda part: 0 * part
    torch.testing.assert_close(module(x, mask=causal)[:, 0], plain[:, 0])
    assert not torch.allclose(module(x, mask=causal)[:, 3], plain[:, 3])


def test_heads_that_cannot_share_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of n_heads"):
        MultiHeadAttention(6, 4)

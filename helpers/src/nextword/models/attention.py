"""Multi-head attention as one module: the part that notebook 05 builds, for the notebooks after it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiHeadAttention(nn.Module):
    """Attention with n_heads heads over vectors of `width` numbers (Vaswani et al. 2017), computed fused.

    Parameters: `qkv` makes query, key and value, in this order, `output` mixes the heads. `rotate`, a
    function, is applied to queries and keys, (B, n_heads, T, head_dim) each; `bias`, a function of
    (n_heads, T, S), gives numbers (n_heads, T, S) that are added to the scores. ValueError when width is not
    a multiple of n_heads.
    """

    def __init__(
        self,
        width: int,
        n_heads: int,
        *,
        rotate: Callable[[Tensor], Tensor] | None = None,
        bias: Callable[[int, int, int], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if width % n_heads:
            raise ValueError(
                f"{n_heads} heads can't share {width} numbers. Choose a width that is a multiple of n_heads."
            )
        self.n_heads, self.rotate, self.bias = n_heads, rotate, bias
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Return what each place of x (B, T, width) finds, (B, T, width).

        It looks at x itself or, if given, at `memory` (B, S, width). `mask`, bool, of shape (B, T, S) or one
        that broadcasts to it, is True where a place may look; a place that may look nowhere finds zeros.
        """
        width = x.shape[-1]
        if memory is None:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:
            q = F.linear(x, self.qkv.weight[:width], self.qkv.bias[:width])
            k, v = F.linear(memory, self.qkv.weight[width:], self.qkv.bias[width:]).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (q, k, v))
        if self.rotate is not None:
            q, k = self.rotate(q), self.rotate(k)
        found = self._look(q, k, v, mask)
        out: Tensor = self.output(found.transpose(1, 2).flatten(2))
        return out

    def _look(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        scores = None if self.bias is None else self.bias(self.n_heads, q.shape[2], k.shape[2]).to(q)
        if mask is None:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=scores)
        if mask.ndim == 3:
            mask = mask.unsqueeze(1)  # for all heads the same
        somewhere = mask.any(-1, keepdim=True)
        allowed = mask | ~somewhere  # a softmax over nothing is not a number
        attn_mask = allowed if scores is None else scores.masked_fill(~allowed, -torch.inf)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return found.masked_fill(~somewhere, 0.0)


def linear_biases(n_heads: int, T: int, S: int) -> Tensor:
    """Return the score biases of ALiBi, (n_heads, T, S): -slope times the distance (Press et al. 2022).

    Head h of H, counted from 1, has the slope 2 ** (-8 h / H). The last query stands at the last key.
    """
    slopes = 2.0 ** (-8 * torch.arange(1, n_heads + 1) / n_heads)
    distance = (torch.arange(S - T, S)[:, None] - torch.arange(S)).abs()
    return -slopes[:, None, None] * distance

"""What all models return."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from nextword.batches import IGNORED


def with_loss(logits: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return logits (B, T, V) and the mean of -log p (nats) over the targets (B, T) that are not -100.

    The loss is None without targets, and not a number where none of them asks for a prediction.
    """
    if targets is None:
        return logits, None
    return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

"""Text from any model of the course."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def generate(
    model: nn.Module,
    ids: Sequence[int] | Tensor,
    n: int,
    *,
    generator: torch.Generator | None = None,
    stop: int | None = None,
) -> list[int]:
    """Return at most n token ids drawn from the model one by one, each given `ids` and those drawn before.

    With `stop`, the text ends with the first token of that id. The model is asked in evaluation mode and left
    in the mode it was in. A generator must live on the processor. Raises ValueError without ids.
    """
    place = next(model.parameters()).device
    row = torch.as_tensor(ids, dtype=torch.long).reshape(1, -1)
    if row.numel() == 0:
        raise ValueError(
            "There is nothing to go on from. Pass at least one id, for example [tokenizer.end_id]."
        )
    n_given = row.shape[1]
    was_training = model.training
    model.eval()
    try:
        for _ in range(n):
            logits, _ = model(row.to(place))
            drawn = torch.multinomial(
                logits[:, -1].float().cpu().softmax(-1), 1, generator=generator
            )  # (1, 1)
            row = torch.cat([row, drawn], dim=1)
            if int(drawn) == stop:
                break
    finally:
        model.train(was_training)
    drawn_ids: list[int] = row[0, n_given:].tolist()
    return drawn_ids

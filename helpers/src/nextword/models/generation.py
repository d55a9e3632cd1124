"""Text from any model of the course."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nextword.models.gpt import GPT, Cache


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

    A GPT keeps keys and values, and looks back as far as it has positions. With `stop`, the text ends with
    the first token of that id. The model is asked in evaluation mode and left in the mode it was in. A
    generator must live on the processor. Raises ValueError without ids.
    """
    place = next(model.parameters()).device
    row = torch.as_tensor(ids, dtype=torch.long).reshape(1, -1)
    if row.numel() == 0:
        raise ValueError("There is nothing to go on from. Pass an id at least, such as [tokenizer.end_id].")
    n_given = row.shape[1]
    was_training = model.training
    model.eval()
    try:
        cache: Cache | None = None
        for _ in range(n):
            if not isinstance(model, GPT):
                logits, _ = model(row.to(place))
            elif row.shape[1] <= model.config.n_positions:
                logits, cache = model.read(row[:, len(cache or ()) :].to(place), cache)
            else:
                logits, _ = model(row[:, -model.config.n_positions :].to(place))
            chances = logits[:, -1].float().cpu().softmax(-1)
            drawn = torch.multinomial(chances, 1, generator=generator)  # (1, 1)
            row = torch.cat([row, drawn], dim=1)
            if int(drawn) == stop:
                break
    finally:
        model.train(was_training)
    drawn_ids: list[int] = row[0, n_given:].tolist()
    return drawn_ids

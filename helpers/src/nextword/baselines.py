"""What a language model must beat before it is worth its cost: classifiers that learn from labelled texts.

Each function takes the texts and labels of the training part and the texts of the test part, and returns one
label per test text.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from nextword.training import own_randomness

if TYPE_CHECKING:
    from nextword.causal_lm import CausalLM


def most_frequent(texts: Sequence[str], labels: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the commonest label of the training part for every new text; among equals the first by name."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * len(new)


def bag_of_words(texts: Sequence[str], labels: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return what a logistic regression on TF-IDF weighted words says (scikit-learn).

    Raises ImportError where scikit-learn is missing.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped,unused-ignore]
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped,unused-ignore]
        from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ImportError(
            "A bag of words needs scikit-learn, which is not installed here. Run: pip install scikit-learn. "
            "Everything else works without it."
        ) from error
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
    return [str(label) for label in model.fit(list(texts), list(labels)).predict(list(new))]


def fine_tuned(
    model: CausalLM,
    texts: Sequence[str],
    labels: Sequence[str],
    new: Sequence[str],
    *,
    epochs: int = 3,
    batch_size: int = 16,
    learning_rate: float = 3e-4,
    seed: int = 0,
) -> list[str]:
    """Return what a copy of the model says after it, with a linear head on its last token, has been trained.

    All weights learn, with AdamW and a rate that falls to zero; the model passed in stays as it is. Texts are
    cut off on the left where they are longer than the model's context.
    """
    with own_randomness(seed):
        return _fine_tuned(model, texts, labels, new, epochs, batch_size, learning_rate)


def _fine_tuned(
    model: CausalLM,
    texts: Sequence[str],
    labels: Sequence[str],
    new: Sequence[str],
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> list[str]:
    names = sorted(set(labels))
    body = copy.deepcopy(model.model.base_model).float().train()
    head = nn.Linear(body.config.hidden_size, len(names)).to(model.model.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)
    targets = torch.tensor([names.index(label) for label in labels])
    steps = epochs * -(-len(texts) // batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)

    def scores(batch: Sequence[str]) -> torch.Tensor:
        rows = [
            torch.tensor(model.encode(text)[-(model.context or 10**9) :] or [model.tokenizer.eos_token_id])
            for text in batch
        ]
        idx = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(model.model.device)
        hidden = body(idx, attention_mask=torch.ones_like(idx)).last_hidden_state
        last = torch.tensor([len(row) - 1 for row in rows], device=idx.device)
        found: torch.Tensor = head(hidden[torch.arange(len(rows), device=idx.device), last])
        return found

    for _ in range(epochs):
        for chosen in torch.randperm(len(texts)).split(batch_size):
            loss = F.cross_entropy(
                scores([texts[i] for i in chosen.tolist()]), targets[chosen].to(head.weight.device)
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
    body.eval()
    with torch.no_grad():
        said = [
            index
            for at in range(0, len(new), 4 * batch_size)
            for index in scores(new[at : at + 4 * batch_size]).argmax(dim=1).tolist()
        ]
    return [names[index] for index in said]

"""A feed-forward language model: a fixed number of words, one hidden layer (Bengio et al. 2003)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nextword.models.interface import with_loss


class FeedForward(nn.Module):
    """Predicts each token from the `context` tokens before it; before the start of a row stand zeros.

    The hidden layer sees all positions of the window at once, so it is a convolution over time. The output
    layer is the embedding (Press and Wolf 2017), behind a layer that narrows the hidden one to its width. On
    the village, learning rates about 1e-2 learn fastest.
    """

    def __init__(
        self,
        vocab_size: int,
        context: int = 4,
        embedding_dim: int = 64,
        hidden_dim: int = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.window = nn.Conv1d(embedding_dim, hidden_dim, kernel_size=context)
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden_dim, embedding_dim)
        self.head = nn.Linear(embedding_dim, vocab_size)
        self.head.weight = self.embedding.weight
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, T, V) and the loss (nats per prediction) for idx and targets, (B, T) long."""
        past = F.pad(self.embedding(idx).transpose(1, 2), (self.context - 1, 0))  # (B, E, context - 1 + T)
        hidden = self.window(past).transpose(1, 2).tanh()  # (B, T, H)
        return with_loss(self.head(self.narrow(self.dropout(hidden))), targets)

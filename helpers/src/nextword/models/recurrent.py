"""A recurrent language model with one of three cells."""

from __future__ import annotations

from torch import Tensor, nn

from nextword.models.interface import with_loss

CELLS: dict[str, type[nn.RNN | nn.LSTM | nn.GRU]] = {
    "rnn": nn.RNN,  # Elman 1990
    "lstm": nn.LSTM,  # Hochreiter and Schmidhuber 1997
    "gru": nn.GRU,  # Cho et al. 2014
}


class Recurrent(nn.Module):
    """Reads a row from left to right, beginning with a state of zeros, and predicts from its state.

    `cell` is "rnn", "lstm" or "gru"; ValueError for another. The output layer is the embedding (Press and
    Wolf 2017), behind a layer that narrows the state to its width: with thousands of words it would else be
    most of the work. On the village, learning rates about 1.5e-2 learn fastest.
    """

    def __init__(
        self,
        vocab_size: int,
        cell: str = "lstm",
        embedding_dim: int = 64,
        hidden_dim: int = 128,
        n_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"There is no cell {cell!r}. Choose one of {', '.join(CELLS)}.")
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.cells = CELLS[cell](embedding_dim, hidden_dim, n_layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden_dim, embedding_dim)
        self.head = nn.Linear(embedding_dim, vocab_size)
        self.head.weight = self.embedding.weight
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, T, V) and the loss (nats per prediction) for idx and targets, (B, T) long."""
        states, _ = self.cells(self.dropout(self.embedding(idx)))  # (B, T, H)
        return with_loss(self.head(self.narrow(self.dropout(states))), targets)

"""Text as tensors to train on: rows of inputs and targets, and how many characters they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nextword.metrics import n_characters
from nextword.tokenizers import WordTokenizer

IGNORED = -100  # the target that is none: PyTorch's cross-entropy leaves it out
SORTED_TOGETHER = 8  # batches' worth of rows that are drawn at once, to put rows of like length together


class Batches:
    """Inputs (N, ...) and targets (N, ...), both long, that stand for a text of so many characters.

    A target of -100 asks for no prediction. Rows that are padded on the right may come with their `lengths`
    (N,): rows of like length are then put together, and each batch is cut to its longest row. Without
    lengths, nothing is cut. Raises ValueError for tensors that don't fit each other or ask for no prediction.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, characters: int, *, lengths: Tensor | None = None
    ) -> None:
        if len(inputs) != len(targets) or (lengths is not None and lengths.shape != (len(inputs),)):
            raise ValueError(
                f"There are {len(inputs)} rows of inputs and {len(targets)} of targets"
                + ("" if lengths is None else f", and lengths of shape {tuple(lengths.shape)}")
                + ". Give one of each for every row."
            )
        self.inputs, self.targets, self.lengths = inputs, targets, lengths
        self.characters = int(characters)
        self.predictions = int((targets != IGNORED).sum())
        if self.predictions == 0 or self.characters <= 0:
            raise ValueError(
                f"These batches ask for {self.predictions} predictions of {self.characters} characters. "
                "Pass at least one sentence, and the length of its text (metrics.n_characters)."
            )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.inputs)

    def sample(self, size: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return `size` rows drawn at random with replacement: inputs and targets, (size, ...) each.

        With lengths, the rows of a batch are of like length. Each prediction of the text then still counts
        the same in the long run: batches are drawn in proportion to the predictions they ask for.
        """
        if self.lengths is None:
            return self._rows(torch.randint(len(self), (size,), generator=generator))
        drawn = torch.randint(len(self), (SORTED_TOGETHER, size), generator=generator).flatten()
        groups = drawn[self.lengths[drawn].argsort(stable=True)].view(SORTED_TOGETHER, size)
        weights = self.lengths[groups].sum(1).double()
        return self._rows(groups[int(torch.multinomial(weights, 1, generator=generator))])

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all rows once, at most `size` at a time; rows with lengths come from short to long."""
        order = torch.arange(len(self)) if self.lengths is None else self.lengths.argsort(stable=True)
        for rows in order.split(size):
            yield self._rows(rows)

    def _rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        if self.lengths is None:
            return self.inputs[rows], self.targets[rows]
        longest = int(self.lengths[rows].max())
        return self.inputs[rows, :longest], self.targets[rows, :longest]


class TokenBatches(Batches):
    """A stream of tokens, ids (n,), read in windows: `chunks` cover it once, `sample` crops it anywhere.

    Made by `token_batches`.
    """

    def __init__(self, ids: Tensor, length: int, characters: int) -> None:
        self.ids, self.length = ids, min(length, len(ids) - 1)
        n_rows = -(-(len(ids) - 1) // self.length)
        padded = torch.full((n_rows * self.length + 1,), IGNORED)
        padded[: len(ids)] = ids
        inputs, targets = padded[:-1].view(n_rows, -1), padded[1:].view(n_rows, -1)
        super().__init__(inputs.masked_fill(inputs == IGNORED, int(ids[-1])), targets, characters)

    def sample(self, size: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return `size` crops of the stream, each beginning anywhere: inputs and targets, (size, length)."""
        starts = torch.randint(len(self.ids) - self.length, (size, 1), generator=generator)
        crops = self.ids[starts + torch.arange(self.length + 1)]
        return crops[:, :-1], crops[:, 1:]


def sentence_batches(sentences: Sequence[Sequence[str]], tokenizer: WordTokenizer) -> Batches:
    """Return sentences (lists of words), one per row: inputs </s> w1 .. wT, targets w1 .. wT </s>.

    Rows are padded on the right, inputs with </s>, targets with -100. Raises ValueError without sentences
    and for a word that the tokenizer doesn't know.
    """
    if not sentences:
        raise ValueError("There are no sentences. Pass at least one, for example corpus('village').train.")
    encoded = [tokenizer.encode_sentence(sentence) for sentence in sentences]
    lengths = torch.tensor([len(ids) for ids in encoded])
    inputs = torch.full((len(encoded), int(lengths.max())), tokenizer.end_id)
    targets = torch.full_like(inputs, IGNORED)
    for row, ids in enumerate(encoded):
        targets[row, : len(ids)] = torch.tensor(ids)
        inputs[row, 1 : len(ids)] = torch.tensor(ids[:-1], dtype=torch.long)
    return Batches(inputs, targets, n_characters(sentences), lengths=lengths)


def token_batches(ids: Sequence[int] | Tensor, length: int, *, characters: int) -> Batches:
    """Return a text as one stream of tokens, ids (n,), read `length` tokens at a time.

    `sample` crops it at random places; `chunks` cut it so that every token but the first is predicted once,
    each from what stands before it in its window. `characters` is the length of the text. Raises ValueError
    for fewer than two tokens or a length below one.
    """
    ids = torch.as_tensor(ids, dtype=torch.long)
    if ids.ndim != 1 or len(ids) < 2 or length < 1:
        raise ValueError(
            f"Ids of shape {tuple(ids.shape)} can't be read {length} at a time. "
            "Pass at least two ids in one row, and a length of at least 1."
        )
    return TokenBatches(ids, length, characters)

"""Interpolated Kneser-Ney models of whole sentences, counted and scored with sorted arrays.

Contexts live in a trie that grows from the nearest word outwards: a context of m words is the pair (context
of m - 1 words, word before it), one integer per position and order. A text is looked up with one binary
search per order for all of its words at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nextword.metrics import END

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LOST = -1  # the id of a context or word that was never seen


@dataclass(frozen=True)
class _Order:
    """What was counted with contexts of one length; sorted keys are looked up by binary search."""

    contexts: Integers  # keys (shorter context, word before it); the place of a key is the context's id
    windows: Integers  # keys (context, word that came next)
    counts: Floats  # of each window: how often it was seen, or in lower orders after how many words
    totals: Floats  # of each context: the sum of its counts
    types: Floats  # of each context: how many different words came next


class KneserNey:
    """A model with windows of n words: interpolated Kneser-Ney, one discount for all orders.

    sentences   lists of words without boundary symbols; each is padded with n - 1 starts and one end
    n           length of the windows, 1 or more
    vocabulary  the words that may come next, "</s>" among them; left out, those of the sentences
    discount    between 0 and 1: taken from every count, and given back through the shorter context

    Lower orders count the different words before a window, starts included (Kneser and Ney 1995; in this form
    Chen and Goodman 1999). Raises ValueError for other n and discounts, and for words not in the vocabulary.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        n: int,
        vocabulary: Iterable[str] | None = None,
        discount: float = 0.75,
    ) -> None:
        if n < 1 or not 0 <= discount <= 1:
            raise ValueError(
                f"n = {n} and discount = {discount} make no model. "
                "Choose n of 1 or more, and a discount from 0 to 1."
            )
        self.n, self.discount = n, discount
        if vocabulary is None:
            vocabulary = [END, *sorted(set(chain.from_iterable(sentences)) - {END})]
        self.vocabulary = list(dict.fromkeys(vocabulary))
        if END not in self.vocabulary:
            raise ValueError(f"The vocabulary lacks {END!r}, which every model must predict. Add it.")
        self._index = {word: i for i, word in enumerate(self.vocabulary)}
        self._orders = self._count(*self._positions(sentences))

    @property
    def n_windows(self) -> list[int]:
        """How many different windows of 1, 2, ..., n words were seen."""
        return [len(order.windows) for order in self._orders]

    def log_probabilities(self, sentences: Sequence[Sequence[str]]) -> Floats:
        """Return the log-probability (nats) of each sentence and its end, shape (sentences,)."""
        return np.array([values.sum() for values in self.word_log_probabilities(sentences)])

    def word_log_probabilities(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Return for each sentence the log-probabilities (nats) of its words and its end, shape (words + 1,).

        Raises ValueError for a word that is not in the vocabulary.
        """
        padded, places = self._positions(sentences)
        before = [padded[places - m] for m in range(1, self.n)]
        probabilities = self._probabilities(before, padded[places])
        with np.errstate(divide="ignore"):  # with a discount of 0, what was never seen is impossible
            logs = np.log(probabilities)
        return (
            np.split(logs, np.cumsum([len(sentence) + 1 for sentence in sentences])[:-1]) if sentences else []
        )

    def next_word_distribution(self, prefix: Sequence[str]) -> Floats:
        """Return P(next word | prefix), shape (V,), in the order of `vocabulary`.

        The prefix holds the words of the sentence so far, and no start symbol. A word in it that is not in
        the vocabulary is a context never seen.
        """
        start = len(self.vocabulary)
        ids = [start] * (self.n - 1) + [self._index.get(word, LOST) for word in prefix]
        before = [np.full(start, ids[-m], dtype=np.int64) for m in range(1, self.n)]
        return self._probabilities(before, np.arange(start))

    def _positions(self, sentences: Sequence[Sequence[str]]) -> tuple[Integers, Integers]:
        """Return all padded sentences as one array of ids, and the places in it that are predicted."""
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        try:
            words = np.fromiter(
                map(self._index.__getitem__, chain.from_iterable(sentences)), np.int64, int(lengths.sum())
            )
        except KeyError as missing:
            raise ValueError(
                f"The vocabulary has no word {missing.args[0]!r}. "
                "Pass vocabulary=... with all words that may come, for example those of corpus(...).source."
            ) from None
        ends = np.cumsum(lengths + self.n) - 1
        padded = np.full(int((lengths + self.n).sum()), len(self.vocabulary), dtype=np.int64)
        predicted = np.ones(len(padded), dtype=bool)
        for m in range(self.n - 1):
            predicted[ends - lengths - 1 - m] = False
        padded[ends] = self._index[END]
        inside = predicted.copy()
        inside[ends] = False
        padded[inside] = words
        return padded, np.flatnonzero(predicted)

    def _count(self, padded: Integers, places: Integers) -> list[_Order]:
        size = len(self.vocabulary)
        keys = [np.zeros(1, dtype=np.int64)]  # one empty context
        context = np.zeros(len(places), dtype=np.int64)
        for m in range(1, self.n):
            found, context = np.unique(context * (size + 1) + padded[places - m], return_inverse=True)
            keys.append(found)
        windows, counts = np.unique(context * size + padded[places], return_counts=True)
        orders: list[_Order] = []
        for contexts in reversed(keys):
            owner = windows // size
            totals = np.bincount(owner, weights=counts, minlength=len(contexts)).astype(np.float64)
            types = np.bincount(owner, minlength=len(contexts)).astype(np.float64)
            orders.append(_Order(contexts, windows, counts.astype(np.float64), totals, types))
            # without its farthest word, every different window is one more word before a shorter one
            shorter = contexts[owner] // (size + 1) * size + windows % size
            windows, counts = np.unique(shorter, return_counts=True)
        return orders[::-1]

    def _probabilities(self, before: list[Integers], words: Integers) -> Floats:
        """Return P(word | context) for many at once; `before[0]` holds the words just before."""
        size = len(self.vocabulary)
        p = np.full(len(words), 1 / size)
        context = np.zeros(len(words), dtype=np.int64)
        for m, order in enumerate(self._orders):
            if m:
                known = (context != LOST) & (before[m - 1] != LOST)
                context = np.where(known, _find(order.contexts, context * (size + 1) + before[m - 1]), LOST)
            if not len(order.windows):
                break  # a model of no text knows nothing
            known = context != LOST
            place = _find(order.windows, context[known] * size + words[known])
            count = np.where(place == LOST, 0.0, order.counts[place])
            total, types = order.totals[context[known]], order.types[context[known]]
            taken = self.discount * types / total
            p[known] = np.maximum(count - self.discount, 0) / total + taken * p[known]
        return p


def _find(keys: Integers, wanted: Integers) -> Integers:
    """Return the places of keys in a sorted array; LOST for one that is not there."""
    if not len(keys):
        return np.full(len(wanted), LOST, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, LOST)

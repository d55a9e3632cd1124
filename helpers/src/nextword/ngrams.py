"""Interpolated Kneser-Ney models of whole sentences, counted and scored with arrays, all words at once.

A window of m words is a pair: the window of its first m - 1 words, and its last word. So every window that
was seen gets a number, its place among those of its length, and one integer names the pair. The window that
ends in one word is the context of the next. So a text is scored with one look-up for each length above one,
of all its words at once, in a hash table.

What limits the speed: on 119,000 words of the village, with windows of 3 words, about half of the time goes
into the Python dictionary that turns words into numbers, one by one. The rest reads arrays in no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nextword.metrics import END

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Order:
    """The windows of one length above one, and what they add to the probabilities of a shorter length.

    keys       of each window: context * (V + 2) + last word, in rising order; shape (windows,)
    counts     of each window: how often it was seen, or in shorter lengths after how many words
    contexts   how many windows are one word shorter
    size       V, how many words the vocabulary has
    discount   taken from every count

    Two numbers follow those of the windows: one for start symbols alone, one for a window never seen. It is
    the same with contexts, which are windows too, and with words; `start` is the first of the two, a context.
    P(word | context) = gains[window] + shares[context] * P(word | shorter context).
    """

    def __init__(self, keys: Integers, counts: Integers, contexts: int, size: int, discount: float) -> None:
        self.keys, self.start, self.size = keys, contexts, size
        owners = keys // (size + 2)
        totals = np.bincount(owners, counts, minlength=contexts + 2)
        types = np.bincount(owners, minlength=contexts + 2)
        self.gains = np.append(np.maximum(counts - discount, 0) / totals[owners], [0.0, 0.0])
        self.shares = np.divide(discount * types, totals, out=np.ones(contexts + 2), where=totals > 0)
        self._table = _HashTable(keys, missing=len(keys) + 1)

    def windows(self, contexts: Integers, words: Integers) -> Integers:
        """Return the number of each context with its word; both and the result have shape (words,)."""
        return self._table.places(contexts * (self.size + 2) + words)


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
        size = len(self.vocabulary)
        (_, counts), *longer = windows = self._count(*self._flat(sentences))
        self.n_windows = [int(np.count_nonzero(counts)), *(len(keys) for keys, _ in longer)]
        total = max(int(counts.sum()), 1)
        share = discount * self.n_windows[0] / total if self.n_windows[0] else 1.0
        self.unigrams = np.maximum(counts - discount, 0) / total + share / size
        self.orders = [
            Order(keys, counts, len(shorter), size, discount)
            for (keys, counts), (shorter, _) in zip(longer, windows, strict=False)
        ]

    def log_probabilities(self, sentences: Sequence[Sequence[str]]) -> Floats:
        """Return the log-probability (nats) of each sentence and its end, shape (sentences,)."""
        logs, first = self._log_probabilities(sentences)
        return np.add.reduceat(logs, first) if len(first) else logs

    def word_log_probabilities(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Return for each sentence the log-probabilities (nats) of its words and its end, shape (words + 1,).

        Raises ValueError for a word that is not in the vocabulary.
        """
        logs, first = self._log_probabilities(sentences)
        return np.split(logs, first[1:]) if len(first) else []

    def next_word_distribution(self, prefix: Sequence[str]) -> Floats:
        """Return P(next word | prefix), shape (V,), in the order of `vocabulary`.

        The prefix holds the words of the sentence so far, and no start symbol. A word in it that is not in
        the vocabulary is a context never seen.
        """
        size = len(self.vocabulary)
        unknown = size + 1
        # the last word, still to come, is not known either
        words = np.array([*(self._index.get(word, unknown) for word in prefix), unknown])
        windows, p = words, self.unigrams.copy()
        for order in self.orders:
            contexts = _before(windows, np.zeros(1, dtype=np.int64), order.start)
            last = contexts[-1]
            p = order.gains[order.windows(last, np.arange(size))] + order.shares[last] * p
            windows = order.windows(contexts, words)
        return p

    def _flat(self, sentences: Sequence[Sequence[str]]) -> tuple[Integers, Integers]:
        """Return the numbers of all words and ends, one sentence after the other, and where each begins."""
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        ends = np.cumsum(lengths + 1) - 1
        flat = np.full(int(lengths.sum()) + len(sentences), self._index[END], dtype=np.int64)
        inside = np.ones(len(flat), dtype=bool)
        inside[ends] = False
        try:
            words = map(self._index.__getitem__, chain.from_iterable(sentences))
            flat[inside] = np.fromiter(words, np.int64, int(lengths.sum()))
        except KeyError as missing:
            raise ValueError(
                f"The vocabulary has no word {missing.args[0]!r}. "
                "Pass vocabulary=... with all words that may come, for example those of corpus(...).source."
            ) from None
        return flat, ends - lengths

    def _count(self, words: Integers, first: Integers) -> list[tuple[Integers, Integers]]:
        """Return for each length the keys of its windows, in rising order, and their counts."""
        size = len(self.vocabulary)
        keys, windows = np.arange(size, dtype=np.int64), words
        counted: list[tuple[Integers, Integers]] = []
        for _ in range(1, self.n):
            pairs = _before(windows, first, len(keys)) * (size + 2) + words
            longer, example, numbers = np.unique(pairs, return_index=True, return_inverse=True)
            # without its farthest word, every different window is one more word before a shorter one
            counted.append((keys, np.bincount(windows[example], minlength=len(keys))))
            keys, windows = longer, numbers
        return [*counted, (keys, np.bincount(windows, minlength=len(keys)))]

    def _log_probabilities(self, sentences: Sequence[Sequence[str]]) -> tuple[Floats, Integers]:
        """Return the log-probabilities of all words and ends, and where each sentence begins."""
        words, first = self._flat(sentences)
        windows, p = words, self.unigrams[words]
        for order in self.orders:
            contexts = _before(windows, first, order.start)
            windows = order.windows(contexts, words)
            p = order.gains[windows] + order.shares[contexts] * p
        with np.errstate(divide="ignore"):  # with a discount of 0, what was never seen is impossible
            return np.log(p), first


def _before(windows: Integers, first: Integers, start: int) -> Integers:
    """Return for each word the window that ends in the word before; `start` for the first of a sentence."""
    contexts = np.empty_like(windows)
    contexts[1:] = windows[:-1]
    contexts[first] = start
    return contexts


class _HashTable:
    """Places of integers in an array: multiplicative hashing, and the next free slot where one is taken.

    keys      different integers from 0, shape (keys,)
    missing   the place of an integer that is not among them

    Both are in Knuth, The Art of Computer Programming, volume 3, section 6.4.
    """

    FREE = -1

    def __init__(self, keys: Integers, missing: int) -> None:
        self._shift = np.uint64(64 - max(len(keys), 1).bit_length() - 2)  # a quarter to an eighth is taken
        wanted = self._wanted(keys)
        order = np.argsort(wanted, kind="stable")
        one_each = np.arange(len(keys), dtype=np.int64)
        # each gets the slot it wants, or the one after that of the key before it
        slots = np.maximum.accumulate(wanted[order] - one_each) + one_each
        size = (1 << (64 - int(self._shift))) + len(keys) + 1  # the last may go past the end
        self._keys = np.full(size, self.FREE, dtype=np.int64)
        self._keys[slots] = keys[order]
        self._places = np.full(size, missing, dtype=np.int64)
        self._places[slots] = order

    def places(self, keys: Integers) -> Integers:
        """Return the place of each key, shape (keys,)."""
        slots = self._wanted(keys)
        held = self._keys[slots]
        seeking = np.flatnonzero((held != keys) & (held != self.FREE))
        while len(seeking):
            slots[seeking] += 1
            held, wanted = self._keys[slots[seeking]], keys[seeking]
            seeking = seeking[(held != wanted) & (held != self.FREE)]
        return self._places[slots]

    def _wanted(self, keys: Integers) -> Integers:
        """Return the slot each key asks for: the highest bits of its product with 2^64 / golden ratio."""
        return (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> self._shift).astype(np.int64)

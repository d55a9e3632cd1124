"""The village: a language of our own making whose every probability is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from nextword.automaton import Belief, Builder, Entry, Floats
from nextword.metrics import END, n_characters
from nextword.village_grammar import sentences as village_sentences


class Village:
    """A finite-state source of English-like sentences with exact probabilities."""

    def __init__(self) -> None:
        builder = Builder(END)
        self._classes: dict[tuple[str, str], Entry] = {
            key: builder.sentence(fragment) for key, fragment in village_sentences().items()
        }
        self._automaton = builder.build()
        self._prior = np.full(len(self._classes), 1 / len(self._classes))
        self._entry = self._mixture(self._prior)
        self.vocabulary: list[str] = self._automaton.vocabulary
        self._belief = lru_cache(maxsize=4096)(self._read)

    def _mixture(self, weights: Floats) -> Entry:
        total: dict[int, float] = {}
        for weight, entry in zip(weights.tolist(), self._classes.values(), strict=True):
            for state, probability in entry:
                total[state] = total.get(state, 0.0) + weight * probability
        return tuple(sorted(total.items()))

    def sample(self, n_sentences: int, seed: int) -> list[list[str]]:
        """Return n sentences as lists of words, without boundary symbols; the same seed gives the same sentences."""
        generator = random.Random(seed)
        return [self._automaton.sample(self._entry, generator) for _ in range(n_sentences)]

    def next_word_distribution(self, prefix: Sequence[str]) -> Floats:
        """Return P(next word | prefix), shape (V,) float64, in the order of `vocabulary`."""
        return self._automaton.next_words(self._belief(tuple(prefix)))

    def _read(self, prefix: tuple[str, ...]) -> Belief:
        if not prefix:
            return self._automaton.begin([self._entry])
        index = self._automaton.index.get(prefix[-1], -1)
        belief = self._automaton.read(self._belief(prefix[:-1]), np.array([0]), np.array([index]))
        if not len(belief.states):
            raise ValueError(f"No sentence of the village begins with {' '.join(prefix)!r}.")
        return belief

    def log_probability(self, sentence: Sequence[str]) -> float:
        """Return the log-probability (nats) of the sentence and its end."""
        return float(self._automaton.log_probabilities(self._entry, [sentence])[0].sum())

    def bits_per_character_floor(self, sentences: Sequence[Sequence[str]]) -> float:
        """Return the bits per character that the source itself pays for the sentences."""
        nats = -sum(float(v.sum()) for v in self._automaton.log_probabilities(self._entry, sentences))
        return nats / float(np.log(2)) / n_characters(sentences)

"""The village: an English-like language whose every probability is known.

What counts as one text is the sentence. A sentence is drawn in four steps: a topic and a mood (kept for a whole story of
four to eight sentences), a tone that the mood makes likely, and then a path through a finite-state source. So sentences
of a story hang together, but each by itself has an exact probability, the sum over everything that is hidden, and that
is what the floor charges: it is the lowest bill, on average, for any model that reads one sentence at a time. A model
that reads on through a story can go lower, since it has seen the topic; `next_word_distribution` goes on with it when the
prefix holds sentence ends, and `story_bits_per_character_floor` is the floor of such models.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nextword import village_grammar, village_words
from nextword.automaton import Automaton, Belief, Builder, Entry, Floats
from nextword.metrics import END, n_characters

Sentence = list[str]
Story = list[Sentence]

# Mood of a story: how often it is met, and the tones of its sentences (neutral, positive, negative).
MOODS: dict[str, tuple[float, tuple[float, float, float]]] = {
    "calm": (0.4, (0.96, 0.02, 0.02)),
    "bright": (0.3, (0.70, 0.28, 0.02)),
    "dark": (0.3, (0.70, 0.02, 0.28)),
}
STORY_LENGTHS = (4, 5, 6, 7, 8)  # sentences, equally likely
CACHED_PREFIXES = 20_000


@dataclass(frozen=True)
class Agreement:
    """A place where a word must agree with one far before it: after `prefix` comes `right`, and never `wrong`."""

    prefix: Sentence
    right: str
    wrong: str
    distance: int  # words between the two that agree


class Village:
    """The source of the village's sentences in one era, "new" (the default) or "old"."""

    def __init__(self, era: str = "new") -> None:
        if era not in village_grammar.ERAS:
            raise ValueError(f"The village has no era {era!r}. Choose one of {', '.join(village_grammar.ERAS)}.")
        self.era = era
        builder = Builder(END)
        parts = {key: builder.sentence(f) for key, f in village_grammar.grammar(era).items()}
        self._automaton: Automaton = builder.build()
        self._kinds: dict[tuple[str, str], Entry] = {}  # (topic, mood) of a story
        prior = []
        for topic in village_words.TOPICS:
            for mood, (share, tones) in MOODS.items():
                self._kinds[topic, mood] = _mixture(
                    (weight, parts[topic, tone]) for weight, tone in zip(tones, village_grammar.TONES, strict=True)
                )
                prior.append(share / len(village_words.TOPICS))
        self._prior = np.array(prior)
        self._parts = parts
        self._entry = _mixture(zip(self._prior.tolist(), self._kinds.values(), strict=True))
        self._beliefs: dict[tuple[str, ...], Belief] = {}

    @property
    def vocabulary(self) -> list[str]:
        """The V words: the end symbol "</s>" first, then the words in alphabetical order; the same in both eras."""
        return self._automaton.vocabulary

    def sample(self, n_sentences: int, seed: int) -> list[Sentence]:
        """Return n sentences as lists of words, without boundary symbols, story after story; the seed decides."""
        sentences: list[Sentence] = []
        generator = random.Random(seed)
        while len(sentences) < n_sentences:
            sentences += self._story(generator)
        return sentences[:n_sentences]

    def _story(self, generator: random.Random) -> Story:
        kind = generator.choices(list(self._kinds.values()), self._prior.tolist())[0]
        return [self._automaton.sample(kind, generator) for _ in range(generator.choice(STORY_LENGTHS))]

    def next_word_distribution(self, prefix: Sequence[str]) -> Floats:
        """Return P(next word | prefix), shape (V,) float64, in the order of `vocabulary`."""
        return self._automaton.next_words(self._belief(tuple(prefix)))

    def _belief(self, prefix: tuple[str, ...]) -> Belief:
        if prefix in self._beliefs:
            return self._beliefs[prefix]
        if not prefix:
            belief = self._automaton.begin([self._entry])
        else:
            index = self._automaton.index.get(prefix[-1], -1)
            belief = self._automaton.read(self._belief(prefix[:-1]), np.array([0]), np.array([index]))
            if not len(belief.states):
                raise ValueError(f"No sentence of the village begins with {' '.join(prefix)!r}.")
        if len(self._beliefs) >= CACHED_PREFIXES:
            self._beliefs.clear()
        self._beliefs[prefix] = belief
        return belief

    def log_probability(self, sentence: Sequence[str]) -> float:
        """Return the log-probability (nats) of the sentence and its end; -inf when the village never says it."""
        return float(self._automaton.log_probabilities(self._entry, [sentence])[0].sum())

    def bits_per_character_floor(self, sentences: Sequence[Sequence[str]]) -> float:
        """Return the bits per character that the source itself pays for the sentences."""
        nats = -sum(float(v.sum()) for v in self._automaton.log_probabilities(self._entry, sentences))
        return nats / float(np.log(2)) / n_characters(sentences)


def _mixture(parts: Iterable[tuple[float, Entry]]) -> Entry:
    total: dict[int, float] = {}
    for weight, entry in parts:
        for state, probability in entry:
            total[state] = total.get(state, 0.0) + weight * probability
    return tuple(sorted(total.items()))

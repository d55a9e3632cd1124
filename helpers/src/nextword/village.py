"""The village: an English-like language whose every probability is known.

One text is one sentence. A sentence is drawn in four steps: a topic and a mood, kept for a whole story of
four to eight sentences; a tone, which the mood makes likely; a path through a finite-state source; the
words on the path. So the sentences of a story hang together, but each by itself has an exact probability,
the sum over all that is hidden. That is what the floor charges: on average, no model that reads one
sentence at a time can pay less, and the one that computes `next_word_distribution` pays just that. A model
that reads on through a story may go lower, since it has seen the topic: `next_word_distribution` reads on
too when its prefix holds sentence ends, and `story_floor` is the floor of such models.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nextword import village_grammar, village_words
from nextword.automaton import Automaton, Belief, Builder, Entry, Floats, draw
from nextword.metrics import END, n_characters

Sentence = list[str]
Story = list[Sentence]

# Mood of a story: how often it is met, and how its sentences are toned (neutral, positive, negative).
MOODS: dict[str, tuple[float, tuple[float, float, float]]] = {
    "calm": (0.4, (0.96, 0.02, 0.02)),
    "bright": (0.3, (0.70, 0.28, 0.02)),
    "dark": (0.3, (0.70, 0.02, 0.28)),
}
STORY_LENGTHS = (4, 5, 6, 7, 8)  # sentences, equally likely
CACHED_PREFIXES = 20_000  # a few hundred megabytes at the very worst, a few in use


@dataclass(frozen=True)
class Agreement:
    """A word that must agree with one far before it: after `prefix`, `right` may come and `wrong` never."""

    prefix: tuple[str, ...]
    right: str
    wrong: str
    distance: int  # how many words stand between the two that agree


class Village:
    """The source of the village's sentences in one era: "new" (the default) or "old".

    Raises ValueError for another era. Two villages of one era are equal in all they do.
    """

    def __init__(self, era: str = "new") -> None:
        if era not in village_grammar.ERAS:
            raise ValueError(
                f"The village has no era {era!r}. Choose one of {', '.join(village_grammar.ERAS)}."
            )
        self.era = era
        builder = Builder(END)
        parts = {key: builder.sentence(fragment) for key, fragment in village_grammar.grammar(era).items()}
        self._automaton: Automaton = builder.build()
        self._tones = parts  # (topic, tone) of a sentence
        self._kinds: dict[tuple[str, str], Entry] = {}  # (topic, mood) of a story
        self._tone_weights: dict[tuple[str, str], float] = dict.fromkeys(parts, 0.0)
        prior = []
        for topic in village_words.TOPICS:
            for mood, (share, tones) in MOODS.items():
                by_tone = list(zip(tones, village_grammar.TONES, strict=True))
                self._kinds[topic, mood] = _mixture((weight, parts[topic, tone]) for weight, tone in by_tone)
                prior.append(share / len(village_words.TOPICS))
                for weight, tone in by_tone:
                    self._tone_weights[topic, tone] += prior[-1] * weight
        self._prior = np.array(prior)
        self._entry = _mixture(zip(prior, self._kinds.values(), strict=True))
        self._beliefs: dict[tuple[str, ...], Belief] = {}

    # the language

    @property
    def vocabulary(self) -> list[str]:
        """The V words: the end symbol "</s>", then the others in alphabetical order; both eras share it."""
        return list(self._automaton.vocabulary)

    def sample(self, n_sentences: int, seed: int) -> list[Sentence]:
        """Return n sentences as lists of words, without boundary symbols, story after story.

        The same seed gives the same sentences, everywhere; a larger n only adds to them.
        """
        sentences: list[Sentence] = []
        generator = random.Random(seed)
        while len(sentences) < n_sentences:
            sentences += self._story(generator)
        return sentences[:n_sentences]

    def sample_stories(self, n_stories: int, seed: int) -> list[Story]:
        """Return n stories, lists of four to eight sentences that share a topic and a mood.

        The sentences are those that `sample` gives for the same seed.
        """
        generator = random.Random(seed)
        return [self._story(generator) for _ in range(n_stories)]

    def sample_labelled(self, n_sentences: int, seed: int) -> list[tuple[Sentence, str]]:
        """Return n sentences with an opinion, each with its tone: "positive" or "negative"."""
        generator = random.Random(seed)
        labelled = []
        for _ in range(n_sentences):
            topic, tone = generator.choice(self.topics), generator.choice(village_grammar.TONES[1:])
            labelled.append((self._automaton.sample(self._tones[topic, tone], generator), tone))
        return labelled

    def _story(self, generator: random.Random) -> Story:
        kind = draw(list(self._kinds.values()), list(np.cumsum(self._prior)), generator)
        return [self._automaton.sample(kind, generator) for _ in range(generator.choice(STORY_LENGTHS))]

    # its probabilities

    def next_word_distribution(self, prefix: Sequence[str]) -> Floats:
        """Return P(next word | prefix), shape (V,) float64, in the order of `vocabulary`.

        The prefix holds the words of the sentence so far, and no start symbol. If it holds sentence ends
        ("</s>"), what stands before them are earlier sentences of the same story. Raises ValueError when
        the village never says it.
        """
        return self._automaton.next_words(self._belief(tuple(prefix)))

    def log_probability(self, sentence: Sequence[str]) -> float:
        """Return the log-probability (nats) of a sentence and its end; -inf if the village never says it."""
        return float(self.word_log_probabilities([sentence])[0].sum())

    def word_log_probabilities(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Return for each sentence the log-probabilities (nats) of its words and its end, shape (words + 1,).

        Each is given the words before it in its sentence. From the first word on that the village would not
        say there, they are -inf.
        """
        return self._automaton.log_probabilities([self._entry], sentences)[0]

    def bits_per_character_floor(self, sentences: Sequence[Sequence[str]]) -> float:
        """Return the bits per character that the source itself pays for sentences, each read by itself."""
        if not sentences:
            raise ValueError(
                "There is no floor without text. Pass sentences, for example corpus('village').test."
            )
        nats = -sum(float(values.sum()) for values in self.word_log_probabilities(sentences))
        return nats / float(np.log(2)) / n_characters(sentences)

    def story_floor(self, stories: Sequence[Story]) -> float:
        """Return the bits per character that the source pays when it reads stories on past sentence ends."""
        if not stories:
            raise ValueError(
                "There is no floor without text. Pass stories, for example Village().sample_stories(100, 1)."
            )
        sentences = [sentence for story in stories for sentence in story]
        by_kind = self._log_likelihoods(self._kinds.values(), sentences)  # (kinds, sentences)
        nats, at = 0.0, 0
        for story in stories:
            total = by_kind[:, at : at + len(story)].sum(axis=1) + np.log(self._prior)
            nats -= float(np.logaddexp.reduce(total))
            at += len(story)
        return nats / float(np.log(2)) / n_characters(sentences)

    def topic_probabilities(self, sentences: Sequence[Sequence[str]]) -> dict[str, float]:
        """Return P(topic | the sentences, told in one story), the best that any topic classifier can know."""
        posterior = self._story_posterior(sentences)
        return {
            topic: sum(
                p for (name, _), p in zip(self._kinds, posterior.tolist(), strict=True) if name == topic
            )
            for topic in self.topics
        }

    def tone_probabilities(self, sentence: Sequence[str]) -> dict[str, float]:
        """Return P(tone | sentence) for "neutral", "positive" and "negative"."""
        weights = np.array(list(self._tone_weights.values()))
        posterior = _normalised(
            self._log_likelihoods(self._tones.values(), [sentence])[:, 0] + np.log(weights)
        )
        return {
            tone: sum(p for (_, name), p in zip(self._tones, posterior.tolist(), strict=True) if name == tone)
            for tone in village_grammar.TONES
        }

    def _log_likelihoods(self, entries: Iterable[Entry], sentences: Sequence[Sequence[str]]) -> Floats:
        """Return log P(sentence | entry), shape (entries, sentences)."""
        rows = self._automaton.log_probabilities(list(entries), sentences)
        return np.array([[values.sum() for values in row] for row in rows])

    def _story_posterior(self, sentences: Sequence[Sequence[str]]) -> Floats:
        return _normalised(
            self._log_likelihoods(self._kinds.values(), sentences).sum(axis=1) + np.log(self._prior)
        )

    def _belief(self, prefix: tuple[str, ...]) -> Belief:
        if prefix in self._beliefs:
            return self._beliefs[prefix]
        if not prefix:
            belief = self._automaton.begin([self._entry])
        elif prefix[-1] == END:
            posterior = self._story_posterior(_split(prefix))
            belief = self._automaton.begin(
                [_mixture(zip(posterior.tolist(), self._kinds.values(), strict=True))]
            )
        else:
            index = self._automaton.index.get(prefix[-1], -1)
            belief = self._automaton.read(self._belief(prefix[:-1]), np.array([0]), np.array([index]))
            if not len(belief.states):
                raise ValueError(
                    f"No sentence of the village begins {' '.join(prefix)!r}. "
                    "Try the beginning of one that sample() gives."
                )
        if len(self._beliefs) >= CACHED_PREFIXES:
            self._beliefs.clear()
        self._beliefs[prefix] = belief
        return belief

    # what is planted in it

    @property
    def topics(self) -> tuple[str, ...]:
        """What stories are about."""
        return tuple(village_words.TOPICS)

    def topic_words(self, topic: str) -> list[str]:
        """Return the things of a topic (singular), common to rare; raises ValueError for an unknown topic."""
        if topic not in village_words.TOPICS:
            raise ValueError(f"The village has no topic {topic!r}. Choose one of {', '.join(self.topics)}.")
        return [noun.rstrip("~") for noun in village_grammar.things(topic, self.era)]

    @property
    def analogies(self) -> dict[str, list[tuple[str, str]]]:
        """Pairs of words that stand in one relation, for each planted relation; commoner pairs come first."""
        return village_grammar.analogies()

    @property
    def synonyms(self) -> list[tuple[str, str]]:
        """Pairs of words for one thing; they share no neighbour, so no trigram of the one fits the other."""
        return village_grammar.synonym_pairs()

    @property
    def changed_words(self) -> dict[str, tuple[str, str]]:
        """Words that changed their meaning: the topic they belong to in the old era, and in the new one."""
        return village_grammar.changed_words()

    @property
    def tone_words(self) -> dict[str, list[str]]:
        """The adjectives, verbs and adverbs that only positive, and only negative, sentences use."""
        return village_grammar.tone_words()

    @property
    def agreement_distances(self) -> dict[str, tuple[int, ...]]:
        """For each kind of agreement the distances at which it is found."""
        return {kind: tuple(sorted(makers)) for kind, makers in village_grammar.AGREEMENTS.items()}

    def agreement_pairs(
        self, distance: int, kind: str = "log", n: int = 100, seed: int = 0
    ) -> list[Agreement]:
        """Return n places where agreement must be carried over `distance` words, in minimal pairs.

        Items 2i and 2i + 1 differ in the word to agree with, and so in what is right. `kind` is "log"
        ("check the battery log ... ran down", "check the program log ... ran") or "number" ("the key near
        the boxes was"). Raises ValueError for a kind or a distance that the village does not have.
        """
        distances = self.agreement_distances
        if kind not in distances:
            raise ValueError(f"There is no agreement {kind!r}. Choose one of {', '.join(distances)}.")
        if distance not in distances[kind]:
            raise ValueError(
                f"Agreement {kind!r} is not found over {distance} words. "
                f"Choose from {', '.join(map(str, distances[kind]))}."
            )
        generator = random.Random(f"{seed} {kind} {distance}")
        items: list[Agreement] = []
        while len(items) < n:
            for prefix, right, wrong in village_grammar.agreement(kind, distance, generator):
                items.append(Agreement(tuple(prefix), right, wrong, distance))
        return items[:n]


def _split(words: Sequence[str]) -> Story:
    story: Story = [[]]
    for word in words:
        if word == END:
            story.append([])
        else:
            story[-1].append(word)
    return story[:-1]


def _normalised(log_weights: Floats) -> Floats:
    if not np.isfinite(log_weights).any():
        raise ValueError("The village never says this, or not in one story. Use what sample_stories() gives.")
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _mixture(parts: Iterable[tuple[float, Entry]]) -> Entry:
    total: dict[int, float] = {}
    for weight, entry in parts:
        for state, probability in entry:
            total[state] = total.get(state, 0.0) + weight * probability
    return tuple(sorted((state, weight) for state, weight in total.items() if weight > 0))

"""Finite-state sources of text: built from fragments, sampled, and filtered exactly.

A source is a graph of states. Each state emits one word from its own distribution and then moves to a next
state. Which state the source is in stays hidden; the forward algorithm (Rabiner 1989) adds up all the paths
that could have made a prefix, and so knows the probability of every next word.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Emit:
    """One word, drawn from a distribution."""

    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Seq:
    """Fragments one after the other; `Seq(())` is nothing at all."""

    parts: tuple[Fragment, ...]


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several fragments; nothing outside the option remembers which it was."""

    options: tuple[tuple[float, Fragment], ...]


Fragment: TypeAlias = Emit | Seq | Choice
NOTHING = Seq(())


def emit(words: str | Mapping[str, float]) -> Emit:
    """Return a fragment that emits one of the words: a string (equally likely), or words with weights."""
    weights = dict.fromkeys(words.split(), 1.0) if isinstance(words, str) else dict(words)
    total = sum(weights.values())
    if not weights or not all(weight > 0 for weight in weights.values()):
        raise ValueError(f"emit needs words with positive weights, and got {words!r}.")
    return Emit(tuple(sorted((word, weight / total) for word, weight in weights.items())))


def seq(*parts: Fragment | str) -> Fragment:
    """Return the fragments one after the other; a string stands for its words, each certain."""
    whole: list[Fragment] = []
    for part in parts:
        if isinstance(part, str):
            whole.extend(emit(word) for word in part.split())
        else:
            whole.append(part)
    return whole[0] if len(whole) == 1 else Seq(tuple(whole))


def choice(*options: tuple[float, Fragment | str]) -> Choice:
    """Return a fragment that is one of the options, each given with its weight."""
    total = sum(weight for weight, _ in options)
    if not options or not all(weight > 0 for weight, _ in options):
        raise ValueError("choice needs options with positive weights.")
    return Choice(tuple((weight / total, seq(fragment)) for weight, fragment in options))


def maybe(probability: float, fragment: Fragment | str) -> Choice:
    """Return a fragment that is there with the given probability."""
    return choice((probability, fragment), (1 - probability, NOTHING))


def draw_words(fragment: Fragment, generator: random.Random) -> list[str]:
    """Return words drawn from a fragment."""
    if isinstance(fragment, Seq):
        return [word for part in fragment.parts for word in draw_words(part, generator)]
    if isinstance(fragment, Emit):
        words, weights = zip(*fragment.words, strict=True)
        return [draw(words, list(accumulate(weights)), generator)]
    chances, options = zip(*fragment.options, strict=True)
    return draw_words(draw(options, list(accumulate(chances)), generator), generator)


Entry: TypeAlias = tuple[tuple[int, float], ...]  # states to go to next, with probabilities


class Builder:
    """Turns fragments into states, sharing every state that emits the same and goes on the same."""

    def __init__(self, end: str) -> None:
        self._slots: dict[tuple[tuple[str, float], ...], int] = {}
        self._states: dict[tuple[int, Entry], int] = {}
        self._compiled: dict[tuple[int, int], Entry] = {}
        self._entries: dict[Entry, int] = {}
        self._alive: list[Fragment] = []  # keeps id() of compiled fragments unique
        self._end: Entry = ((self._state(emit(end).words, ()), 1.0),)
        self.end = end

    def sentence(self, fragment: Fragment) -> Entry:
        """Add a sentence (the end symbol is put behind it) and return where it starts."""
        return self._compile(fragment, self._end)

    def _compile(self, fragment: Fragment, after: Entry) -> Entry:
        key = (id(fragment), self._entries.setdefault(after, len(self._entries)))
        if key in self._compiled:
            return self._compiled[key]
        if isinstance(fragment, Emit):
            entry: Entry = ((self._state(fragment.words, after), 1.0),)
        elif isinstance(fragment, Seq):
            entry = after
            for part in reversed(fragment.parts):
                entry = self._compile(part, entry)
        else:
            total: dict[int, float] = {}
            for weight, option in fragment.options:
                for state, probability in self._compile(option, after):
                    total[state] = total.get(state, 0.0) + weight * probability
            entry = tuple(sorted(total.items()))
        self._alive.append(fragment)
        self._compiled[key] = entry
        return entry

    def _state(self, words: tuple[tuple[str, float], ...], after: Entry) -> int:
        slot = self._slots.setdefault(words, len(self._slots))
        return self._states.setdefault((slot, after), len(self._states))

    def build(self, vocabulary: Iterable[str] = ()) -> Automaton:
        """Return the automaton of all sentences so far; `vocabulary` adds words that it may never emit."""
        words = {word for slot in self._slots for word, _ in slot} | set(vocabulary)
        return Automaton(
            [self.end, *sorted(words - {self.end})], list(self._slots), list(self._states), self.end
        )


@dataclass(frozen=True)
class Belief:
    """Where a source may be, for a batch of prefixes: row r's states are states[start[r]:start[r + 1]]."""

    start: Integers  # (B + 1,)
    states: Integers  # (live,)
    weights: Floats  # (live,) sums to 1 in each row
    log_probability: Floats  # (B,) nats, of the prefix read so far; -inf when the source can't have made it


class Automaton:
    """A finite-state source as arrays: S states, each with one of E emission distributions, over V words."""

    def __init__(
        self,
        vocabulary: list[str],
        slots: list[tuple[tuple[str, float], ...]],
        states: list[tuple[int, Entry]],
        end: str,
    ) -> None:
        self.vocabulary = vocabulary
        self.index = {word: i for i, word in enumerate(vocabulary)}
        self.end = end
        self.n_states = len(states)
        self.slot = np.array([slot for slot, _ in states], dtype=np.int64)  # (S,)
        self.slot_start = _starts([len(words) for words in slots])  # (E + 1,)
        self.slot_words = np.array([self.index[word] for words in slots for word, _ in words], dtype=np.int64)
        self.slot_weights = np.array([weight for words in slots for _, weight in words], dtype=np.float64)
        self.next_start = _starts([len(after) for _, after in states])  # (S + 1,)
        self.next_states = np.array([state for _, after in states for state, _ in after], dtype=np.int64)
        self.next_weights = np.array([weight for _, after in states for _, weight in after], dtype=np.float64)
        # (slot, word) -> probability, as sorted keys to search in
        keys = np.repeat(np.arange(len(slots)), np.diff(self.slot_start)) * len(vocabulary) + self.slot_words
        order = np.argsort(keys)
        self._keys, self._key_weights = keys[order], self.slot_weights[order]
        # for sampling, plain lists are faster than arrays
        self._draw_word = [([w for w, _ in ws], list(accumulate(p for _, p in ws))) for ws in slots]
        self._draw_next = [
            ([s for s, _ in after], list(accumulate(p for _, p in after))) for _, after in states
        ]
        self._slot_list = [slot for slot, _ in states]

    def sample(self, entry: Entry, generator: random.Random) -> list[str]:
        """Return one sentence, without its end symbol."""
        words: list[str] = []
        state = draw([s for s, _ in entry], list(accumulate(p for _, p in entry)), generator)
        while True:
            word = draw(*self._draw_word[self._slot_list[state]], generator)
            if word == self.end:
                return words
            words.append(word)
            state = draw(*self._draw_next[state], generator)

    def begin(self, entries: Sequence[Entry]) -> Belief:
        """Return the belief before the first word, one row per entry."""
        return Belief(
            _starts([len(entry) for entry in entries]),
            np.array([state for entry in entries for state, _ in entry], dtype=np.int64),
            np.array([weight for entry in entries for _, weight in entry], dtype=np.float64),
            np.zeros(len(entries)),
        )

    def read(self, belief: Belief, rows: Integers, words: Integers) -> Belief:
        """Return a new belief, one row for each (row, word): that row's prefix, then the word."""
        picked, owner = _spread(belief.start, rows)  # (live,)
        states = belief.states[picked]
        weights = belief.weights[picked] * self._emission(self.slot[states], words[owner])
        kept = weights > 0
        states, weights, owner = states[kept], weights[kept], owner[kept]
        mass = _sums(owner, weights, len(rows))  # probability of the word, given the prefix
        weights = weights / mass[owner]
        moves, origin = _spread(self.next_start, states)
        keys = owner[origin] * self.n_states + self.next_states[moves]
        keys, group = np.unique(keys, return_inverse=True)
        merged = _sums(group, weights[origin] * self.next_weights[moves], len(keys))
        with np.errstate(divide="ignore"):
            log_probability = belief.log_probability[rows] + np.log(mass)
        start = np.searchsorted(keys, np.arange(len(rows) + 1) * self.n_states)
        return Belief(start, keys % self.n_states, merged, log_probability)

    def next_words(self, belief: Belief, row: int = 0) -> Floats:
        """Return the distribution of the next word, shape (V,), for one row of a belief."""
        span = slice(belief.start[row], belief.start[row + 1])
        slots, group = np.unique(self.slot[belief.states[span]], return_inverse=True)
        weights = _sums(group, belief.weights[span], len(slots))
        entries, owner = _spread(self.slot_start, slots)
        masses = self.slot_weights[entries] * weights[owner]
        return _sums(self.slot_words[entries], masses, len(self.vocabulary))

    def log_probabilities(
        self, entries: Sequence[Entry], sentences: Sequence[Sequence[str]]
    ) -> list[list[Floats]]:
        """Return, for each entry and sentence, the log-probabilities (nats) of its words and its end.

        Each array has shape (words + 1,), and each value is given what stands before it in its sentence.
        Sentences that begin alike are read together, so that a common beginning is paid for once.
        """
        unknown = -1
        numbers = [[self.index.get(word, unknown) for word in words] + [0] for words in sentences]
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        results = [[np.empty(0)] * len(numbers) for _ in entries]
        at_once = max(1, 2_000 // max(1, len(entries)))  # bounds the memory
        for begin in range(0, len(order), at_once):
            part = order[begin : begin + at_once]
            read = self._log_probabilities(entries, [numbers[i] for i in part])
            for entry, values in enumerate(read):
                for i, of_sentence in zip(part, values, strict=True):
                    results[entry][i] = of_sentence
        return results

    def _log_probabilities(self, entries: Sequence[Entry], numbers: list[list[int]]) -> list[list[Floats]]:
        results = [[np.empty(len(words)) for words in numbers] for _ in entries]
        belief = self.begin(entries)
        # One reader for each entry and sentence; `row` is the row of the belief that it has come to.
        row, sentence = (side.ravel() for side in np.indices((len(entries), len(numbers))))
        entry = row.copy()
        lengths = np.array([len(words) for words in numbers])
        width = len(self.vocabulary) + 1
        t = 0
        while len(row):
            words = np.array([numbers[i][t] for i in sentence], dtype=np.int64)
            pairs, reached = np.unique(row * width + (words + 1), return_inverse=True)
            before = belief.log_probability[row]
            belief = self.read(belief, pairs // width, pairs % width - 1)
            with np.errstate(invalid="ignore"):  # after an impossible word, all the rest is impossible too
                steps = np.nan_to_num(belief.log_probability[reached] - before, nan=-np.inf, neginf=-np.inf)
            for e, i, step in zip(entry.tolist(), sentence.tolist(), steps.tolist(), strict=True):
                results[e][i][t] = step
            t += 1
            going = lengths[sentence] > t
            entry, sentence, row = entry[going], sentence[going], reached[going]
        return results

    def _emission(self, slots: Integers, words: Integers) -> Floats:
        keys = slots * len(self.vocabulary) + words
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((self._keys[place] == keys) & (words >= 0), self._key_weights[place], 0.0)


def draw(values: Sequence[T], cumulative: Sequence[float], generator: random.Random) -> T:
    """Return one of the values, drawn with the cumulative weights given."""
    if len(values) == 1:
        return values[0]
    return values[min(bisect_right(cumulative, generator.random() * cumulative[-1]), len(values) - 1)]


def _sums(groups: Integers, weights: Floats, n: int) -> Floats:
    """Return the sum of the weights of each of n groups (floats even when there is nothing to sum)."""
    return np.bincount(groups, weights, minlength=n).astype(np.float64)


def _starts(lengths: Sequence[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _spread(start: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Return the places start[r]..start[r + 1] of all rows, row after row, and for each place whose it is."""
    counts = start[rows + 1] - start[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return start[rows][owner] + offset, owner

"""The filter of finite-state sources against enumeration of every path, on sources drawn at random."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.automaton import Builder, Emit, Fragment, Seq, choice, draw_words, emit, maybe, seq

END = "</s>"
WORDS = "abcd"

emits = st.dictionaries(st.sampled_from(WORDS), st.floats(0.1, 1.0), min_size=1, max_size=3).map(emit)
fragments = st.recursive(
    emits,
    lambda inner: st.one_of(
        st.lists(inner, min_size=0, max_size=3).map(lambda parts: seq(*parts)),
        st.lists(st.tuples(st.floats(0.1, 1.0), inner), min_size=1, max_size=3).map(lambda o: choice(*o)),
    ),
    max_leaves=8,
)


def sentences_of(fragment: Fragment) -> list[tuple[tuple[str, ...], float]]:
    """Every path through a fragment: its words and its probability. Two paths may give the same words."""
    if isinstance(fragment, Emit):
        return [((word,), weight) for word, weight in fragment.words]
    if isinstance(fragment, Seq):
        paths = [((), 1.0)]
        for part in fragment.parts:
            paths = [(w + more, p * q) for w, p in paths for more, q in sentences_of(part)]
        return paths
    return [(w, weight * p) for weight, option in fragment.options for w, p in sentences_of(option)]


def language_of(fragment: Fragment) -> dict[tuple[str, ...], float]:
    language: Counter = Counter()
    for words, probability in sentences_of(fragment):
        language[(*words, END)] += probability
    return dict(language)


def compiled(fragment: Fragment):
    builder = Builder(END)
    entry = builder.sentence(fragment)
    return builder.build(), entry


@settings(max_examples=60, deadline=None)
@given(fragments)
def test_next_words_equal_the_sum_over_all_paths(fragment: Fragment) -> None:
    language = language_of(fragment)
    automaton, entry = compiled(fragment)
    prefixes = {words[:i] for words in language for i in range(len(words))}
    for prefix in prefixes:
        belief = automaton.begin([entry])
        for word in prefix:
            belief = automaton.read(belief, np.array([0]), np.array([automaton.index[word]]))
        mass = sum(p for words, p in language.items() if words[: len(prefix)] == prefix)
        wanted = Counter()
        for words, p in language.items():
            if words[: len(prefix)] == prefix:
                wanted[words[len(prefix)]] += p / mass
        got = dict(zip(automaton.vocabulary, automaton.next_words(belief), strict=True))
        assert math.isclose(sum(got.values()), 1, abs_tol=1e-12)
        for word in automaton.vocabulary:
            assert math.isclose(got[word], wanted[word], abs_tol=1e-12), (prefix, word)
        assert math.isclose(belief.log_probability[0], math.log(mass), abs_tol=1e-9)


@settings(max_examples=60, deadline=None)
@given(fragments, st.lists(st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4).map(tuple), max_size=6))
def test_sentences_read_together_get_their_own_probability(fragment: Fragment, others: list) -> None:
    language = language_of(fragment)
    automaton, entry = compiled(fragment)
    sentences = [words[:-1] for words in language] + others
    random.Random(0).shuffle(sentences)
    for words, values in zip(sentences, automaton.log_probabilities([entry], sentences)[0], strict=True):
        assert values.shape == (len(words) + 1,)
        assert math.isclose(math.exp(values.sum()), language.get((*words, END), 0.0), abs_tol=1e-12)


def test_each_entry_reads_every_sentence() -> None:
    builder = Builder(END)
    parts = [seq("a", emit({"b": 3, "c": 1})), choice((1, "a c"), (3, "b"))]
    entries = [builder.sentence(part) for part in parts]
    read = builder.build().log_probabilities(entries, [["a", "c"], ["b"], []])
    got = [[math.exp(values.sum()) for values in row] for row in read]
    np.testing.assert_allclose(got, [[0.25, 0, 0], [0.25, 0.75, 0]], atol=1e-12)


def test_equal_endings_share_their_states_and_choices_keep_theirs() -> None:
    shared, _ = compiled(seq(choice((1, "a"), (1, "b")), "c d c d"))
    assert shared.n_states == 1 + 2 + 4  # the end, a and b, and one tail for both
    apart, _ = compiled(choice((1, "a c c c a"), (1, "b c c c b")))
    assert apart.n_states == 1 + 5 + 5  # what came first must be remembered to the end


def test_what_was_chosen_reaches_over_any_distance() -> None:
    automaton, entry = compiled(choice(*((1, seq(cue, *["c"] * 9, cue)) for cue in "ab")))
    values = automaton.log_probabilities([entry], [list("a" + "c" * 9 + "a"), list("a" + "c" * 9 + "b")])[0]
    assert math.isclose(values[0].sum(), math.log(1 / 2))
    assert values[1][-2] == -math.inf
    assert math.isclose(values[0][0], math.log(1 / 2))


def test_samples_have_the_probabilities_that_the_filter_says() -> None:
    fragment = seq(
        maybe(0.3, "a"), choice((2, seq("b", emit("a c"))), (1, emit({"c": 3, "d": 1}))), maybe(0.5, "d")
    )
    automaton, entry = compiled(fragment)
    generator = random.Random(5)
    n = 20_000
    for draw_one in (lambda: automaton.sample(entry, generator), lambda: draw_words(fragment, generator)):
        counts = Counter((*draw_one(), END) for _ in range(n))
        language = language_of(fragment)
        assert set(counts) == set(language)
        chi_square = sum((counts[words] - n * p) ** 2 / (n * p) for words, p in language.items())
        degrees = len(language) - 1
        assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


def test_a_batch_of_prefixes_is_read_like_each_by_itself() -> None:
    automaton, entry = compiled(
        seq(emit("a b"), choice((1, seq("a", emit("c d"))), (2, "b d")), maybe(0.2, "a"))
    )
    a, b = automaton.index["a"], automaton.index["b"]
    both = automaton.read(automaton.begin([entry, entry]), np.array([0, 1, 1]), np.array([a, b, a]))
    both = automaton.read(both, np.array([2, 0]), np.array([b, a]))
    for row, words in enumerate(([a, b], [a, a])):
        one = automaton.begin([entry])
        for word in words:
            one = automaton.read(one, np.array([0]), np.array([word]))
        np.testing.assert_allclose(automaton.next_words(both, row), automaton.next_words(one), atol=1e-15)
        assert math.isclose(both.log_probability[row], one.log_probability[0])


@pytest.mark.parametrize(
    "bad", [lambda: emit(""), lambda: emit({"a": 0.0}), lambda: choice(), lambda: choice((-1, "a"))]
)
def test_weights_must_make_sense(bad) -> None:
    with pytest.raises(ValueError, match="positive weights"):
        bad()


def test_vocabulary_starts_with_the_end() -> None:
    automaton, _ = compiled(seq("d", emit("b a"), "c"))
    assert automaton.vocabulary == [END, "a", "b", "c", "d"]
    assert [automaton.index[word] for word in automaton.vocabulary] == list(range(5))
    assert list(itertools.chain(*sentences_of(seq("d")))) == [("d",), 1.0]

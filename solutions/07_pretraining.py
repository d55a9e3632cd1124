# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Pretraining
#
# You have a transformer. What it knows, it has from **pretraining**: it read text that nobody had labelled, and guessed parts of it that had been hidden. The guess about the next word is one
# such game, and there are others. Which game a model has played decides what it is good for later: writing, judging, or rewriting.
#
# In this notebook you write everything that stands between a text and a trained model: how text is cut into tokens, what is hidden and what is asked, how fast the weights move and when, and what all of it
# costs. The models are small, but nothing about the method is.
#
# **After this notebook you can**
#
# - train and explain the tokenizer of GPT-2;
# - turn plain text into the training examples of GPT, BERT and T5;
# - choose a schedule and an optimiser, and say what each does;
# - predict what a training run costs, and read a scaling plot;
# - train a GPT on real text, and watch it learn.
#
# **Time:** about two hours, 98 minutes of it for the exercises and questions. **Points:** 45. **You need:** cross-entropy (notebook 03), teacher forcing (04), causal masks (05), what a GPT is (06).

# %% setup
import math
import re
import time
from collections import Counter
from functools import cache

import numpy as np
import torch

from nextword import check, corpus, hand_in, ladder, plots, preset
from nextword.batches import Batches, sentence_batches, token_batches
from nextword.models import GPT, GPTConfig
from nextword.optimizers import muon_and_adamw, orthogonalised
from nextword.tokenizers import WordTokenizer
from nextword.training import bits_per_character, score, train

# A text of four different pieces, and how often each occurs: small enough to check every number by hand (section 1).
little_text = {" old": 3, " cold": 4, " told": 2, " colt": 1}
# Text is cut into pieces first: letters or digits with the space before them, other signs, other white space.
PIECES = re.compile(r" ?\w+| ?[^\w\s]+|\s")

print(preset())

# %% experiment
village = corpus("village")
village_text = "".join(" ".join(sentence) + "\n" for sentence in village.train[:4000])
real = corpus("tiny_shakespeare")
if real.name != "village":
    print(real)

# %% [markdown]
# ## 1 Tokens
#
# So far a token was a letter or a word. Both have a price. With letters, texts get long, and a model must spend its effort on spelling. With words, the vocabulary has no end: *captains* and *captain* have
# nothing to do with each other, and a word that was not in the training text can be neither read nor written.
#
# **Byte pair encoding** lies between the two. It was a method of compression (Gage 1994): find the pair of neighbouring symbols that occurs most often, replace it by a new symbol, repeat. Sennrich et al. (2016)
# used it to cut words into parts for translation, and GPT-2 (Radford et al. 2019) made it what it is today: it starts from the 256 **bytes** that all text on a computer consists of, so that no text
# in the world is unknown to it.
#
# Take the four pieces of `little_text`. The space belongs to the piece after it, so that a word at the start of a line and one inside are told apart, and joining the tokens gives the text back.
#
# | piece | times | at first | after 1 merge | after 2 merges | after 4 merges |
# |---|---|---|---|---|---|
# | `␣old` | 3 | `␣ o l d` | `␣ ol d` | `␣ old` | `␣ old` |
# | `␣cold` | 4 | `␣ c o l d` | `␣ c ol d` | `␣ c old` | `␣cold` |
# | `␣told` | 2 | `␣ t o l d` | `␣ t ol d` | `␣ t old` | `␣ t old` |
# | `␣colt` | 1 | `␣ c o l t` | `␣ c ol t` | `␣ c ol t` | `␣c ol t` |
#
# `o l` occurs 10 times and goes first. Then `ol d`, 9 times; then `␣ c`, 5 times; then `␣c old`, 4 times. Symbols are kept as numbers: 0 to 255 are the bytes (`tuple(b" old")` is `(32, 111, 108, 100)`), and the first merge makes
# symbol 256, the second 257, and so on.

# %% [markdown]
# ### Exercise 1: the most frequent pair
#
# Pairs never cross from one piece to the next. And since many pairs are equally frequent towards the end of training, the rule for ties must be fixed, or two people will get two tokenizers from one text: among the most
# frequent pairs, **take the smallest**, compared as Python compares tuples. (The `tokenizers` library, which trains the tokenizers of most models, has the same rule: older symbols first.)
#
# <details><summary>Hint 1: how do I visit the pairs of a piece?</summary>
#
# `zip(symbols, symbols[1:])`. A piece that occurs 4 times in the text adds 4 to each of its pairs.
# </details>
#
# <details><summary>Hint 2: how do I find the largest count and the smallest pair at once?</summary>
#
# `min(counts, key=lambda pair: (-counts[pair], pair))` looks at the count first, and at the pair itself when counts are equal.
# </details>

# %% exercise="most_frequent_pair" minutes=7 difficulty=1
def most_frequent_pair(pieces: dict[tuple[int, ...], int]) -> tuple[int, int] | None:
    """Return the pair of neighbouring symbols that occurs most often; the smallest of them if there are several.

    pieces  for each different piece of the text, as a tuple of symbols, how often it occurs

    Every place counts, so (7, 7, 7) has the pair (7, 7) twice. None when there is no pair at all.

    >>> most_frequent_pair({tuple(b" old"): 3, tuple(b" cold"): 4, tuple(b" told"): 2, tuple(b" colt"): 1})
    (111, 108)
    """
    ### BEGIN SOLUTION
    counts = Counter()
    for symbols, times in pieces.items():
        for pair in zip(symbols, symbols[1:]):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)
    ### END SOLUTION


# %% test="most_frequent_pair" points=3
def pair_or_error(pieces):
    """The pair, or the error that looking for it raised."""
    try:
        return most_frequent_pair(pieces)
    except (ValueError, IndexError, TypeError) as error:
        return error


not_a_pair = [
    (lambda got: isinstance(got[0], tuple), "return the pair alone, without its count."),
    (lambda got: isinstance(got, int), "this is a count; return the pair."),
]
check.equal(
    most_frequent_pair({tuple(b" old"): 3, tuple(b" cold"): 4, tuple(b" told"): 2, tuple(b" colt"): 1}),
    (111, 108),
    name="the pair of ' old' (3 times), ' cold' (4), ' told' (2), ' colt' (1)",
    causes=[*not_a_pair, ((108, 111), "the order in a pair matters: this is 'lo', and 'ol' was asked for."), (lambda got: True, "'ol' occurs in every piece, 10 times in all.")],
)
check.equal(
    most_frequent_pair({tuple(b"cat"): 1, tuple(b"cab"): 1, tuple(b"dog"): 5}),
    (100, 111),
    name="the pair of 'cat' (once), 'cab' (once), 'dog' (5 times)",
    causes=[
        ((99, 97), "each piece was counted once; a piece that occurs 5 times adds 5 to each of its pairs."),
        (lambda got: got in [(116, 99), (98, 100), (103, 100)], "pairs must not cross from one piece to the next."),
        (lambda got: got in [(97, 98), (97, 116)], "this is the rarest pair."),
        (lambda got: True, "'do' and 'og' occur 5 times each; 'do' is the smaller pair."),
    ],
)
check.equal(
    most_frequent_pair({tuple(b"no"): 2, tuple(b"yes"): 2, tuple(b"up"): 2}),
    (101, 115),
    name="the pair of 'no', 'yes' and 'up', twice each, where all pairs are equally frequent",
    causes=[
        ((110, 111), "this is the pair that came first (order of the dictionary); of equally frequent pairs take the smallest."),
        ((117, 112), "this is the pair that came last (order of the dictionary); of equally frequent pairs take the smallest."),
        ((121, 101), "this is the largest pair; of equally frequent pairs take the smallest."),
    ],
)
check.equal(
    most_frequent_pair({tuple(b"aaa"): 2, tuple(b"bc"): 3}),
    (97, 97),
    name="the pair of 'aaa' (twice) and 'bc' (3 times)",
    causes=[((98, 99), "every place counts: 'aaa' has the pair 'aa' at two places.")],
)
check.equal(
    most_frequent_pair({tuple(b"a"): 9, tuple(b"bc"): 2}),
    (98, 99),
    name="the pair of 'a' (9 times) and 'bc' (twice)",
    causes=[(lambda got: 97 in got, "pairs must not cross from one piece to the next; 'a' alone has no pair.")],
)
check.equal(
    pair_or_error({tuple(b"a"): 9}),
    None,
    name="the pair of 'a' alone",
    causes=[(lambda got: isinstance(got, Exception), "there is no pair here: return None before you look for the largest count.")],
)
### BEGIN HIDDEN TESTS
import random

random_symbols = random.Random(7)
for _ in range(60):
    pieces = {
        tuple(random_symbols.choices(random_symbols.choice([[1, 2], [0, 255, 256, 300], list(range(40))]), k=random_symbols.randrange(1, 9))): random_symbols.randrange(1, 6)
        for _ in range(random_symbols.randrange(1, 12))
    }
    places = [(symbols[i], symbols[i + 1]) for symbols, times in pieces.items() for _ in range(times) for i in range(len(symbols) - 1)]
    expected = sorted(set(places), key=lambda pair: (-places.count(pair), pair))[0] if places else None
    check.equal(most_frequent_pair(pieces), expected, name=f"random pieces {pieces}")
check.equal(most_frequent_pair({}), None, name="no pieces")
check.equal(most_frequent_pair({(5,) * 1000: 1, (1, 2): 998}), (5, 5), name="a long run")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2: merge a pair
#
# Replace a pair by its new symbol, everywhere in one piece.
#
# <details><summary>Hint 1: what if the places overlap?</summary>
#
# In `a a a` the pair `a a` stands at two places, but the middle `a` can be used only once. Go from left to right, and after a merge go on *behind* it: the result is `X a`.
# </details>
#
# <details><summary>Hint 2: pseudocode</summary>
#
#     i = 0
#     while i is inside:
#         if symbols i and i + 1 are the pair: append the new symbol, i += 2
#         else: append symbol i, i += 1
# </details>

# %% exercise="merge_pair" minutes=8 difficulty=2
def merge_pair(symbols: tuple[int, ...], pair: tuple[int, int], new: int) -> tuple[int, ...]:
    """Return the symbols with every occurrence of the pair replaced by the symbol `new`, from left to right.

    >>> merge_pair(tuple(b"banana"), tuple(b"an"), 256)
    (98, 256, 256, 97)
    """
    ### BEGIN SOLUTION
    merged = []
    i = 0
    while i < len(symbols):
        if symbols[i : i + 2] == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return tuple(merged)
    ### END SOLUTION


# %% test="merge_pair" points=3
check.equal(
    merge_pair(tuple(b"banana"), tuple(b"an"), 256),
    (98, 256, 256, 97),
    name="'banana' with 'an' merged",
    causes=[
        (lambda got: isinstance(got, list) and got == [98, 256, 256, 97], "return a tuple, tuple(...): pieces are keys of a dictionary, and lists can't be."),
        ((98, 256, 97, 110, 97), "only the first occurrence was merged."),
        ((98, 256, 110, 256, 110, 97), "the second symbol of the pair is still there: after a merge, go on two places further."),
        ((98, 256, 256), "the last symbol is lost when it is not part of a pair."),
        ((98, 256, 257, 97), "every occurrence becomes the same new symbol."),
        (tuple(b"banana"), "nothing was merged: compare two neighbours with the pair, tuple with tuple."),
        (lambda got: got.count(256) > 2, "too many symbols were replaced: both neighbours must fit, and in this order."),
    ],
)
overlap = "overlapping places: each symbol can be used once. After a merge go on behind it, from left to right."
check.equal(
    merge_pair((97, 97, 97), (97, 97), 256),
    (256, 97),
    name="'aaa' with 'aa' merged",
    causes=[((256, 256), overlap), ((97, 256), "go from left to right: the first two symbols are merged."), ((256,), overlap), ((256, 97, 97), "the second symbol of the pair is still there.")],
)
check.equal(merge_pair((97,) * 5, (97, 97), 256), (256, 256, 97), name="'aaaaa' with 'aa' merged", causes=[(lambda got: len(got) != 3, overlap)])
check.equal(
    merge_pair(tuple(b"nab"), tuple(b"an"), 256),
    tuple(b"nab"),
    name="'nab' with 'an' merged",
    causes=[(lambda got: 256 in got, "'na' is not 'an': both neighbours must fit, and in this order.")],
)
### BEGIN HIDDEN TESTS
import random

random_symbols = random.Random(8)


def merged_recursively(symbols, pair, new):
    if len(symbols) < 2:
        return symbols
    if (symbols[0], symbols[1]) == pair:
        return (new, *merged_recursively(symbols[2:], pair, new))
    return (symbols[0], *merged_recursively(symbols[1:], pair, new))


for _ in range(120):
    alphabet = random_symbols.choice([[1, 2], [1, 2, 3], [7], [11, 1, 111]])
    symbols = tuple(random_symbols.choices(alphabet, k=random_symbols.randrange(0, 12)))
    pair = tuple(random_symbols.choices(alphabet, k=2))
    check.equal(merge_pair(symbols, pair, 300), merged_recursively(symbols, pair, 300), name=f"{symbols} with {pair} merged")
check.equal(merge_pair((), (1, 2), 256), (), name="an empty piece")
check.equal(merge_pair((1, 256, 257), (256, 257), 258), (1, 258), name="symbols that are themselves merged")
check.equal(merge_pair((256, 1, 1), (1, 1), 256), (256, 256), name="a new symbol that occurs already")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3: train the tokenizer
#
# Repeat: find the most frequent pair, give it the next number, merge it in all pieces. What you keep is the list of merges, in order. It is all that a BPE tokenizer consists of.
#
# <details><summary>Hint 1: where do I start?</summary>
#
# `tuple(piece.encode())` is a piece as a tuple of bytes (UTF-8). Make a dictionary with these tuples in place of the pieces.
# </details>
#
# <details><summary>Hint 2: what happens in one round?</summary>
#
# The pair from `most_frequent_pair` (stop if it is None) goes into the list. Then make a new dictionary, in which each piece went through `merge_pair`. Merge number 0 makes symbol 256.
# </details>

# %% exercise="train_bpe" minutes=8 difficulty=2
def train_bpe(counts: dict[str, int], n_merges: int) -> list[tuple[int, int]]:
    """Return the merges of byte pair encoding, in the order in which they were found.

    counts    for each different piece of the text how often it occurs
    n_merges  how many merges to look for; fewer are returned when no pair is left

    Symbols 0 to 255 are bytes (UTF-8); the merge at place i of the list makes symbol 256 + i.

    >>> train_bpe(little_text, 4)
    [(111, 108), (256, 100), (32, 99), (258, 257)]
    """
    ### BEGIN SOLUTION
    pieces = {tuple(piece.encode()): times for piece, times in counts.items()}
    merges = []
    while len(merges) < n_merges:
        pair = most_frequent_pair(pieces)
        if pair is None:
            break
        pieces = {merge_pair(symbols, pair, 256 + len(merges)): times for symbols, times in pieces.items()}
        merges.append(pair)
    return merges
    ### END SOLUTION


# %% test="train_bpe" points=4
def merges_or_error(counts, n_merges):
    """The merges, or the error that looking for them raised."""
    try:
        return train_bpe(counts, n_merges)
    except (TypeError, ValueError, IndexError, UnicodeError) as error:
        return error


check.equal(
    merges_or_error(little_text, 4),
    [(111, 108), (256, 100), (32, 99), (258, 257)],
    name="train_bpe(little_text, 4)",
    causes=[
        ([(111, 108), (108, 100), (32, 99), (99, 111)], "the pairs were counted once, at the start; count again after every merge."),
        ([(111, 108)] * 4, "the same pair is found again and again: merge it in the pieces before you go on."),
        (lambda got: len(got) == 4 and got[0] == (111, 108) and got[1] in [(255, 100), (257, 100), (0, 100), (1, 100)], "the first merge makes symbol 256, the second 257, and so on."),
        (lambda got: [len(m) for m in got] == [3] * 4, "the list holds pairs; the new symbol follows from the place in the list."),
        (lambda got: isinstance(got, dict), "return a list of pairs, in the order in which they were found."),
        ([(111, 108), (256, 100), (32, 99)], "one merge is missing: n_merges of them were asked for."),
        (lambda got: got[0] != (111, 108), "the first merge is the most frequent pair of the bytes, (111, 108) for 'ol'; mind how often each piece occurs."),
        (lambda got: got[1] == (256, 100), "the first two merges are right. Merge each pair in all pieces, one after the other."),
    ],
)
check.equal(
    merges_or_error({"aa": 1}, 5),
    [(97, 97)],
    name="train_bpe({'aa': 1}, 5), where only one merge is possible",
    causes=[(lambda got: isinstance(got, Exception) or len(got) > 1, "no pair was left, and you went on: stop when most_frequent_pair returns None.")],
)
check.equal(
    merges_or_error({"éé": 2}, 2),
    [(195, 169), (256, 256)],
    name="train_bpe({'éé': 2}, 2), where é is two bytes",
    causes=[
        ([(233, 233)], "these are numbers of characters (ord); start from the bytes, piece.encode()."),
        (lambda got: True, "start from the bytes, piece.encode(): 'é' is the bytes 195 and 169."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_letters = random.Random(9)


def slow_bpe(counts, n_merges):
    """The same with lists that name every occurrence, and a search through all pairs."""
    occurrences = [list(piece.encode()) for piece, times in counts.items() for _ in range(times)]
    found = []
    for new in range(256, 256 + n_merges):
        pairs = [(o[i], o[i + 1]) for o in occurrences for i in range(len(o) - 1)]
        if not pairs:
            break
        best = sorted(set(pairs), key=lambda pair: (-pairs.count(pair), pair))[0]
        found.append(best)
        for o in occurrences:
            i = 0
            while i < len(o) - 1:
                if (o[i], o[i + 1]) == best:
                    o[i : i + 2] = [new]
                i += 1
    return found


for round_number in range(8):
    words = ["".join(random_letters.choices("abcé ñ" if round_number % 2 else "ab", k=random_letters.randrange(1, 9))) for _ in range(9)]
    counts = {word: random_letters.randrange(1, 5) for word in words}
    check.equal(train_bpe(counts, 12), slow_bpe(counts, 12), name=f"random pieces {counts}")
check.equal(train_bpe(little_text, 0), [], name="no merges")
check.equal(train_bpe({}, 3), [], name="no text")
check.equal(train_bpe({"a": 5, "b": 2}, 3), [], name="pieces of one byte")
kept_counts = {"abab": 2, "ab": 1}
check.equal(check.after(train_bpe, kept_counts, 2).arguments[0], {"abab": 2, "ab": 1}, name="the counts after the call")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what it finds in the village
#
# To cut a *new* text, take each of its pieces and do the merges again, the oldest first. The next cell trains 600 merges and shows what the first ones make.

# %% experiment
class BytePairTokenizer:
    """Text into tokens and back, by the merges that you learned."""

    def __init__(self, merges):
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.tokens = [bytes([i]) for i in range(256)]
        for left, right in merges:
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.known = {}

    def __len__(self):
        return len(self.tokens)

    def encode_piece(self, piece):
        symbols = tuple(piece.encode())
        while len(symbols) > 1:
            oldest = min(zip(symbols, symbols[1:]), key=lambda pair: self.ranks.get(pair, math.inf))
            if oldest not in self.ranks:
                break
            symbols = merge_pair(symbols, oldest, 256 + self.ranks[oldest])
        return symbols

    def encode(self, text):
        ids = []
        for piece in PIECES.findall(text):
            if piece not in self.known:
                self.known[piece] = self.encode_piece(piece)
            ids += self.known[piece]
        return ids

    def decode(self, ids):
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")


village_merges = train_bpe(Counter(PIECES.findall(village_text)), 600)
village_bpe = BytePairTokenizer(village_merges)
print("the first:", *(repr(token.decode()) for token in village_bpe.tokens[256:276]))
print("the last: ", *(repr(token.decode()) for token in village_bpe.tokens[-12:]))

# %% experiment
sentence = " ".join(max(village.valid[:50], key=len))
for n_merges in [0, 50, 200, 600]:
    cut = BytePairTokenizer(village_merges[:n_merges])
    ids = cut.encode(sentence)
    print(f"{n_merges:3} merges, {len(ids):3} tokens: ", "|".join(cut.decode([i]) for i in ids))

# %% [markdown]
# The first merges are pieces of frequent words, soon come endings (`ed`, `ing`) and whole words. Nobody told it what a word or an ending is. And unlike a list of words, it has an answer for everything: a word that it has never
# seen comes out in more pieces.

# %% experiment
held_out_village = "".join(" ".join(sentence) + "\n" for sentence in village.valid)
merge_counts = [0, 50, 100, 200, 400, 600]
plots.lines(
    merge_counts,
    {"new sentences of the village": [len(held_out_village) / len(BytePairTokenizer(village_merges[:n]).encode(held_out_village)) for n in merge_counts]},
    title="Every merge makes the text shorter, the first ones most",
    x_label="merges",
    y_label="characters per token",
    floor=("one token per word", len(held_out_village) / len(held_out_village.split())),
    alt="Characters per token against the number of merges: from 1 without merges, steeply up at first, then ever more slowly, towards the value of one token per word.",
)

# %% [markdown]
# This is the trade: a larger vocabulary makes texts shorter, which saves computing at every token; but each new token is rarer than the ones before it, is learned from fewer examples, and costs a row in the embedding. GPT-2 took 50,000 merges.
#
# Because tokenizers differ, **losses per token can't be compared between models**. A model with longer tokens has fewer, harder guesses to make. Bits per character of the same text can be compared, and that is why this course counts in them.

# %% [markdown]
# ## 2 Three games with a text
#
# A sentence becomes a training example when something in it is hidden. Three ways of hiding have made three families of models:
#
# | family | may look at | is asked for | example | good for |
# |---|---|---|---|---|
# | **next token** | everything before | the next token, at every place | GPT (Radford et al. 2018) | writing |
# | **masked words** | everything, some words covered | the covered words | BERT (Devlin et al. 2019) | judging: classes, tags, search |
# | **spans** | the source with gaps; then what it has written so far | what stood in the gaps | T5 (Raffel et al. 2020), BART (Lewis et al. 2020) | rewriting: translation, summaries |
#
# The picture shows who may look at whom: a row is a place that asks, a column a place that is looked at.

# %% experiment
six = [str(i) for i in range(1, 7)]
source_then_target = np.tril(np.ones((6, 6)))
source_then_target[:3, :3] = 1
plots.attention(
    {"next token": np.tril(np.ones((6, 6))), "masked words": np.ones((6, 6)), "spans (1-3 source, 4-6 target)": source_then_target},
    six,
    six,
    title="Who may look at whom decides what can be asked",
    alt="Three squares of six places. Next token: each place sees itself and those before. Masked words: every place sees every place. "
    "Spans: the three source places see each other, the three target places see the source and the target so far.",
)

# %% [markdown]
# The first model can be asked at *every* place, since none sees its own answer. The second sees all, on both sides; so something must be covered, or the answer would stand in the question. The third reads its source with
# both eyes and writes its target from left to right.

# %% [markdown]
# ### The next token
#
# In pretraining, texts are put one after the other into one long row of tokens, with a special token between them. A training example is any window of it, and its targets are **the same window, one token later**:
#
# | input | the | dog | barks | `</s>` | the |
# |---|---|---|---|---|---|
# | **target** | dog | barks | `</s>` | the | cat |
#
# One window of T tokens asks T questions, and one pass through the network answers them all, because of the causal mask: the model reads the true text, whatever it would have written itself. This is teacher forcing, as in notebook 04.

# %% [markdown]
# ### Exercise 4: a batch of next-token examples
#
# Draw windows at random places. Every window that fits must be possible, the first and the last one too: a text of n tokens has $n - T$ of them, because the last target needs a token as well.
#
# <details><summary>Hint 1: where may a window start?</summary>
#
# At 0, ..., n - T - 1: a window that starts at s needs the tokens s to s + T. `torch.randint(high, size, generator=generator)` draws from 0 to high - 1.
# </details>
#
# <details><summary>Hint 2: all windows at once</summary>
#
# `starts[:, None] + torch.arange(T)` has shape (B, T): the places of all windows. `ids[places]` looks them all up; the targets are at `places + 1`.
# </details>

# %% exercise="next_token_batch" minutes=8 difficulty=2
def next_token_batch(ids: torch.Tensor, length: int, batch_size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and targets, both (batch_size, length) long: windows of a text, and the same one token later.

    ids        shape (n,), long: the text as one row of tokens, n > length
    length     T, tokens in a window
    generator  the only source of chance; each of the n - length windows is equally likely, for each row anew

    >>> inputs, targets = next_token_batch(torch.tensor([5, 6, 7]), 2, 1, torch.Generator().manual_seed(0))
    >>> inputs, targets
    (tensor([[5, 6]]), tensor([[6, 7]]))
    """
    ### BEGIN SOLUTION
    starts = torch.randint(len(ids) - length, (batch_size, 1), generator=generator)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]
    ### END SOLUTION


# %% test="next_token_batch" points=4
ten = torch.arange(100, 110)


def batch_of(ids, length, batch_size, seed):
    """Inputs and targets, or the error that making them raised."""
    try:
        return next_token_batch(ids, length, batch_size, torch.Generator().manual_seed(seed))
    except NotImplementedError:
        raise
    except (IndexError, RuntimeError, ValueError, TypeError) as error:
        return error


made = batch_of(ten, 4, 300, 1)
check.that(
    not isinstance(made, Exception),
    f"next_token_batch of 10 tokens, T = 4, raised {made}. The last window starts at n - T - 1: it needs a token after its last one, for the last target.",
)
check.that(isinstance(made, tuple) and len(made) == 2, "next_token_batch should return two tensors: return inputs, targets.")
inputs, targets = made
check.equal(
    tuple(inputs.shape),
    (300, 4),
    name="the shape of the inputs, batch_size = 300, T = 4",
    causes=[((4, 300), "this is transposed: one row per window."), ((300, 5), "this window has the last target in it; leave it out of the inputs."), ((300, 3), "a window of T tokens has T inputs: cut T + 1 tokens from the text.")],
)
check.equal(
    inputs - inputs[:, :1],
    torch.arange(4).expand(300, 4),
    name="inputs minus the first of their row, for the text 100, 101, ..., 109",
    causes=[(lambda got: True, "a row is a window of *neighbouring* tokens of the text.")],
)
check.equal(
    targets - inputs,
    torch.ones(300, 4, dtype=torch.long),
    name="targets minus inputs, for the text 100, 101, ..., 109",
    causes=[
        (torch.zeros(300, 4, dtype=torch.long), "the targets are not shifted: the model would be asked for what it reads. They are the tokens one place later."),
        (-torch.ones(300, 4, dtype=torch.long), "the targets are shifted the wrong way: one place *later* in the text."),
        (lambda got: bool((got[:, :3] == 1).all()) and bool((got[:, 3] == -3).all()), "the last target is the first input (roll); it has to come from the text, one token after the window."),
        (lambda got: bool((got[:, :3] == 1).all()), "the last target is not the token after the window; take it from the text."),
    ],
)
starts_seen = set(inputs[:, 0].tolist())
check.equal(
    starts_seen,
    {100, 101, 102, 103, 104, 105},
    name="the first tokens of 300 windows of the text 100, 101, ..., 109, T = 4",
    causes=[
        ({100, 101, 102, 103, 104}, "the last window is never drawn: randint(high) draws from 0 to high - 1, so high is n - T."),
        ({101, 102, 103, 104, 105}, "the first window is never drawn; starts count from 0."),
        (lambda got: len(got) == 1, "all rows are the same window: draw a start for each row."),
        (lambda got: got <= {100, 104, 108}, "windows may start anywhere, not only at multiples of T."),
    ],
)
check.that(
    torch.equal(batch_of(ten, 4, 50, 3)[0], batch_of(ten, 4, 50, 3)[0]) and not torch.equal(batch_of(ten, 4, 50, 3)[0], batch_of(ten, 4, 50, 4)[0]),
    "The same seed must give the same windows, and another seed others: draw with the generator you are given.",
)
### BEGIN HIDDEN TESTS
torch.manual_seed(74)
for n, length, batch_size in [(2, 1, 5), (9, 8, 3), (50, 7, 64), (500, 64, 12), (8, 1, 400)]:
    places = torch.arange(n)
    seen, came = next_token_batch(places, length, batch_size, torch.Generator().manual_seed(n))
    check.equal(seen, seen[:, :1] + torch.arange(length), name=f"windows, n = {n}, T = {length}")
    check.equal(came, seen + 1, name=f"targets, n = {n}, T = {length}")
    check.that(int(seen.min()) >= 0 and int(came.max()) < n, "windows inside the text")
    text = torch.randint(1000, (n,))
    seen_text, came_text = next_token_batch(text, length, batch_size, torch.Generator().manual_seed(n))
    check.equal((seen_text, came_text), (text[seen], text[came]), name="the same windows of another text")
counts = torch.bincount(next_token_batch(torch.arange(12), 8, 4000, torch.Generator().manual_seed(5))[0][:, 0], minlength=4)
check.that(bool((counts > 880).all()) and bool((counts < 1120).all()), "each window is equally likely")
### END HIDDEN TESTS

# %% [markdown]
# ### Masked words
#
# BERT covers 15% of the tokens, chosen at random, and is asked for these only. "Covered" mostly means that a special token `[MASK]` takes their place. But `[MASK]` never occurs in the texts that the model is used on later, and a model that has learned to think
# only about `[MASK]`s would have nothing to say there. So, of the chosen tokens (Devlin et al. 2019),
#
# - 80% become `[MASK]`,
# - 10% become a random token,
# - 10% stay as they are,
#
# and the model, which can't know which of the tokens before it were chosen, has to form an opinion about all of them. Where a token was not chosen, there is no loss; its target is −100, which cross-entropy leaves out.

# %% [markdown]
# ### Exercise 5: mask tokens
#
# <details><summary>Hint 1: how do I choose 15%?</summary>
#
# `torch.rand(ids.shape, ...) < share` is True for about that share of places. Combine it with `may_hide`: `&` is "and" for tensors of truth values.
# </details>
#
# <details><summary>Hint 2: and the 80, 10, 10?</summary>
#
# Draw a second number u for each place. Of the chosen: u < 0.8 becomes `[MASK]`, 0.8 ≤ u < 0.9 becomes random, the rest stays.
# </details>
#
# <details><summary>Hint 3: how do I put things together?</summary>
#
# `torch.where(condition, a, b)` takes from a where the condition holds, else from b, and makes a new tensor. `torch.randint(n_tokens, ids.shape, ...)` has a random token for every place. Pass the generator to each draw.
# </details>
#
# <details><summary>I see a loss near 0 after a few steps. Too good to be true?</summary>
#
# Probably targets are given for all places. Most inputs are not hidden, so copying is enough. Targets other than -100 belong to chosen places only.
# </details>

# %% exercise="mask_tokens" minutes=12 difficulty=2
def mask_tokens(
    ids: torch.Tensor, may_hide: torch.Tensor, mask_id: int, n_tokens: int, generator: torch.Generator, share: float = 0.15
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs with some tokens hidden, and the targets: the hidden tokens, -100 elsewhere; both like ids.

    ids        any shape, long; not changed
    may_hide   same shape, bool: False for special tokens and padding, which are never chosen
    mask_id    the token [MASK]
    n_tokens   random tokens are drawn from 0 to n_tokens - 1, all equally likely
    generator  the only source of chance
    share      each place that may be hidden is chosen with this probability

    Of the chosen places, 80% become [MASK], 10% become a random token, 10% keep theirs, each independently.

    >>> inputs, targets = mask_tokens(torch.tensor([7, 8]), torch.tensor([True, False]), 4, 10, torch.Generator(), share=1.0)
    >>> targets
    tensor([   7, -100])
    """
    ### BEGIN SOLUTION
    chosen = (torch.rand(ids.shape, generator=generator) < share) & may_hide
    how = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(n_tokens, ids.shape, generator=generator)
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), anything, inputs)
    return inputs, torch.where(chosen, ids, -100)
    ### END SOLUTION


# %% test="mask_tokens" points=5
many = torch.arange(1000, 31_000).view(100, 300)  # every token is different, and none is a random one (below 1000)
open_places = torch.ones_like(many, dtype=torch.bool)
MASK = 999
try:
    made = mask_tokens(many, open_places, MASK, 900, torch.Generator().manual_seed(1))
except NotImplementedError:
    raise
except RuntimeError as error:
    made = error
check.that(isinstance(made, tuple) and len(made) == 2, f"mask_tokens should return two tensors, inputs and targets, for ids of shape (100, 300). It gave {type(made).__name__}: {made!s:.200}")
inputs, targets = made
check.equal(tuple(inputs.shape), (100, 300), name="the shape of the inputs")
check.equal(tuple(targets.shape), (100, 300), name="the shape of the targets")
asked = targets != -100
share_asked = float(asked.float().mean())
check.that(share_asked < 0.999, "There is a target at every place, so the loss would be on words that are not hidden, too: -100 where a token was not chosen.")
check.that(
    bool(((inputs == many) | asked).all()),
    "Some tokens were changed and have no target: the places that are hidden and the places that are asked for must be the same.",
)
check.that(
    0.141 < share_asked < 0.159,
    f"{share_asked:.1%} of the places are asked for, not 15%. "
    + ("These are the hidden ones among the chosen only: those that stay as they are, or become random, are asked for as well." if 0.11 < share_asked < 0.141 else "Choose each place with probability `share`; mind which way < points."),
)
check.equal(
    targets[asked],
    many[asked],
    name="the targets of the chosen places",
    causes=[
        (lambda got: bool((got == MASK).any()), "the targets were taken after the masking: a model would be asked for [MASK]. They are the tokens that stood there before."),
        (lambda got: True, "the targets of chosen places are the tokens that stood there before."),
    ],
)
shares = {
    "masked": float((inputs == MASK)[asked].float().mean()),
    "random": float((inputs < 900)[asked].float().mean()),
    "kept": float((inputs == many)[asked].float().mean()),
}
told = f"Of the chosen tokens {shares['masked']:.0%} became [MASK], {shares['random']:.0%} became random, and {shares['kept']:.0%} stayed; it should be 80, 10, 10. "
check.that(not shares["masked"] > 0.99, told + "All of them became [MASK]: draw a second number for each chosen place.")
check.that(not shares["masked"] < 0.01, told + "None of them became [MASK].")
check.that(shares["masked"] + shares["random"] + shares["kept"] > 0.999, told + "The others became something else: random tokens are drawn from 0 to n_tokens - 1.")
check.that(
    not (0.12 < shares["masked"] < 0.18) and not (0.08 < shares["random"] < 0.12 and 0.69 < shares["masked"] < 0.75),
    told + "Use one number u for each place: u < 0.8, 0.8 <= u < 0.9, and the rest.",
)
check.that(
    abs(shares["masked"] - 0.8) < 0.03 and abs(shares["random"] - 0.1) < 0.025 and abs(shares["kept"] - 0.1) < 0.025,
    told + "Which of the three happens must not depend on whether the place was chosen: draw a new number for it, and mind the borders 0.8 and 0.9.",
)
replaced = inputs[asked & (inputs < 900)]
check.that(len(set(replaced.tolist())) > 200, "All random tokens are the same one: draw a random token for each place.")
closed = open_places.clone()
closed[:, ::2] = False
check.that(
    bool((mask_tokens(many, closed, MASK, 900, torch.Generator().manual_seed(2))[1][:, ::2] == -100).all()),
    "Places where may_hide is False were chosen: special tokens and padding must stay.",
)
check.equal(
    check.after(mask_tokens, many, open_places, MASK, 900, torch.Generator().manual_seed(3)).arguments[0]["value"],
    many,
    name="ids after the call",
    causes=[(lambda got: True, "you changed the ids that you were given; make new tensors (torch.where, or clone first).")],
)
check.that(
    torch.equal(mask_tokens(many, open_places, MASK, 900, torch.Generator().manual_seed(4))[0], mask_tokens(many, open_places, MASK, 900, torch.Generator().manual_seed(4))[0]),
    "The same seed must give the same masks: draw everything with the generator you are given.",
)
### BEGIN HIDDEN TESTS
for seed, share, n_tokens in [(10, 0.15, 5), (11, 0.5, 900), (12, 1.0, 50), (13, 0.0, 50)]:
    some = torch.randperm(40_000, generator=torch.Generator().manual_seed(seed)).view(4, 100, 100) + 1000
    free = torch.rand(some.shape, generator=torch.Generator().manual_seed(seed + 50)) < 0.7
    hidden, wanted = mask_tokens(some, free, 998, n_tokens, torch.Generator().manual_seed(seed), share=share)
    check.equal((tuple(hidden.shape), tuple(wanted.shape)), ((4, 100, 100), (4, 100, 100)), name="shapes")
    chosen = wanted != -100
    check.that(bool((~chosen | free).all()), "only places that may be hidden")
    check.equal(wanted[chosen], some[chosen], name="targets")
    check.equal(hidden[~chosen], some[~chosen], name="inputs that were not chosen")
    check.that(abs(float(chosen[free].float().mean()) - share) < 0.015, f"share {share}")
    if share:
        got = hidden[chosen]
        among = [float(part.float().mean()) for part in (got == 998, got < n_tokens, got == some[chosen])]
        check.that(all(abs(a - b) < 0.035 for a, b in zip(among, [0.8, 0.1, 0.1], strict=True)), "80, 10, 10")
        drawn = got[got < n_tokens]
        check.equal(set(drawn[:4000].tolist()) <= set(range(n_tokens)), True, name="random tokens")
        check.that(int(drawn.min()) < 0.1 * n_tokens + 1 and int(drawn.max()) > 0.9 * n_tokens - 2, "random tokens from 0 to n_tokens - 1")
        rows = (hidden == 998).flatten(1).float().mean(1)
        check.that(len(set((hidden == 998)[0, 0].tolist())) == 2 or share < 0.2, "each place by itself")
        check.that(float(rows.max() - rows.min()) < 0.1, "the same share in each row")
one, asked_for = mask_tokens(torch.tensor([3]), torch.tensor([False]), 998, 10, torch.Generator().manual_seed(1), share=1.0)
check.equal((one, asked_for), (torch.tensor([3]), torch.tensor([-100])), name="a single place that must stay")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what BERT gets to read

# %% experiment
word_tokenizer = WordTokenizer([*village.source.vocabulary, "[MASK]"])
mask_id = len(word_tokenizer) - 1
hiding = torch.Generator().manual_seed(3)
for words in sorted(village.valid[:60], key=len)[-4:]:
    ids = torch.tensor(word_tokenizer.encode(" ".join(words)))
    seen, asked = mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), mask_id, mask_id, hiding)
    print("reads:    ", word_tokenizer.decode(seen.tolist()))
    print("asked for:", *(word_tokenizer.decode([i]) if i != -100 else "·" for i in asked.tolist()), "\n")

# %% [markdown]
# ### Next sentences
#
# BERT had a second task: given two sentences, do they follow each other? Half of the pairs are neighbours in a document; in the other half the second sentence comes from *another* document.

# %% [markdown]
# ### Exercise 6: next-sentence pairs
#
# <details><summary>Hint 1: which pairs are there?</summary>
#
# For each document: sentence i with sentence i + 1. The last sentence of a document has no next one, and the first of the next document is not it.
# </details>
#
# <details><summary>Hint 2: how do I draw with this rng?</summary>
#
# `rng.random() < 0.5` tosses a coin. `rng.integers(n)` draws from 0 to n - 1. To get *another* document, draw from one fewer and skip this one: `other += other >= this`.
# </details>

# %% exercise="next_sentence_pairs" minutes=9 difficulty=2
def next_sentence_pairs(documents: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    """Return (first, second, is_next) for each sentence of each document that has a next one, in order.

    documents  two or more, each a list of one or more sentences
    rng        the only source of chance: np.random.default_rng(seed)

    With probability 1/2, second is the next sentence and is_next is True. Otherwise second is a random sentence of
    a random other document, each other document equally likely, and is_next is False.

    >>> next_sentence_pairs([["a1", "a2"], ["b1"]], np.random.default_rng(1))
    [('a1', 'b1', False)]
    """
    ### BEGIN SOLUTION
    pairs = []
    for d, document in enumerate(documents):
        for first, following in zip(document, document[1:]):
            if rng.random() < 0.5:
                pairs.append((first, following, True))
            else:
                other = rng.integers(len(documents) - 1)
                other += other >= d
                pairs.append((first, documents[other][rng.integers(len(documents[other]))], False))
    return pairs
    ### END SOLUTION


# %% test="next_sentence_pairs" points=3
shelf = [[f"{letter}{i}" for i in range(9)] for letter in "abcdef"]


def drawn_pairs(documents, seed):
    """The pairs, or the error that drawing them raised."""
    try:
        return next_sentence_pairs(documents, np.random.default_rng(seed))
    except (IndexError, ValueError, TypeError) as error:
        return error


pairs = [drawn_pairs(shelf, seed) for seed in range(12)]
check.that(not isinstance(pairs[0], Exception), f"next_sentence_pairs raised {pairs[0]} for six documents of nine sentences: mind the last sentence of a document, which has no next one.")
check.equal(
    [len(p) for p in pairs],
    [48] * 12,
    name="the number of pairs of six documents of nine sentences",
    causes=[
        ([53] * 12, "pairs run across documents: the last sentence of a document has no next one."),
        ([54] * 12, "the last sentence of a document has no next one, so it starts no pair."),
        ([96] * 12, "one pair for each sentence that has a next one: toss a coin, not both."),
        ([24] * 12, "every sentence but the last of a document starts a pair, not every second one."),
    ],
)
check.that(all(isinstance(pair, tuple) and len(pair) == 3 and isinstance(pair[2], bool) for p in pairs for pair in p), "A pair is a tuple (first, second, is_next), and is_next is True or False.")
check.equal([pair[0] for pair in pairs[0]], [s for d in shelf for s in d[:8]], name="the first sentences, in order")
flat = [pair for p in pairs for pair in p]
following = {s: d[i + 1] for d in shelf for i, s in enumerate(d[:8])}
is_true = [following[first] == second for first, second, _ in flat]
said = [label for *_, label in flat]
check.that(not all(t != s for t, s in zip(is_true, said, strict=True)), "The labels are upside down: True means that second really is the next sentence.")
check.that(not all(said) and not all(is_true), "All pairs are neighbours: half of them should get a sentence of another document.")
check.that(any(said), "No pair has the label True: half of the pairs should be neighbours.")
same_document = [first[0] == second[0] for first, second, label in flat if not label]
check.that(not all(same_document), "A pair that is no neighbour must take its second sentence from another document, not from the same one.")
check.that(not any(same_document), "Sometimes a sentence of the *same* document comes as no neighbour, which may even be the next one. Leave this document out of the draw.")
check.that(
    all(second == following[first] for first, second, label in flat if label),
    "A pair with the label True is not a pair of neighbours: second should be the sentence after first, in the same document.",
)
labels_of_first = [label for *_, label in pairs[0]]
check.that(labels_of_first != [label for *_, label in pairs[1]], "Different seeds gave the same labels: toss a coin for each pair, with the rng you are given.")
share_next = said.count(True) / len(said)
check.that(0.44 < share_next < 0.56, f"{share_next:.0%} of the pairs are neighbours; it should be half of them, by a coin toss for each pair.")
others = [second for _, second, label in flat if not label]
check.that(len({s[1:] for s in others}) == 9, "The other sentence is always at the same place of its document: draw it from the whole document.")
check.that(
    len({(first[0], second[0]) for first, second, label in flat if not label}) == 30,
    "The other document is not drawn from all other documents.",
)
check.that(drawn_pairs(shelf, 5) == drawn_pairs(shelf, 5), "The same seed must give the same pairs: let rng be the only source of chance.")
### BEGIN HIDDEN TESTS
import random

random_sizes = random.Random(76)
for seed in range(6):
    sizes = [random_sizes.randrange(1, 7) for _ in range(random_sizes.randrange(2, 7))]
    library = [[f"{d}.{i}" for i in range(n)] for d, n in enumerate(sizes)]
    got = next_sentence_pairs(library, np.random.default_rng(seed))
    check.equal([first for first, *_ in got], [s for d in library for s in d[:-1]], name="first sentences")
    for first, second, label in got:
        document, place = map(int, first.split("."))
        check.equal(second == f"{document}.{place + 1}", label, name=f"the label of {first}, {second}")
        check.that(label or int(second.split(".")[0]) != document, "another document")
two = [["x1", "x2"] * 300, ["y1"] + ["y2"] * 9]
got = next_sentence_pairs(two, np.random.default_rng(3))
from_y = [second for first, second, label in got if not label and first[0] == "x"]
check.that(0.03 < from_y.count("y1") / len(from_y) < 0.2, "every sentence of the other document is equally likely")
uneven = [["x1", "x2"] * 400, ["y1"], ["z1"] * 9]
from_short = [second for first, second, label in next_sentence_pairs(uneven, np.random.default_rng(4)) if not label and first[0] == "x"]
check.that(0.4 < from_short.count("y1") / len(from_short) < 0.6, "every other document is equally likely, the short one too")
check.equal(next_sentence_pairs([["a"], ["b"]], np.random.default_rng(0)), [], name="documents of one sentence")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how much must one understand to solve it?
#
# In the village, the sentences of a story share a topic, with some that belong to none. The source knows how probable each topic is given a sentence. So let us solve the task without reading for sense at all: say "next" if the two sentences
# have the same most probable topic, or if one of them has no clear topic.

# %% experiment
stories = village.source.sample_stories(150, seed=7)
story_pairs = next_sentence_pairs([[" ".join(s) for s in story] for story in stories], np.random.default_rng(0))


@cache
def topic_of(text):
    chances = village.source.topic_probabilities([text.split()])
    best = max(chances, key=chances.get)
    return best if chances[best] > 0.5 else None


def guess(first, second):
    return topic_of(first) == topic_of(second) or None in (topic_of(first), topic_of(second))


with_topics = [(guess(first, second), label) for first, second, label in story_pairs if None not in (topic_of(first), topic_of(second))]
print(f"{len(story_pairs)} pairs; right: {np.mean([guess(a, b) == label for a, b, label in story_pairs]):.0%}")
print(f"{len(with_topics)} of them where both sentences have a clear topic; right: {np.mean([g == label for g, label in with_topics]):.0%}")

# %% [markdown]
# Where both sentences have a clear topic, comparing topics is right 19 times out of 20, without any idea of what follows from what. A sentence from another document mostly gives itself away by what it is about; and topics are just what a
# language model learns from masked words anyway. Lan et al. (2020) blamed the task for this (and proposed another one: are these two neighbours in the right order?).
# Liu et al. (2019) trained BERT longer, on more text and *without* this task (RoBERTa), and did at least as well. The task has gone out of use; building pairs has not, and you need it again in notebook 08.

# %% [markdown]
# ### Spans
#
# T5 removes whole spans. Each span leaves a single **sentinel** in the source, and the target lists the spans, each after its sentinel; one more sentinel closes it. The example of the paper (Raffel et al. 2020):
#
# | | |
# |---|---|
# | text | Thank you ~~for inviting~~ me to your party ~~last~~ week |
# | source | Thank you `<X>` me to your party `<Y>` week |
# | target | `<X>` for inviting `<Y>` last `<Z>` |
#
# Both are shorter than the text, so training is cheap. BART (Lewis et al. 2020) also puts one `[MASK]` for each span, but asks for the *whole* text, which costs more and lets it damage the text in other ways, too: sentences in another order, words deleted without a trace.

# %% [markdown]
# ### Exercise 7: corrupt spans
#
# <details><summary>Hint 1: in which order?</summary>
#
# From left to right, whatever the order in which the spans are given: `sorted(spans)`. The first span gets the first sentinel.
# </details>
#
# <details><summary>Hint 2: pseudocode</summary>
#
#     done = 0
#     for each span, from left to right, with its sentinel:
#         source gets the tokens from done to the start, then the sentinel
#         target gets the sentinel, then the tokens of the span
#         done = end of the span
#     source gets the tokens from done on; target gets the next sentinel
# </details>

# %% exercise="corrupt_spans" minutes=10 difficulty=2
def corrupt_spans(tokens: list[str], spans: list[tuple[int, int]], sentinels: list[str]) -> tuple[list[str], list[str]]:
    """Return source and target of T5's task: the tokens with gaps, and what belongs into the gaps.

    spans      (start, end) of each gap, in any order: tokens[start:end] is removed. Gaps are not empty and don't overlap
    sentinels  one more than spans, at least; they are used in this order, from left to right

    >>> source, target = corrupt_spans("Thank you for inviting me".split(), [(2, 4)], ["<X>", "<Y>"])
    >>> source, target
    (['Thank', 'you', '<X>', 'me'], ['<X>', 'for', 'inviting', '<Y>'])
    """
    ### BEGIN SOLUTION
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(sorted(spans), sentinels):
        source += [*tokens[done:start], sentinel]
        target += [sentinel, *tokens[start:end]]
        done = end
    return source + tokens[done:], [*target, sentinels[len(spans)]]
    ### END SOLUTION


# %% test="corrupt_spans" points=4
thanks = "Thank you for inviting me to your party last week".split()
made = corrupt_spans(thanks, [(2, 4), (8, 9)], ["<X>", "<Y>", "<Z>", "<W>"])
check.that(isinstance(made, tuple) and len(made) == 2, "corrupt_spans should return two lists: return source, target.")
source, target = made
check.equal(
    " ".join(source),
    "Thank you <X> me to your party <Y> week",
    name="the source of the paper's example, spans (2, 4) and (8, 9)",
    causes=[
        ("Thank you <X> <Y> me to your party <Z> week", "each *span* leaves one sentinel, not each token."),
        ("Thank you <X> <X> me to your party <Y> week", "each span leaves one sentinel, not one for each token."),
        ("Thank you <X> me to your party <X> week", "every span has a sentinel of its own."),
        ("Thank you <Y> me to your party <X> week", "the sentinels are out of order: <X> for the leftmost span."),
        ("Thank you me to your party week", "the gaps leave no trace: put a sentinel where a span was."),
        ("Thank you <X> me to your party <Y>", "the tokens after the last span are missing."),
        ("Thank you <X> me to your party <Y> last week", "one token too few was removed: a span ends before `end`."),
        ("<X> for inviting <Y> last <Z>", "source and target are swapped."),
        (lambda got: "<Z>" in got, "the closing sentinel belongs into the target only."),
        (lambda got: "<Y> week" not in got, "places shift when tokens are removed: build a new list from the old one, or go from right to left."),
    ],
)
check.equal(
    " ".join(target),
    "<X> for inviting <Y> last <Z>",
    name="the target of the paper's example",
    causes=[
        ("<X> for inviting <Y> last", "the closing sentinel is missing: it tells where the last span ends."),
        ("<X> for inviting <Y> last <W>", "the closing sentinel is the next one after those used, sentinels[len(spans)]."),
        ("for inviting <X> last <Y>", "a sentinel stands *before* its span."),
        ("for inviting <X> last <Y> <Z>", "a sentinel stands *before* its span."),
        ("for inviting last", "the target needs the sentinels, or nobody knows which words belong where."),
        ("Thank you for inviting me to your party last week", "this is BART's target, the whole text; T5's lists the spans only."),
        (lambda got: got.startswith("Thank you"), "the target lists the removed spans only."),
    ],
)
source, target = corrupt_spans(thanks, [(8, 9), (2, 4)], ["<X>", "<Y>", "<Z>"])
check.equal(
    (" ".join(source), " ".join(target)),
    ("Thank you <X> me to your party <Y> week", "<X> for inviting <Y> last <Z>"),
    name="the same with the spans given as (8, 9), (2, 4)",
    causes=[(lambda got: True, "the sentinels are out of order: spans may come in any order, and the leftmost gets the first sentinel. Sort them.")],
)
source, target = corrupt_spans(list("abcde"), [(0, 1), (1, 3), (4, 5)], ["<X>", "<Y>", "<Z>", "<W>"])
check.equal(
    (" ".join(source), " ".join(target)),
    ("<X> <Y> d <Z>", "<X> a <Y> b c <Z> e <W>"),
    name="a b c d e with the spans (0, 1), (1, 3), (4, 5), two of which are neighbours",
    causes=[
        (lambda got: got[0] == "<X> d <Y>", "two spans that are neighbours are still two spans, with a sentinel each."),
        (lambda got: True, "mind a span at the very start and one at the very end."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_spans = random.Random(77)


def slow_corruption(tokens, spans, sentinels):
    """Token by token, with a table of which span each place belongs to."""
    number = {}
    for k, (start, end) in enumerate(sorted(spans)):
        for place in range(start, end):
            number[place] = k
    kept, gone, last = [], [], None
    for place, token in enumerate(tokens):
        k = number.get(place)
        if k is None:
            kept.append(token)
        elif k != last:
            kept.append(sentinels[k])
            gone += [sentinels[k], token]
        else:
            gone.append(token)
        last = k
    return kept, [*gone, sentinels[len(spans)]]


for _ in range(40):
    n = random_spans.randrange(1, 25)
    borders = sorted(random_spans.sample(range(n + 1), min(n + 1, 2 * random_spans.randrange(1, 4))))
    spans = list(zip(borders[::2], borders[1::2]))
    random_spans.shuffle(spans)
    tokens = [f"w{i}" for i in range(n)]
    sentinels = [f"<{random_spans.randrange(1000)}.{i}>" for i in range(8)]
    check.equal(corrupt_spans(tokens, spans, sentinels), slow_corruption(tokens, spans, sentinels), name=f"{n} tokens, spans {spans}")
check.equal(corrupt_spans(["a", "b"], [], ["<X>"]), (["a", "b"], ["<X>"]), name="no spans")
check.equal(corrupt_spans(["a", "b"], [(0, 2)], ["<X>", "<Y>"]), (["<X>"], ["<X>", "a", "b", "<Y>"]), name="everything is one span")
kept_tokens, kept_spans = ["a", "b", "c"], [(2, 3), (0, 1)]
left = check.after(corrupt_spans, kept_tokens, kept_spans, ["<X>", "<Y>", "<Z>"]).arguments
check.equal(left[:2], [["a", "b", "c"], [(2, 3), (0, 1)]], name="the lists after the call")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how much does each game ask?
#
# How many tokens must the network read, and for how many is it asked? The cell plays all games on the held-out text of the village, in windows of 60 words, with 15% of the tokens hidden, in spans of about three as in the paper.

# %% experiment
def random_spans_of(n, rng, share=0.15, mean_length=3):
    """Non-overlapping spans that hide about this share of n tokens."""
    n_spans = max(1, round(n * share / mean_length))
    lengths = [max(1, round(n * share / n_spans))] * n_spans
    spare = n - sum(lengths)
    gaps = sorted(rng.integers(spare + 1, size=n_spans))
    starts = [int(gap) + sum(lengths[:i]) for i, gap in enumerate(gaps)]
    return [(start, start + length) for start, length in zip(starts, lengths)]


rng = np.random.default_rng(2)
hiding = torch.Generator().manual_seed(2)
stream = [word for words in village.valid for word in (*words, "</s>")]
windows = [stream[i : i + 60] for i in range(0, len(stream) - 60, 60)]
sentinels = [f"<{i}>" for i in range(40)]
read, predicted = Counter(), Counter()
for window in windows:
    ids = torch.tensor(word_tokenizer.encode(" ".join(window)))
    masked = mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), mask_id, mask_id, hiding)[1]
    spans = random_spans_of(len(window), rng)
    source, target = corrupt_spans(window, spans, sentinels)
    read.update({"next token (GPT)": len(window), "masked words (BERT)": len(window), "spans (T5)": len(source) + len(target), "infilling (BART)": len(source) + len(window)})
    predicted.update({"next token (GPT)": len(window) - 1, "masked words (BERT)": int((masked != -100).sum()), "spans (T5)": len(target), "infilling (BART)": len(window)})
per_hundred = {game: 100 * predicted[game] / read[game] for game in read}
plots.bars(
    per_hundred,
    title="Next-token prediction asks most of every token it reads",
    x_label="predictions for every 100 tokens that the network reads",
    highlight="next token (GPT)",
    alt="Predictions per 100 tokens read: " + ", ".join(f"{game} {value:.0f}" for game, value in per_hundred.items()) + ".",
)

# %% [markdown]
# For a given amount of computing, GPT's game gives by far the most answers to learn from. BERT's and T5's questions have their own value: the model answers with both sides in view, which makes better *judges* at the same size. But for
# models of very many parameters, trained once and used for everything, the cheap and plentiful question has won.

# %% [markdown] question="objectives" points=3 minutes=4
# **Question 1.** (a) Suppose you train the second model of the picture (everybody sees everybody) with targets shifted by one, as for GPT. The loss falls to almost 0. What has the model learned, and what is it good for? (b) Suppose BERT *always* used `[MASK]`.
# Why might its vectors for ordinary, uncovered words be worse? (c) A colleague masks 60% of the words "to get four times as much to learn from each text". What speaks against it?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) To copy: place t sees place t + 1, which is its target. It has learned nothing about language and is good for nothing (when used for writing, the next token is not there to be copied). (b) It would be asked only where [MASK] stands, so it need not form any opinion about places that hold a word; and in later use there are no [MASK]s:
# training and use differ. With 10% kept and 10% random, any visible word may be asked for, or be wrong. (c) With most of the words hidden, too little context is left to answer from: the questions become too hard or ambiguous. (Half a point for "training and use differ even more" alone. That the best rate may well be above 15%, as Wettig et al. 2023 found, does not speak against the argument.)
# ### END MARK SCHEME

# %% [markdown]
# ## 3 How to move the weights
#
# ### The order of the data
#
# A step follows the gradient of one batch, and the batch should stand for the whole text. If all stories about harbours come first and all about clinics last, the model spends its last steps forgetting harbours. So texts are
# shuffled, windows are drawn anywhere, and every batch mixes everything. Try it: the same sentences and the same number of steps, once in random order, once sorted by their topic.

# %% experiment
class InOrder(Batches):
    """The same rows, but handed out from the first to the last."""

    place = 0

    def sample(self, size, generator=None):
        rows = (torch.arange(size) + self.place) % len(self)
        self.place += size
        return self._rows(rows)


words_only = WordTokenizer(village.source.vocabulary)
train_set, valid_set, test_set = (sentence_batches(part, words_only) for part in (village.train, village.valid, village.test))
ORDER_STEPS = 80
some = [village.train[i] for i in torch.randperm(len(village.train), generator=torch.Generator().manual_seed(0))[: 64 * ORDER_STEPS].tolist()]
topic_of_word = {word: topic for topic in village.source.topics for word in village.source.topic_words(topic)}
by_topic = sorted(some, key=lambda words: next((topic_of_word[word] for word in words if word in topic_of_word), ""))


def small_gpt(width, n_layers=2, seed=0):
    torch.manual_seed(seed)
    return GPT(GPTConfig(len(words_only), n_positions=32, n_layers=n_layers, n_heads=4, embedding_dim=width, positions="rotary", end_id=words_only.end_id))


ordered_bits = {}
for name, sentences in [("shuffled", some), ("sorted by topic", by_topic)]:
    rows = sentence_batches(sentences, words_only)
    model = small_gpt(48)
    train(model, InOrder(rows.inputs, rows.targets, rows.characters, lengths=rows.lengths), steps=ORDER_STEPS, batch_size=64, optimizer=muon_and_adamw(model, adamw_learning_rate=1e-2), progress=False)
    ordered_bits[name] = bits_per_character(model, valid_set)
    print(f"{name:16} {ordered_bits[name]:.3f} bits per character on held-out sentences")

# %% [markdown]
# The model that read its topics one after the other has seen the very same sentences. It pays more, since the topics of its first steps were overwritten by those of its last ones (and an average over topics is what held-out text asks for).
# There is a lesson for real corpora in this: shuffle documents before you cut them into windows, and beware of a source that comes in one block.
#
# ### The schedule
#
# How large should a step be? At first, small: the weights are random, the averages that the optimiser keeps are empty, and a large step can do damage that takes long to repair. Then large, to get on. At the end small again, since large steps keep jumping over the bottom of the valley. The usual
# compromise is a linear **warm-up** and then half a wave of a **cosine** (Loshchilov and Hutter 2017). With the step number $s$ counted from 0, $w$ steps of warm-up, $n$ steps in all, and the rates $\eta_{\max}$ and $\eta_{\min}$:
#
# $$\eta(s) = \begin{cases} \eta_{\max}\, \dfrac{s + 1}{w + 1} & s < w \\[2ex] \eta_{\min} + \dfrac{\eta_{\max} - \eta_{\min}}{2} \Big(1 + \cos \pi \dfrac{s - w}{n - w}\Big) & w \le s \le n \\[2ex] \eta_{\min} & s > n \end{cases}$$
#
# Look at the ends. Step 0 has a rate above 0: a step with rate 0 would be wasted. Step $w$ is the first with the full rate. The last step is $n - 1$, just above $\eta_{\min}$.

# %% [markdown]
# ### Exercise 8: warm-up and cosine
#
# <details><summary>Hint: how far is the cosine?</summary>
#
# The share of the way from step `warmup` to step `n_steps` runs from 0 to 1. The cosine of pi times that runs from 1 to -1; add 1 and halve it, and it runs from 1 to 0.
# </details>

# %% exercise="warmup_cosine" minutes=7 difficulty=1
def warmup_cosine(step: int, n_steps: int, warmup: int, peak: float, low: float = 0.0) -> float:
    """Return the learning rate of a step: a linear rise to `peak`, then half a cosine down to `low`.

    step     counted from 0; from step n_steps on the rate is low
    n_steps  length of the run, more than warmup
    warmup   so many steps rise: step 0 has peak / (warmup + 1), and step number warmup is the first with peak

    >>> [round(warmup_cosine(step, 8, 3, 1.0), 3) for step in range(9)]
    [0.25, 0.5, 0.75, 1.0, 0.905, 0.655, 0.345, 0.095, 0.0]
    """
    ### BEGIN SOLUTION
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if step > n_steps:
        return low
    angle = math.pi * (step - warmup) / (n_steps - warmup)
    return low + 0.5 * (peak - low) * (1 + math.cos(angle))
    ### END SOLUTION


# %% test="warmup_cosine" points=3
def rates_of(n_steps, warmup, steps, *rest):
    """The rates of these steps, or the error that computing them raised."""
    try:
        return [warmup_cosine(step, n_steps, warmup, *rest) for step in steps]
    except ZeroDivisionError as error:
        return error


check.equal(
    rates_of(100, 20, [0, 9, 19], 2.0),
    [2 / 21, 20 / 21, 40 / 21],
    name="the rates of steps 0, 9 and 19; 100 steps, 20 of warm-up, peak 2",
    causes=[
        ([0.0, 0.9, 1.9], "one step late: step 0 has a rate of 0 and is wasted. Steps count from 0, so use step + 1."),
        ([0.1, 1.0, 2.0], "one step early: the full rate comes at step number warmup, so divide by warmup + 1."),
        ([0.0, 18 / 21, 38 / 21], "step 0 has a rate of 0 and is wasted. Use step + 1."),
        ([1 / 21, 10 / 21, 20 / 21], "multiply by the peak."),
        (lambda got: got[0] > 1.9, "there is no warm-up: the first steps should be small."),
        (lambda got: got[0] > got[2], "the warm-up falls; it should rise."),
    ],
)
check.equal(
    rates_of(100, 20, [20, 40, 60, 80], 2.0),
    [2.0, 2.0 * 0.8535534, 1.0, 2.0 * 0.1464466],
    name="the rates of steps 20, 40, 60 and 80; 100 steps, 20 of warm-up, peak 2",
    causes=[
        ([2.0, 1.5, 1.0, 0.5], "this falls in a straight line; take the cosine of pi times the progress."),
        ([2 * 0.9045085, 2 * 0.6545085, 2 * 0.3454915, 2 * 0.0954915], "the cosine starts at step 0: progress is (step - warmup) / (n_steps - warmup)."),
        (lambda got: abs(got[0] - 2) < 1e-6 and abs(got[2]) < 1e-6 and got[3] < 0, "a cosine runs from 1 to -1: add 1 and halve it."),
        (lambda got: abs(got[0] - 4) < 1e-6, "the cosine plus 1 runs from 2 to 0: halve it."),
        ([2.0, 2 * 0.9045085, 2 * 0.6545085, 2 * 0.3454915], "progress is divided by n_steps - warmup, not by n_steps: the run would end in mid-air."),
        (lambda got: got[3] > 1.7, "degrees: math.cos takes radians, pi for half a turn."),
        (lambda got: abs(got[0]) < 1e-6, "this rises after the warm-up; the cosine should fall."),
    ],
)
check.equal(
    rates_of(100, 20, [60, 100, 130], 2.0, 0.5),
    [1.25, 0.5, 0.5],
    name="the rates of steps 60, 100 and 130 with low = 0.5",
    causes=[
        ([1.0, 0.0, 0.0], "low is not used: the cosine falls from peak to low."),
        (lambda got: got[0] == 1.5, "low is added on top of the peak: the cosine covers peak - low."),
        (lambda got: abs(got[1] - 0.5) < 1e-6 and got[2] > 0.6, "after n_steps a cosine rises again; return low there."),
        (lambda got: got[1] != 0.5, "at step n_steps the rate is low."),
    ],
)
check.equal(
    rates_of(10, 0, [0, 5], 1.0),
    [1.0, 0.5],
    name="the rates of steps 0 and 5 without warm-up, 10 steps",
    causes=[(lambda got: isinstance(got, Exception), "warmup may be 0: don't divide by it.")],
)
### BEGIN HIDDEN TESTS
import cmath

for n_steps, warmup, peak, low in [(2000, 100, 1e-3, 1e-4), (7, 6, 3.0, 0.0), (50, 1, 0.02, 0.02), (30, 29, 1.0, 0.2), (9, 0, 5.0, 1.0)]:
    for step in [*range(min(n_steps + 3, 60)), n_steps - 1, n_steps, n_steps + 1, 10 * n_steps]:
        if step < warmup:
            expected = peak * (step + 1) / (warmup + 1)
        else:
            turned = cmath.exp(1j * cmath.pi * min(1.0, (step - warmup) / (n_steps - warmup))).real
            expected = (peak + low) / 2 + turned * (peak - low) / 2
        check.equal(warmup_cosine(step, n_steps, warmup, peak, low), expected, name=f"step {step} of {n_steps}, warm-up {warmup}", atol=1e-9)
### END HIDDEN TESTS

# %% experiment
steps_shown = list(range(0, 1001, 5))
plots.lines(
    steps_shown,
    {
        "warm-up and cosine": [warmup_cosine(s, 1000, 100, 1.0) for s in steps_shown],
        "a shorter run": [warmup_cosine(s, 500, 100, 1.0) if s <= 500 else math.nan for s in steps_shown],
        "down to a tenth": [warmup_cosine(s, 1000, 100, 1.0, 0.1) for s in steps_shown],
    },
    title="A schedule belongs to a length: a shorter run is not the first half of a longer one",
    x_label="step",
    y_label="share of the full learning rate",
    alt="Three schedules over 1,000 steps. All rise in a straight line for 100 steps. One falls as a cosine to 0 at step 1,000, one to 0.1, and that of a shorter run to 0 at step 500.",
)

# %% [markdown]
# ### The optimiser
#
# **AdamW** (Kingma and Ba 2015; Loshchilov and Hutter 2019) keeps, for every single weight, a running mean of its gradient and of the gradient's square, and divides one by the root of the other. So every weight moves by about the learning rate, whether its gradients are large or small. The W stands for
# *weight decay*: apart from the gradient, every weight shrinks by a small share at every step.
#
# But a weight matrix is not a heap of single numbers. It turns vectors into vectors, and a gradient matrix says in which *directions* that should change. Write it as $G = U S V^\top$ (singular value decomposition): a sum of directions, each with a strength, its singular value. In practice a handful of strengths are
# large and all others tiny, so that a step along $G$ improves a few directions and leaves the others nearly as they were.
#
# **Muon** (Jordan et al. 2024) keeps a running mean of the gradients as well, takes that for $G$, and makes all its strengths equal: it moves along $U V^\top$. That takes no decomposition. If a polynomial $p$ with odd powers only is applied to a matrix by products, $p(G) = aG + b\,GG^\top G + c\,(GG^\top)^2 G$, it is applied to each singular value; and with well-chosen numbers, five rounds bring all values
# that are not tiny near 1. (This is a Newton-Schulz iteration.) The cell shows it on the gradient of a real GPT, and what AdamW makes of the same gradient in its first step: nearly its sign.

# %% experiment
model = small_gpt(96)
train(model, train_set, steps=15, batch_size=64, optimizer=muon_and_adamw(model), progress=False, device="cpu", dtype="float32")
model.zero_grad()
model(*train_set.sample(256, torch.Generator().manual_seed(0)))[1].backward()
gradient = dict(model.named_parameters())["layers.0.widen.weight"].grad


def strengths(matrix):
    values = torch.linalg.svdvals(matrix)
    return (values / values[0]).tolist()[:-1]  # the layer norm before this matrix leaves the gradient nothing in the last direction


plots.lines(
    list(range(1, 96)),
    {"gradient": strengths(gradient), "AdamW, first step": strengths(gradient.sign()), "Muon": strengths(orthogonalised(gradient))},
    title="A gradient has few strong directions; Muon moves along all of them alike",
    x_label="direction, from the strongest to the weakest",
    y_label="singular value / the largest one",
    log_y=True,
    alt="Singular values of the gradient of a matrix with 96 columns, relative to the largest, on a logarithmic scale. Those of the gradient fall to less than a hundredth, those of its sign to a twentieth, and those of Muon's step stay above a half.",
)

# %% [markdown]
# Muon is for matrices inside the network. An embedding is a table of rows that are learned each by itself, and biases and gains are vectors: they stay with AdamW. `muon_and_adamw(model)` of `nextword.optimizers` shares the parameters out.
#
# ### Experiment: AdamW beside Muon
#
# The same GPT from the same first weights, the same batches in the same order, the same number of steps, and your schedule. The embedding and the vectors are moved by AdamW in both runs; the runs differ in what moves the matrices. Each has the
# best rates of those tried for this model.

# %% experiment
STEPS, WIDTH = 650, 96


def my_schedule(fraction):
    """Your schedule as `train` wants it: a multiple of the full rate for a fraction of the run."""
    return warmup_cosine(round(fraction * STEPS) - 1, STEPS, STEPS // 20, peak=1.0)


def adamw(model):
    """AdamW for everything, with a higher rate for the embedding."""
    rest, matrices, vectors = [model.embedding.weight], [], []
    for name, parameter in model.named_parameters():
        if name != "embedding.weight":
            (matrices if parameter.ndim == 2 else vectors).append(parameter)
    groups = [
        {"params": matrices, "lr": 2e-3, "weight_decay": 0.1},
        {"params": rest, "lr": 4e-2, "weight_decay": 0.1},
        {"params": vectors, "lr": 2e-3, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.99))


my_schedule(0.5)  # if this is not written yet, nothing below is
gpts, histories = {}, {}
for name in ["AdamW", "Muon"]:
    gpts[name] = small_gpt(WIDTH)
    optimizers = adamw(gpts[name]) if name == "AdamW" else muon_and_adamw(gpts[name], learning_rate=0.02, adamw_learning_rate=2e-2, weight_decay=0.1)
    histories[name] = train(gpts[name], train_set, valid=valid_set, steps=STEPS, batch_size=64, optimizer=optimizers, schedule=my_schedule, label=name)

# %% experiment
plots.training(
    histories,
    title="In the same number of steps, Muon gets further than AdamW",
    against="steps",
    floor=("floor", village.source.bits_per_character_floor(village.valid)),
    alt="Bits per character against steps for AdamW and Muon, and the floor. Muon's curve ends nearer to the floor.",
)

# %% experiment
for name, history in histories.items():
    print(f"{name:6} {history.best:.3f} bits per character after {history.processor_seconds:.0f} seconds of processor time")
reached = [step for step, bits in zip(histories["Muon"].steps, histories["Muon"].valid) if bits <= histories["AdamW"].best]
print(f"What AdamW reaches after {STEPS} steps, Muon has {f'at step {reached[0]}' if reached else 'not reached'}.")

# %% [markdown]
# Both runs had the same sentences and the same number of steps; the one that moves along all directions alike gets there in fewer of them. A step of Muon costs more: five rounds of three products for each matrix. How much more depends on the batch, since the work for the gradient grows with the tokens in a batch and Muon's
# does not. With a few hundred tokens, as here, it shows in the seconds; with the batches of hundreds of thousands of tokens that large models are trained on, it is below a percent (Jordan et al. 2024).
#
# A word of caution. Comparisons of optimisers are mostly comparisons of how well their learning rates were chosen, and it is always the older one that is chosen carelessly. In trial runs of this very model, one rate of 0.004 for all weights
# left AdamW at 0.96 bits per character after 500 steps; with 0.02 for the embedding it came to 0.83, and with 0.002 for all others as well to 0.78. Compare after giving both sides the same care, and say what you tried.

# %% [markdown]
# ## 4 What it costs, and what it buys
#
# Models of this size cost half a minute. What would a larger one cost? Nearly all work is in products of matrices. A matrix with $m \cdot n$ numbers takes $m \cdot n$ multiplications and as many additions for each token: **2 operations per parameter**. Going back, the gradient is needed twice, for
# the inputs of the matrix and for the matrix itself: 4 more. So training a model of $N$ parameters on $D$ tokens takes about
#
# $$6\,N D \text{ floating point operations}$$
#
# (Kaplan et al. 2020). For GPT-3 with $N = 175 \cdot 10^9$ and $D = 300 \cdot 10^9$ (Brown et al. 2020) this is $3.15 \cdot 10^{23}$. A graphics card that does $10^{14}$ per second would need a hundred years.
#
# Now more carefully, for a GPT of width $C$ with $L$ layers, a vocabulary of $V$ and windows of $T$ tokens. Per token and forward pass:
#
# | part | numbers in its matrices | operations |
# |---|---|---|
# | attention: queries, keys, values, output, per layer | $4 C^2$ | $8 C^2$ |
# | feed-forward, $C$ to $4C$ and back, per layer | $8 C^2$ | $16 C^2$ |
# | scores with $T$ keys, and the average of $T$ values, per layer | none | $2TC + 2TC$ |
# | head | $V C$ | $2 V C$ |
#
# Looking up an embedding is no product and costs next to nothing. (A program that leaves out the masked half of the scores saves half of the third row. We count it in full.)

# %% [markdown]
# ### Exercise 9: estimate the operations
#
# <details><summary>Hint: forward and back</summary>
#
# Add up the last column, with the rows "per layer" times L. Times 3 for forward and back, times the number of tokens.
# </details>

# %% exercise="estimate_flops" minutes=7 difficulty=1
def estimate_flops(n_layers: int, width: int, vocabulary_size: int, context: int, n_tokens: int) -> int:
    """Return how many floating point operations it takes to train a GPT on so many tokens, forward and back.

    Products of matrices only, each multiplication and each addition counts as one operation. All `context` keys are
    counted for each token, the masked ones as well. The embedding is looked up, for nothing.

    >>> estimate_flops(n_layers=1, width=2, vocabulary_size=3, context=5, n_tokens=1)
    444
    """
    ### BEGIN SOLUTION
    per_layer = 24 * width**2 + 4 * context * width
    return 3 * n_tokens * (n_layers * per_layer + 2 * vocabulary_size * width)
    ### END SOLUTION


# %% test="estimate_flops" points=3
L, C, V, T, D = 3, 10, 7, 20, 1000  # the parts: 24 * L * C^2 = 7200, 4 * L * T * C = 2400, 2 * V * C = 140
check.equal(
    estimate_flops(L, C, V, T, D),
    29_220_000,
    name="estimate_flops(3 layers, width 10, vocabulary 7, context 20, 1000 tokens)",
    causes=[
        (9_740_000, "this is the forward pass alone; going back takes twice as much again."),
        (19_480_000, "forward and back take 3 times the forward pass: the gradient is needed for the inputs and for the matrix."),
        (14_610_000, "a multiplication and an addition are two operations: 2 for each number of a matrix."),
        (22_020_000, "the scores and averages of attention are missing: 4 T C per layer."),
        (25_620_000, "attention has T scores *and* an average over T values: 2 T C for each."),
        (28_800_000, "the head is missing: 2 V C for each token."),
        (29_640_000, "the embedding is looked up; it takes no product of matrices."),
        (24_420_000, "the scores and averages have no parameters, but they are done going back, too: 3 times."),
        (10_020_000, "the rows per layer are to be taken L times."),
        (29_220, "multiply by the number of tokens."),
        (lambda got: isinstance(got, float), "these are whole numbers: return an int."),
        (lambda got: True, "add up the parts for one token: L (24 C^2 + 4 T C) + 2 V C; then 3 times for forward and back, times the tokens."),
    ],
)
check.equal(estimate_flops(1, 2, 3, 5, 1), 444, name="estimate_flops(1 layer, width 2, vocabulary 3, context 5, 1 token)")
### BEGIN HIDDEN TESTS
for n_layers, width, V, T, B in [(1, 8, 5, 3, 1), (2, 16, 50, 7, 3), (3, 24, 11, 20, 2)]:
    C, forward = width, 0
    for m, n in [(C, 3 * C), (C, C), (C, 4 * C), (4 * C, C)]:
        forward += n_layers * 2 * m * n
    forward += n_layers * (2 * T * C + 2 * C * T) + 2 * C * V
    check.equal(estimate_flops(n_layers, width, V, T, B * T), 3 * forward * B * T, name=f"{n_layers} layers of width {width}")
check.equal(estimate_flops(12, 768, 50_257, 1024, 10**9), 854_438_400_000_000_000, name="GPT-2 and a billion tokens")
check.equal(estimate_flops(2, 4, 9, 1, 0), 0, name="no tokens")
### END HIDDEN TESTS

# %% experiment
LONGEST, PER_SENTENCE = train_set.inputs.shape[1], train_set.predictions / len(train_set)  # tokens of the longest sentence, and of one on average
known = {
    "this notebook's GPT": (2, WIDTH, len(words_only), LONGEST, STEPS * 64 * PER_SENTENCE),
    "GPT-2 small, a billion tokens": (12, 768, 50_257, 1024, 10**9),
    "GPT-3, as it was trained": (96, 12_288, 50_257, 2048, 300 * 10**9),
}
for name, sizes in known.items():
    flops = estimate_flops(*sizes)
    print(f"{name:30} {flops:8.1e} operations, {flops / 1e14:17,.2f} seconds at 10^14 per second")

# %% [markdown]
# ### Experiment: scaling
#
# If you have ten times the computing, should the model be ten times larger, or read ten times more? We can ask the village. Three sizes of model, each trained from the start for three lengths, with a schedule of its own for each length. And since we know the floor, we can plot the part of the loss that is *avoidable*,
# bits above the floor; for real text this part is not known, and must be estimated together with the rest.

# %% experiment
widths, lengths = [16, 32, 64], [30, 90, 270]
TOKENS = round(32 * PER_SENTENCE)  # per step
floor = village.source.bits_per_character_floor(village.valid)
cost = {(width, n): estimate_flops(2, width, len(words_only), LONGEST, n * TOKENS) for width in widths for n in lengths}
above = {}
for width in widths:
    for n_steps in lengths:
        model = small_gpt(width)
        train(model, train_set, steps=n_steps, batch_size=32, optimizer=muon_and_adamw(model, adamw_learning_rate=1e-2), progress=False, device="cpu", dtype="float32")
        above[width, n_steps] = bits_per_character(model, valid_set) - floor
    print(f"width {width:3}, {sum(p.numel() for p in model.parameters()):7,} parameters: " + ", ".join(f"{above[width, n]:.3f}" for n in lengths) + " bits above the floor")

# %% experiment
plots.lines(
    [n * TOKENS for n in lengths],
    {f"width {width}": [above[width, n] for n in lengths] for width in widths},
    title="Both help: more tokens at every size, and more width at every length",
    x_label="tokens read in training",
    y_label="bits per character above the floor",
    log_x=True,
    log_y=True,
    alt="Bits above the floor against tokens read, both axes logarithmic, for widths 16, 32 and 64. All three lines fall; the wider the model, the lower its line.",
)

# %% [markdown]
# Per token, the wider model always wins. But its tokens cost more. Put the nine runs in the order of their cost:

# %% experiment
for (width, n_steps), flops in sorted(cost.items(), key=lambda item: item[1]):
    per_parameter = n_steps * TOKENS / sum(p.numel() for p in small_gpt(width).parameters())
    print(f"{flops:.1e} operations: {above[width, n_steps]:.3f} bits above the floor with width {width}, {n_steps:3} steps, {per_parameter:5.2f} tokens per parameter")

# %% [markdown]
# Lines like those of the figure, straight on logarithmic axes over many orders of magnitude, are called **scaling laws** (Kaplan et al. 2020). People draw them with small models, to decide what to do with a large sum of money. Ours span one factor of ten, one seed and one family of sizes: enough to see the direction, not to fit a law.

# %% [markdown] question="scaling" points=3 minutes=4
# **Question 2.** (a) In the list, find two runs, one of a smaller and one of a larger model, that took about the same number of operations (within a factor of 1.5). Which was better? (b) Hoffmann et al. (2022) found that for the computing that GPT-3 took, a smaller model trained on more
# tokens would have been better, about 20 tokens for each parameter. How many tokens per parameter did GPT-3 get? (c) A model that will answer a billion questions a day is often made *smaller* than this rule says, and trained for longer. Why can that be wise?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Any such pair, for example width 16 with 270 steps and width 32 with 90, or width 32 with 270 and width 64 with 90: the smaller model that read more is better. Full mark for two costs within the factor and the right reading of the two losses. (b) 300 / 175 = 1.7 tokens per parameter. (c) Training is paid for once, answering for each question: the costs of an answer grow with N
# (about 2 N operations per token), so a smaller model that was trained for longer than is best for training may be cheaper in all.
# ### END MARK SCHEME

# %% [markdown]
# ## 5 Real text
#
# Now all parts together, on text that somebody wrote: Tiny Shakespeare, 1.1 million characters of plays (Karpathy 2015). If you work without a network, the village stands in for it, and the cell at the top has said so; everything works the same.
#
# First, tokens: 200 merges learned on the first 200,000 characters.

# %% experiment
began = time.process_time()
real_bpe = BytePairTokenizer(train_bpe(Counter(PIECES.findall(real.train[:200_000])), 200))
real_train, real_valid = (torch.tensor(real_bpe.encode(part)) for part in (real.train, real.valid))
print(f"{len(real_train):,} tokens of {len(real.train) / len(real_train):.2f} characters, after {time.process_time() - began:.0f} seconds of processor time")
print("|".join(real_bpe.decode([i]) for i in real_valid[:60].tolist()))

# %% [markdown]
# To see what a model has learned, we let it write. `forward` gives logits for all places; the last one is the guess for the token after the text. Draw it, append it, ask again.
#
# Three things go wrong easily. A model in *training mode* drops some of its activations at random (dropout), which is good for learning and bad for writing: switch to evaluation mode, and back afterwards. A model has a limited number of positions: show it the *last* ones
# only. And computing gradients that nobody uses takes memory.

# %% [markdown]
# ### Exercise 10: generate
#
# <details><summary>Hint 1: modes</summary>
#
# `model.training` says which mode it is in. `model.eval()` switches to evaluation, `model.train(was_training)` back to what it was.
# </details>
#
# <details><summary>Hint 2: drawing</summary>
#
# `torch.multinomial(probabilities, 1, generator=generator)` draws one token from the softmax of the last place's logits; `.item()` makes it an int.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     remember the mode; switch to evaluation
#     without gradients, n times:
#         logits of the last `context` ids, as a row (1, T)
#         draw from the softmax at the last place, append
#     switch back; return what was appended
# </details>

# %% exercise="generate" minutes=10 difficulty=2
def generate(model: torch.nn.Module, ids: list[int], n: int, context: int, generator: torch.Generator) -> list[int]:
    """Return n token ids drawn from the model one after the other, as a list, without those that were given.

    model      module with forward(idx (1, T) long) -> (logits (1, T, V), loss); asked in evaluation mode, left in the mode it was in
    ids        what the text begins with, at least one id
    context    the model can read so many tokens: show it the last ones, and all of them while they fit
    generator  the only source of chance

    >>> model = GPT(GPTConfig(vocab_size=1, n_positions=8, embedding_dim=4, n_heads=1))
    >>> generate(model, [0], 3, 8, torch.Generator().manual_seed(0))
    [0, 0, 0]
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits, _ = model(torch.tensor([text[-context:]]))
            text.append(torch.multinomial(logits[0, -1].softmax(0), 1, generator=generator).item())
    model.train(was_training)
    return text[len(ids) :]
    ### END SOLUTION


# %% test="generate" points=4
def writer(sharpness, seed=339, dropout=0.5):
    """A GPT of 7 tokens and 4 positions with random weights; the sharper, the surer of its next token."""
    torch.manual_seed(seed)
    model = GPT(GPTConfig(vocab_size=7, n_positions=4, n_layers=1, n_heads=2, embedding_dim=8, dropout=dropout))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.8)
        model.last_norm.weight.fill_(sharpness)
    return model


def surest(model, ids, n, view):
    """The likeliest token again and again, when the model is shown view(ids) in evaluation mode."""
    model.eval()
    text = list(ids)
    for _ in range(n):
        text.append(model(torch.tensor([view(text)]))[0][0, -1].argmax().item())
    return text[len(ids) :]


def written(model, ids, n, seed=1):
    """What generate returned, or the error that it raised."""
    try:
        return generate(model, ids, n, 4, torch.Generator().manual_seed(seed))
    except NotImplementedError:
        raise
    except (ValueError, IndexError, RuntimeError, TypeError) as error:
        return error


sure = writer(500.0)
right_text = surest(sure, [2, 5], 12, lambda text: text[-4:])
causes_of_text = [
    (lambda got: isinstance(got, ValueError) and "positions" in str(got), "the text grew longer than the model's positions: show it the last `context` tokens only."),
    (lambda got: isinstance(got, Exception), "the model takes one row of ids, a long tensor of shape (1, T), and multinomial takes probabilities: the softmax of the logits at the last place."),
    (lambda got: isinstance(got, torch.Tensor) or any(isinstance(i, torch.Tensor) for i in got), "return a plain list of integers: .item() makes a number of a tensor."),
    ([2, 5, *right_text], "leave out the ids that were given; return the new ones only."),
    ([2, 5, *right_text[:10]], "n new tokens were asked for, and those that were given don't count."),
    (surest(sure, [2, 5], 12, lambda text: text[-1:]), "the model was shown the last token only; show it up to `context` tokens."),
    (surest(sure, [2, 5], 12, lambda text: text[:4]), "the model is always shown the *first* tokens; show it the last ones."),
    (surest(sure, [2, 5], 12, lambda text: text[-3:]), "one token too few is shown: up to `context` of them fit."),
    (surest(sure, [2, 5], 12, lambda text: [2, 5]), "the model is asked about the same text again and again: append each token that was drawn."),
    (lambda got: len(got) != 12, "n new tokens were asked for, no more and no fewer."),
    (lambda got: True, "draw with the softmax of the logits at the last place."),
]
check.equal(written(writer(500.0, dropout=0.0).train(), [2, 5], 12), right_text, name="12 tokens of a model that is sure of every next one", causes=causes_of_text)
check.equal(
    written(writer(500.0).train(), [2, 5], 12),
    right_text,
    name="the same from a model with dropout that was in training mode",
    causes=[(lambda got: True, "dropout was left on: switch to evaluation mode, model.eval(), before you ask.")],
)
for mode in (True, False):
    check.equal(
        check.after(generate, writer(500.0).train(mode), [2, 5], 2, 4, torch.Generator().manual_seed(1)).arguments[0]["training"],
        mode,
        name=f"model.training afterwards, when it was {mode} before",
        causes=[(lambda got: True, "leave the model in the mode it was in: remember model.training, and call model.train(...) with it.")],
    )
unsure = writer(0.6).eval()


def off_by(model, text):
    """How far the shares of tokens are from the model's chances, for a text in which each token was drawn after the one before."""
    chances = model.eval()(torch.tensor(text[:-1])[:, None])[0][:, -1].detach().softmax(-1)
    return float((torch.bincount(torch.tensor(text[1:]), minlength=7) / len(chances) - chances.mean(0)).abs().max())


drawn_text = [2, *generate(unsure, [2], 300, 1, torch.Generator().manual_seed(2))]
surest_text = [2, *surest(unsure, [2], 300, lambda text: text[-1:])]
check.that(drawn_text != surest_text, "The likeliest token was taken every time (argmax); draw by chance, each token with its own probability.")
off = off_by(unsure, drawn_text)
check.that(
    off < 0.1,
    f"The shares of tokens among 300 draws are off by up to {off:.2f} from the model's probabilities. Draw with the softmax of the logits at the last place, in evaluation mode.",
)
check.that(
    generate(unsure, [2], 12, 4, torch.Generator().manual_seed(3)) == generate(unsure, [2], 12, 4, torch.Generator().manual_seed(3)),
    "The same seed must give the same text: draw with the generator you are given.",
)
### BEGIN HIDDEN TESTS
for seed in [352, 356, 364]:
    other = writer(3000.0, seed)
    for given in [[1], [0, 6, 3], [4, 4, 4, 2], [1, 2, 3, 4, 5, 6]]:
        expected = surest(other, given, 9, lambda text: text[-4:])
        check.equal(generate(other.train(), given, 9, 4, torch.Generator().manual_seed(seed)), expected, name=f"after {given}")
        expected = surest(other, given, 9, lambda text: text[-2:])
        check.equal(generate(other.train(), given, 9, 2, torch.Generator().manual_seed(seed)), expected, name=f"after {given}, context 2")
kept_ids = [3, 1]
check.equal(check.after(generate, unsure, kept_ids, 3, 4, torch.Generator().manual_seed(0)).arguments[1], [3, 1], name="the ids after the call")
check.equal(generate(unsure, [3], 0, 4, torch.Generator().manual_seed(0)), [], name="no tokens")
half = writer(0.6, seed=31)
check.that(off_by(half, [0, *generate(half.train(), [0], 400, 1, torch.Generator().manual_seed(8))]) < 0.1, "probabilities")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: samples over training
#
# A GPT of four layers, your batches, your schedule, your way of writing. Every so often it is asked to go on from the same words.

# %% experiment
class MyBatches(Batches):
    """A row of tokens that is drawn from by your next_token_batch."""

    def __init__(self, ids, length, characters):
        cut = token_batches(ids, length, characters=characters)
        super().__init__(cut.inputs, cut.targets, characters)
        self.ids, self.length = ids, length

    def sample(self, size, generator=None):
        return next_token_batch(self.ids, self.length, size, generator)


CONTEXT, REAL_STEPS = 64, 200
real_train_set, real_valid_set = (MyBatches(ids, CONTEXT, len(part)) for ids, part in ((real_train, real.train), (real_valid[:12_000], real_bpe.decode(real_valid[:12_000].tolist()))))
torch.manual_seed(0)
bard = GPT(GPTConfig(len(real_bpe), n_positions=CONTEXT, n_layers=4, n_heads=4, embedding_dim=96, positions="rotary"))
bard_optimizers = muon_and_adamw(bard, learning_rate=0.02, adamw_learning_rate=5e-3)
full_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in bard_optimizers]
opening = real_bpe.encode(real.valid[:20])
taken, bits_so_far = 0, []
for until in [1, 20, 80, REAL_STEPS]:
    for optimizer, rates in zip(bard_optimizers, full_rates):
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate
    part = until - taken
    train(
        bard,
        real_train_set,
        steps=part,
        batch_size=16,
        optimizer=bard_optimizers,
        schedule=lambda fraction: warmup_cosine(taken + round(fraction * part) - 1, REAL_STEPS, 20, peak=1.0),
        seed=until,
        progress=False,
        device="cpu",
        dtype="float32",
    )
    taken = until
    bits_so_far.append(bits_per_character(bard, real_valid_set))
    text = real_bpe.decode(generate(bard, opening, 70, CONTEXT, torch.Generator().manual_seed(1)))
    print(f"--- after {taken} step{'s' * (taken > 1)}: {bits_so_far[-1]:.2f} bits per character\n{real.valid[:20]}{text}\n")

# %% [markdown]
# After one step the model still draws nearly any token, and bytes that make no letter among them (�). Soon it knows which tokens are frequent and where spaces and line breaks belong; then come words, and the form of the page. Sense is not to be had from a million characters and so few steps.

# %% [markdown] question="real_text" points=3 minutes=4
# **Question 3.** (a) In the order in which they appear in the samples: name two things that the model has learned early, and one that it has not learned at the end. (b) A friend trains a character model on the same text and gets a loss of 1.5 nats per character; yours pays 2.9 nats per *token* of 2.1 characters. Whose model is better? Show the calculation.
# (c) You continue training for 50 times as many steps on the same million characters. The loss on the training text falls and falls. What do you expect on the held-out text, and what would you do?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Early: which tokens are frequent, spaces between words, line breaks, names in capitals with a colon (any two); not learned: sense, grammar over more than a few words, rhyme or metre (any one). (b) 2.9 / 2.1 = 1.38 nats per character, less than 1.5: yours. (Or in bits: 1.99 against 2.16.) (c) It falls at first and then rises: the model learns the text by heart.
# Stop at the best held-out loss, use dropout or weight decay, a smaller model, or more text. (One remedy is enough.)
# ### END MARK SCHEME

# %% [markdown]
# ## 6 The top rung
#
# Back to the village and to the ladder: the GPT that Muon trained, on the test sentences.

# %% experiment
ladder.record("GPT, Muon", nats=score(gpts["Muon"], test_set), characters=test_set.characters, notebook="07", seconds=histories["Muon"].seconds[-1])
print(f"GPT, Muon  {bits_per_character(gpts['Muon'], test_set):.3f} bits per character")
print(f"Floor      {village.source.bits_per_character_floor(village.test):.3f} bits per character")
ladder.chart()

# %% [markdown]
# The same test sentences for all models from a table of counts to this one. What is left between the last bar and the floor is what a larger model, more text or more steps could still win; below the floor there is nothing to be had.

# %% [markdown]
# ## What to remember
#
# - A BPE tokenizer is a list of merges, the most frequent pair first. Fix the rule for ties. Compare models per character, never per token.
# - Three games: the next token (asks at every place), masked words (15%, and of those 80/10/10; loss on the chosen ones only), spans (one sentinel each).
# - Targets are the text one token later, and come from the text, never from the model.
# - Shuffle. Warm up, then go down to almost 0 by the end of the run; a schedule belongs to a length.
# - AdamW gives each weight a step of the same size; Muon gives each direction of a matrix the same.
# - Training costs about 6 operations for each parameter and token. More parameters and more tokens help together, and each alone less and less.
# - Write in evaluation mode.
#
# ## Further reading
#
# - P. Gage (1994), *A New Algorithm for Data Compression*, The C Users Journal 12(2), 23-38. Byte pair encoding.
# - R. Sennrich, B. Haddow, A. Birch (2016), *Neural Machine Translation of Rare Words with Subword Units*, ACL.
# - A. Radford, K. Narasimhan, T. Salimans, I. Sutskever (2018), *Improving Language Understanding by Generative Pre-Training*, OpenAI; A. Radford et al. (2019), *Language Models are Unsupervised Multitask Learners*, OpenAI.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019), *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*, NAACL.
# - Y. Liu et al. (2019), *RoBERTa: A Robustly Optimized BERT Pretraining Approach*, arXiv:1907.11692.
# - C. Raffel et al. (2020), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer*, JMLR 21(140). T5.
# - M. Lewis et al. (2020), *BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and Comprehension*, ACL.
# - D. P. Kingma, J. Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR.
# - I. Loshchilov, F. Hutter (2017), *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR; (2019), *Decoupled Weight Decay Regularization*, ICLR.
# - K. Jordan et al. (2024), *Muon: An Optimizer for Hidden Layers in Neural Networks*, kellerjordan.github.io/posts/muon.
# - J. Kaplan et al. (2020), *Scaling Laws for Neural Language Models*, arXiv:2001.08361; J. Hoffmann et al. (2022), *Training Compute-Optimal Large Language Models*, NeurIPS.
# - T. Brown et al. (2020), *Language Models are Few-Shot Learners*, NeurIPS. GPT-3.
# - Z. Lan et al. (2020), *ALBERT: A Lite BERT for Self-supervised Learning of Language Representations*, ICLR.
# - A. Wettig, T. Gao, Z. Zhong, D. Chen (2023), *Should You Mask 15% in Masked Language Modeling?*, EACL.

# %% submit
hand_in(
    "07_pretraining",
    "most_frequent_pair",
    "merge_pair",
    "train_bpe",
    "next_token_batch",
    "mask_tokens",
    "next_sentence_pairs",
    "corrupt_spans",
    "warmup_cosine",
    "estimate_flops",
    "generate",
)

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
# # 02 · Word vectors
#
# *A small **florn** lay at the pier. She rowed the **florn** across the bay. There was water in the **florn**, and one oar was lost.*
#
# You have never seen this word, and you know what it means. Its company told you. "You shall know a word by the company it keeps", the linguist
# J. R. Firth wrote in 1957, and this notebook takes him at his word: it counts the company of every word, and what comes out is a list of
# numbers for each word, a **vector**, in which meaning has become something you can measure: which words are alike, what relates a king to a queen,
# which words have changed their meaning in a hundred years.
#
# The tables of notebook 01 could not know that two words are alike. Neural language models begin with word vectors.
#
# **After this notebook you can**
#
# - count co-occurrences, weigh them by PPMI, compare words by their cosine;
# - train skip-gram with negative sampling ("word2vec") with gradients that you derived yourself;
# - solve analogies, and say what such a score hides;
# - bring the vectors of two periods into one space and find the words whose meaning changed.
#
# **Time:** about two hours, 95 minutes of it for the exercises and questions. **Points:** 45. **You need:** numpy arrays (indexing, broadcasting, `axis`), dot
# products, the logarithm, and for exercise 7 the chain rule of derivatives.

# %% setup
import random
import re
import time
from collections import Counter
from functools import cache

import numpy as np
import torch

from nextword import check, corpus, hand_in, plots, preset
from nextword.village import Village

# Four sentences, small enough to check every number by hand, and the same with a number for every word.
story = [["the", "cat", "drinks", "milk"], ["the", "dog", "drinks", "water"], ["a", "kitten", "drinks", "milk"], ["the", "dog", "barks"]]
story_words = ["a", "barks", "cat", "dog", "drinks", "kitten", "milk", "the", "water"]
story_numbers = [[7, 2, 4, 6], [7, 3, 4, 8], [0, 5, 4, 6], [7, 3, 1]]


def without_warnings(function, *arguments):
    """The function's value. Division by 0 and logarithms of 0 are judged by what comes out, not by numpy's warnings."""
    with np.errstate(all="ignore"):
        return function(*arguments)


print(preset())

# %% [markdown]
# ## 1 Meaning from company
#
# First, the text: the village again, but with more to say. Its 15,000 training sentences are few for word vectors, and as its source can speak for
# as long as we like, we ask for 100,000 sentences. From here on a word is a number, its place in the alphabetical list `words`, and everything we know about it stands
# in a row with that number.

# %% experiment
torch.set_num_threads(1)  # what torch does here is small: threads would wait for each other longer than they work
village = Village()
words = village.vocabulary
index = {word: number for number, word in enumerate(words)}
V = len(words)

sentences = village.sample(100_000, seed=4)
numbers = [[index[word] for word in sentence] for sentence in sentences]
occurrences = np.bincount(np.concatenate([np.array(sentence) for sentence in numbers]), minlength=V)
print(f"{len(sentences):,} sentences, {occurrences.sum():,} words, {V:,} of them different")
print(sentences[0], numbers[0])

# %% [markdown]
# The oldest kind of company is **the document**. Count how often each word occurs in each text, and you get the term-document matrix: a row per word, a column
# per text. Search engines were built on it (Salton, Wong and Yang 1975), reading it by columns: texts are alike when they hold the same words. We read it by rows:
# *words are alike when they occur in the same texts.*
#
# The village tells its sentences in stories of four to eight sentences. Here are six stories and nine words.

# %% experiment
stories = village.sample_stories(120, seed=5)
chosen_stories = {"story 1": 27, "story 2": 82, "story 3": 4, "story 4": 99, "story 5": 81, "story 6": 107}
chosen_words = ["donkey", "mule", "fence", "porridge", "kettle", "loaf", "ship", "crane", "crate"]
term_document = [[sum(sentence.count(word) for sentence in stories[i]) for i in chosen_stories.values()] for word in chosen_words]
plots.heat_map(
    term_document,
    chosen_words,
    list(chosen_stories),
    title="Words of one topic occur in the same stories",
    alt="Counts of nine words in six stories. Words about the farm occur only in stories 1 and 2, about the kitchen in 3 and 4, about the harbour in 5 and 6.",
)

# %% [markdown]
# Rows with similar patterns: the farm, the kitchen, the harbour. But *donkey* looks as much like *fence* as like *mule*: a whole text says what a word is *about*, hardly what *kind* of word it is. For that, look closer.
#
# ## 2 Counting neighbours
#
# Let the company of a word be the words near it: within a **window** of so many places to the left and to the right, in the same sentence. The picture shows a window of two.

# %% experiment
plots.context_windows(
    ["the", "cat", "drinks", "milk"],
    2,
    title="A window of two: each word keeps company with at most four others",
    alt="Four rows, one per word of 'the cat drinks milk'. 'the' has the contexts cat and drinks; 'cat' has the, drinks, milk; 'drinks' has the, cat, milk; 'milk' has cat, drinks.",
)

# %% [markdown]
# Each pair (word, context) is counted in a square matrix with a row and a column per word. With a window of one, the sentences `the cat drinks milk` and `the dog drinks water`
# give these rows, among others:
#
# | | cat | dog | drinks | milk | the | water |
# |---|---|---|---|---|---|---|
# | **cat** | 0 | 0 | 1 | 0 | 1 | 0 |
# | **dog** | 0 | 0 | 1 | 0 | 1 | 0 |
# | **drinks** | 1 | 1 | 0 | 1 | 0 | 1 |
#
# *cat* and *dog* never occur together, yet their rows are equal: both stand between *the* and *drinks*. That is the whole idea. Words that can *replace* each other have similar rows.
#
# ### Exercise 1: co-occurrence
#
# Count for every pair of words how often the one stands within the window of the other.
#
# <details><summary>Hint 1: which pairs are there?</summary>
#
# For a word at position `i`, the contexts are at the positions from `i - window` to `i + window`, without `i` itself, as far as they exist. Go through one sentence at a time:
# windows do not reach into the next sentence.
# </details>
#
# <details><summary>Hint 2: how do I stay inside the sentence?</summary>
#
# `max(0, i - window)` is the first position and `min(len(sentence), i + window + 1)` one past the last. Without `max`, a negative index counts from the end.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     counts = V x V zeros (integers)
#     for each sentence:
#         for each position i:
#             for each position j of the window, j != i:
#                 add 1 to counts[word at i, word at j]
# </details>

# %% exercise="cooccurrence" minutes=8 difficulty=2
def cooccurrence(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    """Return how often each word stands within `window` places of each other word, shape (V, V), integers.

    sentences        lists of word numbers, each below vocabulary_size; windows do not cross from one to the next
    window           how many places to the left and to the right count as near, 1 or more
    vocabulary_size  V, the number of different words

    Entry [w, c] counts the pairs of two different positions, at most `window` apart, with word w at the one and word c at the other.

    >>> cooccurrence([[0, 1, 2], [0, 2]], window=1, vocabulary_size=3)
    array([[0, 1, 1],
           [1, 0, 1],
           [1, 1, 0]])
    """
    ### BEGIN SOLUTION
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    counts[word, sentence[j]] += 1
    return counts
    ### END SOLUTION


# %% test="cooccurrence" points=4
check.equal(
    cooccurrence([[0, 1, 2, 1], [2, 0]], 2, 3),
    np.array([[0, 1, 2], [1, 2, 2], [2, 2, 0]]),
    name="cooccurrence([[0, 1, 2, 1], [2, 0]], window=2, vocabulary_size=3)",
    causes=[
        (np.array([[0, 1, 1], [0, 1, 1], [1, 1, 0]]), "the window is one-sided: you only count contexts to the right. Look left as well."),
        (np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0]]), "the window is one-sided: you only count contexts to the left. Look right as well."),
        (np.array([[2, 1, 2], [1, 4, 2], [2, 2, 2]]), "a word is not its own context: skip position i itself."),
        (np.array([[0, 1, 2], [1, 0, 2], [2, 2, 0]]), "skip the position i, not the word: the same word two places further is a context."),
        (np.array([[0, 2, 2], [2, 2, 3], [2, 3, 2]]), "windows cross from one sentence into the next: treat each sentence on its own."),
        (np.array([[0, 1, 1], [1, 1, 2], [2, 2, 0]]), "the right end is missing: range stops before its end, so the end is i + window + 1."),
        (np.array([[0, 1, 1], [0, 2, 2], [2, 2, 0]]), "words near the start lost their left neighbours: a negative index counts from the end. Use max(0, i - window)."),
        (np.array([[0, 1, 1], [1, 0, 2], [1, 2, 0]]), "this is the result for window=1: use the argument, and mind that range stops before its end."),
        (np.array([[0, 2, 2], [2, 2, 2], [2, 2, 0]]), "this is the result for window=3: the window reaches one place too far."),
        (np.array([[0, 2, 4], [2, 4, 4], [4, 4, 0]]), "every pair was counted twice: each of the two words is once the word and once the context."),
        (np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]]), "each pair of words was counted once; count every time it occurs."),
        (np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 2.0], [2.0, 2.0, 0.0]]), "counts are integers: np.zeros(..., dtype=int)."),
        (np.array([[0, 1, 1.5], [1, 1, 2], [1.5, 2, 0]]), "here every neighbour counts 1, however far away it stands in the window."),
    ],
)
check.equal(cooccurrence([[1]], 3, 2), np.zeros((2, 2), dtype=int), name="a sentence of one word has no pairs: cooccurrence([[1]], 3, 2)")
### BEGIN HIDDEN TESTS
random_words = random.Random(2)
for window in [1, 2, 3, 5, 40]:
    texts = [[random_words.randrange(6) for _ in range(random_words.randrange(0, 12))] for _ in range(20)]
    expected = np.zeros((7, 7), dtype=int)
    for text in texts:
        for i in range(len(text)):
            for j in range(len(text)):
                expected[text[i], text[j]] += 1 <= abs(i - j) <= window
    check.equal(cooccurrence(texts, window, 7), expected, name=f"20 random sentences, window {window}")
check.equal(cooccurrence([], 2, 3), np.zeros((3, 3), dtype=int), name="no sentences")
check.equal(cooccurrence([[], [0]], 2, 1), np.zeros((1, 1), dtype=int), name="an empty sentence")
check.equal(cooccurrence([[1] * 100], 1, 2), np.array([[0, 0], [0, 198]]), name="one word, a hundred times")
### END HIDDEN TESTS

# %% experiment
@cache
def counted(count, window=2):
    """The matrix of the village: made once, and again when you change your function."""
    return count(numbers, window, V)


counts = counted(cooccurrence)
print(f"{np.count_nonzero(counts):,} of {V * V:,} pairs of words occur: {np.count_nonzero(counts) / V**2:.1%}")
for word in ["donkey", "violin"]:
    print(f"near {word}:", ", ".join(f"{words[c]} {counts[index[word], c]}" for c in np.argsort(-counts[index[word]])[:8]))

# %% [markdown]
# ## 3 How alike are two rows?
#
# A row is a vector, an arrow into a space with $V$ dimensions. Frequent words have long arrows, rare words short ones. What we want to compare is not the length but the **direction**: in what
# *proportion* a word keeps which company. That is measured by the cosine of the angle between two arrows:
#
# $$\cos(u, v) = \frac{u \cdot v}{\lVert u \rVert\, \lVert v \rVert}, \qquad u \cdot v = \sum_i u_i v_i, \qquad \lVert u \rVert = \sqrt{u \cdot u}$$
#
# It is 1 for the same direction, 0 for words without any common company, and never negative for counts. **An example.** $u = (3, 4)$ and $v = (6, 8)$ point the same way: $(18 + 32) / (5 \cdot 10) = 1$. For $u = (3, 4)$
# and $w = (1, 0)$ it is $3 / (5 \cdot 1) = 0.6$.
#
# ### Exercise 2: cosine similarity
#
# Compare each row of one matrix with each row of another, all at once.
#
# <details><summary>Hint 1: how do I get all dot products at once?</summary>
#
# `A @ B.T` has the shape (n, m), and entry [i, j] is the dot product of row i of A with row j of B.
# </details>
#
# <details><summary>Hint 2: where do the lengths go?</summary>
#
# `np.linalg.norm` with `axis=1` gives one length per row, and `keepdims=True` keeps them in a column of shape (n, 1). Divide the rows of A and of B by their lengths first; the products of what you get are the cosines.
# </details>
#
# <details><summary>Hint 3: what about a row of zeros?</summary>
#
# Its length is 0, and 0 / 0 gives NaN. Divide by 1 instead where the length is 0: the row stays 0, and so do its cosines.
# </details>

# %% exercise="cosine_similarity" minutes=6 difficulty=1
def cosine_similarity(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the cosine of every row of A with every row of B, shape (n, m), float.

    A  shape (n, d)
    B  shape (m, d)

    A row of zeros has cosine 0 with everything.

    >>> cosine_similarity(np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [6.0, 8.0]]))
    array([[0.6, 1. ],
           [0. , 0.8]])
    """
    ### BEGIN SOLUTION
    lengths_A = np.linalg.norm(A, axis=1, keepdims=True)
    lengths_B = np.linalg.norm(B, axis=1, keepdims=True)
    unit_A = A / np.where(lengths_A > 0, lengths_A, 1)
    unit_B = B / np.where(lengths_B > 0, lengths_B, 1)
    return unit_A @ unit_B.T
    ### END SOLUTION


# %% test="cosine_similarity" points=3
rows = np.array([[3.0, 4.0], [0.0, 2.0], [8.0, 6.0]])
others = np.array([[1.0, 0.0], [6.0, 8.0]])
check.equal(
    cosine_similarity(rows, others),
    np.array([[0.6, 1.0], [0.0, 0.8], [0.8, 0.96]]),
    name="cosine_similarity([[3, 4], [0, 2], [8, 6]], [[1, 0], [6, 8]])",
    causes=[
        (rows @ others.T, "these are dot products; divide by the lengths of both rows."),
        (np.array([[0.6, 10.0], [0.0, 8.0], [0.8, 9.6]]), "divide by the lengths of the rows of B as well."),
        (np.array([[3.0, 5.0], [0.0, 1.6], [8.0, 9.6]]), "divide by the lengths of the rows of A as well."),
        (np.array([[0.12, 0.02], [0.0, 0.04], [0.08, 0.0096]]), "you divided by the squared lengths; take the square root."),
        (np.array([[0.4, 0.0], [1.0, 0.2], [0.2, 0.04]]), "this is 1 - cosine, a distance; return the cosine."),
        (np.array([[0.6, 0.0, 0.8], [1.0, 0.8, 0.96]]), "this is transposed: one row per row of A."),
        (rows @ others.T / np.linalg.norm(rows) / np.linalg.norm(others), "np.linalg.norm without axis is the length of the whole matrix; give axis=1."),
        (
            (rows / np.linalg.norm(rows, axis=0)) @ (others / np.linalg.norm(others, axis=0)).T,
            "you divided by the lengths of the columns; a word is a row: axis=1.",
        ),
    ],
)
check.equal(
    cosine_similarity(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 5.0], [0.0, 0.0]])),
    np.array([[0.0, 0.0], [0.5**0.5, 0.0]]),
    name="cosines with a row of zeros",
    causes=[(lambda got: bool(np.isnan(got).any()), "0 divided by 0 gives NaN; a row of zeros has cosine 0 with everything.")],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
for n, m, d in [(1, 1, 1), (4, 3, 2), (2, 5, 30), (1, 4, 3)]:
    for scale in [1e-3, 1.0, 1e6]:
        A, B = rng.normal(size=(n, d)) * scale, rng.normal(size=(m, d))
        expected = [[sum(a * b) / (sum(a * a) ** 0.5 * sum(b * b) ** 0.5) for b in B] for a in A]
        check.equal(cosine_similarity(A, B), np.array(expected), name=f"random, shapes ({n}, {d}) and ({m}, {d}), times {scale}")
whole = rng.integers(0, 5, size=(6, 4))
check.equal(np.diag(cosine_similarity(whole, 3 * whole)), (whole.sum(axis=1) > 0).astype(float), name="integers, each with three times itself")
check.equal(cosine_similarity(np.zeros((2, 3)), np.zeros((1, 3))), np.zeros((2, 1)), name="nothing but zeros")
### END HIDDEN TESTS

# %% experiment
sample_words = ["donkey", "mule", "bullock", "violin", "piano", "guitar", "fever", "cough", "headache"]
rows_of_sample = [index[word] for word in sample_words]
counts = counted(cooccurrence)
raw_cosines = cosine_similarity(counts[rows_of_sample], counts[rows_of_sample])
plots.heat_map(
    raw_cosines,
    sample_words,
    sample_words,
    title="By raw counts, every noun is much like every other",
    alt=f"Cosines of nine nouns from three topics, by raw counts. All are high, also between topics: the lowest is {raw_cosines.min():.2f}.",
)

# %% [markdown]
# A disappointment: a fever is nearly as much like a donkey as a mule is. The reason stands in the output further up: the largest counts belong to *the*, *a*, *was*, and these stand near every noun. What is common
# to all drowns what is special to each.
#
# ## 4 Surprising company: PPMI
#
# The remedy is to ask not how often two words meet, but **how much more often than by chance**. If $w$ and $c$ had nothing to do with each other, they would meet with probability $P(w)\,P(c)$. The **pointwise mutual information** compares
# this with what really happens (Church and Hanks 1990, for the makers of dictionaries):
#
# $$\text{PMI}(w, c) = \log_2 \frac{P(w, c)}{P(w)\,P(c)}, \qquad P(w,c) = \frac{\#(w,c)}{N}, \quad P(w) = \frac{\sum_{c'} \#(w,c')}{N}, \quad P(c) = \frac{\sum_{w'} \#(w',c)}{N}$$
#
# $\#(w,c)$ is an entry of the matrix and $N$ the sum of all. PMI is 0 for company by chance, 1 for twice as often, 3 for eight times as often. Below chance it is negative, and for a pair that never occurred it is $-\infty$; but
# "has never been seen together" says little when most pairs have never been seen. So everything below 0 is set to 0. That is **positive PMI**:
#
# $$\text{PPMI}(w, c) = \max(0, \text{PMI}(w, c))$$
#
# **An example.** Two words and two contexts with the counts
#
# | | context 0 | context 1 | sum |
# |---|---|---|---|
# | **word 0** | 2 | 0 | 2 |
# | **word 1** | 1 | 1 | 2 |
# | **sum** | 3 | 1 | 4 |
#
# $\text{PMI}(0,0) = \log_2 \frac{2/4}{2/4 \cdot 3/4} = \log_2 \frac43 = 0.415$, $\text{PMI}(1,0) = \log_2 \frac{1/4}{2/4 \cdot 3/4} = \log_2 \frac23 < 0$, so its PPMI is 0, and $\text{PMI}(1,1) = \log_2 2 = 1$.
#
# ### Exercise 3: PPMI
#
# Turn a matrix of counts into PPMI, without a loop.
#
# <details><summary>Hint 1: what would chance give?</summary>
#
# The expected count of a cell is (sum of its row) times (sum of its column) divided by N. With `keepdims=True` the sums of the rows have the shape (n, 1), and those of the columns, `counts.sum(axis=0)`, have (m,); their product broadcasts to (n, m). Count
# divided by expected count is the ratio in the logarithm.
# </details>
#
# <details><summary>Hint 2: what is the logarithm of 0?</summary>
#
# numpy says $-\infty$ and warns. But you want 0 for everything below 0, and the logarithm is below 0 exactly where the ratio is below 1. So raise the ratio to at least 1 first: `np.maximum(ratio, 1)`.
# </details>
#
# <details><summary>Hint 3: a word that never occurs</summary>
#
# Its row sums to 0 and 0 / 0 is NaN. As in exercise 2, divide by 1 where the expected count is 0: `np.where(expected > 0, expected, 1)`.
# </details>

# %% exercise="ppmi" minutes=10 difficulty=2
def ppmi(counts: np.ndarray) -> np.ndarray:
    """Return the positive pointwise mutual information (bits) of a matrix of counts, shape (n, m), float.

    counts  how often word i (a row) met context j (a column), shape (n, m), 0 or more

    Pairs that meet less often than by chance, or never, have 0. So have rows and columns without counts.

    >>> ppmi(np.array([[2, 0], [1, 1]])).round(3)
    array([[0.415, 0.   ],
           [0.   , 1.   ]])
    """
    ### BEGIN SOLUTION
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / max(counts.sum(), 1)
    ratio = counts / np.where(expected > 0, expected, 1)
    return np.log2(np.maximum(ratio, 1))
    ### END SOLUTION


# %% test="ppmi" points=4
four_thirds = np.log2(4 / 3)
check.equal(
    without_warnings(ppmi, np.array([[2, 0], [1, 1]])),
    np.array([[four_thirds, 0.0], [0.0, 1.0]]),
    name="ppmi([[2, 0], [1, 1]])",
    causes=[
        (
            lambda got: got[0, 1] == -np.inf,
            "the logarithm of 0 is minus infinity: a pair never seen has PPMI 0. Clip, max(0, PMI), or raise the ratio to 1 before the logarithm.",
        ),
        (lambda got: got[1, 0] < 0, "the clip is missing: PPMI is max(0, PMI), never negative."),
        (np.array([[np.log(4 / 3), 0.0], [0.0, np.log(2)]]), "this is in nats; PPMI is in bits here: np.log2."),
        (np.array([[np.log10(4 / 3), 0.0], [0.0, np.log10(2)]]), "this is the logarithm to base 10; take np.log2."),
        (np.array([[4 / 3, 1.0], [1.0, 2.0]]), "the logarithm is missing."),
        (np.array([[4 / 3, 0.0], [2 / 3, 2.0]]), "the logarithm is missing."),
        (np.zeros((2, 2)), "all is 0: turn counts into probabilities first, or N is missing: #(w,c) * N / (row sum * column sum)."),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "you used the sums of the rows twice; the context has the sum of its column: axis=0."),
        (np.array([[0.0, 0.0], [np.log2(4 / 3), 2.0]]), "you used the sums of the columns twice; the word has the sum of its row: axis=1."),
        (np.log2(1 + np.array([[4 / 3, 0.0], [2 / 3, 2.0]])), "adding 1 inside the logarithm changes all values; clip instead."),
        (np.array([[four_thirds, 0.0], [1 - np.log2(3), 1.0]]), "the clip is missing: PPMI is max(0, PMI), never negative."),
        (np.array([[four_thirds / 2, 0.0], [0.0, 0.25]]), "this is weighted by P(w, c), a part of the mutual information; PMI is the logarithm alone."),
    ],
)
check.equal(
    without_warnings(ppmi, np.array([[0, 0, 4], [0, 0, 0], [3, 0, 1]])),
    np.array([[0.0, 0.0, np.log2(8 / 5)], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    name="ppmi([[0, 0, 4], [0, 0, 0], [3, 0, 1]]), where a word never occurs",
    causes=[(lambda got: bool(np.isnan(got).any()), "0 divided by 0 gives NaN: rows and columns without counts have PPMI 0.")],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)


def ppmi_cell_by_cell(table):
    N, out = table.sum(), np.zeros(table.shape)
    for (i, j), n in np.ndenumerate(table):
        if n > 0:
            out[i, j] = max(0.0, np.log2(n / N) - np.log2(table[i].sum() / N) - np.log2(table[:, j].sum() / N))
    return out


for n, m in [(1, 1), (2, 2), (3, 5), (8, 2), (20, 20)]:
    for high in [2, 10, 10**5]:
        table = rng.integers(0, high, size=(n, m)) * rng.integers(0, 2, size=(n, m))
        check.equal(without_warnings(ppmi, table), ppmi_cell_by_cell(table), name=f"random counts below {high}, shape ({n}, {m})", atol=1e-9)
check.equal(without_warnings(ppmi, np.zeros((2, 3), dtype=int)), np.zeros((2, 3)), name="no counts at all")
check.equal(without_warnings(ppmi, np.array([[0, 1], [0, 0]])), np.zeros((2, 2)), name="a single count")
check.equal(without_warnings(ppmi, np.outer([1, 2, 3], [4, 5])), np.zeros((3, 2)), name="independent words and contexts", atol=1e-9)
check.equal(without_warnings(ppmi, 1000 * np.eye(4)), 2 * np.eye(4), name="four inseparable pairs")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: the same nouns, weighed
#
# The words and counts of the last figure, once more, with PPMI in between.

# %% experiment
@cache
def weigh(weights, count):
    return weights(counted(count))


weighed = weigh(ppmi, cooccurrence)
ppmi_cosines = cosine_similarity(weighed[rows_of_sample], weighed[rows_of_sample])
plots.heat_map(
    ppmi_cosines,
    sample_words,
    sample_words,
    title="Weighed by surprise, the three topics come apart",
    alt="Cosines of the same nouns by PPMI. Three blocks stand out: farm animals, instruments, illnesses; between blocks the cosines are low.",
)


# %% experiment
def nearest(vectors, word, n=6):
    """The n words whose vectors have the largest cosine with that of `word`, each with its cosine."""
    cosines = cosine_similarity(vectors[[index[word]]], vectors)[0]
    best = [other for other in np.argsort(-cosines) if other != index[word]][:n]
    return ", ".join(f"{words[other]} {cosines[other]:.2f}" for other in best)


for word in ["donkey", "violin", "fever", "queen", "louder", "peeled"]:
    print(f"{word:>7}:  {nearest(weigh(ppmi, cooccurrence), word)}")

# %% [markdown]
# Neighbours of a noun are nouns, of a comparative comparatives, of a verb in the past verbs in the past. Nobody told the program what a noun is.
#
# ### I see 0.00 or nan for all pairs instead of blocks
#
# `nan` for all pairs: the logarithm of 0 came through as $-\infty$; clip. 0.00 for all pairs, also on the diagonal: $N$ is missing, so that every ratio is below 1 and every row 0. Blocks, but 0.4 instead of 0.2 between the topics: PMI was multiplied by
# $P(w, c)$. The natural logarithm instead of base 2 changes no cosine at all; only the test notices.

# %% [markdown] question="company" points=3 minutes=5
# **Question 1.** (a) Why are the cosines of raw counts high for *all* pairs of nouns, and which part of the PPMI formula brings them down? (b) In a large corpus, the names *Zubrowski* and *Quimper* occur once each, side by side. What is, roughly,
# their PMI if the corpus has $N$ pairs, and why is that a weakness of PMI? Name one remedy. (c) *hot* and *cold* have a high cosine in almost every corpus. Explain, and say what kind of likeness a small window measures.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) All nouns share the same frequent contexts (the, a, was), whose large counts dominate the dot product; dividing by P(c) takes away what is expected of a frequent context. (b) P(w,c) = P(w) = P(c) = 1/N (up to a small
# factor for the window), so PMI is about log2 N, the largest value there is, for a single event that may be chance: PMI overrates rare events. Remedies: a minimal count, smoothing the context distribution (power 0.75), adding a constant to
# the counts, multiplying by a discount. Half a point for each. (c) They fit into the same places: "the water was hot/cold". A small window measures what can replace what (same kind of word, paradigmatic likeness), not agreement in meaning; opposites are excellent
# replacements.
# ### END MARK SCHEME

# %% [markdown]
# ## 5 A map: fewer dimensions
#
# Rows of 2,175 numbers, nearly all of them 0, are unwieldy. The **singular value decomposition** finds the directions along which the rows, taken together, are longest; keeping the first 64 of them gives short, dense vectors that keep as much of the matrix as 64
# numbers can (Deerwester et al. 1990 did this to term-document matrices and called it latent semantic analysis). We take the left vectors times the square root of the singular values, a choice that Levy, Goldberg and Dagan (2015) found to work
# well.
#
# Two dimensions can be drawn. The cell reduces our matrix to 64 dimensions, and draws the two directions in which some words of four topics differ most.

# %% experiment
def reduce(matrix, dimensions=64):
    """Dense vectors from the largest singular values of a matrix, shape (rows, dimensions)."""
    torch.manual_seed(0)
    U, S, _ = torch.svd_lowrank(torch.tensor(matrix, dtype=torch.float32), q=dimensions + 20, niter=4)
    return (U * S.sqrt())[:, :dimensions].numpy()


def flatten(vectors):
    """Points of a plane: the two directions in which the (unit) vectors differ most, shape (rows, 2)."""
    directions = vectors / np.sqrt((vectors**2).sum(axis=1))[:, None]
    centred = directions - directions.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


dense = reduce(weigh(ppmi, cooccurrence))
groups = {topic: village.topic_words(topic)[:6] for topic in ["farm", "clinic", "school", "kitchen"]}
shown = [word for group in groups.values() for word in group]
places = dict(zip(shown, flatten(dense[[index[word] for word in shown]])))
plots.word_map(
    places,
    groups=groups,
    title="Words of one topic live near each other",
    alt="A map of twenty-four nouns in two dimensions. The nearest neighbour of each is a noun of the same topic: farm, clinic, school or kitchen.",
)

# %% [markdown]
# ## 6 Learning instead of counting: skip-gram
#
# In 2013 Mikolov and colleagues at Google turned the idea around (2013a, 2013b): do not count and compress; give every word a short vector of random numbers, and **train** the vectors until they predict the company. Nothing of the size $V \times V$ is ever stored,
# so it works for billions of words. The program, *word2vec*, made word vectors famous.
#
# The training data are the pairs that you counted in exercise 1, one by one: here the word in the middle is called the **center**.
#
# ### Exercise 4: skip-gram pairs
#
# List all pairs of a center and a context.
#
# <details><summary>Hint 1</summary>
#
# The loops are those of exercise 1. Instead of counting, append to two lists.
# </details>
#
# <details><summary>Hint 2: how do I return integers when there are no pairs?</summary>
#
# `np.array([])` holds floats. Say what you want: `np.array(centers, dtype=int)`.
# </details>

# %% exercise="skipgram_pairs" minutes=5 difficulty=1
def skipgram_pairs(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centers and the contexts of all pairs within the window: two integer arrays of one length, shape (n,).

    sentences  lists of word numbers; windows do not cross from one to the next
    window     how many places to the left and to the right count as near, 1 or more

    Pair number i is (centers[i], contexts[i]). The pairs may come in any order.

    >>> centers, contexts = skipgram_pairs([[7, 2, 4]], window=1)
    >>> sorted(zip(centers.tolist(), contexts.tolist()))
    [(2, 4), (2, 7), (4, 2), (7, 2)]
    """
    ### BEGIN SOLUTION
    centers, contexts = [], []
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    centers.append(word)
                    contexts.append(sentence[j])
    return np.array(centers, dtype=int), np.array(contexts, dtype=int)
    ### END SOLUTION


# %% test="skipgram_pairs" points=3
def sorted_pairs(result):
    """The pairs in order, once it is clear that they are two integer arrays of one length."""
    check.that(
        isinstance(result, tuple) and len(result) == 2 and all(isinstance(part, np.ndarray) for part in result),
        "skipgram_pairs must return two arrays, centers and contexts: make each an array of integers, and return both.",
    )
    check.that(
        all(part.ndim == 1 and part.dtype.kind in "iu" for part in result) and len(result[0]) == len(result[1]),
        "Centers and contexts must be integer arrays of shape (n,), as many of the one as of the other. An empty np.array([]) holds floats: give dtype=int.",
    )
    return sorted(zip(*(part.tolist() for part in result)))


check.equal(
    sorted_pairs(skipgram_pairs([[5, 6, 7, 6], [8, 5]], 2)),
    [(5, 6), (5, 7), (5, 8), (6, 5), (6, 6), (6, 6), (6, 7), (6, 7), (7, 5), (7, 6), (7, 6), (8, 5)],
    name="the pairs of skipgram_pairs([[5, 6, 7, 6], [8, 5]], window=2)",
    causes=[
        ([(5, 6), (5, 7), (6, 6), (6, 7), (7, 6), (8, 5)], "the window is one-sided: you only take contexts to the right. Look left as well."),
        ([(5, 8), (6, 5), (6, 6), (6, 7), (7, 5), (7, 6)], "the window is one-sided: you only take contexts to the left. Look right as well."),
        (lambda got: (6, 8) in got, "windows cross from one sentence into the next: treat each sentence on its own."),
        (lambda got: len(got) == 18, "a word is not its own context: skip position i itself."),
        (lambda got: len(got) == 10 and (6, 6) not in got, "skip the position i, not the word: the same word two places further is a context."),
        (lambda got: got == [(5, 6), (5, 8), (6, 5), (6, 7), (6, 7), (7, 6), (7, 6), (8, 5)], "this is the result for window=1: mind that range stops before its end."),
        (lambda got: len(got) == 9 and (5, 7) in got, "each pair is listed once; list it every time it occurs."),
        (lambda got: len(got) in (9, 10) and (7, 5) in got, "one end of the window is missing: range stops before its end, so the end is i + window + 1."),
        (lambda got: len(got) == 14, "the window reaches one place too far."),
    ],
)
check.equal(
    sorted_pairs(skipgram_pairs([[3], []], 2)),
    [],
    name="the pairs of a sentence of one word",
)
### BEGIN HIDDEN TESTS
random_words = random.Random(6)
for window in [1, 2, 4, 30]:
    texts = [[random_words.randrange(9) for _ in range(random_words.randrange(0, 10))] for _ in range(25)]
    expected = sorted((text[i], text[j]) for text in texts for i in range(len(text)) for j in range(len(text)) if 1 <= abs(i - j) <= window)
    check.equal(sorted_pairs(skipgram_pairs(texts, window)), expected, name=f"25 random sentences, window {window}")
check.equal(sorted_pairs(skipgram_pairs([], 1)), [], name="no sentences")
check.equal(sorted_pairs(skipgram_pairs([[4, 4]], 5)), [(4, 4), (4, 4)], name="one word twice")
### END HIDDEN TESTS

# %% [markdown]
# ### Real pairs and noise
#
# What shall the vectors learn from a pair? The obvious answer, the probability of the context among all $V$ words, needs a sum over the vocabulary at every step. **Negative sampling** (Mikolov et al. 2013b) asks an easier question: *is this pair from the text, or is it noise?* For every
# true pair $(w, c)$, draw $k$ random words $n_1 \dots n_k$ and let the model tell the true context from the drawn ones. A word $w$ has a vector $\mathbf{w}$, a row of the matrix $W$, for when it is the center; each word has another vector, a row of $C$, for
# when it is a context. The model's answer is
#
# $$P(\text{true} \mid w, c) = \sigma(\mathbf{w} \cdot \mathbf{c}), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$
#
# with the **sigmoid** $\sigma$, which turns any number into a probability. Large dot product: surely from the text. Very negative: surely noise.
#
# From what distribution should noise come? If all words were equally likely, noise would be full of rare words and easy to spot; if words were drawn as often as they occur, *the* would make most of it. Mikolov et al. (2013b) found a compromise to work best: counts to the power of 3/4.
#
# $$P_{\text{noise}}(c) = \frac{\#(c)^{3/4}}{\sum_{c'} \#(c')^{3/4}}$$
#
# **An example.** For counts of 81, 16, 1 and 0 the powers are $27, 8, 1, 0$, with the sum 36. So the noise has the probabilities 0.75, 0.222, 0.028 and 0, where plain frequencies would be 0.827, 0.163, 0.010 and 0: the frequent word loses, the rare one gains.
#
# ### Exercise 5: where noise comes from
#
# <details><summary>Hint: in which order?</summary>
#
# First the power, then divide by the sum of the powers. The other way round, the result would not sum to 1.
# </details>

# %% exercise="negative_sampling_distribution" minutes=4 difficulty=1
def negative_sampling_distribution(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    """Return the probability of each word to be drawn as noise, shape (V,), float, in sum 1.

    counts  how often each word occurs, shape (V,), not all 0
    power   what the counts are raised to, above 0; 1 gives plain frequencies

    >>> negative_sampling_distribution(np.array([81, 16, 1, 0])).round(3)
    array([0.75 , 0.222, 0.028, 0.   ])
    """
    ### BEGIN SOLUTION
    weights = counts**power
    return weights / weights.sum()
    ### END SOLUTION


# %% test="negative_sampling_distribution" points=3
check.equal(
    negative_sampling_distribution(np.array([81, 16, 1, 0])),
    np.array([27, 8, 1, 0]) / 36,
    name="negative_sampling_distribution([81, 16, 1, 0])",
    causes=[
        (np.array([81, 16, 1, 0]) / 98, "the power is left out: these are plain frequencies."),
        ((np.array([81, 16, 1, 0]) / 98) ** 0.75, "this does not sum to 1: take the power first, then divide by the sum of the powers."),
        (np.array([27, 8, 1, 0]) / 98, "divide by the sum of the powers, not by the sum of the counts."),
        (np.array([27, 8, 1, 0]), "these are weights; divide them by their sum."),
        (np.array([27.0, 8.0, 1.0, 0.0]), "these are weights; divide them by their sum."),
        (np.array([1, 1, 1, 1]) / 4, "all words are equally likely here: use the counts."),
        (np.array([1, 1, 1, 0]) / 3, "all words that occur are equally likely here: raise the counts to the power."),
        (np.array([27, 8, 1, 0]) / 27, "divide by the sum, not by the largest."),
        (lambda got: abs(float(got.sum()) - 1) < 1e-9 and got[0] > 0.85, "the frequent word has become more frequent: the power is 0.75, not 1/0.75, and no exponential is needed."),
    ],
)
check.equal(
    negative_sampling_distribution(np.array([9, 1]), 0.5),
    np.array([0.75, 0.25]),
    name="negative_sampling_distribution([9, 1], power=0.5)",
    causes=[(lambda got: abs(got[0] - 9**0.75 / (9**0.75 + 1)) < 1e-6, "use the argument power; here it is 0.5.")],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
for size in [1, 2, 50, 3000]:
    for power in [0.1, 0.75, 1, 2]:
        table = rng.integers(0, 1000, size=size) + (np.arange(size) == 0)
        powers = [float(n) ** power for n in table]
        got = negative_sampling_distribution(table, power)
        check.equal(got, np.array(powers) / sum(powers), name=f"{size} random counts, power {power}", atol=1e-9)
        check.distribution(got, name=f"{size} random counts, power {power}", atol=1e-9)
check.equal(negative_sampling_distribution(np.array([10**12, 1]), 1.0), np.array([1 - 1e-12, 1e-12]), name="a very frequent word", atol=1e-15)
check.equal(negative_sampling_distribution(np.array([5.0, 5.0, 0.0])), np.array([0.5, 0.5, 0.0]), name="counts as floats")
### END HIDDEN TESTS

# %% experiment
noise = negative_sampling_distribution(occurrences)
for word in ["the", "queen", "violins"]:
    print(f"{word:>8}:  {occurrences[index[word]] / occurrences.sum():.4%} of the text, {noise[index[word]]:.4%} of the noise")

# %% [markdown]
# ### The loss
#
# The model should answer "true" for the true pair and "noise" for the others. As always, it pays the negative logarithm of the probability it gave to the right answer; and as $1 - \sigma(x) = \sigma(-x)$, the price of one pair with its $k$ noise words is
#
# $$L = -\ln \sigma(\mathbf{w} \cdot \mathbf{c}) - \sum_{i=1}^{k} \ln \sigma(-\mathbf{w} \cdot \mathbf{n}_i)$$
#
# Look at the two curves: a true pair costs little when its score is high, a noise pair when its score is low, and whoever is confident *and* wrong pays in proportion.

# %% experiment
scores = np.linspace(-6, 6, 49)
plots.lines(
    scores,
    {"true pair": np.logaddexp(0, -scores), "noise pair": np.logaddexp(0, scores)},
    title="A true pair wants a high score, a noise pair a low one",
    x_label="score, the dot product of the two vectors",
    y_label="price (nats)",
    alt="Two curves against the score. The price of a true pair falls from 6 to 0 as the score rises from -6 to 6; that of a noise pair rises from 0 to 6. They cross at score 0, with ln 2.",
)

# %% [markdown]
# The training takes many pairs at once, a **batch** of $B$. Centers and contexts come as arrays of shape (B,), the noise words as an array of shape (B, k), all of them word numbers; the loss of the batch is the mean over its pairs (a mean over pairs, but a *sum* over the noise words of each).
#
# ### Exercise 6: the loss of a batch
#
# <details><summary>Hint 1: how do I look up vectors?</summary>
#
# `W[centers]` has the shape (B, d): row i is the vector of the i-th center. `C[negatives]` has the shape (B, k, d).
# </details>
#
# <details><summary>Hint 2: how do I get the scores of the noise words?</summary>
#
# `W[centers][:, None, :]` has the shape (B, 1, d), so that it can be multiplied with `C[negatives]`; then sum over the last axis. `np.einsum` with `"bd,bkd->bk"` does both at once.
# </details>
#
# <details><summary>Hint 3: how do I keep the logarithm from exploding?</summary>
#
# For a score of -1000, $\sigma$ is 0 in the computer and its logarithm $-\infty$. But $-\ln \sigma(x) = \ln(1 + e^{-x}) = \ln(e^0 + e^{-x})$, and numpy has this as a function that never overflows: `np.logaddexp(0, -x)`.
# </details>

# %% exercise="sgns_loss" minutes=10 difficulty=2
def sgns_loss(W: np.ndarray, C: np.ndarray, centers: np.ndarray, contexts: np.ndarray, negatives: np.ndarray) -> float:
    """Return the loss of skip-gram with negative sampling on a batch: nats per pair, noise included, mean over the batch.

    W          vectors of words as centers, shape (V, d)
    C          vectors of words as contexts, shape (V, d)
    centers    word numbers, shape (B,)
    contexts   word numbers of the true contexts, shape (B,)
    negatives  word numbers of the noise, shape (B, k)

    Works for scores of any size: a score of -1000 for a true pair costs 1000 nats.

    With all scores 0, each of the 1 + k answers costs ln 2:
    >>> round(float(sgns_loss(np.zeros((9, 2)), np.zeros((9, 2)), np.array([7]), np.array([2]), np.array([[4, 6]]))), 4)
    2.0794
    """
    ### BEGIN SOLUTION
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    losses = np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)
    return losses.mean()
    ### END SOLUTION


# %% test="sgns_loss" points=4
# Scores of log(3) and log(4): their sigmoids are 3/4 and 4/5.
three, four = np.log(3), np.log(4)
tiny_W = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
tiny_C = np.array([[three, four], [0.0, -three], [-four, three]])
tiny_batch = (np.array([0, 1]), np.array([0, 2]), np.array([[1, 2], [0, 0]]))
# Pair 1: true score log 3, noise scores 0 and -log 4. Pair 2: true score log 3, noise scores log 4, twice.
first_true, first_noise = np.log(4 / 3), [np.log(2), np.log(5 / 4)]
second_true, second_noise = np.log(4 / 3), [np.log(5), np.log(5)]
expected_loss = (first_true + sum(first_noise) + second_true + sum(second_noise)) / 2
check.equal(
    without_warnings(sgns_loss, tiny_W, tiny_C, *tiny_batch),
    expected_loss,
    name="sgns_loss on two pairs with two noise words each",
    causes=[
        (2 * expected_loss, "this is the sum over the batch; return the mean."),
        (-expected_loss, "the sign is wrong: a loss is minus the logarithm of a probability, so it is above 0."),
        (
            (first_true + np.log(2) + np.log(5) + second_true + 2 * np.log(5 / 4)) / 2,
            "the sign of the negative term is wrong: for noise it is the sigmoid of MINUS the score.",
        ),
        (
            (first_true - np.log(2) - np.log(5) + second_true - 2 * np.log(5 / 4)) / 2,
            "the sign of the negative term is wrong: for noise it is minus the logarithm of the sigmoid of MINUS the score.",
        ),
        (
            (first_true - sum(first_noise) + second_true - sum(second_noise)) / 2,
            "the sign of the negative term is wrong: both terms are minus logarithms, and they add up.",
        ),
        (
            (np.log(4) + sum(first_noise) + np.log(4) + sum(second_noise)) / 2,
            "the true pair has the wrong sign: its price is minus the logarithm of the sigmoid of the score itself.",
        ),
        ((first_true + second_true) / 2, "the noise is missing."),
        ((sum(first_noise) + sum(second_noise)) / 2, "the true pair is missing."),
        ((first_true + sum(first_noise) / 2 + second_true + sum(second_noise) / 2) / 2, "sum over the noise words of a pair; the mean is over the pairs of the batch."),
        (expected_loss / 3, "this is the mean over all 1 + k answers; sum over the noise words, and take the mean over the batch."),
        (expected_loss / np.log(2), "this is in bits; the loss is in nats, np.log."),
        (lambda got: np.isscalar(got) and abs(float(got) - float(np.mean([0.25, 0.25]) + (0.5 + 0.2 + 0.8 + 0.8) / 2)) < 1e-6, "the logarithm is missing: the price is -log of the sigmoid."),
        (
            (2 * first_true + 4 * np.log(2)) / 2,
            "the noise words have their vectors in C, like all contexts.",
        ),
        (lambda got: getattr(got, "shape", ()) == (2,), "these are the losses of the pairs; return their mean."),
    ],
)
with_large_scores = (1000 * tiny_W, tiny_C, *tiny_batch)
check.equal(
    without_warnings(sgns_loss, *with_large_scores),
    (0.0 + np.log(2) + 0.0 + 0.0 + 2000 * four) / 2,
    name="sgns_loss with scores a thousand times as large",
    causes=[
        (lambda got: not np.isfinite(got), "the sigmoid became 0 and its logarithm infinite. Use -log sigmoid(x) = np.logaddexp(0, -x)."),
        (lambda got: got < 200, "the sigmoid was clipped, so a confident mistake costs too little. Use -log sigmoid(x) = np.logaddexp(0, -x)."),
    ],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for V_, d, B, k in [(2, 1, 1, 1), (5, 3, 4, 2), (30, 8, 16, 5), (4, 2, 40, 1)]:
    for scale in [0.1, 1.0, 30.0]:
        W_, C_ = rng.normal(size=(V_, d)) * scale, rng.normal(size=(V_, d))
        batch = rng.integers(V_, size=B), rng.integers(V_, size=B), rng.integers(V_, size=(B, k))
        total = 0.0
        for w, c, ns in zip(*batch):
            total += np.logaddexp(0, -(W_[w] @ C_[c])) + sum(np.logaddexp(0, W_[w] @ C_[n]) for n in ns)
        check.equal(sgns_loss(W_, C_, *batch), total / B, name=f"a random batch: V = {V_}, d = {d}, B = {B}, k = {k}, scale {scale}")
zeros = np.zeros((3, 4))
check.equal(sgns_loss(zeros, zeros, np.array([0]), np.array([1]), np.array([[1, 1, 2]])), 4 * np.log(2), name="all vectors zero, k = 3")
### END HIDDEN TESTS

# %% [markdown]
# ### Gradients by hand
#
# To train, we have to know in which direction to move each number to make the loss smaller: the **gradient**, the derivative of the loss by every entry of $W$ and $C$. The derivative of the price by the score is beautifully simple,
#
# $$\frac{d}{dx}\big(-\ln \sigma(x)\big) = \sigma(x) - 1, \qquad \frac{d}{dx}\big(-\ln \sigma(-x)\big) = \sigma(x) - 0,$$
#
# *what the model said minus what it should have said*: 1 for a true pair, 0 for noise. Call this the **error** $e$. The score is $\mathbf{w} \cdot \mathbf{c}$, so its derivative by $\mathbf{w}$ is $\mathbf{c}$ and the other way round. By the chain rule, for one pair with its noise:
#
# $$\frac{\partial L}{\partial \mathbf{w}} = e_c\, \mathbf{c} + \sum_i e_{n_i} \mathbf{n}_i, \qquad \frac{\partial L}{\partial \mathbf{c}} = e_c\, \mathbf{w}, \qquad \frac{\partial L}{\partial \mathbf{n}_i} = e_{n_i} \mathbf{w}$$
#
# A step against the gradient pulls the center towards its true context ($e_c < 0$) and pushes it away from the noise ($e_{n_i} > 0$). The loss is a mean over $B$ pairs, so each pair's part is divided by $B$.
#
# **An example.** $\mathbf{w} = (1, 0)$, true context $\mathbf{c} = (\ln 3, 0)$, so the score is $\ln 3$ and $\sigma = 3/4$; one noise word $\mathbf{n} = (0, 5)$ with score 0 and $\sigma = 1/2$. The errors are $-1/4$ and $1/2$. So the gradient is $-\tfrac14 (\ln 3, 0) + \tfrac12 (0, 5) = (-0.275, 2.5)$ for $\mathbf{w}$,
# $(-0.25, 0)$ for $\mathbf{c}$ and $(0.5, 0)$ for $\mathbf{n}$.
#
# ### Exercise 7: the gradients of a batch
#
# Mind one trap: a word may occur several times in a batch, and then its gradient is the sum of all its parts. `grad[numbers] += parts` keeps only the last part of each; `np.add.at(grad, numbers, parts)` adds them all.
#
# <details><summary>Hint 1: how do I treat true context and noise alike?</summary>
#
# Put them side by side, with `np.concatenate` along axis 1: `contexts[:, None]` is a column of shape (B, 1), so the result, call it targets, has the shape (B, 1 + k), and its column 0 is the true context. Scores and sigmoids have the same shape; the errors are the sigmoids with 1 subtracted from column 0.
# </details>
#
# <details><summary>Hint 2: what are the parts?</summary>
#
# Of W: for each pair the sum over its targets of error times target vector, shape (B, d). Of C: for each pair and target the error times the center's vector, shape (B, 1 + k, d): `errors[:, :, None] * W[centers][:, None, :]`.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     targets = contexts and negatives side by side          (B, 1 + k)
#     errors  = sigmoid(scores); errors[:, 0] -= 1; divide by B
#     grad_W, grad_C = zeros like W and C
#     add to row centers of grad_W:  sum over targets of error * C[target]
#     add to row targets of grad_C:  error * W[center]
# </details>

# %% exercise="sgns_gradients" minutes=18 difficulty=3
def sgns_gradients(
    W: np.ndarray, C: np.ndarray, centers: np.ndarray, contexts: np.ndarray, negatives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of sgns_loss by W and by C, each of shape (V, d).

    W          vectors of words as centers, shape (V, d)
    C          vectors of words as contexts, shape (V, d)
    centers    word numbers, shape (B,)
    contexts   word numbers of the true contexts, shape (B,)
    negatives  word numbers of the noise, shape (B, k)

    Rows of words that are not in the batch stay 0. W and C are not changed.

    >>> grad_W, grad_C = sgns_gradients(
    ...     np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [np.log(3), 0.0], [0.0, 5.0]]),
    ...     np.array([0]), np.array([1]), np.array([[2]]))
    >>> grad_W[0].round(3), grad_C[1], grad_C[2]
    (array([-0.275,  2.5  ]), array([-0.25,  0.  ]), array([0.5, 0. ]))
    """
    ### BEGIN SOLUTION
    targets = np.concatenate([contexts[:, None], negatives], axis=1)  # (B, 1 + k)
    w, c = W[centers], C[targets]  # (B, d), (B, 1 + k, d)
    scores = np.einsum("bd,bkd->bk", w, c)
    errors = 0.5 * (1 + np.tanh(scores / 2))  # the sigmoid, without overflow
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, c))
    np.add.at(grad_C, targets, errors[:, :, None] * w[:, None, :])
    return grad_W, grad_C
    ### END SOLUTION


# %% test="sgns_gradients" points=5
trial_W = np.array([[1.0, 0.5], [-0.5, 2.0], [0.3, -1.0], [0.7, 0.2]])
trial_C = np.array([[0.2, 1.0], [1.5, -0.5], [-1.0, 0.4], [0.6, 0.8]])
trial_batch = (np.array([0, 0, 2]), np.array([1, 3, 1]), np.array([[2, 1], [0, 2], [2, 2]]))  # words occur several times
right_W = np.array([[0.06137375, 0.14125173], [0.0, 0.0], [-0.36065056, 0.13496406], [0.0, 0.0]])
right_C = np.array([[0.22272926, 0.11136463], [0.15697809, 0.18539489], [0.27304612, -0.11786631], [-0.08964714, -0.04482357]])
# What wrong answers give.
flipped_W = np.array([[0.16137375, -0.2920816], [0.0, 0.0], [0.3060161, -0.1317026], [0.0, 0.0]])
flipped_C = np.array([[-0.11060408, -0.05530204], [-0.17635524, 0.01872823], [-0.59362054, 0.21546702], [-0.08964714, -0.04482357]])
only_last = np.array([[-0.11258427, 0.19234828], [0.0, 0.0], [-0.36065056, 0.13496406], [0.0, 0.0]])
only_true = np.array([[-0.16513835, -0.03460102], [0.0, 0.0], [-0.13944241, 0.0464808], [0.0, 0.0]])
only_noise = np.array([[0.2265121, 0.17585275], [0.0, 0.0], [-0.22120815, 0.08848326], [0.0, 0.0]])
squared_first = np.array([0.00309126, 0.0369654])
result = without_warnings(sgns_gradients, trial_W, trial_C, *trial_batch)
check.that(isinstance(result, tuple) and len(result) == 2, "sgns_gradients must return two arrays: the gradient of W, then the gradient of C.")
shared_causes = [
    (lambda got: getattr(got, "shape", None) == (3, 2), "this has one row per pair of the batch; the gradient of W has one row per word, like W."),
    (lambda got: getattr(got, "shape", None) == (9, 2) or getattr(got, "shape", None) == (3, 3, 2), "add the parts up into an array of the shape of C, one row per word."),
]
check.equal(
    result[0],
    right_W,
    name="the gradient of W on a batch of three pairs",
    causes=[
        *shared_causes,
        (-right_W, "the sign is wrong: the error is what the model said minus what it should have said, sigmoid - 1 for a true pair."),
        (3 * right_W, "the loss is a mean over the batch: divide by B."),
        (right_W / 3, "divide by B, the number of pairs, once; not twice, and not by the number of all targets."),
        (only_last, "center 0 occurs twice and only its last part is there: W[centers] += ... overwrites. Use np.add.at."),
        (3 * only_last, "center 0 occurs twice and only its last part is there: W[centers] += ... overwrites. Use np.add.at."),
        (flipped_W, "noise is treated like a true pair: its error is the sigmoid, without minus 1."),
        (right_C, "this is the gradient of C; the order is W, then C."),
        (only_true, "the noise is missing: it pushes the center away."),
        (only_noise, "the true context is missing: it pulls the center."),
        (only_noise - only_true, "the true pair has the wrong sign: its error is sigmoid - 1, below 0."),
        (only_true - only_noise, "the noise has the wrong sign: its error is the sigmoid, above 0."),
        (lambda got: np.allclose(got[0], squared_first), "the sigmoid's own derivative is not needed: the derivative of -log sigmoid(x) is sigmoid(x) - 1."),
        (lambda got: bool(got[1].any()), "word 1 is no center in this batch, so its row of W has the gradient 0."),
    ],
)
check.equal(
    result[1],
    right_C,
    name="the gradient of C on a batch of three pairs",
    causes=[
        *shared_causes,
        (-right_C, "the sign is wrong: the error is what the model said minus what it should have said."),
        (3 * right_C, "the loss is a mean over the batch: divide by B."),
        (flipped_C, "noise is treated like a true pair: its error is the sigmoid, without minus 1."),
        (lambda got: np.allclose(got[0], right_C[0]) and not np.allclose(got[2], right_C[2]) and bool(got[2].any()), "noise word 2 occurs four times; its parts must be added up: np.add.at(grad_C, targets, parts)."),
        (lambda got: not got[0].any() and not got[2].any(), "the noise words have gradients too: error times the center's vector."),
        (lambda got: not got[3].any(), "the true contexts have gradients too: error times the center's vector."),
        (lambda got: np.allclose(got[0], right_C[0]), "a word occurs several times in the batch; its parts must be added up: np.add.at(grad_C, targets, parts)."),
    ],
)
unchanged = check.after(sgns_gradients, trial_W, trial_C, *trial_batch).arguments
check.that(
    bool(np.array_equal(unchanged[0], trial_W) and np.array_equal(unchanged[1], trial_C)),
    "sgns_gradients changed W or C; it only reports gradients. Add into np.zeros_like(W) and np.zeros_like(C).",
)
### BEGIN HIDDEN TESTS


def gradients_by_loops(W, C, centers, contexts, negatives):
    """Slow and obvious: one pair, one target at a time."""
    grad_W, grad_C = np.zeros(W.shape), np.zeros(C.shape)
    for w, c, ns in zip(centers, contexts, negatives):
        for target, wanted in [(c, 1.0), *((n, 0.0) for n in ns)]:
            error = 1 / (1 + np.exp(-W[w] @ C[target])) - wanted
            grad_W[w] += error * C[target] / len(centers)
            grad_C[target] += error * W[w] / len(centers)
    return grad_W, grad_C


rng = np.random.default_rng(7)
for V_, d, B, k in [(2, 1, 1, 1), (5, 3, 4, 2), (3, 4, 20, 5), (40, 8, 7, 3)]:
    for scale in [0.1, 1.0, 5.0]:
        W_, C_ = rng.normal(size=(V_, d)) * scale, rng.normal(size=(V_, d))
        batch = rng.integers(V_, size=B), rng.integers(V_, size=B), rng.integers(V_, size=(B, k))
        got_W, got_C = without_warnings(sgns_gradients, W_, C_, *batch)
        want_W, want_C = gradients_by_loops(W_, C_, *batch)
        check.equal(got_W, want_W, name=f"gradient of W: V = {V_}, d = {d}, B = {B}, k = {k}, scale {scale}", atol=1e-9)
        check.equal(got_C, want_C, name=f"gradient of C: V = {V_}, d = {d}, B = {B}, k = {k}, scale {scale}", atol=1e-9)
large_W, large_C = without_warnings(sgns_gradients, 1000 * trial_W, trial_C, *trial_batch)
check.that(bool(np.isfinite(large_W).all() and np.isfinite(large_C).all()), "gradients with scores a thousand times as large")
check.equal(large_W[2], np.zeros(2), name="a center that is right and sure: no gradient")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what does PyTorch say?
#
# PyTorch can differentiate by itself (*autograd*; notebook 03 shows how). It is told the loss and nothing else. Do you agree with it?

# %% experiment
trial_rng = np.random.default_rng(1)
trial = trial_rng.integers(50, size=32), trial_rng.integers(50, size=32), trial_rng.integers(50, size=(32, 5))
yours = sgns_gradients(*(trial_vectors := trial_rng.normal(size=(2, 50, 8))), *trial)
W_torch, C_torch = (torch.tensor(vectors, requires_grad=True) for vectors in trial_vectors)
true_score = (W_torch[trial[0]] * C_torch[trial[1]]).sum(dim=1)
noise_score = (W_torch[trial[0]][:, None, :] * C_torch[trial[2]]).sum(dim=2)
(-torch.nn.functional.logsigmoid(true_score) - torch.nn.functional.logsigmoid(-noise_score).sum(dim=1)).mean().backward()
differences = [float(abs(mine - theirs.grad.numpy()).max()) for mine, theirs in zip(yours, [W_torch, C_torch])]
print(f"largest difference to autograd: {differences[0]:.1e} in W, {differences[1]:.1e} in C")

# %% [markdown]
# ### I see differences around 0.2, or around 10, instead of 1e-16
#
# Around 10: the division by B is missing. Around 0.2: look at the rows. If some are right and others are not, the culprit is a word that occurs twice in the batch, `grad[numbers] += parts` where `np.add.at` is needed. If all are wrong, look at the errors: $\sigma - 1$ for the true pair, $\sigma$ for noise.
#
# ### Experiment: train
#
# Now everything comes together. First the pairs; as in word2vec, frequent words are thinned out: a pair is kept with probability $\sqrt{t / f}$ for each of its words whose share $f$ of the text is above $t = 0.001$ (*the* brings little news and much work).

# %% experiment
frequency = occurrences / occurrences.sum()
keep = np.minimum(1, np.sqrt(0.001 / np.maximum(frequency, 1e-9)))
print(f"Of the pairs of 'the' with a rare word, {keep[index['the']]:.0%} stay.")


@cache
def thinned(list_pairs):
    all_centers, all_contexts = list_pairs(numbers, 2)
    kept = np.random.default_rng(0).random(len(all_centers)) < keep[all_centers] * keep[all_contexts]
    print(f"{len(all_centers):,} pairs, {kept.sum():,} after thinning.")
    return all_centers[kept], all_contexts[kept]


centers, contexts = thinned(skipgram_pairs)

# %% [markdown]
# Then the loop: draw a batch of pairs, draw noise, ask your function for the gradients, take a step. How large a step? That is left to an optimizer of PyTorch, Adam (Kingma and Ba 2015), which finds a step size for every number; notebook 07 looks inside. It takes your
# gradients as they are. With vectorised gradients this takes about 20 seconds; if yours loop over pairs, training stops after two minutes, and what follows works less well.

# %% experiment
@cache
def trained(gradients_of, loss_of, list_pairs, noise_of, dimensions=64, batch_size=2048, k=5, steps=1200, rate=0.02, seconds=120):
    """Vectors W and C, and the loss on 4,000 fixed pairs after every 100 steps."""
    centers, contexts = thinned(list_pairs)
    noise = noise_of(occurrences)
    rng = np.random.default_rng(0)
    W, C = (torch.tensor(rng.uniform(-0.06, 0.06, (V, dimensions)), dtype=torch.float32) for _ in range(2))
    optimizer = torch.optim.Adam([W, C])
    watched = rng.integers(len(centers), size=4000)
    watched_batch = centers[watched], contexts[watched], rng.choice(V, size=(4000, k), p=noise)
    losses = [loss_of(W.numpy(), C.numpy(), *watched_batch)]
    started = time.thread_time()  # processor time: what else the computer does costs nothing
    for step in range(steps):
        batch = rng.integers(len(centers), size=batch_size)
        negatives = rng.choice(V, size=(batch_size, k), p=noise)
        gradients = gradients_of(W.numpy(), C.numpy(), centers[batch], contexts[batch], negatives)
        W.grad, C.grad = (torch.from_numpy(np.asarray(gradient, dtype=np.float32)) for gradient in gradients)
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)  # smaller and smaller steps
        optimizer.step()
        if (step + 1) % 100 == 0:
            losses.append(loss_of(W.numpy(), C.numpy(), *watched_batch))
        if time.thread_time() - started > seconds:
            print(f"Stopped after {step + 1} of {steps} steps: {seconds} seconds are over. Avoid loops over pairs in sgns_gradients.")
            break
    print(f"{(step + 1) * batch_size:,} pairs in {time.thread_time() - started:.0f} seconds of processor time")
    return W.numpy(), C.numpy(), losses


def skipgram_vectors():
    """What your four functions learn: trained once, and again when you change one of them."""
    return trained(sgns_gradients, sgns_loss, skipgram_pairs, negative_sampling_distribution)


W, C, losses = skipgram_vectors()

# %% experiment
W, C, losses = skipgram_vectors()
plots.lines(
    [100 * i for i in range(len(losses))],
    {"skip-gram": [float(loss) for loss in losses]},
    title=f"The loss falls from {losses[0]:.2f}, guessing, to {losses[-1]:.2f}",
    x_label="steps of 2,048 pairs",
    y_label="loss (nats per pair with 5 noise words)",
    alt=f"The loss against training steps: a steep fall at first, then slower, from {losses[0]:.2f} to {losses[-1]:.2f}.",
)

# %% experiment
for word in ["donkey", "violin", "fever", "queen", "louder", "peeled"]:
    print(f"{word:>7}:  {nearest(skipgram_vectors()[0], word)}")

# %% [markdown]
# At the start all scores are near 0 and each of the six answers costs $\ln 2$: $6 \ln 2 = 4.16$. At the end there are 64 numbers per word instead of 2,175, and the neighbours make as much sense.
#
# ### What has it learned?
#
# Levy and Goldberg (2014a) found a surprising answer: *the same as counting*. If the vectors had enough dimensions, the loss would be smallest where
#
# $$\mathbf{w} \cdot \mathbf{c} = \ln \frac{P(c \mid w)}{k\, P_{\text{noise}}(c)},$$
#
# and with plain frequencies as noise the right side is $\text{PMI}(w, c) - \ln k$ in nats: word2vec factorises a shifted PMI matrix without ever writing it down. We can look: the cell computes the right side from the counts of the training pairs, and compares it with the dot products
# of the trained vectors, for all pairs seen at least 20 times.

# %% experiment
W, C, _ = skipgram_vectors()
centers, contexts = thinned(skipgram_pairs)
noise = negative_sampling_distribution(occurrences)
pair_counts = np.zeros((V, V))
np.add.at(pair_counts, (centers, contexts), 1)
often = pair_counts >= 20
ideal = np.log((pair_counts / np.maximum(pair_counts.sum(axis=1, keepdims=True), 1))[often] / (5 * np.broadcast_to(noise, (V, V))[often]))
learned = (W @ C.T)[often]
correlation = np.corrcoef(ideal, learned)[0, 1]
steps = [-2, -1, 0, 1, 2, 3, 4, 5]
plots.lines(
    steps,
    {"learned dot product": [float(learned[np.round(ideal) == step].mean()) for step in steps], "if they were equal": steps},
    title=f"The dot products follow the shifted PMI (correlation {correlation:.2f})",
    x_label="shifted PMI of the pair, from counts (nats, rounded)",
    y_label="mean over such pairs (nats)",
    alt="Mean learned dot product of word pairs against their shifted PMI. The points rise with the PMI, near the diagonal.",
)

# %% [markdown]
# ## 7 Analogies
#
# *man* is to *woman* as *king* is to ... ? Mikolov, Yih and Zweig (2013) noticed that such questions can be answered with a subtraction and an addition. Differences between vectors seem to mean something: what separates *woman* from *man* is about the same as what separates *queen* from *king*,
# so $\mathbf{woman} - \mathbf{man} + \mathbf{king}$ should land near $\mathbf{queen}$. On a map of the vectors you just trained, the arrows should be parallel.

# %% experiment
pairs_to_draw = [("king", "queen"), ("man", "woman"), ("father", "mother"), ("brother", "sister"), ("waiter", "waitress"), ("uncle", "aunt")]
drawn_words = [word for pair in pairs_to_draw for word in pair]
W, _, _ = skipgram_vectors()
plots.word_map(
    dict(zip(drawn_words, flatten(W[[index[word] for word in drawn_words]]))),
    groups={"male": [male for male, _ in pairs_to_draw], "female": [female for _, female in pairs_to_draw]},
    arrows=pairs_to_draw,
    title="From he to she: the arrows point the same way",
    alt="A map of six pairs such as king and queen, with an arrow from the male to the female word. The arrows are nearly parallel.",
)

# %% [markdown]
# The recipe: divide all vectors by their lengths, compute $\mathbf{b} - \mathbf{a} + \mathbf{c}$, and take the word with the largest cosine, **leaving out $a$, $b$ and $c$ themselves**.
#
# ### Exercise 8: analogy
#
# Answer "a is to b as c is to ...?" with the n best words.
#
# <details><summary>Hint 1: where do I start?</summary>
#
# `words.index("king")` is the row of *king*. Divide each row of `vectors` by its length (axis=1, keepdims=True), then build the target from the three rows. The cosine with the target needs no further division: the target's length is the same for all candidates, so it does not change the order.
# </details>
#
# <details><summary>Hint 2: how do I leave out the three?</summary>
#
# Sort all numbers from best to worst with `np.argsort(-scores)`, and pick the first n whose word is not in `(a, b, c)`.
# </details>

# %% exercise="analogy" minutes=9 difficulty=2
def analogy(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    """Return the n best answers to "a is to b as c is to ...?", best first; a, b and c are never among them.

    vectors  shape (V, d), no row of zeros; row i belongs to words[i]
    words    the V words

    Every vector counts with length 1. An answer is the better, the larger its cosine with b - a + c.

    >>> analogy(np.array([[4.0, 0.0], [4.0, 1.0], [0.0, 3.0], [1.0, 5.0]]), ["man", "woman", "king", "queen"], "man", "woman", "king")
    ['queen']
    """
    ### BEGIN SOLUTION
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    ranked = [words[i] for i in np.argsort(-(unit @ target))]
    return [word for word in ranked if word not in (a, b, c)][:n]
    ### END SOLUTION


# %% test="analogy" points=4
palace_words = ["man", "woman", "king", "queen", "knight", "tower", "crowd"]
palace_vectors = np.array([[1.0, 0, 0], [0.9, 0.5, 0], [2.0, 0.2, 2.0], [0.9, 0.7, 0.9], [1.0, -0.7, 1.0], [0.1, 0.2, 3.0], [9.0, 4.0, 6.0]])
question = 'analogy(vectors, words, "man", "woman", "king")'
check.equal(
    analogy(palace_vectors, palace_words, "man", "woman", "king"),
    ["queen"],
    name=question,
    causes=[
        (lambda got: isinstance(got, str), "return a list of words, also when n is 1."),
        (["king"], "a word of the question was returned as the answer: leave out a, b and c."),
        (["woman"], "a word of the question was returned as the answer: leave out a, b and c."),
        (["crowd"], "a long vector won: compare by cosine, with all vectors divided by their lengths."),
        (["knight"], "the sign is wrong: the target is b - a + c, and the best answer has the largest cosine."),
        (["tower"], "the sign is wrong: the target is b - a + c, and the best answer has the largest cosine."),
        (["man"], "a word of the question was returned as the answer: leave out a, b and c."),
        (lambda got: bool(got) and not isinstance(got[0], str), "return words, not their numbers."),
        ([], "the list is empty: leave out a, b and c first, then take the first n."),
    ],
)
check.equal(
    analogy(palace_vectors, palace_words, "man", "woman", "king", n=3),
    ["queen", "crowd", "tower"],
    name='analogy(vectors, words, "man", "woman", "king", n=3)',
    causes=[
        (lambda got: len(got) == 1, "use the argument n: the n best answers."),
        (lambda got: bool({"man", "woman", "king"} & set(got)), "a word of the question was returned as the answer: leave out a, b and c."),
        (lambda got: len(got) == 2, "take the first n after leaving out a, b and c, not before."),
        (lambda got: set(got) == {"queen", "crowd", "tower"}, "the best answer comes first."),
    ],
)
check.equal(
    analogy(np.array([[3.0, 0.0], [0.0, 0.1], [1.0, 1.0], [-1.0, 5.0], [-5.0, 8.0]]), ["a", "b", "c", "d", "e"], "a", "b", "c"),
    ["d"],
    name="an analogy between vectors of very different lengths",
    causes=[(["e"], "divide every vector by its length before you add and subtract.")],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(8)
for size, d in [(4, 2), (9, 3), (60, 20)]:
    for _ in range(6):
        some = rng.normal(size=(size, d)) * rng.uniform(0.1, 50, size=(size, 1))
        names = [f"word{i}" for i in rng.permutation(size)]
        i, j, k = rng.permutation(size)[:3]
        unit = [row / np.sqrt(sum(row * row)) for row in some]
        target = unit[j] - unit[i] + unit[k]
        ranked = sorted((m for m in range(size) if m not in (i, j, k)), key=lambda m: -float(unit[m] @ target))
        for n in [1, 2, size]:
            got = analogy(some, names, names[i], names[j], names[k], n)
            check.equal(got, [names[m] for m in ranked[:n]], name=f"random vectors, V = {size}, d = {d}, n = {n}")
check.equal(analogy(palace_vectors, palace_words, "king", "queen", "man", 2)[0], "woman", name="the other way round")
check.equal(analogy(palace_vectors * 1000, palace_words, "man", "woman", "king"), ["queen"], name="all vectors a thousand times as long")
check.equal(analogy(palace_vectors, palace_words, "man", "man", "king", 1), ["crowd"], name="a equals b: the nearest to c")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: three kinds of vectors at school
#
# The village has seven relations planted in it, with 16 to 143 pairs each. We put the questions to rows from three sources: the PPMI matrix itself (2,175 numbers per word), its reduction by SVD (64), and skip-gram (64). Each relation gets 100 questions; the wide matrix, which takes longer, is asked 25 of them. An answer counts only if it is exactly the right word among all 2,175.

# %% experiment
planted = village.analogies


def solved_share(vectors, relation):
    rng = random.Random(relation)
    asked = [rng.sample(planted[relation], 2) for _ in range(25 if vectors.shape[1] > 1000 else 100)]
    return sum(analogy(vectors, words, a, b, c) == [d] for (a, b), (c, d) in asked) / len(asked)


relations = list(planted)
weighed, dense, W = weigh(ppmi, cooccurrence), reduce(weigh(ppmi, cooccurrence)), skipgram_vectors()[0]
# words that never occur have no direction; a tiny number keeps their length from being 0
kinds = {"PPMI, 2,175 numbers": (weighed + 1e-9).astype(np.float32), "PPMI + SVD, 64": dense + 1e-9, "skip-gram, 64": W}
school = {kind: [solved_share(vectors, relation) for relation in relations] for kind, vectors in kinds.items()}
plots.heat_map(
    np.array(list(school.values())).T,
    [f"{relation} ({', '.join(planted[relation][0])})" for relation in relations],
    list(school),
    title=f"Skip-gram solves {np.mean(school['skip-gram, 64']):.0%} of the analogies with 64 numbers per word, SVD {np.mean(school['PPMI + SVD, 64']):.0%}",
    alt="Share of analogies solved, for seven relations and three kinds of vectors. "
    + "; ".join(f"{kind}: {np.mean(shares):.2f} on average" for kind, shares in school.items()),
)

# %% [markdown]
# Two lessons. *Analogies do not come from learning*: the plain PPMI matrix, counted in a second, solves nearly all of them. (In English text, Levy and Goldberg 2014b found counted vectors on a level with trained ones, though only where the three cosines are multiplied and divided in place of added and subtracted.) And *how you compress matters*: the SVD spends its 64 numbers on what is largest, every cell of the table alike, while
# skip-gram weighs a cell by how often it was seen (the explanation that Levy and Goldberg 2014a suggest). With 300 numbers the SVD would do much better; try it in the cell above: `reduce(weighed, 300)`.
#
# One more look before you believe the scores. How often would the winner be one of the three words of the question, if we did not leave them out?

# %% experiment
question_rng = random.Random(1)
asked = [question_rng.sample(planted[relation], 2) for relation in relations for _ in range(50)]
W, _, _ = skipgram_vectors()
unit = W / np.sqrt((W**2).sum(axis=1))[:, None]
winners = [words[int(np.argmax(unit @ (unit[index[b]] - unit[index[a]] + unit[index[c]])))] for (a, b), (c, _) in asked]
in_question = np.mean([winner in (a, b, c) for winner, ((a, b), (c, _)) in zip(winners, asked)])
print(f"{in_question:.0%} of the winners are words of the question, {np.mean([w == d for w, (_, (_, d)) in zip(winners, asked)]):.0%} are right")

# %% [markdown] question="analogies" points=3 minutes=5
# **Question 2.** (a) What do the last two numbers say about the claim "king - man + woman = queen"? What would a method score that ignores $a$ and $b$ and returns the nearest neighbour of $c$? For which of the seven relations would it do best? (b) A context as frequent as *the*: what happens to the noise, and to the vectors, if the
# power 3/4 is replaced by 1, and if it is replaced by 0? (c) For word2vec on a corpus with a million word types, why is nobody computing the PPMI matrix, although it solves the analogies here?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) In about a fifth of the cases (on real text in many more) the sum lands nearest to one of the words it was made of, so the offset moves less far than the formula suggests; part of the score comes from leaving the question's words out (Linzen 2016). A method that takes the nearest neighbour of c has part of the score for free wherever the pairs are close neighbours
# themselves, such as king and queen, or comparative and superlative. (Half a point for the first sentence, half for the second.) (b) Power 1: frequent words make most of the noise (the alone several percent), rare words hardly ever appear as noise and their context vectors learn little about what they do not go with.
# Power 0: all words equally often, so frequent words are too seldom refused, and noise of rare words is easy to tell. (c) The matrix has 10^12 cells; even stored sparsely it is huge, rows of a million numbers are slow to compare and useless as the input of a network; skip-gram needs memory for 2 V d numbers and learns from a stream of text.
# ### END MARK SCHEME

# %% [markdown]
# ## 8 How words change their meaning
#
# A *mouse* was an animal before it was a device. With vectors from old text and vectors from new text, we can find such words without a dictionary: those whose vectors have moved most (Hamilton, Leskovec and Jurafsky 2016, over two centuries of books).
#
# The village has an old era and a new one, and 16 words that changed their topic in between. Sixty thousand sentences from each, and PPMI vectors reduced to 64 dimensions, with a window of four, since a change of topic is what we are after.

# %% experiment
village_then = Village("old")
numbers_then = [[index[word] for word in sentence] for sentence in village_then.sample(60_000, seed=4)]
numbers_now = numbers[:60_000]
seen = [np.bincount(np.concatenate([np.array(sentence) for sentence in text]), minlength=V) for text in (numbers_then, numbers_now)]
often_seen = np.minimum(*seen) >= 20  # in both eras


@cache
def eras(weights, count):
    """The vectors of the old era, and of the new one."""
    return reduce(weights(count(numbers_then, 4, V))), reduce(weights(count(numbers_now, 4, V)))


then, now = eras(ppmi, cooccurrence)
for word in ["mouse", "donkey"]:
    then_row, now_row = then[[index[word]]], now[[index[word]]]
    print(f"{word}: cosine of its old with its new vector {cosine_similarity(then_row, now_row)[0, 0]:.2f}")

# %% [markdown]
# *mouse* has changed. But *donkey*, which has not, looks just as foreign. The two sets of vectors were made separately, and **only the angles within one set mean anything**: turn all vectors of one set together, or mirror them, and every cosine inside the set stays as it was. The two maps show the same land, but one of them may lie upside down on the table.
# Before we compare, we must turn it.
#
# So look for the **rotation** (or reflection) that brings the old vectors nearest to the new ones, over all words. Most words have not changed, and they hold the map in place. With the old vectors as rows of $A$ and the new ones as rows of $B$:
#
# $$R = \arg\min_{R^\top R = I} \lVert A R - B \rVert^2 \qquad\Longrightarrow\qquad R = U V^\top \quad\text{where}\quad A^\top B = U S V^\top$$
#
# $R^\top R = I$ says that $R$ keeps all lengths and angles; $\lVert \cdot \rVert^2$ is the sum of the squares of all entries; $U S V^\top$ is the singular value decomposition. This is the **orthogonal Procrustes problem**, solved by Schönemann (1966) and named after the innkeeper of the Greek myth who made every guest fit his bed.
#
# Why is this the answer? $\lVert AR - B\rVert^2 = \lVert A\rVert^2 + \lVert B\rVert^2 - 2 \operatorname{tr}(R^\top A^\top B)$, so the trace must be as large as possible. Put in the decomposition: $\operatorname{tr}(R^\top U S V^\top) = \operatorname{tr}(S\, Z)$ with the orthogonal $Z = V^\top R^\top U$, whose entries are at most 1; so the best is $Z = I$, and that is $R = U V^\top$.
#
# ### Exercise 9: align two spaces
#
# <details><summary>Hint 1: what does numpy return?</summary>
#
# `U, S, Vt = np.linalg.svd(M)` gives three arrays with `M == U @ np.diag(S) @ Vt`. The third one is already transposed.
# </details>
#
# <details><summary>Hint 2: which way round?</summary>
#
# `old @ R` shall be near `new`. So M is `old.T @ new`, shape (d, d). If you get R transposed, you turned the new vectors to the old ones.
# </details>

# %% exercise="align" minutes=8 difficulty=2
def align(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix R for which old @ R is nearest to new, shape (d, d), float.

    old  shape (V, d)
    new  shape (V, d); row i is the same word as in old

    Nearest means the least sum of squared differences. R may turn and reflect, but not stretch: R.T @ R is the identity.

    A quarter turn:
    >>> align(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [-2.0, 0.0]])).round(6) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    ### BEGIN SOLUTION
    U, _, Vt = np.linalg.svd(old.T @ new)
    return U @ Vt
    ### END SOLUTION


# %% test="align" points=3
turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])  # a rotation in three dimensions
mirror = turn * np.array([1.0, 1.0, -1.0])  # the same, then mirrored
land = np.array([[1.0, 0.0, 0.3], [0.0, 2.0, 0.1], [0.5, 0.0, 3.0], [1.0, -1.0, 1.0], [0.2, 0.4, 0.6]])
check.equal(
    align(land, land @ turn),
    turn,
    name="align(old, new), where new is old, turned",
    causes=[
        (turn.T, "this is the transpose: it turns new to old. Take the SVD of old.T @ new, not of new.T @ old."),
        (land @ turn, "these are the turned vectors; return the matrix R."),
        (lambda got: got.shape == (5, 5), "the matrix to decompose is old.T @ new, of shape (d, d), not old @ new.T."),
        ((land.T @ land) @ turn, "the stretching is still in: leave out the singular values, R = U @ Vt."),
        (lambda got: np.allclose(got.T @ got, np.eye(3)), "this is orthogonal, but not the best: numpy returns V already transposed, so R = U @ Vt."),
        (lambda got: not np.allclose(got.T @ got, np.eye(3), atol=1e-4), "R is not orthogonal: R.T @ R must be the identity. R = U @ Vt, without the singular values."),
    ],
)
check.equal(
    align(land, land @ mirror),
    mirror,
    name="align(old, new), where new is old, turned and mirrored",
    causes=[(lambda got: np.linalg.det(got) > 0, "a reflection is allowed too: do not force the determinant to be +1.")],
)
stretched = align(land, 3 * land @ turn + np.array([0.0, 0.05, 0.0]))
check.that(
    bool(np.allclose(stretched.T @ stretched, np.eye(3), atol=1e-6)),
    "R is not orthogonal when new is longer than old: it may turn and reflect, but not stretch. R = U @ Vt, without the singular values.",
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(9)
for d in [1, 2, 5, 16]:
    for noise_size in [0.0, 0.1, 1.0]:
        Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
        A = rng.normal(size=(6 * d, d)) * np.arange(1, d + 1)
        B = 2.5 * A @ Q + noise_size * rng.normal(size=A.shape)
        R = align(A, B)
        check.equal(R.T @ R, np.eye(d), name=f"R.T @ R, d = {d}")
        # At the optimum, R.T @ (A.T @ B) is symmetric with no negative eigenvalue.
        P = R.T @ A.T @ B
        check.equal(P, P.T, name=f"R.T A.T B is symmetric, d = {d}, noise {noise_size}", atol=1e-6 * np.abs(P).max())
        check.that(bool(np.linalg.eigvalsh((P + P.T) / 2).min() > 0), f"R is the best orthogonal matrix, d = {d}, noise {noise_size}")
        if not noise_size:
            check.equal(R, Q, name=f"an exact rotation or reflection, d = {d}")
check.equal(align(land, land), np.eye(3), name="align(old, old)")
check.equal(align(land, -land), -np.eye(3), name="align(old, -old)")
check.equal(align(1e-4 * land, 1e4 * land @ turn), turn, name="very different lengths")
### END HIDDEN TESTS

# %% [markdown]
# Now the shift of a word is one minus the cosine between its turned old vector and its new one: 0 for a word that stayed, 1 for one that has nothing to do with its old self.
#
# $$\text{shift}(w) = 1 - \cos(\mathbf{w}_{\text{old}} R,\ \mathbf{w}_{\text{new}})$$
#
# ### Exercise 10: semantic shift
#
# <details><summary>Hint: one number per word, not a matrix</summary>
#
# Row i of the old vectors belongs to row i of the new ones and to no other: `(A * B).sum(axis=1)` gives the V dot products of corresponding rows. `cosine_similarity` would compare each with each; you need only its diagonal.
# </details>

# %% exercise="semantic_shift" minutes=5 difficulty=1
def semantic_shift(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return how far each word has moved: 1 - cosine of its turned old vector with its new one, shape (V,), float.

    old       shape (V, d), no row of zeros
    new       shape (V, d), no row of zeros; row i is the same word as in old
    rotation  shape (d, d), brings old into the space of new: old @ rotation

    >>> semantic_shift(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 3.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    array([0., 1.])
    """
    ### BEGIN SOLUTION
    turned = old @ rotation
    dots = (turned * new).sum(axis=1)
    return 1 - dots / (np.linalg.norm(turned, axis=1) * np.linalg.norm(new, axis=1))
    ### END SOLUTION


# %% test="semantic_shift" points=3
then_rows = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
now_rows = np.array([[0.0, 3.0], [0.0, 1.0], [3.0, -4.0]])
quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])  # (x, y) becomes (-y, x)
check.equal(
    semantic_shift(then_rows, now_rows, quarter),
    np.array([0.0, 1.0, 1.96]),
    name="semantic_shift of three words with a quarter turn",
    causes=[
        (np.array([1.0, 0.0, 1.28]), "the alignment is missing: compare old @ rotation with new, not old with new."),
        (np.array([2.0, 1.0, 0.04]), "the rotation goes to the old vectors: old @ rotation. You turned the new ones, or used its transpose."),
        (np.array([1.0, 0.0, -0.96]), "this is the cosine; the shift is 1 - cosine."),
        (np.array([-2.0, 1.0, 25.0]), "these are 1 - dot products; divide by the lengths of both vectors."),
        (lambda got: got.shape == (3, 3), "this compares every word with every other; one number per word, the diagonal."),
        (np.array([2.0, 5.0**0.5, 98.0**0.5]), "this is the distance between the end points; 1 - cosine is about directions."),
        (lambda got: got.shape == (2,), "sum over the d numbers of each word: axis=1."),
        (lambda got: got.shape == (), "one number per word: sum over axis=1 only."),
        (1 - np.array([3.0, 0.0, -24.0]) / 30**0.5 / 35**0.5, "divide by the lengths of both vectors of each word: np.linalg.norm needs axis=1."),
        (lambda got: got.shape == (3,) and abs(float(got[0])) < 1e-9, "divide by the lengths of both vectors, the turned old one and the new one."),
    ],
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(10)
for V_, d in [(1, 1), (4, 2), (30, 7)]:
    for scale in [1e-3, 1.0, 1e3]:
        A, B = rng.normal(size=(V_, d)) * scale, rng.normal(size=(V_, d))
        Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
        expected = [1 - float((a @ Q) @ b) / (float((a @ Q) @ (a @ Q)) * float(b @ b)) ** 0.5 for a, b in zip(A, B)]
        check.equal(semantic_shift(A, B, Q), np.array(expected), name=f"random vectors, V = {V_}, d = {d}, scale {scale}")
        check.equal(semantic_shift(A, 7 * A @ Q, Q), np.zeros(V_), name="words that stayed", atol=1e-9)
        check.equal(semantic_shift(A, -A @ Q, Q), 2 * np.ones(V_), name="words that turned round", atol=1e-9)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: which words changed?
#
# Rare words have noisy vectors and would seem to change most. So we rank the words that occur at least 20 times in both eras. The 20 that moved farthest, without any dictionary; those that were planted stand out in colour.

# %% experiment
then, now = eras(ppmi, cooccurrence)
rotation = align(then, now)
shift = semantic_shift(then, now, rotation)
ranking = sorted(np.flatnonzero(often_seen).tolist(), key=lambda i: -shift[i])
changed = village.changed_words
found = [words[i] for i in ranking[:20] if words[i] in changed]
plots.bars(
    {words[i]: float(shift[i]) for i in ranking[:20]},
    highlight=found,
    title=f"{len(found)} of the {len(changed)} words that changed are among the first 20 of {len(ranking):,}",
    x_label="semantic shift, 1 - cosine",
    alt=f"The twenty words with the largest shift. The planted ones among them: {', '.join(found)}; they come first.",
)


# %% experiment
def neighbours(vector, vectors, leave_out, n=4):
    cosines = cosine_similarity(vector[None, :], vectors)[0]
    return [words[i] for i in np.argsort(-cosines) if words[i] != leave_out and often_seen[i]][:n]


then, now = eras(ppmi, cooccurrence)
for word in ["mouse", "virus", "stream", "tablet", "bill"]:
    before, after = neighbours(then[index[word]], then, word), neighbours(now[index[word]], now, word)
    print(f"{word:>7}:  {', '.join(before):42} ->  {', '.join(after)}")

# %% [markdown]
# The old vectors, turned by $R$, live in the same space as the new ones. So we can draw a word's way on one map, among its old and its new neighbours.

# %% experiment
moved = "mouse"
then, now = eras(ppmi, cooccurrence)
rotation = align(then, now)
friends_then = neighbours(then[index[moved]] @ rotation, now, moved, n=6)
friends_now = neighbours(now[index[moved]], now, moved, n=6)
named = {f"{moved}, then": then[index[moved]] @ rotation, f"{moved}, now": now[index[moved]]}
named |= {word: now[index[word]] for word in friends_then + friends_now}
plots.word_map(
    dict(zip(named, flatten(np.array(list(named.values()))))),
    groups={"the word": list(named)[:2], "old neighbours": friends_then, "new neighbours": friends_now},
    arrows=[(f"{moved}, then", f"{moved}, now")],
    title=f"The way of “{moved}” from one company to another",
    alt=f"A map with an arrow from '{moved}, then', among {', '.join(friends_then)}, to '{moved}, now', among {', '.join(friends_now)}.",
)

# %% [markdown] question="change" points=3 minutes=5
# **Question 3.** A team trains word vectors on newspapers of the 1950s and on posts of the 2010s, aligns them, and reports: "The meaning of *family* has changed more than that of 95% of all words." (a) Give two reasons, other than a change of meaning, why the shift of *family* may be large. (b) Design a control: what could the
# team compute, with the same texts, to see how large a shift would come out if nothing had changed? (c) Vectors trained on newspapers put *nurse* nearer to *she* and *engineer* nearer to *he*. Name one research question for which this is a useful finding, and one application in which it does harm.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Two of: different sources (newspaper against posts: register, topics, spelling); the word is rare in one period, so its vector is noisy; different size of corpora; different processing (optical character recognition, tokenisation); many other words changed, so the alignment is bad; a
# different person, film or brand of that name. (b) Shuffle sentences between the two corpora, or split one period's text in two random halves, make vectors, align, and compute the shifts: they should be near 0, and their size, for words of the same frequency, says what noise is (Dubossarsky, Weinshall and Grossman 2017). Half a point for
# a control without regard to frequency. (c) Useful: measuring stereotypes, their history, or differences between sources (Garg et al. 2018, Caliskan et al. 2017). Harmful: ranking applications for jobs, search, translation that guesses a gender, advertisement (Bolukbasi et al. 2016). Half a point for each.
# ### END MARK SCHEME

# %% [markdown]
# ## 9 Real text
#
# Everything you wrote works on real text. With a network, the next cell fetches WikiText-2, two million words of good Wikipedia articles (Merity et al. 2016, licence CC BY-SA), and asks for neighbours among its 3,000 most frequent words. Without a network, the village's sentences stand in, and a line says so.

# %% experiment
real = corpus("wikitext2")
if real.name == "wikitext2":
    print(real)


# %% experiment
def real_vectors(text, n_words=3000, window=4):
    """The most frequent words of a text, and their reduced PPMI vectors."""
    lines = [re.findall(r"[a-z]+", line) for line in text.lower().splitlines()]
    vocabulary = [word for word, _ in Counter(word for line in lines for word in line).most_common(n_words)]
    number_of = {word: number for number, word in enumerate(vocabulary)}
    as_numbers = [[number_of[word] for word in line if word in number_of] for line in lines]
    return vocabulary, reduce(ppmi(cooccurrence(as_numbers, window, len(vocabulary))), 100)


real_words, real_rows = real_vectors(real.train)
for word in ["king", "river", "song", "war", "doctor", "ship", "cook"]:
    if word in real_words:
        cosines = cosine_similarity(real_rows[[real_words.index(word)]], real_rows)[0]
        print(f"{word:>7}:  {', '.join(real_words[i] for i in np.argsort(-cosines)[1:7])}")

# %% [markdown]
# ## What to remember
#
# - A word is known by its company. Rows of a co-occurrence matrix are vectors, and the cosine says how alike two words are.
# - Raw counts drown in frequent words. PPMI asks how much more often than by chance two words meet.
# - Skip-gram with negative sampling learns to tell true pairs from noise, and so factorises a shifted PMI matrix without writing it down.
# - The gradient is error times vector: what was said minus what should have been said. It will come back in every notebook.
# - A small window finds words that can replace each other, a large one words about the same things.
# - Analogy scores depend on leaving out the question's words. Spaces made separately must be aligned before they are compared, and a control says how large a shift is noise.
# - Vectors repeat what texts say, prejudice included.
#
# **The ladder** of bits per character gets no new rung today: vectors of this kind compare words, they do not predict a next word. In notebook 03 they become the first layer of a model that does.
#
# ## Further reading
#
# - Z. S. Harris (1954), *Distributional Structure*, Word 10(2-3), 146-162; J. R. Firth (1957), *A Synopsis of Linguistic Theory, 1930-1955*, in Studies in Linguistic Analysis, 1-32. The idea.
# - G. Salton, A. Wong, C. S. Yang (1975), *A Vector Space Model for Automatic Indexing*, Communications of the ACM 18(11), 613-620.
# - K. W. Church, P. Hanks (1990), *Word Association Norms, Mutual Information, and Lexicography*, Computational Linguistics 16(1), 22-29.
# - S. Deerwester et al. (1990), *Indexing by Latent Semantic Analysis*, Journal of the American Society for Information Science 41(6), 391-407.
# - P. D. Turney, P. Pantel (2010), *From Frequency to Meaning: Vector Space Models of Semantics*, Journal of Artificial Intelligence Research 37, 141-188. The survey of counting.
# - T. Mikolov, K. Chen, G. Corrado, J. Dean (2013a), *Efficient Estimation of Word Representations in Vector Space*, arXiv:1301.3781.
# - T. Mikolov, I. Sutskever, K. Chen, G. Corrado, J. Dean (2013b), *Distributed Representations of Words and Phrases and their Compositionality*, NIPS 26.
# - T. Mikolov, W. Yih, G. Zweig (2013), *Linguistic Regularities in Continuous Space Word Representations*, NAACL-HLT, 746-751. The analogies.
# - O. Levy, Y. Goldberg (2014a), *Neural Word Embedding as Implicit Matrix Factorization*, NIPS 27; (2014b), *Linguistic Regularities in Sparse and Explicit Word Representations*, CoNLL, 171-180; O. Levy, Y. Goldberg, I. Dagan (2015), *Improving Distributional Similarity with Lessons Learned from Word Embeddings*, TACL 3, 211-225.
# - P. H. Schönemann (1966), *A Generalized Solution of the Orthogonal Procrustes Problem*, Psychometrika 31(1), 1-10.
# - W. L. Hamilton, J. Leskovec, D. Jurafsky (2016), *Diachronic Word Embeddings Reveal Statistical Laws of Semantic Change*, ACL, 1489-1501; and the control: H. Dubossarsky, D. Weinshall, E. Grossman (2017), *Outta Control: Laws of Semantic Change and Inherent Biases
#   in Word Representation Models*, EMNLP, 1136-1145.
# - D. P. Kingma, J. Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR. S. Merity, C. Xiong, J. Bradbury, R. Socher (2016), *Pointer Sentinel Mixture Models*, arXiv:1609.07843: WikiText.
# - T. Linzen (2016), *Issues in Evaluating Semantic Spaces Using Word Analogies*, RepEval, 13-18.
# - T. Bolukbasi et al. (2016), *Man is to Computer Programmer as Woman is to Homemaker? Debiasing Word Embeddings*, NIPS 29; A. Caliskan, J. J. Bryson, A. Narayanan (2017), *Semantics Derived Automatically from Language Corpora Contain Human-like Biases*, Science 356,
#   183-186; N. Garg et al. (2018), *Word Embeddings Quantify 100 Years of Gender and Ethnic Stereotypes*, PNAS 115(16), E3635-E3644.

# %% submit
hand_in(
    "02_word_vectors",
    "cooccurrence",
    "cosine_similarity",
    "ppmi",
    "skipgram_pairs",
    "negative_sampling_distribution",
    "sgns_loss",
    "sgns_gradients",
    "analogy",
    "align",
    "semantic_shift",
)

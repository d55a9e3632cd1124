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
# # 03 · A feed-forward language model
#
# Who has read *the cat is walking in the bedroom* is not surprised by *a dog was running in a room*, although the two share hardly a word. A table
# of n-grams is. To a table, *cat* and *dog* are as different as *cat* and *Thursday*, and what it learns about one tells it nothing about the other.
#
# In 2003 Yoshua Bengio and his colleagues, from whom this pair of sentences comes, proposed a way out: give every word a vector, let a small network
# compute the next word from the vectors, and learn *both at once*, vectors and network. Words that behave alike then get vectors that are alike, and
# every sentence read teaches something about sentences never read. Larger models have kept this idea to the present day.
#
# You will build that model from its parts, compute its gradients by hand, train it, and see it succeed where counting has no chance.
#
# **After this notebook you can**
#
# - say what an embedding is, and why looking up a row is a matrix product;
# - write softmax and cross-entropy so that no number overflows;
# - build a feed-forward language model, and derive and check every one of its gradients;
# - explain why it gives sense to words that it has never seen side by side, and what it still can't do.
#
# **Time:** about two hours, 100 minutes of it for the exercises and questions. **Points:** 44. **You need:** n-grams and Kneser-Ney from notebook 01; matrix
# products; the chain rule of calculus.

# %% setup
import math
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nextword import check, corpus, hand_in, ladder, plots, preset
from nextword.batches import Batches
from nextword.metrics import n_characters
from nextword.ngrams import KneserNey
from nextword.tokenizers import WordTokenizer
from nextword.training import score, train

# A table of four words with two numbers each (section 2), and a network small enough to follow by hand (section 7).
small_table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
tiny = {
    "E": torch.tensor([[0.0], [1.0], [-1.0]]),
    "W": torch.tensor([[0.5], [1.0]]),
    "b": torch.tensor([0.0]),
    "U": torch.tensor([[0.0, 1.0, 2.0]]),
    "c": torch.tensor([0.0, 0.0, 0.0]),
}

print(preset())

# %% experiment
village = corpus("village")
tokenizer = WordTokenizer(village.source.vocabulary)
V = len(tokenizer)
print(f"{len(village.train):,} sentences to learn from, {V:,} words.")

# %% [markdown]
# ## 1 What counting can't know
#
# The village has pairs of words that mean the same: *sofa* and *couch*, *film* and *movie*. People do the same things to both: they move a sofa and move a couch, and it stands
# near the fireplace or the window. But the village keeps a strange custom. The words right before and right after are never the same for both. Who says *the sofa* says *her couch*. So
# **no three words in a row ever occur with the one and with the other**, and a table of counts has no way to see that they belong together.

# %% experiment
for pair in village.source.synonyms[:2]:
    for word in pair:
        for spoken in [spoken for spoken in village.train if word in spoken][:3]:
            print(f"{word:6} {' '.join(spoken)}")

# %% [markdown]
# Now take a sentence with *couch* from the held-out text and say *sofa* instead. The village itself would not say it. But you understand it at once, and you are
# not surprised. How surprised is Kneser-Ney, the best counter of notebook 01? (`KneserNey` computes what you computed there, for a whole text at once.) Three bars of the figure tell of
# the couch that is now a sofa. Which, do you guess, before you run the cell?

# %% experiment
counting = KneserNey(village.train, 4, tokenizer.vocabulary)
swapped_sentence = "nina moved her sofa under the window".split()
swapped_bits = -counting.word_log_probabilities([swapped_sentence])[0] / math.log(2)
plots.surprise(
    [*swapped_sentence, "</s>"],
    swapped_bits,
    title="After a couch has become a sofa, Kneser-Ney understands nothing",
    y_label="surprise of Kneser-Ney, n = 4 (bits)",
)

# %% [markdown]
# The word itself, of course: no sofa was ever *her* sofa. But then *under* as well, which never follows *sofa*, and even *window*, at the other end: what is *under the window*
# depends on what came before, and that context is new. Everything that follows is about this: how a model can use that *sofa* and *couch* are alike, when nobody tells it.

# %% [markdown]
# ## 2 A word becomes a row of numbers
#
# A network computes with numbers, and a word is none. So every word of the vocabulary gets its own row in a table $E$, with $V$ rows and $d$ columns. The row is the word's
# **embedding**. At first the numbers are random. They are learned like everything else in the network, and nobody says what they mean.
#
# Picking a row can be written as a matrix product, and this is why gradients can flow into it. The **one-hot** vector of word number $i$ has $V$ entries, all 0 but for a 1 at place $i$. Multiplied
# with $E$ it gives row $i$:
#
# $$\text{onehot}(i)\; E = (0, \dots, 1, \dots, 0) \begin{pmatrix} E_0 \\ \vdots \\ E_i \\ \vdots \end{pmatrix} = E_i$$

# %% experiment
some_ids = [2, 0, 3]
plots.heat_map(
    torch.eye(4)[some_ids],
    [f"word {i}" for i in some_ids],
    [f"is it word {i}?" for i in range(4)],
    title="Each row has a single 1, which picks a row of the table",
    alt="One-hot vectors of the words 2, 0 and 3 as three rows of four cells. The only 1 of each row is in column 2, 0 and 3.",
)

# %% [markdown]
# **An example** with the table `small_table` of the setup cell, which has $V = 4$ words with $d = 2$ numbers each:
#
# $$(0, 0, 1, 0) \begin{pmatrix} 1 & 2 \\ 3 & 4 \\ 5 & 6 \\ 7 & 8 \end{pmatrix} = (5, 6)$$
#
# ### Exercise 1: embedding by one-hot vectors
#
# Look up the embeddings of some words with a matrix product: make the one-hot vectors, multiply with the table.
#
# <details><summary>Hint 1: how do I make one-hot vectors?</summary>
#
# `F.one_hot(ids, V)` does, for ids of any shape: it appends an axis of length V. Or compare: `ids[..., None] == torch.arange(V)`. How many words there are, the table knows.
# </details>
#
# <details><summary>Hint 2: PyTorch complains about Long and Float</summary>
#
# One-hot vectors made from ids are integers, the table is not. A matrix product wants one kind of numbers: `.float()`.
# </details>

# %% exercise="embed_one_hot" minutes=6 difficulty=1
def embed_one_hot(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return the embedding of every word, computed as one-hot vectors times the table, shape (..., d), float.

    ids    word ids from 0 to V - 1, any shape (...), long
    table  embeddings, one row for each word, (V, d)

    >>> embed_one_hot(torch.tensor([2, 0]), small_table)
    tensor([[5., 6.],
            [1., 2.]])
    """
    ### BEGIN SOLUTION
    one_hot = F.one_hot(ids, len(table))
    return one_hot.to(table.dtype) @ table
    ### END SOLUTION


# %% test="embed_one_hot" points=3
def looked_up(ids):
    """The embeddings, or the error that computing them raised."""
    try:
        return embed_one_hot(ids, small_table)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError, AttributeError) as error:
        return error


check.equal(
    looked_up(torch.tensor([2, 0])),
    torch.tensor([[5.0, 6.0], [1.0, 2.0]]),
    name="embed_one_hot(tensor([2, 0]), small_table)",
    causes=[
        (lambda got: isinstance(got, Exception), "one-hot vectors are integers, the table holds floats: make them floats before the product."),
        (torch.tensor([[3.0, 4.0], [7.0, 8.0]]), "the rows are one off: ids count from 0."),
        (torch.tensor([6.0, 8.0]), "the words were added up: each word keeps a row of its own."),
        (torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0]]), "these are the one-hot vectors; multiply them with the table."),
        (torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]), "these are the one-hot vectors; multiply them with the table."),
        (lambda got: tuple(got.shape) == (2, 4), "the last axis has the d numbers of a word, not V of them."),
    ],
)
check.equal(
    embed_one_hot(torch.tensor([1]), small_table / 8),
    torch.tensor([[0.375, 0.5]]),
    name="embed_one_hot(tensor([1]), small_table / 8)",
    causes=[(torch.tensor([[0, 0]]), "an embedding has real numbers: make the one-hot vectors floats, not the table integers.")],
)
check.equal(
    looked_up(torch.tensor([[2, 0, 1], [3, 3, 3]])),
    torch.tensor([[[5.0, 6.0], [1.0, 2.0], [3.0, 4.0]], [[7.0, 8.0], [7.0, 8.0], [7.0, 8.0]]]),
    name="embed_one_hot of two windows with three words each, a tensor of shape (2, 3)",
    causes=[
        (lambda got: isinstance(got, Exception), "ids may have any shape: put the new axis at the end, ids[..., None]."),
        (torch.tensor([[9.0, 12.0], [21.0, 24.0]]), "the words of a window were added up; each keeps a row of its own."),
        (lambda got: tuple(got.shape) in [(2, 6), (6, 2)], "the shape of ids stays, and one axis is appended: (2, 3) becomes (2, 3, d)."),
        (lambda got: tuple(got.shape) == (2, 2, 3), "the numbers of a word belong on the last axis."),
    ],
)
### BEGIN HIDDEN TESTS
words = torch.Generator().manual_seed(1)
for shape in [(1,), (7,), (4, 3), (2, 3, 5)]:
    table = torch.randn(11, 6, generator=words) * 10
    ids = torch.randint(11, shape, generator=words)
    check.equal(embed_one_hot(ids, table), table[ids], name=f"random ids of shape {shape}")
check.equal(embed_one_hot(torch.tensor(4), table), table[4], name="a single id without axes")
check.equal(embed_one_hot(torch.tensor([[0]]), torch.tensor([[-2.5]])), torch.tensor([[[-2.5]]]), name="a table of one number")
check.equal(embed_one_hot(torch.tensor([1, 1]), 1000 * small_table), torch.tensor([[3000.0, 4000.0]] * 2), name="large numbers")
### END HIDDEN TESTS

# %% [markdown]
# From here on we write `table[ids]`, which gives the same and touches only the rows that it needs. With thousands of words, a product in which all but one term are
# zero is a waste. But keep the product in mind: it says what the gradient will be (section 7).

# %% [markdown]
# ## 3 Windows of words
#
# Like an n-gram model, ours looks at a fixed number $k$ of words and predicts the one after them. Unlike a table, it can afford a larger $k$.
#
# Before a sentence stand $k$ start symbols. We need no symbol of their own for them: what stands before a sentence is the end of another, so `</s>` serves for both. Its id in the village is 0, and
# every list of ids ends with it. For the sentence *the dog barks*, with the ids 5, 3 and 8, and $k = 2$:
#
# | context | target | in words |
# |---|---|---|
# | 0, 0 | 5 | `</s> </s>` → the |
# | 0, 5 | 3 | `</s>` the → dog |
# | 5, 3 | 8 | the dog → barks |
# | 3, 8 | 0 | dog barks → `</s>` |
#
# ### Exercise 2: windows
#
# Turn sentences of ids into contexts and targets.
#
# <details><summary>Hint 1: what does one padded sentence look like?</summary>
#
# `[start] * k + sentence`. The sentence already ends with `</s>`, and every one of its ids is predicted once.
# </details>
#
# <details><summary>Hint 2: which words belong to which target?</summary>
#
# In the padded list the targets are at positions $k$, $k + 1$, ... The context of position $i$ is `padded[i - k : i]`. It stops *before* $i$.
# </details>
#
# <details><summary>Hint 3: how do lists become tensors?</summary>
#
# Collect contexts (lists of $k$ ids) and targets (ids) in two lists, and make tensors at the end: `torch.tensor(contexts)`.
# </details>

# %% exercise="make_windows" minutes=10 difficulty=2
def make_windows(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all windows of the sentences, in their order: contexts, shape (N, k), and targets, (N,), both long.

    ids    one list of word ids for each sentence, the id of "</s>" at its end; every id is a target once
    k      how many words a context has, 1 or more
    start  what stands before a sentence, k times: the id of "</s>" again

    The lists passed in are not changed.

    >>> make_windows([[5, 3, 0], [4, 0]], 2)
    (tensor([[0, 0],
            [0, 5],
            [5, 3],
            [0, 0],
            [0, 4]]), tensor([5, 3, 0, 4, 0]))
    """
    ### BEGIN SOLUTION
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)
    ### END SOLUTION


# %% test="make_windows" points=4
def windows(ids, k, **settings):
    """The windows, or the error that making them raised."""
    try:
        return make_windows(ids, k, **settings)
    except NotImplementedError:
        raise
    except (ValueError, IndexError, RuntimeError, TypeError) as error:
        return error


def as_windows(*rows):
    """Read "0 5 > 3" as a window with its target."""
    contexts = [[int(word) for word in row.split(">")[0].split()] for row in rows]
    return torch.tensor(contexts), torch.tensor([int(row.split(">")[1]) for row in rows])


check.equal(
    windows([[5, 3, 0], [4, 0]], 2),
    as_windows("0 0 > 5", "0 5 > 3", "5 3 > 0", "0 0 > 4", "0 4 > 0"),
    name="make_windows([[5, 3, 0], [4, 0]], 2)",
    causes=[
        (as_windows("0 5 > 5", "5 3 > 3", "3 0 > 0", "0 4 > 4", "4 0 > 0"), "off by one: the context contains the word to be predicted. It must stop before it."),
        (as_windows("0 0 > 3", "0 5 > 0", "0 0 > 0"), "off by one: the target is the word right after the context, and the first word is predicted, too."),
        (as_windows("0 5 > 3", "5 3 > 0", "0 4 > 0"), "the first word of each sentence is predicted as well, from k start symbols."),
        (as_windows("0 0 > 5", "0 5 > 3", "5 3 > 0", "3 0 > 4", "0 4 > 0"), "windows cross sentence borders: pad each sentence on its own."),
        (as_windows("5 3 > 0", "3 0 > 4", "0 4 > 0"), "windows cross sentence borders: pad each sentence on its own."),
        (as_windows("5 3 > 0"), "no padding: put k start symbols before every sentence."),
        (as_windows("0 0 > 5", "0 5 > 3", "0 0 > 4"), "the end is not predicted: every id of a sentence is a target, </s> as well."),
        (as_windows("0 0 > 5", "5 0 > 3", "3 5 > 0", "0 0 > 4", "4 0 > 0"), "the context is turned round: its words stay in the order of the sentence."),
        (as_windows("0 0 > 5", "5 0 > 3", "5 3 > 0", "0 0 > 4", "4 0 > 0"), "the padding belongs before the words, not behind them."),
        (as_windows("0 0 > 0", "0 0 > 5", "0 5 > 3", "5 3 > 0", "0 0 > 0", "0 0 > 4", "0 4 > 0"), "the start symbol is given, never predicted: pad with k, no more."),
        (
            lambda got: isinstance(got, ValueError) or tuple(got[0].shape) == (5, 0),
            "the contexts have different lengths; put k start symbols before every sentence.",
        ),
        (lambda got: isinstance(got, tuple) and all(isinstance(part, list) for part in got), "return tensors: torch.tensor(contexts)."),
        (lambda got: isinstance(got, list), "return two tensors: contexts and targets."),
        (lambda got: got[0].is_floating_point() or got[1].is_floating_point(), "ids are integers: a float can't pick a row of a table."),
    ],
)
check.equal(
    windows([[7, 8, 9]], 1, start=9),
    as_windows("9 > 7", "7 > 8", "8 > 9"),
    name="make_windows([[7, 8, 9]], 1, start=9)",
    causes=[
        (as_windows("0 > 7", "7 > 8", "8 > 9"), "use the argument start for the padding; it is not always 0."),
        (lambda got: got[0].ndim == 1, "a context is a row also when it has one word: shape (N, k), here (3, 1)."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_sentences = random.Random(3)
for k in range(1, 7):
    sentences = [[random_sentences.randrange(1, 50) for _ in range(random_sentences.randrange(0, 9))] + [0] for _ in range(20)]
    expected = [
        ([0] * max(0, k - i) + sentence[max(0, i - k) : i], word) for sentence in sentences for i, word in enumerate(sentence)
    ]
    check.equal(
        make_windows(sentences, k),
        (torch.tensor([context for context, _ in expected]), torch.tensor([word for _, word in expected])),
        name=f"20 random sentences, k = {k}",
    )
check.equal(make_windows([[0]], 3), as_windows("0 0 0 > 0"), name="an empty sentence, k = 3")
check.equal(make_windows([[2], [2]], 2, start=2), as_windows("2 2 > 2", "2 2 > 2"), name="two empty sentences, start=2")
kept = [[4, 6, 0]]
check.equal(check.after(make_windows, kept, 2).arguments[0], [[4, 6, 0]], name="the sentences after the call")
### END HIDDEN TESTS

# %% [markdown]
# ## 4 From scores to probabilities
#
# The network will give every word of the vocabulary a score, any real number: its **logit**. Probabilities must be positive and sum to 1. **Softmax** makes one from the other: it
# takes the exponential of each logit, and divides by the sum:
#
# $$p_j = \frac{e^{s_j}}{\sum_i e^{s_i}}$$
#
# $s_j$ is the logit of word $j$. The figure shows what happens to three words when the logit of one of them moves while the others stay at 0 and 1.

# %% experiment
moving = torch.linspace(-4, 6, 41)
three_logits = torch.stack([moving, torch.zeros(41), torch.ones(41)], dim=1)
three_probabilities = torch.exp(three_logits) / torch.exp(three_logits).sum(dim=1, keepdim=True)
plots.lines(
    moving.tolist(),
    {name: three_probabilities[:, j].tolist() for j, name in enumerate(["moving", "logit 0", "logit 1"])},
    title="One word can only gain what all the others lose",
    x_label="logit of the moving word",
    y_label="probability",
    alt="Probabilities of three words against the logit of one: its own rises from 0 to almost 1 in an S, the two others fall, always in the same proportion.",
)

# %% [markdown]
# **An example.** The logits $(\ln 1, \ln 2, \ln 5)$ have the exponentials 1, 2 and 5, with the sum 8. So the probabilities are $(\tfrac18, \tfrac28, \tfrac58)$.
#
# There is a catch. $e^{1000}$ is too large for any floating-point number: it becomes infinite, and infinite divided by infinite is `nan`, *not a number*. But only differences between logits matter,
# because a constant $m$ cancels:
#
# $$\frac{e^{s_j - m}}{\sum_i e^{s_i - m}} = \frac{e^{-m}\, e^{s_j}}{e^{-m} \sum_i e^{s_i}} = p_j$$
#
# So first subtract from each row its own maximum. The largest exponential is then $e^0 = 1$, and nothing can overflow.

# %% [markdown]
# ### Exercise 3: softmax
#
# Write it for logits of any shape, along the *last* axis, with the maximum subtracted. Use `torch.exp`, not `torch.softmax`.
#
# <details><summary>Hint 1: how do I get the maximum and the sum of every row?</summary>
#
# `logits.amax(dim=-1, keepdim=True)` and `.sum(dim=-1, keepdim=True)`. With `keepdim=True` the axis stays, with length 1, and fits the rows again.
# </details>
#
# <details><summary>I see nan. Where does it come from?</summary>
#
# From $\infty / \infty$ (no maximum subtracted) or from $0 / 0$: if you subtract the maximum of the *whole* tensor, all exponentials of a row with lower logits may become 0. Each row needs its own maximum.
# </details>

# %% exercise="softmax" minutes=7 difficulty=1
def softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return probabilities along the last axis, shape (..., V) like the logits; safe for logits of any size.

    logits  scores of the V words, (..., V), float; -inf stands for an impossible word

    >>> softmax(torch.tensor([[0.0, math.log(3.0)], [1000.0, 1000.0]]))
    tensor([[0.2500, 0.7500],
            [0.5000, 0.5000]])
    """
    ### BEGIN SOLUTION
    exponentials = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return exponentials / exponentials.sum(dim=-1, keepdim=True)
    ### END SOLUTION


# %% test="softmax" points=4
eighths = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]])
check.equal(
    softmax(eighths.log()),
    eighths / 8,
    name="softmax of the logits ln 1, ln 2, ln 5 and ln 3, ln 1, ln 4",
    causes=[
        (eighths / torch.tensor([[4.0, 3.0, 9.0]]), "the columns sum to 1: softmax runs along the last axis, each row by itself."),
        (eighths / 16, "all numbers together sum to 1; each row has to, by itself."),
        (eighths, "the exponentials are not divided by their sum yet."),
        (eighths / eighths.amax(dim=-1, keepdim=True), "divide by the sum of the exponentials, not by the largest of them."),
        ((eighths / 8).log(), "these are logarithms of the probabilities (log-softmax)."),
        (eighths.log() / eighths.log().sum(dim=-1, keepdim=True), "the exponential is missing."),
        (2 ** eighths.log() / (2 ** eighths.log()).sum(dim=-1, keepdim=True), "the base is e: torch.exp."),
        (1 / eighths / (1 / eighths).sum(dim=-1, keepdim=True), "the sign is wrong: a higher logit must give a higher probability."),
    ],
)
check.equal(
    softmax(torch.tensor([[1000.0, 1000.0 + math.log(3.0)], [-1000.0, -1000.0]])),
    torch.tensor([[0.25, 0.75], [0.5, 0.5]]),
    name="softmax of very large and very small logits",
    atol=1e-4,
    causes=[
        (
            lambda p: bool(p.isnan()[0].any()),
            "e to the power of 1000 overflows, and infinite by infinite is not a number: subtract the maximum of each row first.",
        ),
        (lambda p: bool(p.isnan()[1].any()), "0 divided by 0: each row needs its own maximum, not that of the whole tensor."),
        (lambda p: float(p[1].sum()) < 0.9, "each row needs its own maximum: here all exponentials of the second row became 0."),
    ],
)
check.equal(
    softmax(torch.stack([eighths, eighths + 7]).log()),
    torch.stack([eighths / 8, (eighths + 7) / 29]),
    name="softmax of a tensor with three axes, (2, 2, 3)",
    causes=[(lambda p: p.shape == (2, 2, 3), "softmax runs along the last axis, dim=-1, however many there are.")],
)
### BEGIN HIDDEN TESTS
scores = torch.Generator().manual_seed(4)
for shape in [(1,), (5,), (4, 7), (3, 2, 6), (2, 1, 3, 4)]:
    for scale, shift in [(1.0, 0.0), (30.0, 100.0), (1000.0, -5000.0)]:
        logits = torch.randn(*shape, generator=scores) * scale + shift
        got = softmax(logits)
        check.equal(got, torch.softmax(logits, dim=-1), name=f"random logits of shape {shape}, x{scale:g}, {shift:+g}", atol=1e-5)
        check.distribution(got, axis=-1, atol=1e-5)
check.equal(softmax(torch.tensor([0.0, -math.inf, 0.0])), torch.tensor([0.5, 0.0, 0.5]), name="an impossible word")
check.equal(softmax(torch.full((2, 500), 3.0)), torch.full((2, 500), 1 / 500), name="equal logits")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 How wrong was that?
#
# The loss is the surprise that you know: minus the logarithm of the probability which the model gave to the word that came, averaged over the batch. Its name in networks is **cross-entropy**:
#
# $$L = -\frac{1}{N} \sum_{n=1}^{N} \ln p_{n, y_n}, \qquad \ln p_{n, j} = s_{n, j} - \ln \sum_i e^{s_{n, i}}$$
#
# $N$ is the number of predictions in the batch, $y_n$ the target of prediction number $n$. The second formula is why the loss starts from *logits*: the logarithm and the exponential cancel, and a
# probability that would round to 0 never has to be written down. The sum in it is safe after the same trick:
#
# $$\ln \sum_i e^{s_i} = m + \ln \sum_i e^{s_i - m}, \qquad m = \max_i s_i .$$
#
# **An example.** For the logits $(\ln 1, \ln 2, \ln 5)$ with target 1 the surprise is $-\ln\tfrac28 = 1.386$; for $(\ln 3, \ln 1, \ln 4)$ with target 0 it is $-\ln\tfrac38 = 0.981$. The loss of both together is
# $1.184$ nats.
#
# ### Exercise 4: cross-entropy
#
# Compute it from the logits, with `torch.exp` and `torch.log` or with `torch.logsumexp`, not with `F.cross_entropy`.
#
# <details><summary>Hint 1: how do I pick the logit of the target in every row?</summary>
#
# `logits[torch.arange(N), targets]`, where N is `len(targets)`: row 0 with target 0, row 1 with target 1, and so on. (`logits[:, targets]` is something else: every row with all targets.)
# </details>
#
# <details><summary>Hint 2: why not take the logarithm of softmax?</summary>
#
# Because a probability of $e^{-1000}$ is rounded to 0, and its logarithm is $-\infty$. Adding a tiny number first hides this, but it makes the loss wrong and its gradient 0: the worse the mistake, the less is learned from it.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     shifted = logits - maximum of each row
#     log_probabilities = shifted - log(sum of exp(shifted) in each row)
#     return minus the mean of log_probabilities at the targets
# </details>
#
# <details><summary>I see inf or 10.7 instead of 500.35</summary>
#
# With inf a number has left the range of floats ($e^{-1000}$ became 0, or $e^{1000}$ infinite) before its logarithm was taken. With 10.7 the probability 0 was raised to $10^{-9}$ first: that hides how wrong the second prediction is.
# </details>

# %% exercise="cross_entropy" minutes=9 difficulty=2
def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean of -ln P(target) over all predictions, a tensor without axes, in nats.

    logits   scores of the V words for each of N predictions, (N, V), float
    targets  ids of the words that came, (N,), long

    >>> cross_entropy(torch.tensor([[0.0, 0.0], [0.0, 1000.0]]), torch.tensor([1, 0]))
    tensor(500.3466)
    """
    ### BEGIN SOLUTION
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    log_probabilities = shifted - shifted.exp().sum(dim=-1, keepdim=True).log()
    return -log_probabilities[torch.arange(len(targets)), targets].mean()
    ### END SOLUTION


# %% test="cross_entropy" points=4
two_logits, two_targets = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]]).log(), torch.tensor([1, 0])
check.equal(
    cross_entropy(two_logits, two_targets),
    torch.tensor(1.183562),
    name="cross_entropy of the worked example",
    atol=1e-5,
    causes=[
        (lambda loss: isinstance(loss, float), "return a tensor, without .item(): training needs its gradient."),
        (torch.tensor(2.367124), "this is the sum; the loss is the mean over the predictions."),
        (torch.tensor([1.386294, 0.980829]), "these are the losses of the single predictions; return their mean."),
        (torch.tensor(-1.183562), "the sign is wrong: a loss is never negative."),
        (torch.tensor(1.707518), "base 2 gives bits; the loss is in nats, torch.log."),
        (torch.tensor(0.394521), "you divided by N times V; there are N predictions."),
        (torch.tensor(0.3125), "this is the mean probability; take minus the logarithm of each."),
        (torch.tensor(1.163151), "the logarithm of the mean is not the mean of the logarithms: take logarithms first."),
        (torch.tensor(-0.895880), "the logarithm of the sum of exponentials is missing: logits are not log-probabilities yet."),
        (F.cross_entropy(torch.softmax(two_logits, -1), two_targets), "softmax was taken twice: the arguments are logits, not probabilities."),
        (F.nll_loss(torch.log_softmax(two_logits, 0), two_targets), "softmax over the wrong axis: each row is one prediction."),
        (-torch.log_softmax(two_logits, -1).mean(), "only the target counts in each row, not all words."),
        (-torch.log_softmax(two_logits, -1)[:, two_targets].mean(), "logits[:, targets] takes all targets from every row; use logits[torch.arange(N), targets]."),
        (torch.tensor(0.693147), "each row has its own target; logits[0] or the targets of one row were used for all."),
    ],
)
check.equal(
    cross_entropy(torch.tensor([[0.0, 1000.0]]), torch.tensor([0])),
    torch.tensor(1000.0),
    name="cross_entropy of a very wrong prediction, logits 0 and 1000 with target 0",
    causes=[
        (lambda loss: bool(loss.isnan()), "not a number: subtract the maximum of each row before the exponential."),
        (lambda loss: bool(loss.isinf()), "the logarithm of a probability that was rounded to 0, or of an overflow: compute with logits, s_y - log-sum-exp."),
        (
            lambda loss: 5 < float(loss) < 900,
            "the logarithm of a clipped probability: its gradient is 0, so nothing is learned from the worst mistakes. Compute with logits.",
        ),
        (lambda loss: float(loss) < 1, "the logarithm of a clipped probability, or a softmax too many: compute with logits."),
    ],
)
### BEGIN HIDDEN TESTS
guesses = torch.Generator().manual_seed(5)
for n, size in [(1, 1), (1, 5), (3, 2), (8, 8), (50, 300)]:
    for scale, shift in [(1.0, 0.0), (5.0, 100.0), (1000.0, 0.0), (1.0, -1000.0)]:
        logits = torch.randn(n, size, generator=guesses) * scale + shift
        targets = torch.randint(size, (n,), generator=guesses)
        expected = F.cross_entropy(logits, targets)
        check.equal(cross_entropy(logits, targets), expected, name=f"{n} predictions of {size} words, x{scale:g}, {shift:+g}", rtol=1e-4, atol=1e-4)
check.equal(cross_entropy(torch.zeros(6, 2175), torch.arange(6)), torch.tensor(math.log(2175)), name="a model that knows nothing", atol=1e-4)
check.equal(cross_entropy(torch.tensor([[50.0, 0.0]]), torch.tensor([0])), torch.tensor(0.0), name="a model that is sure and right")
check.that(
    cross_entropy(torch.zeros(2, 3, requires_grad=True), torch.tensor([0, 2])).requires_grad is True,
    "the loss must carry its gradient: no detach, no .item(), no new tensor.",
)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what clipping hides
#
# A prediction of two words goes ever more wrong: the other word's logit rises. Your loss rises with it. Beside it the loss that adds $10^{-9}$ to the probability before taking the logarithm.

# %% experiment
too_high = torch.linspace(0, 60, 31)
wrong_logits = torch.stack([torch.zeros(31), too_high], dim=1)
clipped = -(torch.softmax(wrong_logits, dim=1)[:, 0] + 1e-9).log()
plots.lines(
    too_high.tolist(),
    {
        "from logits": [float(cross_entropy(row[None], torch.tensor([0]))) for row in wrong_logits],
        "clipped": clipped.tolist(),
    },
    title="Where the clipped loss is flat, nothing can be learned any more",
    x_label="how much higher the wrong word's logit is",
    y_label="loss (nats)",
    alt="Two losses against the lead of the wrong word. The one computed from logits rises in a straight line to 60, the clipped one stays at 20.7 from 21 on.",
)

# %% [markdown] question="logits" points=3 minutes=4
# **Question 1.** (a) A colleague adds 100 to all logits of a trained model. What happens to its probabilities and to its loss, and why? (b) A new model, with random weights near 0, has a loss of 7.7 nats on text
# with 2,175 words. Is that number a bad sign? (c) Another colleague "stabilises" the loss by replacing probabilities below $10^{-9}$ by $10^{-9}$. Describe a prediction from which this model can't learn,
# and say why.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Nothing changes: a common factor e^100 cancels in the fraction, so probabilities and loss stay (only differences between logits matter). (b) No: equal logits give each word 1/V, and
# -ln(1/2175) = ln 2175 = 7.68 nats; it is what to expect of a model that knows nothing (much more would mean that it is confidently wrong). (c) A prediction that gives the word which came a probability
# below 1e-9, a confident mistake. There the loss is constant, its gradient is 0, and no weight is changed.
# ### END MARK SCHEME

# %% [markdown]
# ## 6 The model
#
# Now the parts come together. For a window of words $w_1, \dots, w_k$:
#
# $$x = [\,E_{w_1};\, E_{w_2};\, \dots;\, E_{w_k}\,] \qquad h = \tanh(x W + b) \qquad s = h U + c$$
#
# - $E$, shape $(V, d)$: the embeddings. The rows of the $k$ words are **concatenated**, put end to end, to one vector $x$ with $k\,d$ numbers. Each position keeps numbers of its own, so the order of the words is not lost.
# - $W$, $(k\,d, H)$, and $b$, $(H)$: the **hidden layer**. Each of its $H$ numbers is a mixture of all of $x$, squeezed between $-1$ and $1$ by $\tanh$. Without $\tanh$, two matrix products in a row would be one.
# - $U$, $(H, V)$, and $c$, $(V)$: the **output layer**, one column for each word, and the logits $s$.
#
# This is the model of Bengio et al. (2003), without the direct connections from $x$ to $s$ that the paper tried as well.
#
# The matrix $W$ tells the places apart, the table $E$ does not: *sofa* has the same row whether it stands first or third. What is learned about a word at one place serves at all places.

# %% [markdown]
# ### Experiment: who needs how many numbers?
#
# A full table of n-grams needs one probability for each of $V^{k+1}$ windows. The figure compares it with the network, here with $d = 32$ and $H = 64$. On the axis, 6 stands for a million, 12 for a million millions.

# %% experiment
window_sizes = [1, 2, 3, 4, 5, 6]
table_sizes = [V ** (k + 1) for k in window_sizes]
network_sizes = [V * 32 + k * 32 * 64 + 64 + 64 * V + V for k in window_sizes]
plots.lines(
    window_sizes,
    {"table": [math.log10(size) for size in table_sizes], "network": [math.log10(size) for size in network_sizes]},
    title="One more word multiplies the table by V, and adds little to the network",
    x_label="k, words of context",
    y_label="numbers to be learned (as a power of ten)",
    alt="Numbers to be learned against k, as powers of ten. The table goes from almost 7 to more than 23 in a straight line; the network stays level near 5.3.",
)

# %% [markdown]
# ### Exercise 5: the model
#
# Write the class. All models of this course have the same interface: `forward(idx, targets=None)` returns logits and loss, and the loss is `None` when there are no targets.
#
# - `__init__` makes the five parameters, named `E`, `W`, `b`, `U` and `c`. Each is an `nn.Parameter`, so that PyTorch knows what to train. Draw from normal distributions (`torch.randn`): `E` with standard
#   deviation 1, `W` with $1/\sqrt{k\,d}$, `U` with 0.01; `b` and `c` are zeros. So $xW$ is neither tiny nor huge, and a new model is undecided: all logits are near 0.
# - For the loss take `F.cross_entropy(logits, targets)`. It computes what your function computes, in one fused operation.
#
# <details><summary>Hint 1: how are the embeddings concatenated?</summary>
#
# `self.E[idx]` has shape (B, k, d). `.flatten(1)` puts the last two axes into one: (B, k·d), the first word's numbers first.
# </details>
#
# <details><summary>Hint 2: how do I make a parameter with a given standard deviation?</summary>
#
# `nn.Parameter(0.01 * torch.randn(rows, columns))`: scale first, then wrap. (`0.01 * nn.Parameter(...)` is a plain tensor again, which nobody trains.)
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     x = rows of E, concatenated
#     hidden = tanh(x W + b)
#     logits = hidden U + c
#     loss = None without targets, else the cross-entropy
# </details>
#
# <details><summary>My untrained model has a loss of 30 instead of ln V. What is wrong?</summary>
#
# Its logits are large, so it is sure of something random. Look at the scale of `U`; and see that nothing is exponentiated twice.
# </details>

# %% exercise="FeedForwardLM" minutes=18 difficulty=3
class FeedForwardLM(nn.Module):
    """Predicts the next word from k words: embeddings, one hidden layer, softmax (Bengio et al. 2003).

    Parameters: E (V, d), W (k * d, H), b (H,), U (H, V), c (V,).

    >>> model = FeedForwardLM(2175, 4, 32, 64)
    >>> logits, loss = model(torch.zeros(3, 4, dtype=torch.long))
    >>> tuple(logits.shape), loss
    ((3, 2175), None)
    """

    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        ### BEGIN SOLUTION
        super().__init__()
        n_inputs = k * embedding_dim
        self.E = nn.Parameter(torch.randn(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.randn(n_inputs, hidden_dim) / math.sqrt(n_inputs))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = nn.Parameter(0.01 * torch.randn(hidden_dim, vocabulary_size))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))
        ### END SOLUTION

    def forward(
        self, idx: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits (B, V), and the mean loss in nats, or None without targets.

        idx      contexts of k words, (B, k), long
        targets  the words that came, (B,), long
        """
        ### BEGIN SOLUTION
        x = self.E[idx].flatten(1)
        hidden = torch.tanh(x @ self.W + self.b)
        logits = hidden @ self.U + self.c
        loss = None if targets is None else F.cross_entropy(logits, targets)
        return logits, loss
        ### END SOLUTION


# %% test="FeedForwardLM" points=6
def reference(weights, idx):
    """Logits of the model with these weights, one window after the other."""
    rows = []
    for window in idx:
        x = torch.cat([weights["E"][word] for word in window])
        hidden = torch.tanh(x @ weights["W"] + weights["b"])
        rows.append(hidden @ weights["U"] + weights["c"])
    return torch.stack(rows)


def random_weights(size, k, d, hidden, seed):
    shapes = {"E": (size, d), "W": (k * d, hidden), "b": (hidden,), "U": (hidden, size), "c": (size,)}
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(*shape, generator=draw) for name, shape in shapes.items()}


model = FeedForwardLM(7, 3, 2, 4)
check.equal(
    {name: tuple(value.shape) for name, value in model.state_dict().items()},
    {"E": (7, 2), "W": (6, 4), "b": (4,), "U": (4, 7), "c": (7,)},
    name="the shapes of the parameters of FeedForwardLM(7, 3, 2, 4)",
    causes=[
        (lambda shapes: shapes.get("W") == (2, 4), "the k embeddings are concatenated, not added up: W has k * d rows."),
        (lambda shapes: shapes.get("W") == (4, 6) or shapes.get("U") == (7, 4), "transposed: here W is (k * d, H) and U is (H, V), so that x @ W and h @ U fit."),
        (lambda shapes: "E.weight" in shapes, "here all five are plain nn.Parameter, no nn.Embedding or nn.Linear."),
        (lambda shapes: len(shapes) < 5, "a parameter is missing: wrap each of the five in nn.Parameter, as the outermost, or nobody trains it."),
    ],
)
weights = random_weights(7, 3, 2, 4, seed=6)
model.load_state_dict(weights)
some_windows, some_targets = torch.tensor([[1, 2, 3], [3, 2, 1], [0, 0, 6], [5, 5, 5]]), torch.tensor([4, 0, 6, 2])
right_logits = reference(weights, some_windows)
given = model(some_windows)
check.that(isinstance(given, tuple) and len(given) == 2, "forward returns two things, logits and loss, as a tuple: return logits, loss.")
x_by_word = weights["E"][some_windows]
check.equal(
    given[0],
    right_logits,
    name="the logits for four windows",
    atol=1e-4,
    causes=[
        (reference(weights, some_windows.flip(1)), "the words of the window are turned round: the first word's numbers come first in x."),
        (
            torch.tanh(x_by_word.transpose(1, 2).flatten(1) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"],
            "the numbers are mixed up: x holds all numbers of the first word, then all of the second. flatten(1) of (B, k, d) gives that.",
        ),
        (
            torch.tanh(x_by_word.sum(1).repeat(1, 3) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"],
            "the embeddings are added up, so that the order of the words is lost: concatenate them.",
        ),
        (
            torch.tanh(x_by_word.mean(1).repeat(1, 3) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"],
            "the embeddings are averaged, so that the order of the words is lost: concatenate them.",
        ),
        ((x_by_word.flatten(1) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"], "tanh is missing: without it, two matrix products in a row are one."),
        (torch.relu(x_by_word.flatten(1) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"], "this is relu; the model uses tanh."),
        (torch.sigmoid(x_by_word.flatten(1) @ weights["W"] + weights["b"]) @ weights["U"] + weights["c"], "this is the sigmoid; the model uses tanh."),
        (torch.tanh(x_by_word.flatten(1) @ weights["W"]) @ weights["U"] + weights["c"], "the bias b of the hidden layer is missing."),
        (right_logits - weights["c"], "the bias c of the output layer is missing."),
        (torch.tanh(right_logits), "tanh belongs to the hidden layer only; logits may be any numbers."),
        (torch.softmax(right_logits, -1), "these are probabilities; return the logits, the loss wants them."),
        (torch.log_softmax(right_logits, -1), "these are log-probabilities; return the logits."),
    ],
)
check.that(given[1] is None, "Without targets there is no loss: return logits, None.")
logits, loss = model(some_windows, some_targets)
check.equal(logits, right_logits, name="the logits when there are targets", atol=1e-4)
check.equal(
    loss,
    F.cross_entropy(right_logits, some_targets),
    name="the loss",
    atol=1e-4,
    causes=[
        (lambda loss: isinstance(loss, float), "return a tensor, without .item(): training needs its gradient."),
        (F.cross_entropy(right_logits, some_targets, reduction="sum"), "this is the sum; the loss is the mean over the batch."),
        (F.cross_entropy(torch.softmax(right_logits, -1), some_targets), "softmax was taken twice: F.cross_entropy wants logits."),
        (F.cross_entropy(right_logits, some_targets) / math.log(2), "this is in bits; the loss is in nats."),
    ],
)
check.that(loss.requires_grad is True, "The loss has lost its gradient: no detach, no .data, no torch.no_grad() in forward.")
new = FeedForwardLM(500, 4, 32, 64)
start_loss = float(new(torch.arange(80).view(20, 4), torch.arange(20))[1].detach())
check.that(
    abs(start_loss - math.log(500)) < 0.2,
    f"A new model knows nothing, so its loss should be near ln V = {math.log(500):.2f}, but it is {start_loss:.2f}. Make U small: 0.01 * torch.randn.",
)
deviations = {name: float(value.std()) for name, value in new.state_dict().items()}
check.that(
    deviations["E"] > 0.5 and deviations["W"] > 0.01 and deviations["U"] > 0.001,
    "Weights that are all equal stay equal for ever: draw E, W and U with torch.randn.",
)
check.that(
    abs(deviations["E"] - 1) < 0.1 and abs(deviations["W"] - 128**-0.5) < 0.02,
    f"The standard deviations should be 1 for E and {128**-0.5:.3f} for W here; they are {deviations['E']:.3f} and {deviations['W']:.3f}.",
)
### BEGIN HIDDEN TESTS
draw = torch.Generator().manual_seed(7)
for size, k, d, hidden, batch in [(2, 1, 1, 1, 1), (5, 1, 3, 2, 4), (9, 4, 2, 6, 3), (30, 6, 5, 8, 16)]:
    weights = random_weights(size, k, d, hidden, seed=size)
    other = FeedForwardLM(size, k, d, hidden)
    other.load_state_dict(weights)
    idx = torch.randint(size, (batch, k), generator=draw)
    targets = torch.randint(size, (batch,), generator=draw)
    logits, loss = other(idx, targets)
    check.equal(logits, reference(weights, idx), name=f"logits, V = {size}, k = {k}, d = {d}, H = {hidden}", atol=1e-4)
    check.equal(loss, F.cross_entropy(reference(weights, idx), targets), name=f"loss, V = {size}, k = {k}", atol=1e-4)
new_state = FeedForwardLM(400, 2, 32, 128).state_dict()
for name, deviation in [("E", 1.0), ("W", 0.125), ("U", 0.01)]:
    check.that(abs(float(new_state[name].std()) / deviation - 1) < 0.1, f"standard deviation of {name}")
    check.that(abs(float(new_state[name].mean())) < 0.1 * deviation, f"mean of {name}")
for name, length in [("b", 128), ("c", 400)]:
    check.equal(new_state[name], torch.zeros(length), name=name)
check.that(all(value.requires_grad is True for value in other.parameters()), "all parameters are trained")
check.equal(len(list(other.parameters())), 5, name="number of parameters")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: a model that knows nothing
#
# Before any training, all words are about equally likely. Does the loss on real text agree?

# %% experiment
torch.manual_seed(0)
untrained = FeedForwardLM(V, 4, 32, 64)
first_windows, first_targets = make_windows([tokenizer.encode_sentence(spoken) for spoken in village.valid[:200]], 4)
with torch.no_grad():
    untrained_loss = float(untrained(first_windows, first_targets)[1])
n_parameters = sum(parameter.numel() for parameter in untrained.parameters())
print(f"{n_parameters:,} parameters, {untrained.U.numel() + untrained.c.numel():,} of them in the output layer.")
print(f"Loss {untrained_loss:.3f} nats, and ln V = {math.log(V):.3f}.")

# %% [markdown]
# ## 7 Learning, by hand
#
# Training means: change each weight a little, against its **gradient**, the slope of the loss. PyTorch computes gradients by itself. To know what it does, you will do it once by hand, for all five parameters. The method
# is the chain rule, applied from the loss backwards, layer by layer. It is called **backpropagation** (Rumelhart, Hinton and Williams 1986).
#
# It starts with a surprise. For all its exponentials and logarithms, the slope of the loss with respect to the logits is as simple as can be. For one prediction, with $y$ the one-hot vector of the target:
#
# $$\frac{\partial L}{\partial s_j} = p_j - y_j$$
#
# *What you said minus what came.* To see why, write $L = -s_y + \ln \sum_i e^{s_i}$. The second term has the derivative $e^{s_j} / \sum_i e^{s_i} = p_j$; the first gives $-1$ for the target and 0 for all others.
#
# The loss of a batch is the *mean* over its $B$ predictions, so each of them counts $1/B$:
#
# $$\frac{\partial L}{\partial S} = \frac{1}{B} (P - Y)$$
#
# Capital letters hold one prediction in each row: $S$ and $P$ have the shape $(B, V)$. In the figure, the word that came is *barks*. A step *against* the gradient raises its logit and lowers all the others, each as far as it was
# believed in.

# %% experiment
believed = {"barks": 0.25, "sleeps": 0.45, "sings": 0.2, "the": 0.1}
plots.bars(
    {word: probability - (word == "barks") for word, probability in believed.items()},
    title="The word that came is pushed up, all the others are pushed down",
    x_label="slope of the loss, p − y",
    highlight="barks",
    alt="Bars of p minus y for four words: barks, which came, has -0.75; sleeps 0.45, sings 0.20, the 0.10. They sum to 0.",
)

# %% [markdown]
# ### Exercise 6: the gradient of the logits
#
# For a batch, without autograd.
#
# <details><summary>Hint 1: how do I subtract 1 at the targets?</summary>
#
# `F.one_hot(targets, V)` is $Y$. Or make the probabilities first, and then `p[torch.arange(B), targets] -= 1`.
# </details>
#
# <details><summary>My numbers are B times too large</summary>
#
# The loss is a mean: every prediction counts $1/B$.
# </details>

# %% exercise="logit_gradients" minutes=7 difficulty=2
def logit_gradients(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the mean cross-entropy with respect to the logits, shape (B, V).

    logits   (B, V), float; not changed
    targets  (B,), long

    >>> logit_gradients(torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]]), torch.tensor([0, 1]))
    tensor([[-0.3750,  0.3750],
            [ 0.2500, -0.2500]])
    """
    ### BEGIN SOLUTION
    p = torch.softmax(logits, dim=-1)
    return (p - F.one_hot(targets, logits.shape[-1])) / len(targets)
    ### END SOLUTION


# %% test="logit_gradients" points=3
slope_logits, slope_targets = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]]).log(), torch.tensor([1, 0])
right_slopes = torch.tensor([[0.0625, -0.375, 0.3125], [-0.3125, 0.0625, 0.25]])
p_here, y_here = torch.softmax(slope_logits, -1), F.one_hot(slope_targets, 3)
check.equal(
    logit_gradients(slope_logits, slope_targets),
    right_slopes,
    name="the gradient of the logits ln 1, ln 2, ln 5 (target 1) and ln 3, ln 1, ln 4 (target 0)",
    causes=[
        (2 * right_slopes, "not divided by B: the loss is the mean over the batch, so every prediction counts 1/B."),
        (2 * right_slopes / 3, "divide by the number of predictions, not by the number of words."),
        (right_slopes / 3, "divide by the number of predictions only: the loss is the mean over B, not over B times V."),
        (-right_slopes, "the sign is wrong: the gradient is p - y. (A training step then goes against it.)"),
        (-2 * right_slopes, "the sign is wrong: the gradient is p - y, divided by B."),
        (p_here / 2, "this is p; y, the one-hot vector of the target, is missing."),
        ((slope_logits - y_here) / 2, "softmax is missing: it is p - y, not the logits minus y."),
        ((torch.softmax(slope_logits, 0) - y_here) / 2, "softmax over the wrong axis: each row is one prediction."),
        (torch.where(y_here.bool(), p_here - 1, torch.zeros(())) / 2, "the other words have a gradient as well: p_j for each of them."),
    ],
)
### BEGIN HIDDEN TESTS
slopes = torch.Generator().manual_seed(8)
for n, size in [(1, 2), (1, 1), (4, 3), (16, 40)]:
    for scale in [1.0, 100.0, 1000.0]:
        logits = torch.randn(n, size, generator=slopes).mul(scale).requires_grad_()
        targets = torch.randint(size, (n,), generator=slopes)
        (expected,) = torch.autograd.grad(F.cross_entropy(logits, targets), logits)
        check.equal(logit_gradients(logits.detach(), targets), expected, name=f"{n} predictions of {size} words, x{scale:g}", atol=1e-6)
unchanged = torch.tensor([[2.0, 1.0]])
check.equal(check.after(logit_gradients, unchanged, torch.tensor([0])).arguments[0]["value"], unchanged, name="the logits after the call")
### END HIDDEN TESTS

# %% [markdown]
# ### Backwards through the layers
#
# Call $G_S$ the gradient that you just computed. Forward, the batch went
#
# $$X \;\to\; Z = X W + b \;\to\; A = \tanh(Z) \;\to\; S = A U + c .$$
#
# Now backwards. Two rules do everything. **For a product** $S = A\,U$: the gradient of each factor is $G_S$ times the other factor, transposed so that the shapes fit. **For a function of each entry** like $\tanh$: multiply each entry
# with the slope at that place; $\tanh'(z) = 1 - \tanh(z)^2$.
#
# $$
# \begin{aligned}
# G_U &= A^\top G_S  & \qquad G_c &= \text{sum of the rows of } G_S \\
# G_A &= G_S\, U^\top & G_Z &= G_A \odot (1 - A^2) \\
# G_W &= X^\top G_Z  & G_b &= \text{sum of the rows of } G_Z \\
# G_X &= G_Z\, W^\top &&
# \end{aligned}
# $$
#
# $\odot$ multiplies entry by entry. A bias is added to every row, so its gradient is the sum over the rows.
#
# Last, the table $E$. Remember that $X$ is one-hot vectors times $E$. By the rule for products, the gradient of $E$ is the one-hot vectors, transposed, times $G_X$. In words: **each row of $E$ receives the sum of the gradients from all places where its word stands**, and words
# that are not in the batch receive 0. First cut $G_X$ back into $k$ pieces of $d$ numbers.

# %% [markdown]
# **An example** with $k = 2$ and $B = d = H = 1$, the parameters `tiny` of the setup cell. The window is (1, 2), the target 0.
#
# - Forward: $x = (1, -1)$, $z = 0.5 \cdot 1 + 1 \cdot (-1) = -0.5$, $a = \tanh(-0.5) = -0.4621$, $s = a \cdot (0, 1, 2) = (0, -0.4621, -0.9242)$, $p = (0.4934, 0.3108, 0.1958)$.
# - $G_S = p - y = (-0.5066, 0.3108, 0.1958)$, which is also $G_c$, and $G_U = a \cdot G_S = (0.2341, -0.1436, -0.0905)$.
# - $G_A = 0.3108 \cdot 1 + 0.1958 \cdot 2 = 0.7024$, and $G_Z = 0.7024 \cdot (1 - 0.4621^2) = 0.5524$, which is also $G_b$.
# - $G_W = (1, -1) \cdot G_Z = (0.5524, -0.5524)$, and $G_X = G_Z \cdot (0.5, 1) = (0.2762, 0.5524)$: the rows of word 1 and word 2 in $G_E$. Word 0 was not in the window.

# %% [markdown]
# ### Exercise 7: all gradients
#
# From a batch and the parameters, without autograd, compute the gradients of all five.
#
# <details><summary>Hint 1: in which order?</summary>
#
# First forward, and keep X, A and S. Then the lines of the table above from top to bottom. The first line needs $G_S$, your exercise 6.
# </details>
#
# <details><summary>Hint 2: how do gradients get into the table E?</summary>
#
# Make zeros of E's shape. `gradient.index_add_(0, idx.flatten(), pieces)` adds row after row of `pieces`, shape (B·k, d), to the rows that the ids name. Or use the rule for products: one-hot vectors, transposed, times the pieces.
# </details>
#
# <details><summary>All is right but E, and only for words that occur twice. What is wrong?</summary>
#
# `gradient[ids] += pieces` and `gradient[ids] = pieces` write only one of several pieces for the same word: the last one wins. Gradients add up: `index_add_`.
# </details>
#
# <details><summary>Shapes don't fit. How do I find out which transpose is missing?</summary>
#
# A gradient has the shape of what it is the gradient of. Write the shapes beside each line: (H, B) times (B, V) gives (H, V), the shape of U.
# </details>

# %% exercise="output_gradients" minutes=20 difficulty=3
def output_gradients(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the gradients of the mean cross-entropy for all parameters, from the output back to the embeddings.

    idx         contexts, (B, k), long
    targets     the words that came, (B,), long
    parameters  E (V, d), W (k * d, H), b (H,), U (H, V), c (V,), float

    The result has the same keys and shapes as `parameters`, which are not changed.

    >>> output_gradients(torch.tensor([[1, 2]]), torch.tensor([0]), tiny)["W"]
    tensor([[ 0.5524],
            [-0.5524]])
    """
    E, W, b, U, c = (parameters[name] for name in ["E", "W", "b", "U", "c"])
    ### BEGIN SOLUTION
    X = E[idx].flatten(1)
    A = torch.tanh(X @ W + b)
    S = A @ U + c

    G_S = (torch.softmax(S, dim=-1) - F.one_hot(targets, len(c))) / len(targets)
    G_A = G_S @ U.T
    G_Z = G_A * (1 - A**2)
    G_X = G_Z @ W.T
    G_E = torch.zeros_like(E).index_add_(0, idx.flatten(), G_X.view(-1, E.shape[1]))
    return {"E": G_E, "W": X.T @ G_Z, "b": G_Z.sum(0), "U": A.T @ G_S, "c": G_S.sum(0)}
    ### END SOLUTION


# %% test="output_gradients" points=7
def by_autograd(idx, targets, parameters):
    """What PyTorch computes, and for later the values inside."""
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    x = leaves["E"][idx].flatten(1)
    a = torch.tanh(x @ leaves["W"] + leaves["b"])
    s = a @ leaves["U"] + leaves["c"]
    wanted = [x, a, s, *leaves.values()]
    found = torch.autograd.grad(F.cross_entropy(s, targets), wanted)
    return dict(zip(["X", "A", "S", *leaves], found)), {"X": x.detach(), "A": a.detach(), "S": s.detach()}


def a_network(size, k, d, hidden, seed):
    shapes = {"E": (size, d), "W": (k * d, hidden), "b": (hidden,), "U": (hidden, size), "c": (size,)}
    numbers = torch.Generator().manual_seed(seed)
    return {name: torch.randn(*shape, generator=numbers) * 0.7 for name, shape in shapes.items()}


network = a_network(6, 3, 2, 4, seed=9)
idx, targets = torch.tensor([[1, 2, 1], [4, 1, 0]]), torch.tensor([3, 5])
right, inside = by_autograd(idx, targets, network)
G_S, A, X = right["S"], inside["A"], inside["X"]
slope = 1 - A**2
G_Z = right["A"] * slope
pieces = right["X"].view(2, 3, 2)
overwritten = torch.zeros(6, 2)
overwritten[idx.flatten()] = pieces.view(-1, 2)
turned = torch.zeros(6, 2).index_add_(0, idx.flatten(), right["X"].view(2, 2, 3).transpose(1, 2).reshape(-1, 2))
flipped = torch.zeros(6, 2).index_add_(0, idx.flip(1).flatten(), pieces.view(-1, 2))
causes = {
    "c": [
        (2 * right["c"], "not divided by B: the loss is the mean over the batch."),
        (right["c"] / 2, "the bias is added to every row, so its gradient is the sum over the rows, not the mean."),
        (-right["c"], "the sign is wrong: the gradient of the logits is p - y."),
        (-2 * right["c"], "the sign is wrong: the gradient of the logits is p - y, divided by B."),
        (G_S, "the bias is shared by all rows: sum over them."),
        (torch.softmax(inside["S"], -1).sum(0) / 2, "y is missing: the gradient of the logits is p - y."),
        (lambda got: tuple(got.shape) == (1, 6), "the bias has one axis, and so has its gradient: sum without keepdim."),
    ],
    "U": [
        (torch.atanh(A).T @ G_S, "U is multiplied by the hidden layer after tanh: its gradient is A^T G_S, not Z^T G_S."),
        (2 * right["U"], "not divided by B: the loss is the mean over the batch."),
        (right["U"].T, "transposed: a gradient has the shape of its parameter."),
    ],
    "b": [
        (right["A"].sum(0), "the slope of tanh is missing: multiply G_A by 1 - A^2."),
        (G_Z.mean(0), "the bias is added to every row, so its gradient is the sum over the rows, not the mean."),
        ((right["A"] * (1 - torch.atanh(A) ** 2)).sum(0), "the slope of tanh is 1 - A^2, with A after tanh, not before."),
        ((right["A"] * A * (1 - A)).sum(0), "a(1 - a) is the slope of the sigmoid; that of tanh is 1 - A^2."),
        ((right["A"] * (1 - A)).sum(0), "the slope of tanh is 1 - A^2: the square is missing."),
        ((right["A"] * (1 - torch.tanh(A) ** 2)).sum(0), "tanh was taken twice: A is tanh(Z) already, its slope is 1 - A^2."),
        (G_Z, "the bias is shared by all rows: sum over them."),
    ],
    "W": [
        (X.T @ right["A"], "the slope of tanh is missing: multiply G_A by 1 - A^2."),
        (right["W"].T, "transposed: a gradient has the shape of its parameter."),
    ],
    "E": [
        (overwritten, "a word that occurs twice got only one of its pieces: gradients add up. Use index_add_."),
        (lambda got: torch.equal(got, torch.zeros(6, 2)), "nothing arrived in E: index_add_ works in place on the tensor that you return."),
        (turned, "G_X was cut the wrong way: its first d numbers belong to the first word of the window, view(B, k, d)."),
        (flipped, "the pieces went to the wrong words: piece i belongs to word i of the window."),
        (lambda got: tuple(got.shape) in [(2, 6), (2, 3, 2), (6, 2)] and got.shape != (6, 2), "this is G_X; add its pieces to the rows of the words in E."),
        (
            torch.zeros(6, 2).index_add_(0, idx.flatten(), (right["A"] @ network["W"].T).view(-1, 2)),
            "the slope of tanh is missing: G_X comes from G_Z, not from G_A.",
        ),
        (right["E"] / torch.bincount(idx.flatten(), minlength=6).clamp(min=1)[:, None], "a word that occurs twice gets the sum of its pieces, not the mean."),
    ],
}
found = output_gradients(idx, targets, network)
check.that(
    isinstance(found, dict) and sorted(found) == sorted(network),
    "Return a dict with the keys E, W, b, U and c, the gradients of the parameters of these names.",
)
for name, what in [("c", "output bias"), ("U", "output layer"), ("b", "hidden bias"), ("W", "hidden layer"), ("E", "embeddings")]:
    check.equal(found[name], right[name], name=f"the gradient of {name}, the {what}", causes=causes[name], atol=1e-5)
### BEGIN HIDDEN TESTS
batches = torch.Generator().manual_seed(10)
for size, k, d, hidden, batch in [(2, 1, 1, 1, 1), (4, 2, 3, 5, 7), (9, 4, 2, 3, 5), (20, 6, 4, 8, 32)]:
    many = a_network(size, k, d, hidden, seed=size)
    windows = torch.randint(size, (batch, k), generator=batches)
    came = torch.randint(size, (batch,), generator=batches)
    expected, _ = by_autograd(windows, came, many)
    answer = output_gradients(windows, came, many)
    for name in many:
        check.equal(answer[name], expected[name], name=f"gradient of {name}, V = {size}, k = {k}, B = {batch}", atol=1e-5)
loud = {name: 100 * value for name, value in a_network(5, 2, 2, 3, seed=11).items()}
expected, _ = by_autograd(torch.tensor([[0, 1], [2, 2]]), torch.tensor([4, 3]), loud)
answer = output_gradients(torch.tensor([[0, 1], [2, 2]]), torch.tensor([4, 3]), loud)
for name in loud:
    check.equal(answer[name], expected[name], name=f"gradient of {name}, weights x100", atol=1e-4)
left = check.after(output_gradients, idx, targets, network).arguments[2]
check.equal(left, network, name="the parameters after the call")
check.equal(output_gradients(idx, targets, network)["E"][[3, 5]], torch.zeros(2, 2), name="rows of words that are in no window")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: enough to learn
#
# These few lines are all that learning needs. Here your gradients train a model on four sentences: 300 times, each parameter takes a step against its gradient.

# %% experiment
story = ["the cat sleeps", "the dog barks", "the dog sleeps here", "a cat sleeps"]
story_tokenizer = WordTokenizer.train([line.split() for line in story])
story_windows, story_targets = make_windows([story_tokenizer.encode(line + "\n") for line in story], 2)
torch.manual_seed(0)
story_model = FeedForwardLM(len(story_tokenizer), 2, 4, 8)
by_hand = {name: value.clone() for name, value in story_model.state_dict().items()}
story_losses = []
for _ in range(300):
    story_model.load_state_dict(by_hand)
    story_losses.append(float(story_model(story_windows, story_targets)[1].detach()))
    for name, gradient in output_gradients(story_windows, story_targets, by_hand).items():
        by_hand[name] -= 0.5 * gradient

known = {}
for window, target in zip(map(tuple, story_windows.tolist()), story_targets.tolist()):
    known.setdefault(window, []).append(target)
best_story_loss = -sum(math.log(came.count(t) / len(came)) for came in known.values() for t in came) / len(story_targets)
plots.lines(
    list(range(300)),
    {"loss": story_losses},
    floor=("best possible", best_story_loss),
    title="Gradients made by hand take the loss down to its limit",
    x_label="step",
    y_label="loss on four sentences (nats)",
    alt="The loss falls from 2.08, the logarithm of 8 words, within 300 steps close to the dotted line of the best possible loss.",
)

# %% [markdown]
# The dotted line is what a table of maximum likelihood would reach: where two sentences go on differently after the same words, no model can know which it will be.

# %% [markdown]
# ## 8 Training
#
# From now on PyTorch computes the gradients: `loss.backward()` goes through the same steps that you went, and **adds** what it finds to the `.grad` of each parameter. *Adds*, so that
# the gradients of several batches can be collected before one step. (That a row of $E$ used in several places gets the sum of its parts is the chain rule, as in section 7.) Nobody clears `.grad` but you: without `optimizer.zero_grad()`, each step would use the sum of all gradients since the beginning.
#
# ### Exercise 8: one training step
#
# Do one step: clear the old gradients, compute the loss, go backwards, let the optimiser change the weights.
#
# <details><summary>Hint 1: which four calls, in which order?</summary>
#
# `optimizer.zero_grad()`, `model(idx, targets)`, `loss.backward()`, `optimizer.step()`.
# </details>
#
# <details><summary>Hint 2: how does a tensor become a float?</summary>
#
# `loss.item()`. A tensor would keep the whole computation in memory that led to it.
# </details>
#
# <details><summary>My loss falls at first, and then jumps about. What is wrong?</summary>
#
# Old gradients that are still there act like a runaway momentum: each step goes on in the sum of all directions so far. Look for `zero_grad`, and that it comes before `backward`.
# </details>

# %% exercise="train_step" minutes=6 difficulty=1
def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor) -> float:
    """Change the model's weights once, by the gradients of this batch alone; return the loss before the change.

    model      called as model(idx, targets), it returns logits and loss
    optimizer  over the parameters of the model, which may still hold gradients of an earlier step

    >>> model = FeedForwardLM(8, 2, 4, 8)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    >>> idx, targets = torch.tensor([[0, 5]]), torch.tensor([3])
    >>> train_step(model, optimizer, idx, targets) > train_step(model, optimizer, idx, targets)
    True
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    _, loss = model(idx, targets)
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% test="train_step" points=4
from nextword.models import FeedForward


def used_model(seed=12):
    """A model that has gradients left over from an earlier step, an optimiser, and a batch."""
    torch.manual_seed(seed)
    model = FeedForward(5, context=2, embedding_dim=3, hidden_dim=4)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    batch = torch.randint(5, (6, 3)), torch.randint(5, (6, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.2), *batch


def state_after(*steps, seed=12):
    """The weights after doing these things in this order, and the loss that was computed last."""
    model, optimizer, idx, targets = used_model(seed)
    last = None
    for step in steps:
        if step == "zero":
            optimizer.zero_grad()
        elif step == "forward":
            last = model(idx, targets)[1]
        elif step == "backward":
            last.backward()
        else:
            optimizer.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}, float(last.detach())


want_state, want_loss = state_after("zero", "forward", "backward", "step")
try:
    done = check.after(train_step, *used_model())
except RuntimeError as error:
    check.that("modified by an inplace operation" not in str(error), "The weights were changed before the gradients were computed: first backward, then step.")
    raise
check.equal(
    done.arguments[0]["state"],
    want_state,
    name="the weights after a step",
    atol=1e-5,
    causes=[
        (state_after("forward", "backward", "step")[0], "zero_grad was forgotten: gradients of an earlier step were added to these."),
        (state_after("forward", "backward")[0], "the weights have not changed: optimizer.step() is missing."),
        (state_after("forward", "step")[0], "the step was taken with gradients of an earlier step: first backward, then step."),
        (state_after("zero", "forward", "backward", "step", "step")[0], "two steps were taken; take one."),
        (state_after("zero", "forward", "backward", "step", "zero", "forward", "backward", "step")[0], "two steps were taken; take one."),
    ],
)
check.that(
    isinstance(done.result, float) and not isinstance(done.result, np.generic),
    "Return the loss as a plain float: loss.item(). A tensor keeps the whole computation in memory that led to it.",
)
check.equal(
    done.result,
    want_loss,
    name="the loss that is returned",
    atol=1e-5,
    causes=[
        (state_after("zero", "forward", "backward", "step", "forward")[1], "this is the loss after the step; return the one that the step was taken with."),
        (6 * want_loss, "return the loss as the model gives it, the mean."),
    ],
)
### BEGIN HIDDEN TESTS
for seed in [13, 14]:
    want_state, want_loss = state_after("zero", "forward", "backward", "step", seed=seed)
    done = check.after(train_step, *used_model(seed))
    check.equal(done.arguments[0]["state"], want_state, name=f"the weights after a step, seed {seed}", atol=1e-5)
    check.equal(done.result, want_loss, name=f"the loss, seed {seed}", atol=1e-5)
frozen, _, windows, came = used_model(15)
frozen.head.weight.requires_grad_(False)
frozen.head.weight.grad = None
kept = frozen.head.weight.detach().clone()
trained = [parameter for parameter in frozen.parameters() if parameter.requires_grad]
done = check.after(train_step, frozen, torch.optim.Adam(trained, lr=0.1), windows, came)
check.equal(done.arguments[0]["state"]["head.weight"], kept, name="a frozen parameter")
check.that(not torch.equal(done.arguments[0]["state"]["head.bias"], frozen.head.bias), "the other parameters are trained")
check.equal(done.arguments[2]["value"], windows, name="the batch after the step")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: your step, again and again
#
# A hundred steps on the village with the plain descent of the last section (SGD), and a hundred with Adam (Kingma and Ba 2015), which gives each parameter a step size of its own.

# %% experiment
some_windows_of_village = make_windows([tokenizer.encode_sentence(spoken) for spoken in village.train[:3000]], 4)


def hundred_steps(make_optimizer):
    torch.manual_seed(1)
    learner = FeedForwardLM(V, 4, 32, 64)
    optimizer = make_optimizer(learner.parameters())
    losses = []
    for _ in range(100):
        rows = torch.randint(len(some_windows_of_village[1]), (128,))
        losses.append(train_step(learner, optimizer, *(part[rows] for part in some_windows_of_village)))
    return losses


first_hundred = {
    "SGD": hundred_steps(lambda parameters: torch.optim.SGD(parameters, lr=0.5)),
    "Adam": hundred_steps(lambda parameters: torch.optim.Adam(parameters, lr=0.01)),
}
plots.lines(
    list(range(100)),
    first_hundred,
    title="Both begin at ln V = 7.7; Adam's own step size for each weight pays at once",
    x_label="step",
    y_label="loss of the batch (nats)",
    alt="Loss against steps for SGD and Adam. Both begin at 7.7; Adam falls faster.",
)

# %% [markdown]
# The rest is patience, and `nextword.training.train` has it: it takes such steps with batch after batch, lets the step size rise and fall, measures on held-out text now and then, keeps the best weights, and shows its progress. It trains your class.
#
# ### Experiment: how large a window?
#
# Four networks with windows of different size, all trained for 900 steps, beside Kneser-Ney models that see as many words. Where would you expect more context to stop paying?

# %% experiment
def windows_of(sentences, k):
    contexts, targets = make_windows([tokenizer.encode_sentence(spoken) for spoken in sentences], k)
    return Batches(contexts, targets, n_characters(sentences))


def trained_model(k, embedding_dim, hidden_dim, steps, evaluations):
    torch.manual_seed(3)
    model = FeedForwardLM(V, k, embedding_dim, hidden_dim)
    history = train(
        model,
        windows_of(village.train, k),
        valid=windows_of(village.valid, k),
        steps=steps,
        evaluate_every=steps // evaluations,
        batch_size=256,
        learning_rate=0.01,
        weight_decay=0.1,
        label=f"k = {k}",
    )
    return model, history


@cache
def long_run(model_class):
    return trained_model(3, 64, 64, steps=2000, evaluations=10)  # once, and again when you change your class


def trained_network():
    return long_run(FeedForwardLM)[0]


def by_counting(k):
    model = KneserNey(village.train, k + 1, tokenizer.vocabulary)
    return -model.log_probabilities(village.valid).sum() / math.log(2) / n_characters(village.valid)


# %% experiment
sizes = [1, 2, 3, 5]
networks_by_size = [trained_model(k, 32, 64, steps=900, evaluations=3)[1].best for k in sizes]
counting_by_size = [by_counting(k) for k in sizes]
plots.lines(
    sizes,
    {"Kneser-Ney": counting_by_size, "network": networks_by_size},
    title="From two words of context on, the network is ahead",
    x_label="k, words of context",
    y_label="bits per character, held-out text",
    alt="Held-out bits per character against the words of context. Kneser-Ney and the network are equal at one word; at two to five the network is lower. Both are best at three.",
)

# %% [markdown]
# With one word of context both are bigram models, and there is little to choose between them. With more, the network pulls ahead. Both stop gaining at about three words, for different reasons: most longer windows are new to the table, and the
# network has more weights to learn from the same text.
#
# ### Experiment: the long run
#
# So we take $k = 3$, as many words as Kneser-Ney with $n = 4$ sees, with longer vectors and more steps. How many steps until the network passes the best counter?

# %% experiment
plots.training(
    {"network": long_run(FeedForwardLM)[1]},
    against="steps",
    floor=("Kneser-Ney", by_counting(3)),
    title="Within a few hundred steps the network passes Kneser-Ney",
)

# %% [markdown]
# The dashed line is the loss on the training text. Look at the gap that opens between the two: a network, too, knows its training text better than new text. `train` keeps the weights with the lowest loss on held-out text.

# %% [markdown]
# ## 9 What it understood
#
# Back to the beginning. On which words does the network win? Split all predictions on the test text by whether the last three words, context and target, occur together in the training text.

# %% experiment
def in_bits(model, sentences):
    """The surprise of every word and end of the sentences under the network, one after the other."""
    contexts, targets = make_windows([tokenizer.encode_sentence(spoken) for spoken in sentences], 3)
    device = next(model.parameters()).device
    with torch.no_grad():
        logits, _ = model(contexts.to(device))
    nats = F.cross_entropy(logits, targets.to(device), reduction="none")
    return nats.cpu().numpy() / math.log(2)


def in_bits_by_counting(sentences):
    return -np.concatenate(counting.word_log_probabilities(sentences)) / math.log(2)


def trigrams_of(spoken):
    padded = ["<s>", "<s>", *spoken, "</s>"]
    return list(zip(padded, padded[1:], padded[2:]))


seen_trigrams = {trigram for spoken in village.train for trigram in trigrams_of(spoken)}
is_new = np.array([trigram not in seen_trigrams for spoken in village.test for trigram in trigrams_of(spoken)])
network_bits, counting_bits = in_bits(trained_network(), village.test), in_bits_by_counting(village.test)
surprise_by_kind = {
    "seen: Kneser-Ney": counting_bits[~is_new].mean(),
    "seen: network": network_bits[~is_new].mean(),
    "new: Kneser-Ney": counting_bits[is_new].mean(),
    "new: network": network_bits[is_new].mean(),
}
print(f"{is_new.mean():.0%} of the trigrams of the test text are new.")
plots.bars(
    surprise_by_kind,
    highlight=["seen: network", "new: network"],
    title="The network's lead comes from trigrams that were never seen",
    x_label="mean surprise (bits per word)",
)

# %% [markdown]
# Counting remembers what it has seen, and does it well. On what is new it has to fall back to shorter contexts, while the network computes with vectors, and a new combination of known words is nothing special to it.
#
# ### Experiment: a sofa is a couch
#
# Now the pairs that never share a trigram. Take all held-out and test sentences with one of these words, and replace it by its twin. Every trigram with the new word is unseen, and there is no true probability to compare
# with: the village would not say these sentences. But a model that knows that the two words mean the same should not find them much stranger than before.

# %% experiment
twins = {a: b for pair in village.source.synonyms for a, b in (pair, pair[::-1])}
as_spoken = [spoken for spoken in village.valid + village.test if twins.keys() & set(spoken)]
swapped = [[twins.get(word, word) for word in spoken] for spoken in as_spoken]
print(f"{len(swapped)} sentences, mean surprise in bits     Kneser-Ney   network")
for name, sentences in [("as spoken", as_spoken), ("with the twin", swapped)]:
    by_table, by_network = in_bits_by_counting(sentences).sum(), in_bits(trained_network(), sentences).sum()
    print(f"    whole sentence, {name:20}   {by_table / len(swapped):10.1f}{by_network / len(swapped):10.1f}")

twin_places = np.flatnonzero([word in twins for spoken in swapped for word in [*spoken, "</s>"]])
twin_bits = {}
for name, distance in [("the twin itself", 0), ("the word after it", 1), ("the place, three words on", 3)]:
    twin_bits[name] = in_bits_by_counting(swapped)[twin_places + distance], in_bits(trained_network(), swapped)[twin_places + distance]
    by_table, by_network = twin_bits[name]
    print(f"    {name:36}   {by_table.mean():10.1f}{by_network.mean():10.1f}   network ahead in {(by_network < by_table).mean():.0%}")

# %% [markdown]
# On the sentences as they were spoken, the two are not far apart. Replace one word by its twin, and the table is lost, while the network is hardly more surprised than before. Here is the sentence from the beginning.

# %% experiment
plots.heat_map(
    np.stack([in_bits_by_counting([swapped_sentence]), in_bits(trained_network(), [swapped_sentence])]),
    ["Kneser-Ney", "network"],
    [*swapped_sentence, "</s>"],
    title="Where the table is lost, the network still follows",
    alt="Surprise in bits for each word of 'nina moved her sofa under the window', Kneser-Ney above, the network below. At sofa, under and window Kneser-Ney is far more surprised.",
)

# %% [markdown]
# Nobody told the network that a sofa is a couch. It learned from *moved* to expect either, and it learned from either to expect a window. Where is that knowledge? Compare the columns of $U$, the vectors by which words are *predicted*, and the rows of $E$, by which they are *read*. The figure shows, for $U$, the cosine of the angle between the
# vectors of each first word (rows) and each second word (columns): 1 for the same direction, 0 for a right angle.

# %% experiment
ids_of = {word: i for i, word in enumerate(tokenizer.vocabulary)}
firsts, seconds = zip(*village.source.synonyms)
first_ids, second_ids = [ids_of[word] for word in firsts], [ids_of[word] for word in seconds]


def directions(vectors):
    """The vectors of all words, one in each row, seen from their centre and scaled to length 1."""
    vectors = vectors.detach().cpu()
    return F.normalize(vectors - vectors.mean(0), dim=1)


def ranks_of_twins(vectors):
    """For each first word: 1 if of all other words its twin has the nearest vector, 2 if one is nearer, and so on."""
    cosines = directions(vectors)[first_ids] @ directions(vectors).T
    cosines[range(len(firsts)), first_ids] = -2
    return [int((row > row[twin]).sum()) + 1 for row, twin in zip(cosines, second_ids)]


for name, vectors in [("predicted (U)", trained_network().U.T), ("read (E)", trained_network().E)]:
    ranks = ranks_of_twins(vectors)
    print(f"As words that are {name:14} the nearest of all {V:,} words is the twin for {ranks.count(1):2} of {len(firsts)}.")
plots.heat_map(
    directions(trained_network().U.T)[first_ids] @ directions(trained_network().U.T)[second_ids].T,
    firsts,
    seconds,
    title="The network has found the synonyms: the diagonal stands out",
    alt="Cosines between the output vectors of twelve words and their twelve synonyms. The diagonal, each word with its own synonym, is far darker than the rest.",
)

# %% [markdown]
# Only the way words are used could tell the network that, and it told it twice. In $U$ the twins are neighbours because both are *predicted* in the same company, after *moved* and *lifted*. In $E$ they are neighbours because, when they are *read*, the same places
# follow at a distance, although the words right beside them differ. No table of trigrams can add up such evidence, since for it each context is a case of its own.
#
# ### The ladder
#
# One more rung on the test text. The pale bars are from notebook 01.

# %% experiment
final_network, history = long_run(FeedForwardLM)
nats = score(final_network, windows_of(village.test, 3))
ladder.record("Feed-forward", nats=nats, characters=n_characters(village.test), notebook="03", seconds=history.seconds[-1])
ladder.chart()

# %% [markdown] question="sharing" points=3 minutes=5
# **Question 2.** (a) Explain in two or three sentences how reading *mary moved the sofa* can make *moved her couch* more likely in the network, although *couch* does not occur in it. (b) Section 9 begins with seen and new
# trigrams. Where they were seen, Kneser-Ney is as good as the network. Suggest a way to get the best of both, and say how you would choose its settings. (c) The village says *the shelves that mary liked this year were*.
# Why does a larger $k$ help a feed-forward network here only up to a point, and what would a better model need?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) The gradient of that sentence changes weights which many predictions share: the row of "moved" in E, W, and the hidden units that lead to the words used after "moved". As couch has an output
# vector like that of sofa (it is predicted in the same company), whatever raises the logit of sofa raises that of couch. Credit for: shared parameters or similar vectors, so that a change for one word is a change for similar words. (b) Mix them:
# p = w * p_network + (1 - w) * p_Kneser-Ney, w chosen on held-out text, not on the test text (half a point without the held-out text); or let w depend on how often the context was seen. (c) The window always ends somewhere, the
# distance does not; each further word adds d * H weights and more rare positions to be learned from the same text, since W has separate rows for each position. Needed: a memory or a way to look back that does not depend on a fixed window.
# ### END MARK SCHEME

# %% [markdown] question="gradients" points=3 minutes=4
# **Question 3.** (a) In a batch of 256 windows with $k = 4$, how many rows of the gradient of $E$ can be different from 0, and which? What does that mean for rare words? (b) Can a row of the gradient of the logits be all zero? When is it nearly so, and why is that what you want?
# (c) A friend's loss is half of yours on the same text, with nearly the same code. It turns out that the friend's windows contain the target. Why does the loss not become 0 at once, and how could a test have found this?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) At most 256 * 4 = 1,024, the rows of the words in the batch's contexts (each word once). Rare words are in few batches, so their rows change seldom and stay close to their random start. (b) It is p - y (over B), zero only if p is 1 for the target, which
# softmax never quite reaches; nearly zero when the model is almost sure and right: then there is nothing to learn, and the weights stay. (c) The model still has to learn which position to copy, and to
# copy through a narrow hidden layer. Tests: change the last word of the text and see whether the logits for it change; check make_windows on a small example by hand; be suspicious of a loss below the floor.
# ### END MARK SCHEME

# %% [markdown]
# ## What to remember
#
# - An embedding is a row of a table, and looking it up is a product with a one-hot vector. The rows are learned with everything else.
# - Softmax and cross-entropy are computed from logits, with the maximum subtracted. A new model's loss is $\ln V$.
# - The gradient of the logits is *what you said minus what came*. The rest is the chain rule; gradients of shared weights add up.
# - `zero_grad`, forward, `backward`, `step`.
# - A network generalises because similar words have similar vectors and all predictions share the same weights. It pays where counts are zero.
# - What it can't do: look beyond its window. The next notebook gives it a memory.
#
# ## Further reading
#
# - Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin (2003), *A Neural Probabilistic Language Model*, Journal of Machine Learning Research 3, 1137-1155. The model of this notebook; perplexities 24% and 8% below those of the best n-gram
#   models on two corpora.
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), *Learning representations by back-propagating errors*, Nature 323, 533-536.
# - G. E. Hinton (1986), *Learning distributed representations of concepts*, Proceedings of the 8th Annual Conference of the Cognitive Science Society, 1-12. A small network that discovers what people in two family trees have in common.
# - D. P. Kingma, J. Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR.
# - F. Morin, Y. Bengio (2005), *Hierarchical Probabilistic Neural Network Language Model*, AISTATS. The output layer is the costly one; here is a way around it.
# - Y. Goldberg (2017), *Neural Network Methods for Natural Language Processing*, Morgan & Claypool, chapters 8 and 9.

# %% submit
hand_in(
    "03_feed_forward",
    "embed_one_hot",
    "make_windows",
    "softmax",
    "cross_entropy",
    "FeedForwardLM",
    "logit_gradients",
    "output_gradients",
    "train_step",
)
